//! Messages of IKEv1 in several datagrams: cut on the way out, put together on the way in. There is no
//! standard; the form is the one that Cisco, strongSwan and libreswan agree on.
//!
//! Fragments are not authenticated, so that anybody can spoil a message with one of his own. What they
//! cannot do is cost much: an SA has one message under way, a stranger's first message counts against
//! its source, and all are bounded in number, octets and time. The message that comes out is judged as
//! if it had come in one piece.

use std::collections::BTreeMap;

use core::cmp::Ordering;
use core::net::SocketAddr;
use core::time::Duration;

use crate::config::{Fragmentation, Limits};
use crate::crypto::Hash;
use crate::io::{Channel, IkeHandle, Path, prefix_of};
use crate::time::Time;
use crate::wire::v1::{Fragment, Message, Payload, VendorId, vendor};
use crate::wire::{ExchangeType, Flags, Header, IkeSpi, RawMessage, Version};

/// What stands behind the vendor ID: fragments in main and aggressive mode.
const CAPABILITIES: [u8; 4] = [0x80, 0, 0, 0];
/// The header of a message, the generic payload header, and the head of a fragment.
const OVERHEAD: usize = Header::LEN + 4 + 4;
/// The least that a fragment carries, however small packets are said to be.
const LEAST: usize = 64;

/// The vendor ID that announces fragments, unless they are off.
pub(super) fn announcement(limits: &Limits) -> Option<Payload> {
    let id = [&vendor::FRAGMENTATION[..], &CAPABILITIES].concat();
    (limits.fragmentation != Fragmentation::Off).then_some(Payload::VendorId(VendorId(id)))
}

/// Whether a message announces fragments. Without capabilities the vendor ID stands for all of them.
pub(super) fn announced(message: &Message) -> bool {
    message.vendor_ids().any(|id| match id.split_first_chunk::<16>() {
        Some((id, [])) => *id == vendor::FRAGMENTATION,
        Some((id, [first, _, _, _])) => {
            *id == vendor::FRAGMENTATION && first & CAPABILITIES[0] != 0
        }
        _ => false,
    })
}

/// Which SAs send fragments.
#[derive(Debug, Default)]
pub(crate) struct Fragmenter(BTreeMap<(IkeSpi, IkeSpi), ExchangeType>);

impl Fragmenter {
    /// The peer of these cookies takes fragments. `exchange` is that of phase 1, which fragments name
    /// whatever they are of: strongSwan looks for nothing else.
    pub(crate) fn begin(&mut self, spis: (IkeSpi, IkeSpi), exchange: ExchangeType) {
        self.0.insert(spis, exchange);
    }

    /// The SA is no more.
    pub(crate) fn end(&mut self, spis: (IkeSpi, IkeSpi)) {
        self.0.remove(&spis);
    }

    /// How many SAs send fragments.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The fragments that a message goes out in; nothing if it goes out whole.
    ///
    /// The number that they share follows from the message, so that a repetition has the same.
    pub(crate) fn cut(&self, limits: &Limits, path: Path, message: &[u8]) -> Vec<Vec<u8>> {
        let whole = Vec::new;
        let Ok(header) = Header::decode(message) else { return whole() };
        if header.version.major != Version::V1_0.major {
            return whole();
        }
        let exchange = match (limits.fragmentation, self.0.get(&(header.spi_i, header.spi_r))) {
            (Fragmentation::On | Fragmentation::Force, Some(exchange)) => *exchange,
            (Fragmentation::Force, None) => match header.exchange {
                ExchangeType::AGGRESSIVE => header.exchange,
                _ => ExchangeType::IDENTITY_PROTECTION,
            },
            _ => return whole(),
        };
        let room = room(limits, path);
        if message.len() <= room {
            return whole();
        }
        // A multiple of four, as messages are aligned (RFC 2408, section 3).
        let each = room.saturating_sub(OVERHEAD).max(LEAST) & !3;
        let parts: Vec<&[u8]> = message.chunks(each).collect();
        let Ok(count) = u8::try_from(parts.len()) else { return whole() };
        let id = match *Hash::Sha1.digest(&[message]).as_slice() {
            [first, second, ..] => u16::from_be_bytes([first, second]).max(1),
            _ => 1,
        };
        let header = Header { exchange, flags: Flags(0), message_id: 0, ..header };
        let fragment = |(number, part): (u8, &&[u8])| {
            let last = number == count;
            let fragment = Payload::Fragment(Fragment { id, number, last, data: part.to_vec() });
            let mut message =
                RawMessage { header, payloads: vec![fragment.encode()], trailing: Vec::new() };
            message.link();
            message.encode()
        };
        (1..).zip(&parts).map(fragment).collect()
    }
}

