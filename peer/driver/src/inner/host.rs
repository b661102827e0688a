//! The inner host itself: packets in, packets out, and what happened.

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};

use ikeproof_proto::forward::{IpVersion, Reassembled, Reassembler, fragment_v4};
use ikeproof_proto::time::Time;
use serde::{Deserialize, Serialize};
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::{IpEndpoint, IpListenEndpoint};

use super::config::InnerConfig;
use super::observe::{Observer, TcpPair};
use super::ping::{PingError, PingId, PingReport, PingRequest, Series};
use super::ping_packet::{Echo, Icmp, build, fragment_v6, parse};
use super::stack::Stack;
use super::tcp::{
    ConnectError, Connection, ListenId, Listener, TcpId, TcpReport, TcpRequest, socket,
};

/// Something that happened at an inner host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "event")]
pub enum InnerEvent {
    /// An echo request was answered.
    PingAnswered {
        /// Who asked.
        from: IpAddr,
        /// Which address of ours.
        to: IpAddr,
        /// Octets of data.
        size: usize,
    },
    /// A series of pings is over.
    PingDone {
        /// Which.
        id: PingId,
        /// What became of it.
        report: PingReport,
    },
    /// A connection to one of the services was made.
    TcpAccepted {
        /// Which.
        id: TcpId,
        /// Between whom.
        pair: TcpPair,
        /// MSS that the far end's SYN announced.
        far_mss: Option<u16>,
        /// The listener for one connection that took it, if it was one.
        listener: Option<ListenId>,
    },
    /// A listener for one connection got none in time.
    ListenExpired {
        /// Which.
        listener: ListenId,
    },
    /// A connection is over.
    TcpDone {
        /// What is said of it.
        report: TcpReport,
    },
    /// "Packet too big" or "fragmentation needed" came in.
    TooBig {
        /// Destination of the packet it is about.
        to: IpAddr,
        /// The next hop's MTU.
        mtu: u16,
    },
    /// A packet for an address of nobody here was dropped.
    NotMine {
        /// Its destination.
        destination: IpAddr,
    },
    /// A packet that is neither IPv4 nor IPv6, or whose fragments contradict each other, was dropped.
    Unreadable {
        /// Its length.
        len: usize,
    },
}

/// Counts of an inner host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InnerStats {
    /// Packets that came in.
    pub packets_in: u64,
    /// Octets of them.
    pub bytes_in: u64,
    /// Largest of them, before reassembly.
    pub largest_in: usize,
    /// IPv4 and IPv6 fragments among them.
    pub fragments_in: u64,
    /// Packets that went out.
    pub packets_out: u64,
    /// Octets of them.
    pub bytes_out: u64,
    /// Largest of them.
    pub largest_out: usize,
}

/// An inner host without a socket or a clock.
pub struct InnerHost {
    config: InnerConfig,
    stack: Stack,
    observer: Observer,
    reassembler: Reassembler,
    listeners: Vec<Listener>,
    connections: Vec<Connection>,
    /// Closed in order; smoltcp still answers for them.
    lingering: Vec<(smoltcp::iface::SocketHandle, TcpPair)>,
    pings: Vec<Series>,
    path_mtu: BTreeMap<IpAddr, u16>,
    out: VecDeque<Vec<u8>>,
    events: VecDeque<InnerEvent>,
    stats: InnerStats,
    ip_id: u16,
    next_ping: u16,
    next_tcp: u64,
    next_listen: u64,
    next_port: u16,
}

impl InnerHost {
    /// A host with its services listening.
    pub fn new(config: InnerConfig, now: Time) -> Self {
        let mut host = Self {
            stack: Stack::new(&config, now),
            observer: Observer::default(),
            reassembler: Reassembler::new(),
            listeners: Vec::new(),
            connections: Vec::new(),
            lingering: Vec::new(),
            pings: Vec::new(),
            path_mtu: BTreeMap::new(),
            out: VecDeque::new(),
            events: VecDeque::new(),
            stats: InnerStats::default(),
            ip_id: 0,
            next_ping: 1,
            next_tcp: 1,
            next_listen: 1,
            next_port: FIRST_PORT,
            config,
        };
        for (port, service) in host.config.services.clone() {
            for _ in 0..BACKLOG {
                host.listen(port.into(), service, None);
            }
        }
        host
    }

    /// What it was made of.
    pub const fn config(&self) -> &InnerConfig {
        &self.config
    }

    /// Counts so far.
    pub const fn stats(&self) -> &InnerStats {
        &self.stats
    }

