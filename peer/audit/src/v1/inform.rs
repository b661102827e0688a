//! Informational exchanges: notifications and deletes (RFC 2408, sections 3.14, 3.15 and 4.8; RFC 2409,
//! section 5.7; RFC 2407, section 4.6.3).

use ikeproof_proto::wire::v1::DOI_IPSEC;
use ikeproof_proto::wire::v1::Notify;
use ikeproof_proto::wire::v1::num::{NotifyKind, PayloadKind, Phase1Attr, Phase2Attr};
use ikeproof_proto::wire::{Limit, ProtocolId, Reader};

use super::message::{Message, Part};
use super::session::Session;
use super::{dpd, later};
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules;

/// Judges an Informational without encryption.
pub(crate) fn judge_clear(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    if session.established() {
        let says = "an Informational in clear, and there are keys";
        report.applies(&[rules::V1_INFO_PROTECTED]);
        report.say(rules::V1_INFO_PROTECTED, 19, says);
        if message.notifies().any(|(_, notify)| dpd::is_probe(notify)) {
            report.applies(&[rules::DPD_PROTECTED]);
            report.say(rules::DPD_PROTECTED, 19, "dead peer detection in clear");
        }
    }
    judge_notifies(report, message);
    judge_deletes(report, message);
}

/// Judges a decrypted Informational.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
) {
    report.applies(&[rules::V1_INFO_PROTECTED, rules::V1_INFO_MESSAGES]);
    let first = message.parts.first().map(Part::kind);
    let front = message.id().to_be_bytes();
    if first == Some(PayloadKind::HASH) {
        hashes(report, message, keys, own, &front);
    } else {
        let says = "the first payload is not HASH";
        report.applies(&[rules::V1_INFO_HASH]);
        report.say(rules::V1_INFO_HASH, message.parts.first().map(|it| it.raw.offset), says);
    }
    let says = |part: &Part| format!("{} in an Informational", part.kind());
    let known = [PayloadKind::HASH, PayloadKind::NOTIFY, PayloadKind::DELETE];
    let allowed = |part: &&Part| {
        known.contains(&part.kind())
            || part.kind() == PayloadKind::VENDOR_ID
            || part.kind() == PayloadKind::ATTRIBUTES
            || part.kind().0 >= 128
    };
    if let Some(part) = message.parts.iter().find(|part| !allowed(part)) {
        report.say(rules::V1_INFO_MESSAGES, part.raw.offset, says(part));
    } else if !message.has(PayloadKind::NOTIFY)
        && !message.has(PayloadKind::DELETE)
        && !message.has(PayloadKind::ATTRIBUTES)
    {
        let says = "an Informational without Notification and without Delete";
        report.say(rules::V1_INFO_MESSAGES, None, says);
    }
    later::judge_foreign(report, message);
    judge_notifies(report, message);
    judge_deletes(report, message);
    dpd::judge(report, session, message);
}

fn hashes(report: &mut Report<'_>, message: &Message, keys: &Keys, own: &Ikev1Keys, front: &[u8]) {
    super::hashes::judge_phase2(report, message, keys, own, front, true, rules::V1_INFO_HASH);
}

