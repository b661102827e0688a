//! The auditor over a list of datagrams: each line of the timeline with the findings about it.

use ikeproof_audit::{Auditor, Decoded, Finding, Observed};
use ikeproof_proto::event::KeyLogEntry;

/// A datagram and what was found in it.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The datagram.
    pub decoded: Decoded,
    /// What breaks a requirement.
    pub findings: Vec<Finding>,
}

/// The timeline of the datagrams, one entry for each, in their order.
pub fn timeline(datagrams: &[Observed], keys: &[KeyLogEntry]) -> Vec<Moment> {
    timeline_with(Auditor::new(), datagrams, keys)
}

/// The same, of an auditor that has seen nothing yet.
pub fn timeline_with(
    mut auditor: Auditor,
    datagrams: &[Observed],
    keys: &[KeyLogEntry],
) -> Vec<Moment> {
    let mut findings = Vec::new();
    let mut lines = Vec::new();
    for entry in keys {
        findings.extend(auditor.add_keys(entry));
    }
    for datagram in datagrams {
        findings.extend(auditor.datagram(datagram));
        // Taken as they come: the auditor itself keeps a bounded number.
        lines.extend(auditor.take_timeline());
    }
    findings.extend(auditor.finish());
    lines.extend(auditor.take_timeline());
    let mut moments: Vec<Moment> =
        lines.into_iter().map(|decoded| Moment { decoded, findings: Vec::new() }).collect();
    for finding in findings {
        let at = moments.iter_mut().find(|moment| moment.decoded.frame == finding.frame);
        if let Some(moment) = at {
            moment.findings.push(finding);
        }
    }
    moments
}
