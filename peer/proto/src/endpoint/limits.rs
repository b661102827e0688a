//! What strangers may cost: half-open SAs by source, error replies by second, and the last answers of
//! SAs that are no more.

use std::collections::{BTreeMap, VecDeque};

use core::net::IpAddr;
use core::time::Duration;

use crate::io::{IkeHandle, prefix_of};
use crate::time::Time;
use crate::window::Answered;
use crate::wire::IkeSpi;

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

/// How many last answers are kept.
const MAX_LINGERING: usize = 256;

/// The last answers of IKE SAs that have ended with them, by the own SPI. Each is kept for a while, and
/// the oldest makes room.
#[derive(Debug, Default)]
pub(crate) struct Lingering(VecDeque<Last>);

#[derive(Debug)]
struct Last {
    own: IkeSpi,
    ike: IkeHandle,
    until: Time,
    answered: Answered,
}

impl Lingering {
    pub(crate) fn keep(&mut self, own: IkeSpi, ike: IkeHandle, until: Time, answered: Answered) {
        if self.0.len() >= MAX_LINGERING {
            self.0.pop_front();
        }
        self.0.push_back(Last { own, ike, until, answered });
    }

    /// The answer to a request for the SA that had this SPI, and which repetition it is.
    pub(crate) fn repeat(
        &mut self,
        now: Time,
        own: IkeSpi,
        request: &[u8],
    ) -> Option<(IkeHandle, Vec<u8>, u32)> {
        self.0.retain(|last| now < last.until);
        let last = self.0.iter_mut().find(|last| last.own == own)?;
        let (response, attempt) = last.answered.repeat(request)?;
        Some((last.ike, response.to_vec(), attempt))
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
