//! `ikeproof run`: scenarios against peers, and a report.

use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use ikeproof_reports::model::{Case, Report, Run as RunFacts};
use ikeproof_reports::text::{plural, shell_line};
use ikeproof_reports::{TerminalOptions, exit_status, read_report, terminal};
use ikeproof_scenarios::catalogue::Catalogue;
use ikeproof_scenarios::format::nearest;
use ikeproof_scenarios::patterns;
use ikeproof_scenarios::runner::{
    Filter, Named, Observer, PeerChoice, Planned, RunOptions, plan, run as run_cases,
};
use ikeproof_scenarios::scenario::DEFAULT_PROFILE;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use crate::cli::{RunArgs, Tier};
use crate::exit::{INTERRUPTED, Stop};
use crate::library;
use crate::signals::Interrupts;

/// The width of the table where there is no terminal to ask.
const PLAIN_WIDTH: usize = 120;

/// Runs scenarios.
///
/// # Errors
/// If the command line or a scenario is wrong, or the report cannot be written.
pub async fn run(args: RunArgs) -> Result<ExitCode, Stop> {
    let peers = peers(&args.peer, "--peer")?;
    let required = peers_named(&args.require, "--require")?;
    if let Some(missing) = required.iter().find(|peer| !peers.contains(peer)) {
        let name = missing.name();
        return Err(Stop::Usage(format!("--require {name} needs --peer {name} as well")));
    }
    let mut catalogue = library::load(&args.scenarios)?;
    if let Some(profile) = &args.profile {
        library::check_profile(profile)?;
        catalogue.use_profile(profile);
    }
    let expected = library::expected_failures(&args.expected_fail)?;
    let planned = planned(&catalogue, &args, &peers)?;
    let seed = args.seed.map_or_else(draw_seed, Ok)?;
    let started = jiff::Timestamp::now();
    let id = started.strftime("%Y%m%d-%H%M%S-%3f").to_string();
    let folder = make_folder(&args.out, &id)?;

    let mut facts = RunFacts::started(id, started, env!("CARGO_PKG_VERSION"), seed);
    facts.command_line = command_line();
    facts.tier = if args.tier == Tier::Full { "full".into() } else { "gate".into() };
    facts.shard = args.shard.map(|shard| format!("{}/{}", shard.index, shard.of));
    facts.profile = args.profile.clone().unwrap_or_else(|| DEFAULT_PROFILE.to_owned());
    facts.environment = environment();
    facts.gate_findings = expected.dead_words(&catalogue);
    let options = RunOptions {
        facts,
        folder: folder.clone(),
        seed,
        jobs: args.jobs.unwrap_or_else(|| LANES_PER_PROCESSOR * processors()),
        retries: args.retries,
        repeat: args.repeat,
        fail_fast: args.fail_fast,
        keep: args.keep,
        required,
        rerun: rerun(&args, seed),
        expected,
        catalogue: catalogue.subjects(),
    };
    let (stop, stopped) = watch::channel(false);
    let progress = Arc::new(Progress::new());
    let heeding = tokio::spawn(heed(Interrupts::catch()?, stop, Arc::clone(&progress)));
    let outcome = run_cases(planned, options, &*progress, stopped).await;
    heeding.abort();
    let outcome = outcome.map_err(Stop::Infrastructure)?;
    progress.end();
    for warning in &outcome.warnings {
        eprintln!("warning: {warning}");
    }
    show(&outcome.report, &folder);
    Ok(ExitCode::from(exit_status(&outcome.report).code()))
}

/// Asks the run to end at the first signal. A second one ends the process, whatever the run is waiting for:
/// this is a task of its own, and what is left is for the next run to remove.
async fn heed(mut interrupts: Interrupts, stop: watch::Sender<bool>, progress: Arc<Progress>) {
    let signal = interrupts.next().await;
    stop.send_replace(true);
    progress.say(&format!(
        "{signal}: ending the run; a report of what was done follows, and once more ends it at once"
    ));
    let signal = interrupts.next().await;
    progress.end();
    eprintln!("{signal}: ended at once; the next run removes what is left of this one");
    std::process::exit(INTERRUPTED.into());
}

/// What the command line means, and that all of it means something.
pub fn planned<'a>(
    catalogue: &'a Catalogue,
    args: &RunArgs,
    peers: &[PeerChoice],
) -> Result<Vec<Planned<'a>>, Stop> {
    let only = if args.last_failed { Some(last_failed(&args.out)?) } else { None };
    // A case that is run again is run with the peer it was run with.
    let peers = if only.is_some() && args.peer.is_empty() { &PeerChoice::ALL[..] } else { peers };
    let filter = Filter {
        patterns: args.patterns.clone(),
        full: args.tier == Tier::Full,
        shard: args.shard.map(|shard| (shard.index, shard.of)),
        only,
    };
    for pattern in &args.patterns {
        // Not every pattern need select something of a part, or of what did not hold the last time.
        let full = filter.full || filter.only.is_some();
        check_pattern(catalogue, pattern, full, peers).map_err(Stop::Usage)?;
    }
    let planned = plan(catalogue, &filter, peers);
    if planned.is_empty() {
        return Err(Stop::Usage(nothing_to_run(catalogue, filter, peers)));
    }
    Ok(planned)
}

