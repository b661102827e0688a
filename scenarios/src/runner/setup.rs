//! From what a case says to what an edge and its peers are configured with.
//!
//! A case names identities and keys by what they mean (`ip:outside`, a key's label); where it runs
//! decides what they are. Keys follow from the run's seed, so that no secret stands in a scenario.

use std::net::IpAddr;
use std::time::Duration;

use ikeproof_proto::config::{Connection, EndpointConfig, Limits, NatPorts, Timers};
use ikeproof_proto::crypto::suite::{ChildProtocol, Encr, Esn, Integ, Prf};
use ikeproof_proto::crypto::{Hash, SecretBytes};
use ikeproof_proto::forward::ForwardConfig;
use ikeproof_proto::middlebox::{Chance, DirectionConfig, Impairment, MiddleboxConfig};
use ikeproof_proto::policy::{
    ChildOffer, Credential, Forwarding, Identity, IkeOffer, Profile, Selector,
};
use ikeproof_proto::wire::v2::TrafficSelector;
use ikeproof_vendors::peer as vendor;

use super::failure::Trouble;
use super::faults;
use crate::profile::LoadError;
use crate::scenario::{Affects, Case, Edge, IdSpec, Nat, Peer, PeerCookie, PeerDpd, Port};

/// Where the edge and one of its peers are.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The edge's address.
    pub edge: IpAddr,
    /// The peer's own address.
    pub own: IpAddr,
    /// The peer's address as the edge sees it.
    pub outside: IpAddr,
}

/// An inner network and the host of it that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inner {
    /// The first host.
    pub host: IpAddr,
    /// The network's prefix length.
    pub prefix: u8,
}

impl Inner {
    /// Reads `10.7.0.0/24`; the scenario's reader has checked the form.
    pub fn parse(text: &str) -> Result<Self, Trouble> {
        let wrong = || Trouble::Setup(format!("{text:?} is no subnet"));
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let prefix = prefix.parse().map_err(|_| wrong())?;
        let host = match address.parse().map_err(|_| wrong())? {
            IpAddr::V4(v4) => IpAddr::V4((u32::from(v4) | 1).into()),
            IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) | 1).into()),
        };
        Ok(Self { host, prefix })
    }

    /// The address of the network.
    pub fn network(self) -> IpAddr {
        match self.host {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4((u32::from(v4) & mask).into())
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6((u128::from(v6) & mask).into())
            }
        }
    }

    /// All of the network.
    pub fn selector(self) -> TrafficSelector {
        TrafficSelector::subnet(self.host, self.prefix)
    }
}

/// The key of a label in this run.
pub fn key(seed: u64, label: &str) -> Vec<u8> {
    let digest =
        Hash::Sha256.digest(&[b"ikeproof laboratory key", &seed.to_be_bytes(), label.as_bytes()]);
    // Text, since some daemons only take text; 40 digits satisfy every daemon's minimum.
    digest.iter().take(20).flat_map(|octet| format!("{octet:02x}").into_bytes()).collect()
}

/// An identity where the case runs.
pub fn identity(spec: &IdSpec, own: IpAddr, outside: IpAddr) -> Identity {
    match spec {
        IdSpec::Fixed(identity) => identity.clone(),
        IdSpec::OwnAddress => Identity::Ip(own),
        IdSpec::OutsideAddress => Identity::Ip(outside),
    }
}

/// The identity that a peer says.
pub fn peer_identity(peer: &Peer, place: Place) -> Identity {
    identity(&peer.local_id(), place.own, place.outside)
}

/// The identity that an edge says.
pub fn edge_identity(edge: &Edge, place: Place) -> Identity {
    identity(&edge.id, place.edge, place.edge)
}

/// The profile of an edge, with its readings and all that the case says otherwise.
pub fn edge_profile(edge: &Edge) -> Result<Profile, Trouble> {
    edge.policy().map_err(|error| match error {
        // Whoever chose another profile has not chosen what the scenario is about.
        LoadError::Reading(_) | LoadError::NoSuchBundle { .. } => {
            let name = edge.profile();
            Trouble::Unsupported(format!("the scenario is not about the profile {name}: {error}"))
        }
        error => Trouble::Setup(error.to_string()),
    })
}

/// The router of an edge; what the case says otherwise is in its profile already.
pub fn forward(profile: &Profile) -> ForwardConfig {
    let Forwarding { mtu, mss, mss_v6 } = profile.forwarding;
    ForwardConfig { mtu, mss_v4: mss, mss_v6, ..ForwardConfig::default() }
}

