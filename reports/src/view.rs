//! What the page's templates place: matrix, totals and case panels with every word chosen.
//!
//! Strings from outside pass through [`visible`] or [`one_line`] here, and through askama's escaping
//! in the template. Paths become links only as relative ones.

use crate::{
    html::case_link,
    ladder::{Ladder, severity_class},
    matrix::{Cell, Matrix, Row},
    model::{Case, Report},
    tally::{Counts, Summary, Violations},
    text::{ellipsis, href, one_line, plural, span_us, visible},
    verdict::Verdict,
};

/// A bar of totals at the top of the page.
pub(crate) struct Tally {
    pub(crate) title: &'static str,
    pub(crate) note: &'static str,
    pub(crate) class: &'static str,
    pub(crate) total: usize,
    pub(crate) parts: Vec<(Verdict, usize)>,
    pub(crate) violations: Vec<String>,
}

impl Tally {
    pub(crate) fn all(summary: &Summary) -> Vec<Self> {
        let mut all = vec![Self::of(
            "Interoperability",
            "with real peers",
            "interop",
            &summary.interop,
            &summary.interop_violations,
        )];
        if summary.self_check.total() > 0 {
            all.push(Self::of(
                "Self-check",
                "with the embedded peer; not interoperability",
                "self",
                &summary.self_check,
                &summary.self_check_violations,
            ));
        }
        all
    }

    fn of(
        title: &'static str,
        note: &'static str,
        class: &'static str,
        counts: &Counts,
        broken: &Violations,
    ) -> Self {
        let violations = [("peers", broken.peer), ("the edge", broken.edge)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(who, count)| format!("{count} by {who}"))
            .collect();
        Self {
            title,
            note,
            class,
            total: counts.total(),
            parts: counts.present().collect(),
            violations,
        }
    }
}

/// A column of the matrix.
pub(crate) struct ColumnView {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) self_check: bool,
}

/// A group of rows.
pub(crate) struct SuiteView {
    pub(crate) name: String,
    pub(crate) scenarios: String,
    pub(crate) words: String,
    pub(crate) rows: Vec<RowView>,
}

impl SuiteView {
    /// The cases in the order of the matrix.
    pub(crate) fn order(&self) -> impl Iterator<Item = usize> + '_ {
        let leaves = self.rows.iter().filter(|row| !row.parent);
        leaves.flat_map(|row| row.cells.iter()).flat_map(|cell| cell.all.iter().copied())
    }
}

/// A scenario, or one of its variants.
pub(crate) struct RowView {
    /// The id without the suite.
    pub(crate) rest: String,
    pub(crate) title: String,
    /// What the row shows of a variant; empty for a scenario's own row.
    pub(crate) variant: String,
    /// Whether rows of variants follow.
    pub(crate) parent: bool,
    pub(crate) variants: usize,
    /// What the text filter searches.
    pub(crate) text: String,
    pub(crate) cells: Vec<CellView>,
}

/// A cell of the matrix.
pub(crate) struct CellView {
    pub(crate) self_check: bool,
    pub(crate) chips: Vec<Chip>,
    all: Vec<usize>,
}

/// A verdict in a cell, which links to its case.
pub(crate) struct Chip {
    pub(crate) verdict: Verdict,
    pub(crate) link: String,
    pub(crate) hint: String,
    /// `3/40` where the chip stands for several cases.
    pub(crate) share: String,
    /// Requirements broken in it.
    pub(crate) broken: usize,
}

