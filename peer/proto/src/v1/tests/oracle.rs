//! Whoever changes the ciphertext of somebody else's message learns nothing from what comes of it: until a
//! hash or a signature fits, every change has the same effect on the wire.

use super::*;
use crate::policy::Xauth;
use crate::testing::{certificates, remote_access, user};
use crate::wire::Header;
use crate::wire::v1::FLAG_ENCRYPTION;

/// How both ends authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    PreSharedKey,
    Signatures,
}

/// A cheap suite, and one with short blocks.
const SUITES: [&str; 2] = ["aes128-sha1-curve25519", "3des-md5-curve25519"];

/// Two ends that talk up to the first encrypted message of that exchange from that side, which is taken off
/// the wire.
fn until(
    exchange: ExchangeType,
    from: Side,
    mut offer: Connection,
    proof: Proof,
) -> (Pair, Flight) {
    let mut responder = responder();
    // A stranger has time: what is told may not be limited where it is compared.
    responder.limits.error_replies_per_second = u32::MAX;
    if exchange == ExchangeType::TRANSACTION {
        responder.profile.readings.r32 = Xauth::On;
        responder.remote_access = remote_access(false);
    }
    if let (Proof::Signatures, Some(options)) = (proof, &mut offer.ikev1) {
        options.certificates = Some(certificates(Side::Initiator));
        responder.certificates = Some(certificates(Side::Responder));
    }
    let mut pair = Pair::new(endpoint_config(), responder);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let mut wire = std::collections::VecDeque::new();
    loop {
        wire.extend(pair.intercept());
        let (side, flight) = wire.pop_front().unwrap();
        let Flight::Udp(_, bytes) = &flight else { panic!("no datagram") };
        if side == from && bytes[18] == exchange.0 && bytes[19] & FLAG_ENCRYPTION.0 != 0 {
            return (pair, flight);
        }
        pair.arrive(side, &flight);
    }
}

/// What a stranger sees when a message arrives: the lengths of what is sent. And whether the receiver has
/// believed the message, which then was true in all that is proven.
fn seen(pair: &mut Pair, from: Side, flight: &Flight) -> (Vec<usize>, bool) {
    let believed = |pair: &mut Pair| {
        let of_event = |event: &&Event| {
            matches!(event, Event::IkeEstablished(_) | Event::XauthSucceeded { .. })
                || matches!(event, Event::XauthAsked { of: crate::event::Side::Local, .. })
        };
        pair.node(from.other()).events.iter().filter(of_event).count()
    };
    let before = believed(pair);
    pair.arrive(from, flight);
    let sent = pair.intercept().into_iter().map(|(_, flight)| match flight {
        Flight::Udp(_, bytes) | Flight::Raw(_, bytes) => bytes.len(),
    });
    (sent.collect(), believed(pair) > before)
}

/// Changes each octet of the ciphertext, in one session as long as nothing is believed. Says what a change
/// leads to, and how many octets at the end are not covered by what is proven.
fn sweep(mut session: impl FnMut() -> (Pair, Flight), from: Side) -> (Vec<usize>, usize) {
    let (mut pair, message) = session();
    let Flight::Udp(path, bytes) = &message else { panic!("no datagram") };
    let mut reactions = std::collections::BTreeMap::new();
    let mut free = std::collections::BTreeSet::new();
    for at in Header::LEN..bytes.len() {
        for mask in [0x01, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            let (sent, believed) = seen(&mut pair, from, &Flight::Udp(*path, changed));
            if believed {
                free.insert(at);
                pair = session().0;
            } else {
                reactions.entry(sent).or_insert(at);
            }
        }
    }
    // The true one is still welcome.
    assert!(seen(&mut pair, from, &message).1, "{:#?}", pair.node(from.other()).events.last());
    assert_eq!(reactions.len(), 1, "lengths of what is sent, and the first octet: {reactions:?}");
    // What is behind the proof is not covered by it, and may be anything.
    let free_from = free.first().map_or(bytes.len(), |first| *first);
    (reactions.into_keys().next().unwrap_or_default(), bytes.len() - free_from)
}

#[rstest]
fn every_change_of_a_proof_has_the_same_effect(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(Proof::PreSharedKey, Proof::Signatures)] proof: Proof,
    #[values(SUITES[0], SUITES[1])] ike: &str,
) {
    let exchange = match mode {
        Ikev1Mode::Main => ExchangeType::IDENTITY_PROTECTION,
        Ikev1Mode::Aggressive => ExchangeType::AGGRESSIVE,
    };
    let from = Side::Initiator;
    let (sent, free) = sweep(|| until(exchange, from, offer(mode, ike, ESP), proof), from);
    // Who has another pre-shared key could not read what it is told.
    assert_eq!(sent.len(), usize::from(proof == Proof::Signatures));
    // INITIAL-CONTACT, or two hashes of NAT discovery.
    println!("{mode} {proof:?} {ike}: {sent:?}, {free} octets are not covered");
    assert!(free < 64, "{free}");
}

#[rstest]
fn every_change_of_the_last_message_of_main_mode_has_the_same_effect(
    #[values(Proof::PreSharedKey, Proof::Signatures)] proof: Proof,
    #[values(SUITES[0], SUITES[1])] ike: &str,
) {
    let (exchange, from) = (ExchangeType::IDENTITY_PROTECTION, Side::Responder);
    let offer = || offer(Ikev1Mode::Main, ike, ESP);
    let (sent, free) = sweep(|| until(exchange, from, offer(), proof), from);
    assert!(sent.is_empty(), "{sent:?}");
    assert!(free < 16, "padding at most: {free}");
}

#[rstest]
fn every_change_of_a_transaction_has_the_same_effect(
    #[values(Side::Initiator, Side::Responder)] from: Side,
    #[values(Proof::PreSharedKey, Proof::Signatures)] proof: Proof,
    #[values(SUITES[0], SUITES[1])] ike: &str,
) {
    let offer = || {
        let mut offer = offer(Ikev1Mode::Main, ike, ESP);
        offer.ikev1.as_mut().unwrap().xauth = vec![user()];
        offer
    };
    let (sent, free) = sweep(|| until(ExchangeType::TRANSACTION, from, offer(), proof), from);
    assert!(sent.is_empty(), "{sent:?}");
    assert!(free < 16, "padding at most: {free}");
}
