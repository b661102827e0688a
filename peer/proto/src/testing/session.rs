//! One session of either version over a bad wire, and what has to be alike at its ends.

use core::fmt::Debug;
use core::net::IpAddr;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::remembering::Remembering;
use crate::config::EndpointConfig;
use crate::edge::{ESP_PROTOCOL, EdgeInput};
use crate::event::{Event, KeyLogEntry};
use crate::io::{Channel, Command, Path};
use crate::middlebox::{
    Chance, Datagram, Direction, DirectionConfig, DropCause, Impairment, Middlebox,
    MiddleboxConfig, MiddleboxEvent, NatConfig, NatSide, RawNat, Transport,
};
use crate::sa::TunnelId;
use crate::testing::{Flight, Node, Pair, Side};
use crate::time::Time;
use crate::wire::v2::TrafficSelector;

/// What came of a session.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Datagrams that were lost, doubled and held back.
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) reordered: usize,
    /// How many pairs both ends have had while the wire was bad.
    pub(crate) pairs: usize,
    /// Whether there was a pair in the end.
    pub(crate) up: bool,
}

/// What was seen in all sessions of a cell.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) reordered: usize,
    /// Sessions in which something was lost.
    pub(crate) disturbed: usize,
    /// Sessions in which a pair was replaced while the wire was bad.
    pub(crate) replaced: usize,
    /// Sessions with a pair in the end.
    pub(crate) up: usize,
}

impl Total {
    pub(crate) fn add(&mut self, seen: &Seen) {
        self.lost += seen.lost;
        self.doubled += seen.doubled;
        self.reordered += seen.reordered;
        self.disturbed += usize::from(seen.lost > 0);
        self.replaced += usize::from(seen.pairs > 1);
        self.up += usize::from(seen.up);
    }
}

/// Two ends, the wire between them, and what has happened on it. The initiator of the pair is what the
/// middlebox calls the peer, the responder what it calls the edge.
pub(crate) struct Session {
    pub(crate) pair: Pair,
    pub(crate) wire: Middlebox,
    pub(crate) seen: Seen,
}

/// The addresses of the two ends, and of the NAT in front of one of them.
pub(crate) const HOME: [u8; 4] = [192, 0, 2, 1];
pub(crate) const EDGE: [u8; 4] = [192, 0, 2, 2];
pub(crate) const PUBLIC: [u8; 4] = [198, 51, 100, 7];

impl Session {
    pub(crate) fn new(ends: [EndpointConfig; 2], nat: Option<NatSide>, seed: u64) -> Self {
        let bad = Impairment {
            loss: Chance::per_mille(250),
            duplicate: Chance::per_mille(150),
            duplicate_after_ms: 700,
            reorder: Chance::per_mille(250),
            reorder_by_ms: 1500,
            delay_ms: 20,
            jitter_ms: 400,
        };
        let bad = DirectionConfig { ike: bad, data: bad };
        let nat = nat.map(|side| NatConfig {
            side,
            public: PUBLIC.into(),
            ports: Some((20_000, 30_000)),
            idle_timeout_ms: None,
            raw: RawNat::Drop,
        });
        let config = MiddleboxConfig { seed, to_peer: bad, to_edge: bad, nat, rules: Vec::new() };
        let [initiator, responder] = ends;
        let pair = Pair::with_provider(initiator, responder, Arc::new(Remembering));
        Self { pair, wire: Middlebox::new(config), seen: Seen::default() }
    }

    fn handle(&mut self, side: Side, input: EdgeInput<'_>) {
        self.pair.handle(side, input);
        self.collect();
    }

    /// Puts what was sent on the wire, and counts what the wire does to it.
    fn collect(&mut self) {
        for (side, flight) in self.pair.intercept() {
            let direction = match side {
                Side::Initiator => Direction::ToEdge,
                Side::Responder => Direction::ToPeer,
            };
            let datagram = match flight {
                Flight::Udp(path, bytes) => match side {
                    Side::Initiator => Datagram::udp(path.remote, path.local, bytes),
                    Side::Responder => Datagram::udp(path.local, path.remote, bytes),
                },
                // Without a NAT, so that the addresses are those of the ends.
                Flight::Raw(_, bytes) => {
                    Datagram::raw(EDGE.into(), HOME.into(), Transport::Esp, bytes)
                }
            };
            self.wire.handle(self.pair.now, direction, datagram);
        }
        while let Some(event) = self.wire.poll_event() {
            match event {
                MiddleboxEvent::Dropped { cause: DropCause::Loss, .. } => self.seen.lost += 1,
                MiddleboxEvent::Repeated { .. } => self.seen.doubled += 1,
                MiddleboxEvent::Overtaken { .. } => self.seen.reordered += 1,
                _ => {}
            }
        }
    }

