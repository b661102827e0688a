//! Honest sessions of IKEv1 of all kinds give no findings, whatever the network and the key log do.

use ikeproof_audit::Sender::{Edge, Peer};
use ikeproof_audit::{Decoded, Finding, Observed};
use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::wire::v1::num::NotifyKind;
use ikeproof_proto::wire::v1::{Fragment, Payload, PayloadKind};
use ikeproof_proto::wire::{Flags, Header, IkeSpi, RawMessage};

use super::lab::{AGGRESSIVE, Lab, MAIN, PFS, PRETENDED, Profile, ROUTER, XAUTH};
use super::script::notify;

pub fn profiles() -> Vec<Profile> {
    vec![
        MAIN,
        AGGRESSIVE,
        Profile { sealed_third: false, ..AGGRESSIVE },
        ROUTER,
        PRETENDED,
        Profile { nat: super::lab::Nat::Router, ..AGGRESSIVE },
        PFS,
        XAUTH,
    ]
}

fn assert_none(findings: &[Finding], what: &str) {
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{what}:\n{}", findings.join("\n"));
}

#[test]
fn honest_sessions_give_no_findings_and_are_read_to_the_last_payload() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        let (findings, timeline) = lab.audit(&lab.seen);
        assert_none(&findings, &format!("{profile:?}"));
        assert_eq!(timeline.len(), lab.seen.len());
        for line in timeline {
            assert_eq!(line.decrypted, line.encrypted, "{profile:?}: {line}");
        }
    }
}

#[test]
fn a_lifetime_may_have_other_attributes_between_it_and_its_type() {
    let mut lab = Lab::new(MAIN);
    for step in ["quick-1", "quick-2"] {
        lab.edit(step, |draft| {
            draft.sa(|sa| {
                let all = sa.proposals.iter_mut().flat_map(|proposal| &mut proposal.transforms);
                all.for_each(|transform| transform.attributes.swap(1, 2));
            });
        });
    }
    let lab = lab.run();
    assert!(lab.unused().is_empty());
    assert_none(&lab.audit(&lab.seen).0, "type, mode, lifetime");
}

#[test]
fn the_timeline_is_what_it_was() {
    for (name, profile) in [("v1-main", MAIN), ("v1-aggressive", AGGRESSIVE), ("v1-xauth", XAUTH)] {
        let lab = Lab::new(profile).run();
        let (_, timeline) = lab.audit(&lab.seen);
        let lines: Vec<String> = timeline.iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(name, lines.join("\n"));
        if name == "v1-xauth" {
            let fields: Vec<String> = timeline
                .iter()
                .flat_map(|line| {
                    let fields = line.detail.iter().map(|detail| {
                        let indent = "  ".repeat(detail.level as usize + 1);
                        format!("{indent}{}: {}", detail.field, detail.value)
                    });
                    [line.summary.clone()].into_iter().chain(fields).collect::<Vec<_>>()
                })
                .collect();
            let fields = fields.join("\n");
            assert!(!fields.contains("70617373"), "a password is shown:\n{fields}");
            insta::assert_snapshot!("v1-fields", fields);
        }
    }
}

#[test]
fn late_keys_and_no_keys_change_nothing() {
    for profile in profiles() {
        let mut lab = Lab::new(profile).run();
        for late in [0, 1, 2, 5, 1000] {
            assert_none(&lab.findings_late(late), &format!("{profile:?}, {late} late"));
        }
        lab.keys.clear();
        assert_none(&lab.audit(&lab.seen).0, &format!("{profile:?} without keys"));
    }
}

#[test]
fn repeated_datagrams_change_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        let twice: Vec<Observed> =
            lab.seen.iter().flat_map(|seen| [seen.clone(), seen.clone()]).collect();
        let (findings, timeline) = lab.audit(&twice);
        assert_none(&findings, &format!("{profile:?} twice"));
        assert_eq!(timeline.iter().filter(|line| line.retransmission).count(), lab.seen.len());
        assert!(timeline.iter().all(|line| line.encrypted == line.decrypted));
        let all_again: Vec<Observed> = lab.seen.iter().chain(&lab.seen).cloned().collect();
        assert_none(&lab.audit(&all_again).0, &format!("{profile:?} all again"));
    }
}

#[test]
fn datagrams_of_one_side_may_overtake_one_another() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 1..lab.seen.len() {
            let mut seen = lab.seen.clone();
            if seen[at - 1].from == seen[at].from {
                seen.swap(at - 1, at);
                assert_none(&lab.audit(&seen).0, &format!("{profile:?}, {at} swapped"));
            }
        }
    }
}

#[test]
fn what_is_lost_and_sent_again_changes_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 1..lab.seen.len() {
            if lab.seen[at - 1].from == lab.seen[at].from {
                continue;
            }
            let mut seen = lab.seen.clone();
            seen.insert(at, lab.seen[at - 1].clone());
            assert_none(&lab.audit(&seen).0, &format!("{profile:?}, {at} again"));
            seen.insert(at + 2, lab.seen[at - 1].clone());
            seen.insert(at + 3, lab.seen[at].clone());
            assert_none(&lab.audit(&seen).0, &format!("{profile:?}, {at} answered again"));
        }
    }
}

#[test]
fn a_capture_that_begins_or_ends_in_the_middle_changes_nothing() {
    for profile in profiles() {
        let lab = Lab::new(profile).run();
        for at in 0..lab.seen.len() {
            let (head, tail) = lab.seen.split_at(at);
            assert_none(&lab.audit(head).0, &format!("{profile:?} up to {at}"));
            assert_none(&lab.audit(tail).0, &format!("{profile:?} from {at}"));
        }
    }
}

