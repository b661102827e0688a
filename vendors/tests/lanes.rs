//! Lanes side by side, sockets in them, NAT between peer and edge, and the sweeping of what a dead run
//! leaves.

mod support;

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use ikeproof_driver::{
    capture::{Capture, CaptureOptions, Interface, WireReport},
    netns::{
        DfMode, HeaderMode, OpenError, OuterV4, Place, RawProtocol, RawSocket, UdpOptions, Wanted,
        open_udp,
    },
};
use ikeproof_vendors::{
    docker::{self, Container, RUN_LABEL, Rights},
    images::Image,
    lane::{Lane, LaneSpec, Seat},
    netns::{NetNs, Way},
    peer::{DataPlane, Initiated},
    run::{Run, sweep},
    start::{PeerSpec, Vendor, start},
};
use support::{SOON, lane, pair, ping, settled};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};
use tokio::{net::UdpSocket, time::timeout};

const PORTS: [u16; 2] = [500, 4500];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_behind_nat_is_seen_with_a_rewritten_port() {
    let Some(lane) = lane("a_peer_behind_nat", &[Image::StrongSwan], true).await else { return };
    let inside = PeerSpec {
        seat: Seat::BehindNat(0),
        ..PeerSpec::new(Vendor::StrongSwan, DataPlane::Guest)
    };
    let outside = PeerSpec::new(Vendor::StrongSwan, DataPlane::Guest);
    let (a, b) = tokio::try_join!(start(&lane, &inside), start(&lane, &outside)).unwrap();
    let (for_a, mut for_b) = pair(a.about().address, b.about().address);
    let remote = &mut for_b.connections[0].remote;
    remote.identity = remote.address.take().map(ikeproof_vendors::peer::Identity::Ip);
    a.configure(&for_a).await.unwrap();
    b.configure(&for_b).await.unwrap();
    let result = a.initiate("lane", "net", SOON).await.unwrap();
    assert_eq!(result, Initiated::Up, "{}", a.log().await.unwrap());

    settled(b.as_ref()).await;
    let seen = b.sas().await.unwrap().remove(0);
    let remote = seen.remote.unwrap();
    let router = lane.router().unwrap();
    assert_eq!(remote.ip(), router.outside());
    assert!((20000..=30000).contains(&remote.port()), "{remote}");
    assert!(seen.nat.remote && seen.children[0].encap);
    let mappings = router.mappings().await.unwrap();
    assert!(mappings.iter().any(|mapping| {
        IpAddr::V4(*mapping.inside.ip()) == a.about().address
            && mapping.outside.port() == remote.port()
    }));
    assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());
    assert!(b.ping(&ping(2, 1)).await.unwrap().all_answered());
    router.flush().await.unwrap();
    assert!(router.mappings().await.unwrap().is_empty());
    tokio::try_join!(a.close(), b.close()).unwrap();
    lane.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lanes_coexist_and_a_dead_run_is_swept() {
    let Some(alive) = lane("lanes_coexist", &[], false).await else { return };
    let docker = docker::connect().await.unwrap();
    let directory = tempfile::tempdir().unwrap();
    let run = Arc::new(Run::begin_in(directory.path()).unwrap());
    let id = run.id().to_owned();
    let dead = Lane::open(&docker, &run, &LaneSpec::new().unwrap()).await.unwrap();
    assert!(!dead.subnet().overlaps(&alive.subnet()));
    assert!(dead.edge().pid() != alive.edge().pid());
    assert!(!sweep(&docker).await.unwrap().runs.contains(&id), "a live run was swept");

    // What a killed process does: nothing is removed, and the lock goes free.
    std::mem::forget(dead);
    std::fs::remove_file(directory.path().join(format!("{id}.lock"))).unwrap();
    let swept = sweep(&docker).await.unwrap();
    assert!(swept.runs.contains(&id) && swept.containers >= 1 && swept.networks >= 1, "{swept:?}");
    assert_eq!(left(&id).await, (0, 0));
    assert_eq!(left(alive.run().id()).await, (1, 1));
    alive.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_lane_removes_everything() {
    let Some(lane) = lane("dropping_a_lane", &[], false).await else { return };
    let id = lane.run().id().to_owned();
    assert_eq!(left(&id).await, (1, 1));
    drop(lane);
    assert_eq!(left(&id).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_that_are_handed_over_do_what_those_of_an_entered_namespace_do() {
    let Some(lane) = lane("sockets_that_are_handed_over", &[], false).await else { return };
    let (network, address, _) = lane.seat(Seat::Front(0)).unwrap();
    let tag = lane.run().tag(lane.docker(), Image::Edge).await.unwrap();
    let rights = Rights::default();
    let started = Container::start(lane.docker(), lane.run(), &tag, network, address, &rights);
    let peer = started.await.unwrap();
    let handed = exchange(&lane, peer.net(), address.into(), Way::HandOver).await;
    assert_eq!((handed.ike, handed.esp_udp, handed.esp_raw, handed.ah), (1, 1, 1, 1), "{handed:?}");
    // What `place` would choose: without the right to enter there is nothing to compare with.
    if peer.net().way().unwrap() == Way::Enter {
        let entered = exchange(&lane, peer.net(), address.into(), Way::Enter).await;
        assert_eq!(
            (entered.ike, entered.esp_udp, entered.esp_raw, entered.ah, entered.fragments),
            (handed.ike, handed.esp_udp, handed.esp_raw, handed.ah, handed.fragments)
        );
    }
    peer.remove().await.unwrap();
    lane.close().await.unwrap();
}

/// Sends IKE, ESP in UDP, ESP and AH from the peer to the edge, and captures at the peer.
async fn exchange(lane: &Lane, peer: &NetNs, from: IpAddr, way: Way) -> WireReport {
    let to = IpAddr::V4(lane.edge_address());
    let at_edge = lane.edge().place_by(way, &all(to)).await.unwrap();
    let at_peer = peer.place_by(way, &all(from)).await.unwrap();
    let capture =
        Capture::start(CaptureOptions::new(at_peer.clone(), Interface::Ethernet)).unwrap();
    let mut buffer = vec![0; 65_535];

    for port in PORTS {
        let (left, right) = (udp(&at_peer, from, port), udp(&at_edge, to, port));
        left.send_to(&[7; 2000], (to, port)).await.unwrap();
        let (len, source) = soon(right.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((len, source), (2000, SocketAddr::new(from, port)));
    }
    let outer = OuterV4 { tos: 0, identification: 0x1234, df: true, ttl: 61 };
    for protocol in [RawProtocol::Esp, RawProtocol::Ah] {
        let kernel = HeaderMode::Kernel(DfMode::Clear);
        let left = RawSocket::open(&at_peer, from, protocol, HeaderMode::Included).unwrap();
        let right = RawSocket::open(&at_edge, to, protocol, kernel).unwrap();
        left.send_with(to, &outer, &[9; 40]).await.unwrap();
        let received = soon(right.recv(&mut buffer)).await.unwrap();
        assert_eq!((received.source, received.outer), (from, Some(outer)));
    }
    let stopped = tokio::task::spawn_blocking(|| capture.stop()).await.unwrap().unwrap();
    stopped.wire
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_cannot_be_had_there_says_why_and_no_helper_stays() {
    let Some(lane) = lane("a_socket_that_cannot_be_had", &[], false).await else { return };
    let edge = IpAddr::V4(lane.edge_address());
    let elsewhere = SocketAddr::from(([192, 0, 2, 77], 500));
    let (own, twice) = (SocketAddr::new(edge, 500), SocketAddr::new(edge, 4500));
    let wanted = [Wanted::Udp(elsewhere), Wanted::Udp(own), Wanted::Udp(twice), Wanted::Udp(twice)];
    let place = lane.edge().place_by(Way::HandOver, &wanted).await.unwrap();
    let open = |place: &Place, address| open_udp(place, address, UdpOptions::default());

    let error = open(&place, elsewhere).unwrap_err();
    assert!(matches!(error, OpenError::AddressNotLocal { .. }), "{error}");
    let error = open(&Place::Host, own).unwrap_err();
    assert!(matches!(error, OpenError::AddressNotLocal { .. }), "it is not the lane's: {error}");
    assert_eq!(open(&place, own).unwrap().local_addr().unwrap(), own);
    let both = [open(&place, twice), open(&place, twice)];
    assert!(
        matches!(&both, [Ok(_), Err(OpenError::AddressInUse { .. })]),
        "one of two has it: {both:?}"
    );
    let error = open(&place, own).unwrap_err();
    assert!(matches!(error, OpenError::NotHanded { .. }), "{error}");

    let began = Instant::now();
    while left(lane.run().id()).await.0 > 1 {
        assert!(began.elapsed() < Duration::from_secs(10), "a helper is still there");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    lane.close().await.unwrap();
}

fn all(address: IpAddr) -> Vec<Wanted> {
    let mut wanted = PORTS.map(|port| Wanted::Udp(SocketAddr::new(address, port))).to_vec();
    wanted.extend([Wanted::Raw(address, 50), Wanted::Raw(address, 51), Wanted::Packet]);
    wanted
}

fn udp(place: &Place, address: IpAddr, port: u16) -> UdpSocket {
    open_udp(place, SocketAddr::new(address, port), UdpOptions::default()).unwrap()
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(5), work).await.expect("within five seconds")
}

async fn left(run: &str) -> (usize, usize) {
    let docker = docker::connect().await.unwrap();
    let filters = HashMap::from([("label", vec![format!("{RUN_LABEL}={run}")])]);
    let containers = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let networks = ListNetworksOptionsBuilder::new().filters(&filters).build();
    (
        docker.list_containers(Some(containers)).await.unwrap().len(),
        docker.list_networks(Some(networks)).await.unwrap().len(),
    )
}
