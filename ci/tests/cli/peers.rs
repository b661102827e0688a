//! `serve` in front of clients that nobody here wrote: strongSwan and libreswan connect, and ping through the
//! tunnel.
//!
//! The client is in a container on a network of its own, and `serve` runs on this host, at that network's
//! gateway. Without an engine, images, or the right to have port 500 there, that is printed.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use ikeproof_vendors::docker;
use ikeproof_vendors::images::{self, Image};
use ikeproof_vendors::lane::{Lane, LaneSpec, Seat};
use ikeproof_vendors::peer::{
    Child, ChildProposal, Connection, DataPlane, Encr, End, Group, Identity, IkeProposal,
    Initiated, InnerAddress, Integ, Login, Mode, ModeConfig, NatTraversal, Peer, PeerConfig, Ping,
    Protocol, Psk, Selector, Start, Target, Version,
};
use ikeproof_vendors::run::Run;
use ikeproof_vendors::start::{PeerSpec, Vendor, start};
use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;

use crate::support::{REQUIRE_DOCKER, Server, skip};

/// How long an initiation may take.
const SOON: Duration = Duration::from_secs(30);
/// What answers ping inside the edge.
const INSIDE: Ipv4Addr = Ipv4Addr::new(10, 255, 3, 4);
/// The client's own inner address, and the one that it is given by mode-config.
const OWN: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const GIVEN: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 10);
const NAME: &str = "client.example.com";
/// The key and the password, and those of somebody who does not know them: `serve` prints none of them.
const PSK: &str = "under-the-sea";
const PASSWORD: &str = "wonderland";
const OTHER_PSK: &str = "over-the-sea";
const OTHER_PASSWORD: &str = "looking-glass";
const SECRETS: [&str; 4] = [PSK, PASSWORD, OTHER_PSK, OTHER_PASSWORD];
const SAME_ID: &str = "xauth02-6-same-transaction-id";

/// A network with room for a client, and the edge's place at its gateway.
struct Bench {
    lane: Lane,
    edge: Ipv4Addr,
}

impl Bench {
    /// Nothing, and why, where there cannot be one.
    async fn open(test: &str, vendor: Vendor) -> Option<Self> {
        match Self::try_open(vendor).await {
            Ok(bench) => Some(bench),
            Err(why) => {
                skip(test, &why, REQUIRE_DOCKER);
                None
            }
        }
    }

    async fn try_open(vendor: Vendor) -> Result<Self, String> {
        let docker = docker::connect().await.map_err(|error| error.to_string())?;
        let needed = [Image::Edge, vendor.image()];
        let missing = images::missing(&docker, &needed).await.map_err(|error| error.to_string())?;
        if !missing.is_empty() {
            return Err("images are not built; run `ikeproof images build`".to_owned());
        }
        let run = Arc::new(Run::begin().map_err(|error| error.to_string())?);
        let lane = Lane::open(&docker, &run, &LaneSpec::new().unwrap()).await.unwrap();
        let edge = lane.subnet().host(1);
        // An engine elsewhere has its gateway there, and a user may not have this port.
        let socket = UdpSocket::bind((edge, 500));
        socket.map_err(|error| format!("{edge}, port 500: {error}"))?;
        Ok(Self { lane, edge })
    }

    /// The address that the client will have.
    fn client(&self) -> Ipv4Addr {
        self.lane.seat(Seat::Front(0)).unwrap().1
    }

    /// `serve` at the gateway, on the usual ports.
    fn serve(&self, options: &[impl AsRef<str>]) -> Server {
        let edge = self.edge.to_string();
        let options = options.iter().map(AsRef::as_ref);
        Server::with(&["--listen", &edge].into_iter().chain(options).collect::<Vec<_>>())
    }

    /// The client, configured.
    async fn start(&self, spec: &PeerSpec, connection: Connection) -> Box<dyn Peer> {
        let peer = start(&self.lane, spec).await.unwrap();
        let inner = vec![InnerAddress { address: OWN.into(), prefix: 32 }];
        let config = PeerConfig { connections: vec![connection], inner, ..PeerConfig::default() };
        peer.configure(&config).await.unwrap();
        peer
    }

    async fn close(self, peer: Box<dyn Peer>) {
        peer.close().await.unwrap();
        self.lane.close().await.unwrap();
    }

