//! The deviations that a case asks of the edge: configured, told, and never left unmet.
//!
//! What weakens the edge is named in the report. A case whose faults changed no message has shown nothing,
//! however well it went.

use std::collections::BTreeMap;

use ikeproof_driver::node::Log;
use ikeproof_proto::event::Event;
use ikeproof_proto::fault::{Change, Fault};

use super::failure::Trouble;
use crate::format::Problem;
use crate::scenario::{Action, Case, Edge, FaultSpec, Step};

/// The faults that an edge has from the start.
pub fn configured(edge: &Edge) -> Result<Vec<Fault>, Trouble> {
    edge.faults.iter().map(|spec| spec.lasting().map_err(trouble)).collect()
}

/// The fault that a step arms.
pub fn armed(spec: &FaultSpec) -> Result<Fault, Trouble> {
    spec.next().map_err(trouble)
}

fn trouble(problem: Problem) -> Trouble {
    Trouble::Setup(problem.message)
}

/// Requirements that an edge breaks by a reading: the reading, its value, what it breaks.
const BROKEN_BY_READING: [(&str, &str, &str); 2] = [
    ("R06", "ignore-hmac", "rfc7296-3.3-aead-no-integ"),
    ("R30", "echo", "rfc7296-1.4.1-ike-delete-empty-response"),
];

/// What an edge breaks by offering it for a Child SA of IKEv1: the offer, and the requirement.
const BROKEN_BY_OFFER: [(&str, &str); 1] = [("null", "rfc2407-4.5-auth-alg-esp-null")];

/// Whether a case asks the edge to break a requirement. A fault may break any, since what follows from
/// it breaks more; a reading or an offer only its own.
pub fn excuses(case: &Case, requirement: &str) -> bool {
    let by_reading = |edge: &Edge| {
        edge.readings.iter().any(|(id, value)| {
            let broken = (id.get_ref().as_str(), value.get_ref().as_str(), requirement);
            BROKEN_BY_READING.contains(&broken)
        })
    };
    let by_offer = |edge: &Edge| {
        edge.esp
            .iter()
            .any(|offer| BROKEN_BY_OFFER.contains(&(offer.to_string().as_str(), requirement)))
    };
    let faulty = case.edges.iter().any(|edge| !edge.faults.is_empty());
    faulty
        || !of_steps(&case.steps).is_empty()
        || case.edges.iter().any(|edge| by_reading(edge) || by_offer(edge))
}

/// The faults that were applied, in words, with how often.
pub fn applied(log: &Log) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for (_, event) in &log.events {
        if let Event::FaultApplied { exchange, response, change, .. } = event {
            let half = if *response { "response" } else { "request" };
            *counts.entry(format!("{} in {exchange} {half}", words(change))).or_default() += 1;
        }
    }
    let counted = |(text, count)| if count == 1 { text } else { format!("{text}, {count} times") };
    counts.into_iter().map(counted).collect()
}

/// A fault that changed no message. Of those that an edge has from the start one is enough: they may be
/// about messages of either role. A control may end before the steps that arm others.
pub fn unmet(case: &Case, log: &Log) -> Option<String> {
    let met = |change: &Change| {
        log.events.iter().any(
            |(_, event)| matches!(event, Event::FaultApplied { change: of, .. } if of == change),
        )
    };
    let changes: Vec<Change> = case
        .edges
        .iter()
        .flat_map(|edge| &edge.faults)
        .filter_map(|spec| spec.lasting().ok())
        .map(|fault| fault.change)
        .collect();
    if let Some(first) = changes.first()
        && !changes.iter().any(met)
    {
        return Some(words(first));
    }
    if case.control.is_some() {
        return None;
    }
    let steps = of_steps(&case.steps).into_iter().filter_map(|spec| spec.next().ok());
    steps.map(|fault| fault.change).find(|change| !met(change)).map(|change| words(&change))
}

fn of_steps(steps: &[Step]) -> Vec<&FaultSpec> {
    let faults = Step::all(steps).into_iter().filter_map(|action| match action {
        Action::Fault(fault) => Some(fault),
        _ => None,
    });
    faults.collect()
}

/// `flip-wire (at -1, mask 1)`.
fn words(change: &Change) -> String {
    let value = serde_json::to_value(change).unwrap_or_default();
    let fields = value.as_object().into_iter().flatten();
    let (name, arguments): (Vec<_>, Vec<_>) = fields.partition(|(key, _)| *key == "what");
    let name = name.first().and_then(|(_, name)| name.as_str()).unwrap_or_default();
    let arguments: Vec<_> = arguments.iter().map(|(key, value)| format!("{key} {value}")).collect();
    match arguments.as_slice() {
        [] => name.to_owned(),
        arguments => format!("{name} ({})", arguments.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use ikeproof_proto::time::Time;
    use ikeproof_proto::wire::ExchangeType;

    use super::*;

    #[test]
    fn applied_faults_are_told_with_their_number() {
        let change = Change::FlipWire { at: -1, mask: 1 };
        let event = |message_id, response| Event::FaultApplied {
            exchange: ExchangeType::IKE_AUTH,
            response,
            message_id,
            change: change.clone(),
        };
        let events = [event(1, true), event(2, true), event(1, false)];
        let log = Log {
            events: events.into_iter().map(|event| (Time::ZERO, event)).collect(),
            ..Log::default()
        };
        let texts = applied(&log);
        assert_eq!(
            texts,
            [
                "flip-wire (at -1, mask 1) in IKE_AUTH request",
                "flip-wire (at -1, mask 1) in IKE_AUTH response, 2 times"
            ]
        );
    }
}
