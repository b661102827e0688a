//! From a captured frame to its IP packet, and to what the packet holds.

use core::net::IpAddr;

use etherparse::{LaxNetSlice, LaxSlicedPacket};
use ikeproof_proto::wire::AH_PROTOCOL;

use super::file::{LinkType, Packet};

/// An IP packet, or a fragment of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IpPacket {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    /// The protocol of the payload.
    pub(super) protocol: u8,
    pub(super) fragment: Option<Fragment>,
    /// What the packet carries; with AH the whole packet.
    pub(super) payload: Vec<u8>,
}

/// A fragment's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment {
    pub(super) id: u32,
    /// Where its octets begin in the whole payload.
    pub(super) offset: usize,
    pub(super) more: bool,
}

/// The IP packet in a frame; `None` if there is none, or it is cut off.
pub(super) fn ip_packet(packet: &Packet<'_>) -> Option<IpPacket> {
    let sliced = match packet.link {
        LinkType::ETHERNET => LaxSlicedPacket::from_ethernet(packet.bytes).ok()?,
        LinkType::LINUX_SLL => cooked(packet.bytes, 14, 16)?,
        LinkType::LINUX_SLL2 => cooked(packet.bytes, 0, 20)?,
        LinkType::RAW | LinkType::RAW_BSD | LinkType::IPV4 | LinkType::IPV6 => {
            LaxSlicedPacket::from_ip(packet.bytes).ok()?
        }
        _ => return None,
    };
    let (src, dst, fragment) = match sliced.net.as_ref()? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let fragment = header.is_fragmenting_payload().then(|| Fragment {
                id: header.identification().into(),
                offset: usize::from(header.fragments_offset().value()) * 8,
                more: header.more_fragments(),
            });
            (header.source_addr().into(), header.destination_addr().into(), fragment)
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let fragment = ip.extensions().clone().into_iter().find_map(fragment_of);
            (header.source_addr().into(), header.destination_addr().into(), fragment)
        }
        LaxNetSlice::Arp(_) => return None,
    };
    let payload = sliced.net.as_ref()?.ip_payload_ref()?;
    if payload.incomplete {
        return None;
    }
    if fragment.is_none()
        && let Some(headers) = headers_with_ah(sliced.net.as_ref()?)
    {
        let whole = [headers.as_slice(), payload.payload].concat();
        return Some(IpPacket { src, dst, protocol: AH_PROTOCOL, fragment, payload: whole });
    }
    Some(IpPacket {
        src,
        dst,
        protocol: payload.ip_number.0,
        fragment,
        payload: payload.payload.to_vec(),
    })
}

/// The headers in front of what AH protects, if there is AH.
fn headers_with_ah(net: &LaxNetSlice<'_>) -> Option<Vec<u8>> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let auth = ip.extensions().auth?;
            Some([ip.header().slice(), auth.slice()].concat())
        }
        LaxNetSlice::Ipv6(ip) => {
            let mut extensions = ip.extensions().clone().into_iter();
            extensions
                .any(|one| matches!(one, etherparse::Ipv6ExtensionSlice::Authentication(_)))
                .then(|| [ip.header().slice(), ip.extensions().slice()].concat())
        }
        LaxNetSlice::Arp(_) => None,
    }
}

fn fragment_of(extension: etherparse::Ipv6ExtensionSlice<'_>) -> Option<Fragment> {
    match extension {
        etherparse::Ipv6ExtensionSlice::Fragment(header) if header.is_fragmenting_payload() => {
            Some(Fragment {
                id: header.identification(),
                offset: usize::from(header.fragment_offset().value()) * 8,
                more: header.more_fragments(),
            })
        }
        _ => None,
    }
}

/// A Linux cooked frame: the protocol stands at one place, the packet begins at another.
fn cooked(frame: &[u8], protocol: usize, packet: usize) -> Option<LaxSlicedPacket<'_>> {
    let protocol = frame.get(protocol..protocol + 2)?;
    if !matches!(protocol, [0x08, 0x00] | [0x86, 0xdd]) {
        return None;
    }
    LaxSlicedPacket::from_ip(frame.get(packet..)?).ok()
}
