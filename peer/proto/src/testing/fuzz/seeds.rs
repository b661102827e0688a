//! The seeds of the corpora: scripts written by hand, and recorded sessions as scripts.
//!
//! `cargo run -p ikeproof-proto --example fuzz_seeds` writes them; the replay of the corpora fails
//! where they are not in the tree.

use super::script::chunk;
use crate::io::Channel;
use crate::transcript::{Line, Recorded, Transcript};

/// An input for a fuzz target, to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed {
    /// The name of its file.
    pub name: String,
    /// Its content.
    pub input: Vec<u8>,
}

impl Seed {
    pub(super) fn new(name: impl Into<String>, parts: &[&[u8]]) -> Self {
        Self { name: name.into(), input: parts.concat() }
    }
}

/// Seeds for [`responder_exchange`](super::responder_exchange): what peers sent in the `recorded`
/// sessions, strangers that go as far as they can, and a pair with each kind of fault and edit.
pub fn responder_exchange_seeds(recorded: &[(String, Transcript)]) -> Vec<Seed> {
    let mut seeds: Vec<Seed> = recorded.iter().map(|(name, it)| strangers_of(name, it)).collect();
    // Who it is, cookies (never, always, from two half-open SAs on); then steps.
    let steps: [(&str, u8, &[&[u8]]); 6] = [
        ("request", 0, &[REQUEST, AGAIN, HOUR]),
        ("wrong-secret", 0, &[REQUEST, GO_ON, AGAIN, HOUR]),
        ("cookie", 1, &[REQUEST, GO_ON, AGAIN, GO_ON]),
        ("cookie-spoiled", 1, &[REQUEST, &[6, 1, 0, 60, 1, 0]]),
        ("many-of-one-source", 2, &[REQUEST, REQUEST, REQUEST, GO_ON, HOUR, REQUEST]),
        ("many-sources", 0, &[&[5, 2, 0, 0], &[5, 4, 0, 0], &[5, 0x80, 0, 0], &[5, 0x82, 0, 0]]),
    ];
    for (name, cookies, steps) in steps {
        let steps = steps.concat();
        seeds.push(Seed::new(format!("stranger-{name}"), &[&[0, cookies], &steps]));
    }
    seeds.extend(pairs());
    seeds
}

/// Seeds for [`esp`](super::esp): packets of the `recorded` sessions, and of each suite one script
/// with every step.
pub fn esp_seeds(recorded: &[(String, Transcript)]) -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (name, transcript) in recorded {
        let mut script = vec![0];
        for line in &transcript.lines {
            let Line::In(line) = line else { continue };
            match &line.what {
                Recorded::Raw { hex, .. } => {
                    script.extend([&[0], chunk(&hex.0).as_slice()].concat())
                }
                Recorded::Udp { channel: Channel::Nat, hex, .. } => {
                    script.extend([&[0], chunk(&hex.0).as_slice()].concat());
                }
                Recorded::Inner { hex, .. } => {
                    script.extend([&[2], chunk(&hex.0).as_slice()].concat());
                }
                _ => {}
            }
        }
        if script.len() > 1 {
            seeds.push(Seed::new(name.clone(), &[&script]));
        }
    }
    for suite in 0..9 {
        let (v4, v6) = (v4_packet(40), v6_packet(64));
        let [v4, v6] = [chunk(&v4), chunk(&v6)];
        let script: &[&[u8]] = &[
            &[suite],
            // Sealed and opened; spoiled in every way; behind the header of the SA.
            &[2],
            &v4,
            &[2],
            &v6,
            &[3],
            &v4,
            &[3, 0, 0, 30, 1, 1, 3, 2, 4, 0, 0, 7, 0x80],
            &[1, 16],
            &v4,
            // Any text; any next header: IP in IP of both versions, a dummy, UDP.
            &[4, 20],
            &chunk(&[0; 32]),
            &[4, 20],
            &v4,
            &[5, 20, 4],
            &v4,
            &[5, 20, 41],
            &v6,
            &[5, 20, 59],
            &v4,
            &[5, 20, 17],
            &v4,
            &[5, 20, 41],
            &v4,
            // The highest sequence number, and one that is too old then.
            &[5, 255, 0xff, 0xff, 0xff, 0xff, 4],
            &v4,
            &[5, 0, 4],
            &v4,
            &[2],
            &v4,
        ];
        seeds.push(Seed::new(format!("suite-{suite}"), script));
    }
    seeds
}

/// A request of the real initiator, unedited; the initiator's next message; an hour and more.
const REQUEST: &[u8] = &[5, 0, 0, 0];
const GO_ON: &[u8] = &[6, 0, 0];
const AGAIN: &[u8] = &[4];
const HOUR: &[u8] = &[3, 0x90, 0];

/// What the peer of a recorded session sent, with its times.
pub(super) fn strangers_of(name: &str, transcript: &Transcript) -> Seed {
    let mut script = vec![0, 0];
    let mut before = 0;
    for line in &transcript.lines {
        let Line::In(line) = line else { continue };
        let tenths = u16::try_from((line.at - before) / 100_000_000).unwrap_or(u16::MAX);
        if tenths > 0 {
            script.push(3);
            script.extend(tenths.to_be_bytes());
            before = line.at;
        }
        match &line.what {
            Recorded::Udp { channel, hex, .. } => {
                script.extend([u8::from(*channel == Channel::Nat), 0]);
                script.extend(chunk(&hex.0));
            }
            Recorded::Raw { hex, .. } => {
                script.extend([2, 0]);
                script.extend(chunk(&hex.0));
                script.push(0);
            }
            _ => {}
        }
    }
    Seed::new(name, &[&script])
}

