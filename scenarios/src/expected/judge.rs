//! What entries make of verdicts, and what is wrong with the entries themselves.

use std::collections::BTreeSet;

use ikeproof_reports::model::{Case as Row, Expectation, GateFinding, Violation};
use ikeproof_reports::verdict::{Blame, Severity, Verdict};
use jiff::civil::Date;

use super::entry::{Entry, ExpectedFailures};
use crate::catalogue::Catalogue;
use crate::patterns;

impl ExpectedFailures {
    /// Changes the verdict of a case that an entry covers on the day `today`: a failure to
    /// `expected-fail`, a pass to `unexpected-pass`. An entry past its day changes nothing, and neither
    /// does one for a failure of other checks, or one beside which the edge was wrong.
    pub fn apply(&self, row: &mut Row, today: Date) {
        let Some(entry) = self.entries.iter().find(|entry| entry.covers(row)) else { return };
        let verdict = match row.verdict {
            Verdict::Fail if !entry.explains(row) => return,
            Verdict::Fail => Verdict::ExpectedFail,
            Verdict::Pass => Verdict::UnexpectedPass,
            _ => return,
        };
        if today > entry.expires {
            if row.verdict == Verdict::Fail {
                let expired = format!("; it was expected to fail until {}", entry.expires);
                row.reason.push_str(&expired);
            }
            return;
        }
        if verdict == Verdict::UnexpectedPass {
            row.reason = format!("it passed, but is expected to fail: {}", entry.reason);
        }
        row.verdict = verdict;
        row.expectation = Some(Expectation {
            reason: entry.reason.clone(),
            expires: entry.expires.to_string(),
            ticket: entry.ticket.clone(),
        });
    }

    /// Entries about scenarios or cases that there are not.
    pub fn dead_words(&self, catalogue: &Catalogue) -> Vec<GateFinding> {
        let dead = |entry: &Entry| {
            let Some(scenario) = catalogue.scenarios.iter().find(|it| it.id == entry.scenario)
            else {
                let near = catalogue.nearest(&entry.scenario);
                let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
                let what = format!("{entry} names a scenario that does not exist{near}");
                return Some(GateFinding {
                    what,
                    fix: format!("correct the entry in {}", entry.file),
                });
            };
            if scenario.cases.iter().any(|case| entry.fits(&case.name())) {
                return None;
            }
            let what = format!("{entry} names no case of that scenario");
            let fix = format!("`ikeproof explain {}` lists its cases", scenario.id);
            Some(GateFinding { what, fix })
        };
        self.entries.iter().filter_map(dead).collect()
    }

    /// What is wrong with the entries after a run against `peers` that ended in `rows`: an entry is past
    /// its day, or its cases were judged and none is of a version that it covers.
    pub fn findings(&self, peers: &[&str], rows: &[Row], today: Date) -> Vec<GateFinding> {
        let mut findings = Vec::new();
        for entry in self.entries.iter().filter(|entry| peers.contains(&entry.peer.as_str())) {
            if today > entry.expires {
                let what = format!("{entry} expired on {}", entry.expires);
                let fix = format!(
                    "look whether it still fails, then remove or renew it in {}",
                    entry.file
                );
                findings.push(GateFinding { what, fix });
            }
            let judged: Vec<_> =
                rows.iter().filter(|row| is_judged(row) && entry.is_about(row)).collect();
            if let Some(row) = judged.first()
                && !judged.iter().any(|row| entry.covers(row))
            {
                let (versions, found) = (&entry.versions, &row.peer.version);
                let what =
                    format!("{entry} matched nothing: it covers {versions}, {found} was tested");
                let fix = format!("correct the versions or remove the entry in {}", entry.file);
                findings.push(GateFinding { what, fix });
            }
        }
        findings
    }
}

impl Entry {
    /// Whether it is about this case, whatever the version.
    fn is_about(&self, row: &Row) -> bool {
        self.peer == row.peer.name && self.scenario == row.scenario && self.fits(&row.variant)
    }

    /// Whether it says that this case fails.
    fn covers(&self, row: &Row) -> bool {
        self.is_about(row) && self.versions.contain(&row.peer.version)
    }

    /// Whether exactly the checks that it names failed where it says, and nobody but the peer is to blame.
    fn explains(&self, row: &Row) -> bool {
        let named: BTreeSet<_> = self.fails.iter().map(ToString::to_string).collect();
        let failed: BTreeSet<_> = row.failed_checks.iter().cloned().collect();
        let ours = |violation: &Violation| {
            violation.by == Blame::Edge && violation.severity == Severity::Must
        };
        let is_there = self.line.is_none_or(|line| row.failed_line == Some(line));
        named == failed && is_there && !row.violations.iter().any(ours)
    }

