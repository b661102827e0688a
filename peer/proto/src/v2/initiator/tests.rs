//! Refusals of IKE_SA_INIT, which nobody has authenticated (RFC 7296 §2.21.1).

use core::time::Duration;

use rstest::rstest;

use crate::config::{EndpointConfig, Timers};
use crate::crypto::suite::Group;
use crate::edge::EdgeInput;
use crate::endpoint::context::Envelope;
use crate::event::{CloseReason, DropReason, Event, Notification};
use crate::io::{Command, IkeHandle, Path};
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::wire::v2::{Notify, Payload};
use crate::wire::{ExchangeType, Header, IkeSpi, NotifyType, RawMessage};

/// Repeats each second, at most six times, and twice at most once it was refused.
fn initiator() -> EndpointConfig {
    let timers = Timers {
        retransmit: Duration::from_secs(1),
        retransmit_growth_percent: 100,
        retransmit_tries: 6,
        refused_tries: 2,
        ..Timers::default()
    };
    EndpointConfig { timers, ..endpoint_config() }
}

/// A pair whose first request is still with the caller.
fn begun(initiator: EndpointConfig, responder: EndpointConfig) -> (Pair, Flight) {
    let mut pair = Pair::new(initiator, responder);
    let offer = connection("aes256-sha256-ecp256-ecp384", "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let request = pair.intercept().remove(0).1;
    (pair, request)
}

/// An answer as anybody can make it who has seen the request.
fn forged(request: &Flight, notify: NotifyType, data: &[u8]) -> Flight {
    let Flight::Udp(path, bytes) = request else { panic!("not UDP") };
    let envelope = Envelope {
        spi_i: Header::decode(bytes).unwrap().spi_i,
        spi_r: IkeSpi::ZERO,
        exchange: ExchangeType::IKE_SA_INIT,
        from_initiator: false,
        response: true,
        message_id: 0,
    };
    let payloads = vec![Payload::Notify(Notify::new(notify, data.to_vec())).encode()];
    let mut message = RawMessage { header: envelope.header(), payloads, trailing: Vec::new() };
    message.link();
    let path = Path { channel: path.channel, local: path.remote, remote: path.local };
    Flight::Udp(path, message.encode())
}

/// With what the initiator knows itself refused, and whether it goes on trying.
fn refusals(pair: &Pair) -> Vec<(NotifyType, bool)> {
    let events = pair.initiator.events.iter();
    let refusal = events.filter_map(|event| match event {
        Event::PeerRefused { notify: Notification::Ikev2(notify), tentative, .. } => {
            Some((*notify, *tentative))
        }
        _ => None,
    });
    refusal.collect()
}

fn closed(pair: &Pair) -> Option<CloseReason> {
    pair.initiator.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn is_established(pair: &Pair) -> bool {
    let is_up = |events: &[Event]| events.iter().any(|it| matches!(it, Event::IkeEstablished(_)));
    is_up(&pair.initiator.events) && is_up(&pair.responder.events)
}

#[rstest]
#[case(NotifyType::NO_PROPOSAL_CHOSEN, &[])]
#[case(NotifyType::INVALID_SYNTAX, &[])]
#[case(NotifyType::AUTHENTICATION_FAILED, &[])]
#[case::of_a_group_that_was_not_offered(NotifyType::INVALID_KE_PAYLOAD, &[0, 14])]
fn a_forged_refusal_does_not_keep_the_true_answer_out(
    #[case] notify: NotifyType,
    #[case] data: &[u8],
    #[values(false, true)] lost: bool,
) {
    let (mut pair, request) = begun(initiator(), endpoint_config());
    // <-- IKE_SA_INIT { N(NO_PROPOSAL_CHOSEN) }, by somebody else
    pair.arrive(Side::Responder, &forged(&request, notify, data));
    assert_eq!(refusals(&pair), [(notify, true)], "it is told at once");
    assert_eq!(closed(&pair), None);
    if lost {
        // --> IKE_SA_INIT, repeated because nothing better has come
        pair.advance(Duration::from_secs(1));
    } else {
        pair.arrive(Side::Initiator, &request);
        pair.deliver();
    }
    assert!(is_established(&pair), "{:#?}", pair.initiator.events);
}

#[test]
fn another_group_may_still_be_asked_for_after_a_forged_refusal() {
    let mut responder = endpoint_config();
    responder.profile.ike.groups.accept = vec![Group::Ecp384];
    let (mut pair, request) = begun(initiator(), responder);
    pair.arrive(Side::Responder, &forged(&request, NotifyType::NO_PROPOSAL_CHOSEN, &[]));
    pair.arrive(Side::Initiator, &request);
    pair.deliver();
    assert!(is_established(&pair), "{:#?}", pair.initiator.events);
}

#[test]
fn a_refusal_that_stays_the_only_answer_ends_the_attempt() {
    let mut responder = endpoint_config();
    responder.profile.ike.encr.accept = vec!["aes128".parse().unwrap()];
    let (mut pair, request) = begun(initiator(), responder);
    pair.arrive(Side::Initiator, &request);
    // <-- IKE_SA_INIT { N(NO_PROPOSAL_CHOSEN) }, and so again on each repetition
    pair.deliver();
    let refused = [(NotifyType::NO_PROPOSAL_CHOSEN, true)];
    assert_eq!(refusals(&pair), refused);
    pair.advance(Duration::from_millis(2900));
    assert_eq!((closed(&pair), pair.initiator.edge.endpoint().ike_sas()), (None, 1));
    pair.advance(Duration::from_millis(200));
    assert_eq!(closed(&pair), Some(CloseReason::Refused));
    assert_eq!(pair.initiator.edge.endpoint().ike_sas(), 0);
    assert_eq!(refusals(&pair), refused, "the same refusal is news only once");
    let again = pair.initiator.events.iter().filter(|event| {
        matches!(event, Event::PacketDropped { reason: DropReason::UselessResponse { .. }, .. })
    });
    assert_eq!(again.count(), 2);
    let requests = pair.sent.iter().filter(|(by, _)| *by == Side::Initiator);
    assert_eq!(requests.count(), 3);
}

#[test]
fn silence_after_a_refusal_ends_as_a_refusal_and_silence_alone_as_a_dead_peer() {
    for (is_refused, seconds, reason) in
        [(true, 3, CloseReason::Refused), (false, 7, CloseReason::DeadPeer)]
    {
        let (mut pair, request) = begun(initiator(), endpoint_config());
        if is_refused {
            pair.arrive(Side::Responder, &forged(&request, NotifyType::INVALID_SYNTAX, &[]));
        }
        pair.advance_in_silence(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(closed(&pair), None);
        pair.advance_in_silence(Duration::from_millis(1));
        assert_eq!(closed(&pair), Some(reason));
    }
}

#[test]
fn without_further_tries_a_refusal_ends_it_at_once() {
    let mut config = initiator();
    config.timers.refused_tries = 0;
    let (mut pair, request) = begun(config, endpoint_config());
    pair.arrive(Side::Responder, &forged(&request, NotifyType::NO_PROPOSAL_CHOSEN, &[]));
    assert_eq!(refusals(&pair), [(NotifyType::NO_PROPOSAL_CHOSEN, false)]);
    assert_eq!(closed(&pair), Some(CloseReason::Refused));
}

#[rstest]
#[case(Command::DeleteIke { ike: IkeHandle(1) })]
#[case(Command::Shutdown)]
fn an_attempt_that_goes_on_after_a_refusal_can_be_ended(#[case] command: Command) {
    let (mut pair, request) = begun(initiator(), endpoint_config());
    pair.arrive(Side::Responder, &forged(&request, NotifyType::NO_PROPOSAL_CHOSEN, &[]));
    pair.command(Side::Initiator, command);
    assert_eq!(closed(&pair), Some(CloseReason::DeletedByUs));
    let sent = pair.sent.len();
    pair.advance(Duration::from_secs(60));
    assert_eq!((pair.initiator.edge.endpoint().ike_sas(), pair.sent.len()), (0, sent));
}
