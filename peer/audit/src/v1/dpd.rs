//! Dead peer detection (RFC 3706).

use std::collections::VecDeque;

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
        None => report.applies(&[rules::DPD_HIGH_BIT]),
        Some(last) if number != last => report.applies(&[rules::DPD_INCREMENT]),
        Some(_) => {}
    }
    match own.last {
        None if number & 0x8000_0000 != 0 => {
            let says = format!("the first number {number:#010x} has its highest bit set");
            report.say(rules::DPD_HIGH_BIT, at, says);
        }
        // The same question may be asked again: its answer can be lost behind who observes.
        Some(last) if number == last => {}
        Some(last) if number != last.wrapping_add(1) => {
            report.say(rules::DPD_INCREMENT, at, format!("the number {number} follows {last}"));
            if number.wrapping_sub(last) > u32::MAX / 2 {
                own.stale = Some(number);
                report.applies_to(message.frame.by.other(), &[rules::DPD_REPLAY]);
                return;
            }
        }
        _ => {}
    }
    let sent = match own.open {
        Some((frame, count)) if own.last == Some(number) => (frame, count + 1),
        _ => {
            own.alive = false;
            (message.frame, 1)
        }
    };
    own.open = Some(sent);
    own.last = Some(number);
    if !own.recent.contains(&number) {
        own.recent.push_back(number);
        if own.recent.len() > RECENT {
            own.recent.pop_front();
        }
    }
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
