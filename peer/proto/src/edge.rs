//! A whole peer without I/O: the control plane, the data plane and the router in one place.
//!
//! ```text
//!  UDP, ESP, AH --> datagram --> Endpoint (IKE)   --> Transmit, Event, Keys
//!                       \--> DataPlane (ESP, AH) --> Router --> Inner
//!  inner host ---------> Router --> DataPlane    --> UDP, ESP, AH
//! ```
//!
//! This is the level at which sessions are recorded and replayed, and the one that the driver, the
//! embedded peer and in-memory tests share. The rule of its run loop is the endpoint's: hand in
//! one input, then drain until [`EdgeOutput::Timeout`].

use std::collections::VecDeque;
use std::sync::Arc;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::EndpointConfig;
use crate::crypto::{ChildProtocol, Provider};
use crate::datagram::{self, Datagram};
use crate::endpoint::{Endpoint, SaClock};
use crate::event::{DropReason, Event, KeyLogEntry};
use crate::forward::{ForwardConfig, Forwarder, Observation, OverMtu, ToTunnel};
use crate::io::{Activity, Channel, Command, Deadline, IkeHandle, Input, Output, Path};
use crate::sa::sizes::MAX_TAILROOM;
use crate::sa::{
    DataPlane, Encap, MAX_HEADROOM, OpenError, PlainPacket, Received, Sealed, TunnelId,
};
use crate::time::Time;
use crate::wire::AH_PROTOCOL;

/// Protocol number of ESP (RFC 4303 §2).
pub const ESP_PROTOCOL: u8 = 50;

/// Where ICMP errors of the router come from: addresses that no inner network has (RFC 5737,
/// RFC 3849).
const ROUTER_V4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Something that the edge is told.
#[derive(Debug)]
pub enum EdgeInput<'a> {
    /// A UDP payload from outside.
    Udp {
        /// Where it came from.
        path: Path,
        /// The payload, with the non-ESP marker where there is one.
        payload: &'a [u8],
    },
    /// A packet of a protocol of its own from outside.
    Raw {
        /// The protocol number.
        protocol: u8,
        /// The own address.
        local: IpAddr,
        /// The other side's address.
        remote: IpAddr,
        /// What follows the IP header; with AH the whole IP packet, which its ICV covers.
        payload: &'a [u8],
    },
    /// An IP packet of an inner host.
    Inner {
        /// The tunnel that the inner host belongs to.
        tunnel: TunnelId,
        /// The packet.
        packet: &'a [u8],
    },
    /// Nothing but time has passed.
    Timeout,
    /// The owner wants something done.
    Command(Command),
}

/// Something that the edge wants done or known.
#[derive(Debug)]
pub enum EdgeOutput {
    /// Send this UDP payload.
    Udp {
        /// Where to.
        path: Path,
        /// The payload.
        payload: Vec<u8>,
    },
    /// Send this packet of a protocol of its own.
    Raw {
        /// The protocol number.
        protocol: u8,
        /// The own address.
        local: IpAddr,
        /// The other side's address.
        remote: IpAddr,
        /// What follows the IP header; with AH the whole IP packet, which its ICV covers.
        payload: Vec<u8>,
    },
    /// Give this packet to an inner host.
    Inner {
        /// The tunnel that it came through.
        tunnel: TunnelId,
        /// The packet.
        packet: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
    /// Keys, if they are logged.
    Keys(KeyLogEntry),
    /// The router saw something worth telling.
    Observation {
        /// The tunnel.
        tunnel: TunnelId,
        /// What.
        observation: Observation,
    },
    /// All is drained.
    Timeout(Option<Deadline>),
}

/// A whole peer without I/O.
#[derive(Debug)]
pub struct Edge {
    endpoint: Endpoint,
    data_plane: DataPlane,
    router: Forwarder,
    out: VecDeque<EdgeOutput>,
    /// Room for one packet, reused.
    buffer: Vec<u8>,
}

impl Edge {
    /// A peer without SAs.
    pub fn new(
        endpoint: EndpointConfig,
        forward: ForwardConfig,
        seed: [u8; 32],
        provider: Arc<dyn Provider>,
    ) -> Self {
        Self {
            endpoint: Endpoint::new(endpoint, seed, provider),
            data_plane: DataPlane::new(),
            router: Forwarder::new(forward, ROUTER_V4, ROUTER_V6),
            out: VecDeque::new(),
            buffer: Vec::new(),
        }
    }

    /// The control plane, to look at.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The data plane, to look at.
    pub fn data_plane(&self) -> &DataPlane {
        &self.data_plane
    }

