//! `coverage.json`: what a run has shown of each requirement, peer by peer.
//!
//! Two judges say so. The auditor counts how often each of its rules was applied to the peer, and finds
//! what breaks them; a scenario names what it shows if it passes. What neither of them looked at is *not
//! exercised*, which is no success. Cases whose peer could not do what was asked, and controls, in
//! which things must not hold, count for the auditor alone.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    model::{Case, Report},
    schema::COVERAGE_SCHEMA,
    timeline::CaseTimeline,
    verdict::{Blame, Verdict},
};

/// Something that a run can show: a requirement, or a pattern, fact or reading of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Subject {
    /// Its id, such as `rfc7296-2.6-cookie-echo-first`.
    pub id: String,
    /// The document that it is from, such as `RFC 7296`.
    pub document: String,
    /// The section of the document.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub section: String,
    /// The key word of a requirement: `MUST`, `MUST NOT`, `SHOULD`, `SHOULD NOT`, `MAY`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub level: String,
    /// What it says, in one sentence.
    pub text: String,
    /// The mutant which proves that the auditor's rule finds what breaks it; absent if there is no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutant: Option<String>,
    /// The scenarios that show it.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// Why nothing covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncovered: Option<String>,
}

impl Subject {
    /// Whether a rule of the auditor or a scenario covers it.
    pub fn is_covered(&self) -> bool {
        self.mutant.is_some() || !self.scenarios.is_empty()
    }
}

/// `coverage.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// Always [`COVERAGE_SCHEMA`].
    pub schema: String,
    /// The id of the run.
    pub run: String,
    /// Everything in the catalogue, in the order of documents and sections.
    pub subjects: Vec<CoveredSubject>,
}

/// A subject, and what each peer has shown of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CoveredSubject {
    /// What it is about.
    pub subject: Subject,
    /// The peers with which it was exercised, real ones first; the others have shown nothing of it.
    pub peers: Vec<PeerCoverage>,
}

/// What a peer in a version has shown of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerCoverage {
    /// The peer's name.
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// True with the embedded peer, which is no interoperability.
    #[serde(default)]
    pub self_check: bool,
    /// What it comes to.
    pub state: State,
    /// How often the auditor's rule looked at what the peer did.
    #[serde(default)]
    pub judged: u64,
    /// The cases in which it looked and the peer broke nothing.
    #[serde(default)]
    pub held: usize,
    /// The cases in which the peer broke it, by the names of their folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub broken: Vec<String>,
    /// The cases of scenarios that show it which passed.
    #[serde(default)]
    pub passed: usize,
    /// The cases of scenarios that show it which did not, by the names of their folders.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<String>,
}

/// What a peer's cases come to for a subject.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Nothing looked at it.
    #[default]
    NotExercised,
    /// Something looked, and nothing was broken.
    Held,
    /// A scenario that shows it did not pass; the auditor found nothing.
    Failed,
    /// The auditor found it broken.
    Broken,
}

impl PeerCoverage {
    fn settle(&mut self) {
        self.state = if !self.broken.is_empty() {
            State::Broken
        } else if !self.failed.is_empty() {
            State::Failed
        } else if self.held > 0 || self.passed > 0 {
            State::Held
        } else {
            State::NotExercised
        };
    }
}

/// How many subjects came to what, with all peers of one kind together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Everything in the catalogue.
    pub all: usize,
    /// Held with every peer that exercised it.
    pub held: usize,
    /// A scenario that shows it failed with some peer.
    pub failed: usize,
    /// Broken by some peer.
    pub broken: usize,
    /// Covered, and not exercised in this run.
    pub not_exercised: usize,
    /// Covered by nothing.
    pub uncovered: usize,
}

