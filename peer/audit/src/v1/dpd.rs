//! Dead peer detection (RFC 3706).
//!
//! Each new question adds one to the number, but questions are lost, and overtake one another. So only
//! numbers count that neither explains: one that is far above the newest, one that is far below it, and one
//! below it that comes long after it. The newest may be asked again in another message at any time, since
//! its answer can be lost behind who observes, and so may an older one that the newest has just overtaken.

use core::time::Duration;
use std::collections::VecDeque;

use ikeproof_proto::time::Time;
use ikeproof_proto::wire::ProtocolId;
use ikeproof_proto::wire::v1::num::NotifyKind;
use ikeproof_proto::wire::v1::{DOI_IPSEC, Notify, vendor};

use super::message::{Message, Part};
use super::session::Session;
use crate::finding::Report;
use crate::observed::Frame;
use crate::rules;

/// What is remembered of the questions of both sides: the initiator's and the responder's.
#[derive(Debug, Default)]
pub(crate) struct Probes {
    of: [Asked; 2],
}

/// What one side has asked.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The number of the newest question.
    pub(crate) last: Option<u32>,
    /// When it was asked first.
    since: Time,
    /// The numbers of the newest questions: an answer can be overtaken by the next question.
    recent: VecDeque<u32>,
    /// The number of an older question that came again.
    stale: Option<u32>,
    /// A question with a foreign SPI waits.
    foreign: bool,
    /// How often the question was sent, and the first time; none if it was answered.
    pub(crate) open: Option<(Frame, u32)>,
    /// The other side has sent something else since.
    pub(crate) alive: bool,
}

/// Where a number is that is not the newest one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Above the newest, by no more than can be lost.
    Next,
    /// Above the newest by more.
    TooFar,
    /// Below the newest, by no more than overtake a question.
    Overtaken,
    /// The same, but the newest was there for longer than anything is on its way.
    Late,
    /// Below the newest by more.
    Stale,
}

impl Asked {
    fn place(&self, number: u32, last: u32, now: Time) -> Place {
        let (above, below) = (number.wrapping_sub(last), last.wrapping_sub(number));
        if above <= u32::MAX / 2 {
            if above > NEAR { Place::TooFar } else { Place::Next }
        } else if below > NEAR {
            Place::Stale
        } else if now.since(self.since) > ON_ITS_WAY {
            Place::Late
        } else {
            Place::Overtaken
        }
    }

    fn remember(&mut self, number: u32) {
        if !self.recent.contains(&number) {
            self.recent.push_back(number);
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
    }
}

impl Probes {
    /// The questions of both sides.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Asked> {
        self.of.iter()
    }

    /// The newest question of a side came once more.
    pub(crate) fn again(&mut self, by_initiator: bool) {
        let [initiator, responder] = &mut self.of;
        let own = if by_initiator { initiator } else { responder };
        if let Some((_, count)) = &mut own.open {
            *count += 1;
        }
    }

    /// A side has sent something.
    pub(crate) fn heard(&mut self, by_initiator: bool) {
        let [initiator, responder] = &mut self.of;
        // It is the other side's question that it could have answered.
        (if by_initiator { responder } else { initiator }).alive = true;
    }
}

/// Whether a notification belongs to dead peer detection.
pub(crate) fn is_probe(notify: &Notify) -> bool {
    matches!(notify.kind, NotifyKind::R_U_THERE | NotifyKind::R_U_THERE_ACK)
}

/// Whether a notification asks for a sign of life.
pub(crate) fn is_question(notify: &Notify) -> bool {
    notify.kind == NotifyKind::R_U_THERE
}

/// Whether a side has announced it.
pub(crate) fn announced(session: &Session, by_initiator: bool) -> bool {
    let mut own = session.phase1.values().filter(|it| it.by_initiator == by_initiator);
    own.any(|it| it.announces(&vendor::DPD))
}

/// Judges the notifications of dead peer detection in a decrypted Informational.
pub(crate) fn judge(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    let mut asks = false;
    for (part, notify) in message.notifies() {
        judge_kind(report, session, message, part, notify);
        if !is_probe(notify) {
            continue;
        }
        let foreign = judge_form(report, message, part, notify);
        let number = <[u8; 4]>::try_from(notify.data.as_slice()).ok().map(u32::from_be_bytes);
        if notify.kind == NotifyKind::R_U_THERE {
            asks = true;
            judge_question(report, session, message, part, number, foreign);
        } else {
            judge_answer(report, session, message, part, number);
        }
    }
    if !asks {
        session.probes.heard(message.by_initiator);
    }
}

/// A notification that looks like one of dead peer detection but for its number.
fn judge_kind(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    part: &Part,
    notify: &Notify,
) {
    let cookies = [message.header.spi_i.0, message.header.spi_r.0].concat();
    let near = (NotifyKind::R_U_THERE.0 - 8..NotifyKind::R_U_THERE.0 + 8).contains(&notify.kind.0);
    let of_form = notify.spi == cookies && notify.data.len() == 4;
    if near
        && (is_probe(notify) || of_form && announced(session, true) && announced(session, false))
    {
        report.applies(&[rules::DPD_TYPES]);
    }
    if near
        && !is_probe(notify)
        && notify.spi == cookies
        && notify.data.len() == 4
        && announced(session, true)
        && announced(session, false)
    {
        let says = format!("notification {} has the form of R-U-THERE", notify.kind.0);
        report.say(rules::DPD_TYPES, part.body() + 6, says);
    }
}

