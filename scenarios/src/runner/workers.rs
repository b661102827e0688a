//! The workers of a run: each has a stage of its own, on which it runs one case at a time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use ikeproof_reports::verdict::Verdict;
use tokio::sync::watch;

use super::case::{self, Task};
use super::failure::Trouble;
use super::plan::{PeerChoice, Planned};
use super::run::{Observer, RunOptions, day};
use super::stage::Stage;
use super::verdict::{self, Judged};

/// What all workers share.
pub(super) struct Shared<'a> {
    pub(super) options: &'a RunOptions,
    pub(super) observer: &'a dyn Observer,
    pub(super) stop: watch::Receiver<bool>,
    pub(super) results: Mutex<Vec<Judged>>,
    pub(super) failed: watch::Sender<bool>,
    pub(super) lanes: Option<&'a dyn Lanes>,
    /// Stages that nobody needs any more and that are to stay if the run is not stopped.
    pub(super) kept: Mutex<Vec<Stage>>,
}

/// Where lanes come from.
pub(super) trait Lanes: Sync {
    /// Opens one more.
    fn open(&self) -> BoxFuture<'_, Result<Stage, Trouble>>;
    /// How many there can be at a time.
    fn room(&self) -> usize;
}

impl Shared<'_> {
    /// Runs all of the cases, which are with these peers.
    pub(super) async fn all(&self, peers: &[PeerChoice], cases: &[Planned<'_>]) {
        let jobs = self.options.jobs.max(1);
        let queue = |peer: &PeerChoice| Queue::new(*peer, cases);
        let (in_lanes, beside): (Vec<Queue<'_>>, Vec<_>) =
            peers.iter().map(queue).partition(|queue| queue.peer.needs_containers());
        let lengths: Vec<_> = in_lanes.iter().map(Queue::left).collect();
        let room = self.lanes.map_or(jobs, Lanes::room);
        if jobs.min(lengths.iter().sum()) > room {
            self.observer.note(&format!("there are addresses for {room} lanes, not for {jobs}"));
        }
        let mut begun = Vec::new();
        for (queue, lanes) in in_lanes.iter().zip(shares(jobs.min(room), &lengths)) {
            begun.extend(std::iter::repeat_n((queue, &in_lanes[..]), lanes));
        }
        // The embedded peer's cases mostly wait: beside the others, not after them.
        for queue in &beside {
            begun.extend(std::iter::repeat_n((queue, &[][..]), jobs.min(queue.left())));
        }
        begun.iter().for_each(|(queue, _)| queue.enter());
        let workers = begun.into_iter().map(|(own, others)| self.worker(own, others));
        futures_util::future::join_all(workers).await;
    }

    /// Works through the cases of a peer, and then helps with those of others: one peer takes several
    /// times as long as another.
    async fn worker<'q, 'c>(&self, own: &'q Queue<'c>, others: &'q [Queue<'c>]) {
        let mut next = Some(own);
        while let Some(queue) = next {
            match self.stage(queue.peer).await {
                Ok(stage) => self.serve(queue, stage).await,
                // Whoever else has a lane for these cases, or may still get one, goes on with them.
                Err(why) if queue.workers() > 1 => {
                    queue.leave();
                    return self.observer.note(&why);
                }
                Err(why) => self.not_run(queue, &why),
            }
            queue.leave();
            next = if self.is_over() { None } else { behind(others) };
            next.inspect(|queue| queue.enter());
        }
    }

    /// Says of every case that is left why nobody can run it.
    fn not_run(&self, queue: &Queue<'_>, why: &str) {
        while !self.is_over()
            && let Some(one) = queue.next()
        {
            self.keep(verdict::not_run(&one, self.options, why));
        }
    }

    async fn serve(&self, queue: &Queue<'_>, mut stage: Stage) {
        while !self.is_over()
            && let Some(one) = queue.next()
        {
            self.one(&mut stage, &one).await;
        }
        if self.options.keep {
            return self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(stage);
        }
        self.close(stage).await;
    }

    /// Leaves standing what is to stay, or takes it down as well.
    pub(super) async fn end(&self, keep: bool) {
        let kept = std::mem::take(&mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner));
        if keep {
            return kept.into_iter().for_each(Stage::keep);
        }
        futures_util::future::join_all(kept.into_iter().map(|stage| self.close(stage))).await;
    }

    async fn close(&self, stage: Stage) {
        if let Err(trouble) = stage.close().await {
            self.observer.note(&format!("something could not be removed: {trouble}"));
        }
    }

    /// Whether no further case is begun.
    fn is_over(&self) -> bool {
        *self.stop.borrow() || *self.failed.borrow()
    }

    async fn stage(&self, peer: PeerChoice) -> Result<Stage, String> {
        match self.lanes {
            Some(lanes) if peer.needs_containers() => {
                self.observer.note(&format!("opening a lane for {}", peer.name()));
                lanes.open().await.map_err(|trouble| format!("no lane: {trouble}"))
            }
            _ => Ok(Stage::memory()),
        }
    }

    async fn one(&self, stage: &mut Stage, one: &Planned<'_>) {
        let began = Instant::now();
        let mut attempts = Vec::new();
        for number in 1..=self.options.retries.saturating_add(1) {
            let since = Instant::now();
            let mut judged = self.attempt(stage, one, number).await;
            judged.case.duration_ms = milliseconds(since.elapsed());
            let held = !matches!(judged.case.verdict, Verdict::Fail | Verdict::Inconclusive);
            attempts.push(judged);
            if held || self.is_over() {
                break;
            }
        }
        let Some(mut judged) = verdict::together(attempts) else { return };
        judged.case.duration_ms = milliseconds(began.elapsed());
        if self.options.fail_fast && judged.case.verdict.fails_gate() {
            self.failed.send_replace(true);
        }
        self.keep(judged);
    }

    async fn attempt(&self, stage: &mut Stage, one: &Planned<'_>, number: u32) -> Judged {
        let mut blank = verdict::blank(one, self.options);
        blank.attempt = if number == 1 { 0 } else { number };
        let folder = self.options.folder.join(blank.attempt_dir());
        self.observer.started(&blank);
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
            return verdict::not_run(one, self.options, why);
        };
        if let Some(why) = &finished.must_discard {
            self.observer.note(&format!("{}: its peers are started anew: {why}", blank.label()));
        }
        if finished.must_discard.is_some() || verdict::is_infrastructure(&finished) {
            verdict::discard(stage, one).await;
        }
        let mut judged = verdict::judge(one, blank, finished, &folder);
        let today = day(self.options.facts.started);
        self.options.expected.apply(&mut judged.case, today);
        judged
    }

    fn keep(&self, judged: Judged) {
        self.observer.finished(&judged.case);
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push(judged);
    }
}

