//! Messages in fragments, between two edges.

use super::*;
use crate::config::Fragmentation;
use crate::wire::v1::{Fragment, Message, Payload};
use crate::wire::{Flags, IkeSpi};

/// The largest packet: less than most messages need.
const PACKET: u16 = 164;

fn with(mut config: EndpointConfig, fragmentation: Fragmentation) -> EndpointConfig {
    config.limits.fragmentation = fragmentation;
    config.limits.fragment_packet = PACKET;
    config
}

fn fragmenting(initiator: Fragmentation, responder_does: Fragmentation) -> Pair {
    Pair::new(with(endpoint_config(), initiator), with(responder(), responder_does))
}

/// What is in a datagram of IKE, if that is a fragment.
fn fragment(flight: &Flight) -> Option<Fragment> {
    let Flight::Udp(path, bytes) = flight else { return None };
    let marker = if path.local.port() == 4500 { 4 } else { 0 };
    let raw = RawMessage::decode(&bytes[marker..]).ok()?;
    match Message::decode(&raw).ok()?.payloads.as_slice() {
        [(Payload::Fragment(fragment), _)] => Some(fragment.clone()),
        _ => None,
    }
}

/// How many fragments each side has sent.
fn sent(pair: &Pair) -> [usize; 2] {
    [Side::Initiator, Side::Responder].map(|side| {
        let of_side = pair.sent.iter().filter(|(from, _)| *from == side);
        of_side.filter(|(_, flight)| fragment(flight).is_some()).count()
    })
}

fn useless(events: &[Event]) -> Vec<&str> {
    let why = |event| match event {
        &Event::PacketDropped { reason: DropReason::Fragment { ref why }, .. } => {
            Some(why.as_str())
        }
        _ => None,
    };
    events.iter().filter_map(why).collect()
}

#[rstest]
fn large_messages_go_in_fragments_between_ends_that_take_them(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(false, true)] nat: bool,
) {
    let mut pair = fragmenting(Fragmentation::On, Fragmentation::On);
    let mut offer = offer(mode, "aes128-sha1-modp2048", "aes128-sha1-modp2048");
    offer.force_encapsulation = nat;
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    assert_eq!(traffic(&mut pair), 2);
    let quick = |flight: &Flight| fragment(flight).is_some_and(|it| it.number > 1 && it.last);
    assert!(pair.sent.iter().filter(|(_, flight)| quick(flight)).count() >= 3);
    let [initiator, responder] = sent(&pair);
    assert!(initiator > 3 && responder > 3, "{initiator} {responder}");
    // Nothing is larger than was said, but for what an initiator sends before it knows its peer.
    let ike = pair.sent.iter().filter(|(_, flight)| match flight {
        Flight::Udp(path, bytes) => path.local.port() == 500 || bytes.starts_with(&[0; 4]),
        Flight::Raw(..) => false,
    });
    for (at, (_, flight)) in ike.enumerate() {
        let Flight::Udp(_, bytes) = flight else { continue };
        assert!(at == 0 || bytes.len() + 28 <= usize::from(PACKET), "{at}: {}", bytes.len());
    }
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    for node in [&pair.initiator, &pair.responder] {
        let footprint = node.edge.endpoint().footprint();
        footprint.check();
        assert_eq!((footprint.fragmenting, footprint.incomplete), (0, 0));
    }
}

#[rstest]
#[case(Fragmentation::Off, Fragmentation::On, false, false)]
#[case(Fragmentation::On, Fragmentation::Off, false, false)]
#[case(Fragmentation::Accept, Fragmentation::On, false, true)]
#[case(Fragmentation::On, Fragmentation::Accept, true, false)]
fn who_does_not_announce_it_gets_whole_messages(
    #[case] initiator: Fragmentation,
    #[case] responder: Fragmentation,
    #[case] of_initiator: bool,
    #[case] of_responder: bool,
) {
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        let mut pair = fragmenting(initiator, responder);
        connect(&mut pair, offer(mode, IKE, ESP));
        assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
        assert_eq!(sent(&pair).map(|count| count > 0), [of_initiator, of_responder]);
    }
}

#[rstest]
#[case(Fragmentation::Accept, true)]
#[case(Fragmentation::Off, false)]
fn a_first_message_in_fragments_is_taken_where_fragments_are(
    #[case] responder: Fragmentation,
    #[case] is_taken: bool,
) {
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        let mut pair = fragmenting(Fragmentation::Force, responder);
        connect(&mut pair, offer(mode, IKE, ESP));
        assert_eq!(both(&pair), [(is_taken, is_taken); 2], "{:#?}", pair.responder.events);
        let why = useless(&pair.responder.events);
        assert_eq!(why.contains(&"fragments are not taken"), !is_taken, "{why:?}");
        pair.responder.edge.endpoint().footprint().check();
    }
}