/// Columns and rows of the matrix; `names` are the anchors of the cases.
pub(crate) fn matrix_view(report: &Report, names: &[String]) -> (Vec<ColumnView>, Vec<SuiteView>) {
    let matrix = Matrix::of(report);
    let columns: Vec<_> = matrix
        .columns
        .iter()
        .map(|column| ColumnView {
            name: one_line(&column.name),
            version: one_line(&column.version),
            self_check: column.self_check,
        })
        .collect();
    let suites = matrix
        .suites
        .iter()
        .map(|suite| {
            let all = suite.rows.iter().flat_map(Row::cases);
            let interop: Counts =
                all.filter(|(_, case)| !case.self_check).map(|(_, case)| case.verdict).collect();
            SuiteView {
                name: one_line(suite.name),
                scenarios: plural(suite.rows.len(), "scenario"),
                words: if interop.total() > 0 { interop.words() } else { String::new() },
                rows: suite.rows.iter().flat_map(|row| rows(row, &columns, names)).collect(),
            }
        })
        .collect();
    (columns, suites)
}

fn rows(row: &Row<'_>, columns: &[ColumnView], names: &[String]) -> Vec<RowView> {
    let variants = row.variants();
    let single = variants.len() <= 1;
    let view = |variant: &str, parent: bool, keep: &dyn Fn(&Case) -> bool| RowView {
        rest: one_line(row.scenario.split_once('/').map_or(row.scenario, |(_, rest)| rest)),
        title: one_line(row.title),
        variant: one_line(variant),
        parent,
        variants: variants.len(),
        text: search_text(row, keep),
        cells: row
            .cells
            .iter()
            .zip(columns)
            .map(|(cell, column)| cell_view(cell, column, names, parent, keep))
            .collect(),
    };
    let mut views = vec![view(if single { variants[0] } else { "" }, !single, &|_| true)];
    if !single {
        views.extend(variants.iter().map(|name| view(name, false, &|case| case.variant == *name)));
    }
    views
}

fn cell_view(
    cell: &Cell<'_>,
    column: &ColumnView,
    names: &[String],
    parent: bool,
    keep: &dyn Fn(&Case) -> bool,
) -> CellView {
    let cases: Vec<_> = cell.cases.iter().filter(|(_, case)| keep(case)).copied().collect();
    let chip = |(index, case): (usize, &Case)| Chip {
        verdict: case.verdict,
        link: case_link(&names[index]),
        hint: hint(case),
        share: String::new(),
        broken: case.mistakes().count(),
    };
    let chips = if parent {
        let cell = Cell { cases: cases.clone() };
        let counts = cell.counts();
        let worst = cases.iter().copied().max_by_key(|(_, case)| case.verdict.rank());
        let sum = |(index, case): (usize, &Case)| Chip {
            share: format!("{}/{}", counts.of(case.verdict), counts.total()),
            hint: format!("{}: {}", one_line(&case.scenario), counts.words()),
            broken: cases.iter().map(|(_, case)| case.mistakes().count()).sum(),
            ..chip((index, case))
        };
        worst.map(sum).into_iter().collect()
    } else {
        cases.iter().copied().map(chip).collect()
    };
    CellView {
        self_check: column.self_check,
        chips,
        all: cases.iter().map(|(index, _)| *index).collect(),
    }
}

fn hint(case: &Case) -> String {
    let mut text = format!("{}: {}", case.label(), case.verdict);
    if !case.reason.is_empty() {
        text.push_str("; ");
        text.push_str(&ellipsis(&one_line(&case.reason), MAX_HINT));
    }
    let broken = case.mistakes().count();
    if broken > 0 {
        text.push_str("; ");
        text.push_str(&plural(broken, "broken requirement"));
    }
    text
}

fn search_text(row: &Row<'_>, keep: &dyn Fn(&Case) -> bool) -> String {
    let mut words = vec![row.scenario, row.title];
    for (_, case) in row.cases().filter(|(_, case)| keep(case)) {
        words.push(&case.variant);
        words.push(&case.reason);
        words.extend(case.covers.iter().map(String::as_str));
        words.extend(case.violations.iter().map(|violation| violation.requirement.as_str()));
    }
    words.sort_unstable();
    words.dedup();
    ellipsis(&one_line(&words.join(" ")).to_lowercase(), MAX_SEARCH)
}

