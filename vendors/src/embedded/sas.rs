//! The security associations of a node, read from its events.
//!
//! The state is a function of the log: an SA is what was begun or established and not closed.

use std::collections::BTreeMap;

use ikeproof_proto::{
    crypto::suite::{self, ChildSuite, IkeSuite},
    event::{ChildEstablished, Event, IkeEstablished, Role},
    io::{IkeHandle, Path},
    time::Time,
    wire::{IkeSpi, v2::TrafficSelector},
};

use super::{connection, proposal};
use crate::peer::{ChildSa, Connection, IkeSa, Mode, Nat, PeerConfig, Protocol, Traffic};

/// A child SA that is up: where its packets are counted.
#[derive(Debug, Clone)]
pub(super) struct LiveChild {
    pub(super) ike: IkeHandle,
    pub(super) tunnel: u64,
    pub(super) spi_in: u32,
    pub(super) spi_out: u32,
    pub(super) local: Vec<TrafficSelector>,
    pub(super) remote: Vec<TrafficSelector>,
}

/// The IKE SAs with their children, in the order in which they began. Counters are left at zero.
pub(super) fn read(events: &[(Time, Event)], config: &PeerConfig) -> Vec<IkeSa> {
    let mut sas: BTreeMap<IkeHandle, IkeSa> = BTreeMap::new();
    for (_, event) in events {
        match event {
            Event::IkeHalfOpen { ike, connection, role, path, spi_i } => {
                sas.insert(*ike, half_open(*ike, connection.as_deref(), *role, *path, *spi_i));
            }
            Event::IkeEstablished(facts) => {
                sas.insert(facts.ike, established(facts, config));
            }
            Event::ChildEstablished(facts) => {
                if let Some(sa) = sas.get_mut(&facts.ike) {
                    let name = child_name(sa, facts, config);
                    sa.children.push(child(facts, name));
                }
            }
            Event::ChildrenAdopted { ike, from, .. } => {
                let moved = sas.get_mut(from).map(|sa| std::mem::take(&mut sa.children));
                if let Some(sa) = sas.get_mut(ike) {
                    sa.children.extend(moved.into_iter().flatten());
                }
            }
            Event::ChildClosed { ike, spi_in, .. } => {
                if let Some(sa) = sas.get_mut(ike) {
                    sa.children.retain(|child| child.spi_in != *spi_in);
                }
            }
            Event::PeerMoved { ike, to, .. } => {
                if let Some(sa) = sas.get_mut(ike) {
                    sa.remote = Some(*to);
                }
            }
            Event::IkeClosed { ike, .. } => {
                sas.remove(ike);
            }
            _ => {}
        }
    }
    // The name of the child that an initiation is for is of no use in the SA's.
    for sa in sas.values_mut() {
        if let Some((connection, _)) = sa.connection.split_once('/') {
            sa.connection = connection.to_owned();
        }
    }
    sas.into_values().collect()
}

/// The child SAs that are up, the newest last.
pub(super) fn live(events: &[(Time, Event)]) -> Vec<LiveChild> {
    let mut children: Vec<LiveChild> = Vec::new();
    for (_, event) in events {
        match event {
            Event::ChildEstablished(facts) => children.push(LiveChild {
                ike: facts.ike,
                tunnel: facts.tunnel,
                spi_in: facts.spi_in,
                spi_out: facts.spi_out,
                local: facts.ts_local.clone(),
                remote: facts.ts_remote.clone(),
            }),
            Event::ChildrenAdopted { ike, from, .. } => {
                let moved = children.iter_mut().filter(|child| child.ike == *from);
                moved.for_each(|child| child.ike = *ike);
            }
            Event::ChildClosed { ike, spi_in, .. } => {
                children.retain(|child| child.ike != *ike || child.spi_in != *spi_in);
            }
            Event::IkeClosed { ike, .. } => children.retain(|child| child.ike != *ike),
            _ => {}
        }
    }
    children
}

fn half_open(
    ike: IkeHandle,
    connection: Option<&str>,
    role: Role,
    path: Path,
    spi_i: IkeSpi,
) -> IkeSa {
    IkeSa {
        connection: connection.unwrap_or_default().to_owned(),
        unique_id: ike.0.to_string(),
        version: 2,
        state: String::from("HALF-OPEN"),
        established: false,
        initiator: role == Role::Initiator,
        spi_i: Some(number(spi_i)),
        spi_r: None,
        local: Some(path.local),
        remote: Some(path.remote),
        local_id: String::new(),
        remote_id: String::new(),
        algorithms: BTreeMap::new(),
        nat: Nat::default(),
        children: Vec::new(),
    }
}

