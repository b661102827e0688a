//! An answered SA payload against the offered one (RFC 2408, section 4.2; RFC 2409, section 5;
//! RFC 3602, section 5.3).

use std::collections::BTreeMap;

use ikeproof_proto::wire::Attribute;
use ikeproof_proto::wire::v1::num::{Phase1Attr, Phase2Attr};

use super::offer::{Offer, OfferedProposal, OfferedTransform};
use super::proposals::name;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges an answer, and names what the initiator must refuse.
pub(crate) fn judge(
    report: &mut Report<'_>,
    offer: &Offer,
    answer: &Offer,
    phase1: bool,
) -> Vec<(&'static Rule, String)> {
    let mut found = Vec::new();
    let mut numbers: Vec<u8> = answer.proposals.iter().map(|proposal| proposal.number).collect();
    numbers.dedup();
    report.applies(&[rules::V1_ONE_PROPOSAL]);
    if numbers.len() != 1 {
        let says = format!("{} proposals in the answer", numbers.len());
        report.say(rules::V1_ONE_PROPOSAL, answer.at, says);
        return found;
    }
    for proposal in &answer.proposals {
        report.applies(&[rules::V1_ONE_TRANSFORM]);
        if proposal.transforms.len() != 1 {
            let says = format!("{} transforms in the answer", proposal.transforms.len());
            report.say(rules::V1_ONE_TRANSFORM, proposal.at + 7, says);
        }
        let Some(chosen) = proposal.transforms.first() else { continue };
        judge_transform(report, offer, (proposal, chosen), phase1, &mut found);
    }
    found
}

fn judge_transform(
    report: &mut Report<'_>,
    offer: &Offer,
    (proposal, chosen): (&OfferedProposal, &OfferedTransform),
    phase1: bool,
    found: &mut Vec<(&'static Rule, String)>,
) {
    report.applies(&[rules::V1_UNMODIFIED]);
    let length = if phase1 { Phase1Attr::KEY_LENGTH.0 } else { Phase2Attr::KEY_LENGTH.0 };
    if offer.transforms().any(|(_, it)| it.find(length).is_some()) {
        report.applies(&[rules::V1_KEYLEN_SAME]);
    }
    let offered: Vec<_> = offer
        .transforms()
        .filter(|(offered, it)| offered.protocol == proposal.protocol && it.id == chosen.id)
        .collect();
    let same_numbers = |(of, it): &&(&OfferedProposal, &OfferedTransform)| {
        of.number == proposal.number && it.number == chosen.number
    };
    let values = values(chosen);
    let mut equal = offered.iter().filter(|(_, it)| self::values(it) == values).peekable();
    if equal.peek().is_some() {
        report.applies(&[rules::V1_KEEPS_NUMBERS]);
        if !equal.any(|it| same_numbers(&it)) {
            let says = format!(
                "transform {} of proposal {} was offered under other numbers",
                chosen.number, proposal.number
            );
            report.say(rules::V1_KEEPS_NUMBERS, chosen.at + 4, says);
        }
        return;
    }
    let at = chosen.at;
    let Some((_, meant)) = offered.iter().find(same_numbers) else {
        let says = format!("transform {} was not offered", chosen.number);
        report.say(rules::V1_UNMODIFIED, at, says.clone());
        found.push((rules::V1_VERIFIES_REPLY, says));
        return;
    };
    let before = self::values(meant);
    let differs = |kind: &&u16| before.get(*kind) != values.get(*kind);
    let mut kinds: Vec<u16> = before.keys().chain(values.keys()).filter(differs).copied().collect();
    kinds.sort_unstable();
    kinds.dedup();
    let names: Vec<String> = kinds.iter().map(|kind| name(*kind, phase1)).collect();
    let says = format!("{} differ from the offer", names.join(", "));
    let rule = if kinds == [length] { rules::V1_KEYLEN_SAME } else { rules::V1_UNMODIFIED };
    report.say(rule, at, says);
    found.push((rules::V1_CHANGED_REFUSED, format!("{} changed", names.join(", "))));
}

/// The values by attribute, whichever form they have.
fn values(transform: &OfferedTransform) -> BTreeMap<u16, Vec<Vec<u8>>> {
    let mut values: BTreeMap<u16, Vec<Vec<u8>>> = BTreeMap::new();
    for (_, attribute) in &transform.attributes {
        let octets = match attribute {
            Attribute::Tv { value, .. } => value.to_be_bytes().to_vec(),
            Attribute::Tlv { value, .. } => value.clone(),
        };
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let octets = octets.get(zeros..).unwrap_or_default().to_vec();
        values.entry(attribute.kind()).or_default().push(octets);
    }
    values
}
