//! Whether the attributes of a transform can be taken at their word (RFC 2408, section 5.6; RFC 2407,
//! sections 4.5.2 and 4.5.3; RFC 2409, appendix A).
//!
//! Whoever chooses a transform says that it goes by all of its attributes. One that is not understood, that
//! cannot be read or that contradicts another makes the transform unusable; the same thing said twice
//! does not.

use crate::policy::refusal::{Reason, ReasonKind};
use crate::wire::attribute::Attribute;
use crate::wire::v1::Transform;

/// What a phase knows of attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vocabulary {
    /// Those that mean something here.
    pub(super) understood: &'static [u16],
    /// Those that may be there several times, as each speaks of what goes before it: lifetimes.
    pub(super) repeatable: [u16; 2],
    /// The requirement that speaks of the others.
    pub(super) rule: &'static str,
    /// The names of all.
    pub(super) name: fn(u16) -> String,
}

/// Refuses a transform if one of its attributes cannot be gone by.
pub(super) fn check(transform: &Transform, of: &Vocabulary) -> Result<(), Reason> {
    let attributes = &transform.attributes;
    for (at, attribute) in attributes.iter().enumerate() {
        let kind = attribute.kind();
        let name = || (of.name)(kind);
        if !of.understood.contains(&kind) {
            return Err(malformed(of.rule, format!("attribute {} is not known", name())));
        }
        if attribute.number().is_none() {
            return Err(unusable(format!("attribute {} is no number", name())));
        }
        let differs =
            |earlier: &Attribute| earlier.kind() == kind && earlier.number() != attribute.number();
        if !of.repeatable.contains(&kind) && attributes.iter().take(at).any(differs) {
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
