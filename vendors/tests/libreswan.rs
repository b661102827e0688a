//! strongSwan and libreswan in two guests of one lane, both ways, in both IKE versions.

mod support;

use ikeproof_vendors::{
    Error,
    images::Image,
    lane::Seat,
    peer::{DataPlane, Encr, Group, Initiated, Integ, Mode, Protocol, Target, Version},
    start::{PeerSpec, Vendor, start},
};
use rstest::rstest;
use support::{SOON, lane, pair, ping, settled};

#[rstest]
#[case::debian(Vendor::Libreswan)]
#[case::source(Vendor::LibreswanSrc)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_vendors_make_tunnels(#[case] vendor: Vendor) {
    let wanted = [Image::StrongSwan, vendor.image()];
    let Some(lane) = lane("two_vendors_make_tunnels", &wanted, false).await else { return };
    let swan = PeerSpec::new(Vendor::StrongSwan, DataPlane::Guest);
    let other = PeerSpec { seat: Seat::Front(1), ..PeerSpec::new(vendor, DataPlane::Guest) };
    let (swan, other) = tokio::try_join!(start(&lane, &swan), start(&lane, &other)).unwrap();
    println!("{:?}", other.about());

    for (version, other_begins, protocol) in [
        (Version::V2, true, Protocol::Esp),
        (Version::V2, false, Protocol::Ah),
        (Version::V1Main, true, Protocol::Esp),
        (Version::V1Main, false, Protocol::Esp),
    ] {
        let began_at = std::time::Instant::now();
        let case = format!("{version:?} {protocol:?}, libreswan begins: {other_begins}");
        let (mut a, mut b) = pair(swan.about().address, other.about().address);
        for config in [&mut a, &mut b] {
            let connection = &mut config.connections[0];
            connection.version = version;
            let proposal = &mut connection.children[0].proposals[0];
            if protocol == Protocol::Ah {
                proposal.encr.clear();
                proposal.integ = vec![Integ::Sha256];
                connection.children[0].protocol = protocol;
            } else if version == Version::V1Main {
                proposal.encr = vec![Encr::AesCbc(128)];
                proposal.integ = vec![Integ::Sha1];
                if vendor == Vendor::LibreswanSrc {
                    connection.ike[0].groups = vec![Group(2)];
                }
            }
        }
        swan.configure(&a).await.unwrap();
        other.configure(&b).await.unwrap();
        let began = if other_begins { &other } else { &swan };
        let result = began.initiate("lane", "net", SOON).await.unwrap();
        assert_eq!(result, Initiated::Up, "{case}: {}", other.log().await.unwrap());

        let responder = if other_begins { &swan } else { &other };
        settled(responder.as_ref()).await;
        let (forth, back) = (ping(1, 2), ping(2, 1));
        let (forth, back) = tokio::try_join!(swan.ping(&forth), other.ping(&back)).unwrap();
        assert!(forth.all_answered() && back.all_answered(), "{case}: {forth:?} {back:?}");

        let (at_a, at_b) = (swan.sas().await.unwrap(), other.sas().await.unwrap());
        assert_eq!((at_a.len(), at_b.len()), (1, 1), "{case}");
        let (ike_a, ike_b) = (&at_a[0], &at_b[0]);
        assert!(ike_b.established && ike_b.version == ike_a.version, "{case}: {ike_b:?}");
        assert_eq!(ike_b.initiator, other_begins, "{case}");
        assert_eq!(ike_a.initiator, !other_begins, "{case}");
        let (child_a, child_b) = (&ike_a.children[0], &ike_b.children[0]);
        assert_eq!((child_a.spi_in, child_a.spi_out), (child_b.spi_out, child_b.spi_in), "{case}");
        assert_eq!(
            (child_b.protocol, child_b.mode, child_b.encap),
            (protocol, Mode::Tunnel, false)
        );
        assert!(child_b.sent.packets >= 6 && child_b.received.packets >= 6, "{case}: {child_b:?}");
        assert!(
            !child_b.algorithms.is_empty() && !ike_b.algorithms.is_empty(),
            "{case}: {ike_b:?}"
        );

        began.terminate(&Target::Ike(String::from("lane"))).await.unwrap();
        assert!(other.sas().await.unwrap().is_empty(), "{case}");
        for peer in [&swan, &other] {
            let reset = peer.reset().await.unwrap();
            assert!(
                reset.left_over.is_empty(),
                "{case}: {}: {:?}",
                peer.about().name,
                reset.left_over
            );
        }
        println!("held: {case} in {:?}", began_at.elapsed());
    }
    tokio::try_join!(swan.close(), other.close()).unwrap();
    lane.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn group_2_in_debians_build_is_unsupported() {
    let Some(lane) = lane("group_2_in_debians_build", &[Image::Libreswan], false).await else {
        return;
    };
    let peer = start(&lane, &PeerSpec::new(Vendor::Libreswan, DataPlane::Guest)).await.unwrap();
    let (mut config, _) = pair(peer.about().address, lane.edge_address().into());
    config.connections[0].ike[0].groups = vec![Group(2)];
    let error = peer.configure(&config).await.unwrap_err();
    assert!(matches!(&error, Error::Unsupported(why) if why.what == "group 2"), "{error}");
}
