//! What strangers and copies of old messages get: nothing that would be of use to them.

use super::*;
use crate::wire::v1::{Delete, Notify, Payload};
use crate::wire::{Flags, Header, IkeSpi, PayloadType, Version};

/// The datagrams of a side, in order.
fn sent_by(pair: &Pair, side: Side) -> Vec<Flight> {
    let flights = pair.sent.iter().filter(|(from, _)| *from == side);
    flights.map(|(_, flight)| flight.clone()).collect()
}

fn exchange(flight: &Flight) -> Option<ExchangeType> {
    match flight {
        Flight::Udp(_, bytes) => Some(ExchangeType(bytes[18])),
        Flight::Raw(..) => None,
    }
}

#[rstest]
fn a_copy_of_a_first_message_gets_nothing_once_phase_1_has_gone_on(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let mut pair = connected(mode);
    let first = sent_by(&pair, Side::Initiator).remove(0);
    for _ in 0..5 {
        pair.arrive(Side::Initiator, &first);
    }
    assert!(pair.intercept().is_empty());
    assert_eq!(sas(&pair), [1, 1]);
}

#[test]
fn a_copy_of_an_informational_message_is_dropped() {
    let mut pair = connected(Ikev1Mode::Main);
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    let answered = |pair: &Pair| pair.sent.len();
    let probe = sent_by(&pair, Side::Initiator).pop().unwrap();
    assert_eq!(exchange(&probe), Some(ExchangeType::INFORMATIONAL_V1));
    let before = answered(&pair);
    pair.arrive(Side::Initiator, &probe);
    assert_eq!(answered(&pair), before);
    let dropped = |event: &Event| {
        matches!(event, Event::PacketDropped { reason: DropReason::MessageId { .. }, .. })
    };
    assert!(pair.responder.events.iter().any(dropped));
}

#[test]
fn a_copy_of_an_informational_message_is_no_sign_of_life_however_old_it_is() {
    let mut pair = pair();
    let mut offer = offer(Ikev1Mode::Main, IKE, ESP);
    // The responder sees a NAT in front of the initiator, which may move.
    offer.force_encapsulation = true;
    connect(&mut pair, offer);
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    let Some(Flight::Udp(mut path, bytes)) = sent_by(&pair, Side::Initiator).pop() else {
        panic!("no datagram")
    };
    for _ in 0..600 {
        pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    }
    let before = pair.responder.events.len();
    path.local.set_port(40_000);
    pair.arrive(Side::Initiator, &Flight::Udp(path, bytes));
    assert_eq!(pair.intercept(), []);
    let events = &pair.responder.events[before..];
    let is_dropped =
        matches!(events, [Event::PacketDropped { reason: DropReason::MessageId { .. }, .. }]);
    assert!(is_dropped, "{events:#?}");
}

