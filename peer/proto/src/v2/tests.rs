//! The exchanges of IKEv2, end to end between two edges under a virtual clock.

use core::time::Duration;

use rstest::rstest;

use crate::edge::EdgeInput;
use crate::event::{CloseReason, DropReason, Event};
use crate::fault::{Change, Fault};
use crate::io::{Command, IkeHandle};
use crate::sa::TunnelId;
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::wire::{ExchangeType, NotifyType, PayloadType};

pub(crate) mod ipv6;
mod sweep;

fn pair() -> Pair {
    Pair::new(endpoint_config(), endpoint_config())
}

fn connected(ike: &str, child: &str) -> Pair {
    let mut pair = pair();
    pair.command(Side::Initiator, Command::Initiate(Box::new(connection(ike, child))));
    pair
}

fn established(events: &[Event]) -> (bool, bool) {
    (
        events.iter().any(|event| matches!(event, Event::IkeEstablished(_))),
        events.iter().any(|event| matches!(event, Event::ChildEstablished(_))),
    )
}

#[rstest]
#[case("aes256-sha256-ecp256", "aes256gcm16")]
#[case("aes128-sha1-modp1024", "aes128-sha1")]
#[case("aes192-sha512-modp2048", "null-md5")]
#[case("3des-sha1-modp1024", "aes256-sha512")]
#[case("aes256-sha384-ecp384", "aes192-sha384")]
#[case("aes256gcm16-prfsha256-ecp521", "aes192gcm16")]
#[case("aes128gcm16-prfsha512-curve25519", "aes128-md5")]
#[case("aes256-sha256-ecp256", "ah:sha384")]
fn two_ends_agree_on(#[case] ike: &str, #[case] child: &str) {
    // --> IKE_SA_INIT, <-- IKE_SA_INIT, --> IKE_AUTH, <-- IKE_AUTH
    let pair = connected(ike, child);
    assert_eq!(pair.sent.len(), 4, "{:#?}", (&pair.initiator.events, &pair.responder.events));
    assert_eq!(established(&pair.initiator.events), (true, true), "{:#?}", pair.initiator.events);
    assert_eq!(established(&pair.responder.events), (true, true), "{:#?}", pair.responder.events);
    let spis = |event: &Event| match event {
        Event::ChildEstablished(child) => Some((child.spi_in, child.spi_out, child.suite)),
        _ => None,
    };
    let (in_i, out_i, suite_i) = pair.initiator.find(spis).unwrap();
    let (in_r, out_r, suite_r) = pair.responder.find(spis).unwrap();
    assert_eq!((in_i, out_i, suite_i), (out_r, in_r, suite_r));
    assert_eq!(suite_i.to_string(), child);
}

/// An ICMP echo request between two inner addresses.
pub(crate) fn echo(source: [u8; 4], destination: [u8; 4], len: usize) -> Vec<u8> {
    let builder =
        etherparse::PacketBuilder::ipv4(source, destination, 64).icmpv4_echo_request(7, 1);
    let mut packet = Vec::new();
    builder.write(&mut packet, &vec![0xa5; len]).unwrap();
    packet
}

#[rstest]
#[case("aes256gcm16")]
#[case("aes128-sha1")]
#[case("aes192-sha256")]
#[case("null-md5")]
#[case("aes256-sha512")]
#[case("ah:md5")]
#[case("ah:sha256")]
fn traffic_passes_both_ways(#[case] child: &str) {
    let mut pair = connected("aes256-sha256-ecp256", child);
    let forth = echo([10, 0, 1, 1], [10, 0, 2, 1], 100);
    let back = echo([10, 0, 2, 1], [10, 0, 1, 1], 1000);
    for (side, packet) in [(Side::Initiator, &forth), (Side::Responder, &back)] {
        pair.handle(side, EdgeInput::Inner { tunnel: TunnelId(1), packet });
        pair.deliver();
    }
    assert_eq!(pair.responder.inner, vec![(TunnelId(1), forth.clone())]);
    assert_eq!(pair.initiator.inner, vec![(TunnelId(1), back)]);
    let in_clear = pair.sent.iter().any(|(_, flight)| match flight {
        Flight::Udp(_, bytes) | Flight::Raw(_, bytes) => {
            bytes.windows(40).any(|window| window == &forth[20..60])
        }
    });
    // The control of the line above: NULL encryption and AH hide nothing.
    assert_eq!(in_clear, child.starts_with("null") || child.starts_with("ah"));
}

#[test]
fn what_no_selector_allows_is_not_sent() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    let sent = pair.sent.len();
    let packet = echo([10, 9, 9, 9], [10, 0, 2, 1], 100);
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    assert_eq!(pair.sent.len(), sent);
    assert!(pair.initiator.events.iter().any(|e| matches!(e, Event::TrafficDropped { .. })));
}

