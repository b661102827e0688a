//! The auditor over sessions of the core with itself: honest ones give no findings, and what a
//! `Fault` makes one side send is found. The auditor's own tests do without the core; this is where
//! two independent readings of the RFCs meet.

mod observed;

use std::sync::Arc;
use std::time::Duration;

use ikeproof_audit::{Auditor, Decoded, Finding, Sender};
use ikeproof_proto::config::EndpointConfig;
use ikeproof_proto::crypto::{Group, RustCrypto, SecretBytes};
use ikeproof_proto::edge::EdgeInput;
use ikeproof_proto::event::Event;
use ikeproof_proto::fault::{Change, Fault};
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};
use ikeproof_proto::wire::{ExchangeType, PayloadType};
use rstest::rstest;

use observed::observed;

const IKE: &str = "aes256-sha256-ecp256";
const CHILD: &str = "aes256gcm16";

fn audit(pair: &Pair) -> (Vec<Finding>, Vec<Decoded>) {
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for key in pair.initiator.keys.iter().chain(&pair.responder.keys) {
        findings.extend(auditor.add_keys(key));
    }
    for observed in observed(pair) {
        findings.extend(auditor.datagram(&observed));
    }
    findings.extend(auditor.finish());
    (findings, auditor.take_timeline())
}

fn assert_clean(pair: &Pair) {
    let (findings, timeline) = audit(pair);
    let lines = |lines: Vec<String>| lines.join("\n");
    assert!(
        findings.is_empty(),
        "{}\n{}",
        lines(findings.iter().map(ToString::to_string).collect()),
        lines(timeline.iter().map(ToString::to_string).collect())
    );
    assert_eq!(timeline.len(), pair.sent.len());
    for line in timeline {
        let is_read = line.decrypted || line.encrypted && line.retransmission;
        assert_eq!(line.encrypted, is_read, "{line}");
    }
}

fn connect(initiator: EndpointConfig, responder: EndpointConfig, ike: &str, child: &str) -> Pair {
    let mut pair = Pair::new(initiator, responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(connection(ike, child))));
    pair
}

/// Traffic both ways, a probe from each side, a child and then the IKE SA deleted.
fn live(pair: &mut Pair) {
    let mut back = Vec::new();
    for number in 1..4 {
        for (side, source, destination) in [
            (Side::Initiator, [10, 0, 1, 1], [10, 0, 2, 1]),
            (Side::Responder, [10, 0, 2, 1], [10, 0, 1, 1]),
        ] {
            let builder = etherparse::PacketBuilder::ipv4(source, destination, 64)
                .icmpv4_echo_request(7, number);
            back.clear();
            builder.write(&mut back, &vec![0xa5; 40 * usize::from(number) + 3]).unwrap();
            pair.handle(side, EdgeInput::Inner { tunnel: TunnelId(1), packet: &back });
            pair.deliver();
        }
    }
    for side in [Side::Initiator, Side::Responder] {
        pair.command(side, Command::Probe { ike: IkeHandle(1) });
    }
    let spi = pair.initiator.find(|event| match event {
        Event::ChildEstablished(child) => Some(child.spi_in),
        _ => None,
    });
    let delete = Command::DeleteChild { ike: IkeHandle(1), spi: spi.unwrap() };
    pair.command(Side::Initiator, delete);
    pair.command(Side::Responder, Command::DeleteIke { ike: IkeHandle(1) });
}

#[rstest]
#[case(IKE, CHILD)]
#[case("aes128-sha1-modp1024", "aes128-sha1")]
#[case("aes192-sha512-modp2048", "null-md5")]
#[case("3des-sha1-modp1024", "aes256-sha512")]
#[case("aes256-sha384-ecp384", "aes192-sha384")]
#[case("aes256gcm16-prfsha256-ecp521", "aes192gcm16")]
#[case("aes128gcm16-prfsha512-curve25519", "aes128-md5")]
#[case(IKE, "ah:sha256")]
#[case(IKE, "ah:sha512")]
fn an_honest_session_gives_no_findings(#[case] ike: &str, #[case] child: &str) {
    let mut pair = connect(endpoint_config(), endpoint_config(), ike, child);
    live(&mut pair);
    assert!(pair.sent.len() > 16, "{}", pair.sent.len());
    assert_clean(&pair);
}

#[test]
fn a_cookie_gives_no_findings() {
    let mut responder = endpoint_config();
    responder.profile.limits.cookie_threshold = 0;
    assert_clean(&connect(endpoint_config(), responder, IKE, CHILD));
}

#[test]
fn another_group_gives_no_findings() {
    let mut responder = endpoint_config();
    responder.profile.ike.groups.accept = vec![Group::Ecp384];
    assert_clean(&connect(endpoint_config(), responder, "aes256-sha256-ecp256-ecp384", CHILD));
}

#[test]
fn forced_encapsulation_gives_no_findings() {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let mut offer = connection(IKE, CHILD);
    offer.force_encapsulation = true;
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    pair.advance(Duration::from_secs(41));
    live(&mut pair);
    assert_clean(&pair);
}

#[test]
fn a_wrong_secret_that_is_refused_gives_no_findings() {
    let mut pair = Pair::new(endpoint_config(), endpoint_config());
    let mut wrong = connection(IKE, CHILD);
    wrong.psk = SecretBytes::from_slice(b"another");
    pair.command(Side::Initiator, Command::Initiate(Box::new(wrong)));
    assert_clean(&pair);
}

