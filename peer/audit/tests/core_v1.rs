//! The auditor over sessions of IKEv1 of the core with itself: honest ones give no findings and are
//! read to the last payload, and what a `Fault` makes one side send is found.

mod observed;

use std::sync::Arc;
use std::time::Duration;

use ikeproof_audit::{Auditor, Decoded, Finding, Observed, Sender, Transport};
use ikeproof_proto::config::{Connection, EndpointConfig, Ikev1Options, NatTraversal};
use ikeproof_proto::crypto::RustCrypto;
use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::edge::EdgeInput;
use ikeproof_proto::event::Event;
use ikeproof_proto::fault::{Change, Fault};
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::policy::{ChildOffer, Ikev1Mode};
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::testing::{Pair, Side, connection, endpoint_config};
use ikeproof_proto::wire::v2::Id;
use ikeproof_proto::wire::{ExchangeType, PayloadType};
use rstest::rstest;

use observed::observed;

const IKE: &str = "aes128-sha1-modp1024";
const ESP: &str = "aes128gcm16";
use Ikev1Mode::{Aggressive, Main};

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

fn text<T: ToString>(lines: &[T]) -> String {
    lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn assert_clean(pair: &Pair) {
    let (findings, timeline) = audit(pair);
    assert!(findings.is_empty(), "{}\n{}", text(&findings), text(&timeline));
    assert_eq!(timeline.len(), pair.sent.len());
    for line in &timeline {
        assert_eq!(line.encrypted, line.decrypted, "{line}\n{}", text(&timeline));
    }
}

fn offer(mode: Ikev1Mode, ike: &str, child: &str) -> Connection {
    let mut offer = connection(ike, child);
    offer.ikev1 = Some(Ikev1Options { mode, ..Ikev1Options::default() });
    let child: ChildOffer = child.parse().unwrap();
    offer.child = vec![child.proposal(1, &[0; 4], false)];
    if mode == Main {
        offer.id = Id::ip([192, 0, 2, 1].into());
    }
    offer
}

/// A responder that knows the initiator by name and by address.
fn responder() -> EndpointConfig {
    let mut responder = endpoint_config();
    let mut by_address = responder.credentials[0].clone();
    by_address.id = "ip:192.0.2.1".parse().unwrap();
    responder.credentials.push(by_address);
    responder
}

fn connect(offer: Connection) -> Pair {
    let mut pair = Pair::new(endpoint_config(), responder());
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    pair
}

fn is_up(pair: &Pair) -> bool {
    let up = |event: &Event| matches!(event, Event::ChildEstablished(_)).then_some(());
    pair.initiator.find(up).is_some() && pair.responder.find(up).is_some()
}

/// Traffic both ways, a probe from each side, all deleted.
fn live(pair: &mut Pair) {
    for number in 1..4 {
        for (side, source, destination) in [
            (Side::Initiator, [10, 0, 1, 1], [10, 0, 2, 1]),
            (Side::Responder, [10, 0, 2, 1], [10, 0, 1, 1]),
        ] {
            let builder = etherparse::PacketBuilder::ipv4(source, destination, 64)
                .icmpv4_echo_request(7, number);
            let mut packet = Vec::new();
            builder.write(&mut packet, &vec![0xa5; 40 * usize::from(number) + 3]).unwrap();
            pair.handle(side, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
            pair.deliver();
        }
    }
    for side in [Side::Initiator, Side::Responder, Side::Initiator] {
        pair.command(side, Command::Probe { ike: IkeHandle(1) });
    }
    pair.command(Side::Responder, Command::DeleteIke { ike: IkeHandle(1) });
}

#[rstest]
#[case(Main, IKE, ESP)]
#[case(Main, "3des-md5-modp1024", "null-md5")]
#[case(Main, "aes256-sha256-modp2048", "aes256-sha1-modp1024")]
#[case(Main, "aes256-sha1-modp1536", "aes128-sha256")]
#[case(Aggressive, IKE, "aes128-md5")]
#[case(Aggressive, "aes192-sha1-ecp256", "aes192gcm16-ecp256")]
fn an_honest_session_gives_no_findings(
    #[case] mode: Ikev1Mode,
    #[case] ike: &str,
    #[case] child: &str,
) {
    let mut pair = connect(offer(mode, ike, child));
    assert!(is_up(&pair), "{:#?}", pair.responder.events);
    live(&mut pair);
    assert_clean(&pair);
}

#[rstest]
#[case(NatTraversal::All)]
#[case(NatTraversal::Drafts)]
#[case(NatTraversal::Off)]
fn a_nat_gives_no_findings(
    #[values(Main, Aggressive)] mode: Ikev1Mode,
    #[case] nat_traversal: NatTraversal,
) {
    let mut offer = offer(mode, IKE, ESP);
    offer.force_encapsulation = true;
    offer.ikev1 = Some(Ikev1Options { mode, nat_traversal, ..Ikev1Options::default() });
    let mut pair = connect(offer);
    assert!(is_up(&pair), "{:#?}", pair.responder.events);
    pair.advance(Duration::from_secs(41));
    live(&mut pair);
    assert_clean(&pair);
}

#[test]
fn a_third_message_in_clear_gives_no_findings() {
    let mode = Aggressive;
    let mut offer = offer(mode, IKE, ESP);
    offer.ikev1 = Some(Ikev1Options { mode, clear_third_message: true, ..Ikev1Options::default() });
    let mut pair = connect(offer);
    assert!(is_up(&pair));
    live(&mut pair);
    assert_clean(&pair);
}

#[rstest]
fn a_wrong_secret_that_is_refused_gives_no_findings(#[values(Main, Aggressive)] mode: Ikev1Mode) {
    let mut offer = offer(mode, IKE, ESP);
    offer.psk = SecretBytes::from_slice(b"another");
    let pair = connect(offer);
    assert!(!is_up(&pair));
    let (findings, timeline) = audit(&pair);
    assert!(findings.is_empty(), "{}\n{}", text(&findings), text(&timeline));
}

/// A main mode that is refused under its keys: the key is that of the address, and the identity is not. What
/// the responder says is changed so.
fn refused(change: Option<Change>) -> (Vec<Finding>, Vec<Decoded>) {
    let exchange = ExchangeType::INFORMATIONAL_V1;
    let fault = |change| Fault { exchange, response: true, nth: None, copies: None, change };
    let mut responder = responder();
    responder.faults = change.map(fault).into_iter().collect();
    let asks = Connection { id: Id::fqdn("peer.example.com"), ..offer(Main, IKE, ESP) };
    let mut pair = Pair::new(endpoint_config(), responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(asks)));
    assert!(!is_up(&pair));
    audit(&pair)
}

#[test]
fn a_refusal_under_the_keys_of_a_main_mode_that_is_not_over_is_read() {
    let (findings, timeline) = refused(None);
    assert!(findings.is_empty(), "{}\n{}", text(&findings), text(&timeline));
    let last = timeline.last().unwrap();
    assert!(last.encrypted && last.decrypted, "{last}");
    assert!(last.to_string().contains("INVALID-ID-INFORMATION"), "{}", text(&timeline));
}

#[rstest]
#[case::another(Change::FlipBits { payload: PayloadType(8), at: -1, mask: 1 })]
#[case::zeros(Change::ReplaceBody { payload: PayloadType(8), body: vec![0; 20] })]
#[case::none(Change::DropPayload { payload: PayloadType(8) })]
fn the_hash_of_such_a_refusal_is_judged(#[case] change: Change) {
    let (findings, timeline) = refused(Some(change));
    let found: Vec<_> = findings.iter().map(|it| (it.requirement, it.by)).collect();
    let expected = [("rfc2409-5.7-informational-hash", Sender::Edge)];
    assert_eq!(found, expected, "{}\n{}", text(&findings), text(&timeline));
}

#[test]
fn a_refused_offer_that_is_repeated_gives_no_findings() {
    let mut responder = responder();
    responder.profile.ike.encr.accept = vec!["3des".parse().unwrap()];
    let mut pair = Pair::new(endpoint_config(), responder);
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer(Main, IKE, ESP))));
    pair.advance(Duration::from_secs(60));
    let (findings, timeline) = audit(&pair);
    assert!(findings.is_empty(), "{}\n{}", text(&findings), text(&timeline));
}