/// A pattern means a scenario, and some case of it is run.
fn check_pattern(
    catalogue: &Catalogue,
    pattern: &str,
    full: bool,
    peers: &[PeerChoice],
) -> Result<(), String> {
    let (id, case) = patterns::parts(pattern);
    let hint = |near: Option<String>| {
        near.map(|near| format!(", did you mean {near}?")).unwrap_or_default()
    };
    let scenarios: Vec<_> =
        catalogue.scenarios.iter().filter(|it| patterns::means(pattern, &it.id)).collect();
    if scenarios.is_empty() {
        let hint = hint(catalogue.nearest(id).map(str::to_owned));
        return Err(format!("no scenario fits {pattern}{hint}; `ikeproof list` shows all of them"));
    }
    let fits = |full| {
        let filter = Filter { patterns: vec![pattern.to_owned()], full, ..Filter::default() };
        !plan(catalogue, &filter, peers).is_empty()
    };
    if fits(full) {
        return Ok(());
    }
    if fits(true) {
        return Err(format!("what fits {pattern} is in the full tier alone; add --tier full"));
    }
    let names: Vec<_> = scenarios.iter().flat_map(|it| &it.cases).map(|it| it.name()).collect();
    let near = nearest(case.unwrap_or_default(), names.iter().map(String::as_str));
    let hint = hint(near.map(|near| patterns::of_case(id, near)));
    Err(format!(
        "no case fits {pattern}{hint}; `ikeproof explain SCENARIO` shows those of a scenario"
    ))
}

/// The words that run a case again, up to what names the case.
fn rerun(args: &RunArgs, seed: u64) -> Vec<String> {
    let mut words = vec!["ikeproof".to_owned(), "run".to_owned()];
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("--seed", seed.to_string());
    if let Some(profile) = &args.profile {
        option("--profile", profile.clone());
    }
    for folder in &args.scenarios {
        option("--scenarios", folder.display().to_string());
    }
    for file in &args.expected_fail {
        option("--expected-fail", file.display().to_string());
    }
    words
}

fn show(report: &Report, folder: &Path) {
    let out = std::io::stdout();
    let colour = out.is_terminal();
    let width = terminal_width().unwrap_or(PLAIN_WIDTH);
    let table = terminal(report, &TerminalOptions { width, colour });
    // Whoever reads may have gone; the report is written.
    let _ = writeln!(out.lock(), "{table}\nreport: {}", folder.join("index.html").display());
}

fn terminal_width() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|width| *width >= 40)
}

fn peers(named: &[String], option: &str) -> Result<Vec<PeerChoice>, Stop> {
    if named.is_empty() { Ok(PeerChoice::USUAL.to_vec()) } else { peers_named(named, option) }
}

fn peers_named(named: &[String], option: &str) -> Result<Vec<PeerChoice>, Stop> {
    let mut peers = Vec::new();
    for name in named {
        let peer = PeerChoice::of(name).ok_or_else(|| {
            let known: Vec<_> = PeerChoice::ALL.iter().map(|peer| peer.name()).collect();
            let near = nearest(name, known.iter().copied());
            let hint = near.map(|near| format!(", did you mean {near}?")).unwrap_or_default();
            Stop::Usage(format!(
                "{option} {name}: there is no such peer{hint}; known: {}",
                known.join(", ")
            ))
        })?;
        if !peers.contains(&peer) {
            peers.push(peer);
        }
    }
    Ok(peers)
}

/// Why nothing is left, although each pattern means a case.
fn nothing_to_run(catalogue: &Catalogue, filter: Filter, peers: &[PeerChoice]) -> String {
    if let Some(only) = &filter.only {
        return match only.len() {
            0 => "--last-failed: the last run has no case that did not hold".to_owned(),
            some => format!(
                "--last-failed: {some} cases did not hold in the last run, and none of them fits the \
                 patterns, peers, scenarios and shard of this one"
            ),
        };
    }
    if let Some((index, of)) = filter.shard {
        let whole = plan(catalogue, &Filter { shard: None, ..filter }, peers);
        let cases = plural(whole.len() / peers.len().max(1), "case");
        return format!("--shard {index}/{of}: this part of {cases} is empty");
    }
    "there is no case to run".to_owned()
}

