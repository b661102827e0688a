//! Quick mode, between two edges (RFC 2409, section 5.5).

use super::*;
use crate::io::ChildAsk;
use crate::policy::{Accept, ChildCount, Ikev1Policy, Pfs, Profile};
use crate::wire::PayloadType;
use crate::wire::v2::TrafficSelector;

fn count(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::ChildEstablished(_))).count()
}

fn counts(pair: &Pair) -> (usize, usize) {
    (count(&pair.initiator.events), count(&pair.responder.events))
}

/// With what each side has seen a pair refused.
fn refusals(pair: &Pair) -> [Vec<Option<crate::event::Notification>>; 2] {
    [&pair.initiator, &pair.responder].map(|node| {
        let refused = node.events.iter().filter_map(|event| match event {
            Event::ChildRefused { notify, .. } => Some(*notify),
            _ => None,
        });
        refused.collect()
    })
}

fn selector(text: &str) -> TrafficSelector {
    text.parse::<crate::policy::Selector>().unwrap().0
}

#[rstest]
#[case::addresses(selector("10.0.1.1"), selector("10.0.2.1"))]
#[case::subnets(selector("10.0.1.0/24"), selector("0.0.0.0/0"))]
#[case::ranges(selector("10.0.1.1-10.0.1.9"), selector("10.0.2.1-10.0.2.7"))]
#[case::a_protocol(
    selector("10.0.1.0/24").with_ports(1, 0, u16::MAX),
    selector("10.0.2.0/24").with_ports(1, 0, u16::MAX)
)]
#[case::a_port(
    selector("10.0.1.0/24").with_ports(17, 0, u16::MAX),
    selector("10.0.2.1").with_ports(17, 53, 53)
)]
#[case::version_6(selector("2001:db8:1::/48"), selector("2001:db8:2::1"))]
fn identities_say_which_traffic_is_meant(
    #[case] local: TrafficSelector,
    #[case] remote: TrafficSelector,
) {
    let mut pair = pair();
    let mut offer = offer(Ikev1Mode::Main, IKE, ESP);
    (offer.ts_local, offer.ts_remote) = (vec![local], vec![remote]);
    connect(&mut pair, offer);
    let agreed = |event: &Event| match event {
        Event::ChildEstablished(child) => Some((child.ts_local.clone(), child.ts_remote.clone())),
        _ => None,
    };
    assert_eq!(pair.initiator.find(agreed), Some((vec![local], vec![remote])));
    assert_eq!(pair.responder.find(agreed), Some((vec![remote], vec![local])));
}

#[rstest]
#[case::several_ports(Some(selector("10.0.1.0/24").with_ports(6, 80, 90)), ESP, "no identity")]
#[case::a_cipher_of_ikev2(None, "chacha20poly1305", "no numbers")]
fn what_cannot_be_said_is_told(
    #[case] traffic: Option<TrafficSelector>,
    #[case] child: &str,
    #[case] why: &str,
) {
    let mut pair = pair();
    let mut offer = offer(Ikev1Mode::Main, IKE, child);
    if let Some(traffic) = traffic {
        offer.ts_local = vec![traffic];
    }
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, false); 2]);
    assert_eq!(refusals(&pair), [vec![None], vec![]]);
    let said = pair.initiator.find(|event| match event {
        Event::ChildRefused { detail, .. } => Some(detail.clone()),
        _ => None,
    });
    assert!(said.as_ref().is_some_and(|said| said.contains(why)), "{said:?}");
    assert_eq!(pair.initiator.edge.endpoint().footprint().child_spis, 0);
}

#[rstest]
fn a_refusal_that_is_withheld_was_not_said(#[values(false, true)] withheld: bool) {
    let (exchange, change) = (ExchangeType::INFORMATIONAL_V1, Change::Withhold);
    let fault = Fault { exchange, response: false, nth: None, copies: None, change };
    let mut responder = responder();
    responder.profile.child.integ.accept.retain(|i| *i != crate::crypto::suite::Integ::HmacMd5_96);
    let mut pair = Pair::new(endpoint_config(), responder);
    if withheld {
        pair.command(Side::Responder, Command::Deviate(Box::new(fault)));
    }
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, "aes128-md5"));
    let said = (!withheld).then(|| NotifyKind::NO_PROPOSAL_CHOSEN.into());
    let answers = pair.responder.events.iter().filter_map(|event| match event {
        Event::ProposalRefused { answer, .. } => Some(*answer),
        _ => None,
    });
    assert_eq!(answers.collect::<Vec<_>>(), [said]);
    let heard = said.into_iter().map(Some).collect::<Vec<_>>();
    assert_eq!(refusals(&pair), [heard, vec![said]]);
}

