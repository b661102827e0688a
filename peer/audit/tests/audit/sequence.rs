//! Sequence numbers of ESP over the end of their low half.

use ikeproof_audit::Sender;

use crate::support::Lab;
use crate::support::lab::{GCM, Profile};

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
    let lab = sent("aes128gcm16", OVERTAKEN);
    let findings: Vec<_> =
        lab.findings().iter().map(|finding| (finding.requirement, finding.frame)).collect();
    assert_eq!(findings, [("rfc4303-2.2-sequence-no-cycle", 9)]);
}
