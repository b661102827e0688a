//! Which answer a message gets that cannot be used, and how much is answered at most.

use super::*;
use crate::event::{CloseReason, Notification};
use crate::wire::v2::Payload;
use crate::wire::{Flags, Header, NotifyType, RawMessage, Version};

/// A pair, and the first datagram of its initiator with its header changed.
pub(super) fn begun(
    responder: EndpointConfig,
    change: impl FnOnce(&mut Vec<u8>),
) -> (Pair, Flight) {
    let mut pair = Pair::new(endpoint_config(), responder);
    let offer = connection(OFFER, "aes256gcm16");
    pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
    let Flight::Udp(path, mut bytes) = pair.intercept().remove(0).1 else { panic!("no datagram") };
    change(&mut bytes);
    (pair, Flight::Udp(path, bytes))
}

/// Where the versions and the flags are in a header.
const VERSION: usize = 17;
const FLAGS: usize = 19;

pub(super) fn drops(pair: &Pair) -> Vec<DropReason> {
    let dropped = pair.responder.events.iter().filter_map(|event| match event {
        Event::PacketDropped { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    dropped.collect()
}

#[rstest]
#[case(0x30)]
#[case(0xf7)]
fn a_later_version_is_answered_with_ours(#[case] version: u8) {
    let (mut pair, request) = begun(endpoint_config(), |bytes| bytes[VERSION] = version);
    pair.arrive(Side::Initiator, &request);
    let answer = pair.intercept();
    let [(Side::Responder, Flight::Udp(_, answer))] = answer.as_slice() else {
        panic!("not one answer: {answer:?}")
    };
    let Flight::Udp(_, request) = &request else { panic!("no datagram") };
    let asked = Header::decode(request).unwrap();
    let raw = RawMessage::decode(answer).unwrap();
    // What is spoken here is in the header (RFC 7296 §2.5).
    assert_eq!(raw.header.version, Version::V2_0);
    assert_eq!(raw.header.flags, Flags::RESPONSE);
    let echoed = |it: &Header| (it.spi_i, it.spi_r, it.exchange, it.message_id);
    assert_eq!(echoed(&raw.header), echoed(&asked));
    let [notify] = raw.payloads.as_slice() else { panic!("not one payload") };
    let Ok(Payload::Notify(notify)) = Payload::decode(notify) else { panic!("no notification") };
    assert_eq!(notify.kind, NotifyType::INVALID_MAJOR_VERSION);
    assert_eq!(drops(&pair), [DropReason::MajorVersion { major: version >> 4 }]);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
}

#[rstest]
// Whoever answers answers would do so for ever.
#[case::a_response(0x30, 0x20)]
#[case::an_earlier_version(0x00, 0)]
fn no_other_version_is_answered(#[case] version: u8, #[case] flags: u8) {
    let (mut pair, request) = begun(endpoint_config(), |bytes| {
        (bytes[VERSION], bytes[FLAGS]) = (version, bytes[FLAGS] | flags);
    });
    pair.arrive(Side::Initiator, &request);
    assert_eq!(pair.intercept(), []);
    assert_eq!(drops(&pair), [DropReason::MajorVersion { major: version >> 4 }]);
}

#[test]
fn a_later_minor_version_is_ours() {
    let (mut pair, request) = begun(endpoint_config(), |bytes| bytes[VERSION] = 0x2f);
    pair.arrive(Side::Initiator, &request);
    assert_eq!((drops(&pair), pair.responder.edge.endpoint().ike_sas()), (vec![], 1));
}

#[test]
fn answers_to_later_versions_are_limited() {
    let mut responder = endpoint_config();
    responder.limits.error_replies_per_second = 2;
    let (mut pair, request) = begun(responder, |bytes| bytes[VERSION] = 0x30);
    let answers = |pair: &mut Pair| {
        (0..5).for_each(|_| pair.arrive(Side::Initiator, &request));
        pair.intercept().len()
    };
    assert_eq!(answers(&mut pair), 2);
    let (answered, limited) = (DropReason::MajorVersion { major: 3 }, DropReason::ErrorRateLimit);
    let expected = [&vec![answered; 2][..], &vec![limited; 3]].concat();
    assert_eq!(drops(&pair), expected, "one of each datagram");
    pair.now = pair.now + Duration::from_secs(1);
    assert_eq!(answers(&mut pair), 2);
}

#[rstest]
// The answer has 36 octets, the header alone 28.
#[case(1, 0)]
#[case(2, 1)]
fn an_answer_to_a_later_version_is_no_amplifier(#[case] amplification: usize, #[case] sent: usize) {
    let mut responder = endpoint_config();
    responder.limits.amplification = amplification;
    responder.limits.error_replies_per_second = 1;
    let (mut pair, whole) = begun(responder, |bytes| bytes[VERSION] = 0x30);
    let Flight::Udp(path, mut bytes) = whole.clone() else { panic!("no datagram") };
    bytes.truncate(Header::LEN);
    pair.arrive(Side::Initiator, &Flight::Udp(path, bytes));
    assert_eq!(pair.intercept().len(), sent);
    let told = match sent {
        0 => DropReason::Amplification,
        _ => DropReason::MajorVersion { major: 3 },
    };
    assert_eq!(drops(&pair), [told]);
    // What is not sent takes nothing from the rate of what is.
    pair.arrive(Side::Initiator, &whole);
    assert_eq!(pair.intercept().len(), 1 - sent);
}

#[rstest]
#[case::just_enough(|request: usize, answer: usize| answer.div_ceil(request), true)]
#[case::too_little(|request: usize, answer: usize| answer.div_ceil(request) - 1, false)]
fn an_answer_that_is_too_long_for_its_request_is_not_sent(
    #[case] factor: fn(usize, usize) -> usize,
    #[case] sent: bool,
) {
    // A request without NAT detection, whose answer has it all the same.
    let exchange = ExchangeType::IKE_SA_INIT;
    let without = Change::DropPayload { payload: PayloadType::NOTIFY };
    let fault = Fault { exchange, response: false, nth: None, copies: None, change: without };
    let initiator = EndpointConfig { faults: vec![fault.clone(), fault], ..endpoint_config() };
    let run = |amplification| {
        let mut responder = endpoint_config();
        responder.limits.amplification = amplification;
        let mut pair = Pair::new(initiator.clone(), responder);
        let offer = connection("aes256gcm16-prfsha256-curve25519", "aes256gcm16");
        pair.handle(Side::Initiator, EdgeInput::Command(Command::Initiate(Box::new(offer))));
        let Flight::Udp(path, request) = pair.intercept().remove(0).1 else { panic!() };
        pair.arrive(Side::Initiator, &Flight::Udp(path, request.clone()));
        let answers = pair.intercept();
        let len = answers.first().map(|(_, answer)| match answer {
            Flight::Udp(_, bytes) | Flight::Raw(_, bytes) => bytes.len(),
        });
        (pair, request.len(), len)
    };
    let (_, request, answer) = run(3);
    let factor = factor(request, answer.unwrap());
    let (pair, ..) = run(factor);
    let footprint = pair.responder.edge.endpoint().footprint();
    assert_eq!(footprint.ike_sas, usize::from(sent), "{request} {answer:?}");
    assert_eq!(drops(&pair).contains(&DropReason::Amplification), !sent);
    // Nothing is kept for whom nothing was sent.
    assert_eq!((footprint.half_open, footprint.entropy > 0), (usize::from(sent), sent));
}

#[rstest]
#[case::no_idi(Change::DropPayload { payload: PayloadType::IDI }, NotifyType::INVALID_SYNTAX)]
#[case::no_sa(Change::DropPayload { payload: PayloadType::SA }, NotifyType::INVALID_SYNTAX)]
#[case::two_of_idi(
    Change::DuplicatePayload { payload: PayloadType::IDI },
    NotifyType::INVALID_SYNTAX
)]
#[case::unreadable(
    Change::ReplaceBody { payload: PayloadType::SA, body: vec![1] },
    NotifyType::INVALID_SYNTAX
)]
#[case::unreadable_selectors(
    Change::ReplaceBody { payload: PayloadType::TSI, body: vec![9, 0, 0, 0] },
    NotifyType::INVALID_SYNTAX
)]
#[case::critical(
    Change::AddPayload { payload: PayloadType(200), critical: true, body: vec![] },
    NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD
)]
#[case::wrong_auth(
    Change::FlipBits { payload: PayloadType::AUTH, at: -1, mask: 1 },
    NotifyType::AUTHENTICATION_FAILED
)]
fn an_ike_auth_that_cannot_be_used_is_told_why(#[case] change: Change, #[case] notify: NotifyType) {
    // --> IKE_AUTH { … }, <-- IKE_AUTH { N(INVALID_SYNTAX) }
    let mut pair = Pair::new(faulty(ExchangeType::IKE_AUTH, change), endpoint_config());
    let offer = connection(OFFER, "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(told(&pair), [notify.into()]);
    let closed = pair.responder.find(|event| match event {
        Event::IkeClosed { reason, .. } => Some(*reason),
        _ => None,
    });
    let expected = match notify {
        NotifyType::AUTHENTICATION_FAILED => CloseReason::AuthenticationFailed,
        _ => CloseReason::ProtocolError,
    };
    assert_eq!(closed, Some(expected), "{:#?}", pair.responder.events);
}

/// What the initiator was refused with.
pub(super) fn told(pair: &Pair) -> Vec<Notification> {
    let told = pair.initiator.events.iter().filter_map(|event| match event {
        Event::PeerRefused { notify, .. } => Some(*notify),
        _ => None,
    });
    told.collect()
}

#[rstest]
fn a_pair_whose_numbers_are_used_up_is_deleted_and_the_ike_sa_stays(
    #[values(false, true)] ikev1: bool,
    #[values(Side::Initiator, Side::Responder)] side: Side,
) {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer(ikev1))));
    let tunnel = TunnelId(1);
    let (source, destination) = match side {
        Side::Initiator => ([10, 0, 1, 1], [10, 0, 2, 1]),
        Side::Responder => ([10, 0, 2, 1], [10, 0, 1, 1]),
    };
    let packet = crate::v2::tests::echo(source, destination, 8);
    let send = |pair: &mut Pair| {
        pair.handle(side, EdgeInput::Inner { tunnel, packet: &packet });
        pair.deliver();
        [&pair.initiator, &pair.responder].map(|node| {
            let reasons = node.events.iter().filter_map(|event| match event {
                Event::ChildClosed { reason, .. } => Some(*reason),
                _ => None,
            });
            reasons.collect::<Vec<_>>()
        })
    };
    pair.node(side).edge.data_plane_mut().set_sequence(tunnel, u32::MAX - 2);
    assert_eq!(send(&mut pair), [vec![], vec![]], "there is one left");
    let [by_initiator, by_responder] = send(&mut pair);
    let (own, other) = match side {
        Side::Initiator => (by_initiator, by_responder),
        Side::Responder => (by_responder, by_initiator),
    };
    assert_eq!(own, [CloseReason::SequenceExhausted]);
    assert_eq!(other, [CloseReason::DeletedByPeer]);
    let inner = pair.initiator.inner.len() + pair.responder.inner.len();
    assert_eq!(inner, 2, "the last number is a number, too");
    for node in [&pair.initiator, &pair.responder] {
        assert_eq!(node.edge.endpoint().ike_sas(), 1);
        assert_eq!(node.edge.data_plane().inbound_sas(), 0);
    }
    let before = pair.sent.len();
    send(&mut pair);
    assert_eq!(pair.sent.len(), before, "no number is used twice");
}
