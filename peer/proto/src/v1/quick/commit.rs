//! The commit bit (RFC 2408, section 3.1): a responder that has set it in the second message says
//! CONNECTED once it is ready, and the initiator uses nothing before that.
//!
//! The bit is in the header, which no hash covers. Somebody on the way can therefore make an initiator
//! wait in vain, but not believe in SAs that nobody has; a bit that an initiator sets is ignored for
//! that reason, as strongSwan and libreswan ignore it in either direction.

use super::Surroundings;
use crate::crypto::SecretBytes;
use crate::endpoint::context::Context;
use crate::event::{DropReason, Event, Side};
use crate::io::Deadline;
use crate::v1::channel::PhaseTwoKeys;
use crate::v1::child::{self, Accepted, Child};
use crate::v1::sa::Arrival;
use crate::window::{Answered, Due, Pending};
use crate::wire::ExchangeType;
use crate::wire::v1::{Notify, NotifyKind, Payload};

/// The third message is sent, and CONNECTED is awaited. The third is repeated until then.
#[derive(Debug)]
pub(in crate::v1) struct AwaitConnected {
    pub(in crate::v1) accepted: Accepted,
    /// The pair that is to be replaced, by its inbound SPI.
    pub(in crate::v1) replaces: Option<u32>,
    pub(super) ni: Vec<u8>,
    pub(super) nr: Vec<u8>,
    pub(super) shared: Option<SecretBytes>,
    /// The second message and its answer.
    pub(super) answered: Answered,
    pub(super) pending: Pending,
}

impl AwaitConnected {
    pub(in crate::v1) fn deadline(&self) -> Deadline {
        self.pending.deadline()
    }

    /// Repeats the third message if its time has come. Whether it is time to give up.
    pub(in crate::v1) fn timeout(&mut self, around: &Surroundings<'_>, cx: &mut Context) -> bool {
        self.pending.timeout(around.path, around.ike, around.now, cx) == Due::GiveUp
    }

    /// The answer to a repetition of the second message.
    pub(in crate::v1) fn repeat(&mut self, request: &[u8]) -> Option<(&[u8], u32)> {
        self.answered.repeat(request)
    }

    /// Gives back what was drawn for it.
    pub(in crate::v1) fn abandon(&self, cx: &mut Context) {
        self.accepted.free(cx);
    }

    /// Takes CONNECTED, in an informational exchange under the Message ID of the quick mode
    /// (rfc2408-3.1-commit-bit-message-id). Nothing if it is something else, an error if the pair cannot
    /// be run.
    pub(in crate::v1) fn connected(
        &self,
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        base_iv: &[u8],
        replaces: Option<u32>,
    ) -> Option<Result<Child, ()>> {
        let header = arrival.raw.header;
        if header.exchange != ExchangeType::INFORMATIONAL_V1 {
            arrival.dropped(DropReason::UnexpectedResponse, cx);
            return None;
        }
        let iv = around.channel.phase2_iv(base_iv, header.message_id);
        let opened = match around.channel.open_hashed(cx, arrival, &iv, &[]) {
            Ok(opened) => opened,
            Err(reason) => {
                arrival.dropped(reason, cx);
                return None;
            }
        };
        if !opened.message.notifies().any(|notify| notify.kind == NotifyKind::CONNECTED) {
            let why = "CONNECTED is awaited".to_owned();
            arrival.dropped(DropReason::UselessResponse { why }, cx);
            return None;
        }
        let keys = PhaseTwoKeys { shared: self.shared.as_ref(), ni: &self.ni, nr: &self.nr };
        let (ike, now, encap) = (around.ike, around.now, around.encap);
        let accepted = &self.accepted;
        let made = child::install(cx, ike, now, around.channel, accepted, &keys, encap, replaces);
        Some(made.map_err(|error| {
            let (by, notify) = (Side::Local, None);
            cx.event(Event::ChildRefused { ike, by, notify, detail: error.to_string() });
        }))
    }
}

/// Says that the pair is ready. The message, for its repetitions.
pub(super) fn say_connected(
    cx: &mut Context,
    around: &Surroundings<'_>,
    base_iv: &[u8],
    message_id: u32,
    accepted: &Accepted,
) -> Vec<u8> {
    let channel = around.channel;
    let (protocol, spi_in) = (accepted.suite.protocol.into(), accepted.spi_in);
    let notify = Notify::child(NotifyKind::CONNECTED, protocol, spi_in, Vec::new());
    let outgoing = channel.outgoing(ExchangeType::INFORMATIONAL_V1, message_id, true);
    let iv = channel.phase2_iv(base_iv, message_id);
    let sealed = channel.seal_hashed(cx, &outgoing, &iv, &[Payload::Notify(notify)], &[]);
    cx.transmit(around.path, &sealed.bytes);
    sealed.bytes
}
