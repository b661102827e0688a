//! The embedded peer: our own initiator and responder in process, behind the contract of all others.
//!
//! A vendor-neutral configuration becomes an `EndpointConfig` for responding and a `Connection` for
//! each initiation; a node of the driver on a network in memory runs both. What it reports is read
//! from the node's events and data plane, never remembered on the side.
//!
//! Results against it are a self-check: what runs here is the same core that the edge is made of.

mod connection;
mod control;
mod describe;
mod peer;
mod profile;
mod proposal;
mod sas;
mod session;
mod traffic;

pub use peer::{Embedded, EmbeddedSpec};