const ID: PayloadType = PayloadType(5);

/// A session whose first quick mode message is changed so.
fn with_ids(changes: Vec<Change>, host_to_host: bool) -> Pair {
    let mut initiator = endpoint_config();
    let fault = |change| Fault {
        exchange: ExchangeType::QUICK_MODE,
        response: false,
        nth: Some(0),
        copies: None,
        change,
    };
    initiator.faults = changes.into_iter().map(fault).collect();
    let mut pair = Pair::new(initiator, responder());
    let mut offer = offer(Ikev1Mode::Main, IKE, ESP);
    if host_to_host {
        offer.ts_local = vec![selector("192.0.2.1")];
        offer.ts_remote = vec![selector("192.0.2.2")];
    }
    connect(&mut pair, offer);
    pair
}

#[test]
fn without_identities_the_ends_themselves_are_meant() {
    // rfc2409-5.5-qm-no-ids-means-peers
    let pair = with_ids(vec![Change::DropPayload { payload: ID }], true);
    assert_eq!(counts(&pair), (1, 1), "{:#?}", pair.initiator.events);
    let agreed = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some((child.ts_local.clone(), child.ts_remote.clone())),
        _ => None,
    });
    assert_eq!(agreed, Some((vec![selector("192.0.2.2")], vec![selector("192.0.2.1")])));
    // Who has asked for something else does not take it.
    let pair = with_ids(vec![Change::DropPayload { payload: ID }], false);
    assert_eq!(count(&pair.initiator.events), 0);
    let violates = |event: &Event| matches!(event, Event::PeerViolation { requirement, .. } if requirement == "rfc2409-5.5-qm-client-ids");
    assert!(pair.initiator.events.iter().any(violates));
}

#[rstest]
#[case::one(vec![
    Change::DropPayload { payload: ID },
    Change::AddPayload { payload: ID, critical: false, body: vec![1, 0, 0, 0, 10, 0, 1, 1] },
])]
#[case::three(vec![Change::DuplicatePayload { payload: ID }])]
#[case::a_name(vec![Change::ReplaceBody { payload: ID, body: vec![2, 0, 0, 0, b'a'] }])]
fn other_identities_are_refused_and_the_isakmp_sa_stays(#[case] changes: Vec<Change>) {
    let pair = with_ids(changes, false);
    assert_eq!(both(&pair), [(true, false); 2]);
    let refused = vec![Some(NotifyKind::INVALID_ID_INFORMATION.into())];
    assert_eq!(refusals(&pair), [refused.clone(), refused]);
    assert_eq!(sas(&pair), [1, 1]);
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().footprint().child_spis, 0);
    }
}

#[rstest]
fn a_key_exchange_is_made_forbidden_or_demanded(
    #[values(Pfs::Optional, Pfs::Forbid, Pfs::Require)] r25: Pfs,
    #[values(false, true)] pfs: bool,
) {
    let mut responder = responder();
    responder.profile.readings.r25 = r25;
    let mut pair = Pair::new(endpoint_config(), responder);
    let child = if pfs { "aes128-sha1-modp1024" } else { "aes128-sha1" };
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, child));
    let is_taken = match r25 {
        Pfs::Optional => true,
        Pfs::Forbid => !pfs,
        Pfs::Require => pfs,
    };
    assert_eq!(both(&pair), [(true, is_taken); 2], "{:#?}", pair.responder.events);
    let refused = vec![Some(NotifyKind::NO_PROPOSAL_CHOSEN.into()); usize::from(!is_taken)];
    assert_eq!(refusals(&pair), [refused.clone(), refused]);
}

