//! What a user can list and look up: scenarios, requirements, patterns, facts, readings, and which
//! scenario shows which.

use crate::coverage::{Entry, Uncovered};
use crate::format::{FileErrors, nearest};
use crate::patterns::any_matches;
use crate::profile::{BUILTIN, Fact, ProfileFile, ReadingDoc};
use crate::scenario::{self, Known, Need, Scenario, Side, Tier};

/// Everything that comes with the package.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// Requirements, and the ids of facts and readings.
    pub known: Known,
    /// The scenarios, by id.
    pub scenarios: Vec<Scenario>,
    /// The edge profiles.
    pub profiles: Vec<ProfileFile>,
    /// What nothing covers, and why.
    pub uncovered: Uncovered,
}

/// One line of a list of scenarios.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The scenario.
    pub id: &'a str,
    /// One sentence.
    pub title: &'a str,
    /// How many of its cases, controls included, belong to the gate tier.
    pub gate: usize,
    /// What a peer must be able to do.
    pub needs: &'a [Need],
    /// Who begins: a peer, the edge, or both.
    pub initiators: Vec<Side>,
    /// How many cases there are, without controls.
    pub cases: usize,
    /// How many controls there are.
    pub controls: usize,
    /// What it shows.
    pub covers: &'a [String],
}

/// What an id stands for.
#[derive(Clone, Debug)]
pub enum Subject<'a> {
    /// A scenario.
    Scenario(&'a Scenario),
    /// Something that can be covered, and what covers it.
    Entry(Entry<'a>),
}

impl Catalogue {
    /// Loads all of it.
    ///
    /// # Errors
    /// With everything that is wrong, file by file.
    pub fn builtin() -> Result<Self, Vec<FileErrors>> {
        let known = Known::builtin()?;
        let scenarios = scenario::builtin(&known)?;
        let read = |(name, text): &(&str, &str)| ProfileFile::parse(name, text);
        let profiles: Result<_, _> = BUILTIN.iter().map(read).collect();
        let profiles = profiles.map_err(|error| vec![error])?;
        let uncovered = Uncovered::builtin().map_err(|error| vec![error])?;
        Ok(Self { known, scenarios, profiles, uncovered })
    }

    /// Gives the profile of this name or path to every edge that names none. It must be one that loads.
    ///
    /// A case that asks for a reading or a bundle which the profile does not have is `unsupported` when
    /// it is run.
    pub fn use_profile(&mut self, name: &str) {
        let cases = self.scenarios.iter_mut().flat_map(|scenario| &mut scenario.cases);
        for edge in cases.flat_map(|case| &mut case.edges) {
            edge.profile.get_or_insert_with(|| toml::Spanned::new(0..0, name.to_owned()));
        }
    }

    /// The scenarios that one of `patterns` means; all, if there are none. See
    /// [`patterns`](crate::patterns).
    pub fn select(&self, patterns: &[String]) -> impl Iterator<Item = &Scenario> {
        self.scenarios.iter().filter(move |scenario| any_matches(patterns, &scenario.id))
    }

    /// A list of those scenarios.
    pub fn list(&self, patterns: &[String]) -> Vec<Row<'_>> {
        self.select(patterns).map(Row::of).collect()
    }

    /// What `id` stands for.
    pub fn explain(&self, id: &str) -> Option<Subject<'_>> {
        let scenario = self.scenarios.iter().find(|it| it.id == id).map(Subject::Scenario);
        scenario.or_else(|| self.coverage_of(id).map(Subject::Entry))
    }

    /// The id nearest to `id`, for an error message.
    pub fn nearest(&self, id: &str) -> Option<&str> {
        let scenarios = self.scenarios.iter().map(|scenario| scenario.id.as_str());
        let facts = self.facts().map(|fact| fact.id.as_str());
        let readings = self.readings().map(|reading| reading.id.as_str());
        nearest(id, scenarios.chain(self.known.requirements.ids()).chain(facts).chain(readings))
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = &Fact> {
        self.profiles.iter().flat_map(|profile| &profile.facts)
    }

    pub(crate) fn readings(&self) -> impl Iterator<Item = &ReadingDoc> {
        self.profiles.iter().flat_map(|profile| &profile.readings)
    }

    /// The scenarios that show `id`.
    pub(crate) fn shown_by(&self, id: &str) -> Vec<&str> {
        let showing = self.scenarios.iter().filter(|it| it.covers.iter().any(|cover| cover == id));
        showing.map(|scenario| scenario.id.as_str()).collect()
    }
}

