//! Quick mode (RFC 2409, section 5.5).
//!
//! ```text
//! 1 --> { HASH(1), SA, Ni, [KE], IDci, IDcr }
//! 2 <-- { HASH(2), SA, Nr, [KE], IDci, IDcr }      repeated by the responder until 3 is there
//! 3 --> { HASH(3) }
//!   <-- { HASH(1), N(CONNECTED) }                  if 2 has the commit bit
//! ```
//!
//! Each quick mode has a message ID and vectors of its own, so several can run at a time.

mod commit;
mod dispatch;
mod initiator;
mod responder;

pub(super) use commit::AwaitConnected;
pub(super) use dispatch::Quick;
pub(super) use initiator::{Ask, AwaitSecond, Followed};
pub(super) use responder::{AwaitThird, NotAnswered, responder_lifetime};

use super::channel::Channel;
use crate::endpoint::context::Context;
use crate::io::{IkeHandle, Path};
use crate::sa::Encap;
use crate::time::Time;
use crate::wire::v1::num::Encapsulation;

/// What a quick mode works with.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    pub(super) ike: IkeHandle,
    pub(super) now: Time,
    pub(super) channel: &'a Channel,
    pub(super) path: Path,
    /// How packets are encapsulated, as it is negotiated and as the data plane does it.
    pub(super) encapsulation: Encapsulation,
    pub(super) encap: Encap,
    pub(super) nat: bool,
}

/// The randomness of a quick mode: a nonce.
fn nonce(cx: &mut Context, ike: IkeHandle) -> Vec<u8> {
    cx.entropy.bytes(crate::entropy::Label::NONCE, ike.0, super::channel::NONCE_LEN)
}
