//! `ikeproof replay`: recorded sessions handed to the core again, no peer and no waiting.
//!
//! Each file is replayed under every cryptography provider that is built in. Where something differs
//! the decoded difference is printed; `--bless` then takes the new outputs into the file. Inputs are
//! copied as they stand, octet by octet.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use ikeproof_proto::crypto::{Provider, RustCrypto, default_provider};
use ikeproof_proto::replay::{Likeness, Replay, replay};
use ikeproof_proto::transcript::{Line, OutputLine, Transcript};
use ikeproof_scenarios::recorded::observed;
use similar::{ChangeTag, TextDiff};

use crate::cli::ReplayArgs;
use crate::decode::timeline::timeline;
use crate::exit::{FAILED, HELD, Stop, USAGE};
use crate::progress::Progress;
use crate::stdout;

/// Lines of a difference that are printed.
const MOST_LINES: usize = 60;

/// Replays what `args` name.
///
/// # Errors
/// If there is nothing to replay.
pub fn run(args: &ReplayArgs) -> Result<ExitCode, Stop> {
    let files = files(&args.paths)?;
    let progress = Progress::new();
    let (mut identical, mut differing, mut blessed, mut unusable) = (0, 0, 0, 0);
    for (number, file) in (1..).zip(&files) {
        progress.at("replay", &format!("{number}/{}: {}", files.len(), file.display()));
        let outcome = one(file, args.bless);
        progress.end("replay");
        match outcome {
            Err(stop) => {
                unusable += 1;
                progress.line("error", &stop.to_string());
            }
            Ok(outcome) => {
                match outcome.likeness {
                    Likeness::Identical => identical += 1,
                    _ if outcome.blessed => blessed += 1,
                    _ => differing += 1,
                }
                stdout::write(&outcome.text)?;
            }
        }
    }
    stdout::write(&format!(
        "{} sessions: {identical} identical, {differing} not, {blessed} blessed, {unusable} not usable\n",
        files.len()
    ))?;
    Ok(ExitCode::from(match (unusable, differing) {
        (0, 0) => HELD,
        (0, _) => FAILED,
        _ => USAGE,
    }))
}

#[derive(Debug)]
struct Outcome {
    likeness: Likeness,
    blessed: bool,
    text: String,
}

fn one(file: &Path, bless: bool) -> Result<Outcome, Stop> {
    let name = file.display();
    let bytes = std::fs::read_to_string(file)
        .map_err(|error| Stop::Usage(format!("{name} cannot be read: {error}")))?;
    let recorded = Transcript::read(bytes.as_bytes())
        .map_err(|error| Stop::Usage(format!("{name}: {error}")))?;
    let replays: Vec<(&'static str, Replay)> = providers()
        .into_iter()
        .map(|provider| (provider.name(), replay(&recorded, provider)))
        .collect();
    let names: Vec<_> = replays.iter().map(|(name, _)| *name).collect();
    let mut text = String::new();
    let Some((worst, _)) = replays.iter().map(|(_, it)| (it.likeness, ())).max_by_key(rank) else {
        return Err(Stop::Infrastructure("no cryptography provider is built in".to_owned()));
    };
    let _ = writeln!(text, "{:10} {name} ({})", word(worst), names.join(", "));
    if worst == Likeness::Identical {
        return Ok(Outcome { likeness: worst, blessed: false, text });
    }
    let then = described(&recorded);
    let mut told: Option<String> = None;
    let mut agree = true;
    for (provider, replayed) in &replays {
        let difference = difference(&then, &described(&replayed.now), replayed);
        if told.as_ref() == Some(&difference) {
            continue;
        }
        agree &= told.is_none();
        let _ = write!(text, "  under {provider}:\n{difference}");
        told = Some(difference);
    }
    let mut blessed = false;
    if bless {
        match replays.first() {
            Some((_, replayed)) if agree => {
                rewrite(file, &bytes, &replayed.now)?;
                blessed = true;
                let _ = writeln!(text, "  blessed: these outputs are now those of the file");
            }
            _ => {
                let _ = writeln!(text, "  not blessed: the providers do not agree");
            }
        }
    }
    Ok(Outcome { likeness: worst, blessed, text })
}

fn providers() -> Vec<Arc<dyn Provider>> {
    let default = default_provider();
    if default.name() == RustCrypto.name() {
        return vec![default];
    }
    vec![default, Arc::new(RustCrypto)]
}

fn rank((likeness, ()): &(Likeness, ())) -> u8 {
    match likeness {
        Likeness::Identical => 0,
        Likeness::Equivalent => 1,
        Likeness::Broken => 2,
    }
}

const fn word(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Identical => "identical",
        Likeness::Equivalent => "equivalent",
        Likeness::Broken => "BROKEN",
    }
}

