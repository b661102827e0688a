//! A datagram on the outer network, and what can be said of it without any key.

use core::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::forward::internet_checksum;
use crate::wire::{EspHeader, ah};

/// What carries a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// UDP: IKE on 500, IKE with non-ESP marker, ESP and keepalives on 4500.
    Udp,
    /// IP protocol 50; ports are 0.
    Esp,
    /// IP protocol 51; ports are 0, and the octets are the whole IP packet, which the ICV covers.
    Ah,
}

/// Where a datagram goes, seen from the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the edge to the peer.
    ToPeer,
    /// From the peer to the edge.
    ToEdge,
}

/// One of the two addresses of an IP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

/// A datagram between the edge (`local`) and a peer (`remote`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Datagram {
    /// The edge's address.
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
    /// What carries it.
    pub transport: Transport,
    /// Payload of UDP, or what follows the IP header; with AH the whole IP packet.
    pub bytes: Vec<u8>,
}

impl Datagram {
    /// A UDP datagram.
    pub const fn udp(local: SocketAddr, remote: SocketAddr, bytes: Vec<u8>) -> Self {
        Self { local, remote, transport: Transport::Udp, bytes }
    }

    /// An ESP or AH packet without UDP.
    pub const fn raw(local: IpAddr, remote: IpAddr, transport: Transport, bytes: Vec<u8>) -> Self {
        Self {
            local: SocketAddr::new(local, 0),
            remote: SocketAddr::new(remote, 0),
            transport,
            bytes,
        }
    }

    /// What kind of message this is, read from its clear header alone.
    ///
    /// On port 500 of either side there is no non-ESP marker; on other ports the first four octets
    /// decide, except that an IKE header without marker is recognised by its version and length, as
    /// test ports other than 500 and 4500 may be either.
    pub fn kind(&self) -> MessageKind {
        match self.transport {
            Transport::Esp => data(&self.bytes),
            Transport::Ah => ah::header_in(&self.bytes).map_or(MessageKind::Unreadable, |header| {
                MessageKind::Data { spi: header.spi, sequence: header.seq }
            }),
            Transport::Udp => self.udp_kind(),
        }
    }

    /// Puts an address into the IP header, if the octets have one, as a NAT does.
    pub(super) fn rewrite(&mut self, end: End, address: IpAddr) {
        if self.transport != Transport::Ah {
            return;
        }
        match (self.bytes.first().map(|first| first >> 4), address) {
            (Some(4), IpAddr::V4(address)) => {
                let len = usize::from(self.bytes.first().unwrap_or(&0) & 0x0f) * 4;
                let Some(header) = self.bytes.get_mut(..len) else { return };
                let start = if end == End::Source { 12 } else { 16 };
                if let Some(field) = header.get_mut(start..start + 4) {
                    field.copy_from_slice(&address.octets());
                    put(header, CHECKSUM, 0);
                    let checksum = internet_checksum(&[header]);
                    put(header, CHECKSUM, checksum);
                }
            }
            (Some(6), IpAddr::V6(address)) => {
                let start = if end == End::Source { 8 } else { 24 };
                if let Some(field) = self.bytes.get_mut(start..start + 16) {
                    field.copy_from_slice(&address.octets());
                }
            }
            _ => {}
        }
    }

    fn udp_kind(&self) -> MessageKind {
        if self.bytes == [0xff] {
            return MessageKind::Keepalive;
        }
        let plain = self.local.port() == 500 || self.remote.port() == 500;
        match self.bytes.split_first_chunk::<4>() {
            Some(([0, 0, 0, 0], message)) if !plain => {
                ike(message).unwrap_or(MessageKind::Unreadable)
            }
            _ => match ike(&self.bytes) {
                Some(kind) if plain || states_its_length(&self.bytes) => kind,
                _ if plain => MessageKind::Unreadable,
                _ => data(&self.bytes),
            },
        }
    }
}

/// What a datagram carries, from its clear header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum MessageKind {
    /// An IKE message.
    Ike(MessageKey),
    /// ESP or AH, with or without UDP.
    Data {
        /// Security parameters index.
        spi: u32,
        /// Sequence number, its low half with ESN.
        sequence: u32,
    },
    /// A NAT keepalive: one octet 0xff.
    Keepalive,
    /// Nothing of these, or too short to be.
    Unreadable,
}

