//! How sealed packets travel.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The outer path of ESP packets: directly in IP, or in UDP (RFC 3948).
///
/// Seen from whoever sends on it: for a packet that arrived, `src` is the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encap {
    /// The payload of an IP packet with protocol 50.
    Raw {
        /// The sender.
        src: IpAddr,
        /// The receiver.
        dst: IpAddr,
    },
    /// The payload of a UDP datagram.
    Udp {
        /// The sender.
        src: SocketAddr,
        /// The receiver.
        dst: SocketAddr,
    },
}

impl Encap {
    /// The same path in the other direction.
    pub const fn reversed(self) -> Self {
        match self {
            Self::Raw { src, dst } => Self::Raw { src: dst, dst: src },
            Self::Udp { src, dst } => Self::Udp { src: dst, dst: src },
        }
    }

    /// Whether there is a UDP header.
    pub const fn is_udp(self) -> bool {
        matches!(self, Self::Udp { .. })
    }

    /// The address of the sender.
    pub const fn src_ip(self) -> IpAddr {
        match self {
            Self::Raw { src, .. } => src,
            Self::Udp { src, .. } => src.ip(),
        }
    }

    /// The address of the receiver.
    pub const fn dst_ip(self) -> IpAddr {
        match self {
            Self::Raw { dst, .. } => dst,
            Self::Udp { dst, .. } => dst.ip(),
        }
    }
}
