//! A message of IKEv1 with typed payloads, and the octets that they were decoded from: hashes cover
//! what was sent, not what it means.

use super::num::PayloadKind;
use super::{Attributes, Delete, Id, Notify, Payload, Sa};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};
use crate::wire::header::Header;
use crate::wire::raw::{RawMessage, RawPayload};

/// Messages are aligned at multiples of so many octets (RFC 2408, section 3).
pub(crate) const ALIGNMENT: usize = 4;

/// A message in clear, or the content of an encrypted one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header.
    pub header: Header,
    /// The payloads, each with the octets of its body.
    pub payloads: Vec<(Payload, Vec<u8>)>,
}

impl Message {
    /// Decodes the payloads of a message without encryption.
    ///
    /// Octets behind the message's length are ignored. Octets that the length counts but that belong to
    /// no payload are refused, unless they only fill the message up to a multiple of four octets.
    pub fn decode(raw: &RawMessage) -> Result<Self, DecodeError> {
        let left = raw.trailing_in_message();
        if left >= ALIGNMENT
            || (left != 0 && !(raw.header.length as usize).is_multiple_of(ALIGNMENT))
        {
            let body: usize = raw.payloads.iter().map(RawPayload::encoded_len).sum();
            return Err(DecodeError {
                item: "payload chain",
                offset: Header::LEN + body,
                needed: 0,
                available: left,
                limit: Limit::MessageLength,
                kind: DecodeErrorKind::TrailingBytes,
            });
        }
        Self::of_payloads(raw.header, &raw.payloads)
    }

    /// Types payloads that have been taken apart already.
    pub fn of_payloads(header: Header, payloads: &[RawPayload]) -> Result<Self, DecodeError> {
        let payloads = payloads
            .iter()
            .map(|raw| Ok((Payload::decode(raw)?, raw.body.clone())))
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { header, payloads })
    }

    /// The payloads in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Payload> {
        self.payloads.iter().map(|(payload, _)| payload)
    }

    /// The octets of the first payload of a type.
    pub fn body(&self, kind: PayloadKind) -> Option<&[u8]> {
        let found = self.payloads.iter().find(|(payload, _)| payload.kind() == kind);
        found.map(|(_, body)| body.as_slice())
    }

    /// The first Security Association payload.
    pub fn sa(&self) -> Option<&Sa> {
        self.iter().find_map(|payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })
    }

    /// All Identification payloads, in their order.
    pub fn ids(&self) -> impl Iterator<Item = &Id> {
        self.iter().filter_map(|payload| match payload {
            Payload::Id(id) => Some(id),
            _ => None,
        })
    }

    /// All notifications, in their order.
    pub fn notifies(&self) -> impl Iterator<Item = &Notify> {
        self.iter().filter_map(|payload| match payload {
            Payload::Notify(notify) => Some(notify),
            _ => None,
        })
    }

    /// All Delete payloads, in their order.
    pub fn deletes(&self) -> impl Iterator<Item = &Delete> {
        self.iter().filter_map(|payload| match payload {
            Payload::Delete(delete) => Some(delete),
            _ => None,
        })
    }

    /// All Attributes payloads, in their order.
    pub fn attributes(&self) -> impl Iterator<Item = &Attributes> {
        self.iter().filter_map(|payload| match payload {
            Payload::Attributes(attributes) => Some(attributes),
            _ => None,
        })
    }

    /// All Vendor IDs, in their order.
    pub fn vendor_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().filter_map(|payload| match payload {
            Payload::VendorId(vendor_id) => Some(vendor_id.0.as_slice()),
            _ => None,
        })
    }
}
