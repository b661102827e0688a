//! The strongSwan driver: charon controlled over VICI, in any of the three data planes.
//!
//! `config` renders the vendor-neutral configuration to VICI messages, `vici` carries them, `sas`
//! reads the answers, `peer` is the contract's implementation.

mod config;
mod peer;
mod sas;
mod vici;

pub use peer::StrongSwan;
