//! `ikeproof gate`: a run against what it must come to.
//!
//! Verdicts alone do not show that a case has vanished. A file of exact counts does, and says which; the
//! tool itself writes it, so that a change of it is a change that somebody looked at.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use ikeproof_reports::required::Tally;
use ikeproof_reports::text::plural;
use ikeproof_reports::{
    ExitStatus, Gate, REQUIRED_SCHEMA, Report, Required, read_report, write_atomically,
};

use crate::cli::GateArgs;
use crate::exit::{FAILED, HELD, INFRASTRUCTURE, Stop};
use crate::{library, stdout};

/// What stands at the top of the file.
const HEAD: &str = "\
# What a run must come to: how many cases end in which verdict, for each peer and version and for each
# scenario. `ikeproof gate RUN --required FILE` fails on any difference. Written by `--update`.
";

/// Compares a run with what it must come to, or writes that down.
///
/// # Errors
/// If the run or the file cannot be read, or they are not about the same tier.
pub fn run(args: &GateArgs) -> Result<ExitCode, Stop> {
    let report = report(&args.run)?;
    if let Some(shard) = &report.run.shard {
        let why =
            format!("{} is part {shard} of a run, which says nothing of the whole", name(args));
        return Err(Stop::Usage(why));
    }
    let report = only(report, &args.peer);
    let found = Required::of(&report);
    let gate = Gate::of(&report);
    if args.update {
        return update(args, &gate, found);
    }
    let required = required(&args.required)?;
    if required.tier != found.tier {
        let (wanted, tier, file) = (&required.tier, &found.tier, args.required.display());
        let why = format!("{file} is about runs of the tier {wanted}, {} is of {tier}", name(args));
        return Err(Stop::Usage(why));
    }
    if let Some(missing) =
        args.peer.iter().find(|name| !required.peers.iter().any(|it| it.name == **name))
    {
        let why = format!("--peer {missing}: {} says nothing of it", args.required.display());
        return Err(Stop::Usage(why));
    }
    let differences = required.only(&args.peer).differences(&found);
    let mut text = String::new();
    for line in gate.reasons.iter().chain(&differences) {
        let _ = writeln!(text, "{line}");
    }
    let status = match (differences.is_empty(), gate.status) {
        (true, ExitStatus::Held) => HELD,
        (true, ExitStatus::Infrastructure) => INFRASTRUCTURE,
        _ => FAILED,
    };
    let file = args.required.display();
    let _ = match differences.len() {
        0 => writeln!(text, "{}: as {file} requires: {}", name(args), totals(&found)),
        1 => writeln!(text, "{}: 1 difference from {file}; {HINT}", name(args)),
        many => writeln!(text, "{}: {many} differences from {file}; {HINT}", name(args)),
    };
    stdout::write(&text)?;
    Ok(ExitCode::from(status))
}

/// What a run says of the peers of these names, and of itself; of all peers, if none is named.
fn only(mut report: Report, names: &[String]) -> Report {
    let named = |name: &String| names.is_empty() || names.contains(name);
    report.cases.retain(|case| named(&case.peer.name));
    report.run.skipped_peers.retain(|peer| named(&peer.name));
    report
}

/// What to do about a difference that is meant.
const HINT: &str = "if they are meant, write them down with --update";

fn name(args: &GateArgs) -> String {
    args.run.display().to_string()
}

fn totals(found: &Required) -> String {
    let cases: usize = found.peers.iter().flat_map(|peer| peer.cases.values()).sum();
    format!("{}, {}", plural(cases, "case"), plural(found.peers.len(), "peer"))
}

/// The report of a run's folder, of a file, or of the newest run in a folder of runs.
fn report(path: &Path) -> Result<Report, Stop> {
    let newest = || library::newest_run(path).map_err(Stop::Usage);
    let path = match path.is_dir() && !path.join("report.json").is_file() {
        true => newest()?,
        false => PathBuf::from(path),
    };
    read_report(&path).map_err(|error| Stop::Usage(error.to_string()))
}

