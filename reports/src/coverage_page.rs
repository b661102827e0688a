//! `coverage.html`: what a run has shown of each requirement, as a page beside `index.html`.
//!
//! Like that page it is one file without anything from elsewhere, and readable without its script, which
//! only hides rows. Links to cases go to `index.html`.

use askama::Template;

use crate::{
    coverage::{Coverage, CoveredSubject, PeerCoverage, State, Totals},
    html::{HtmlError, case_link, script_hash},
    model::Report,
    text::{one_line, plural},
};

/// Renders `coverage.html`.
pub fn coverage_html(report: &Report, coverage: &Coverage) -> Result<String, HtmlError> {
    let peers = columns(coverage);
    let page = Page {
        title: format!("ikeproof · coverage · {}", one_line(&report.run.id)),
        script_hash: script_hash(SCRIPT),
        style: STYLE,
        script: SCRIPT,
        run: one_line(&report.run.id),
        complete: report.run.complete,
        tallies: tallies(coverage, &peers),
        documents: documents(coverage, &peers),
        peers,
        statuses: Status::ALL,
    };
    Ok(page.render()?)
}

#[derive(Template)]
#[template(path = "coverage.html")]
struct Page {
    title: String,
    script_hash: String,
    style: &'static str,
    script: &'static str,
    run: String,
    complete: bool,
    tallies: Vec<Tally>,
    documents: Vec<Document>,
    peers: Vec<Column>,
    statuses: [Status; 5],
}

struct Tally {
    title: &'static str,
    note: &'static str,
    class: &'static str,
    parts: Vec<(Status, usize)>,
    all: usize,
}

struct Column {
    /// The name as it is shown, and then as it is.
    name: String,
    version: String,
    own: (bool, String, String),
}

struct Document {
    name: String,
    words: String,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    section: String,
    level: String,
    text: String,
    mutant: String,
    scenarios: Vec<String>,
    uncovered: String,
    status: Status,
    search: String,
    cells: Vec<Cell>,
}

struct Cell {
    self_check: bool,
    state: Option<Status>,
    lines: Vec<String>,
    cases: Vec<(String, String)>,
    more: usize,
}

/// What a row comes to, the worst of its peers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    Broken,
    Failed,
    Held,
    NotExercised,
    Uncovered,
}

impl Status {
    const ALL: [Self; 5] =
        [Self::Broken, Self::Failed, Self::Held, Self::NotExercised, Self::Uncovered];

    fn of(it: &CoveredSubject, state: State) -> Self {
        match state {
            State::Broken => Self::Broken,
            State::Failed => Self::Failed,
            State::Held => Self::Held,
            State::NotExercised if it.subject.is_covered() => Self::NotExercised,
            State::NotExercised => Self::Uncovered,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Broken => "broken",
            Self::Failed => "scenario failed",
            Self::Held => "held",
            Self::NotExercised => "not exercised",
            Self::Uncovered => "not covered",
        }
    }

    /// The class of a verdict, for its colours.
    const fn class(self) -> &'static str {
        match self {
            Self::Broken => "fail",
            Self::Failed => "flaky",
            Self::Held => "pass",
            Self::NotExercised => "unsupported",
            Self::Uncovered => "expected-fail",
        }
    }

    const fn mark(self) -> &'static str {
        match self {
            Self::Broken => "✗",
            Self::Failed => "!",
            Self::Held => "✓",
            Self::NotExercised => "·",
            Self::Uncovered => "–",
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Broken => "the auditor found that a peer broke it",
            Self::Failed => "a scenario that shows it did not pass; the auditor found nothing",
            Self::Held => "something looked at it, and nothing was broken",
            Self::NotExercised => "a rule or a scenario covers it, and nothing in this run met it",
            Self::Uncovered => {
                "no rule of the auditor and no scenario covers it; the reason is given"
            }
        }
    }
}

/// The peers that took part, real ones first.
fn columns(coverage: &Coverage) -> Vec<Column> {
    let all = coverage.subjects.iter().flat_map(|it| &it.peers);
    let mut keys: Vec<_> =
        all.map(|it| (it.self_check, it.name.as_str(), it.version.as_str())).collect();
    keys.sort_unstable();
    keys.dedup();
    keys.into_iter()
        .map(|(self_check, name, version)| Column {
            name: one_line(name),
            version: one_line(version),
            own: (self_check, name.to_owned(), version.to_owned()),
        })
        .collect()
}