impl Coverage {
    /// What a run has shown of `catalogue`.
    pub fn of(report: &Report, timelines: &[CaseTimeline], catalogue: &[Subject]) -> Self {
        let mut results: BTreeMap<(&str, PeerKey<'_>), PeerCoverage> = BTreeMap::new();
        let by_key: HashMap<&str, &CaseTimeline> =
            timelines.iter().rev().map(|timeline| (timeline.case.as_str(), timeline)).collect();
        let mut seen = BTreeSet::new();
        for case in &report.cases {
            let key = case.key();
            // Of several cases of one name the timeline is the first's.
            let timeline = by_key.get(key.as_str()).copied().filter(|_| seen.insert(key.clone()));
            add_case(&mut results, case, &key, timeline);
        }
        let mut by_id: HashMap<&str, Vec<PeerCoverage>> = HashMap::new();
        for ((id, peer), mut result) in results {
            result.settle();
            if result.state != State::NotExercised {
                let (name, version) = (peer.name.to_owned(), peer.version.to_owned());
                let result = PeerCoverage { name, version, self_check: peer.self_check, ..result };
                by_id.entry(id).or_default().push(result);
            }
        }
        let subjects = catalogue
            .iter()
            .map(|subject| CoveredSubject {
                subject: subject.clone(),
                peers: by_id.remove(subject.id.as_str()).unwrap_or_default(),
            })
            .collect();
        Self { schema: COVERAGE_SCHEMA.to_owned(), run: report.run.id.clone(), subjects }
    }

    /// How many subjects came to what, with real peers or in self-checks.
    pub fn totals(&self, self_check: bool) -> Totals {
        let mut totals = Totals { all: self.subjects.len(), ..Totals::default() };
        for it in &self.subjects {
            match it.state(|peer| peer.self_check == self_check) {
                State::Broken => totals.broken += 1,
                State::Failed => totals.failed += 1,
                State::Held => totals.held += 1,
                State::NotExercised if it.subject.is_covered() => totals.not_exercised += 1,
                State::NotExercised => totals.uncovered += 1,
            }
        }
        totals
    }
}

impl CoveredSubject {
    /// The worst of the states with those peers.
    pub fn state(&self, of: impl Fn(&PeerCoverage) -> bool) -> State {
        self.peers.iter().filter(|peer| of(peer)).map(|peer| peer.state).max().unwrap_or_default()
    }
}

/// A peer in a version, in the order of columns: real ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PeerKey<'a> {
    self_check: bool,
    name: &'a str,
    version: &'a str,
}

