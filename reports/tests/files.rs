//! Files out and in: round trips, tolerance, refusals, partial runs, full disks, schemas, the gate.

#[path = "fixture/small.rs"]
mod small;
#[path = "fixture/talk.rs"]
mod talk;

use std::{fs, path::Path};

use ikeproof_reports::{
    Case, CaseTimeline, Counts, Coverage, ExitStatus, Gate, ReadError, Report, State, Subject,
    Summary, Verdict, WriteError, exit_status, json_schemas, read_report, write_run,
};
use rstest::rstest;
use small::small;

#[test]
fn a_run_is_written_and_read_back() {
    let (report, timelines) = small();
    let dir = tempfile::tempdir().unwrap();
    let written = write_run(dir.path(), &report, &timelines, &[]).unwrap();
    assert_eq!(written.warnings, Vec::<String>::new());
    for name in ["report.json", "junit.xml", "index.html", "summary.md", "environment.json"] {
        assert!(dir.path().join(name).is_file(), "{name}");
    }
    let case = dir.path().join("cases/v2/fail/acme/ike=aes128,esp=null");
    for name in ["verdict.json", "timeline.txt", "timeline.json"] {
        assert!(case.join(name).is_file(), "{name}");
    }
    let again = read_report(dir.path()).unwrap();
    let timeline = |case: &Case| -> Option<CaseTimeline> {
        let file = fs::read(dir.path().join(case.dir()).join("timeline.json")).ok()?;
        Some(serde_json::from_slice(&file).unwrap())
    };
    assert_eq!(again.cases.iter().filter_map(timeline).collect::<Vec<_>>(), timelines);
    assert_eq!(
        again.cases[0].artifacts.timeline.as_deref(),
        Some("cases/v2/pass/acme/timeline.txt"),
        "what is written is named"
    );
    let mut again = again;
    for case in &mut again.cases {
        case.artifacts.timeline = None;
    }
    assert_eq!(again, report);
    let mut left = walk(dir.path());
    left.retain(|name| name.contains(".tmp"));
    assert_eq!(left, Vec::<String>::new(), "no temporary file is left");
}

#[test]
fn with_a_catalogue_the_coverage_is_written_too() {
    let (report, timelines) = small();
    let dir = tempfile::tempdir().unwrap();
    let subject = Subject {
        id: "rfc7296-2.7-one-suite".to_owned(),
        document: "RFC 7296".to_owned(),
        scenarios: vec!["v2/pass".to_owned()],
        ..Subject::default()
    };
    let written = write_run(dir.path(), &report, &timelines, &[subject]).unwrap();
    for name in ["coverage.json", "coverage.html"] {
        assert!(written.files.iter().any(|file| file == name), "{name}");
    }
    let text = fs::read_to_string(dir.path().join("coverage.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["schema"], "ikeproof.coverage/1");
    assert_eq!(json["run"], "run-1");
    let subject = &json["subjects"][0];
    assert_eq!(subject["subject"]["id"], "rfc7296-2.7-one-suite");
    assert_eq!(subject["peers"][0]["name"], "acme");
    assert_eq!(subject["peers"][0]["state"], "held");
    assert_eq!(subject["peers"][0]["passed"], 1);
    let coverage: Coverage = serde_json::from_str(&text).unwrap();
    assert_eq!(coverage.subjects[0].peers[0].state, State::Held);

    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &report, &timelines, &[]).unwrap();
    assert!(!dir.path().join("coverage.html").exists(), "nothing to say");
}

#[test]
fn writing_again_replaces() {
    let (mut report, timelines) = small();
    let dir = tempfile::tempdir().unwrap();
    report.run.complete = false;
    write_run(dir.path(), &report, &timelines, &[]).unwrap();
    let partial = read_report(dir.path()).unwrap();
    assert!(!partial.run.complete, "a partial report is valid");
    report.run.complete = true;
    write_run(dir.path(), &report, &timelines, &[]).unwrap();
    assert!(read_report(dir.path()).unwrap().run.complete);
}

#[test]
fn json_names_are_the_contract() {
    let (report, _) = small();
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["schema"], "ikeproof.report/1");
    assert_eq!(json["run"]["exit_status"], 1);
    assert_eq!(json["run"]["started"], "2025-11-03T09:11:47Z");
    let case = &json["cases"][1];
    for name in [
        "scenario",
        "variant",
        "peer",
        "initiator",
        "verdict",
        "reason",
        "self_check",
        "duration_ms",
        "attempts",
        "seed",
        "tuned",
        "violations",
        "controls",
        "rerun",
        "covers",
        "artifacts",
    ] {
        assert!(!case[name].is_null(), "{name}");
    }
    for name in ["name", "version", "image", "data_plane"] {
        assert!(case["peer"][name].is_string(), "{name}");
    }
    for name in ["requirement", "by", "message", "count"] {
        assert!(!case["violations"][0][name].is_null(), "{name}");
    }
    let words: Vec<_> =
        report.cases.iter().map(|c| serde_json::to_value(c.verdict).unwrap()).collect();
    assert_eq!(words[3], "unexpected-pass");
    assert_eq!(words[5], "expected-fail");
}

