//! A line and fields for an IKE message.

use ikeproof_proto::wire::v2::Payload;
use ikeproof_proto::wire::v2::presence::Direction;
use ikeproof_proto::wire::{DecodeError, Header, RawMessage, hex};

use super::{Decoded, DetailLevel, payload};
use crate::contents::{Contents, IkeContents, Part, Seal};
use crate::ike::Message;

/// Describes a message, decrypted as far as it could be.
pub(crate) fn message(decoded: &mut Decoded, message: &Message) {
    let header = &message.header;
    keep(decoded, header, || (message.clear.clone(), message.inner.clone(), message.seal));
    let direction = match message.direction {
        Direction::Request => "request",
        Direction::Response => "response",
    };
    let response = message.direction == Direction::Response;
    header_fields(decoded, header);
    let mut words = Vec::new();
    for part in &message.clear {
        if part.raw.is_encrypted() {
            decoded.encrypted = true;
            decoded.decrypted = message.inner.is_some();
            words.push(container(part, message.inner.as_deref(), response));
        } else {
            words.push(payload::word(&part.typed, response));
            payload::fields(decoded, part, response);
        }
    }
    for part in message.inner.iter().flatten() {
        payload::fields(decoded, part, response);
    }
    decoded.summary =
        format!("{} {direction} {} {}", header.exchange, header.message_id, braces(&words));
}

/// Describes a message of another major version by its header.
pub(crate) fn other_version(decoded: &mut Decoded, raw: &RawMessage) {
    header_fields(decoded, &raw.header);
    keep(decoded, &raw.header, Default::default);
    decoded.summary = format!(
        "IKEv{} {} {:#010x}, {} octets",
        raw.header.version.major, raw.header.exchange, raw.header.message_id, decoded.length
    );
}

/// Describes octets that are no message.
pub(crate) fn undecodable(decoded: &mut Decoded, bytes: &[u8], error: &DecodeError) {
    if let Ok(header) = Header::decode(bytes) {
        keep(decoded, &header, Default::default);
        header_fields(decoded, &header);
        decoded.summary = format!("{} {}, malformed: {error}", header.exchange, header.message_id);
    } else {
        decoded.summary = format!("{} octets that are no IKE message", bytes.len());
    }
}

/// Keeps the message typed, if that is asked for.
pub(super) fn keep(
    decoded: &mut Decoded,
    header: &Header,
    payloads: impl FnOnce() -> (Vec<Part>, Option<Vec<Part>>, Seal),
) {
    if let Some(contents) = &mut decoded.contents {
        let (payloads, inner, seal) = payloads();
        *contents =
            Contents::Ike(IkeContents { header: *header, payloads, inner, seal, whole: None });
    }
}

fn header_fields(decoded: &mut Decoded, header: &Header) {
    let mut field = |name: &str, value: String| decoded.detail(DetailLevel::Header, name, value);
    field("initiator SPI", header.spi_i.to_string());
    field("responder SPI", header.spi_r.to_string());
    field("version", header.version.to_string());
    field("flags", format!("{:?}", header.flags));
    field("length", header.length.to_string());
}

fn container(part: &Part, inner: Option<&[Part]>, response: bool) -> String {
    let name = match &part.typed {
        Payload::Skf(skf) => format!("SKF({}/{})", skf.fragment, skf.total),
        _ => part.raw.kind.to_string(),
    };
    match inner {
        Some(inner) => {
            let words: Vec<String> =
                inner.iter().map(|part| payload::word(&part.typed, response)).collect();
            format!("{name} {}", braces(&words))
        }
        None => format!("{name} {{ {} octets }}", part.raw.body.len()),
    }
}

pub(super) fn braces(words: &[String]) -> String {
    if words.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", words.join(", ")) }
}

/// The first octets in hex.
pub(super) fn short(bytes: &[u8]) -> String {
    match bytes.get(..16) {
        Some(head) if bytes.len() > 16 => {
            format!("{}… ({} octets)", hex::encode(head), bytes.len())
        }
        _ => hex::encode(bytes),
    }
}