#[test]
fn what_is_not_protected_is_never_believed_of_an_established_sa() {
    // rfc2408-4.8-informational-protected
    let mut pair = connected(Ikev1Mode::Main);
    let Flight::Udp(path, bytes) = sent_by(&pair, Side::Initiator).pop().unwrap() else {
        panic!("no datagram")
    };
    let Header { spi_i, spi_r, .. } = RawMessage::decode(&bytes).unwrap().header;
    let spi_out = pair.responder.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.spi_out),
        _ => None,
    });
    let esp = crate::wire::ProtocolId::ESP;
    let payloads = [
        Payload::Delete(Delete::isakmp(spi_i, spi_r)),
        Payload::Delete(Delete::child(esp, spi_out.unwrap())),
        Payload::Notify(Notify::isakmp(NotifyKind::NO_PROPOSAL_CHOSEN, spi_i, spi_r, vec![])),
        Payload::Notify(Notify::isakmp(NotifyKind::INITIAL_CONTACT, spi_i, spi_r, vec![])),
        Payload::Notify(Notify::isakmp(NotifyKind::R_U_THERE, spi_i, spi_r, vec![0, 0, 0, 9])),
    ];
    for (message_id, payload) in (1..).zip(payloads) {
        for spi_r in [spi_r, IkeSpi::ZERO] {
            let header = Header {
                spi_i,
                spi_r,
                next_payload: PayloadType::NONE,
                version: Version::V1_0,
                exchange: ExchangeType::INFORMATIONAL_V1,
                flags: Flags(0),
                message_id,
                length: 0,
            };
            let payloads = vec![payload.encode()];
            let mut raw = RawMessage { header, payloads, trailing: Vec::new() };
            raw.link();
            for side in [Side::Initiator, Side::Responder] {
                let path = match side {
                    Side::Initiator => path,
                    Side::Responder => {
                        crate::io::Path { local: path.remote, remote: path.local, ..path }
                    }
                };
                pair.arrive(side, &Flight::Udp(path, raw.encode()));
            }
        }
    }
    assert!(pair.intercept().is_empty());
    assert_eq!((sas(&pair), traffic(&mut pair)), ([1, 1], 2));
    let told = |event: &&Event| matches!(event, Event::PeerViolation { .. });
    assert!(pair.responder.events.iter().filter(told).count() >= 5);
    let contact = |event: &&Event| matches!(event, Event::InitialContact { .. });
    assert_eq!(pair.responder.events.iter().filter(contact).count(), 1, "of phase 1");
}

/// What the responder does about a message: its events, and how much it sends.
fn reaction(pair: &mut Pair, flight: &Flight) -> (Vec<Event>, usize) {
    let before = pair.responder.events.len();
    pair.arrive(Side::Initiator, flight);
    let mut events = pair.responder.events[before..].to_vec();
    for event in &mut events {
        if let Event::PacketDropped { len, .. } = event {
            *len = 0;
        }
    }
    (events, pair.intercept().len())
}

#[rstest]
fn nothing_tells_what_was_wrong_in_an_encrypted_message(
    #[values("3des-md5-modp1024", "aes128-sha1-modp1024")] ike: &str,
    #[values(ExchangeType::QUICK_MODE, ExchangeType::INFORMATIONAL_V1)] which: ExchangeType,
) {
    let mut pair = pair();
    let offer = offer(Ikev1Mode::Main, ike, ESP);
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    if which == ExchangeType::INFORMATIONAL_V1 {
        pair.deliver();
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Probe { ike: IkeHandle(1) }));
    }
    // Up to the first such message.
    let message = loop {
        let (side, flight) = pair.intercept().remove(0);
        if exchange(&flight) == Some(which) {
            break flight;
        }
        pair.arrive(side, &flight);
    };
    let Flight::Udp(path, bytes) = &message else { panic!("no datagram") };
    let mut seen = Vec::new();
    // Payload headers, hash, contents, padding: whatever is in the octets.
    for at in 28..bytes.len() {
        let mut wrong = bytes.clone();
        wrong[at] ^= 0x80;
        seen.push(reaction(&mut pair, &Flight::Udp(*path, wrong)));
    }
    // Blocks that are missing, or are not whole.
    for length in 29..bytes.len() {
        let mut wrong = bytes[..length].to_vec();
        wrong[24..28].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
        seen.push(reaction(&mut pair, &Flight::Udp(*path, wrong)));
    }
    // Another first payload than HASH.
    for first in [1, 11, 99] {
        let mut wrong = bytes.clone();
        wrong[16] = first;
        seen.push(reaction(&mut pair, &Flight::Udp(*path, wrong)));
    }
    let remote = path.local;
    let same = Event::PacketDropped { remote, len: 0, reason: DropReason::BadIcv };
    for (at, reaction) in seen.into_iter().enumerate() {
        assert_eq!(reaction, (vec![same.clone()], 0), "{at}");
    }
    // The true one is taken.
    assert!(reaction(&mut pair, &message).1 > 0);
}
