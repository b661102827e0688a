//! Sequence numbers of ESP and AH: where they begin, and over the end of their low half.

use ikeproof_audit::{Observed, Sender, Transport};
use rstest::rstest;

use crate::support::lab::{AH, GCM, Profile};
use crate::support::{Lab, judge};

const STEPS: [&str; 6] = ["esp-a", "esp-b", "esp-c", "esp-d", "esp-e", "esp-f"];

/// A session in which the peer sends packets of these numbers, each as its high and its low half.
fn sent(esp: &'static str, numbers: [(u32, u32); 6]) -> Lab {
    let mut lab = Lab::new(Profile { esp, ..GCM });
    for (step, (high, low)) in STEPS.into_iter().zip(numbers) {
        lab.edit_esp(step, move |draft| {
            draft.seq = low;
            draft.high = draft.high.map(|_| high);
        });
    }
    lab.after("esp-peer-3", |lab| {
        for step in STEPS {
            lab.send_esp(step, Sender::Peer);
        }
    });
    lab.run()
}

const OVERTAKEN: [(u32, u32); 6] =
    [(0, u32::MAX), (1, 0), (0, u32::MAX - 1), (1, 4), (0, u32::MAX - 2), (1, 5)];

#[test]
fn extended_numbers_go_on_although_packets_were_overtaken() {
    let lab = sent("aes128gcm16-esn", OVERTAKEN);
    assert_eq!(lab.findings(), []);
}

#[test]
fn other_numbers_end_and_each_wrap_is_found_once() {
    for (suite, requirement) in [
        ("aes128gcm16", "rfc4303-2.2-sequence-no-cycle"),
        ("ah:sha256", "rfc4302-2.5-sequence-no-cycle"),
    ] {
        let lab = sent(suite, OVERTAKEN);
        let findings: Vec<_> =
            lab.findings().iter().map(|finding| (finding.requirement, finding.frame)).collect();
        assert_eq!(findings, [(requirement, 9)]);
    }
}

const PACKETS: [&str; 3] = ["esp-peer-1", "esp-peer-2", "esp-peer-3"];

/// What of a session was seen.
#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    /// The packets alone: the exchange that has made their SA was earlier.
    Packets,
    /// So many other SAs in between that the first one is forgotten.
    Many,
}

fn is_packet(seen: &Observed) -> bool {
    matches!(seen.transport, Transport::Esp { .. } | Transport::Ah { .. })
}

/// The findings about a session in which the peer's packets have these numbers.
fn found(profile: Profile, numbers: [u32; 3], part: Part) -> Vec<&'static str> {
    let mut lab = Lab::new(profile);
    for (step, number) in PACKETS.into_iter().zip(numbers) {
        lab.edit_esp(step, move |draft| draft.seq = number);
    }
    let lab = lab.run();
    let mut seen = lab.seen.clone();
    match part {
        Part::Whole => {}
        Part::Packets => seen.retain(is_packet),
        Part::Many => {
            let first = seen.iter().position(is_packet).unwrap();
            let other = |spi: u32| {
                let mut other = seen[first].clone();
                other.bytes[24..28].copy_from_slice(&spi.to_be_bytes());
                other
            };
            let others: Vec<Observed> = (1..=1024).map(other).collect();
            seen.splice(first..first, others);
            seen.swap(first, first + 1024);
        }
    }
    let (findings, _) = judge::audited(&lab.keys, &seen);
    findings.iter().map(|finding| finding.requirement).collect()
}

#[rstest]
#[case::esp(GCM, [41, 42, 43], Part::Whole, &["rfc4303-2.2-sequence-starts-at-one"])]
#[case::esp_in_the_middle(GCM, [41, 42, 43], Part::Packets, &[])]
#[case::ah(AH, [41, 42, 43], Part::Whole, &["rfc4302-2.5-sequence-starts-at-one"])]
#[case::ah_after_loss(AH, [32, 33, 34], Part::Whole, &[])]
#[case::ah_in_the_middle(AH, [41, 42, 43], Part::Packets, &[])]
#[case::ah_that_was_forgotten(AH, [1, 42, 43], Part::Many, &[])]
fn numbers_begin_at_one_where_their_beginning_was_seen(
    #[case] profile: Profile,
    #[case] numbers: [u32; 3],
    #[case] part: Part,
    #[case] expected: &[&str],
) {
    assert_eq!(found(profile, numbers, part), expected);
}