/// A report of this text.
fn parsed(text: &str) -> Result<Report, ReadError> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("report.json"), text).unwrap();
    read_report(dir.path())
}

#[test]
fn unknown_fields_are_ignored_and_missing_ones_have_defaults() {
    let text = r#"{"schema": "ikeproof.report/1", "future": {"x": [1]},
        "run": {"id": "r", "started": "2025-11-03T09:11:47Z", "ikeproof_version": "9", "mood": 1},
        "cases": [{"scenario": "v2/a", "peer": {"name": "p", "colour": "red"}, "verdict": "pass",
                   "violations": [{"requirement": "r", "by": "peer", "message": "m"}], "z": null}]}"#;
    let report = parsed(text).unwrap();
    assert_eq!(report.cases[0].attempts, 1);
    assert_eq!(report.cases[0].violations[0].count, 1);
    assert!(!report.run.complete);
}

#[rstest]
#[case::newer(r#"{"schema": "ikeproof.report/2", "run": 7}"#, "ikeproof.report/2")]
#[case::other(r#"{"schema": "ikeproof.timeline/1"}"#, "ikeproof.timeline/1")]
#[case::none(r#"{"cases": []}"#, "no \"schema\"")]
#[case::cut_off(r#"{"schema": "ikeproof.report/1", "#, "not a JSON object")]
#[case::malformed(r#"{"schema": "ikeproof.report/1", "cases": []}"#, "missing field `run`")]
#[case::number(r#"{"schema": 1}"#, "not a JSON object")]
fn what_cannot_be_read_is_refused_by_name(#[case] text: &str, #[case] found: &str) {
    let error = parsed(text).unwrap_err();
    let message = error.to_string();
    assert!(message.contains("/report.json: ") && message.contains(found), "{message}");
    if let ReadError::UnknownSchema { .. } = error {
        assert!(message.contains("ikeproof.report/1"), "the known one is named: {message}");
    }
}

#[test]
fn unknown_verdicts_are_refused() {
    let text = r#"{"schema": "ikeproof.report/1",
        "run": {"id": "r", "started": "2025-11-03T09:11:47Z", "ikeproof_version": "9"},
        "cases": [{"scenario": "a", "peer": {"name": "p"}, "verdict": "maybe"}]}"#;
    let message = parsed(text).unwrap_err().to_string();
    assert!(message.contains("maybe") && message.contains("inconclusive"), "{message}");
}

#[test]
fn a_file_in_the_way_is_named_with_what_to_do() {
    let (report, timelines) = small();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out");
    fs::write(&file, "").unwrap();
    let error = write_run(&file.join("run"), &report, &timelines, &[]).unwrap_err();
    assert!(matches!(error, WriteError::Folder { .. }));
    assert!(error.to_string().contains("a file is where a folder has to be"), "{error}");
    fs::create_dir(dir.path().join("report.json")).unwrap();
    let error = write_run(dir.path(), &report, &timelines, &[]).unwrap_err();
    assert!(matches!(error, WriteError::File { .. }), "{error}");
    assert!(!walk(dir.path()).iter().any(|name| name.contains(".tmp")));
}

#[test]
fn cases_of_one_name_and_stray_timelines_are_told() {
    let (mut report, mut timelines) = small();
    report.cases.push(report.cases[0].clone());
    timelines[2].case = "v2/nothing/acme".to_owned();
    let dir = tempfile::tempdir().unwrap();
    let written = write_run(dir.path(), &report, &timelines, &[]).unwrap();
    assert_eq!(written.warnings.len(), 2, "{:?}", written.warnings);
    let page = fs::read_to_string(dir.path().join("index.html")).unwrap();
    assert!(page.contains("id=\"case=v2/pass/acme~2\""), "both are on the page");
}

#[test]
fn each_repetition_has_files_of_its_own() {
    let (mut report, _) = small();
    let mut again = report.cases[0].clone();
    again.repetition = 2;
    let (first, second) = (report.cases[0].key(), again.key());
    assert_eq!(second, format!("{first}/repetition-2"));
    assert!(again.label().ends_with("(repetition 2)"), "{}", again.label());
    report.cases.push(again);
    let dir = tempfile::tempdir().unwrap();
    let written = write_run(dir.path(), &report, &[], &[]).unwrap();
    assert_eq!(written.warnings, Vec::<String>::new());
    for key in [first, second] {
        assert!(dir.path().join(format!("cases/{key}/verdict.json")).exists(), "{key}");
    }
}

