//! Why an offer was refused, in the words of the person who has to change it.
//!
//! A refusal names, for each proposal, the combination that came nearest to being accepted, every
//! rule that stood against it, and what to change. It is what `serve` prints and reports show; the
//! wire only ever carries the notify.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How many proposals of one offer are explained; the rest are only counted.
pub const MAX_EXPLAINED: usize = 16;

/// An offer none of whose proposals can be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The first proposals, in the order of the offer.
    pub proposals: Vec<ProposalRefusal>,
    /// How many more there were.
    pub more: usize,
}

/// One proposal that cannot be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalRefusal {
    /// The proposal's number.
    pub number: u8,
    /// The combination that came nearest, such as `aes256-sha384-ecp384`.
    pub nearest: String,
    /// Every rule that stood against it.
    pub reasons: Vec<Reason>,
}

/// A rule that stands against a combination or an identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// The rule's id: a fact, a constraint, a reading or a requirement.
    pub rule: String,
    /// Whether the offer is unwelcome or wrong.
    pub kind: ReasonKind,
    /// What the rule says and what was seen.
    pub says: String,
    /// What to change.
    pub change: String,
}

/// What sort of rule it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// A value that the profile does not list.
    NotListed,
    /// Values that are listed but may not be combined.
    Combination,
    /// The offer breaks the RFC.
    Malformed,
    /// The offer goes beyond what is looked at.
    Limit,
}

impl Refusal {
    /// Gathers refusals, keeping the first [`MAX_EXPLAINED`] and the one where a limit was reached.
    pub(super) fn add(&mut self, refused: ProposalRefusal) {
        let limit = |refused: &ProposalRefusal| {
            refused.reasons.iter().any(|reason| reason.kind == ReasonKind::Limit)
        };
        let first_limit = limit(&refused) && !self.proposals.iter().any(limit);
        if self.proposals.len() < MAX_EXPLAINED || first_limit {
            self.proposals.push(refused);
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// A refusal with nothing in it yet.
    pub(super) const fn new() -> Self {
        Self { proposals: Vec::new(), more: 0 }
    }

    /// Whether the rule `id` stands against any of the proposals.
    pub fn names(&self, id: &str) -> bool {
        self.proposals.iter().flat_map(|proposal| &proposal.reasons).any(|reason| {
            reason
                .rule
                .split(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'))
                .any(|word| word == id)
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.proposals.is_empty() {
            return f.write_str("the offer holds no proposal");
        }
        for (place, proposal) in self.proposals.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{proposal}")?;
        }
        if self.more > 0 {
            write!(f, "\nand {} more proposals", self.more)?;
        }
        Ok(())
    }
}

impl fmt::Display for ProposalRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proposal {} ({}):", self.number, self.nearest)?;
        for (place, reason) in self.reasons.iter().enumerate() {
            f.write_str(if place > 0 { "; " } else { " " })?;
            write!(f, "{reason}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]; {}", self.says, self.rule, self.change)
    }
}
