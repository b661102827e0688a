//! `timeline.txt`: the timeline of a case for a terminal, a diff and `grep`.
//!
//! One line for each datagram or event, decoded fields and the auditor's findings indented below
//! theirs. Findings begin with `!!`, so that `grep '!!'` lists them.

use std::fmt::Write as _;

use crate::{
    model::Case,
    text::{clock, one_line, span_us},
    timeline::{CaseTimeline, Fate, LadderItem, Message, Party, SideEvent},
};

/// Renders `timeline.txt`.
pub fn timeline_txt(case: &Case, timeline: &CaseTimeline) -> String {
    let mut out = String::new();
    _ = writeln!(out, "# {}", timeline.schema);
    _ = writeln!(out, "# {}: {}", case.label(), case.verdict);
    if !case.reason.is_empty() {
        _ = writeln!(out, "# {}", one_line(&case.reason));
    }
    _ = writeln!(out, "# seconds since the start of the case; # is the frame in the capture\n");
    for item in &timeline.items {
        match item {
            LadderItem::Message(message) => datagram(&mut out, message),
            LadderItem::Event(event) => side_event(&mut out, event),
            LadderItem::Advance { at_us, by_us } => {
                let to = clock(at_us.saturating_add(*by_us));
                _ = writeln!(
                    out,
                    "{:>12}  ==== clock advanced by {} to {to} ====",
                    clock(*at_us),
                    span_us(*by_us)
                );
            }
        }
    }
    out
}

fn datagram(out: &mut String, message: &Message) {
    _ = write!(
        out,
        "{:>12}  {} {} {}",
        clock(message.at_us),
        name(message.from),
        arrow(&message.fate),
        name(message.to)
    );
    if let Some(frame) = message.frame {
        _ = write!(out, "  #{frame}");
    }
    if !message.transport.is_empty() {
        _ = write!(out, "  {}", one_line(&message.transport));
    }
    _ = write!(out, "  {}", one_line(&message.summary));
    if message.retransmission {
        out.push_str("  (retransmission)");
    }
    match &message.fate {
        Fate::Delivered => {}
        Fate::Lost => out.push_str("  (lost)"),
        Fate::Duplicate => out.push_str("  (duplicated)"),
        Fate::Dropped(reason) => _ = write!(out, "  (dropped: {})", one_line(reason)),
    }
    out.push('\n');
    for finding in &message.findings {
        _ = writeln!(
            out,
            "{INDENT}!! {} {}: {}",
            finding.severity.word(),
            one_line(&finding.requirement),
            one_line(&finding.message)
        );
    }
    for field in &message.detail {
        let indent = "  ".repeat(usize::from(field.level.min(16)));
        let (name, value) = (one_line(&field.field), one_line(&field.value));
        match value.is_empty() {
            true => _ = writeln!(out, "{INDENT}{indent}{name}"),
            false => _ = writeln!(out, "{INDENT}{indent}{name}: {value}"),
        }
    }
}

fn side_event(out: &mut String, event: &SideEvent) {
    _ = write!(
        out,
        "{:>12}  * {}: {}",
        clock(event.at_us),
        event.at_side.word(),
        one_line(&event.kind)
    );
    if !event.text.is_empty() {
        _ = write!(out, ": {}", one_line(&event.text));
    }
    out.push('\n');
}

fn name(party: Party) -> &'static str {
    party.word()
}

fn arrow(fate: &Fate) -> &'static str {
    match fate {
        Fate::Delivered => "-->",
        Fate::Lost => "-x ",
        Fate::Duplicate => "=>>",
        Fate::Dropped(_) => "-->|",
    }
}

const INDENT: &str = "                ";