    /// Whether a case of its scenario is meant. A control judges the scenario, not the peer, and is only
    /// meant where it is named.
    fn fits(&self, case: &str) -> bool {
        match &self.variant {
            None => !case.contains('#'),
            Some(variant) if variant.contains('*') => patterns::matches(variant, case),
            Some(variant) => variant == case,
        }
    }
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { peer, versions, scenario, .. } = self;
        write!(f, "the expected failure of {scenario}")?;
        if let Some(variant) = &self.variant {
            write!(f, " [{variant}]")?;
        }
        write!(f, " with {peer} ({versions})")
    }
}

/// Whether a case says anything about an entry.
fn is_judged(row: &Row) -> bool {
    !matches!(row.verdict, Verdict::Inconclusive | Verdict::Unsupported)
}

#[cfg(test)]
mod tests {
    use ikeproof_reports::model::Peer;
    use rstest::rstest;

    use super::*;

    const DAY: &str = "2026-06-30";

    fn failures() -> ExpectedFailures {
        let text = "[[fail]]\npeer = 'libreswan'\nversions = { from = '4.10', to = '5.2' }\n\
            scenario = 'v2/connect'\nfails = 'ping'\nreason = 'known'\nticket = 'here'\nexpires = '2026-06-30'\n";
        ExpectedFailures::parse("x.toml", text).unwrap()
    }

