//! NAT traversal, between two edges of which one believes in a NAT (RFC 3947, RFC 3948).

use super::*;
use crate::io::{Channel, Path};
use crate::wire::v1::Message;

const IKE_SA: IkeHandle = IkeHandle(1);

/// An offer of an end that says to be behind a NAT, or does not.
fn natted(mode: Ikev1Mode, nat: bool) -> Connection {
    let mut offer = offer(mode, IKE, ESP);
    offer.force_encapsulation = nat;
    offer
}

fn behind_nat() -> Pair {
    let mut pair = pair();
    connect(&mut pair, natted(Ikev1Mode::Main, true));
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    pair
}

/// The ports of all that was sent over UDP, and the exchange if it is IKE.
fn ports(pair: &Pair) -> Vec<(Option<ExchangeType>, u16, u16)> {
    let udp = pair.sent.iter().filter_map(|(_, flight)| match flight {
        Flight::Udp(path, bytes) => Some((path, bytes)),
        Flight::Raw(..) => None,
    });
    udp.map(|(path, bytes)| {
        let from = if path.channel == Channel::Nat { 4 } else { 0 };
        let is_ike = from == 0 || bytes.starts_with(&[0; 4]);
        let exchange = is_ike.then(|| RawMessage::decode(&bytes[from..]).unwrap().header.exchange);
        (exchange, path.local.port(), path.remote.port())
    })
    .collect()
}

/// The same datagram on port 500, where there is no marker.
fn on_500(flight: &Flight) -> Flight {
    let Flight::Udp(Path { channel: Channel::Nat, mut local, mut remote }, bytes) = flight.clone()
    else {
        return flight.clone();
    };
    local.set_port(500);
    remote.set_port(500);
    let bytes = bytes.strip_prefix(&[0; 4]).unwrap_or(&bytes).to_vec();
    Flight::Udp(Path { channel: Channel::Ike, local, remote }, bytes)
}

/// The same message on port 4500.
fn on_4500(flight: &Flight) -> Flight {
    let Flight::Udp(Path { channel: Channel::Ike, mut local, mut remote }, bytes) = flight.clone()
    else {
        return flight.clone();
    };
    local.set_port(4500);
    remote.set_port(4500);
    let path = Path { channel: Channel::Nat, local, remote };
    Flight::Udp(path, [&[0; 4], bytes.as_slice()].concat())
}

#[rstest]
#[case::main(Ikev1Mode::Main, 4)]
#[case::aggressive(Ikev1Mode::Aggressive, 2)]
fn ports_change_with_the_first_message_after_discovery(
    #[case] mode: Ikev1Mode,
    #[case] before: usize,
) {
    for nat in [true, false] {
        let mut pair = pair();
        connect(&mut pair, natted(mode, nat));
        assert_eq!(traffic(&mut pair), 2);
        for (at, (_, local, remote)) in ports(&pair).into_iter().enumerate() {
            let expected = if nat && at >= before { 4500 } else { 500 };
            assert_eq!((local, remote), (expected, expected), "{nat} {at}");
        }
        let udp = ports(&pair).iter().filter(|(exchange, ..)| exchange.is_none()).count();
        assert_eq!(udp, if nat { 2 } else { 0 });
    }
}

#[rstest]
#[case(NatTraversal::All, &[20, 20])]
#[case(NatTraversal::Drafts, &[130, 130])]
#[case(NatTraversal::Off, &[])]
fn discovery_has_the_numbers_of_the_form_that_both_know(
    #[case] nat_traversal: NatTraversal,
    #[case] numbers: &[u8],
) {
    let mut pair = pair();
    let mut offer = natted(Ikev1Mode::Main, true);
    offer.ikev1 = Some(Ikev1Options { nat_traversal, ..Ikev1Options::default() });
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, true); 2]);
    // The third and the fourth message.
    for (_, flight) in &pair.sent[2..4] {
        let Flight::Udp(_, bytes) = flight else { panic!("no datagram") };
        let message = Message::decode(&RawMessage::decode(bytes).unwrap()).unwrap();
        let kinds = message.iter().map(|payload| payload.kind().0);
        assert_eq!(kinds.filter(|kind| matches!(kind, 20 | 130)).collect::<Vec<_>>(), numbers);
    }
}

fn keepalives(pair: &Pair) -> usize {
    let alive = |event: &&Event| matches!(event, Event::KeepaliveReceived { .. });
    pair.responder.events.iter().filter(alive).count()
}

