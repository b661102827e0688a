//! Scripted steps: which datagrams to hold, drop, delay or corrupt.
//!
//! A rule matches by what can be read in the clear. The first rule that matches and whose turn it is
//! decides; a held datagram waits until [`super::Middlebox::release`].

use serde::{Deserialize, Serialize};

use super::datagram::{Datagram, Direction, MessageKind};

/// A condition and what to do then. Absent conditions match everything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Direction as seen from the edge.
    #[serde(default)]
    pub direction: Option<Direction>,
    /// What kind of datagram.
    #[serde(default)]
    pub class: Option<Class>,
    /// IKE exchange type (34 is IKE_SA_INIT, 2 is main mode).
    #[serde(default)]
    pub exchange: Option<u8>,
    /// IKE message id, or the sequence number of ESP and AH.
    #[serde(default)]
    pub message_id: Option<u32>,
    /// Only IKEv2 responses, or only requests.
    #[serde(default)]
    pub response: Option<bool>,
    /// Only the nth of the matching datagrams, counted from 1, and those after it as far as `count` goes.
    #[serde(default)]
    pub nth: Option<u32>,
    /// How many datagrams the rule acts on; without it one if `nth` is given, else all.
    #[serde(default)]
    pub count: Option<u32>,
    /// What to do.
    pub action: Action,
}

impl Rule {
    /// A rule without conditions.
    pub const fn new(action: Action) -> Self {
        Self {
            direction: None,
            class: None,
            exchange: None,
            message_id: None,
            response: None,
            nth: None,
            count: None,
            action,
        }
    }

    /// Whether the conditions, counting aside, hold.
    pub(super) fn matches(&self, direction: Direction, datagram: &Datagram) -> bool {
        if self.direction.is_some_and(|wanted| wanted != direction) {
            return false;
        }
        let kind = datagram.kind();
        let (class, exchange, id, response) = match kind {
            MessageKind::Ike(key) => {
                (Class::Ike, Some(key.exchange), Some(key.message_id), Some(key.response))
            }
            MessageKind::Data { sequence, .. } => (Class::Data, None, Some(sequence), None),
            MessageKind::Keepalive => (Class::Keepalive, None, None, None),
            MessageKind::Unreadable => (Class::Unreadable, None, None, None),
        };
        fn holds<T: PartialEq>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        holds(self.class, Some(class))
            && holds(self.exchange, exchange)
            && holds(self.message_id, id)
            && holds(self.response, response)
    }

    /// Whether the rule acts on the `nth` matching datagram, counted from 1.
    pub(super) const fn acts_on(&self, nth: u32) -> bool {
        let (first, count) = match (self.nth, self.count) {
            (Some(first), None) => (first, 1),
            (Some(first), Some(count)) => (first, count),
            (None, Some(count)) => (1, count),
            (None, None) => (1, u32::MAX),
        };
        nth >= first && nth - first < count
    }
}

/// What kind of datagram a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// IKE messages.
    Ike,
    /// ESP and AH.
    Data,
    /// NAT keepalives.
    Keepalive,
    /// Nothing of these.
    Unreadable,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Let it pass untouched by later rules and by loss: an exception in front of a wider rule.
    Pass,
    /// It never arrives.
    Drop,
    /// It waits for a release.
    Hold,
    /// It arrives so many milliseconds later.
    DelayMs(u32),
    /// It arrives, and so many copies at once with it.
    Repeat(u8),
    /// One octet is changed; a negative offset counts from the end (-1 is the last).
    Corrupt {
        /// Which octet of the datagram's bytes.
        octet: i32,
        /// What it is XORed with.
        xor: u8,
    },
    /// Only so many octets arrive.
    Truncate(u16),
}

/// Names a rule that was added, for removing it and releasing what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleId(pub(super) u32);

/// In which order held datagrams go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Release {
    /// As they came.
    #[default]
    InOrder,
    /// The last one first.
    Reversed,
    /// The first one only.
    First,
}
