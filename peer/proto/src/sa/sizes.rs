//! How long things get: the layout of ESP and AH packets, and outer sizes for MTU questions.

use crate::crypto::{ChildProtocol, ChildSuite, Integ};
use crate::wire::ah::AH_FIXED_LEN;

/// SPI and sequence number.
pub(super) const ESP_HEADER_LEN: usize = 8;
/// Pad length and next header.
pub(super) const TRAILER_LEN: usize = 2;
/// What the trailer must end on (RFC 4303 section 2.4).
const WORD: usize = 4;
const V4_LEN: usize = 20;
const V6_LEN: usize = 40;

/// Octets in front of an inner packet that are enough for every suite: those of ESP, and those of AH in
/// IPv6 around it.
pub const MAX_HEADROOM: usize = V6_LEN + ah_len(Integ::HmacSha512_256, true) + ESP_HEADER_LEN + 16;

/// Octets behind an inner packet that are enough for every suite: padding, trailer and ICV.
pub const MAX_TAILROOM: usize = 15 + TRAILER_LEN + 32;

/// The layout of the packets of a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The length of the headers: of ESP, or the outer IP header and AH with its ICV.
    pub header_len: usize,
    /// The length of the initialisation vector.
    pub iv_len: usize,
    /// What payload, padding and trailer together are a multiple of.
    pub align: usize,
    /// The length of the trailer without padding.
    pub trailer_len: usize,
    /// The length of the ICV behind the payload.
    pub icv_len: usize,
}

impl Layout {
    /// The layout of the ESP packets of `suite`.
    pub const fn of(suite: &ChildSuite) -> Self {
        let block_len = suite.encr.block_len();
        Self {
            header_len: ESP_HEADER_LEN,
            iv_len: suite.encr.iv_len(),
            align: if block_len < WORD { WORD } else { block_len },
            trailer_len: TRAILER_LEN,
            icv_len: suite.icv_len(),
        }
    }

    /// The layout of the IP packets that AH makes with this algorithm, in IPv6 or IPv4.
    pub const fn ah(integ: Integ, v6: bool) -> Self {
        let header_len = Outer { v6, udp: false }.len() + ah_len(integ, v6);
        Self { header_len, iv_len: 0, align: 1, trailer_len: 0, icv_len: 0 }
    }

    /// What stands in front of the payload: headers and initialisation vector.
    pub const fn headroom(&self) -> usize {
        self.header_len + self.iv_len
    }

    /// What stands behind a payload of `len` octets: padding, trailer and ICV.
    pub const fn tailroom(&self, len: usize) -> usize {
        (len + self.trailer_len).next_multiple_of(self.align) - len + self.icv_len
    }

    /// The length of the packet around a payload of `len` octets.
    pub const fn sealed_len(&self, len: usize) -> usize {
        self.headroom() + len + self.tailroom(len)
    }

    /// The longest payload of a packet of at most `sealed` octets.
    pub const fn max_payload(&self, sealed: usize) -> usize {
        let room = sealed.saturating_sub(self.headroom() + self.icv_len);
        (room - room % self.align).saturating_sub(self.trailer_len)
    }

    /// Whether an ESP packet of this suite can have `len` octets.
    pub(super) const fn can_be(&self, len: usize) -> bool {
        let around = self.headroom() + self.icv_len;
        len >= around + self.align && (len - around).is_multiple_of(self.align)
    }
}

/// The length of AH with its ICV, which is filled up to whole words of four octets, in IPv6 of eight
/// (RFC 4302 section 2.6).
pub const fn ah_len(integ: Integ, v6: bool) -> usize {
    (AH_FIXED_LEN + integ.icv_len()).next_multiple_of(if v6 { 8 } else { WORD })
}

/// What is in front of ESP; for AH the version of the outer header.
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
        let ip = if self.v6 { V6_LEN } else { V4_LEN };
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
    let (outside, layout) = around(suite, outer);
    outside + layout.sealed_len(inner_len)
}

/// The longest inner packet whose outer packet has at most `mtu` octets.
pub const fn max_inner_len(suite: &ChildSuite, outer: Outer, mtu: usize) -> usize {
    let (outside, layout) = around(suite, outer);
    layout.max_payload(mtu.saturating_sub(outside))
}

/// What is outside of the layout, and the layout: that of AH has the outer header in it.
const fn around(suite: &ChildSuite, outer: Outer) -> (usize, Layout) {
    match suite.protocol {
        ChildProtocol::Esp => (outer.len(), Layout::of(suite)),
        ChildProtocol::Ah => (0, Layout::ah(suite.integ, outer.v6)),
    }
}