impl<'a> Row<'a> {
    fn of(scenario: &'a Scenario) -> Self {
        let controls = scenario.cases.iter().filter(|case| case.control.is_some()).count();
        let mut initiators: Vec<Side> = scenario.cases.iter().map(|case| case.initiator).collect();
        initiators.sort_unstable();
        initiators.dedup();
        Self {
            id: &scenario.id,
            title: &scenario.title,
            gate: scenario.cases.iter().filter(|case| case.tier == Tier::Gate).count(),
            needs: &scenario.needs,
            initiators,
            cases: scenario.cases.len() - controls,
            controls,
            covers: &scenario.covers,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::coverage::Thing;
    use crate::scenario::{Action, Case, Step};

    /// A control that must fail, or a cell that has to come out otherwise.
    #[test]
    fn every_scenario_shows_that_it_can_fail() {
        for scenario in Catalogue::builtin().unwrap().scenarios {
            let controls = scenario.cases.iter().any(|case| case.control.is_some());
            let kinds = |case: &Case| {
                let actions = Step::all(&case.steps).into_iter();
                actions.map(|it| matches!(it, Action::Expect(it) if it.refused.is_some())).collect()
            };
            let outcomes: BTreeSet<Vec<bool>> = scenario.cases.iter().map(kinds).collect();
            assert!(controls || outcomes.len() > 1, "{} has no contrast", scenario.id);
        }
    }

    #[test]
    fn what_is_listed_can_be_explained() {
        let catalogue = Catalogue::builtin().unwrap();
        let rows = catalogue.list(&["edge/mss".to_owned()]);
        assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), ["edge/mss-off", "edge/mss"]);
        assert_eq!((rows[1].cases, rows[1].controls), (2, 1));
        for row in catalogue.list(&[]) {
            assert!(matches!(catalogue.explain(row.id).unwrap(), Subject::Scenario(_)));
        }
        let Some(Subject::Entry(entry)) = catalogue.explain("F09") else { panic!("no entry") };
        assert!(matches!(entry.thing, Thing::Fact(fact) if fact.heading.contains("IKEv2")));
        assert!(entry.shown_by.contains(&"edge/long-hash-group"));
        assert!(catalogue.explain("F99").is_none());
        assert_eq!(catalogue.nearest("v2/cokie"), Some("v2/cookie"));
    }

    #[test]
    fn a_runs_profile_is_that_of_edges_that_name_none() {
        let mut catalogue = Catalogue::builtin().unwrap();
        let named = toml::Spanned::new(0..0, "zscaler".to_owned());
        catalogue.scenarios[0].cases[0].edges[0].profile = Some(named);
        catalogue.use_profile("mine.toml");
        assert_eq!(catalogue.scenarios[0].cases[0].edges[0].profile(), "zscaler");
        let others = catalogue.scenarios[1..].iter().flat_map(|scenario| &scenario.cases);
        for case in others {
            assert_eq!(case.edges[0].profile(), "mine.toml");
        }
    }

    #[test]
    fn every_fact_about_ikev2_algorithms_and_limits_has_a_scenario() {
        let catalogue = Catalogue::builtin().unwrap();
        for id in
            ["F03", "F04", "F05", "F09", "F10", "F11", "F12", "F13", "F15", "F16", "F23", "F30"]
        {
            let covered = catalogue.coverage_of(id).unwrap();
            assert!(!covered.shown_by.is_empty(), "{id}");
        }
    }
}
