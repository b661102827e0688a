//! How long things get: the layout of an ESP packet, and outer sizes for MTU questions.

use crate::crypto::ChildSuite;

/// SPI and sequence number.
pub(super) const ESP_HEADER_LEN: usize = 8;
/// Pad length and next header.
pub(super) const TRAILER_LEN: usize = 2;
/// What the trailer must end on (RFC 4303 section 2.4).
const WORD: usize = 4;

/// Octets in front of an inner packet that are enough for every suite.
pub const MAX_HEADROOM: usize = ESP_HEADER_LEN + 16;

/// Octets behind an inner packet that are enough for every suite: padding, trailer and ICV.
pub const MAX_TAILROOM: usize = 15 + TRAILER_LEN + 32;

/// The layout of the ESP packets of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length of the initialisation vector.
    pub iv_len: usize,
    /// What payload, padding and trailer together are a multiple of.
    pub align: usize,
    /// The length of the ICV.
    pub icv_len: usize,
}

impl Layout {
    /// The layout of `suite`.
    pub const fn of(suite: &ChildSuite) -> Self {
        let block_len = suite.encr.block_len();
        Self {
            iv_len: suite.encr.iv_len(),
            align: if block_len < WORD { WORD } else { block_len },
            icv_len: suite.icv_len(),
        }
    }

    /// What stands in front of the payload: header and initialisation vector.
    pub const fn headroom(&self) -> usize {
        ESP_HEADER_LEN + self.iv_len
    }

    /// What stands behind a payload of `len` octets: padding, trailer and ICV.
    pub const fn tailroom(&self, len: usize) -> usize {
        (len + TRAILER_LEN).next_multiple_of(self.align) - len + self.icv_len
    }

    /// The length of the ESP packet around a payload of `len` octets.
    pub const fn sealed_len(&self, len: usize) -> usize {
        self.headroom() + len + self.tailroom(len)
    }

    /// The longest payload of an ESP packet of at most `sealed` octets.
    pub const fn max_payload(&self, sealed: usize) -> usize {
        let room = sealed.saturating_sub(self.headroom() + self.icv_len);
        (room - room % self.align).saturating_sub(TRAILER_LEN)
    }

    /// Whether an ESP packet of this suite can have `len` octets.
    pub(super) const fn can_be(&self, len: usize) -> bool {
        let around = self.headroom() + self.icv_len;
        len >= around + self.align && (len - around).is_multiple_of(self.align)
    }
}

/// What is in front of the ESP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer {
    /// Whether the outer packet is IPv6.
    pub v6: bool,
    /// Whether ESP is in UDP.
    pub udp: bool,
}

impl Outer {
    /// The length of the outer headers, without options or extension headers.
    pub const fn len(&self) -> usize {
        let ip = if self.v6 { 40 } else { 20 };
        let udp = if self.udp { 8 } else { 0 };
        ip + udp
    }

    /// Never: there is an IP header at least.
    pub const fn is_empty(&self) -> bool {
        false
    }
}

impl From<super::Encap> for Outer {
    fn from(encap: super::Encap) -> Self {
        Self { v6: encap.dst_ip().is_ipv6(), udp: encap.is_udp() }
    }
}

/// The length of the outer IP packet around an inner packet of `inner_len` octets.
pub const fn outer_len(suite: &ChildSuite, outer: Outer, inner_len: usize) -> usize {
    outer.len() + Layout::of(suite).sealed_len(inner_len)
}

/// The longest inner packet whose outer packet has at most `mtu` octets.
pub const fn max_inner_len(suite: &ChildSuite, outer: Outer, mtu: usize) -> usize {
    Layout::of(suite).max_payload(mtu.saturating_sub(outer.len()))
}
