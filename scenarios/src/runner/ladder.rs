//! From what the edge saw to the auditor's findings and the ladder of the report.

use ikeproof_audit::{Auditor, Decoded, DetailLevel, Finding, Level, Observed, Sender, Transport};
use ikeproof_driver::node::Log;
use ikeproof_proto::event::Event;
use ikeproof_proto::middlebox::{Datagram, Direction, Transport as Carrier};
use ikeproof_proto::time::Time;
use ikeproof_reports::model::Violation;
use ikeproof_reports::timeline::{Applied, LadderItem, Message, Party, SideEvent};
use ikeproof_reports::verdict::{Blame, Severity};

use core::time::Duration;

use super::faults;
use crate::scenario::Case;

/// The port behind NAT, where IKE has the non-ESP marker.
const NAT_PORT: u16 = 4500;

/// Packets of ESP and AH that a ladder shows; those with findings are shown in any case.
const MAX_PACKETS: usize = 40;

/// What the auditor says of a case.
pub struct Audit {
    /// What was broken.
    pub findings: Vec<Finding>,
    /// What was decoded.
    pub decoded: Vec<Decoded>,
    /// How often each rule was applied.
    pub applied: Vec<Applied>,
}

/// Audits all datagrams of a log.
pub fn audit(log: &Log) -> Audit {
    let mut auditor = Auditor::new();
    let mut findings = Vec::new();
    for entry in &log.keys {
        findings.extend(auditor.add_keys(entry));
    }
    for (at, direction, datagram) in &log.datagrams {
        findings.extend(auditor.datagram(&observed(*at, *direction, datagram)));
    }
    findings.extend(auditor.finish());
    let applied = auditor.applied().into_iter().map(|it| Applied {
        requirement: it.rule.id.to_owned(),
        edge: it.edge,
        peer: it.peer,
    });
    Audit { findings, decoded: auditor.take_timeline(), applied: applied.collect() }
}

fn observed(at: Time, direction: Direction, datagram: &Datagram) -> Observed {
    let Datagram { local, remote, transport, bytes } = datagram;
    let (from, src, dst) = match direction {
        Direction::ToPeer => (Sender::Edge, *local, *remote),
        Direction::ToEdge => (Sender::Peer, *remote, *local),
    };
    let transport = match transport {
        Carrier::Udp => Transport::Udp { src, dst, marker: local.port() == NAT_PORT },
        Carrier::Esp => Transport::Esp { src: src.ip(), dst: dst.ip() },
        Carrier::Ah => Transport::Ah { src: src.ip(), dst: dst.ip() },
    };
    Observed { at, from, transport, bytes: bytes.clone() }
}

/// Findings as the report has them: equal ones are counted.
/// What the edge breaks because the case asks for it is the scenario's doing.
pub fn violations(findings: &[Finding], case: &Case) -> Vec<Violation> {
    let mut violations: Vec<Violation> = Vec::new();
    for finding in findings {
        let by = match finding.by {
            Sender::Edge if faults::excuses(case, finding.requirement) => Blame::Scenario,
            Sender::Edge => Blame::Edge,
            Sender::Peer => Blame::Peer,
        };
        let known = violations
            .iter_mut()
            .find(|known| known.requirement == finding.requirement && known.by == by);
        if let Some(known) = known {
            known.count += 1;
            continue;
        }
        violations.push(Violation {
            requirement: finding.requirement.to_owned(),
            by,
            message: message(finding),
            severity: severity(finding.level),
            count: 1,
            frame: u32::try_from(finding.frame).ok(),
        });
    }
    violations
}

fn message(finding: &Finding) -> String {
    match finding.octet {
        Some(octet) => format!("octet {octet}: {}", finding.message),
        None => finding.message.clone(),
    }
}

fn severity(level: Level) -> Severity {
    match level {
        Level::Must | Level::MustNot => Severity::Must,
        _ => Severity::Should,
    }
}

