//! A line of the timeline with its tree of fields.

use core::fmt;

use ikeproof_proto::time::Time;
use ikeproof_proto::wire::EspHeader;
use serde::Serialize;

use crate::contents::{Contents, EspContents, Seal};
use crate::esp::inner_header;
use crate::limits;
use crate::observed::{Frame, Sender, Transport};

/// A datagram, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decoded {
    /// The number of the datagram, from 1.
    pub frame: u64,
    /// When it was seen.
    pub at: Time,
    /// Who sent it.
    pub from: Sender,
    /// How it travelled.
    pub transport: Transport,
    /// Its length in octets: the UDP payload, or the IP payload of an ESP packet.
    pub length: usize,
    /// One line, such as `IKE_SA_INIT request 0 { SA, KE(19), Ni }`.
    pub summary: String,
    /// The fields, in order; the level makes the tree.
    pub detail: Vec<Detail>,
    /// It repeats an earlier datagram octet by octet.
    pub retransmission: bool,
    /// Something in it is encrypted.
    pub encrypted: bool,
    /// What is encrypted could be read.
    pub decrypted: bool,
    /// The same typed, if [`Auditor::keep_contents`](crate::Auditor::keep_contents) asks for it.
    #[serde(skip)]
    pub contents: Option<Contents>,
}

/// A field of a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// How deep it stands.
    pub level: DetailLevel,
    /// What it is.
    pub field: String,
    /// What it says.
    pub value: String,
}

/// How deep a field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetailLevel {
    /// The header of the message or packet.
    Header,
    /// A payload.
    Payload,
    /// A field of a payload.
    Field,
    /// A part of a field, such as a transform of a proposal.
    Part,
}

impl Decoded {
    pub(crate) fn new(frame: Frame, transport: Transport, length: usize) -> Self {
        Self {
            frame: frame.number,
            at: frame.at,
            from: frame.by,
            transport,
            length,
            summary: String::new(),
            detail: Vec::new(),
            retransmission: false,
            encrypted: false,
            decrypted: false,
            contents: None,
        }
    }

    pub(crate) fn detail(
        &mut self,
        level: DetailLevel,
        field: impl Into<String>,
        value: impl Into<String>,
    ) {
        if self.detail.len() >= limits::DETAIL {
            return;
        }
        self.detail.push(Detail { level, field: field.into(), value: value.into() });
    }

    pub(crate) fn esp(&mut self, header: &EspHeader, length: usize) {
        self.encrypted = true;
        if let Some(contents) = &mut self.contents {
            let (inner, packet, seal) = (None, None, Seal::Unopened);
            *contents = Contents::Esp(EspContents { header: *header, inner, packet, seal });
        }
        self.summary = format!("ESP {:#010x} seq {}, {length} octets", header.spi, header.seq);
        self.detail(DetailLevel::Header, "SPI", format!("{:#010x}", header.spi));
        self.detail(DetailLevel::Header, "sequence number", header.seq.to_string());
    }
}

impl Decoded {
    /// Notes what became of an ESP packet.
    pub(crate) fn esp_opened(&mut self, seal: Seal, inner: Option<(u8, Vec<u8>)>) {
        if let Some(Contents::Esp(contents)) = &mut self.contents {
            contents.seal = seal;
            contents.packet =
                inner.as_ref().and_then(|(next, content)| inner_header(*next, content));
            contents.inner = inner;
        }
    }
}

impl fmt::Display for Decoded {
    /// A line of a timeline: `    +12ms edge → peer  IKE_SA_INIT request 0 { … }`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.since_start().as_millis();
        write!(f, "{:>8}ms {} → {}  {}", millis, self.from, self.from.other(), self.summary)?;
        if self.retransmission {
            f.write_str(" (repeated)")?;
        }
        Ok(())
    }
}
