//! What the control plane tells the data plane.

use crate::time::Time;

use super::{Encap, InboundSa, OutboundSa};

/// Names a tunnel: all child SAs with one peer over one path, those of one IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelId(pub u64);

/// A change of the tables.
#[derive(Debug)]
pub enum Command {
    /// Receive on an SA from now on.
    InstallInbound {
        /// The tunnel, which is made if it is not there.
        tunnel: TunnelId,
        /// The SA.
        sa: Box<InboundSa>,
    },
    /// Hold an SA ready for sending. Nothing is sent on it before it is switched to.
    InstallOutbound {
        /// The tunnel, which is made if it is not there.
        tunnel: TunnelId,
        /// The SA.
        sa: Box<OutboundSa>,
    },
    /// Send on an SA from now on, and no more on the one it replaces.
    SwitchOutbound {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SA to send on.
        spi: u32,
        /// The SA that it replaces, which stays until it is removed.
        replaces: Option<u32>,
    },
    /// An SA has been replaced: go on receiving what is still on the way, without moving the path
    /// to where it comes from and without asking for a rekey.
    DrainInbound {
        /// The SA.
        spi: u32,
        /// When to stop receiving, if it is not removed before.
        until: Option<Time>,
    },
    /// Receive no more on an SA.
    RemoveInbound {
        /// The SA.
        spi: u32,
    },
    /// Forget an SA for sending.
    RemoveOutbound {
        /// The tunnel.
        tunnel: TunnelId,
        /// The SA.
        spi: u32,
    },
    /// Forget a tunnel and all its SAs.
    RemoveTunnel {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Send all packets of a tunnel on another path.
    SetEncap {
        /// The tunnel.
        tunnel: TunnelId,
        /// The path.
        encap: Encap,
    },
}

/// Why a command was refused. Nothing has changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no tunnel of that number.
    #[error("no tunnel {0:?}")]
    NoTunnel(TunnelId),
    /// There is no SA of that SPI.
    #[error("no SA {0:#010x}")]
    NoSa(u32),
    /// The SPI is taken.
    #[error("there is an SA {0:#010x} already")]
    SpiInUse(u32),
}
