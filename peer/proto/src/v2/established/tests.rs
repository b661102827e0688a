//! What an established IKE SA takes for a sign of life and for a move of its peer, and how often it
//! speaks up behind a NAT.

use core::time::Duration;

use rstest::rstest;

use crate::config::EndpointConfig;
use crate::edge::EdgeInput;
use crate::event::Event;
use crate::fault::{Change, Fault};
use crate::io::{Command, IkeHandle};
use crate::sa::TunnelId;
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::v2::tests::echo;
use crate::wire::{ExchangeType, NotifyType};

const IKE: IkeHandle = IkeHandle(1);

/// A pair whose responder sees a NAT in front of the initiator.
fn behind_nat(initiator: EndpointConfig) -> Pair {
    let mut pair = Pair::new(initiator, endpoint_config());
    let mut offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    offer.force_encapsulation = true;
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    pair
}

/// One message of `side` that a probe leads to, intercepted; the rest of the exchange is delivered.
fn probe(pair: &mut Pair, side: Side) -> (Flight, Flight) {
    pair.handle(side, EdgeInput::Command(Command::Probe { ike: IKE }));
    let request = pair.intercept().remove(0).1;
    pair.arrive(side, &request);
    let response = pair.intercept().remove(0).1;
    let other = if side == Side::Initiator { Side::Responder } else { Side::Initiator };
    pair.arrive(other, &response);
    (request, response)
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

#[rstest]
#[case::a_request(Side::Initiator)]
#[case::a_response(Side::Responder)]
fn only_a_fresh_message_moves_the_peer(#[case] probing: Side) {
    let mut pair = behind_nat(endpoint_config());
    let of_initiator = |(request, response)| match probing {
        Side::Initiator => request,
        Side::Responder => response,
    };
    let old = of_initiator(probe(&mut pair, probing));
    // The one answer that is kept is then for another request.
    probe(&mut pair, probing);
    pair.arrive(Side::Initiator, &from_elsewhere(&old));
    assert_eq!(moves(&pair), 0, "{:#?}", pair.responder.events);

    pair.handle(probing, EdgeInput::Command(Command::Probe { ike: IKE }));
    let mut fresh = pair.intercept().remove(0).1;
    if probing == Side::Responder {
        pair.arrive(Side::Responder, &fresh);
        fresh = pair.intercept().remove(0).1;
    }
    pair.arrive(Side::Initiator, &from_elsewhere(&fresh));
    assert_eq!(moves(&pair), 1, "{:#?}", pair.responder.events);
}

#[test]
fn a_replayed_message_is_no_sign_of_life() {
    let mut pair = behind_nat(endpoint_config());
    let (old, _) = probe(&mut pair, Side::Initiator);
    probe(&mut pair, Side::Initiator);
    let packet = echo([10, 0, 2, 1], [10, 0, 1, 1], 100);
    let tunnel = TunnelId(1);
    pair.now = pair.now + Duration::from_millis(1);
    pair.handle(Side::Responder, EdgeInput::Inner { tunnel, packet: &packet });
    pair.intercept();
    for _ in 0..21 {
        pair.advance_in_silence(Duration::from_secs(1));
        pair.arrive(Side::Initiator, &old);
    }
    let probed = |event: &Event| matches!(event, Event::ProbeSent { .. });
    assert!(pair.responder.events.iter().any(probed), "{:#?}", pair.responder.events);
}

#[test]
fn an_end_behind_a_nat_does_not_follow_its_peer() {
    let mut initiator = endpoint_config();
    // The responder finds that the address it was sent to is not its own.
    initiator.faults = vec![Fault {
        exchange: ExchangeType::IKE_SA_INIT,
        response: false,
        nth: None,
        copies: None,
        change: Change::ReplaceNotifyData {
            notify: NotifyType::NAT_DETECTION_DESTINATION_IP.0,
            data: vec![0; 20],
        },
    }];
    let mut pair = behind_nat(initiator);
    let nat = pair.responder.find(|event| match event {
        Event::IkeEstablished(ike) => Some((ike.nat.local, ike.nat.peer)),
        _ => None,
    });
    assert_eq!(nat, Some((true, true)));
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Probe { ike: IKE }));
    let fresh = pair.intercept().remove(0).1;
    pair.arrive(Side::Initiator, &from_elsewhere(&fresh));
    assert_eq!(moves(&pair), 0, "{:#?}", pair.responder.events);
}

fn keepalives(pair: &Pair) -> usize {
    let alive = |event: &&Event| matches!(event, Event::KeepaliveReceived { .. });
    pair.responder.events.iter().filter(alive).count()
}

#[test]
fn a_keepalive_is_sent_only_where_esp_does_not_keep_the_mapping_open() {
    let mut pair = behind_nat(endpoint_config());
    let packet = echo([10, 0, 1, 1], [10, 0, 2, 1], 100);
    for _ in 0..12 {
        pair.advance(Duration::from_secs(5));
        let tunnel = TunnelId(1);
        pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet: &packet });
        pair.deliver();
    }
    assert_eq!(keepalives(&pair), 0);
    pair.advance(Duration::from_millis(19_999));
    assert_eq!(keepalives(&pair), 0, "20 s from the last ESP packet are not over");
    pair.advance(Duration::from_millis(1));
    assert_eq!(keepalives(&pair), 1);
    pair.advance(Duration::from_secs(40));
    assert_eq!(keepalives(&pair), 3);
}
