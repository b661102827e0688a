//! `junit.xml`, for the test views of CI systems.
//!
//! One suite for each peer in each version; the embedded peer's is called `self-check: …`, so that a
//! dashboard cannot add it to interoperability by accident. JUnit knows fewer verdicts than we do:
//! what fails the gate is a failure, `inconclusive` is an error, `unsupported` and `expected-fail`
//! are skipped, and the verdict itself stands in `type`. Peers that did not take part have a suite
//! of their own.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use quick_junit::{
    NonSuccessKind, Property, Report as Xml, SerializeError, TestCase, TestCaseStatus, TestSuite,
};
use thiserror::Error;

use crate::{
    model::{Case, Report, SkippedPeer},
    tally::PeerSummary,
    text::{one_line, visible},
    verdict::Verdict,
};

/// Why the XML could not be written.
#[derive(Debug, Error)]
#[error("junit.xml cannot be rendered: {0}")]
pub struct JunitError(#[from] SerializeError);

/// Renders `junit.xml`.
pub fn junit(report: &Report) -> Result<String, JunitError> {
    let mut xml = Xml::new("ikeproof");
    xml.timestamp = report.run.started.to_string().parse().ok();
    xml.set_time(Duration::from_millis(report.cases.iter().map(|case| case.duration_ms).sum()));
    for peer in crate::tally::Summary::of(report).peers {
        xml.add_test_suite(suite(report, &peer));
    }
    if !report.run.skipped_peers.is_empty() {
        let mut suite = TestSuite::new("skipped peers");
        suite.add_test_cases(report.run.skipped_peers.iter().map(skipped_peer));
        xml.add_test_suite(suite);
    }
    if !report.run.gate_findings.is_empty() {
        let mut suite = TestSuite::new("gate");
        for finding in &report.run.gate_findings {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("gate").set_message(one_line(&finding.what));
            status.set_description(visible(&finding.fix));
            let mut case = TestCase::new(one_line(&finding.what), status);
            case.set_classname("gate");
            suite.add_test_case(case);
        }
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?)
}

fn suite(report: &Report, peer: &PeerSummary) -> TestSuite {
    let name = match peer.self_check {
        true => format!("self-check: {}", peer.label()),
        false => peer.label(),
    };
    let mut cases: Vec<&Case> = report
        .cases
        .iter()
        .filter(|case| {
            case.self_check == peer.self_check
                && case.peer.name == peer.name
                && case.peer.version == peer.version
        })
        .collect();
    cases.sort_by_cached_key(|case| case.key());
    let mut suite = TestSuite::new(name);
    suite.set_time(Duration::from_millis(cases.iter().map(|case| case.duration_ms).sum()));
    let run = &report.run;
    let properties = BTreeMap::from([
        ("ikeproof.run", run.id.clone()),
        ("ikeproof.version", run.ikeproof_version.clone()),
        ("ikeproof.command_line", run.command_line.clone()),
        ("ikeproof.seed", run.seed.to_string()),
        ("ikeproof.tier", run.tier.clone()),
        ("ikeproof.profile", run.profile.clone()),
        ("ikeproof.complete", run.complete.to_string()),
        ("ikeproof.self_check", peer.self_check.to_string()),
        ("peer.name", peer.name.clone()),
        ("peer.version", peer.version.clone()),
        ("peer.image", distinct(&cases, |case| &case.peer.image)),
        ("peer.package", distinct(&cases, |case| &case.peer.package)),
        ("peer.data_plane", distinct(&cases, |case| &case.peer.data_plane)),
    ]);
    suite.add_properties(
        properties
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| Property::new(name, one_line(&value))),
    );
    suite.add_test_cases(cases.into_iter().map(test_case));
    suite
}

