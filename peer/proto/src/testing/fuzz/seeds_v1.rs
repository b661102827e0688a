//! The seeds of the corpora of IKEv1: the datagrams of honest sessions, messages as they are before they
//! are encrypted, sizes that are not true, and scripts.

use super::super::pair::{Flight, Pair, Side};
use super::super::setup::endpoint_config;
use super::isakmp_ways::{
    FRAGMENTS_OF_INITIATOR, FRAGMENTS_OF_RESPONDER, LOGS_IN, SIGNATURES, offer, responder,
};
use super::script::chunk;
use super::seeds::{Seed, strangers_of, v4_packet};
use crate::io::{Command, IkeHandle};
use crate::policy::Ikev1Mode;
use crate::transcript::{Line, Recorded, Transcript};
use crate::wire::num::{CertEncoding, CfgType, ProtocolId};
use crate::wire::v1::{
    Attributes, Cert, Delete, Fragment, Id, NatOa, Notify, NotifyKind, Payload, PayloadKind,
    Proposal, Sa, Transform,
};
use crate::wire::v2::TrafficSelector;
use crate::wire::{
    Attribute, ExchangeType, Flags, Header, IkeSpi, PayloadType, RawMessage, RawPayload, Version,
};

/// Seeds for [`message_v1`](super::message_v1).
pub fn message_v1_seeds() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for mode in [Ikev1Mode::Main, Ikev1Mode::Aggressive] {
        for (number, bytes) in (1..).zip(session(mode)) {
            let name = if mode == Ikev1Mode::Main { "main" } else { "aggressive" };
            seeds.push(Seed::new(format!("{name}-{number}"), &[&bytes]));
        }
    }
    for (name, payloads) in contents() {
        let payloads: Vec<_> = payloads.iter().map(Payload::encode).collect();
        seeds.push(Seed::new(format!("inner-{name}"), &[&message(payloads)]));
    }
    for (name, kind, body) in hostile() {
        let payload = RawPayload::new(kind.raw(), body);
        seeds.push(Seed::new(format!("hostile-{name}"), &[&message(vec![payload])]));
    }
    seeds
}

/// Seeds for [`isakmp_exchange`](super::isakmp_exchange), with what peers of IKEv1 sent in the `recorded`
/// sessions.
pub fn isakmp_exchange_seeds(recorded: &[(String, Transcript)]) -> Vec<Seed> {
    let of_version_one = |transcript: &Transcript| {
        transcript.lines.iter().any(|line| match line {
            Line::In(line) => match &line.what {
                // The version stands behind both cookies and the type of the first payload.
                Recorded::Udp { hex, .. } => hex.0.get(17) == Some(&0x10),
                _ => false,
            },
            _ => false,
        })
    };
    let recorded = recorded.iter().filter(|(_, transcript)| of_version_one(transcript));
    let mut seeds: Vec<_> = recorded.map(|(name, it)| strangers_of(name, it)).collect();
    for (name, mode) in MODES {
        // Who it is, and no cookies; then steps.
        let steps: [(&str, &[&[u8]]); 3] = [
            ("first", &[REQUEST, AGAIN, HOUR]),
            ("wrong-secret", &[REQUEST, GO_ON, AGAIN, GO_ON, AGAIN, HOUR]),
            ("many", &[REQUEST, REQUEST, REQUEST, GO_ON, HOUR, REQUEST]),
        ];
        for (what, steps) in steps {
            let steps = steps.concat();
            seeds.push(Seed::new(format!("stranger-{name}-{what}"), &[&[mode, 0], &steps]));
        }
        pairs(name, mode | 1, &mut seeds);
    }
    seeds
}

/// The two modes: their names, and the bit of the first octet.
const MODES: [(&str, u8); 2] = [("main", 0), ("aggressive", 2)];

/// A first message of the real initiator; its next message; the last datagram again; an hour and more.
const REQUEST: &[u8] = &[5, 0, 0, 0];
const GO_ON: &[u8] = &[6, 0, 0];
const AGAIN: &[u8] = &[4];
const HOUR: &[u8] = &[3, 0x90, 0];