/// The ladder of a case.
pub fn ladder(
    log: &Log,
    decoded: &[Decoded],
    findings: &[Finding],
    advances: &[(Time, Duration)],
) -> Vec<LadderItem> {
    let mut packets = 0;
    let mut items: Vec<LadderItem> = Vec::new();
    for one in decoded {
        let is_raw = matches!(one.transport, Transport::Esp { .. } | Transport::Ah { .. });
        if is_raw || one.summary.starts_with("ESP") {
            packets += 1;
            let is_found = findings.iter().any(|finding| finding.frame == one.frame);
            if packets > MAX_PACKETS && !is_found {
                continue;
            }
        }
        items.push(rung(one, findings).into());
    }
    if packets > MAX_PACKETS {
        let at = decoded.last().map_or(Time::ZERO, |last| last.at);
        let more = packets - MAX_PACKETS;
        let text = format!("{more} more packets of ESP and AH stand in the capture");
        items.push(SideEvent::new(micros(at), Party::Outside, "more", text).into());
    }
    for (at, event) in &log.events {
        if let Some(event) = side_event(*at, event) {
            items.push(event.into());
        }
    }
    for (at, event) in &log.middlebox {
        let text = serde_json::to_string(event).unwrap_or_default();
        items.push(SideEvent::new(micros(*at), Party::Outside, "middlebox", text).into());
    }
    for (at, by) in advances {
        let by_us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        items.push(LadderItem::Advance { at_us: micros(*at), by_us });
    }
    items.sort_by_key(LadderItem::at_us);
    items
}

fn rung(decoded: &Decoded, findings: &[Finding]) -> Message {
    let (from, to) = match decoded.from {
        Sender::Edge => (Party::Edge, Party::Peer),
        Sender::Peer => (Party::Peer, Party::Edge),
    };
    let transport = match decoded.transport {
        Transport::Udp { src, dst, .. } => format!("UDP {}→{}", src.port(), dst.port()),
        Transport::Esp { .. } => "ESP".to_owned(),
        Transport::Ah { .. } => "AH".to_owned(),
    };
    let mut message =
        Message::new(micros(decoded.at), (from, to), transport, decoded.summary.clone());
    for detail in &decoded.detail {
        let level = match detail.level {
            DetailLevel::Header => 0,
            DetailLevel::Payload => 0,
            _ => 1,
        };
        message = message.field(level, detail.field.clone(), detail.value.clone());
    }
    if let Ok(frame) = u32::try_from(decoded.frame) {
        message = message.frame(frame);
    }
    if decoded.retransmission {
        message = message.retransmission();
    }
    for finding in findings.iter().filter(|finding| finding.frame == decoded.frame) {
        let text = self::message(finding);
        message = message.finding(severity(finding.level), finding.requirement, text);
    }
    message
}

/// An event beside the ladder, with its name and its facts; the messages speak for themselves.
pub fn side_event(at: Time, event: &Event) -> Option<SideEvent> {
    let value = serde_json::to_value(event).ok()?;
    let kind = value.get("event")?.as_str()?.to_owned();
    let text = describe(event, &value);
    Some(SideEvent::new(micros(at), Party::Edge, kind, text))
}

fn describe(event: &Event, value: &serde_json::Value) -> String {
    match event {
        Event::IkeEstablished(ike) => {
            format!(
                "{} with {}, local {}, NAT {}",
                ike.suite,
                ike.remote_id,
                ike.local_id,
                ike.nat.found()
            )
        }
        Event::ChildEstablished(child) => {
            let list = |selectors: &[ikeproof_proto::wire::v2::TrafficSelector]| {
                selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
            };
            format!(
                "{}, {} === {}, SPIs {:#010x} in, {:#010x} out{}",
                child.suite,
                list(&child.ts_local),
                list(&child.ts_remote),
                child.spi_in,
                child.spi_out,
                if child.udp_encapsulated { ", in UDP" } else { "" }
            )
        }
        Event::ProposalRefused { refusal, answer: Some(answer), .. } => {
            format!("{answer}: {refusal}")
        }
        Event::ProposalRefused { refusal, answer: None, .. } => refusal.to_string(),
        Event::IdentityRefused { id, says, rule, .. } => format!("{id}: {says} [{rule}]"),
        _ => {
            let fields = value.as_object().into_iter().flatten();
            let words =
                fields.filter(|(name, _)| *name != "event").map(|(name, value)| match value {
                    serde_json::Value::String(text) => format!("{name} {text}"),
                    value => format!("{name} {value}"),
                });
            words.collect::<Vec<_>>().join(", ")
        }
    }
}

fn micros(at: Time) -> u64 {
    u64::try_from(at.since_start().as_micros()).unwrap_or(u64::MAX)
}
