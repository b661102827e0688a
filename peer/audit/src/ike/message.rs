//! One IKE message on its way through the checks: as octets, as payloads in clear, and as payloads
//! that were decrypted. Raw and typed payloads stand side by side; a payload that does not decode
//! is reported and kept as an unknown one, so that its place in the message is still seen.

use core::net::SocketAddr;

use ikeproof_proto::wire::v2::presence::{Direction, Role};
use ikeproof_proto::wire::v2::{Auth, Ke, Notify, Payload, Sa, Ts};
use ikeproof_proto::wire::{ExchangeType, Header, NotifyType, PayloadType, RawPayload};

pub(crate) use crate::contents::Part;
use crate::contents::Seal;
use crate::observed::Frame;

/// A message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// The datagram, or the last one of a fragmented message.
    pub(crate) frame: Frame,
    /// Where it came from.
    pub(crate) src: SocketAddr,
    /// Where it went.
    pub(crate) dst: SocketAddr,
    /// It came over the port of NAT traversal, whatever its number is.
    pub(crate) marker: bool,
    /// The header.
    pub(crate) header: Header,
    /// What the sender is in the IKE SA, by what was seen and not by the flag.
    pub(crate) role: Role,
    /// Request or response, likewise.
    pub(crate) direction: Direction,
    /// The octets that the header's length counts.
    pub(crate) bytes: Vec<u8>,
    /// The payloads in clear.
    pub(crate) clear: Vec<Part>,
    /// The payloads that were encrypted, if there were any and they could be read.
    pub(crate) inner: Option<Vec<Part>>,
    /// What became of the encrypted part.
    pub(crate) seal: Seal,
}

impl Message {
    pub(crate) fn is_request(&self) -> bool {
        self.direction == Direction::Request
    }

    pub(crate) fn exchange(&self) -> ExchangeType {
        self.header.exchange
    }

    /// Whether everything of it can be read.
    pub(crate) fn is_readable(&self) -> bool {
        self.inner.is_some() || !self.clear.iter().any(|part| part.raw.is_encrypted())
    }

    /// All payloads but the encrypted containers.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.clear.iter().filter(|part| !part.raw.is_encrypted()).chain(self.inner.iter().flatten())
    }

    pub(crate) fn has(&self, kind: PayloadType) -> bool {
        self.parts().any(|part| part.raw.kind == kind)
    }

    pub(crate) fn part(&self, kind: PayloadType) -> Option<&Part> {
        self.parts().find(|part| part.raw.kind == kind)
    }

    pub(crate) fn sa(&self) -> Option<(&Part, &Sa)> {
        self.parts().find_map(|part| match &part.typed {
            Payload::Sa(sa) => Some((part, sa)),
            _ => None,
        })
    }

    pub(crate) fn ke(&self) -> Option<(&Part, &Ke)> {
        self.parts().find_map(|part| match &part.typed {
            Payload::Ke(ke) => Some((part, ke)),
            _ => None,
        })
    }

    pub(crate) fn nonce(&self) -> Option<(&Part, &[u8])> {
        self.parts().find_map(|part| match &part.typed {
            Payload::Nonce(nonce) => Some((part, nonce.0.as_slice())),
            _ => None,
        })
    }

    pub(crate) fn auth(&self) -> Option<(&Part, &Auth)> {
        self.parts().find_map(|part| match &part.typed {
            Payload::Auth(auth) => Some((part, auth)),
            _ => None,
        })
    }

    pub(crate) fn ts(&self, kind: PayloadType) -> Option<(&Part, &Ts)> {
        self.parts().find_map(|part| match &part.typed {
            Payload::TsI(ts) | Payload::TsR(ts) if part.raw.kind == kind => Some((part, ts)),
            _ => None,
        })
    }

    pub(crate) fn notifies(&self) -> impl Iterator<Item = (&Part, &Notify)> {
        self.parts().filter_map(|part| match &part.typed {
            Payload::Notify(notify) => Some((part, notify)),
            _ => None,
        })
    }

    pub(crate) fn notify(&self, kind: NotifyType) -> Option<(&Part, &Notify)> {
        self.notifies().find(|(_, notify)| notify.kind == kind)
    }
}

/// Where the body of a payload begins.
pub(crate) fn body(part: &Part) -> usize {
    part.raw.offset + RawPayload::HEADER_LEN
}
