//! The grid that every overview shows: scenarios down, peers across.
//!
//! A cell holds all cases of a scenario with a peer: one as a rule, many for a matrix scenario, whose
//! variants are the rows below it. Columns of self-checks come last and are marked. The order is
//! that of names, not of execution, so that two runs can be laid side by side.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    model::{Case, Report},
    tally::{Counts, Summary},
    verdict::Verdict,
};

/// Scenarios down, peers across.
#[derive(Clone, Debug)]
pub struct Matrix<'a> {
    /// Peers in versions; real ones first.
    pub columns: Vec<Column>,
    /// Suites in order of their names.
    pub suites: Vec<Suite<'a>>,
}

/// A peer in a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether its results are self-checks.
    pub self_check: bool,
}

/// Scenarios whose ids begin alike.
#[derive(Clone, Debug)]
pub struct Suite<'a> {
    /// The first part of the ids.
    pub name: &'a str,
    /// Its scenarios in order of their ids.
    pub rows: Vec<Row<'a>>,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its id.
    pub scenario: &'a str,
    /// Its title.
    pub title: &'a str,
    /// One cell a column.
    pub cells: Vec<Cell<'a>>,
}

impl<'a> Row<'a> {
    /// The variants in order of their names; a scenario without any has the empty one.
    pub fn variants(&self) -> Vec<&'a str> {
        let names: BTreeSet<_> = self.cases().map(|(_, case)| case.variant.as_str()).collect();
        names.into_iter().collect()
    }

    /// All cases of the scenario.
    pub fn cases(&self) -> impl Iterator<Item = (usize, &'a Case)> + '_ {
        self.cells.iter().flat_map(|cell| cell.cases.iter().copied())
    }
}

/// A scenario with a peer.
#[derive(Clone, Debug, Default)]
pub struct Cell<'a> {
    /// The cases with their places in [`Report::cases`].
    pub cases: Vec<(usize, &'a Case)>,
}

impl Cell<'_> {
    /// How many of which verdict.
    pub fn counts(&self) -> Counts {
        self.cases.iter().map(|(_, case)| case.verdict).collect()
    }

    /// The worst verdict; none where nothing ran.
    pub fn worst(&self) -> Option<Verdict> {
        self.counts().worst()
    }

    /// `pass`, `FAIL`, `3/40 FAIL` or a dash.
    pub fn short(&self) -> String {
        let counts = self.counts();
        match (counts.worst(), counts.total()) {
            (None, _) => "·".to_owned(),
            (Some(verdict), 1) => verdict.short().to_owned(),
            (Some(verdict), total) => {
                format!("{}/{total} {}", counts.of(verdict), verdict.short())
            }
        }
    }
}

impl<'a> Matrix<'a> {
    /// The grid of a report.
    pub fn of(report: &'a Report) -> Self {
        let columns: Vec<_> = Summary::of(report)
            .peers
            .into_iter()
            .map(|peer| Column {
                name: peer.name,
                version: peer.version,
                self_check: peer.self_check,
            })
            .collect();
        let mut suites: BTreeMap<&str, BTreeMap<&str, Row<'_>>> = BTreeMap::new();
        for (index, case) in report.cases.iter().enumerate() {
            let row = suites.entry(case.suite()).or_default().entry(&case.scenario).or_insert_with(
                || Row {
                    scenario: &case.scenario,
                    title: "",
                    cells: vec![Cell::default(); columns.len()],
                },
            );
            if row.title.is_empty() {
                row.title = &case.title;
            }
            let column = columns.iter().position(|column| {
                column.self_check == case.self_check
                    && column.name == case.peer.name
                    && column.version == case.peer.version
            });
            if let Some(cell) = column.and_then(|column| row.cells.get_mut(column)) {
                cell.cases.push((index, case));
            }
        }
        let suites = suites
            .into_iter()
            .map(|(name, rows)| Suite { name, rows: rows.into_values().collect() })
            .collect();
        Self { columns, suites }
    }

    /// The number of scenarios.
    pub fn scenarios(&self) -> usize {
        self.suites.iter().map(|suite| suite.rows.len()).sum()
    }
}

/// The cases to look at, worst first, then by name.
pub fn attention(report: &Report) -> Vec<&Case> {
    let mut cases: Vec<_> =
        report.cases.iter().filter(|case| case.verdict.needs_attention()).collect();
    cases.sort_by_cached_key(|case| {
        (case.self_check, std::cmp::Reverse(case.verdict.rank()), case.key())
    });
    cases
}
