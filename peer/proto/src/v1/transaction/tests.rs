//! Logins and addresses, end to end between two edges under a virtual clock.

use core::time::Duration;

use rstest::rstest;

use crate::config::{Connection, EndpointConfig, Ikev1Options, ModeConfig};
use crate::crypto::SecretBytes;
use crate::edge::EdgeInput;
use crate::event::{CloseReason, Event, Side as Of};
use crate::fault::{Change, Fault};
use crate::io::{Channel, Command};
use crate::policy::{AddressPool, ChildOffer, Ikev1Mode, Xauth, XauthUser};
use crate::testing::{Flight, Node, Pair, Side, connection, endpoint_config};
use crate::wire::v1::num::Phase1Auth;
use crate::wire::v1::{NotifyKind, PayloadKind};
use crate::wire::v2::{Id, TrafficSelector};
use crate::wire::{ExchangeType, RawMessage, hex};

fn user(password: &str) -> XauthUser {
    let password = SecretBytes::from_slice(password.as_bytes());
    XauthUser { name: "alice".to_owned(), password }
}

/// A client that answers with these passwords, one after the other.
fn client(mode: Ikev1Mode, passwords: &[&str]) -> Connection {
    let mut offer = connection("aes128-sha1-modp1024", "aes128gcm16");
    let xauth = passwords.iter().map(|password| user(password)).collect();
    offer.ikev1 = Some(Ikev1Options { mode, xauth, ..Ikev1Options::default() });
    let child: ChildOffer = "aes128gcm16".parse().unwrap();
    offer.child = vec![child.proposal(1, &[0; 4], false)];
    if mode == Ikev1Mode::Main {
        offer.id = Id::ip([192, 0, 2, 1].into());
    }
    offer
}

/// An edge that alice can log in to.
fn edge() -> EndpointConfig {
    let mut edge = endpoint_config();
    let mut by_address = edge.credentials[0].clone();
    by_address.id = "ip:192.0.2.1".parse().unwrap();
    edge.credentials.push(by_address);
    edge.profile.readings.r32 = Xauth::On;
    edge.remote_access.users = vec![user("right")];
    edge
}

fn pool(push: bool) -> AddressPool {
    let at = |last| [10, 9, 0, last].into();
    let netmask = Some([255, 255, 255, 0].into());
    AddressPool { first: at(1), last: at(2), netmask, dns: vec![at(53), at(54)], push }
}

fn pair() -> Pair {
    Pair::new(endpoint_config(), edge())
}

fn connect(pair: &mut Pair, offer: Connection) {
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
}

fn begin(pair: &mut Pair, offer: Connection) {
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
}

fn children(node: &Node) -> usize {
    node.events.iter().filter(|event| matches!(event, Event::ChildEstablished(_))).count()
}

fn logins(node: &Node) -> (usize, usize, usize) {
    let count = |is_one: fn(&&Event) -> bool| node.events.iter().filter(is_one).count();
    (
        count(|event| matches!(event, Event::XauthAsked { .. })),
        count(|event| matches!(event, Event::XauthFailed { .. })),
        count(|event| matches!(event, Event::XauthSucceeded { .. })),
    )
}

fn closed(node: &Node) -> Option<CloseReason> {
    node.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    })
}

fn violations(node: &Node) -> Vec<String> {
    let found = node.events.iter().filter_map(|event| match event {
        Event::PeerViolation { requirement, .. } => Some(requirement.clone()),
        _ => None,
    });
    found.collect()
}

fn assigned(node: &Node) -> Vec<(Of, String, bool)> {
    let found = node.events.iter().filter_map(|event| match event {
        Event::AddressAssigned { to, address, pushed, .. } => {
            Some((*to, address.to_string(), *pushed))
        }
        _ => None,
    });
    found.collect()
}

