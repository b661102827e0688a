//! Recorded sessions with real peers, replayed without them: octet by octet the same under either
//! cryptography provider, and refused with any octet changed.

use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ikeproof_proto::crypto::{Provider, RustCrypto, default_provider};
use ikeproof_proto::event::Event;
use ikeproof_proto::replay::{Likeness, replay};
use ikeproof_proto::transcript::{InputLine, Line, OutputLine, Recorded, Transcript};

#[path = "transcripts/ikev1.rs"]
mod ikev1;

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

fn providers() -> [Arc<dyn Provider>; 2] {
    [Arc::new(RustCrypto), default_provider()]
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
#[derive(Debug, PartialEq, Eq)]
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

/// The session up to the input at `line`, with one bit of one octet of that input changed.
fn changed(recorded: &Transcript, line: usize, octet: usize) -> Transcript {
    let mut lines: Vec<Line> = recorded.lines[..=line].to_vec();
    let Some(Line::In(InputLine { what, .. })) = lines.last_mut() else { panic!("no input") };
    match what {
        Recorded::Udp { hex, .. } | Recorded::Raw { hex, .. } => hex.0[octet] ^= 1,
        _ => panic!("no datagram"),
    }
    Transcript { head: recorded.head.clone(), lines }
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

/// Each octet of each datagram of a session, changed by one bit: nothing panics, and what is under
/// a checksum has no effect. The first message is under none and may be answered; but AUTH covers it
/// (RFC 7296 §2.15), so that with any octet of it changed the IKE_AUTH that follows has to fail.
#[test]
fn no_changed_octet_is_accepted() {
    let wanted = ["strongswan-5.9.8/connect-peer.jsonl", "libreswan-4.10/nat-fqdn.jsonl"];
    let is_wanted = |name: &str| wanted.contains(&name);
    for (name, recorded) in recordings().into_iter().filter(|(name, _)| is_wanted(name)) {
        let datagrams = datagrams(&recorded);
        assert!(datagrams.len() >= 4, "{name}");
        for (number, (line, len)) in datagrams.iter().enumerate() {
            let lines = recorded.lines[..*line].to_vec();
            let before = Transcript { head: recorded.head.clone(), lines };
            let before = effects(&replay(&before, default_provider()).now);
            for octet in 0..*len {
                let mut changed = changed(&recorded, *line, octet);
                if number == 0 {
                    let up_to_auth = datagrams[1].0;
                    changed.lines.extend_from_slice(&recorded.lines[line + 1..=up_to_auth]);
                }
                let after = effects(&replay(&changed, default_provider()).now);
                let place = format!("{name}, datagram {number}, octet {octet}");
                if number == 0 {
                    assert_eq!((after.ike_sas, after.child_sas), (0, 0), "{place}");
                } else {
                    assert_eq!(after, before, "{place}");
                }
            }
        }
    }
}