    /// The data plane, to bring it to where a test begins.
    #[cfg(test)]
    pub(crate) fn data_plane_mut(&mut self) -> &mut DataPlane {
        &mut self.data_plane
    }

    /// The clock of one IKE SA; see [`Endpoint::clock_of`].
    pub fn clock_of(&self, ike: IkeHandle, now: Time) -> Option<SaClock> {
        self.endpoint.clock_of(ike, now)
    }

    /// Takes one input. Drain the outputs before the next one.
    pub fn handle(&mut self, now: Time, input: EdgeInput<'_>) {
        match input {
            EdgeInput::Udp { path, payload } => self.udp(now, path, payload),
            EdgeInput::Raw { protocol, local, remote, payload } => {
                self.raw(now, protocol, local, remote, payload);
            }
            EdgeInput::Inner { tunnel, packet } => self.inner(now, tunnel, packet),
            EdgeInput::Timeout => self.control(now, Input::Timeout),
            EdgeInput::Command(command) => {
                if let Command::SkipTime { ike, .. } = command {
                    // What the tunnel carried before the clock moves is older by the move.
                    self.tell_activity(now, self.endpoint.tunnel_of(ike));
                }
                self.control(now, Input::Command(command));
            }
        }
    }

    /// What is to be done next; [`EdgeOutput::Timeout`] when there is nothing left.
    pub fn poll_output(&mut self) -> EdgeOutput {
        if let Some(output) = self.out.pop_front() {
            return output;
        }
        match self.endpoint.poll_output() {
            Output::Timeout(deadline) => EdgeOutput::Timeout(deadline),
            // Every call of the endpoint is drained at once, so there is nothing else.
            other => {
                self.take(Time::ZERO, other);
                self.out.pop_front().unwrap_or(EdgeOutput::Timeout(None))
            }
        }
    }

    /// Hands an input to the control plane and does what it asks of the data plane.
    fn control(&mut self, now: Time, input: Input<'_>) {
        self.endpoint.handle(now, input);
        loop {
            match self.endpoint.poll_output() {
                Output::Timeout(_) => return,
                output => self.take(now, output),
            }
        }
    }

    fn take(&mut self, now: Time, output: Output) {
        match output {
            Output::Transmit { path, bytes } => {
                self.out.push_back(EdgeOutput::Udp { path, payload: bytes });
            }
            Output::Event(event) => self.out.push_back(EdgeOutput::Event(event)),
            Output::Keys(keys) => self.out.push_back(EdgeOutput::Keys(keys)),
            Output::DataPlane(command) => {
                if let Err(error) = self.data_plane.apply(*command) {
                    let reason = error.to_string();
                    self.out.push_back(EdgeOutput::Event(Event::DataPlaneRefused { reason }));
                }
            }
            Output::AskActivity(tunnel) => self.tell_activity(now, tunnel),
            Output::Timeout(_) => {}
        }
    }

    fn tell_activity(&mut self, now: Time, tunnel: TunnelId) {
        let last_inbound = self.data_plane.last_inbound(tunnel);
        let last_outbound = self.data_plane.last_outbound(tunnel);
        let activity = Activity { tunnel, last_inbound, last_outbound };
        // Its outputs are drained by whoever is draining now.
        self.endpoint.handle(now, Input::Activity(activity));
    }

    fn udp(&mut self, now: Time, path: Path, payload: &[u8]) {
        let remote = path.remote;
        match datagram::classify(path.channel, payload) {
            Datagram::Ike(bytes) => self.control(now, Input::Ike { path, bytes }),
            Datagram::Esp(packet) => {
                self.esp(now, Encap::Udp { src: remote, dst: path.local }, packet)
            }
            Datagram::Keepalive => {
                self.out.push_back(EdgeOutput::Event(Event::KeepaliveReceived { remote }));
            }
            Datagram::Runt => {
                let (len, reason) = (payload.len(), DropReason::Runt);
                self.out.push_back(EdgeOutput::Event(Event::PacketDropped { remote, len, reason }));
            }
        }
    }

    fn raw(&mut self, now: Time, protocol: u8, local: IpAddr, remote: IpAddr, payload: &[u8]) {
        let from = Encap::Raw { src: remote, dst: local };
        match protocol {
            ESP_PROTOCOL => self.esp(now, from, payload),
            AH_PROTOCOL => {
                self.buffer.clear();
                self.buffer.extend_from_slice(payload);
                let opened = self.data_plane.open_ah(now, from, &mut self.buffer);
                self.opened(now, opened);
            }
            protocol => {
                let (remote, len) = (SocketAddr::new(remote, 0), payload.len());
                let reason = DropReason::Protocol { protocol };
                self.out.push_back(EdgeOutput::Event(Event::PacketDropped { remote, len, reason }));
            }
        }
    }

