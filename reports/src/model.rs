//! `report.json`: the stable public types of a recorded run.
//!
//! The runner fills a [`Report`]; everything else in this package is a pure function of it and of the
//! timelines ([`crate::timeline`]). The names in JSON are a contract that scripts rely on: fields are
//! added, never renamed, and a change of meaning is a new schema version. Readers ignore fields they
//! do not know and refuse schemas they do not know ([`crate::read`]).
//!
//! Results against the embedded peer carry `self_check: true` and are never counted as
//! interoperability; see [`crate::tally`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    schema::REPORT_SCHEMA,
    text::{one_line, slug},
    verdict::{Blame, ExitStatus, Initiator, Severity, Verdict},
};

/// A recorded run and its cases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Always [`REPORT_SCHEMA`] in what this version writes.
    pub schema: String,
    /// Facts of the run as a whole.
    pub run: Run,
    /// Every case that was started or skipped by its needs, in any order.
    pub cases: Vec<Case>,
}

impl Report {
    /// A report of this version's schema.
    pub fn new(run: Run, cases: Vec<Case>) -> Self {
        Self { schema: REPORT_SCHEMA.to_owned(), run, cases }
    }
}

/// Facts of the run as a whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// A name for the run, unique enough to compare two runs by.
    pub id: String,
    /// When it started; RFC 3339, UTC.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// When it ended; absent while it is running.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub finished: Option<Timestamp>,
    /// False when the run was interrupted and cases are missing.
    #[serde(default)]
    pub complete: bool,
    /// The version of ikeproof.
    pub ikeproof_version: String,
    /// The command line, ready to be pasted into a shell; secrets replaced.
    #[serde(default)]
    pub command_line: String,
    /// The seed of all labelled randomness. Below 2^53, so that every JSON reader keeps it exact.
    #[serde(default)]
    pub seed: u64,
    /// `gate` or `full`.
    #[serde(default)]
    pub tier: String,
    /// The edge profile.
    #[serde(default)]
    pub profile: String,
    /// `I/N` when this run is one shard of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The exit status of the tool, as its number.
    #[serde(default)]
    #[schemars(with = "u8")]
    pub exit_status: ExitStatus,
    /// Peers that were asked for and did not take part.
    #[serde(default)]
    pub skipped_peers: Vec<SkippedPeer>,
    /// What failed the gate beyond single cases, such as an expected failure that matches nothing.
    #[serde(default)]
    pub gate_findings: Vec<GateFinding>,
    /// What the run ran on: host, kernel, container engine, data planes. Also `environment.json`.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}

impl Run {
    /// A run that has just started: incomplete, with everything optional empty.
    pub fn started(
        id: impl Into<String>,
        started: Timestamp,
        version: impl Into<String>,
        seed: u64,
    ) -> Self {
        Self {
            id: id.into(),
            started,
            finished: None,
            complete: false,
            ikeproof_version: version.into(),
            command_line: String::new(),
            seed,
            tier: String::new(),
            profile: String::new(),
            shard: None,
            exit_status: ExitStatus::default(),
            skipped_peers: Vec::new(),
            gate_findings: Vec::new(),
            environment: BTreeMap::new(),
        }
    }
}

/// A peer that was asked for and did not take part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SkippedPeer {
    /// Its name.
    pub name: String,
    /// What kept it away.
    pub why: String,
    /// What to do about it.
    #[serde(default)]
    pub fix: String,
    /// Whether the run required it; if so the run does not end with exit status 0.
    #[serde(default)]
    pub required: bool,
}

/// Something other than a case that failed the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GateFinding {
    /// What is wrong, such as a count below the one in `required.toml`.
    pub what: String,
    /// What to do about it.
    #[serde(default)]
    pub fix: String,
}