fn exchange(flight: &Flight) -> Option<ExchangeType> {
    match flight {
        Flight::Udp(path, bytes) => {
            let marker = if path.channel == Channel::Nat { 4 } else { 0 };
            RawMessage::decode(bytes.get(marker..)?).ok().map(|raw| raw.header.exchange)
        }
        Flight::Raw(..) => None,
    }
}

fn transactions(pair: &Pair) -> usize {
    let is_one = |flight: &Flight| exchange(flight) == Some(ExchangeType::TRANSACTION);
    pair.sent.iter().filter(|(_, flight)| is_one(flight)).count()
}

#[rstest]
fn the_right_password_lets_in(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(false, true)] nat: bool,
) {
    // <-- REQUEST  --> REPLY  <-- SET(OK)  --> ACK  and then quick mode
    let mut pair = pair();
    let mut offer = client(mode, &["right"]);
    offer.force_encapsulation = nat;
    connect(&mut pair, offer);
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!((logins(node), children(node)), ((1, 0, 1), 1), "{:#?}", node.events);
        assert!(violations(node).is_empty(), "{:#?}", node.events);
        let auth = node.find(|event| match event {
            Event::IkeEstablished(up) => up.ikev1.map(|ikev1| ikev1.auth),
            _ => None,
        });
        assert_eq!(auth, Some(Phase1Auth::XAUTH_INIT_PRE_SHARED));
    }
    assert_eq!(transactions(&pair), 4);
    let user = pair.responder.find(|event| match event {
        Event::XauthSucceeded { user, of: Of::Peer, .. } => Some(user.clone()),
        _ => None,
    });
    assert_eq!(user.as_deref(), Some("alice"));
}

#[rstest]
#[case(&["wrong", "right"], (2, 1, 1))]
#[case(&["wrong", "", "right"], (3, 2, 1))]
#[case(&["wrong", "wrong", "wrong", "right"], (3, 3, 0))]
#[case(&["wrong"], (3, 3, 0))]
#[case(&[""], (3, 3, 0))]
fn a_wrong_password_may_be_tried_again_so_often(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] passwords: &[&str],
    #[case] expected: (usize, usize, usize),
) {
    let mut pair = pair();
    connect(&mut pair, client(mode, passwords));
    assert_eq!(logins(&pair.responder), expected, "{:#?}", pair.responder.events);
    let is_in = expected.2 == 1;
    let failed = Some(CloseReason::AuthenticationFailed).filter(|_| !is_in);
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!((children(node), closed(node)), (usize::from(is_in), failed));
        assert_eq!(node.edge.endpoint().ike_sas(), usize::from(is_in));
    }
}

#[test]
fn nobody_learns_what_of_a_login_was_wrong() {
    let reasons = |name: &str, password: &str| {
        let mut pair = pair();
        let mut offer = client(Ikev1Mode::Main, &[password]);
        offer.ikev1.as_mut().unwrap().xauth[0].name = name.to_owned();
        connect(&mut pair, offer);
        let sizes = pair.sent.iter().map(|(side, flight)| match flight {
            Flight::Udp(_, bytes) if *side == Side::Responder => bytes.len(),
            _ => 0,
        });
        let why = pair.responder.events.iter().filter_map(|event| match event {
            Event::XauthFailed { why, last, .. } => Some((why.clone(), *last)),
            _ => None,
        });
        (sizes.collect::<Vec<_>>(), why.collect::<Vec<_>>())
    };
    let wrong_password = reasons("alice", "wrong");
    assert_eq!(wrong_password.1.len(), 3);
    assert_eq!(wrong_password, reasons("mallory", "right"));
    assert_eq!(wrong_password, reasons("alice", ""));
    let long = "a".repeat(1000);
    assert_eq!(wrong_password, reasons(&long, "right"));
}