#[test]
fn any_octet_of_a_session_can_be_wrong() {
    for profile in [MAIN, XAUTH] {
        let lab = Lab::new(profile).run();
        for at in 0..lab.seen.len() {
            for octet in (0..lab.seen[at].bytes.len()).step_by(5) {
                let mut seen = lab.seen.clone();
                seen[at].bytes[octet] ^= 0x81;
                lab.audit(&seen);
            }
        }
    }
}

/// The message of a datagram in fragments of at most 100 octets.
fn in_fragments(id: u16, observed: &Observed) -> Vec<Observed> {
    let header = Header::decode(&observed.bytes).unwrap();
    let chunks: Vec<&[u8]> = observed.bytes.chunks(100).collect();
    (1..)
        .zip(&chunks)
        .map(|(number, chunk)| {
            let last = usize::from(number) == chunks.len();
            let fragment = Fragment { id, number, last, data: chunk.to_vec() };
            let payloads = vec![Payload::Fragment(fragment).encode()];
            let header = Header { flags: Flags(0), ..header };
            let mut raw = RawMessage { header, payloads, trailing: Vec::new() };
            raw.link();
            Observed { bytes: raw.encode(), ..observed.clone() }
        })
        .collect()
}

#[test]
fn messages_in_fragments_are_put_together() {
    for profile in [MAIN, AGGRESSIVE, XAUTH] {
        let lab = Lab::new(profile).run();
        let seen: Vec<Observed> =
            (1..).zip(&lab.seen).flat_map(|(id, seen)| in_fragments(id, seen)).collect();
        assert!(seen.len() > lab.seen.len());
        let (findings, timeline) = lab.audit(&seen);
        assert_none(&findings, &format!("{profile:?}"));
        let whole = timeline.iter().filter(|line| !line.summary.contains("fragment"));
        let (_, honest) = lab.audit(&lab.seen);
        let summaries = |lines: Vec<String>| lines.join("\n");
        assert_eq!(
            summaries(whole.map(|line| line.summary.clone()).collect()),
            summaries(honest.iter().map(|line| line.summary.clone()).collect())
        );
        // What is wrong in a message in fragments is found all the same.
        let mut lab = Lab::new(profile);
        lab.edit("close", |draft| draft.raw(PayloadKind::DELETE).reserved = 1);
        let lab = lab.run();
        let seen: Vec<Observed> =
            (1..).zip(&lab.seen).flat_map(|(id, seen)| in_fragments(id, seen)).collect();
        let (findings, _) = lab.audit(&seen);
        let ids: Vec<&str> = findings.iter().map(|finding| finding.requirement).collect();
        assert_eq!(ids, ["rfc2408-2.5.2-reserved-zero"]);
    }
}

#[test]
fn fragments_of_all_messages_may_have_the_same_number() {
    let summaries = |lines: &[Decoded]| -> Vec<String> {
        let whole = lines.iter().filter(|line| !line.summary.contains("fragment"));
        whole.map(|line| line.summary.clone()).collect()
    };
    let lab = Lab::new(MAIN).run();
    let mut seen: Vec<Observed> = lab.seen.iter().flat_map(|seen| in_fragments(1, seen)).collect();
    let (findings, timeline) = lab.audit(&seen);
    assert_none(&findings, "one number");
    let (_, honest) = lab.audit(&lab.seen);
    assert_eq!(summaries(&timeline), summaries(&honest));
    // Some leave the flag for encryption of the message set, which fragments do not have.
    seen.iter_mut().for_each(|seen| seen.bytes[19] = 1);
    let (findings, timeline) = lab.audit(&seen);
    assert_none(&findings, "flag for encryption");
    assert_eq!(summaries(&timeline), summaries(&honest));
}

#[test]
fn a_sign_of_life_whose_answer_is_lost_may_be_asked_for_again() {
    let mut lab = Lab::new(MAIN);
    lab.after("more-2", |lab| {
        // The answer got lost behind who observes; another one of the two comes late.
        for number in [1001_u32, 1002] {
            let ask = notify(lab, NotifyKind::R_U_THERE, &number.to_be_bytes());
            lab.inform("ask", Peer, vec![ask]);
        }
        for number in [1001_u32, 1002] {
            let answer = notify(lab, NotifyKind::R_U_THERE_ACK, &number.to_be_bytes());
            lab.inform("answer", Edge, vec![answer]);
        }
    });
    let lab = lab.run();
    assert_none(&lab.audit(&lab.seen).0, "asked again");
}

/// What a key table of Wireshark says: the cookie of the initiator and the encryption key.
#[test]
fn the_encryption_key_alone_reads_everything() {
    for profile in profiles() {
        let mut lab = Lab::new(profile).run();
        for entry in &mut lab.keys {
            if let KeyLogEntry::Ikev1(log) = entry {
                log.spi_r = IkeSpi::ZERO;
                // A stand-in whose key has the right length, for keys of 24 octets that of 3DES.
                log.suite = match log.key.len() {
                    16 => "aes128-md5-modp2048",
                    24 => "3des-md5-modp2048",
                    _ => "aes256-md5-modp2048",
                }
                .parse()
                .unwrap();
                for secret in [&mut log.skeyid, &mut log.skeyid_d, &mut log.skeyid_a] {
                    *secret = SecretBytes::default();
                }
                log.skeyid_e = SecretBytes::default();
            }
        }
        let (findings, timeline) = lab.audit(&lab.seen);
        assert_none(&findings, &format!("{profile:?}"));
        assert!(timeline.iter().all(|line| line.encrypted == line.decrypted), "{profile:?}");
    }
}
