//! Counting and the gate: how many of which verdict, and which exit status follows.
//!
//! Interoperability and self-check are counted strictly apart, here and nowhere else: every renderer
//! prints the numbers of [`Summary`]. The exit status follows from the report alone ([`Gate::of`]),
//! with the reasons in words, so that a script and a person get the same answer.

use crate::{
    model::{Case, Report},
    text::{one_line, plural},
    verdict::{Blame, ExitStatus, Verdict},
};

/// How many cases have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; Verdict::ALL.len()]);

impl Counts {
    /// The number of cases with this verdict.
    pub fn of(&self, verdict: Verdict) -> usize {
        self.0[index(verdict)]
    }

    /// Counts one more case.
    pub fn add(&mut self, verdict: Verdict) {
        self.0[index(verdict)] += 1;
    }

    /// All cases.
    pub fn total(&self) -> usize {
        self.0.iter().sum()
    }

    /// Cases that were judged: neither unsupported nor inconclusive.
    pub fn judged(&self) -> usize {
        self.total() - self.of(Verdict::Unsupported) - self.of(Verdict::Inconclusive)
    }

    /// The verdicts that occur, with their numbers, in the order of [`Verdict::ALL`].
    pub fn present(&self) -> impl Iterator<Item = (Verdict, usize)> + '_ {
        Verdict::ALL.into_iter().map(|v| (v, self.of(v))).filter(|(_, count)| *count > 0)
    }

    /// The worst verdict that occurs.
    pub fn worst(&self) -> Option<Verdict> {
        self.present().map(|(verdict, _)| verdict).max_by_key(|verdict| verdict.rank())
    }

    /// `12 pass, 1 fail`, or `no cases`.
    pub fn words(&self) -> String {
        let words: Vec<_> = self.present().map(|(v, n)| format!("{n} {v}")).collect();
        if words.is_empty() { "no cases".to_owned() } else { words.join(", ") }
    }
}

impl FromIterator<Verdict> for Counts {
    fn from_iter<I: IntoIterator<Item = Verdict>>(verdicts: I) -> Self {
        let mut counts = Self::default();
        verdicts.into_iter().for_each(|verdict| counts.add(verdict));
        counts
    }
}

/// How often requirements were broken, by whom. A case counts once for each requirement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Violations {
    /// By peers.
    pub peer: usize,
    /// By the reference edge.
    pub edge: usize,
    /// By the reference edge because the scenario asked for it: nobody's mistake.
    pub on_purpose: usize,
}

impl Violations {
    /// Those that are somebody's mistake.
    pub fn total(&self) -> usize {
        self.peer + self.edge
    }

    fn add(&mut self, case: &Case) {
        for violation in &case.violations {
            match violation.by {
                Blame::Peer => self.peer += 1,
                Blame::Edge => self.edge += 1,
                Blame::Scenario => self.on_purpose += 1,
            }
        }
    }
}

/// The counts of one peer in one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerSummary {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether these are self-checks.
    pub self_check: bool,
    /// Its cases.
    pub counts: Counts,
    /// Violations in its cases.
    pub violations: Violations,
}

impl PeerSummary {
    /// `name version`.
    pub fn label(&self) -> String {
        one_line(&format!("{} {}", self.name, self.version)).trim_end().to_owned()
    }
}

/// The counts of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Cases with real peers.
    pub interop: Counts,
    /// Cases with the embedded peer.
    pub self_check: Counts,
    /// Violations in cases with real peers.
    pub interop_violations: Violations,
    /// Violations in cases with the embedded peer.
    pub self_check_violations: Violations,
    /// Each peer in each version: real peers by name, then self-checks.
    pub peers: Vec<PeerSummary>,
}

impl Summary {
    /// Counts a report.
    pub fn of(report: &Report) -> Self {
        let mut summary = Self::default();
        for case in &report.cases {
            let (counts, violations) = if case.self_check {
                (&mut summary.self_check, &mut summary.self_check_violations)
            } else {
                (&mut summary.interop, &mut summary.interop_violations)
            };
            counts.add(case.verdict);
            violations.add(case);
            let peer = summary.peer_mut(case);
            peer.counts.add(case.verdict);
            peer.violations.add(case);
        }
        summary.peers.sort_by(|a, b| {
            (a.self_check, &a.name, &a.version).cmp(&(b.self_check, &b.name, &b.version))
        });
        summary
    }

    fn peer_mut(&mut self, case: &Case) -> &mut PeerSummary {
        let same = |peer: &PeerSummary| {
            peer.self_check == case.self_check
                && peer.name == case.peer.name
                && peer.version == case.peer.version
        };
        let at = self.peers.iter().position(same).unwrap_or_else(|| {
            self.peers.push(PeerSummary {
                name: case.peer.name.clone(),
                version: case.peer.version.clone(),
                self_check: case.self_check,
                counts: Counts::default(),
                violations: Violations::default(),
            });
            self.peers.len() - 1
        });
        &mut self.peers[at]
    }
}

/// The exit status of a run and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The exit status.
    pub status: ExitStatus,
    /// Why it is not 0, worst first; empty when everything required held.
    pub reasons: Vec<String>,
}

impl Gate {
    /// Judges a report.
    ///
    /// A verdict that fails the gate wins over what could not be judged: it stays true however much
    /// is missing. Self-checks count here, since an edge that fails against itself judges nobody.
    pub fn of(report: &Report) -> Self {
        let summary = Summary::of(report);
        let mut failed = Vec::new();
        let mut missing = Vec::new();
        for (counts, what) in
            [(&summary.interop, "interoperability"), (&summary.self_check, "self-check")]
        {
            let bad: Counts = verdicts(counts, Verdict::fails_gate);
            if bad.total() > 0 {
                failed.push(format!("{what}: {}", bad.words()));
            }
            let unclear = counts.of(Verdict::Inconclusive);
            if unclear > 0 {
                missing.push(format!("{what}: {unclear} inconclusive"));
            }
        }
        failed.extend(report.run.gate_findings.iter().map(|finding| one_line(&finding.what)));
        for peer in report.run.skipped_peers.iter().filter(|peer| peer.required) {
            missing.push(format!(
                "required peer {} is missing: {}",
                one_line(&peer.name),
                one_line(&peer.why)
            ));
        }
        if !report.run.complete {
            missing.push("the run was interrupted".to_owned());
        }
        if summary.interop.judged() + summary.self_check.judged() == 0 {
            missing.push(format!("no case was judged, of {}", plural(report.cases.len(), "case")));
        }
        let status = match (failed.is_empty(), missing.is_empty()) {
            (false, _) => ExitStatus::Failed,
            (true, false) => ExitStatus::Infrastructure,
            (true, true) => ExitStatus::Held,
        };
        failed.append(&mut missing);
        Self { status, reasons: failed }
    }
}

/// The exit status that follows from a report; [`Gate::of`] also says why.
pub fn exit_status(report: &Report) -> ExitStatus {
    Gate::of(report).status
}

fn verdicts(counts: &Counts, keep: impl Fn(Verdict) -> bool) -> Counts {
    counts
        .present()
        .filter(|(verdict, _)| keep(*verdict))
        .flat_map(|(verdict, count)| std::iter::repeat_n(verdict, count))
        .collect()
}

fn index(verdict: Verdict) -> usize {
    Verdict::ALL.iter().position(|v| *v == verdict).unwrap_or_default()
}
