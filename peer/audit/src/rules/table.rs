//! The table of all rules, and how a rule is found in it.

use ikeproof_proto::wire::ExchangeType;

use super::ah::AH;
use super::content::CONTENT;
use super::esp::ESP;
use super::exchange::EXCHANGE;
use super::v1;
use super::wire::WIRE;
use super::{AUTH_PAYLOADS, CHILD_PAYLOADS, INFO_PAYLOADS, INIT_PAYLOADS, REKEY_PAYLOADS};
use crate::level::Level;

/// A requirement that the auditor judges.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub struct Rule {
    /// The id in the catalogue.
    pub id: &'static str,
    /// The key word.
    pub level: Level,
    /// What is required.
    pub text: &'static str,
    /// The mutant that proves that breaking it is found.
    pub mutant: &'static str,
}

/// The rules of IKEv2, and of the packets of both versions.
const IKEV2_GROUPS: [&[&Rule]; 5] = [WIRE, CONTENT, EXCHANGE, ESP, AH];

/// The rules of IKEv1.
pub const IKEV1: &[&Rule] = &joined::<{ count(&v1::GROUPS) }>(&v1::GROUPS, &[]);

/// All rules.
pub const RULES: &[&Rule] =
    &joined::<{ count(&IKEV2_GROUPS) + count(&v1::GROUPS) }>(&IKEV2_GROUPS, &v1::GROUPS);

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn count(groups: &[&[&Rule]]) -> usize {
    let (mut count, mut group) = (0, 0);
    while group < groups.len() {
        count += groups[group].len();
        group += 1;
    }
    count
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn joined<const COUNT: usize>(
    one: &[&[&'static Rule]],
    two: &[&[&'static Rule]],
) -> [&'static Rule; COUNT] {
    let mut all = [one[0][0]; COUNT];
    let (mut at, mut group) = (0, 0);
    while group < one.len() + two.len() {
        let rules = if group < one.len() { one[group] } else { two[group - one.len()] };
        let mut rule = 0;
        while rule < rules.len() {
            all[at] = rules[rule];
            at += 1;
            rule += 1;
        }
        group += 1;
    }
    all
}

/// The rule with this id.
pub fn by_id(id: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.id == id)
}

/// The rule for what `presence::check` of the wire level calls `name`: an id, or a section that
/// only draws the messages. `None` for what is not judged here.
pub(crate) fn of_presence(
    name: &str,
    exchange: ExchangeType,
    rekeys_ike: bool,
) -> Option<&'static Rule> {
    if let Some(rule) = by_id(name) {
        return Some(rule);
    }
    Some(match exchange {
        ExchangeType::IKE_SA_INIT => INIT_PAYLOADS,
        ExchangeType::IKE_AUTH => AUTH_PAYLOADS,
        ExchangeType::CREATE_CHILD_SA if rekeys_ike => REKEY_PAYLOADS,
        ExchangeType::CREATE_CHILD_SA => CHILD_PAYLOADS,
        ExchangeType::INFORMATIONAL => INFO_PAYLOADS,
        _ => return None,
    })
}