    fn esp(&mut self, now: Time, from: Encap, packet: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(packet);
        let opened = self.data_plane.open(now, from, &mut self.buffer);
        self.opened(now, opened);
    }

    /// Passes on what was opened in the buffer.
    fn opened(&mut self, now: Time, opened: Result<Received, OpenError>) {
        if let Ok(opened) = opened
            && let Some(inner) = self.buffer.get(opened.range.clone())
        {
            let mut packet = inner.to_vec();
            let tunnel = opened.tunnel;
            let (verdict, observation) = self.router.from_tunnel(&mut packet);
            if let Some(OverMtu { len, mtu, .. }) = observation.over_mtu {
                let ike = self.endpoint.ike_of(tunnel);
                self.out.push_back(EdgeOutput::Event(Event::OverMtu { ike, len, mtu }));
            }
            self.observed(tunnel, observation);
            match verdict {
                Ok(()) => self.out.push_back(EdgeOutput::Inner { tunnel, packet }),
                Err(Some(answer)) => self.seal(now, tunnel, &answer),
                Err(None) => {}
            }
        }
        self.reports(now);
    }

    fn inner(&mut self, now: Time, tunnel: TunnelId, packet: &[u8]) {
        let mut packet = packet.to_vec();
        let (verdict, observation) = self.router.to_tunnel(&mut packet);
        self.observed(tunnel, observation);
        let dropped = |reason: String| EdgeOutput::Event(Event::TrafficDropped { spi: 0, reason });
        match verdict {
            ToTunnel::Seal => self.seal(now, tunnel, &packet),
            ToTunnel::Fragments(fragments) => {
                for fragment in fragments {
                    self.seal(now, tunnel, &fragment);
                }
            }
            ToTunnel::Answer(packet) => self.out.push_back(EdgeOutput::Inner { tunnel, packet }),
            ToTunnel::Drop(why) => self.out.push_back(dropped(format!("{why:?}"))),
            ToTunnel::CannotFragment(why) => self.out.push_back(dropped(format!("{why:?}"))),
        }
        self.reports(now);
    }

    fn observed(&mut self, tunnel: TunnelId, observation: Observation) {
        if observation != Observation::default() {
            self.out.push_back(EdgeOutput::Observation { tunnel, observation });
        }
    }

    fn seal(&mut self, now: Time, tunnel: TunnelId, packet: &[u8]) {
        let inner = MAX_HEADROOM..MAX_HEADROOM + packet.len();
        self.buffer.clear();
        self.buffer.resize(inner.end + MAX_TAILROOM, 0);
        if let Some(room) = self.buffer.get_mut(inner.clone()) {
            room.copy_from_slice(packet);
        }
        let mut results = Vec::with_capacity(1);
        let packets = [PlainPacket { buf: &mut self.buffer, inner }];
        self.data_plane.seal_batch(now, tunnel, packets, &mut results);
        let sealed = match results.pop() {
            Some(Ok(Sealed { range, protocol })) => {
                self.buffer.get(range).map(|packet| (packet.to_vec(), protocol))
            }
            Some(Err(error)) => {
                let (spi, reason) = (0, error.to_string());
                self.out.push_back(EdgeOutput::Event(Event::TrafficDropped { spi, reason }));
                None
            }
            None => None,
        };
        let Some(encap) = self.data_plane.encap(tunnel) else { return };
        let Some((payload, protocol)) = sealed else { return };
        let (local, remote) = (encap.src_ip(), encap.dst_ip());
        self.out.push_back(match (protocol, encap) {
            // The whole IP packet, whatever ESP of the same tunnel is in.
            (ChildProtocol::Ah, _) => {
                EdgeOutput::Raw { protocol: AH_PROTOCOL, local, remote, payload }
            }
            (ChildProtocol::Esp, Encap::Raw { .. }) => {
                EdgeOutput::Raw { protocol: ESP_PROTOCOL, local, remote, payload }
            }
            (ChildProtocol::Esp, Encap::Udp { src, dst }) => {
                let path = Path { channel: Channel::Nat, local: src, remote: dst };
                EdgeOutput::Udp { path, payload }
            }
        });
    }

    fn reports(&mut self, now: Time) {
        while let Some(report) = self.data_plane.poll_report() {
            self.control(now, Input::DataPlane(report));
        }
    }
}