/// The endpoint of an edge.
pub fn endpoint(
    edge: &Edge,
    peers: &[Peer],
    places: &[Place],
    seed: u64,
) -> Result<EndpointConfig, Trouble> {
    let profile = edge_profile(edge)?;
    let first = places.first().copied().ok_or_else(|| Trouble::Setup("no peer".to_owned()))?;
    let place_of = |name: &str| {
        peers.iter().position(|peer| peer.name.get_ref() == name).and_then(|at| places.get(at))
    };
    let specs = edge.credentials(peers);
    let own = edge.credentials.is_empty();
    let credentials = specs
        .iter()
        .enumerate()
        .map(|(at, spec)| {
            // A credential made from a peer is about that peer, any other about the first.
            let place = if own { places.get(at).copied().unwrap_or(first) } else { first };
            Credential {
                id: identity(&spec.id, place.own, place.outside),
                psk: SecretBytes::new(key(seed, &spec.psk)),
                bound_source: spec
                    .bound
                    .as_ref()
                    .and_then(|name| place_of(name.get_ref()))
                    .map(|place| place.outside),
            }
        })
        .collect();
    let identity = match &edge.id {
        IdSpec::OwnAddress => None,
        spec => Some(identity(spec, first.edge, first.edge).to_id()),
    };
    Ok(EndpointConfig {
        profile,
        identity,
        credentials,
        limits: Limits::default(),
        timers: Timers::default(),
        faults: faults::configured(edge)?,
        log_keys: true,
    })
}

/// What an edge asks a peer for, as initiator.
pub fn edge_connection(
    edge: &Edge,
    peer: &Peer,
    at: usize,
    place: Place,
    seed: u64,
) -> Result<Connection, Trouble> {
    let ike = if edge.ike.is_empty() { &peer.ike } else { &edge.ike };
    let esp = if edge.esp.is_empty() { &peer.esp } else { &edge.esp };
    let inner_edge = Inner::parse(edge.inner.get_ref())?;
    let inner_peer = Inner::parse(peer.inner.get_ref())?;
    let label = edge.credentials.get(at).map_or(peer.psk.as_str(), |spec| spec.psk.as_str());
    let selectors = |said: &[Selector], inner: Inner| {
        if said.is_empty() { vec![inner.selector()] } else { said.iter().map(|s| s.0).collect() }
    };
    // What the edge protects is what it asks for; where nothing is said, it asks for what the peer has.
    fn asked<'a>(own: Option<&'a [Selector]>, mirrored: &'a [Selector]) -> &'a [Selector] {
        own.filter(|own| !own.is_empty()).unwrap_or(mirrored)
    }
    let own = edge.ts.as_ref();
    let ts_local = asked(own.map(|ts| &ts.local[..]), &peer.ts.remote);
    let ts_remote = asked(own.map(|ts| &ts.remote[..]), &peer.ts.local);
    Ok(Connection {
        name: peer.name.get_ref().clone(),
        local: (place.edge, 500).into(),
        remote: (place.outside, 500).into(),
        nat_ports: NatPorts::default(),
        start_on_nat_port: peer.start_port == Port::NatT,
        id: edge_identity(edge, place).to_id(),
        remote_id: None,
        expect_id: None,
        psk: SecretBytes::new(key(seed, label)),
        ike: numbered(ike, |offer: &IkeOffer, n| offer.proposal(n, &[])),
        child: numbered(esp, |offer: &ChildOffer, n| offer.proposal(n, &[0; 4], true)),
        ts_local: selectors(ts_local, inner_edge),
        ts_remote: selectors(ts_remote, inner_peer),
        ikev1: None,
        force_encapsulation: false,
    })
}

fn numbered<T, P>(offers: &[T], proposal: impl Fn(&T, u8) -> P) -> Vec<P> {
    (1..).zip(offers).map(|(number, offer)| proposal(offer, number)).collect()
}

