//! Raw sockets for ESP (protocol 50) and AH (51), IPv4 and IPv6.
//!
//! The kernel reassembles outer fragments before it hands a packet over. Over IPv4 the outer header
//! comes along, which AH needs for its ICV; over IPv6 it does not, but nothing in it that AH covers is
//! unknown to the receiver. With [`HeaderMode::Included`] (IPv4) DF, Identification and TTL of every
//! packet are the caller's; the kernel then never fragments.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;

use serde::{Deserialize, Serialize};
use tokio::net::UdpSocket;

use super::error::{OpenError, Wanted};
use super::place::Place;
use super::udp::{DfMode, enlarge_buffers, set_df};

/// What a raw socket carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawProtocol {
    /// IP protocol 50.
    Esp,
    /// IP protocol 51.
    Ah,
}

impl RawProtocol {
    /// The IP protocol number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Esp => 50,
            Self::Ah => 51,
        }
    }
}

/// Who writes the outer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum HeaderMode {
    /// The kernel, with this DF bit.
    Kernel(DfMode),
    /// We do (`IP_HDRINCL`), IPv4 only: see [`RawSocket::send_with`].
    Included,
}

/// The fields of an outer IPv4 header that a sender chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct OuterV4 {
    /// DSCP and ECN.
    pub tos: u8,
    /// Identification. The kernel replaces zero by one of its own, which breaks AH.
    pub identification: u16,
    /// The DF bit.
    pub df: bool,
    /// Time to live.
    pub ttl: u8,
}

impl OuterV4 {
    /// The whole 20-octet header in front of `payload_len` octets, without its checksum.
    pub fn header(
        &self,
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: u8,
        payload_len: usize,
    ) -> io::Result<[u8; 20]> {
        let total = u16::try_from(payload_len + 20)
            .map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let mut header = [0; 20];
        header[0] = 0x45;
        header[1] = self.tos;
        header[2..4].copy_from_slice(&total.to_be_bytes());
        header[4..6].copy_from_slice(&self.identification.to_be_bytes());
        header[6] = if self.df { 0x40 } else { 0 };
        header[8] = self.ttl;
        header[9] = protocol;
        header[12..16].copy_from_slice(&source.octets());
        header[16..20].copy_from_slice(&destination.octets());
        Ok(header)
    }
}

/// A packet that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawReceived {
    /// Who sent it.
    pub source: IpAddr,
    /// Where in the buffer the ESP or AH packet is; over IPv4 the outer header is in front of it.
    pub payload: Range<usize>,
    /// Fields of the outer header, over IPv4.
    pub outer: Option<OuterV4>,
}

/// A raw socket of one protocol on one local address.
#[derive(Debug)]
pub struct RawSocket {
    /// tokio's UDP socket around a raw one: readiness, `sendto` and `recvfrom` are the same calls, and
    /// this way is safe code, which making an `AsyncFd` is not.
    socket: UdpSocket,
    local: IpAddr,
    protocol: RawProtocol,
    included: bool,
}

impl RawSocket {
    /// Opens a raw socket in `place` on this local address and hands it to tokio.
    ///
    /// # Errors
    ///
    /// Says what is in the way. Panics outside a tokio runtime.
    pub fn open(
        place: &Place,
        local: IpAddr,
        protocol: RawProtocol,
        mode: HeaderMode,
    ) -> Result<Self, OpenError> {
        let wanted = || Wanted::Raw(local, protocol.number());
        if mode == HeaderMode::Included && local.is_ipv6() {
            return Err(OpenError::Ipv4Only { wanted: wanted(), option: "an included header" });
        }
        let socket = place.socket(&wanted())?;
        let set = || -> io::Result<()> {
            socket.set_nonblocking(true)?;
            match mode {
                HeaderMode::Kernel(df) => set_df(&socket, local.is_ipv6(), df)?,
                HeaderMode::Included => socket.set_header_included_v4(true)?,
            }
            enlarge_buffers(&socket);
            Ok(())
        };
        set().map_err(|error| OpenError::of(wanted(), error))?;
        let socket =
            UdpSocket::from_std(socket.into()).map_err(|error| OpenError::of(wanted(), error))?;
        Ok(Self { socket, local, protocol, included: mode == HeaderMode::Included })
    }

    /// The local address.
    pub const fn local(&self) -> IpAddr {
        self.local
    }