    fn row(verdict: Verdict, version: &str, variant: &str) -> Row {
        let peer = Peer { name: "libreswan".into(), version: version.into(), ..Peer::default() };
        let mut row = Row::new("v2/connect", peer, verdict);
        row.variant = variant.to_owned();
        if verdict == Verdict::Fail {
            row.failed_checks = vec!["ping".to_owned()];
        }
        row
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[rstest]
    #[case::failure(Verdict::Fail, "4.10", "peer", DAY, Verdict::ExpectedFail)]
    #[case::later_version(Verdict::Fail, "5.2-2.2", "edge", DAY, Verdict::ExpectedFail)]
    #[case::pass(Verdict::Pass, "5.0", "peer", DAY, Verdict::UnexpectedPass)]
    #[case::other_version(Verdict::Fail, "5.3", "peer", DAY, Verdict::Fail)]
    #[case::control(Verdict::Fail, "5.2", "peer#twin", DAY, Verdict::Fail)]
    #[case::expired(Verdict::Fail, "5.2", "peer", "2026-07-01", Verdict::Fail)]
    #[case::expired_pass(Verdict::Pass, "5.2", "peer", "2026-07-01", Verdict::Pass)]
    #[case::unclear(Verdict::Inconclusive, "5.2", "peer", DAY, Verdict::Inconclusive)]
    #[case::flaky(Verdict::Flaky, "5.2", "peer", DAY, Verdict::Flaky)]
    fn an_entry_changes_the_verdict(
        #[case] before: Verdict,
        #[case] version: &str,
        #[case] variant: &str,
        #[case] today: &str,
        #[case] after: Verdict,
    ) {
        let mut row = row(before, version, variant);
        failures().apply(&mut row, day(today));
        assert_eq!(row.verdict, after);
        assert_eq!(row.expectation.is_some(), before != after);
    }

    #[rstest]
    #[case::another(&["established"])]
    #[case::one_more(&["ping", "no_clear"])]
    #[case::left_over(&[])]
    fn a_failure_of_other_checks_stays(#[case] failed: &[&str]) {
        let mut row = row(Verdict::Fail, "5.2", "peer");
        row.failed_checks = failed.iter().map(|&check| check.to_owned()).collect();
        failures().apply(&mut row, day(DAY));
        assert_eq!(row.verdict, Verdict::Fail);
    }

    #[rstest]
    #[case(Some(9), Verdict::ExpectedFail)]
    #[case(Some(8), Verdict::Fail)]
    #[case(None, Verdict::Fail)]
    fn a_failure_in_another_line_stays(#[case] line: Option<usize>, #[case] after: Verdict) {
        let mut failures = failures();
        failures.entries[0].line = Some(9);
        let mut row = row(Verdict::Fail, "5.2", "peer");
        row.failed_line = line;
        failures.apply(&mut row, day(DAY));
        assert_eq!(row.verdict, after);
    }

    #[rstest]
    #[case(Blame::Edge, Severity::Must, Verdict::Fail)]
    #[case(Blame::Edge, Severity::Should, Verdict::ExpectedFail)]
    #[case(Blame::Peer, Severity::Must, Verdict::ExpectedFail)]
    #[case(Blame::Scenario, Severity::Must, Verdict::ExpectedFail)]
    fn a_wrong_edge_excuses_nobody(
        #[case] by: Blame,
        #[case] severity: Severity,
        #[case] after: Verdict,
    ) {
        let mut row = row(Verdict::Fail, "5.2", "peer");
        let requirement = "rfc7296-2.1-retransmit".to_owned();
        let message = String::new();
        row.violations =
            vec![Violation { requirement, by, message, severity, count: 1, frame: None }];
        failures().apply(&mut row, day(DAY));
        assert_eq!(row.verdict, after);
    }

    #[rstest]
    #[case::other_scenario("v2/cookie", "libreswan", "peer")]
    #[case::other_peer("v2/connect", "strongswan", "peer")]
    fn what_an_entry_is_not_about_stays(
        #[case] scenario: &str,
        #[case] peer: &str,
        #[case] of: &str,
    ) {
        let mut row = row(Verdict::Fail, "5.2", of);
        (row.scenario, row.peer.name) = (scenario.to_owned(), peer.to_owned());
        failures().apply(&mut row, day(DAY));
        assert_eq!(row.verdict, Verdict::Fail);
    }

    #[rstest]
    #[case("esp=null/peer", "esp=null/peer", true)]
    #[case("esp=null/*", "esp=null/edge", true)]
    #[case("esp=null/peer", "esp=null/peer#twin", false)]
    #[case("peer#twin", "peer#twin", true)]
    #[case("peer", "nat=none/peer", false)]
    fn a_variant_is_named_whole(#[case] named: &str, #[case] case: &str, #[case] fits: bool) {
        let mut failures = failures();
        failures.entries[0].variant = Some(named.to_owned());
        assert_eq!(failures.entries[0].fits(case), fits);
    }

    #[rstest]
    #[case::matched(&[(Verdict::ExpectedFail, "5.2")], DAY, &[])]
    #[case::expired(&[(Verdict::Fail, "5.2")], "2026-07-01", &["expired on 2026-06-30"])]
    #[case::expired_though_not_run(&[], "2026-07-01", &["expired on 2026-06-30"])]
    #[case::matched_nothing(&[(Verdict::Fail, "5.3")], DAY, &["it covers 4.10 to 5.2, 5.3 was tested"])]
    #[case::one_of_two_versions(&[(Verdict::Pass, "5.3"), (Verdict::ExpectedFail, "4.10")], DAY, &[])]
    #[case::not_run(&[], DAY, &[])]
    #[case::not_judged(&[(Verdict::Unsupported, "5.3"), (Verdict::Inconclusive, "")], DAY, &[])]
    fn entries_that_are_not_true_any_more_are_found(
        #[case] rows: &[(Verdict, &str)],
        #[case] today: &str,
        #[case] says: &[&str],
    ) {
        let rows: Vec<_> =
            rows.iter().map(|(verdict, version)| row(*verdict, version, "peer")).collect();
        let findings = failures().findings(&["embedded", "libreswan"], &rows, day(today));
        assert_eq!(findings.len(), says.len(), "{findings:?}");
        for (finding, says) in findings.iter().zip(says) {
            assert!(finding.what.contains(says), "{}", finding.what);
            assert!(finding.fix.ends_with(" in x.toml"), "{}", finding.fix);
        }
        assert_eq!(failures().findings(&["embedded"], &rows, day(today)), []);
    }

    #[rstest]
    #[case("v2/conect", None, "does not exist; did you mean v2/connect?", "entry in x.toml")]
    #[case("v2/connect", Some("nobody"), "names no case", "explain v2/connect")]
    fn entries_about_nothing_are_found(
        #[case] scenario: &str,
        #[case] variant: Option<&str>,
        #[case] says: &str,
        #[case] fix: &str,
    ) {
        let mut failures = failures();
        failures.entries[0].scenario = scenario.to_owned();
        failures.entries[0].variant = variant.map(str::to_owned);
        let findings = failures.dead_words(&Catalogue::builtin().unwrap());
        assert!(findings[0].what.contains(says), "{}", findings[0].what);
        assert!(findings[0].fix.contains(fix), "{}", findings[0].fix);
    }
}