    /// Lets time pass: timers fire, and what is on the wire arrives.
    pub(crate) fn advance(&mut self, by: Duration) {
        let end = self.pair.now + by;
        loop {
            let arrival = self.wire.poll_timeout().filter(|at| *at <= end);
            // What arrives at the time of a timer comes first, so that no two times are equal.
            if let Some(at) = arrival {
                if self.pair.fire_before(just_before(at)) {
                    self.collect();
                    continue;
                }
                self.pair.now = self.pair.now.max(at);
                while let Some(delivery) = self.wire.poll(self.pair.now) {
                    self.arrive(delivery.direction, delivery.datagram);
                }
            } else if self.pair.fire_before(end) {
                self.collect();
            } else {
                break;
            }
        }
        self.pair.now = end;
    }

    fn arrive(&mut self, direction: Direction, datagram: Datagram) {
        let Datagram { local, remote, transport, bytes } = datagram;
        let (to, local, remote) = match direction {
            Direction::ToEdge => (Side::Responder, local, remote),
            Direction::ToPeer => (Side::Initiator, remote, local),
        };
        let input = match transport {
            Transport::Udp => {
                let channel = if local.port() == 500 { Channel::Ike } else { Channel::Nat };
                EdgeInput::Udp { path: Path { channel, local, remote }, payload: &bytes }
            }
            _ => {
                let (local, remote) = (local.ip(), remote.ip());
                EdgeInput::Raw { protocol: ESP_PROTOCOL, local, remote, payload: &bytes }
            }
        };
        self.handle(to, input);
    }

    pub(crate) fn command(&mut self, side: Side, command: Command) {
        self.handle(side, EdgeInput::Command(command));
    }

    fn nodes(&self) -> [&Node; 2] {
        [&self.pair.initiator, &self.pair.responder]
    }

    /// What differs between the two ends, or is not over.
    pub(crate) fn disagreement(&mut self) -> Result<(), String> {
        let [one, other] = self.nodes();
        same("IKE SAs", &ike_sas(one), &ike_sas(other))?;
        self.other_pairs()?;
        for node in self.nodes() {
            let left = node.edge.endpoint().footprint();
            let (sas, pairs) = (ike_sas(node).len(), pairs(node).len());
            if (left.ike_sas, left.child_spis, left.half_open) != (sas, pairs, 0) {
                return Err(format!("there are {sas} SAs and {pairs} pairs, and kept is {left:?}"));
            }
        }
        let up = !pairs(self.nodes()[0]).is_empty();
        self.seen.up = up;
        let passed = self.traffic();
        if passed != if up { 2 } else { 0 } {
            return Err(format!("of two packets {passed} got through, with pairs: {up}"));
        }
        Ok(())
    }

    /// What differs between the pairs of the two ends.
    pub(crate) fn other_pairs(&self) -> Result<(), String> {
        let [one, other] = self.nodes();
        let of_other = pairs(other).into_keys().map(crosswise).collect();
        same("pairs", &pairs(one).into_keys().collect(), &of_other)
    }

    /// How many pairs each end has had, at least.
    pub(crate) fn pairs_so_far(&self) -> usize {
        let count = |node: &Node| {
            node.events.iter().filter(|event| matches!(event, Event::ChildEstablished(_))).count()
        };
        self.nodes().map(count).into_iter().min().unwrap_or_default()
    }

    /// Sends a packet each way over the newest tunnel, and says how many got through.
    fn traffic(&mut self) -> usize {
        let inner = |session: &Self| session.nodes().map(|node| node.inner.len()).iter().sum();
        let before: usize = inner(self);
        for side in [Side::Initiator, Side::Responder] {
            let (tunnel, packet) = packet(self.pair.node(side));
            self.handle(side, EdgeInput::Inner { tunnel, packet: &packet });
        }
        self.advance(Duration::from_secs(1));
        inner(self) - before
    }
}