#[test]
fn a_timeline_is_beside_the_other_files_of_its_attempt() {
    let (mut report, timelines) = small();
    report.cases[0].attempt = 2;
    let dir = tempfile::tempdir().unwrap();
    write_run(dir.path(), &report, &timelines, &[]).unwrap();
    let case = dir.path().join(report.cases[0].dir());
    assert!(case.join("verdict.json").exists() && !case.join("timeline.txt").exists());
    assert!(case.join("attempt-2/timeline.txt").exists());
    let again = read_report(dir.path()).unwrap();
    assert_eq!(
        again.cases[0].artifacts.timeline.as_deref(),
        Some("cases/v2/pass/acme/attempt-2/timeline.txt")
    );
}

#[test]
fn committed_schemas_are_current() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    for (name, text) in json_schemas() {
        if std::env::var_os("IKEPROOF_BLESS").is_some() {
            fs::write(dir.join(name), &text).unwrap();
        }
        let committed = fs::read_to_string(dir.join(name)).unwrap_or_default();
        assert!(committed == text, "schema/{name} is out of date: run with IKEPROOF_BLESS=1");
    }
}

#[test]
fn counts_are_kept_apart() {
    let (report, _) = small();
    let summary = Summary::of(&report);
    assert_eq!(summary.interop.total(), 7);
    assert_eq!(summary.self_check.total(), 1);
    assert!(Verdict::ALL.into_iter().all(|verdict| summary.interop.of(verdict) == 1));
    assert_eq!(summary.interop_violations.peer, 2);
    assert_eq!(summary.interop_violations.edge, 1);
    assert_eq!(summary.interop.judged(), 5);
    assert_eq!(Counts::default().words(), "no cases");
}

#[rstest]
#[case::held(&[Verdict::Pass, Verdict::Unsupported, Verdict::ExpectedFail], ExitStatus::Held)]
#[case::fail(&[Verdict::Pass, Verdict::Fail], ExitStatus::Failed)]
#[case::flaky(&[Verdict::Pass, Verdict::Flaky], ExitStatus::Failed)]
#[case::unexpected(&[Verdict::UnexpectedPass], ExitStatus::Failed)]
#[case::unclear(&[Verdict::Pass, Verdict::Inconclusive], ExitStatus::Infrastructure)]
#[case::both(&[Verdict::Fail, Verdict::Inconclusive], ExitStatus::Failed)]
#[case::nothing(&[], ExitStatus::Infrastructure)]
#[case::only_unsupported(&[Verdict::Unsupported], ExitStatus::Infrastructure)]
fn exit_status_follows_from_verdicts(#[case] verdicts: &[Verdict], #[case] status: ExitStatus) {
    assert_eq!(exit_status(&with(verdicts)), status);
    let mut own = with(verdicts);
    own.cases.iter_mut().for_each(|case| case.self_check = true);
    assert_eq!(exit_status(&own), status, "self-checks count for the gate too");
}

#[test]
fn exit_status_follows_from_the_run() {
    let mut report = with(&[Verdict::Pass]);
    report.run.complete = false;
    assert_eq!(exit_status(&report), ExitStatus::Infrastructure);
    report.run.complete = true;
    let (other, _) = small();
    report.run.skipped_peers = other.run.skipped_peers[..1].to_vec();
    assert_eq!(exit_status(&report), ExitStatus::Held, "not required");
    report.run.skipped_peers = other.run.skipped_peers;
    assert_eq!(exit_status(&report), ExitStatus::Infrastructure);
    report.run.gate_findings = other.run.gate_findings;
    let gate = Gate::of(&report);
    assert_eq!(gate.status, ExitStatus::Failed);
    assert_eq!(gate.reasons.len(), 2, "every reason is given: {:?}", gate.reasons);
    assert_eq!([0, 1, 2, 3].map(|n| ExitStatus::try_from(n).unwrap().code()), [0, 1, 2, 3]);
    assert!(ExitStatus::try_from(4).is_err());
}

fn with(verdicts: &[Verdict]) -> Report {
    let (mut report, _) = small();
    let case = report.cases[0].clone();
    report.run.skipped_peers.clear();
    report.run.gate_findings.clear();
    report.cases = verdicts
        .iter()
        .map(|verdict| {
            let mut case = case.clone();
            case.verdict = *verdict;
            case
        })
        .collect();
    report
}

fn walk(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            names.extend(walk(&entry.path()));
        }
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names
}