fn test_case(case: &Case) -> TestCase {
    let mut status = match kind(case.verdict) {
        Kind::Success => TestCaseStatus::success(),
        Kind::Skipped => TestCaseStatus::skipped(),
        Kind::NonSuccess(kind) => TestCaseStatus::non_success(kind),
    };
    if case.verdict != Verdict::Pass {
        status.set_type(case.verdict.word());
        status.set_message(format!("{}: {}", case.verdict, one_line(&case.reason)));
        status.set_description(description(case));
    }
    let mut name = one_line(&case.scenario);
    if !case.variant.is_empty() {
        _ = write!(name, " [{}]", one_line(&case.variant));
    }
    let mut xml = TestCase::new(name, status);
    xml.set_classname(format!("{}.{}", one_line(&case.peer.name), one_line(case.suite())));
    xml.set_time(Duration::from_millis(case.duration_ms));
    xml.add_property(("verdict", case.verdict.word()));
    xml.add_property(("seed", case.seed.to_string().as_str()));
    xml.add_property(("initiator", case.initiator.word()));
    xml.add_property(("attempts", case.attempts.to_string().as_str()));
    for (name, values) in
        [("tuned", &case.tuned), ("faults", &case.faults), ("covers", &case.covers)]
    {
        if !values.is_empty() {
            xml.add_property((name, one_line(&values.join(" ")).as_str()));
        }
    }
    for violation in &case.violations {
        let name = format!("violation.{}.{}", violation.by, one_line(&violation.requirement));
        xml.add_property((name.as_str(), one_line(&violation.message).as_str()));
    }
    if case.verdict == Verdict::Pass && case.mistakes().next().is_some() {
        xml.set_system_out(description(case));
    }
    xml
}

/// Everything a person needs to go on, as plain text.
fn description(case: &Case) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        out.push_str(&text);
        out.push('\n');
    };
    if !case.title.is_empty() {
        line(one_line(&case.title));
    }
    if !case.reason.is_empty() {
        line(format!("reason: {}", visible(&case.reason)));
    }
    for attempt in &case.earlier_attempts {
        line(format!("earlier attempt: {}: {}", attempt.verdict, one_line(&attempt.reason)));
    }
    if let Some(expected) = &case.expectation {
        line(format!(
            "expected to fail: {} (until {}, {})",
            one_line(&expected.reason),
            one_line(&expected.expires),
            one_line(&expected.ticket)
        ));
    }
    for violation in &case.violations {
        line(format!(
            "violation by {}: {} {} (x{}): {}",
            violation.by,
            violation.severity.word(),
            one_line(&violation.requirement),
            violation.count,
            one_line(&violation.message)
        ));
    }
    for control in case.controls.iter().filter(|control| !control.held) {
        line(format!(
            "control did not hold: {}: expected {}, observed {}",
            one_line(&control.name),
            one_line(&control.expected),
            one_line(&control.observed)
        ));
    }
    for (name, path) in case.artifacts.list() {
        line(format!("{name}: {}", one_line(path)));
    }
    if !case.rerun.is_empty() {
        line(format!("run again: {}", one_line(&case.rerun)));
    }
    out
}

fn skipped_peer(peer: &SkippedPeer) -> TestCase {
    let mut status = match peer.required {
        true => TestCaseStatus::non_success(NonSuccessKind::Error),
        false => TestCaseStatus::skipped(),
    };
    status.set_type(if peer.required { "required-peer-missing" } else { "skipped-peer" });
    status.set_message(one_line(&peer.why));
    status.set_description(visible(&peer.fix));
    let mut case = TestCase::new(one_line(&peer.name), status);
    case.set_classname("skipped-peers");
    case
}

enum Kind {
    Success,
    Skipped,
    NonSuccess(NonSuccessKind),
}

fn kind(verdict: Verdict) -> Kind {
    match verdict {
        Verdict::Pass => Kind::Success,
        Verdict::Fail | Verdict::Flaky | Verdict::UnexpectedPass => {
            Kind::NonSuccess(NonSuccessKind::Failure)
        }
        Verdict::Inconclusive => Kind::NonSuccess(NonSuccessKind::Error),
        Verdict::Unsupported | Verdict::ExpectedFail => Kind::Skipped,
    }
}

/// The distinct values of a field, since cases of one peer may differ in data plane.
fn distinct<'a>(cases: &[&'a Case], field: impl Fn(&'a Case) -> &'a String) -> String {
    let mut values: Vec<&str> = cases.iter().map(|case| field(case).as_str()).collect();
    values.sort_unstable();
    values.dedup();
    values.join(", ")
}