fn same<T: Ord + Debug>(what: &str, one: &BTreeSet<T>, other: &BTreeSet<T>) -> Result<(), String> {
    if one == other {
        return Ok(());
    }
    Err(format!("{what}: one end has {one:#?}, the other {other:#?}"))
}

fn just_before(at: Time) -> Time {
    at - Duration::from_nanos(1)
}

/// The IKE SAs of an end with their keys.
fn ike_sas(node: &Node) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
    let mut sas = BTreeMap::new();
    for event in &node.events {
        match event {
            Event::IkeEstablished(up) => {
                let key = node.keys.iter().find_map(|keys| match keys {
                    KeyLogEntry::Ikev1(keys)
                        if (keys.spi_i, keys.spi_r) == (up.spi_i, up.spi_r) =>
                    {
                        Some(keys.key.expose().clone())
                    }
                    KeyLogEntry::Ike(keys) if (keys.spi_i, keys.spi_r) == (up.spi_i, up.spi_r) => {
                        Some([&keys.sk_ei, &keys.sk_er].map(|key| key.expose().clone()).concat())
                    }
                    _ => None,
                });
                let spis = [up.spi_i.0, up.spi_r.0].concat();
                sas.insert(up.ike, (spis, key.expect("keys are logged")));
            }
            Event::IkeClosed { ike, .. } => drop(sas.remove(ike)),
            _ => {}
        }
    }
    sas.into_values().collect()
}

/// A packet between the inner hosts of the newest tunnel of an end; without one, of those that a
/// connection has if it gets no address.
fn packet(node: &Node) -> (TunnelId, Vec<u8>) {
    let open = pairs(node).into_values().max_by_key(|tunnel| tunnel.0);
    let selectors = node.events.iter().rev().find_map(|event| match event {
        Event::ChildEstablished(up) if Some(TunnelId(up.tunnel)) == open => {
            Some((host(&up.ts_local), host(&up.ts_remote)))
        }
        _ => None,
    });
    let (source, destination) = selectors.unwrap_or(([10, 0, 1, 1], [10, 0, 2, 1]));
    (open.unwrap_or(TunnelId(1)), crate::v2::tests::echo(source, destination, 100))
}

/// The only host of the selectors, or the last one of a net before its broadcast address.
fn host(selectors: &[TrafficSelector]) -> [u8; 4] {
    let (IpAddr::V4(first), IpAddr::V4(last)) = (selectors[0].start, selectors[0].end) else {
        panic!("no IPv4")
    };
    let mut octets = last.octets();
    octets[3] -= u8::from(first != last);
    octets
}

/// A pair of SAs of ESP as one end has it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct EspPair {
    spis: [u32; 2],
    suite: String,
    keys: [Vec<u8>; 2],
    selectors: [String; 2],
}

/// The same pair as the other end has to have it.
fn crosswise(pair: EspPair) -> EspPair {
    let EspPair { spis: [i, o], suite, keys: [ki, ko], selectors: [l, r] } = pair;
    EspPair { spis: [o, i], suite, keys: [ko, ki], selectors: [r, l] }
}

/// The pairs of an end, each with its tunnel, whose number means something at that end only.
fn pairs(node: &Node) -> BTreeMap<EspPair, TunnelId> {
    let keys = |spi: u32| {
        let found = node.keys.iter().find_map(|keys| match keys {
            KeyLogEntry::Child(keys) if keys.spi == spi => {
                Some([keys.encryption.expose().as_slice(), keys.integrity.expose()].concat())
            }
            _ => None,
        });
        found.expect("keys are logged")
    };
    let mut pairs = BTreeMap::new();
    for event in &node.events {
        match event {
            Event::ChildEstablished(up) => {
                let spis = [up.spi_in, up.spi_out];
                let pair = EspPair {
                    spis,
                    suite: up.suite.to_string(),
                    keys: spis.map(keys),
                    selectors: [&up.ts_local, &up.ts_remote].map(|ts| format!("{ts:?}")),
                };
                pairs.insert(up.spi_in, (pair, TunnelId(up.tunnel)));
            }
            Event::ChildClosed { spi_in, .. } => drop(pairs.remove(spi_in)),
            _ => {}
        }
    }
    pairs.into_values().collect()
}
