//! What stands in clear in front of an SK payload.

use rstest::rstest;

use crate::crypto::{IkeCipher, RustCrypto};
use crate::endpoint::context::Envelope;
use crate::event::{IkeKeyLog, KeyLogEntry};
use crate::io::Command;
use crate::testing::{Flight, Pair, Side, connection, endpoint_config};
use crate::wire::{ExchangeType, Header, PayloadType, RawMessage, RawPayload};

fn ike_keys(pair: &Pair) -> &IkeKeyLog {
    let keys = pair.initiator.keys.iter().find_map(|entry| match entry {
        KeyLogEntry::Ike(keys) => Some(keys),
        _ => None,
    });
    keys.unwrap()
}

/// The initiator's next request: `clear` in front of an SK payload with nothing in it.
fn with_clear_payload(pair: &Pair, clear: RawPayload) -> Flight {
    let keys = ike_keys(pair);
    let (encr, integ) = (keys.suite.encr, keys.suite.integ);
    let cipher = IkeCipher::new(&RustCrypto, encr, integ, &keys.sk_ei, &keys.sk_ai).unwrap();
    let envelope = Envelope {
        spi_i: keys.spi_i,
        spi_r: keys.spi_r,
        exchange: ExchangeType::INFORMATIONAL,
        from_initiator: true,
        response: false,
        message_id: 2,
    };
    let body_len = cipher.body_len(0);
    let sk = RawPayload::new(PayloadType::SK, vec![0; body_len]);
    let header = envelope.header();
    let mut message = RawMessage { header, payloads: vec![clear, sk], trailing: Vec::new() };
    message.link();
    let mut bytes = message.encode();
    bytes.truncate(bytes.len() - body_len);
    let body = cipher.seal(&vec![7; cipher.iv_len()], &bytes, &[]).unwrap();
    bytes.extend_from_slice(&body);
    let Some((_, Flight::Udp(path, _))) = pair.sent.first() else { panic!("not UDP") };
    Flight::Udp(*path, bytes)
}

#[rstest]
#[case::a_known_one_is_passed_over(PayloadType::DELETE, true, vec![1, 0, 0, 0], None)]
#[case::even_if_it_cannot_be_read(PayloadType::DELETE, true, vec![1], None)]
#[case::as_is_one_that_is_not_critical(PayloadType(200), false, vec![1], None)]
#[case::a_critical_one_stands_against_the_message(PayloadType(200), true, vec![1], Some(200))]
fn a_payload_in_clear_is_never_used(
    #[case] kind: PayloadType,
    #[case] critical: bool,
    #[case] body: Vec<u8>,
    #[case] refused: Option<u8>,
) {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let offer = connection("aes256-sha256-ecp256", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    // --> INFORMATIONAL { <payload>, SK {} }
    let mut clear = RawPayload::new(kind, body);
    clear.critical = critical;
    let request = with_clear_payload(&pair, clear);
    pair.arrive(Side::Initiator, &request);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 1, "{:#?}", pair.responder.events);
    let answers = pair.intercept();
    assert_eq!(answers.len(), 1, "{:#?}", pair.responder.events);
    let Flight::Udp(_, answer) = &answers[0].1 else { panic!("not UDP") };
    // <-- INFORMATIONAL { SK {} }, or SK { N(UNSUPPORTED_CRITICAL_PAYLOAD) } that names the type
    let keys = ike_keys(&pair);
    let (encr, integ) = (keys.suite.encr, keys.suite.integ);
    let cipher = IkeCipher::new(&RustCrypto, encr, integ, &keys.sk_er, &keys.sk_ar).unwrap();
    let content = cipher.open(answer, Header::LEN + RawPayload::HEADER_LEN).unwrap();
    let expected = refused.map_or_else(Vec::new, |kind| vec![0, 0, 0, 9, 0, 0, 0, 1, kind]);
    assert_eq!(content, expected);
}