/// Judges the layout of notifications, in whatever exchange they are.
pub(crate) fn judge_notifies(report: &mut Report<'_>, message: &Message) {
    let cookies = [message.header.spi_i.0, message.header.spi_r.0].concat();
    for (part, notify) in message.notifies() {
        let at = part.body();
        let kind = notify.kind;
        let of_doi = (NotifyKind::RESPONDER_LIFETIME..=NotifyKind::INITIAL_CONTACT).contains(&kind);
        if of_doi {
            report.applies(&[rules::V1_NOTIFY_DOI]);
        }
        if of_doi && notify.doi != DOI_IPSEC {
            let says = format!("{kind} has DOI {}", notify.doi);
            report.say(rules::V1_NOTIFY_DOI, at, says);
        }
        let ipsec = matches!(notify.protocol, ProtocolId::ESP | ProtocolId::AH);
        if ipsec {
            report.applies(&[rules::V1_NOTIFY_SPI]);
        }
        if ipsec && !matches!(notify.spi.len(), 0 | 4) {
            let says =
                format!("{kind} about {} has {} octets of SPI", notify.protocol, notify.spi.len());
            report.say(rules::V1_NOTIFY_SPI, at + 5, says);
        }
        match kind {
            NotifyKind::RESPONDER_LIFETIME => report.applies(&[rules::V1_RESPONDER_LIFETIME]),
            NotifyKind::INITIAL_CONTACT => report.applies(&[rules::V1_INITIAL_CONTACT]),
            NotifyKind::REPLAY_STATUS => report.applies(&[rules::V1_REPLAY_STATUS]),
            _ => {}
        }
        match kind {
            NotifyKind::RESPONDER_LIFETIME => judge_lifetime(report, part, notify),
            NotifyKind::INITIAL_CONTACT => {
                let spi = notify.spi.is_empty() || notify.spi == cookies;
                if !spi || !notify.data.is_empty() || notify.spi.is_empty() {
                    let says = "INITIAL-CONTACT is not about both cookies, or has data";
                    report.say(rules::V1_INITIAL_CONTACT, at, says);
                }
            }
            NotifyKind::REPLAY_STATUS if !matches!(notify.data.as_slice(), [0, 0, 0, 0 | 1]) => {
                let says = format!("REPLAY-STATUS has {} octets of data", notify.data.len());
                report.say(rules::V1_REPLAY_STATUS, at, says);
            }
            _ => {}
        }
    }
}

/// RESPONDER-LIFETIME holds attributes, and the SPI of the SA that they are about.
fn judge_lifetime(report: &mut Report<'_>, part: &Part, notify: &Notify) {
    let phase1 = notify.protocol == ProtocolId::IKE;
    let spi = if phase1 { 16 } else { 4 };
    let (of_type, of_duration) = if phase1 {
        (Phase1Attr::LIFE_TYPE.0, Phase1Attr::LIFE_DURATION.0)
    } else {
        (Phase2Attr::LIFE_TYPE.0, Phase2Attr::LIFE_DURATION.0)
    };
    let kinds = kinds(&notify.data);
    let has = |kind| kinds.as_ref().is_some_and(|kinds| kinds.contains(&kind));
    if notify.spi.len() != spi || !has(of_type) || !has(of_duration) {
        let says = "RESPONDER-LIFETIME without type and duration, or without the SPI of its SA";
        report.say(rules::V1_RESPONDER_LIFETIME, part.body(), says);
    }
}

/// The attributes of a list by their numbers; nothing if it is no such list.
fn kinds(data: &[u8]) -> Option<Vec<u16>> {
    let reader = &mut Reader::at(data, 0, Limit::PayloadLength);
    let mut kinds = Vec::new();
    while !reader.is_empty() {
        let kind = reader.u16("attribute").ok()?;
        let value = reader.u16("attribute").ok()?;
        if kind & 0x8000 == 0 {
            reader.bytes("attribute value", usize::from(value)).ok()?;
        }
        kinds.push(kind & 0x7fff);
    }
    Some(kinds)
}

fn judge_deletes(report: &mut Report<'_>, message: &Message) {
    for (part, delete) in message.deletes() {
        let size = match delete.protocol {
            ProtocolId::IKE => 16,
            ProtocolId::ESP | ProtocolId::AH => 4,
            _ => continue,
        };
        report.applies(&[rules::V1_DELETE_SPI, rules::V1_DELETE_DOI]);
        if let Some(spi) = delete.spis.iter().find(|spi| spi.len() != size) {
            let says = format!("Delete of {} with {} octets of SPI", delete.protocol, spi.len());
            report.say(rules::V1_DELETE_SPI, part.body() + 5, says);
        }
        if delete.doi != DOI_IPSEC {
            let says = format!("Delete of {} has DOI {}", delete.protocol, delete.doi);
            report.say(rules::V1_DELETE_DOI, part.body(), says);
        }
    }
}