/// The clear fields of an IKE header that name a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageKey {
    /// SPI of the initiator, or initiator cookie.
    pub spi_i: u64,
    /// Major version.
    pub major: u8,
    /// Exchange type.
    pub exchange: u8,
    /// The response flag of IKEv2; never set in IKEv1.
    pub response: bool,
    /// Message ID.
    pub message_id: u32,
}

fn ike(message: &[u8]) -> Option<MessageKind> {
    let header = message.first_chunk::<28>()?;
    let [a, b, c, d, e, f, g, h, rest @ ..] = header;
    let spi_i = u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]);
    let [_, _, _, _, _, _, _, _, _next, version, exchange, flags, w, x, y, z, ..] = rest;
    let major = version >> 4;
    Some(MessageKind::Ike(MessageKey {
        spi_i,
        major,
        exchange: *exchange,
        response: major >= 2 && flags & 0x20 != 0,
        message_id: u32::from_be_bytes([*w, *x, *y, *z]),
    }))
}

fn states_its_length(message: &[u8]) -> bool {
    let version = message.get(17).map(|version| version >> 4);
    let stated = message.get(24..28).and_then(|len| len.try_into().ok()).map(u32::from_be_bytes);
    matches!(version, Some(1 | 2)) && stated.map(|len| len as usize) == Some(message.len())
}

fn data(esp: &[u8]) -> MessageKind {
    EspHeader::decode(esp).map_or(MessageKind::Unreadable, |header| MessageKind::Data {
        spi: header.spi,
        sequence: header.seq,
    })
}

fn put(header: &mut [u8], at: usize, word: u16) {
    if let Some(field) = header.get_mut(at..at + 2) {
        field.copy_from_slice(&word.to_be_bytes());
    }
}

/// Where the checksum of an IPv4 header is.
const CHECKSUM: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(port: u16, bytes: Vec<u8>) -> MessageKind {
        let local = SocketAddr::from(([192, 0, 2, 1], port));
        Datagram::udp(local, SocketAddr::from(([192, 0, 2, 2], port)), bytes).kind()
    }

    fn header(len: u32) -> Vec<u8> {
        let mut bytes = vec![1; 8];
        bytes.extend([2; 8]);
        bytes.extend([46, 0x20, 35, 0x20, 0, 0, 0, 1]);
        bytes.extend(len.to_be_bytes());
        bytes
    }

    #[test]
    fn the_port_and_the_marker_say_what_it_is() {
        let key = MessageKey {
            spi_i: 0x0101_0101_0101_0101,
            major: 2,
            exchange: 35,
            response: true,
            message_id: 1,
        };
        assert_eq!(at(500, header(28)), MessageKind::Ike(key));
        assert_eq!(at(4500, [vec![0; 4], header(28)].concat()), MessageKind::Ike(key));
        assert_eq!(
            at(4500, vec![0, 0, 0, 9, 0, 0, 0, 3, 1]),
            MessageKind::Data { spi: 9, sequence: 3 }
        );
        assert_eq!(at(4500, vec![0xff]), MessageKind::Keepalive);
        assert_eq!(at(4500, vec![0; 5]), MessageKind::Unreadable);
        assert_eq!(at(500, vec![0; 5]), MessageKind::Unreadable);
        assert_eq!(at(7500, header(28)), MessageKind::Ike(key));
    }

    #[test]
    fn ah_comes_with_its_ip_header() {
        let ip = IpAddr::from([192, 0, 2, 1]);
        let mut bytes = vec![0; 20];
        (bytes[0], bytes[9]) = (0x45, 51);
        bytes.extend([4, 4, 0, 0, 0, 0, 0, 7, 0, 0, 0, 1]);
        let datagram = Datagram::raw(ip, ip, Transport::Ah, bytes);
        assert_eq!(datagram.kind(), MessageKind::Data { spi: 7, sequence: 1 });
        let bare = Datagram { bytes: datagram.bytes[20..].to_vec(), ..datagram };
        assert_eq!(bare.kind(), MessageKind::Unreadable);
    }
}
