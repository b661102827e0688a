//! What the data plane tells the control plane.

use super::{Encap, OpenError, TunnelId};
use crate::crypto::suite::ChildProtocol;

/// Which half of an SA pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What we receive.
    Inbound,
    /// What we send.
    Outbound,
}

/// Something the control plane must know or may want to act on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// A packet that is authentic and newer than any before came from an address or port that
    /// packets are not sent to (RFC 7296 section 2.23). Told once for each new source.
    AuthenticatedFromNewSource {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SPI that the packet came on.
        spi: u32,
        /// The path that it came by: `src` is the peer.
        source: Encap,
    },
    /// A packet on a known SPI was dropped.
    Dropped {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SPI.
        spi: u32,
        /// Why.
        reason: OpenError,
    },
    /// A packet on an SPI that no SA has.
    UnknownSpi {
        /// ESP or AH.
        protocol: ChildProtocol,
        /// The SPI.
        spi: u32,
        /// The packet's length in octets.
        len: usize,
        /// The path that it came by.
        source: Encap,
    },
    /// A packet is too short to name an SPI.
    Runt {
        /// Its length in octets.
        len: usize,
        /// The path that it came by.
        source: Encap,
    },
    /// The soft limit of an SA is spent: time to rekey. Told once.
    CounterThreshold {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SPI.
        spi: u32,
        /// Which half.
        direction: Direction,
    },
    /// The last sequence number of an SA has been used; nothing is sent on it any more. Told once.
    SequenceExhausted {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SPI.
        spi: u32,
    },
}