fn established(facts: &IkeEstablished, config: &PeerConfig) -> IkeSa {
    let IkeEstablished { ike, connection, role, path, spi_i, spi_r, suite, nat, .. } = facts;
    let named = || responded(facts, config).map(|connection| connection.name.clone());
    IkeSa {
        connection: connection.clone().or_else(named).unwrap_or_default(),
        state: String::from("ESTABLISHED"),
        established: true,
        spi_r: Some(number(*spi_r)),
        local_id: facts.local_id.to_string(),
        remote_id: facts.remote_id.to_string(),
        algorithms: ike_algorithms(suite),
        nat: Nat { local: nat.local, remote: nat.peer },
        ..half_open(*ike, None, *role, *path, *spi_i)
    }
}

/// The connection that an IKE SA of the other side belongs to: by who it is.
fn responded<'a>(facts: &IkeEstablished, config: &'a PeerConfig) -> Option<&'a Connection> {
    let from = facts.path.remote.ip();
    config.connections.iter().find(|connection| {
        let address = connection.remote.address.unwrap_or(from);
        connection::identity_of(&connection.remote, address).to_id() == facts.remote_id
    })
}

/// The configured child: the one whose selectors hold these, or the one that was initiated.
fn child_name(sa: &IkeSa, facts: &ChildEstablished, config: &PeerConfig) -> String {
    let (of, initiated) = sa.connection.split_once('/').unwrap_or((&sa.connection, ""));
    let within = |selectors: &[crate::peer::Selector], found: &[TrafficSelector]| {
        found.iter().all(|ts| selectors.iter().any(|own| proposal::selector(own).contains(ts)))
    };
    let connection = config.connections.iter().find(|one| one.name == of);
    connection
        .and_then(|connection| {
            connection.children.iter().find(|child| {
                within(&child.local, &facts.ts_local) && within(&child.remote, &facts.ts_remote)
            })
        })
        .map_or(initiated, |child| &child.name)
        .to_owned()
}

fn child(facts: &ChildEstablished, name: String) -> ChildSa {
    ChildSa {
        name,
        unique_id: format!("{:08x}", facts.spi_in),
        state: String::from("INSTALLED"),
        installed: true,
        protocol: match facts.suite.protocol {
            suite::ChildProtocol::Esp => Protocol::Esp,
            suite::ChildProtocol::Ah => Protocol::Ah,
        },
        mode: Mode::Tunnel,
        encap: facts.udp_encapsulated,
        spi_in: facts.spi_in,
        spi_out: facts.spi_out,
        algorithms: child_algorithms(&facts.suite),
        local: facts.ts_local.iter().map(ToString::to_string).collect(),
        remote: facts.ts_remote.iter().map(ToString::to_string).collect(),
        received: Traffic::default(),
        sent: Traffic::default(),
    }
}

fn ike_algorithms(suite: &IkeSuite) -> BTreeMap<String, String> {
    let mut words = vec![("encr", suite.encr.to_string())];
    if suite.integ != suite::Integ::None {
        words.push(("integ", suite.integ.to_string()));
    }
    words.extend([("prf", suite.prf.to_string()), ("group", suite.group.to_string())]);
    by_kind(words)
}

fn child_algorithms(suite: &ChildSuite) -> BTreeMap<String, String> {
    let mut words = vec![("esn", suite.esn.to_string())];
    if suite.protocol == suite::ChildProtocol::Esp {
        words.push(("encr", suite.encr.to_string()));
    }
    if suite.integ != suite::Integ::None {
        words.push(("integ", suite.integ.to_string()));
    }
    words.extend(suite.group.map(|group| ("group", group.to_string())));
    by_kind(words)
}

fn by_kind(words: Vec<(&str, String)>) -> BTreeMap<String, String> {
    words.into_iter().map(|(kind, word)| (kind.to_owned(), word)).collect()
}

fn number(spi: IkeSpi) -> u64 {
    u64::from_be_bytes(spi.0)
}