/// The panel of a case.
pub(crate) struct CaseView {
    pub(crate) anchor: String,
    pub(crate) link: String,
    pub(crate) scenario: String,
    pub(crate) title: String,
    pub(crate) variant: String,
    pub(crate) peer: String,
    pub(crate) peer_name: String,
    pub(crate) verdict: Verdict,
    pub(crate) self_check: bool,
    pub(crate) reason: String,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) expectation: Option<[String; 3]>,
    pub(crate) earlier: Vec<(Verdict, String, String)>,
    pub(crate) violations: Vec<ViolationView>,
    pub(crate) controls: Vec<[String; 3]>,
    pub(crate) controls_failed: Vec<[String; 3]>,
    pub(crate) rerun: String,
    pub(crate) artifacts: Vec<(&'static str, String, String)>,
    pub(crate) covers: Vec<String>,
    pub(crate) tuned: Vec<String>,
    pub(crate) log: String,
    pub(crate) ladder: Option<Ladder>,
}

/// A broken requirement.
pub(crate) struct ViolationView {
    pub(crate) by: &'static str,
    pub(crate) class: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) requirement: String,
    pub(crate) message: String,
    pub(crate) seen: String,
}

impl CaseView {
    pub(crate) fn of(case: &Case, anchor: String, ladder: Option<Ladder>) -> Self {
        let lines = |held: bool| {
            let controls = case.controls.iter().filter(move |control| control.held == held);
            controls
                .map(|c| [one_line(&c.name), visible(&c.expected), visible(&c.observed)])
                .collect()
        };
        let all = |texts: &[String]| texts.iter().map(|text| one_line(text)).collect();
        Self {
            link: case_link(&anchor),
            anchor,
            scenario: one_line(&case.scenario),
            title: one_line(&case.title),
            variant: one_line(&case.variant),
            peer: case.peer.label(),
            peer_name: one_line(&case.peer.name),
            verdict: case.verdict,
            self_check: case.self_check,
            reason: visible(&case.reason),
            facts: case_facts(case),
            expectation: case
                .expectation
                .as_ref()
                .map(|e| [visible(&e.reason), one_line(&e.expires), one_line(&e.ticket)]),
            earlier: case
                .earlier_attempts
                .iter()
                .map(|a| {
                    (a.verdict, visible(&a.reason), span_us(a.duration_ms.saturating_mul(1_000)))
                })
                .collect(),
            violations: case
                .violations
                .iter()
                .map(|violation| ViolationView {
                    by: violation.by.word(),
                    class: severity_class(violation.severity),
                    severity: violation.severity.word(),
                    requirement: one_line(&violation.requirement),
                    message: visible(&violation.message),
                    seen: seen(violation.count, violation.frame),
                })
                .collect(),
            controls: lines(true),
            controls_failed: lines(false),
            rerun: one_line(&case.rerun),
            artifacts: case
                .artifacts
                .list()
                .into_iter()
                .map(|(name, path)| (name, href(path), one_line(path)))
                .collect(),
            covers: all(&case.covers),
            tuned: all(&case.tuned),
            log: visible(&case.log_tail.join("\n")),
            ladder,
        }
    }
}

fn case_facts(case: &Case) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("initiator", case.initiator.word().to_owned()),
        ("took", span_us(case.duration_ms.saturating_mul(1_000))),
        ("attempts", case.attempts.to_string()),
        ("seed", case.seed.to_string()),
        ("data plane", one_line(&case.peer.data_plane)),
        ("package", one_line(&case.peer.package)),
        ("image", one_line(&case.peer.image)),
        ("faults of the edge", one_line(&case.faults.join("; "))),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

fn seen(count: u32, frame: Option<u32>) -> String {
    match (count, frame) {
        (0 | 1, None) => String::new(),
        (0 | 1, Some(frame)) => format!("frame {frame}"),
        (count, None) => format!("{count} times"),
        (count, Some(frame)) => format!("{count} times, first in frame {frame}"),
    }
}

/// Characters of a reason in a tool tip.
const MAX_HINT: usize = 300;
/// Characters that the text filter searches in a row.
const MAX_SEARCH: usize = 4_000;
