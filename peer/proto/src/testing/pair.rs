//! An initiator and a responder, and a wire between them that takes no time.

use std::collections::VecDeque;

use core::net::IpAddr;
use core::time::Duration;

use super::setup::{INITIATOR, RESPONDER};
use crate::config::EndpointConfig;
use crate::crypto::{Provider, RustCrypto};
use crate::edge::{Edge, EdgeInput, EdgeOutput};
use crate::event::{Event, KeyLogEntry};
use crate::forward::ForwardConfig;
use crate::io::{Command, Deadline, Path};
use crate::sa::TunnelId;
use crate::time::Time;
use crate::transcript::{Head, InputLine, Line, OutputLine, Recorded, SCHEMA, Transcript};
use std::sync::Arc;

/// One of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who starts.
    Initiator,
    /// Who answers.
    Responder,
}

impl Side {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }
}

/// What is on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flight {
    /// A UDP datagram, as the sender sees its path.
    Udp(Path, Vec<u8>),
    /// A packet of a protocol of its own.
    Raw(u8, Vec<u8>),
}

/// Two edges and a virtual clock.
#[derive(Debug)]
pub struct Pair {
    /// Who starts.
    pub initiator: Node,
    /// Who answers.
    pub responder: Node,
    /// What time it is for both.
    pub now: Time,
    wire: VecDeque<(Side, Flight)>,
    /// The addresses of the last raw packet, of the initiator and the responder.
    pub hosts: [IpAddr; 2],
    /// All that was ever sent, in order.
    pub sent: Vec<(Side, Flight)>,
}

/// An edge, and what has come out of it.
#[derive(Debug)]
pub struct Node {
    /// The edge.
    pub edge: Edge,
    /// Its events so far.
    pub events: Vec<Event>,
    /// The keys it has logged.
    pub keys: Vec<KeyLogEntry>,
    /// The packets for its inner hosts.
    pub inner: Vec<(TunnelId, Vec<u8>)>,
    deadline: Option<Deadline>,
    /// What went in and came out, if it is recorded.
    record: Option<Transcript>,
}

impl Node {
    fn new(config: EndpointConfig, seed: u8, provider: Arc<dyn Provider>) -> Self {
        let edge = Edge::new(config, ForwardConfig::default(), [seed; 32], provider);
        let (events, keys, inner) = (Vec::new(), Vec::new(), Vec::new());
        Self { edge, events, keys, inner, deadline: None, record: None }
    }

    /// The session so far as a transcript, if it was recorded.
    pub fn transcript(&self) -> Option<&Transcript> {
        self.record.as_ref()
    }

    fn note(&mut self, line: impl FnOnce() -> Option<Line>) {
        if let Some(record) = &mut self.record {
            record.lines.extend(line());
        }
    }

    /// The first event that `pick` takes something from.
    pub fn find<T>(&self, pick: impl FnMut(&Event) -> Option<T>) -> Option<T> {
        self.events.iter().find_map(pick)
    }
}

impl Pair {
    /// Two edges with their configurations, on the pure Rust provider.
    pub fn new(initiator: EndpointConfig, responder: EndpointConfig) -> Self {
        Self::with_provider(initiator, responder, Arc::new(RustCrypto))
    }

    /// Two edges with their configurations.
    pub fn with_provider(
        initiator: EndpointConfig,
        responder: EndpointConfig,
        provider: Arc<dyn Provider>,
    ) -> Self {
        Self {
            initiator: Node::new(initiator, 1, Arc::clone(&provider)),
            responder: Node::new(responder, 2, provider),
            now: Time::ZERO,
            wire: VecDeque::new(),
            hosts: [INITIATOR, RESPONDER],
            sent: Vec::new(),
        }
    }

    /// The same with both sessions recorded from their beginning.
    pub fn recorded(ends: [EndpointConfig; 2], title: &str) -> Self {
        let [initiator, responder] = ends;
        let record = |endpoint: &EndpointConfig, seed| Transcript {
            head: Head {
                schema: SCHEMA.to_owned(),
                title: title.to_owned(),
                peer: "ikeproof".to_owned(),
                seed: [seed; 32],
                endpoint: endpoint.clone(),
                forward: ForwardConfig::default(),
            },
            lines: Vec::new(),
        };
        let records = [record(&initiator, 1), record(&responder, 2)].map(Some);
        let mut pair = Self::new(initiator, responder);
        [pair.initiator.record, pair.responder.record] = records;
        pair
    }