/// Judges what questions and answers have in common. Whether it is about another ISAKMP SA.
fn judge_form(report: &mut Report<'_>, message: &Message, part: &Part, notify: &Notify) -> bool {
    let at = part.body();
    let kind = notify.kind;
    report.applies(&[rules::DPD_DOI, rules::DPD_NUMBER, rules::DPD_SPI, rules::DPD_PROTECTED]);
    if !notify.data.is_empty() {
        report.applies(&[rules::DPD_DATA]);
    }
    if notify.doi != DOI_IPSEC || notify.protocol != ProtocolId::IKE {
        let says = format!("{kind} has DOI {} and protocol {}", notify.doi, notify.protocol);
        report.say(rules::DPD_DOI, at, says);
    }
    match notify.data.len() {
        4 => {}
        0 => report.say(rules::DPD_NUMBER, at + 8, format!("{kind} has no number")),
        length => {
            let says = format!("{kind} has {length} octets of data");
            report.say(rules::DPD_DATA, at + 8, says);
        }
    }
    let cookies = [message.header.spi_i.0, message.header.spi_r.0].concat();
    let foreign = notify.spi != cookies;
    if foreign {
        let says = format!("the SPI of {kind} is not both cookies");
        report.say(rules::DPD_SPI, at + 8, says);
    }
    foreign
}

fn judge_question(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: &Part,
    number: Option<u32>,
    foreign: bool,
) {
    report.applies(&[rules::DPD_VENDOR_BOTH]);
    if !announced(session, true) || !announced(session, false) {
        let says = "R-U-THERE, and not both sides have announced dead peer detection";
        report.say(rules::DPD_VENDOR_BOTH, part.raw.offset, says);
    }
    let [initiator, responder] = &mut session.probes.of;
    let own = if message.by_initiator { initiator } else { responder };
    own.foreign = foreign;
    if foreign {
        report.applies_to(message.frame.by.other(), &[rules::DPD_COOKIES_CHECKED]);
    }
    let Some(number) = number else { return };
    let at = part.body() + 24;
    match own.last {
        None => {
            report.applies(&[rules::DPD_HIGH_BIT]);
            if number & 0x8000_0000 != 0 {
                let says = format!("the first number {number:#010x} has its highest bit set");
                report.say(rules::DPD_HIGH_BIT, at, says);
            }
        }
        Some(last) if number != last => {
            report.applies(&[rules::DPD_INCREMENT]);
            let place = own.place(number, last, message.frame.at);
            if matches!(place, Place::TooFar | Place::Stale | Place::Late) {
                report.say(rules::DPD_INCREMENT, at, format!("the number {number} follows {last}"));
            }
            if place == Place::Stale {
                own.stale = Some(number);
                report.applies_to(message.frame.by.other(), &[rules::DPD_REPLAY]);
                return;
            }
            if matches!(place, Place::Overtaken | Place::Late) {
                own.remember(number);
                return;
            }
        }
        Some(_) => {}
    }
    let sent = match own.open {
        Some((frame, count)) if own.last == Some(number) => (frame, count + 1),
        _ => {
            own.alive = false;
            (message.frame, 1)
        }
    };
    own.open = Some(sent);
    if own.last != Some(number) {
        own.since = message.frame.at;
    }
    own.last = Some(number);
    own.remember(number);
}

fn judge_answer(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: &Part,
    number: Option<u32>,
) {
    let [initiator, responder] = &mut session.probes.of;
    let asked = if message.by_initiator { responder } else { initiator };
    let at = part.body() + 24;
    if asked.foreign {
        let says = "R-U-THERE with an SPI of other cookies is answered";
        report.say(rules::DPD_COOKIES_CHECKED, at, says);
    }
    if number.is_some() && asked.last.is_some() && asked.open.is_some() {
        report.applies(&[rules::DPD_ACK_NUMBER]);
    }
    if asked.open.is_some() {
        report.applies(&[rules::DPD_ANSWERED]);
    }
    if number.is_some() && asked.stale == number {
        let says = "R-U-THERE with an old number is answered";
        report.say(rules::DPD_REPLAY, at, says);
        asked.stale = None;
    } else if let (Some(number), Some(last)) = (number, asked.last)
        && !asked.recent.contains(&number)
        && asked.open.is_some()
    {
        let says = format!("the answer to {last} has the number {number}");
        report.say(rules::DPD_ACK_NUMBER, at, says);
    }
    asked.open = None;
}

/// So many numbers of questions are remembered.
const RECENT: usize = 8;
/// So many questions in a row are lost at most, and so many overtake another one.
const NEAR: u32 = 32;
/// No datagram is on its way for longer.
const ON_ITS_WAY: Duration = Duration::from_secs(10);
