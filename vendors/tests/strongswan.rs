//! The strongSwan driver against real charons, in the data planes this host can have.

mod support;

use ikeproof_vendors::{
    images::Image,
    lane::{Lane, Seat},
    peer::{DataPlane, Initiated, Target, Tcp},
    start::{PeerSpec, Vendor, start},
};
use rstest::rstest;
use support::{SOON, lane, pair, ping, settled};

async fn whole_story(lane: &Lane, a: PeerSpec, b: PeerSpec) {
    let (a, b) = tokio::try_join!(start(lane, &a), start(lane, &b)).unwrap();
    let (for_a, for_b) = pair(a.about().address, b.about().address);
    let configured = a.configure(&for_a).await.unwrap();
    assert!(configured.tuned.iter().any(|tuned| tuned.setting.contains("retransmit")));
    b.configure(&for_b).await.unwrap();

    // Nothing passes before the tunnel is up: the control of the pings below.
    assert_eq!(a.ping(&ping(1, 2)).await.unwrap().received, 0);

    assert_eq!(
        a.initiate("lane", "net", SOON).await.unwrap(),
        Initiated::Up,
        "{}",
        a.log().await.unwrap()
    );
    settled(b.as_ref()).await;
    let (at_a, at_b) = (a.sas().await.unwrap(), b.sas().await.unwrap());
    assert_eq!((at_a.len(), at_b.len()), (1, 1));
    let (ike_a, ike_b) = (&at_a[0], &at_b[0]);
    assert!(ike_a.established && ike_b.established && ike_a.initiator && !ike_b.initiator);
    assert_eq!((ike_a.spi_i, ike_a.spi_r), (ike_b.spi_i, ike_b.spi_r));
    assert_ne!(ike_a.spi_r, Some(0));
    let (child_a, child_b) = (&ike_a.children[0], &ike_b.children[0]);
    assert_eq!((child_a.spi_in, child_a.spi_out), (child_b.spi_out, child_b.spi_in));
    assert!(child_a.installed && child_a.algorithms["encr"].ends_with("gcm16"));
    let userspace = [&a, &b].iter().any(|peer| peer.about().data_plane == DataPlane::Userspace);
    assert_eq!(child_a.encap, userspace);

    let (forth, back) = (ping(1, 2), ping(2, 1));
    let (forth, back) = tokio::try_join!(a.ping(&forth), b.ping(&back)).unwrap();
    assert!(forth.all_answered() && back.all_answered(), "{forth:?} {back:?}");
    let counted = &a.sas().await.unwrap()[0].children[0];
    assert!(counted.sent.packets >= 6 && counted.received.packets >= 6, "{counted:?}");

    let listen = Tcp {
        local: Some([10, 2, 0, 1].into()),
        remote: "10.2.0.1:7777".parse().unwrap(),
        send: 1000,
        receive: 100_000,
        within: SOON,
    };
    let listening = b.listen(&listen).await.unwrap();
    let connect = Tcp { local: Some([10, 1, 0, 1].into()), send: 100_000, receive: 1000, ..listen };
    let sent = a.tcp(&connect).await.unwrap();
    let received = listening.report.await.unwrap();
    assert!(sent.connected && sent.received == 1000, "{sent:?}");
    assert!(received.connected && received.received == 100_000, "{received:?}");

    a.terminate(&Target::Ike(String::from("lane"))).await.unwrap();
    assert!(a.sas().await.unwrap().is_empty());
    for peer in [&a, &b] {
        let reset = peer.reset().await.unwrap();
        assert!(reset.left_over.is_empty(), "{:?}", reset.left_over);
        assert!(peer.left_over().await.unwrap().is_empty());
    }
    println!("{:?}", a.about());
    tokio::try_join!(a.close(), b.close()).unwrap();
}

#[rstest]
#[case::userspace(DataPlane::Userspace, DataPlane::Userspace)]
#[case::guest(DataPlane::Guest, DataPlane::Guest)]
#[case::mixed(DataPlane::Guest, DataPlane::Userspace)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_make_a_tunnel(#[case] a: DataPlane, #[case] b: DataPlane) {
    let Some(lane) = lane("two_peers_make_a_tunnel", &[Image::StrongSwan], false).await else {
        return;
    };
    let a = PeerSpec::new(Vendor::StrongSwan, a);
    let b = PeerSpec { seat: Seat::Front(1), ..PeerSpec::new(Vendor::StrongSwan, b) };
    whole_story(&lane, a, b).await;
    lane.close().await.unwrap();
}
