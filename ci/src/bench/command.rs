//! The command: which benchmarks, and what their results mean for the exit status.

use std::process::ExitCode;

use super::report::{self, Measured, Verdict};
use super::{esp, rounds};
use crate::cli::BenchArgs;
use crate::exit::{FAILED, HELD, Stop};
use crate::progress::Progress;
use crate::stdout;

/// All benchmarks there are.
const NAMES: [&str; 1] = ["esp"];

/// Measures. Ends with 1 only if a gate is clearly missed.
///
/// # Errors
/// If a name or a number is wrong.
pub fn run(args: &BenchArgs) -> Result<ExitCode, Stop> {
    if let Some(name) = args.names.iter().find(|name| !NAMES.contains(&name.as_str())) {
        let names = NAMES.join(", ");
        return Err(Stop::Usage(format!("there is no benchmark `{name}`; there are: {names}")));
    }
    if args.rounds < rounds::LEAST {
        return Err(Stop::Usage(format!(
            "--rounds {}: at least {} are needed to compare the halves of a run",
            args.rounds,
            rounds::LEAST
        )));
    }
    let progress = Progress::new();
    let mut measured: Vec<Measured> = Vec::new();
    for task in esp::tasks() {
        progress.at("bench", &task.name());
        measured.extend(task.measure(args.rounds)?);
    }
    progress.end("bench");
    let text = if args.json { report::json(&measured)? } else { report::text(&measured) };
    stdout::write(&text)?;
    let failed = measured.iter().any(|it| it.verdict() == Verdict::Failed);
    Ok(ExitCode::from(if failed { FAILED } else { HELD }))
}
