//! TCP connections of an inner host: what each is there for, and what is said of it at its end.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ikeproof_proto::time::Time;
use serde::{Deserialize, Serialize};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::wire::IpListenEndpoint;
use thiserror::Error;

use super::config::{InnerConfig, Service};
use super::observe::TcpPair;
use super::pattern::{Digest, Pattern};

/// What an outgoing connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Job {
    /// Send so many octets and close.
    Send(u64),
    /// Take everything until the far end closes.
    Receive,
    /// Send so many octets, take them back, and close: the far end echoes.
    RoundTrip(u64),
    /// Send so many octets, take so many, and close.
    Exchange {
        /// Octets to send.
        send: u64,
        /// Octets to take.
        receive: u64,
    },
}

/// An outgoing connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpRequest {
    /// Source; without it the host's own address.
    pub from: Option<IpAddr>,
    /// Destination.
    pub to: SocketAddr,
    /// What to do.
    pub job: Job,
    /// The connection is given up when it is not done by then.
    pub timeout: Duration,
    /// It is given up when it is not even established by then.
    #[serde(default)]
    pub connect_timeout: Option<Duration>,
}

impl TcpRequest {
    /// A connection with 30 s for its job.
    pub const fn new(to: SocketAddr, job: Job) -> Self {
        Self { from: None, to, job, timeout: Duration::from_secs(30), connect_timeout: None }
    }
}

/// A wish for one incoming connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenRequest {
    /// The only address that it is taken on; any own one without it.
    pub local: Option<IpAddr>,
    /// The port.
    pub port: u16,
    /// What to do with it.
    pub service: Service,
    /// The connection is given up when it is not done by then.
    pub timeout: Duration,
}

/// Names a listener for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ListenId(pub(super) u64);

/// Names a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TcpId(pub(super) u64);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TcpEnd {
    /// Both sides closed it in order.
    Finished,
    /// The far end refused it, or broke it off.
    Reset,
    /// It did not get done in time.
    TimedOut,
}

/// What is said of a connection at its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpReport {
    /// Which.
    pub id: TcpId,
    /// Between whom.
    pub pair: TcpPair,
    /// Whether we opened it.
    pub outgoing: bool,
    /// Whether it was ever established.
    pub established: bool,
    /// How it ended.
    pub end: TcpEnd,
    /// MSS that the far end's SYN announced, as it arrived here.
    pub far_mss: Option<u16>,
    /// Largest IP packet of it that came in.
    pub largest_in: usize,
    /// Largest IP packet of it that went out.
    pub largest_out: usize,
    /// Octets taken.
    pub received: u64,
    /// Digest of them.
    pub received_digest: Digest,
    /// Octets given to TCP.
    pub sent: u64,
    /// Digest of them.
    pub sent_digest: Digest,
    /// From the SYN to the end.
    pub duration: Duration,
}

/// A connection cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectError {
    /// There is no own address of the destination's version.
    #[error("the inner host has no address of the IP version of {to}")]
    NoSource {
        /// The destination.
        to: SocketAddr,
    },
    /// smoltcp refuses the addresses.
    #[error("no connection from {from} to {to} can be made")]
    Impossible {
        /// Source.
        from: SocketAddr,
        /// Destination.
        to: SocketAddr,
    },
}

/// A socket that waits for connections to a service.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) handle: SocketHandle,
    pub(super) endpoint: IpListenEndpoint,
    pub(super) service: Service,
    /// For a listener that takes one connection only: who asked, and until when.
    pub(super) once: Option<(ListenId, Time)>,
}

/// A connection under way.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) handle: SocketHandle,
    pub(super) id: TcpId,
    pub(super) pair: TcpPair,
    pub(super) outgoing: bool,
    since: Time,
    /// When it is given up: until it is established perhaps earlier than `overall`.
    pub(super) deadline: Time,
    overall: Time,
    role: Role,
    pattern: Pattern,
    to_send: u64,
    to_receive: u64,
    sent: u64,
    sent_digest: Digest,
    received: u64,
    received_digest: Digest,
    /// Octets taken that an echo has not given back yet.
    pending: Vec<u8>,
    established: bool,
    far_closed: bool,
    closing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Sink,
    Source,
    Echo,
    RoundTrip,
    Exchange,
}

impl Connection {
    pub(super) fn accepted(
        id: TcpId,
        listener: &Listener,
        pair: TcpPair,
        seed: u64,
        now: Time,
    ) -> Self {
        let work = match listener.service {
            Service::Sink => (Role::Sink, 0, 0),
            Service::Source(bytes) => (Role::Source, bytes, 0),
            Service::Echo => (Role::Echo, 0, 0),
            Service::Exchange { send, receive } => (Role::Exchange, send, receive),
        };
        let deadline = listener.once.map_or(now + ACCEPTED_TIMEOUT, |(_, until)| until);
        Self::new(listener.handle, id, pair, work, seed, (now, deadline))
    }

