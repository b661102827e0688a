//! From what a case ended in to its verdict and its files.

use std::path::Path;

use ikeproof_driver::wireshark::KeyTables;
use ikeproof_reports::model::{
    Attempt, Case as Row, Control as Twin, Peer as PeerFacts, Violation,
};
use ikeproof_reports::text::shell_line;
use ikeproof_reports::timeline::CaseTimeline;
use ikeproof_reports::verdict::{Blame, Initiator, Severity, Verdict};

use super::case::{Finished, rendered_files};
use super::failure::Trouble;
use super::plan::{PeerChoice, Planned};
use super::run::RunOptions;
use super::stage::Stage;
use super::{faults, ladder, setup};
use crate::patterns;
use crate::scenario::{CheckName, Control, Side, Tier};

/// Lines of a peer's log that stand in the report.
const LOG_TAIL: usize = 20;

/// A case with its verdict.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) number: usize,
    pub(super) case: Row,
    pub(super) timeline: CaseTimeline,
}

/// The row of a case before it is run.
pub(super) fn blank(one: &Planned<'_>, options: &RunOptions) -> Row {
    let peer = PeerFacts { name: one.peer.name().to_owned(), ..PeerFacts::default() };
    let mut row = Row::new(one.scenario.id.clone(), peer, Verdict::Inconclusive);
    row.title.clone_from(&one.scenario.title);
    row.variant = one.case.name();
    row.repetition = one.repetition;
    row.initiator = match one.case.initiator {
        Side::Peer => Initiator::Peer,
        Side::Edge => Initiator::Edge,
    };
    row.self_check = one.peer == PeerChoice::Embedded;
    row.covers.clone_from(&one.scenario.covers);
    row.seed = options.seed;
    row.rerun = rerun(one, &options.rerun);
    row
}

/// The command line that runs a case again, for a shell.
fn rerun(one: &Planned<'_>, begin: &[String]) -> String {
    let mut words = begin.to_vec();
    if one.case.tier == Tier::Full {
        words.extend(["--tier", "full"].map(str::to_owned));
    }
    words.push(patterns::of_case(&one.scenario.id, &one.case.name()));
    words.extend(["--peer", one.peer.name()].map(str::to_owned));
    shell_line(&words)
}

/// A case that was not run, and why.
pub(super) fn not_run(one: &Planned<'_>, options: &RunOptions, why: &str) -> Judged {
    let mut case = blank(one, options);
    case.reason = why.to_owned();
    let timeline = CaseTimeline::new(case.key(), Vec::new());
    Judged { number: one.number, case, timeline }
}

/// Whether the infrastructure, not the peer, made a case end.
pub(super) fn is_infrastructure(finished: &Finished) -> bool {
    matches!(finished.result, Err(Trouble::Infrastructure(_)))
}

/// Throws the peers of a case away.
pub(super) async fn discard(stage: &mut Stage, one: &Planned<'_>) {
    for (seat, spec) in (0_u8..).zip(&one.case.peers) {
        stage.discard(one.tested, setup::behind_router(spec), seat).await;
    }
}

/// A case after all its attempts, of which there is one at least. What held only in the end is flaky. Of
/// everything else the worst counts, and the first of several as bad: a failure is none the less one
/// because the next attempt failed in a way that is known.
pub(super) fn together(attempts: Vec<Judged>) -> Option<Judged> {
    let outcome = |judged: &Judged| Attempt {
        verdict: judged.case.verdict,
        reason: judged.case.reason.clone(),
        duration_ms: judged.case.duration_ms,
    };
    let mut earlier: Vec<Attempt> = attempts.iter().map(outcome).collect();
    let last = earlier.pop()?;
    // Of equals `max_by_key` takes the last, which is the first here.
    let mut judged = attempts.into_iter().rev().max_by_key(|it| it.case.verdict.rank())?;
    let case = &mut judged.case;
    if !earlier.is_empty() && last.verdict == Verdict::Pass {
        case.verdict = Verdict::Flaky;
        case.reason = "it held only when it was tried again".to_owned();
    } else if (last.verdict, &last.reason) != (case.verdict, &case.reason) {
        let again = format!("; tried again: {}: {}", last.verdict, last.reason);
        case.reason.push_str(&again);
    }
    case.attempts = u32::try_from(earlier.len() + 1).unwrap_or(u32::MAX);
    case.earlier_attempts = earlier;
    Some(judged)
}

