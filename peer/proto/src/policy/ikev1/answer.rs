//! The initiator's check of an answer: one transform of one proposal, with its attributes as they
//! were offered (RFC 2409, section 5; RFC 2408, section 4.2).

use thiserror::Error;

use super::phase1::Phase1Set;
use super::phase2::Phase2Set;
use crate::crypto::suite::{ChildSuite, IkeSuite};
use crate::wire::num::ProtocolId;
use crate::wire::v1::num::Phase1Auth;
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
    /// One of two SAs that were wanted together.
    #[error("of two SAs that are wanted together the answer has one")]
    Half,
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
            Self::Half | Self::Protocol(_) => "rfc2408-4.2-initiator-verifies-reply",
            Self::Changed(_) | Self::Unusable(..) => "rfc2409-5-attributes-unmodified",
        }
    }
}

/// Checks an answer of phase 1: the algorithms, how the ends authenticate, and the lifetime in seconds
/// that was offered.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_phase1_answer(
    offered: &Sa,
    answered: &Sa,
) -> Result<(IkeSuite, Phase1Auth, Option<u64>), V1AnswerError> {
    let (proposal, transform) = only(offered, answered)?;
    let set = Phase1Set::read(proposal, transform)
        .map_err(|reason| V1AnswerError::Unusable(transform.number, reason.says))?;
    Ok((set.suite, set.auth, set.life.seconds))
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
    Ok((set.suite, set.life.seconds, proposal))
}

/// The half of a bundle that is AH: its algorithms, and the peer's proposal.
pub type OverAnswer<'a> = (ChildSuite, &'a Proposal);

/// Checks the second proposal of an answer, if there is one: that of an SA of AH, which was offered under
/// the number of the first. Call [`check_phase2_answer`] with the first alone.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_phase2_over<'a>(
    offered: &Sa,
    answered: &'a Sa,
) -> Result<(Sa, Option<OverAnswer<'a>>), V1AnswerError> {
    let [first, second] = answered.proposals.as_slice() else {
        let is_alone = |one: &Proposal| {
            !offered.proposals.iter().any(|two| one.number == two.number && one != two)
        };
        let protocol = answered.proposals.first().map(|first| first.protocol);
        let mut same = offered.proposals.iter().filter(|one| Some(one.protocol) == protocol);
        if same.clone().next().is_some() && !same.any(is_alone) {
            return Err(V1AnswerError::Half);
        }
        return Ok((answered.clone(), None));
    };
    let (esp, ah) = match first.protocol {
        ProtocolId::AH => (second, first),
        _ => (first, second),
    };
    let number = |protocol: ProtocolId| {
        let numbers = offered.proposals.iter().filter(move |one| one.protocol == protocol);
        numbers.map(|one| one.number).collect::<Vec<_>>()
    };
    let together = number(esp.protocol).iter().any(|one| number(ah.protocol).contains(one));
    if esp.protocol != ProtocolId::ESP || ah.protocol != ProtocolId::AH || !together {
        return Err(V1AnswerError::Proposals(2));
    }
    let alone = |proposal: &Proposal| Sa { proposals: vec![proposal.clone()] };
    let suite = check_phase2_answer(offered, &alone(ah))?.0;
    Ok((alone(esp), Some((suite, ah))))
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
