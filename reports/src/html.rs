//! `index.html`: the run as one file that needs no server and fetches nothing.
//!
//! Matrix, filters, and for each case a panel with reason, controls, violations, re-run line, links
//! and ladder diagram. The templates are under `templates/`; askama escapes all that they place,
//! and a content security policy allows the page's own script by its hash and no other, so that a
//! string of a peer that slipped through would still not run. Without scripting the page is one long
//! document whose links work.

use std::collections::{BTreeMap, HashMap, HashSet};

use askama::Template;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    coverage::Totals,
    ladder::{Ladder, weight},
    model::Report,
    tally::{Gate, Summary},
    text::{one_line, percent, span_us, visible},
    timeline::CaseTimeline,
    verdict::{ExitStatus, Verdict},
    view::{CaseView, ColumnView, SuiteView, Tally, matrix_view},
};

/// Why the page could not be rendered.
#[derive(Debug, Error)]
#[error("index.html cannot be rendered: {0}")]
pub struct HtmlError(#[from] askama::Error);

/// How much the page may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HtmlOptions {
    /// Bytes for decoded fields in ladders. Cases to look at are served first; the ladders of the
    /// others then go without fields and say so.
    pub field_budget: usize,
    /// Rows of all ladders together; those that do not fit are left out and say so.
    pub row_budget: usize,
    /// How much of the catalogue real peers have shown, and the self-check, if `coverage.html` stands
    /// beside the page.
    pub coverage: Option<[Totals; 2]>,
}

impl Default for HtmlOptions {
    fn default() -> Self {
        Self { field_budget: 24 << 20, row_budget: 40_000, coverage: None }
    }
}

/// Renders `index.html`.
pub fn html(
    report: &Report,
    timelines: &[CaseTimeline],
    options: &HtmlOptions,
) -> Result<String, HtmlError> {
    let names = anchors(report);
    let ladders = ladders(report, timelines, options);
    let (columns, suites) = matrix_view(report, &names);
    let mut cases = Vec::with_capacity(report.cases.len());
    for index in suites.iter().flat_map(SuiteView::order) {
        let case = &report.cases[index];
        let ladder = ladders.get(&index).cloned();
        cases.push(CaseView::of(case, names[index].clone(), ladder));
    }
    let gate = Gate::of(report);
    let summary = Summary::of(report);
    let page = Page {
        title: format!("ikeproof · {}", one_line(&report.run.id)),
        script_hash: script_hash(SCRIPT),
        style: STYLE,
        script: SCRIPT,
        status_class: match gate.status {
            ExitStatus::Held => "pass",
            ExitStatus::Failed => "fail",
            ExitStatus::Usage | ExitStatus::Infrastructure => "inconclusive",
        },
        status_mark: match gate.status {
            ExitStatus::Held => "✓",
            ExitStatus::Failed => "✗",
            ExitStatus::Usage | ExitStatus::Infrastructure => "?",
        },
        status: format!("exit status {}: {}", gate.status.code(), gate.status.meaning()),
        reasons: gate.reasons.iter().map(|reason| one_line(reason)).collect(),
        complete: report.run.complete,
        facts: facts(report),
        environment: shown(&report.run.environment),
        command_line: one_line(&report.run.command_line),
        coverage: options
            .coverage
            .map(|totals| coverage_words(totals, &summary))
            .unwrap_or_default(),
        tallies: Tally::all(&summary),
        skipped: report
            .run
            .skipped_peers
            .iter()
            .map(|peer| Skipped {
                name: one_line(&peer.name),
                why: visible(&peer.why),
                fix: visible(&peer.fix),
                required: peer.required,
            })
            .collect(),
        verdicts: Verdict::ALL
            .into_iter()
            .filter(|verdict| summary.interop.of(*verdict) + summary.self_check.of(*verdict) > 0)
            .collect(),
        columns,
        suites,
        cases,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "index.html")]