#[test]
fn an_offer_that_is_refused_again_and_again_gives_no_findings() {
    let mut responder = endpoint_config();
    responder.profile.ike.encr.accept = vec!["3des".parse().unwrap()];
    let mut pair = connect(endpoint_config(), responder, IKE, CHILD);
    pair.advance(Duration::from_secs(60));
    let requests = pair.sent.iter().filter(|(by, _)| *by == Side::Initiator).count();
    assert!(requests > 1 && pair.initiator.edge.endpoint().ike_sas() == 0, "{requests} requests");
    assert_clean(&pair);
}

#[test]
fn a_dead_peer_gives_no_findings() {
    let mut pair = connect(endpoint_config(), endpoint_config(), IKE, CHILD);
    pair.handle(Side::Responder, EdgeInput::Command(Command::Probe { ike: IkeHandle(1) }));
    pair.intercept();
    pair.advance_in_silence(Duration::from_secs(120));
    assert_clean(&pair);
}

/// What one side is made to send, and the findings against it.
fn found(side: Side, exchange: ExchangeType, response: bool, change: Change) -> Vec<String> {
    let fault = Fault { exchange, response, nth: None, copies: None, change };
    let (mut initiator, mut responder) = (endpoint_config(), endpoint_config());
    match side {
        Side::Initiator => initiator.faults.push(fault),
        Side::Responder => responder.faults.push(fault),
    }
    let mut pair = connect(initiator, responder, IKE, CHILD);
    for side in [Side::Initiator, Side::Responder] {
        pair.command(side, Command::Probe { ike: IkeHandle(1) });
    }
    let by = match side {
        Side::Initiator => Sender::Peer,
        Side::Responder => Sender::Edge,
    };
    let (findings, _) = audit(&pair);
    let against = findings.iter().filter(|finding| finding.by == by);
    let mut ids: Vec<String> = against.map(|finding| finding.requirement.to_owned()).collect();
    ids.dedup();
    ids
}

#[rstest]
#[case(ExchangeType::IKE_SA_INIT, Change::SetHeaderFlags { bits: 0x10 }, "rfc7296-3.1-version-flag-clear")]
#[case(ExchangeType::IKE_SA_INIT, Change::SetHeaderFlags { bits: 0x01 }, "rfc7296-3.1-x-bits-cleared")]
#[case(ExchangeType::IKE_SA_INIT, Change::Append { bytes: vec![0] }, "rfc7296-3.1-header-length-whole")]
#[case(ExchangeType::IKE_SA_INIT, Change::SetPayloadReserved { payload: PayloadType::NONCE, bits: 1 }, "rfc7296-2.5-reserved-sent-zero")]
#[case(ExchangeType::IKE_SA_INIT, Change::SetCritical { payload: PayloadType::NONCE }, "rfc7296-3.2-critical-zero-known")]
#[case(ExchangeType::IKE_SA_INIT, Change::MoveToEnd { payload: PayloadType::SA }, "rfc7296-2.5-payload-order-sent")]
#[case(ExchangeType::IKE_SA_INIT, Change::DropNotify { notify: 16389 }, "rfc7296-2.23-natd-payloads-in-init")]
#[case(ExchangeType::IKE_AUTH, Change::SetVersion { major: 2, minor: 3 }, "rfc7296-3.1-major-two")]
#[case(ExchangeType::IKE_AUTH, Change::DropPayload { payload: PayloadType::TSR }, "rfc7296-1.2-auth-payloads")]
#[case(ExchangeType::IKE_AUTH, Change::FlipWire { at: -1, mask: 1 }, "rfc7296-3.14-sk-checksum-over-ciphertext")]
#[case(ExchangeType::INFORMATIONAL, Change::AddPayload { payload: PayloadType::NONCE, critical: false, body: vec![9; 32] }, "rfc7296-1.4-informational-payloads")]
#[case(ExchangeType::INFORMATIONAL, Change::SetMessageId { id: 77 }, "rfc7296-2.2-message-id-increments")]
fn a_fault_of_the_core_is_found(
    #[case] exchange: ExchangeType,
    #[case] change: Change,
    #[case] requirement: &str,
) {
    let ids = found(Side::Initiator, exchange, false, change);
    assert_eq!(ids, [requirement]);
}

#[rstest]
#[case(ExchangeType::IKE_SA_INIT, Change::ClearHeaderFlags { bits: 0x20 }, "rfc7296-3.1-r-flag")]
#[case(ExchangeType::IKE_AUTH, Change::SetHeaderFlags { bits: 0x08 }, "rfc7296-3.1-i-flag")]
#[case(ExchangeType::IKE_SA_INIT, Change::SetCritical { payload: PayloadType::KE }, "rfc7296-2.5-no-critical-in-response")]
#[case(ExchangeType::IKE_AUTH, Change::FlipBits { payload: PayloadType::AUTH, at: -1, mask: 1 }, "rfc7296-2.15-psk-key-pad")]
#[case(ExchangeType::IKE_AUTH, Change::FlipBits { payload: PayloadType::SA, at: 4, mask: 6 }, "rfc7296-3.3.1-accepted-proposal-number")]
fn a_fault_in_an_answer_is_found(
    #[case] exchange: ExchangeType,
    #[case] change: Change,
    #[case] requirement: &str,
) {
    let ids = found(Side::Responder, exchange, true, change);
    assert_eq!(ids, [requirement]);
}
