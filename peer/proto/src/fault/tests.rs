//! What counts as made of what is asked for.

use rstest::rstest;

use super::*;
use crate::crypto::dh::random_len;
use crate::crypto::suite::Group;
use crate::crypto::{Provider, RustCrypto};
use crate::wire::IkeSpi;

const SA: PayloadType = PayloadType::SA;
const KE: PayloadType = PayloadType::KE;
const INIT: ExchangeType = ExchangeType::IKE_SA_INIT;

fn fault(change: Change) -> Fault {
    Fault { exchange: INIT, response: false, nth: None, copies: None, change }
}

fn header() -> Header {
    Header {
        spi_i: IkeSpi([1; 8]),
        spi_r: IkeSpi::ZERO,
        next_payload: SA,
        version: Version::V2_0,
        exchange: INIT,
        flags: Flags::INITIATOR,
        message_id: 0,
        length: 28,
    }
}

/// SA, NAT_DETECTION_SOURCE_IP of IKEv2, and R-U-THERE of IKEv1 with an SPI of two octets.
fn payloads() -> Vec<RawPayload> {
    let notify = vec![0, 0, 0x40, 4, 7, 7];
    let notify_v1 = vec![0, 0, 0, 1, 1, 2, 0x8d, 0x28, 9, 9, 5, 5];
    vec![
        RawPayload::new(SA, vec![1, 2, 3]),
        RawPayload::new(PayloadType::NOTIFY, notify),
        RawPayload::new(NOTIFY_V1, notify_v1),
    ]
}

/// Lets all stages see a message, with this vector before it. Whether the change is made then.
fn is_made(change: Change, last_iv: &[u8]) -> bool {
    let mut changes = Faults::new(&[fault(change)]).next(INIT, false);
    let mut planned = changes.lasting();
    let (mut payloads, mut header, mut message) = (payloads(), header(), vec![1; 8]);
    apply_payloads(&mut planned, &mut payloads);
    apply_lengths(&mut planned, &mut payloads);
    apply_header(&mut planned, &mut header);
    apply_iv(&mut planned, &mut vec![3; 8], last_iv);
    apply_wire(&mut planned, &mut message);
    changes.made().count() == 1
}

#[rstest]
#[case::drop(Change::DropPayload { payload: SA }, true)]
#[case::nothing_to_drop(Change::DropPayload { payload: KE }, false)]
#[case::nothing_twice(Change::DuplicatePayload { payload: KE }, false)]
#[case::to_front(Change::MoveToFront { payload: NOTIFY_V1 }, true)]
#[case::in_front(Change::MoveToFront { payload: SA }, false)]
#[case::to_end(Change::MoveToEnd { payload: SA }, true)]
#[case::at_end(Change::MoveToEnd { payload: NOTIFY_V1 }, false)]
#[case::critical(Change::SetCritical { payload: SA }, true)]
#[case::reserved(Change::SetPayloadReserved { payload: SA, bits: 1 }, true)]
#[case::no_reserved(Change::SetPayloadReserved { payload: SA, bits: 0x80 }, false)]
#[case::flip(Change::FlipBits { payload: SA, at: -1, mask: 1 }, true)]
#[case::flip_outside(Change::FlipBits { payload: SA, at: 3, mask: 1 }, false)]
#[case::flip_no_bit(Change::FlipBits { payload: SA, at: 0, mask: 0 }, false)]
#[case::body(Change::ReplaceBody { payload: SA, body: vec![] }, true)]
#[case::same_body(Change::ReplaceBody { payload: SA, body: vec![1, 2, 3] }, false)]
#[case::notify(Change::DropNotify { notify: 16_388 }, true)]
#[case::notify_of_ikev1(Change::DropNotify { notify: 36_136 }, true)]
#[case::no_notify(Change::DropNotify { notify: 1 }, false)]
#[case::length(Change::SetPayloadLength { payload: SA, delta: -1 }, true)]
#[case::length_of_none(Change::SetPayloadLength { payload: KE, delta: 1 }, false)]
#[case::flags(Change::ClearHeaderFlags { bits: 0x08 }, true)]
#[case::clear_flags(Change::ClearHeaderFlags { bits: 0x20 }, false)]
#[case::version(Change::SetVersion { major: 2, minor: 1 }, true)]
#[case::same_version(Change::SetVersion { major: 2, minor: 0 }, false)]
#[case::wire(Change::FlipWire { at: -1, mask: 1 }, true)]
#[case::behind_the_wire(Change::FlipWire { at: 8, mask: 1 }, false)]
#[case::cut(Change::Truncate { by: 1 }, true)]
#[case::withhold(Change::Withhold, true)]
#[case::iv(Change::RepeatIv, true)]
#[case::public_value(Change::ReplacePublicValue { value: PublicValue::One }, false)]
fn a_change_is_made_where_something_is_different(#[case] change: Change, #[case] made: bool) {
    assert_eq!(is_made(change, &[4; 8]), made);
}

