//! The decoded timeline: one line and a tree of fields for each datagram.
//!
//! It is made in the same pass as the findings, from the same decoded values, and holds no secrets:
//! keys never get here, and what is shown of a decrypted message is what was said in it. Ladders,
//! `timeline.txt`, snapshots and `ikeproof decode` are functions of it.

mod decoded;
mod ikev1;
mod message;
mod payload;

pub use decoded::{Decoded, Detail, DetailLevel};
pub(crate) use ikev1::{ikev1, keep_header, keep_whole};
pub(crate) use message::{message, other_version, undecodable};
