//! Copies of a message: when they come (RFC 2408, section 5.1).

use core::time::Duration;

use ikeproof_proto::time::Time;

use super::message::Message;
use super::session::Session;
use crate::finding::Report;
use crate::rules;

/// The copies of one datagram.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    /// The vector that it was read with.
    pub(crate) iv: Vec<u8>,
    /// When the last copies came that the other side had not answered in between.
    times: Vec<Time>,
}

/// Gaps of one timer are as equal as this.
const JITTER: Duration = Duration::from_millis(20);
/// The network repeats faster, no timer does.
const SHORTEST: Duration = Duration::from_millis(200);
/// So many copies with one gap between them are no accident.
const ENOUGH: usize = 4;

/// Notes the first copy.
pub(crate) fn first(copies: &mut Copies, message: &Message) {
    copies.times = vec![message.frame.at];
}

/// Judges the time of another copy.
pub(crate) fn judge(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    let [initiator, responder] = session.spoke;
    let other_spoke = if message.by_initiator { responder } else { initiator };
    let digest = super::session::digest(message.frame.by, &message.bytes);
    let Some(copies) = session.seen.get_mut(&digest) else { return };
    // What answers a copy of the other side comes when that does.
    if copies.times.last().is_some_and(|last| other_spoke > *last) {
        copies.times.clear();
    }
    copies.times.push(message.frame.at);
    if copies.times.len() < ENOUGH {
        return;
    }
    report.applies(&[rules::V1_NO_FIXED_TIMER]);
    let gaps: Vec<Duration> =
        copies.times.iter().zip(copies.times.iter().skip(1)).map(|(a, b)| b.since(*a)).collect();
    let (Some(least), Some(most)) = (gaps.iter().min(), gaps.iter().max()) else { return };
    if *least >= SHORTEST && most.abs_diff(*least) <= JITTER {
        let says = format!("{} copies come {} ms after one another", ENOUGH, least.as_millis());
        report.say(rules::V1_NO_FIXED_TIMER, None, says);
        copies.times.clear();
    } else {
        copies.times.remove(0);
    }
}