#[test]
fn passwords_are_in_no_event() {
    let mut pair = pair();
    connect(&mut pair, client(Ikev1Mode::Main, &["top-secret-wrong", "right"]));
    for node in [&pair.initiator, &pair.responder] {
        let text = format!("{:?}", node.events);
        assert!(text.contains("alice") && !text.contains("secret-wrong"), "{text}");
    }
    let config = format!("{:?}", edge());
    assert!(config.contains("alice") && !config.contains("right"), "{config}");
}

#[rstest]
#[case::off(Xauth::Off, true, &["right"], Some("R32"))]
#[case::off_without(Xauth::Off, true, &[], None)]
#[case::on_without(Xauth::On, true, &[], Some("R32"))]
#[case::on_optional(Xauth::On, false, &[], None)]
#[case::on(Xauth::On, true, &["right"], None)]
fn the_reading_decides_who_may_and_who_must_log_in(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] reading: Xauth,
    #[case] must: bool,
    #[case] passwords: &[&str],
    #[case] rule: Option<&str>,
) {
    let mut edge = edge();
    edge.profile.readings.r32 = reading;
    edge.remote_access.optional = !must;
    let mut pair = Pair::new(endpoint_config(), edge);
    connect(&mut pair, client(mode, passwords));
    let refused = pair.responder.find(|event| match event {
        Event::ProposalRefused { refusal, .. } => Some(refusal.names("R32")),
        _ => None,
    });
    assert_eq!(refused, rule.map(|_| true), "{:#?}", pair.responder.events);
    assert_eq!(children(&pair.responder), usize::from(rule.is_none()));
    let told = pair.initiator.find(|event| match event {
        Event::PeerRefused { notify, .. } => Some(*notify),
        _ => None,
    });
    assert_eq!(told, rule.map(|_| NotifyKind::NO_PROPOSAL_CHOSEN.into()));
}

/// What the initiator sends in a session where all goes well. With the same seeds, another session with
/// the same phase 1 has the same keys.
fn sent_in_a_good_session(edge: EndpointConfig, offer: Connection) -> Vec<Flight> {
    let mut pair = Pair::new(endpoint_config(), edge);
    connect(&mut pair, offer);
    assert_eq!(children(&pair.responder), 1, "{:#?}", pair.responder.events);
    let of_initiator = pair.sent.into_iter().filter(|(side, _)| *side == Side::Initiator);
    of_initiator.map(|(_, flight)| flight).collect()
}

/// Delivers all but messages of transactions, which are given back.
fn until_login(pair: &mut Pair) -> Vec<(Side, Flight)> {
    let mut held = Vec::new();
    loop {
        let flights = pair.intercept();
        if flights.is_empty() {
            return held;
        }
        for (side, flight) in flights {
            if exchange(&flight) == Some(ExchangeType::TRANSACTION) {
                held.push((side, flight));
            } else {
                pair.arrive(side, &flight);
            }
        }
    }
}

