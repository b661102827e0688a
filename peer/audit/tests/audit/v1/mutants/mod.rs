//! Every rule of IKEv1 has a mutant: an edit of the honest session that makes this finding appear, and
//! no other one but those that unavoidably go with it. The honest session of the same kind gives none.

mod config;
mod dpd;
mod exchange;
mod header;
mod natt;
mod offer;

use std::collections::BTreeSet;

use ikeproof_audit::IKEV1;

use super::lab::{Lab, Profile};
use crate::support::judge;

/// An edit of an honest session.
pub struct Mutant {
    /// Its name in the table of rules.
    pub name: &'static str,
    /// The session that it edits.
    pub profile: Profile,
    /// The edit.
    pub apply: fn(&mut Lab),
    /// The findings that unavoidably go with it.
    pub also: &'static [&'static str],
}

/// A mutant that gives its own finding only.
pub const fn mutant(name: &'static str, profile: Profile, apply: fn(&mut Lab)) -> Mutant {
    Mutant { name, profile, apply, also: &[] }
}

/// A mutant that gives others, too.
pub const fn with(
    name: &'static str,
    profile: Profile,
    also: &'static [&'static str],
    apply: fn(&mut Lab),
) -> Mutant {
    Mutant { name, profile, apply, also }
}

fn mutants() -> Vec<Mutant> {
    [
        header::mutants(),
        offer::mutants(),
        exchange::mutants(),
        dpd::mutants(),
        natt::mutants(),
        config::mutants(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[test]
fn every_rule_has_a_mutant_that_only_it_finds() {
    let mutants = mutants();
    let mut failures = Vec::new();
    let mut listing = Vec::new();
    for rule in IKEV1 {
        let Some(mutant) = mutants.iter().find(|mutant| mutant.name == rule.mutant) else {
            failures.push(format!("{}: no mutant {}", rule.id, rule.mutant));
            continue;
        };
        let honest = Lab::new(mutant.profile).run();
        assert!(honest.audit(&honest.seen).0.is_empty(), "{}: not honest", mutant.name);
        let mut lab = Lab::new(mutant.profile);
        (mutant.apply)(&mut lab);
        let lab = lab.run();
        assert!(lab.unused().is_empty(), "{}: steps {:?} never came", mutant.name, lab.unused());
        let (findings, timeline) = lab.audit(&lab.seen);
        let found: BTreeSet<&str> = findings.iter().map(|finding| finding.requirement).collect();
        let wanted: BTreeSet<&str> = mutant.also.iter().copied().chain([rule.id]).collect();
        listing.extend(findings.iter().map(|finding| format!("{}: {finding}", mutant.name)));
        if found != wanted {
            let mut all: Vec<String> = findings.iter().map(|f| format!("    {f}")).collect();
            let shown = if found.is_empty() { 14 } else { 0 };
            all.extend(timeline.iter().take(shown).map(|line| format!("        {line}")));
            failures.push(format!("{} ({}):\n{}", rule.id, mutant.name, all.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    insta::assert_snapshot!("v1-findings", listing.join("\n"));
}

#[test]
fn every_mutant_belongs_to_a_rule_and_names_are_unique() {
    let named: Vec<&str> = IKEV1.iter().map(|rule| rule.mutant).collect();
    let mut seen = BTreeSet::new();
    for mutant in mutants() {
        assert!(named.contains(&mutant.name), "{} belongs to no rule", mutant.name);
        assert!(seen.insert(mutant.name), "{} is there twice", mutant.name);
    }
}

#[test]
fn findings_of_mutants_do_not_depend_on_when_keys_come() {
    for mutant in mutants() {
        let mut lab = Lab::new(mutant.profile);
        (mutant.apply)(&mut lab);
        let lab = lab.run();
        let sorted = |findings: Vec<ikeproof_audit::Finding>| {
            let mut lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            lines.sort();
            lines
        };
        let early = sorted(lab.audit(&lab.seen).0);
        for late in [0, 1, 3, 1000] {
            assert_eq!(sorted(lab.findings_late(late)), early, "{} late {late}", mutant.name);
        }
    }
}

/// A rule that finds something says that it looked; so what has held can be told from what never came.
#[test]
fn a_rule_that_is_broken_was_applied() {
    for mutant in mutants() {
        let mut lab = Lab::new(mutant.profile);
        (mutant.apply)(&mut lab);
        let lab = lab.run();
        assert_eq!(judge::out_of_nothing(&lab.keys, &lab.seen), [], "{}", mutant.name);
    }
}

/// The list of what is judged, to be read.
#[test]
fn what_is_judged_is_listed() {
    let mut ids: Vec<&str> = IKEV1.iter().map(|rule| rule.id).collect();
    ids.sort_unstable();
    let listing = format!("{} requirements of IKEv1\n{}", ids.len(), ids.join("\n"));
    insta::assert_snapshot!("v1-judged", listing);
}