/// Every suite without a fault, then each fault and edit by itself.
fn pairs(name: &str, who: u8, seeds: &mut Vec<Seed>) {
    let echo = chunk(&v4_packet(60));
    let traffic = [&[0, 3], echo.as_slice()].concat();
    // Probes of both, a pair deleted, some minutes, an old message again, all deleted.
    let end: &[u8] = &[0, 0, 1, 0, 0, 1, 0, 4, 9, 0, 5, 7, 0, 2];
    for suite in 0..4 {
        for (what, switches, natt) in [
            ("", 0, 0),
            ("-short", 2, 0),
            ("-encapsulated", 4, 0),
            ("-draft", 12, 1),
            ("-off", 1, 2),
        ] {
            let head = [who, suite, switches, natt, 0, 0];
            let hour: &[u8] = &[0, 4, 10, 0, 4, 10];
            let parts: [&[u8]; 4] = [&head, &traffic, hour, end];
            seeds.push(Seed::new(format!("pair-{name}-{suite}{what}"), &parts));
        }
    }
    ways(name, who, &traffic, end, seeds);
    // Exchange, which of its messages, change, payload or number, and what the change needs.
    let phase1 = if who & 2 == 0 { 0 } else { 1 };
    let faults: [(&str, &[u8]); 14] = [
        ("drop-ke", &[phase1, 0, 0, 1]),
        ("duplicate-sa", &[phase1, 0, 1, 0]),
        ("nonce-flipped", &[phase1, 0, 7, 4, 0, 6, 1]),
        ("hash-flipped", &[phase1, 0, 7, 3, 0, 6, 1]),
        ("id-flipped", &[phase1, 0, 7, 2, 0, 6, 1]),
        ("quick-drop-hash", &[2, 0, 0, 3]),
        ("quick-hash-flipped", &[2, 1, 7, 3, 0, 6, 1]),
        ("quick-sa-last", &[2, 0, 3, 0]),
        ("quick-spi-flipped", &[2, 1, 7, 0, 0, 20, 0xff]),
        ("quick-nonce-too-long", &[2, 0, 13, 4, 0, 4]),
        ("quick-message-id", &[2, 0, 17, 0, 0, 0, 0, 9]),
        ("delete-flipped", &[3, 0, 7, 6, 0, 8, 1]),
        ("notify-added", &[3, 0, 4, 5, 0, 0, 0]),
        ("withheld", &[2, 1, 20, 0]),
    ];
    for (what, fault) in faults {
        let parts: [&[u8]; 5] = [&[who, 0, 0, 0, 1], fault, &[0], &traffic, end];
        seeds.push(Seed::new(format!("fault-{name}-{what}"), &parts));
    }
    for nth in 0..9_u8 {
        let edits: [(&str, &[u8]); 3] =
            [("flipped", &[nth, 0, 0, 60, 1]), ("lost", &[nth, 2]), ("twice", &[nth, 3])];
        for (what, edit) in edits {
            let parts: [&[u8]; 4] = [&[who, 0, 0, 0, 0, 1], edit, &traffic, end];
            seeds.push(Seed::new(format!("edit-{name}-{nth}-{what}"), &parts));
        }
    }
}

/// Logins, addresses, signatures and fragments without a fault; and then what goes wrong with them only, by
/// either end.
fn ways(name: &str, who: u8, traffic: &[u8], end: &[u8], seeds: &mut Vec<Seed>) {
    // With addresses pulled and pushed, which are three and six among the forms of NAT traversal.
    const PULL: u8 = 3;
    const PUSH: u8 = 6;
    let fragments = FRAGMENTS_OF_INITIATOR | FRAGMENTS_OF_RESPONDER;
    let hour: &[u8] = &[0, 4, 10, 0, 4, 10];
    for (what, switches, more) in [
        ("login", LOGS_IN, 0),
        ("pull", 0, PULL),
        ("login-pull", LOGS_IN, PULL),
        ("login-push", LOGS_IN, PUSH),
        ("rsa", SIGNATURES, 0),
        ("rsa-login-pull", SIGNATURES | LOGS_IN, PULL),
        ("fragments-of-initiator", FRAGMENTS_OF_INITIATOR, 0),
        ("fragments-of-responder", FRAGMENTS_OF_RESPONDER, 0),
        ("rsa-fragments", SIGNATURES | fragments, 0),
        ("rsa-login-push-fragments", SIGNATURES | LOGS_IN | fragments, PUSH),
    ] {
        let head = [who, 0, switches, more, 0, 0];
        seeds.push(Seed::new(format!("way-{name}-{what}"), &[&head, traffic, hour, end]));
    }
    // In front of the fault: who has it, and whether in an answer.
    const ANSWERS: u8 = 0x40;
    const OF_RESPONDER: u8 = 0x80;
    let phase1 = if who & 2 == 0 { 0 } else { 1 };
    let proof = if who & 2 == 0 { 3 } else { 2 };
    let faults: [(&str, u8, &[u8]); 14] = [
        ("login-hash-flipped", LOGS_IN, &[ANSWERS | 4, 1, 7, 3, 0, 6, 1]),
        ("login-password-flipped", LOGS_IN, &[ANSWERS | 4, 1, 7, 8, 0, 20, 1]),
        ("login-twice", LOGS_IN, &[ANSWERS | 4, 0, 1, 8]),
        ("login-withheld", LOGS_IN, &[ANSWERS | 4, 1, 20, 0]),
        ("request-flipped", LOGS_IN, &[OF_RESPONDER | 4, 1, 7, 8, 0, 5, 1]),
        ("request-message-id", LOGS_IN, &[OF_RESPONDER | 4, 0, 17, 0, 0, 0, 0, 9]),
        ("status-withheld", LOGS_IN, &[OF_RESPONDER | 4, 2, 20, 0]),
        ("certificate-flipped", SIGNATURES, &[phase1, proof, 7, 12, 0, 60, 1]),
        ("certificate-missing", SIGNATURES, &[phase1, proof, 0, 12]),
        ("signature-flipped", SIGNATURES, &[phase1, proof, 7, 14, 0, 6, 1]),
        (
            "edge-signature-flipped",
            SIGNATURES,
            &[OF_RESPONDER | ANSWERS | phase1, 0, 7, 14, 0, 6, 1],
        ),
        ("edge-nonce-flipped", 0, &[OF_RESPONDER | ANSWERS | phase1, 0, 7, 4, 0, 6, 1]),
        ("edge-quick-spi-flipped", 0, &[OF_RESPONDER | ANSWERS | 2, 1, 7, 0, 0, 20, 0xff]),
        ("edge-quick-hash-missing", 0, &[OF_RESPONDER | ANSWERS | 2, 0, 0, 3]),
    ];
    for (what, switches, fault) in faults {
        let parts: [&[u8]; 5] = [&[who, 0, switches, 0, 1], fault, &[0], traffic, end];
        seeds.push(Seed::new(format!("fault-{name}-{what}"), &parts));
    }
    // One fragment of many is lost, changed or comes twice.
    for nth in [1_u8, 5, 9] {
        let edits: [(&str, &[u8]); 3] =
            [("flipped", &[nth, 0, 0, 60, 1]), ("lost", &[nth, 2]), ("twice", &[nth, 3])];
        for (what, edit) in edits {
            let head = [who, 0, SIGNATURES | fragments, 0, 0, 1];
            let name = format!("edit-{name}-fragment-{nth}-{what}");
            seeds.push(Seed::new(name, &[&head, edit, traffic, end]));
        }
    }
}

