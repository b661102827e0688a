//! The sans-IO core of ikeproof: IKE, ESP and AH without sockets, clock or operating-system
//! randomness.
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
pub mod crypto;
pub mod forward;
pub mod middlebox;
pub mod policy;
pub mod sa;
mod secret_hex;
pub mod time;
pub mod wire;