/// How many octets of IKE fit into one packet on this path.
fn room(limits: &Limits, path: Path) -> usize {
    let ip = if path.remote.is_ipv4() { 20 } else { 40 };
    let marker = if path.channel == Channel::Nat { 4 } else { 0 };
    usize::from(limits.fragment_packet).saturating_sub(ip + 8 + marker)
}

/// Whose fragments they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// Those of an SA that is established.
    Sa(IkeHandle),
    /// Those of an SA that is not yet.
    HalfOpen(IkeHandle),
    /// Those of a message that may begin one.
    Stranger(SocketAddr, IkeSpi),
}

/// Messages of which some fragments are there.
#[derive(Debug, Default)]
pub(crate) struct Reassembly(BTreeMap<Whose, Partial>);

/// The fragments of one message that have come.
#[derive(Debug)]
struct Partial {
    id: u16,
    since: Time,
    parts: BTreeMap<u8, Part>,
}

#[derive(Debug, PartialEq, Eq)]
struct Part {
    last: bool,
    data: Vec<u8>,
}

/// What a fragment has led to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// Others are missing.
    Kept,
    /// The message.
    Whole(Vec<u8>),
    /// It is of no use, for this reason.
    Useless(&'static str),
}

/// Octets of a message in fragments, at most: from a peer that has proven who it is, and from others.
const MAX_OCTETS: usize = 65_536;
const MAX_UNPROVEN: usize = 16_384;
/// Fragments of a message, at most.
const MAX_FRAGMENTS: u8 = 64;
/// Messages of strangers at a time, in all and of one source.
const MAX_STRANGERS: usize = 64;
const MAX_OF_SOURCE: usize = 4;
/// How long fragments wait for the others.
const PATIENCE: Duration = Duration::from_secs(30);

impl Reassembly {
    /// How many messages are incomplete.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The SA is no more.
    pub(crate) fn forget(&mut self, ike: IkeHandle) {
        self.0.remove(&Whose::Sa(ike));
        self.0.remove(&Whose::HalfOpen(ike));
    }

    /// Takes a fragment. Of two that differ the later one counts, as a peer that has gone on to another
    /// message may use the same number for it; another number makes the message before it forgotten.
    pub(crate) fn add(&mut self, now: Time, whose: Whose, fragment: Fragment) -> Added {
        self.0.retain(|_, partial| now.since(partial.since) < PATIENCE);
        let Fragment { id, number, last, data } = fragment;
        if number == 0 || number > MAX_FRAGMENTS {
            return Added::Useless("the number of the fragment is none that is taken");
        }
        if data.is_empty() {
            return Added::Useless("the fragment is empty");
        }
        if self.0.get(&whose).is_none_or(|partial| partial.id != id) {
            if !self.0.contains_key(&whose) && !self.has_room(whose) {
                return Added::Useless("too many messages of strangers are incomplete");
            }
            self.0.insert(whose, Partial { id, since: now, parts: BTreeMap::new() });
        }
        let most = match whose {
            Whose::Sa(_) => MAX_OCTETS,
            Whose::HalfOpen(_) | Whose::Stranger(..) => MAX_UNPROVEN,
        };
        let Some(partial) = self.0.get_mut(&whose) else { return Added::Kept };
        let part = Part { last, data };
        if partial.parts.get(&number) == Some(&part) {
            return Added::Useless("the fragment was there already");
        }
        // What contradicts it about where the message ends is of another message.
        partial.parts.retain(|other, kept| match (*other).cmp(&number) {
            Ordering::Less => !kept.last,
            Ordering::Equal => false,
            Ordering::Greater => !last,
        });
        partial.parts.insert(number, part);
        let octets: usize = partial.parts.values().map(|part| part.data.len()).sum();
        if octets > most {
            self.0.remove(&whose);
            return Added::Useless("the message is longer than is taken");
        }
        let ends = partial.parts.last_key_value().filter(|(_, part)| part.last);
        if ends.is_none_or(|(number, _)| usize::from(*number) != partial.parts.len()) {
            return Added::Kept;
        }
        let parts = self.0.remove(&whose).map(|partial| partial.parts).unwrap_or_default();
        Added::Whole(parts.into_values().flat_map(|part| part.data).collect())
    }

    /// Whether one more message may be begun.
    fn has_room(&self, whose: Whose) -> bool {
        let Whose::Stranger(remote, _) = whose else { return true };
        let strangers = self.0.keys().filter_map(|whose| match whose {
            Whose::Stranger(remote, _) => Some(prefix_of(remote.ip())),
            Whose::Sa(_) | Whose::HalfOpen(_) => None,
        });
        let source = prefix_of(remote.ip());
        let (all, own) = strangers
            .fold((0, 0), |(all, own), of| (all + 1, if of == source { own + 1 } else { own }));
        all < MAX_STRANGERS && own < MAX_OF_SOURCE
    }
}

#[cfg(test)]
mod tests;
