//! Deviations from the protocol as values: what to change, in which outgoing message, at which
//! stage.
//!
//! The normal code builds every message correctly and hands it through [`apply_payloads`],
//! [`apply_lengths`], [`apply_header`] and [`apply_wire`]; without a matching [`Fault`] these change
//! nothing, and of those that match they note which have changed something. With payload types, positions
//! and octets to choose from, a fault can say almost anything that an IKE message can get wrong, and each
//! mutant of the requirement catalogue is one of them.
//!
//! A fault may be limited to the first copies of a message: what is kept for repetition is then honest,
//! and repetition repairs the exchange if the other side rightly ignores the faulty copy.

use serde::{Deserialize, Serialize};

use crate::crypto::KeyPair;
use crate::crypto::dh::PublicValue;
use crate::wire::v1::PayloadKind;
use crate::wire::{ExchangeType, Flags, Header, PayloadType, RawPayload, Version};

/// One deviation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The exchange of the messages that it changes.
    pub exchange: ExchangeType,
    /// Whether it changes responses or requests.
    pub response: bool,
    /// Which of the matching messages, from 0; `None` stands for all of them.
    #[serde(default)]
    pub nth: Option<u32>,
    /// How many copies of a message are changed, from the first; those that are sent later are honest.
    /// `None` stands for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// What is changed.
    pub change: Change,
}

/// What a fault changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Leaves out all payloads of a type.
    DropPayload {
        /// The type.
        payload: PayloadType,
    },
    /// Sends the first payload of a type twice.
    DuplicatePayload {
        /// The type.
        payload: PayloadType,
    },
    /// Moves the first payload of a type to the front.
    MoveToFront {
        /// The type.
        payload: PayloadType,
    },
    /// Moves the first payload of a type to the end.
    MoveToEnd {
        /// The type.
        payload: PayloadType,
    },
    /// Adds a payload at the end.
    AddPayload {
        /// The type.
        payload: PayloadType,
        /// The critical bit.
        critical: bool,
        /// The content.
        body: Vec<u8>,
    },
    /// Sets the critical bit of the payloads of a type.
    SetCritical {
        /// The type.
        payload: PayloadType,
    },
    /// Sets the seven reserved bits of the payloads of a type.
    SetPayloadReserved {
        /// The type.
        payload: PayloadType,
        /// The bits.
        bits: u8,
    },
    /// Changes bits of the content of the first payload of a type.
    FlipBits {
        /// The type.
        payload: PayloadType,
        /// The octet in its body; counted from the end if negative.
        at: i32,
        /// The bits.
        mask: u8,
    },
    /// Replaces the content of the first payload of a type.
    ReplaceBody {
        /// The type.
        payload: PayloadType,
        /// The new content.
        body: Vec<u8>,
    },
    /// Has a key pair for the Key Exchange payload whose public value the tests of RFC 6989 refuse, and goes on
    /// with the secret that follows from it. Of a group that has no such value the key pair is an honest one.
    ///
    /// Only IKE_SA_INIT asks for it. All copies of a message have one key pair: a fault that is limited to some
    /// of them leaves it honest.
    ReplacePublicValue {
        /// Which one.
        value: PublicValue,
    },
    /// Replaces the data of the notifications of a type: all of the body behind the SPI.
    ReplaceNotifyData {
        /// The number of the notification.
        notify: u16,
        /// The new data.
        data: Vec<u8>,
    },
    /// Leaves out notifications of a type.
    DropNotify {
        /// The number of the notification.
        notify: u16,
    },
    /// Writes a wrong length into the first payload of a type.
    SetPayloadLength {
        /// The type.
        payload: PayloadType,
        /// What is added to the right one.
        delta: i16,
    },
    /// Sets bits in the flags of the header.
    SetHeaderFlags {
        /// The bits.
        bits: u8,
    },
    /// Clears bits in the flags of the header.
    ClearHeaderFlags {
        /// The bits.
        bits: u8,
    },
    /// Changes the version in the header.
    SetVersion {
        /// The major version.
        major: u8,
        /// The minor version.
        minor: u8,
    },
    /// Changes the Message ID.
    SetMessageId {
        /// The new one.
        id: u32,
    },
    /// Changes bits of the SPIs.
    FlipSpi {
        /// Of the responder's SPI, not of the initiator's.
        responder: bool,
        /// The bits, in the last octet.
        mask: u8,
    },
    /// Writes a wrong length into the header.
    SetHeaderLength {
        /// What is added to the right one.
        delta: i32,
    },
    /// Uses the same initialization vector again and again.
    RepeatIv,
    /// Changes bits of the finished message, ICV included.
    FlipWire {
        /// The octet; counted from the end if negative.
        at: i32,
        /// The bits.
        mask: u8,
    },
    /// Cuts octets off the end of the finished message.
    Truncate {
        /// How many.
        by: usize,
    },
    /// Adds octets behind the finished message.
    Append {
        /// The octets.
        bytes: Vec<u8>,
    },
    /// Does not send the message at all.
    Withhold,
}