#[test]
fn a_dead_peer_gives_no_findings() {
    let mut pair = connect(offer(Main, IKE, ESP));
    pair.handle(Side::Responder, EdgeInput::Command(Command::Probe { ike: IkeHandle(1) }));
    pair.intercept();
    pair.advance_in_silence(Duration::from_secs(120));
    assert_clean(&pair);
}

/// The SAs that quick mode has made are known to the judge of ESP.
#[rstest]
fn a_packet_of_no_sa_and_a_forged_one_are_found(#[values(Main, Aggressive)] mode: Ikev1Mode) {
    let mut pair = connect(offer(mode, IKE, ESP));
    live(&mut pair);
    let honest = observed(&pair);
    let is_esp = |seen: &&Observed| matches!(seen.transport, Transport::Esp { .. });
    let esp = honest.iter().find(is_esp).unwrap().clone();
    for (octet, requirement) in [
        (0, "rfc4303-2.1-spi-negotiated"),
        (esp.bytes.len() - 1, "rfc4303-3.2.3-aead-covers-spi-seq"),
    ] {
        let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
        for key in &pair.initiator.keys {
            auditor.add_keys(key);
        }
        let mut findings = Vec::new();
        let mut other = esp.clone();
        other.bytes[octet] ^= 1;
        // Another number, so that it is no copy.
        other.bytes[7] ^= 0x40;
        for seen in &honest {
            findings.extend(auditor.datagram(seen));
            if *seen == esp {
                findings.extend(auditor.datagram(&other));
            }
        }
        findings.extend(auditor.finish());
        let ids: Vec<&str> = findings.iter().map(|finding| finding.requirement).collect();
        assert_eq!(ids, [requirement], "{}", text(&findings));
    }
}

