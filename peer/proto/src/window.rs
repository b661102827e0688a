//! What waits for an answer and is repeated, and the answer that is kept: both versions do so alike. In IKEv2
//! these are requests and responses (RFC 7296 §2.1 to §2.3), with a window of one message each way; in IKEv1
//! any message that another one has to follow (RFC 2408, section 5.1).

use core::time::Duration;

use crate::config::Timers;
use crate::endpoint::context::{Context, Envelope};
use crate::event::Event;
use crate::io::{Deadline, IkeHandle, Path, TimerReason};
use crate::time::{Time, percent};
use crate::wire::ExchangeType;

/// A request that waits for its response.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) message_id: u32,
    pub(crate) exchange: ExchangeType,
    /// The message, bit by bit as it is repeated; empty if a fault withheld it.
    pub(crate) bytes: Vec<u8>,
    schedule: Schedule,
    due: Time,
    wait: Duration,
    attempt: u32,
}

/// When a request is repeated, and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    /// From the request to its first repetition.
    pub(crate) first: Duration,
    /// By which each further wait grows.
    pub(crate) growth_percent: u32,
    /// How often it is repeated.
    pub(crate) tries: u32,
}

impl Schedule {
    /// The schedule of ordinary requests.
    pub(crate) fn ordinary(timers: &Timers) -> Self {
        Self {
            first: timers.retransmit,
            growth_percent: timers.retransmit_growth_percent,
            tries: timers.retransmit_tries,
        }
    }
}

/// What a request's timer asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// It is not time yet.
    Not,
    /// Repeat the request; this is the number of the repetition.
    Repeat(u32),
    /// The peer does not answer.
    GiveUp,
}

impl Pending {
    /// Sends a request and starts its timer. Where a fault withholds it, so that `bytes` is empty, only
    /// the timer runs.
    pub(crate) fn send(
        cx: &mut Context,
        now: Time,
        path: Path,
        envelope: &Envelope,
        bytes: Vec<u8>,
        schedule: Schedule,
    ) -> Self {
        cx.transmit(path, &bytes);
        Self::new(now, envelope.message_id, envelope.exchange, bytes, schedule)
    }

    fn new(
        now: Time,
        message_id: u32,
        exchange: ExchangeType,
        bytes: Vec<u8>,
        schedule: Schedule,
    ) -> Self {
        let (wait, due) = (schedule.first, now + schedule.first);
        Self { message_id, exchange, bytes, schedule, due, wait, attempt: 0 }
    }

    /// When the timer fires next.
    pub(crate) fn deadline(&self) -> Deadline {
        Deadline { at: self.due, reason: TimerReason::Retransmit }
    }

    /// Repeats the request if its time has come, or says that the time is over.
    pub(crate) fn timeout(
        &mut self,
        path: Path,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Due {
        let due = self.poll(now);
        if let Due::Repeat(attempt) = due {
            cx.transmit(path, &self.bytes);
            let (exchange, message_id) = (self.exchange, self.message_id);
            cx.event(Event::Retransmitted { ike, exchange, message_id, response: false, attempt });
        }
        due
    }

    /// Lets the request be repeated at most so often from now on.
    pub(crate) fn limit(&mut self, tries: u32) {
        self.schedule.tries = self.schedule.tries.min(self.attempt.saturating_add(tries));
    }

    /// What to do at `now`; a repetition moves the timer on.
    fn poll(&mut self, now: Time) -> Due {
        if now < self.due {
            return Due::Not;
        }
        if self.attempt >= self.schedule.tries {
            return Due::GiveUp;
        }
        self.attempt += 1;
        self.wait = grown(self.wait, self.schedule.growth_percent);
        self.due = now + self.wait;
        Due::Repeat(self.attempt)
    }
}

/// What a wait grows to. It is never so short that its timer would fire for ever at one time.
pub(crate) fn grown(wait: Duration, growth_percent: u32) -> Duration {
    percent(wait, growth_percent).max(SHORTEST_WAIT)
}

const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// The last request that was answered, and the answer, for its repetitions.
#[derive(Debug, Default)]
pub(crate) struct Answered {
    request: Vec<u8>,
    response: Vec<u8>,
    repeated: u32,
}

impl Answered {
    pub(crate) fn new(request: &[u8], response: Vec<u8>) -> Self {
        Self { request: request.to_vec(), response, repeated: 0 }
    }

    /// The answer, and which repetition it is, if `request` is the same octet by octet
    /// (RFC 7296 §2.1).
    pub(crate) fn repeat(&mut self, request: &[u8]) -> Option<(&[u8], u32)> {
        if self.request.is_empty() || self.request != request {
            return None;
        }
        self.again()
    }

    /// The answer once more, unasked, and which repetition it is; none if it is empty.
    pub(crate) fn again(&mut self) -> Option<(&[u8], u32)> {
        self.repeated = self.repeated.saturating_add(1);
        (!self.response.is_empty()).then_some((&self.response, self.repeated))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_start(Duration::from_millis(millis))
    }

    #[test]
    fn repetitions_come_at_growing_intervals_and_end() {
        let schedule =
            Schedule { first: Duration::from_millis(1000), growth_percent: 200, tries: 2 };
        let mut pending = Pending::new(at(0), 0, ExchangeType::IKE_SA_INIT, vec![1], schedule);
        assert_eq!(pending.poll(at(999)), Due::Not);
        assert_eq!(pending.poll(at(1000)), Due::Repeat(1));
        assert_eq!(pending.deadline().at, at(3000));
        assert_eq!(pending.poll(at(3000)), Due::Repeat(2));
        assert_eq!(pending.poll(at(7000)), Due::GiveUp);
    }

    #[test]
    fn a_wait_may_grow_beyond_all_bounds() {
        let schedule =
            Schedule { first: Duration::ZERO, growth_percent: u32::MAX, tries: u32::MAX };
        let mut pending = Pending::new(at(0), 0, ExchangeType::IKE_SA_INIT, vec![1], schedule);
        pending.wait = Duration::MAX;
        assert_eq!(pending.poll(at(0)), Due::Repeat(1));
        assert_eq!(pending.poll(at(u64::MAX)), Due::Not);
    }

    #[test]
    fn a_limit_counts_from_now_and_adds_nothing() {
        let schedule =
            Schedule { first: Duration::from_millis(1000), growth_percent: 100, tries: 3 };
        let mut pending = Pending::new(at(0), 0, ExchangeType::IKE_SA_INIT, vec![1], schedule);
        assert_eq!(pending.poll(at(1000)), Due::Repeat(1));
        pending.limit(7);
        pending.limit(1);
        assert_eq!(pending.poll(at(2000)), Due::Repeat(2));
        assert_eq!(pending.poll(at(3000)), Due::GiveUp);
    }

    #[test]
    fn only_the_same_request_gets_the_same_answer() {
        let mut answered = Answered::new(b"request", b"response".to_vec());
        assert_eq!(answered.repeat(b"request"), Some((&b"response"[..], 1)));
        assert_eq!(answered.repeat(b"Request"), None);
        assert_eq!(Answered::default().repeat(b""), None);
    }
}
