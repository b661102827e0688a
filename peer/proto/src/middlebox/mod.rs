//! A network in miniature between the sockets and the endpoint: loss, delay, NAT, and a script's hand.
//!
//! Place in the data flow: every datagram passes through [`Middlebox::handle`] with the time and its
//! direction as seen from the edge, and comes out of [`Middlebox::poll`] when it is due. The same code
//! sits between two endpoints in memory and between a real socket and the endpoint.
//!
//! Invariants: what happens to a datagram is a function of (seed, direction, exchange, message id,
//! part, copy), or of (seed, direction, SA, sequence number) for ESP and AH, where SAs count in the
//! order of their appearance, since real peers draw SPIs at random. Same seed, same drops. Never more
//! than three losses in a row of one message. All memory is bounded, and whatever is not delivered as it
//! came is told by an event.

mod config;
mod datagram;
mod impair;
mod nat;
mod process;
mod rules;

pub use config::{
    Chance, DirectionConfig, Impairment, MiddleboxConfig, NatConfig, NatSide, RawNat,
};
pub use datagram::{Datagram, Direction, MessageKey, MessageKind, Transport};
pub use nat::Nat;
pub use process::{Delivery, DropCause, Middlebox, MiddleboxEvent};
pub use rules::{Action, Class, Release, Rule, RuleId};