/// With how many of `lanes` each of several queues of these lengths begins. Each has one first, as far as
/// they go; the others go to where most cases wait for a lane. None has more lanes than cases.
fn shares(lanes: usize, lengths: &[usize]) -> Vec<usize> {
    let mut shares = vec![0; lengths.len()];
    for _ in 0..lanes {
        // Of equals the first.
        let waiting = (0..shares.len()).rev().filter(|at| shares[*at] < lengths[*at]);
        let needs = |at: &usize| (shares[*at] == 0, lengths[*at] / (shares[*at] + 1));
        if let Some(at) = waiting.max_by_key(needs) {
            shares[at] += 1;
        }
    }
    shares
}

/// The queue that needs one more worker most: one that nobody has begun with, or a long one.
fn behind<'q, 'a>(queues: &'q [Queue<'a>]) -> Option<&'q Queue<'a>> {
    let least = |queue: &Queue<'_>| if queue.workers() == 0 { 1 } else { WORTH_A_LANE };
    let waiting = queues.iter().filter(|queue| queue.left() >= least(queue));
    waiting.max_by_key(|queue| (queue.workers() == 0, queue.left()))
}

/// The cases of a peer that nobody has begun, and how many workers take from them.
struct Queue<'a> {
    peer: PeerChoice,
    cases: Mutex<VecDeque<Planned<'a>>>,
    workers: AtomicUsize,
}

