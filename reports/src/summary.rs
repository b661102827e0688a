//! `summary.md`, for the job summaries of CI systems.
//!
//! What a person needs on the page of a red job, in this order: the status and why, the totals, what
//! failed with reason and re-run line, who did not take part, the matrix. Self-checks stand apart.
//! Job summaries are limited in size (1 MiB on GitHub, where a longer one is thrown away whole), so
//! long lists end with how many more there are.

use std::fmt::Write as _;

use crate::{
    matrix::{Cell, Column, Matrix, attention},
    model::{Case, Report},
    tally::{Counts, Gate, Summary, Violations},
    text::{ellipsis, markdown, markdown_code, one_line, plural, span_us},
    verdict::{ExitStatus, Verdict},
};

/// Renders `summary.md`.
pub fn summary_md(report: &Report) -> String {
    let mut out = String::new();
    header(&mut out, report);
    totals(&mut out, report);
    problems(&mut out, report);
    skipped(&mut out, report);
    let matrix = Matrix::of(report);
    table(&mut out, &matrix, "Interoperability", |column| !column.self_check);
    table(&mut out, &matrix, "Self-check (embedded peer, not interoperability)", |column| {
        column.self_check
    });
    violations(&mut out, report);
    foot(&mut out, report);
    out
}

fn header(out: &mut String, report: &Report) {
    let gate = Gate::of(report);
    let mark = match gate.status {
        ExitStatus::Held => "✅",
        ExitStatus::Failed => "❌",
        ExitStatus::Usage | ExitStatus::Infrastructure => "⚠️",
    };
    _ = writeln!(
        out,
        "## {mark} ikeproof: {} (exit status {})\n",
        gate.status.meaning(),
        gate.status.code()
    );
    for reason in &gate.reasons {
        _ = writeln!(out, "- {}", markdown(reason));
    }
    if !gate.reasons.is_empty() {
        out.push('\n');
    }
}

fn totals(out: &mut String, report: &Report) {
    let summary = Summary::of(report);
    out.push_str("| |");
    for verdict in Verdict::ALL {
        _ = write!(out, " {} {verdict} |", verdict.mark());
    }
    out.push_str(" total | broken requirements |\n|---|");
    out.push_str(&"---:|".repeat(Verdict::ALL.len() + 1));
    out.push_str("---|\n");
    let mut row = |name: &str, counts: &Counts, violations: &Violations| {
        _ = write!(out, "| {name} |");
        for verdict in Verdict::ALL {
            match counts.of(verdict) {
                0 => out.push_str(" |"),
                count if verdict.needs_attention() => _ = write!(out, " **{count}** |"),
                count => _ = write!(out, " {count} |"),
            }
        }
        _ = writeln!(out, " {} | {} |", counts.total(), violations_words(violations));
    };
    row("**interoperability**", &summary.interop, &summary.interop_violations);
    for peer in summary.peers.iter().filter(|peer| !peer.self_check) {
        row(&markdown(&peer.label()), &peer.counts, &peer.violations);
    }
    if summary.self_check.total() > 0 {
        row("*self-check*", &summary.self_check, &summary.self_check_violations);
    }
    out.push('\n');
}

fn problems(out: &mut String, report: &Report) {
    let cases = attention(report);
    if cases.is_empty() {
        return;
    }
    _ = writeln!(out, "### What to look at ({})\n", plural(cases.len(), "case"));
    for case in cases.iter().take(MAX_PROBLEMS) {
        problem(out, case);
    }
    if cases.len() > MAX_PROBLEMS {
        _ = writeln!(
            out,
            "…and {} more, in `index.html` and `report.json`.\n",
            cases.len() - MAX_PROBLEMS
        );
    }
}

fn problem(out: &mut String, case: &Case) {
    let aside = if case.self_check { " (self-check)" } else { "" };
    _ = write!(
        out,
        "- {} **{}**{aside} {}",
        case.verdict.mark(),
        case.verdict,
        markdown_code(&case.scenario)
    );
    if !case.variant.is_empty() {
        _ = write!(out, " {}", markdown_code(&case.variant));
    }
    _ = writeln!(out, " with {}", markdown(&case.peer.label()));
    let mut item = |text: &str| _ = writeln!(out, "  - {text}");
    if !case.reason.is_empty() {
        item(&markdown(&ellipsis(&one_line(&case.reason), MAX_REASON)));
    }
    for attempt in case.earlier_attempts.iter().take(3) {
        let reason = ellipsis(&one_line(&attempt.reason), MAX_REASON);
        item(&format!("earlier attempt: {}: {}", attempt.verdict, markdown(&reason)));
    }
    for control in case.controls.iter().filter(|control| !control.held).take(5) {
        item(&format!(
            "control {} did not hold: expected {}, observed {}",
            markdown(&control.name),
            markdown(&ellipsis(&control.expected, MAX_REASON)),
            markdown(&ellipsis(&control.observed, MAX_REASON))
        ));
    }
    for violation in case.mistakes().take(5) {
        item(&format!(
            "{} breaks {} {}: {}",
            violation.by,
            violation.severity.word(),
            markdown_code(&violation.requirement),
            markdown(&ellipsis(&violation.message, MAX_REASON))
        ));
    }
    if !case.rerun.is_empty() {
        item(&format!("again: {}", markdown_code(&case.rerun)));
    }
}

