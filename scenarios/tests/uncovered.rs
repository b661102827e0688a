//! Everything in the catalogue is judged by the auditor or shown by a scenario, or stands in `uncovered.toml`
//! with a reason; and nothing stands there that is covered.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use ikeproof_scenarios::catalogue::Catalogue;

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
            ids.extend(code.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned));
        }
    }
}

#[test]
fn everything_is_covered_or_has_a_reason() {
    let catalogue = Catalogue::builtin().unwrap();
    let entries = catalogue.coverage();
    let open: BTreeSet<&str> =
        entries.iter().filter(|it| !it.is_covered()).map(|it| it.thing.id()).collect();
    let listed: BTreeSet<&str> = catalogue.uncovered.ids().collect();
    let without: Vec<_> = open.difference(&listed).collect();
    assert!(without.is_empty(), "neither covered nor in uncovered.toml: {without:#?}");
    let dead: Vec<_> = listed.difference(&open).collect();
    assert!(dead.is_empty(), "in uncovered.toml, and covered or not in the catalogue: {dead:#?}");
    for group in &catalogue.uncovered.groups {
        let reason = &group.reason;
        assert!(reason.ends_with('.') && reason.len() > 20 && !group.ids.is_empty(), "{reason}");
    }
}

/// The reasons that can be checked.
#[test]
fn reasons_are_true_as_far_as_the_catalogue_says() {
    let catalogue = Catalogue::builtin().unwrap();
    let uncovered = &catalogue.uncovered;
    for it in catalogue.known.requirements.iter() {
        let Some(reason) = uncovered.reason(&it.id) else { continue };
        let hidden = it.observable.starts_with("not observable");
        assert_eq!(hidden, reason == "It cannot be seen from outside.", "{}", it.id);
        if reason.starts_with("It is a permission") {
            assert_eq!(it.level.to_string(), "MAY", "{}", it.id);
        }
    }
}

#[test]
fn what_only_the_core_checks_is_named_there() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let catalogue = Catalogue::builtin().unwrap();
    let mut named = BTreeSet::new();
    named_by_the_core(&here.join("../peer/proto/src"), &mut named);
    assert!(named.contains("rfc7296-2.6-cookie-echo-first"), "the core is not where it was");
    let listed: BTreeSet<&str> =
        catalogue.uncovered.by_the_core.iter().map(String::as_str).collect();
    let only: BTreeSet<&str> = catalogue
        .known
        .requirements
        .iter()
        .map(|it| it.id.as_str())
        .filter(|id| named.contains(*id) && catalogue.uncovered.reason(id).is_some())
        .collect();
    assert_eq!(listed, only);
}
