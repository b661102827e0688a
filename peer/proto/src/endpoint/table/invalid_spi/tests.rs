use core::time::Duration;

use rstest::rstest;

use crate::config::{Connection, EndpointConfig, Ikev1Options, InvalidSpi};
use crate::edge::{ESP_PROTOCOL, EdgeInput};
use crate::event::{CloseReason, DropReason, Event};
use crate::io::{Command, IkeHandle};
use crate::policy::{ChildOffer, Ikev1Mode};
use crate::sa::TunnelId;
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::wire::AH_PROTOCOL;

fn telling(invalid_spi: InvalidSpi) -> EndpointConfig {
    let mut config = endpoint_config();
    config.limits.invalid_spi = invalid_spi;
    config
}

fn offer(version: InvalidSpi) -> Connection {
    let mut offer = connection("aes128-sha1-modp1024", "aes128gcm16");
    if version == InvalidSpi::Ikev1 {
        let mode = Ikev1Mode::Aggressive;
        offer.ikev1 = Some(Ikev1Options { mode, ..Ikev1Options::default() });
        let child: ChildOffer = "aes128gcm16".parse().unwrap();
        offer.child = vec![child.proposal(1, &[0; 4], false)];
    }
    offer
}

fn connected(version: InvalidSpi, responder: EndpointConfig) -> Pair {
    let mut pair = Pair::new(endpoint_config(), responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer(version))));
    assert!(pair.initiator.events.iter().any(|it| matches!(it, Event::ChildEstablished(_))));
    pair
}

fn ping(pair: &mut Pair) {
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 1, 1], [10, 0, 2, 1], 64);
    let mut packet = Vec::new();
    builder.icmpv4_echo_request(7, 1).write(&mut packet, &[0xa5; 100]).unwrap();
    let (tunnel, packet) = (TunnelId(1), packet.as_slice());
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet });
    pair.deliver();
}

/// Each word of the responder about an invalid SPI: whether it was inside an SA.
fn told(pair: &Pair) -> Vec<bool> {
    let inside = pair.responder.events.iter().filter_map(|event| match event {
        Event::InvalidSpiTold { ike, .. } => Some(ike.is_some()),
        _ => None,
    });
    inside.collect()
}

fn count(pair: &Pair, is_meant: impl Fn(&Event) -> bool) -> usize {
    pair.initiator.events.iter().filter(|event| is_meant(event)).count()
}

fn heard(event: &Event) -> bool {
    matches!(event, Event::InvalidSpiHeard { .. })
}

fn probed(event: &Event) -> bool {
    matches!(event, Event::ProbeSent { .. })
}

#[rstest]
#[case(InvalidSpi::Ikev1)]
#[case(InvalidSpi::Ikev2)]
fn who_has_lost_all_says_so_in_clear_and_that_is_only_a_reason_to_probe(
    #[case] version: InvalidSpi,
) {
    let mut pair = connected(version, telling(version));
    pair.command(Side::Responder, Command::Forget { ike: IkeHandle(1) });
    ping(&mut pair);
    assert_eq!(told(&pair), [false]);
    assert_eq!((count(&pair, heard), count(&pair, probed)), (1, 1));
    // Nothing is taken down by that word, but by the probe that stays without an answer.
    assert_eq!(pair.initiator.edge.endpoint().ike_sas(), 1);
    pair.advance(Duration::from_secs(125));
    let dead = |it: &Event| matches!(it, Event::IkeClosed { reason: CloseReason::DeadPeer, .. });
    assert_eq!(count(&pair, dead), 1, "{:#?}", pair.initiator.events);
}

#[rstest]
#[case(InvalidSpi::Ikev1)]
#[case(InvalidSpi::Ikev2)]
fn nothing_is_said_unless_it_is_configured(#[case] version: InvalidSpi) {
    let mut pair = connected(version, endpoint_config());
    pair.command(Side::Responder, Command::Forget { ike: IkeHandle(1) });
    let sent = pair.sent.len();
    ping(&mut pair);
    assert_eq!((told(&pair), pair.sent.len()), (vec![], sent + 1));
}

