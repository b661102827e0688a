//! The libreswan driver: pluto controlled with whack, Debian's 4.10 or 5.2 from source.
//!
//! `config` renders the vendor-neutral configuration to ipsec.conf and ipsec.secrets, `status` reads
//! `whack --status`, `peer` is the contract's implementation. A child of a connection is a `conn` of
//! its own, named `<connection>.<child>`; pluto lets them share an IKE SA.

mod config;
mod peer;
mod status;

pub use peer::Libreswan;
