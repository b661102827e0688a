//! The life of the embedded peer's node: started with a configuration, halted, looked at.
//!
//! Invariant: the address is in the hub exactly while a node runs.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use ikeproof_driver::{
    capture::Cidr,
    hub::Hub,
    inner::InnerConfig,
    node::{Node, NodeConfig},
    wire::Wire,
};
use ikeproof_proto::{
    config::EndpointConfig, crypto::default_provider, event::Event, forward::ForwardConfig,
    middlebox::MiddleboxConfig, sa::TunnelId,
};
use sha2::{Digest as _, Sha256};

use super::{connection, describe, sas};
use crate::{
    Error, Result,
    peer::{InnerAddress, PeerConfig, StateDump},
};

/// What a state consists of, all of it empty for a peer that knows nobody.
const SECTIONS: [&str; 7] =
    ["connections", "secrets", "addresses", "policies", "ike-sas", "data-plane", "sas"];

/// Where a peer sits, and what its randomness follows from.
pub(super) struct Seat {
    pub(super) hub: Hub,
    pub(super) address: IpAddr,
    pub(super) inside_nat: bool,
    pub(super) seed: [u8; 32],
}

/// A peer while it runs, or after it was killed.
pub(super) struct Session {
    pub(super) node: Arc<Node>,
    pub(super) config: Arc<PeerConfig>,
    pub(super) alive: bool,
    /// Whether inner packets leave in clear.
    pub(super) leaks: bool,
    /// How many nodes there have been: no two have the same randomness.
    started: u64,
}

impl Session {
    /// A node that knows nobody.
    pub(super) fn pristine(seat: &Seat, started: u64) -> Self {
        Self::with(seat, started, PeerConfig::default(), connection::unconfigured())
    }

    /// Replaces the node by one with this configuration.
    pub(super) async fn replace(
        &mut self,
        seat: &Seat,
        config: PeerConfig,
        endpoint: EndpointConfig,
    ) {
        self.halt(seat).await;
        *self = Self::with(seat, self.started + 1, config, endpoint);
    }

    /// Replaces the node by one that knows nobody.
    pub(super) async fn renew(&mut self, seat: &Seat) {
        self.halt(seat).await;
        *self = Self::pristine(seat, self.started + 1);
    }

    /// Ends the node at once, without a word to anybody.
    pub(super) async fn halt(&mut self, seat: &Seat) {
        if self.alive {
            seat.hub.leave(seat.address);
            self.node.halt().await;
            self.alive = false;
        }
    }

    /// The node, if it runs.
    pub(super) fn running(&self) -> Result<Arc<Node>> {
        if self.alive {
            return Ok(Arc::clone(&self.node));
        }
        Err(Error::Io {
            doing: String::from("asking the embedded peer"),
            source: std::io::Error::other("it was killed and is not restarted yet"),
        })
    }

    /// The state of a peer that knows nobody.
    pub(super) fn nothing() -> StateDump {
        let mut sections: BTreeMap<_, _> =
            SECTIONS.iter().map(|name| ((*name).to_owned(), Vec::new())).collect();
        sections.insert(String::from("daemon"), vec![String::from("running")]);
        StateDump(sections)
    }

    /// All that has to be the same before every case.
    pub(super) async fn dump(&self) -> StateDump {
        let mut sections = BTreeMap::new();
        let mut add = |name: &str, lines: Vec<String>| sections.insert(name.to_owned(), lines);
        let config = &self.config;
        let names = config.connections.iter().map(|connection| connection.name.clone());
        add("connections", names.collect());
        let keys = config.connections.len() + config.secrets.len();
        add("secrets", (0..keys).map(|number| format!("preshared key {number}")).collect());
        let inner = config.inner.iter();
        add("addresses", inner.map(|one| format!("{}/{}", one.address, one.prefix)).collect());
        add("policies", self.leaks.then(|| String::from("removed")).into_iter().collect());
        let running = if self.alive { "running" } else { "not running" };
        add("daemon", vec![running.to_owned()]);
        let children = spis(&self.node.log().events);
        // What the edge itself has: an SA that its events do not tell of shows here.
        let held = self.node.inspect(move |edge| {
            let inbound =
                children.iter().filter(|(_, spi)| edge.data_plane().inbound(*spi).is_some());
            let mut lines: Vec<_> = inbound.map(|(_, spi)| format!("in {spi:#010x}")).collect();
            let tunnels = children.iter().map(|(tunnel, _)| *tunnel);
            for tunnel in tunnels.collect::<std::collections::BTreeSet<_>>() {
                let outbound = edge.data_plane().outbound(TunnelId(tunnel));
                lines.extend(outbound.map(|(sa, _)| format!("out {:#010x}", sa.spi())));
            }
            (edge.endpoint().ike_sas(), lines)
        });
        // Asking comes first: what was commanded before has its event in the log then.
        let (ike_sas, lines) = held.await.unwrap_or_default();
        let sas = sas::read(&self.node.log().events, config);
        let sas = sas.iter().filter(|_| self.alive).map(describe::sa_line);
        add("sas", sas.collect());
        add("ike-sas", (0..ike_sas).map(|number| format!("IKE SA {number}")).collect());
        add("data-plane", lines);
        StateDump(sections)
    }

    fn with(seat: &Seat, started: u64, config: PeerConfig, endpoint: EndpointConfig) -> Self {
        let node = NodeConfig {
            title: format!("the embedded peer at {}", seat.address),
            peer: String::from("whoever is in the hub"),
            endpoint,
            forward: ForwardConfig::TRANSPARENT,
            seed: seed(seat, started),
            provider: default_provider(),
            middlebox: MiddleboxConfig::default(),
            nat_port: connection::NAT_PORT,
            inner: inner(&config.inner, started),
            record: 0,
        };
        let port = seat.hub.join(seat.address, seat.inside_nat);
        let node = Arc::new(Node::start(node, Wire::Hub(port)));
        Self { node, config: Arc::new(config), alive: true, leaks: false, started }
    }
}

/// The inner host: it has these addresses and no services.
fn inner(addresses: &[InnerAddress], seed: u64) -> InnerConfig {
    let host = |address: IpAddr| Cidr::new(address, if address.is_ipv4() { 32 } else { 128 });
    // A prefix of full length fits its address, so nothing is left out.
    let cidrs = addresses.iter().filter_map(|inner| host(inner.address).ok()).collect();
    InnerConfig { services: Vec::new(), seed, ..InnerConfig::new(cidrs) }
}

/// Each node has its own randomness, or SPIs and nonces would come again after a restart, and two
/// peers with the seed of one run would have the same.
fn seed(seat: &Seat, started: u64) -> [u8; 32] {
    let seed = Sha256::new().chain_update(seat.seed).chain_update(started.to_be_bytes());
    seed.chain_update(seat.address.to_string()).finalize().into()
}

/// Tunnels and own SPIs of all child SAs that ever were.
fn spis(events: &[(ikeproof_proto::time::Time, Event)]) -> Vec<(u64, u32)> {
    let child = |event: &Event| match event {
        Event::ChildEstablished(child) => Some((child.tunnel, child.spi_in)),
        _ => None,
    };
    events.iter().filter_map(|(_, event)| child(event)).collect()
}
