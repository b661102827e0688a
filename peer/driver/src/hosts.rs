//! The inner hosts of a node, one for each tunnel: made when a Child SA comes up, gone with its IKE SA.
//!
//! Tunnels do not share an inner network, so two peers may have the same addresses inside.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use ikeproof_proto::event::Event;
use ikeproof_proto::io::IkeHandle;
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::time::Time;
use tokio::sync::oneshot;

use crate::inner::{
    InnerConfig, InnerEvent, InnerHost, InnerStats, ListenId, ListenRequest, PingId, PingReport,
    PingRequest, TcpId, TcpReport, TcpRequest,
};

/// What is asked of an inner host. Whoever asks gets an answer, or none if the tunnel goes away.
#[derive(Debug)]
pub enum InnerRequest {
    /// Ping somebody.
    Ping(PingRequest, oneshot::Sender<Result<PingReport, String>>),
    /// Connect to somebody.
    Connect(TcpRequest, oneshot::Sender<Result<TcpReport, String>>),
    /// Tell what went in and out.
    Stats(oneshot::Sender<InnerStats>),
}

/// Where the one connection of a listener is told of: `None` if there was none in time.
pub type Listened = oneshot::Sender<Option<TcpReport>>;

/// All inner hosts of a node.
#[derive(Debug)]
pub struct Hosts {
    config: InnerConfig,
    hosts: BTreeMap<TunnelId, Host>,
    /// The IKE SA that each tunnel ends with.
    owners: BTreeMap<TunnelId, IkeHandle>,
    wishes: Vec<Wish>,
    next_wish: usize,
    /// Wishes whose connection has come and is under way.
    granted: Vec<(usize, Listened)>,
    packets: VecDeque<(TunnelId, Vec<u8>)>,
    events: VecDeque<(TunnelId, InnerEvent)>,
}

#[derive(Debug)]
struct Host {
    host: InnerHost,
    pings: BTreeMap<PingKey, oneshot::Sender<Result<PingReport, String>>>,
    connections: Vec<(TcpId, oneshot::Sender<Result<TcpReport, String>>)>,
    listeners: Vec<(ListenId, usize)>,
    accepted: Vec<(TcpId, usize)>,
}

/// What has become of a wish.
#[derive(Debug)]
enum Step {
    Accepted(usize),
    Done(usize, Box<TcpReport>),
}