    /// A connection of IKEv2 with a name as its identity.
    fn ikev2(&self, psk: &str) -> Connection {
        let end = |address: Ipv4Addr, identity| End {
            address: Some(address.into()),
            port: None,
            identity,
        };
        Connection {
            name: "edge".to_owned(),
            version: Version::V2,
            local: end(self.client(), Some(Identity::Fqdn(NAME.to_owned()))),
            remote: end(self.edge, None),
            psk: Psk::new(psk),
            login: None,
            users: Vec::new(),
            pool: None,
            mode_config: ModeConfig::Off,
            ike: vec![IkeProposal {
                encr: vec![Encr::AesCbc(256)],
                integ: vec![Integ::Sha256],
                prf: Vec::new(),
                groups: vec![Group(14)],
            }],
            children: vec![Child {
                name: "inside".to_owned(),
                protocol: Protocol::Esp,
                mode: Mode::Tunnel,
                proposals: vec![ChildProposal {
                    encr: vec![Encr::AesGcm(256, 16)],
                    ..ChildProposal::default()
                }],
                over: None,
                local: vec![Selector::network(OWN, 32)],
                remote: vec![Selector::network([10, 255, 0, 0], 16)],
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
            initial_contact: false,
            rekey: None,
            life_bytes: None,
        }
    }

    /// The same in IKEv1, of a user who logs in and is given an inner address. In main mode the address is
    /// the identity.
    fn ikev1(&self, version: Version, password: &str) -> Connection {
        let mut connection = self.ikev2(PSK);
        connection.version = version;
        if version == Version::V1Main {
            connection.local.identity = None;
        }
        connection.mobike = None;
        connection.mode_config = ModeConfig::Pull;
        let (name, password) = ("alice".to_owned(), Psk::new(password));
        connection.login = Some(Login { name, password, then: None });
        connection.ike[0].integ = vec![Integ::Sha1];
        connection.ike[0].groups = vec![Group(2)];
        connection
    }
}

/// So many of three pings to the inside come back.
async fn answers(peer: &dyn Peer, from: Option<Ipv4Addr>) -> u32 {
    peer.ping(&Ping::new(from.map(IpAddr::V4), INSIDE.into())).await.unwrap().received
}

/// The client takes the tunnel down, and `serve` ends: what it has printed.
async fn leave(peer: &dyn Peer, from: Option<Ipv4Addr>, mut server: Server) -> Vec<Value> {
    peer.terminate(&Target::Ike("edge".to_owned())).await.unwrap();
    assert_eq!(server.event("closed")["reason"], "deleted-by-peer");
    // The edge is still there: it is the tunnel that is gone.
    assert_eq!(answers(peer, from).await, 0);
    end(server)
}

fn end(server: Server) -> Vec<Value> {
    server.signal(Signal::SIGTERM);
    let (status, events) = server.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(events.last().unwrap()["open"], 0, "{events:#?}");
    let all = serde_json::to_string(&events).unwrap();
    for secret in SECRETS {
        assert!(!all.contains(secret), "{all}");
    }
    events
}

fn has(events: &[Value], name: &str) -> bool {
    events.iter().any(|event| event["event"] == name)
}

/// The requirements that the client has broken, as `serve` tells it.
fn broken(events: &[Value]) -> Vec<&str> {
    let violations = events.iter().filter(|event| event["event"] == "peer_violation");
    violations.map(|event| event["requirement"].as_str().unwrap()).collect()
}

// strongSwan's own data plane always pretends a NAT, so that ESP is in UDP; a guest's kernel does ESP itself.
#[rstest]
#[case::strongswan(Vendor::StrongSwan, DataPlane::Userspace, true)]
#[case::strongswan_without_nat(Vendor::StrongSwan, DataPlane::Guest, false)]
#[case::libreswan(Vendor::Libreswan, DataPlane::Guest, false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_ikev2_connects_pings_and_leaves(
    #[case] vendor: Vendor,
    #[case] plane: DataPlane,
    #[case] encapsulated: bool,
) {
    let Some(bench) = Bench::open("a_client_of_ikev2", vendor).await else { return };
    let mut server = bench.serve(&["--psk".to_owned(), format!("fqdn:{NAME}={PSK}")]);
    let peer = bench.start(&PeerSpec::new(vendor, plane), bench.ikev2(PSK)).await;
    // The control: nothing but the tunnel leads there.
    assert_eq!(answers(&*peer, Some(OWN)).await, 0);
    let initiated = peer.initiate("edge", "inside", SOON).await.unwrap();
    assert_eq!(initiated, Initiated::Up, "{}", peer.log().await.unwrap());

    let up = server.event("ike_established");
    assert_eq!(up["remote_id"], format!("fqdn:{NAME}"));
    assert_eq!(up["local_id"], format!("ip:{}", bench.edge));
    assert_eq!(
        (&up["role"], &up["suite"]),
        (&"responder".into(), &"aes256-sha256-modp2048".into())
    );
    let up = server.event("child_established");
    assert_eq!(up["suite"], "aes256gcm16");
    assert_eq!(up["ts_local"][0], "10.255.0.0/16");
    assert_eq!(up["ts_remote"][0], "10.1.0.1/32");
    assert_eq!(up["udp_encapsulated"], encapsulated);
    assert_eq!(answers(&*peer, Some(OWN)).await, 3, "{}", peer.log().await.unwrap());
    let ping = server.event("ping_answered");
    assert_eq!((&ping["from"], &ping["to"]), (&"10.1.0.1".into(), &"10.255.3.4".into()));

    let events = leave(&*peer, Some(OWN), server).await;
    assert_eq!(broken(&events), [""; 0]);
    bench.close(peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_ikev2_with_another_secret_gets_nowhere() {
    let vendor = Vendor::StrongSwan;
    let Some(bench) = Bench::open("a_client_with_another_secret", vendor).await else { return };
    let mut server = bench.serve(&["--psk".to_owned(), format!("fqdn:{NAME}={PSK}")]);
    let spec = PeerSpec::new(vendor, DataPlane::Userspace);
    let peer = bench.start(&spec, bench.ikev2(OTHER_PSK)).await;
    let initiated = peer.initiate("edge", "inside", SOON).await.unwrap();
    assert!(matches!(initiated, Initiated::Failed(_)), "{initiated:?}");
    let failed = server.event("authentication_failed");
    assert_eq!(failed["id"], format!("fqdn:{NAME}"));
    assert_eq!(failed["answer"], "AUTHENTICATION_FAILED");
    assert_eq!(peer.sas().await.unwrap(), []);
    assert_eq!(answers(&*peer, Some(OWN)).await, 0);
    let events = end(server);
    assert!(!has(&events, "ike_established") && !has(&events, "child_established"), "{events:#?}");
    bench.close(peer).await;
}

// charon's answers of XAUTH and mode-config have the identifier 0, whatever the question has.
#[rstest]
#[case::aggressive(Vendor::StrongSwan, DataPlane::Userspace, Version::V1Aggressive, &[SAME_ID])]
#[case::main(Vendor::StrongSwan, DataPlane::Userspace, Version::V1Main, &[SAME_ID])]
#[case::libreswan(Vendor::LibreswanSrc, DataPlane::Guest, Version::V1Aggressive, &[])]
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_a_client_of_ikev1_logs_in_and_is_given_an_address(
    #[case] vendor: Vendor,
    #[case] plane: DataPlane,
    #[case] version: Version,
    #[case] breaks: &[&str],
) {
    let Some(bench) = Bench::open("a_user_of_a_client_of_ikev1", vendor).await else { return };
    let mut server = bench.serve(&login(&bench, version));
    let peer = bench.start(&PeerSpec::new(vendor, plane), bench.ikev1(version, PASSWORD)).await;
    assert_eq!(answers(&*peer, None).await, 0);
    let initiated = peer.initiate("edge", "inside", SOON).await.unwrap();
    assert_eq!(initiated, Initiated::Up, "{}", peer.log().await.unwrap());

    assert_eq!(server.event("ike_established")["suite"], "aes256-sha1-modp1024");
    assert_eq!(server.event("xauth_succeeded")["user"], "alice");
    assert_eq!(server.event("address_assigned")["address"], GIVEN.to_string());
    let up = server.event("child_established");
    assert_eq!(up["ts_remote"][0], format!("{GIVEN}/32"));
    assert_eq!(answers(&*peer, None).await, 3, "{}", peer.log().await.unwrap());
    assert_eq!(server.event("ping_answered")["from"], GIVEN.to_string());

    let events = leave(&*peer, None, server).await;
    assert!(!has(&events, "xauth_failed"), "{events:#?}");
    assert_eq!(broken(&events), breaks);
    bench.close(peer).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_a_wrong_password_has_no_tunnel() {
    let (vendor, version) = (Vendor::StrongSwan, Version::V1Aggressive);
    let Some(bench) = Bench::open("a_user_with_a_wrong_password", vendor).await else { return };
    let mut server = bench.serve(&login(&bench, version));
    let spec = PeerSpec::new(vendor, DataPlane::Userspace);
    let peer = bench.start(&spec, bench.ikev1(version, OTHER_PASSWORD)).await;
    let initiated = peer.initiate("edge", "inside", SOON).await.unwrap();
    assert!(matches!(initiated, Initiated::Failed(_)), "{initiated:?}");
    assert_eq!(server.event("xauth_failed")["user"], "alice");
    assert_eq!(answers(&*peer, None).await, 0);
    let events = end(server);
    for name in ["xauth_succeeded", "address_assigned", "child_established"] {
        assert!(!has(&events, name), "{events:#?}");
    }
    bench.close(peer).await;
}

/// The options for such a user. In main mode the key is found by the address.
fn login(bench: &Bench, version: Version) -> [String; 6] {
    let id = match version {
        Version::V1Main => format!("ip:{}={PSK}", bench.client()),
        _ => format!("fqdn:{NAME}={PSK}"),
    };
    let pool = format!("{GIVEN}-{GIVEN}");
    let user = format!("alice={PASSWORD}");
    ["--psk", &id, "--xauth", &user, "--pool", &pool].map(str::to_owned)
}
