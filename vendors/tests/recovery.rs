//! Killing, restarting and dirtying a peer; aggressive mode and identities in IKEv1.

mod support;

use ikeproof_vendors::{
    images::Image,
    lane::Seat,
    peer::{DataPlane, Identity, Initiated, Target, Version},
    start::{PeerSpec, Vendor, start},
};
use support::{SOON, lane, pair, ping, settled};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_peer_comes_back_and_a_dirty_one_is_restarted() {
    let wanted = [Image::StrongSwan, Image::LibreswanSrc];
    let Some(lane) = lane("a_killed_peer_comes_back", &wanted, false).await else { return };
    let swan = PeerSpec::new(Vendor::StrongSwan, DataPlane::Guest);
    let libre =
        PeerSpec { seat: Seat::Front(1), ..PeerSpec::new(Vendor::LibreswanSrc, DataPlane::Guest) };
    let (a, b) = tokio::try_join!(start(&lane, &swan), start(&lane, &libre)).unwrap();
    let (mut for_a, mut for_b) = pair(a.about().address, b.about().address);
    let (branch, edge) = (
        Identity::Fqdn(String::from("branch-7.example.com")),
        Identity::Email(String::from("edge@b.example")),
    );
    for config in [&mut for_a, &mut for_b] {
        config.connections[0].version = Version::V1Aggressive;
    }
    for_a.daemon.accept_aggressive_psk = true;
    for_a.connections[0].local.identity = Some(edge.clone());
    for_a.connections[0].remote.identity = Some(branch.clone());
    for_b.connections[0].local.identity = Some(branch);
    for_b.connections[0].remote.identity = Some(edge);
    let (configured, _) = tokio::try_join!(a.configure(&for_a), b.configure(&for_b)).unwrap();
    assert!(!configured.rendered.iter().any(|(_, text)| text.contains("laboratory")));

    let result = b.initiate("lane", "net", SOON).await.unwrap();
    assert_eq!(result, Initiated::Up, "{}\n{}", a.log().await.unwrap(), b.log().await.unwrap());
    settled(a.as_ref()).await;
    assert!(b.ping(&ping(2, 1)).await.unwrap().all_answered());
    let seen = a.sas().await.unwrap().remove(0);
    assert_eq!((seen.version, seen.remote_id.as_str()), (1, "branch-7.example.com"));

    let child = Target::Child(String::from("lane"), String::from("net"));
    a.rekey(&child).await.unwrap();
    assert!(b.ping(&ping(2, 1)).await.unwrap().all_answered());

    b.kill().await.unwrap();
    // A dead daemon is an error, never "no SAs"; the other side was told nothing.
    assert!(b.sas().await.is_err() && b.left_over().await.is_err());
    assert_eq!(a.sas().await.unwrap().len(), 1);
    let kernel = b.shell("ip xfrm state | grep -c spi", SOON).await.unwrap();
    assert_ne!(kernel.text().trim(), "0", "the kernel keeps what the daemon left");
    b.restart().await.unwrap();
    a.shell("ip addr add 10.99.0.1/32 dev lo", SOON).await.unwrap();
    for peer in [&a, &b] {
        let reset = peer.reset().await.unwrap();
        assert!(reset.restarted || peer.about().name != "strongswan");
    }
    a.shell("ip addr del 10.99.0.1/32 dev lo", SOON).await.unwrap();
    assert_eq!(a.left_over().await.unwrap(), []);
    assert_eq!(b.left_over().await.unwrap(), []);

    tokio::try_join!(a.configure(&for_a), b.configure(&for_b)).unwrap();
    assert_eq!(b.initiate("lane", "net", SOON).await.unwrap(), Initiated::Up);
    tokio::try_join!(a.close(), b.close()).unwrap();
    lane.close().await.unwrap();
}
