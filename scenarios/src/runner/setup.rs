//! From what a case says to what an edge and its peers are configured with.
//!
//! A case names identities and keys by what they mean (`ip:outside`, a key's label); where it runs
//! decides what they are. Keys follow from the run's seed, so that no secret stands in a scenario.

use std::net::IpAddr;
use std::time::Duration;

use ikeproof_proto::config::{
    Connection, EndpointConfig, Fragmentation, Ikev1Options, Limits, NatPorts, Timers,
};
use ikeproof_proto::crypto::suite::{ChildProtocol, Encr, Esn, Integ, Prf};
use ikeproof_proto::crypto::{Hash, SecretBytes};
use ikeproof_proto::forward::ForwardConfig;
use ikeproof_proto::io::ChildAsk;
use ikeproof_proto::middlebox::{Chance, DirectionConfig, Impairment, MiddleboxConfig};
use ikeproof_proto::policy::{
    ChildOffer, Credential, Forwarding, Identity, IkeOffer, Ikev1Mode, Profile, RemoteAccess,
    Selector, XauthUser,
};
use ikeproof_proto::wire::v2::{Proposal, TrafficSelector};
use ikeproof_vendors::peer as vendor;

use super::failure::Trouble;
use super::{faults, pki};
use crate::profile::LoadError;
use crate::scenario::{
    Affects, Case, CertificateSize, Edge, IdSpec, Ikev1Auth, LoginSpec, Nat, Nets, Peer,
    PeerCookie, PeerDpd, Port, Span, Version,
};

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

    /// The network of that number, from 1, of those behind a peer: each follows the one before it.
    pub fn nth(self, number: u32) -> Result<Self, Trouble> {
        let beyond = || Trouble::Setup(format!("no network {number} follows {}", self.network()));
        let before = number.checked_sub(1).ok_or_else(beyond)?;
        let host = match self.host {
            IpAddr::V4(v4) => {
                let size = 1_u32.checked_shl(32 - u32::from(self.prefix)).ok_or_else(beyond)?;
                let host = before.checked_mul(size).and_then(|by| u32::from(v4).checked_add(by));
                IpAddr::V4(host.ok_or_else(beyond)?.into())
            }
            IpAddr::V6(v6) => {
                let size = 1_u128.checked_shl(128 - u32::from(self.prefix)).ok_or_else(beyond)?;
                let by = u128::from(before).checked_mul(size);
                let host = by.and_then(|by| u128::from(v6).checked_add(by));
                IpAddr::V6(host.ok_or_else(beyond)?.into())
            }
        };
        Ok(Self { host, ..self })
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
        certificates: peers
            .iter()
            .any(by_signature)
            .then(|| pki::edge(edge, first, seed, size(peers)))
            .transpose()?,
        remote_access: RemoteAccess {
            users: edge.users.iter().map(|user| xauth_user(user, seed)).collect(),
            pool: edge.pool.clone(),
            ..RemoteAccess::default()
        },
        limits: Limits {
            fragmentation: edge.fragmentation,
            invalid_spi: edge.invalid_spi,
            ..Limits::default()
        },
        // charon's threads read what was sent later first: a quick mode before the ACK ahead of it, and a
        // delete before the third message.
        timers: Timers { after_ack: Duration::from_millis(100), ..Timers::default() },
        faults: faults::configured(edge)?,
        log_keys: true,
    })
}

fn xauth_user(user: &LoginSpec, seed: u64) -> XauthUser {
    let password = SecretBytes::new(key(seed, &user.password));
    XauthUser { name: user.name.clone(), password }
}

/// What an edge asks for, as initiator, under an IKE SA that is up: traffic with a network behind a peer.
pub fn edge_child(edge: &Edge, peer: &Peer, net: u32) -> Result<ChildAsk, Trouble> {
    let own = edge.ts.as_ref().and_then(|ts| ts.local.first()).or(peer.ts.remote.first());
    let inner_edge = Inner::parse(edge.inner.get_ref())?;
    Ok(ChildAsk {
        proposals: child_proposals(edge, peer),
        ts_local: own.map_or_else(|| inner_edge.selector(), |selector| selector.0),
        ts_remote: Inner::parse(peer.inner.get_ref())?.nth(net)?.selector(),
    })
}

