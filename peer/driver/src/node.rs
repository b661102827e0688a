//! A node: an edge with its wire, its middlebox, its inner hosts and its clock, in a task of its own.
//!
//! ```text
//!  wire -> middlebox -> Edge -> middlebox -> wire
//!                        |  \-> inner hosts
//!                        \----> log (events, keys, observations, datagrams), transcript
//! ```
//!
//! The task owns the edge and keeps its rule: one input, then drain. Everybody else asks through
//! [`Node`] and reads the [`Log`]; whoever waits for an event is woken by it, never by a clock.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ikeproof_proto::config::EndpointConfig;
use ikeproof_proto::crypto::Provider;
use ikeproof_proto::edge::{ESP_PROTOCOL, Edge, EdgeInput, EdgeOutput};
use ikeproof_proto::endpoint::SaClock;
use ikeproof_proto::event::{Event, KeyLogEntry};
use ikeproof_proto::forward::{ForwardConfig, Observation};
use ikeproof_proto::io::{Channel, Command, Deadline, IkeHandle, Path};
use ikeproof_proto::middlebox::{
    Datagram, Direction, Middlebox, MiddleboxConfig, MiddleboxEvent, Release, Rule, RuleId,
    Transport,
};
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::time::Time;
use ikeproof_proto::transcript::Transcript;
use ikeproof_proto::wire::AH_PROTOCOL;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::hosts::{Hosts, InnerRequest, Listened};
use crate::inner::{
    InnerConfig, InnerEvent, InnerStats, ListenRequest, PingReport, PingRequest, TcpReport,
    TcpRequest,
};
use crate::recorder::Recorder;
use crate::wire::Wire;

/// Stands for no tunnel at all: no IKE SA has this number.
pub const OPEN_TUNNEL: TunnelId = TunnelId(0);

/// What is answered for a tunnel that there is not.
pub const NO_TUNNEL: &str = "there is no such tunnel, or it has gone";

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// What is recorded, for people.
    pub title: String,
    /// Who is at the other end, for people.
    pub peer: String,
    /// The control plane.
    pub endpoint: EndpointConfig,
    /// The router.
    pub forward: ForwardConfig,
    /// What all randomness of the node follows from.
    pub seed: [u8; 32],
    /// Who computes.
    pub provider: Arc<dyn Provider>,
    /// What happens to datagrams between the wire and the edge.
    pub middlebox: MiddleboxConfig,
    /// The own port for IKE and ESP behind NAT: datagrams on it carry the non-ESP marker.
    pub nat_port: u16,
    /// The inner hosts.
    pub inner: InnerConfig,
    /// Octets of datagrams and packets after which recording ends; 0 records nothing.
    pub record: usize,
}

/// A running node.
#[derive(Debug)]
pub struct Node {
    requests: mpsc::UnboundedSender<Request>,
    log: Arc<Mutex<Log>>,
    changed: watch::Receiver<usize>,
    task: tokio::task::JoinHandle<Transcript>,
    started: Instant,
}

/// All that a node has seen so far.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Events, in order.
    pub events: Vec<(Time, Event)>,
    /// Keys.
    pub keys: Vec<KeyLogEntry>,
    /// What the router saw of inner packets.
    pub observations: Vec<(Time, TunnelId, Observation)>,
    /// What the middlebox did.
    pub middlebox: Vec<(Time, MiddleboxEvent)>,
    /// Datagrams as the edge saw and sent them, as long as they are recorded.
    pub datagrams: Vec<(Time, Direction, Datagram)>,
    /// What happened at the inner hosts.
    pub inner: Vec<(Time, TunnelId, InnerEvent)>,
    /// Datagrams that could not be sent, and why.
    pub send_errors: Vec<(Time, String)>,
    /// Entries that there was no room for; see [`LogLimit::entries`].
    pub lost: u64,
}

/// What a log holds. The default keeps everything, and datagrams as far as they are recorded.
#[derive(Clone, Copy, Debug)]
pub struct LogLimit {
    /// Entries at a time. Further ones are counted in [`Log::lost`] until the log is drained.
    pub entries: usize,
    /// Whether datagrams are kept although nothing is recorded.
    pub datagrams: bool,
}

