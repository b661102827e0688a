//! A message under judgement, and how its payloads are found.

use core::net::SocketAddr;

use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::v1::{Attributes, Delete, Id, Notify, Payload};
use ikeproof_proto::wire::{ExchangeType, Header, RawPayload};

use crate::observed::Frame;

/// A payload, raw and typed.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// As it is on the wire.
    pub(crate) raw: RawPayload,
    /// What it means; nothing if it does not decode.
    pub(crate) typed: Option<Payload>,
}

impl Part {
    /// Its type.
    pub(crate) const fn kind(&self) -> PayloadKind {
        PayloadKind(self.raw.kind.0)
    }

    /// Where its body begins.
    pub(crate) const fn body(&self) -> usize {
        self.raw.offset + RawPayload::HEADER_LEN
    }
}

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) frame: Frame,
    pub(crate) src: SocketAddr,
    pub(crate) dst: SocketAddr,
    /// It came over the port of NAT traversal.
    pub(crate) marker: bool,
    pub(crate) header: Header,
    /// Whether its sender has begun the ISAKMP SA.
    pub(crate) by_initiator: bool,
    /// The octets that the header counts.
    pub(crate) bytes: Vec<u8>,
    /// The payloads, decrypted if they were encrypted.
    pub(crate) parts: Vec<Part>,
    /// The payloads are encrypted.
    pub(crate) encrypted: bool,
    /// The payloads could be read.
    pub(crate) readable: bool,
    /// The octets of the payloads behind the first one, without padding: what a HASH in front covers.
    pub(crate) rest: Vec<u8>,
}

impl Message {
    pub(crate) const fn exchange(&self) -> ExchangeType {
        self.header.exchange
    }

    pub(crate) const fn id(&self) -> u32 {
        self.header.message_id
    }

    /// The encrypted octets.
    pub(crate) fn ciphertext(&self) -> &[u8] {
        self.bytes.get(Header::LEN..).unwrap_or_default()
    }

    pub(crate) fn of(&self, kind: PayloadKind) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |part| part.kind() == kind)
    }

    pub(crate) fn part(&self, kind: PayloadKind) -> Option<&Part> {
        self.of(kind).next()
    }

    pub(crate) fn has(&self, kind: PayloadKind) -> bool {
        self.part(kind).is_some()
    }

    /// The octets of the first payload of a type.
    pub(crate) fn octets(&self, kind: PayloadKind) -> Option<&[u8]> {
        self.part(kind).map(|part| part.raw.body.as_slice())
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = (&Part, &Id)> {
        self.parts.iter().filter_map(|part| match &part.typed {
            Some(Payload::Id(id)) => Some((part, id)),
            _ => None,
        })
    }

    pub(crate) fn notifies(&self) -> impl Iterator<Item = (&Part, &Notify)> {
        self.parts.iter().filter_map(|part| match &part.typed {
            Some(Payload::Notify(notify)) => Some((part, notify)),
            _ => None,
        })
    }

    pub(crate) fn deletes(&self) -> impl Iterator<Item = (&Part, &Delete)> {
        self.parts.iter().filter_map(|part| match &part.typed {
            Some(Payload::Delete(delete)) => Some((part, delete)),
            _ => None,
        })
    }

    pub(crate) fn attributes(&self) -> Option<(&Part, &Attributes)> {
        self.parts.iter().find_map(|part| match &part.typed {
            Some(Payload::Attributes(attributes)) => Some((part, attributes)),
            _ => None,
        })
    }

    /// Whether a Vendor ID is among the payloads.
    pub(crate) fn announces(&self, id: &[u8]) -> bool {
        self.of(PayloadKind::VENDOR_ID).any(|part| part.raw.body == id)
    }
}