#[test]
fn forced_encapsulation_puts_esp_into_udp_on_4500() {
    let mut pair = pair();
    let mut offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    offer.force_encapsulation = true;
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let packet = echo([10, 0, 1, 1], [10, 0, 2, 1], 100);
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    pair.deliver();
    let Flight::Udp(path, _) = &pair.sent.last().unwrap().1 else { panic!("not in UDP") };
    assert_eq!((path.local.port(), path.remote.port()), (4500, 4500));
    assert_eq!(pair.responder.inner.len(), 1);
    // Who believes to be behind a NAT keeps it open.
    pair.advance(Duration::from_secs(41));
    let alive = |e: &&Event| matches!(e, Event::KeepaliveReceived { .. });
    assert_eq!(pair.responder.events.iter().filter(alive).count(), 2);
}

#[test]
fn on_demand_a_peer_is_probed_only_with_traffic_that_finds_no_answer() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    let probed =
        |pair: &Pair| pair.responder.events.iter().any(|e| matches!(e, Event::ProbeSent { .. }));
    pair.advance(Duration::from_secs(200));
    assert!(!probed(&pair), "nothing to send, so nothing to ask for");
    let packet = echo([10, 0, 2, 1], [10, 0, 1, 1], 100);
    pair.handle(Side::Responder, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    pair.deliver();
    pair.advance(Duration::from_secs(21));
    assert!(probed(&pair));
}

#[test]
fn skipped_time_fires_the_timers_of_one_sa() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    pair.advance(Duration::from_millis(1));
    let packet = echo([10, 0, 2, 1], [10, 0, 1, 1], 100);
    pair.handle(Side::Responder, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    pair.intercept();
    // 20 s of silence, then five probes 20 s apart: dead after 120 s, and not a second before.
    for _ in 0..119 {
        let by = Duration::from_secs(1);
        pair.handle(
            Side::Responder,
            EdgeInput::Command(Command::SkipTime { ike: IkeHandle(1), by }),
        );
        pair.handle(Side::Responder, EdgeInput::Timeout);
        pair.intercept();
    }
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
    let by = Duration::from_secs(2);
    pair.handle(Side::Responder, EdgeInput::Command(Command::SkipTime { ike: IkeHandle(1), by }));
    pair.handle(Side::Responder, EdgeInput::Timeout);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
}

#[test]
fn a_wrong_secret_is_refused() {
    let mut pair = pair();
    let mut wrong = connection("aes256-sha256-ecp256", "aes256gcm16");
    wrong.psk = crate::crypto::SecretBytes::from_slice(b"another");
    pair.command(Side::Initiator, Command::Initiate(Box::new(wrong)));
    assert!(pair.responder.events.iter().any(|e| matches!(e, Event::AuthenticationFailed { .. })));
    let closed = pair.initiator.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(closed, Some(CloseReason::AuthenticationFailed));
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
    assert_eq!(pair.initiator.edge.endpoint().ike_sas(), 0);
}

#[test]
fn a_cookie_is_demanded_and_brought() {
    let mut responder = endpoint_config();
    responder.profile.limits.cookie_threshold = 0;
    let mut pair = Pair::new(endpoint_config(), responder);
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.initiator.events), (true, true));
    assert!(pair.responder.events.iter().any(|e| matches!(e, Event::CookieAccepted { .. })));
    assert_eq!(pair.sent.len(), 6);
}

#[test]
fn a_refused_group_is_replaced_by_the_wanted_one() {
    let mut responder = endpoint_config();
    responder.profile.ike.groups.accept = vec![crate::crypto::suite::Group::Ecp384];
    let mut pair = Pair::new(endpoint_config(), responder);
    let offer = connection("aes256-sha256-ecp256-ecp384", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.initiator.events), (true, true), "{:#?}", pair.initiator.events);
    let repeated = pair.initiator.find(|event| match event {
        Event::InitRepeated { because, .. } => Some(*because),
        _ => None,
    });
    assert_eq!(repeated, Some(NotifyType::INVALID_KE_PAYLOAD));
}

#[rstest]
#[case(Side::Initiator)]
#[case(Side::Responder)]
fn either_side_deletes(#[case] side: Side) {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(side, Command::DeleteIke { ike: IkeHandle(1) });
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().ike_sas(), 0);
        assert!(node.events.iter().any(|e| matches!(e, Event::ChildClosed { .. })));
        assert!(node.events.iter().any(|e| matches!(e, Event::IkeClosed { .. })));
    }
}