    /// What it carries.
    pub const fn protocol(&self) -> RawProtocol {
        self.protocol
    }

    /// Sends an ESP or AH packet.
    ///
    /// # Errors
    ///
    /// What the system says; `EMSGSIZE` if DF is set and it does not fit. A socket with
    /// [`HeaderMode::Included`] needs [`Self::send_with`].
    pub async fn send(&self, remote: IpAddr, packet: &[u8]) -> io::Result<()> {
        if self.included {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        self.send_octets(remote, packet).await
    }

    /// Sends an ESP or AH packet behind an outer header made of these fields.
    ///
    /// # Errors
    ///
    /// What the system says; `EMSGSIZE` if it passes the interface's MTU.
    pub async fn send_with(
        &self,
        remote: IpAddr,
        outer: &OuterV4,
        packet: &[u8],
    ) -> io::Result<()> {
        let (IpAddr::V4(source), IpAddr::V4(destination), true) =
            (self.local, remote, self.included)
        else {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        };
        let header = outer.header(source, destination, self.protocol.number(), packet.len())?;
        self.send_octets(remote, &[&header, packet].concat()).await
    }

    /// Sends a whole IP packet: with [`HeaderMode::Included`] as it is; over IPv6 without its header,
    /// for which the kernel writes another with the same length, protocol and addresses.
    ///
    /// # Errors
    ///
    /// What the system says; `EMSGSIZE` over IPv4 if it passes the interface's MTU.
    pub async fn send_whole(&self, remote: IpAddr, packet: &[u8]) -> io::Result<()> {
        let octets = match (self.included, self.local) {
            (true, _) => packet,
            (false, IpAddr::V6(_)) => packet.get(V6_HEADER..).unwrap_or_default(),
            (false, IpAddr::V4(_)) => return Err(io::Error::from(io::ErrorKind::InvalidInput)),
        };
        self.send_octets(remote, octets).await
    }

    /// The whole IP packet of one that came in. Over IPv6 its header is made anew: what the kernel
    /// does not hand over may change on the way, or is known.
    pub fn whole(&self, received: &RawReceived, buffer: &[u8]) -> Vec<u8> {
        let packet = buffer.get(received.payload.clone()).unwrap_or_default();
        match (received.source, self.local) {
            (IpAddr::V6(source), IpAddr::V6(local)) => {
                let mut header = [0; V6_HEADER];
                header[0] = 0x60;
                let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
                header[4..6].copy_from_slice(&len.to_be_bytes());
                header[6] = self.protocol.number();
                header[8..24].copy_from_slice(&source.octets());
                header[24..].copy_from_slice(&local.octets());
                [&header, packet].concat()
            }
            _ => buffer.get(..received.payload.end).unwrap_or_default().to_vec(),
        }
    }

    /// Waits for a packet. `buffer` should hold 65535 octets: what is longer is cut off.
    ///
    /// # Errors
    ///
    /// What the system says, such as `EHOSTUNREACH` after an ICMP error; the socket stays usable.
    pub async fn recv(&self, buffer: &mut [u8]) -> io::Result<RawReceived> {
        loop {
            let (len, source) = self.socket.recv_from(buffer).await?;
            if let Some(received) = self.understood(&buffer[..len], source.ip()) {
                return Ok(received);
            }
        }
    }

    async fn send_octets(&self, remote: IpAddr, octets: &[u8]) -> io::Result<()> {
        let sent = self.socket.send_to(octets, SocketAddr::new(remote, 0)).await?;
        debug_assert_eq!(sent, octets.len());
        Ok(())
    }

    fn understood(&self, packet: &[u8], source: IpAddr) -> Option<RawReceived> {
        if self.local.is_ipv6() {
            return Some(RawReceived { source, payload: 0..packet.len(), outer: None });
        }
        let header = packet.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 0x0f) * 4;
        if packet.len() < header_len {
            return None;
        }
        let outer = OuterV4 {
            tos: header[1],
            identification: u16::from_be_bytes([header[4], header[5]]),
            df: header[6] & 0x40 != 0,
            ttl: header[8],
        };
        let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
        Some(RawReceived {
            source: source.into(),
            payload: header_len..packet.len(),
            outer: Some(outer),
        })
    }
}

const V6_HEADER: usize = 40;
