//! A peer that knows the secret and errs: faults before protection, edits on the way.
//!
//! What has to hold: the responder believes only an IKE_SA_INIT that the initiator has sent as it
//! came, the initiator believes only a responder that believes it, nothing that was edited on its
//! way does anything to an SA, every IKE SA that comes up says what became of its Child SA, the
//! control plane and the data plane hold the same SAs, and in the end nothing is left.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use super::super::pair::{Flight, Node, Pair, Side};
use super::super::setup::{connection, endpoint_config};
use super::script::Script;
use crate::datagram::{Datagram, classify};
use crate::edge::EdgeInput;
use crate::event::{Event, IkeEstablished};
use crate::fault::{Change, Fault};
use crate::io::{Command, IkeHandle, Path};
use crate::policy::RefusalStyle;
use crate::sa::TunnelId;
use crate::wire::{ExchangeType, Header, IkeSpi, PayloadType};

const MAX_STEPS: usize = 24;
const MAX_FAULTS: u8 = 5;
const MAX_EDITS: u8 = 4;
/// Messages that one step leads to. There are a handful, unless the two talk in circles.
const MAX_MESSAGES: usize = 64;

const SUITES: [(&str, &str); 4] = [
    ("aes128gcm16-prfsha256-curve25519", "aes128gcm16"),
    ("aes256-sha256-ecp256", "aes256-sha256"),
    ("3des-sha1-curve25519", "null-md5"),
    ("aes256-sha512-ecp256-curve25519", "aes256gcm16"),
];

/// Exchanges whose requests the initiator may get wrong.
const EXCHANGES: [ExchangeType; 3] =
    [ExchangeType::IKE_SA_INIT, ExchangeType::IKE_AUTH, ExchangeType::INFORMATIONAL];

/// Payloads that faults are about; any other type comes as its number.
const PAYLOADS: [PayloadType; 15] = [
    PayloadType::SA,
    PayloadType::KE,
    PayloadType::NONCE,
    PayloadType::NOTIFY,
    PayloadType::IDI,
    PayloadType::AUTH,
    PayloadType::TSI,
    PayloadType::TSR,
    PayloadType::DELETE,
    PayloadType::IDR,
    PayloadType::CERT,
    PayloadType::CP,
    PayloadType::EAP,
    PayloadType::VENDOR_ID,
    PayloadType::SK,
];

/// What happens to a message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// Which message of the session.
    nth: u8,
    what: Way,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Flip { at: u16, mask: u8 },
    Cut(u8),
    Lose,
    Twice,
}

/// Runs one session.
pub(super) fn run(mut script: Script<'_>) {
    let (ike, child) = script.pick(&SUITES);
    let (mut initiator, mut responder) = (endpoint_config(), endpoint_config());
    let switches = script.u8();
    if switches & 1 != 0 {
        responder.profile.limits.cookie_threshold = 0;
    }
    if switches & 2 != 0 {
        responder.profile.refusal = RefusalStyle::Silent;
    }
    if switches & 8 != 0 {
        // What can be negotiated and not run.
        responder.profile.child.esn.accept = true;
    }
    initiator.faults = (0..script.u8() % (MAX_FAULTS + 1)).map(|_| fault(&mut script)).collect();
    let edits = (0..script.u8() % (MAX_EDITS + 1)).map(|_| edit(&mut script)).collect::<Vec<_>>();
    let honest = initiator.faults.is_empty() && edits.is_empty();

    let mut wanted = connection(ike, child);
    wanted.force_encapsulation = switches & 4 != 0;
    let amplification = responder.limits.amplification;
    let mut session = Session {
        pair: Pair::new(initiator, responder),
        edits,
        amplification,
        messages: 0,
        origins: BTreeMap::new(),
        judged: [0; 2],
    };
    session.command(Side::Initiator, Command::Initiate(Box::new(wanted)));
    if honest {
        for node in [&session.pair.initiator, &session.pair.responder] {
            let is_up = node.events.iter().any(|e| matches!(e, Event::ChildEstablished(_)));
            assert!(is_up, "two honest ends agree: {:#?}", node.events);
        }
    }
    for _ in 0..MAX_STEPS {
        if script.is_over() {
            break;
        }
        session.step(&mut script);
    }
    for side in [Side::Initiator, Side::Responder] {
        session.command(side, Command::Shutdown);
    }
    session.advance(Duration::from_secs(600));
    for node in [&session.pair.initiator, &session.pair.responder] {
        let left = node.edge.endpoint().footprint();
        left.check();
        assert_eq!(left.ike_sas, 0, "nothing is left: {left:?}");
        assert!(open_children(node).is_empty());
    }
}