struct Page {
    title: String,
    script_hash: String,
    style: &'static str,
    script: &'static str,
    status_class: &'static str,
    status_mark: &'static str,
    status: String,
    reasons: Vec<String>,
    complete: bool,
    facts: Vec<(&'static str, String)>,
    environment: Vec<(String, String)>,
    command_line: String,
    coverage: String,
    tallies: Vec<Tally>,
    skipped: Vec<Skipped>,
    verdicts: Vec<Verdict>,
    columns: Vec<ColumnView>,
    suites: Vec<SuiteView>,
    cases: Vec<CaseView>,
}

struct Skipped {
    name: String,
    why: String,
    fix: String,
    required: bool,
}

/// The name of each case in links: its key, made distinct where two cases share one.
fn anchors(report: &Report) -> Vec<String> {
    let mut seen = HashSet::new();
    report
        .cases
        .iter()
        .map(|case| {
            let key = case.key();
            let mut name = key.clone();
            let mut copy = 1;
            while !seen.insert(name.clone()) {
                copy += 1;
                name = format!("{key}~{copy}");
            }
            name
        })
        .collect()
}

/// Ladders by the place of their case, with decoded fields as far as the budget goes.
fn ladders(
    report: &Report,
    timelines: &[CaseTimeline],
    options: &HtmlOptions,
) -> HashMap<usize, Ladder> {
    let by_key: HashMap<&str, &CaseTimeline> =
        timelines.iter().rev().map(|timeline| (timeline.case.as_str(), timeline)).collect();
    let mut order: Vec<usize> = (0..report.cases.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(report.cases[*index].verdict.rank()));
    let mut left = options.field_budget;
    let mut rows = options.row_budget;
    let mut ladders = HashMap::new();
    for index in order {
        if let Some(timeline) = by_key.get(report.cases[index].key().as_str()) {
            let Some(fewer) = rows.checked_sub(timeline.items.len()) else {
                ladders.insert(index, Ladder::absent(timeline));
                continue;
            };
            rows = fewer;
            let rest = left.checked_sub(weight(timeline));
            left = rest.unwrap_or(left);
            ladders.insert(index, Ladder::of(timeline, rest.is_none()));
        }
    }
    ladders
}

fn facts(report: &Report) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let mut facts = vec![
        ("run", one_line(&run.id)),
        ("ikeproof", one_line(&run.ikeproof_version)),
        ("profile", one_line(&run.profile)),
        ("tier", one_line(&run.tier)),
        ("shard", one_line(run.shard.as_deref().unwrap_or_default())),
        ("seed", run.seed.to_string()),
        ("started", run.started.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()),
    ];
    if let Some(finished) = run.finished {
        let took = u64::try_from(finished.duration_since(run.started).as_micros());
        facts.push(("took", span_us(took.unwrap_or_default())));
    }
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn shown(map: &BTreeMap<String, String>) -> Vec<(String, String)> {
    map.iter().map(|(name, value)| (one_line(name), visible(value))).collect()
}

/// What the link to `coverage.html` says; of the self-check only where there is nothing else.
fn coverage_words([real, own]: [Totals; 2], summary: &Summary) -> String {
    let (totals, who) = match summary.interop.total() {
        0 => (own, "the embedded peer"),
        _ => (real, "real peers"),
    };
    let Totals { all, held, failed, broken, not_exercised, uncovered } = totals;
    let mut words = vec![format!("{held} of {all} held with {who}")];
    for (count, what) in [
        (broken, "broken"),
        (failed, "with a failed scenario"),
        (not_exercised, "not exercised"),
        (uncovered, "not covered"),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words.join(", ")
}

/// The target of a link to a case on the page.
pub(crate) fn case_link(anchor: &str) -> String {
    let parts: Vec<_> = anchor.split('/').map(percent).collect();
    format!("#case={}", parts.join("/"))
}

/// The hash by which a page allows its own script.
pub(crate) fn script_hash(script: &str) -> String {
    base64(&Sha256::digest(script.as_bytes()))
}

fn base64(bytes: &[u8]) -> String {
    let digit = |value: u32| char::from(BASE64[(value & 63) as usize]);
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let value = chunk.iter().fold(0, |value, byte| value << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            out.push(if place <= chunk.len() { digit(value >> (18 - 6 * place)) } else { '=' });
        }
    }
    out
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const STYLE: &str = concat!(
    include_str!("../templates/page.css"),
    include_str!("../templates/case.css"),
    include_str!("../templates/print.css"),
);
const SCRIPT: &str = include_str!("../templates/page.js");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_pads_like_everyone_else() {
        assert_eq!(
            [base64(b""), base64(b"f"), base64(b"fo"), base64(b"foo"), base64(b"foob")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
