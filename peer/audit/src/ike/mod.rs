//! IKE: from a datagram to findings, in this order.
//!
//! `judge` decodes a message, finds its session and says what the sender and the direction must
//! be; `header`, `chain`, `open` check the container and decrypt; `presence`, `proposals`,
//! `values`, `notify` and `selectors` check the payloads of one message; `window`, `init`,
//! `auth`, `answer`, `child` and `natd` compare messages with one another. A check reports and
//! goes on; only a message that cannot be read, or is not authentic, changes no state.

mod answer;
mod auth;
mod chain;
mod child;
mod finish;
mod fragments;
mod header;
mod init;
mod judge;
mod message;
mod natd;
mod notify;
mod open;
mod presence;
mod proposals;
mod reserved;
mod selectors;
mod session;
mod values;
mod window;

pub(crate) use judge::Ike;
pub(crate) use message::{Message, Part};
pub(crate) use session::Recent;