struct Session {
    pair: Pair,
    edits: Vec<Edit>,
    amplification: usize,
    messages: usize,
    /// The request that each SA of the responder was made for, as it arrived.
    origins: BTreeMap<IkeSpi, Vec<u8>>,
    /// How many events of each side were judged.
    judged: [usize; 2],
}

impl Session {
    fn step(&mut self, script: &mut Script<'_>) {
        let side = if script.u8().is_multiple_of(2) { Side::Initiator } else { Side::Responder };
        let ike = IkeHandle(1);
        match script.u8() % 7 {
            0 => self.command(side, Command::Probe { ike }),
            1 => {
                let children = open_children(self.pair.node(side));
                if let Some((ike, spi)) = children.first().copied() {
                    self.command(side, Command::DeleteChild { ike, spi });
                }
            }
            2 => self.command(side, Command::DeleteIke { ike }),
            3 => {
                let (tunnel, packet) = (TunnelId(ike.0), script.chunk());
                self.pair.handle(side, EdgeInput::Inner { tunnel, packet });
                self.deliver();
            }
            4 => self.advance(Duration::from_secs(1 << (script.u8() % 13))),
            5 => {
                // What the other side has sent before, once more.
                let at = usize::from(script.u8()) % self.pair.sent.len().max(1);
                if let Some((from, flight)) = self.pair.sent.get(at).cloned() {
                    self.arrive(from, &flight, Arrival::Again);
                    self.deliver();
                }
            }
            _ => {
                let connection = connection("aes128gcm16-prfsha256-curve25519", "aes128gcm16");
                let path = Path {
                    channel: crate::io::Channel::Ike,
                    local: connection.local,
                    remote: connection.remote,
                };
                let flight = Flight::Udp(path, script.chunk().to_vec());
                self.arrive(Side::Initiator, &flight, Arrival::Edited);
                self.deliver();
            }
        }
    }

    fn command(&mut self, side: Side, command: Command) {
        self.pair.handle(side, EdgeInput::Command(command));
        self.deliver();
    }

    fn advance(&mut self, by: Duration) {
        let end = self.pair.now + by;
        while self.pair.fire_before(end) {
            self.deliver();
        }
        self.pair.now = end;
        self.deliver();
    }

    /// Delivers all that is on the wire, and what that leads to, with the edits of the script.
    fn deliver(&mut self) {
        let before = self.messages;
        loop {
            let flights = self.pair.intercept();
            if flights.is_empty() {
                break;
            }
            for (from, flight) in flights {
                self.messages += 1;
                assert!(self.messages - before <= MAX_MESSAGES, "the two talk in circles");
                self.carry(from, flight);
            }
        }
        self.judge();
    }

    fn carry(&mut self, from: Side, flight: Flight) {
        let (edited, copies) = edited(&self.edits, self.messages - 1, &flight);
        let how = if edited == flight { Arrival::AsSent } else { Arrival::Edited };
        for copy in 0..copies {
            self.arrive(from, &edited, if copy == 0 { how } else { how.again() });
        }
    }

    /// One message arrives; what comes of it has to fit how it came.
    fn arrive(&mut self, from: Side, flight: &Flight, how: Arrival) {
        let events = |pair: &Pair| (pair.initiator.events.len(), pair.responder.events.len());
        let (sent_before, events_before) = (self.pair.sent.len(), events(&self.pair));
        self.pair.arrive(from, flight);
        let answers = self.pair.sent.get(sent_before..).unwrap_or_default();
        let (Flight::Udp(_, bytes) | Flight::Raw(_, bytes)) = flight;
        let answered: usize = answers.iter().map(|(_, answer)| octets(answer).len()).sum();
        let header = header_of(flight);
        let opens = header.is_some_and(|h| h.exchange == ExchangeType::IKE_SA_INIT);
        if from == Side::Initiator && (opens || how == Arrival::Edited) {
            let bound = bytes.len() * self.amplification;
            assert!(answered <= bound, "{answered} octets for {}", bytes.len());
        }
        if from == Side::Initiator && opens {
            for (_, answer) in answers {
                if let Some(spi_r) = header_of(answer).map(|h| h.spi_r).filter(|s| !s.is_zero()) {
                    let Datagram::Ike(request) = read(flight) else { continue };
                    self.origins.entry(spi_r).or_insert_with(|| request.to_vec());
                }
            }
        }
        if how == Arrival::Edited && !opens {
            let after = events(&self.pair);
            let new = self.pair.initiator.events.get(events_before.0..after.0).unwrap_or_default();
            let more = self.pair.responder.events.get(events_before.1..after.1).unwrap_or_default();
            for event in new.iter().chain(more) {
                assert!(is_mere_notice(event), "an edited message did something: {event:?}");
            }
        }
    }

