//! The parameter tables of the edges' documents with the scenarios that show each cell.
//!
//! Which scenario shows an algorithm is read off what its cases expect to be negotiated, so that a cell
//! is full only as long as a case expects it.

use std::fmt::Write as _;

use crate::catalogue::Catalogue;
use crate::profile::{Cell, Table};
use crate::scenario::{Action, Case, Established, Scenario, Step, Version};

/// A table with what shows its cells.
#[derive(Clone, Debug)]
pub struct Filled<'a> {
    /// The table.
    pub table: &'a Table,
    /// Its cells, row by row, those of phase 1 first.
    pub cells: Vec<FilledCell<'a>>,
}

/// A cell with what shows it.
#[derive(Clone, Debug)]
pub struct FilledCell<'a> {
    /// The parameter.
    pub component: &'a str,
    /// 1 or 2.
    pub phase: u8,
    /// The value.
    pub says: &'a str,
    /// The fact that states it.
    pub fact: &'a str,
    /// The scenarios that show it, by id; none if the cell is open.
    pub shown_by: Vec<&'a str>,
}

impl Catalogue {
    /// The parameter tables of all profiles, filled in.
    pub fn tables(&self) -> Vec<Filled<'_>> {
        let tables = self.profiles.iter().flat_map(|profile| &profile.tables);
        tables.map(|table| self.filled(table)).collect()
    }

    fn filled<'a>(&'a self, table: &'a Table) -> Filled<'a> {
        let cells = table.rows.iter().flat_map(|row| {
            let phases = [(1, &row.phase1), (2, &row.phase2)];
            phases.into_iter().flat_map(move |(phase, cells)| {
                cells.iter().map(move |cell| FilledCell {
                    component: &row.component,
                    phase,
                    says: &cell.says,
                    fact: &row.fact,
                    shown_by: self.showing(cell, table.version),
                })
            })
        });
        Filled { table, cells: cells.collect() }
    }

    fn showing(&self, cell: &Cell, version: Version) -> Vec<&str> {
        let shows = |scenario: &&Scenario| {
            let of_version =
                |case: &&Case| case.control.is_none() && case.peers[0].version == version;
            let mut cases = scenario.cases.iter().filter(of_version).peekable();
            let named = cell.shown.contains(&scenario.id) && cases.peek().is_some();
            named || cases.any(|case| established(case).any(|it| shows_cell(it, cell)))
        };
        self.scenarios.iter().filter(shows).map(|scenario| scenario.id.as_str()).collect()
    }
}

/// What a case expects to be established.
fn established(case: &Case) -> impl Iterator<Item = &Established> {
    Step::all(&case.steps).into_iter().filter_map(|action| match action {
        Action::Expect(expect) => expect.established.as_ref(),
        _ => None,
    })
}

fn shows_cell(established: &Established, cell: &Cell) -> bool {
    let has = |word: &Option<String>, suite: Option<String>| match (word, suite) {
        (Some(word), Some(suite)) => suite.split(['-', ':']).any(|part| part == word),
        _ => false,
    };
    has(&cell.ike, established.ike.map(|suite| suite.to_string()))
        || has(&cell.child, established.child.map(|suite| suite.to_string()))
        || (cell.mode.is_some() && cell.mode == established.mode)
        || (cell.auth.is_some() && cell.auth == established.auth)
}

/// The tables as Markdown.
pub fn markdown(tables: &[Filled<'_>]) -> String {
    let mut text = String::from(
        "# Parameter tables\n\nEach value of the tables in an edge's document, and the scenarios that show \
         it. Written by `ikeproof list --tables`;\na test compares.\n",
    );
    for Filled { table, cells } in tables {
        let open = cells.iter().filter(|cell| cell.shown_by.is_empty()).count();
        let _ = write!(
            text,
            "\n## {}\n\n{} cells, {open} open.\n\n| component | phase | value | fact | shown by |\n\
             | --- | --- | --- | --- | --- |\n",
            table.heading,
            cells.len()
        );
        for FilledCell { component, phase, says, fact, shown_by } in cells {
            let shown =
                if shown_by.is_empty() { "**open**".to_owned() } else { shown_by.join(", ") };
            let _ = writeln!(text, "| {component} | {phase} | {says} | {fact} | {shown} |");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_in_the_tree_are_those_of_the_scenarios() {
        let catalogue = Catalogue::builtin().unwrap();
        let written = include_str!("../tables.md");
        assert!(
            markdown(&catalogue.tables()) == written,
            "write it with `ikeproof list --tables > scenarios/tables.md`"
        );
    }

    #[test]
    fn a_cell_is_full_only_as_long_as_a_case_shows_it() {
        let mut catalogue = Catalogue::builtin().unwrap();
        let open = |catalogue: &Catalogue| {
            let tables = catalogue.tables();
            let cells = tables.iter().flat_map(|filled| &filled.cells);
            cells.filter(|cell| cell.shown_by.is_empty()).count()
        };
        let before = open(&catalogue);
        catalogue.scenarios.retain(|scenario| !scenario.id.starts_with("edge/ikev1/"));
        assert!(open(&catalogue) > before);
    }

    #[test]
    fn what_cells_name_exists() {
        let catalogue = Catalogue::builtin().unwrap();
        for profile in &catalogue.profiles {
            for table in &profile.tables {
                for row in &table.rows {
                    assert!(profile.facts.iter().any(|it| it.id == row.fact), "{}", row.fact);
                    for cell in row.phase1.iter().chain(&row.phase2) {
                        let shown = catalogue.showing(cell, table.version);
                        for name in &cell.shown {
                            assert!(shown.contains(&name.as_str()), "{}: {name}", row.component);
                        }
                    }
                }
            }
        }
    }
}
