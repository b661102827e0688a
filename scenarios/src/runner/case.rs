//! One case: set up, play, judge, clear up, and keep what was seen.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ikeproof_driver::capture::{Cidr, WatchConfig, WireReport};
use ikeproof_driver::inner::InnerConfig;
use ikeproof_driver::node::{Log, LogLimit, Node, NodeConfig};
use ikeproof_proto::crypto::{Hash, default_provider};
use ikeproof_proto::io::Command;
use ikeproof_proto::middlebox::RuleId;
use ikeproof_proto::time::Time;
use ikeproof_proto::transcript::Transcript;
use ikeproof_proto::wire::v2::TrafficSelector;
use ikeproof_vendors::peer::{About, DataPlane, Difference, Initiated, Peer, PeerConfig, Tuned};
use tokio::sync::{Mutex, mpsc};

use super::failure::Trouble;
use super::faults;
use super::plan::PeerChoice;
use super::seen;
use super::setup::{self, CONNECTION, Inner, Place};
use super::stage::{Stage, Tested, Watching};
use crate::scenario::{
    Action, Case, CheckName, Edge, Nat, Need, Nets, Peer as PeerSpec, Policies, Scenario, Step,
};

/// Octets of datagrams and packets that a case records for replay.
const RECORD: usize = 512 * 1024;
/// How long the edge's deletes may take at the end of a case.
const GOODBYE: Duration = Duration::from_secs(3);

/// A case while it runs.
pub(super) struct CaseRun<'a> {
    pub(super) case: &'a Case,
    pub(super) edge: &'a Edge,
    pub(super) parties: Vec<Party<'a>>,
    pub(super) node: Node,
    pub(super) seed: u64,
    pub(super) held: Mutex<Vec<RuleId>>,
    pub(super) advances: Mutex<Vec<(Time, Duration)>>,
}

/// A peer that takes part in a case.
pub(super) struct Party<'a> {
    pub(super) spec: &'a PeerSpec,
    pub(super) at: usize,
    pub(super) place: Place,
    pub(super) peer: &'a dyn Peer,
    pub(super) config: PeerConfig,
    pub(super) watching: Option<Watching>,
    /// Tells the task that initiates to do so, for which network, and for how long at most.
    begin: mpsc::UnboundedSender<(u32, Duration)>,
    dead: AtomicBool,
}

impl Party<'_> {
    /// What was seen outside, in its network, so far.
    pub(super) fn wire_report(&self) -> WireReport {
        self.watching.as_ref().map(Watching::report).unwrap_or_default()
    }

    /// Lets the peer initiate. What comes of it is for the checks to see.
    pub(super) fn begin(&self, net: u32, within: Duration) {
        // Whoever listens is there as long as the case is.
        let _ = self.begin.send((net, within));
    }

    /// The inner host of a network behind the peer.
    pub(super) fn inner(&self, net: u32) -> Result<Inner, Trouble> {
        Inner::parse(self.spec.inner.get_ref())?.nth(net)
    }

    /// All of these networks behind the peer.
    pub(super) fn selectors(&self, nets: Nets) -> Result<Vec<TrafficSelector>, Trouble> {
        nets.numbers().map(|net| Ok(self.inner(net)?.selector())).collect()
    }

    /// The peer was killed.
    pub(super) fn died(&self) {
        self.dead.store(true, Ordering::Relaxed);
    }

    /// Whether it was killed.
    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }
}

impl<'a> CaseRun<'a> {
    /// The peer of a name, or all of them.
    pub(super) fn parties(&self, named: Option<&str>) -> Result<Vec<&Party<'a>>, Trouble> {
        let fits = |party: &&Party<'_>| named.is_none_or(|name| party.spec.name.get_ref() == name);
        let found: Vec<_> = self.parties.iter().filter(fits).collect();
        if found.is_empty() {
            return Err(Trouble::Setup(format!("there is no peer {named:?}")));
        }
        Ok(found)
    }
}

/// What is left of a case when it is over.
#[derive(Debug)]
pub(super) struct Finished {
    /// How it ended; `Ok` if every check held.
    pub(super) result: Result<(), Trouble>,
    /// The tested peer.
    pub(super) about: Option<About>,
    /// What the driver set beside the configuration.
    pub(super) tuned: Vec<Tuned>,
    /// All that the edge saw.
    pub(super) log: Log,
    /// The recording.
    pub(super) transcript: Option<Transcript>,
    /// The peer's own log.
    pub(super) peer_log: String,
    /// The peer's configuration: (file or message, text).
    pub(super) rendered: Vec<(String, String)>,
    /// By how much the clock was moved, and when.
    pub(super) advances: Vec<(Time, Duration)>,
    /// What differed from the pristine state after the case.
    pub(super) left_over: Vec<String>,
    /// Why a peer may not be as it was before the case, so that no other case may be run with it.
    pub(super) must_discard: Option<String>,
}

