//! Messages as they are on the wire: every bit kept, nothing judged but what bounds the walk.
//!
//! [`RawMessage::decode`] follows the chain of generic payload headers and stops there; what the
//! payloads mean is for `v2` and `v1`. Encoding writes what it is told, which may be illegal:
//! this is the only writer that can send such octets. For all octets that decode,
//! encoding the result gives them again.
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |C|  RESERVED   |         Payload Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::cursor::{Reader, Writer, saturate_u16};
use super::error::{DecodeError, DecodeErrorKind, Limit};
use super::header::Header;
use super::num::PayloadType;
use super::v1;

/// How many payloads a chain may have before it is refused.
pub const MAX_PAYLOADS: usize = 64;

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawMessage {
    /// The header as received or as to be sent.
    pub header: Header,
    /// The payloads of the outer chain. SK and SKF end it, their content is encrypted.
    pub payloads: Vec<RawPayload>,
    /// What follows the last payload, inside of the message's length or behind it. All of the
    /// body if IKEv1 says that it is encrypted.
    pub trailing: Vec<u8>,
}

impl RawMessage {
    /// Decodes the header and the chain of payloads.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        let mut datagram = Reader::new(datagram);
        let header = Header::read(&mut datagram)?;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let Some(body) = length.checked_sub(Header::LEN) else {
            return Err(DecodeError {
                item: "IKE message",
                offset: 0,
                needed: Header::LEN,
                available: length,
                limit: Limit::MessageLength,
                kind: DecodeErrorKind::BadLength,
            });
        };
        let mut message = datagram.sub("IKE message body", body, Limit::MessageLength)?;
        let payloads = if v1::is_encrypted(&header) {
            Vec::new()
        } else {
            let protection = header.version.major >= 2;
            walk(header.next_payload, &mut message, protection)?
        };
        let trailing = [message.take_rest(), datagram.take_rest()].concat();
        Ok(Self { header, payloads, trailing })
    }

    /// Writes exactly what is there: no type, length or flag is made right.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        self.header.encode(&mut writer);
        for payload in &self.payloads {
            payload.encode(&mut writer);
        }
        writer.bytes(&self.trailing);
        writer.into_bytes()
    }

    /// Makes the types and all lengths right. What trails counts as outside of the message.
    pub fn link(&mut self) {
        self.header.next_payload = link(&mut self.payloads);
        let body: usize = self.payloads.iter().map(RawPayload::encoded_len).sum();
        self.header.length = u32::try_from(Header::LEN + body).unwrap_or(u32::MAX);
    }

    /// Fills a message without anything behind its payloads up with zeros, which its length counts, to a
    /// multiple of `alignment` octets.
    pub fn fill_up(&mut self, alignment: usize) {
        let length = usize::try_from(self.header.length).unwrap_or(usize::MAX);
        let full = length.checked_next_multiple_of(alignment).unwrap_or(length);
        self.trailing = vec![0; full.saturating_sub(length)];
        self.header.length = u32::try_from(full).unwrap_or(u32::MAX);
    }

    /// How many octets of `trailing` the header's length still counts to the message.
    pub fn trailing_in_message(&self) -> usize {
        let body: usize = self.payloads.iter().map(RawPayload::encoded_len).sum();
        let length = usize::try_from(self.header.length).unwrap_or(usize::MAX);
        length.saturating_sub(Header::LEN + body).min(self.trailing.len())
    }
}

/// One payload with its generic header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawPayload {
    /// What this payload is, as the one before it or the header said.
    pub kind: PayloadType,
    /// The Next Payload field. In SK and SKF: the first payload of the content.
    pub next: PayloadType,
    /// The critical bit.
    pub critical: bool,
    /// The seven reserved bits.
    pub reserved: u8,
    /// Where the generic header begins in the datagram; not encoded.
    pub offset: usize,
    /// The Payload Length field: what it says, the four octets of the generic header included.
    pub declared_length: u16,
    /// What follows the generic header.
    pub body: Vec<u8>,
}

impl RawPayload {
    /// The number of octets of a generic payload header.
    pub const HEADER_LEN: usize = 4;

    /// A payload with the length of `body`, at the end of a chain and not critical.
    pub fn new(kind: PayloadType, body: Vec<u8>) -> Self {
        Self {
            kind,
            next: PayloadType::NONE,
            critical: false,
            reserved: 0,
            offset: 0,
            declared_length: saturate_u16(Self::HEADER_LEN + body.len()),
            body,
        }
    }

    /// Decodes the chain of decrypted content, which begins at `base_offset` of the datagram.
    pub fn decode_chain(
        first: PayloadType,
        bytes: &[u8],
        base_offset: usize,
    ) -> Result<Vec<Self>, DecodeError> {
        let mut reader = Reader::at(bytes, base_offset, Limit::Datagram);
        let payloads = walk(first, &mut reader, true)?;
        reader.finish("payload chain")?;
        Ok(payloads)
    }

