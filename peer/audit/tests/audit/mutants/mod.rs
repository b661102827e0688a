//! Every rule has a mutant: an edit of the honest session that makes this finding appear, and no
//! other one but those that unavoidably go with it. The honest session of the same kind gives none.

mod ah;
mod content;
mod esp;
mod exchange;
mod values;
mod wire;

use std::collections::BTreeSet;

use crate::support::Lab;
use crate::support::judge;
use crate::support::lab::Profile;
use ikeproof_audit::{IKEV1, RULES, Rule};

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

/// The rules that these mutants are for; those of IKEv1 have their own.
fn rules() -> impl Iterator<Item = &'static Rule> {
    RULES.iter().copied().filter(|rule| !IKEV1.contains(rule))
}

fn mutants() -> Vec<Mutant> {
    let all = [
        wire::mutants(),
        content::mutants(),
        values::mutants(),
        exchange::mutants(),
        esp::mutants(),
        ah::mutants(),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn every_rule_has_a_mutant_that_only_it_finds() {
    let mutants = mutants();
    let mut failures = Vec::new();
    let mut listing = Vec::new();
    for rule in rules() {
        let Some(mutant) = mutants.iter().find(|mutant| mutant.name == rule.mutant) else {
            failures.push(format!("{}: no mutant {}", rule.id, rule.mutant));
            continue;
        };
        let mut lab = Lab::new(mutant.profile);
        (mutant.apply)(&mut lab);
        let lab = lab.run();
        assert!(lab.unused().is_empty(), "{}: steps {:?} never came", mutant.name, lab.unused());
        let findings = lab.findings();
        let found: BTreeSet<&str> = findings.iter().map(|finding| finding.requirement).collect();
        let wanted: BTreeSet<&str> = mutant.also.iter().copied().chain([rule.id]).collect();
        listing.extend(findings.iter().map(|finding| format!("{}: {finding}", mutant.name)));
        if found != wanted {
            let all: Vec<String> = findings.iter().map(|f| format!("    {f}")).collect();
            failures.push(format!("{} ({}):\n{}", rule.id, mutant.name, all.join("\n")));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    insta::assert_snapshot!("findings", listing.join("\n"));
}

#[test]
fn every_mutant_belongs_to_a_rule_and_names_are_unique() {
    let named: Vec<&str> = rules().map(|rule| rule.mutant).collect();
    let mut seen = BTreeSet::new();
    for mutant in mutants() {
        assert!(named.contains(&mutant.name), "{} belongs to no rule", mutant.name);
        assert!(seen.insert(mutant.name), "{} is there twice", mutant.name);
    }
    let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!(ids.len(), RULES.len(), "two rules have one id");
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
        let early = sorted(lab.findings());
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

/// The ids and key words are those of the catalogue. It is read as a file, since the auditor does not
/// depend on the package that it belongs to.
#[test]
fn the_rules_are_in_the_catalogue() {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/requirements");
    let mut known = std::collections::BTreeMap::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|ext| ext != "toml") {
            continue;
        }
        let table: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
        let requirements = table.get("requirement").and_then(toml::Value::as_array);
        for requirement in requirements.into_iter().flatten() {
            let field = |name: &str| requirement[name].as_str().unwrap().to_owned();
            known.insert(field("id"), field("level"));
        }
    }
    for rule in RULES {
        let level = known.get(rule.id).unwrap_or_else(|| panic!("no requirement {}", rule.id));
        assert_eq!(*level, rule.level.to_string(), "{}", rule.id);
    }
}
