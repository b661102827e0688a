//! A whole run: peers and lanes, cases in parallel, verdicts, and the report.
//!
//! Each peer has workers, and each worker a stage of its own on which it runs one case at a time. A run
//! that is interrupted leaves a report of what was done, and no containers.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ikeproof_reports::model::{Report, Run as RunFacts, SkippedPeer};
use ikeproof_reports::timeline::CaseTimeline;
use ikeproof_reports::verdict::Verdict;
use ikeproof_reports::{Subject, exit_status, write_run};
use ikeproof_vendors::run::{Run, keep, sweep};
use ikeproof_vendors::{Docker, docker, images};
use tokio::sync::watch;

use super::case::{self, Task};
use super::plan::{PeerChoice, Planned};
use super::stage::{Image, Stage, Tested};
use super::verdict::{self, Judged};
use crate::expected::ExpectedFailures;

/// What a run is made of, besides its cases.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The facts of the run as far as they are known at its start.
    pub facts: RunFacts,
    /// The run's folder, made already.
    pub folder: PathBuf,
    /// What everything random follows from.
    pub seed: u64,
    /// How many cases run at a time.
    pub jobs: usize,
    /// How often a case that failed is tried again.
    pub retries: u32,
    /// How often every case is run.
    pub repeat: u32,
    /// Whether the first failure ends the run.
    pub fail_fast: bool,
    /// Whether containers and networks stay when the run has ended.
    pub keep: bool,
    /// The peers that must not be missing.
    pub required: Vec<PeerChoice>,
    /// The words of the command line for one case again, up to what names the case.
    pub rerun: Vec<String>,
    /// What is known to fail.
    pub expected: ExpectedFailures,
    /// What the run is to say the coverage of; see
    /// [`Catalogue::subjects`](crate::catalogue::Catalogue::subjects).
    pub catalogue: Vec<Subject>,
}

/// Is told how a run goes on. Every call comes from some task of the run.
pub trait Observer: Send + Sync {
    /// So many cases will be run.
    fn planned(&self, cases: usize);
    /// Something takes its time: an image, a lane.
    fn note(&self, text: &str);
    /// A case has begun.
    fn started(&self, label: &str);
    /// A case is over.
    fn finished(&self, case: &ikeproof_reports::model::Case);
}

/// What came of a run.
#[derive(Debug)]
pub struct RunOutcome {
    /// The report, written already.
    pub report: Report,
    /// What could not be written, or was left out.
    pub warnings: Vec<String>,
}

/// Runs cases. `stop` ends the run early when it turns true.
///
/// # Errors
/// If the report cannot be written: which file, why, and what helps.
pub async fn run(
    planned: Vec<Planned<'_>>,
    options: RunOptions,
    observer: &dyn Observer,
    stop: watch::Receiver<bool>,
) -> Result<RunOutcome, String> {
    let mut facts = options.facts.clone();
    let wanted: Vec<PeerChoice> = PeerChoice::ALL
        .into_iter()
        .filter(|peer| planned.iter().any(|one| one.peer == *peer))
        .collect();
    let containers = match wanted.iter().any(|peer| peer.needs_containers()) {
        true => Some(prepared(&planned, observer, &stop).await),
        false => None,
    };
    let mut skipped = unplanned(&options.required, &wanted);
    if let Some(Err(trouble)) = &containers {
        for peer in wanted.iter().filter(|peer| peer.needs_containers()) {
            skipped.push(SkippedPeer {
                name: peer.name().to_owned(),
                why: trouble.why.clone(),
                fix: trouble.fix.clone(),
                required: options.required.contains(peer),
            });
        }
    }
    let containers = containers.and_then(Result::ok);
    let runnable: Vec<Planned<'_>> = planned
        .into_iter()
        .filter(|one| !one.peer.needs_containers() || containers.is_some())
        .flat_map(|one| {
            let nth = |number| if number == 1 { 0 } else { number };
            (1..=options.repeat.max(1))
                .map(move |number| Planned { repetition: nth(number), ..one.clone() })
        })
        .collect();
    observer.planned(runnable.len());

    let shared = Shared {
        options: &options,
        observer,
        stop,
        results: Mutex::new(Vec::new()),
        failed: watch::channel(false).0,
        containers: containers.as_ref(),
    };
    let lanes = wanted.iter().filter(|peer| peer.needs_containers()).count().max(1);
    let queue = |peer: &PeerChoice| Queue {
        peer: *peer,
        cases: Mutex::new(runnable.iter().filter(|one| one.peer == *peer).cloned().collect()),
    };
    let queues: Vec<Queue<'_>> =
        wanted.iter().map(queue).filter(|queue| queue.left() > 0).collect();
    let mut workers = Vec::new();
    for queue in &queues {
        // The embedded peer's cases mostly wait: beside the others, not after them.
        let lanes = if queue.peer.needs_containers() { lanes } else { 1 };
        let count = (options.jobs / lanes).clamp(1, queue.left());
        for _ in 0..count {
            workers.push(shared.worker(queue, &queues));
        }
    }
    futures_util::future::join_all(workers).await;

    if options.keep && !*shared.stop.borrow() {
        tell_kept(containers.as_ref(), observer).await;
    }
    let stopped = *shared.stop.borrow() || *shared.failed.borrow();
    let mut results = shared.results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|judged| judged.number);
    facts.finished = Some(jiff::Timestamp::now());
    facts.complete = !stopped && results.len() == runnable.len();
    facts.skipped_peers = skipped;
    let timelines: Vec<CaseTimeline> =
        results.iter().map(|judged| judged.timeline.clone()).collect();
    let cases: Vec<_> = results.into_iter().map(|judged| judged.case).collect();
    let peers: Vec<_> = wanted.iter().map(|peer| peer.name()).collect();
    let today = day(options.facts.started);
    facts.gate_findings.extend(options.expected.findings(&peers, &cases, today));
    let mut report = Report::new(facts, cases);
    report.run.exit_status = exit_status(&report);
    let written = write_run(&options.folder, &report, &timelines, &options.catalogue)
        .map_err(|error| error.to_string())?;
    Ok(RunOutcome { report, warnings: written.warnings })
}