    pub(super) fn opened(
        id: TcpId,
        handle: SocketHandle,
        pair: TcpPair,
        request: &TcpRequest,
        seed: u64,
        now: Time,
    ) -> Self {
        let work = match request.job {
            Job::Send(bytes) => (Role::Source, bytes, 0),
            Job::Receive => (Role::Sink, 0, 0),
            Job::RoundTrip(bytes) => (Role::RoundTrip, bytes, bytes),
            Job::Exchange { send, receive } => (Role::Exchange, send, receive),
        };
        let times = (now, now + request.timeout);
        let connection = Self::new(handle, id, pair, work, seed, times);
        let connect = request.connect_timeout.unwrap_or(request.timeout);
        let deadline = connection.overall.min(now + connect);
        Self { outgoing: true, deadline, ..connection }
    }

    fn new(
        handle: SocketHandle,
        id: TcpId,
        pair: TcpPair,
        (role, to_send, to_receive): (Role, u64, u64),
        seed: u64,
        (since, overall): (Time, Time),
    ) -> Self {
        Self {
            handle,
            id,
            pair,
            outgoing: false,
            since,
            deadline: overall,
            overall,
            role,
            pattern: Pattern::new(seed),
            to_send,
            to_receive,
            sent: 0,
            sent_digest: Digest::default(),
            received: 0,
            received_digest: Digest::default(),
            pending: Vec::new(),
            established: false,
            far_closed: false,
            closing: false,
        }
    }

    /// Moves octets; says how the connection ended once it has.
    pub(super) fn pump(&mut self, socket: &mut Socket<'_>, now: Time) -> Option<TcpEnd> {
        match socket.state() {
            State::Listen | State::SynSent | State::SynReceived => {}
            State::Closed if self.far_closed && self.closing => return Some(TcpEnd::Finished),
            State::Closed => return Some(TcpEnd::Reset),
            _ => {
                self.established = true;
                self.deadline = self.overall;
            }
        }
        if now >= self.deadline {
            socket.abort();
            return Some(TcpEnd::TimedOut);
        }
        self.receive(socket);
        self.send(socket);
        let state = socket.state();
        let ended_by_far =
            matches!(state, State::CloseWait | State::LastAck | State::Closing | State::TimeWait);
        self.far_closed |= ended_by_far && !socket.can_recv();
        if !self.closing && self.established && self.is_done() {
            self.closing = true;
            socket.close();
        }
        (self.closing && socket.state() == State::TimeWait).then_some(TcpEnd::Finished)
    }

    /// What is said of it at its end.
    pub(super) fn report(
        &self,
        end: TcpEnd,
        now: Time,
        (far_mss, largest_in, largest_out): (Option<u16>, usize, usize),
    ) -> TcpReport {
        TcpReport {
            id: self.id,
            pair: self.pair,
            outgoing: self.outgoing,
            established: self.established,
            end,
            far_mss,
            largest_in,
            largest_out,
            received: self.received,
            received_digest: self.received_digest,
            sent: self.sent,
            sent_digest: self.sent_digest,
            duration: now.since(self.since),
        }
    }

    fn is_done(&self) -> bool {
        match self.role {
            Role::Sink => self.far_closed,
            Role::Source => self.sent == self.to_send,
            Role::Echo => self.far_closed && self.pending.is_empty(),
            Role::RoundTrip => self.received >= self.to_receive || self.far_closed,
            Role::Exchange => {
                self.sent == self.to_send && (self.received >= self.to_receive || self.far_closed)
            }
        }
    }

    fn receive(&mut self, socket: &mut Socket<'_>) {
        // An echo that cannot send must not take more: its buffer would grow with the far end's will.
        while socket.can_recv() && self.pending.len() < MAX_PENDING {
            let taken = socket.recv(|octets| {
                self.received += octets.len() as u64;
                self.received_digest.update(octets);
                if self.role == Role::Echo {
                    self.pending.extend_from_slice(octets);
                }
                (octets.len(), octets.len())
            });
            if !matches!(taken, Ok(1..)) {
                break;
            }
        }
    }

    fn send(&mut self, socket: &mut Socket<'_>) {
        while socket.can_send() && !self.closing {
            let (pattern, offset) = (self.pattern, self.sent);
            let rest = usize::try_from(self.to_send.saturating_sub(offset)).unwrap_or(usize::MAX);
            let digest = &mut self.sent_digest;
            let pending = &self.pending;
            let echo = self.role == Role::Echo;
            let sent = socket.send(|room| {
                let take = room.len().min(if echo { pending.len() } else { rest });
                let room = &mut room[..take];
                if echo {
                    room.copy_from_slice(&pending[..take]);
                } else {
                    pattern.fill(offset, room);
                }
                digest.update(room);
                (take, take)
            });
            let Ok(sent @ 1..) = sent else { break };
            self.sent += sent as u64;
            if echo {
                self.pending.drain(..sent);
            }
        }
    }
}

/// A socket with the buffers of this host.
pub(super) fn socket(config: &InnerConfig) -> Socket<'static> {
    let buffer = || SocketBuffer::new(vec![0; config.tcp_buffer]);
    let mut socket = Socket::new(buffer(), buffer());
    socket.set_nagle_enabled(false);
    socket
}

const ACCEPTED_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_PENDING: usize = 64 << 10;
