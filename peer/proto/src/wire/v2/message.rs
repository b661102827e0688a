//! A message of IKEv2 with typed payloads.

use super::{Auth, Id, Ke, Nonce, Notify, Payload, Sa, Ts};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};
use crate::wire::header::Header;
use crate::wire::num::{NotifyType, PayloadType};
use crate::wire::raw::{RawMessage, RawPayload};

/// A message, as it is in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The header. Its next payload and length are made right when the message is encoded.
    pub header: Header,
    /// The payloads of the outer chain.
    pub payloads: Vec<Payload>,
}

impl Message {
    /// Decodes the payloads of a message of IKEv2.
    ///
    /// Octets behind the message's length are ignored, octets that the length counts but that
    /// belong to no payload are refused.
    pub fn decode(raw: &RawMessage) -> Result<Self, DecodeError> {
        if raw.header.version.major != 2 {
            return Err(DecodeError {
                item: "IKE header",
                offset: 0,
                needed: Header::LEN,
                available: Header::LEN,
                limit: Limit::Datagram,
                kind: DecodeErrorKind::BadValue("major version", raw.header.version.major.into()),
            });
        }
        let left = raw.trailing_in_message();
        if left != 0 {
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
        let payloads = raw.payloads.iter().map(Payload::decode).collect::<Result<_, _>>()?;
        Ok(Self { header: raw.header, payloads })
    }

    /// Encodes the message with the right types and lengths.
    pub fn encode(&self) -> Vec<u8> {
        let payloads = self.payloads.iter().map(Payload::encode).collect();
        let mut raw = RawMessage { header: self.header, payloads, trailing: Vec::new() };
        raw.link();
        raw.encode()
    }

    /// The first payload of a type.
    pub fn find(&self, kind: PayloadType) -> Option<&Payload> {
        self.payloads.iter().find(|payload| payload.kind() == kind)
    }

    /// All notifies, in their order.
    pub fn notifies(&self) -> impl Iterator<Item = &Notify> {
        self.payloads.iter().filter_map(|payload| match payload {
            Payload::Notify(notify) => Some(notify),
            _ => None,
        })
    }

    /// The first notify of a type.
    pub fn notify(&self, kind: NotifyType) -> Option<&Notify> {
        self.notifies().find(|notify| notify.kind == kind)
    }

    /// How many payloads of a type there are.
    pub fn count(&self, kind: PayloadType) -> usize {
        self.payloads.iter().filter(|payload| payload.kind() == kind).count()
    }
}

macro_rules! first {
    ($($(#[$doc:meta])* $name:ident: $variant:ident($kind:ty),)+) => {
        impl Message {$(
            $(#[$doc])*
            pub fn $name(&self) -> Option<&$kind> {
                self.payloads.iter().find_map(|payload| match payload {
                    Payload::$variant(found) => Some(found),
                    _ => None,
                })
            }
        )+}
    };
}

first! {
    /// The first Security Association payload.
    sa: Sa(Sa),
    /// The first Key Exchange payload.
    ke: Ke(Ke),
    /// The first Nonce payload.
    nonce: Nonce(Nonce),
    /// The first Identification payload of the initiator.
    id_i: IdI(Id),
    /// The first Identification payload of the responder.
    id_r: IdR(Id),
    /// The first Authentication payload.
    auth: Auth(Auth),
    /// The first Traffic Selector payload of the initiator.
    ts_i: TsI(Ts),
    /// The first Traffic Selector payload of the responder.
    ts_r: TsR(Ts),
}

#[cfg(test)]
mod tests;