fn required(path: &Path) -> Result<Required, Stop> {
    let wrong = |why: String| Stop::Usage(format!("--required {}: {why}", path.display()));
    let text =
        fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    parse(&text).map_err(wrong)
}

fn parse(text: &str) -> Result<Required, String> {
    let required: Required = toml::from_str(text).map_err(|error| error.to_string())?;
    if required.schema != REQUIRED_SCHEMA {
        let found = required.schema;
        return Err(format!("schema is {found:?}, this ikeproof reads {REQUIRED_SCHEMA:?}"));
    }
    Ok(required)
}

fn update(args: &GateArgs, gate: &Gate, found: Required) -> Result<ExitCode, Stop> {
    if gate.status != ExitStatus::Held {
        let why = gate.reasons.join("; ");
        stdout::write(&format!(
            "{}: not written down, since it did not hold: {why}\n",
            name(args)
        ))?;
        return Ok(ExitCode::from(gate.status.code()));
    }
    let totals = totals(&found);
    let new = if args.required.exists() { required(&args.required)?.updated(found) } else { found };
    write_atomically(&args.required, written(&new).as_bytes())
        .map_err(|error| Stop::Infrastructure(error.to_string()))?;
    stdout::print(&format!("{}: {totals} written down\n", args.required.display()))
}

/// The file, a line for each scenario, so that a difference is a line as well.
fn written(required: &Required) -> String {
    let mut text = HEAD.to_owned();
    let Required { schema, tier, peers } = required;
    let _ = writeln!(text, "schema = {schema:?}\ntier = {tier:?}");
    for peer in peers {
        let _ = writeln!(text, "\n[[peer]]\nname = {:?}", peer.name);
        if !peer.version.is_empty() {
            let _ = writeln!(text, "version = {:?}", peer.version);
        }
        let _ = writeln!(text, "cases = {}\n\n[peer.scenarios]", tally(&peer.cases));
        for (scenario, cases) in &peer.scenarios {
            let _ = writeln!(text, "{scenario:?} = {}", tally(cases));
        }
    }
    text
}

fn tally(tally: &Tally) -> String {
    let counts: Vec<_> =
        tally.iter().map(|(verdict, count)| format!("{verdict} = {count}")).collect();
    format!("{{ {} }}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ikeproof_scenarios::catalogue::Catalogue;
    use ikeproof_scenarios::runner::{Filter, PeerChoice, plan};

    use super::*;

    const OURS: &str = include_str!("../required.toml");

    #[test]
    fn what_is_written_is_read_back() {
        let required = parse(OURS).unwrap();
        assert_eq!(parse(&written(&required)).unwrap(), required);
        assert_eq!(written(&required), OURS, "write it with `ikeproof gate RUN --update`");
    }

    #[test]
    fn another_schema_is_refused() {
        let error = parse("schema = \"ikeproof.required/9\"\ntier = \"gate\"").unwrap_err();
        assert!(error.contains("required/9"), "{error}");
    }

    /// A case that vanishes from a scenario is found without running any.
    #[test]
    fn the_gate_tier_has_exactly_the_cases_that_are_required_of_the_self_check() {
        let catalogue = Catalogue::builtin().unwrap();
        let mut planned: BTreeMap<&str, usize> = BTreeMap::new();
        for one in plan(&catalogue, &Filter::default(), &[PeerChoice::Embedded]) {
            *planned.entry(one.scenario.id.as_str()).or_default() += 1;
        }
        let required = parse(OURS).unwrap();
        let ours = required.peers.iter().find(|peer| peer.name == "embedded").unwrap();
        let scenarios = ours.scenarios.iter();
        let wanted: BTreeMap<&str, usize> =
            scenarios.map(|(id, tally)| (id.as_str(), tally.values().sum())).collect();
        assert_eq!(planned, wanted, "look at the difference, then update ci/required.toml");
    }
}