/// What happens to the datagrams of a case on their way.
pub fn middlebox(case: &Case, seed: u64) -> MiddleboxConfig {
    let network = &case.network;
    let chance = |part: f64| Chance::per_mille((part * 1000.0).round().clamp(0.0, 1000.0) as u16);
    let delay = network.delay.map_or(0, |span| u32::try_from(span.0.as_millis()).unwrap_or(0));
    let disturbed = Impairment {
        loss: chance(network.loss),
        duplicate: chance(network.duplicate),
        reorder: chance(network.reorder),
        delay_ms: delay,
        ..Impairment::default()
    };
    let quiet = Impairment { delay_ms: delay, ..Impairment::default() };
    let direction = match network.on {
        Affects::Ike => DirectionConfig { ike: disturbed, data: quiet },
        Affects::Esp => DirectionConfig { ike: quiet, data: disturbed },
        Affects::All => DirectionConfig { ike: disturbed, data: disturbed },
    };
    MiddleboxConfig {
        seed: network.seed.unwrap_or(seed),
        to_peer: direction,
        to_edge: direction,
        ..MiddleboxConfig::default()
    }
}

/// What a real or embedded peer is configured with.
pub fn peer_config(
    edge: &Edge,
    peer: &Peer,
    place: Place,
    seed: u64,
    lossy: bool,
) -> Result<vendor::PeerConfig, Trouble> {
    let inner_edge = Inner::parse(edge.inner.get_ref())?;
    let inner_peer = Inner::parse(peer.inner.get_ref())?;
    let port = match peer.start_port {
        Port::Ike => None,
        Port::NatT => Some(4500),
    };
    let remote_id = match &peer.remote_id {
        Some(spec) => identity(spec, place.edge, place.edge),
        None => edge_identity(edge, place),
    };
    let child = vendor::Child {
        name: CHILD.to_owned(),
        protocol: protocol(&peer.esp),
        mode: vendor::Mode::Tunnel,
        proposals: peer.esp.iter().map(child_proposal).collect::<Result<_, _>>()?,
        local: selectors(&peer.ts.local, inner_peer),
        remote: selectors(&peer.ts.remote, inner_edge),
        start: vendor::Start::Wait,
        rekey: None,
        replay_window: None,
    };
    let connection = vendor::Connection {
        name: CONNECTION.to_owned(),
        version: vendor::Version::V2,
        local: vendor::End {
            address: Some(place.own),
            port,
            identity: Some(vendor_identity(&peer_identity(peer, place))),
        },
        remote: vendor::End {
            address: Some(place.edge),
            port,
            identity: Some(vendor_identity(&remote_id)),
        },
        psk: vendor::Psk::new(key(seed, &peer.psk)),
        ike: peer.ike.iter().map(ike_proposal).collect::<Result<_, _>>()?,
        children: vec![child],
        force_encap: false,
        fragmentation: Some(false),
        mobike: Some(peer.mobike),
        dpd: match peer.dpd {
            PeerDpd::Off => None,
            PeerDpd::Short => Some(vendor::Dpd {
                delay: Duration::from_secs(3),
                timeout: Some(Duration::from_secs(10)),
            }),
        },
        rekey: None,
    };
    Ok(vendor::PeerConfig {
        connections: vec![connection],
        secrets: Vec::new(),
        inner: vec![vendor::InnerAddress { address: inner_peer.host, prefix: inner_peer.prefix }],
        daemon: vendor::Daemon {
            cookies: peer.cookie == PeerCookie::Always,
            ..if lossy { PATIENT } else { vendor::Daemon::default() }
        },
    })
}

/// Where messages are lost, a peer may not give up after the few tries that drivers otherwise leave it:
/// up to three losses in a row can hit its request, and three more the answer.
const PATIENT: vendor::Daemon = vendor::Daemon {
    retransmit_timeout: Some(Duration::from_secs(1)),
    retransmit_tries: Some(8),
    cookies: false,
    accept_aggressive_psk: false,
};

/// The name of the one connection of a peer.
pub const CONNECTION: &str = "edge";
/// The name of its one child.
pub const CHILD: &str = "net";

/// Whether a peer of the case is behind the router.
pub fn behind_router(peer: &Peer) -> bool {
    peer.nat == Nat::Router
}

fn selectors(said: &[Selector], inner: Inner) -> Vec<vendor::Selector> {
    if said.is_empty() {
        return vec![vendor::Selector::network(inner.network(), inner.prefix)];
    }
    said.iter().map(|selector| vendor_selector(&selector.0)).collect()
}

/// A range as a network. Scenarios write networks, so that nothing is lost.
fn vendor_selector(ts: &TrafficSelector) -> vendor::Selector {
    let prefix = match (ts.start, ts.end) {
        (IpAddr::V4(start), IpAddr::V4(end)) => {
            (u32::from(start) ^ u32::from(end)).leading_zeros() as u8
        }
        (IpAddr::V6(start), IpAddr::V6(end)) => {
            (u128::from(start) ^ u128::from(end)).leading_zeros() as u8
        }
        _ => 0,
    };
    vendor::Selector {
        address: ts.start,
        prefix,
        protocol: (ts.ip_protocol != 0).then_some(ts.ip_protocol),
        port: (ts.start_port == ts.end_port).then_some(ts.start_port),
    }
}