impl<'a> Queue<'a> {
    fn new(peer: PeerChoice, cases: &[Planned<'a>]) -> Self {
        let cases = cases.iter().filter(|one| one.peer == peer).cloned().collect();
        Self { peer, cases: Mutex::new(cases), workers: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<Planned<'a>> {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn left(&self) -> usize {
        self.cases.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A worker comes, which has no stage yet.
    fn enter(&self) {
        self.workers.fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self) {
        self.workers.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many have a stage, or may still get one.
    fn workers(&self) -> usize {
        self.workers.load(Ordering::Relaxed)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// No case may hold up a lane for longer.
const CASE_LIMIT: Duration = Duration::from_secs(300);

/// Cases that are worth another lane, which takes a few seconds to open.
const WORTH_A_LANE: usize = 12;

#[cfg(test)]
mod tests {
    use ikeproof_reports::model::{Case, Run as RunFacts};
    use rstest::rstest;

    use super::super::plan::{Filter, plan};
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::expected::ExpectedFailures;

    /// Lanes without containers, of which those with these numbers, from 0, cannot be opened.
    struct Made {
        refused: fn(usize) -> bool,
        opened: AtomicUsize,
    }

    impl Lanes for Made {
        fn open(&self) -> BoxFuture<'_, Result<Stage, Trouble>> {
            Box::pin(async {
                match (self.refused)(self.opened.fetch_add(1, Ordering::Relaxed)) {
                    true => Err(Trouble::Infrastructure("no address".to_owned())),
                    false => Ok(Stage::memory()),
                }
            })
        }

        fn room(&self) -> usize {
            4
        }
    }

    /// What was noted, and how many cases have run at a time, now and at most.
    #[derive(Default)]
    struct Seen {
        notes: Mutex<Vec<String>>,
        running: Mutex<(usize, usize)>,
    }

    impl Observer for Seen {
        fn planned(&self, _: usize) {}
        fn note(&self, text: &str) {
            self.notes.lock().unwrap().push(text.to_owned());
        }
        fn started(&self, _: &Case) {
            let mut running = self.running.lock().unwrap();
            running.0 += 1;
            running.1 = running.0.max(running.1);
        }
        fn finished(&self, _: &Case) {
            let mut running = self.running.lock().unwrap();
            running.0 = running.0.saturating_sub(1);
        }
    }

    fn options(folder: &std::path::Path, jobs: usize) -> RunOptions {
        RunOptions {
            facts: RunFacts::started("r", jiff::Timestamp::UNIX_EPOCH, "0", 7),
            folder: folder.to_owned(),
            seed: 7,
            jobs,
            retries: 0,
            repeat: 1,
            fail_fast: false,
            keep: true,
            required: Vec::new(),
            rerun: Vec::new(),
            expected: ExpectedFailures::default(),
            catalogue: Vec::new(),
        }
    }

    /// What came of a run.
    struct Ran {
        verdicts: Vec<Verdict>,
        notes: Vec<String>,
        stages: usize,
        at_a_time: usize,
    }

    /// Runs so many repetitions of one case with each of these peers, in name, on stages in memory.
    async fn run(peers: &[(PeerChoice, u32)], jobs: usize, refused: fn(usize) -> bool) -> Ran {
        let catalogue = Catalogue::builtin().unwrap();
        let patterns = vec!["v2/connect [peer]".to_owned()];
        let filter = Filter { patterns, ..Filter::default() };
        let mut cases = Vec::new();
        for (peer, count) in peers {
            let planned = plan(&catalogue, &filter, &[*peer]);
            let again = |repetition| Planned { repetition, ..planned[0].clone() };
            cases.extend((1..=*count).map(again));
        }
        let folder = tempfile::tempdir().unwrap();
        let seen = Seen::default();
        let (_stop, stop) = watch::channel(false);
        let lanes = Made { refused, opened: AtomicUsize::new(0) };
        let shared = Shared {
            options: &options(folder.path(), jobs),
            observer: &seen,
            stop,
            results: Mutex::new(Vec::new()),
            failed: watch::channel(false).0,
            lanes: Some(&lanes),
            kept: Mutex::new(Vec::new()),
        };
        let peers: Vec<_> = peers.iter().map(|(peer, _)| *peer).collect();
        shared.all(&peers, &cases).await;
        // Whether they stay is not known before everybody is done.
        let stages = shared.kept.lock().unwrap().len();
        shared.end(false).await;
        assert!(shared.kept.lock().unwrap().is_empty());
        let results = shared.results.into_inner().unwrap();
        let verdicts = results.iter().map(|judged| judged.case.verdict).collect();
        let Seen { notes, running } = seen;
        let (notes, (_, at_a_time)) = (notes.into_inner().unwrap(), running.into_inner().unwrap());
        Ran { verdicts, notes, stages, at_a_time }
    }

    const ONE: PeerChoice = PeerChoice::StrongSwan;
    const OTHER: PeerChoice = PeerChoice::Libreswan;

    #[tokio::test]
    async fn a_lane_that_cannot_be_opened_costs_no_case() {
        let ran = run(&[(ONE, 4)], 3, |number| number != 1).await;
        assert_eq!((ran.verdicts, ran.stages), (vec![Verdict::Pass; 4], 1), "{:?}", ran.notes);
        let refused = ran.notes.iter().filter(|note| note.contains("no lane: no address"));
        assert_eq!(refused.count(), 2);
    }

    #[tokio::test]
    async fn without_any_lane_no_case_is_judged() {
        let ran = run(&[(ONE, 4), (OTHER, 1)], 3, |_| true).await;
        assert_eq!((ran.verdicts, ran.stages), (vec![Verdict::Inconclusive; 5], 0));
    }

    #[tokio::test]
    async fn there_are_no_more_lanes_than_there_is_room_for() {
        let ran = run(&[(ONE, 6)], 100, |_| false).await;
        assert_eq!((ran.verdicts, ran.stages), (vec![Verdict::Pass; 6], 4), "{:?}", ran.notes);
        let told = ran.notes.iter().any(|note| note.contains("for 4 lanes, not for 100"));
        assert!(told, "{:?}", ran.notes);
    }

    #[tokio::test]
    async fn one_lane_goes_from_peer_to_peer() {
        let ran = run(&[(ONE, 2), (OTHER, 1)], 1, |_| false).await;
        assert_eq!((ran.verdicts, ran.stages), (vec![Verdict::Pass; 3], 2), "{:?}", ran.notes);
        assert_eq!(ran.at_a_time, 1);
    }

    #[tokio::test]
    async fn every_lane_begins_where_there_is_a_case_for_it() {
        let ran = run(&[(ONE, 1), (OTHER, 5)], 4, |_| false).await;
        assert_eq!((ran.verdicts, ran.stages), (vec![Verdict::Pass; 6], 4), "{:?}", ran.notes);
    }

    #[rstest]
    #[case(8, &[500, 500], &[4, 4])]
    #[case(7, &[500, 500], &[4, 3])]
    #[case(8, &[1, 500], &[1, 7])]
    #[case(4, &[300, 100, 0], &[3, 1, 0])]
    #[case(2, &[100, 300, 200], &[0, 1, 1])]
    #[case(9, &[1, 2], &[1, 2])]
    #[case(3, &[], &[])]
    fn lanes_are_shared_by_cases(
        #[case] lanes: usize,
        #[case] lengths: &[usize],
        #[case] wanted: &[usize],
    ) {
        assert_eq!(shares(lanes, lengths), wanted);
    }
}
