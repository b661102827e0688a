//! The initiator's check of an answer: it must be part of what was offered, unchanged.
//!
//! One proposal, with the number and protocol of one that was offered, and of each transform type
//! in it one transform, equal in number and attributes to one that was offered (RFC 7296 §3.3.6).
//! No profile takes part: what was offered is what is allowed.

use thiserror::Error;

use super::algorithm::Algorithm;
use crate::crypto::suite::{ChildProtocol, ChildSuite, Encr, Esn, Group, IkeSuite, Integ, Prf};
use crate::wire::num::{ProtocolId, TransformType};
use crate::wire::v2::{Proposal, Transform};

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Not exactly one proposal.
    #[error("the answer holds {0} proposals instead of one")]
    Proposals(usize),
    /// A number or protocol that was not offered.
    #[error("proposal {number} for {protocol} was not offered")]
    NotOffered {
        /// The number.
        number: u8,
        /// The protocol.
        protocol: ProtocolId,
    },
    /// A transform that was not offered in that proposal.
    #[error("{kind} {id} was not offered in that form")]
    Transform {
        /// Its type.
        kind: TransformType,
        /// Its number.
        id: u16,
    },
    /// Two transforms of one type.
    #[error("the answer holds {0} twice")]
    Twice(TransformType),
    /// None of a type that must be there.
    #[error("the answer lacks {0}")]
    Missing(TransformType),
    /// A cipher and an integrity algorithm that do not go together.
    #[error("the cipher of the answer and its integrity algorithm do not go together")]
    Pair,
}

impl AnswerError {
    /// The requirement that the answer breaks.
    pub const fn requirement(&self) -> &'static str {
        match self {
            Self::Proposals(_) => "rfc7296-2.7-single-suite",
            Self::NotOffered { .. } => "rfc7296-3.3.1-accepted-proposal-number",
            Self::Transform { .. } => "rfc7296-3.3.6-initiator-checks-offer",
            Self::Twice(_) => "rfc7296-2.7-one-transform-per-type",
            Self::Missing(_) => "rfc7296-3.3.6-select-one-complete-set",
            Self::Pair => "rfc7296-3.3-aead-no-integ",
        }
    }
}

/// Checks an answer to an offer for an IKE SA.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_ike_answer(
    offered: &[Proposal],
    answered: &[Proposal],
) -> Result<IkeSuite, AnswerError> {
    let (proposal, answer) = subset(offered, answered)?;
    let encr: Encr = one(answer)?;
    let integ = integrity(proposal, answer, encr)?;
    if encr.is_aead() != (integ == Integ::None) {
        return Err(AnswerError::Pair);
    }
    let (prf, group): (Prf, Group) = (one(answer)?, one(answer)?);
    Ok(IkeSuite { encr, integ, prf, group })
}

/// Checks an answer to an offer for a child SA; `is_first` for that of IKE_AUTH.
///
/// # Errors
/// With the first rule that the answer breaks.
pub fn check_child_answer(
    offered: &[Proposal],
    answered: &[Proposal],
    is_first: bool,
) -> Result<ChildSuite, AnswerError> {
    let (proposal, answer) = subset(offered, answered)?;
    let protocol = match answer.protocol {
        ProtocolId::ESP => ChildProtocol::Esp,
        ProtocolId::AH => ChildProtocol::Ah,
        protocol => return Err(AnswerError::NotOffered { number: answer.number, protocol }),
    };
    let encr = match protocol {
        ChildProtocol::Esp => one(answer)?,
        ChildProtocol::Ah => Encr::Null,
    };
    // What an AEAD is paired with is repeated by tolerant responders (reading R06) and not used.
    let integ = integrity(proposal, answer, encr)?;
    let integ = if encr.is_aead() { Integ::None } else { integ };
    if !encr.is_aead() && integ == Integ::None {
        return Err(AnswerError::Pair);
    }
    let esn: Esn = one(answer)?;
    let without = is_first || none_offered(proposal, TransformType::KE);
    let group = match maybe(answer) {
        Some(group) => Some(group),
        None if without => None,
        None => return Err(AnswerError::Missing(TransformType::KE)),
    };
    Ok(ChildSuite { protocol, encr, integ, esn, group })
}

/// The only proposal of the answer and the one it belongs to, if it is a part of that.
fn subset<'o, 'a>(
    offered: &'o [Proposal],
    answered: &'a [Proposal],
) -> Result<(&'o Proposal, &'a Proposal), AnswerError> {
    let [answer] = answered else {
        return Err(AnswerError::Proposals(answered.len()));
    };
    let proposal = offered
        .iter()
        .find(|proposal| proposal.number == answer.number && proposal.protocol == answer.protocol)
        .ok_or(AnswerError::NotOffered { number: answer.number, protocol: answer.protocol })?;
    let mut seen: Vec<TransformType> = Vec::new();
    for Transform { kind, id, attributes } in &answer.transforms {
        let same = |transform: &&Transform| {
            transform.kind == *kind && transform.id == *id && transform.attributes == *attributes
        };
        if !proposal.transforms.iter().any(|transform| same(&transform)) {
            return Err(AnswerError::Transform { kind: *kind, id: *id });
        }
        if seen.contains(kind) {
            return Err(AnswerError::Twice(*kind));
        }
        seen.push(*kind);
    }
    Ok((proposal, answer))
}

/// Integrity as answered; leaving the type out is as good as NONE.
fn integrity(proposal: &Proposal, answer: &Proposal, encr: Encr) -> Result<Integ, AnswerError> {
    match maybe(answer) {
        Some(integ) => Ok(integ),
        None if encr.is_aead() || none_offered(proposal, TransformType::INTEG) => Ok(Integ::None),
        None => Err(AnswerError::Missing(TransformType::INTEG)),
    }
}

/// Whether the proposal leaves it open to go without the type.
fn none_offered(proposal: &Proposal, kind: TransformType) -> bool {
    let mut of_kind = proposal.of_kind(kind).peekable();
    of_kind.peek().is_none() || of_kind.any(|transform| transform.id == 0)
}

fn maybe<T: Algorithm>(answer: &Proposal) -> Option<T> {
    answer.of_kind(T::KIND).find_map(T::read)
}

fn one<T: Algorithm>(answer: &Proposal) -> Result<T, AnswerError> {
    maybe(answer).ok_or(AnswerError::Missing(T::KIND))
}
