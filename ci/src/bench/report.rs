//! What was measured, for people and as JSON, and whether it holds.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

use super::rounds::Comparison;
use crate::exit::Stop;

/// What is aimed at.
pub const GOAL: f64 = 0.85;
/// What has to hold.
pub const GATE: f64 = 0.80;
/// The halves of a run may differ by so much of the ratio.
const NOISE: f64 = 0.10;

/// One comparison.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What was done: `seal` or `open`.
    pub what: &'static str,
    /// The suite.
    pub suite: String,
    /// Octets of the inner packet.
    pub inner: usize,
    /// Who computed.
    pub provider: &'static str,
    /// Rounds.
    pub rounds: u32,
    /// Whether there is a gate for it.
    pub gated: bool,
    /// The figures.
    pub figures: Comparison,
}

/// What a comparison means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The goal is reached.
    Passed,
    /// The gate holds; the goal is not reached.
    BelowGoal,
    /// The gate is missed.
    Failed,
    /// The run says nothing: its halves differ.
    Noisy,
    /// The program was built without optimisation, so the figures say nothing.
    Unoptimised,
    /// For information.
    Information,
}

impl Measured {
    /// What it means.
    pub fn verdict(&self) -> Verdict {
        let Comparison { ratio, median, spread, .. } = self.figures;
        if cfg!(debug_assertions) {
            Verdict::Unoptimised
        } else if spread > NOISE {
            Verdict::Noisy
        } else if !self.gated {
            Verdict::Information
        } else if ratio >= GOAL {
            Verdict::Passed
        } else if ratio < GATE && median < GATE {
            Verdict::Failed
        } else {
            Verdict::BelowGoal
        }
    }

    fn gigabits(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "the length of a packet")]
        let bits = self.inner as f64 * 8.0;
        bits / self.figures.ours
    }
}

/// A table.
pub fn text(measured: &[Measured]) -> String {
    let mut text = String::from(
        "ours: SA lookup, sequence number, framing and cipher, with the replay check when opening\n\
         bare: the same provider's cipher called alone; ratio: least time of bare over least of ours\n\n",
    );
    let _ = writeln!(
        text,
        "{:<5}{:<16}{:>6}  {:>6} {:>7} {:>13} {:>7} {:>9} {:>9} {:>8}  verdict",
        "", "suite", "inner", "ratio", "median", "rounds", "spread", "ours ns", "bare ns", "Gbit/s"
    );
    for it in measured {
        let Comparison { ratio, median, least, greatest, spread, ours, bare } = it.figures;
        let verdict = match it.verdict() {
            Verdict::Passed => "pass",
            Verdict::BelowGoal => "below the goal, over the gate",
            Verdict::Failed => "FAIL",
            Verdict::Noisy => "noisy: neither pass nor fail",
            Verdict::Unoptimised => "none: built without --release",
            Verdict::Information => "(information)",
        };
        let rounds = format!("{least:.2}-{greatest:.2}");
        let _ = writeln!(
            text,
            "{:<5}{:<16}{:>6}  {ratio:>6.3} {median:>7.3} {rounds:>13} {:>6.1}% {ours:>9.0} \
             {bare:>9.0} {:>8.1}  {verdict}",
            it.what,
            it.suite,
            it.inner,
            spread * 100.0,
            it.gigabits(),
        );
    }
    if let Some(first) = measured.first() {
        let _ = writeln!(
            text,
            "\nprovider {}, {} rounds, CPU time of the thread; goal {GOAL}, gate {GATE}, at 1400 octets",
            first.provider, first.rounds
        );
    }
    text
}

/// What is written as JSON, its schema first.
#[derive(Serialize)]
struct Results {
    schema: &'static str,
    goal: f64,
    gate: f64,
    results: Vec<serde_json::Value>,
}

/// The same as one JSON object.
///
/// # Errors
/// If it cannot be written.
pub fn json(measured: &[Measured]) -> Result<String, Stop> {
    let results: Vec<_> = measured
        .iter()
        .map(|it| {
            let Comparison { ratio, median, least, greatest, spread, ours, bare } = it.figures;
            json!({
                "what": it.what,
                "suite": it.suite,
                "inner": it.inner,
                "provider": it.provider,
                "rounds": it.rounds,
                "ratio": ratio,
                "ratio_median": median,
                "ratio_least": least,
                "ratio_greatest": greatest,
                "spread": spread,
                "ours_ns": ours,
                "bare_ns": bare,
                "gbit_per_s": it.gigabits(),
                "gated": it.gated,
                "verdict": it.verdict(),
            })
        })
        .collect();
    let all = Results { schema: "ikeproof.bench/1", goal: GOAL, gate: GATE, results };
    serde_json::to_string_pretty(&all)
        .map(|text| text + "\n")
        .map_err(|error| Stop::Infrastructure(format!("the results are no JSON: {error}")))
}
