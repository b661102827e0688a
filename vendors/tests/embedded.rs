//! The embedded peer against itself, on a network in memory and with a paused clock.

#[path = "support/config.rs"]
mod config;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use config::{SOON, pair, ping};
use ikeproof_driver::hub::Hub;
use ikeproof_vendors::{
    embedded::{Embedded, EmbeddedSpec},
    peer::{
        ChildProposal, Daemon, DataPlane, Encr, Esn, Group, Identity, IkeProposal, Initiated,
        Integ, Peer, PeerConfig, Ping, Psk, Start, Target, Tcp,
    },
};
use rstest::rstest;

const A: [u8; 4] = [192, 0, 2, 1];
const B: [u8; 4] = [192, 0, 2, 2];
const ROUTER: [u8; 4] = [192, 0, 2, 9];

fn peer(hub: &Hub, address: [u8; 4], inside_nat: bool) -> Box<dyn Peer> {
    let address: IpAddr = address.into();
    Embedded::start(EmbeddedSpec { hub: hub.clone(), address, inside_nat, seed: [7; 32] })
}

/// Two peers that are configured for each other, with `change` made to both configurations.
async fn two(change: impl Fn(&mut PeerConfig)) -> (Hub, Box<dyn Peer>, Box<dyn Peer>) {
    let hub = Hub::new();
    let (a, b) = (peer(&hub, A, false), peer(&hub, B, false));
    let (mut for_a, mut for_b) = pair(a.about().address, b.about().address);
    change(&mut for_a);
    change(&mut for_b);
    a.configure(&for_a).await.unwrap();
    b.configure(&for_b).await.unwrap();
    (hub, a, b)
}

async fn initiate(peer: &dyn Peer) -> Initiated {
    peer.initiate("lane", "net", SOON).await.unwrap()
}

fn ike() -> Target {
    Target::Ike(String::from("lane"))
}