/// The datagrams of a session: phase 1, quick mode, a probe and its answer, and deletes.
fn session(mode: Ikev1Mode) -> Vec<Vec<u8>> {
    let mut pair = Pair::new(endpoint_config(), responder());
    let mut wanted = offer(mode, "aes128-sha1-ecp256", "aes128-sha256-ecp256");
    if let Some(options) = &mut wanted.ikev1 {
        options.clear_third_message = true;
    }
    let ike = IkeHandle(1);
    pair.command(Side::Initiator, Command::Initiate(Box::new(wanted)));
    pair.command(Side::Responder, Command::Probe { ike });
    pair.command(Side::Initiator, Command::DeleteIke { ike });
    let octets = |(_, flight): (Side, Flight)| match flight {
        Flight::Udp(_, bytes) | Flight::Raw(_, bytes) => bytes,
    };
    pair.sent.into_iter().map(octets).collect()
}

/// What is in encrypted messages, and what our own end does not send.
fn contents() -> Vec<(&'static str, Vec<Payload>)> {
    let (spi_i, spi_r) = (IkeSpi([1; 8]), IkeSpi([2; 8]));
    let hash = || Payload::Hash(vec![5; 20]);
    let net = |third| {
        let selector = TrafficSelector::subnet([10, 0, third, 0].into(), 24);
        Payload::Id(Id::of_traffic(&selector).expect("a subnet is an identity"))
    };
    let notify = |kind| Payload::Notify(Notify::isakmp(kind, spi_i, spi_r, vec![0, 0, 0, 1]));
    let transform = |number| Transform {
        number,
        id: 12,
        attributes: vec![
            Attribute::Tv { kind: 1, value: 1 },
            Attribute::Tlv { kind: 2, value: vec![0, 0, 14, 16] },
            Attribute::Tv { kind: 4, value: 1 },
        ],
    };
    let sa = Sa {
        proposals: vec![Proposal {
            number: 1,
            protocol: ProtocolId::ESP,
            spi: vec![1, 2, 3, 4],
            transforms: vec![transform(1), transform(2)],
        }],
    };
    let name = Attribute::Tlv { kind: 16_521, value: b"name".to_vec() };
    let attributes = Attributes { kind: CfgType::REPLY, identifier: 9, attributes: vec![name] };
    let encoding = CertEncoding::X509_SIGNATURE;
    vec![
        (
            "quick",
            vec![
                hash(),
                Payload::Sa(sa),
                Payload::Nonce(vec![7; 16]),
                Payload::Ke(vec![8; 64]),
                net(1),
                net(2),
            ],
        ),
        ("probe", vec![hash(), notify(NotifyKind::R_U_THERE)]),
        ("refusal", vec![hash(), notify(NotifyKind::NO_PROPOSAL_CHOSEN)]),
        (
            "delete",
            vec![
                hash(),
                Payload::Delete(Delete::child(ProtocolId::ESP, 0x0102_0304)),
                Payload::Delete(Delete::isakmp(spi_i, spi_r)),
            ],
        ),
        ("config", vec![hash(), Payload::Attributes(attributes)]),
        (
            "signature",
            vec![
                net(1),
                Payload::Cert(Cert { encoding, data: vec![0x30, 0] }),
                Payload::Sig(vec![9; 128]),
            ],
        ),
        (
            "nat",
            vec![
                Payload::NatD { hash: vec![6; 20], draft: true },
                Payload::NatOa { address: NatOa([192, 0, 2, 1].into()), draft: false },
            ],
        ),
        (
            "fragment",
            vec![Payload::Fragment(Fragment { id: 1, number: 1, last: true, data: vec![7; 9] })],
        ),
    ]
}

