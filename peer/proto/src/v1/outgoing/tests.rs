//! What is read of an encrypted message whose HASH payload has a fault.

use std::sync::Arc;

use rstest::rstest;

use super::*;
use crate::crypto::{RustCrypto, SecretBytes};
use crate::fault::Fault;
use crate::testing::endpoint_config;
use crate::wire::v1::Id;
use crate::wire::v1::num::IdKind;

const HASH: PayloadType = PayloadType(8);
const NONCE: PayloadType = PayloadType(10);
const KE: PayloadType = PayloadType(4);
const ID: PayloadType = PayloadType(5);

/// Payloads as they are read: type, octet of flags, length as declared.
type Read = Vec<(PayloadType, u8, u16)>;

/// A message of quick mode with this change, or else the last one of main mode, decrypted and read.
fn sealed(quick: bool, change: Change) -> Read {
    let exchange = if quick { ExchangeType::QUICK_MODE } else { ExchangeType::IDENTITY_PROTECTION };
    let mut config = endpoint_config();
    config.faults = vec![Fault { exchange, response: false, nth: None, copies: None, change }];
    let mut cx = Context::new(config, [7; 32], Arc::new(RustCrypto));
    let suite = "aes128-sha1-modp1024".parse().unwrap();
    let cipher = Ikev1Cipher::new(&RustCrypto, suite, &SecretBytes::new(vec![1; 16])).unwrap();
    let (spi_i, spi_r) = (IkeSpi([1; 8]), IkeSpi([2; 8]));
    let outgoing =
        Outgoing { spi_i, spi_r, exchange, message_id: 9, response: false, commit: false };
    let hash = |_: &[u8]| vec![0xaa; 20];
    let sealed = if quick {
        let payloads = [Payload::Nonce(vec![3; 8]), Payload::Ke(vec![4; 16])];
        outgoing.sealed(&mut cx, &cipher, &[0; 16], &payloads, Some(&hash))
    } else {
        let id = Id { kind: IdKind::IPV4_ADDR, protocol: 0, port: 0, data: vec![192, 0, 2, 1] };
        let payloads = [Payload::Id(id), Payload::Hash(hash(&[]))];
        outgoing.sealed(&mut cx, &cipher, &[0; 16], &payloads, None)
    };
    let message = RawMessage::decode(&sealed.bytes).unwrap();
    let text = cipher.decrypt(&[0; 16], &message.trailing).unwrap();
    let first = message.header.next_payload;
    let (payloads, _) = RawPayload::decode_padded_chain(first, &text, 0).unwrap();
    let flags = |of: &RawPayload| u8::from(of.critical) << 7 | of.reserved;
    payloads.iter().map(|of| (of.kind, flags(of), of.declared_length)).collect()
}

#[rstest]
#[case::dropped(
    Change::DropPayload { payload: HASH },
    vec![(NONCE, 0, 12), (KE, 0, 20)],
)]
#[case::twice(
    Change::DuplicatePayload { payload: HASH },
    vec![(HASH, 0, 24), (HASH, 0, 24), (NONCE, 0, 12), (KE, 0, 20)],
)]
#[case::at_the_end(
    Change::MoveToEnd { payload: HASH },
    vec![(NONCE, 0, 12), (KE, 0, 20), (HASH, 0, 24)],
)]
#[case::shorter(
    Change::ReplaceBody { payload: HASH, body: vec![1, 2, 3] },
    vec![(HASH, 0, 7), (NONCE, 0, 12), (KE, 0, 20)],
)]
#[case::critical(
    Change::SetCritical { payload: HASH },
    vec![(HASH, 0x80, 24), (NONCE, 0, 12), (KE, 0, 20)],
)]
#[case::reserved(
    Change::SetPayloadReserved { payload: HASH, bits: 0x55 },
    vec![(HASH, 0x55, 24), (NONCE, 0, 12), (KE, 0, 20)],
)]
// It swallows the nonce, and the octets of the public value are read as one.
#[case::too_long(
    Change::SetPayloadLength { payload: HASH, delta: 12 },
    vec![(HASH, 0, 36), (NONCE, 0, 20)],
)]
// A wrong length that the hash covers stays when HASH is there: here it counts padding.
#[case::with_another_too_long(
    Change::SetPayloadLength { payload: KE, delta: 4 },
    vec![(HASH, 0, 24), (NONCE, 0, 12), (KE, 0, 24)],
)]
fn a_hash_of_phase_2_that_is(#[case] change: Change, #[case] expected: Read) {
    assert_eq!(sealed(true, change), expected);
}

#[rstest]
#[case::dropped(Change::DropPayload { payload: HASH }, vec![(ID, 0, 12)])]
#[case::in_front(Change::MoveToFront { payload: HASH }, vec![(HASH, 0, 24), (ID, 0, 12)])]
#[case::twice(
    Change::DuplicatePayload { payload: HASH },
    vec![(ID, 0, 12), (HASH, 0, 24), (HASH, 0, 24)],
)]
#[case::shorter(
    Change::ReplaceBody { payload: HASH, body: vec![1, 2, 3] },
    vec![(ID, 0, 12), (HASH, 0, 7)],
)]
fn a_hash_of_phase_1_that_is(#[case] change: Change, #[case] expected: Read) {
    assert_eq!(sealed(false, change), expected);
}
