//! IKEv1: from a datagram to findings, in this order.
//!
//! `judge` decodes a message, puts `fragments` together, finds the session by the cookies and tells a
//! copy (`repeats`) from what is new; `header`, `chain` and `open` check the container and decrypt,
//! with the keys that `suite` finds; `offer` takes SA payloads apart, `proposals` and `ident` check the
//! payloads of one message. `phase1` goes through main and aggressive mode, `later` through all that
//! comes after: `quick`, `inform` with `dpd`, and `config` with `xauth`; `choice`, `hashes` and `natt`
//! compare messages with one another. `defects` holds what the other side has to refuse. A check
//! reports and goes on; only a message that cannot be read changes no state.

mod chain;
mod choice;
mod config;
mod defects;
mod dpd;
mod finish;
mod fragments;
mod hashes;
mod header;
mod ident;
mod inform;
mod judge;
mod later;
mod message;
mod natt;
mod offer;
mod open;
mod phase1;
mod proposals;
mod quick;
mod repeats;
mod session;
mod suite;
mod xauth;

pub(crate) use judge::Isakmp;
pub(crate) use message::{Message, Part};
pub(crate) use offer::{Offer, OfferedTransform};
