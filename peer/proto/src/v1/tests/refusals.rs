//! Errors that an initiator of phase 1 is told before anybody has authenticated. In clear anybody can have sent
//! them who knows the cookies, which is to say who sees the wire (RFC 2408, section 2.5.3).

use std::collections::VecDeque;

use super::*;
use crate::config::Timers;
use crate::event::Notification;
use crate::wire::v1::{FLAG_ENCRYPTION, Notify, Payload, is_encrypted};
use crate::wire::{Flags, Header, IkeSpi, PayloadType, Version};

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

/// A mode, and which of its own messages the initiator waits for an answer to.
type Stage = (Ikev1Mode, usize);
const STAGES: [Stage; 4] =
    [(Ikev1Mode::Main, 0), (Ikev1Mode::Main, 1), (Ikev1Mode::Main, 2), (Ikev1Mode::Aggressive, 0)];

/// A pair that has come so far. The message is with the caller.
fn begun(initiator: EndpointConfig, (mode, nth): Stage) -> (Pair, Flight) {
    begun_with(initiator, offer(mode, IKE, ESP), nth)
}

fn begun_with(initiator: EndpointConfig, offer: Connection, nth: usize) -> (Pair, Flight) {
    let mut pair = Pair::new(initiator, responder());
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    for _ in 0..2 * nth {
        let (side, flight) = pair.intercept().remove(0);
        pair.arrive(side, &flight);
    }
    let request = pair.intercept().remove(0).1;
    (pair, request)
}

/// A notification in clear, as anybody can make it who has seen the request. With another look at the
/// cookies it is one of somebody who has not.
fn forged_with(
    request: &Flight,
    notify: NotifyKind,
    cookies: impl FnOnce(&mut IkeSpi, &mut IkeSpi),
) -> Flight {
    let Flight::Udp(path, bytes) = request else { panic!("no datagram") };
    let Header { mut spi_i, mut spi_r, .. } = Header::decode(bytes).unwrap();
    cookies(&mut spi_i, &mut spi_r);
    let header = Header {
        spi_i,
        spi_r,
        next_payload: PayloadType::NONE,
        version: Version::V1_0,
        exchange: ExchangeType::INFORMATIONAL_V1,
        flags: Flags(0),
        message_id: 0x1234_5678,
        length: 0,
    };
    let notify = Payload::Notify(Notify::isakmp(notify, spi_i, spi_r, Vec::new()));
    let payloads = vec![notify.encode()];
    let mut message = RawMessage { header, payloads, trailing: Vec::new() };
    message.link();
    let path = crate::io::Path { local: path.remote, remote: path.local, ..*path };
    Flight::Udp(path, message.encode())
}

fn forged(request: &Flight, notify: NotifyKind) -> Flight {
    forged_with(request, notify, |_, _| ())
}

/// With what the initiator knows itself refused, and whether it goes on trying.
fn refusals(pair: &Pair) -> Vec<(NotifyKind, bool)> {
    let refusal = pair.initiator.events.iter().filter_map(|event| match event {
        Event::PeerRefused { notify: Notification::Ikev1 { ikev1 }, tentative, .. } => {
            Some((*ikev1, *tentative))
        }
        _ => None,
    });
    refusal.collect()
}

fn dropped(pair: &Pair) -> Option<DropReason> {
    pair.initiator.events.iter().rev().find_map(|event| match event {
        Event::PacketDropped { reason, .. } => Some(reason.clone()),
        _ => None,
    })
}

/// Lets time pass in silence, and says after how many seconds and how it has ended.
fn ends(pair: &mut Pair) -> (u64, CloseReason) {
    for seconds in 1..20 {
        pair.advance_in_silence(Duration::from_secs(1));
        if let Some(reason) = closed(&pair.initiator.events) {
            return (seconds, reason);
        }
    }
    panic!("it does not end");
}

