//! The initiator's check of an answer: one transform of one proposal, with its attributes as they
//! were offered (RFC 2409, section 5; RFC 2408, section 4.2).

use thiserror::Error;

use super::phase1::Phase1Set;
use super::phase2::Phase2Set;
use crate::crypto::suite::{ChildSuite, IkeSuite};
use crate::wire::num::ProtocolId;
use crate::wire::v1::{Proposal, Sa, Transform};

/// What is wrong with an answer of IKEv1.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum V1AnswerError {
    /// Not exactly one proposal.
    #[error("the answer holds {0} proposals instead of one")]
    Proposals(usize),
    /// Not exactly one transform.
    #[error("the answer holds {0} transforms instead of one")]
    Transforms(usize),
    /// A proposal that was not offered.
    #[error("a proposal for {0} was not offered")]
    Protocol(ProtocolId),
    /// A transform that was not offered, or not with these attributes.
    #[error("transform {0} was not offered in that form")]
    Changed(u8),
    /// What was offered cannot be used.
    #[error("transform {0} cannot be used: {1}")]
    Unusable(u8, String),
}

impl V1AnswerError {
    /// The requirement that the answer breaks.
    pub const fn requirement(&self) -> &'static str {
        match self {
            Self::Proposals(_) => "rfc2408-4.1.1-one-proposal-reply",
            Self::Transforms(_) => "rfc2408-4.2-reply-one-transform",
            Self::Protocol(_) => "rfc2408-4.2-initiator-verifies-reply",
            Self::Changed(_) | Self::Unusable(..) => "rfc2409-5-attributes-unmodified",
        }
    }
}

/// Checks an answer of phase 1: the algorithms, and the lifetime in seconds that was offered.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_phase1_answer(
    offered: &Sa,
    answered: &Sa,
) -> Result<(IkeSuite, Option<u64>), V1AnswerError> {
    let (proposal, transform) = only(offered, answered)?;
    let set = Phase1Set::read(proposal, transform)
        .map_err(|reason| V1AnswerError::Unusable(transform.number, reason.says))?;
    Ok((set.suite, set.seconds))
}

/// Checks an answer of phase 2: the algorithms, the lifetime in seconds, and the peer's proposal.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_phase2_answer<'a>(
    offered: &Sa,
    answered: &'a Sa,
) -> Result<(ChildSuite, Option<u64>, &'a Proposal), V1AnswerError> {
    let (proposal, transform) = only(offered, answered)?;
    let set = Phase2Set::read(proposal.protocol, transform)
        .map_err(|reason| V1AnswerError::Unusable(transform.number, reason.says))?;
    Ok((set.suite, set.seconds, proposal))
}

/// The only proposal and transform of an answer, if they were offered. Attributes are compared as
/// sets, and as numbers where they are numbers: their form and order may differ.
fn only<'a>(
    offered: &Sa,
    answered: &'a Sa,
) -> Result<(&'a Proposal, &'a Transform), V1AnswerError> {
    let [proposal] = answered.proposals.as_slice() else {
        return Err(V1AnswerError::Proposals(answered.proposals.len()));
    };
    let [transform] = proposal.transforms.as_slice() else {
        return Err(V1AnswerError::Transforms(proposal.transforms.len()));
    };
    let mut same = offered.proposals.iter().filter(|offer| offer.protocol == proposal.protocol);
    if same.clone().next().is_none() {
        return Err(V1AnswerError::Protocol(proposal.protocol));
    }
    // Numbers are not compared: responders are known to count anew, and the attributes decide.
    if same.any(|offer| offer.transforms.iter().any(|known| is_same(known, transform))) {
        Ok((proposal, transform))
    } else {
        Err(V1AnswerError::Changed(transform.number))
    }
}

fn is_same(offered: &Transform, answered: &Transform) -> bool {
    let values = |transform: &Transform| {
        let mut values: Vec<_> = transform
            .attributes
            .iter()
            .map(|attribute| (attribute.kind(), attribute.number()))
            .collect();
        values.sort_unstable();
        values
    };
    offered.id == answered.id && values(offered) == values(answered)
}
