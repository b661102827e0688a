//! A timeline as a ladder diagram: what the page's template draws, ready to be drawn.
//!
//! Two lifelines, the peer's on the left and the edge's on the right; a row for each datagram, event
//! or move of the clock. All words are chosen and all strings made visible here, so that the
//! template only places them; it escapes everything that it places.

use crate::{
    text::{clock, one_line, plural, span_us, visible},
    timeline::{CaseTimeline, Fate, LadderItem, Message, Mood, Party, SideEvent},
    verdict::Severity,
};

/// A ladder diagram.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder {
    /// Its rows from top to bottom.
    pub(crate) rows: Vec<Row>,
    /// What there is, in words.
    pub(crate) caption: String,
    /// Whether decoded fields were left out to keep the page small.
    pub(crate) brief: bool,
    /// Whether the rows were left out to keep the page small.
    pub(crate) absent: bool,
}

/// A row of the diagram.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Time since the start of the case.
    pub(crate) time: String,
    /// Time since the row above, where it is worth showing.
    pub(crate) delta: String,
    /// What is drawn.
    pub(crate) kind: RowKind,
}

/// What a row shows.
#[derive(Clone, Debug)]
pub(crate) enum RowKind {
    /// An arrow.
    Arrow(Box<Arrow>),
    /// A label at a lifeline.
    Note {
        /// `peer`, `edge` or `outside`.
        side: &'static str,
        /// `good`, `bad`, `timer` or `neutral`.
        mood: &'static str,
        /// A sign that goes with the mood.
        sign: &'static str,
        /// The kind of event.
        kind: String,
        /// What it says.
        text: String,
    },
    /// A break in time.
    Break {
        /// By how much.
        by: String,
        /// To what.
        to: String,
    },
}

/// A datagram.
#[derive(Clone, Debug)]
pub(crate) struct Arrow {
    /// Class names: direction and fate.
    pub(crate) class: String,
    /// `peer to edge`, for those who do not see the arrow.
    pub(crate) spoken: String,
    /// The summary up to its opening brace.
    pub(crate) head: String,
    /// The payloads, with their braces.
    pub(crate) payloads: String,
    /// Transport and frame.
    pub(crate) meta: String,
    /// Labels such as `lost` with their class.
    pub(crate) tags: Vec<(&'static str, String)>,
    /// The decoded fields.
    pub(crate) fields: Vec<FieldView>,
    /// What the auditor says.
    pub(crate) findings: Vec<FindingView>,
}

/// A decoded field.
#[derive(Clone, Debug)]
pub(crate) struct FieldView {
    /// Its level, at most 8.
    pub(crate) level: u8,
    /// Its name.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
}

/// A finding of the auditor.
#[derive(Clone, Debug)]
pub(crate) struct FindingView {
    /// `must`, `should` or `info`.
    pub(crate) class: &'static str,
    /// The key word.
    pub(crate) severity: &'static str,
    /// The id of the requirement.
    pub(crate) requirement: String,
    /// What was seen.
    pub(crate) message: String,
}

impl Ladder {
    /// Lays a timeline out; `brief` leaves the decoded fields out.
    pub(crate) fn of(timeline: &CaseTimeline, brief: bool) -> Self {
        let mut before = None;
        let mut rows = Vec::with_capacity(timeline.items.len());
        for item in &timeline.items {
            let at = item.at_us();
            let delta = match before {
                Some(before) if at >= before + 1_000 => format!("+{}", span_us(at - before)),
                _ => String::new(),
            };
            before = Some(match item {
                LadderItem::Advance { by_us, .. } => at.saturating_add(*by_us),
                _ => at,
            });
            rows.push(Row { time: clock(at), delta, kind: kind(item, brief) });
        }
        let any_fields = timeline.items.iter().any(|item| match item {
            LadderItem::Message(message) => !message.detail.is_empty(),
            _ => false,
        });
        Self { caption: caption(timeline), rows, brief: brief && any_fields, absent: false }
    }