fn skipped(out: &mut String, report: &Report) {
    let peers = &report.run.skipped_peers;
    if peers.is_empty() {
        return;
    }
    _ = writeln!(out, "\n### Skipped ({})\n", plural(peers.len(), "peer"));
    for peer in peers {
        let required = if peer.required { " **(required)**" } else { "" };
        _ = write!(out, "- {}{required}: {}", markdown_code(&peer.name), markdown(&peer.why));
        if !peer.fix.is_empty() {
            _ = write!(out, " → {}", markdown(&peer.fix));
        }
        out.push('\n');
    }
}

fn table(out: &mut String, matrix: &Matrix<'_>, title: &str, keep: impl Fn(&Column) -> bool) {
    let columns: Vec<_> =
        matrix.columns.iter().enumerate().filter(|(_, column)| keep(column)).collect();
    if columns.is_empty() {
        return;
    }
    _ = write!(out, "\n<details><summary>{title}</summary>\n\n| scenario |");
    for (_, column) in &columns {
        _ = write!(out, " {} |", markdown(&format!("{} {}", column.name, column.version)));
    }
    _ = write!(out, "\n|---|{}\n", ":---:|".repeat(columns.len()));
    let whole_suites = matrix.scenarios() > MAX_ROWS;
    for suite in &matrix.suites {
        if whole_suites {
            _ = write!(out, "| {} ({}) |", markdown(suite.name), suite.rows.len());
            for (at, _) in &columns {
                let all = suite.rows.iter().flat_map(|row| row.cells[*at].cases.iter().copied());
                _ = write!(out, " {} |", cell_md(&Cell { cases: all.collect() }));
            }
            out.push('\n');
            continue;
        }
        for row in suite
            .rows
            .iter()
            .filter(|row| columns.iter().any(|(at, _)| !row.cells[*at].cases.is_empty()))
        {
            _ = write!(out, "| {} |", markdown_code(row.scenario));
            for (at, _) in &columns {
                _ = write!(out, " {} |", cell_md(&row.cells[*at]));
            }
            out.push('\n');
        }
    }
    out.push_str("\n</details>\n");
}

fn cell_md(cell: &Cell<'_>) -> String {
    let counts = cell.counts();
    match (counts.worst(), counts.total()) {
        (None, _) => String::new(),
        (Some(verdict), 1) if verdict.needs_attention() => {
            format!("{} **{verdict}**", verdict.mark())
        }
        (Some(verdict), 1) => format!("{} {verdict}", verdict.mark()),
        _ => counts
            .present()
            .map(|(verdict, count)| format!("{} {count} {verdict}", verdict.mark()))
            .collect::<Vec<_>>()
            .join("<br>"),
    }
}

/// Requirements that were broken although the case passed: they show nowhere else.
fn violations(out: &mut String, report: &Report) {
    let passed: Vec<_> = report
        .cases
        .iter()
        .filter(|case| case.verdict == Verdict::Pass && case.mistakes().next().is_some())
        .collect();
    if passed.is_empty() {
        return;
    }
    _ = writeln!(
        out,
        "\n<details><summary>Passed, with broken requirements ({})</summary>\n",
        plural(passed.len(), "case")
    );
    for case in passed.iter().take(MAX_PROBLEMS) {
        for violation in case.violations.iter().take(5) {
            _ = writeln!(
                out,
                "- {} breaks {} {} in {}: {}",
                violation.by,
                violation.severity.word(),
                markdown_code(&violation.requirement),
                markdown(&case.label()),
                markdown(&ellipsis(&violation.message, MAX_REASON))
            );
        }
    }
    if passed.len() > MAX_PROBLEMS {
        _ = writeln!(out, "\n…and {} more.", passed.len() - MAX_PROBLEMS);
    }
    out.push_str("\n</details>\n");
}

fn violations_words(violations: &Violations) -> String {
    let mut words = Vec::new();
    for (who, count) in [("peer", violations.peer), ("edge", violations.edge)] {
        if count > 0 {
            words.push(format!("{count} by {who}"));
        }
    }
    words.join(", ")
}

fn foot(out: &mut String, report: &Report) {
    let run = &report.run;
    let mut facts = vec![format!("ikeproof {}", markdown(&run.ikeproof_version))];
    let mut fact = |name: &str, value: &str| {
        if !value.is_empty() {
            facts.push(format!("{name} {}", markdown(value)));
        }
    };
    fact("run", &run.id);
    fact("profile", &run.profile);
    fact("tier", &run.tier);
    fact("shard", run.shard.as_deref().unwrap_or_default());
    fact("seed", &run.seed.to_string());
    if let Some(finished) = run.finished {
        let took = finished.duration_since(run.started).as_micros();
        fact("took", &span_us(u64::try_from(took).unwrap_or_default()));
    }
    _ = writeln!(out, "\n<sub>{}</sub>", facts.join(" · "));
    if !run.command_line.is_empty() {
        _ = writeln!(out, "\n{}", markdown_code(&run.command_line));
    }
}

const MAX_PROBLEMS: usize = 50;
const MAX_REASON: usize = 500;
const MAX_ROWS: usize = 400;