#[rstest]
#[case(ModeConfig::Off)]
#[case(ModeConfig::Pull)]
fn nothing_is_to_be_had_before_the_login(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] mode_config: ModeConfig,
) {
    let mut edge = edge();
    edge.remote_access.pool = Some(pool(false));
    let mut offer = client(mode, &["right"]);
    offer.ikev1.as_mut().unwrap().mode_config = mode_config;
    let good = sent_in_a_good_session(edge.clone(), offer.clone());
    let is_early = |flight: &&Flight| match exchange(flight) {
        Some(ExchangeType::QUICK_MODE) => true,
        Some(ExchangeType::TRANSACTION) => mode_config == ModeConfig::Pull,
        _ => false,
    };
    // Without REPLY and ACK of the login.
    let logins = if mode_config == ModeConfig::Pull { 2 } else { 0 };
    let early: Vec<Flight> = good.iter().filter(is_early).skip(logins).cloned().collect();
    assert!(early.len() >= 2);

    let mut pair = Pair::new(endpoint_config(), edge);
    begin(&mut pair, offer);
    let held = until_login(&mut pair);
    assert_eq!(held.len(), 1);
    for flight in &early {
        pair.arrive(Side::Initiator, flight);
    }
    assert_eq!(pair.intercept(), []);
    assert_eq!(children(&pair.responder), 0, "{:#?}", pair.responder.events);
    assert!(assigned(&pair.responder).is_empty());
    let dropped = |event: &&Event| matches!(event, Event::PacketDropped { .. });
    assert!(pair.responder.events.iter().filter(dropped).count() >= early.len());
    // While the status is on its way, it is still too early.
    for (side, flight) in held {
        pair.arrive(side, &flight);
    }
    let reply = pair.intercept();
    assert_eq!(reply.len(), 1);
    pair.arrive(Side::Initiator, &reply[0].1);
    let status = pair.intercept();
    for flight in &early {
        pair.arrive(Side::Initiator, flight);
    }
    assert_eq!((pair.intercept(), children(&pair.responder)), (Vec::new(), 0));
    // The very same messages are good after it.
    for (side, flight) in status {
        pair.arrive(side, &flight);
    }
    pair.deliver();
    assert_eq!(children(&pair.responder), 1, "{:#?}", pair.responder.events);
    let sent: Vec<_> = pair.sent.iter().map(|(_, flight)| flight).collect();
    assert!(early.iter().all(|flight| sent.contains(&flight)));
}

#[test]
fn a_failed_login_opens_nothing_afterwards() {
    let good = sent_in_a_good_session(edge(), client(Ikev1Mode::Main, &["right"]));
    let mut edge = edge();
    edge.remote_access.tries = 1;
    let mut pair = Pair::new(endpoint_config(), edge);
    connect(&mut pair, client(Ikev1Mode::Main, &["wrong"]));
    for flight in &good {
        pair.arrive(Side::Initiator, flight);
        pair.intercept();
    }
    assert_eq!(children(&pair.responder), 0, "{:#?}", pair.responder.events);
}

#[rstest]
fn any_message_may_be_lost_once_or_come_twice(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(ModeConfig::Off, ModeConfig::Pull, ModeConfig::Push)] mode_config: ModeConfig,
    #[values(0, 2)] copies: usize,
) {
    let mut number = 0;
    loop {
        let mut edge = edge();
        edge.remote_access.pool = Some(pool(mode_config == ModeConfig::Push));
        let mut pair = Pair::new(endpoint_config(), edge);
        let mut offer = client(mode, &["wrong", "right"]);
        offer.ikev1.as_mut().unwrap().mode_config = mode_config;
        begin(&mut pair, offer);
        let (mut seen, mut hit) = (0, false);
        loop {
            let flights = pair.intercept();
            if flights.is_empty() {
                break;
            }
            for (side, flight) in flights {
                let times = if seen == number { copies } else { 1 };
                hit |= seen == number;
                seen += 1;
                (0..times).for_each(|_| pair.arrive(side, &flight));
            }
        }
        if !hit {
            assert!(number >= 12, "{number}");
            return;
        }
        pair.advance(Duration::from_secs(25));
        for node in [&pair.initiator, &pair.responder] {
            assert_eq!(children(node), 1, "message {number}: {:#?}", node.events);
            // The client does not get to know why it is asked again.
            let (asked, _, right) = logins(node);
            assert_eq!((asked, right), (2, 1), "message {number}: {:#?}", node.events);
            let addresses = usize::from(mode_config != ModeConfig::Off);
            assert_eq!(assigned(node).len(), addresses, "message {number}");
        }
        number += 1;
    }
}

