//! Traffic selectors: ports of one selector, and answers within the offer (RFC 7296, sections 2.9
//! and 3.13.1).

use core::net::IpAddr;

use ikeproof_proto::wire::PayloadType;
use ikeproof_proto::wire::v2::TrafficSelector;

use super::message::{Message, body};
use crate::finding::Report;
use crate::rules;

/// Judges the selectors of a message.
pub(crate) fn judge(report: &mut Report<'_>, message: &Message) {
    for kind in [PayloadType::TSI, PayloadType::TSR] {
        let Some((part, ts)) = message.ts(kind) else { continue };
        for selector in &ts.selectors {
            let (start, end) = (selector.start_port, selector.end_port);
            if selector.ip_protocol == 0 {
                report.applies(&[rules::TS_ANY_PORT]);
            }
            if start > end {
                report.applies(&[rules::TS_OPAQUE]);
            }
            if selector.ip_protocol == 0 && !selector.is_any_port() && !selector.is_opaque() {
                let says = format!("{kind} for any protocol with ports {start} to {end}");
                report.say(rules::TS_ANY_PORT, body(part), says);
            } else if start > end && !selector.is_opaque() {
                let says = format!("{kind} with ports {start} to {end}");
                report.say(rules::TS_OPAQUE, body(part), says);
            }
        }
    }
}

/// Judges whether the selectors of an answer lie in those of the request.
pub(crate) fn judge_answer(report: &mut Report<'_>, request: &Message, answer: &Message) {
    for kind in [PayloadType::TSI, PayloadType::TSR] {
        let (Some((_, offered)), Some((part, chosen))) = (request.ts(kind), answer.ts(kind)) else {
            continue;
        };
        report.applies(&[rules::TS_SUBSET]);
        for selector in &chosen.selectors {
            if !selector.is_empty() && !is_covered(selector, &offered.selectors) {
                let offer: Vec<String> =
                    offered.selectors.iter().map(ToString::to_string).collect();
                let says = format!("{kind} {selector} is not in the offer {}", offer.join(", "));
                report.say(rules::TS_SUBSET, body(part), says);
            }
        }
    }
}

/// Whether all addresses of `selector` are in the offer, possibly in several of its selectors.
fn is_covered(selector: &TrafficSelector, offered: &[TrafficSelector]) -> bool {
    if offered.iter().any(|offer| offer.contains(selector)) {
        return true;
    }
    let mut ranges: Vec<(u128, u128)> = offered
        .iter()
        .filter_map(|offer| offer.intersect(selector))
        .filter(|part| {
            (part.ip_protocol, part.start_port, part.end_port)
                == (selector.ip_protocol, selector.start_port, selector.end_port)
        })
        .map(|part| (bits(part.start), bits(part.end)))
        .collect();
    ranges.sort_unstable();
    let mut next = bits(selector.start);
    let last = bits(selector.end);
    for (start, end) in ranges {
        if start > next {
            return false;
        }
        if end >= last {
            return true;
        }
        next = next.max(end.saturating_add(1));
    }
    false
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}