    /// Judges the events that are new.
    fn judge(&mut self) {
        let Pair { initiator, responder, sent, .. } = &self.pair;
        let [judged_i, judged_r] = &mut self.judged;
        for (at, event) in responder.events.iter().enumerate().skip(*judged_r) {
            if let Event::IkeEstablished(up) = event {
                let origin = self.origins.get(&up.spi_r).expect("it was made for a request");
                let was_sent = sent.iter().any(|(from, flight)| {
                    *from == Side::Initiator
                        && matches!(read(flight), Datagram::Ike(ike) if ike == origin)
                });
                assert!(was_sent, "an IKE_SA_INIT that nobody sent led to {up:?}");
                let id = up.remote_id.to_string();
                assert!(id.eq_ignore_ascii_case("fqdn:branch.example.com"), "who is {id}?");
                says_what_became_of_the_child(up, responder.events.get(at..).unwrap_or_default());
            }
        }
        for (at, event) in initiator.events.iter().enumerate().skip(*judged_i) {
            if let Event::IkeEstablished(up) = event {
                let too = responder.find(|event| match event {
                    Event::IkeEstablished(other)
                        if (other.spi_i, other.spi_r) == (up.spi_i, up.spi_r) =>
                    {
                        Some(other.suite)
                    }
                    _ => None,
                });
                assert_eq!(too, Some(up.suite), "the responder has not proven itself");
                says_what_became_of_the_child(up, initiator.events.get(at..).unwrap_or_default());
            }
        }
        (*judged_i, *judged_r) = (initiator.events.len(), responder.events.len());
        for node in [initiator, responder] {
            node.edge.endpoint().footprint().check();
            let open = open_children(node);
            for (_, spi) in &open {
                assert!(node.edge.data_plane().inbound(*spi).is_some(), "{spi:#x} is not there");
            }
            assert_eq!(node.edge.data_plane().inbound_sas(), open.len());
        }
    }
}

/// How a message arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrival {
    AsSent,
    /// Not for the first time.
    Again,
    /// Other than anybody sent it.
    Edited,
}

impl Arrival {
    fn again(self) -> Self {
        if self == Self::Edited { self } else { Self::Again }
    }
}

/// An IKE SA is up: there is a Child SA, or a word on why there is none.
fn says_what_became_of_the_child(up: &IkeEstablished, later: &[Event]) {
    let said = later.iter().filter(|event| match event {
        Event::ChildEstablished(child) => child.ike == up.ike,
        Event::ChildRefused { ike, .. } => *ike == up.ike,
        _ => false,
    });
    assert_eq!(said.count(), 1, "what became of the Child SA of {up:?}? {later:#?}");
}

/// Whether an event only tells of a message, and of nothing that it has done.
pub(super) fn is_mere_notice(event: &Event) -> bool {
    matches!(
        event,
        Event::PacketDropped { .. }
            | Event::PeerViolation { .. }
            | Event::TrafficDropped { .. }
            | Event::InvalidSpiTold { .. }
            | Event::KeepaliveReceived { .. }
            | Event::GroupRefused { .. }
            | Event::ProposalRefused { .. }
    )
}

/// The Child SAs that were established and not closed: IKE SA and inbound SPI.
pub(super) fn open_children(node: &Node) -> BTreeSet<(IkeHandle, u32)> {
    let mut open = BTreeSet::new();
    for event in &node.events {
        match event {
            Event::ChildEstablished(child) => {
                assert!(open.insert((child.ike, child.spi_in)), "an SPI is used twice");
            }
            Event::ChildClosed { ike, spi_in, .. } => {
                assert!(open.remove(&(*ike, *spi_in)), "what was not open was closed");
            }
            _ => {}
        }
    }
    open
}

