//! What strangers and late repetitions get, and that nothing ends in silence.

use core::time::Duration;

use rstest::rstest;

use crate::config::{Connection, EndpointConfig, Ikev1Options};
use crate::crypto::suite::{ChildProtocol, Group};
use crate::edge::{ESP_PROTOCOL, EdgeInput};
use crate::event::{DropReason, Event, NotStarted};
use crate::fault::{Change, Fault};
use crate::io::{Command, IkeHandle};
use crate::policy::{ChildOffer, Ikev1Mode, Timers};
use crate::sa::TunnelId;
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::time::Time;
use crate::wire::{AH_PROTOCOL, ExchangeType, PayloadType, TransformType};

mod answers;
mod told;

const OFFER: &str = "aes256-sha256-ecp256";

fn connected(initiator: EndpointConfig, responder: EndpointConfig) -> Pair {
    let mut pair = Pair::new(initiator, responder);
    let offer = connection(OFFER, "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    pair
}

fn faulty(exchange: ExchangeType, change: Change) -> EndpointConfig {
    let fault = Fault { exchange, response: false, nth: None, copies: None, change };
    EndpointConfig { faults: vec![fault], ..endpoint_config() }
}

/// An offer in either version.
fn offer(ikev1: bool) -> Connection {
    let mut offer = connection("aes128-sha1-modp1024", "aes128gcm16");
    if ikev1 {
        let mode = Ikev1Mode::Aggressive;
        offer.ikev1 = Some(Ikev1Options { mode, ..Ikev1Options::default() });
        let child: ChildOffer = "aes128gcm16".parse().unwrap();
        offer.child = vec![child.proposal(1, &[0; 4], false)];
    }
    offer
}

/// The last message that `side` has sent, and the answer to it.
fn last_exchange(pair: &Pair, side: Side) -> (Flight, Flight) {
    let at = pair.sent.iter().rposition(|(by, _)| *by == side).unwrap();
    (pair.sent[at].1.clone(), pair.sent[at + 1].1.clone())
}

#[rstest]
#[case::no_idi(Change::DropPayload { payload: PayloadType::IDI })]
#[case::unreadable(Change::ReplaceBody { payload: PayloadType::SA, body: vec![1] })]
#[case::critical(Change::AddPayload { payload: PayloadType(200), critical: true, body: vec![] })]
#[case::wrong_auth(Change::FlipBits { payload: PayloadType::AUTH, at: -1, mask: 1 })]
fn a_repeated_ike_auth_gets_the_refusal_again(#[case] change: Change) {
    let mut pair = Pair::new(faulty(ExchangeType::IKE_AUTH, change), endpoint_config());
    let offer = connection(OFFER, "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0, "{:#?}", pair.responder.events);
    let (request, answer) = (pair.sent[2].1.clone(), pair.sent[3].1.clone());
    for _ in 0..2 {
        pair.arrive(Side::Initiator, &request);
        assert_eq!(pair.intercept(), [(Side::Responder, answer.clone())]);
    }
    let attempts = pair.responder.events.iter().filter_map(|event| match event {
        Event::Retransmitted { ike, attempt, response: true, .. } => Some((*ike, *attempt)),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [(IkeHandle(1), 1), (IkeHandle(1), 2)]);
    pair.advance_in_silence(Duration::from_secs(31));
    pair.arrive(Side::Initiator, &request);
    assert_eq!(pair.intercept(), []);
}

#[rstest]
#[case(ExchangeType::IKE_SA_INIT)]
#[case(ExchangeType::IKE_AUTH)]
#[case(ExchangeType::INFORMATIONAL)]
fn an_unknown_critical_payload_is_told_wherever_it_comes(#[case] exchange: ExchangeType) {
    let payload = PayloadType(200);
    let change = Change::AddPayload { payload, critical: true, body: vec![] };
    let mut pair = connected(faulty(exchange, change), endpoint_config());
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    let reason = DropReason::UnknownCritical { payload };
    let told =
        |event: &Event| matches!(event, Event::PacketDropped { reason: it, .. } if *it == reason);
    assert!(pair.responder.events.iter().any(told), "{:#?}", pair.responder.events);
}

#[test]
fn a_repeated_delete_of_the_ike_sa_gets_its_answer_again() {
    let mut pair = connected(endpoint_config(), endpoint_config());
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
    let (request, answer) = last_exchange(&pair, Side::Initiator);
    pair.arrive(Side::Initiator, &request);
    assert_eq!(pair.intercept(), [(Side::Responder, answer)]);
}

#[test]
fn last_answers_are_kept_up_to_a_bound() {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let mut requests = Vec::new();
    for number in 1..=257 {
        let offer = connection(OFFER, "aes256gcm16");
        pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
        pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(number) });
        requests.push(last_exchange(&pair, Side::Initiator).0);
    }
    for (at, is_known) in [(0, false), (1, true), (256, true)] {
        pair.arrive(Side::Initiator, &requests[at]);
        assert_eq!(pair.intercept().len(), usize::from(is_known), "{at}");
    }
}

#[rstest]
#[case::no_proposal_chosen(true)]
#[case::invalid_ke_payload(false)]
fn refusals_of_strangers_are_limited(#[case] proposal: bool) {
    let mut responder = endpoint_config();
    responder.limits.error_replies_per_second = 3;
    if proposal {
        responder.profile.ike.encr.accept = vec!["aes128".parse().unwrap()];
    } else {
        responder.profile.ike.groups.accept = vec![Group::Ecp384];
    }
    let mut pair = Pair::new(endpoint_config(), responder);
    let answered = |pair: &mut Pair| {
        let mut answers = 0;
        for _ in 0..5 {
            let offer = connection("aes256-sha256-ecp256-ecp384", "aes256gcm16");
            let command = Command::Initiate(Box::new(offer));
            pair.handle(Side::Initiator, EdgeInput::Command(command));
            let request = pair.intercept().remove(0).1;
            pair.arrive(Side::Initiator, &request);
            answers += pair.intercept().len();
        }
        answers
    };
    assert_eq!(answered(&mut pair), 3);
    let limited = |event: &&Event| {
        matches!(event, Event::PacketDropped { reason: DropReason::ErrorRateLimit, .. })
    };
    assert_eq!(pair.responder.events.iter().filter(limited).count(), 2);
    pair.now = pair.now + Duration::from_secs(1);
    assert_eq!(answered(&mut pair), 3);
}

#[rstest]
fn no_timer_of_a_profile_fires_for_ever(
    #[values(false, true)] ikev1: bool,
    #[values(
        |timers: &mut Timers| timers.ike_life = 0,
        |timers: &mut Timers| timers.child_life = 0,
        |timers: &mut Timers| timers.dpd_interval = 0,
        |timers: &mut Timers| timers.keepalive = 0
    )]
    none: fn(&mut Timers),
) {
    let mut ends = [endpoint_config(), endpoint_config()];
    ends.iter_mut().for_each(|end| none(&mut end.profile.timers));
    let [initiator, responder] = ends;
    let mut pair = Pair::new(initiator, responder);
    let mut offer = offer(ikev1);
    // Somebody is behind a NAT and keeps it open.
    offer.force_encapsulation = true;
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    for node in [&pair.initiator, &pair.responder] {
        let next = node.edge.clock_of(IkeHandle(1), pair.now).and_then(|clock| clock.next);
        let next = next.map(|deadline| deadline.at.since(Time::ZERO));
        // A pair is replaced a little before its end.
        assert!(next >= Some(Duration::from_millis(900)), "{next:?}");
    }
    let before = pair.sent.len();
    pair.advance(Duration::from_secs(3));
    assert!(pair.sent.len() - before < 50, "{}", pair.sent.len() - before);
}