/// The SAs of AH are known as well: only who has seen their beginning can say how they began.
#[test]
fn packets_of_ah_that_are_missing_at_the_start_count_where_quick_mode_was_seen() {
    let mut pair = connect(offer(Main, IKE, "ah:md5"));
    for _ in 0..42 {
        let (source, destination) = ([10, 0, 1, 1], [10, 0, 2, 1]);
        let builder = etherparse::PacketBuilder::ipv4(source, destination, 64).udp(7, 7);
        let mut packet = Vec::new();
        builder.write(&mut packet, &[0xa5; 40]).unwrap();
        let inner = EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet };
        pair.handle(Side::Initiator, inner);
        pair.deliver();
    }
    let is_ah = |seen: &Observed| matches!(seen.transport, Transport::Ah { .. });
    let (packets, exchanges): (Vec<_>, Vec<_>) = observed(&pair).into_iter().partition(is_ah);
    let late = &packets[40..];
    let ids = |seen: &[Observed]| -> Vec<&str> {
        let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
        for key in &pair.initiator.keys {
            auditor.add_keys(key);
        }
        let mut findings: Vec<Finding> =
            seen.iter().flat_map(|seen| auditor.datagram(seen)).collect();
        findings.extend(auditor.finish());
        findings.iter().map(|finding| finding.requirement).collect()
    };
    assert_eq!(ids(&[&exchanges, late].concat()), ["rfc4302-2.5-sequence-starts-at-one"]);
    assert_eq!(ids(&[&exchanges, &packets[..]].concat()), [""; 0]);
    assert_eq!(ids(late), [""; 0]);
}

#[rstest]
fn keys_that_come_late_change_nothing(#[values(Main, Aggressive)] mode: Ikev1Mode) {
    let mut pair = connect(offer(mode, IKE, ESP));
    live(&mut pair);
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for seen in &observed(&pair) {
        findings.extend(auditor.datagram(seen));
    }
    assert!(auditor.take_timeline().len() < pair.sent.len());
    for key in &pair.responder.keys {
        findings.extend(auditor.add_keys(key));
    }
    findings.extend(auditor.finish());
    let timeline = auditor.take_timeline();
    assert!(findings.is_empty(), "{}", text(&findings));
    assert!(timeline.iter().all(|line| line.encrypted == line.decrypted), "{}", text(&timeline));
}

#[rstest]
#[case(Main, ExchangeType::IDENTITY_PROTECTION, Change::SetHeaderFlags { bits: 0x10 }, "rfc2408-3.1-flags-clear")]
#[case(Main, ExchangeType::IDENTITY_PROTECTION, Change::SetVersion { major: 1, minor: 3 }, "rfc2408-3.1-major-one")]
#[case(Main, ExchangeType::IDENTITY_PROTECTION, Change::SetPayloadReserved { payload: PayloadType(10), bits: 1 }, "rfc2408-2.5.2-reserved-zero")]
#[case(Aggressive, ExchangeType::AGGRESSIVE, Change::Append { bytes: vec![0; 4] }, "rfc2408-3.1-length-whole")]
#[case(Aggressive, ExchangeType::QUICK_MODE, Change::FlipBits { payload: PayloadType(8), at: -1, mask: 1 }, "rfc2409-5.5-qm-hash1")]
fn a_fault_of_the_core_is_found(
    #[case] mode: Ikev1Mode,
    #[case] exchange: ExchangeType,
    #[case] change: Change,
    #[case] requirement: &str,
) {
    let mut initiator = endpoint_config();
    initiator.faults = vec![Fault { exchange, response: false, nth: None, copies: None, change }];
    let mut pair = Pair::new(initiator, responder());
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer(mode, IKE, ESP))));
    let (findings, timeline) = audit(&pair);
    let found = findings.iter().any(|it| it.requirement == requirement && it.by == Sender::Peer);
    assert!(found, "{}\n{}", text(&findings), text(&timeline));
}
