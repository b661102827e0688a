//! Rules over combinations: *with these values, only those*.
//!
//! A table of allowed values is five lists; what an edge really accepts is a set of combinations.
//! A constraint is data and is evaluated for each combination by itself, so a wide proposal is
//! accepted in whatever way the rules leave open.

use serde::{Deserialize, Serialize};

use super::algorithm::listed;
use super::readings::{Readings, When};
use super::refusal::{Reason, ReasonKind};
use crate::crypto::suite::{Encr, Group, Integ, Prf};

/// A rule over combinations.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constraint {
    /// The rule's id and, in brackets, where it comes from: `C1 (F09, R04)`.
    pub rule: String,
    /// The reading under which it counts; always, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<When>,
    /// The combinations that it is about: those with one of the values in every list that is not
    /// empty.
    #[serde(default)]
    pub when: Values,
    /// What such a combination must have: one of the values in every list that is not empty, where
    /// the combination has that type at all.
    pub require: Values,
    /// The rule in the words of its source.
    pub says: String,
}

/// Lists of values by type; an empty list says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Values {
    /// Encryption.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encr: Vec<Encr>,
    /// Integrity.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub integ: Vec<Integ>,
    /// Pseudorandom function.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prf: Vec<Prf>,
    /// Key exchange group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group: Vec<Group>,
}

/// One value of each type that the proposal and the protocol have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Combination {
    pub encr: Option<Encr>,
    pub integ: Option<Integ>,
    pub prf: Option<Prf>,
    pub group: Option<Group>,
}

impl Constraint {
    /// Whether the rule counts under `readings`.
    pub(super) fn counts(&self, readings: &Readings) -> bool {
        self.only.as_ref().is_none_or(|only| only.holds(readings))
    }

    /// Whether the rule leaves `combination` open.
    pub(super) fn allows(&self, combination: &Combination) -> bool {
        !self.when.covers(combination) || self.require.satisfied_by(combination)
    }

    /// Why it stands against `combination`.
    pub(super) fn reason(&self, combination: &Combination) -> Reason {
        Reason {
            rule: self.rule.clone(),
            kind: ReasonKind::Combination,
            says: self.says.clone(),
            change: self.change(combination),
        }
    }

    fn change(&self, combination: &Combination) -> String {
        let mut wanted = Vec::new();
        let require = &self.require;
        if combination.encr.is_some_and(|value| misses(&require.encr, value)) {
            wanted.push(listed(&require.encr));
        }
        if combination.integ.is_some_and(|value| misses(&require.integ, value)) {
            wanted.push(listed(&require.integ));
        }
        if combination.prf.is_some_and(|value| misses(&require.prf, value)) {
            wanted.push(listed(&require.prf));
        }
        if combination.group.is_some_and(|value| misses(&require.group, value)) {
            wanted.push(listed(&require.group));
        }
        let with = combination.matched(&self.when);
        if with.is_empty() {
            format!("offer {}", wanted.join(" and "))
        } else {
            format!("offer {} with {with}", wanted.join(" and "))
        }
    }
}

impl Values {
    /// As the `when` of a rule.
    fn covers(&self, combination: &Combination) -> bool {
        covers(&self.encr, combination.encr)
            && covers(&self.integ, combination.integ)
            && covers(&self.prf, combination.prf)
            && covers(&self.group, combination.group)
    }

    /// As the `require` of a rule.
    fn satisfied_by(&self, combination: &Combination) -> bool {
        !(combination.encr.is_some_and(|value| misses(&self.encr, value))
            || combination.integ.is_some_and(|value| misses(&self.integ, value))
            || combination.prf.is_some_and(|value| misses(&self.prf, value))
            || combination.group.is_some_and(|value| misses(&self.group, value)))
    }
}

impl Combination {
    /// The values that `when` is about.
    fn matched(&self, when: &Values) -> String {
        let mut words = Vec::new();
        words.extend(self.encr.filter(|value| when.encr.contains(value)).map(|v| v.to_string()));
        words.extend(self.integ.filter(|value| when.integ.contains(value)).map(|v| v.to_string()));
        words.extend(self.prf.filter(|value| when.prf.contains(value)).map(|v| v.to_string()));
        words.extend(self.group.filter(|value| when.group.contains(value)).map(|v| v.to_string()));
        words.join("-")
    }
}

fn covers<T: PartialEq>(list: &[T], value: Option<T>) -> bool {
    list.is_empty() || value.is_some_and(|value| list.contains(&value))
}

fn misses<T: PartialEq>(list: &[T], value: T) -> bool {
    !list.is_empty() && !list.contains(&value)
}

/// The combination with the fewest objections, found by looking at no more than `budget`.
pub(super) struct Search {
    /// Without an objection, if there is one.
    pub found: Option<Combination>,
    /// Otherwise the nearest.
    pub nearest: Option<Combination>,
    /// Whether the budget ran out first.
    pub gave_up: bool,
}

/// Goes through `combinations` in order of preference.
pub(super) fn search(
    combinations: impl Iterator<Item = Combination>,
    objections: impl Fn(&Combination) -> usize,
    budget: &mut usize,
) -> Search {
    let mut nearest: Option<(usize, Combination)> = None;
    for combination in combinations {
        let Some(left) = budget.checked_sub(1) else {
            let nearest = nearest.map(|(_, combination)| combination);
            return Search { found: None, nearest, gave_up: true };
        };
        *budget = left;
        let count = objections(&combination);
        if count == 0 {
            return Search { found: Some(combination), nearest: None, gave_up: false };
        }
        if nearest.is_none_or(|(fewest, _)| count < fewest) {
            nearest = Some((count, combination));
        }
    }
    Search { found: None, nearest: nearest.map(|(_, combination)| combination), gave_up: false }
}
