//! What a run is held to: failures that are known, exact counts, another profile.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{ikeproof, signal_to};
use nix::sys::signal::Signal;
use rstest::rstest;
use serde_json::Value;

/// Passes with the embedded peer.
const HOLDS: &str = "v2/connect";

/// A scenario that cannot hold: the peer offers one cipher and another is expected.
const FAILS: &str = "id = \"own/fails\"\ntitle = \"Fails\"\ncovers = [\"F09\"]\n[[step]]\n\
    connect = { child = \"aes128gcm16\", within = \"1s\" }\n";

fn run(folder: &Path, more: &[&str]) -> Output {
    let out = folder.join("out");
    let mut arguments = vec!["run", "--peer", "embedded", "--seed", "1", "--out"];
    arguments.push(out.to_str().unwrap());
    arguments.extend(more);
    ikeproof(&arguments).output().unwrap()
}

/// The newest run in the folder.
fn newest(folder: &Path) -> PathBuf {
    let runs = fs::read_dir(folder.join("out")).unwrap();
    runs.map(|entry| entry.unwrap().path()).max().unwrap()
}

/// Its report.
fn report(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(newest(folder).join("report.json")).unwrap()).unwrap()
}

fn gate(folder: &Path, more: &[&str]) -> (Option<i32>, String) {
    let (out, required) = (folder.join("out"), folder.join("required.toml"));
    let mut arguments = vec!["gate", out.to_str().unwrap(), "--required"];
    arguments.push(required.to_str().unwrap());
    arguments.extend(more);
    let output = ikeproof(&arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_run_is_held_to_the_counts_that_were_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, &[HOLDS]).status.code(), Some(0));

    let (status, said) = gate(folder, &[]);
    assert_eq!(status, Some(2), "without a file there is nothing to hold it to: {said}");
    let (status, said) = gate(folder, &["--update"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = gate(folder, &[]);
    assert_eq!(status, Some(0), "{said}");

    // Had there been one case more, its loss would show.
    let file = folder.join("required.toml");
    let text = fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("\"v2/connect\"")).unwrap();
    fs::write(&file, text.replace(line, "\"v2/connect\" = { pass = 40 }")).unwrap();
    let (status, said) = gate(folder, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("embedded: v2/connect: ") && said.contains("40 pass required"), "{said}");
    let (status, said) = gate(folder, &["--peer", "strongswan"]);
    assert_eq!(status, Some(2), "nothing is required of it: {said}");

    fs::write(&file, text.replace("tier = \"gate\"", "tier = \"full\"")).unwrap();
    let (status, said) = gate(folder, &[]);
    assert_eq!(status, Some(2), "{said}");
    assert!(said.contains("tier full"), "{said}");
}

/// The report of a run with the embedded peer, in which another failed and a third was not there.
#[test]
fn a_peer_is_not_held_to_what_became_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    assert_eq!(run(folder, &[HOLDS]).status.code(), Some(0));
    assert_eq!(gate(folder, &["--update"]).0, Some(0));
    let mut report = report(folder);
    let mut failed = report["cases"][0].clone();
    failed["verdict"] = "fail".into();
    failed["peer"]["name"] = "strongswan".into();
    failed["self_check"] = false.into();
    report["cases"].as_array_mut().unwrap().push(failed);
    report["run"]["skipped_peers"] =
        serde_json::json!([{ "name": "libreswan", "why": "gone", "required": true }]);
    fs::write(newest(folder).join("report.json"), report.to_string()).unwrap();

    let (status, said) = gate(folder, &["--peer", "embedded"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = gate(folder, &["--peer", "embedded", "--update"]);
    assert_eq!(status, Some(0), "{said}");
    let (status, said) = gate(folder, &[]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("interoperability: 1 fail") && said.contains("libreswan"), "{said}");
}

#[test]
fn a_run_that_failed_is_not_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let own = own(folder.path());
    let output = run(folder.path(), &["own/fails", "--scenarios", &own]);
    assert_eq!(output.status.code(), Some(1));
    let (status, said) = gate(folder.path(), &["--update"]);
    assert_eq!(status, Some(1), "{said}");
    assert!(said.contains("not written down"), "{said}");
    assert!(!folder.path().join("required.toml").exists());
}