/// What did not hold in the newest run of a folder.
fn last_failed(out: &Path) -> Result<Vec<Named>, Stop> {
    let wrong = |why: String| Stop::Usage(format!("--last-failed: {why}"));
    let newest = library::newest_run(out).map_err(wrong)?;
    let report = read_report(&newest).map_err(|error| wrong(error.to_string()))?;
    let failed = report.cases.iter().filter(|case| case.verdict.needs_attention());
    let named = |case: &Case| Named {
        scenario: case.scenario.clone(),
        case: case.variant.clone(),
        peer: case.peer.name.clone(),
    };
    Ok(failed.map(named).collect())
}

fn make_folder(out: &Path, id: &str) -> Result<PathBuf, Stop> {
    let folder = out.join(id);
    std::fs::create_dir_all(&folder).map_err(|error| {
        Stop::Infrastructure(format!(
            "cannot make the folder {}: {error}; choose another with --out",
            folder.display()
        ))
    })?;
    Ok(folder)
}

/// A seed that stays exact in readers of JSON that only have floating point numbers.
fn draw_seed() -> Result<u64, Stop> {
    let drawn = getrandom::u64().map_err(|error| {
        Stop::Infrastructure(format!("the system gives no randomness: {error}"))
    })?;
    Ok(drawn >> 12)
}

/// Most of the time a case waits: for a peer, for a timer, for what must not come.
const LANES_PER_PROCESSOR: usize = 4;

fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, usize::from)
}

/// How it was called, for a shell.
fn command_line() -> String {
    let words: Vec<_> =
        std::iter::once("ikeproof".to_owned()).chain(std::env::args().skip(1)).collect();
    shell_line(&words)
}

fn environment() -> std::collections::BTreeMap<String, String> {
    let mut facts = std::collections::BTreeMap::new();
    let mut put = |name: &str, value: String| facts.insert(name.to_owned(), value);
    put("os", std::env::consts::OS.to_owned());
    put("arch", std::env::consts::ARCH.to_owned());
    put("processors", processors().to_string());
    if let Ok(kernel) = std::fs::read_to_string("/proc/sys/kernel/osrelease") {
        put("kernel", kernel.trim().to_owned());
    }
    facts
}

/// How a run goes on: a bar on a terminal, a line for each case elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    total: AtomicUsize,
    done: AtomicUsize,
    running: Mutex<Running>,
}

impl Progress {
    fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}");
            ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Self {
            bar,
            total: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            running: Mutex::new(Running::default()),
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Observer for Progress {
    fn planned(&self, cases: usize) {
        self.total.store(cases, Ordering::Relaxed);
        match &self.bar {
            Some(bar) => bar.set_length(cases as u64),
            None => eprintln!("{cases} cases"),
        }
    }

    fn note(&self, text: &str) {
        self.say(text);
    }

    fn started(&self, case: &Case) {
        if let (Some(bar), Ok(mut running)) = (&self.bar, self.running.lock()) {
            running.started(case);
            bar.set_message(running.line());
        }
    }

    fn finished(&self, case: &Case) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let verdict = case.verdict.word();
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
            if let Ok(mut running) = self.running.lock() {
                running.finished(case);
                bar.set_message(running.line());
            }
            if case.verdict.needs_attention() {
                bar.println(format!("{verdict}: {}: {}", case.label(), case.reason));
            }
            return;
        }
        let total = self.total.load(Ordering::Relaxed);
        let seconds = case.duration_ms as f64 / 1000.0;
        let reason =
            if case.reason.is_empty() { String::new() } else { format!(": {}", case.reason) };
        eprintln!("[{done}/{total}] {verdict} {} {seconds:.1}s{reason}", case.label());
    }
}

/// The cases under way, each by its key: what it is called has the version of its peer, which is not known
/// at its start.
#[derive(Default)]
struct Running(Vec<(String, String)>);

impl Running {
    fn started(&mut self, case: &Case) {
        self.finished(case);
        self.0.push((case.key(), case.label()));
    }

    fn finished(&mut self, case: &Case) {
        let key = case.key();
        self.0.retain(|(running, _)| *running != key);
    }

    fn line(&self) -> String {
        self.0.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(" | ")
    }
}

#[cfg(test)]
mod tests {
    use ikeproof_reports::Verdict;
    use ikeproof_reports::model::Peer;

    use super::*;

    #[test]
    fn a_case_that_is_over_leaves_the_line_of_those_under_way() {
        let peer = Peer { name: "strongswan".to_owned(), ..Peer::default() };
        let blank = |id: &str| Case::new(id, peer.clone(), Verdict::Inconclusive);
        let mut running = Running::default();
        running.started(&blank("v2/a"));
        running.started(&blank("v2/b"));
        // Another attempt.
        running.started(&blank("v2/a"));
        assert_eq!(running.line(), "v2/b with strongswan | v2/a with strongswan");
        let mut over = blank("v2/b");
        over.peer.version = "5.9.8".to_owned();
        running.finished(&over);
        assert_eq!(running.line(), "v2/a with strongswan");
    }
}