/// Judges a case, of which the row says what was known before, and writes its files.
pub(super) fn judge(one: &Planned<'_>, mut row: Row, finished: Finished, folder: &Path) -> Judged {
    if let Some(about) = &finished.about {
        row.peer.version.clone_from(&about.version);
        row.peer.image.clone_from(&about.image);
        row.peer.package.clone_from(&about.package);
        row.peer.data_plane = about.data_plane.to_string();
    }
    row.tuned = finished
        .tuned
        .iter()
        .map(|tuned| format!("{}={} ({})", tuned.setting, tuned.value, tuned.why))
        .collect();
    let ladder::Audit { findings, decoded, applied } = ladder::audit(&finished.log);
    row.violations = ladder::violations(&findings, one.case);
    let items = ladder::ladder(&finished.log, &decoded, &findings, &finished.advances);
    row.faults = faults::applied(&finished.log);
    let (verdict, reason, twin) = decide(&finished, one.case.control.as_ref(), &row.violations);
    row.verdict = verdict;
    row.reason = reason;
    if let (Verdict::Fail, Err(Trouble::Check { checks, line, .. })) = (verdict, &finished.result) {
        row.failed_checks = checks.iter().map(ToString::to_string).collect();
        row.failed_line = Some(*line).filter(|line| *line > 0);
    }
    row.controls.extend(twin);
    if row.verdict.needs_attention() {
        let lines: Vec<_> = finished.peer_log.lines().collect();
        let tail = lines.len().saturating_sub(LOG_TAIL);
        row.log_tail = lines.iter().skip(tail).map(|line| (*line).to_owned()).collect();
    }
    if let Err(error) = files(&mut row, &finished, folder) {
        row.verdict = Verdict::Inconclusive;
        row.reason = format!("cannot write into {}: {error}", folder.display());
    }
    let timeline = CaseTimeline { applied, ..CaseTimeline::new(row.key(), items) };
    Judged { number: one.number, case: row, timeline }
}

fn decide(
    finished: &Finished,
    control: Option<&Control>,
    violations: &[Violation],
) -> (Verdict, String, Option<Twin>) {
    let plain = |verdict, reason: String| (verdict, reason, None);
    match (&finished.result, control) {
        (Err(Trouble::Unsupported(why)), _) => plain(Verdict::Unsupported, why.clone()),
        (Err(Trouble::Infrastructure(why) | Trouble::Setup(why)), _) => {
            plain(Verdict::Inconclusive, why.clone())
        }
        (result, Some(control)) => {
            let expected = format!("{} must fail", words(&control.fails));
            let (held, observed) = match result {
                Err(Trouble::Check { checks, why, .. }) => {
                    let exactly = checks.len() == control.fails.len()
                        && checks.iter().all(|check| control.fails.contains(check));
                    (exactly, format!("{} failed: {why}", words(checks)))
                }
                _ => (false, "every check held".to_owned()),
            };
            let mut reason = format!("control {}: {expected}; {observed}", control.name);
            // What else went wrong may be why the check failed.
            let beside = wrong_beside(finished, violations);
            let verdict = if held && beside.is_none() { Verdict::Pass } else { Verdict::Fail };
            if let Some(why) = beside {
                reason.push_str(&format!("; {why}"));
            }
            let twin = Twin { name: control.name.clone(), expected, observed, held };
            (verdict, reason, Some(twin))
        }
        (Err(Trouble::Check { checks, why, line }), None) => {
            let place = if *line > 0 { format!(" (line {line})") } else { String::new() };
            plain(Verdict::Fail, format!("{}{place}: {why}", words(checks)))
        }
        (Ok(()), None) => match wrong_beside(finished, violations) {
            Some(why) => plain(Verdict::Fail, why),
            None => plain(Verdict::Pass, String::new()),
        },
    }
}

/// What is wrong with a case whatever its checks say.
fn wrong_beside(finished: &Finished, violations: &[Violation]) -> Option<String> {
    if !finished.left_over.is_empty() {
        return Some(format!("left over at the peer: {}", finished.left_over.join("; ")));
    }
    // The reference peer has to be right by itself, or nobody can believe it.
    let is_ours = |violation: &&Violation| {
        violation.by == Blame::Edge && violation.severity == Severity::Must
    };
    let ours = violations.iter().find(is_ours)?;
    Some(format!("the edge breaks {}: {}", ours.requirement, ours.message))
}

fn words(checks: &[CheckName]) -> String {
    checks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
}