/// Two ends: every suite without a fault, then each fault and edit by itself.
fn pairs() -> Vec<Seed> {
    let echo = chunk(&v4_packet(60));
    let traffic = [&[0, 3], echo.as_slice()].concat();
    let end: &[u8] = &[0, 0, 1, 0, 0, 1, 0, 4, 9, 0, 5, 2, 0, 2];
    let mut seeds = Vec::new();
    for suite in 0..4 {
        for (name, switches) in [("", 0), ("-cookie", 1), ("-silent", 2), ("-encapsulated", 4)] {
            let head = [1, suite, switches, 0, 0];
            seeds.push(Seed::new(format!("pair-{suite}{name}"), &[&head, &traffic, end]));
        }
    }
    // Exchange, which of its messages, change, payload or number, and what the change needs.
    let add = [&[1, 0, 4, 200, 1], chunk(b"critical").as_slice()].concat();
    let reserved_spi = [&[1, 0, 9, 0], chunk(&proposal_with_spi(255)).as_slice()].concat();
    let faults: [(&str, &[u8]); 20] = [
        ("drop-ke", &[0, 0, 0, 1]),
        ("drop-auth", &[1, 0, 0, 5]),
        ("duplicate-sa", &[1, 0, 1, 0]),
        ("auth-first", &[1, 0, 2, 5]),
        ("sa-last", &[0, 0, 3, 0]),
        ("unknown-critical", &add),
        ("critical-ts", &[1, 0, 5, 6]),
        ("reserved-bits", &[1, 0, 6, 4, 0x7f]),
        ("auth-flipped", &[1, 0, 7, 5, 0xff, 0xff, 1]),
        ("id-flipped", &[1, 0, 7, 4, 0, 6, 1]),
        ("nonce-flipped", &[0, 0, 7, 2, 0, 6, 1]),
        ("reserved-child-spi", &reserved_spi),
        ("nat-hashes-gone", &[0, 0, 12, 4]),
        ("nat-hash-replaced", &[0, 0, 10, 4, 0, 3, 1, 2, 3]),
        ("payload-too-long", &[1, 0, 13, 7, 0, 4]),
        ("response-flag", &[1, 0, 14, 0x20]),
        ("version-3", &[0, 0, 16, 0x30]),
        ("message-id", &[1, 0, 17, 0, 0, 0, 0, 9]),
        ("responder-spi", &[1, 0, 18, 1, 1]),
        ("withheld", &[1, 1, 20, 0]),
    ];
    for (name, fault) in faults {
        seeds
            .push(Seed::new(format!("fault-{name}"), &[&[1, 0, 0, 1], fault, &[0], &traffic, end]));
    }
    // AH and ESN in place of what was offered, at an end that accepts both and cannot run ESN.
    for (name, sa) in [("ah", AH_PROPOSAL), ("esn", ESN_PROPOSAL)] {
        let fault = [&[1, 0, 9, 0], chunk(sa).as_slice()].concat();
        let head: &[u8] = &[1, 0, 8, 1];
        seeds.push(Seed::new(format!("fault-{name}"), &[head, &fault, &[0], &traffic, end]));
    }
    let edits: [(&str, &[u8]); 6] = [
        ("init-flipped", &[0, 0, 0, 100, 1]),
        ("init-answer-flipped", &[1, 0, 0, 200, 1]),
        ("auth-flipped", &[2, 0, 0, 100, 1]),
        ("auth-cut", &[2, 1, 1]),
        ("auth-answer-lost", &[3, 2]),
        ("auth-twice", &[2, 3]),
    ];
    for (name, edit) in edits {
        let head: &[u8] = &[1, 0, 0, 0, 1];
        seeds.push(Seed::new(format!("edit-{name}"), &[head, edit, &traffic, end]));
    }
    seeds
}

/// An SA payload for AH with HMAC-SHA-256-128.
const AH_PROPOSAL: &[u8] = &[
    0, 0, 0, 28, 1, 2, 4, 2, 1, 2, 3, 4, //
    3, 0, 0, 8, 3, 0, 0, 12, 0, 0, 0, 8, 5, 0, 0, 0,
];

/// An SA payload for ESP with AES-128-GCM-16 and extended sequence numbers.
const ESN_PROPOSAL: &[u8] = &[
    0, 0, 0, 32, 1, 3, 4, 2, 1, 2, 3, 4, //
    3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128, 0, 0, 0, 8, 5, 0, 0, 1,
];

/// The body of an SA payload with one proposal of AES-128-GCM-16 and this SPI.
fn proposal_with_spi(spi: u32) -> Vec<u8> {
    let mut body = vec![0, 0, 0, 32, 1, 3, 4, 2];
    body.extend(spi.to_be_bytes());
    body.extend([3, 0, 0, 12, 1, 0, 0, 20, 0x80, 14, 0, 128]);
    body.extend([0, 0, 0, 8, 5, 0, 0, 0]);
    body
}

/// A UDP packet from the initiator's inner network of tests to the responder's.
pub(super) fn v4_packet(len: u8) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, len, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 1, 1, 10, 0, 2, 1];
    packet.extend([0x12, 0x34, 0, 53, 0, len - 20, 0, 0]);
    packet.resize(usize::from(len), 0x55);
    packet
}

fn v6_packet(len: u8) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, len - 40, 17, 64];
    packet.resize(40, 0x20);
    packet.resize(usize::from(len), 0x55);
    packet
}
