//! The ISAKMP header (RFC 2408, section 3.1; RFC 2409, section 4).

use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::v1::{FLAG_AUTH_ONLY, FLAG_COMMIT, FLAG_ENCRYPTION};
use ikeproof_proto::wire::{
    DecodeError, ExchangeType, Flags, Header, Limit, RawMessage, RawPayload,
};

use super::message::Message;
use super::session::Session;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// What a receiver must refuse in a message.
type Found = Vec<(&'static Rule, String)>;

/// Judges a message whose payloads cannot be told apart.
pub(crate) fn judge_undecodable(report: &mut Report<'_>, bytes: &[u8], error: &DecodeError) {
    report.applies(&[rules::V1_LENGTH]);
    let header = Header::decode(bytes);
    let lengths = error.limit == Limit::MessageLength
        || error.limit == Limit::Datagram && error.item == "IKE message body";
    if header.is_err() || lengths && error.item != "payload body" {
        report.say(rules::V1_LENGTH, 24, error.to_string());
    } else {
        report.applies(&[rules::V1_PAYLOAD_LENGTH]);
        report.say(rules::V1_PAYLOAD_LENGTH, error.offset, error.to_string());
    }
}

/// Judges the header, and names what the receiver must refuse.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    raw: &RawMessage,
    datagram: usize,
) -> Found {
    let mut found = Found::new();
    report.applies(&[rules::V1_VERSION, rules::V1_COOKIE_ZERO, rules::V1_FLAGS]);
    report.applies(&[rules::V1_FIRST_PAYLOAD]);
    judge_version(report, message, &mut found);
    judge_cookies(report, session, message);
    judge_flags(report, message, &mut found);
    judge_message_id(report, message, &mut found);
    judge_length(report, message, raw, datagram, &mut found);
    found
}

fn judge_version(report: &mut Report<'_>, message: &Message, found: &mut Found) {
    let version = message.header.version;
    if version.minor != 0 {
        report.say(rules::V1_VERSION, 17, format!("the version is {version}"));
        found.push((rules::V1_HIGHER_VERSION, format!("version {version}")));
    }
}

fn judge_cookies(report: &mut Report<'_>, session: &Session, message: &Message) {
    let header = &message.header;
    if header.spi_i.is_zero() {
        report.say(rules::V1_COOKIE_ZERO, 0, "the cookie of the initiator is zero");
    }
    if header.spi_r.is_zero() && !is_first(session, message) {
        report.say(rules::V1_COOKIE_ZERO, 8, "the cookie of the responder is zero");
    }
}

/// First messages, and errors in clear about them, have no cookie of the responder.
fn is_first(session: &Session, message: &Message) -> bool {
    let one_only = session.phase1.keys().all(|place| *place == 1);
    let informs = message.exchange() == ExchangeType::INFORMATIONAL_V1;
    one_only && message.by_initiator || informs && !session.established()
}

fn judge_flags(report: &mut Report<'_>, message: &Message, found: &mut Found) {
    let flags = message.header.flags;
    let known = FLAG_ENCRYPTION.0 | FLAG_COMMIT.0 | FLAG_AUTH_ONLY.0;
    let unknown = Flags(flags.0 & !known);
    if unknown.0 != 0 {
        report.say(rules::V1_FLAGS, 19, format!("the flags {:#04x} are set", unknown.0));
        found.push((rules::V1_CHECK_FLAGS, format!("flags {:#04x}", unknown.0)));
    }
    let informs = message.exchange() == ExchangeType::INFORMATIONAL_V1;
    if flags.contains(FLAG_AUTH_ONLY) {
        report.applies(&[rules::V1_AUTH_ONLY]);
    }
    if flags.contains(FLAG_AUTH_ONLY) && !informs {
        report.say(rules::V1_AUTH_ONLY, 19, "authentication only outside of an Informational");
    }
}

fn judge_message_id(report: &mut Report<'_>, message: &Message, found: &mut Found) {
    let id = message.id();
    if is_phase1(message.exchange()) {
        report.applies(&[rules::V1_ID_PHASE1]);
    }
    if is_phase2(message.exchange()) {
        report.applies(&[rules::V1_ID_ZERO_PHASE2]);
    }
    if is_phase1(message.exchange()) && id != 0 {
        report.say(rules::V1_ID_PHASE1, 20, format!("the Message ID in phase 1 is {id:#010x}"));
        found.push((rules::V1_CHECK_ID, format!("Message ID {id:#010x}")));
    }
    if is_phase2(message.exchange()) && id == 0 {
        let says = format!("the Message ID of {} is zero", message.exchange());
        report.say(rules::V1_ID_ZERO_PHASE2, 20, says);
    }
}

fn judge_length(
    report: &mut Report<'_>,
    message: &Message,
    raw: &RawMessage,
    datagram: usize,
    found: &mut Found,
) {
    let length = usize::try_from(raw.header.length).unwrap_or(usize::MAX);
    report.applies(if message.encrypted {
        &[rules::V1_PAD_COUNTED]
    } else {
        &[rules::V1_LENGTH, rules::V1_PAYLOAD_LENGTH, rules::V1_ALIGNED]
    });
    if length != datagram && message.encrypted {
        let says = format!("the length is {length}, with padding there are {datagram} octets");
        report.say(rules::V1_PAD_COUNTED, 24, says);
    }
    if length != datagram && !message.encrypted {
        let says = format!("the length is {length}, the datagram has {datagram} octets");
        report.say(rules::V1_LENGTH, 24, says);
        found.push((rules::V1_LENGTH_CHECKED, format!("length {length} of {datagram} octets")));
    }
    if !length.is_multiple_of(4) && !message.encrypted {
        report.say(rules::V1_ALIGNED, 24, format!("the length {length} is no multiple of four"));
    }
    let left = raw.trailing_in_message();
    if !message.encrypted && left >= 4 {
        let end: usize = raw.payloads.iter().map(RawPayload::encoded_len).sum();
        let says = format!("{left} octets behind the last payload belong to nothing");
        report.say(rules::V1_LENGTH, Header::LEN + end, says);
    }
    let first = PayloadKind(raw.header.next_payload.0);
    if first == PayloadKind::NONE
        || (15..=19).contains(&first.0)
        || (22..=127).contains(&first.0)
        || matches!(first, PayloadKind::PROPOSAL | PayloadKind::TRANSFORM)
    {
        report.say(rules::V1_FIRST_PAYLOAD, 16, format!("the first payload is {first}"));
        found.push((rules::V1_CHECK_NEXT, format!("first payload {first}")));
    }
}

/// Main and aggressive mode.
pub(crate) fn is_phase1(exchange: ExchangeType) -> bool {
    matches!(exchange, ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE)
}

/// The exchanges that have a Message ID of their own whenever they are.
pub(crate) fn is_phase2(exchange: ExchangeType) -> bool {
    matches!(
        exchange,
        ExchangeType::QUICK_MODE | ExchangeType::NEW_GROUP_MODE | ExchangeType::TRANSACTION
    )
}
