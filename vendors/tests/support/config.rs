//! A configuration for two peers, and the traffic that goes with it.

use std::{net::IpAddr, time::Duration};

use ikeproof_vendors::peer::{
    Child, ChildProposal, Connection, Encr, End, Group, IkeProposal, InnerAddress, Integ, Mode,
    ModeConfig, NatTraversal, PeerConfig, Ping, Protocol, Psk, Selector, Start, Version,
};

/// The time an initiation may take.
pub const SOON: Duration = Duration::from_secs(20);

/// An IKEv2 (or other) connection between two peers, each with an inside address 10.N.0.1/24.
pub fn pair(a: IpAddr, b: IpAddr) -> (PeerConfig, PeerConfig) {
    (side((a, 1), (b, 2)), side((b, 2), (a, 1)))
}

fn side(own: (IpAddr, u8), other: (IpAddr, u8)) -> PeerConfig {
    let end = |address: IpAddr| End { address: Some(address), port: None, identity: None };
    let network = |number| Selector::network([10, number, 0, 0], 24);
    PeerConfig {
        connections: vec![Connection {
            name: String::from("lane"),
            version: Version::V2,
            local: end(own.0),
            remote: end(other.0),
            psk: Psk::new("a key for the laboratory"),
            login: None,
            users: Vec::new(),
            pool: None,
            initial_contact: false,
            mode_config: ModeConfig::Off,
            ike: vec![IkeProposal {
                encr: vec![Encr::AesCbc(256)],
                integ: vec![Integ::Sha256],
                prf: vec![],
                groups: vec![Group(14)],
            }],
            children: vec![Child {
                name: String::from("net"),
                protocol: Protocol::Esp,
                mode: Mode::Tunnel,
                proposals: vec![ChildProposal {
                    encr: vec![Encr::AesGcm(128, 16)],
                    ..Default::default()
                }],
                over: None,
                local: vec![network(own.1)],
                remote: vec![network(other.1)],
                start: Start::Wait,
                rekey: None,
                life_bytes: None,
                replay_window: None,
            }],
            force_encap: false,
            keeps_port: false,
            nat_traversal: NatTraversal::All,
            fragmentation: None,
            mobike: Some(false),
            dpd: None,
            rekey: None,
            life_bytes: None,
        }],
        inner: vec![InnerAddress { address: [10, own.1, 0, 1].into(), prefix: 24 }],
        ..Default::default()
    }
}

/// Three pings from one inside address to the other.
pub fn ping(from: u8, to: u8) -> Ping {
    Ping::new(Some([10, from, 0, 1].into()), [10, to, 0, 1].into())
}