#[test]
fn a_keepalive_is_sent_only_behind_a_nat_that_nothing_else_keeps_open() {
    let mut pair = behind_nat();
    let packet = echo([10, 0, 1, 1], [10, 0, 2, 1]);
    for _ in 0..12 {
        pair.advance(Duration::from_secs(5));
        let tunnel = TunnelId(1);
        pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet: &packet });
        pair.deliver();
    }
    assert_eq!(keepalives(&pair), 0);
    pair.advance(Duration::from_millis(19_999));
    assert_eq!(keepalives(&pair), 0, "20 s from the last ESP packet are not over");
    pair.command(Side::Initiator, Command::Probe { ike: IKE_SA });
    pair.advance(Duration::from_millis(19_999));
    assert_eq!(keepalives(&pair), 0, "20 s from the last IKE message are not over");
    pair.advance(Duration::from_millis(1));
    assert_eq!(keepalives(&pair), 1);
    pair.advance(Duration::from_secs(40));
    assert_eq!(keepalives(&pair), 3);
    let mut without = connected(Ikev1Mode::Main);
    without.advance(Duration::from_secs(100));
    assert_eq!(keepalives(&without), 0);
}

#[rstest]
fn phase_1_may_start_on_4500(#[values(true, false)] nat: bool) {
    // rfc3947-4-start-on-4500, reading R10: without a NAT ESP is not in UDP wherever IKE is.
    let mut pair = pair();
    let mut offer = natted(Ikev1Mode::Main, nat);
    offer.start_on_nat_port = true;
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    assert_eq!(traffic(&mut pair), 2);
    assert!(ports(&pair).iter().all(|(_, local, remote)| (*local, *remote) == (4500, 4500)));
    let raw = pair.sent.iter().filter(|(_, flight)| matches!(flight, Flight::Raw(..))).count();
    assert_eq!(raw, if nat { 0 } else { 2 });
}

#[test]
fn a_peer_that_stays_on_500_behind_a_nat_gets_no_esp_in_udp() {
    // R10: for the responder the peer never leaves port 500, for the initiator all is as ever.
    let mut pair = pair();
    let offer = natted(Ikev1Mode::Main, true);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let mut left = false;
    loop {
        let flights = pair.intercept();
        if flights.is_empty() {
            break;
        }
        for (side, flight) in flights {
            let is_4500 = matches!(&flight, Flight::Udp(path, _) if path.channel == Channel::Nat);
            left |= is_4500;
            match side {
                Side::Initiator => pair.arrive(side, &on_500(&flight)),
                Side::Responder if left => pair.arrive(side, &on_4500(&flight)),
                Side::Responder => pair.arrive(side, &flight),
            }
        }
    }
    assert_eq!(both(&pair), [(true, false); 2], "{:#?}", pair.responder.events);
    let refused = pair.responder.find(|event| match event {
        Event::ProposalRefused { refusal, answer, .. } => Some((refusal.names("R10"), *answer)),
        _ => None,
    });
    assert_eq!(refused, Some((true, Some(NotifyKind::NO_PROPOSAL_CHOSEN.into()))));
    assert_eq!(sas(&pair), [1, 1]);
}

#[rstest]
fn an_initiator_that_keeps_its_port_gets_no_tunnel(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let mut pair = pair();
    let mut offer = natted(mode, true);
    offer.ikev1 = Some(Ikev1Options { mode, keeps_port: true, ..Ikev1Options::default() });
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, false); 2], "{:#?}", pair.responder.events);
    assert!(ports(&pair).iter().all(|(_, local, remote)| (*local, *remote) == (500, 500)));
    let refused = pair.responder.find(|event| match event {
        Event::ProposalRefused { refusal, answer, .. } => Some((refusal.names("R10"), *answer)),
        _ => None,
    });
    assert_eq!(refused, Some((true, Some(NotifyKind::NO_PROPOSAL_CHOSEN.into()))));
}

#[test]
fn esp_in_udp_on_500_is_dropped_and_told() {
    let mut pair = behind_nat();
    let packet = echo([10, 0, 1, 1], [10, 0, 2, 1]);
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    let esp = pair.intercept().remove(0).1;
    let dropped = |pair: &Pair| {
        let is_dropped = |event: &&Event| matches!(event, Event::PacketDropped { .. });
        pair.responder.events.iter().filter(is_dropped).count()
    };
    let before = dropped(&pair);
    pair.arrive(Side::Initiator, &on_500(&esp));
    assert_eq!((dropped(&pair), pair.responder.inner.len()), (before + 1, 0));
    pair.arrive(Side::Initiator, &esp);
    assert_eq!((dropped(&pair), pair.responder.inner.len()), (before + 1, 1));
}

