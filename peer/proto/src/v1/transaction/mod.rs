//! Transaction exchanges between phase 1 and quick mode: logins by XAUTH and addresses by mode-config
//! (draft-beaulieu-ike-xauth-02; draft-dukes-ike-mode-cfg-02).
//!
//! ```text
//! edge                                     client
//! --> { HASH, REQUEST(type, name, password) }        again after a wrong answer, a few times
//! <-- { HASH, REPLY(type, name, password) }
//! --> { HASH, SET(status) }
//! <-- { HASH, ACK }
//!
//! <-- { HASH, REQUEST(address) }                     pull
//! --> { HASH, REPLY(address) }
//!
//! --> { HASH, SET(address) }                         push
//! <-- { HASH, ACK(address) }
//! ```
//!
//! Each pair of messages has a message ID and a chain of vectors of its own. A peer that keeps the ID
//! for the next pair goes on with the chain. Who asks repeats, who answers keeps the answer.

mod client;
mod edge;
mod state;
#[cfg(test)]
mod tests;

pub(super) use state::Transactions;

use state::{Asked, Stage};

use super::established::Established;
use super::sa::Arrival;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Event, Role};
use crate::io::IkeHandle;
use crate::time::Time;
use crate::window::{Due, Pending, Schedule};
use crate::wire::num::CfgType;
use crate::wire::v1::num::{ConfigAttr, Phase1Auth};
use crate::wire::v1::{Attributes, Payload};
use crate::wire::{Attribute, ExchangeType};

/// A message that began a transaction or goes on with one.
struct Incoming<'a> {
    arrival: &'a Arrival<'a>,
    attributes: Attributes,
    /// The vector of the answer.
    iv: Vec<u8>,
}

impl Established {
    /// Does what stands between phase 1 and quick mode, and then asks for SAs.
    pub(super) fn begin_transactions(
        &mut self,
        ike: IkeHandle,
        now: Time,
        auth: Phase1Auth,
        cx: &mut Context,
    ) {
        if !auth.is_xauth_of_initiator() {
            return self.configure(ike, now, cx);
        }
        if !self.features.xauth {
            let why = "XAUTH was agreed on, but its vendor ID did not come";
            cx.violation(Some(ike), self.path.remote, "xauth02-4-vendor-id", why);
        }
        match self.channel.role {
            Role::Responder => self.ask_login(ike, now, None, 1, cx),
            Role::Initiator => self.await_login(now, cx),
        }
    }

    /// Sends the first message of a transaction.
    fn transact(
        &mut self,
        ike: IkeHandle,
        now: Time,
        attributes: Attributes,
        cx: &mut Context,
    ) -> Asked {
        let message_id = self.new_message_id(ike, cx);
        let outgoing = self.channel.outgoing(ExchangeType::TRANSACTION, message_id, false);
        let iv = self.channel.phase2_iv(&self.base_iv, message_id);
        let identifier = attributes.identifier;
        let payloads = [Payload::Attributes(attributes)];
        let sealed = self.channel.seal_hashed(cx, &outgoing, &iv, &payloads, &[]);
        let schedule = Schedule::ordinary(&cx.config.timers);
        let (path, envelope) = (self.path, outgoing.envelope());
        let pending = Pending::send(cx, now, path, &envelope, sealed.bytes, schedule);
        Asked { identifier, pending, iv: sealed.next_iv }
    }

    /// What the messages of a new transaction have in common.
    fn new_identifier(ike: IkeHandle, cx: &mut Context) -> u16 {
        u16::from_be_bytes(cx.entropy.array(Label::MESSAGE_ID, ike.0)).max(1)
    }

