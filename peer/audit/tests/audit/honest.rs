//! Honest sessions of all kinds give no findings, whatever the network and the key log do.

use std::sync::Arc;

use crate::support::Lab;
use crate::support::lab::{AH, CBC, GCM, MODP, Profile};
use ikeproof_audit::{Auditor, Decoded, Finding, Observed, Transport};
use ikeproof_proto::crypto::RustCrypto;

fn profiles() -> Vec<Profile> {
    let mut all = Vec::new();
    for base in [CBC, GCM, MODP, AH] {
        all.push(base);
        all.push(Profile { nat: true, ..base });
        all.push(Profile { cookie: true, ..base });
        all.push(Profile { invalid_ke: true, ..base });
        all.push(Profile { fragments: true, ..base });
    }
    all
}

fn assert_none(findings: &[Finding], what: &str) {
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}

fn audit(lab: &Lab, seen: &[Observed]) -> (Vec<Finding>, Vec<Decoded>) {
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for key in &lab.keys {
        findings.extend(auditor.add_keys(key));
    }
    for observed in seen {
        findings.extend(auditor.datagram(observed));
    }
    findings.extend(auditor.finish());
    (findings, auditor.take_timeline())
}

#[test]
fn honest_sessions_give_no_findings() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        assert_none(&lab.findings(), &format!("{profile:?}"));
    }
}

#[test]
fn honest_sessions_are_read_to_the_last_payload() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        let (_, timeline) = audit(&lab, &lab.seen);
        assert_eq!(timeline.len(), lab.seen.len());
        for line in timeline {
            let fragment = line.summary.contains("SKF(1/2)");
            assert!(line.decrypted == line.encrypted || fragment, "{profile:?}: {line}");
        }
    }
}

#[test]
fn the_timeline_is_what_it_was() {
    for (name, profile) in [
        ("cbc", CBC),
        ("gcm-nat", Profile { nat: true, ..GCM }),
        ("modp-cookie", Profile { cookie: true, ..MODP }),
        ("cbc-fragments", Profile { fragments: true, ..CBC }),
    ] {
        let lab = Lab::new(profile).run();
        let (_, timeline) = audit(&lab, &lab.seen);
        let lines: Vec<String> = timeline.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
        if name == "cbc" {
            let fields: Vec<String> = timeline
                .iter()
                .take(4)
                .flat_map(|line| {
                    let fields = line.detail.iter().map(|detail| {
                        let indent = "  ".repeat(detail.level as usize + 1);
                        format!("{indent}{}: {}", detail.field, detail.value)
                    });
                    [line.summary.clone()].into_iter().chain(fields).collect::<Vec<_>>()
                })
                .collect();
            insta::assert_snapshot!("cbc-fields", fields.join("\n"));
        }
    }
}

#[test]
fn late_keys_change_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for late in [0, 1, 2, 5, 1000] {
            assert_none(&lab.findings_late(late), &format!("{profile:?}, {late} late"));
        }
    }
}

#[test]
fn no_keys_at_all_change_nothing() {
    for profile in profiles() {
        let mut lab = Lab::new(profile).run();
        lab.keys.clear();
        assert_none(&lab.findings(), &format!("{profile:?} without keys"));
    }
}

#[test]
fn repeated_datagrams_change_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        let twice: Vec<Observed> =
            lab.seen.iter().flat_map(|seen| [seen.clone(), seen.clone()]).collect();
        let (findings, timeline) = audit(&lab, &twice);
        assert_none(&findings, &format!("{profile:?} twice"));
        assert_eq!(
            timeline.iter().filter(|line| line.retransmission).count(),
            lab.seen.len() - usize::from(profile.cookie || profile.invalid_ke)
        );
        let all_again: Vec<Observed> = lab.seen.iter().chain(&lab.seen).cloned().collect();
        assert_none(&audit(&lab, &all_again).0, &format!("{profile:?} all again"));
    }
}

#[test]
fn datagrams_of_one_side_may_overtake_one_another() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 1..lab.seen.len() {
            let mut seen = lab.seen.clone();
            if seen[at - 1].from != seen[at].from {
                continue;
            }
            seen.swap(at - 1, at);
            assert_none(&audit(&lab, &seen).0, &format!("{profile:?}, {at} swapped"));
        }
    }
}

#[test]
fn what_is_lost_and_sent_again_changes_nothing() {
    // The first copy of a request or answer is lost, so the request comes again, then the answer.
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 1..lab.seen.len() {
            let ike = |seen: &Observed| matches!(seen.transport, Transport::Udp { .. });
            if lab.seen[at - 1].from == lab.seen[at].from
                || !ike(&lab.seen[at - 1])
                || !ike(&lab.seen[at])
            {
                continue;
            }
            let mut seen = lab.seen.clone();
            seen.insert(at, lab.seen[at - 1].clone());
            assert_none(&audit(&lab, &seen).0, &format!("{profile:?}, {at} again"));
            seen.insert(at + 2, lab.seen[at - 1].clone());
            seen.insert(at + 3, lab.seen[at].clone());
            assert_none(&audit(&lab, &seen).0, &format!("{profile:?}, {at} answered again"));
        }
    }
}

#[test]
fn what_is_sent_again_in_smaller_fragments_changes_nothing() {
    // As for a path whose MTU turns out to be small: each message twice, the second time in fragments.
    for fragments in [0, 2] {
        let mut lab = Lab::new(CBC);
        for step in [
            "auth-request",
            "auth-response",
            "child-request",
            "child-response",
            "rekey-request",
            "rekey-response",
        ] {
            lab.edit(step, move |draft| {
                draft.fragments = fragments;
                draft.fragments_again = 3;
            });
        }
        assert_none(&lab.run().findings(), &format!("{fragments} fragments, then 3"));
    }
}

#[test]
fn a_capture_that_begins_or_ends_in_the_middle_changes_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 0..lab.seen.len() {
            let (head, tail) = lab.seen.split_at(at);
            assert_none(&audit(&lab, head).0, &format!("{profile:?} up to {at}"));
            assert_none(&audit(&lab, tail).0, &format!("{profile:?} from {at}"));
        }
    }
}