    /// Takes a packet from the tunnel. Call [`Self::poll`] after one or several.
    pub fn push_packet(&mut self, now: Time, packet: &[u8]) {
        self.stats.packets_in += 1;
        self.stats.bytes_in += packet.len() as u64;
        self.stats.largest_in = self.stats.largest_in.max(packet.len());
        let Some(destination) = destination(packet) else {
            return self.event(InnerEvent::Unreadable { len: packet.len() });
        };
        if !self.config.owns(destination) {
            return self.event(InnerEvent::NotMine { destination });
        }
        match self.reassembler.push(now, packet) {
            Reassembled::NotAFragment => self.whole_packet(now, packet),
            Reassembled::Incomplete => self.stats.fragments_in += 1,
            Reassembled::Complete(whole) => {
                self.stats.fragments_in += 1;
                self.whole_packet(now, &whole);
            }
            Reassembled::Refused(_) => self.event(InnerEvent::Unreadable { len: packet.len() }),
        }
    }

    /// Does what is due. Drain [`Self::poll_packet`] and [`Self::poll_event`] afterwards.
    pub fn poll(&mut self, now: Time) {
        self.poll_pings(now);
        // Octets that a connection moves can be sent at once, and what arrives can be answered.
        self.expire_listeners(now);
        for _ in 0..2 {
            self.stack.poll(now);
            self.promote(now);
            self.pump(now);
        }
        self.stack.poll(now);
        while let Some(packet) = self.stack.device.tx.pop_front() {
            self.observer.outgoing(&packet);
            self.send(packet);
        }
    }