#[rstest]
#[case(Side::Initiator)]
#[case(Side::Responder)]
fn either_side_deletes_a_child(#[case] side: Side) {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    let spi = pair.node(side).find(|event| match event {
        Event::ChildEstablished(child) => Some(child.spi_in),
        _ => None,
    });
    pair.command(side, Command::DeleteChild { ike: IkeHandle(1), spi: spi.unwrap() });
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().ike_sas(), 1);
        assert!(node.events.iter().any(|e| matches!(e, Event::ChildClosed { .. })));
    }
}

#[test]
fn a_probe_is_answered() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(Side::Responder, Command::Probe { ike: IkeHandle(1) });
    assert!(pair.responder.events.iter().any(|e| matches!(e, Event::ProbeAnswered { .. })));
}

#[test]
fn a_silent_peer_is_dead_after_five_probes() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    pair.handle(Side::Responder, EdgeInput::Command(Command::Probe { ike: IkeHandle(1) }));
    pair.intercept();
    pair.advance_in_silence(Duration::from_secs(99));
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
    pair.advance_in_silence(Duration::from_secs(2));
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
    let closed = pair.responder.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    });
    assert_eq!(closed, Some(CloseReason::DeadPeer));
}

#[test]
fn lost_requests_are_repeated_bit_by_bit() {
    let mut pair = pair();
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let first = pair.intercept();
    pair.advance(Duration::from_secs(1));
    assert_eq!(established(&pair.initiator.events), (true, true));
    assert_eq!(pair.sent.iter().filter(|(_, flight)| *flight == first[0].1).count(), 2);
}

#[test]
fn a_repeated_request_gets_the_same_answer() {
    let mut pair = pair();
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let sent = pair.sent.clone();
    // Both requests again, late.
    for at in [0, 2] {
        pair.arrive(sent[at].0, &sent[at].1);
        let again = pair.intercept();
        assert_eq!(again, vec![sent[at + 1].clone()]);
    }
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
}

#[test]
fn a_half_open_sa_is_given_up() {
    let mut pair = pair();
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let init = pair.intercept();
    pair.arrive(Side::Initiator, &init[0].1);
    pair.intercept();
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
    pair.advance_in_silence(Duration::from_secs(31));
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
}

#[test]
fn every_flipped_octet_of_ike_auth_is_dropped_and_the_true_message_still_works() {
    let mut pair = pair();
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let init = pair.intercept();
    pair.arrive(Side::Initiator, &init[0].1);
    let answer = pair.intercept();
    pair.arrive(Side::Responder, &answer[0].1);
    let auth = pair.intercept();
    let Flight::Udp(path, bytes) = &auth[0].1 else { panic!("not UDP") };
    for at in 28..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 1;
        pair.arrive(Side::Initiator, &Flight::Udp(*path, wrong));
        assert!(pair.intercept().is_empty(), "octet {at}");
    }
    let dropped =
        pair.responder.events.iter().filter(|event| {
            matches!(event, Event::PacketDropped { reason: DropReason::BadIcv, .. })
        });
    assert!(dropped.count() > bytes.len() - 40);
    pair.arrive(Side::Initiator, &auth[0].1);
    assert_eq!(established(&pair.responder.events), (true, true));
}

#[test]
fn a_fault_of_the_first_copy_is_repaired_by_repetition() {
    let mut responder = endpoint_config();
    let change = Change::FlipWire { at: -1, mask: 1 };
    let exchange = ExchangeType::IKE_AUTH;
    responder.faults = vec![Fault { exchange, response: true, nth: None, copies: Some(1), change }];
    let mut pair = Pair::new(endpoint_config(), responder);
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    // <-- HDR, SK { … } with a wrong ICV
    assert_eq!(established(&pair.initiator.events), (false, false));
    let dropped =
        |event: &Event| matches!(event, Event::PacketDropped { reason: DropReason::BadIcv, .. });
    assert!(pair.initiator.events.iter().any(dropped));
    pair.advance(Duration::from_secs(1));
    assert_eq!(established(&pair.initiator.events), (true, true));
}

#[test]
fn a_fault_that_is_armed_changes_the_next_message_alone() {
    let mut pair = connected("aes256-sha256-ecp256", "aes256gcm16");
    let change = Change::AddPayload { payload: PayloadType(200), critical: true, body: vec![1] };
    let exchange = ExchangeType::INFORMATIONAL;
    let fault = Fault { exchange, response: false, nth: Some(0), copies: None, change };
    pair.command(Side::Responder, Command::Deviate(Box::new(fault)));
    for _ in 0..2 {
        pair.command(Side::Responder, Command::Probe { ike: IkeHandle(1) });
    }
    let is_applied = |event: &&Event| matches!(event, Event::FaultApplied { .. });
    assert_eq!(pair.responder.events.iter().filter(is_applied).count(), 1);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
}