    /// Decodes the chain of IKEv1's decrypted content, which begins at `base_offset` of the datagram
    /// and may be followed by padding. Says how many octets the chain has without it.
    pub fn decode_padded_chain(
        first: PayloadType,
        bytes: &[u8],
        base_offset: usize,
    ) -> Result<(Vec<Self>, usize), DecodeError> {
        let mut reader = Reader::at(bytes, base_offset, Limit::Datagram);
        let payloads = walk(first, &mut reader, false)?;
        Ok((payloads, bytes.len().saturating_sub(reader.remaining())))
    }

    /// Encodes a chain, with each Next Payload field set to the kind of the payload that follows;
    /// lengths, flags and the Next Payload of SK and SKF are written as they are. Returns the kind
    /// of the first payload.
    pub fn encode_chain(payloads: &[Self]) -> (PayloadType, Vec<u8>) {
        let mut writer = Writer::new();
        let following = payloads.iter().skip(1).map(|payload| payload.kind);
        for (payload, next) in payloads.iter().zip(following.chain([PayloadType::NONE])) {
            let next = if payload.is_encrypted() { payload.next } else { next };
            payload.encode_with(next, &mut writer);
        }
        (first_kind(payloads), writer.into_bytes())
    }

    /// Like [`RawPayload::encode_chain`], with the Next Payload fields as they are.
    pub fn encode_chain_as_is(payloads: &[Self]) -> (PayloadType, Vec<u8>) {
        let mut writer = Writer::new();
        for payload in payloads {
            payload.encode(&mut writer);
        }
        (first_kind(payloads), writer.into_bytes())
    }

    /// Writes the generic header and the body exactly as they are.
    pub fn encode(&self, writer: &mut Writer) {
        self.encode_with(self.next, writer);
    }

    /// The number of octets that the payload takes, whatever its length field says.
    pub fn encoded_len(&self) -> usize {
        Self::HEADER_LEN + self.body.len()
    }

    /// Whether the body is encrypted and `next` belongs to the inner chain.
    pub fn is_encrypted(&self) -> bool {
        matches!(self.kind, PayloadType::SK | PayloadType::SKF)
    }

    /// A reader of the body that knows where it is in the datagram.
    pub fn reader(&self) -> Reader<'_> {
        Reader::at(&self.body, self.offset + Self::HEADER_LEN, Limit::PayloadLength)
    }

    fn encode_with(&self, next: PayloadType, writer: &mut Writer) {
        writer.u8(next.0);
        writer.u8(u8::from(self.critical) << 7 | self.reserved & 0x7f);
        writer.u16(self.declared_length);
        writer.bytes(&self.body);
    }
}

/// Makes the Next Payload and Payload Length fields right and returns the kind of the first.
fn link(payloads: &mut [RawPayload]) -> PayloadType {
    let mut next = PayloadType::NONE;
    for payload in payloads.iter_mut().rev() {
        if !payload.is_encrypted() {
            payload.next = next;
        }
        payload.declared_length = saturate_u16(payload.encoded_len());
        next = payload.kind;
    }
    next
}

fn first_kind(payloads: &[RawPayload]) -> PayloadType {
    payloads.first().map_or(PayloadType::NONE, |payload| payload.kind)
}

/// Follows a chain to its end, or to a payload whose content is encrypted if `protection` exists.
fn walk(
    first: PayloadType,
    reader: &mut Reader<'_>,
    protection: bool,
) -> Result<Vec<RawPayload>, DecodeError> {
    let mut payloads = Vec::new();
    let mut kind = first;
    while kind != PayloadType::NONE {
        if payloads.len() == MAX_PAYLOADS {
            return Err(reader.error("payload", 0, DecodeErrorKind::TooMany));
        }
        let payload = read_payload(kind, reader)?;
        kind = payload.next;
        let last = protection && payload.is_encrypted();
        payloads.push(payload);
        if last {
            break;
        }
    }
    Ok(payloads)
}

fn read_payload(kind: PayloadType, reader: &mut Reader<'_>) -> Result<RawPayload, DecodeError> {
    let offset = reader.offset();
    let mut header =
        reader.sub("generic payload header", RawPayload::HEADER_LEN, reader.limit())?;
    let next = PayloadType(header.u8("next payload")?);
    let flags = header.u8("payload flags")?;
    let declared_length = header.u16("payload length")?;
    let Some(length) = usize::from(declared_length).checked_sub(RawPayload::HEADER_LEN) else {
        return Err(DecodeError {
            item: "payload",
            offset,
            needed: RawPayload::HEADER_LEN,
            available: usize::from(declared_length),
            limit: Limit::PayloadLength,
            kind: DecodeErrorKind::BadLength,
        });
    };
    let body = reader.bytes("payload body", length)?.to_vec();
    Ok(RawPayload {
        kind,
        next,
        critical: flags & 0x80 != 0,
        reserved: flags & 0x7f,
        offset,
        declared_length,
        body,
    })
}

#[cfg(test)]
mod tests;