/// One scenario, in one variant, with one peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Case {
    /// The scenario's id, such as `edge/ikev1/aggressive-psk-fqdn`; its first part is the suite.
    pub scenario: String,
    /// The scenario's title: one sentence that says what holds.
    #[serde(default)]
    pub title: String,
    /// The cell of a matrix scenario, such as `ike=aes128-sha1-modp1024`; empty otherwise.
    #[serde(default)]
    pub variant: String,
    /// Which repetition of the case this is, from 2; 0 is the first or the only one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repetition: u32,
    /// The peer.
    pub peer: Peer,
    /// Who sends the first message.
    #[serde(default)]
    pub initiator: Initiator,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, in words; for `unsupported` the peer's own.
    #[serde(default)]
    pub reason: String,
    /// The checks that failed, by name. Empty if nothing did, or something other than a check.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed_checks: Vec<String>,
    /// The line of the scenario with the step that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_line: Option<usize>,
    /// True against the embedded peer: shown in columns of its own, never as interoperability.
    #[serde(default)]
    pub self_check: bool,
    /// Ids of the requirements that the scenario covers.
    #[serde(default)]
    pub covers: Vec<String>,
    /// Wall clock time of all attempts.
    #[serde(default)]
    pub duration_ms: u64,
    /// How often it was run.
    #[serde(default = "once")]
    pub attempts: u32,
    /// What the attempts before the last one ended with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier_attempts: Vec<Attempt>,
    /// Which of the attempts the reason, the findings and the files are of, from 2; 0 is the first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub attempt: u32,
    /// The seed of this case. Below 2^53.
    #[serde(default)]
    pub seed: u64,
    /// Settings of the peer that differ from its defaults to make the test short.
    #[serde(default)]
    pub tuned: Vec<String>,
    /// Deviations of the reference edge that the case asked for and that were made, in words. The
    /// edge's own violations in such a case are on purpose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// The entry behind `expected-fail` and `unexpected-pass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expectation: Option<Expectation>,
    /// What the auditor found, whatever the verdict is.
    #[serde(default)]
    pub violations: Vec<Violation>,
    /// The controls: twins in which the thing must not hold.
    #[serde(default)]
    pub controls: Vec<Control>,
    /// The exact command line that runs this case again.
    #[serde(default)]
    pub rerun: String,
    /// The last lines of the peer's log, where the case did not pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log_tail: Vec<String>,
    /// Files of the case, relative to the folder of the report.
    #[serde(default)]
    pub artifacts: Artifacts,
}

impl Case {
    /// A case with everything optional empty.
    pub fn new(scenario: impl Into<String>, peer: Peer, verdict: Verdict) -> Self {
        Self {
            scenario: scenario.into(),
            title: String::new(),
            variant: String::new(),
            repetition: 0,
            peer,
            initiator: Initiator::default(),
            verdict,
            reason: String::new(),
            failed_checks: Vec::new(),
            failed_line: None,
            self_check: false,
            covers: Vec::new(),
            duration_ms: 0,
            attempts: 1,
            earlier_attempts: Vec::new(),
            attempt: 0,
            seed: 0,
            tuned: Vec::new(),
            faults: Vec::new(),
            expectation: None,
            violations: Vec::new(),
            controls: Vec::new(),
            rerun: String::new(),
            log_tail: Vec::new(),
            artifacts: Artifacts::default(),
        }
    }

    /// The requirements that somebody broke by mistake, and not because the scenario asked for it.
    pub fn mistakes(&self) -> impl Iterator<Item = &Violation> {
        self.violations.iter().filter(|violation| violation.by != Blame::Scenario)
    }

    /// The first part of the scenario's id.
    pub fn suite(&self) -> &str {
        self.scenario.split('/').next().unwrap_or_default()
    }

    /// Names the case within a run: `<scenario>/<peer>[/<variant>][/repetition-<n>]`, safe as a path and in
    /// a link.
    pub fn key(&self) -> String {
        let scenario = self.scenario.split('/').map(slug).collect::<Vec<_>>().join("/");
        let mut key = format!("{scenario}/{}", slug(&self.peer.name));
        if !self.variant.is_empty() {
            key = format!("{key}/{}", slug(&self.variant));
        }
        if self.repetition > 0 {
            key = format!("{key}/repetition-{}", self.repetition);
        }
        key
    }

