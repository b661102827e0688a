//! Whether the attributes of a transform can be taken at their word (RFC 2408, section 5.6; RFC 2407,
//! sections 4.5.2 and 4.5.3; RFC 2409, appendix A).
//!
//! Whoever chooses a transform says that it goes by all of its attributes. One that is not understood, that
//! cannot be read or that contradicts another makes the transform unusable; the same thing said twice
//! does not.

use crate::policy::refusal::{Reason, ReasonKind};
use crate::wire::v1::Transform;

/// What a phase knows of attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vocabulary {
    /// Those that mean something here.
    pub(super) understood: &'static [u16],
    /// What a lifetime counts, and the lifetime behind it. They may be there several times.
    pub(super) lifetimes: [u16; 2],
    /// The requirement that speaks of what is not understood.
    pub(super) rule: &'static str,
    /// The requirement that a lifetime says what it counts.
    pub(super) counted: &'static str,
    /// The names of all.
    pub(super) name: fn(u16) -> String,
}

/// Refuses a transform if one of its attributes cannot be gone by. The time that takes grows with their
/// number and no faster, as an offer of phase 1 may come from anybody.
pub(super) fn check(transform: &Transform, of: &Vocabulary) -> Result<(), Reason> {
    // Whatever differs from any of its kind differs from the first of it.
    let mut first = vec![None; of.understood.len()];
    for attribute in &transform.attributes {
        let kind = attribute.kind();
        let name = || (of.name)(kind);
        let known = of.understood.iter().zip(&mut first).find(|(known, _)| **known == kind);
        let Some((_, first)) = known else {
            return Err(malformed(of.rule, format!("attribute {} is not known", name())));
        };
        let Some(number) = attribute.number() else {
            return Err(unusable(format!("attribute {} is no number", name())));
        };
        if *first.get_or_insert(number) != number && !of.lifetimes.contains(&kind) {
            return Err(unusable(format!("attribute {} is there with two values", name())));
        }
    }
    Ok(())
}

/// A transform that contradicts itself or says nothing.
pub(super) fn unusable(says: String) -> Reason {
    malformed("rfc2408-5.6-transform-attributes-checked", says)
}

fn malformed(rule: &str, says: String) -> Reason {
    let change = "leave it out".to_owned();
    Reason { rule: rule.to_owned(), kind: ReasonKind::Malformed, says, change }
}