#[rstest]
#[case::half_open(|it: &mut EndpointConfig| it.profile.limits.half_open = 1, DropReason::HalfOpenLimit)]
#[case::by_source(|it: &mut EndpointConfig| it.profile.limits.half_open_per_source = 1, DropReason::HalfOpenLimit)]
#[case::in_all(|it: &mut EndpointConfig| it.limits.ike_sas = 1, DropReason::SaLimit)]
fn limits_count_ike_sas_of_both_versions(
    #[values([false, true], [true, false])] versions: [bool; 2],
    #[case] limit: fn(&mut EndpointConfig),
    #[case] reason: DropReason,
) {
    let mut responder = endpoint_config();
    limit(&mut responder);
    let mut pair = Pair::new(endpoint_config(), responder);
    for ikev1 in versions {
        let offer = offer(ikev1);
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
        let first = pair.intercept().remove(0).1;
        pair.arrive(Side::Initiator, &first);
        pair.intercept();
    }
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
    let dropped = pair.responder.find(|event| match event {
        Event::PacketDropped { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(dropped, Some(reason));
}

#[test]
fn demands_for_cookies_are_not_limited() {
    let mut responder = endpoint_config();
    responder.limits.error_replies_per_second = 0;
    responder.profile.limits.cookie_threshold = 0;
    let pair = connected(endpoint_config(), responder);
    let up = |event: &Event| matches!(event, Event::IkeEstablished(_));
    assert!(pair.initiator.events.iter().any(up), "{:#?}", pair.responder.events);
}

#[test]
fn a_connection_that_is_not_tried_is_told_of_and_leaves_nothing() {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let mut groupless = connection(OFFER, "aes256gcm16");
    for proposal in &mut groupless.ike {
        proposal.transforms.retain(|transform| transform.kind != TransformType::KE);
    }
    pair.command(Side::Initiator, Command::Initiate(Box::new(groupless)));
    pair.command(Side::Initiator, Command::Shutdown);
    let offer = connection(OFFER, "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let why = pair.initiator.events.iter().filter_map(|event| match event {
        Event::NotStarted { why, .. } => Some(why.clone()),
        _ => None,
    });
    assert_eq!(why.collect::<Vec<_>>(), [NotStarted::NoGroup, NotStarted::ShuttingDown]);
    assert_eq!(pair.initiator.edge.endpoint().footprint().entropy, 0);
}

#[test]
fn a_packet_too_short_for_an_spi_is_told_of() {
    let mut pair = connected(endpoint_config(), endpoint_config());
    pair.arrive(Side::Initiator, &Flight::Raw(50, vec![1, 2, 3]));
    let runt = |event: &Event| {
        matches!(event, Event::PacketDropped { len: 3, reason: DropReason::Runt, .. })
    };
    assert!(pair.responder.events.iter().any(runt), "{:#?}", pair.responder.events);
}

#[test]
fn repetitions_of_the_first_answer_are_counted_while_half_open() {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let offer = connection(OFFER, "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let request = pair.intercept().remove(0).1;
    for _ in 0..4 {
        pair.arrive(Side::Initiator, &request);
    }
    let attempts = pair.responder.events.iter().filter_map(|event| match event {
        Event::Retransmitted { attempt, .. } => Some(*attempt),
        _ => None,
    });
    assert_eq!(attempts.collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn a_granted_child_sa_that_is_not_taken_is_deleted() {
    // <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr wider than asked for }
    let change = Change::FlipBits { payload: PayloadType::TSR, at: -6, mask: 3 };
    let exchange = ExchangeType::IKE_AUTH;
    let mut responder = endpoint_config();
    responder.faults = vec![Fault { exchange, response: true, nth: None, copies: None, change }];
    let pair = connected(endpoint_config(), responder);
    // --> INFORMATIONAL { D(ESP) }, <-- INFORMATIONAL { D(ESP) }
    assert_eq!(pair.sent.len(), 6, "{:#?}", pair.initiator.events);
    let closed = |event: &Event| matches!(event, Event::ChildClosed { .. });
    assert!(pair.responder.events.iter().any(closed), "{:#?}", pair.responder.events);
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().ike_sas(), 1);
        assert_eq!(node.edge.endpoint().footprint().child_spis, 0);
        assert_eq!(node.edge.data_plane().inbound_sas(), 0);
    }
}

#[rstest]
#[case("empty", 0)]
#[case("echo", 8)]
fn reading_r30_says_how_a_delete_of_the_ike_sa_is_answered(#[case] r30: &str, #[case] len: usize) {
    let mut responder = endpoint_config();
    responder.profile.readings.set("R30", r30).unwrap();
    let mut pair = connected(endpoint_config(), responder);
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    let Flight::Udp(_, answer) = last_exchange(&pair, Side::Initiator).1 else { panic!() };
    let keys = pair.initiator.keys.iter().find_map(|entry| match entry {
        crate::event::KeyLogEntry::Ike(keys) => Some(keys),
        _ => None,
    });
    let keys = keys.unwrap();
    let (encr, integ) = (keys.suite.encr, keys.suite.integ);
    let provider = &crate::crypto::RustCrypto;
    let cipher =
        crate::crypto::IkeCipher::new(provider, encr, integ, &keys.sk_er, &keys.sk_ar).unwrap();
    assert_eq!(cipher.open(&answer, 32).unwrap().len(), len);
}

#[rstest]
#[case("ignore", true)]
#[case("refuse", false)]
fn reading_r21_says_what_transport_mode_gets(#[case] r21: &str, #[case] is_up: bool) {
    let body = vec![0, 0, 0x40, 0x07];
    let change = Change::AddPayload { payload: PayloadType::NOTIFY, critical: false, body };
    let mut responder = endpoint_config();
    responder.profile.readings.set("R21", r21).unwrap();
    let pair = connected(faulty(ExchangeType::IKE_AUTH, change), responder);
    let up = |event: &Event| matches!(event, Event::ChildEstablished(_));
    assert_eq!(pair.responder.events.iter().any(up), is_up, "{:#?}", pair.responder.events);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1);
}

#[rstest]
#[case::both(true, AH_PROTOCOL)]
#[case::only_esp(false, ESP_PROTOCOL)]
fn of_ah_and_esp_the_first_that_is_accepted_is_run(#[case] accepts_ah: bool, #[case] runs: u8) {
    let mut responder = endpoint_config();
    if !accepts_ah {
        responder.profile.child.protocols.accept = vec![ChildProtocol::Esp];
    }
    let mut pair = Pair::new(endpoint_config(), responder);
    let mut offer = connection(OFFER, "ah:sha256");
    let mut esp = connection(OFFER, "aes256gcm16").child.remove(0);
    esp.number = 2;
    offer.child.push(esp);
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let up = |event: &Event| matches!(event, Event::ChildEstablished(_));
    assert!(pair.responder.events.iter().any(up), "{:#?}", pair.responder.events);
    let packet = crate::v2::tests::echo([10, 0, 1, 1], [10, 0, 2, 1], 8);
    let tunnel = TunnelId(1);
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet: &packet });
    pair.deliver();
    assert_eq!(pair.responder.inner.len(), 1);
    let raw = pair.sent.iter().find_map(|(_, flight)| match flight {
        Flight::Raw(protocol, _) => Some(*protocol),
        Flight::Udp(..) => None,
    });
    assert_eq!(raw, Some(runs));
}
