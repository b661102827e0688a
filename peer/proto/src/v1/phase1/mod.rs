//! Phase 1: main mode and aggressive mode with pre-shared keys and signatures (RFC 2409, sections 5.4
//! and 5.1).
//!
//! ```text
//! main mode                                  aggressive mode
//! 1 --> SA, VID...                           1 --> SA, KE, Ni, IDii, VID...
//! 2 <-- SA, VID...                           2 <-- SA, KE, Nr, IDir, HASH_R, VID..., [NAT-D, NAT-D]
//! 3 --> KE, Ni, [NAT-D, NAT-D]               3 --> HASH_I, [NAT-D, NAT-D]      in clear or encrypted
//! 4 <-- KE, Nr, [NAT-D, NAT-D]
//! 5 --> { IDii, HASH_I, [N(INITIAL-CONTACT)] }
//! 6 <-- { IDir, HASH_R }
//! ```
//!
//! With signatures `[CERT...,] SIG` stands for HASH, and CERTREQ is in 3 and 4, or in 1 and 2.
//!
//! Limits are the endpoint's business and checked before a responder's state is made.

mod aggressive_initiator;
mod aggressive_responder;
mod auth;
mod common;
mod failure;
mod main_initiator;
mod main_responder;
#[cfg(test)]
mod tests;

pub(crate) use aggressive_initiator::InitiatorAggressive;
pub(crate) use aggressive_responder::AwaitFinal;
pub(crate) use common::{Features, refuse};
pub(crate) use main_initiator::{MainAuth, MainKe, MainSa};
pub(crate) use main_responder::{AwaitAuth, AwaitKe};

use super::sa::{Arrival, State};
use crate::config::Connection;
use crate::endpoint::context::Context;
use crate::event::NotStarted;
use crate::io::IkeHandle;
use crate::policy::Ikev1Mode;
use crate::time::Time;
use crate::wire::ExchangeType;
use crate::wire::v1::Message;

/// Starts an ISAKMP SA.
///
/// # Errors
/// If nothing of the connection can be offered in IKEv1.
pub(crate) fn start(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    connection: Box<Connection>,
) -> Result<State, NotStarted> {
    let start = common::Start::of(cx, ike, connection)?;
    Ok(match start.mode() {
        Ikev1Mode::Main => State::MainSa(Box::new(MainSa::begin(cx, ike, now, start))),
        Ikev1Mode::Aggressive => {
            State::Aggressive(Box::new(InitiatorAggressive::begin(cx, ike, now, start)?))
        }
    })
}

/// Answers a first message. `None` if the answer is a refusal or none at all; nothing is kept then.
pub(crate) fn answer(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    arrival: &Arrival<'_>,
    message: &Message,
) -> Option<State> {
    match message.header.exchange {
        ExchangeType::IDENTITY_PROTECTION => {
            let state = AwaitKe::begin(cx, ike, now, arrival, message)?;
            Some(State::AwaitKe(Box::new(state)))
        }
        _ => {
            let state = AwaitFinal::begin(cx, ike, now, arrival, message)?;
            Some(State::AwaitFinal(Box::new(state)))
        }
    }
}
