//! Strangers against an edge: any datagram from anywhere at any time.
//!
//! They can do a key exchange, so the edge may keep a half-open SA for them and decrypt what they
//! send. They do not know the secret, so nothing may ever be established.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::time::Duration;
use std::sync::Arc;

use super::super::setup::{INITIATOR, RESPONDER, connection, endpoint_config};
use super::isakmp_ways;
use super::script::Script;
use crate::config::{Connection, EndpointConfig};
use crate::crypto::{RustCrypto, SecretBytes};
use crate::edge::{ESP_PROTOCOL, Edge, EdgeInput, EdgeOutput};
use crate::event::Event;
use crate::forward::ForwardConfig;
use crate::io::{Channel, Command, Deadline, Path};
use crate::policy::{Ikev1Mode, MainWithoutAddress};
use crate::time::Time;

/// The cheapest suite: every request costs the edge a key exchange.
const IKE: &str = "aes128gcm16-prfsha256-curve25519";
const IKEV1: &str = "aes128-sha256-curve25519";
const CHILD: &str = "aes128gcm16";
const MAX_STEPS: usize = 48;
/// Half-open SAs in all, and of one source: few, so that they are reached.
const HALF_OPEN: usize = 4;
const HALF_OPEN_PER_SOURCE: usize = 2;

struct Scene {
    edge: Edge,
    /// Who makes real first messages, and goes on with what is handed to it.
    initiator: Edge,
    /// What it begins, with a wrong secret.
    connection: Connection,
    now: Time,
    deadline: Option<Deadline>,
    amplification: usize,
    /// The last datagram to the edge, and the last from it.
    last_in: Option<(Path, Vec<u8>)>,
    last_out: Option<(Path, Vec<u8>)>,
}

/// Lets strangers do what the script says.
pub(super) fn run(script: Script<'_>) {
    run_with(script, endpoint_config(), connection(IKE, CHILD));
}

/// The same with an initiator of IKEv1, whose address no credential names: main mode goes on to its fifth
/// message, which cannot be right.
pub(super) fn run_ikev1(script: Script<'_>, mode: Ikev1Mode) {
    let mut config = endpoint_config();
    config.profile.readings.r14 = MainWithoutAddress::FailFifth;
    run_with(script, config, isakmp_ways::offer(mode, IKEV1, CHILD));
}

fn run_with(mut script: Script<'_>, mut config: EndpointConfig, mut connection: Connection) {
    connection.psk = SecretBytes::from_slice(b"another secret");
    config.log_keys = false;
    let limits = &mut config.profile.limits;
    limits.half_open = HALF_OPEN;
    limits.half_open_per_source = HALF_OPEN_PER_SOURCE;
    limits.cookie_threshold = script.pick(&[usize::MAX, 0, 2]);
    let amplification = config.limits.amplification;
    let edge = |config, seed| {
        Edge::new(config, ForwardConfig::default(), [seed; 32], Arc::new(RustCrypto))
    };
    let mut scene = Scene {
        edge: edge(config, 2),
        initiator: edge(endpoint_config(), 1),
        connection,
        now: Time::ZERO,
        deadline: None,
        amplification,
        last_in: None,
        last_out: None,
    };
    for _ in 0..MAX_STEPS {
        if script.is_over() {
            break;
        }
        scene.step(&mut script);
        scene.edge.endpoint().footprint().check();
    }
    // With nobody there, all of it goes by itself.
    scene.advance(Duration::from_secs(3600));
    let left = scene.edge.endpoint().footprint();
    left.check();
    assert_eq!(left.ike_sas, 0, "half-open SAs do not stay");
}