impl Default for LogLimit {
    fn default() -> Self {
        Self { entries: usize::MAX, datagrams: false }
    }
}

impl Log {
    /// Entries of all kinds.
    pub fn entries(&self) -> usize {
        let lists =
            [self.events.len(), self.keys.len(), self.observations.len(), self.middlebox.len()];
        let more = [self.datagrams.len(), self.inner.len(), self.send_errors.len()];
        lists.iter().chain(&more).sum()
    }
}

/// Looks at the edge and answers whoever asked.
type Look = Box<dyn FnOnce(&Edge) + Send>;

enum Request {
    Command(Command),
    Inspect(Look),
    Listen(ListenRequest, oneshot::Sender<()>, Listened),
    Leak,
    Clock(IkeHandle, oneshot::Sender<Option<SaClock>>),
    Inner(TunnelId, InnerRequest),
    AddRule(Rule, oneshot::Sender<RuleId>),
    Release(RuleId, Release),
    Lift(RuleId, Release),
    Calm,
    Remap(Option<IpAddr>, oneshot::Sender<bool>),
    Stop,
}

impl Node {
    /// Starts the task. Its log grows without bound: for what has an end.
    pub fn start(config: NodeConfig, wire: Wire) -> Self {
        Self::start_limited(config, wire, LogLimit::default())
    }

    /// As [`Self::start`], with a bounded log: for a node that runs until it is told to stop, and
    /// whose log is [drained](Self::drain).
    pub fn start_limited(config: NodeConfig, wire: Wire, limit: LogLimit) -> Self {
        let (requests, inbox) = mpsc::unbounded_channel();
        let (news, changed) = watch::channel(0);
        let log = Arc::new(Mutex::new(Log::default()));
        let started = Instant::now();
        let runner = Runner::new(config, wire, Arc::clone(&log), limit, news, started);
        let task = tokio::spawn(runner.run(inbox));
        Self { requests, log, changed, task, started }
    }

    /// The time of the node's clock.
    pub fn now(&self) -> Time {
        Time::from_start(self.started.elapsed())
    }

    /// Gives a command.
    pub fn command(&self, command: Command) {
        self.request(Request::Command(command));
    }

    /// All that was seen so far.
    pub fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is something in the log and takes all of it out.
    ///
    /// `None` when the node has stopped and everything was taken. Cancel-safe.
    pub async fn drain(&self) -> Option<Log> {
        let mut changed = self.changed.clone();
        loop {
            // Taken in a statement of its own: the lock must not be held while waiting.
            let taken = std::mem::take(&mut *self.log());
            if taken.entries() > 0 || taken.lost > 0 {
                return Some(taken);
            }
            if changed.changed().await.is_err() {
                let rest = std::mem::take(&mut *self.log());
                return (rest.entries() > 0 || rest.lost > 0).then_some(rest);
            }
        }
    }

    /// Waits until `pick` takes something from the log, at most `within`.
    ///
    /// `pick` is called anew for each change of the log.
    pub async fn wait<T>(
        &self,
        within: Duration,
        mut pick: impl FnMut(&Log) -> Option<T>,
    ) -> Option<T> {
        let mut changed = self.changed.clone();
        let found = async {
            loop {
                if let Some(found) = pick(&self.log()) {
                    return Some(found);
                }
                if changed.changed().await.is_err() {
                    return pick(&self.log());
                }
            }
        };
        tokio::time::timeout(within, found).await.unwrap_or(None)
    }

