//! Counters of an SA and the limits they are held against.

use serde::{Deserialize, Serialize};

use super::DropKind;

/// A number of packets and a number of octets, whichever is reached first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Packets.
    pub packets: u64,
    /// Octets of inner packets.
    pub bytes: u64,
}

impl Budget {
    /// Without end.
    pub const UNLIMITED: Self = Self { packets: u64::MAX, bytes: u64::MAX };

    /// Whether `counters` have used it up.
    pub const fn is_spent(&self, counters: &Counters) -> bool {
        counters.packets >= self.packets || counters.bytes >= self.bytes
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::UNLIMITED
    }
}

/// When to rekey an SA and when to stop using it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Reported once when it is spent: time to rekey.
    pub soft: Budget,
    /// Nothing passes once it is spent.
    pub hard: Budget,
}

/// What passed through an SA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sealed, or opened and passed on.
    pub packets: u64,
    /// Octets of the inner packets.
    pub bytes: u64,
}

impl Counters {
    pub(super) fn count(&mut self, inner_len: usize) {
        self.packets += 1;
        self.bytes = self.bytes.saturating_add(inner_len as u64);
    }
}

/// What was dropped, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DropCounts([u64; DropKind::ALL.len()]);

impl DropCounts {
    /// The number of packets dropped for `kind`.
    pub fn get(&self, kind: DropKind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }

    /// Every reason that occurred, with its number of packets.
    pub fn iter(&self) -> impl Iterator<Item = (DropKind, u64)> + '_ {
        DropKind::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// The number of packets dropped for any reason.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, kind: DropKind) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += 1;
        }
    }
}