impl Finished {
    fn early(trouble: Trouble) -> Self {
        Self {
            result: Err(trouble),
            about: None,
            tuned: Vec::new(),
            log: Log::default(),
            transcript: None,
            peer_log: String::new(),
            rendered: Vec::new(),
            advances: Vec::new(),
            left_over: Vec::new(),
            must_discard: None,
        }
    }

    /// A peer could not be reset. That is no failure of a case that failed by itself, as controls do, but
    /// the next case must not be blamed for it.
    fn not_reset(&mut self, why: String) {
        if self.result.is_ok() {
            self.result = Err(Trouble::Infrastructure(why.clone()));
        }
        self.must_discard = Some(why);
    }
}

/// What a case is run with.
#[derive(Clone, Debug)]
pub(super) struct Task<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) case: &'a Case,
    pub(super) peer: PeerChoice,
    pub(super) tested: Tested,
    pub(super) seed: u64,
    /// The case's folder, made already.
    pub(super) folder: PathBuf,
}

/// Runs one case on a stage and leaves the stage as it was.
pub(super) async fn play(stage: &mut Stage, task: &Task<'_>) -> Finished {
    match prepare(stage, task).await {
        Ok(prepared) => run(stage, task, prepared).await,
        Err(trouble) => {
            // Who could not do something, and in which version, is told all the same.
            let first = task.case.peers.first();
            let peer =
                first.and_then(|spec| stage.started(task.tested, setup::behind_router(spec), 0));
            let about = peer.map(|peer| peer.about().clone());
            Finished { about, ..Finished::early(trouble) }
        }
    }
}

/// Peers that are started and places that are known, before anything is configured.
struct Prepared {
    places: Vec<Place>,
}

async fn prepare(stage: &mut Stage, task: &Task<'_>) -> Result<Prepared, Trouble> {
    let case = task.case;
    let mut places = Vec::new();
    for (seat, peer) in (0_u8..).zip(&case.peers) {
        let inside = setup::behind_router(peer);
        let digest = Hash::Sha256.digest(&[&task.seed.to_be_bytes(), b"embedded", &[seat]]);
        let seed = digest.try_into().unwrap_or([0; 32]);
        let started = stage.peer(task.tested, inside, seat, seed).await?;
        can(started.about(), needs(task), peer)?;
        places.push(stage.place(task.tested, inside, seat)?);
    }
    stage.forget_mappings().await?;
    Ok(Prepared { places })
}

fn needs<'a>(task: &'a Task<'_>) -> impl Iterator<Item = Need> + 'a {
    let control = task.case.control.as_ref().map_or(&[][..], |control| &control.needs);
    task.scenario.needs.iter().chain(control).copied()
}

/// Whether the peer can do what is needed. For what a need says of the configuration the driver answers
/// when it is given that: it refuses, in words, what it cannot write down.
fn can(about: &About, needs: impl Iterator<Item = Need>, peer: &PeerSpec) -> Result<(), Trouble> {
    let data_plane = about.data_plane;
    for need in needs {
        if let Need::Capability(capability) = need
            && !about.capabilities.contains(&capability)
        {
            let why = format!("{} ({data_plane}) cannot do {need}", about.name);
            return Err(Trouble::Unsupported(why));
        }
    }
    if peer.policies == Policies::Removed && data_plane == DataPlane::Userspace {
        let why = "policies of the user-space data plane cannot be removed".to_owned();
        return Err(Trouble::Unsupported(why));
    }
    Ok(())
}

