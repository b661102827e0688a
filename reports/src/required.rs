//! What a run must come to: exact counts of cases, for each peer and version and for each scenario.
//!
//! A gate that only looks at verdicts stays green when a case vanishes. [`Required`] is what a file such
//! as `ci/required.toml` says; [`Required::of`] takes it from a run, and [`Required::differences`] says in
//! words where another run differs. Only equality holds: a case more is a difference as well, so that
//! the file always says what is tested.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::model::{Case, Report};
use crate::text::{one_line, plural};
use crate::verdict::Verdict;

/// The name and version of the format.
pub const REQUIRED_SCHEMA: &str = "ikeproof.required/1";

/// How many cases end in which verdict.
pub type Tally = BTreeMap<Verdict, usize>;

/// What a run must come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Required {
    /// Always [`REQUIRED_SCHEMA`] in what this version writes.
    pub schema: String,
    /// The tier of the runs that it is about: `gate` or `full`.
    pub tier: String,
    /// The peers, by name and version.
    #[serde(default, rename = "peer")]
    pub peers: Vec<RequiredPeer>,
}

/// What a run must come to with one peer in one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequiredPeer {
    /// The name in reports.
    pub name: String,
    /// The version that it reports; empty for a self-check, whose version is the tool's own.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// All cases.
    pub cases: Tally,
    /// The cases of each scenario, by its id.
    #[serde(default)]
    pub scenarios: BTreeMap<String, Tally>,
}

impl RequiredPeer {
    fn key(&self) -> (&str, &str) {
        (&self.name, &self.version)
    }

    fn label(&self) -> String {
        format!("{} {}", self.name, self.version).trim_end().to_owned()
    }
}

impl Required {
    /// What a run came to.
    pub fn of(report: &Report) -> Self {
        let mut peers: BTreeMap<(String, String), RequiredPeer> = BTreeMap::new();
        for case in &report.cases {
            let (name, version) = key(case);
            let peer = peers.entry((name.clone(), version.clone())).or_insert_with(|| {
                let (cases, scenarios) = (Tally::new(), BTreeMap::new());
                RequiredPeer { name, version, cases, scenarios }
            });
            *peer.cases.entry(case.verdict).or_default() += 1;
            let tally = peer.scenarios.entry(one_line(&case.scenario)).or_default();
            *tally.entry(case.verdict).or_default() += 1;
        }
        Self {
            schema: REQUIRED_SCHEMA.to_owned(),
            tier: report.run.tier.clone(),
            peers: peers.into_values().collect(),
        }
    }

    /// The same, for the peers of these names alone; for all of them, if none is named.
    #[must_use]
    pub fn only(mut self, names: &[String]) -> Self {
        self.peers.retain(|peer| names.is_empty() || names.contains(&peer.name));
        self
    }

    /// With what `newer` says of its peers in place of what was said of peers of these names; the others
    /// stay.
    #[must_use]
    pub fn updated(mut self, newer: Self) -> Self {
        self.peers.retain(|old| !newer.peers.iter().any(|new| new.name == old.name));
        self.peers.extend(newer.peers);
        self.peers.sort_by(|a, b| a.key().cmp(&b.key()));
        Self { schema: newer.schema, tier: newer.tier, peers: self.peers }
    }

    /// Where `found` is not what is required; empty if it is.
    pub fn differences(&self, found: &Self) -> Vec<String> {
        let mut differences = Vec::new();
        for wanted in &self.peers {
            match found.peers.iter().find(|peer| peer.key() == wanted.key()) {
                Some(found) => wanted.compare(found, &mut differences),
                None => {
                    let (peer, cases) = (wanted.label(), words(&wanted.cases));
                    differences.push(format!("{peer}: not in the run; {cases} required"));
                }
            }
        }
        for peer in &found.peers {
            if !self.peers.iter().any(|wanted| wanted.key() == peer.key()) {
                let (label, cases) = (peer.label(), words(&peer.cases));
                differences.push(format!("{label}: {cases} in the run; nothing is required of it"));
            }
        }
        differences
    }
}

impl RequiredPeer {
    fn compare(&self, found: &Self, differences: &mut Vec<String>) {
        let label = self.label();
        let scenarios: BTreeSet<_> = self.scenarios.keys().chain(found.scenarios.keys()).collect();
        let none = Tally::new();
        let before = differences.len();
        for scenario in scenarios {
            let wanted = self.scenarios.get(scenario).unwrap_or(&none);
            let found = found.scenarios.get(scenario).unwrap_or(&none);
            if !same(wanted, found) {
                let (wanted, found) = (words(wanted), words(found));
                differences.push(format!("{label}: {scenario}: {found}; {wanted} required"));
            }
        }
        // Only a file that was changed by hand contradicts itself so.
        if differences.len() == before && !same(&self.cases, &found.cases) {
            let (wanted, found) = (words(&self.cases), words(&found.cases));
            differences.push(format!("{label}: {found} in all; {wanted} required"));
        }
    }
}

