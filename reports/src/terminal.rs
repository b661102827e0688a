//! The result of a run for a terminal or the log of a CI job.
//!
//! Plain text for a given width, with colours only if asked for: the caller knows whether it writes
//! to a terminal. Small runs show a row for each scenario, large ones a row for each suite, and in
//! both everything to look at follows with its reason and re-run line, so that the last screen of a
//! log is the useful one. Nothing from a peer reaches the terminal unescaped.

use std::fmt::Write as _;

use crate::{
    matrix::{Cell, Matrix, attention},
    model::{Case, Report},
    tally::{Counts, Gate, Summary},
    text::{ellipsis, one_line, plural, wrap},
    verdict::{ExitStatus, Verdict},
};

/// What the terminal can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Its width in characters.
    pub width: usize,
    /// Whether to colour.
    pub colour: bool,
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// Renders the result of a run.
pub fn terminal(report: &Report, options: &TerminalOptions) -> String {
    let paint = Paint { colour: options.colour, width: options.width.max(MIN_WIDTH) };
    let mut out = String::new();
    table(&mut out, report, paint);
    let cases = attention(report);
    if !cases.is_empty() {
        out.push('\n');
    }
    let groups = grouped(&cases);
    for (case, alike) in groups.iter().take(MAX_PROBLEMS) {
        problem(&mut out, case, *alike, paint);
    }
    let more: usize = groups.iter().skip(MAX_PROBLEMS).map(|(_, alike)| 1 + alike).sum();
    if more > 0 {
        _ = writeln!(out, "…and {more} more to look at, in index.html and report.json\n");
    }
    for peer in &report.run.skipped_peers {
        let required = if peer.required { " (required)" } else { "" };
        let text = format!("skipped peer {}{required}: {}", peer.name, peer.why);
        paint.paragraph(&mut out, "", &text);
        if !peer.fix.is_empty() {
            paint.paragraph(&mut out, "  fix: ", &peer.fix);
        }
    }
    totals(&mut out, report, paint);
    out
}

#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
    width: usize,
}

impl Paint {
    fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Fail | Verdict::UnexpectedPass => "1;31",
            Verdict::Flaky => "33",
            Verdict::Inconclusive => "35",
            Verdict::Unsupported | Verdict::ExpectedFail => "2",
        };
        self.code(code, text)
    }

    fn code(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Wrapped text with a hanging indent.
    fn paragraph(self, out: &mut String, lead: &str, text: &str) {
        let indent = lead.chars().count();
        let lines = wrap(&one_line(text), self.width.saturating_sub(indent).max(20));
        for (at, line) in lines.iter().enumerate() {
            match at {
                0 => _ = writeln!(out, "{lead}{line}"),
                _ => _ = writeln!(out, "{:indent$}{line}", ""),
            }
        }
    }
}

fn table(out: &mut String, report: &Report, paint: Paint) {
    let matrix = Matrix::of(report);
    let by_suite = matrix.scenarios() > MAX_ROWS;
    let mut rows: Vec<(String, Vec<Cell<'_>>)> = Vec::new();
    for suite in &matrix.suites {
        if by_suite {
            let cells = (0..matrix.columns.len()).map(|at| Cell {
                cases: suite.rows.iter().flat_map(|row| row.cells[at].cases.clone()).collect(),
            });
            let name = format!("{}/ ({})", one_line(suite.name), suite.rows.len());
            rows.push((name, cells.collect()));
        } else {
            rows.extend(suite.rows.iter().map(|row| (one_line(row.scenario), row.cells.clone())));
        }
    }
    let heads: Vec<[String; 2]> = matrix
        .columns
        .iter()
        .map(|column| {
            let version = if column.self_check { "self-check" } else { &column.version };
            [one_line(&column.name), one_line(version)]
        })
        .collect();
    let cells: Vec<Vec<String>> =
        rows.iter().map(|(_, cells)| cells.iter().map(Cell::short).collect()).collect();
    let width = |at: usize| {
        let cells = cells.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        let head = heads[at].iter().map(|head| head.chars().count().min(MAX_HEAD));
        cells.chain(head).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let columns: usize = widths.iter().map(|width| width + 2).sum();
    let longest = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    if columns + MIN_NAME.min(longest) > paint.width {
        return by_peer(out, report, paint);
    }
    let names = longest.min(paint.width - columns);
    for line in 0..2 {
        let mut text = format!("{:names$}", if line == 0 { "scenario" } else { "" });
        for (head, width) in heads.iter().zip(&widths) {
            _ = write!(text, "  {:<width$}", ellipsis(&head[line], *width));
        }
        _ = writeln!(out, "{}", paint.code("1", text.trim_end()));
    }
    for ((name, row), texts) in rows.iter().zip(&cells) {
        let mut text = format!("{:names$}", keep_end(name, names));
        for ((cell, short), width) in row.iter().zip(texts).zip(&widths) {
            let padded = format!("{short:<width$}");
            let painted = match cell.worst() {
                Some(verdict) => paint.verdict(verdict, &padded),
                None => padded,
            };
            _ = write!(text, "  {painted}");
        }
        _ = writeln!(out, "{}", text.trim_end());
    }
}

/// Where the matrix does not fit: a line for each peer.
fn by_peer(out: &mut String, report: &Report, paint: Paint) {
    for peer in Summary::of(report).peers {
        let aside = if peer.self_check { " (self-check)" } else { "" };
        paint.paragraph(out, &format!("{}{aside}: ", peer.label()), &peer.counts.words());
    }
}

/// The cases to tell of, each with how many more are inconclusive for the same reason: where an engine
/// is gone, all cases that follow are.
fn grouped<'a>(cases: &[&'a Case]) -> Vec<(&'a Case, usize)> {
    let mut groups: Vec<(&Case, usize)> = Vec::new();
    for case in cases {
        let alike = |(first, _): &&mut (&Case, usize)| {
            case.verdict == Verdict::Inconclusive
                && (first.verdict, &first.reason) == (case.verdict, &case.reason)
        };
        match groups.iter_mut().find(alike) {
            Some((_, more)) => *more += 1,
            None => groups.push((case, 0)),
        }
    }
    groups
}

