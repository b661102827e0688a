//! Reading the few header fields that a router needs, without trusting any length.
//!
//! Only plain IPv4 and IPv6 packets, as they come out of a tunnel: no link layer, no VLAN tag.
//! Readers return `None` where the octets are not there.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The version in the first four bits of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// The version of `packet`, `None` if it is empty or neither.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Some(Self::V4),
            6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// Two octets at `at`, big endian.
pub(super) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(array(bytes, at)?))
}

/// `N` octets at `at`.
pub(super) fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// Writes two octets at `at`; out of range writes nothing.
pub(super) fn put16(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at.saturating_add(2)) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The length of an IPv4 header including options, if all of it is there.
pub(super) fn ipv4_header_len(packet: &[u8]) -> Option<usize> {
    let len = usize::from(packet.first()? & 0x0f) * 4;
    (len >= 20 && packet.len() >= len).then_some(len)
}

/// The total length that the header states, bounded by the octets that are there.
pub(super) fn stated_len(packet: &[u8]) -> Option<usize> {
    let stated = match IpVersion::of(packet)? {
        IpVersion::V4 => usize::from(be16(packet, 2)?),
        IpVersion::V6 => usize::from(be16(packet, 4)?).saturating_add(40),
    };
    Some(stated.min(packet.len()))
}

/// Source and destination.
pub(super) fn addresses(packet: &[u8]) -> Option<(IpAddr, IpAddr)> {
    Some(match IpVersion::of(packet)? {
        IpVersion::V4 => (
            Ipv4Addr::from(array::<4>(packet, 12)?).into(),
            Ipv4Addr::from(array::<4>(packet, 16)?).into(),
        ),
        IpVersion::V6 => (
            Ipv6Addr::from(array::<16>(packet, 8)?).into(),
            Ipv6Addr::from(array::<16>(packet, 24)?).into(),
        ),
    })
}

/// Where the upper layer of a packet starts, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Upper {
    /// The upper-layer header with this protocol number starts at this offset.
    At {
        /// IANA protocol number.
        protocol: u8,
        /// Offset from the start of the packet.
        offset: usize,
    },
    /// A fragment other than the first: there is no upper-layer header in it.
    LaterFragment,
    /// The headers end in the middle, or are no IP.
    Malformed,
}

/// Walks to the upper layer, over IPv6 hop-by-hop, routing, destination and fragment headers.
///
/// AH, ESP and mobility headers end the walk: what is behind them is authenticated or encrypted and
/// not a router's to rewrite.
pub(super) fn upper_layer(packet: &[u8]) -> Upper {
    walk(packet).unwrap_or(Upper::Malformed)
}

fn walk(packet: &[u8]) -> Option<Upper> {
    if IpVersion::of(packet)? == IpVersion::V4 {
        let offset = ipv4_header_len(packet)?;
        if be16(packet, 6)? & 0x1fff != 0 {
            return Some(Upper::LaterFragment);
        }
        return Some(Upper::At { protocol: *packet.get(9)?, offset });
    }
    let mut protocol = *packet.get(6)?;
    let mut offset = 40_usize;
    // Every round moves at least eight octets on, so the walk is bounded by the packet's length.
    loop {
        match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION => {
                let next = *packet.get(offset)?;
                let len = usize::from(*packet.get(offset.checked_add(1)?)?);
                offset = offset.checked_add(len.checked_add(1)?.checked_mul(8)?)?;
                protocol = next;
            }
            FRAGMENT => {
                let next = *packet.get(offset)?;
                if be16(packet, offset.checked_add(2)?)? & 0xfff8 != 0 {
                    return Some(Upper::LaterFragment);
                }
                offset = offset.checked_add(8)?;
                protocol = next;
            }
            _ => {
                return (offset <= packet.len()).then_some(Upper::At { protocol, offset });
            }
        }
    }
}

/// The Internet checksum (RFC 1071) over `parts`, each of which starts at an even offset.
pub fn internet_checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        let mut words = part.chunks_exact(2);
        for word in words.by_ref() {
            sum += u64::from(be16(word, 0).unwrap_or_default());
        }
        if let [last] = words.remainder() {
            sum += u64::from(*last) << 8;
        }
    }
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// `checksum` after one 16-bit word changed from `old` to `new` (RFC 1624, equation 3).
pub(super) fn adjusted_checksum(checksum: u16, old: u16, new: u16) -> u16 {
    let mut sum = u32::from(!checksum) + u32::from(!old) + u32::from(new);
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// Recomputes the checksum of an IPv4 header of `header_len` octets.
pub(super) fn refresh_ipv4_checksum(packet: &mut [u8], header_len: usize) {
    put16(packet, 10, 0);
    if let Some(header) = packet.get(..header_len) {
        let checksum = internet_checksum(&[header]);
        put16(packet, 10, checksum);
    }
}

pub(super) const HOP_BY_HOP: u8 = 0;
pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const ROUTING: u8 = 43;
pub(super) const FRAGMENT: u8 = 44;
pub(super) const ESP: u8 = 50;
pub(super) const AH: u8 = 51;
pub(super) const ICMPV6: u8 = 58;
pub(super) const DESTINATION: u8 = 60;