/// The peer and version that a case counts for.
fn key(case: &Case) -> (String, String) {
    let version = if case.self_check { String::new() } else { one_line(&case.peer.version) };
    (one_line(&case.peer.name), version)
}

fn same(one: &Tally, other: &Tally) -> bool {
    Verdict::ALL.iter().all(|verdict| {
        one.get(verdict).copied().unwrap_or(0) == other.get(verdict).copied().unwrap_or(0)
    })
}

/// `12 pass, 1 unsupported`, or `no cases`.
fn words(tally: &Tally) -> String {
    let words: Vec<_> =
        tally.iter().filter(|(_, count)| **count > 0).map(|(v, n)| format!("{n} {v}")).collect();
    if words.is_empty() { plural(0, "case") } else { words.join(", ") }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rstest::rstest;

    use super::*;
    use crate::model::{Peer, Run};

    fn report(cases: &[(&str, &str, Verdict)]) -> Report {
        let mut run = Run::started("r", Timestamp::UNIX_EPOCH, "1", 0);
        run.tier = "gate".to_owned();
        let case = |(peer, scenario, verdict): &(&str, &str, Verdict)| {
            let (name, version) = peer.split_once(' ').unwrap_or((peer, ""));
            let peer =
                Peer { name: name.to_owned(), version: version.to_owned(), ..Peer::default() };
            let mut case = Case::new(*scenario, peer, *verdict);
            case.self_check = name == "embedded";
            case
        };
        Report::new(run, cases.iter().map(case).collect())
    }

    const RUN: &[(&str, &str, Verdict)] = &[
        ("strongswan 5.9.8", "v2/a", Verdict::Pass),
        ("strongswan 5.9.8", "v2/a", Verdict::Pass),
        ("strongswan 5.9.8", "v2/b", Verdict::Unsupported),
        ("embedded 0.1.0", "v2/a", Verdict::Pass),
    ];

    #[test]
    fn a_run_is_what_it_requires() {
        let required = Required::of(&report(RUN));
        assert_eq!(required.differences(&Required::of(&report(RUN))), Vec::<String>::new());
        // The tool's own version is none of a peer's.
        let mut later = RUN.to_vec();
        later[3].0 = "embedded 0.2.0";
        assert_eq!(required.differences(&Required::of(&report(&later))), Vec::<String>::new());
    }

    #[rstest]
    #[case::case_lost(&RUN[1..], "strongswan 5.9.8: v2/a: 1 pass; 2 pass required")]
    #[case::scenario_lost(&[RUN[0], RUN[1], RUN[3]], "strongswan 5.9.8: v2/b: 0 cases; 1 unsupported required")]
    #[case::peer_lost(&RUN[..3], "embedded: not in the run; 1 pass required")]
    #[case::scenario_new(
        &[RUN[0], RUN[1], RUN[2], RUN[3], ("embedded 0.1.0", "v2/c", Verdict::Pass)],
        "embedded: v2/c: 1 pass; 0 cases required"
    )]
    #[case::verdict(
        &[RUN[0], ("strongswan 5.9.8", "v2/a", Verdict::Unsupported), RUN[2], RUN[3]],
        "strongswan 5.9.8: v2/a: 1 pass, 1 unsupported; 2 pass required"
    )]
    #[case::peer_new(
        &[RUN[0], RUN[1], RUN[2], RUN[3], ("libreswan 4.10", "v2/a", Verdict::Pass)],
        "libreswan 4.10: 1 pass in the run; nothing is required of it"
    )]
    fn every_difference_is_told(#[case] run: &[(&str, &str, Verdict)], #[case] says: &str) {
        let required = Required::of(&report(RUN));
        assert_eq!(required.differences(&Required::of(&report(run))), [says]);
    }

    #[test]
    fn a_total_that_contradicts_its_scenarios_is_told() {
        let mut required = Required::of(&report(RUN));
        required.peers[0].cases.insert(Verdict::Pass, 7);
        let differences = required.differences(&Required::of(&report(RUN)));
        assert_eq!(differences, ["embedded: 1 pass in all; 7 pass required"]);
    }

    #[test]
    fn an_update_leaves_peers_that_took_no_part() {
        let required = Required::of(&report(RUN));
        let newer = report(&[("strongswan 6.0.1", "v2/a", Verdict::Pass)]);
        let updated = required.updated(Required::of(&newer));
        let peers: Vec<_> = updated.peers.iter().map(RequiredPeer::label).collect();
        assert_eq!(peers, ["embedded", "strongswan 6.0.1"]);
        let only = updated.only(&["embedded".to_owned()]);
        assert_eq!(only.peers.len(), 1);
    }
}