fn problem(out: &mut String, case: &Case, alike: usize, paint: Paint) {
    let aside = if case.self_check { " (self-check)" } else { "" };
    let verdict = paint.verdict(case.verdict, &case.verdict.word().to_uppercase());
    _ = writeln!(out, "{verdict}{aside} {}", case.label());
    if !case.reason.is_empty() {
        paint.paragraph(out, "  ", &case.reason);
    }
    for control in case.controls.iter().filter(|control| !control.held) {
        let text = format!(
            "{}: expected {}, observed {}",
            control.name, control.expected, control.observed
        );
        paint.paragraph(out, "  control: ", &text);
    }
    for violation in &case.violations {
        let text = format!(
            "{} breaks {} {}: {}",
            violation.by,
            violation.severity.word(),
            violation.requirement,
            violation.message
        );
        paint.paragraph(out, "  audit: ", &text);
    }
    if !case.rerun.is_empty() {
        // Not wrapped: it is there to be copied.
        _ = writeln!(out, "  again: {}", one_line(&case.rerun));
    }
    if alike > 0 {
        _ = writeln!(out, "  and {} more for the same reason", plural(alike, "case"));
    }
    out.push('\n');
}

fn totals(out: &mut String, report: &Report, paint: Paint) {
    let summary = Summary::of(report);
    let words = |counts: &Counts| {
        let words: Vec<_> = counts
            .present()
            .map(|(verdict, count)| paint.verdict(verdict, &format!("{count} {verdict}")))
            .collect();
        if words.is_empty() { "no cases".to_owned() } else { words.join(", ") }
    };
    _ = writeln!(out, "\ninteroperability  {}", words(&summary.interop));
    if summary.self_check.total() > 0 {
        _ = writeln!(out, "self-check        {}", words(&summary.self_check));
    }
    let broken = summary.interop_violations;
    if broken.total() + broken.on_purpose > 0 {
        _ = writeln!(
            out,
            "requirements      {} broken by peers, {} by the edge, {} on purpose",
            broken.peer, broken.edge, broken.on_purpose
        );
    }
    let gate = Gate::of(report);
    let code = match gate.status {
        ExitStatus::Held => "1;32",
        ExitStatus::Failed => "1;31",
        ExitStatus::Usage | ExitStatus::Infrastructure => "1;35",
    };
    let status = format!("exit status {}: {}", gate.status.code(), gate.status.meaning());
    _ = writeln!(out, "{}", paint.code(code, &status));
    for reason in &gate.reasons {
        paint.paragraph(out, "  - ", reason);
    }
}

/// Cuts at the front: the end of a scenario's id tells more than its suite.
fn keep_end(text: &str, width: usize) -> String {
    let count = text.chars().count();
    if count <= width {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count - width.saturating_sub(1)).collect();
    format!("…{end}")
}

const MAX_ROWS: usize = 60;
const MAX_PROBLEMS: usize = 100;
const MAX_HEAD: usize = 16;
const MIN_NAME: usize = 24;
const MIN_WIDTH: usize = 40;
