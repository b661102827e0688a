//! The workers of a run: each has a stage of its own, on which it runs one case at a time.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ikeproof_reports::verdict::Verdict;
use tokio::sync::watch;

use super::case::{self, Task};
use super::plan::{PeerChoice, Planned};
use super::run::{Containers, Observer, RunOptions, day};
use super::stage::Stage;
use super::verdict::{self, Judged};

/// What all workers share.
pub(super) struct Shared<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) results: Mutex<Vec<Judged>>,
    pub(super) failed: watch::Sender<bool>,
    pub(super) containers: Option<&'a Containers>,
}

impl Shared<'_> {
    /// Runs all of the cases, which are with these peers.
    pub(super) async fn all(&self, peers: &[PeerChoice], cases: &[Planned<'_>]) {
        let lanes = peers.iter().filter(|peer| peer.needs_containers()).count().max(1);
        let queue = |peer: &PeerChoice| Queue {
            peer: *peer,
            cases: Mutex::new(cases.iter().filter(|one| one.peer == *peer).cloned().collect()),
        };
        let queues: Vec<Queue<'_>> =
            peers.iter().map(queue).filter(|queue| queue.left() > 0).collect();
        let mut workers = Vec::new();
        for queue in &queues {
            // The embedded peer's cases mostly wait: beside the others, not after them.
            let lanes = if queue.peer.needs_containers() { lanes } else { 1 };
            let count = (self.options.jobs / lanes).clamp(1, queue.left());
            for _ in 0..count {
                workers.push(self.worker(queue, &queues));
            }
        }
        futures_util::future::join_all(workers).await;
    }

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

/// No case may hold up a lane for longer.
const CASE_LIMIT: Duration = Duration::from_secs(300);

/// Cases that are worth another lane, which takes a few seconds to open.
const WORTH_A_LANE: usize = 12;