#[test]
fn who_is_not_answered_gives_up() {
    for (lost, reasons) in [
        // Nobody asks the client, nobody answers the edge.
        (Side::Responder, [CloseReason::HalfOpenTimeout, CloseReason::DeadPeer]),
        (Side::Initiator, [CloseReason::HalfOpenTimeout, CloseReason::DeadPeer]),
    ] {
        let mut pair = pair();
        begin(&mut pair, client(Ikev1Mode::Main, &["right"]));
        let end = pair.now + Duration::from_secs(300);
        loop {
            let flights = pair.intercept();
            if flights.is_empty() && !pair.fire_before(end) {
                break;
            }
            for (side, flight) in flights {
                let passes = match exchange(&flight) {
                    Some(ExchangeType::TRANSACTION) => side != lost,
                    // A delete would be noticed.
                    Some(ExchangeType::INFORMATIONAL_V1) => false,
                    _ => true,
                };
                if passes {
                    pair.arrive(side, &flight);
                }
            }
        }
        let got = [&pair.initiator, &pair.responder].map(closed);
        assert_eq!(got, reasons.map(Some), "{lost:?}");
    }
}

/// A fault of the sender of messages of transactions: the body of the nth Attributes payload.
fn body(response: bool, nth: u32, body: &[u8]) -> Fault {
    let payload = PayloadKind::ATTRIBUTES.raw();
    let change = Change::ReplaceBody { payload, body: body.to_vec() };
    let exchange = ExchangeType::TRANSACTION;
    Fault { exchange, response, nth: Some(nth), copies: None, change }
}

fn octets(text: &str) -> Vec<u8> {
    hex::decode(&text.replace(' ', "")).unwrap()
}

#[rstest]
#[case::right("40890005616c696365 408a00057269676874", Some(1), &[])]
#[case::unknown_attributes("7001000107 40890005616c696365 408a00057269676874", Some(1), &[])]
#[case::status_ok(
    "c08f0001 40890005616c696365 408a00057269676874",
    Some(0),
    &["xauth02-6.2-status-in-reply-fail"]
)]
#[case::status_fail("c08f0000", Some(0), &[])]
#[case::chap(
    "c0880001 40890005616c696365 408a00057269676874",
    None,
    &["xauth02-6.2-type-identical"]
)]
#[case::no_password("40890005616c696365", None, &["xauth02-6.1-reply-filled"])]
#[case::no_name("408a00057269676874", None, &["xauth02-6.1-reply-filled"])]
#[case::empty("", None, &["xauth02-6.1-reply-filled"])]
#[case::empty_name("40890000 408a00057269676874", None, &[])]
#[case::short_password("40890005616c696365 c08a7269", None, &[])]
#[case::half_an_attribute("40890005616c696365 408a00057269676874 408b000901", Some(2), &[])]
fn a_reply_counts_as_what_it_says(
    #[case] attributes: &str,
    // Right, final, or dropped; the others are asked again and then right.
    #[case] outcome: Option<u8>,
    #[case] broken: &[&str],
) {
    let mut initiator = endpoint_config();
    let reply = [&[2, 0, 0, 0][..], &octets(attributes)].concat();
    initiator.faults = vec![body(true, 0, &reply)];
    let mut pair = Pair::new(initiator, edge());
    connect(&mut pair, client(Ikev1Mode::Main, &["right"]));
    let node = &pair.responder;
    // The identifier is another one as well, if the reply can be read at all.
    let of_identifier = (outcome != Some(2)).then_some("xauth02-6-same-transaction-id");
    let broken: Vec<_> = of_identifier.into_iter().chain(broken.iter().copied()).collect();
    assert_eq!(violations(node), broken, "{:#?}", node.events);
    let expected = match outcome {
        Some(0) => (1, 1, 0),
        Some(1) => (1, 0, 1),
        Some(_) => (1, 0, 0),
        None => (2, 1, 1),
    };
    assert_eq!(logins(node), expected, "{:#?}", node.events);
    assert_eq!(children(node), expected.2);
}