fn octets(flight: &Flight) -> &[u8] {
    let (Flight::Udp(_, bytes) | Flight::Raw(_, bytes)) = flight;
    bytes
}

fn read(flight: &Flight) -> Datagram<'_> {
    match flight {
        Flight::Udp(path, bytes) => classify(path.channel, bytes),
        Flight::Raw(_, bytes) => Datagram::Esp(bytes),
    }
}

pub(super) fn header_of(flight: &Flight) -> Option<Header> {
    match read(flight) {
        Datagram::Ike(ike) => Header::decode(ike).ok(),
        _ => None,
    }
}

/// What arrives of the message with this number, and how often.
pub(super) fn edited(edits: &[Edit], nth: usize, flight: &Flight) -> (Flight, usize) {
    let (mut edited, mut copies) = (flight.clone(), 1);
    let ways = edits.iter().filter(|edit| usize::from(edit.nth) == nth);
    for way in ways.map(|edit| edit.what) {
        let (Flight::Udp(_, bytes) | Flight::Raw(_, bytes)) = &mut edited;
        match way {
            Way::Flip { at, mask } => {
                let at = usize::from(at) % bytes.len().max(1);
                if let Some(octet) = bytes.get_mut(at) {
                    *octet ^= mask;
                }
            }
            Way::Cut(by) => bytes.truncate(bytes.len().saturating_sub(usize::from(by))),
            Way::Lose => copies = 0,
            Way::Twice => copies = 2,
        }
    }
    (edited, copies)
}

pub(super) fn edit(script: &mut Script<'_>) -> Edit {
    let nth = script.u8();
    let what = match script.u8() % 4 {
        0 => Way::Flip { at: script.u16(), mask: script.u8() },
        1 => Way::Cut(script.u8()),
        2 => Way::Lose,
        _ => Way::Twice,
    };
    Edit { nth, what }
}

fn fault(script: &mut Script<'_>) -> Fault {
    let exchange = script.pick(&EXCHANGES);
    let nth = match script.u8() {
        0 => None,
        nth => Some(u32::from(nth - 1)),
    };
    Fault { exchange, response: false, nth, copies: None, change: change(script, &PAYLOADS) }
}

/// A change; `payloads` are those that it is mostly about, any other type comes as its number.
pub(super) fn change(script: &mut Script<'_>, payloads: &[PayloadType]) -> Change {
    let kind = script.u8() % 21;
    let which = script.u8();
    let payload = payloads.get(usize::from(which)).copied().unwrap_or(PayloadType(which));
    let notify = u16::from(which) | u16::from(kind & 1) << 14;
    match kind {
        0 => Change::DropPayload { payload },
        1 => Change::DuplicatePayload { payload },
        2 => Change::MoveToFront { payload },
        3 => Change::MoveToEnd { payload },
        4 => {
            let critical = script.u8() % 2 == 1;
            Change::AddPayload { payload, critical, body: script.chunk().to_vec() }
        }
        5 => Change::SetCritical { payload },
        6 => Change::SetPayloadReserved { payload, bits: script.u8() },
        7 | 8 => {
            let at = i32::from(script.u16().cast_signed());
            Change::FlipBits { payload, at, mask: script.u8() }
        }
        9 => Change::ReplaceBody { payload, body: script.chunk().to_vec() },
        10 | 11 => Change::ReplaceNotifyData { notify, data: script.chunk().to_vec() },
        12 => Change::DropNotify { notify: 16_384 | u16::from(which) },
        13 => Change::SetPayloadLength { payload, delta: script.u16().cast_signed() },
        14 => Change::SetHeaderFlags { bits: which },
        15 => Change::ClearHeaderFlags { bits: which },
        16 => Change::SetVersion { major: which >> 4, minor: which & 0x0f },
        17 => Change::SetMessageId { id: script.u32() },
        18 => Change::FlipSpi { responder: which & 1 != 0, mask: script.u8() },
        19 => Change::SetHeaderLength { delta: i32::from(script.u16().cast_signed()) },
        _ => Change::Withhold,
    }
}
