//! Frames made of datagrams, for lanes without a wire: Ethernet, IPv4 or IPv6, UDP, ESP or AH.
//!
//! Addresses of the link layer are locally administered and tell the two sides apart. A UDP checksum
//! is right; what would not fit into an IP packet is refused.

use std::net::{IpAddr, SocketAddr};

use etherparse::{IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};
use ikeproof_proto::middlebox::{Datagram, Direction, Transport};
use thiserror::Error;

/// The fields of the outer header that a datagram does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SynthesisOptions {
    /// TTL or hop limit.
    pub ttl: u8,
    /// The DF bit over IPv4.
    pub df: bool,
    /// Identification over IPv4.
    pub identification: u16,
}

impl Default for SynthesisOptions {
    fn default() -> Self {
        Self { ttl: 64, df: true, identification: 0 }
    }
}

/// No frame can be made of a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SynthesisError {
    /// One address is IPv4, the other IPv6.
    #[error("{from} and {to} are of different IP versions")]
    MixedVersions {
        /// Source.
        from: SocketAddr,
        /// Destination.
        to: SocketAddr,
    },
    /// AH comes as an IP packet, and this is none.
    #[error("{len} octets of AH are no IP packet")]
    NoPacket {
        /// Octets of the datagram.
        len: usize,
    },
    /// It fits into no IP packet.
    #[error("{len} octets fit into no IP packet")]
    TooLong {
        /// Octets of the datagram.
        len: usize,
    },
}

/// The frame of a datagram.
///
/// # Errors
///
/// If the addresses are of different versions, the datagram is too long, or AH is in no IP packet.
pub fn synthesise(
    datagram: &Datagram,
    direction: Direction,
    options: &SynthesisOptions,
) -> Result<Vec<u8>, SynthesisError> {
    let (from, to, from_mac, to_mac) = match direction {
        Direction::ToPeer => (datagram.local, datagram.remote, EDGE_MAC, PEER_MAC),
        Direction::ToEdge => (datagram.remote, datagram.local, PEER_MAC, EDGE_MAC),
    };
    let protocol = match datagram.transport {
        Transport::Udp => IpNumber::UDP,
        Transport::Esp => IpNumber::ENCAPSULATING_SECURITY_PAYLOAD,
        Transport::Ah => IpNumber::AUTHENTICATION_HEADER,
    };
    let ip = match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => IpHeaders::Ipv4(
            Ipv4Header {
                source: from.octets(),
                destination: to.octets(),
                identification: options.identification,
                dont_fragment: options.df,
                fragment_offset: IpFragOffset::ZERO,
                time_to_live: options.ttl,
                protocol,
                ..Default::default()
            },
            Default::default(),
        ),
        (IpAddr::V6(from), IpAddr::V6(to)) => IpHeaders::Ipv6(
            Ipv6Header {
                source: from.octets(),
                destination: to.octets(),
                hop_limit: options.ttl,
                next_header: protocol,
                ..Default::default()
            },
            Default::default(),
        ),
        _ => return Err(SynthesisError::MixedVersions { from, to }),
    };
    let bytes = &datagram.bytes;
    if datagram.transport == Transport::Ah {
        // It comes with its own IP header, which its ICV covers.
        return synthesise_clear(bytes, direction)
            .ok_or(SynthesisError::NoPacket { len: bytes.len() });
    }
    let builder = PacketBuilder::ethernet2(from_mac, to_mac).ip(ip);
    let mut frame = Vec::with_capacity(bytes.len() + 64);
    let written = match datagram.transport {
        Transport::Udp => builder.udp(from.port(), to.port()).write(&mut frame, bytes),
        Transport::Esp | Transport::Ah => builder.write(&mut frame, protocol, bytes),
    };
    match written {
        Ok(()) => Ok(frame),
        Err(_) => Err(SynthesisError::TooLong { len: bytes.len() }),
    }
}

/// The frame of an IP packet that left a node without protection; `None` if it is no IP packet.
pub fn synthesise_clear(packet: &[u8], direction: Direction) -> Option<Vec<u8>> {
    let kind: [u8; 2] = match packet.first()? >> 4 {
        4 => [0x08, 0x00],
        6 => [0x86, 0xdd],
        _ => return None,
    };
    let (from, to) = match direction {
        Direction::ToPeer => (EDGE_MAC, PEER_MAC),
        Direction::ToEdge => (PEER_MAC, EDGE_MAC),
    };
    Some([to.as_slice(), &from, &kind, packet].concat())
}

const EDGE_MAC: [u8; 6] = [0x02, b'i', b'k', b'e', 0, 1];
const PEER_MAC: [u8; 6] = [0x02, b'i', b'k', b'e', 0, 2];

#[cfg(test)]
mod tests {
    use super::*;

    fn datagram(transport: Transport, len: usize) -> Datagram {
        let ports = if transport == Transport::Udp { (500, 1500) } else { (0, 0) };
        Datagram {
            local: SocketAddr::from(([192, 0, 2, 1], ports.0)),
            remote: SocketAddr::from(([192, 0, 2, 2], ports.1)),
            transport,
            bytes: vec![0xab; len],
        }
    }

    #[test]
    fn a_udp_frame_byte_for_byte() {
        let options = SynthesisOptions::default();
        let frame = synthesise(&datagram(Transport::Udp, 1), Direction::ToEdge, &options).unwrap();
        assert_eq!(frame[..14], *b"\x02ike\x00\x01\x02ike\x00\x02\x08\x00");
        assert_eq!(frame[14..24], [0x45, 0, 0, 29, 0, 0, 0x40, 0, 64, 17]);
        assert_eq!(frame[26..34], [192, 0, 2, 2, 192, 0, 2, 1]);
        assert_eq!(frame[34..40], [0x05, 0xdc, 0x01, 0xf4, 0, 9]);
        assert_eq!(frame.len(), 43);
    }

    #[test]
    fn esp_follows_an_ip_header_and_ah_brings_its_own() {
        let esp = datagram(Transport::Esp, 24);
        let frame = synthesise(&esp, Direction::ToPeer, &Default::default()).unwrap();
        assert_eq!((frame[23], frame.len()), (50, 58));
        assert_eq!(frame[34..], [0xab; 24]);
        let mut ah = datagram(Transport::Ah, 44);
        ah.bytes[0] = 0x45;
        let frame = synthesise(&ah, Direction::ToPeer, &Default::default()).unwrap();
        assert_eq!(frame[..14], *b"\x02ike\x00\x02\x02ike\x00\x01\x08\x00");
        assert_eq!(frame[14..], ah.bytes);
        ah.bytes[0] = 0;
        let refused = synthesise(&ah, Direction::ToPeer, &Default::default());
        assert_eq!(refused, Err(SynthesisError::NoPacket { len: 44 }));
    }

    #[test]
    fn a_packet_in_clear_is_framed_as_it_is() {
        let frame = synthesise_clear(&[0x45, 1, 2], Direction::ToEdge).unwrap();
        assert_eq!(frame, *b"\x02ike\x00\x01\x02ike\x00\x02\x08\x00\x45\x01\x02");
        assert_eq!(synthesise_clear(&[0x15], Direction::ToEdge), None);
        assert_eq!(synthesise_clear(&[], Direction::ToPeer), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let options = SynthesisOptions::default();
        assert_eq!(
            synthesise(&datagram(Transport::Udp, 65_600), Direction::ToEdge, &options),
            Err(SynthesisError::TooLong { len: 65_600 })
        );
    }
}