#[test]
fn each_attempt_is_timed_and_has_files_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = own(folder);
    let output = run(folder, &["own/fails", "--scenarios", &own, "--retries", "1"]);
    assert_eq!(output.status.code(), Some(1));
    let case = report(folder)["cases"][0].clone();
    assert_eq!((&case["verdict"], &case["attempts"]), (&"fail".into(), &2.into()));
    assert!(case["earlier_attempts"][0]["duration_ms"].as_u64().unwrap() > 0, "{case:#}");
    let run = newest(folder);
    let first = run.join("cases/own/fails/embedded/peer");
    for name in ["capture.pcapng", "transcript.jsonl", "peer.log"] {
        assert!(
            first.join(name).is_file() && first.join("attempt-2").join(name).is_file(),
            "{name}"
        );
    }
    assert!(first.join("timeline.txt").is_file());
}

#[test]
fn what_did_not_hold_is_run_again_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = own(folder);
    assert_eq!(run(folder, &[HOLDS]).status.code(), Some(0));
    let output = run(folder, &["--last-failed"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("the last run has no case that did not hold"), "{said}");

    let output = run(folder, &[HOLDS, "own/full", "--tier", "full", "--scenarios", &own]);
    assert_eq!(output.status.code(), Some(1));
    let first = report(folder);
    assert!(first["cases"].as_array().unwrap().len() > 1);
    let failed = first["cases"].as_array().unwrap().iter().find(|it| it["verdict"] == "fail");
    let line = failed.unwrap()["rerun"].as_str().unwrap().to_owned();
    assert_eq!(
        line,
        format!(
            "ikeproof run --seed 1 --scenarios {own} --tier full 'own/full [peer]' --peer embedded"
        )
    );

    let output = run(folder, &["--last-failed", "--scenarios", &own]);
    assert_eq!(output.status.code(), Some(1));
    let cases = report(folder)["cases"].as_array().unwrap().clone();
    let ids: Vec<_> = cases.iter().map(|case| case["scenario"].as_str().unwrap()).collect();
    assert_eq!(ids, ["own/full"]);
}

#[test]
fn a_required_peer_without_a_case_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let own = own(folder);
    assert_eq!(run(folder, &["own/fails", "--scenarios", &own]).status.code(), Some(1));
    fs::write(
        Path::new(&own).join("own/fails.toml"),
        FAILS.replace("child = \"aes128gcm16\", ", ""),
    )
    .unwrap();
    // That one is with the embedded peer alone.
    let out = folder.join("out");
    let again = ["run", "--last-failed", "--scenarios", &own, "--require", "strongswan", "--out"];
    let output = ikeproof(&again).arg(&out).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(
        said.contains("required peer strongswan is missing: no case of this run is with it"),
        "{said}"
    );
}

/// A run that waits for its engine is ended by the first signal, and leaves a report.
#[test]
fn a_run_that_waits_for_the_engine_can_be_interrupted() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let engine = format!("tcp://{}", silent.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["run", HOLDS, "--peer", "strongswan", "--out", out.to_str().unwrap()];
    let mut command = ikeproof(&arguments);
    let mut child = command.env("DOCKER_HOST", engine).stderr(Stdio::piped()).spawn().unwrap();
    // It is at the engine now.
    let connection = silent.accept().unwrap();
    let began = Instant::now();
    signal_to(&child, Signal::SIGINT);
    let status = child.wait().unwrap();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    drop(connection);
    assert_eq!(status.code(), Some(3));
    let report = report(folder.path());
    assert_eq!(report["run"]["complete"], false);
    assert_eq!(report["run"]["skipped_peers"][0]["why"], "interrupted");
}

/// The run cannot end by itself: where its report goes first, there is a pipe that nobody reads.
#[test]
fn a_second_signal_ends_a_run_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["run", HOLDS, "--peer", "embedded", "--repeat", "1000", "--out"];
    let mut command = ikeproof(&arguments);
    let mut child = command.arg(&out).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("] pass ")));
    let pipe = newest(folder.path()).join(format!("report.json.{}.tmp", child.id()));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());

    signal_to(&child, Signal::SIGINT);
    assert!(lines.any(|line| line.contains("SIGINT: ending the run")));
    // What is running is said to be interrupted, and then the report is written.
    assert!(lines.any(|line| line.contains("interrupted")));
    assert_eq!(child.try_wait().unwrap(), None);
    signal_to(&child, Signal::SIGINT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!newest(folder.path()).join("report.json").exists());
}

