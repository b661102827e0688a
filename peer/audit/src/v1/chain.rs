//! Chains of payloads: generic headers, reserved octets, and whether each payload decodes
//! (RFC 2408, sections 2.5.2, 3.2 and 5.3).

use ikeproof_proto::wire::RawPayload;
use ikeproof_proto::wire::v1::Payload;
use ikeproof_proto::wire::v1::num::PayloadKind;

use super::message::Part;
use super::offer::Offer;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Gives each payload its meaning without judging it.
pub(crate) fn take(raw: Vec<RawPayload>) -> Vec<Part> {
    raw.into_iter()
        .map(|raw| {
            let typed = Payload::decode(&raw).ok();
            Part { raw, typed }
        })
        .collect()
}

/// Judges payloads one by one, and names what the receiver must refuse.
pub(crate) fn judge(report: &mut Report<'_>, parts: &[Part]) -> Vec<(&'static Rule, String)> {
    let mut found = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        let kind = part.kind();
        let reserved = part.raw.reserved | u8::from(part.raw.critical) << 7;
        if reserved != 0 {
            let says = format!("the reserved octet of payload {kind} is {reserved:#04x}");
            report.say(rules::V1_RESERVED, part.raw.offset + 1, says);
            let says = format!("reserved octet {reserved:#04x} in payload {kind}");
            found.push((rules::V1_RESERVED_CHECKED, says));
        }
        judge_reserved(report, part);
        report.applies(&[rules::V1_RESERVED]);
        if number > 0 {
            report.applies(&[rules::V1_UNKNOWN_PAYLOAD]);
        }
        if let Some(rule) = rule_of(part) {
            report.applies(&[rule]);
        }
        // The first one is named by the header, which has a rule of its own.
        if number > 0 && !is_assigned(kind) {
            let says = format!("payload {kind} has no meaning");
            report.say(rules::V1_UNKNOWN_PAYLOAD, part.raw.offset, says);
            found.push((rules::V1_UNKNOWN_REFUSED, format!("payload {kind}")));
        }
        if let Err(error) = Payload::decode(&part.raw)
            && let Some(rule) = rule_of(part)
        {
            report.say(rule, error.offset, error.to_string());
        }
    }
    found
}

/// Types below 128 are assigned; those above are for private use.
const fn is_assigned(kind: PayloadKind) -> bool {
    !matches!(kind.0, 0 | 15..=19 | 22..=127)
        && !matches!(kind, PayloadKind::PROPOSAL | PayloadKind::TRANSFORM)
}

/// The rule that a payload breaks which does not decode; SA payloads are judged on their own.
fn rule_of(part: &Part) -> Option<&'static Rule> {
    Some(match part.kind() {
        PayloadKind::SA => return None,
        PayloadKind::NONCE => rules::V1_NONCE,
        PayloadKind::ID => rules::V1_ID_LENGTH,
        PayloadKind::DELETE => rules::V1_DELETE_LENGTH,
        PayloadKind::ATTRIBUTES => rules::CFG_LENGTHS,
        PayloadKind::NAT_OA | PayloadKind::NAT_OA_DRAFT => rules::NAT_OA_FORM,
        _ => rules::V1_PAYLOAD_LENGTH,
    })
}

fn judge_reserved(report: &mut Report<'_>, part: &Part) {
    let mut say = |at: usize, octet: u8, what: &str| {
        if octet != 0 {
            report.say(
                rules::V1_RESERVED,
                at,
                format!("a reserved octet of {what} is {octet:#04x}"),
            );
        }
    };
    match part.kind() {
        PayloadKind::SA => {
            let Some(offer) = Offer::read(part) else { return };
            for proposal in &offer.proposals {
                say(proposal.at + 1, proposal.reserved, "a proposal");
            }
            for (_, transform) in offer.transforms() {
                for (at, octet) in [1, 6, 7].into_iter().zip(transform.reserved) {
                    say(transform.at + at, octet, "a transform");
                }
            }
        }
        PayloadKind::NAT_OA | PayloadKind::NAT_OA_DRAFT => {
            for (at, octet) in part.raw.body.iter().enumerate().take(4).skip(1) {
                say(part.body() + at, *octet, "NAT-OA");
            }
        }
        PayloadKind::ATTRIBUTES => {
            say(part.body() + 1, part.raw.body.get(1).copied().unwrap_or(0), "ATTR");
        }
        _ => {}
    }
}
