//! Traffic of the inner host: which tunnel it takes, and what came of it in the contract's words.
//!
//! A packet that no child SA protects is refused on the spot, as by a host without a route; once the
//! policies are removed it leaves in clear instead.

use std::{net::IpAddr, net::SocketAddr, sync::Arc, time::Duration};

use futures_util::FutureExt;
use ikeproof_driver::{
    inner::{
        self, Job, ListenRequest, PingRequest, Service, TcpEnd, TcpReport as InnerTcp, TcpRequest,
    },
    node::{NO_TUNNEL, Node, OPEN_TUNNEL},
};
use ikeproof_proto::{sa::TunnelId, wire::v2::TrafficSelector};

use super::sas;
use crate::{
    Error, Result,
    peer::{Listening, PeerConfig, Ping, PingReport, Tcp, TcpReport},
};

/// How long a connection may take to come about, as for socat in the other peers.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// From one ping to the next.
const PING_INTERVAL: Duration = Duration::from_millis(50);

/// What traffic needs to know of a session.
pub(super) struct Host {
    pub(super) node: Arc<Node>,
    pub(super) config: Arc<PeerConfig>,
    pub(super) leaks: bool,
}

impl Host {
    /// Pings.
    pub(super) async fn ping(&self, ping: &Ping) -> Result<PingReport> {
        let count = u32::from(ping.count);
        let refused = PingReport {
            sent: count,
            received: 0,
            duplicates: 0,
            errors: count,
            mtu: None,
            rtt_ms: None,
        };
        let Some((tunnel, from)) = self.route(ping.source, ping.destination)? else {
            return Ok(refused);
        };
        let request = PingRequest {
            from: Some(from),
            size: ping.size,
            df: ping.dont_fragment,
            interval: PING_INTERVAL,
            timeout: ping.wait,
            ..PingRequest::new(ping.destination, ping.count)
        };
        match self.node.ping(tunnel, request).await {
            Ok(report) => Ok(pinged(&report)),
            // The tunnel went meanwhile, and the answers with it.
            Err(why) if why == NO_TUNNEL => Ok(refused),
            Err(why) => Err(impossible("ping", ping.destination.to_string(), why)),
        }
    }

    /// Connects and moves octets.
    pub(super) async fn tcp(&self, tcp: &Tcp) -> Result<TcpReport> {
        let nothing = |complaint: &str| TcpReport {
            connected: false,
            received: 0,
            complaint: complaint.to_owned(),
        };
        let Some((tunnel, from)) = self.route(tcp.local, tcp.remote.ip())? else {
            return Ok(nothing("no child SA protects this traffic"));
        };
        let request = TcpRequest {
            from: Some(from),
            timeout: tcp.within,
            connect_timeout: Some(CONNECT_TIMEOUT),
            ..TcpRequest::new(tcp.remote, Job::Exchange { send: tcp.send, receive: tcp.receive })
        };
        match self.node.connect(tunnel, request).await {
            Ok(report) => Ok(connected(&report)),
            Err(why) if why == NO_TUNNEL => Ok(nothing(&why)),
            Err(why) => Err(impossible("TCP connection", tcp.remote.to_string(), why)),
        }
    }

    /// Listens for one connection, by whichever tunnel it comes.
    pub(super) async fn listen(&self, tcp: &Tcp) -> Result<Listening> {
        let port = tcp.remote.port();
        if port == 0 {
            return Err(impossible("port", port.to_string(), String::from("it must be named")));
        }
        let family = |address: &IpAddr| address.is_ipv4() == tcp.remote.is_ipv4();
        let own = match tcp.local {
            Some(local) => self.owned(local)?,
            None => self.addresses().find(family).unwrap_or(tcp.remote.ip()),
        };
        let request = ListenRequest {
            local: tcp.local,
            port,
            service: Service::Exchange { send: tcp.send, receive: tcp.receive },
            timeout: tcp.within,
        };
        let answered = self.node.listen(request).await;
        let within = tcp.within;
        let report = async move {
            Ok(match answered.await {
                Ok(Some(report)) => connected(&report),
                Ok(None) => TcpReport {
                    connected: false,
                    received: 0,
                    complaint: format!("nobody connected within {within:?}"),
                },
                Err(_) => TcpReport {
                    connected: false,
                    received: 0,
                    complaint: String::from("the tunnel or the peer went away"),
                },
            })
        };
        Ok(Listening { local: SocketAddr::new(own, port), report: report.boxed() })
    }

    /// The tunnel that takes packets to a destination, and their source address.
    fn route(&self, source: Option<IpAddr>, to: IpAddr) -> Result<Option<(TunnelId, IpAddr)>> {
        if let Some(source) = source {
            self.owned(source)?;
        }
        let of_family = self.addresses().filter(|address| address.is_ipv4() == to.is_ipv4());
        let sources: Vec<_> = source.map_or_else(|| of_family.collect(), |source| vec![source]);
        let children = sas::live(&self.node.log().events);
        let protected = children.iter().rev().find_map(|child| {
            let from = sources.iter().find(|source| holds(&child.local, **source))?;
            holds(&child.remote, to).then_some((TunnelId(child.tunnel), *from))
        });
        let in_clear = || sources.first().map(|source| (OPEN_TUNNEL, *source));
        Ok(protected.or_else(|| in_clear().filter(|_| self.leaks)))
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.config.inner.iter().map(|inner| inner.address)
    }

    fn owned(&self, address: IpAddr) -> Result<IpAddr> {
        if self.addresses().any(|own| own == address) {
            return Ok(address);
        }
        let why = String::from("it is none of the peer's inner addresses");
        Err(impossible("address", address.to_string(), why))
    }
}

fn holds(selectors: &[TrafficSelector], address: IpAddr) -> bool {
    selectors.iter().any(|ts| ts.start <= address && address <= ts.end)
}

fn impossible(what: &'static str, value: String, why: String) -> Error {
    Error::Invalid { what, value, why }
}

fn pinged(report: &inner::PingReport) -> PingReport {
    let replies = &report.replies;
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let whole: Duration = replies.iter().map(|reply| reply.round_trip).sum();
    let mean = |count: usize| whole.as_secs_f64() * 1000.0 / count as f64;
    PingReport {
        sent: report.sent.into(),
        received: number(replies.len()),
        duplicates: report.duplicates,
        errors: number(report.too_big.len() + report.errors.len()).saturating_add(report.corrupted),
        mtu: report.too_big.last().map(|mtu| u32::from(*mtu)),
        rtt_ms: (!replies.is_empty()).then(|| mean(replies.len())),
    }
}

fn connected(report: &InnerTcp) -> TcpReport {
    let complaint = match (report.end, report.established) {
        (TcpEnd::Finished, _) => "",
        (TcpEnd::Reset, false) => "connection refused",
        (TcpEnd::Reset, true) => "connection reset",
        (TcpEnd::TimedOut, false) => "connection timed out",
        (TcpEnd::TimedOut, true) => "the transfer did not end in time",
    };
    TcpReport {
        connected: report.established,
        received: report.received,
        complaint: complaint.to_owned(),
    }
}
