//! What has to hold for every datagram as a message of IKEv1, whatever is in it.

use crate::wire::v1::{Message, Payload};
use crate::wire::{Header, RawMessage, RawPayload};

/// The least octets of a proposal, a transform, an attribute or an SPI.
const LEAST: usize = 4;

/// Decodes `datagram` as IKEv1, in clear and as if it had been decrypted; panics where an invariant
/// does not hold.
pub fn check(datagram: &[u8]) {
    let Ok(raw) = RawMessage::decode(datagram) else { return };
    for payload in &raw.payloads {
        check_payload(payload);
    }
    if let Ok(message) = Message::decode(&raw) {
        check_message(&message, &raw.payloads);
    }
    // The body as if it had been decrypted, with padding behind it.
    let inner = datagram.get(Header::LEN..).unwrap_or_default();
    let first = raw.header.next_payload;
    let Ok((payloads, used)) = RawPayload::decode_padded_chain(first, inner, Header::LEN) else {
        return;
    };
    assert!(used <= inner.len(), "{used} octets of {}", inner.len());
    let (again, bytes) = RawPayload::encode_chain_as_is(&payloads);
    assert_eq!(
        (again, bytes.as_slice()),
        (first_of(&payloads), inner.get(..used).unwrap_or_default())
    );
    payloads.iter().for_each(check_payload);
    if let Ok(message) = Message::of_payloads(raw.header, &payloads) {
        check_message(&message, &payloads);
    }
}

fn first_of(payloads: &[RawPayload]) -> crate::wire::PayloadType {
    payloads.first().map_or(crate::wire::PayloadType::NONE, |payload| payload.kind)
}

/// A message keeps the octets of its payloads, which hashes cover.
fn check_message(message: &Message, raw: &[RawPayload]) {
    assert_eq!(message.payloads.len(), raw.len());
    for ((payload, body), raw) in message.payloads.iter().zip(raw) {
        assert_eq!(body, &raw.body);
        assert_eq!(payload.kind().raw(), raw.kind);
    }
    for id in message.ids() {
        if let Some(traffic) = id.traffic() {
            assert!(!traffic.is_empty(), "{traffic}");
        }
    }
}

fn check_payload(raw: &RawPayload) {
    match Payload::decode(raw) {
        Ok(payload) => {
            assert_eq!(payload.kind().raw(), raw.kind);
            let parts = parts(&payload);
            assert!(parts * LEAST <= raw.body.len(), "{parts} parts of {}", raw.body.len());
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

/// How many parts a payload was taken apart into: what a flood of them could make grow.
fn parts(payload: &Payload) -> usize {
    match payload {
        Payload::Sa(sa) => {
            let transforms = || sa.proposals.iter().flat_map(|proposal| &proposal.transforms);
            let attributes = transforms().map(|transform| transform.attributes.len());
            sa.proposals.len() + transforms().count() + attributes.sum::<usize>()
        }
        Payload::Attributes(attributes) => attributes.attributes.len(),
        Payload::Delete(delete) if delete.spis.iter().all(|spi| spi.len() >= LEAST) => {
            delete.spis.len()
        }
        _ => 0,
    }
}