#[rstest]
#[case(255, (true, false))]
#[case(256, (true, true))]
fn a_child_sa_with_a_reserved_spi_is_refused(#[case] spi: u32, #[case] expected: (bool, bool)) {
    let mut body = vec![0, 0, 0, 32, 1, 3, 4, 2];
    body.extend(spi.to_be_bytes());
    // AES-128-GCM-16 and no ESN.
    body.extend([3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128, 0, 0, 0, 8, 5, 0, 0, 0]);
    let mut initiator = endpoint_config();
    initiator.faults = vec![Fault {
        exchange: ExchangeType::IKE_AUTH,
        response: false,
        nth: None,
        copies: None,
        change: Change::ReplaceBody { payload: PayloadType::SA, body },
    }];
    let mut pair = Pair::new(initiator, endpoint_config());
    let offer = connection("aes256-sha256-ecp256", "aes128gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.responder.events), expected);
    let refused = pair.responder.find(|event| match event {
        Event::ChildRefused { notify, .. } => Some(*notify),
        _ => None,
    });
    assert_eq!(refused, (!expected.1).then_some(Some(NotifyType::INVALID_SYNTAX.into())));
}

#[rstest]
#[case::refused("refuse", (false, 0))]
#[case::negotiated("negotiate", (true, 1))]
fn ah_behind_a_nat_goes_by_the_reading_and_is_never_in_udp(
    #[case] r11: &str,
    #[case] expected: (bool, usize),
) {
    let mut responder = endpoint_config();
    responder.profile.readings.set("R11", r11).unwrap();
    let mut pair = Pair::new(endpoint_config(), responder);
    let mut offer = connection("aes256-sha256-ecp256", "ah:sha256");
    offer.force_encapsulation = true;
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let up = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.udp_encapsulated),
        _ => None,
    });
    assert_eq!(up, expected.0.then_some(false), "{:#?}", pair.responder.events);
    let packet = echo([10, 0, 1, 1], [10, 0, 2, 1], 100);
    let tunnel = TunnelId(1);
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet: &packet });
    let sent = pair.intercept();
    assert_eq!(sent.len(), expected.1);
    for (_, flight) in &sent {
        let Flight::Raw(51, packet) = flight else { panic!("it is in UDP: {flight:?}") };
        // As a NAT would: the sender is somebody else.
        let mut translated = packet.clone();
        translated[15] ^= 0x40;
        pair.arrive(Side::Initiator, &Flight::Raw(51, translated));
        assert_eq!(pair.responder.inner.len(), 0, "a black hole");
        pair.arrive(Side::Initiator, flight);
        assert_eq!(pair.responder.inner.len(), 1, "it was the address");
    }
}

#[test]
fn a_pair_of_ah_is_deleted_as_one_of_ah() {
    let mut pair = connected("aes256-sha256-ecp256", "ah:sha1");
    let spi = |event: &Event| match event {
        Event::ChildEstablished(child) => Some(child.spi_in),
        _ => None,
    };
    let spi = pair.initiator.find(spi).unwrap();
    pair.command(Side::Initiator, Command::DeleteChild { ike: IkeHandle(1), spi });
    for node in [&pair.initiator, &pair.responder] {
        let closed = |event: &Event| matches!(event, Event::ChildClosed { .. });
        assert!(node.events.iter().any(closed), "{:#?}", node.events);
        assert_eq!(node.edge.data_plane().inbound_sas(), 0);
    }
}

#[test]
fn what_the_data_plane_cannot_run_is_refused_and_not_granted() {
    let mut responder = endpoint_config();
    responder.profile.child.esn.accept = true;
    let mut pair = Pair::new(endpoint_config(), responder);
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16-esn");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.responder.events), (true, false));
    for node in [&pair.initiator, &pair.responder] {
        let refused = node.find(|event| match event {
            Event::ChildRefused { notify, .. } => Some(*notify),
            _ => None,
        });
        assert_eq!(
            refused,
            Some(Some(NotifyType::NO_PROPOSAL_CHOSEN.into())),
            "{:#?}",
            node.events
        );
        assert_eq!(node.edge.endpoint().footprint().child_spis, 0);
    }
}

/// What both ends say that they have agreed on: of the IKE SA and of the Child SA.
pub(crate) fn agreed(pair: &Pair) -> [Option<(String, String)>; 2] {
    [&pair.initiator, &pair.responder].map(|node| {
        let ike = node.find(|event| match event {
            Event::IkeEstablished(up) => Some(up.suite.to_string()),
            _ => None,
        });
        let child = node.find(|event| match event {
            Event::ChildEstablished(up) => Some(up.suite.to_string()),
            _ => None,
        });
        ike.zip(child)
    })
}