/// Bodies whose sizes and counts say more, or less, than there is.
fn hostile() -> Vec<(&'static str, PayloadKind, Vec<u8>)> {
    const SITUATION: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
    let sa = |rest: &[u8]| [&SITUATION, rest].concat();
    let transform: &[u8] = &[0, 0, 0, 12, 1, 1, 0, 0, 0x80, 1, 0, 7];
    let proposal = |length: u16, spi: u8, count: u8, rest: &[u8]| {
        let [high, low] = length.to_be_bytes();
        sa(&[&[0, 0, high, low, 1, 1, spi, count], rest].concat())
    };
    let flood = |count: usize| [0x80, 99, 0, 1].repeat(count);
    let flooded = {
        let attributes = flood(1000);
        let length = u16::try_from(8 + attributes.len()).expect("small").to_be_bytes();
        let transform = [&[0, 0], &length[..], &[1, 1, 0, 0], &attributes].concat();
        let length = u16::try_from(8 + transform.len()).expect("small");
        proposal(length, 0, 1, &transform)
    };
    let many = {
        let one: &[u8] = &[2, 0, 0, 8, 1, 1, 0, 0];
        sa(&one.repeat(500))
    };
    vec![
        ("transform-count", PayloadKind::SA, proposal(20, 0, 255, transform)),
        ("transform-count-zero", PayloadKind::SA, proposal(20, 0, 0, transform)),
        ("proposal-too-long", PayloadKind::SA, proposal(u16::MAX, 0, 1, transform)),
        ("proposal-too-short", PayloadKind::SA, proposal(12, 0, 1, transform)),
        ("proposal-length-zero", PayloadKind::SA, proposal(0, 0, 1, transform)),
        ("spi-size", PayloadKind::SA, proposal(20, 255, 1, transform)),
        (
            "transform-too-long",
            PayloadKind::SA,
            proposal(20, 0, 1, &[0, 0, 0xff, 0xff, 1, 1, 0, 0, 0x80, 1, 0, 7]),
        ),
        (
            "attribute-too-long",
            PayloadKind::SA,
            proposal(20, 0, 1, &[0, 0, 0, 12, 1, 1, 0, 0, 0, 12, 0xff, 0xff]),
        ),
        ("attribute-flood", PayloadKind::SA, flooded),
        ("proposal-flood", PayloadKind::SA, many),
        ("delete-count", PayloadKind::DELETE, vec![0, 0, 0, 1, 3, 4, 0xff, 0xff, 1, 2, 3, 4]),
        ("delete-without-size", PayloadKind::DELETE, vec![0, 0, 0, 1, 3, 0, 0xff, 0xff]),
        ("notify-spi", PayloadKind::NOTIFY, vec![0, 0, 0, 1, 1, 255, 0, 14]),
        ("config-flood", PayloadKind::ATTRIBUTES, [&[1, 0, 0, 9], &flood(2000)[..]].concat()),
        ("id-mask-with-holes", PayloadKind::ID, vec![4, 0, 0, 0, 10, 0, 0, 0, 255, 0, 255, 0]),
        ("id-range-backwards", PayloadKind::ID, vec![7, 0, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1]),
        ("fragment-zero", PayloadKind::FRAGMENT, vec![0, 0, 0, 0]),
    ]
}

/// A message of quick mode with these payloads, in clear.
fn message(payloads: Vec<RawPayload>) -> Vec<u8> {
    let header = Header {
        spi_i: IkeSpi([1; 8]),
        spi_r: IkeSpi([2; 8]),
        next_payload: PayloadType::NONE,
        version: Version::V1_0,
        exchange: ExchangeType::QUICK_MODE,
        flags: Flags(0),
        message_id: 0x0102_0304,
        length: 0,
    };
    let mut message = RawMessage { header, payloads, trailing: Vec::new() };
    message.link();
    let length = message.encode().len();
    message.header.length = u32::try_from(length).unwrap_or(u32::MAX);
    message.encode()
}