fn child_proposals(edge: &Edge, peer: &Peer) -> Vec<Proposal> {
    let esp = if edge.esp.is_empty() { &peer.esp } else { &edge.esp };
    // The first child SA of IKEv2 comes without a key exchange of its own, unlike that of IKEv1.
    let is_first = peer.version == Version::V2;
    numbered(esp, |offer: &ChildOffer, n| offer.proposal(n, &[0; 4], is_first))
}

/// What an edge asks a peer for, as initiator: traffic with these networks behind it.
pub fn edge_connection(
    edge: &Edge,
    peer: &Peer,
    at: usize,
    place: Place,
    seed: u64,
    nets: Nets,
) -> Result<Connection, Trouble> {
    let ike = if edge.ike.is_empty() { &peer.ike } else { &edge.ike };
    let inner_edge = Inner::parse(edge.inner.get_ref())?;
    let inner_peer = Inner::parse(peer.inner.get_ref())?;
    let label = edge.credentials.get(at).map_or(peer.psk.as_str(), |spec| spec.psk.as_str());
    let nets: Vec<_> = nets.numbers().map(|net| inner_peer.nth(net)).collect::<Result<_, _>>()?;
    let selectors = |said: &[Selector], inner: &[Inner]| match said {
        [] => inner.iter().map(|inner| inner.selector()).collect(),
        said => said.iter().map(|said| said.0).collect(),
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
        child: child_proposals(edge, peer),
        ts_local: selectors(ts_local, &[inner_edge]),
        ts_remote: selectors(ts_remote, &nets),
        ikev1: match peer.version {
            Version::V1 => {
                let certificates =
                    by_signature(peer).then(|| pki::edge(edge, place, seed, peer.certificates));
                Some(Ikev1Options {
                    mode: mode(peer),
                    nat_traversal: edge.begins.nat_traversal,
                    clear_third_message: edge.begins.clear_third_message,
                    mode_config: edge.begins.mode_config,
                    certificates: certificates.transpose()?,
                    xauth: edge.login.iter().map(|user| xauth_user(user, seed)).collect(),
                    ..Ikev1Options::default()
                })
            }
            Version::V2 => None,
        },
        force_encapsulation: edge.begins.pretend_nat,
    })
}

/// How large the edge's certificate is, which all peers get to see.
fn size(peers: &[Peer]) -> CertificateSize {
    let is_large = |peer: &Peer| peer.certificates == CertificateSize::Large;
    if peers.iter().any(is_large) { CertificateSize::Large } else { CertificateSize::Ordinary }
}

/// A user of XAUTH with the password of this label.
fn login(name: &str, label: &str, seed: u64) -> vendor::Login {
    let password = vendor::Psk::new(key(seed, label));
    vendor::Login { name: name.to_owned(), password, then: None }
}

/// The mode of phase 1 that a peer of IKEv1 uses.
fn mode(peer: &Peer) -> Ikev1Mode {
    peer.mode.as_ref().map_or_else(Ikev1Mode::default, |mode| *mode.get_ref())
}

/// Whether a peer of IKEv1 authenticates by its certificate.
fn by_signature(peer: &Peer) -> bool {
    peer.version == Version::V1
        && peer.auth.as_ref().is_some_and(|auth| *auth.get_ref() == Ikev1Auth::Rsa)
}

fn numbered<T, P>(offers: &[T], proposal: impl Fn(&T, u8) -> P) -> Vec<P> {
    (1..).zip(offers).map(|(number, offer)| proposal(offer, number)).collect()
}