    /// One of the two.
    pub fn node(&mut self, side: Side) -> &mut Node {
        match side {
            Side::Initiator => &mut self.initiator,
            Side::Responder => &mut self.responder,
        }
    }

    /// Hands in one input and takes what comes of it.
    pub fn handle(&mut self, side: Side, input: EdgeInput<'_>) {
        let now = self.now;
        let node = self.node(side);
        node.note(|| {
            let at = u64::try_from(now.since(Time::ZERO).as_nanos()).ok()?;
            Some(Line::In(InputLine { at, what: Recorded::of(&input) }))
        });
        node.edge.handle(now, input);
        let (mut sent, mut hosts) = (Vec::new(), None);
        loop {
            let output = node.edge.poll_output();
            node.note(|| OutputLine::of(&output).map(|output| Line::Out(Box::new(output))));
            match output {
                EdgeOutput::Udp { path, payload } => sent.push(Flight::Udp(path, payload)),
                EdgeOutput::Raw { protocol, payload, local, remote } => {
                    hosts = Some((local, remote));
                    sent.push(Flight::Raw(protocol, payload));
                }
                EdgeOutput::Inner { tunnel, packet } => node.inner.push((tunnel, packet)),
                EdgeOutput::Event(event) => node.events.push(event),
                EdgeOutput::Keys(keys) => node.keys.push(keys),
                EdgeOutput::Observation { .. } => {}
                EdgeOutput::Timeout(deadline) => {
                    node.deadline = deadline;
                    break;
                }
            }
        }
        match (side, hosts) {
            (_, None) => {}
            (Side::Initiator, Some((local, remote))) => self.hosts = [local, remote],
            (Side::Responder, Some((local, remote))) => self.hosts = [remote, local],
        }
        for flight in sent {
            self.sent.push((side, flight.clone()));
            self.wire.push_back((side, flight));
        }
    }

    /// Gives a command to one of the two and delivers whatever follows.
    pub fn command(&mut self, side: Side, command: Command) {
        self.handle(side, EdgeInput::Command(command));
        self.deliver();
    }

    /// Delivers what is on the wire, and what that leads to, until the wire is empty.
    pub fn deliver(&mut self) {
        while let Some((from, flight)) = self.wire.pop_front() {
            self.arrive(from, &flight);
        }
    }

    /// Takes what is on the wire without delivering it.
    pub fn intercept(&mut self) -> Vec<(Side, Flight)> {
        self.wire.drain(..).collect()
    }

    /// Delivers one datagram of `from` to the other side.
    pub fn arrive(&mut self, from: Side, flight: &Flight) {
        let to = from.other();
        match flight {
            Flight::Udp(path, payload) => {
                let path = Path { channel: path.channel, local: path.remote, remote: path.local };
                self.handle(to, EdgeInput::Udp { path, payload });
            }
            Flight::Raw(protocol, payload) => {
                let [initiator, responder] = self.hosts;
                let (local, remote) = match to {
                    Side::Initiator => (initiator, responder),
                    Side::Responder => (responder, initiator),
                };
                self.handle(to, EdgeInput::Raw { protocol: *protocol, local, remote, payload });
            }
        }
    }

    /// Lets time pass, timer by timer, delivering all that is sent on the way.
    pub fn advance(&mut self, by: Duration) {
        self.advance_with(by, Self::deliver);
    }

    /// Lets time pass while nothing arrives anywhere.
    pub fn advance_in_silence(&mut self, by: Duration) {
        self.advance_with(by, |pair| {
            pair.intercept();
        });
    }

    fn advance_with(&mut self, by: Duration, mut after: impl FnMut(&mut Self)) {
        let end = self.now + by;
        while self.fire_before(end) {
            after(self);
        }
        self.now = end;
    }

    /// Moves the clock to the next timer of either side and fires it, unless it is after `end`.
    /// Says whether there was one; what it leads to is on the wire.
    pub fn fire_before(&mut self, end: Time) -> bool {
        let due = |node: &Node| node.deadline.map(|deadline| deadline.at);
        let next =
            [(due(&self.initiator), Side::Initiator), (due(&self.responder), Side::Responder)]
                .into_iter()
                .filter_map(|(at, side)| at.map(|at| (at, side)))
                .min_by_key(|(at, _)| *at);
        let Some((at, side)) = next.filter(|(at, _)| *at <= end) else { return false };
        self.now = self.now.max(at);
        self.handle(side, EdgeInput::Timeout);
        true
    }
}
