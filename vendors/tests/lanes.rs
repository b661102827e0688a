//! Lanes side by side, NAT between peer and edge, and the sweeping of what a dead run leaves.

mod support;

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use ikeproof_vendors::{
    docker::{self, RUN_LABEL},
    images::Image,
    lane::{Lane, LaneSpec, Seat},
    peer::{DataPlane, Initiated},
    run::{Run, sweep},
    start::{PeerSpec, Vendor, start},
};
use support::{SOON, lane, pair, ping, settled};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
};

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
    assert!(dead.edge_netns().exists() && dead.edge_pid() != alive.edge_pid());
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
