//! What stands between phase 1 and quick mode, and the answers that were given.

use std::collections::VecDeque;

use core::net::Ipv4Addr;
use core::time::Duration;

use crate::event::CloseReason;
use crate::io::{Deadline, TimerReason};
use crate::time::Time;
use crate::v1::outgoing::Sealed;
use crate::window::{Answered, Pending, grown};

/// The transaction exchanges of an ISAKMP SA.
#[derive(Debug, Default)]
pub(in crate::v1) struct Transactions {
    pub(super) stage: Stage,
    answers: VecDeque<Answer>,
    /// How often the own user was asked to log in.
    pub(super) logins: u32,
}

/// What is awaited.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing: quick mode may begin.
    #[default]
    Over,
    /// The login of the peer's user.
    AskLogin { asked: Asked, attempt: u32 },
    /// That the peer has got to know whether the login was right.
    TellStatus { asked: Asked, right: bool },
    /// That the peer takes an address.
    PushAddress { asked: Asked, address: Ipv4Addr },
    /// That the peer asks for a login, or says what came of it. Until then the third message of aggressive
    /// mode may be lost, so it is sent again after growing waits.
    AwaitLogin { until: Time, again: Time, wait: Duration },
    /// An address that was asked for.
    PullAddress(Asked),
    /// An address that the peer gives by itself.
    AwaitAddress { until: Time },
    /// That the peer has read an ACK of ours before more comes: of two datagrams that arrive at once, those
    /// peers that have several threads may read the second one first, and it is too early for them then.
    Acknowledged { until: Time, next: Next },
    /// That the peer deletes the SA, as the login was wrong.
    Refused { until: Time },
}

/// What follows an ACK.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// An address is asked for, if one is wanted; then quick mode.
    Configure,
    /// Quick mode.
    Ask,
}

/// A message that waits for its answer.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) identifier: u16,
    pub(super) pending: Pending,
    /// The vector of the answer.
    pub(super) iv: Vec<u8>,
}

/// A message of the peer with its answer.
#[derive(Debug)]
pub(super) struct Answer {
    message_id: u32,
    pub(super) answered: Answered,
    /// The vector of what comes next under the same message ID.
    pub(super) next_iv: Vec<u8>,
}

impl Transactions {
    /// Whether quick mode may begin.
    pub(in crate::v1) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Whether a login is not decided yet, or was wrong.
    pub(super) fn is_logging_in(&self) -> bool {
        matches!(
            self.stage,
            Stage::AskLogin { .. }
                | Stage::TellStatus { .. }
                | Stage::AwaitLogin { .. }
                | Stage::Refused { .. }
        )
    }

    /// Whether the own login was wrong.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.stage, Stage::Refused { .. })
    }

    /// Whether a message of ours waits for its answer.
    pub(in crate::v1) fn is_waiting(&self) -> bool {
        self.stage.asked().is_some()
    }

    /// Why the SA ends if the peer deletes it now.
    pub(in crate::v1) fn reason_of_delete(&self) -> CloseReason {
        match self.stage {
            Stage::Refused { .. } => CloseReason::AuthenticationFailed,
            _ => CloseReason::DeletedByPeer,
        }
    }

    /// The next timer.
    pub(in crate::v1) fn deadline(&self) -> Option<(Time, TimerReason)> {
        match &self.stage {
            Stage::AwaitLogin { until, again, .. } => {
                Some((*until.min(again), TimerReason::HalfOpen))
            }
            Stage::AwaitAddress { until } | Stage::Refused { until } => {
                Some((*until, TimerReason::HalfOpen))
            }
            Stage::Acknowledged { until, .. } => Some((*until, TimerReason::Acknowledged)),
            stage => stage.asked().map(|asked| {
                let Deadline { at, reason } = asked.pending.deadline();
                (at, reason)
            }),
        }
    }

    /// Keeps an answer.
    pub(super) fn answered(&mut self, message_id: u32, request: &[u8], sealed: Sealed) {
        self.answers.retain(|answer| answer.message_id != message_id);
        if self.answers.len() == MAX_ANSWERS {
            self.answers.pop_front();
        }
        let answered = Answered::new(request, sealed.bytes);
        self.answers.push_back(Answer { message_id, answered, next_iv: sealed.next_iv });
    }

    /// The answer that was given under a message ID.
    pub(super) fn answer_of(&mut self, message_id: u32) -> Option<&mut Answer> {
        self.answers.iter_mut().find(|answer| answer.message_id == message_id)
    }
}

impl Stage {
    /// The message that waits for its answer.
    pub(super) fn asked(&self) -> Option<&Asked> {
        match self {
            Self::AskLogin { asked, .. }
            | Self::TellStatus { asked, .. }
            | Self::PushAddress { asked, .. }
            | Self::PullAddress(asked) => Some(asked),
            _ => None,
        }
    }

    pub(super) fn asked_mut(&mut self) -> Option<&mut Asked> {
        match self {
            Self::AskLogin { asked, .. }
            | Self::TellStatus { asked, .. }
            | Self::PushAddress { asked, .. }
            | Self::PullAddress(asked) => Some(asked),
            _ => None,
        }
    }

    /// Whether it is time to send the third message of aggressive mode again; that moves the timer on.
    pub(super) fn third_message_due(&mut self, now: Time, growth_percent: u32) -> bool {
        match self {
            Self::AwaitLogin { again, wait, .. } if now >= *again => {
                *wait = grown(*wait, growth_percent);
                *again = now + *wait;
                true
            }
            _ => false,
        }
    }
}

/// How many answers are kept for repetitions.
const MAX_ANSWERS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_of_nothing_ends() {
        let (until, now) = (Time::from_start(Duration::MAX), Time::ZERO);
        let mut stage = Stage::AwaitLogin { until, again: now, wait: Duration::ZERO };
        assert!(stage.third_message_due(now, 0));
        assert!(!stage.third_message_due(now, 0));
    }

    #[test]
    fn a_wait_for_the_login_may_grow_beyond_all_bounds() {
        let (until, again) = (Time::from_start(Duration::MAX), Time::ZERO);
        let mut stage = Stage::AwaitLogin { until, again, wait: Duration::MAX };
        assert!(stage.third_message_due(Time::ZERO, 180));
        assert!(!stage.third_message_due(Time::ZERO, 180));
    }
}