/// One connection is wanted, by whichever tunnel it comes.
#[derive(Debug)]
struct Wish {
    number: usize,
    request: ListenRequest,
    until: Time,
    answer: Listened,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PingKey(u64);

impl Hosts {
    /// No hosts yet; each will be made of `config`.
    pub fn new(config: InnerConfig) -> Self {
        Self {
            config,
            hosts: BTreeMap::new(),
            owners: BTreeMap::new(),
            wishes: Vec::new(),
            next_wish: 0,
            granted: Vec::new(),
            packets: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Makes and removes hosts as tunnels come and go.
    pub fn tunnel_event(&mut self, now: Time, event: &Event) {
        match event {
            Event::ChildEstablished(child) => {
                let tunnel = TunnelId(child.tunnel);
                self.owners.insert(tunnel, child.ike);
                self.add(now, tunnel);
            }
            Event::ChildrenAdopted { ike, tunnel, .. } => {
                self.owners.insert(TunnelId(*tunnel), *ike);
            }
            Event::IkeClosed { ike, .. } => {
                let gone = self.owners.extract_if(.., |_, of| of == ike);
                let gone: Vec<_> = gone.filter_map(|(at, _)| self.hosts.remove(&at)).collect();
                let broken: Vec<_> = gone.into_iter().flat_map(|host| host.accepted).collect();
                // The dropped sender tells whoever waits that the connection went with its tunnel.
                self.granted.retain(|(wish, _)| !broken.iter().any(|(_, other)| other == wish));
            }
            _ => {}
        }
    }

    /// Makes the host of a tunnel, unless there is one.
    pub fn add(&mut self, now: Time, tunnel: TunnelId) {
        let Self { config, hosts, wishes, .. } = self;
        hosts.entry(tunnel).or_insert_with(|| {
            let mut host = Host::new(config.clone(), now);
            for wish in wishes {
                host.listen(now, wish);
            }
            host
        });
    }

    /// Waits for one connection, by whichever tunnel there is or will be.
    pub fn listen(&mut self, now: Time, request: ListenRequest, answer: Listened) {
        self.drop_wishes(|wish| wish.answer.is_closed());
        let wish = Wish { number: self.next_wish, request, until: now + request.timeout, answer };
        self.next_wish += 1;
        for host in self.hosts.values_mut() {
            host.listen(now, &wish);
        }
        self.wishes.push(wish);
    }

    /// Takes wishes away, and the listeners that stand for them.
    fn drop_wishes(&mut self, unwanted: impl Fn(&Wish) -> bool) -> Vec<Wish> {
        let (gone, kept) = self.wishes.drain(..).partition(unwanted);
        self.wishes = kept;
        let gone: Vec<Wish> = gone;
        for host in self.hosts.values_mut() {
            for wish in &gone {
                host.unlisten(wish.number);
            }
        }
        gone
    }

    /// Gives a packet to the host of a tunnel.
    pub fn push(&mut self, now: Time, tunnel: TunnelId, packet: &[u8]) {
        if let Some(host) = self.hosts.get_mut(&tunnel) {
            host.host.push_packet(now, packet);
        }
    }

    /// Asks the host of a tunnel for something.
    pub fn request(&mut self, now: Time, tunnel: TunnelId, request: InnerRequest) {
        // Without the host the sender is dropped, which tells whoever asked.
        let Some(host) = self.hosts.get_mut(&tunnel) else { return };
        match request {
            InnerRequest::Ping(request, answer) => match host.host.ping(now, request) {
                Ok(id) => {
                    host.pings.insert(key(id), answer);
                }
                Err(error) => drop(answer.send(Err(error.to_string()))),
            },
            InnerRequest::Connect(request, answer) => match host.host.connect(now, request) {
                Ok(id) => host.connections.push((id, answer)),
                Err(error) => drop(answer.send(Err(error.to_string()))),
            },
            InnerRequest::Stats(answer) => drop(answer.send(*host.host.stats())),
        }
    }

    /// Lets the hosts work; the next packet of one of them.
    pub fn poll(&mut self, now: Time) -> Option<(TunnelId, Vec<u8>)> {
        if self.packets.is_empty() {
            for wish in self.drop_wishes(|wish| now >= wish.until) {
                // Whoever asked may have gone.
                let _ = wish.answer.send(None);
            }
            let mut steps = Vec::new();
            for (tunnel, host) in &mut self.hosts {
                host.host.poll(now);
                while let Some(packet) = host.host.poll_packet() {
                    self.packets.push_back((*tunnel, packet));
                }
                while let Some(event) = host.host.poll_event() {
                    steps.extend(host.answer(&event));
                    self.events.push_back((*tunnel, event));
                }
            }
            for step in steps {
                self.step(step);
            }
        }
        self.packets.pop_front()
    }

    fn step(&mut self, step: Step) {
        match step {
            // Nobody else needs to wait for it.
            Step::Accepted(number) => {
                let wish = self.drop_wishes(|wish| wish.number == number).pop();
                self.granted.extend(wish.map(|wish| (number, wish.answer)));
            }
            Step::Done(number, report) => {
                if let Some(at) = self.granted.iter().position(|(other, _)| *other == number) {
                    // Whoever asked may have gone.
                    let _ = self.granted.swap_remove(at).1.send(Some(*report));
                }
            }
        }
    }

    /// The next thing that happened at one of them.
    pub fn poll_event(&mut self) -> Option<(TunnelId, InnerEvent)> {
        self.events.pop_front()
    }

    /// When one of them wants to be polled.
    pub fn poll_timeout(&mut self, now: Time) -> Option<Time> {
        let wishes = self.wishes.iter().map(|wish| wish.until).min();
        self.hosts.values_mut().filter_map(|host| host.host.poll_timeout(now)).chain(wishes).min()
    }
}

impl Host {
    fn new(config: InnerConfig, now: Time) -> Self {
        Self {
            host: InnerHost::new(config, now),
            pings: BTreeMap::new(),
            connections: Vec::new(),
            listeners: Vec::new(),
            accepted: Vec::new(),
        }
    }

    fn listen(&mut self, now: Time, wish: &Wish) {
        let timeout = Duration::min(wish.request.timeout, wish.until.since(now));
        let request = ListenRequest { timeout, ..wish.request };
        if let Some(id) = self.host.listen_once(now, &request) {
            self.listeners.push((id, wish.number));
        }
    }

    fn unlisten(&mut self, wish: usize) {
        let host = &mut self.host;
        self.listeners.retain(|(id, number)| {
            if *number == wish {
                host.unlisten(*id);
            }
            *number != wish
        });
    }

    /// Tells who waits for it, and what it means for a wish.
    fn answer(&mut self, event: &InnerEvent) -> Option<Step> {
        // Whoever asked may have gone.
        match event {
            InnerEvent::PingDone { id, report } => {
                if let Some(answer) = self.pings.remove(&key(*id)) {
                    drop(answer.send(Ok(report.clone())));
                }
            }
            InnerEvent::TcpDone { report } => {
                let at = self.connections.iter().position(|(id, _)| *id == report.id);
                if let Some(at) = at {
                    let (_, answer) = self.connections.swap_remove(at);
                    drop(answer.send(Ok(report.clone())));
                }
                let at = self.accepted.iter().position(|(id, _)| *id == report.id)?;
                let (_, wish) = self.accepted.swap_remove(at);
                return Some(Step::Done(wish, Box::new(report.clone())));
            }
            InnerEvent::TcpAccepted { id, listener: Some(listener), .. } => {
                let at = self.listeners.iter().position(|(own, _)| own == listener)?;
                let (_, wish) = self.listeners.swap_remove(at);
                self.accepted.push((*id, wish));
                return Some(Step::Accepted(wish));
            }
            _ => {}
        }
        None
    }
}

fn key(id: PingId) -> PingKey {
    PingKey(id.number().into())
}