fn files(row: &mut Row, finished: &Finished, folder: &Path) -> std::io::Result<()> {
    let dir = row.attempt_dir();
    let relative = |name: &str| Some(format!("{dir}/{name}"));
    if folder.join("capture.pcapng").exists() {
        row.artifacts.capture = relative("capture.pcapng");
    }
    if !finished.log.keys.is_empty() {
        let tables = folder.join("wireshark");
        KeyTables::of(&finished.log.keys).write(&tables)?;
        row.artifacts.keys = relative("wireshark");
    }
    if let Some(transcript) = &finished.transcript {
        let file = std::fs::File::create(folder.join("transcript.jsonl"))?;
        transcript
            .write(std::io::BufWriter::new(file))
            .map_err(|error| std::io::Error::other(error.to_string()))?;
        row.artifacts.transcript = relative("transcript.jsonl");
    }
    let mut events = String::new();
    for (at, event) in &finished.log.events {
        let line =
            serde_json::json!({ "at_us": at.since_start().as_micros() as u64, "event": event });
        events.push_str(&line.to_string());
        events.push('\n');
    }
    std::fs::write(folder.join("events.jsonl"), events)?;
    row.artifacts.events = relative("events.jsonl");
    std::fs::write(folder.join("peer.log"), &finished.peer_log)?;
    row.artifacts.log = relative("peer.log");
    if !finished.rendered.is_empty() {
        let configs = folder.join("peer-config");
        std::fs::create_dir_all(&configs)?;
        for (name, text) in rendered_files(&finished.rendered) {
            std::fs::write(configs.join(name), text)?;
        }
        row.artifacts.config = relative("peer-config");
    }
    row.artifacts.timeline = relative("timeline.txt");
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::super::plan::{Filter, plan};
    use super::*;
    use crate::catalogue::Catalogue;

    #[rstest]
    #[case(&[Verdict::Pass], Verdict::Pass, 0)]
    #[case::held_again(&[Verdict::Fail, Verdict::Pass], Verdict::Flaky, 0)]
    #[case::judged_again(&[Verdict::Inconclusive, Verdict::Pass], Verdict::Flaky, 0)]
    #[case::agreed(&[Verdict::Fail, Verdict::Fail], Verdict::Fail, 0)]
    #[case::known(&[Verdict::Fail, Verdict::ExpectedFail], Verdict::Fail, 0)]
    #[case::unsupported(&[Verdict::Fail, Verdict::Unsupported], Verdict::Fail, 0)]
    #[case::unclear(&[Verdict::Fail, Verdict::Inconclusive, Verdict::Pass], Verdict::Flaky, 0)]
    #[case::worse(&[Verdict::Inconclusive, Verdict::Fail], Verdict::Fail, 2)]
    #[case::unclear_and_known(&[Verdict::Inconclusive, Verdict::ExpectedFail], Verdict::Inconclusive, 0)]
    #[case::unexpected(&[Verdict::Inconclusive, Verdict::UnexpectedPass], Verdict::UnexpectedPass, 2)]
    fn the_worst_attempt_counts(
        #[case] attempts: &[Verdict],
        #[case] wanted: Verdict,
        #[case] of: u32,
    ) {
        let attempt = |(number, verdict): (u32, &Verdict)| {
            let mut case = Row::new("v2/connect", PeerFacts::default(), *verdict);
            case.attempt = if number == 1 { 0 } else { number };
            case.reason = format!("reason {number}");
            case.duration_ms = number.into();
            let timeline = CaseTimeline::new(case.key(), Vec::new());
            Judged { number: 0, case, timeline }
        };
        let case = together((1..).zip(attempts).map(attempt).collect()).unwrap().case;
        assert_eq!((case.verdict, case.attempt), (wanted, of));
        assert_eq!(case.attempts as usize, attempts.len());
        let earlier: Vec<_> = case.earlier_attempts.iter().map(|it| it.verdict).collect();
        assert_eq!(earlier, attempts[..attempts.len() - 1]);
        assert!((1..).zip(&case.earlier_attempts).all(|(number, it)| it.duration_ms == number));
        let last = format!("reason {}", attempts.len());
        assert!(case.reason.contains(&last) || wanted == Verdict::Flaky, "{}", case.reason);
    }

    #[test]
    fn the_line_that_runs_a_case_again_means_that_case() {
        let catalogue = Catalogue::builtin().unwrap();
        let filter = Filter { full: true, ..Filter::default() };
        let all = plan(&catalogue, &filter, &[PeerChoice::Embedded]);
        let full = all.iter().find(|one| one.case.tier == Tier::Full).unwrap();
        let begin = ["ikeproof", "run", "--scenarios", "it's mine"].map(str::to_owned);
        let (id, case) = (&full.scenario.id, full.case.name());
        let line = rerun(full, &begin);
        let wanted = format!(
            r"ikeproof run --scenarios 'it'\''s mine' --tier full '{id} [{case}]' --peer embedded"
        );
        assert_eq!(line, wanted);
        let pattern = patterns::of_case(id, &case);
        let again = plan(&catalogue, &Filter { patterns: vec![pattern], ..filter }, &[full.peer]);
        assert_eq!(again.iter().map(|one| one.case.name()).collect::<Vec<_>>(), [case]);
        let gate = all.iter().find(|one| one.case.tier == Tier::Gate).unwrap();
        assert!(!rerun(gate, &begin).contains("--tier"));
    }
}