    /// What stands in for a diagram that the page has no room for.
    pub(crate) fn absent(timeline: &CaseTimeline) -> Self {
        Self { caption: caption(timeline), absent: true, ..Self::default() }
    }
}

/// About how much room the decoded fields of a timeline take on the page.
pub(crate) fn weight(timeline: &CaseTimeline) -> usize {
    let field = |message: &Message| {
        message.detail.iter().map(|f| f.field.len() + f.value.len() + FIELD_MARKUP).sum::<usize>()
    };
    timeline
        .items
        .iter()
        .map(|item| match item {
            LadderItem::Message(message) => field(message),
            _ => 0,
        })
        .sum()
}

fn caption(timeline: &CaseTimeline) -> String {
    let messages = || {
        timeline.items.iter().filter_map(|item| match item {
            LadderItem::Message(message) => Some(message),
            _ => None,
        })
    };
    let count = messages().count();
    let mut words = vec![plural(count, "datagram")];
    let mut add = |count: usize, what: &str| {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    };
    add(messages().filter(|m| m.retransmission).count(), "retransmitted");
    add(messages().filter(|m| m.fate == Fate::Lost).count(), "lost");
    add(messages().filter(|m| m.fate == Fate::Duplicate).count(), "duplicated");
    add(messages().filter(|m| matches!(m.fate, Fate::Dropped(_))).count(), "dropped");
    match messages().map(|m| m.findings.len()).sum() {
        0 => {}
        findings => words.push(plural(findings, "audit finding")),
    }
    words.join(", ")
}

fn kind(item: &LadderItem, brief: bool) -> RowKind {
    match item {
        LadderItem::Message(message) => RowKind::Arrow(Box::new(arrow(message, brief))),
        LadderItem::Event(event) => note(event),
        LadderItem::Advance { at_us, by_us } => {
            RowKind::Break { by: span_us(*by_us), to: clock(at_us.saturating_add(*by_us)) }
        }
    }
}

fn arrow(message: &Message, brief: bool) -> Arrow {
    let summary = one_line(&message.summary);
    let (head, payloads) = match summary.find('{') {
        Some(at) => (summary[..at].trim().to_owned(), summary[at..].to_owned()),
        None => (summary, String::new()),
    };
    let mut meta = vec![one_line(&message.transport)];
    meta.extend(message.frame.map(|frame| format!("frame {frame}")));
    meta.retain(|part| !part.is_empty());
    let fields = if brief { &[][..] } else { &message.detail[..] };
    Arrow {
        class: classes(message),
        spoken: format!("{} to {}", message.from.word(), message.to.word()),
        head,
        payloads,
        meta: meta.join(" · "),
        tags: tags(message),
        fields: fields
            .iter()
            .map(|field| FieldView {
                level: field.level.min(8),
                name: one_line(&field.field),
                value: visible(&field.value),
            })
            .collect(),
        findings: message
            .findings
            .iter()
            .map(|finding| FindingView {
                class: severity_class(finding.severity),
                severity: finding.severity.word(),
                requirement: one_line(&finding.requirement),
                message: visible(&finding.message),
            })
            .collect(),
    }
}

fn classes(message: &Message) -> String {
    let direction = match (message.from, message.to) {
        (Party::Peer, Party::Outside) | (Party::Outside, Party::Edge) => "right half",
        (Party::Edge, Party::Outside) | (Party::Outside, Party::Peer) => "left half",
        (Party::Edge, _) => "left",
        _ => "right",
    };
    let middle = match (message.from, message.to) {
        (Party::Outside, Party::Edge) | (Party::Edge, Party::Outside) => " at-edge",
        (Party::Outside, Party::Peer) | (Party::Peer, Party::Outside) => " at-peer",
        _ => "",
    };
    let fate = match message.fate {
        Fate::Delivered => "",
        Fate::Lost => " lost",
        Fate::Duplicate => " duplicate",
        Fate::Dropped(_) => " dropped",
    };
    let again = if message.retransmission { " again" } else { "" };
    format!("{direction}{middle}{fate}{again}")
}

fn tags(message: &Message) -> Vec<(&'static str, String)> {
    let mut tags = Vec::new();
    if message.from == Party::Outside {
        tags.push(("warn", "from outside".to_owned()));
    }
    if message.to == Party::Outside {
        tags.push(("warn", "to outside".to_owned()));
    }
    if message.retransmission {
        tags.push(("quiet", "↻ retransmission".to_owned()));
    }
    match &message.fate {
        Fate::Delivered => {}
        Fate::Lost => tags.push(("bad", "✕ lost".to_owned())),
        Fate::Duplicate => tags.push(("warn", "⇉ duplicated".to_owned())),
        Fate::Dropped(reason) => tags.push(("bad", format!("⊘ dropped: {}", one_line(reason)))),
    }
    tags
}

fn note(event: &SideEvent) -> RowKind {
    let (mood, sign) = match event.mood() {
        Mood::Good => ("good", "✓"),
        Mood::Bad => ("bad", "✗"),
        Mood::Timer => ("timer", "◷"),
        Mood::Neutral => ("neutral", "•"),
    };
    RowKind::Note {
        side: event.at_side.word(),
        mood,
        sign,
        kind: one_line(&event.kind),
        text: visible(&event.text),
    }
}

pub(crate) fn severity_class(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Should => "should",
        Severity::Must => "must",
    }
}

/// Markup around a field, in bytes.
const FIELD_MARKUP: usize = 60;