async fn run(stage: &Stage, task: &Task<'_>, prepared: Prepared) -> Finished {
    let case = task.case;
    let Some(edge) = case.edges.first() else {
        return Finished::early(Trouble::Setup("no edge".to_owned()));
    };
    let mut finished = Finished::early(Trouble::Setup("not run".to_owned()));
    let begun = begin(stage, task, edge, &prepared, &mut finished).await;
    let parties = match begun {
        Ok(parties) => parties,
        Err(trouble) => {
            finished.result = Err(trouble);
            tidy(stage, task, &mut finished).await;
            return finished;
        }
    };
    let node = match edge_node(stage, task, edge, &prepared.places).await {
        Ok(node) => node,
        Err(trouble) => {
            finished.result = Err(trouble);
            drop(parties);
            tidy(stage, task, &mut finished).await;
            return finished;
        }
    };
    let (parties, begins): (Vec<_>, Vec<_>) = parties.into_iter().unzip();
    let run = CaseRun {
        case,
        edge,
        parties,
        node,
        seed: task.seed,
        held: Mutex::new(Vec::new()),
        advances: Mutex::new(Vec::new()),
    };
    let initiations = begins.into_iter().zip(&run.parties).map(|(mut begin, party)| async move {
        while let Some((net, within)) = begin.recv().await {
            match party.peer.initiate(CONNECTION, &setup::child_name(net), within).await {
                Ok(Initiated::Up) => {}
                Ok(other) => tracing::debug!(?other, "the peer's initiation"),
                Err(error) => tracing::debug!(%error, "the peer's initiation"),
            }
        }
    });
    let initiations = futures_util::future::join_all(initiations);
    tokio::select! {
        result = run.play(&case.steps) => finished.result = result,
        _ = initiations => {
            finished.result = Err(Trouble::Infrastructure("nobody initiates any more".to_owned()));
        }
    }
    end(run, task, &mut finished).await;
    tidy(stage, task, &mut finished).await;
    finished
}

type Begin = mpsc::UnboundedReceiver<(u32, Duration)>;

/// Configures the peers and starts to watch their wires.
async fn begin<'a>(
    stage: &'a Stage,
    task: &Task<'a>,
    edge: &'a Edge,
    prepared: &Prepared,
    finished: &mut Finished,
) -> Result<Vec<(Party<'a>, Begin)>, Trouble> {
    let lossy = task.case.network.loss > 0.0;
    let mut parties = Vec::new();
    for (at, (spec, place)) in task.case.peers.iter().zip(&prepared.places).enumerate() {
        let seat = u8::try_from(at).unwrap_or(u8::MAX);
        let inside = setup::behind_router(spec);
        let peer = stage
            .started(task.tested, inside, seat)
            .ok_or_else(|| Trouble::Infrastructure("the peer is gone".to_owned()))?;
        finished.about.get_or_insert_with(|| peer.about().clone());
        let config = setup::peer_config(edge, spec, *place, task.seed, lossy)?;
        let configured = peer.configure(&config).await?;
        finished.tuned.extend(configured.tuned);
        finished.rendered.extend(configured.rendered);
        let name =
            if at == 0 { "capture.pcapng".into() } else { format!("capture-{}.pcapng", at + 1) };
        let watch = watch_config(edge, spec)?;
        // In memory all wires are one.
        let watching = if at == 0 || peer.wire().is_some() {
            Some(stage.watch(peer, watch, &task.folder.join(name)).await?)
        } else {
            None
        };
        let (begin, begun) = mpsc::unbounded_channel();
        let dead = AtomicBool::new(false);
        parties
            .push((Party { spec, at, place: *place, peer, config, watching, begin, dead }, begun));
    }
    Ok(parties)
}

fn watch_config(edge: &Edge, peer: &PeerSpec) -> Result<WatchConfig, Trouble> {
    let cidr = |inner: Inner| {
        Cidr::new(inner.host, inner.prefix).map_err(|error| Trouble::Setup(error.to_string()))
    };
    let mut inner = vec![cidr(Inner::parse(edge.inner.get_ref())?)?];
    for net in 1..=*peer.nets.get_ref() {
        inner.push(cidr(Inner::parse(peer.inner.get_ref())?.nth(net)?)?);
    }
    Ok(WatchConfig { inner, ..WatchConfig::default() })
}

async fn edge_node(
    stage: &Stage,
    task: &Task<'_>,
    edge: &Edge,
    places: &[Place],
) -> Result<Node, Trouble> {
    let case = task.case;
    let endpoint = setup::endpoint(edge, &case.peers, places, task.seed)?;
    let forward = setup::forward(&endpoint.profile);
    let mut middlebox = setup::middlebox(case, task.seed);
    if let Some(peer) = case.peers.first()
        && peer.nat == Nat::Middlebox
        && let Some(place) = places.first()
    {
        middlebox.nat = Some(setup::middlebox_nat(*place));
    }
    let inner = Inner::parse(edge.inner.get_ref())?;
    let cidr = Cidr::new(inner.host, inner.prefix).map_err(|e| Trouble::Setup(e.to_string()))?;
    let identity = format!("{} {}", task.scenario.id, case.name());
    let digest = Hash::Sha256.digest(&[&task.seed.to_be_bytes(), b"edge", identity.as_bytes()]);
    let config = NodeConfig {
        title: identity,
        peer: task.peer.with_plane(task.tested),
        endpoint,
        forward,
        seed: digest.try_into().unwrap_or([0; 32]),
        provider: default_provider(),
        middlebox,
        nat_port: 4500,
        inner: InnerConfig::new(vec![cidr]),
        record: RECORD,
    };
    // All datagrams, however few of them are recorded: the auditor and the checks read them.
    let limit = LogLimit { datagrams: true, ..LogLimit::default() };
    Ok(Node::start_limited(config, stage.edge_wire().await?, limit))
}

