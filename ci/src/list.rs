//! `ikeproof list` and `ikeproof explain`: what there is to run, and what each thing means.

use std::fmt::Write as _;
use std::process::ExitCode;

use ikeproof_audit::Rule;
use ikeproof_scenarios::catalogue::{Catalogue, Row, Subject};
use ikeproof_scenarios::coverage::{Entry, Thing};
use ikeproof_scenarios::requirement::Requirement;
use ikeproof_scenarios::scenario::{Scenario, Tier};
use ikeproof_scenarios::{coverage, patterns, tables};
use serde_json::json;

use crate::cli::{ExplainArgs, ListArgs};
use crate::exit::Stop;
use crate::{library, stdout};

/// Lists scenarios.
///
/// # Errors
/// If a file is wrong, or a pattern means nothing.
pub fn list(args: &ListArgs) -> Result<ExitCode, Stop> {
    let catalogue = library::load(&args.scenarios)?;
    for pattern in &args.patterns {
        if !catalogue.scenarios.iter().any(|scenario| patterns::means(pattern, &scenario.id)) {
            return Err(unknown(&catalogue, "no scenario is meant by", pattern));
        }
    }
    if args.tables {
        return stdout::print(&tables::markdown(&catalogue.tables()));
    }
    if args.coverage {
        return stdout::print(&coverage::markdown(&catalogue.coverage()));
    }
    let rows = catalogue.list(&args.patterns);
    let mut text = String::new();
    if args.json {
        for row in &rows {
            let _ = writeln!(text, "{}", as_json(row));
        }
        return stdout::print(&text);
    }
    let width = rows.iter().map(|row| row.id.len()).max().unwrap_or(0);
    for row in &rows {
        let _ = write!(text, "{:width$}  {:>4} cases", row.id, row.cases);
        let controls = match row.controls {
            0 => String::new(),
            1 => "1 control".to_owned(),
            many => format!("{many} controls"),
        };
        let _ = writeln!(
            text,
            "  {:5} {controls:11} {}",
            tier(row.gate, row.cases + row.controls),
            row.title
        );
    }
    let cases: usize = rows.iter().map(|row| row.cases).sum();
    let controls: usize = rows.iter().map(|row| row.controls).sum();
    let _ = writeln!(text, "{} scenarios, {cases} cases, {controls} controls", rows.len());
    if args.patterns.is_empty() {
        let entries = catalogue.coverage();
        let is_of_profile =
            |it: &&Entry<'_>| matches!(it.thing, Thing::Fact(_) | Thing::Reading(_));
        let (of_profiles, others): (Vec<_>, Vec<_>) = entries.iter().partition(is_of_profile);
        let shown = |of: &[&Entry<'_>]| of.iter().filter(|it| !it.shown_by.is_empty()).count();
        let (facts, of) = (shown(&of_profiles), of_profiles.len());
        let _ =
            writeln!(text, "{facts} of {of} facts and readings of the profiles have a scenario");
        let (shown, of) = (shown(&others), others.len());
        let judged = ikeproof_audit::RULES.len();
        let _ = writeln!(
            text,
            "{shown} of {of} requirements and patterns have a scenario; the auditor judges {judged} \
             in every message"
        );
        let _ = writeln!(
            text,
            "{} have neither, each for a reason; `ikeproof list --coverage` shows all of it",
            entries.iter().filter(|entry| !entry.is_covered()).count()
        );
    }
    stdout::print(&text)
}

fn as_json(row: &Row<'_>) -> serde_json::Value {
    json!({
        "id": row.id,
        "title": row.title,
        "tier": tier(row.gate, row.cases + row.controls),
        "gate_cases": row.gate,
        "needs": row.needs.iter().map(|need| need.word()).collect::<Vec<_>>(),
        "initiators": row.initiators.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "cases": row.cases,
        "controls": row.controls,
        "covers": row.covers,
    })
}

/// Explains a scenario, a requirement, a pattern, a fact or a reading.
///
/// # Errors
/// If there is nothing of that id.
pub fn explain(args: &ExplainArgs) -> Result<ExitCode, Stop> {
    let catalogue = library::load(&args.scenarios)?;
    let mut text = String::new();
    match catalogue.explain(&args.id) {
        None => return Err(unknown(&catalogue, "nothing has the id", &args.id)),
        Some(Subject::Entry(entry)) => write_entry(&mut text, &entry),
        Some(Subject::Scenario(scenario)) => {
            write_scenario(&mut text, &catalogue, scenario);
            if let Some(source) = library::text_of(&scenario.id, &args.scenarios) {
                let _ = writeln!(text, "\nAs it is written:");
                for line in source.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
    }
    stdout::print(&text)
}

fn write_entry(text: &mut String, entry: &Entry<'_>) {
    match entry.thing {
        Thing::Requirement(requirement) => write_requirement(text, requirement, entry.rule),
        Thing::Pattern(pattern) => {
            let _ = writeln!(text, "{}: a failure seen in the field", pattern.id);
            let _ = writeln!(text, "  {}\n  reported: {}", pattern.symptom, pattern.reference);
        }
        Thing::Fact(fact) => {
            let _ = writeln!(text, "{}: a statement of the edge's document", fact.id);
            let _ = writeln!(text, "  under «{}»\n  {}", fact.heading, fact.says);
            let _ = writeln!(text, "  value: {}\n  used by: {}", fact.value, fact.used.join(", "));
        }
        Thing::Reading(reading) => {
            let _ = writeln!(text, "{}: a place where the edge's document leaves room", reading.id);
            let _ = writeln!(text, "  {}\n  facts: {}", reading.conflict, reading.facts.join(", "));
            let _ = writeln!(
                text,
                "  values: {} (the first is the default)",
                reading.values.join(", ")
            );
        }
    }
    let _ = match entry.shown_by.as_slice() {
        [] => writeln!(text, "  no scenario shows it"),
        scenarios => writeln!(text, "  shown by: {}", scenarios.join(", ")),
    };
    if let Some(reason) = entry.uncovered {
        let _ = writeln!(text, "  not covered: {reason}");
    }
}

fn write_scenario(text: &mut String, catalogue: &Catalogue, scenario: &Scenario) {
    let _ = writeln!(text, "{}: {}", scenario.id, scenario.title);
    let gate = scenario.cases.iter().filter(|case| case.tier == Tier::Gate).count();
    let _ = writeln!(text, "  tier: {}", tier(gate, scenario.cases.len()));
    if !scenario.needs.is_empty() {
        let needs: Vec<_> = scenario.needs.iter().map(|need| need.word()).collect();
        let _ = writeln!(text, "  the peer needs: {}", needs.join(", "));
    }
    let _ = writeln!(text, "  covers:");
    for id in &scenario.covers {
        let _ = write!(text, "    {id}: ");
        let thing = catalogue.coverage_of(id).map(|entry| entry.thing);
        if let Some(level) = thing.and_then(|thing| thing.level()) {
            let _ = write!(text, "{level} ");
        }
        let _ = writeln!(text, "{}", thing.map_or("", |thing| thing.text()));
    }
    let _ = writeln!(text, "  cases:");
    for case in &scenario.cases {
        let _ = write!(text, "    {}", case.name());
        if gate > 0 && case.tier == Tier::Full {
            let _ = write!(text, "  (full tier)");
        }
        if let Some(control) = &case.control {
            let fails: Vec<_> = control.fails.iter().map(ToString::to_string).collect();
            let _ = write!(text, "  (control: must fail in {})", fails.join(", "));
        }
        let _ = writeln!(text);
    }
}

fn write_requirement(text: &mut String, it: &Requirement, rule: Option<&Rule>) {
    let _ = writeln!(text, "{}: {} (section {})", it.id, it.level, it.section);
    let _ = writeln!(text, "  {}\n  seen by: {}", it.text, it.observable);
    let _ = match rule {
        Some(rule) => {
            let mutant = rule.mutant;
            writeln!(text, "  the auditor judges it in every message; its mutant is {mutant}")
        }
        None => writeln!(text, "  the auditor does not judge it"),
    };
}

fn unknown(catalogue: &Catalogue, what: &str, id: &str) -> Stop {
    let near = catalogue.nearest(id).map(|near| format!("; did you mean `{near}`?"));
    Stop::Usage(format!(
        "{what} `{id}`{}\n`ikeproof list` shows the scenarios",
        near.unwrap_or_default()
    ))
}

/// The tier of a scenario with so many cases, some of which are of the gate tier.
const fn tier(gate: usize, cases: usize) -> &'static str {
    match gate {
        0 => "full",
        _ if gate == cases => "gate",
        _ => "both",
    }
}
