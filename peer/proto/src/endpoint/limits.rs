//! What strangers may cost: half-open SAs by source, and error replies by second.

use std::collections::BTreeMap;

use core::net::IpAddr;
use core::time::Duration;

use crate::io::prefix_of;
use crate::time::Time;

/// How many half-open IKE SAs there are, in all and by source.
#[derive(Debug, Default)]
pub(crate) struct HalfOpen {
    by_source: BTreeMap<IpAddr, usize>,
    total: usize,
}

impl HalfOpen {
    pub(crate) fn total(&self) -> usize {
        self.total
    }

    /// How many there are of this address, or of its /64.
    pub(crate) fn of(&self, source: IpAddr) -> usize {
        self.by_source.get(&prefix_of(source)).copied().unwrap_or(0)
    }

    pub(crate) fn add(&mut self, source: IpAddr) {
        *self.by_source.entry(prefix_of(source)).or_insert(0) += 1;
        self.total += 1;
    }

    pub(crate) fn remove(&mut self, source: IpAddr) {
        let source = prefix_of(source);
        if let Some(count) = self.by_source.get_mut(&source) {
            *count -= 1;
            self.total = self.total.saturating_sub(1);
            if *count == 0 {
                self.by_source.remove(&source);
            }
        }
    }
}

/// A bound on unprotected error replies.
#[derive(Debug, Default)]
pub(crate) struct ErrorReplies {
    since: Time,
    sent: u32,
}

impl ErrorReplies {
    /// Whether one more may be sent.
    pub(crate) fn allow(&mut self, now: Time, per_second: u32) -> bool {
        if now.since(self.since) >= Duration::from_secs(1) {
            (self.since, self.sent) = (now, 0);
        }
        if self.sent >= per_second {
            return false;
        }
        self.sent += 1;
        true
    }
}
