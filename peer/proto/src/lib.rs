//! The sans-IO core of ikeproof: IKE and ESP without sockets, clock or operating-system randomness.
//!
//! AH can be negotiated about, but the data plane does not run it.
//!
//! Everything this package sees is an input: datagrams, time, randomness, configuration. The same
//! inputs give the same outputs, so a session with a real peer can be recorded and replayed.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

pub mod config;
pub mod crypto;
pub mod datagram;
pub mod edge;
pub mod endpoint;
pub mod entropy;
pub mod event;
pub mod fault;
pub mod forward;
pub mod io;
pub mod middlebox;
pub mod policy;
pub mod replay;
pub mod sa;
mod secret_hex;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod transcript;
mod v2;
pub mod wire;