#[rstest]
fn a_forged_refusal_does_not_keep_the_true_answer_out(
    #[values(0, 1, 2, 3)] stage: usize,
    #[values(
        NotifyKind::NO_PROPOSAL_CHOSEN,
        NotifyKind::AUTHENTICATION_FAILED,
        NotifyKind::INVALID_COOKIE
    )]
    notify: NotifyKind,
    #[values(false, true)] lost: bool,
) {
    let (mut pair, request) = begun(initiator(), STAGES[stage]);
    // <-- N(NO-PROPOSAL-CHOSEN), by somebody else
    pair.arrive(Side::Responder, &forged(&request, notify));
    assert_eq!(refusals(&pair), [(notify, true)], "it is told at once");
    assert_eq!((closed(&pair.initiator.events), pair.intercept()), (None, vec![]));
    if lost {
        // The message is repeated because nothing better has come.
        pair.advance(Duration::from_secs(1));
    } else {
        pair.arrive(Side::Initiator, &request);
        pair.deliver();
    }
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.initiator.events);
    assert_eq!(traffic(&mut pair), 2);
}

#[test]
fn a_forger_in_every_step_keeps_nobody_out() {
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        let mut pair = Pair::new(initiator(), responder());
        let offer = Box::new(offer(mode, IKE, ESP));
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(offer)));
        let (mut forgeries, mut flights) = (0, VecDeque::from(pair.intercept()));
        while let Some((side, flight)) = flights.pop_front() {
            if side == Side::Initiator {
                forgeries += 1;
                for notify in [NotifyKind::PAYLOAD_MALFORMED, NotifyKind::INVALID_SIGNATURE] {
                    pair.arrive(Side::Responder, &forged(&flight, notify));
                }
            }
            pair.arrive(side, &flight);
            flights.extend(pair.intercept());
        }
        assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.initiator.events);
        assert!(forgeries > 2, "{forgeries}");
        // Before there is an SA it is told, in each step anew; behind that it is a violation.
        let tentative = if mode == Ikev1Mode::Main { 3 } else { 1 };
        assert_eq!(refusals(&pair).len(), 2 * tentative, "{mode}");
    }
}

#[rstest]
fn who_does_not_see_the_wire_is_not_heard(
    #[values(0, 1, 2, 3)] stage: usize,
    #[values(false, true)] knows_first: bool,
) {
    let (mode, nth) = STAGES[stage];
    let (mut pair, request) = begun(initiator(), (mode, nth));
    let notify = NotifyKind::NO_PROPOSAL_CHOSEN;
    let guess = forged_with(&request, notify, |spi_i, spi_r| {
        (if knows_first { spi_r } else { spi_i }).0[0] ^= 1;
    });
    pair.arrive(Side::Responder, &guess);
    // To the first message the answer has a cookie of its own, so there is nothing to guess in that one.
    let heard = knows_first && nth == 0;
    assert_eq!(refusals(&pair), if heard { vec![(notify, true)] } else { vec![] });
    let Flight::Udp(_, bytes) = &request else { panic!("no datagram") };
    let spi = Header::decode(bytes).unwrap().spi_r;
    let exchange = ExchangeType::INFORMATIONAL_V1;
    let expected = match (nth, knows_first) {
        (0, true) => None,
        // Without a second cookie it looks like what begins something, and it is not.
        (0, false) => Some(DropReason::UnexpectedExchange { exchange }),
        (_, true) => Some(DropReason::WrongSpi),
        (_, false) => Some(DropReason::UnknownIkeSpi { spi }),
    };
    assert_eq!(dropped(&pair), expected);
    // Only who is heard makes the wait shorter.
    let expected = if heard { (3, CloseReason::Refused) } else { (7, CloseReason::DeadPeer) };
    assert_eq!(ends(&mut pair), expected);
}

#[rstest]
fn a_refusal_that_stays_the_only_answer_ends_the_attempt(#[values(0, 1, 2, 3)] stage: usize) {
    let (mut pair, request) = begun(initiator(), STAGES[stage]);
    let (one, other) = (NotifyKind::NO_PROPOSAL_CHOSEN, NotifyKind::INVALID_ID_INFORMATION);
    pair.arrive(Side::Responder, &forged(&request, one));
    pair.advance_in_silence(Duration::from_secs(1));
    pair.arrive(Side::Responder, &forged(&request, one));
    assert_eq!(refusals(&pair), [(one, true)], "the same refusal is news only once");
    assert!(matches!(dropped(&pair), Some(DropReason::UselessResponse { .. })));
    pair.arrive(Side::Responder, &forged(&request, other));
    assert_eq!(refusals(&pair), [(one, true), (other, true)]);
    // Three seconds in all, as the first one has begun them.
    assert_eq!(ends(&mut pair), (2, CloseReason::Refused));
    assert_eq!(sas(&pair)[0], 0);
}

