//! What has to hold for every datagram, whatever is in it.

use crate::wire::v2::presence::{Content, check as check_presence};
use crate::wire::v2::{Message, Payload};
use crate::wire::{EspHeader, Header, RawMessage, RawPayload};

/// Decodes `datagram` in every way; panics where an invariant does not hold.
pub fn check(datagram: &[u8]) {
    let _ = EspHeader::decode(datagram);
    let header = Header::decode(datagram);
    let raw = match RawMessage::decode(datagram) {
        Ok(raw) => raw,
        Err(error) => {
            assert!(error.offset <= datagram.len(), "{error}");
            return;
        }
    };
    assert_eq!(header, Ok(raw.header));
    assert_eq!(raw.encode(), datagram, "the raw level keeps every bit");
    for payload in &raw.payloads {
        check_payload(payload);
    }
    if let Ok(message) = Message::decode(&raw) {
        let _ = check_presence(&Content::new(&message.header, &message.payloads, None));
        let again = RawMessage::decode(&message.encode()).expect("we decode what we encode");
        let again = Message::decode(&again).expect("we decode what we encode");
        assert_eq!(again.payloads, message.payloads);
    }
    // The body as if it had been decrypted.
    let inner = datagram.get(Header::LEN..).unwrap_or_default();
    if let Ok(payloads) = RawPayload::decode_chain(raw.header.next_payload, inner, Header::LEN) {
        let (first, bytes) = RawPayload::encode_chain(&payloads);
        assert_eq!((first, bytes.as_slice()), (raw.header.next_payload, inner));
    }
}

fn check_payload(raw: &RawPayload) {
    match Payload::decode(raw) {
        Ok(payload) => {
            assert_eq!(payload.kind(), raw.kind);
            let again = payload.encode();
            assert!(again.body.len() <= raw.body.len(), "decoding invents nothing");
            assert_eq!(Payload::decode(&again), Ok(payload));
        }
        Err(error) => {
            let end = raw.offset + raw.encoded_len();
            assert!((raw.offset..=end).contains(&error.offset), "{error}");
        }
    }
}