#[test]
fn the_first_vector_repeats_none() {
    assert!(!is_made(Change::RepeatIv, &[]));
}

#[rstest]
#[case(16_388, 1, &[0, 0, 0x40, 4, 0xee])]
#[case(36_136, 2, &[0, 0, 0, 1, 1, 2, 0x8d, 0x28, 9, 9, 0xee])]
fn data_of_notifications_of_both_versions_is_replaced(
    #[case] notify: u16,
    #[case] at: usize,
    #[case] expected: &[u8],
) {
    let mut payloads = payloads();
    let change = Change::ReplaceNotifyData { notify, data: vec![0xee] };
    change_payloads(&change, &mut payloads);
    assert_eq!(payloads[at].body, expected);
}

#[rstest]
#[case::always(None, None, [true, true])]
#[case::first(Some(0), None, [true, false])]
#[case::second(Some(1), None, [false, true])]
#[case::no_copy(None, Some(0), [false, false])]
#[case::one_copy(None, Some(1), [false, false])]
fn the_key_pairs_of_the_messages_that_a_fault_meets_are_replaced(
    #[case] nth: Option<u32>,
    #[case] copies: Option<u32>,
    #[case] expected: [bool; 2],
) {
    let change = Change::ReplacePublicValue { value: PublicValue::OffCurve };
    let mut faults = Faults::new(&[Fault { nth, copies, ..fault(change) }]);
    for replaced in expected {
        let honest = pair(Group::Ecp256);
        let used = faults.key_pair(INIT, false, honest.clone());
        assert_eq!(used.public() != honest.public(), replaced);
        assert_eq!(carried(&mut faults, &used), replaced);
    }
}

#[test]
fn a_public_value_counts_where_it_was_replaced() {
    let change = Change::ReplacePublicValue { value: PublicValue::OffCurve };
    let mut faults = Faults::new(&[fault(change)]);
    // A point of Curve25519 is on no other curve, and responses are not meant.
    for (group, response) in [(Group::Curve25519, false), (Group::Ecp256, true)] {
        let used = faults.key_pair(INIT, response, pair(group));
        assert!(!carried(&mut faults, &used), "{group}");
    }
    let used = faults.key_pair(INIT, false, pair(Group::Ecp256));
    // What was built for it is another message, without a public value.
    let mut changes = faults.next(INIT, false);
    apply_payloads(&mut changes.lasting(), &mut payloads());
    assert_eq!(changes.made().count(), 0);
    assert!(carried(&mut faults, &used));
}

fn pair(group: Group) -> KeyPair {
    RustCrypto.dh_keypair(group, &vec![7; random_len(group)]).unwrap()
}

/// Whether a fault is made in the next message, which carries the public value of `pair`.
fn carried(faults: &mut Faults, pair: &KeyPair) -> bool {
    let body = [&[0, 19, 0, 0], pair.public()].concat();
    let mut changes = faults.next(INIT, false);
    apply_payloads(&mut changes.lasting(), &mut vec![RawPayload::new(KE, body)]);
    changes.made().count() == 1
}