/// The faults of an endpoint, and how often each has met a message of its kind.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    all: Vec<Armed>,
}

#[derive(Clone, Debug)]
struct Armed {
    fault: Fault,
    met: u32,
    /// The public value of the last key pair that it has replaced.
    public: Option<Vec<u8>>,
}

impl Armed {
    fn new(fault: Fault) -> Self {
        Self { fault, met: 0, public: None }
    }

    fn is_about(&self, exchange: ExchangeType, response: bool) -> bool {
        self.fault.exchange == exchange && self.fault.response == response
    }

    fn meets_next(&self) -> bool {
        self.fault.nth.is_none_or(|nth| nth == self.met)
    }
}

impl Faults {
    /// Faults that have met no message yet.
    pub fn new(faults: &[Fault]) -> Self {
        Self { all: faults.iter().cloned().map(Armed::new).collect() }
    }

    /// One more, which counts messages from now on.
    pub fn add(&mut self, fault: Fault) {
        self.all.push(Armed::new(fault));
    }

    /// The key pair for the next message of a kind, in place of an honest one.
    pub fn key_pair(&mut self, exchange: ExchangeType, response: bool, pair: KeyPair) -> KeyPair {
        for armed in &mut self.all {
            let Change::ReplacePublicValue { value } = armed.fault.change else { continue };
            let whole = armed.fault.copies.is_none();
            if !whole || !armed.is_about(exchange, response) || !armed.meets_next() {
                continue;
            }
            let replaced = pair.clone().with_public(value);
            if replaced.public() != pair.public() {
                armed.public = Some(replaced.public().to_vec());
                return replaced;
            }
        }
        pair
    }

    /// The changes for the next message of a kind. Call once for each message that is built.
    pub fn next(&mut self, exchange: ExchangeType, response: bool) -> Changes {
        let mut changes = Changes::default();
        for armed in self.all.iter_mut().filter(|armed| armed.is_about(exchange, response)) {
            if armed.meets_next() {
                let Fault { change, copies, .. } = armed.fault.clone();
                let public = armed.public.clone();
                changes.0.push(Planned { change, copies, public, made: false });
            }
            armed.met = armed.met.saturating_add(1);
        }
        changes
    }
}

/// The changes of one message, in the order in which they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<Planned>);

/// A change of one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    change: Change,
    /// In how many copies it is.
    copies: Option<u32>,
    /// The public value that it has put into the key pair.
    public: Option<Vec<u8>>,
    /// Whether it has changed anything in some copy.
    made: bool,
}

impl Planned {
    /// What is to be changed.
    pub const fn change(&self) -> &Change {
        &self.change
    }

    /// Lets a stage make the change, and notes whether anything is different then.
    fn make<T: Clone + PartialEq>(&mut self, of: &mut T, stage: impl FnOnce(&Change, &mut T)) {
        let before = of.clone();
        stage(&self.change, of);
        self.made |= *of != before;
    }
}

impl Changes {
    /// Those that have changed anything in the copies that were built so far.
    pub fn made(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().filter(|planned| planned.made).map(Planned::change)
    }

    /// Those of every copy: what is in the message that is kept for repetition.
    pub fn lasting(&mut self) -> Vec<&mut Planned> {
        self.0.iter_mut().filter(|planned| planned.copies.is_none()).collect()
    }

    /// Those of the first copies, and how many copies that is; `None` if all copies are the same. Where
    /// faults differ in the number, the largest holds for all of them.
    pub fn first_copies(&mut self) -> Option<(Vec<&mut Planned>, u32)> {
        let copies = self.0.iter().filter_map(|planned| planned.copies).max()?;
        (copies > 0).then(|| (self.0.iter_mut().collect(), copies))
    }
}

/// The stage before protection: payloads in the order of the message.
pub fn apply_payloads(changes: &mut [&mut Planned], payloads: &mut Vec<RawPayload>) {
    for planned in changes {
        planned.make(payloads, change_payloads);
        if let Some(public) = &planned.public {
            let carries = |p: &RawPayload| p.kind == PayloadType::KE && p.body.ends_with(public);
            planned.made |= payloads.iter().any(carries);
        }
    }
}