#[tokio::test(start_paused = true)]
async fn two_peers_make_a_tunnel() {
    let (_hub, a, b) = two(|_| ()).await;
    assert_eq!(a.ping(&ping(1, 2)).await.unwrap().received, 0, "nothing passes before");

    assert_eq!(initiate(&*a).await, Initiated::Up, "{}", a.log().await.unwrap());
    let (at_a, at_b) = (a.sas().await.unwrap(), b.sas().await.unwrap());
    let (ike_a, ike_b) = (&at_a[0], &at_b[0]);
    assert!(ike_a.established && ike_b.established && ike_a.initiator && !ike_b.initiator);
    assert_eq!((ike_a.connection.as_str(), ike_b.connection.as_str()), ("lane", "lane"));
    assert_eq!((ike_a.spi_i, ike_a.spi_r), (ike_b.spi_i, ike_b.spi_r));
    assert_eq!((&ike_a.local_id, &ike_a.remote_id), (&ike_b.remote_id, &ike_b.local_id));
    assert_eq!(ike_a.algorithms, ike_b.algorithms);
    assert_eq!(ike_a.algorithms["group"], "modp2048");
    let (child_a, child_b) = (&ike_a.children[0], &ike_b.children[0]);
    assert_eq!((child_a.name.as_str(), child_b.name.as_str()), ("net", "net"));
    assert_eq!((child_a.spi_in, child_a.spi_out), (child_b.spi_out, child_b.spi_in));
    assert_eq!((&child_a.local, &child_a.remote), (&child_b.remote, &child_b.local));
    assert!(child_a.installed && !child_a.encap);

    let (forth, back) = (ping(1, 2), ping(2, 1));
    let (forth, back) = tokio::try_join!(a.ping(&forth), b.ping(&back)).unwrap();
    assert!(forth.all_answered() && back.all_answered(), "{forth:?} {back:?}");
    for peer in [&a, &b] {
        let child = &peer.sas().await.unwrap()[0].children[0];
        assert_eq!((child.sent.packets, child.received.packets), (6, 6));
        assert_eq!(peer.counters().await.unwrap()["esp-in-packets"], 6);
    }

    a.terminate(&ike()).await.unwrap();
    for peer in [&a, &b] {
        assert!(peer.sas().await.unwrap().is_empty());
        let reset = peer.reset().await.unwrap();
        assert!(reset.left_over.is_empty() && !reset.restarted, "{:?}", reset.left_over);
        assert!(peer.left_over().await.unwrap().is_empty());
    }
    tokio::try_join!(a.close(), b.close()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn octets_go_both_ways_and_are_counted() {
    both_ways().await;
}

/// With a clock that runs and nodes that really are side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn octets_go_both_ways_between_threads() {
    both_ways().await;
}

async fn both_ways() {
    let (_hub, a, b) = two(|_| ()).await;
    // The listener is there before the tunnel is.
    let listen = Tcp {
        local: Some([10, 2, 0, 1].into()),
        remote: "10.2.0.1:7777".parse().unwrap(),
        send: 1000,
        receive: 100_000,
        within: SOON,
    };
    let listening = b.listen(&listen).await.unwrap();
    assert_eq!(listening.local, listen.remote);
    assert_eq!(initiate(&*a).await, Initiated::Up);
    let connect = Tcp { local: Some([10, 1, 0, 1].into()), send: 100_000, receive: 1000, ..listen };
    let (sent, received) = tokio::try_join!(a.tcp(&connect), listening.report).unwrap();
    assert!(sent.connected && sent.received == 1000 && sent.complaint.is_empty(), "{sent:?}");
    assert!(received.connected && received.received == 100_000, "{received:?}");

    // The listener took one connection only; and the other way round.
    let refused = a.tcp(&connect).await.unwrap();
    assert!(!refused.connected && refused.complaint.contains("refused"), "{refused:?}");
    let listen = Tcp { local: None, remote: "10.1.0.1:80".parse().unwrap(), send: 0, ..listen };
    let listening = a.listen(&listen).await.unwrap();
    let connect = Tcp { local: None, send: 100_000, receive: 0, ..listen };
    let (sent, received) = tokio::try_join!(b.tcp(&connect), listening.report).unwrap();
    assert!(sent.connected && received.received == 100_000, "{sent:?} {received:?}");

    let listen = Tcp { within: Duration::from_millis(200), ..listen };
    let nobody = b.listen(&listen).await.unwrap().report.await.unwrap();
    assert!(!nobody.connected && nobody.complaint.contains("nobody"), "{nobody:?}");
}

#[rstest]
#[case::by_the_initiator(true, ike())]
#[case::by_the_responder(false, ike())]
#[case::a_child_by_the_initiator(true, Target::Child("lane".to_owned(), "net".to_owned()))]
#[case::a_child_by_the_responder(false, Target::Child("lane".to_owned(), "net".to_owned()))]
#[tokio::test(start_paused = true)]
async fn either_side_can_end_it(#[case] by_initiator: bool, #[case] target: Target) {
    let (_hub, a, b) = two(|_| ()).await;
    assert_eq!(initiate(&*a).await, Initiated::Up);
    let by = if by_initiator { &a } else { &b };
    by.terminate(&target).await.unwrap();
    let ike_sas = usize::from(matches!(target, Target::Child(..)));
    for peer in [&a, &b] {
        let sas = peer.sas().await.unwrap();
        assert_eq!(sas.len(), ike_sas);
        assert!(sas.iter().all(|sa| sa.children.is_empty()));
    }
    assert_eq!(a.ping(&ping(1, 2)).await.unwrap().received, 0);
    assert!(by.terminate(&target).await.is_err(), "there is nothing left to end");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_fails_in_the_peers_words() {
    let (_hub, a, b) = two(|_| ()).await;
    let (mut for_a, _) = pair(a.about().address, b.about().address);
    for_a.connections[0].psk = Psk::new("another key");
    a.configure(&for_a).await.unwrap();
    let Initiated::Failed(why) = initiate(&*a).await else { panic!("it cannot come up") };
    assert!(why.contains("AUTHENTICATION_FAILED"), "{why}");
    assert!(a.sas().await.unwrap().is_empty() && b.sas().await.unwrap().is_empty());
    let log = b.log().await.unwrap();
    assert!(log.contains("authentication_failed") && !log.contains("key for the lab"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_configured_is_refused() {
    let (_hub, a, b) = two(|_| ()).await;
    let (mut for_a, _) = pair(a.about().address, b.about().address);
    for_a.connections[0].ike[0].encr = vec![Encr::TripleDes, Encr::Des];
    a.configure(&for_a).await.unwrap();
    let Initiated::Failed(why) = initiate(&*a).await else { panic!("it cannot come up") };
    assert!(why.contains("NO_PROPOSAL_CHOSEN"), "{why}");

    for_a.connections[0].ike[0].encr = vec![Encr::AesCbc(256)];
    for_a.connections[0].children[0].proposals[0].encr = vec![Encr::AesGcm(256, 16)];
    a.configure(&for_a).await.unwrap();
    let Initiated::Failed(why) = initiate(&*a).await else { panic!("it cannot come up") };
    assert!(why.contains("child SA with NO_PROPOSAL_CHOSEN"), "{why}");
    let sas = a.sas().await.unwrap();
    assert!(sas[0].established && sas[0].children.is_empty(), "the IKE SA stays");

    b.restart().await.unwrap();
    a.configure(&for_a).await.unwrap();
    let Initiated::Failed(why) = initiate(&*a).await else { panic!("nobody is known there") };
    assert!(why.contains("NO_PROPOSAL_CHOSEN"), "{why}");
}

/// Who was refused without proof goes on trying (RFC 7296 §2.21.1), until told.
#[tokio::test(start_paused = true)]
async fn a_refused_attempt_that_goes_on_can_be_ended() {
    let (_hub, a, b) = two(|_| ()).await;
    let (mut for_a, _) = pair(a.about().address, b.about().address);
    for_a.connections[0].ike[0].encr = vec![Encr::TripleDes, Encr::Des];
    a.configure(&for_a).await.unwrap();
    let outcome = a.initiate("lane", "net", Duration::from_secs(1)).await.unwrap();
    assert_eq!(outcome, Initiated::StillTrying);
    let log = a.log().await.unwrap();
    assert_eq!(log.matches("peer_refused").count(), 1, "it is known already: {log}");
    assert!(!a.sas().await.unwrap()[0].established);
    a.terminate(&ike()).await.unwrap();
    assert!(a.sas().await.unwrap().is_empty());
    let reset = a.reset().await.unwrap();
    assert!(reset.left_over.is_empty() && !reset.restarted, "{:?}", reset.left_over);
}

#[rstest]
#[case::esn_or_not(Esn::Either, true)]
#[case::esn_only(Esn::Yes, false)]
#[tokio::test(start_paused = true)]
async fn extended_sequence_numbers_can_be_offered(#[case] esn: Esn, #[case] up: bool) {
    let (_hub, a, b) = two(|config| config.connections[0].children[0].proposals[0].esn = esn).await;
    let outcome = initiate(&*a).await;
    assert_eq!(outcome == Initiated::Up, up, "{outcome:?}");
    if up {
        assert_eq!(b.sas().await.unwrap()[0].children[0].algorithms["esn"], "noesn");
        assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());
    }
}

#[rstest]
#[case(Encr::TripleDes, Integ::Md5, 2, Encr::Null, Some(Integ::Md5))]
#[case(Encr::AesCbc(128), Integ::Sha1, 5, Encr::TripleDes, Some(Integ::Sha1))]
#[case(Encr::AesCbc(256), Integ::Sha512, 21, Encr::ChaCha20Poly1305, None)]
#[tokio::test(start_paused = true)]
async fn old_and_new_algorithms_carry_traffic(
    #[case] encr: Encr,
    #[case] integ: Integ,
    #[case] group: u16,
    #[case] esp: Encr,
    #[case] esp_integ: Option<Integ>,
) {
    let (_hub, a, _b) = two(|config| {
        let connection = &mut config.connections[0];
        let (encr, integ, groups) = (vec![encr], vec![integ], vec![Group(group)]);
        connection.ike = vec![IkeProposal { encr, integ, prf: vec![], groups }];
        let integ = esp_integ.into_iter().collect();
        connection.children[0].proposals =
            vec![ChildProposal { encr: vec![esp], integ, ..Default::default() }];
    })
    .await;
    assert_eq!(initiate(&*a).await, Initiated::Up, "{}", a.log().await.unwrap());
    assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());
}

#[tokio::test(start_paused = true)]
async fn behind_nat_esp_goes_over_udp_and_the_mapping_is_kept() {
    let hub = Hub::new();
    hub.set_router(ROUTER.into());
    let ports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&ports);
    hub.set_tap(Some(Box::new(move |datagram| seen.lock().unwrap().push(datagram.local))));
    let (a, b) = (peer(&hub, [10, 0, 0, 5], true), peer(&hub, B, false));
    let (for_a, mut for_b) = pair(a.about().address, b.about().address);
    let remote = &mut for_b.connections[0].remote;
    remote.identity = remote.address.take().map(Identity::Ip);
    a.configure(&for_a).await.unwrap();
    b.configure(&for_b).await.unwrap();
    assert_eq!(initiate(&*a).await, Initiated::Up, "{}", a.log().await.unwrap());
    let (at_a, at_b) = (a.sas().await.unwrap(), b.sas().await.unwrap());
    assert!(at_a[0].nat.local && !at_a[0].nat.remote && at_b[0].nat.remote);
    assert!(at_a[0].children[0].encap && at_b[0].children[0].encap);
    let remote = at_b[0].remote.unwrap();
    assert_eq!(remote.ip(), IpAddr::from(ROUTER));
    assert!(ports.lock().unwrap().contains(&remote), "the router has rewritten the port");
    let (forth, back) = (ping(1, 2), ping(2, 1));
    let (forth, back) = tokio::try_join!(a.ping(&forth), b.ping(&back)).unwrap();
    assert!(forth.all_answered() && back.all_answered());

    tokio::time::sleep(Duration::from_secs(65)).await;
    let log = b.log().await.unwrap();
    assert!(log.matches("keepalive_received").count() >= 2, "{log}");
    let at_a = a.log().await.unwrap();
    assert!(!at_a.contains("keepalive_received"), "only who is behind the NAT sends them");
}

#[rstest]
#[case::forced_encapsulation(true, None, true)]
#[case::started_on_4500(false, Some(4500), false)]
#[tokio::test(start_paused = true)]
async fn ports_and_encapsulation_are_as_configured(
    #[case] force_encap: bool,
    #[case] port: Option<u16>,
    #[case] encap: bool,
) {
    let (_hub, a, b) = two(|config| {
        config.connections[0].force_encap = force_encap;
        config.connections[0].local.port = port;
    })
    .await;
    assert_eq!(initiate(&*a).await, Initiated::Up, "{}", a.log().await.unwrap());
    for peer in [&a, &b] {
        let sa = &peer.sas().await.unwrap()[0];
        assert_eq!(sa.local.unwrap().port(), 4500);
        assert_eq!(sa.children[0].encap, encap);
    }
    assert!(b.ping(&ping(2, 1)).await.unwrap().all_answered());
}

#[tokio::test(start_paused = true)]
async fn without_policies_traffic_leaves_in_clear() {
    let (hub, a, b) = two(|_| ()).await;
    let packets = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&packets);
    hub.set_clear_tap(Some(Box::new(move |packet| seen.lock().unwrap().push(packet.to_vec()))));
    assert_eq!(initiate(&*a).await, Initiated::Up);
    assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());
    assert!(packets.lock().unwrap().is_empty(), "nothing in clear with policies");

    a.remove_policies().await.unwrap();
    assert_eq!(a.ping(&ping(1, 2)).await.unwrap().received, 0);
    let clear = packets.lock().unwrap().clone();
    assert_eq!(clear.len(), 3);
    assert_eq!(clear[0][12..20], [10, 1, 0, 1, 10, 2, 0, 1]);
    assert_eq!(b.sas().await.unwrap()[0].children[0].received.packets, 3, "only those before");
    assert!(!a.sas().await.unwrap()[0].children.is_empty(), "the SA stays");
    assert!(a.left_over().await.unwrap().iter().any(|one| one.section == "policies"));

    let (for_a, _) = pair(a.about().address, b.about().address);
    a.configure(&for_a).await.unwrap();
    assert_eq!(initiate(&*a).await, Initiated::Up);
    assert!(a.ping(&ping(1, 2)).await.unwrap().all_answered());
    assert_eq!(packets.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_large_ping_with_df_is_told_the_hosts_own_mtu() {
    let (_hub, a, _b) = two(|_| ()).await;
    assert_eq!(initiate(&*a).await, Initiated::Up);
    let large = Ping { size: 1472, dont_fragment: true, ..ping(1, 2) };
    assert!(a.ping(&large).await.unwrap().all_answered(), "its own router clamps nothing");
    let larger = a.ping(&Ping { size: 1473, ..large.clone() }).await.unwrap();
    assert_eq!((larger.received, larger.mtu), (0, Some(1500)));
    let fragmented = Ping { size: 3000, dont_fragment: false, ..large.clone() };
    assert!(a.ping(&fragmented).await.unwrap().all_answered());
    assert!(a.ping(&Ping { source: Some([10, 9, 9, 9].into()), ..large }).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_killed_peer_says_nothing_and_knows_nobody_afterwards() {
    let (_hub, a, b) = two(|_| ()).await;
    assert_eq!(initiate(&*a).await, Initiated::Up);
    b.kill().await.unwrap();
    assert!(b.sas().await.is_err() && b.ping(&ping(2, 1)).await.is_err());
    assert!(!b.log().await.unwrap().is_empty());
    assert_eq!(a.sas().await.unwrap().len(), 1, "no delete was sent");
    assert_eq!(a.ping(&ping(1, 2)).await.unwrap().received, 0);
    assert!(b.left_over().await.is_err() && b.state().await.is_err());
    b.restart().await.unwrap();
    assert!(b.sas().await.unwrap().is_empty() && b.left_over().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reset_ends_what_is_up_and_tells_the_other_side() {
    let (_hub, a, b) = two(|_| ()).await;
    assert_eq!(initiate(&*a).await, Initiated::Up);
    let state = a.state().await.unwrap();
    assert_eq!(state.0["data-plane"].len(), 2);
    let reset = a.reset().await.unwrap();
    assert!(reset.left_over.is_empty(), "{:?}", reset.left_over);
    assert!(a.left_over().await.unwrap().is_empty());
    assert!(b.sas().await.unwrap().is_empty());
    // With nobody to answer the delete, the SA is forgotten.
    let (for_a, _) = pair(a.about().address, b.about().address);
    a.configure(&for_a).await.unwrap();
    assert_eq!(initiate(&*a).await, Initiated::Up);
    b.kill().await.unwrap();
    let reset = a.reset().await.unwrap();
    assert!(reset.left_over.is_empty(), "{:?}", reset.left_over);
}

#[tokio::test(start_paused = true)]
async fn nobody_there_is_still_trying_and_then_given_up() {
    let (_hub, a, b) = two(|config| {
        config.daemon = Daemon {
            retransmit_timeout: Some(Duration::from_secs(1)),
            retransmit_tries: Some(2),
            ..Daemon::default()
        };
    })
    .await;
    b.kill().await.unwrap();
    let outcome = a.initiate("lane", "net", Duration::from_secs(1)).await.unwrap();
    assert_eq!(outcome, Initiated::StillTrying);
    assert!(!a.sas().await.unwrap()[0].established);
    let Initiated::Failed(why) = initiate(&*a).await else { panic!("nobody is there") };
    assert!(why.contains("does not answer"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_child_can_start_by_itself_and_what_the_core_lacks_is_unsupported() {
    let (_hub, a, b) = two(|_| ()).await;
    let (mut for_a, _) = pair(a.about().address, b.about().address);
    for_a.connections[0].children[0].start = Start::Initiate;
    let configured = a.configure(&for_a).await.unwrap();
    assert!(configured.rendered.iter().any(|(_, text)| text.contains("ENCR_AES_CBC(256)")));
    assert!(configured.rendered.iter().all(|(_, text)| !text.contains("key for the lab")));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(b.sas().await.unwrap()[0].children.len(), 1);

    assert_eq!(a.about().data_plane, DataPlane::Embedded);
    let unsupported = |error: ikeproof_vendors::Error| {
        assert!(matches!(error, ikeproof_vendors::Error::Unsupported(_)), "{error}");
    };
    unsupported(a.rekey(&ike()).await.unwrap_err());
    unsupported(a.shell("true", SOON).await.unwrap_err());
    unsupported(a.initiate("lane", "net", SOON).await.unwrap_err());
    for_a.connections[0].mobike = Some(true);
    unsupported(a.configure(&for_a).await.unwrap_err());
    for_a.connections[0].mobike = None;
    for_a.connections[0].ike[0].groups = vec![Group(22)];
    for_a.connections[0].children[0].start = Start::Wait;
    a.configure(&for_a).await.unwrap();
    unsupported(a.initiate("lane", "net", SOON).await.unwrap_err());
}
