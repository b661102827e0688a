use proptest::prelude::*;

use super::*;
use crate::wire::num::ExchangeType;
use crate::wire::{Flags, IkeSpi, Version};

fn header(next_payload: PayloadType, length: u32) -> Header {
    Header {
        spi_i: IkeSpi([1; 8]),
        spi_r: IkeSpi([2; 8]),
        next_payload,
        version: Version::V2_0,
        exchange: ExchangeType::INFORMATIONAL,
        flags: Flags::new(true, false),
        message_id: 7,
        length,
    }
}

fn message(first: PayloadType, length: usize, body: &[u8]) -> Vec<u8> {
    let header = header(first, u32::try_from(length).unwrap());
    RawMessage { header, payloads: Vec::new(), trailing: body.to_vec() }.encode()
}

/// A message of this body whose header says the right length.
fn whole(first: PayloadType, body: &[u8]) -> Vec<u8> {
    message(first, Header::LEN + body.len(), body)
}

#[test]
fn a_chain_is_followed_to_its_end() {
    let bytes = whole(PayloadType::NONCE, &[41, 0, 0, 5, 0xaa, 0, 0x83, 0, 4]);
    let message = RawMessage::decode(&bytes).unwrap();
    let [nonce, notify] = message.payloads.as_slice() else { panic!("two payloads") };
    assert_eq!((nonce.kind, nonce.next), (PayloadType::NONCE, PayloadType::NOTIFY));
    assert_eq!((nonce.offset, nonce.declared_length), (28, 5));
    assert_eq!(nonce.body, [0xaa]);
    assert_eq!((notify.kind, notify.next), (PayloadType::NOTIFY, PayloadType::NONE));
    assert_eq!((notify.offset, notify.critical, notify.reserved), (33, true, 3));
    assert_eq!(notify.reader().offset(), 37);
    assert!(message.trailing.is_empty());
    assert_eq!(message.encode(), bytes);
}

#[test]
fn an_encrypted_payload_ends_the_outer_chain() {
    for kind in [PayloadType::SK, PayloadType::SKF] {
        let bytes = whole(kind, &[35, 0, 0, 6, 0xaa, 0xbb, 0xcc]);
        let message = RawMessage::decode(&bytes).unwrap();
        assert_eq!(message.payloads.len(), 1);
        assert_eq!(message.payloads[0].next, PayloadType::IDI);
        assert_eq!(message.trailing, [0xcc]);
        assert_eq!(message.trailing_in_message(), 1);
        assert_eq!(message.encode(), bytes);
    }
}

#[test]
fn what_follows_the_message_is_kept() {
    let bytes = message(PayloadType::NONE, Header::LEN, &[1, 2, 3]);
    let message = RawMessage::decode(&bytes).unwrap();
    assert_eq!(message.trailing, [1, 2, 3]);
    assert_eq!(message.trailing_in_message(), 0);
    assert_eq!(message.encode(), bytes);
}

#[test]
fn payload_lengths_below_their_header_are_refused() {
    for length in 0..4 {
        let bytes = whole(PayloadType::NONCE, &[0, 0, 0, length, 1, 2, 3, 4]);
        let error = RawMessage::decode(&bytes).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::BadLength);
        assert_eq!((error.offset, error.needed, error.available), (28, 4, length.into()));
        assert_eq!(error.limit, Limit::PayloadLength);
    }
}

#[test]
fn a_message_length_below_the_header_is_refused() {
    for length in 0..Header::LEN {
        let error = RawMessage::decode(&message(PayloadType::NONE, length, &[])).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::BadLength);
        assert_eq!((error.needed, error.available), (28, length));
        assert_eq!(error.limit, Limit::MessageLength);
    }
}

#[test]
fn a_message_longer_than_its_datagram_is_refused() {
    for length in [29, 1000, usize::try_from(u32::MAX).unwrap()] {
        let error = RawMessage::decode(&message(PayloadType::NONE, length, &[])).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
        assert_eq!((error.needed, error.available), (length - 28, 0));
        assert_eq!(error.limit, Limit::Datagram);
    }
}

#[test]
fn a_payload_longer_than_its_message_is_refused() {
    let body = [0, 0, 0, 9, 1, 2, 3, 4, 5, 6];
    let error =
        RawMessage::decode(&message(PayloadType::NONCE, Header::LEN + 8, &body)).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Truncated);
    assert_eq!((error.offset, error.needed, error.available), (32, 5, 4));
    assert_eq!(error.limit, Limit::MessageLength);
}

#[test]
fn every_cut_of_a_chain_is_refused() {
    let body = [41, 0, 0, 5, 0xaa, 0, 0x83, 0, 4];
    for length in 0..body.len() {
        let error = RawMessage::decode(&whole(PayloadType::NONCE, &body[..length])).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
    }
}