#[rstest]
#[case(&["v2/connect [nobody]"], "no case fits v2/connect [nobody]")]
#[case(&[HOLDS, "v2/connect [pear]"], "did you mean v2/connect [peer]?")]
#[case(&[HOLDS, "v2/conect [peer]"], "did you mean v2/connect?")]
#[case(&["v2/connect [peer]", "--shard", "2/2"], "this part of 1 case is empty")]
#[case(&[HOLDS, "own/full"], "what fits own/full is in the full tier alone; add --tier full")]
fn what_means_nothing_is_refused(#[case] more: &[&str], #[case] says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let own = own(folder.path());
    let output = run(folder.path(), &[more, &["--scenarios", &own]].concat());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(says), "{said}");
}

/// A folder with the scenario that fails, in either tier.
fn own(folder: &Path) -> String {
    let own = folder.join("scenarios");
    fs::create_dir_all(own.join("own")).unwrap();
    fs::write(own.join("own/fails.toml"), FAILS).unwrap();
    let full = FAILS.replace("\"own/fails\"", "\"own/full\"\ntier = \"full\"");
    fs::write(own.join("own/full.toml"), full).unwrap();
    own.to_str().unwrap().to_owned()
}

#[rstest]
#[case::known("own/fails", "", "2999-01-01", 0, "expected-fail", "")]
#[case::passes(HOLDS, "", "2999-01-01", 1, "unexpected-pass", "")]
#[case::expired("own/fails", "", "2020-01-01", 1, "fail", "expired on 2020-01-01")]
#[case::other_version(
    "own/fails",
    "versions = { to = '0.0.1' }",
    "2999-01-01",
    1,
    "fail",
    "matched nothing"
)]
#[case::no_such_scenario("own/fials", "", "2999-01-01", 1, "fail", "does not exist")]
fn failures_that_are_known(
    #[case] scenario: &str,
    #[case] versions: &str,
    #[case] expires: &str,
    #[case] status: i32,
    #[case] verdict: &str,
    #[case] says: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let own = own(folder.path());
    let entries = folder.path().join("known.toml");
    let text = format!(
        "[[fail]]\npeer = 'embedded'\nscenario = '{scenario}'\n{versions}\nfails = 'established'\nreason = 'known'\n\
         ticket = 'here'\nexpires = '{expires}'\n"
    );
    fs::write(&entries, text).unwrap();
    let run_what = if scenario == HOLDS { HOLDS } else { "own/fails" };
    let entries = entries.to_str().unwrap();
    let more = [run_what, "--scenarios", &own, "--expected-fail", entries];
    let output = run(folder.path(), &more);
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{said}");
    assert!(said.contains(says), "{said}");
    let report = report(folder.path());
    assert_eq!(report["cases"][0]["verdict"], verdict, "{said}");
    if verdict == "expected-fail" {
        assert_eq!(report["cases"][0]["expectation"]["ticket"], "here");
    }
}

#[test]
fn the_line_that_a_report_has_of_its_run_is_for_a_shell() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(run(folder.path(), &["v2/connect [peer]"]).status.code(), Some(0));
    let line = report(folder.path())["run"]["command_line"].as_str().unwrap().to_owned();
    assert!(line.starts_with("ikeproof run --peer embedded "), "{line}");
    assert!(line.ends_with(" 'v2/connect [peer]'"), "{line}");
}

#[test]
fn a_run_has_the_profile_that_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let builtin = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/profiles/zscaler.toml");
    let own = folder.path().join("mine.toml");
    fs::copy(builtin, &own).unwrap();
    let own = own.to_str().unwrap();
    let output = run(folder.path(), &[HOLDS, "--profile", own]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    let report = report(folder.path());
    assert_eq!(report["run"]["profile"], own);
    let rerun = report["cases"][0]["rerun"].as_str().unwrap();
    assert!(rerun.contains(&format!("--profile {own} ")), "{rerun}");
    let output = run(folder.path(), &[HOLDS, "--profile", "zscalar"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("there is no profile"), "{said}");
}