/// What happens to the datagrams of a case on their way.
pub fn middlebox(case: &Case, seed: u64) -> MiddleboxConfig {
    let network = &case.network;
    let chance = |part: f64| Chance::per_mille((part * 1000.0).round().clamp(0.0, 1000.0) as u16);
    let ms = |span: Option<Span>, default: u32| {
        span.map_or(default, |span| u32::try_from(span.0.as_millis()).unwrap_or(u32::MAX))
    };
    let delay = ms(network.delay, 0);
    let disturbed = Impairment {
        loss: chance(network.loss),
        duplicate: chance(network.duplicate),
        duplicate_after_ms: ms(network.duplicate_after, 0),
        reorder: chance(network.reorder),
        reorder_by_ms: ms(network.reorder_by, 1200),
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
    let numbers = 1..=*peer.nets.get_ref();
    let nets: Vec<_> = numbers.clone().map(|net| inner_peer.nth(net)).collect::<Result<_, _>>()?;
    let child = |(number, net): (u32, &Inner)| -> Result<vendor::Child, Trouble> {
        Ok(vendor::Child {
            name: child_name(number),
            protocol: protocol(&peer.esp),
            mode: peer.encapsulation,
            proposals: peer.esp.iter().map(child_proposal).collect::<Result<_, _>>()?,
            over: peer.over.as_ref().map(child_proposal).transpose()?,
            local: selectors(&peer.ts.local, *net),
            remote: selectors(&peer.ts.remote, inner_edge),
            start: vendor::Start::Wait,
            rekey: None,
            life_bytes: peer.life().child_bytes.map(|octets| octets.0),
            replay_window: None,
        })
    };
    let children = numbers.zip(&nets).map(child).collect::<Result<_, _>>()?;
    let connection = vendor::Connection {
        name: CONNECTION.to_owned(),
        version: match (peer.version, mode(peer)) {
            (Version::V2, _) => vendor::Version::V2,
            (Version::V1, Ikev1Mode::Main) => vendor::Version::V1Main,
            (Version::V1, Ikev1Mode::Aggressive) => vendor::Version::V1Aggressive,
        },
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
        login: peer.login.as_ref().map(|user| vendor::Login {
            then: user.then.as_ref().map(|label| vendor::Psk::new(key(seed, label))),
            ..login(&user.name, &user.password, seed)
        }),
        users: peer.users.iter().map(|user| login(&user.name, &user.password, seed)).collect(),
        pool: peer.pool.clone(),
        mode_config: peer.mode_config,
        ike: peer.ike.iter().map(ike_proposal).collect::<Result<_, _>>()?,
        children,
        force_encap: peer.udp_encap,
        keeps_port: peer.keeps_port,
        nat_traversal: peer.nat_traversal,
        fragmentation: Some(
            peer.fragmentation.as_ref().map_or(Fragmentation::Off, |it| *it.get_ref()),
        ),
        mobike: Some(peer.mobike),
        dpd: match peer.dpd {
            PeerDpd::Off => None,
            PeerDpd::Short => Some(vendor::Dpd {
                delay: Duration::from_secs(3),
                timeout: Some(Duration::from_secs(10)),
            }),
        },
        initial_contact: peer.initial_contact,
        rekey: peer.life().ike.map(|life| life.0),
        life_bytes: peer.life().ike_bytes.map(|octets| octets.0),
    };
    Ok(vendor::PeerConfig {
        connections: vec![connection],
        secrets: Vec::new(),
        rsa: by_signature(peer).then(|| pki::peer(peer, place, seed)).transpose()?,
        inner: nets
            .iter()
            .map(|net| vendor::InnerAddress { address: net.host, prefix: net.prefix })
            .collect(),
        daemon: vendor::Daemon {
            cookies: match peer.cookie {
                PeerCookie::Auto => vendor::Cookies::UnderLoad,
                PeerCookie::WhileHalfOpen => vendor::Cookies::WhileHalfOpen,
                PeerCookie::Always => vendor::Cookies::Always,
            },
            accept_aggressive_psk: mode(peer) == Ikev1Mode::Aggressive,
            ..if lossy { PATIENT } else { vendor::Daemon::default() }
        },
    })
}

/// Where messages are lost, a peer may not give up after the few tries that drivers otherwise leave it:
/// up to three losses in a row can hit its request, and three more the answer.
const PATIENT: vendor::Daemon = vendor::Daemon {
    retransmit_timeout: Some(Duration::from_secs(1)),
    retransmit_tries: Some(8),
    cookies: vendor::Cookies::UnderLoad,
    accept_aggressive_psk: false,
};

/// The name of the one connection of a peer.
pub const CONNECTION: &str = "edge";
/// The name of its child for a network behind it.
pub fn child_name(net: u32) -> String {
    if net == 1 { "net".to_owned() } else { format!("net-{net}") }
}

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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.7.0.0/24", 1, Some("10.7.0.1"))]
    #[case("10.7.0.0/24", 9, Some("10.7.8.1"))]
    #[case("10.7.0.4/30", 2, Some("10.7.0.9"))]
    #[case("2001:db8::/64", 3, Some("2001:db8:0:2::1"))]
    #[case("255.255.255.0/24", 2, None)]
    #[case("10.7.0.0/24", 0, None)]
    fn networks_follow_one_another(
        #[case] first: &str,
        #[case] number: u32,
        #[case] host: Option<&str>,
    ) {
        let nth = Inner::parse(first).unwrap().nth(number);
        assert_eq!(nth.ok().map(|inner| inner.host.to_string()).as_deref(), host);
    }
}