    /// The clock of an IKE SA; `None` if there is no such SA any more.
    pub async fn clock(&self, ike: IkeHandle) -> Option<SaClock> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Clock(ike, answer));
        answered.await.ok().flatten()
    }

    /// Pings from the inner host of a tunnel.
    pub async fn ping(&self, tunnel: TunnelId, request: PingRequest) -> Result<PingReport, String> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Inner(tunnel, InnerRequest::Ping(request, answer)));
        answered.await.unwrap_or_else(|_| Err(NO_TUNNEL.to_owned()))
    }

    /// Connects from the inner host of a tunnel.
    pub async fn connect(
        &self,
        tunnel: TunnelId,
        request: TcpRequest,
    ) -> Result<TcpReport, String> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Inner(tunnel, InnerRequest::Connect(request, answer)));
        answered.await.unwrap_or_else(|_| Err(NO_TUNNEL.to_owned()))
    }

    /// Waits for one connection to the inner hosts, by whichever tunnel there is or will be.
    ///
    /// Once this returns they listen. What it returns tells of the connection when that is over, of
    /// none if none came in time, and is an error if node or tunnel went before.
    pub async fn listen(&self, request: ListenRequest) -> oneshot::Receiver<Option<TcpReport>> {
        let (bound, is_bound) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        self.request(Request::Listen(request, bound, answer));
        // A node that has stopped drops both senders.
        let _ = is_bound.await;
        answered
    }

    /// What `look` sees of the edge; `None` if the node has stopped.
    pub async fn inspect<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Edge) -> T + Send + 'static,
    ) -> Option<T> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Inspect(Box::new(move |edge| {
            // Whoever asked may have gone.
            let _ = answer.send(look(edge));
        })));
        answered.await.ok()
    }

    /// From now on inner packets leave in clear, past edge and tunnels, as on a host whose policies
    /// were removed. [`OPEN_TUNNEL`] has an inner host then, for what no tunnel would take.
    pub fn leak(&self) {
        self.request(Request::Leak);
    }

    /// Stops the task at once and waits until it has ended; the log stays.
    pub async fn halt(&self) {
        self.request(Request::Stop);
        let mut changed = self.changed.clone();
        while changed.changed().await.is_ok() {}
    }

    /// What went in and out of the inner host of a tunnel.
    pub async fn stats(&self, tunnel: TunnelId) -> Result<InnerStats, String> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Inner(tunnel, InnerRequest::Stats(answer)));
        answered.await.map_err(|_| NO_TUNNEL.to_owned())
    }

    /// Adds a rule to the middlebox.
    pub async fn add_rule(&self, rule: Rule) -> Option<RuleId> {
        let (answer, answered) = oneshot::channel();
        self.request(Request::AddRule(rule, answer));
        answered.await.ok()
    }

    /// Lets the network lose, repeat and reorder nothing by chance any more; what is under way arrives.
    pub fn calm(&self) {
        self.request(Request::Calm);
    }

    /// Makes the NAT of the middlebox forget its mappings: what comes next comes from another port, and from
    /// `public` if an address is given.
    ///
    /// When this ends it is done. Says whether there is a NAT.
    pub async fn remap(&self, public: Option<IpAddr>) -> bool {
        let (answer, answered) = oneshot::channel();
        self.request(Request::Remap(public, answer));
        answered.await.unwrap_or(false)
    }

    /// Lets go what a rule of the middlebox has held.
    pub fn release(&self, rule: RuleId, order: Release) {
        self.request(Request::Release(rule, order));
    }

    /// As [`Self::release`], and the rule is no more: what comes later passes.
    pub fn lift(&self, rule: RuleId, order: Release) {
        self.request(Request::Lift(rule, order));
    }

    /// Moves the clock of an IKE SA forward by `by`, timer by timer (architecture: «time is an
    /// input»).
    ///
    /// While a request of ours is on its way the clock is held until the answer, or for
    /// `patience` of real time; with `dead` it is not, since no answer will come. Ends early if the
    /// SA does.
    pub async fn advance(&self, ike: IkeHandle, by: Duration, dead: bool, patience: Duration) {
        let mut left = by;
        while !left.is_zero() {
            let Some(clock) = self.clock(ike).await else { return };
            if clock.waiting && !dead {
                let answered = async {
                    let mut changed = self.changed.clone();
                    while self.clock(ike).await.is_some_and(|clock| clock.waiting) {
                        if changed.changed().await.is_err() {
                            return;
                        }
                    }
                };
                // Without an answer in time the request's own timers are what moves next.
                let _ = tokio::time::timeout(patience, answered).await;
            }
            let Some(clock) = self.clock(ike).await else { return };
            let next = clock.next.map_or(left, |deadline| deadline.at.since_start());
            // A timer that is due already fires by itself; a step of a millisecond gets past it.
            let step = next.max(Duration::from_millis(1)).min(left);
            self.command(Command::SkipTime { ike, by: step });
            left = left.saturating_sub(step);
        }
    }

    /// Stops the task. What it recorded, and all that was seen.
    pub async fn stop(self) -> (Option<Transcript>, Log) {
        self.request(Request::Stop);
        let transcript = self.task.await.ok();
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (transcript, log)
    }

    fn request(&self, request: Request) {
        // A node that has stopped wants nothing any more.
        let _ = self.requests.send(request);
    }
}