fn many(count: u8) -> Connection {
    let mut offer = offer(Ikev1Mode::Main, IKE, "aes128-sha1");
    offer.ts_local =
        (0..count).map(|n| TrafficSelector::subnet([10, 1, n, 0].into(), 24)).collect();
    offer
}

#[test]
fn several_run_at_once_over_a_bad_wire() {
    // rfc2409-5.5-qm-parallel
    for seed in 0..10 {
        let mut random = seed;
        let mut pair = pair();
        let offer = many(6);
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
        let end = pair.now + Duration::from_secs(60);
        deliver_badly(&mut pair, &mut random);
        while counts(&pair) != (6, 6) && pair.fire_before(end) {
            deliver_badly(&mut pair, &mut random);
        }
        assert_eq!(counts(&pair), (6, 6), "seed {seed}");
        assert_eq!(sas(&pair), [1, 1]);
    }
}

#[rstest]
#[case(ChildCount::Pairs, 8, 16)]
#[case(ChildCount::Overlap, 8, 8)]
#[case(ChildCount::EachDirection, 4, 8)]
fn eight_sas_in_three_readings_and_what_they_leave_to_a_rekey(
    #[case] r24: ChildCount,
    #[case] room: usize,
    #[case] with_rekeys: usize,
) {
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    initiator.profile.timers.child_life = 1000;
    responder.profile.limits.max_children = 8;
    responder.profile.readings.r24 = r24;
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, many(9));
    assert_eq!(counts(&pair), (room, room));
    let refused = vec![Some(NotifyKind::NO_PROPOSAL_CHOSEN.into()); 9 - room];
    assert_eq!(refusals(&pair), [refused.clone(), refused]);
    assert_eq!(sas(&pair), [1, 1]);
    pair.advance(Duration::from_secs(940));
    assert_eq!(counts(&pair), (with_rekeys, with_rekeys));
}

#[rstest]
#[case::the_initiator(Side::Initiator)]
#[case::the_responder(Side::Responder)]
fn either_side_asks_for_more_pairs_until_the_other_has_no_room(#[case] side: Side) {
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    initiator.profile.limits.max_children = 8;
    responder.profile.limits.max_children = 8;
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    for n in 2..=9 {
        let (home, there) = (format!("10.1.{n}.0/24"), "10.0.2.0/24".to_owned());
        let (local, remote) = if side == Side::Initiator { (home, there) } else { (there, home) };
        let child: ChildOffer = ESP.parse().unwrap();
        let ask = ChildAsk {
            proposals: vec![child.proposal(1, &[0; 4], false)],
            ts_local: selector(&local),
            ts_remote: selector(&remote),
        };
        pair.command(side, Command::CreateChild { ike: IkeHandle(1), ask: Box::new(ask) });
    }
    assert_eq!(counts(&pair), (8, 8));
    let refused = vec![Some(NotifyKind::NO_PROPOSAL_CHOSEN.into())];
    assert_eq!(refusals(&pair), [refused.clone(), refused]);
    assert_eq!(sas(&pair), [1, 1]);
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn pairs_that_are_being_set_up_count() {
    let mut responder = responder();
    responder.profile.limits.max_children = 3;
    let mut pair = Pair::new(endpoint_config(), responder);
    let mut offer = offer(Ikev1Mode::Main, IKE, ESP);
    offer.ts_local = vec![selector("10.0.1.0/24"); 9];
    connect(&mut pair, offer);
    assert_eq!(counts(&pair), (3, 3));
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn rekeys_that_cross_leave_traffic_alone() {
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    initiator.profile.timers.child_life = 1000;
    // The initiator begins after 90 % of its time, the responder after 95 % of its own.
    responder.profile.timers.child_life = 947;
    responder.profile.readings.r20 = LongerLifetime::Shorten;
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, "aes128-sha1-modp1024"));
    pair.advance(Duration::from_secs(898));
    assert_eq!(counts(&pair), (1, 1));
    let end = pair.now + Duration::from_secs(3);
    let mut crossing = Vec::new();
    while pair.fire_before(end) {
        crossing.extend(pair.intercept());
    }
    let quick = |side| {
        crossing.iter().filter(move |(from, _)| *from == side).filter(|(_, flight)| match flight {
            Flight::Udp(_, bytes) => bytes[18] == ExchangeType::QUICK_MODE.0,
            Flight::Raw(..) => false,
        })
    };
    assert!(quick(Side::Initiator).count() > 0 && quick(Side::Responder).count() > 0);
    for (side, flight) in crossing {
        pair.arrive(side, &flight);
    }
    pair.deliver();
    assert_eq!(counts(&pair), (3, 3), "{:#?}", pair.responder.events);
    let gone = |e: &&Event| matches!(e, Event::ChildClosed { .. });
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.events.iter().filter(gone).count(), 1);
    }
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn a_pair_is_deleted_once_the_peer_has_had_time_for_the_new_one() {
    let mut initiator = endpoint_config();
    initiator.timers.after_ack = Duration::from_millis(100);
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    let (_, spi) = facts(&pair);
    pair.command(Side::Initiator, Command::RekeyChild { ike: IkeHandle(1), spi });
    let closed = |node: &crate::testing::Node| {
        let reasons = node.events.iter().filter_map(|event| match event {
            Event::ChildClosed { reason, .. } => Some(*reason),
            _ => None,
        });
        reasons.collect::<Vec<_>>()
    };
    assert_eq!((counts(&pair), closed(&pair.initiator)), ((2, 2), vec![]));
    assert_eq!(traffic(&mut pair), 2);
    pair.advance(Duration::from_millis(100));
    assert_eq!(closed(&pair.initiator), [CloseReason::DeletedByUs]);
    assert_eq!(closed(&pair.responder), [CloseReason::DeletedByPeer]);
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn a_long_life_has_any_number_of_quick_modes() {
    let mut initiator = endpoint_config();
    initiator.profile.timers.child_life = 100;
    let mut pair = Pair::new(initiator, responder());
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, "aes128-sha1"));
    pair.advance(Duration::from_secs(90 * 80));
    let (ours, theirs) = counts(&pair);
    assert!(ours > 70 && ours == theirs, "{ours} {theirs}");
    assert_eq!(traffic(&mut pair), 2);
    pair.responder.edge.endpoint().footprint().check();
}

