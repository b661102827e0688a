//! Which requirement a violation names.

use rstest::rstest;

use crate::event::{DropReason, Event};
use crate::fault::{Change, Fault};
use crate::io::{Command, IkeHandle};
use crate::testing::{Node, Pair, Side, connection, endpoint_config};
use crate::wire::{ExchangeType, Flags, PayloadType};

const INIT: ExchangeType = ExchangeType::IKE_SA_INIT;
const AUTH: ExchangeType = ExchangeType::IKE_AUTH;
const INFO: ExchangeType = ExchangeType::INFORMATIONAL;

fn replace(payload: PayloadType, body: Vec<u8>) -> Change {
    Change::ReplaceBody { payload, body }
}

fn add(payload: PayloadType, critical: bool, body: Vec<u8>) -> Change {
    Change::AddPayload { payload, critical, body }
}

/// A KE payload of group 19 (`value` 64 octets) or 14 (256 octets).
fn ke(group: u8, value: Vec<u8>) -> Change {
    replace(PayloadType::KE, [vec![0, group, 0, 0], value].concat())
}

fn violations(node: &Node) -> Vec<&str> {
    let names = node.events.iter().filter_map(|event| match event {
        Event::PeerViolation { requirement, .. } => Some(requirement.as_str()),
        _ => None,
    });
    names.collect()
}

/// The violations that the other side of `by` finds, if it sends messages with `change`.
fn found(by: Side, exchange: ExchangeType, ike: &str, change: Change) -> Vec<String> {
    let response = by == Side::Responder;
    let (mut initiator, mut responder) = (endpoint_config(), endpoint_config());
    let config = if response { &mut responder } else { &mut initiator };
    config.faults = vec![Fault { exchange, response, nth: None, copies: None, change }];
    let mut pair = Pair::new(initiator, responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(connection(ike, "aes256gcm16"))));
    pair.command(Side::Initiator, Command::Probe { ike: IkeHandle(1) });
    let judge = if response { &pair.initiator } else { &pair.responder };
    violations(judge).into_iter().map(str::to_owned).collect()
}

#[rstest]
#[case(INIT, Change::DropPayload { payload: PayloadType::SA }, "rfc7296-1.2-init-payloads")]
#[case(INIT, Change::DuplicatePayload { payload: PayloadType::NONCE }, "rfc7296-1.2-init-payloads")]
#[case(INIT, Change::SetMessageId { id: 3 }, "rfc7296-2.2-first-message-id-zero")]
#[case(INIT, Change::FlipSpi { responder: true, mask: 1 }, "rfc7296-3.1-spir-zero-first")]
#[case(INIT, Change::ClearHeaderFlags { bits: Flags::INITIATOR.0 }, "rfc7296-3.1-i-flag")]
#[case(INIT, ke(19, vec![1; 64]), "rfc6989-2.3-ecp-on-curve")]
#[case(INIT, ke(19, vec![1; 63]), "rfc5903-7-ke-lengths")]
#[case(AUTH, Change::DropPayload { payload: PayloadType::IDI }, "rfc7296-1.2-auth-payloads")]
#[case(AUTH, replace(PayloadType::TSI, vec![2, 0, 0, 0]), "rfc7296-3.13-ts-count-and-length")]
#[case(AUTH, replace(PayloadType::SA, vec![0; 3]), "rfc7296-3.3-sa-length-consistent")]
#[case(INFO, add(PayloadType::DELETE, false, vec![3, 4, 0, 1]), "rfc7296-3.11-delete-spi-size")]
fn a_request_breaks(
    #[case] exchange: ExchangeType,
    #[case] change: Change,
    #[case] requirement: &str,
) {
    assert_eq!(found(Side::Initiator, exchange, "aes256-sha256-ecp256", change), [requirement]);
}

#[rstest]
#[case("modp2048", ke(14, vec![0; 256]), "rfc6989-2.1-modp-range")]
#[case("modp2048", ke(14, vec![2; 255]), "rfc7296-3.4-modp-length")]
#[case("curve25519", ke(31, vec![9; 31]), "rfc8031-3.1-curve25519-length")]
fn a_public_value_breaks(#[case] group: &str, #[case] change: Change, #[case] requirement: &str) {
    let ike = format!("aes256-sha256-{group}");
    assert_eq!(found(Side::Initiator, INIT, &ike, change), [requirement]);
}

#[rstest]
#[case(INIT, Change::DropPayload { payload: PayloadType::KE }, "rfc7296-1.2-init-payloads")]
#[case(INIT, Change::FlipBits { payload: PayloadType::SA, at: -1, mask: 7 }, "rfc7296-3.3.6-initiator-checks-offer")]
#[case(INIT, Change::FlipBits { payload: PayloadType::SA, at: 4, mask: 7 }, "rfc7296-3.3.1-accepted-proposal-number")]
#[case(INIT, ke(20, vec![1; 96]), "rfc7296-3.4-ke-group-in-proposal")]
#[case(AUTH, Change::DropPayload { payload: PayloadType::AUTH }, "rfc7296-1.2-auth-payloads")]
#[case(AUTH, add(PayloadType(200), true, vec![1]), "rfc7296-2.5-no-critical-in-response")]
#[case(AUTH, Change::FlipBits { payload: PayloadType::TSR, at: -6, mask: 3 }, "rfc7296-2.9-ts-subset")]
#[case(INFO, add(PayloadType::DELETE, false, vec![3, 4, 0, 1]), "rfc7296-3.11-delete-spi-size")]
fn a_response_breaks(
    #[case] exchange: ExchangeType,
    #[case] change: Change,
    #[case] requirement: &str,
) {
    let found = found(Side::Responder, exchange, "aes256-sha256-ecp256", change);
    assert_eq!(found, [requirement]);
}

#[test]
fn a_critical_payload_in_a_request_breaks_nothing() {
    let change = add(PayloadType(200), true, vec![1]);
    let none: [&str; 0] = [];
    assert_eq!(found(Side::Initiator, INFO, "aes256-sha256-ecp256", change), none);
}

#[test]
fn a_public_value_of_small_order_is_dropped() {
    let change = ke(31, vec![0; 32]);
    let mut initiator = endpoint_config();
    initiator.faults =
        vec![Fault { exchange: INIT, response: false, nth: None, copies: None, change }];
    let mut pair = Pair::new(initiator, endpoint_config());
    let offer = connection("aes256-sha256-curve25519", "aes256gcm16");
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    let dropped = |event: &Event| {
        matches!(event, Event::PacketDropped { reason: DropReason::Malformed { .. }, .. })
    };
    assert!(pair.responder.events.iter().any(dropped), "{:#?}", pair.responder.events);
    assert_eq!(pair.responder.edge.endpoint().ike_sas(), 0);
}
