//! How often each rule is applied in honest sessions: what is not there is not judged, and what only
//! comes again is not judged again.

use std::collections::{BTreeMap, BTreeSet};

use ikeproof_audit::{Applied, IKEV1, Observed};

use crate::support::judge;
use crate::support::lab::{AH, CBC, GCM, Lab, Profile};
use crate::v1::lab as v1;

fn of(profile: Profile) -> Vec<Applied> {
    let lab = Lab::new(profile).run();
    judge::applied(&lab.keys, &lab.seen)
}

fn of_v1(profile: v1::Profile) -> Vec<Applied> {
    let lab = v1::Lab::new(profile).run();
    judge::applied(&lab.keys, &lab.seen)
}

fn listing(applied: &[Applied]) -> String {
    let line = |it: &Applied| format!("{}: edge {}, peer {}", it.rule.id, it.edge, it.peer);
    applied.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn ids(applied: &[Applied]) -> BTreeSet<&'static str> {
    applied.iter().map(|it| it.rule.id).collect()
}

#[test]
fn what_is_applied_is_what_it_was() {
    insta::assert_snapshot!("applied-cbc", listing(&of(CBC)));
    insta::assert_snapshot!("applied-main", listing(&of_v1(v1::MAIN)));
}

#[test]
fn what_is_not_there_is_not_judged() {
    let plain = of(CBC);
    for (profile, rules) in [
        (
            Profile { nat: true, ..CBC },
            &["rfc7296-2.23-natd-initiator-tunnels", "rfc7296-2.23-natd-encap-on-nat"][..],
        ),
        (
            Profile { cookie: true, ..CBC },
            &["rfc7296-2.6-cookie-echo-first", "rfc7296-2.6-cookie-rest-unchanged"],
        ),
        (
            Profile { invalid_ke: true, ..CBC },
            &["rfc7296-1.2-invalid-ke-retry", "rfc7296-1.2-invalid-ke-data-two-octets"],
        ),
        (
            Profile { fragments: true, ..CBC },
            &["rfc7383-2.5-number-from-one", "rfc7383-2.5-payload-type-53"],
        ),
        (AH, &["rfc4302-2.3-reserved-zero", "rfc4302-3.3.3-icv-over-whole-packet"]),
        (GCM, &["rfc5282-3.1-iv-unique", "rfc4106-3.1-iv-unique"]),
    ] {
        let with = ids(&of(profile));
        for rule in rules {
            assert!(with.contains(rule), "{rule} is not applied in {profile:?}");
            assert!(!ids(&plain).contains(rule), "{rule} is applied without its matter");
        }
    }
    assert!(!ids(&of(AH)).contains("rfc4303-2.2-sequence-increments"));
}

#[test]
fn the_versions_have_their_own_rules() {
    let of_ikev1: BTreeSet<&str> = IKEV1.iter().map(|rule| rule.id).collect();
    for profile in [CBC, GCM, AH] {
        let applied = ids(&of(profile));
        let strange: Vec<_> = applied.intersection(&of_ikev1).collect();
        assert!(strange.is_empty(), "{strange:?}");
    }
    for profile in [v1::MAIN, v1::AGGRESSIVE, v1::ROUTER, v1::XAUTH] {
        let strange = ids(&of_v1(profile));
        let strange: Vec<_> = strange.iter().filter(|id| id.starts_with("rfc7296-")).collect();
        assert!(
            strange.iter().all(|id| id.starts_with("rfc7296-2-no-marker-on-500")
                || id.starts_with("rfc7296-2.23-natd")),
            "{strange:?}"
        );
    }
}

/// The network may repeat whatever it likes: a copy is only compared with the first one.
#[test]
fn copies_are_not_judged_again() {
    let lab = Lab::new(CBC).run();
    let twice: Vec<Observed> = lab.seen.iter().flat_map(|it| [it.clone(), it.clone()]).collect();
    let counts = |seen: &[Observed]| -> BTreeMap<&str, (u64, u64)> {
        let applied = judge::applied(&lab.keys, seen);
        applied.iter().map(|it| (it.rule.id, (it.edge, it.peer))).collect()
    };
    let (once, again) = (counts(&lab.seen), counts(&twice));
    let more: Vec<&str> =
        again.iter().filter(|(id, it)| once.get(*id) != Some(it)).map(|(id, _)| *id).collect();
    let of_copies = [
        "rfc4303-2.1-spi-negotiated",
        "rfc4303-2.1-spi-zero-never-sent",
        "rfc4303-2.2-sequence-always-present",
        "rfc7296-2-no-marker-on-500",
        "rfc7296-2.1-init-request-matched-by-content",
        "rfc7296-2.1-retransmit-bitwise-identical",
        "rfc7296-2.1-retransmit-response-same",
    ];
    assert_eq!(more, of_copies);
}