    /// The folder of the case's files, relative to the folder of the report.
    pub fn dir(&self) -> String {
        format!("cases/{}", self.key())
    }

    /// The folder of the files of the attempt that it is told of: the first one's are in [`Self::dir`],
    /// each later one has a folder in that.
    pub fn attempt_dir(&self) -> String {
        match self.attempt {
            0 => self.dir(),
            number => format!("{}/attempt-{number}", self.dir()),
        }
    }

    /// `scenario [variant] with peer`, for a line of text.
    pub fn label(&self) -> String {
        let variant = match self.variant.as_str() {
            "" => String::new(),
            variant => format!(" [{}]", one_line(variant)),
        };
        let repetition = match self.repetition {
            0 => String::new(),
            number => format!(" (repetition {number})"),
        };
        format!("{}{variant} with {}{repetition}", one_line(&self.scenario), self.peer.label())
    }
}

fn once() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What was tested, precisely enough to get it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Its name, such as `strongswan`.
    pub name: String,
    /// The version that it reports itself.
    #[serde(default)]
    pub version: String,
    /// The container image with its digest, or the device.
    #[serde(default)]
    pub image: String,
    /// How its ESP and AH were processed: `host`, `userspace`, `guest`, `embedded`, `device`.
    #[serde(default)]
    pub data_plane: String,
    /// The package that it was installed from, with version.
    #[serde(default)]
    pub package: String,
}

impl Peer {
    /// `name version` for people.
    pub fn label(&self) -> String {
        one_line(&format!("{} {}", self.name, self.version)).trim_end().to_owned()
    }
}

/// An attempt before the last one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// How it ended.
    pub verdict: Verdict,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// How long it took.
    #[serde(default)]
    pub duration_ms: u64,
}

/// An entry that says that a case fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// Why it fails.
    pub reason: String,
    /// The last day on which the entry is good, `YYYY-MM-DD`.
    #[serde(default)]
    pub expires: String,
    /// Where the failure is tracked.
    #[serde(default)]
    pub ticket: String,
}

/// A requirement that somebody broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// The id of the requirement.
    pub requirement: String,
    /// Who broke it.
    pub by: Blame,
    /// What was seen.
    pub message: String,
    /// How strongly the requirement is worded.
    #[serde(default)]
    pub severity: Severity,
    /// How often it was seen.
    #[serde(default = "once")]
    pub count: u32,
    /// The number of the first frame of the capture that shows it, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
}

/// A twin of a check, in which the checked thing must not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Control {
    /// What was changed, such as `policy removed`.
    pub name: String,
    /// What the control must show.
    pub expected: String,
    /// What it showed.
    pub observed: String,
    /// Whether it showed that.
    pub held: bool,
}

/// Files of a case, relative to the folder of the report, with `/` between folders.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Artifacts {
    /// The capture, pcapng.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capture: Option<String>,
    /// Decryption tables for Wireshark: a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<String>,
    /// The decoded timeline as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeline: Option<String>,
    /// The events, one JSON object a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
    /// The transcript that `ikeproof replay` takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// The peer's log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// The peer's configuration: a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<String>,
}

impl Artifacts {
    /// The files there are, with a name for people.
    pub fn list(&self) -> Vec<(&'static str, &str)> {
        [
            ("capture", &self.capture),
            ("Wireshark keys", &self.keys),
            ("timeline", &self.timeline),
            ("events", &self.events),
            ("transcript", &self.transcript),
            ("peer log", &self.log),
            ("peer configuration", &self.config),
        ]
        .into_iter()
        .filter_map(|(name, path)| path.as_deref().map(|path| (name, path)))
        .collect()
    }
}
