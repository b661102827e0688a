//! The small closed vocabularies of a report: verdicts, who is to blame, and exit statuses.
//!
//! Every renderer takes its words, letters and marks from here, so that a verdict looks the same in
//! the terminal, in Markdown and on the page. A verdict is always shown by a word or a mark as well
//! as by a colour. The numbers of [`ExitStatus`] and the spellings of [`Verdict`] are a contract
//! with scripts.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of a case.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that the scenario expects was seen, and its controls held.
    Pass,
    /// An expectation or a control did not hold.
    Fail,
    /// Held only on a recorded retry. Never counted as a pass.
    Flaky,
    /// The infrastructure kept the case from being judged.
    Inconclusive,
    /// The peer or the lane cannot do what the scenario needs.
    Unsupported,
    /// Failed, as an entry with a reason and an expiry says that it would.
    ExpectedFail,
    /// Passed although an entry says that it fails: the entry is out of date.
    UnexpectedPass,
}

impl Verdict {
    /// All verdicts in the order in which totals are printed.
    pub const ALL: [Self; 7] = [
        Self::Pass,
        Self::Fail,
        Self::Flaky,
        Self::UnexpectedPass,
        Self::Inconclusive,
        Self::ExpectedFail,
        Self::Unsupported,
    ];

    /// The spelling used in JSON, on the command line and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Flaky => "flaky",
            Self::Inconclusive => "inconclusive",
            Self::Unsupported => "unsupported",
            Self::ExpectedFail => "expected-fail",
            Self::UnexpectedPass => "unexpected-pass",
        }
    }

    /// A short word for a narrow table cell.
    pub fn short(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "FAIL",
            Self::Flaky => "flaky",
            Self::Inconclusive => "incon",
            Self::Unsupported => "n/a",
            Self::ExpectedFail => "xfail",
            Self::UnexpectedPass => "XPASS",
        }
    }

    /// A mark that tells the verdicts apart without colour.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Pass => "✓",
            Self::Fail => "✗",
            Self::Flaky => "≈",
            Self::Inconclusive => "?",
            Self::Unsupported => "–",
            Self::ExpectedFail => "⊘",
            Self::UnexpectedPass => "!",
        }
    }

    /// One sentence for legends and tool tips.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "every expectation and control held",
            Self::Fail => "an expectation or a control did not hold",
            Self::Flaky => "held only on a recorded retry; not a pass",
            Self::Inconclusive => "the infrastructure kept it from being judged",
            Self::Unsupported => "the peer or the lane cannot do what the scenario needs",
            Self::ExpectedFail => "failed, as an entry with reason and expiry foretells",
            Self::UnexpectedPass => "passed although an entry expects a failure",
        }
    }

    /// Whether this verdict alone makes the gate fail.
    pub fn fails_gate(self) -> bool {
        matches!(self, Self::Fail | Self::Flaky | Self::UnexpectedPass)
    }

    /// Whether a reader should look at the case: it fails the gate or could not be judged.
    pub fn needs_attention(self) -> bool {
        self.fails_gate() || self == Self::Inconclusive
    }

    /// How bad it is, worst highest; an aggregated cell shows the worst of its cases.
    pub fn rank(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Unsupported => 1,
            Self::ExpectedFail => 2,
            Self::Inconclusive => 3,
            Self::Flaky => 4,
            Self::UnexpectedPass => 5,
            Self::Fail => 6,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Whose deviation a violation is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The reference edge, which is ours.
    Edge,
    /// The implementation under test.
    Peer,
    /// The reference edge on purpose: a fault or a reading of the scenario made it deviate.
    Scenario,
}

impl Blame {
    /// The spelling used in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Peer => "peer",
            Self::Scenario => "scenario",
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// How strongly the requirement that was broken is worded.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing; no requirement is broken.
    Info,
    /// Breaks a SHOULD or SHOULD NOT.
    Should,
    /// Breaks a MUST or MUST NOT.
    #[default]
    Must,
}

impl Severity {
    /// The key word as it is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Should => "SHOULD",
            Self::Must => "MUST",
        }
    }
}

/// Who sends the first message of a case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Initiator {
    /// The reference edge.
    Edge,
    /// The implementation under test.
    Peer,
    /// Nobody initiates, or both do.
    #[default]
    None,
}

impl Initiator {
    /// The spelling used in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Peer => "peer",
            Self::None => "none",
        }
    }
}

/// The exit status of the tool; in JSON its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "u8", try_from = "u8")]
pub enum ExitStatus {
    /// 0: everything required held.
    #[default]
    Held,
    /// 1: a verdict failed the gate.
    Failed,
    /// 2: usage or configuration error.
    Usage,
    /// 3: infrastructure: something could not be judged, or a required peer is missing.
    Infrastructure,
}

impl ExitStatus {
    /// The process exit code.
    pub fn code(self) -> u8 {
        self.into()
    }

    /// What the number means, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Held => "everything required held",
            Self::Failed => "a verdict failed the gate",
            Self::Usage => "usage or configuration error",
            Self::Infrastructure => "not everything required could be judged",
        }
    }
}

impl From<ExitStatus> for u8 {
    fn from(status: ExitStatus) -> Self {
        match status {
            ExitStatus::Held => 0,
            ExitStatus::Failed => 1,
            ExitStatus::Usage => 2,
            ExitStatus::Infrastructure => 3,
        }
    }
}

impl TryFrom<u8> for ExitStatus {
    type Error = String;

    fn try_from(code: u8) -> Result<Self, Self::Error> {
        match code {
            0 => Ok(Self::Held),
            1 => Ok(Self::Failed),
            2 => Ok(Self::Usage),
            3 => Ok(Self::Infrastructure),
            other => Err(format!("exit status {other} is not one of 0, 1, 2, 3")),
        }
    }
}
