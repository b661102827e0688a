//! IKEv1 at the edge: strangers, and a peer and an edge that know each other and err.
//!
//! Against the peer this has to hold: nothing of phase 2 that was edited on its way does anything, every
//! pair of SAs of ESP that one end lets in is one that the other has agreed to, the control plane and the
//! data plane hold the same SAs, and in the end nothing is left. Phase 1 is not authenticated until its
//! last message, so what an edit of it leads to is judged by that alone: who has changed it makes no
//! end believe in an SA with keys that the other does not have.

use core::time::Duration;

use super::super::pair::{Flight, Pair, Side};
use super::super::setup::connection;
use super::isakmp_ways::Ways;
use super::pair::{self, Edit, edit, edited, header_of, open_children};
use super::script::Script;
use super::stranger;
use crate::edge::EdgeInput;
use crate::event::{Event, KeyLogEntry};
use crate::fault::Fault;
use crate::io::{Channel, Command, IkeHandle, Path};
use crate::policy::Ikev1Mode;
use crate::sa::TunnelId;
use crate::wire::v1::{PayloadKind, is_encrypted};
use crate::wire::{ExchangeType, IkeSpi, PayloadType};

const MAX_STEPS: usize = 24;
const MAX_FAULTS: u8 = 4;
const MAX_EDITS: u8 = 4;
/// Messages that one step leads to. Time that passes leads to many: probes, keepalives, repetitions.
const MAX_MESSAGES: usize = 64;
/// The same where messages go in fragments.
const MAX_FRAGMENTS: usize = 16 * MAX_MESSAGES;

/// Exchanges whose messages an end may get wrong.
const EXCHANGES: [ExchangeType; 5] = [
    ExchangeType::IDENTITY_PROTECTION,
    ExchangeType::AGGRESSIVE,
    ExchangeType::QUICK_MODE,
    ExchangeType::INFORMATIONAL_V1,
    ExchangeType::TRANSACTION,
];

/// Runs the script in `input`; panics where an invariant does not hold.
///
/// The first octet decides who the other side is. Even: strangers, as in
/// [`responder_exchange`](super::responder_exchange), with the first messages of a real initiator of IKEv1
/// that has a wrong secret. Odd: an initiator with the right one, or with a certificate, in main or
/// aggressive mode, with logins and addresses or without; messages of both are wrong by faults or by edits
/// on their way.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let switches = script.u8();
    let mode = if switches & 2 == 0 { Ikev1Mode::Main } else { Ikev1Mode::Aggressive };
    if switches.is_multiple_of(2) {
        return stranger::run_ikev1(script, mode);
    }
    run(script, mode);
}