impl Scene {
    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % 8 {
            channel @ (0 | 1) => {
                let path = path(script.u8(), channel == 1);
                self.datagram(path, script.chunk().to_vec());
            }
            2 => {
                let remote = path(script.u8(), false).remote.ip();
                let payload = script.chunk();
                let protocol = if script.u8() == 0 { ESP_PROTOCOL } else { 51 };
                let sent =
                    self.input(EdgeInput::Raw { protocol, local: RESPONDER, remote, payload });
                assert_eq!(sent, 0, "nothing is ever sent for ESP that cannot be opened");
            }
            3 => self.advance(Duration::from_millis(100) * u32::from(script.u16())),
            4 => {
                if let Some((path, bytes)) = self.last_in.clone() {
                    self.datagram(path, bytes);
                }
            }
            5 => {
                let path = path(script.u8(), false);
                if let Some((_, bytes)) = self.request() {
                    self.datagram(path, edited(bytes, script));
                }
            }
            6 => {
                // The initiator goes on with the last answer: a cookie, another group, IKE_AUTH; in IKEv1 with the third or fifth message.
                let Some((path, answer)) = self.last_out.take() else { return };
                if let Some((channel, bytes)) = self.answered(path.channel, &answer) {
                    let port = if channel == Channel::Nat { 4500 } else { 500 };
                    let local = SocketAddr::new(path.local.ip(), port);
                    self.datagram(Path { channel, local, ..path }, edited(bytes, script));
                }
            }
            _ => {
                let packet = script.chunk();
                let tunnel = crate::sa::TunnelId(u64::from(script.u8()));
                let sent = self.input(EdgeInput::Inner { tunnel, packet });
                assert_eq!(sent, 0, "there is no tunnel");
            }
        }
    }

    /// A new first message of the real initiator, who does not know the secret.
    fn request(&mut self) -> Option<(Channel, Vec<u8>)> {
        let command = Command::Initiate(Box::new(self.connection.clone()));
        self.initiator.handle(self.now, EdgeInput::Command(command));
        last_datagram(&mut self.initiator)
    }

    /// What the real initiator says to an answer.
    fn answered(&mut self, channel: Channel, answer: &[u8]) -> Option<(Channel, Vec<u8>)> {
        let port = if channel == Channel::Nat { 4500 } else { 500 };
        let local = SocketAddr::new(INITIATOR, port);
        let remote = SocketAddr::new(RESPONDER, port);
        let path = Path { channel, local, remote };
        self.initiator.handle(self.now, EdgeInput::Udp { path, payload: answer });
        last_datagram(&mut self.initiator)
    }

    fn datagram(&mut self, path: Path, payload: Vec<u8>) {
        let sent = self.input(EdgeInput::Udp { path, payload: &payload });
        let bound = payload.len() * self.amplification;
        assert!(sent <= bound, "{sent} octets for {}: {}", payload.len(), hex(&payload));
        self.last_in = Some((path, payload));
    }

    /// Time passes, timer by timer. Strangers are owed nothing: nothing is sent by itself.
    fn advance(&mut self, by: Duration) {
        let end = self.now + by;
        while let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= end) {
            self.now = self.now.max(deadline.at);
            assert_eq!(self.input(EdgeInput::Timeout), 0, "sent to strangers unasked");
            assert_ne!(self.deadline, Some(deadline), "a timer that fired is gone");
        }
        self.now = end;
    }

    /// Hands in one input; how many octets came out to the network.
    fn input(&mut self, input: EdgeInput<'_>) -> usize {
        self.edge.handle(self.now, input);
        let (mut sent, mut out_of_place) = (0, 0);
        loop {
            match self.edge.poll_output() {
                EdgeOutput::Udp { path, payload } => {
                    sent += payload.len();
                    self.last_out = Some((path, payload));
                }
                EdgeOutput::Raw { payload, .. } => sent += payload.len(),
                EdgeOutput::Event(event) => assert!(!is_success(&event), "{event:?}"),
                EdgeOutput::Observation { .. } => {}
                // Keys are not logged here, and no packet comes out of no tunnel.
                EdgeOutput::Inner { .. } | EdgeOutput::Keys(_) => out_of_place += 1,
                EdgeOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    break;
                }
            }
        }
        assert_eq!(out_of_place, 0, "keys, or packets for an inner host");
        let footprint = self.edge.endpoint().footprint();
        assert!(footprint.half_open <= HALF_OPEN, "{footprint:?}");
        assert_eq!(footprint.ike_sas, footprint.half_open, "all that strangers get is half-open");
        sent
    }
}

fn is_success(event: &Event) -> bool {
    matches!(event, Event::IkeEstablished(_) | Event::ChildEstablished(_) | Event::ProbeSent { .. })
}

/// One of some sources: two ports at each of some addresses of both families.
fn path(source: u8, nat: bool) -> Path {
    let at = source >> 1 & 0x0f;
    let (local, remote): (IpAddr, IpAddr) = if source & 0x80 == 0 {
        (RESPONDER, Ipv4Addr::new(198, 51, 100, at).into())
    } else {
        // Two interfaces of each /64: limits by source count them as one.
        let network = u16::from(at >> 1);
        let host = u16::from(at & 1) + 2;
        let own = Ipv6Addr::new(0x2001, 0xdb8, 0xffff, 0, 0, 0, 0, 1);
        (own.into(), Ipv6Addr::new(0x2001, 0xdb8, network, 0, 0, 0, 0, host).into())
    };
    let (channel, port) = if nat { (Channel::Nat, 4500) } else { (Channel::Ike, 500) };
    let remote = SocketAddr::new(remote, port + u16::from(source & 1));
    Path { channel, local: SocketAddr::new(local, port), remote }
}

/// The last datagram that is waiting.
fn last_datagram(edge: &mut Edge) -> Option<(Channel, Vec<u8>)> {
    let mut found = None;
    loop {
        match edge.poll_output() {
            EdgeOutput::Udp { path, payload } => found = Some((path.channel, payload)),
            EdgeOutput::Timeout(_) => return found,
            _ => {}
        }
    }
}

/// Up to three octets changed, and perhaps a shorter message.
fn edited(mut bytes: Vec<u8>, script: &mut Script<'_>) -> Vec<u8> {
    for _ in 0..script.u8() % 4 {
        let (at, mask) = (usize::from(script.u16()) % bytes.len().max(1), script.u8());
        if let Some(octet) = bytes.get_mut(at) {
            *octet ^= mask;
        }
    }
    let cut = usize::from(script.u8());
    bytes.truncate(bytes.len().saturating_sub(cut));
    bytes
}

fn hex(bytes: &[u8]) -> String {
    crate::wire::hex::encode(bytes)
}