    /// Answers a message of the peer, and keeps the answer for its repetitions.
    fn answer(
        &mut self,
        incoming: &Incoming<'_>,
        kind: CfgType,
        attributes: Vec<Attribute>,
        cx: &mut Context,
    ) {
        let Incoming { arrival, attributes: asked, iv } = incoming;
        let message_id = arrival.raw.header.message_id;
        let outgoing = self.channel.outgoing(ExchangeType::TRANSACTION, message_id, true);
        let payload = Attributes { kind, identifier: asked.identifier, attributes };
        let payloads = [Payload::Attributes(payload)];
        let sealed = self.channel.seal_hashed(cx, &outgoing, iv, &payloads, &[]);
        cx.transmit(self.path, &sealed.bytes);
        // What comes too early is not answered, and may come again.
        self.use_message_id(message_id);
        self.transactions.answered(message_id, arrival.bytes, sealed);
    }

    /// Takes a message of a transaction exchange.
    pub(super) fn transaction(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let message_id = arrival.raw.header.message_id;
        let waiting = self.transactions.stage.asked();
        if let Some(asked) = waiting.filter(|asked| asked.pending.message_id == message_id) {
            let (identifier, iv) = (asked.identifier, asked.iv.clone());
            let (attributes, _) = self.attributes(ike, arrival, &iv, cx)?;
            self.heard(ike, now, arrival, cx);
            if attributes.identifier != identifier {
                let why = format!(
                    "the answer to transaction {identifier} is for {}",
                    attributes.identifier
                );
                let requirement = "xauth02-6-same-transaction-id";
                cx.violation(Some(ike), arrival.path.remote, requirement, why);
            }
            return self.concluded(ike, now, arrival, &attributes, cx);
        }
        let iv = self.vector_of(ike, arrival, cx)?;
        let (attributes, iv) = self.attributes(ike, arrival, &iv, cx)?;
        self.heard(ike, now, arrival, cx);
        self.begun(ike, now, &Incoming { arrival, attributes, iv }, cx)
    }