fn add_case<'a>(
    results: &mut BTreeMap<(&'a str, PeerKey<'a>), PeerCoverage>,
    case: &'a Case,
    key: &str,
    timeline: Option<&'a CaseTimeline>,
) {
    let peer =
        PeerKey { self_check: case.self_check, name: &case.peer.name, version: &case.peer.version };
    let broken: BTreeSet<&str> = case
        .violations
        .iter()
        .filter(|violation| violation.by == Blame::Peer)
        .map(|violation| violation.requirement.as_str())
        .collect();
    for id in &broken {
        results.entry((*id, peer)).or_default().broken.push(key.to_owned());
    }
    for applied in timeline.into_iter().flat_map(|timeline| &timeline.applied) {
        if applied.peer == 0 {
            continue;
        }
        let result = results.entry((applied.requirement.as_str(), peer)).or_default();
        result.judged += applied.peer;
        result.held += usize::from(!broken.contains(applied.requirement.as_str()));
    }
    if !case.controls.is_empty() {
        return;
    }
    for id in case.covers.iter().map(String::as_str) {
        match case.verdict {
            Verdict::Pass | Verdict::UnexpectedPass => {
                results.entry((id, peer)).or_default().passed += 1;
            }
            Verdict::Fail | Verdict::Flaky | Verdict::ExpectedFail => {
                results.entry((id, peer)).or_default().failed.push(key.to_owned());
            }
            Verdict::Inconclusive | Verdict::Unsupported => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Control, Peer, Run, Violation},
        timeline::Applied,
        verdict::Severity,
    };

    fn peer(name: &str) -> Peer {
        Peer { name: name.to_owned(), version: "1".to_owned(), ..Peer::default() }
    }

    fn case(scenario: &str, name: &str, verdict: Verdict, covers: &[&str]) -> Case {
        let mut case = Case::new(scenario, peer(name), verdict);
        case.covers = covers.iter().map(|id| (*id).to_owned()).collect();
        case
    }

    fn timeline(case: &Case, applied: &[(&str, u64, u64)]) -> CaseTimeline {
        let mut timeline = CaseTimeline::new(case.key(), Vec::new());
        let one = |(id, edge, peer): &(&str, u64, u64)| Applied {
            requirement: (*id).to_owned(),
            edge: *edge,
            peer: *peer,
        };
        timeline.applied = applied.iter().map(one).collect();
        timeline
    }

    fn breaks(case: &mut Case, id: &str, by: Blame) {
        case.violations.push(Violation {
            requirement: id.to_owned(),
            by,
            message: "m".to_owned(),
            severity: Severity::Must,
            count: 3,
            frame: None,
        });
    }

    fn of(cases: Vec<Case>, timelines: &[CaseTimeline], ids: &[&str]) -> Vec<Vec<PeerCoverage>> {
        let run = Run::started("r", jiff::Timestamp::UNIX_EPOCH, "1", 1);
        let subject = |id: &&str| Subject {
            id: (*id).to_owned(),
            mutant: Some("m".to_owned()),
            ..Subject::default()
        };
        let catalogue: Vec<Subject> = ids.iter().map(subject).collect();
        let coverage = Coverage::of(&Report::new(run, cases), timelines, &catalogue);
        coverage.subjects.into_iter().map(|it| it.peers).collect()
    }

    #[test]
    fn what_was_looked_at_and_not_broken_held() {
        let one = case("v2/a", "acme", Verdict::Pass, &[]);
        let mut two = case("v2/b", "acme", Verdict::Fail, &[]);
        breaks(&mut two, "b", Blame::Peer);
        breaks(&mut two, "a", Blame::Edge);
        let timelines = [
            timeline(&one, &[("a", 1, 4), ("b", 0, 2)]),
            timeline(&two, &[("a", 9, 3), ("b", 0, 1)]),
        ];
        let shown = of(vec![one, two], &timelines, &["a", "b", "c"]);
        let [a, b, c] = shown.as_slice() else { panic!() };
        assert_eq!((a[0].state, a[0].judged, a[0].held), (State::Held, 7, 2));
        assert_eq!((b[0].state, b[0].judged, b[0].held), (State::Broken, 3, 1));
        assert_eq!(b[0].broken, ["v2/b/acme"]);
        assert!(c.is_empty(), "nothing looked at it");
    }

    #[test]
    fn a_rule_that_looked_at_the_edge_alone_says_nothing_of_the_peer() {
        let one = case("v2/a", "acme", Verdict::Pass, &[]);
        let timelines = [timeline(&one, &[("a", 5, 0)])];
        assert!(of(vec![one], &timelines, &["a"])[0].is_empty());
    }

    #[test]
    fn scenarios_count_as_far_as_they_were_played() {
        let mut control = case("v2/a", "acme", Verdict::Pass, &["a", "b"]);
        control.variant = "without".to_owned();
        control.controls.push(Control {
            name: "without".to_owned(),
            expected: String::new(),
            observed: String::new(),
            held: true,
        });
        let cases = vec![
            case("v2/a", "acme", Verdict::Pass, &["a"]),
            case("v2/b", "acme", Verdict::ExpectedFail, &["a", "c"]),
            case("v2/c", "acme", Verdict::Unsupported, &["b"]),
            case("v2/a", "other", Verdict::Pass, &["a"]),
            control,
        ];
        let shown = of(cases, &[], &["a", "b", "c"]);
        let states: Vec<_> = shown[0].iter().map(|it| (it.name.as_str(), it.state)).collect();
        assert_eq!(states, [("acme", State::Failed), ("other", State::Held)]);
        assert_eq!((shown[0][0].passed, shown[0][0].failed.len()), (1, 1));
        assert!(shown[1].is_empty(), "unsupported, and a control");
        assert_eq!(shown[2][0].failed, ["v2/b/acme"]);
    }

    #[test]
    fn self_checks_are_counted_apart() {
        let mut own = case("v2/a", "embedded", Verdict::Pass, &["a"]);
        own.self_check = true;
        let run = Run::started("r", jiff::Timestamp::UNIX_EPOCH, "1", 1);
        let covered = Subject {
            id: "a".to_owned(),
            scenarios: vec!["v2/a".to_owned()],
            ..Subject::default()
        };
        let open = Subject { id: "b".to_owned(), ..Subject::default() };
        let coverage = Coverage::of(&Report::new(run, vec![own]), &[], &[covered, open]);
        let (real, own) = (coverage.totals(false), coverage.totals(true));
        assert_eq!((real.held, real.not_exercised, real.uncovered), (0, 1, 1));
        assert_eq!((own.held, own.not_exercised, own.uncovered), (1, 0, 1));
    }
}