    /// The next packet for the tunnel.
    pub fn poll_packet(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<InnerEvent> {
        self.events.pop_front()
    }

    /// When [`Self::poll`] is due again.
    pub fn poll_timeout(&mut self, now: Time) -> Option<Time> {
        let stack = self.stack.poll_at(now);
        let pings = self.pings.iter().filter_map(Series::poll_timeout).min();
        let deadlines = self.connections.iter().map(|connection| connection.deadline).min();
        let listeners = self.listeners.iter().filter_map(|listener| Some(listener.once?.1)).min();
        [stack, pings, deadlines, listeners].into_iter().flatten().min()
    }

    /// Starts a series of pings; its end is an event.
    ///
    /// # Errors
    ///
    /// If there is no source address, or the packet cannot be made.
    pub fn ping(&mut self, now: Time, request: PingRequest) -> Result<PingId, PingError> {
        let to = request.to;
        let own = self.config.own_address(to.is_ipv4());
        let from = request.from.or(own).ok_or(PingError::NoSource { to })?;
        let id = PingId(self.next_ping);
        self.pings.push(Series::new(id, from, request, now)?);
        self.next_ping = self.next_ping.wrapping_add(1).max(1);
        Ok(id)
    }

    /// Opens a TCP connection; its end is an event.
    ///
    /// # Errors
    ///
    /// If there is no source address, or the addresses make no sense.
    pub fn connect(&mut self, now: Time, request: TcpRequest) -> Result<TcpId, ConnectError> {
        let to = request.to;
        let own = self.config.own_address(to.is_ipv4());
        let from = request.from.or(own).ok_or(ConnectError::NoSource { to })?;
        let local = SocketAddr::new(from, self.free_port());
        let mut socket = socket(&self.config);
        let impossible = || ConnectError::Impossible { from: local, to };
        socket
            .connect(
                self.stack.iface.context(),
                IpEndpoint::from(to),
                IpListenEndpoint::from(local),
            )
            .map_err(|_| impossible())?;
        let handle = self.stack.sockets.add(socket);
        let id = self.next_id();
        let pair = TcpPair { local, remote: to };
        let seed = self.config.seed ^ id.0;
        self.connections.push(Connection::opened(id, handle, pair, &request, seed, now));
        Ok(id)
    }

    fn whole_packet(&mut self, now: Time, packet: &[u8]) {
        match parse(packet) {
            Some(Icmp::Echo(echo)) if echo.request => self.answer(&echo),
            Some(Icmp::Echo(echo)) => {
                let _ = self.pings.iter_mut().any(|series| series.reply(now, &echo));
            }
            Some(Icmp::Error(about)) => {
                if let Some(mtu) = about.mtu {
                    if self.path_mtu.len() < MAX_PATHS {
                        self.path_mtu.insert(about.to, mtu);
                    }
                    self.event(InnerEvent::TooBig { to: about.to, mtu });
                }
                let _ = self.pings.iter_mut().any(|series| series.error(&about));
            }
            Some(Icmp::Other) => {}
            None => {
                self.observer.incoming(packet);
                self.stack.device.rx.push_back(packet.to_vec());
            }
        }
    }

    fn answer(&mut self, echo: &Echo<'_>) {
        let reply =
            Echo { request: false, source: echo.destination, destination: echo.source, ..*echo };
        self.ip_id = self.ip_id.wrapping_add(1).max(1);
        if let Some(packet) = build(&reply, self.ip_id, false) {
            let _ = self.send_fragmented(packet, false);
            let (from, to) = (echo.source, echo.destination);
            self.event(InnerEvent::PingAnswered { from, to, size: echo.data.len() });
        }
    }

    fn poll_pings(&mut self, now: Time) {
        let mut pings = std::mem::take(&mut self.pings);
        pings.retain_mut(|series| {
            for packet in series.poll(now, &mut self.ip_id) {
                if let Err(mtu) = self.send_fragmented(packet, series.df()) {
                    series.too_big_for_host(mtu);
                }
            }
            let Some(report) = series.finished() else { return true };
            self.event(InnerEvent::PingDone { id: series.id, report });
            false
        });
        self.pings = pings;
    }

    fn pump(&mut self, now: Time) {
        let mut connections = std::mem::take(&mut self.connections);
        connections.retain_mut(|connection| {
            let socket = self.stack.sockets.get_mut::<Socket<'_>>(connection.handle);
            let Some(end) = connection.pump(socket, now) else { return true };
            let report = connection.report(end, now, self.observer.seen(&connection.pair));
            self.event(InnerEvent::TcpDone { report });
            self.lingering.push((connection.handle, connection.pair));
            false
        });
        self.connections = connections;
        let mut lingering = std::mem::take(&mut self.lingering);
        lingering.retain(|(handle, pair)| {
            // An aborted socket has one RST to send; its remote endpoint is gone afterwards.
            let socket = self.stack.sockets.get::<Socket<'_>>(*handle);
            let over = socket.state() == State::Closed && socket.remote_endpoint().is_none();
            if over {
                self.stack.sockets.remove(*handle);
                self.observer.forget(pair);
            }
            !over
        });
        self.lingering = lingering;
    }

    /// Sends a packet of our own making, in fragments if it has to be and may be.
    fn send_fragmented(&mut self, packet: Vec<u8>, df: bool) -> Result<(), u16> {
        let own = self.config.mtu;
        let v4 = IpVersion::of(&packet) == Some(IpVersion::V4);
        // Over IPv4 the routers fragment; over IPv6 the sender has to keep to the path's MTU.
        let path = destination(&packet).and_then(|to| self.path_mtu.get(&to));
        let mtu = if v4 || df { own } else { own.min(path.copied().unwrap_or(own)) };
        if packet.len() <= usize::from(mtu) {
            self.send(packet);
            return Ok(());
        }
        if df {
            return Err(mtu);
        }
        let fragments = if v4 {
            fragment_v4(&packet, mtu).map_err(|_| mtu)?
        } else {
            self.ip_id = self.ip_id.wrapping_add(1).max(1);
            fragment_v6(&packet, mtu, self.ip_id.into())
        };
        for fragment in fragments {
            self.send(fragment);
        }
        Ok(())
    }

    fn send(&mut self, packet: Vec<u8>) {
        self.stats.packets_out += 1;
        self.stats.bytes_out += packet.len() as u64;
        self.stats.largest_out = self.stats.largest_out.max(packet.len());
        self.out.push_back(packet);
    }

    fn event(&mut self, event: InnerEvent) {
        if self.events.len() >= MAX_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    fn next_id(&mut self) -> TcpId {
        let id = TcpId(self.next_tcp);
        self.next_tcp += 1;
        id
    }

    fn free_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == u16::MAX { FIRST_PORT } else { port + 1 };
        port
    }
}

impl std::fmt::Debug for InnerHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InnerHost")
            .field("config", &self.config)
            .field("stats", &self.stats)
            .field("connections", &self.connections.len())
            .finish_non_exhaustive()
    }
}

fn destination(packet: &[u8]) -> Option<IpAddr> {
    match IpVersion::of(packet)? {
        IpVersion::V4 => Some(IpAddr::from(<[u8; 4]>::try_from(packet.get(16..20)?).ok()?)),
        IpVersion::V6 => Some(IpAddr::from(<[u8; 16]>::try_from(packet.get(24..40)?).ok()?)),
    }
}

const BACKLOG: usize = 4;
const FIRST_PORT: u16 = 49_152;
const MAX_PATHS: usize = 256;
const MAX_EVENTS: usize = 4096;

mod listen;
#[cfg(test)]
mod tests;
