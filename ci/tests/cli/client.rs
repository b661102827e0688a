//! A client of our own over real sockets of this host.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ikeproof_driver::capture::Cidr;
use ikeproof_driver::inner::InnerConfig;
use ikeproof_driver::netns::Place;
use ikeproof_driver::node::{Node, NodeConfig};
use ikeproof_driver::sockets::{RawEsp, SocketConfig, Sockets};
use ikeproof_driver::wire::Wire;
use ikeproof_proto::config::{Connection, EndpointConfig, Limits, NatPorts, Timers};
use ikeproof_proto::crypto::{SecretBytes, default_provider};
use ikeproof_proto::forward::ForwardConfig;
use ikeproof_proto::middlebox::MiddleboxConfig;
use ikeproof_proto::policy::{ChildOffer, IkeOffer, Profile, RemoteAccess};
use ikeproof_proto::wire::v2::{Id, TrafficSelector};

/// Where the client is. Sides with one address could not be told apart in a capture.
pub const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
/// Where `serve` is.
pub const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The client's inner address.
pub const INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));

/// A suite that the profile accepts.
pub const SUITE: &str = "aes256-sha256-modp2048";

/// A client on free ports of 127.0.0.2: with its address and its NAT port.
pub fn client() -> (Node, SocketAddr, u16) {
    recording_client(0)
}

/// The same, recording so many octets.
pub fn recording_client(record: usize) -> (Node, SocketAddr, u16) {
    let (sockets, config) = node_config(record);
    let (local, nat_local) = sockets.local();
    (Node::start(config, Wire::Sockets(sockets)), local, nat_local.port())
}

/// What a node of ours is made of.
pub fn node_config(record: usize) -> (Sockets, NodeConfig) {
    let place = Place::Host;
    let raw = RawEsp::IfPermitted;
    let config = SocketConfig { place, address: CLIENT, port: 0, nat_port: 0, raw };
    let sockets = Sockets::open(&config).unwrap();
    let config = NodeConfig {
        title: "client".to_owned(),
        peer: "serve".to_owned(),
        endpoint: EndpointConfig {
            profile: Profile::lenient("client"),
            identity: None,
            credentials: Vec::new(),
            certificates: None,
            remote_access: RemoteAccess::default(),
            limits: Limits::default(),
            timers: Timers::default(),
            faults: Vec::new(),
            log_keys: record > 0,
        },
        forward: ForwardConfig::TRANSPARENT,
        seed: [7; 32],
        provider: default_provider(),
        middlebox: MiddleboxConfig::default(),
        nat_port: sockets.local().1.port(),
        inner: InnerConfig::new(vec![Cidr::new(INSIDE, 32).unwrap()]),
        record,
    };
    (sockets, config)
}

/// What the client asks for.
pub fn connection(
    local: SocketAddr,
    nat: u16,
    edge: (u16, u16),
    ike: &str,
    psk: &str,
) -> Connection {
    let ike: IkeOffer = ike.parse().unwrap();
    let child: ChildOffer = "aes256gcm16".parse().unwrap();
    Connection {
        name: "test".to_owned(),
        local,
        remote: SocketAddr::new(LOCALHOST, edge.0),
        nat_ports: NatPorts { local: nat, remote: edge.1 },
        start_on_nat_port: false,
        id: Id::fqdn("client.example.com"),
        remote_id: None,
        expect_id: None,
        psk: SecretBytes::from_slice(psk.as_bytes()),
        ike: vec![ike.proposal(1, &[])],
        child: vec![child.proposal(1, &[0; 4], true)],
        ts_local: vec![TrafficSelector::subnet(INSIDE, 32)],
        ts_remote: vec![TrafficSelector::subnet(IpAddr::from([10, 255, 0, 0]), 16)],
        ikev1: None,
        force_encapsulation: true,
    }
}
