//! The edge as a router between its inner hosts and a tunnel.
//!
//! Place in the data flow: an inner packet goes through [`Forwarder::to_tunnel`] before ESP seals it
//! and through [`Forwarder::from_tunnel`] after ESP opened it. Both work in place and allocate only
//! where a new packet has to exist: fragments and ICMP errors.
//!
//! Invariants: a packet that is not understood is passed on unchanged, with the reason in the
//! observation; a packet whose TCP checksum was right stays right; nothing here reads a clock.
//! Every limit can be switched off, which is the control of the scenario that checks it.

mod config;
mod fragment;
mod icmp;
mod mss;
mod packet;
mod reassembly;
mod router;

pub use config::ForwardConfig;
pub use fragment::{FragmentError, fragment_v4};
pub use icmp::{IcmpError, NoIcmp, icmp_error};
pub use mss::{MssLimits, MssSeen, Untouched, clamp_mss};
pub use packet::{IpVersion, internet_checksum};
pub use reassembly::{Reassembled, Reassembler, Refusal};
pub use router::{Forwarder, Observation, OverMtu, ToTunnel, TtlExpired};
