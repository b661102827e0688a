//! The command: one capture, or all those of a run.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use ikeproof_audit::capture::Options;
use ikeproof_driver::wireshark::Tshark;

use super::capture::{Capture, Report, check};
use crate::cli::DecodeArgs;
use crate::decode::input;
use crate::exit::{FAILED, HELD, Stop};
use crate::progress::Progress;
use crate::stdout;

/// Compares and prints what differs.
///
/// # Errors
/// If tshark is missing, or a file or a table cannot be read.
pub fn run(args: &DecodeArgs) -> Result<ExitCode, Stop> {
    let tshark = Tshark::find().map_err(|error| Stop::Infrastructure(error.to_string()))?;
    let captures = captures(args)?;
    let reports = check_all(&captures, &input::options(args), &tshark)?;
    let mut total = Report::default();
    let mut text = String::new();
    let (mut differences, mut shown) = (0, 0);
    for (capture, report) in captures.iter().zip(&reports) {
        total.add(report);
        differences += report.differences.len();
        for (frame, says) in &report.differences {
            // One cause can show in thousands of frames.
            if shown < SHOWN {
                let _ = writeln!(text, "{}: frame {frame}: {says}", capture.file.display());
                shown += 1;
            }
        }
    }
    if differences > shown {
        let _ = writeln!(text, "… and {} more", differences - shown);
    }
    for note in &total.notes {
        let _ = writeln!(text, "note: {note}");
    }
    for (exception, count) in &total.exceptions {
        let _ = writeln!(text, "exception, {count} frames: {exception}");
    }
    let _ = writeln!(
        text,
        "{} captures, {} frames, {} fields compared with {}: {differences} differences",
        captures.len(),
        total.frames,
        total.fields,
        tshark.version()
    );
    stdout::write(&text)?;
    if total.frames == 0 && differences == 0 {
        return Err(Stop::Usage(format!(
            "nothing of IKE or ESP was found in {}, so nothing was compared",
            args.file.display()
        )));
    }
    Ok(ExitCode::from(if differences == 0 { HELD } else { FAILED }))
}

/// The captures that are meant: the file, or all below the folder.
fn captures(args: &DecodeArgs) -> Result<Vec<Capture>, Stop> {
    let file = &args.file;
    if !file.is_dir() {
        return Ok(vec![Capture { file: file.clone(), keys: args.keys.clone() }]);
    }
    if args.keys.is_some() {
        return Err(Stop::Usage(format!(
            "--keys: {} is a folder, whose captures have their keys beside them; leave the option \
             out",
            file.display()
        )));
    }
    let mut files = Vec::new();
    find(file, &mut files)
        .map_err(|error| Stop::Usage(format!("{} cannot be searched: {error}", file.display())))?;
    files.sort();
    if files.is_empty() {
        return Err(Stop::Usage(format!("no {CAPTURE} is below {}", file.display())));
    }
    let with_keys = |file: PathBuf| {
        let keys = file.with_file_name(KEYS);
        Capture { keys: keys.is_dir().then_some(keys), file }
    };
    Ok(files.into_iter().map(with_keys).collect())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            find(&entry.path(), files)?;
        } else if entry.file_name() == CAPTURE {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Checks the captures, as many at a time as there are processors. Of several errors the first counts.
fn check_all(
    captures: &[Capture],
    options: &Options,
    tshark: &Tshark,
) -> Result<Vec<Report>, Stop> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(captures.len());
    let progress = Progress::new();
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, capture)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    captures.get(at).map(|capture| (at, capture))
                } {
                    let result = check(capture, options, tshark);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                    let done = done.fetch_add(1, Ordering::Relaxed) + 1;
                    progress.at("tshark", &format!("{done} of {} captures", captures.len()));
                    if done.is_multiple_of(LINE_EVERY) && !progress.is_terminal() {
                        progress.line("tshark", &format!("{done} of {} captures", captures.len()));
                    }
                }
            });
        }
    });
    progress.end("tshark");
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

/// How many differences are printed.
const SHOWN: usize = 100;
/// After how many captures there is a line where there is no terminal.
const LINE_EVERY: usize = 100;
/// What a run calls a case's capture.
const CAPTURE: &str = "capture.pcapng";
/// What a run calls the folder of a case's key tables.
const KEYS: &str = "wireshark";
