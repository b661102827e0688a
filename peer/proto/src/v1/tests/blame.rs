//! Which requirement is named where the peer breaks one.

use super::*;
use crate::crypto::CryptoError;
use crate::v1::sa::Rejected;
use crate::wire::PayloadType;

const KE: PayloadType = PayloadType(4);
const RANGE: &str = "rfc6989-2.1-modp-range";
const LENGTH: &str = "rfc2409-5-ke-length";
const MAIN: ExchangeType = ExchangeType::IDENTITY_PROTECTION;
const AGGRESSIVE: ExchangeType = ExchangeType::AGGRESSIVE;
const QUICK: ExchangeType = ExchangeType::QUICK_MODE;

fn violations(events: &[Event]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| match event {
        Event::PeerViolation { requirement, .. } => Some(requirement.as_str()),
        _ => None,
    });
    names.collect()
}

/// A public value of the second group: one, which tells the secret, in so many octets.
fn one(octets: usize) -> Vec<u8> {
    let mut value = vec![0; octets];
    value[octets - 1] = 1;
    value
}

#[rstest]
#[case::main(MAIN, Ikev1Mode::Main, 128, RANGE)]
#[case::aggressive(AGGRESSIVE, Ikev1Mode::Aggressive, 128, RANGE)]
#[case::quick(QUICK, Ikev1Mode::Main, 128, RANGE)]
#[case::main_too_short(MAIN, Ikev1Mode::Main, 127, LENGTH)]
fn a_public_value_breaks(
    #[values(false, true)] response: bool,
    #[case] exchange: ExchangeType,
    #[case] mode: Ikev1Mode,
    #[case] octets: usize,
    #[case] requirement: &str,
) {
    let change = Change::ReplaceBody { payload: KE, body: one(octets) };
    let (mut initiator, mut responder) = (endpoint_config(), responder());
    let config = if response { &mut responder } else { &mut initiator };
    config.faults = vec![Fault { exchange, response, nth: None, copies: None, change }];
    let mut pair = Pair::new(initiator, responder);
    connect(&mut pair, offer(mode, IKE, "aes128gcm16-modp1024"));
    let [judge, other] = match response {
        true => [&pair.initiator, &pair.responder],
        false => [&pair.responder, &pair.initiator],
    };
    assert_eq!(violations(&judge.events), [requirement], "{:#?}", judge.events);
    assert_eq!(violations(&other.events), [""; 0]);
    assert_ne!(both(&pair), [(true, true); 2]);
}

#[test]
fn what_this_end_fails_at_breaks_nothing() {
    let own = Rejected::from(CryptoError::Provider("dh_keypair"));
    assert!(own.own && own.requirement.is_none(), "{own:?}");
}

#[rstest]
#[case::of_a_later_exchange(23, 5, "rfc2408-3.1-message-id-zero-phase1")]
#[case::encrypted(19, 1, "rfc2408-5.2-check-flags")]
#[case::without_a_cookie(0, 0, "rfc2408-3.1-cookie-nonzero")]
fn a_first_message_breaks(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[case] at: usize,
    #[case] octet: u8,
    #[case] requirement: &str,
) {
    let mut pair = pair();
    let command = Command::Initiate(Box::new(offer(mode, IKE, ESP)));
    pair.handle(Side::Initiator, EdgeInput::Command(command));
    let sent = pair.intercept();
    let Flight::Udp(path, mut bytes) = sent[0].1.clone() else { panic!("no datagram") };
    if at == 0 {
        bytes[..8].fill(octet);
    } else {
        bytes[at] = octet;
    }
    pair.arrive(Side::Initiator, &Flight::Udp(path, bytes));
    assert_eq!(violations(&pair.responder.events), [requirement]);
    assert_eq!(sas(&pair)[1], 0);
}
