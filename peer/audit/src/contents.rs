//! What a datagram holds, typed: for comparing our decoding with that of another program.
//!
//! The line and the fields of [`Decoded`](crate::Decoded) are made of the same values. They are kept
//! only if [`Auditor::keep_contents`](crate::Auditor::keep_contents) asks for it: they hold every
//! octet again.

use core::net::IpAddr;

use ikeproof_proto::wire::ah::AhHeader;
use ikeproof_proto::wire::v2::Payload;
use ikeproof_proto::wire::{EspHeader, Header, RawPayload};

/// What a datagram holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// A message of IKE.
    Ike(IkeContents),
    /// A packet of ESP.
    Esp(EspContents),
    /// A packet of AH (RFC 4302, section 2).
    Ah(AhHeader),
    /// A NAT keepalive (RFC 3948, section 2.3).
    Keepalive,
    /// Octets that are nothing of these.
    Nothing,
}

/// A message of IKE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeContents {
    /// The header.
    pub header: Header,
    /// The payloads in clear, SK and SKF among them; none if the chain of payloads is broken, or the
    /// version is not 2.
    pub payloads: Vec<Part>,
    /// The payloads that were encrypted, if they could be read; with a fragmented message they stand at
    /// the fragment that completes it.
    pub inner: Option<Vec<Part>>,
    /// What became of the encrypted part.
    pub seal: Seal,
    /// The message of IKEv1 that is whole with this fragment, with its own header; that of the fragment
    /// is `header`.
    pub whole: Option<Vec<u8>>,
}

/// A packet of ESP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EspContents {
    /// The header.
    pub header: EspHeader,
    /// The next header and the content without padding, if they could be read.
    pub inner: Option<(u8, Vec<u8>)>,
    /// The header of the packet inside, if it is one.
    pub packet: Option<InnerHeader>,
    /// What became of the encrypted part.
    pub seal: Seal,
}

/// The header of an IP packet inside of ESP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InnerHeader {
    /// Who sends it.
    pub source: IpAddr,
    /// Who it is for.
    pub destination: IpAddr,
    /// Protocol, or Next Header with IPv6.
    pub protocol: u8,
    /// Total Length, or Payload Length with IPv6: what it says.
    pub length: u16,
}

/// What became of the encrypted part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// Nothing is encrypted, or there are no keys.
    #[default]
    Unopened,
    /// It is authentic.
    Open,
    /// It is not authentic, or not made of whole blocks.
    Broken,
}

/// A payload, raw and typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// As it is on the wire.
    pub raw: RawPayload,
    /// What it means; `Payload::Unknown` if it does not decode.
    pub typed: Payload,
}