#[rstest]
#[case::generic("c0880000 40890000 408a0000", true, &[])]
#[case::no_type("40890000 408a0000", true, &[])]
#[case::message("408c00026869 40890000 408a0000", true, &[])]
#[case::values("4089000178 408a0000", true, &["xauth02-6.1-request-empty-attributes"])]
#[case::chap("c0880001 40890000 408a0000", false, &[])]
#[case::otp("c0880002 40890000 408a0000", false, &[])]
#[case::skey("c0880003 40890000 408a0000", false, &[])]
#[case::passcode("40890000 408b0000", false, &[])]
#[case::challenge("408d000101 40890000 408a0000", false, &["xauth02-6.2-challenge-not-generic"])]
fn a_client_answers_what_it_knows(
    #[case] attributes: &str,
    #[case] answers: bool,
    #[case] broken: &[&str],
) {
    let mut edge = edge();
    let request = [&[1, 0, 0, 9][..], &octets(attributes)].concat();
    edge.faults = vec![body(false, 0, &request)];
    let mut pair = Pair::new(endpoint_config(), edge);
    connect(&mut pair, client(Ikev1Mode::Main, &["right"]));
    assert_eq!(violations(&pair.initiator), broken, "{:#?}", pair.initiator.events);
    assert_eq!(children(&pair.initiator), usize::from(answers));
    // STATUS FAIL in the answer ends it at once.
    let expected = if answers { (1, 0, 1) } else { (1, 1, 0) };
    assert_eq!(logins(&pair.responder), expected, "{:#?}", pair.responder.events);
}

#[rstest]
#[case::nothing("c08f0001", &[])]
#[case::more("c08f0001 40890000", &["xauth02-6.1-set-status-only"])]
#[case::another_value("c08f0002", &["xauth02-6.2-status-in-set"])]
#[case::none("408c00026869", &["xauth02-6.2-status-in-set"])]
fn a_status_is_ok_or_fail(#[case] attributes: &str, #[case] broken: &[&str]) {
    let mut edge = edge();
    let set = [&[3, 0, 0, 9][..], &octets(attributes)].concat();
    edge.faults = vec![body(false, 1, &set)];
    let mut pair = Pair::new(endpoint_config(), edge);
    connect(&mut pair, client(Ikev1Mode::Main, &["right"]));
    assert_eq!(violations(&pair.initiator), broken, "{:#?}", pair.initiator.events);
    let is_dropped = broken.contains(&"xauth02-6.2-status-in-set");
    assert_eq!(children(&pair.initiator), usize::from(!is_dropped));
}

#[test]
fn two_payloads_are_one_too_many() {
    let mut initiator = endpoint_config();
    let payload = PayloadKind::ATTRIBUTES.raw();
    let (exchange, change) = (ExchangeType::TRANSACTION, Change::DuplicatePayload { payload });
    initiator.faults = vec![Fault { exchange, response: true, nth: Some(0), copies: None, change }];
    let mut pair = Pair::new(initiator, edge());
    connect(&mut pair, client(Ikev1Mode::Main, &["right"]));
    assert_eq!(violations(&pair.responder), ["modecfg02-3.1.1-one-attr-payload"]);
    assert_eq!(logins(&pair.responder), (1, 0, 0));
}

#[rstest]
#[case::pull(ModeConfig::Pull, false)]
#[case::push(ModeConfig::Push, true)]
#[case::both(ModeConfig::Pull, true)]
fn an_address_is_pulled_or_pushed(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] mode_config: ModeConfig,
    #[case] push: bool,
) {
    let mut edge = edge();
    edge.remote_access.pool = Some(pool(push));
    let mut pair = Pair::new(endpoint_config(), edge);
    let mut offer = client(mode, &["right"]);
    offer.ikev1.as_mut().unwrap().mode_config = mode_config;
    connect(&mut pair, offer);
    let address = "10.9.0.1".to_owned();
    for (node, of) in [(&pair.initiator, Of::Local), (&pair.responder, Of::Peer)] {
        let assigned = assigned(node);
        // What is pushed and asked for at the same time is one address.
        assert!(assigned.iter().all(|(to, given, _)| (*to, given) == (of, &address)));
        assert!(assigned.iter().any(|(.., pushed)| *pushed == push), "{:#?}", node.events);
    }
    let ts = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.ts_remote.clone()),
        _ => None,
    });
    assert_eq!(ts, Some(vec![TrafficSelector::host([10, 9, 0, 1].into())]));
    for node in [&pair.initiator, &pair.responder] {
        assert!(violations(node).is_empty(), "{:#?}", node.events);
    }
}