fn vendor_identity(identity: &Identity) -> vendor::Identity {
    match identity {
        Identity::Ip(address) => vendor::Identity::Ip(*address),
        Identity::Fqdn(name) => vendor::Identity::Fqdn(name.clone()),
        Identity::Email(name) => vendor::Identity::Email(name.clone()),
        Identity::KeyId(octets) => vendor::Identity::KeyId(octets.clone()),
    }
}

fn protocol(offers: &[ChildOffer]) -> vendor::Protocol {
    match offers.first().map(|offer| offer.protocol) {
        Some(ChildProtocol::Ah) => vendor::Protocol::Ah,
        _ => vendor::Protocol::Esp,
    }
}

fn ike_proposal(offer: &IkeOffer) -> Result<vendor::IkeProposal, Trouble> {
    let implied: Vec<_> = offer.integ.iter().filter_map(|integ| integ.prf()).collect();
    let prf = if offer.prf == implied { Vec::new() } else { offer.prf.clone() };
    Ok(vendor::IkeProposal {
        encr: offer.encr.iter().map(|encr| vendor_encr(*encr)).collect(),
        integ: offer.integ.iter().filter_map(|integ| vendor_integ(*integ)).collect(),
        prf: prf.into_iter().map(vendor_prf).collect(),
        groups: offer.groups.iter().map(|group| vendor::Group(group.iana())).collect(),
    })
}

fn child_proposal(offer: &ChildOffer) -> Result<vendor::ChildProposal, Trouble> {
    let esn = match offer.esn.as_slice() {
        [Esn::Yes] => vendor::Esn::Yes,
        [Esn::No] | [] => vendor::Esn::No,
        _ => vendor::Esn::Either,
    };
    Ok(vendor::ChildProposal {
        encr: offer.encr.iter().map(|encr| vendor_encr(*encr)).collect(),
        integ: offer.integ.iter().filter_map(|integ| vendor_integ(*integ)).collect(),
        groups: offer.groups.iter().map(|group| vendor::Group(group.iana())).collect(),
        esn,
    })
}

fn vendor_encr(encr: Encr) -> vendor::Encr {
    match encr {
        Encr::AesCbc(bits) => vendor::Encr::AesCbc(bits.bits()),
        Encr::AesGcm { bits, icv } => {
            vendor::Encr::AesGcm(bits.bits(), u8::try_from(icv.octets()).unwrap_or(16))
        }
        Encr::ChaCha20Poly1305 => vendor::Encr::ChaCha20Poly1305,
        Encr::TripleDesCbc => vendor::Encr::TripleDes,
        Encr::Null => vendor::Encr::Null,
        Encr::NullAuthAesGmac(bits) => vendor::Encr::AesGmac(bits.bits()),
    }
}

fn vendor_integ(integ: Integ) -> Option<vendor::Integ> {
    Some(match integ {
        Integ::None => return None,
        Integ::HmacMd5_96 => vendor::Integ::Md5,
        Integ::HmacSha1_96 => vendor::Integ::Sha1,
        Integ::HmacSha256_128 => vendor::Integ::Sha256,
        Integ::HmacSha384_192 => vendor::Integ::Sha384,
        Integ::HmacSha512_256 => vendor::Integ::Sha512,
    })
}

fn vendor_prf(prf: Prf) -> vendor::Prf {
    match prf {
        Prf::HmacMd5 => vendor::Prf::Md5,
        Prf::HmacSha1 => vendor::Prf::Sha1,
        Prf::HmacSha256 => vendor::Prf::Sha256,
        Prf::HmacSha384 => vendor::Prf::Sha384,
        Prf::HmacSha512 => vendor::Prf::Sha512,
    }
}

/// A NAT in front of the peer, in our own process.
pub fn middlebox_nat(place: Place) -> ikeproof_proto::middlebox::NatConfig {
    use ikeproof_proto::middlebox::{NatConfig, NatSide, RawNat};
    NatConfig {
        side: NatSide::Peer,
        public: place.outside,
        ports: Some((30_000, 31_000)),
        idle_timeout_ms: None,
        raw: RawNat::Drop,
    }
}
