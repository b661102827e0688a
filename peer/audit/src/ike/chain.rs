//! Chains of payloads, outside and inside of encryption: generic headers, and whether each payload
//! decodes at all (RFC 7296, section 3.2).

use ikeproof_proto::wire::v2::Payload;
use ikeproof_proto::wire::{DecodeError, DecodeErrorKind, IdType, Limit, PayloadType, RawPayload};

use super::message::Part;
use super::reserved;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges payloads one by one and gives each its meaning.
pub(crate) fn judge(report: &mut Report<'_>, raw: Vec<RawPayload>, response: bool) -> Vec<Part> {
    raw.into_iter()
        .map(|raw| {
            judge_generic_header(report, &raw, response);
            report.applies(rules_of(&raw));
            let typed = match Payload::decode(&raw) {
                Ok(typed) => {
                    reserved::judge(report, &raw);
                    typed
                }
                Err(error) => {
                    report.say(rule_of(&raw, &error), error.offset, error.to_string());
                    Payload::Unknown { kind: raw.kind, critical: false, body: raw.body.clone() }
                }
            };
            Part { raw, typed }
        })
        .collect()
}

/// Takes payloads without judging them, as for octets that are not authentic.
pub(crate) fn take(raw: Vec<RawPayload>) -> Vec<Part> {
    raw.into_iter()
        .map(|raw| {
            let typed = Payload::decode(&raw).unwrap_or_else(|_| Payload::Unknown {
                kind: raw.kind,
                critical: false,
                body: raw.body.clone(),
            });
            Part { raw, typed }
        })
        .collect()
}

/// Judges the chain of decrypted content that begins at `offset`.
pub(crate) fn judge_inner(
    report: &mut Report<'_>,
    first: PayloadType,
    content: &[u8],
    offset: usize,
    response: bool,
) -> Option<Vec<Part>> {
    report.applies(&[rules::PAYLOAD_LENGTH, rules::CHAIN]);
    match RawPayload::decode_chain(first, content, offset) {
        Ok(raw) => Some(judge(report, raw, response)),
        Err(error) => {
            let length = error.kind == DecodeErrorKind::BadLength && error.item == "payload";
            let rule = if length { rules::PAYLOAD_LENGTH } else { rules::CHAIN };
            report.say(rule, error.offset, error.to_string());
            None
        }
    }
}

fn judge_generic_header(report: &mut Report<'_>, raw: &RawPayload, response: bool) {
    let flags = raw.offset + 1;
    report.applies(&[rules::RESERVED]);
    if raw.reserved != 0 {
        report.say(
            rules::RESERVED,
            flags,
            format!("reserved bits {:#04x} of payload {}", raw.reserved, raw.kind),
        );
    }
    let known =
        (PayloadType::SA..=PayloadType::EAP).contains(&raw.kind) || raw.kind == PayloadType::SKF;
    let rule = if response { rules::CRITICAL_RESPONSE } else { rules::CRITICAL_KNOWN };
    if known || response {
        report.applies(&[rule]);
    }
    if raw.critical && known {
        report.say(rule, flags, format!("the critical bit of payload {} is set", raw.kind));
    }
}

/// The rules about the layout of a payload.
fn rules_of(raw: &RawPayload) -> &'static [&'static Rule] {
    let address = matches!(raw.body.first(), Some(&kind) if kind == IdType::IPV4_ADDR.0 || kind == IdType::IPV6_ADDR.0);
    match raw.kind {
        PayloadType::SA => &[rules::SA_LENGTHS],
        PayloadType::NONCE => &[rules::NONCE_SIZE],
        PayloadType::IDI | PayloadType::IDR if address => &[rules::ID_ADDRESS],
        PayloadType::TSI | PayloadType::TSR => &[rules::TS_LENGTH, rules::TS_COUNT],
        PayloadType::DELETE => &[rules::DELETE_SIZE],
        PayloadType::EAP => &[rules::EAP_LENGTH],
        PayloadType::SKF => &[rules::FRAGMENT_TOTAL, rules::FRAGMENT_NUMBER],
        _ => &[],
    }
}

/// The rule that a payload breaks which does not decode.
fn rule_of(raw: &RawPayload, error: &DecodeError) -> &'static Rule {
    match raw.kind {
        PayloadType::SA => rules::SA_LENGTHS,
        PayloadType::NONCE => rules::NONCE_SIZE,
        PayloadType::IDI | PayloadType::IDR if error.kind == DecodeErrorKind::BadLength => {
            rules::ID_ADDRESS
        }
        PayloadType::TSI | PayloadType::TSR => {
            let inside = matches!(error.limit, Limit::Substructure(_));
            if inside || error.kind == DecodeErrorKind::BadLength {
                rules::TS_LENGTH
            } else {
                rules::TS_COUNT
            }
        }
        PayloadType::DELETE => rules::DELETE_SIZE,
        PayloadType::EAP => rules::EAP_LENGTH,
        PayloadType::SKF => match error.kind {
            DecodeErrorKind::BadValue("total fragments", _) => rules::FRAGMENT_TOTAL,
            _ => rules::FRAGMENT_NUMBER,
        },
        _ => rules::CHAIN,
    }
}