/// The same datagram from another port of its sender.
fn from_elsewhere(flight: &Flight) -> Flight {
    let Flight::Udp(mut path, bytes) = flight.clone() else { panic!("not UDP") };
    path.local.set_port(40_000);
    Flight::Udp(path, bytes)
}

fn moves(pair: &Pair) -> usize {
    let moved = |event: &&Event| matches!(event, Event::PeerMoved { .. });
    pair.responder.events.iter().filter(moved).count()
}

fn probe_of_initiator(pair: &mut Pair) -> Flight {
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Probe { ike: IKE_SA }));
    pair.intercept().remove(0).1
}

#[test]
fn a_new_mapping_is_followed_with_what_is_fresh_and_authentic() {
    // rfc3947-7-follow-new-mapping
    let mut pair = behind_nat();
    let old = probe_of_initiator(&mut pair);
    pair.arrive(Side::Initiator, &old);
    pair.deliver();
    pair.arrive(Side::Initiator, &from_elsewhere(&old));
    assert_eq!(moves(&pair), 0, "{:#?}", pair.responder.events);
    let fresh = probe_of_initiator(&mut pair);
    let Flight::Udp(path, mut bytes) = from_elsewhere(&fresh) else { panic!("not UDP") };
    *bytes.last_mut().unwrap() ^= 1;
    pair.arrive(Side::Initiator, &Flight::Udp(path, bytes));
    assert_eq!(moves(&pair), 0, "{:#?}", pair.responder.events);
    pair.arrive(Side::Initiator, &from_elsewhere(&fresh));
    assert_eq!(moves(&pair), 1, "{:#?}", pair.responder.events);
    // The answer, and ESP from now on.
    let packet = echo([10, 0, 2, 1], [10, 0, 1, 1]);
    pair.handle(Side::Responder, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
    for (_, flight) in pair.intercept() {
        let Flight::Udp(path, _) = flight else { panic!("not UDP") };
        assert_eq!(path.remote.port(), 40_000);
    }
}

#[rstest]
#[case::another_destination(true, 0)]
#[case::the_same(false, 1)]
fn who_is_behind_a_nat_itself_does_not_follow(#[case] behind: bool, #[case] expected: usize) {
    // rfc3947-7-behind-nat-no-follow
    let mut initiator = endpoint_config();
    if behind {
        let change = Change::FlipBits { payload: PayloadKind::NAT_D.raw(), at: 0, mask: 1 };
        let exchange = ExchangeType::IDENTITY_PROTECTION;
        initiator.faults =
            vec![Fault { exchange, response: false, nth: Some(1), copies: None, change }];
    }
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, natted(Ikev1Mode::Main, true));
    let nat = pair.responder.find(|event| match event {
        Event::IkeEstablished(ike) => Some((ike.nat.local, ike.nat.peer)),
        _ => None,
    });
    assert_eq!(nat, Some((behind, true)));
    let fresh = probe_of_initiator(&mut pair);
    pair.arrive(Side::Initiator, &from_elsewhere(&fresh));
    assert_eq!(moves(&pair), expected, "{:#?}", pair.responder.events);
}

#[test]
fn a_peer_that_changes_ports_late_is_followed_and_does_not_go_back() {
    // rfc3947-4-responder-updates-port, rfc3947-4-old-port-discard
    let mut pair = pair();
    let offer = natted(Ikev1Mode::Main, true);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let mut fifth = None;
    loop {
        let flights = pair.intercept();
        if flights.is_empty() {
            break;
        }
        for (side, flight) in flights {
            let Flight::Udp(path, bytes) = &flight else { continue };
            let is_phase_1 = RawMessage::decode(&bytes[4..]).is_ok_and(|raw| {
                path.channel == Channel::Nat
                    && raw.header.exchange == ExchangeType::IDENTITY_PROTECTION
            });
            match side {
                Side::Initiator if is_phase_1 => {
                    fifth = Some(flight.clone());
                    pair.arrive(side, &on_500(&flight));
                }
                Side::Responder if fifth.is_some() => pair.arrive(side, &on_4500(&flight)),
                _ => pair.arrive(side, &flight),
            }
        }
    }
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    assert_eq!((moves(&pair), traffic(&mut pair)), (1, 2));
    let fifth = fifth.unwrap();
    pair.arrive(Side::Initiator, &on_500(&fifth));
    assert_eq!(pair.intercept().len(), 0);
    pair.arrive(Side::Initiator, &fifth);
    assert_eq!(pair.intercept().len(), 1);
}
