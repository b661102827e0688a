//! `ikeproof list` and `ikeproof explain`: what there is to run, and what each thing means.

use std::fmt::Write as _;
use std::process::ExitCode;

use ikeproof_scenarios::catalogue::{Catalogue, Row, Subject};
use ikeproof_scenarios::patterns;
use ikeproof_scenarios::requirement::Requirement;
use ikeproof_scenarios::scenario::{Scenario, Tier};
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
        let _ = writeln!(text, "  {:5} {controls:11} {}", tier(row.tier), row.title);
    }
    let cases: usize = rows.iter().map(|row| row.cases).sum();
    let controls: usize = rows.iter().map(|row| row.controls).sum();
    let _ = writeln!(text, "{} scenarios, {cases} cases, {controls} controls", rows.len());
    if args.patterns.is_empty() {
        let covered = |rows: Vec<bool>| (rows.iter().filter(|it| **it).count(), rows.len());
        let has = |it: &ikeproof_scenarios::catalogue::Coverage<'_>| !it.shown_by.is_empty();
        let (facts, of) = covered(catalogue.profile_coverage().iter().map(has).collect());
        let _ =
            writeln!(text, "{facts} of {of} facts and readings of the profiles have a scenario");
        let (shown, of) = covered(catalogue.requirement_coverage().iter().map(has).collect());
        let judged = ikeproof_audit::RULES.len();
        let _ = writeln!(
            text,
            "{shown} of {of} requirements and patterns have a scenario; the auditor judges {judged} \
             in every message"
        );
    }
    stdout::print(&text)
}

fn as_json(row: &Row<'_>) -> serde_json::Value {
    json!({
        "id": row.id,
        "title": row.title,
        "tier": tier(row.tier),
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
    let Some(explanation) = catalogue.explain(&args.id) else {
        return Err(unknown(&catalogue, "nothing has the id", &args.id));
    };
    let mut text = String::new();
    match explanation.subject {
        Subject::Scenario(scenario) => {
            write_scenario(&mut text, &catalogue, scenario);
            if let Some(source) = library::text_of(&scenario.id, &args.scenarios) {
                let _ = writeln!(text, "\nAs it is written:");
                for line in source.lines() {
                    let _ = writeln!(text, "  {line}");
                }
            }
        }
        Subject::Requirement(requirement) => write_requirement(&mut text, requirement),
        Subject::Pattern(pattern) => {
            let _ = writeln!(text, "{}: a failure seen in the field", pattern.id);
            let _ = writeln!(text, "  {}\n  reported: {}", pattern.symptom, pattern.reference);
        }
        Subject::Fact(fact) => {
            let _ = writeln!(text, "{}: a statement of the edge's document", fact.id);
            let _ = writeln!(text, "  under «{}»\n  {}", fact.heading, fact.says);
            let _ = writeln!(text, "  value: {}\n  used by: {}", fact.value, fact.used.join(", "));
        }
        Subject::Reading(reading) => {
            let _ = writeln!(text, "{}: a place where the edge's document leaves room", reading.id);
            let _ = writeln!(text, "  {}\n  facts: {}", reading.conflict, reading.facts.join(", "));
            let _ = writeln!(
                text,
                "  values: {} (the first is the default)",
                reading.values.join(", ")
            );
        }
    }
    if !matches!(explanation.subject, Subject::Scenario(_)) {
        let _ = match explanation.shown_by.as_slice() {
            [] => writeln!(text, "  no scenario shows it"),
            scenarios => writeln!(text, "  shown by: {}", scenarios.join(", ")),
        };
    }
    stdout::print(&text)
}

fn write_scenario(text: &mut String, catalogue: &Catalogue, scenario: &Scenario) {
    let _ = writeln!(text, "{}: {}", scenario.id, scenario.title);
    let _ = writeln!(text, "  tier: {}", tier(scenario.tier));
    if !scenario.needs.is_empty() {
        let needs: Vec<_> = scenario.needs.iter().map(|need| need.word()).collect();
        let _ = writeln!(text, "  the peer needs: {}", needs.join(", "));
    }
    let _ = writeln!(text, "  covers:");
    for id in &scenario.covers {
        let says = match catalogue.explain(id).map(|it| it.subject) {
            Some(Subject::Requirement(it)) => format!("{} {}", it.level, it.text),
            Some(Subject::Pattern(it)) => it.symptom.clone(),
            Some(Subject::Fact(it)) => it.says.clone(),
            Some(Subject::Reading(it)) => it.conflict.clone(),
            _ => String::new(),
        };
        let _ = writeln!(text, "    {id}: {says}");
    }
    let _ = writeln!(text, "  cases:");
    for case in &scenario.cases {
        let _ = write!(text, "    {}", case.name());
        if let Some(control) = &case.control {
            let fails: Vec<_> = control.fails.iter().map(ToString::to_string).collect();
            let _ = write!(text, "  (control: must fail in {})", fails.join(", "));
        }
        let _ = writeln!(text);
    }
}

fn write_requirement(text: &mut String, it: &Requirement) {
    let _ = writeln!(text, "{}: {} (section {})", it.id, it.level, it.section);
    let _ = writeln!(text, "  {}\n  seen by: {}", it.text, it.observable);
    let judged = ikeproof_audit::rules::by_id(&it.id).is_some();
    let says = if judged { "judges it in every message" } else { "does not judge it" };
    let _ = writeln!(text, "  the auditor {says}");
}

fn unknown(catalogue: &Catalogue, what: &str, id: &str) -> Stop {
    let near = catalogue.nearest(id).map(|near| format!("; did you mean `{near}`?"));
    Stop::Usage(format!(
        "{what} `{id}`{}\n`ikeproof list` shows the scenarios",
        near.unwrap_or_default()
    ))
}

const fn tier(tier: Tier) -> &'static str {
    match tier {
        Tier::Gate => "gate",
        Tier::Full => "full",
    }
}