#[rstest]
fn without_further_tries_a_refusal_ends_it_at_once(#[values(0, 1, 2, 3)] stage: usize) {
    let mut config = initiator();
    config.timers.refused_tries = 0;
    let (mut pair, request) = begun(config, STAGES[stage]);
    pair.arrive(Side::Responder, &forged(&request, NotifyKind::INITIAL_CONTACT));
    assert_eq!((refusals(&pair), closed(&pair.initiator.events)), (vec![], None), "no error");
    pair.arrive(Side::Responder, &forged(&request, NotifyKind::NO_PROPOSAL_CHOSEN));
    assert_eq!(refusals(&pair), [(NotifyKind::NO_PROPOSAL_CHOSEN, false)]);
    assert_eq!(closed(&pair.initiator.events), Some(CloseReason::Refused));
}

#[test]
fn what_is_encrypted_without_the_keys_says_nothing() {
    let (mut pair, request) = begun(initiator(), (Ikev1Mode::Main, 2));
    let Flight::Udp(path, mut bytes) = forged(&request, NotifyKind::NO_PROPOSAL_CHOSEN) else {
        panic!("no datagram")
    };
    // Whole blocks, and the flag that says that they are encrypted.
    bytes.resize(Header::LEN + 48, 0x5a);
    bytes[19] = FLAG_ENCRYPTION.0;
    bytes[24..28].copy_from_slice(&(Header::LEN as u32 + 48).to_be_bytes());
    pair.arrive(Side::Responder, &Flight::Udp(path, bytes));
    assert_eq!((refusals(&pair), dropped(&pair)), (vec![], Some(DropReason::BadIcv)));
    assert_eq!(ends(&mut pair), (7, CloseReason::DeadPeer));
}

#[test]
fn what_is_encrypted_with_the_keys_is_told_and_ends_the_attempt_in_time() {
    // The key is that of the address, and the identity is another.
    let mut other = offer(Ikev1Mode::Main, IKE, ESP);
    other.id = Id::fqdn("branch.example.com");
    let (mut pair, request) = begun_with(initiator(), other, 2);
    pair.arrive(Side::Initiator, &request);
    let answer = pair.intercept().remove(0).1;
    let Flight::Udp(_, bytes) = &answer else { panic!("no datagram") };
    let header = Header::decode(bytes).unwrap();
    assert!(header.exchange == ExchangeType::INFORMATIONAL_V1 && is_encrypted(&header));
    pair.arrive(Side::Responder, &answer);
    assert_eq!(refusals(&pair), [(NotifyKind::INVALID_ID_INFORMATION, true)]);
    // Once more in clear it is no news.
    pair.arrive(Side::Responder, &forged(&request, NotifyKind::INVALID_ID_INFORMATION));
    assert_eq!(refusals(&pair).len(), 1);
    assert_eq!(ends(&mut pair), (3, CloseReason::Refused));
}

#[test]
fn an_initiator_of_aggressive_mode_that_has_keys_does_not_listen_to_what_comes_in_clear() {
    // rfc2408-4.8-informational-protected
    let (mut pair, first) = begun(initiator(), (Ikev1Mode::Aggressive, 0));
    pair.arrive(Side::Initiator, &first);
    let second = pair.intercept().remove(0).1;
    pair.arrive(Side::Responder, &second);
    let third = pair.intercept();
    assert!(established(&pair.initiator.events).0);
    let notify = NotifyKind::AUTHENTICATION_FAILED;
    pair.arrive(Side::Responder, &forged(&third[0].1, notify));
    assert_eq!((refusals(&pair), sas(&pair)), (vec![], [1, 1]));
    let violates = |event: &Event| matches!(event, Event::PeerViolation { .. });
    assert!(pair.initiator.events.iter().any(violates), "{:#?}", pair.initiator.events);
    for (side, flight) in third {
        pair.arrive(side, &flight);
    }
    pair.deliver();
    assert_eq!(both(&pair), [(true, true); 2]);
}
