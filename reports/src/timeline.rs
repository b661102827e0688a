//! What happened on the wire and inside the edge during a case, decoded, in order.
//!
//! The runner turns the event stream and the auditor's findings into [`LadderItem`]s. From them are
//! rendered `timeline.txt` ([`crate::timeline_text`]) and the ladder diagram of the page
//! (`ladder.rs`); `timeline.json` keeps them for `merge` and for other tools. Times are
//! microseconds since the start of the case on the case's own clock, which an `advance` step moves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{schema::TIMELINE_SCHEMA, verdict::Severity};

/// The timeline of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseTimeline {
    /// Always [`TIMELINE_SCHEMA`] in what this version writes.
    pub schema: String,
    /// The case, as [`crate::Case::key`] names it.
    pub case: String,
    /// What happened, in order of time.
    pub items: Vec<LadderItem>,
    /// How often the auditor's rules were applied; those that were not are left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applied: Vec<Applied>,
}

impl CaseTimeline {
    /// The timeline of the case with this key.
    pub fn new(case: impl Into<String>, items: Vec<LadderItem>) -> Self {
        Self { schema: TIMELINE_SCHEMA.to_owned(), case: case.into(), items, applied: Vec::new() }
    }
}

/// How often a rule of the auditor looked at what each side did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Applied {
    /// The id of the requirement.
    pub requirement: String,
    /// How often it looked at the edge.
    #[serde(default)]
    pub edge: u64,
    /// How often it looked at the peer.
    #[serde(default)]
    pub peer: u64,
}

/// One row of a ladder diagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "item", rename_all = "kebab-case")]
pub enum LadderItem {
    /// A datagram.
    Message(Message),
    /// Something that a side decided or noticed.
    Event(SideEvent),
    /// The clock was moved.
    Advance {
        /// The time before the move.
        at_us: u64,
        /// By how much.
        by_us: u64,
    },
}

impl LadderItem {
    /// When it happened.
    pub fn at_us(&self) -> u64 {
        match self {
            Self::Message(message) => message.at_us,
            Self::Event(event) => event.at_us,
            Self::Advance { at_us, .. } => *at_us,
        }
    }
}

impl From<Message> for LadderItem {
    fn from(message: Message) -> Self {
        Self::Message(message)
    }
}

impl From<SideEvent> for LadderItem {
    fn from(event: SideEvent) -> Self {
        Self::Event(event)
    }
}

/// Who sends, receives or notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Party {
    /// The reference edge.
    Edge,
    /// The implementation under test.
    Peer,
    /// Anyone else: a forged source, a host behind a NAT, the middlebox.
    Outside,
}

impl Party {
    /// The spelling used in JSON and in text.
    pub fn word(self) -> &'static str {
        match self {
            Self::Edge => "edge",
            Self::Peer => "peer",
            Self::Outside => "outside",
        }
    }
}

/// A datagram, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Message {
    /// When it was sent, or seen where that is all that is known.
    pub at_us: u64,
    /// Who sent it.
    pub from: Party,
    /// To whom.
    pub to: Party,
    /// What carried it, such as `UDP 500→500` or `ESP`.
    #[serde(default)]
    pub transport: String,
    /// One line, such as `IKE_SA_INIT request { SA, KE(19), Ni }`.
    pub summary: String,
    /// The decoded fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub detail: Vec<Field>,
    /// What became of it.
    #[serde(default)]
    pub fate: Fate,
    /// Its number in the capture, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame: Option<u32>,
    /// Whether the same bytes had been sent before.
    #[serde(default)]
    pub retransmission: bool,
    /// What the auditor says about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

impl Message {
    /// A delivered datagram without details.
    pub fn new(
        at_us: u64,
        (from, to): (Party, Party),
        transport: impl Into<String>,
        summary: impl Into<String>,
    ) -> Self {
        Self {
            at_us,
            from,
            to,
            transport: transport.into(),
            summary: summary.into(),
            detail: Vec::new(),
            fate: Fate::default(),
            frame: None,
            retransmission: false,
            findings: Vec::new(),
        }
    }

    /// Adds a decoded field at a level of nesting.
    #[must_use]
    pub fn field(mut self, level: u8, field: impl Into<String>, value: impl Into<String>) -> Self {
        self.detail.push(Field { level, field: field.into(), value: value.into() });
        self
    }

    /// Sets the number in the capture.
    #[must_use]
    pub fn frame(mut self, frame: u32) -> Self {
        self.frame = Some(frame);
        self
    }

    /// Sets what became of it.
    #[must_use]
    pub fn fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }

    /// Marks it as a retransmission.
    #[must_use]
    pub fn retransmission(mut self) -> Self {
        self.retransmission = true;
        self
    }

    /// Adds a finding of the auditor.
    #[must_use]
    pub fn finding(
        mut self,
        severity: Severity,
        requirement: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        self.findings.push(Finding {
            requirement: requirement.into(),
            message: message.into(),
            severity,
        });
        self
    }
}

/// A decoded field; fields of a higher level belong to the nearest lower one before them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Field {
    /// How deep it is nested, from 0.
    #[serde(default)]
    pub level: u8,
    /// Its name.
    pub field: String,
    /// Its value; empty for a heading.
    #[serde(default)]
    pub value: String,
}

/// What became of a datagram.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It arrived and was processed.
    #[default]
    Delivered,
    /// It never arrived.
    Lost,
    /// It arrived more than once.
    Duplicate,
    /// It arrived and was discarded, with the reason.
    Dropped(String),
}

/// What the auditor says about a datagram.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The id of the requirement.
    pub requirement: String,
    /// What was seen.
    pub message: String,
    /// How strongly the requirement is worded.
    #[serde(default)]
    pub severity: Severity,
}

/// Something that a side decided or noticed between datagrams.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SideEvent {
    /// When.
    pub at_us: u64,
    /// On which side.
    pub at_side: Party,
    /// The kind of event, such as `ike_established` or `proposal_refused`.
    pub kind: String,
    /// What it says, such as the rule behind a refusal.
    #[serde(default)]
    pub text: String,
}

impl SideEvent {
    /// An event on a side.
    pub fn new(
        at_us: u64,
        at_side: Party,
        kind: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        Self { at_us, at_side, kind: kind.into(), text: text.into() }
    }

    /// What the kind of event tells a reader, by the words in it.
    pub fn mood(&self) -> Mood {
        let has = |words: &[&str]| words.iter().any(|word| self.kind.contains(word));
        if has(&["refused", "fail", "invalid", "error", "dropped", "rejected", "timed_out"]) {
            Mood::Bad
        } else if has(&["established", "installed", "rekeyed", "verified"]) {
            Mood::Good
        } else if has(&["timer", "retransmi", "keepalive", "dpd", "expired"]) {
            Mood::Timer
        } else {
            Mood::Neutral
        }
    }
}

/// How an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Something came up.
    Good,
    /// Something was refused or went wrong.
    Bad,
    /// A timer did it.
    Timer,
    /// Anything else.
    Neutral,
}
