//! Child SAs at work: sealing and opening of ESP (RFC 4303) and AH (RFC 4302) in tunnel mode, replay
//! protection, traffic selectors, counters and the batch data plane.
//!
//! Nothing here knows IKE. The control plane makes an [`InboundSa`] and an [`OutboundSa`] of the
//! keys it negotiated and hands them to a [`DataPlane`] by [`Command`]; the data plane seals and
//! opens batches of packets in place, in buffers of the caller and without allocating per packet,
//! and tells what the control plane must know by [`Report`].
//!
//! What is sealed is an ESP packet. Whether it travels as the payload of a UDP datagram or of an
//! IP packet with protocol 50 is the caller's to do: the octets are the same, and [`Encap`] says
//! which it is and between which addresses. With AH it is a whole IP packet, since the ICV covers the
//! outer header, and it is never in UDP.
//!
//! A packet that arrives passes these steps, and each way to fail is an [`OpenError`]: SPI known,
//! sequence number not seen, ICV right, then (the window moved) padding, next header, length of
//! the inner packet and traffic selectors.

mod ah;
mod cipher;
mod command;
mod counters;
mod data_plane;
mod encap;
mod error;
mod inbound;
mod inner;
mod loopback;
mod matcher;
mod mutable;
mod outbound;
pub mod replay;
mod report;
pub mod selector;
pub mod sizes;
mod tables;

#[cfg(test)]
mod tests;

pub use command::{Command, CommandError, TunnelId};
pub use counters::{Budget, Counters, DropCounts, Limits};
pub use data_plane::{DataPlane, PlainPacket, Received, Sealed};
pub use encap::Encap;
pub use error::{DropKind, OpenError, SaError, SealError};
pub use inbound::{InboundParams, InboundSa, Opened};
pub use loopback::{Loopback, LoopbackError};
pub use outbound::{OutboundParams, OutboundSa};
pub use replay::{ReplayError, ReplayWindow};
pub use report::{Direction, Report};
pub use selector::{Flow, SelectorRange, Selectors};
pub use sizes::{Layout, MAX_HEADROOM};
