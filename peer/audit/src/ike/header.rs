//! The IKE header: who sent the message by its session, whether it asks or answers, and whether the
//! header says the same (RFC 7296, sections 2.5, 2.6 and 3.1).

use ikeproof_proto::wire::v2::presence::{Direction, Role};
use ikeproof_proto::wire::{
    DecodeError, DecodeErrorKind, ExchangeType, Header, Limit, PayloadType, RawMessage,
};

use super::session::{Session, other};
use crate::finding::Report;
use crate::rules;

/// Whether the message asks or answers, by the state of its session.
///
/// Only the original initiator asks in the initial exchanges. Later the flag decides, unless the
/// Message ID leaves no doubt that it is wrong.
pub(crate) fn direction(session: &Session, header: &Header, role: Role) -> Direction {
    let says_response = header.flags.is_response();
    let by_flag = if says_response { Direction::Response } else { Direction::Request };
    if !session.complete {
        return by_flag;
    }
    if matches!(
        header.exchange,
        ExchangeType::IKE_SA_INIT | ExchangeType::IKE_AUTH | ExchangeType::IKE_INTERMEDIATE
    ) {
        return match role {
            Role::Initiator => Direction::Request,
            Role::Responder => Direction::Response,
        };
    }
    let id = header.message_id;
    let (own, others) = (session.window_of(role), session.window_of(other(role)));
    let is_next = own.next.unwrap_or(0) == id;
    let answers = others
        .exchanges
        .get(&id)
        .is_some_and(|exchange| !exchange.answered && exchange.kind == header.exchange);
    if !says_response && answers && !is_next && !own.exchanges.contains_key(&id) {
        Direction::Response
    } else if says_response && is_next && others.next.is_none_or(|next| id >= next) {
        Direction::Request
    } else {
        by_flag
    }
}

/// Judges a message that has no header, or whose payloads cannot be told apart.
pub(crate) fn judge_undecodable(report: &mut Report<'_>, bytes: &[u8], error: &DecodeError) {
    report.applies(&[rules::HEADER_LENGTH]);
    let Ok(header) = Header::decode(bytes) else {
        report.say(
            rules::HEADER_LENGTH,
            0,
            format!("{} octets cannot hold an IKE header", bytes.len()),
        );
        return;
    };
    if header.version.major != 2 {
        return;
    }
    report.applies(&[rules::PAYLOAD_LENGTH, rules::CHAIN]);
    let header_error = error.limit == Limit::MessageLength && error.item.starts_with("IKE message");
    if header_error {
        report.say(
            rules::HEADER_LENGTH,
            24,
            format!("the length is {}, the message has {} octets", header.length, bytes.len()),
        );
    } else if error.kind == DecodeErrorKind::BadLength && error.item == "payload" {
        report.say(
            rules::PAYLOAD_LENGTH,
            error.offset + 2,
            format!("a payload of {} octets", error.available),
        );
    } else {
        report.say(rules::CHAIN, error.offset, error.to_string());
    }
}

/// Judges the lengths of a message whose payloads were told apart.
pub(crate) fn judge_lengths(report: &mut Report<'_>, raw: &RawMessage, datagram: usize) {
    report.applies(&[rules::HEADER_LENGTH, rules::PAYLOAD_LENGTH, rules::CHAIN]);
    for (kind, rule) in
        [(PayloadType::SK, rules::SK_LAST), (PayloadType::SKF, rules::FRAGMENT_LAST)]
    {
        if raw.payloads.iter().any(|payload| payload.kind == kind) {
            report.applies(&[rule]);
        }
    }
    let inside = raw.trailing_in_message();
    let outside = raw.trailing.len().saturating_sub(inside);
    if outside > 0 {
        report.say(
            rules::HEADER_LENGTH,
            24,
            format!("the length is {}, the message has {datagram} octets", raw.header.length),
        );
    }
    if inside > 0 {
        let rule = match raw.payloads.last().map(|payload| payload.kind) {
            Some(PayloadType::SK) => rules::SK_LAST,
            Some(PayloadType::SKF) => rules::FRAGMENT_LAST,
            _ => rules::CHAIN,
        };
        let at = datagram.saturating_sub(inside + outside);
        report.say(rule, at, format!("{inside} octets follow the last payload"));
    }
}

/// Judges version, flags and SPIs.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &Session,
    header: &Header,
    role: Role,
    direction: Direction,
) {
    report.applies(&[rules::VERSION_SENT, rules::VERSION_FLAG, rules::FLAG_BITS]);
    report.applies(&[rules::RESPONSE_FLAG, rules::SPI_I_ZERO]);
    if header.version.minor != 0 {
        report.say(rules::VERSION_SENT, 17, format!("the version is {}", header.version));
    }
    let flags = header.flags;
    if flags.is_version() {
        report.say(rules::VERSION_FLAG, 19, format!("the V flag is set in {:#04x}", flags.0));
    }
    if flags.reserved() != 0 {
        report.say(rules::FLAG_BITS, 19, format!("reserved bits are set in {:#04x}", flags.0));
    }
    let response = direction == Direction::Response;
    if flags.is_response() != response {
        let what = if response { "a response without" } else { "a request with" };
        report.say(rules::RESPONSE_FLAG, 19, format!("{what} the R flag, in {:#04x}", flags.0));
    }
    let rule = if session.rekeyed { rules::REKEYED_INITIATOR_FLAG } else { rules::INITIATOR_FLAG };
    if session.complete {
        report.applies(&[rule]);
    }
    if session.complete && flags.is_initiator() != (role == Role::Initiator) {
        let what = match role {
            Role::Initiator => "the original initiator sends without",
            Role::Responder => "the original responder sends with",
        };
        report.say(rule, 19, format!("{what} the I flag, in {:#04x}", flags.0));
    }
    if header.spi_i.is_zero() {
        report.say(rules::SPI_I_ZERO, 0, "the initiator's SPI is zero");
    }
    if header.exchange != ExchangeType::IKE_SA_INIT || response {
        return;
    }
    report.applies(&[rules::SPI_R_FIRST]);
    if !header.spi_r.is_zero() {
        report.say(
            rules::SPI_R_FIRST,
            8,
            format!("the responder's SPI of the first message is {}", header.spi_r),
        );
    }
}