fn committing() -> Pair {
    let mut responder = responder();
    let Profile { ike, child, .. } = responder.profile.clone();
    let modes = Accept::new([Ikev1Mode::Main], "test");
    responder.profile.ikev1 = Some(Ikev1Policy { modes, ike, child, commit: true });
    Pair::new(endpoint_config(), responder)
}

/// Delivers all but what the responder says in its informational exchanges.
fn without_informational(pair: &mut Pair) {
    loop {
        let flights = pair.intercept();
        if flights.is_empty() {
            return;
        }
        for (side, flight) in flights {
            let Flight::Udp(_, bytes) = &flight else { continue };
            let is_informational = bytes[18] == ExchangeType::INFORMATIONAL_V1.0;
            if side == Side::Initiator || !is_informational {
                pair.arrive(side, &flight);
            }
        }
    }
}

#[test]
fn a_commit_bit_makes_the_initiator_wait_for_connected() {
    // rfc2408-3.1-commit-bit-wait, rfc2408-3.1-commit-bit-message-id
    let mut pair = committing();
    let offer = offer(Ikev1Mode::Main, IKE, ESP);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    without_informational(&mut pair);
    assert_eq!(counts(&pair), (0, 1));
    let header = |(_, flight): &(Side, Flight)| match flight {
        Flight::Udp(_, bytes) => Some(RawMessage::decode(bytes).unwrap().header),
        Flight::Raw(..) => None,
    };
    let headers: Vec<_> = pair.sent.iter().filter_map(header).collect();
    let [.., second, third, connected] = headers.as_slice() else { panic!("too few") };
    assert_eq!(second.flags.0, 3);
    assert_eq!(third.flags.0, 1);
    assert_eq!(connected.exchange, ExchangeType::INFORMATIONAL_V1);
    assert_eq!(connected.message_id, second.message_id);
    // It was lost: the third message is repeated, and so is what it leads to.
    pair.advance(Duration::from_secs(2));
    assert_eq!(counts(&pair), (1, 1), "{:#?}", pair.initiator.events);
    assert_eq!(traffic(&mut pair), 2);
    // Nothing waits any longer.
    let sent = pair.sent.len();
    pair.advance(Duration::from_secs(10));
    assert_eq!(pair.sent.len(), sent);
}