/// The peers that must not be missing and have no case.
fn unplanned(required: &[PeerChoice], wanted: &[PeerChoice]) -> Vec<SkippedPeer> {
    let missing = required.iter().filter(|peer| !wanted.contains(peer));
    missing
        .map(|peer| SkippedPeer {
            name: peer.name().to_owned(),
            why: "no case of this run is with it".to_owned(),
            fix: "run more of the cases, or do not require it".to_owned(),
            required: true,
        })
        .collect()
}

/// What containers need, unless the run is ended before it is there: images can take minutes.
async fn prepared(
    planned: &[Planned<'_>],
    observer: &dyn Observer,
    stop: &watch::Receiver<bool>,
) -> Result<Containers, NoContainers> {
    let mut stop = stop.clone();
    tokio::select! {
        prepared = Containers::prepare(planned, observer) => prepared,
        Ok(_) = stop.wait_for(|stop| *stop) => Err(NoContainers {
            why: "interrupted".to_owned(),
            fix: "run it again".to_owned(),
        }),
    }
}

/// Says what was kept, how to enter it and how to remove it.
async fn tell_kept(containers: Option<&Containers>, observer: &dyn Observer) {
    let Some(Containers { docker, run }) = containers else {
        return observer.note("--keep: no containers took part");
    };
    match keep(docker, run).await {
        Ok(kept) => {
            observer.note("kept, each to be entered with `docker exec -it NAME sh`:");
            for (name, image) in &kept.containers {
                observer.note(&format!("  {name}  {image}"));
            }
            observer.note(&format!("to remove all of it: {}", kept.removal));
        }
        Err(error) => observer.note(&format!(
            "--keep: the run could not be marked, and the next one will remove it: {error}"
        )),
    }
}

/// Docker, its images, and the run's mark on what it makes.
struct Containers {
    docker: Docker,
    run: Arc<Run>,
}

/// Why there are no containers.
struct NoContainers {
    why: String,
    fix: String,
}

impl Containers {
    async fn prepare(
        planned: &[Planned<'_>],
        observer: &dyn Observer,
    ) -> Result<Self, NoContainers> {
        let docker = docker::connect().await.map_err(|error| NoContainers {
            why: error.to_string(),
            fix: "start Docker Engine, or set DOCKER_HOST; `ikeproof doctor` says more".to_owned(),
        })?;
        if let Err(error) = sweep(&docker).await {
            observer.note(&format!("leftovers of an earlier run could not be removed: {error}"));
        }
        let mut wanted = vec![images::Image::Edge, images::Image::Router];
        for one in planned {
            if let Tested::Container(image, _) = one.tested
                && !wanted.contains(&image_of(image))
            {
                wanted.push(image_of(image));
            }
        }
        let tell = |event: images::Event<'_>| observer.note(&event.to_string());
        images::ensure(&docker, &wanted, &tell).await.map_err(|error| NoContainers {
            why: error.to_string(),
            fix: "`ikeproof images build` shows what goes wrong".to_owned(),
        })?;
        let run = Run::begin().map_err(|error| NoContainers {
            why: error.to_string(),
            fix: "make the folder for temporary files writable".to_owned(),
        })?;
        Ok(Self { docker, run: Arc::new(run) })
    }
}

fn image_of(image: Image) -> images::Image {
    image.vendor().image()
}

/// What all workers share.
struct Shared<'a> {
    options: &'a RunOptions,
    observer: &'a dyn Observer,
    stop: watch::Receiver<bool>,
    results: Mutex<Vec<Judged>>,
    failed: watch::Sender<bool>,
    containers: Option<&'a Containers>,
}

/// The cases of a peer that nobody has begun.
struct Queue<'a> {
    peer: PeerChoice,
    cases: Mutex<VecDeque<Planned<'a>>>,
}