fn change_payloads(change: &Change, payloads: &mut Vec<RawPayload>) {
    match change {
        Change::DropPayload { payload } => payloads.retain(|p| p.kind != *payload),
        Change::DuplicatePayload { payload } => {
            if let Some(at) = position(payloads, *payload)
                && let Some(copy) = payloads.get(at).cloned()
            {
                payloads.insert(at, copy);
            }
        }
        Change::MoveToFront { payload } => {
            if let Some(at) = position(payloads, *payload) {
                let moved = payloads.remove(at);
                payloads.insert(0, moved);
            }
        }
        Change::MoveToEnd { payload } => {
            if let Some(at) = position(payloads, *payload) {
                let moved = payloads.remove(at);
                payloads.push(moved);
            }
        }
        Change::AddPayload { payload, critical, body } => {
            let mut added = RawPayload::new(*payload, body.clone());
            added.critical = *critical;
            payloads.push(added);
        }
        Change::SetCritical { payload } => {
            payloads.iter_mut().filter(|p| p.kind == *payload).for_each(|p| p.critical = true);
        }
        Change::SetPayloadReserved { payload, bits } => {
            let bits = bits & 0x7f;
            payloads.iter_mut().filter(|p| p.kind == *payload).for_each(|p| p.reserved = bits);
        }
        Change::FlipBits { payload, at, mask } => {
            if let Some(found) = payloads.iter_mut().find(|p| p.kind == *payload) {
                flip(&mut found.body, *at, *mask);
            }
        }
        Change::ReplaceBody { payload, body } => {
            if let Some(found) = payloads.iter_mut().find(|p| p.kind == *payload) {
                found.body.clone_from(body);
            }
        }
        Change::ReplaceNotifyData { notify, data } => {
            for found in payloads.iter_mut().filter(|p| is_notify(p, *notify)) {
                let at = notify_at(found.kind).unwrap_or_default();
                let spi_size = usize::from(found.body.get(at + 1).copied().unwrap_or(0));
                found.body.truncate(at + 4 + spi_size);
                found.body.extend_from_slice(data);
            }
        }
        Change::DropNotify { notify } => payloads.retain(|p| !is_notify(p, *notify)),
        _ => {}
    }
}

/// The stage at which the lengths of the payloads are set and can be made wrong.
pub fn apply_lengths(changes: &mut [&mut Planned], payloads: &mut [RawPayload]) {
    for planned in changes {
        if let Change::SetPayloadLength { payload, delta } = planned.change
            && let Some(found) = payloads.iter_mut().find(|p| p.kind == payload)
        {
            found.declared_length = found.declared_length.wrapping_add_signed(delta);
            planned.made |= delta != 0;
        }
    }
}

/// The stage of the header, which is under the checksum of a protected message.
pub fn apply_header(changes: &mut [&mut Planned], header: &mut Header) {
    for planned in changes {
        planned.make(header, change_header);
    }
}

fn change_header(change: &Change, header: &mut Header) {
    match change {
        Change::SetHeaderFlags { bits } => header.flags = Flags(header.flags.0 | bits),
        Change::ClearHeaderFlags { bits } => header.flags = Flags(header.flags.0 & !bits),
        Change::SetVersion { major, minor } => {
            header.version = Version { major: *major, minor: *minor };
        }
        Change::SetMessageId { id } => header.message_id = *id,
        Change::FlipSpi { responder, mask } => {
            let spi = if *responder { &mut header.spi_r } else { &mut header.spi_i };
            if let Some(last) = spi.0.last_mut() {
                *last ^= mask;
            }
        }
        Change::SetHeaderLength { delta } => {
            header.length = header.length.wrapping_add_signed(*delta);
        }
        _ => {}
    }
}

/// The stage of the initialization vector, where one is chosen. There is no `last` one at first.
pub fn apply_iv(changes: &mut [&mut Planned], iv: &mut Vec<u8>, last: &[u8]) {
    for planned in changes {
        planned.make(iv, |change, iv| {
            if *change == Change::RepeatIv && !last.is_empty() {
                *iv = last.to_vec();
            }
        });
    }
}

/// The stage of the finished message. Says whether it is sent at all.
pub fn apply_wire(changes: &mut [&mut Planned], message: &mut Vec<u8>) -> bool {
    for planned in changes {
        if planned.change == Change::Withhold {
            planned.made = true;
            return false;
        }
        planned.make(message, change_wire);
    }
    true
}

fn change_wire(change: &Change, message: &mut Vec<u8>) {
    match change {
        Change::FlipWire { at, mask } => flip(message, *at, *mask),
        Change::Truncate { by } => message.truncate(message.len().saturating_sub(*by)),
        Change::Append { bytes } => message.extend_from_slice(bytes),
        _ => {}
    }
}

fn position(payloads: &[RawPayload], kind: PayloadType) -> Option<usize> {
    payloads.iter().position(|p| p.kind == kind)
}

/// Where the protocol stands in the body of a notification, and with it the size of the SPI and the type:
/// IKEv1 has the DOI in front.
fn notify_at(kind: PayloadType) -> Option<usize> {
    match kind {
        PayloadType::NOTIFY => Some(0),
        NOTIFY_V1 => Some(4),
        _ => None,
    }
}

fn is_notify(payload: &RawPayload, number: u16) -> bool {
    let kind = notify_at(payload.kind).and_then(|at| payload.body.get(at + 2..at + 4));
    kind == Some(&number.to_be_bytes())
}

fn flip(bytes: &mut [u8], at: i32, mask: u8) {
    let magnitude = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    let index = if at < 0 { bytes.len().checked_sub(magnitude) } else { Some(magnitude) };
    if let Some(octet) = index.and_then(|index| bytes.get_mut(index)) {
        *octet ^= mask;
    }
}

const NOTIFY_V1: PayloadType = PayloadKind::NOTIFY.raw();

#[cfg(test)]
mod tests;
