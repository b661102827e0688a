//! Reserved octets inside of payloads (RFC 7296, sections 2.5 and 3.3 to 3.15).

use ikeproof_proto::wire::{PayloadType, RawPayload};

use crate::finding::Report;
use crate::rules;

/// Judges the reserved octets of a payload that decodes.
pub(crate) fn judge(report: &mut Report<'_>, raw: &RawPayload) {
    if raw.kind == PayloadType::CP {
        judge_attributes(report, raw);
    }
    for at in places(raw) {
        if let Some(&octet) = raw.body.get(at)
            && octet != 0
        {
            report.say(
                rules::RESERVED,
                raw.offset + RawPayload::HEADER_LEN + at,
                format!("a reserved octet of payload {} is {octet:#04x}", raw.kind),
            );
        }
    }
}

/// Judges the reserved bit in front of each attribute of a Configuration payload.
fn judge_attributes(report: &mut Report<'_>, raw: &RawPayload) {
    let mut at = 4;
    while let Some(&[kind, _, high, low]) = raw.body.get(at..at + 4) {
        report.applies(&[rules::CP_RESERVED]);
        if kind & 0x80 != 0 {
            report.say(
                rules::CP_RESERVED,
                raw.offset + RawPayload::HEADER_LEN + at,
                "the reserved bit of a configuration attribute is set",
            );
        }
        at += 4 + usize::from(u16::from_be_bytes([high, low]));
    }
}

/// Where the reserved octets of a body are.
fn places(raw: &RawPayload) -> Vec<usize> {
    match raw.kind {
        PayloadType::KE => vec![2, 3],
        PayloadType::IDI
        | PayloadType::IDR
        | PayloadType::AUTH
        | PayloadType::TSI
        | PayloadType::TSR
        | PayloadType::CP => vec![1, 2, 3],
        PayloadType::SA => substructures(&raw.body)
            .into_iter()
            .flat_map(|proposal| {
                let transforms = proposal.transforms.into_iter().flat_map(|at| [at + 1, at + 5]);
                core::iter::once(proposal.at + 1).chain(transforms).collect::<Vec<_>>()
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Where a proposal and its transforms begin in the body of an SA payload.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) at: usize,
    pub(crate) transforms: Vec<usize>,
}

/// The places of all proposals, as far as the lengths lead.
pub(crate) fn substructures(body: &[u8]) -> Vec<Place> {
    let length_at = |at: usize| match (body.get(at + 2), body.get(at + 3)) {
        (Some(&high), Some(&low)) => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    };
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(length) = length_at(at).filter(|&length| length >= 8) {
        let end = at + length;
        let mut transforms = Vec::new();
        let mut inner = at + 8 + usize::from(body.get(at + 6).copied().unwrap_or(0));
        while inner < end
            && let Some(length) = length_at(inner).filter(|&length| length >= 8)
        {
            transforms.push(inner);
            inner += length;
        }
        places.push(Place { at, transforms });
        at = end;
    }
    places
}
