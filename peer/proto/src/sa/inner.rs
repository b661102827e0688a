//! What must be known of an inner packet: its length, and what traffic selectors look at.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::selector::Flow;

/// Next header of an IPv4 packet in tunnel mode.
pub(super) const IPV4: u8 = 4;
/// Next header of an IPv6 packet in tunnel mode.
pub(super) const IPV6: u8 = 41;
/// Next header of ESP inside of AH.
pub(super) const ESP: u8 = 50;
/// Next header of a dummy packet (RFC 4303 section 2.6).
pub(super) const NO_NEXT_HEADER: u8 = 59;

const V4_HEADER_LEN: usize = 20;
const V6_HEADER_LEN: usize = 40;
/// More extension headers than any honest packet has.
const MAX_EXTENSIONS: usize = 8;

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;

/// The version field of an IP packet; 0 if there is none.
pub(super) fn version(packet: &[u8]) -> u8 {
    packet.first().map_or(0, |first| first >> 4)
}

/// The length that the header of an IP packet of that version says, and what it must be at least.
/// `None` if not even the header is there.
pub(super) fn total_len(packet: &[u8]) -> Option<(usize, usize)> {
    match version(packet) {
        4 => {
            let header: &[u8; V4_HEADER_LEN] = packet.first_chunk()?;
            let [first, _, a, b, ..] = *header;
            let header_len = usize::from(first & 0x0f) * 4;
            Some((usize::from(u16::from_be_bytes([a, b])), header_len.max(V4_HEADER_LEN)))
        }
        6 => {
            let header: &[u8; V6_HEADER_LEN] = packet.first_chunk()?;
            let [_, _, _, _, a, b, ..] = *header;
            Some((usize::from(u16::from_be_bytes([a, b])) + V6_HEADER_LEN, V6_HEADER_LEN))
        }
        _ => None,
    }
}

/// What traffic selectors look at in a whole IP packet; `None` if it is none.
pub(super) fn flow(packet: &[u8]) -> Option<Flow> {
    match version(packet) {
        4 => v4_flow(packet),
        6 => v6_flow(packet),
        _ => None,
    }
}

/// Source and destination of an IPv4 packet, as numbers.
pub(super) fn v4_addresses(packet: &[u8]) -> Option<(u32, u32)> {
    let header: &[u8; V4_HEADER_LEN] = packet.first_chunk()?;
    let [_, _, _, _, _, _, _, _, _, _, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    Some((u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([d0, d1, d2, d3])))
}

/// Source and destination of an IPv6 packet, as numbers.
pub(super) fn v6_addresses(packet: &[u8]) -> Option<(u128, u128)> {
    let header: &[u8; V6_HEADER_LEN] = packet.first_chunk()?;
    let (_, addresses) = header.split_first_chunk::<8>()?;
    let (src, dst) = addresses.split_first_chunk::<16>()?;
    Some((u128::from_be_bytes(*src), u128::from_be_bytes(*dst.first_chunk::<16>()?)))
}

fn v4_flow(packet: &[u8]) -> Option<Flow> {
    let (src, dst) = v4_addresses(packet)?;
    let &[first, _, _, _, _, _, f0, f1, _, protocol] = packet.first_chunk()?;
    let fragment_offset = u16::from_be_bytes([f0, f1]) & 0x1fff;
    let payload = packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default();
    let ports = if fragment_offset == 0 { ports(protocol, payload) } else { None };
    Some(Flow { src: Ipv4Addr::from(src).into(), dst: Ipv4Addr::from(dst).into(), protocol, ports })
}

fn v6_flow(packet: &[u8]) -> Option<Flow> {
    let (src, dst) = v6_addresses(packet)?;
    let (header, payload) = packet.split_first_chunk::<V6_HEADER_LEN>()?;
    let (protocol, payload) = upper_layer(header[6], payload);
    Some(Flow {
        src: Ipv6Addr::from(src).into(),
        dst: Ipv6Addr::from(dst).into(),
        protocol,
        ports: payload.and_then(|payload| ports(protocol, payload)),
    })
}

/// The protocol behind the extension headers and what it carries, if that is in this packet.
fn upper_layer(mut next: u8, mut payload: &[u8]) -> (u8, Option<&[u8]>) {
    for _ in 0..MAX_EXTENSIONS {
        let Some(&[following, len]) = payload.first_chunk::<2>() else { return (next, None) };
        let header_len = match next {
            HOP_BY_HOP | ROUTING | DESTINATION => usize::from(len) * 8 + 8,
            AUTHENTICATION => usize::from(len) * 4 + 8,
            FRAGMENT => {
                let offset = match payload.first_chunk::<8>() {
                    Some(&[_, _, a, b, ..]) => u16::from_be_bytes([a, b]) >> 3,
                    None => return (following, None),
                };
                if offset != 0 {
                    return (following, None);
                }
                8
            }
            _ => return (next, Some(payload)),
        };
        next = following;
        payload = payload.get(header_len..).unwrap_or_default();
    }
    (next, None)
}

/// Source and destination port. ICMP and mobility have their type and code in both places, as
/// RFC 7296 section 3.13.1 has them in the port fields of a traffic selector.
fn ports(protocol: u8, payload: &[u8]) -> Option<(u16, u16)> {
    match protocol {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        6 | 17 | 33 | 132 | 136 => {
            let [a, b, c, d] = *payload.first_chunk::<4>()?;
            Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
        }
        1 | 58 => {
            let kind = u16::from_be_bytes(*payload.first_chunk::<2>()?);
            Some((kind, kind))
        }
        MOBILITY => {
            let [_, _, kind] = *payload.first_chunk::<3>()?;
            let kind = u16::from_be_bytes([kind, 0]);
            Some((kind, kind))
        }
        _ => None,
    }
}
