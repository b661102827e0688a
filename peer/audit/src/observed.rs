//! What the auditor is given: one datagram, who sent it, when, and how it travelled.

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use ikeproof_proto::time::Time;
use serde::{Deserialize, Serialize};

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sender {
    /// The reference edge.
    Edge,
    /// The peer under test.
    Peer,
}

impl Sender {
    /// The other side.
    pub const fn other(self) -> Self {
        match self {
            Self::Edge => Self::Peer,
            Self::Peer => Self::Edge,
        }
    }
}

impl fmt::Display for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edge => "edge",
            Self::Peer => "peer",
        })
    }
}

/// How a datagram travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// In UDP.
    Udp {
        /// The source, as seen where the datagram was observed.
        src: SocketAddr,
        /// The destination.
        dst: SocketAddr,
        /// Whether this is the port on which IKE stands behind the non-ESP marker (4500). The
        /// observed octets are the whole UDP payload, the marker included.
        marker: bool,
    },
    /// As IP protocol 50.
    Esp {
        /// The source.
        src: IpAddr,
        /// The destination.
        dst: IpAddr,
    },
    /// As IP protocol 51. The observed octets are the whole IP packet, which the ICV covers.
    Ah {
        /// The source.
        src: IpAddr,
        /// The destination.
        dst: IpAddr,
    },
}

impl Transport {
    /// The address of the sender.
    pub const fn src(&self) -> IpAddr {
        match self {
            Self::Udp { src, .. } => src.ip(),
            Self::Esp { src, .. } | Self::Ah { src, .. } => *src,
        }
    }

    /// The address of the receiver.
    pub const fn dst(&self) -> IpAddr {
        match self {
            Self::Udp { dst, .. } => dst.ip(),
            Self::Esp { dst, .. } | Self::Ah { dst, .. } => *dst,
        }
    }
}

/// A datagram as it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// When.
    pub at: Time,
    /// Who sent it.
    pub from: Sender,
    /// How it travelled.
    pub transport: Transport,
    /// The UDP payload, the IP payload of an ESP packet, or the IP packet that AH is in.
    pub bytes: Vec<u8>,
}

/// A datagram's place in what was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its number, from 1.
    pub(crate) number: u64,
    /// Its time.
    pub(crate) at: Time,
    /// Its sender.
    pub(crate) by: Sender,
}
