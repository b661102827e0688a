//! `traffic`: packets from inner host to inner host, both ways, and what may not arrive.

use std::net::SocketAddr;
use std::time::Duration;

use ikeproof_driver::capture::InClear;
use ikeproof_driver::inner::{InnerEvent, Job, PingRequest, TcpReport, TcpRequest};
use ikeproof_driver::node::Log;
use ikeproof_proto::event::Event;
use ikeproof_proto::middlebox::{Datagram, Direction, MessageKind};
use ikeproof_proto::sa::TunnelId;
use ikeproof_vendors::peer as vendor;
use tokio::time::Instant;

use super::case::{CaseRun, Party};
use super::checks::{LOOK_AGAIN, ON_WIRE};
use super::failure::Trouble;
use super::seen::Tunnel;
use super::setup::Inner;
use super::told;
use crate::scenario::{CheckName, From, Nets, Tcp, Traffic};

/// Ports of the edge's inner host (RFC 863) and of listeners inside a peer.
const DISCARD: u16 = 9;
const LISTEN: u16 = 7777;
/// How long an answer is waited for. A guest on a busy host may stand still for seconds, and that is nobody's
/// fault.
const ANSWERED: Duration = Duration::from_secs(10);
/// The same where no answer must come, or, in a control, may: it waits this out each time.
const UNANSWERED: Duration = Duration::from_secs(2);
/// Why nothing went through says nothing then.
const NEVER_A_TUNNEL: &str = "there was never a tunnel that something could have gone through";
/// How long a transfer may take.
const TRANSFER: Duration = Duration::from_secs(30);