struct Runner {
    edge: Edge,
    wire: Wire,
    middlebox: Middlebox,
    inner: Hosts,
    recorder: Recorder,
    nat_port: u16,
    log: Arc<Mutex<Log>>,
    limit: LogLimit,
    news: watch::Sender<usize>,
    started: Instant,
    deadline: Option<Deadline>,
    record: usize,
    departures: Vec<Datagram>,
    leaks: bool,
}

impl Runner {
    fn new(
        config: NodeConfig,
        wire: Wire,
        log: Arc<Mutex<Log>>,
        limit: LogLimit,
        news: watch::Sender<usize>,
        started: Instant,
    ) -> Self {
        let recorder = Recorder::new(&config);
        let NodeConfig {
            endpoint,
            forward,
            seed,
            provider,
            middlebox,
            nat_port,
            inner,
            record,
            ..
        } = config;
        Self {
            edge: Edge::new(endpoint, forward, seed, provider),
            wire,
            middlebox: Middlebox::new(middlebox),
            inner: Hosts::new(inner),
            recorder,
            nat_port,
            log,
            limit,
            news,
            started,
            deadline: None,
            record,
            departures: Vec::new(),
            leaks: false,
        }
    }

    fn now(&self) -> Time {
        Time::from_start(self.started.elapsed())
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Request>) -> Transcript {
        loop {
            let due = [
                self.deadline.map(|deadline| deadline.at),
                self.middlebox.poll_timeout(),
                self.inner.poll_timeout(self.now()),
            ];
            let due = due.into_iter().flatten().min();
            // What is beyond the clock's end never comes.
            let due = due.and_then(|at| self.started.checked_add(at.since_start()));
            let asleep = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                request = inbox.recv() => match request {
                    None | Some(Request::Stop) => break,
                    Some(request) => self.request(request),
                },
                datagram = self.wire.receive() => match datagram {
                    Ok(datagram) => self.middlebox.handle(self.now(), Direction::ToEdge, datagram),
                    Err(error) => self.note(|log, now| log.send_errors.push((now, error.to_string()))),
                },
                () = asleep => {}
            }
            self.turn().await;
        }
        self.recorder.finish()
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Command(command) => self.handle(EdgeInput::Command(command)),
            Request::Inspect(look) => look(&self.edge),
            Request::Listen(request, bound, answer) => {
                self.inner.listen(self.now(), request, answer);
                let _ = bound.send(());
            }
            Request::Leak => {
                self.leaks = true;
                self.inner.add(self.now(), OPEN_TUNNEL);
            }
            Request::Clock(ike, answer) => {
                // Whoever asked may have gone.
                let _ = answer.send(self.edge.clock_of(ike, self.now()));
            }
            Request::Inner(tunnel, request) => self.inner.request(self.now(), tunnel, request),
            Request::AddRule(rule, answer) => {
                let _ = answer.send(self.middlebox.add_rule(rule));
            }
            Request::Calm => self.middlebox.calm(self.now()),
            Request::Remap(public, answer) => {
                let _ = answer.send(self.middlebox.nat_remap(public));
            }
            Request::Release(rule, order) => {
                self.middlebox.release(self.now(), rule, order);
            }
            Request::Lift(rule, order) => {
                self.middlebox.lift(self.now(), rule, order);
            }
            Request::Stop => {}
        }
    }

    /// Does all that is due, until nothing is.
    async fn turn(&mut self) {
        loop {
            let now = self.now();
            let mut idle = true;
            while let Some(delivery) = self.middlebox.poll(now) {
                idle = false;
                match delivery.direction {
                    Direction::ToEdge => self.arrived(delivery.datagram),
                    Direction::ToPeer => self.departures.push(delivery.datagram),
                }
            }
            for datagram in std::mem::take(&mut self.departures) {
                if let Err(error) = self.wire.send(&datagram).await {
                    let text = format!("{} -> {}: {error}", datagram.local, datagram.remote);
                    self.note(|log, now| log.send_errors.push((now, text)));
                }
            }
            if self.deadline.is_some_and(|deadline| deadline.at <= now) {
                idle = false;
                self.handle(EdgeInput::Timeout);
            }
            while let Some((tunnel, packet)) = self.inner.poll(now) {
                idle = false;
                if !self.leaks {
                    self.handle(EdgeInput::Inner { tunnel, packet: &packet });
                } else if let Err(error) = self.wire.send_clear(&packet) {
                    self.note(|log, now| log.send_errors.push((now, error.to_string())));
                }
            }
            while let Some((tunnel, event)) = self.inner.poll_event() {
                self.note(|log, now| log.inner.push((now, tunnel, event)));
            }
            while let Some(event) = self.middlebox.poll_event() {
                self.note(|log, now| log.middlebox.push((now, event)));
            }
            if idle {
                return;
            }
        }
    }

    fn arrived(&mut self, datagram: Datagram) {
        self.keep(Direction::ToEdge, &datagram);
        let Datagram { local, remote, transport, bytes } = &datagram;
        match transport {
            Transport::Udp => {
                let channel =
                    if local.port() == self.nat_port { Channel::Nat } else { Channel::Ike };
                let path = Path { channel, local: *local, remote: *remote };
                self.handle(EdgeInput::Udp { path, payload: bytes });
            }
            Transport::Esp | Transport::Ah => {
                let protocol =
                    if *transport == Transport::Esp { ESP_PROTOCOL } else { AH_PROTOCOL };
                let (local, remote) = (local.ip(), remote.ip());
                self.handle(EdgeInput::Raw { protocol, local, remote, payload: bytes });
            }
        }
    }

    fn handle(&mut self, input: EdgeInput<'_>) {
        let now = self.now();
        self.recorder.input(now, &input);
        self.edge.handle(now, input);
        loop {
            let output = self.edge.poll_output();
            self.recorder.output(&output);
            match output {
                EdgeOutput::Udp { path, payload } => {
                    self.depart(now, Datagram::udp(path.local, path.remote, payload));
                }
                EdgeOutput::Raw { protocol, local, remote, payload } => {
                    let transport =
                        if protocol == AH_PROTOCOL { Transport::Ah } else { Transport::Esp };
                    self.depart(now, Datagram::raw(local, remote, transport, payload));
                }
                EdgeOutput::Inner { tunnel, packet } => self.inner.push(now, tunnel, &packet),
                EdgeOutput::Event(event) => {
                    self.inner.tunnel_event(now, &event);
                    self.note(|log, now| log.events.push((now, event)));
                }
                EdgeOutput::Keys(keys) => self.note(|log, _| log.keys.push(keys)),
                EdgeOutput::Observation { tunnel, observation } => {
                    self.note(|log, now| log.observations.push((now, tunnel, observation)));
                }
                EdgeOutput::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    fn depart(&mut self, now: Time, datagram: Datagram) {
        self.keep(Direction::ToPeer, &datagram);
        self.middlebox.handle(now, Direction::ToPeer, datagram);
    }

    fn keep(&mut self, direction: Direction, datagram: &Datagram) {
        let recorded = self.record >= datagram.bytes.len();
        if recorded {
            self.record -= datagram.bytes.len();
        }
        if recorded || self.limit.datagrams {
            self.note(|log, now| log.datagrams.push((now, direction, datagram.clone())));
        }
    }

    fn note(&self, write: impl FnOnce(&mut Log, Time)) {
        let now = self.now();
        {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if log.entries() < self.limit.entries {
                write(&mut log, now);
            } else {
                log.lost = log.lost.saturating_add(1);
            }
        }
        self.news.send_modify(|count| *count = count.wrapping_add(1));
    }
}