impl<'a> Queue<'a> {
    fn next(&self) -> Option<Planned<'a>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn left(&self) -> usize {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Shared<'_> {
    /// Works through the cases of a peer, and where it has containers helps with another's then: one
    /// peer takes several times as long as the other.
    async fn worker(&self, own: &Queue<'_>, queues: &[Queue<'_>]) {
        match self.stage(own.peer).await {
            Ok(stage) => self.serve(own, stage).await,
            Err(why) => {
                while let Some(one) = own.next() {
                    self.keep(verdict::not_run(&one, self.options, &why));
                }
            }
        }
        let behind = || {
            let others = queues.iter().filter(|queue| queue.peer.needs_containers());
            others.filter(|queue| queue.left() >= WORTH_A_LANE).max_by_key(|queue| queue.left())
        };
        while let Some(queue) = behind()
            && own.peer.needs_containers()
            && !self.is_over()
        {
            match self.stage(queue.peer).await {
                Ok(stage) => self.serve(queue, stage).await,
                // Whoever opened the first lane for it goes on.
                Err(why) => return self.observer.note(&why),
            }
        }
    }

    async fn serve(&self, queue: &Queue<'_>, mut stage: Stage) {
        while !self.is_over()
            && let Some(one) = queue.next()
        {
            self.one(&mut stage, &one).await;
        }
        if self.options.keep && !*self.stop.borrow() {
            stage.keep();
        } else if let Err(trouble) = stage.close().await {
            self.observer
                .note(&format!("something was left behind, which the next run removes: {trouble}"));
        }
    }

    /// Whether no further case is begun.
    fn is_over(&self) -> bool {
        *self.stop.borrow() || *self.failed.borrow()
    }

    async fn stage(&self, peer: PeerChoice) -> Result<Stage, String> {
        match self.containers {
            Some(containers) if peer.needs_containers() => {
                self.observer.note(&format!("opening a lane for {}", peer.name()));
                Stage::lane(&containers.docker, &containers.run)
                    .await
                    .map_err(|trouble| format!("no lane: {trouble}"))
            }
            _ => Ok(Stage::memory()),
        }
    }

    async fn one(&self, stage: &mut Stage, one: &Planned<'_>) {
        let began = Instant::now();
        let mut judged = self.attempt(stage, one).await;
        for _ in 0..self.options.retries {
            if !matches!(judged.case.verdict, Verdict::Fail | Verdict::Inconclusive) {
                break;
            }
            let again = self.attempt(stage, one).await;
            judged = verdict::retried(judged, again);
        }
        judged.case.duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.options.fail_fast && judged.case.verdict.fails_gate() {
            self.failed.send_replace(true);
        }
        self.keep(judged);
    }

    async fn attempt(&self, stage: &mut Stage, one: &Planned<'_>) -> Judged {
        let mut blank = verdict::blank(one, self.options);
        let folder = self.options.folder.join(blank.dir());
        self.observer.started(&blank.label());
        if let Err(error) = std::fs::create_dir_all(&folder) {
            let why = format!("cannot make the folder {}: {error}", folder.display());
            return verdict::not_run(one, self.options, &why);
        }
        let task = Task {
            scenario: one.scenario,
            case: one.case,
            peer: one.peer,
            tested: one.tested,
            seed: self.options.seed,
            folder: folder.clone(),
        };
        let mut stop = self.stop.clone();
        let played = tokio::select! {
            finished = tokio::time::timeout(CASE_LIMIT, case::play(stage, &task)) => finished.ok(),
            _ = stop.wait_for(|stop| *stop) => None,
        };
        let Some(finished) = played else {
            let why = if *self.stop.borrow() {
                "interrupted"
            } else {
                "it took longer than five minutes"
            };
            // Whatever it was doing, its peers are in an unknown state.
            verdict::discard(stage, one).await;
            blank.reason = why.to_owned();
            return verdict::not_run(one, self.options, why);
        };
        if verdict::is_infrastructure(&finished) {
            verdict::discard(stage, one).await;
        }
        let mut judged = verdict::judge(one, self.options, finished, &folder);
        let today = day(self.options.facts.started);
        self.options.expected.apply(&mut judged.case, today);
        judged
    }

    fn keep(&self, judged: Judged) {
        self.observer.finished(&judged.case);
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(judged);
    }
}

/// The day on which a run began, in UTC: what was good then is good for all of the run.
fn day(began: jiff::Timestamp) -> jiff::civil::Date {
    began.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// No case may hold up a lane for longer.
const CASE_LIMIT: Duration = Duration::from_secs(300);

/// Cases that are worth another lane, which takes a few seconds to open.
const WORTH_A_LANE: usize = 12;