/// Says goodbye, stops the edge and the captures, and takes down what was seen.
async fn end(run: CaseRun<'_>, task: &Task<'_>, finished: &mut Finished) {
    run.node.command(Command::Shutdown);
    run.node.wait(GOODBYE, |log| (seen::open_sas(log) == 0).then_some(())).await;
    let CaseRun { parties, node, advances, .. } = run;
    finished.advances = advances.into_inner();
    for party in parties {
        if let Some(watching) = party.watching {
            match watching.stop().await {
                Ok(report) => late_leak(task, &report, finished),
                Err(trouble) if finished.result.is_ok() => finished.result = Err(trouble),
                Err(_) => {}
            }
        }
        if finished.peer_log.is_empty() {
            finished.peer_log = party.peer.log().await.unwrap_or_else(|error| error.to_string());
        }
    }
    let (transcript, log) = node.stop().await;
    // A control fails as it is meant to, or for want of what it is about.
    let by_check = matches!(finished.result, Err(Trouble::Check { .. }));
    if (finished.result.is_ok() || (by_check && task.case.control.is_some()))
        && let Some(fault) = faults::unmet(task.case, &log)
    {
        finished.result = Err(Trouble::Setup(format!("the fault {fault} changed no message")));
    }
    finished.transcript = transcript;
    finished.log = log;
}

/// What leaked after the last look at the wire counts as well, where anything was looked for.
fn late_leak(task: &Task<'_>, report: &WireReport, finished: &mut Finished) {
    let looked_for = Step::all(&task.case.steps)
        .into_iter()
        .any(|action| matches!(action, Action::Traffic(traffic) if traffic.no_clear));
    if looked_for && finished.result.is_ok() && report.in_clear_count > 0 {
        let why = format!("{} packets in clear by the end", report.in_clear_count);
        finished.result = Err(Trouble::check(CheckName::NoClear, why));
    }
}

/// Brings the peers back to the state before the case, and notes what that took.
async fn tidy(stage: &Stage, task: &Task<'_>, finished: &mut Finished) {
    for (seat, spec) in (0_u8..).zip(&task.case.peers) {
        let inside = setup::behind_router(spec);
        let Some(peer) = stage.started(task.tested, inside, seat) else { continue };
        match peer.reset().await {
            Ok(reset) => {
                let steps = Step::all(&task.case.steps);
                let is_killed = steps.iter().any(|action| matches!(action, Action::Kill(_)));
                // Those that were removed are missing.
                if !is_killed && spec.policies == Policies::Installed {
                    // A kernel that has asked for an SA in vain waits for it for a while: no SA is left.
                    let asked = |left: &&Difference| !left.line.contains("spi 0x00000000");
                    let lines = reset.left_over.iter().filter(asked);
                    finished
                        .left_over
                        .extend(lines.map(|left| format!("{}: {}", left.section, left.line)));
                }
            }
            Err(error) => finished.not_reset(format!("reset: {error}")),
        }
    }
}

/// Keeps a peer's configuration readable: one file for each part.
pub(super) fn rendered_files(rendered: &[(String, String)]) -> Vec<(String, &str)> {
    let name = |at: usize, name: &str| {
        let safe = |c: char| if c.is_alphanumeric() || c == '.' || c == '-' { c } else { '-' };
        format!("{:02}-{}", at + 1, name.chars().map(safe).collect::<String>())
    };
    rendered.iter().enumerate().map(|(at, (of, text))| (name(at, of), text.as_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_cannot_be_reset_has_to_go_however_the_case_ended() {
        let failed = Trouble::check(CheckName::Ping, "no answer");
        let mut control = Finished::early(failed);
        control.not_reset("reset: broken".to_owned());
        assert!(matches!(&control.result, Err(Trouble::Check { .. })), "{:?}", control.result);
        assert_eq!(control.must_discard.as_deref(), Some("reset: broken"));

        let mut held = Finished { result: Ok(()), ..control };
        held.not_reset("reset: broken".to_owned());
        assert!(matches!(&held.result, Err(Trouble::Infrastructure(_))), "{:?}", held.result);
    }
}