/// A session as lines that can be compared: what each input and output says, decoded.
fn described(transcript: &Transcript) -> String {
    let (datagrams, keys) = observed(transcript);
    let all: Vec<_> = datagrams.iter().map(|(_, one)| one.clone()).collect();
    let moments = timeline(&all, &keys);
    let mut decoded = datagrams.iter().map(|(number, _)| *number).zip(&moments).peekable();
    let mut text = String::new();
    for (number, line) in transcript.lines.iter().enumerate() {
        if let Some((_, moment)) = decoded.next_if(|(at, _)| *at == number) {
            let (from, summary) = (moment.decoded.from, &moment.decoded.summary);
            let _ = writeln!(text, "{from}: {summary}");
            for detail in &moment.decoded.detail {
                let _ = writeln!(text, "    {}: {}", detail.field, detail.value);
            }
            for finding in &moment.findings {
                let _ = writeln!(text, "    !! {} {}", finding.requirement, finding.message);
            }
            continue;
        }
        if let Line::Out(output) = line {
            let said = match &**output {
                OutputLine::Event(event) => match serde_json::to_string(event) {
                    Ok(event) => format!("event: {event}"),
                    Err(error) => format!("event that cannot be written: {error}"),
                },
                OutputLine::Keys(_) => "keys".to_owned(),
                OutputLine::Inner { tunnel, hex } => {
                    format!("tunnel {tunnel}: inner packet of {} octets", hex.0.len())
                }
                OutputLine::Udp { remote, hex, .. } => {
                    format!("{} octets to {remote}", hex.0.len())
                }
                OutputLine::Raw { protocol, remote, hex, .. } => {
                    format!("{} octets of protocol {protocol} to {remote}", hex.0.len())
                }
            };
            let _ = writeln!(text, "{said}");
        }
    }
    text
}

fn difference(then: &str, now: &str, replayed: &Replay) -> String {
    let mut text = String::new();
    if let Some(first) = replayed.differences.first() {
        let count = replayed.differences.len();
        let _ = writeln!(text, "    {count} outputs differ, the first at line {}", first.line);
    }
    let diff = TextDiff::from_lines(then, now);
    let mut lines = 0;
    for change in diff.iter_all_changes() {
        let sign = match change.tag() {
            ChangeTag::Equal => continue,
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
        };
        lines += 1;
        if lines <= MOST_LINES {
            let _ = writeln!(text, "    {sign} {}", change.value().trim_end_matches('\n'));
        }
    }
    match lines {
        0 => {
            text.push_str("    they say the same: only octets differ that mean nothing, or keys\n")
        }
        1..=MOST_LINES => {}
        more => {
            let _ = writeln!(text, "    and {} more lines", more - MOST_LINES);
        }
    }
    text
}

/// Writes the outputs of `now` between the inputs of the file, in one step.
fn rewrite(file: &Path, old: &str, now: &Transcript) -> Result<(), Stop> {
    let name = file.display();
    let failed = |error: std::io::Error| {
        Stop::Infrastructure(format!("{name} cannot be rewritten: {error}"))
    };
    let mut old_lines = old.lines();
    let mut text = old_lines.next().unwrap_or_default().to_owned() + "\n";
    let is_output = |line: &str| {
        serde_json::from_str::<Line>(line).is_ok_and(|line| matches!(line, Line::Out(_)))
    };
    let mut kept = old_lines.filter(|line| !line.trim().is_empty() && !is_output(line));
    for line in &now.lines {
        match line {
            Line::Out(_) => match serde_json::to_string(line) {
                Ok(line) => text.push_str(&line),
                Err(error) => return Err(failed(error.into())),
            },
            Line::In(_) | Line::Cut(_) => text.push_str(kept.next().unwrap_or_default()),
        }
        text.push('\n');
    }
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

/// The transcripts under `paths`, in order; those of the source tree if there are no paths.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Stop> {
    let default = PathBuf::from("scenarios/transcripts");
    let roots = if paths.is_empty() { std::slice::from_ref(&default) } else { paths };
    let mut files = Vec::new();
    for root in roots {
        if !root.exists() {
            let what = if paths.is_empty() {
                "there are no recorded sessions here"
            } else {
                "there is no such file or folder"
            };
            return Err(Stop::Usage(format!(
                "{}: {what}; name transcripts (*.jsonl), or folders of them",
                root.display()
            )));
        }
        collect(root, &mut files)?;
    }
    if files.is_empty() {
        let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
        return Err(Stop::Usage(format!("no transcript (*.jsonl) under {}", roots.join(", "))));
    }
    Ok(files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Stop> {
    if path.is_file() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable =
        |error: std::io::Error| Stop::Usage(format!("{} cannot be read: {error}", path.display()));
    let mut below = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        below.push(entry.map_err(unreadable)?.path());
    }
    below.sort();
    for path in below {
        // Beside a transcript a run leaves events in the same form of file.
        let is_transcript = path.extension().is_some_and(|it| it == "jsonl")
            && path.file_name().is_none_or(|name| name != "events.jsonl");
        if path.is_dir() || is_transcript {
            collect(&path, files)?;
        }
    }
    Ok(())
}
