//! Recorded sessions with real peers, replayed without them: octet by octet the same under either
//! cryptography provider, decoded as it was, and refused with any octet changed.

use std::fmt::Write as _;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ikeproof_audit::{Auditor, Decoded, Transport};
use ikeproof_proto::crypto::{Provider, RustCrypto, default_provider};
use ikeproof_proto::event::Event;
use ikeproof_proto::replay::{Likeness, replay};
use ikeproof_proto::time::Time;
use ikeproof_proto::transcript::{InputLine, Line, OutputLine, Recorded, Transcript};
use ikeproof_proto::wire::Header;
use ikeproof_reports::timeline::SideEvent;
use ikeproof_scenarios::recorded::observed;
use ikeproof_scenarios::runner::side_event;

#[path = "transcripts/ikev1.rs"]
mod ikev1;
#[path = "transcripts/ikev2.rs"]
mod ikev2;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// All recordings below the folder, in order.
fn recordings() -> Vec<(String, Transcript)> {
    let mut found = Vec::new();
    for peer in std::fs::read_dir(folder()).unwrap() {
        for file in std::fs::read_dir(peer.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let text = BufReader::new(std::fs::File::open(&path).unwrap());
            let name = path.strip_prefix(folder()).unwrap().display().to_string();
            found.push((name, Transcript::read(text).unwrap()));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

/// Both of them. Where the fast one is not built in, the default is the other one once more, and to agree
/// with itself would prove nothing.
fn providers() -> [Arc<dyn Provider>; 2] {
    let both: [Arc<dyn Provider>; 2] = [Arc::new(RustCrypto), default_provider()];
    assert_ne!(both[0].name(), both[1].name(), "there is a second provider");
    both
}

#[test]
fn recordings_of_both_peers_replay_identically() {
    let recordings = recordings();
    for peer in ["strongswan", "libreswan"] {
        assert!(recordings.iter().any(|(name, _)| name.starts_with(peer)), "none of {peer}");
    }
    for (name, recorded) in recordings.into_iter().chain(ikev1::made()) {
        for provider in providers() {
            let with = provider.name();
            let replayed = replay(&recorded, provider);
            let differences = &replayed.differences;
            assert_eq!(replayed.likeness, Likeness::Identical, "{name}, {with}: {differences:#?}");
        }
    }
}

/// The message of this major version that an input or an output is, without a non-ESP marker, and where
/// it begins.
fn message(line: &Line, major: u8) -> Option<(usize, &[u8])> {
    let bytes = match line {
        Line::In(InputLine { what: Recorded::Udp { hex, .. }, .. }) => &hex.0,
        Line::Out(out) => match &**out {
            OutputLine::Udp { hex, .. } => &hex.0,
            _ => return None,
        },
        _ => return None,
    };
    let start = if bytes.starts_with(&[0; 4]) { 4 } else { 0 };
    let message = &bytes[start..];
    (Header::decode(message).ok()?.version.major == major).then_some((start, message))
}

/// A session as a reader sees it: each message by its payloads, what the auditor finds in it, and each
/// event of the edge. There are no times in it, and keys serve for decoding only.
fn described(transcript: &Transcript) -> String {
    let (datagrams, keys) = observed(transcript);
    let mut auditor = Auditor::new();
    let mut findings: Vec<_> = keys.iter().flat_map(|key| auditor.add_keys(key)).collect();
    findings.extend(datagrams.iter().flat_map(|(_, datagram)| auditor.datagram(datagram)));
    findings.extend(auditor.finish());
    let decoded = auditor.take_timeline();
    assert_eq!(decoded.len(), datagrams.len());
    let mut text = String::new();
    let mut decoded = datagrams.iter().map(|(number, _)| *number).zip(&decoded).peekable();
    for (number, line) in transcript.lines.iter().enumerate() {
        if let Some((_, message)) = decoded.next_if(|(at, _)| *at == number) {
            let Decoded { from, length, summary, .. } = message;
            let carrier = match message.transport {
                Transport::Udp { src, dst, .. } => format!("UDP {}→{}", src.port(), dst.port()),
                Transport::Esp { .. } => "IP protocol 50".to_owned(),
                Transport::Ah { .. } => "IP protocol 51".to_owned(),
            };
            let again = if message.retransmission { " (repeated)" } else { "" };
            let to = from.other();
            _ = writeln!(text, "{from} → {to}  {carrier}, {length} octets: {summary}{again}");
            for finding in findings.iter().filter(|finding| finding.frame == message.frame) {
                _ = writeln!(text, "    !! {finding}");
            }
            continue;
        }
        match line {
            Line::In(InputLine { what: Recorded::Command(command), .. }) => {
                let command = serde_json::to_value(command).unwrap();
                _ = writeln!(text, "command: {}", command["command"].as_str().unwrap());
            }
            Line::In(InputLine { what: Recorded::Timeout, .. }) => text.push_str("timeout\n"),
            Line::In(InputLine { what: Recorded::Inner { tunnel, hex }, .. }) => {
                _ = writeln!(text, "host → tunnel {tunnel}  {} octets", hex.0.len());
            }
            Line::Out(out) => match &**out {
                OutputLine::Inner { tunnel, hex } => {
                    _ = writeln!(text, "tunnel {tunnel} → host  {} octets", hex.0.len());
                }
                OutputLine::Event(event) => {
                    let SideEvent { kind, text: says, .. } = side_event(Time::ZERO, event).unwrap();
                    _ = writeln!(text, "  * {kind}: {says}");
                }
                _ => {}
            },
            _ => {}
        }
    }
    text
}

#[test]
fn what_recordings_say_is_what_it_was() {
    for (name, recorded) in recordings() {
        let name = name.replace(['/', '\\'], "-").replace(".jsonl", "");
        let replayed = replay(&recorded, default_provider());
        insta::assert_snapshot!(name, described(&replayed.now));
    }
}

#[test]
fn a_recording_with_another_seed_is_not_the_same() {
    // The control: the replays above compare something.
    let (name, mut recorded) = recordings().remove(0);
    recorded.head.seed[0] ^= 1;
    assert_ne!(replay(&recorded, Arc::new(RustCrypto)).likeness, Likeness::Identical, "{name}");
}

/// A configuration with IKEv1's options and its keys survive being written and read.
#[test]
fn a_session_of_ikev1_is_read_as_it_was_written() {
    for (name, recorded) in ikev1::made() {
        let mut written = Vec::new();
        recorded.write(&mut written).unwrap();
        let text = String::from_utf8(written).unwrap();
        assert!(text.contains("\"keys\":\"ikev1\""), "{name}: no keys");
        // Who initiates is told how.
        assert_eq!(text.contains("\"nat_traversal\":"), name.contains("initiator"), "{name}");
        let read = Transcript::read(text.as_bytes()).unwrap();
        for provider in providers() {
            let replayed = replay(&read, provider);
            assert_eq!(replayed.likeness, Likeness::Identical, "{name}");
            let effects = effects(&replayed.now);
            assert_eq!((effects.ike_sas, effects.child_sas, effects.closed), (1, 1, 1), "{name}");
            assert!(effects.inner_packets > 0, "{name}");
        }
    }
}

/// What a session led to: SAs that came up or went, and packets that were let through.
#[derive(Debug, Default, PartialEq, Eq)]
struct Effects {
    ike_sas: usize,
    child_sas: usize,
    inner_packets: usize,
    closed: usize,
}

fn effects(transcript: &Transcript) -> Effects {
    let count = |is: fn(&OutputLine) -> bool| {
        transcript.lines.iter().filter(|line| matches!(line, Line::Out(out) if is(out))).count()
    };
    Effects {
        ike_sas: count(|out| matches!(out, OutputLine::Event(Event::IkeEstablished(_)))),
        child_sas: count(|out| matches!(out, OutputLine::Event(Event::ChildEstablished(_)))),
        inner_packets: count(|out| matches!(out, OutputLine::Inner { .. })),
        closed: count(|out| matches!(out, OutputLine::Event(Event::IkeClosed { .. }))),
    }
}

/// An input with the bits of `mask` in one octet of its datagram changed.
fn flipped(input: &Line, octet: usize, mask: u8) -> Line {
    let mut flipped = input.clone();
    let Line::In(InputLine { what, .. }) = &mut flipped else { panic!("no input") };
    match what {
        Recorded::Udp { hex, .. } | Recorded::Raw { hex, .. } => hex.0[octet] ^= mask,
        _ => panic!("no datagram"),
    }
    flipped
}

/// Where the datagrams from outside are, and how long they are.
fn datagrams(recorded: &Transcript) -> Vec<(usize, usize)> {
    let datagram = |line: &Line| match line {
        Line::In(InputLine {
            what: Recorded::Udp { hex, .. } | Recorded::Raw { hex, .. }, ..
        }) => Some(hex.0.len()),
        _ => None,
    };
    recorded.lines.iter().enumerate().filter_map(|(at, line)| Some((at, datagram(line)?))).collect()
}
