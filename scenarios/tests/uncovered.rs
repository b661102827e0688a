//! Every MUST of RFC 7296 and RFC 4303 is covered by a rule of the auditor, by a check of the core or by
//! a scenario, or stands in `uncovered.toml` with a reason; and nothing stands there that is covered.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ikeproof_audit::{Level, RULES};
use ikeproof_scenarios::catalogue::Catalogue;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Uncovered {
    group: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    reason: String,
    ids: Vec<String>,
}

/// The ids that the core names in its code, which it does where it refuses something.
fn named_by_the_core(folder: &Path, ids: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "tests" && name != "testing" {
            named_by_the_core(&path, ids);
        } else if name.ends_with(".rs") && name != "tests.rs" {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            let words = code.flat_map(|line| line.split('"').skip(1).step_by(2));
            ids.extend(words.filter(|word| word.starts_with("rfc")).map(str::to_owned));
        }
    }
}

#[test]
fn every_must_is_covered_or_has_a_reason() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalogue = Catalogue::builtin().unwrap();
    let coverage = catalogue.requirement_coverage();
    let shown = coverage.iter().filter(|it| !it.shown_by.is_empty()).map(|it| it.id.to_owned());
    let mut covered: BTreeSet<String> = shown.collect();
    covered.extend(RULES.iter().map(|rule| rule.id.to_owned()));
    named_by_the_core(&here.join("../peer/proto/src"), &mut covered);
    let wanted: BTreeSet<&str> = catalogue
        .known
        .requirements
        .iter()
        .filter(|it| matches!(it.level, Level::Must | Level::MustNot))
        .map(|it| it.id.as_str())
        .filter(|id| id.starts_with("rfc7296-") || id.starts_with("rfc4303-"))
        .filter(|id| !covered.contains(*id))
        .collect();

    let text = fs::read_to_string(here.join("uncovered.toml")).unwrap();
    let list: Uncovered = toml::from_str(&text).unwrap();
    let mut listed = BTreeMap::new();
    for group in &list.group {
        assert!(group.reason.ends_with('.') && !group.ids.is_empty(), "{}", group.reason);
        for id in &group.ids {
            assert!(listed.insert(id.as_str(), &group.reason).is_none(), "{id} is there twice");
        }
    }
    let without: Vec<_> = wanted.iter().filter(|id| !listed.contains_key(*id)).collect();
    assert!(without.is_empty(), "neither covered nor in uncovered.toml: {without:#?}");
    let dead: Vec<_> = listed.keys().filter(|id| !wanted.contains(*id)).collect();
    assert!(dead.is_empty(), "in uncovered.toml, and covered or no MUST: {dead:#?}");
    // The reason that nobody can check otherwise.
    for it in catalogue.known.requirements.iter() {
        if let Some(reason) = listed.get(it.id.as_str()) {
            let hidden = it.observable.starts_with("not observable");
            assert_eq!(hidden, *reason == "It cannot be seen from outside.", "{}", it.id);
        }
    }
}
