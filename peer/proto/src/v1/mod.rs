//! (3) IKEv1: main, aggressive and quick mode and the informational exchange as state machines, one
//! struct for each awaited state (RFC 2408, RFC 2409).
//!
//! A tree parallel to that of IKEv2. What repeats requests and answers on a timer is the same in
//! both and is taken from there.

pub(crate) mod channel;
pub(crate) mod child;
mod children;
pub(crate) mod established;
pub(crate) mod fragments;
#[cfg(test)]
mod grid;
mod informational;
mod message_ids;
pub(crate) mod natt;
pub(crate) mod outgoing;
pub(crate) mod phase1;
mod probes;
mod quick;
pub(crate) mod sa;
#[cfg(test)]
mod tests;
mod transaction;