#[rstest]
#[case::esp("aes128gcm16", 3)]
#[case::ah("ah:sha256", 2)]
fn connected_names_the_protocol_of_its_pair(#[case] child: &str, #[case] protocol: u8) {
    let last = |mut pair: Pair| {
        connect(&mut pair, offer(Ikev1Mode::Main, IKE, child));
        assert_eq!(counts(&pair), (1, 1));
        let spi = pair.responder.find(|event| match event {
            Event::ChildEstablished(up) => Some(up.spi_in),
            _ => None,
        });
        (pair.sent.pop(), spi.unwrap())
    };
    let (sent, spi) = last(committing());
    // It is encrypted, but with this in it it would be the same.
    let body = [&[0, 0, 0, 1, protocol, 4, 0x40, 0][..], &spi.to_be_bytes()].concat();
    let change = Change::ReplaceBody { payload: PayloadType(11), body };
    let (exchange, response) = (ExchangeType::INFORMATIONAL_V1, true);
    let fault = Fault { exchange, response, nth: None, copies: None, change };
    let mut pair = committing();
    pair.command(Side::Responder, Command::Deviate(Box::new(fault)));
    assert_eq!(last(pair), (sent, spi));
}

#[test]
fn without_ah_around_the_pair_only_its_own_spi_is_taken() {
    let mut pair = bundled("refuse");
    let mut either = bundle("aes128-sha1", "ah:md5");
    let alone: ChildOffer = "aes128-sha1".parse().unwrap();
    either.child.push(alone.proposal(2, &[0; 4], false));
    connect(&mut pair, either);
    assert_eq!(counts(&pair), (1, 1), "{:#?}", pair.initiator.events);
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().footprint().child_spis, 1);
    }
}

#[rstest]
#[case::a_pair(offer(Ikev1Mode::Main, IKE, ESP))]
#[case::a_bundle(bundle("aes128-sha1", "ah:md5"))]
fn a_commit_bit_that_nobody_stands_for_leaves_nothing_behind(#[case] offer: Connection) {
    let mut pair = bundled("accept");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let mut set = 0;
    let end = pair.now + Duration::from_secs(300);
    loop {
        for (side, mut flight) in pair.intercept() {
            if let Flight::Udp(_, bytes) = &mut flight
                && side == Side::Responder
                && bytes[18] == ExchangeType::QUICK_MODE.0
            {
                bytes[19] |= 2;
                set += 1;
            }
            pair.arrive(side, &flight);
        }
        let over = !refusals(&pair)[0].is_empty();
        if over || !pair.fire_before(end) {
            break;
        }
    }
    assert!(set > 0);
    assert_eq!(counts(&pair), (0, 1));
    assert_eq!(refusals(&pair)[0], [None]);
    assert_eq!(pair.initiator.edge.endpoint().footprint().child_spis, 0);
}

/// The responder says one thing more in an informational exchange: the body of a Notification payload.
fn tell(pair: &mut Pair, body: Vec<u8>) {
    let change = Change::AddPayload { payload: PayloadType(11), critical: false, body };
    let (exchange, nth, copies) = (ExchangeType::INFORMATIONAL_V1, Some(0), None);
    let fault = Fault { exchange, response: false, nth, copies, change };
    pair.command(Side::Responder, Command::Deviate(Box::new(fault)));
    pair.command(Side::Responder, Command::Probe { ike: IkeHandle(1) });
}

#[rstest]
#[case::of_the_pair(0, true)]
#[case::of_no_pair(1, false)]
fn a_lifetime_that_is_told_later_counts_for_its_pair(#[case] other: u32, #[case] sooner: bool) {
    // rfc2407-4.6.3.1-responder-lifetime-format
    let mut pair = connected(Ikev1Mode::Main);
    let spi = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.spi_in),
        _ => None,
    });
    let spi = (spi.unwrap() ^ other).to_be_bytes();
    // DOI, ESP, an SPI of four octets, RESPONDER-LIFETIME; seconds, 400 of them.
    let head = [0, 0, 0, 1, 3, 4, 0x60, 0];
    let life = [0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 1, 0x90];
    tell(&mut pair, [&head[..], &spi, &life].concat());
    pair.advance(Duration::from_secs(359));
    assert_eq!(counts(&pair), (1, 1));
    pair.advance(Duration::from_secs(2));
    let expected = if sooner { 2 } else { 1 };
    assert_eq!(counts(&pair), (expected, expected));
}