#[rstest]
#[case(InvalidSpi::Ikev1, ESP_PROTOCOL)]
#[case(InvalidSpi::Ikev2, ESP_PROTOCOL)]
#[case(InvalidSpi::Ikev1, AH_PROTOCOL)]
#[case(InvalidSpi::Ikev2, AH_PROTOCOL)]
fn inside_an_sa_it_is_protected_and_ends_nothing(
    #[case] version: InvalidSpi,
    #[case] protocol: u8,
) {
    let mut packet = vec![9; 60];
    // AH comes as the whole IP packet that it is in.
    if protocol == AH_PROTOCOL {
        let ip = etherparse::PacketBuilder::ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64);
        packet.clear();
        ip.write(&mut packet, AH_PROTOCOL.into(), &[4, 4, 0, 0, 9, 9, 9, 9, 0, 0, 0, 1]).unwrap();
        packet.resize(60, 0);
    }
    let mut pair = connected(version, telling(version));
    pair.arrive(Side::Initiator, &Flight::Raw(protocol, packet.clone()));
    pair.deliver();
    assert_eq!(told(&pair), [true], "{:#?}", pair.responder.events);
    assert_eq!(count(&pair, heard), 0);
    pair.advance(Duration::from_secs(10));
    let both = [&pair.initiator, &pair.responder].map(|node| node.edge.endpoint().ike_sas());
    assert_eq!(both, [1, 1]);
    assert_eq!(count(&pair, |it| matches!(it, Event::PacketDropped { .. })), 0);
}

#[test]
fn a_source_is_told_once_a_second() {
    let mut pair = connected(InvalidSpi::Ikev2, telling(InvalidSpi::Ikev2));
    pair.command(Side::Responder, Command::Forget { ike: IkeHandle(1) });
    (0..5).for_each(|_| ping(&mut pair));
    assert_eq!(told(&pair), [false]);
    pair.advance(Duration::from_secs(1));
    (0..5).for_each(|_| ping(&mut pair));
    assert_eq!(told(&pair), [false; 2]);
}

#[rstest]
fn in_clear_it_is_one_of_the_replies_that_are_limited(
    #[values(InvalidSpi::Ikev1, InvalidSpi::Ikev2)] version: InvalidSpi,
    #[values(
        (0, 3, 100, Some(DropReason::ErrorRateLimit)),
        (9, 0, 100, Some(DropReason::Amplification)),
        (9, 3, 8, Some(DropReason::Amplification)),
        (9, 3, 100, None)
    )]
    (replies, amplification, len, limited): (u32, usize, usize, Option<DropReason>),
) {
    let mut config = telling(version);
    config.limits.error_replies_per_second = replies;
    config.limits.amplification = amplification;
    let mut pair = Pair::new(endpoint_config(), config);
    pair.arrive(Side::Initiator, &Flight::Raw(ESP_PROTOCOL, vec![9; len]));
    let said = usize::from(limited.is_none());
    assert_eq!((pair.intercept().len(), told(&pair).len()), (said, said));
    let dropped = pair.responder.find(|event| match event {
        Event::PacketDropped { len: of, reason, .. } if *of == len => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(dropped, limited);
}

#[rstest]
#[case::another_spi(|bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1)]
#[case::another_notify(|bytes: &mut Vec<u8>| bytes[35] ^= 1)]
#[case::an_answer(|bytes: &mut Vec<u8>| bytes[19] ^= 0x20)]
fn what_does_not_name_an_spi_in_use_is_no_reason_to_probe(#[case] edit: fn(&mut Vec<u8>)) {
    let mut pair = connected(InvalidSpi::Ikev2, telling(InvalidSpi::Ikev2));
    pair.command(Side::Responder, Command::Forget { ike: IkeHandle(1) });
    let builder = etherparse::PacketBuilder::ipv4([10, 0, 1, 1], [10, 0, 2, 1], 64);
    let mut packet = Vec::new();
    builder.icmpv4_echo_request(7, 1).write(&mut packet, &[0xa5; 100]).unwrap();
    let (tunnel, packet) = (TunnelId(1), packet.as_slice());
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet });
    let esp = pair.intercept().remove(0).1;
    pair.arrive(Side::Initiator, &esp);
    let (_, mut word) = pair.intercept().remove(0);
    let Flight::Udp(_, bytes) = &mut word else { panic!("{word:?}") };
    edit(bytes);
    pair.arrive(Side::Responder, &word);
    assert_eq!((count(&pair, heard), count(&pair, probed)), (0, 0), "{:#?}", pair.initiator.events);
    assert_eq!(count(&pair, |it| matches!(it, Event::PacketDropped { .. })), 1);
}

#[test]
fn what_is_kept_about_sources_has_a_bound() {
    use super::{Lately, MAX_SOURCES};
    use crate::time::Time;
    let source = |number: u32| core::net::Ipv4Addr::from_bits(number).into();
    let mut lately = Lately::default();
    let many = u32::try_from(MAX_SOURCES).unwrap();
    assert!((0..many).all(|number| lately.allow(Time::ZERO, source(number))));
    assert!(!lately.allow(Time::ZERO, source(many)));
    assert!(lately.allow(Time::ZERO + Duration::from_secs(1), source(many)));
    assert_eq!(lately.0.len(), 1);
}