    /// The vector of a message of the peer. None if it is answered already, or comes too late.
    fn vector_of(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<Vec<u8>> {
        let message_id = arrival.raw.header.message_id;
        if let Some(answer) = self.transactions.answer_of(message_id) {
            if let Some((response, attempt)) = answer.answered.repeat(arrival.bytes) {
                cx.transmit(self.path, response);
                let (exchange, response) = (ExchangeType::TRANSACTION, true);
                cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
                return None;
            }
            return Some(answer.next_iv.clone());
        }
        if message_id == 0 || self.message_ids.contains(message_id) {
            let (got, expected) = (message_id, 0);
            arrival.dropped(DropReason::MessageId { got, expected }, cx);
            return None;
        }
        Some(self.channel.phase2_iv(&self.base_iv, message_id))
    }

    /// The one Attributes payload of an authentic message, and the vector of the next message.
    fn attributes(
        &self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        iv: &[u8],
        cx: &mut Context,
    ) -> Option<(Attributes, Vec<u8>)> {
        let opened = match self.channel.open_hashed(cx, arrival, iv, &[]) {
            Ok(opened) => opened,
            Err(reason) => {
                arrival.dropped(reason, cx);
                return None;
            }
        };
        let mut found = opened.message.attributes();
        if let (Some(attributes), None) = (found.next(), found.next()) {
            return Some((attributes.clone(), opened.next_iv));
        }
        let why = "there is not exactly one Attributes payload";
        arrival.violates(Some(ike), "modecfg02-3.1.1-one-attr-payload", why, cx);
        None
    }

    /// The peer asks for something, or sets it.
    fn begun(
        &mut self,
        ike: IkeHandle,
        now: Time,
        incoming: &Incoming<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let attributes = &incoming.attributes;
        let is_login = attributes.is_xauth();
        match (attributes.kind, self.channel.role) {
            (CfgType::REQUEST, _) if is_login && !self.transactions.is_refused() => {
                self.login_asked(ike, now, incoming, cx);
            }
            (CfgType::REQUEST, _) if !is_login && !self.transactions.is_logging_in() => {
                self.address_asked(ike, incoming, cx);
            }
            (CfgType::SET, Role::Initiator) if is_login => {
                self.status_told(ike, now, incoming, cx);
            }
            (CfgType::SET, _) if !is_login && !self.transactions.is_logging_in() => {
                self.address_told(ike, now, incoming, cx);
            }
            (CfgType::REPLY | CfgType::ACK, _) => {
                incoming.arrival.dropped(DropReason::UnexpectedResponse, cx);
            }
            _ => {
                let exchange = ExchangeType::TRANSACTION;
                incoming.arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            }
        }
        None
    }

    /// The peer has answered what was asked or set here.
    fn concluded(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        attributes: &Attributes,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        match (attributes.kind, &self.transactions.stage) {
            (CfgType::REPLY, Stage::AskLogin { asked, attempt }) => {
                let (identifier, attempt) = (asked.identifier, *attempt);
                self.login_answered(ike, now, arrival, identifier, attempt, attributes, cx);
            }
            (CfgType::ACK, Stage::TellStatus { right: true, .. }) => {
                self.logged_in(ike, now, cx);
            }
            // xauth02-6-fail-deletes-phase1.
            (CfgType::ACK, Stage::TellStatus { right: false, .. }) => {
                self.say_deleted(ike, cx);
                return Some(CloseReason::AuthenticationFailed);
            }
            (CfgType::ACK, Stage::PushAddress { address, .. }) => {
                let address = *address;
                self.push_acknowledged(ike, address, attributes, cx);
            }
            (CfgType::REPLY, Stage::PullAddress(_)) => {
                return self.address_answered(ike, now, arrival, attributes, cx);
            }
            (kind, _) => {
                let why = format!("{kind} is no answer to what was sent");
                arrival.dropped(DropReason::UselessResponse { why }, cx);
            }
        }
        None
    }

    /// Repeats what is not answered. The reason to close the SA for, if it is over.
    pub(super) fn transaction_timeouts(
        &mut self,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        self.ack_is_ahead(ike, now, cx);
        let path = self.path;
        let due = match self.transactions.stage.asked_mut() {
            Some(asked) => asked.pending.timeout(path, ike, now, cx),
            None => Due::Not,
        };
        let growth = cx.config.timers.retransmit_growth_percent;
        let again = self.transactions.stage.third_message_due(now, growth);
        if self.unconfirmed && (again || matches!(due, Due::Repeat(_))) {
            self.complete_again(ike, cx);
        }
        let reason = match (&self.transactions.stage, due) {
            (Stage::TellStatus { right: false, .. }, Due::GiveUp) => {
                CloseReason::AuthenticationFailed
            }
            (_, Due::GiveUp) => return Some(CloseReason::DeadPeer),
            (Stage::Refused { until }, _) if now >= *until => {
                return Some(CloseReason::AuthenticationFailed);
            }
            (Stage::AwaitLogin { until, .. } | Stage::AwaitAddress { until }, _)
                if now >= *until =>
            {
                CloseReason::HalfOpenTimeout
            }
            _ => return None,
        };
        self.say_deleted(ike, cx);
        Some(reason)
    }
}

/// An attribute of variable length.
fn long(kind: ConfigAttr, value: impl Into<Vec<u8>>) -> Attribute {
    Attribute::Tlv { kind: kind.0, value: value.into() }
}

/// A name as far as it can be printed: peers choose its octets and their number.
fn printable(name: &[u8]) -> String {
    let text = String::from_utf8_lossy(name);
    text.chars().filter(|c| !c.is_control()).take(MAX_PRINTED).collect()
}

/// Values of XAUTH-TYPE and XAUTH-STATUS.
const GENERIC: u16 = 0;
const STATUS_FAIL: u16 = 0;
const STATUS_OK: u16 = 1;
/// Characters of a name that events show.
const MAX_PRINTED: usize = 64;
