//! A whole run: peers and lanes, cases in parallel, verdicts, and the report.
//!
//! Each peer has workers, and each worker a stage of its own on which it runs one case at a time. A run
//! that is interrupted leaves a report of what was done, and no containers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use ikeproof_reports::model::{Case, Report, Run as RunFacts, SkippedPeer};
use ikeproof_reports::timeline::CaseTimeline;
use ikeproof_reports::{Subject, exit_status, write_run};
use ikeproof_vendors::run::{Run, clear, keep, sweep};
use ikeproof_vendors::{Docker, docker, images};
use tokio::sync::watch;

use super::failure::Trouble;
use super::plan::{PeerChoice, Planned};
use super::stage::{Image, Stage, Tested};
use super::workers::{Lanes, Shared};
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
    /// How many lanes there are at a time, and how many cases of the embedded peer run beside them.
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
    /// A case has begun, of whose peer no more than the name is known yet; again for each attempt.
    fn started(&self, case: &Case);
    /// A case is over.
    fn finished(&self, case: &Case);
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
        lanes: containers.as_ref().map(|containers| containers as &dyn Lanes),
        kept: Mutex::new(Vec::new()),
    };
    shared.all(&wanted, &runnable).await;

    let stays = options.keep && !*shared.stop.borrow();
    shared.end(stays).await;
    if stays {
        tell_kept(containers.as_ref(), observer).await;
    } else if let Some(Containers { docker, run }) = &containers
        && let Err(error) = clear(docker, run).await
    {
        observer.note(&format!("something was left behind, which the next run removes: {error}"));
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

impl Lanes for Containers {
    fn open(&self) -> BoxFuture<'_, Result<Stage, Trouble>> {
        Stage::lane(&self.docker, &self.run).boxed()
    }

    fn room(&self) -> usize {
        Stage::room()
    }
}

fn image_of(image: Image) -> images::Image {
    image.vendor().image()
}

/// The day on which a run began, in UTC: what was good then is good for all of the run.
pub(super) fn day(began: jiff::Timestamp) -> jiff::civil::Date {
    began.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}
