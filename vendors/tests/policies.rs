//! The control of "nothing in clear": a peer whose policies are removed sends past its tunnel.

mod support;

use ikeproof_vendors::{
    images::Image,
    lane::Seat,
    peer::{DataPlane, Initiated, Peer},
    start::{PeerSpec, Vendor, start},
};
use rstest::rstest;
use support::{SOON, lane, pair, ping, settled};

async fn sent(peer: &dyn Peer) -> u64 {
    peer.sas().await.unwrap()[0].children[0].sent.packets
}

#[rstest]
#[case::strongswan_in_a_guest(Vendor::StrongSwan, DataPlane::Guest)]
#[case::strongswan_in_userspace(Vendor::StrongSwan, DataPlane::Userspace)]
#[case::libreswan_in_a_guest(Vendor::Libreswan, DataPlane::Guest)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_policies_traffic_goes_past_the_tunnel(
    #[case] vendor: Vendor,
    #[case] plane: DataPlane,
) {
    let wanted = [Image::StrongSwan, vendor.image()];
    let Some(lane) = lane("without_policies", &wanted, false).await else { return };
    let other = PeerSpec {
        seat: Seat::Front(1),
        ..PeerSpec::new(Vendor::StrongSwan, DataPlane::Userspace)
    };
    let tested = PeerSpec::new(vendor, plane);
    let (a, b) = tokio::try_join!(start(&lane, &tested), start(&lane, &other)).unwrap();
    let (for_a, for_b) = pair(a.about().address, b.about().address);
    a.configure(&for_a).await.unwrap();
    b.configure(&for_b).await.unwrap();
    assert_eq!(a.initiate("lane", "net", SOON).await.unwrap(), Initiated::Up);
    settled(b.as_ref()).await;
    assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());

    let before = sent(a.as_ref()).await;
    a.remove_policies().await.unwrap();
    let report = a.ping(&ping(1, 2)).await.unwrap();
    // It was sent, not refused locally, and not through the tunnel.
    assert_eq!((report.sent, report.received, report.errors), (3, 0, 0));
    assert_eq!(sent(a.as_ref()).await, before);

    a.reset().await.unwrap();
    assert!(a.left_over().await.unwrap().is_empty());
    tokio::try_join!(a.close(), b.close()).unwrap();
    lane.close().await.unwrap();
}