fn run(mut script: Script<'_>, mode: Ikev1Mode) {
    let ways = Ways::read(&mut script, mode);
    let (mut initiator, mut responder, wanted) = ways.ends();
    let faults = (0..script.u8() % (MAX_FAULTS + 1)).map(|_| fault(&mut script));
    for (side, fault) in faults.collect::<Vec<_>>() {
        let end = if side == Side::Initiator { &mut initiator } else { &mut responder };
        end.faults.push(fault);
    }
    let edits = (0..script.u8() % (MAX_EDITS + 1)).map(|_| edit(&mut script)).collect::<Vec<_>>();
    let honest = initiator.faults.is_empty() && responder.faults.is_empty() && edits.is_empty();
    let pair = Pair::new(initiator, responder);
    let most = if ways.in_fragments() { MAX_FRAGMENTS } else { MAX_MESSAGES };
    let mut session = Session { pair, edits, messages: 0, most, believed: Vec::new() };
    session.command(Side::Initiator, Command::Initiate(Box::new(wanted)));
    if honest {
        for node in [&session.pair.initiator, &session.pair.responder] {
            let is_up = node.events.iter().any(|e| matches!(e, Event::ChildEstablished(_)));
            assert!(is_up, "two honest ends agree: {ways:?} {:#?}", node.events);
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
    messages: usize,
    /// How many one step may lead to.
    most: usize,
    /// Messages that have set up SAs.
    believed: Vec<Flight>,
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
            4 => self.advance(Duration::from_secs(1 << (script.u8() % 11))),
            5 => {
                let at = usize::from(script.u8()) % self.pair.sent.len().max(1);
                if let Some((from, flight)) = self.pair.sent.get(at).cloned() {
                    self.again(from, &flight);
                    self.deliver();
                }
            }
            _ => {
                let connection = connection("aes128-sha1-ecp256", "aes128gcm16");
                let (local, remote) = (connection.local, connection.remote);
                let path = Path { channel: Channel::Ike, local, remote };
                let flight = Flight::Udp(path, script.chunk().to_vec());
                self.arrive(Side::Initiator, None, &flight);
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
                assert!(self.messages - before <= self.most, "the two talk in circles");
                let (arrives, copies) = edited(&self.edits, self.messages - 1, &flight);
                for _ in 0..copies {
                    self.arrive(from, Some(&flight), &arrives);
                }
            }
        }
        self.judge();
    }

    /// What was sent before comes once more. If it has set up anything then, it does not again.
    fn again(&mut self, from: Side, flight: &Flight) {
        let before = self.established();
        self.pair.arrive(from, flight);
        if self.believed.contains(flight) {
            assert_eq!(self.established(), before, "a repetition set up something");
        }
    }

    /// How many SAs were set up so far.
    fn established(&self) -> usize {
        let is_up =
            |event: &&Event| matches!(event, Event::IkeEstablished(_) | Event::ChildEstablished(_));
        let Pair { initiator, responder, .. } = &self.pair;
        [initiator, responder].map(|node| node.events.iter().filter(is_up).count()).iter().sum()
    }

    /// One message arrives, as it was sent or not.
    fn arrive(&mut self, from: Side, sent: Option<&Flight>, flight: &Flight) {
        let events = |pair: &Pair| (pair.initiator.events.len(), pair.responder.events.len());
        let (before, established) = (events(&self.pair), self.established());
        self.pair.arrive(from, flight);
        if self.established() > established {
            self.believed.push(flight.clone());
        }
        if !is_protected(flight) || sent.is_some_and(|sent| same_content(sent, flight)) {
            return;
        }
        let new = self.pair.initiator.events.get(before.0..).unwrap_or_default();
        let more = self.pair.responder.events.get(before.1..).unwrap_or_default();
        for event in new.iter().chain(more) {
            let harmless = pair::is_mere_notice(event)
                // The second message of aggressive mode, once more: it says what it said before.
                || matches!(event, Event::Retransmitted { .. });
            assert!(harmless, "an edited message did something: {event:?}");
        }
    }

    /// Both ends have keys of the same SAs, and what they run is what they have told.
    fn judge(&self) {
        let Pair { initiator, responder, .. } = &self.pair;
        for node in [initiator, responder] {
            let open = open_children(node);
            for (_, spi) in &open {
                assert!(node.edge.data_plane().inbound(*spi).is_some(), "{spi:#x} is not there");
            }
            assert_eq!(node.edge.data_plane().inbound_sas(), open.len());
            let left = node.edge.endpoint().footprint();
            assert!(left.half_open <= left.ike_sas && left.by_spi == left.ike_sas, "{left:?}");
        }
        let ours = |spis: (IkeSpi, IkeSpi)| {
            initiator.keys.iter().find_map(|keys| match keys {
                KeyLogEntry::Ikev1(keys) if (keys.spi_i, keys.spi_r) == spis => Some(&keys.key),
                _ => None,
            })
        };
        for up in responder.events.iter().filter_map(|event| match event {
            Event::IkeEstablished(up) => Some(up),
            _ => None,
        }) {
            let theirs = responder.keys.iter().find_map(|keys| match keys {
                KeyLogEntry::Ikev1(keys) if (keys.spi_i, keys.spi_r) == (up.spi_i, up.spi_r) => {
                    Some(&keys.key)
                }
                _ => None,
            });
            assert!(theirs.is_some() && ours((up.spi_i, up.spi_r)) == theirs, "{up:?}");
        }
    }
}

/// Whether it is a message of phase 2: its hash covers all that is in it.
fn is_protected(flight: &Flight) -> bool {
    header_of(flight).is_some_and(|header| header.message_id != 0 && is_encrypted(&header))
}

/// Whether a message differs at most in what no hash covers: the minor version and the flags.
fn same_content(sent: &Flight, arrives: &Flight) -> bool {
    let without = |flight: &Flight| {
        let (Flight::Udp(_, bytes) | Flight::Raw(_, bytes)) = flight;
        let mut bytes = bytes.clone();
        // Behind a non-ESP marker the message begins four octets later.
        let start = if bytes.starts_with(&[0; 4]) { 4 } else { 0 };
        for at in UNCOVERED {
            if let Some(octet) = bytes.get_mut(start + at) {
                *octet = 0;
            }
        }
        bytes
    };
    without(sent) == without(arrives)
}

/// Version and flags in the header.
const UNCOVERED: [usize; 2] = [17, 19];

/// A fault, and the end that has it. The two upper bits of the first octet say which end that is, and
/// whether its answers are wrong or what it begins.
fn fault(script: &mut Script<'_>) -> (Side, Fault) {
    let which = script.u8();
    let at = usize::from(which & 0x3f) % EXCHANGES.len();
    let exchange = *EXCHANGES.get(at).expect("there is an exchange");
    let (side, response) = (which & 0x80 != 0, which & 0x40 != 0);
    let side = if side { Side::Responder } else { Side::Initiator };
    let nth = match script.u8() {
        0 => None,
        nth => Some(u32::from(nth - 1)),
    };
    let change = pair::change(script, &PAYLOADS);
    (side, Fault { exchange, response, nth, copies: None, change })
}

/// Payloads that faults are about; any other type comes as its number.
const PAYLOADS: [PayloadType; 15] = [
    PayloadKind::SA.raw(),
    PayloadKind::KE.raw(),
    PayloadKind::ID.raw(),
    PayloadKind::HASH.raw(),
    PayloadKind::NONCE.raw(),
    PayloadKind::NOTIFY.raw(),
    PayloadKind::DELETE.raw(),
    PayloadKind::VENDOR_ID.raw(),
    PayloadKind::ATTRIBUTES.raw(),
    PayloadKind::NAT_D.raw(),
    PayloadKind::NAT_OA.raw(),
    PayloadKind::FRAGMENT.raw(),
    PayloadKind::CERT.raw(),
    PayloadKind::CERTREQ.raw(),
    PayloadKind::SIG.raw(),
];