#[rstest]
#[case(ModeConfig::Off)]
#[case(ModeConfig::Pull)]
#[case(ModeConfig::Push)]
fn a_peer_may_be_given_time_for_the_last_ack(#[case] mode_config: ModeConfig) {
    let mut edge = edge();
    edge.remote_access.pool = Some(pool(mode_config == ModeConfig::Push));
    let mut config = endpoint_config();
    config.timers.after_ack = Duration::from_millis(100);
    let mut pair = Pair::new(config, edge);
    let mut offer = client(Ikev1Mode::Main, &["right"]);
    offer.ikev1.as_mut().unwrap().mode_config = mode_config;
    connect(&mut pair, offer);
    let quick = |pair: &Pair| {
        let is_one = |flight: &Flight| exchange(flight) == Some(ExchangeType::QUICK_MODE);
        pair.sent.iter().filter(|(_, flight)| is_one(flight)).count()
    };
    pair.advance(Duration::from_millis(99));
    assert_eq!(quick(&pair), 0);
    pair.advance(Duration::from_millis(1));
    assert_eq!(quick(&pair), 3);
    assert_eq!([&pair.initiator, &pair.responder].map(children), [1, 1]);
}

#[test]
fn addresses_are_of_one_peer_and_come_back() {
    let mut edge = edge();
    edge.remote_access.pool = Some(pool(false));
    let mut pair = Pair::new(endpoint_config(), edge);
    let mut offer = client(Ikev1Mode::Aggressive, &["right"]);
    offer.ikev1.as_mut().unwrap().mode_config = ModeConfig::Pull;
    for _ in 0..3 {
        connect(&mut pair, offer.clone());
    }
    let of = |pair: &Pair| {
        assigned(&pair.initiator).into_iter().map(|(_, address, _)| address).collect::<Vec<_>>()
    };
    assert_eq!(of(&pair), ["10.9.0.1", "10.9.0.2"]);
    // The third got none, and ends.
    assert_eq!(closed(&pair.initiator), Some(CloseReason::Refused));
    let first = pair.initiator.find(|event| match event {
        Event::IkeEstablished(up) => Some(up.ike),
        _ => None,
    });
    pair.command(Side::Initiator, Command::DeleteIke { ike: first.unwrap() });
    connect(&mut pair, offer);
    assert_eq!(of(&pair), ["10.9.0.1", "10.9.0.2", "10.9.0.1"]);
}

#[test]
fn without_remote_access_nobody_gets_an_address() {
    for (reading, answered) in [(Xauth::Off, false), (Xauth::On, true)] {
        let mut edge = edge();
        edge.profile.readings.r32 = reading;
        edge.remote_access.users.clear();
        let mut pair = Pair::new(endpoint_config(), edge);
        let mut offer = client(Ikev1Mode::Main, &[]);
        offer.ikev1.as_mut().unwrap().mode_config = ModeConfig::Pull;
        connect(&mut pair, offer);
        let of_responder =
            pair.sent.iter().filter(|(side, _)| *side == Side::Responder).map(|(_, flight)| flight);
        let is_one = |flight: &&Flight| exchange(flight) == Some(ExchangeType::TRANSACTION);
        assert_eq!(of_responder.filter(is_one).count(), usize::from(answered));
        assert_eq!(children(&pair.initiator), 0);
        assert!(assigned(&pair.responder).is_empty());
    }
}
