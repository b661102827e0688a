//! The requirements that the auditor judges, as a table.
//!
//! Each has the id, key word and sentence of the catalogue, and the name of a mutant: an edit of an
//! honest session that makes this finding appear, while the honest session gives none. The tests
//! go through the whole table; a rule without a mutant fails them.

mod content;
mod esp;
mod exchange;
mod wire;

pub(crate) use content::*;
pub(crate) use esp::*;
pub(crate) use exchange::*;
use ikeproof_proto::wire::ExchangeType;
pub(crate) use wire::*;

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

/// All rules.
pub const RULES: &[&Rule] =
    &joined::<{ WIRE.len() + CONTENT.len() + EXCHANGE.len() + ESP.len() }>();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler alone")]
const fn joined<const COUNT: usize>() -> [&'static Rule; COUNT] {
    let groups = [WIRE, CONTENT, EXCHANGE, ESP];
    let mut all = [WIRE[0]; COUNT];
    let (mut at, mut group) = (0, 0);
    while group < groups.len() {
        let mut rule = 0;
        while rule < groups[group].len() {
            all[at] = groups[group][rule];
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

/// Declares rules as constants, and the list of them.
macro_rules! rules {
    ($group:ident: $($name:ident = $level:ident $id:literal, $text:literal, $mutant:literal;)+) => {
        $(
            #[doc = $text]
            pub(crate) const $name: &crate::rules::Rule = &crate::rules::Rule {
                id: $id,
                level: crate::level::Level::$level,
                text: $text,
                mutant: $mutant,
            };
        )+

        /// All of this group.
        pub(super) const $group: &[&crate::rules::Rule] = &[$($name),+];
    };
}
use rules;