#[rstest]
fn fragments_are_lost_doubled_and_reordered(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let mut told = 0;
    for seed in 0..20 {
        let mut random = seed;
        let config = |mut config: EndpointConfig| {
            config.timers.retransmit_tries = 30;
            config.timers.retransmit_growth_percent = 100;
            config.timers.half_open = Duration::from_secs(100);
            with(config, Fragmentation::On)
        };
        let mut pair = Pair::new(config(endpoint_config()), config(responder()));
        let offer = offer(mode, IKE, ESP);
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
        let end = pair.now + Duration::from_secs(600);
        deliver_badly(&mut pair, &mut random);
        while both(&pair) != [(true, true); 2] && pair.fire_before(end) {
            deliver_badly(&mut pair, &mut random);
        }
        assert_eq!(both(&pair), [(true, true); 2], "seed {seed}");
        assert_eq!(traffic(&mut pair), 2, "seed {seed}");
        told += useless(&pair.responder.events).len();
        pair.responder.edge.endpoint().footprint().check();
    }
    assert!(told > 0);
}

/// A session up to the first flight of fragments of the initiator, and that flight.
fn up_to_fragments(pair: &mut Pair) -> Vec<(Side, Flight)> {
    let offer = offer(Ikev1Mode::Main, "aes128-sha1-modp2048", ESP);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    loop {
        let flights = pair.intercept();
        assert!(!flights.is_empty());
        if flights[0].0 == Side::Initiator && fragment(&flights[0].1).is_some() {
            return flights;
        }
        for (side, flight) in flights {
            pair.arrive(side, &flight);
        }
    }
}

#[test]
fn a_repetition_has_the_same_fragments() {
    let mut pair = fragmenting(Fragmentation::On, Fragmentation::On);
    let first = up_to_fragments(&mut pair);
    assert!(first.len() > 2);
    assert!(pair.fire_before(pair.now + Duration::from_secs(2)));
    let again = pair.intercept();
    assert_eq!(first, again);
    // Those that were lost the first time are enough.
    for (side, flight) in first.iter().skip(1).chain(&again[..1]) {
        pair.arrive(*side, flight);
    }
    pair.deliver();
    assert_eq!(both(&pair), [(true, true); 2]);
}

/// A fragment with something about it changed.
fn changed(flight: &Flight, change: impl FnOnce(&mut RawMessage)) -> Flight {
    let Flight::Udp(path, bytes) = flight else { panic!("no datagram") };
    let mut raw = RawMessage::decode(bytes).unwrap();
    change(&mut raw);
    raw.link();
    Flight::Udp(*path, raw.encode())
}

#[test]
fn the_header_of_a_fragment_may_be_that_of_its_message() {
    // libreswan leaves exchange type and Message ID as they are, and others the encryption flag.
    let mut pair = fragmenting(Fragmentation::On, Fragmentation::On);
    for (side, flight) in up_to_fragments(&mut pair) {
        let Flight::Udp(path, bytes) = &flight else { continue };
        let mut bytes = bytes.clone();
        bytes[18] = ExchangeType::QUICK_MODE.0;
        bytes[19] = 1;
        bytes[20..24].copy_from_slice(&[1, 2, 3, 4]);
        pair.arrive(side, &Flight::Udp(*path, bytes));
    }
    pair.deliver();
    assert_eq!(both(&pair), [(true, true); 2]);
}

#[test]
fn strange_fragments_are_told_and_spoil_nothing_for_good() {
    let mut pair = fragmenting(Fragmentation::On, Fragmentation::On);
    let flights = up_to_fragments(&mut pair);
    let (side, first) = flights[0].clone();
    let unknown = changed(&first, |raw| raw.header.spi_i = IkeSpi([9; 8]));
    let company = changed(&first, |raw| raw.payloads.push(raw.payloads[0].clone()));
    let other = |data: Vec<u8>| {
        changed(&first, |raw| {
            let whole = Fragment { id: 1, number: 1, last: true, data };
            raw.payloads = vec![Payload::Fragment(whole).encode()];
        })
    };
    let Flight::Udp(_, bytes) = &first else { panic!("no datagram") };
    let nested = other(bytes.clone());
    let mut stranger = RawMessage::decode(bytes).unwrap();
    stranger.payloads.clear();
    stranger.link();
    stranger.header.flags = Flags(0);
    stranger.header.spi_r = IkeSpi([7; 8]);
    let foreign = other(stranger.encode());
    let garbage = other(b"no message".to_vec());
    for flight in [unknown, company, nested, foreign, garbage] {
        let before = useless(&pair.responder.events).len();
        pair.arrive(side, &flight);
        let why = useless(&pair.responder.events);
        assert_eq!(why.len(), before + 1, "{why:?}");
        assert!(pair.intercept().is_empty());
    }
    for (side, flight) in flights {
        pair.arrive(side, &flight);
    }
    pair.deliver();
    assert_eq!(both(&pair), [(true, true); 2]);
}

#[test]
fn fragments_of_strangers_are_bounded_and_make_no_sa() {
    let mut pair = fragmenting(Fragmentation::Force, Fragmentation::On);
    for _ in 0..9 {
        let offer = offer(Ikev1Mode::Aggressive, IKE, ESP);
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    }
    for (side, flight) in pair.intercept() {
        if fragment(&flight).is_some_and(|fragment| fragment.number == 1) {
            pair.arrive(side, &flight);
        }
    }
    assert!(pair.intercept().is_empty());
    let footprint = pair.responder.edge.endpoint().footprint();
    assert_eq!((footprint.ike_sas, footprint.incomplete), (0, 4));
    assert_eq!(useless(&pair.responder.events).len(), 5);
}