impl CaseRun<'_> {
    /// Plays one `traffic`.
    pub(super) async fn traffic(&self, traffic: &Traffic) -> Result<(), Trouble> {
        let named = traffic.peer.as_ref().map(|name| name.get_ref().as_str());
        let nets = traffic.net.as_ref().map_or(Nets::FIRST, |net| *net.get_ref());
        for party in self.parties(named)? {
            for net in nets.numbers() {
                self.traffic_with(party, traffic, net).await.map_err(|trouble| {
                    if nets == Nets::FIRST {
                        trouble
                    } else {
                        trouble.of(&format!("network {net}"))
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Plays one `traffic` with one network behind a peer.
    async fn traffic_with(
        &self,
        party: &Party<'_>,
        traffic: &Traffic,
        net: u32,
    ) -> Result<(), Trouble> {
        if let Some(count) = traffic.ping {
            let wrong = self.pings(party, traffic, net, count).await?;
            let clear = self.in_clear(party, traffic, wrong.is_none()).await;
            match (wrong, traffic.must_fail) {
                (wrong, false) if wrong.is_some() || clear.is_some() => {
                    let ping = wrong.as_ref().map(|_| CheckName::Ping);
                    let no_clear = clear.as_ref().map(|_| CheckName::NoClear);
                    let checks = ping.into_iter().chain(no_clear).collect();
                    let why = wrong.into_iter().chain(clear).collect::<Vec<_>>().join("; ");
                    return Err(Trouble::Check { checks, why, line: 0 });
                }
                (None, true) => {
                    let why = "every ping was answered, and none may be".to_owned();
                    return Err(Trouble::check(CheckName::Ping, why));
                }
                _ => {}
            }
        }
        if let Some(tcp) = &traffic.tcp {
            if traffic.must_fail && !self.had_tunnel() {
                return Err(Trouble::check(CheckName::Tcp, NEVER_A_TUNNEL));
            }
            let result = self.transfers(party, traffic.from, net, tcp).await;
            match (result, traffic.must_fail) {
                (Err(Trouble::Check { .. }), true) => {}
                (Ok(()), true) => {
                    let why = "the transfer arrived, and may not".to_owned();
                    return Err(Trouble::check(CheckName::Tcp, why));
                }
                (result, _) => result?,
            }
        }
        Ok(())
    }

    /// What is wrong with the pings; `None` if all were answered. Where they must fail, a single
    /// answer is enough for `None`.
    async fn pings(
        &self,
        party: &Party<'_>,
        traffic: &Traffic,
        net: u32,
        count: u32,
    ) -> Result<Option<String>, Trouble> {
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        let (edge, peer) = self.inner(party, net)?;
        let none_expected = traffic.must_fail || self.must_fail(CheckName::Ping);
        let wait = if none_expected { UNANSWERED } else { ANSWERED };
        if traffic.from != From::Edge {
            let mut ping = vendor::Ping::new(Some(peer.host), edge.host);
            ping.count = count;
            ping.dont_fragment = traffic.df;
            if let Some(size) = traffic.size {
                ping.size = payload_of(size, edge);
            }
            ping.wait = wait;
            let seen_before = self.node.log().datagrams.len();
            let report = party.peer.ping(&ping).await?;
            let any = report.received > 0;
            if traffic.must_fail && any {
                return Ok(None);
            }
            // What must fail has to fail the other way as well.
            if !traffic.must_fail && !report.all_answered() {
                let mut why = told::peer_pings(&report);
                if !none_expected {
                    why.push_str(&self.whereabouts(party, seen_before).await);
                }
                return Ok(Some(why));
            }
        }
        if traffic.from != From::Peer {
            let Some(tunnel) = self.tunnel(party) else {
                return match self.had_tunnel() || !traffic.must_fail {
                    true => Ok(Some("from the edge: there is no tunnel".to_owned())),
                    // What nobody could send shows nothing.
                    false => Err(Trouble::check(CheckName::Ping, NEVER_A_TUNNEL)),
                };
            };
            let mut request = PingRequest::new(peer.host, count);
            request.from = Some(edge.host);
            request.df = traffic.df;
            if let Some(size) = traffic.size {
                request.size = payload_of(size, edge);
            }
            request.timeout = wait;
            let report = match self.node.ping(tunnel, request).await {
                Ok(report) => report,
                Err(why) => return Ok(Some(format!("from the edge: {why}"))),
            };
            if traffic.must_fail && !report.replies.is_empty() {
                return Ok(None);
            }
            if !report.all_answered() || report.corrupted > 0 {
                return Ok(Some(told::edge_pings(&report)));
            }
        }
        Ok(traffic.must_fail.then(|| "nothing was answered".to_owned()))
    }

    /// How far packets came that were not answered: what passed the edge since then, and what the peer's
    /// kernel has counted since it started.
    async fn whereabouts(&self, party: &Party<'_>, since: usize) -> String {
        let (taken, sent) = {
            let log = self.node.log();
            let new = log.datagrams.get(since..).unwrap_or_default();
            let passed = |way: Direction| {
                let data = |one: &Datagram| matches!(one.kind(), MessageKind::Data { .. });
                new.iter().filter(|(_, to, one)| *to == way && data(one)).count()
            };
            (passed(Direction::ToEdge), passed(Direction::ToPeer))
        };
        let mut text = format!(
            "; meanwhile {taken} packets of ESP or AH reached the edge, and it sent {sent}"
        );
        // Whoever cannot count says nothing; the verdict does not hang on it.
        let counters = party.peer.counters().await.unwrap_or_default();
        let of_kernel = |name: &str| {
            name.contains('@') || name.starts_with(|first: char| first.is_ascii_uppercase())
        };
        let counted = counters.iter().filter(|(name, count)| of_kernel(name) && **count > 0);
        let counted: Vec<_> = counted.map(|(name, count)| format!("{name} {count}")).collect();
        if !counted.is_empty() {
            text.push_str(&format!("; the peer's kernel has counted {}", counted.join(", ")));
        }
        text
    }

    /// What was seen in clear, where nothing may be. Where something went through, packets of ESP or AH must
    /// have been seen, or nobody has looked.
    async fn in_clear(
        &self,
        party: &Party<'_>,
        traffic: &Traffic,
        went_through: bool,
    ) -> Option<String> {
        if !traffic.no_clear || party.watching.is_none() {
            return None;
        }
        let deadline = Instant::now() + ON_WIRE;
        let report = loop {
            let report = party.wire_report();
            let protected = report.esp_raw + report.esp_udp + report.ah;
            if !went_through || protected > 0 || report.in_clear_count > 0 {
                break report;
            }
            if Instant::now() >= deadline {
                return Some("no packet of ESP or AH was seen outside".to_owned());
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        (report.in_clear_count > 0).then(|| {
            let first = report.in_clear.first().map(|packet| {
                let InClear { frame, source, destination, protocol, .. } = packet;
                format!(", first protocol {protocol} from {source} to {destination}, frame {frame}")
            });
            format!("{} packets in clear{}", report.in_clear_count, first.unwrap_or_default())
        })
    }

    async fn transfers(
        &self,
        party: &Party<'_>,
        from: From,
        net: u32,
        tcp: &Tcp,
    ) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Tcp, why);
        let (edge, peer) = self.inner(party, net)?;
        let octets = tcp.bytes.0;
        let tunnel = self.tunnel(party).ok_or_else(|| fail("there is no tunnel".to_owned()))?;
        let before = {
            let log = self.node.log();
            Before { observations: log.observations.len(), inner: log.inner.len() }
        };
        if from != From::Edge {
            let done_before = received(&self.node.log(), tunnel).len();
            let request = vendor::Tcp {
                local: Some(peer.host),
                remote: SocketAddr::new(edge.host, DISCARD),
                send: octets,
                receive: 0,
                within: TRANSFER,
            };
            let report = party.peer.tcp(&request).await?;
            if !report.connected {
                return Err(fail(format!("the peer could not connect: {}", report.complaint)));
            }
            let arrived = self
                .node
                .wait(TRANSFER, |log| received(log, tunnel).get(done_before).copied())
                .await;
            if arrived != Some(octets) {
                let why =
                    format!("from the peer: {} of {octets} octets arrived", arrived.unwrap_or(0));
                return Err(fail(why));
            }
        }
        if from != From::Peer {
            let listen = vendor::Tcp {
                local: Some(peer.host),
                remote: SocketAddr::new(peer.host, LISTEN),
                send: 0,
                receive: octets,
                within: TRANSFER,
            };
            let listening = party.peer.listen(&listen).await?;
            let request = TcpRequest {
                from: Some(edge.host),
                timeout: TRANSFER,
                ..TcpRequest::new(listening.local, Job::Send(octets))
            };
            let sent = self.node.connect(tunnel, request).await.map_err(fail)?;
            let report = listening.report.await?;
            if !sent.established || report.received != octets {
                let why = format!(
                    "from the edge: {} of {octets} octets arrived: {sent:?}, {}",
                    report.received, report.complaint
                );
                return Err(fail(why));
            }
        }
        self.segments(tcp, &before)
    }

    /// The MSS that either end was told. What the router says that it did is one thing; what arrived at the
    /// inner host behind it is held against it: the MSS in the peer's SYN, and the size of its packets, which
    /// follows from the MSS that the peer was told.
    fn segments(&self, tcp: &Tcp, before: &Before) -> Result<(), Trouble> {
        let log = self.node.log();
        let routed = log.observations.get(before.observations..).unwrap_or_default();
        let routed = routed.iter().filter_map(|(_, _, seen)| seen.mss).map(|mss| mss.after);
        let over: Vec<&TcpReport> = log
            .inner
            .get(before.inner..)
            .unwrap_or_default()
            .iter()
            .filter_map(|(_, _, event)| match event {
                InnerEvent::TcpDone { report } => Some(report),
                _ => None,
            })
            .collect();
        let arrived: Vec<u16> = over.iter().filter_map(|report| report.far_mss).collect();
        if let Some(most) = tcp.mss_at_most {
            let fail = |why: String| Err(Trouble::check(CheckName::MssAtMost, why));
            if arrived.is_empty() {
                return fail("no SYN with an MSS arrived at the inner host".to_owned());
            }
            let told: Vec<u16> = routed.chain(arrived.iter().copied()).collect();
            if told.iter().any(|mss| *mss > most) {
                return fail(format!("MSS {told:?} were told, at most {most} is allowed"));
            }
            let largest = over.iter().map(|report| report.largest_in).max().unwrap_or_default();
            let headers = if over.iter().all(|it| it.pair.local.is_ipv4()) { 40 } else { 60 };
            if largest > usize::from(most) + headers {
                return fail(format!(
                    "a packet of {largest} octets arrived, which is more than an MSS of {most} allows"
                ));
            }
        }
        if let Some(exactly) = tcp.mss_exactly
            && !arrived.contains(&exactly)
        {
            let why = format!("MSS {arrived:?} arrived, none of them {exactly}");
            return Err(Trouble::check(CheckName::MssExactly, why));
        }
        Ok(())
    }

    /// Whether there has been a tunnel at all, with whomever.
    fn had_tunnel(&self) -> bool {
        let up = |event: &Event| matches!(event, Event::ChildEstablished(_));
        self.node.log().events.iter().any(|(_, event)| up(event))
    }

    /// The tunnel to send through. Of several it is the one that the peer last sent through: the inner host
    /// of another one does not get the answers.
    fn tunnel(&self, party: &Party<'_>) -> Option<TunnelId> {
        let tunnels = self.tunnels(party);
        let mut up = tunnels.iter().filter(|tunnel| !tunnel.children.is_empty());
        let log = self.node.log();
        let mut spis = log.datagrams.iter().rev().filter_map(|(_, way, datagram)| {
            match (way, datagram.kind()) {
                (Direction::ToEdge, MessageKind::Data { spi, .. }) => Some(spi),
                _ => None,
            }
        });
        let by_spi = |spi| {
            let receives = |tunnel: &&Tunnel| tunnel.children.iter().any(|it| it.spi_in == spi);
            tunnels.iter().find(receives)
        };
        let last = spis.find_map(by_spi).or_else(|| up.next());
        last?.children.first().map(|child| TunnelId(child.tunnel))
    }

    /// The inner hosts of the edge and of a network behind a peer.
    fn inner(&self, party: &Party<'_>, net: u32) -> Result<(Inner, Inner), Trouble> {
        Ok((Inner::parse(self.edge.inner.get_ref())?, party.inner(net)?))
    }
}

/// Octets that each finished connection to the edge's inner host brought.
fn received(log: &Log, tunnel: TunnelId) -> Vec<u64> {
    let reports = log.inner.iter().filter(|(_, of, _)| *of == tunnel);
    reports
        .filter_map(|(_, _, event)| match event {
            InnerEvent::TcpDone { report } if !report.outgoing => Some(report.received),
            _ => None,
        })
        .collect()
}

/// How much of the log there was before a transfer.
struct Before {
    observations: usize,
    inner: usize,
}

/// Octets of data in an echo request that is to be an IP packet of `size`.
fn payload_of(size: u16, inner: Inner) -> u16 {
    size.saturating_sub(if inner.host.is_ipv4() { 28 } else { 48 })
}
