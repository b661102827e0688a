//! Deviations from the protocol as values: what to change, in which outgoing message, at which
//! stage.
//!
//! The normal code builds every message correctly and hands it through [`apply_payloads`],
//! [`apply_lengths`], [`apply_header`] and [`apply_wire`]; without a matching [`Fault`] these change nothing. With
//! payload types, positions and octets to choose from, a fault can say almost anything that an IKE
//! message can get wrong, and each mutant of the requirement catalogue is one of them.
//!
//! A fault may be limited to the first copies of a message: what is kept for repetition is then honest,
//! and repetition repairs the exchange if the other side rightly ignores the faulty copy.

use serde::{Deserialize, Serialize};

use crate::crypto::dh::PublicValue;
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
    ReplacePublicValue {
        /// Which one.
        value: PublicValue,
    },
    /// Replaces the data of the notifications of a type: all of the body behind its first four octets
    /// and the SPI.
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
    all: Vec<(Fault, u32)>,
}

impl Faults {
    /// Faults that have met no message yet.
    pub fn new(faults: &[Fault]) -> Self {
        Self { all: faults.iter().map(|fault| (fault.clone(), 0)).collect() }
    }

    /// One more, which counts messages from now on.
    pub fn add(&mut self, fault: Fault) {
        self.all.push((fault, 0));
    }

    /// The public value that key pairs for messages of a kind get in place of their own.
    pub fn public_value(&self, exchange: ExchangeType, response: bool) -> Option<PublicValue> {
        self.all.iter().find_map(|(fault, _)| match fault.change {
            Change::ReplacePublicValue { value }
                if fault.exchange == exchange && fault.response == response =>
            {
                Some(value)
            }
            _ => None,
        })
    }

    /// The changes for the next message of a kind. Call once for each message that is built.
    pub fn next(&mut self, exchange: ExchangeType, response: bool) -> Changes {
        let mut changes = Changes::default();
        for (fault, met) in &mut self.all {
            if fault.exchange == exchange && fault.response == response {
                if fault.nth.is_none_or(|nth| nth == *met) {
                    changes.0.push((fault.change.clone(), fault.copies));
                }
                *met = met.saturating_add(1);
            }
        }
        changes
    }
}

/// The changes of one message, in the order in which they are applied, with how many copies each is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes(Vec<(Change, Option<u32>)>);

impl Changes {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Change> {
        self.0.iter().map(|(change, _)| change)
    }

    /// Those of every copy: what is in the message that is kept for repetition.
    pub fn lasting(&self) -> Vec<Change> {
        let lasting = self.0.iter().filter(|(_, copies)| copies.is_none());
        lasting.map(|(change, _)| change.clone()).collect()
    }

    /// Those of the first copies, and how many copies that is; `None` if all copies are the same. Where
    /// faults differ in the number, the largest holds for all of them.
    pub fn first_copies(&self) -> Option<(Vec<Change>, u32)> {
        let copies = self.0.iter().filter_map(|(_, copies)| *copies).max()?;
        (copies > 0).then(|| (self.all().cloned().collect(), copies))
    }
}

/// The stage before protection: payloads in the order of the message.
pub fn apply_payloads(changes: &[Change], payloads: &mut Vec<RawPayload>) {
    for change in changes {
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
                    let spi_size = usize::from(found.body.get(1).copied().unwrap_or(0));
                    found.body.truncate(4 + spi_size);
                    found.body.extend_from_slice(data);
                }
            }
            Change::DropNotify { notify } => payloads.retain(|p| !is_notify(p, *notify)),
            _ => {}
        }
    }
}

/// The stage at which the lengths of the payloads are set and can be made wrong.
pub fn apply_lengths(changes: &[Change], payloads: &mut [RawPayload]) {
    for change in changes {
        if let Change::SetPayloadLength { payload, delta } = change
            && let Some(found) = payloads.iter_mut().find(|p| p.kind == *payload)
        {
            found.declared_length = found.declared_length.wrapping_add_signed(*delta);
        }
    }
}

/// The stage of the header, which is under the checksum of a protected message.
pub fn apply_header(changes: &[Change], header: &mut Header) {
    for change in changes {
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
}

/// The stage of the finished message. Says whether it is sent at all.
pub fn apply_wire(changes: &[Change], message: &mut Vec<u8>) -> bool {
    for change in changes {
        match change {
            Change::FlipWire { at, mask } => flip(message, *at, *mask),
            Change::Truncate { by } => message.truncate(message.len().saturating_sub(*by)),
            Change::Append { bytes } => message.extend_from_slice(bytes),
            Change::Withhold => return false,
            _ => {}
        }
    }
    true
}

fn position(payloads: &[RawPayload], kind: PayloadType) -> Option<usize> {
    payloads.iter().position(|p| p.kind == kind)
}

fn is_notify(payload: &RawPayload, number: u16) -> bool {
    payload.kind == PayloadType::NOTIFY
        && matches!(payload.body.as_slice(), [_, _, hi, lo, ..] if u16::from_be_bytes([*hi, *lo]) == number)
}

fn flip(bytes: &mut [u8], at: i32, mask: u8) {
    let magnitude = usize::try_from(at.unsigned_abs()).unwrap_or(usize::MAX);
    let index = if at < 0 { bytes.len().checked_sub(magnitude) } else { Some(magnitude) };
    if let Some(octet) = index.and_then(|index| bytes.get_mut(index)) {
        *octet ^= mask;
    }
}