fn tallies(coverage: &Coverage, peers: &[Column]) -> Vec<Tally> {
    let tally = |title, note, class, self_check| {
        let Totals { all, held, failed, broken, not_exercised, uncovered } =
            coverage.totals(self_check);
        let parts = [
            (Status::Broken, broken),
            (Status::Failed, failed),
            (Status::Held, held),
            (Status::NotExercised, not_exercised),
            (Status::Uncovered, uncovered),
        ];
        let parts = parts.into_iter().filter(|(_, count)| *count > 0).collect();
        Tally { title, note, class, parts, all }
    };
    let mut tallies = vec![tally("Interoperability", "with real peers", "interop", false)];
    if peers.iter().any(|peer| peer.own.0) {
        let note = "with the embedded peer; not interoperability";
        tallies.push(tally("Self-check", note, "self", true));
    }
    tallies
}

fn documents(coverage: &Coverage, peers: &[Column]) -> Vec<Document> {
    let mut documents: Vec<Document> = Vec::new();
    for it in &coverage.subjects {
        let name = one_line(&it.subject.document);
        if documents.last().is_none_or(|last| last.name != name) {
            documents.push(Document { name, words: String::new(), rows: Vec::new() });
        }
        if let Some(document) = documents.last_mut() {
            document.rows.push(row(it, peers));
        }
    }
    for document in &mut documents {
        let count = |status| document.rows.iter().filter(|row| row.status == status).count();
        let words = Status::ALL.into_iter().map(|status| (status, count(status)));
        let words = words.filter(|(_, count)| *count > 0);
        let words: Vec<_> = words.map(|(it, count)| format!("{count} {}", it.word())).collect();
        document.words = words.join(", ");
    }
    documents
}

fn row(it: &CoveredSubject, peers: &[Column]) -> Row {
    let subject = &it.subject;
    let scenarios: Vec<String> = subject.scenarios.iter().map(|id| one_line(id)).collect();
    let mutant = one_line(subject.mutant.as_deref().unwrap_or_default());
    let uncovered = one_line(subject.uncovered.as_deref().unwrap_or_default());
    let (id, text) = (one_line(&subject.id), one_line(&subject.text));
    let search = [&id, &text, &subject.level, &mutant, &scenarios.join(" "), &uncovered]
        .map(String::as_str)
        .join(" ");
    Row {
        section: one_line(&subject.section),
        level: one_line(&subject.level),
        status: Status::of(it, it.state(|_| true)),
        search: search.to_lowercase(),
        cells: peers.iter().map(|peer| cell(it, peer)).collect(),
        id,
        text,
        mutant,
        scenarios,
        uncovered,
    }
}

fn cell(it: &CoveredSubject, column: &Column) -> Cell {
    let (self_check, name, version) = &column.own;
    let self_check = *self_check;
    let own = |peer: &&PeerCoverage| {
        (peer.self_check, &peer.name, &peer.version) == (self_check, name, version)
    };
    let Some(peer) = it.peers.iter().find(own) else {
        return Cell { self_check, state: None, lines: Vec::new(), cases: Vec::new(), more: 0 };
    };
    let mut lines = Vec::new();
    if !peer.broken.is_empty() {
        let of = plural(peer.broken.len() + peer.held, "case");
        lines.push(format!("broken in {} of {of}", peer.broken.len()));
    } else if peer.judged > 0 {
        let times = plural(usize::try_from(peer.judged).unwrap_or(usize::MAX), "time");
        lines.push(format!("judged {times} in {}", plural(peer.held, "case")));
    }
    if !peer.failed.is_empty() {
        let of = plural(peer.failed.len() + peer.passed, "case");
        lines.push(format!("shown in {} of {of}", peer.passed));
    } else if peer.passed > 0 {
        lines.push(format!("shown in {}", plural(peer.passed, "case")));
    }
    let all: Vec<&String> = peer.broken.iter().chain(&peer.failed).collect();
    let link = |key: &&String| (format!("./index.html{}", case_link(key)), one_line(key));
    Cell {
        self_check,
        state: Some(Status::of(it, peer.state)),
        lines,
        cases: all.iter().take(MAX_CASES).map(link).collect(),
        more: all.len().saturating_sub(MAX_CASES),
    }
}

/// Cases that a cell links to.
const MAX_CASES: usize = 5;
const STYLE: &str =
    concat!(include_str!("../templates/page.css"), include_str!("../templates/coverage.css"));
const SCRIPT: &str = include_str!("../templates/coverage.js");