#[rstest]
#[case::of_a_pair(3)]
#[case::of_the_isakmp_sa(1)]
fn no_lifetime_that_is_told_is_too_long(#[case] protocol: u8) {
    let mut pair = connected(Ikev1Mode::Main);
    let spis = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.spi_in.to_be_bytes()),
        _ => None,
    });
    let (spi, kind) = if protocol == 3 { (spis.unwrap().to_vec(), 1) } else { (vec![], 11) };
    // DOI, protocol, SPI, RESPONDER-LIFETIME; as many seconds as eight octets can say.
    let head = [0, 0, 0, 1, protocol, u8::try_from(spi.len()).unwrap(), 0x60, 0];
    let life = [&[0x80, kind, 0, 1, 0, kind + 1, 0, 8][..], &[0xff; 8]].concat();
    tell(&mut pair, [&head[..], &spi, &life].concat());
    pair.advance(Duration::from_secs(1));
    assert_eq!(sas(&pair), [1, 1]);
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn no_lifetime_of_a_profile_is_too_long() {
    let mut ends = [endpoint_config(), responder()];
    for end in &mut ends {
        (end.profile.timers.ike_life, end.profile.timers.child_life) = (u64::MAX, u64::MAX);
    }
    let [initiator, responder] = ends;
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(Ikev1Mode::Main, IKE, ESP));
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    assert_eq!(traffic(&mut pair), 2);
}

/// What a refusal names.
#[derive(Clone, Copy)]
enum Named {
    Nothing,
    Zero,
    Cookies,
    Asked,
    Another,
}

#[rstest]
#[case::nothing(Named::Nothing, true)]
#[case::no_spi(Named::Zero, true)]
#[case::the_cookies(Named::Cookies, true)]
#[case::what_is_asked_for(Named::Asked, true)]
#[case::another_pair(Named::Another, false)]
fn a_refusal_ends_the_quick_mode_that_it_is_about(#[case] named: Named, #[case] ends: bool) {
    let mut pair = connected(Ikev1Mode::Main);
    let (cookies, spi) = facts(&pair);
    let rekey = Command::RekeyChild { ike: IkeHandle(1), spi };
    // The SPI is inside what nobody else can read, and follows from the seed.
    let mut twin = connected(Ikev1Mode::Main);
    twin.command(Side::Initiator, rekey.clone());
    let asked = twin.initiator.events.iter().rev().find_map(|event| match event {
        Event::ChildEstablished(up) => Some(up.spi_in),
        _ => None,
    });
    pair.handle(Side::Initiator, EdgeInput::Command(rekey));
    let first = pair.intercept().remove(0).1;
    let (protocol, spi) = match named {
        Named::Nothing => (3, Vec::new()),
        Named::Zero => (0, vec![0; 4]),
        Named::Cookies => (1, cookies),
        Named::Asked => (3, asked.unwrap().to_be_bytes().to_vec()),
        Named::Another => (3, spi.to_be_bytes().to_vec()),
    };
    // DOI, protocol, SPI, INVALID-SPI.
    let head = [0, 0, 0, 1, protocol, u8::try_from(spi.len()).unwrap(), 0, 11];
    tell(&mut pair, [&head[..], &spi].concat());
    let refused = if ends { vec![Some(NotifyKind::INVALID_SPI.into())] } else { vec![] };
    assert_eq!(refusals(&pair)[0], refused);
    pair.arrive(Side::Initiator, &first);
    pair.deliver();
    assert_eq!(count(&pair.initiator.events), if ends { 1 } else { 2 });
}

#[test]
fn more_quick_modes_than_may_run_are_told() {
    let mut pair = pair();
    connect(&mut pair, many(70));
    // The responder has room for more pairs, but the initiator asks for no more at a time.
    assert_eq!(count(&pair.initiator.events), 64);
    assert_eq!(refusals(&pair), [vec![None; 6], vec![]]);
}