#[test]
fn a_chain_has_at_most_the_given_number_of_payloads() {
    let chain = |count: usize| {
        let payloads = vec![RawPayload::new(PayloadType::VENDOR_ID, vec![1]); count];
        let (first, body) = RawPayload::encode_chain(&payloads);
        RawMessage::decode(&whole(first, &body))
    };
    assert_eq!(chain(MAX_PAYLOADS).unwrap().payloads.len(), MAX_PAYLOADS);
    assert_eq!(chain(MAX_PAYLOADS + 1).unwrap_err().kind, DecodeErrorKind::TooMany);
}

#[test]
fn illegal_fields_are_written_as_told() {
    let mut payload = RawPayload::new(PayloadType::SA, vec![9]);
    payload.next = PayloadType(200);
    payload.declared_length = 2;
    payload.reserved = 0x7f;
    let raw = RawMessage {
        header: header(PayloadType::KE, 3),
        payloads: vec![payload.clone()],
        trailing: vec![8],
    };
    let bytes = raw.encode();
    assert_eq!(bytes[16], 34);
    assert_eq!(bytes[24..], [0, 0, 0, 3, 200, 0x7f, 0, 2, 9, 8]);
    let as_is = RawPayload::encode_chain_as_is(std::slice::from_ref(&payload));
    assert_eq!(as_is, (PayloadType::SA, vec![200, 0x7f, 0, 2, 9]));
    let linked = RawPayload::encode_chain(&[payload]);
    assert_eq!(linked, (PayloadType::SA, vec![0, 0x7f, 0, 2, 9]));
}

#[test]
fn linking_makes_types_and_lengths_right_and_keeps_the_inner_type() {
    let mut encrypted = RawPayload::new(PayloadType::SK, vec![1; 5]);
    encrypted.next = PayloadType::IDI;
    encrypted.declared_length = 0;
    let mut raw = RawMessage {
        header: header(PayloadType::NONE, 0),
        payloads: vec![RawPayload::new(PayloadType::NOTIFY, vec![0; 4]), encrypted],
        trailing: Vec::new(),
    };
    raw.link();
    let decoded = RawMessage::decode(&raw.encode()).unwrap();
    assert_eq!(decoded.header.next_payload, PayloadType::NOTIFY);
    assert_eq!(decoded.header.length, 28 + 8 + 9);
    assert_eq!(decoded.payloads[0].next, PayloadType::SK);
    assert_eq!(decoded.payloads[1].next, PayloadType::IDI);
    assert_eq!(decoded.payloads[1].declared_length, 9);
}

#[test]
fn decrypted_content_knows_its_place_in_the_datagram() {
    let bytes = [0, 0, 0, 5, 1];
    let payloads = RawPayload::decode_chain(PayloadType::NONCE, &bytes, 100).unwrap();
    assert_eq!(payloads[0].offset, 100);
    let error = RawPayload::decode_chain(PayloadType::NONCE, &bytes[..3], 100).unwrap_err();
    assert_eq!(error.offset, 100);
    let error = RawPayload::decode_chain(PayloadType::NONE, &[0], 100).unwrap_err();
    assert_eq!((error.offset, error.kind), (100, DecodeErrorKind::TrailingBytes));
    assert_eq!(RawPayload::decode_chain(PayloadType::NONE, &[], 100), Ok(Vec::new()));
}

/// Bytes that look like a message: a right length and a chain, with some fields spoilt.
fn likely_messages() -> impl Strategy<Value = Vec<u8>> {
    let payload = (33u8..=54, any::<u8>(), prop::collection::vec(any::<u8>(), 0..40));
    let spoilt = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3);
    (prop::collection::vec(payload, 0..6), prop::collection::vec(any::<u8>(), 0..4), spoilt)
        .prop_map(|(payloads, trailing, spoilt)| {
            let payloads = payloads
                .into_iter()
                .map(|(kind, reserved, body)| RawPayload {
                    critical: reserved & 0x80 != 0,
                    reserved: reserved & 0x7f,
                    ..RawPayload::new(PayloadType(kind), body)
                })
                .collect();
            let mut raw = RawMessage { header: header(PayloadType::NONE, 0), payloads, trailing };
            raw.link();
            let mut bytes = raw.encode();
            for (index, octet) in spoilt {
                let at = index.index(bytes.len());
                bytes[at] = octet;
            }
            bytes
        })
}

proptest! {
    #[test]
    fn what_decodes_encodes_to_the_same_octets(bytes in likely_messages()) {
        if let Ok(message) = RawMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }

    #[test]
    fn a_chain_that_decodes_encodes_to_the_same_octets(bytes in likely_messages()) {
        let (first, body) = (PayloadType(bytes[16]), &bytes[28..]);
        if let Ok(payloads) = RawPayload::decode_chain(first, body, 28) {
            prop_assert_eq!(RawPayload::encode_chain(&payloads), (first, body.to_vec()));
            prop_assert_eq!(RawPayload::encode_chain_as_is(&payloads), (first, body.to_vec()));
        }
    }

    #[test]
    fn random_octets_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(message) = RawMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes);
        }
    }
}
