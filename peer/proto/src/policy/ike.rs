//! Which IKE SA proposal an edge takes, and why it takes none.
//!
//! The proposals are gone through in order; in each, the combinations of accepted values are, until
//! one stands against which no rule does. Work is bounded for the offer as a whole.

use super::algorithm::{Column, listed, place};
use super::constraint::{Combination, Constraint, Search, search};
use super::profile::{Accept, GroupChoice, Order, Profile};
use super::readings::WideProposal;
use super::refusal::{ProposalRefusal, Reason, ReasonKind, Refusal};
use crate::crypto::suite::{Encr, Group, IkeSuite, Integ, Prf};
use crate::wire::num::{GroupId, ProtocolId, TransformType};
use crate::wire::v2::Proposal;

/// How many combinations of one offer are looked at, over all its proposals.
pub const MAX_COMBINATIONS: usize = 20_000;

/// What an edge makes of an offer of IKE SA proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IkeSelection {
    /// A proposal is taken, and the value that was sent belongs to its group.
    Accept {
        /// The number of the proposal.
        proposal: u8,
        /// What was chosen from it.
        suite: IkeSuite,
        /// The proposal to answer with: one transform of each type, as it was offered.
        chosen: Proposal,
    },
    /// A proposal could be taken, with a value for another group: INVALID_KE_PAYLOAD.
    WrongGroup {
        /// What would be chosen.
        suite: IkeSuite,
        /// The group that a value is wanted for.
        want: Group,
    },
    /// No proposal can be taken: NO_PROPOSAL_CHOSEN.
    Refuse(Refusal),
}

/// The transforms of an IKE proposal, by type.
struct Columns<'a> {
    encr: Column<'a, Encr>,
    integ: Column<'a, Integ>,
    prf: Column<'a, Prf>,
    group: Column<'a, Group>,
}

/// The accepted values under the profile's readings.
pub(super) struct Accepted {
    encr: Vec<Encr>,
    integ: Vec<Integ>,
    prf: Vec<Prf>,
    group: Vec<Group>,
}

impl Profile {
    /// Selects from an offer for an IKE SA, where `ke_group` is the group of the value sent with it.
    pub fn select_ike(&self, offered: &[Proposal], ke_group: GroupId) -> IkeSelection {
        let accepted = self.accepted_ike();
        let constraints = self.active(&self.ike.constraints);
        let mut refusal = Refusal::new();
        let mut budget = MAX_COMBINATIONS;
        let mut best: Option<([usize; 4], &Proposal, IkeSuite, Proposal)> = None;
        for proposal in offered {
            match self.judge(proposal, &accepted, &constraints, ke_group, &mut budget) {
                Ok((suite, chosen)) => {
                    let rank = accepted.rank(&suite);
                    if best.as_ref().is_none_or(|(least, ..)| rank < *least) {
                        best = Some((rank, proposal, suite, chosen));
                    }
                    if self.order == Order::Peer {
                        break;
                    }
                }
                Err(refused) => refusal.add(refused),
            }
        }
        match best {
            None => IkeSelection::Refuse(refusal),
            Some((_, _, suite, _)) if suite.group.iana() != ke_group.0 => {
                IkeSelection::WrongGroup { suite, want: suite.group }
            }
            Some((_, proposal, suite, chosen)) => {
                IkeSelection::Accept { proposal: proposal.number, suite, chosen }
            }
        }
    }

    /// The values that are accepted for an IKE SA.
    pub(super) fn accepted_ike(&self) -> Accepted {
        Accepted {
            encr: self.ike.encr.values(&self.readings),
            integ: with_none(self.ike.integ.values(&self.readings)),
            prf: self.ike.prf.values(&self.readings),
            group: self.ike.groups.values(&self.readings),
        }
    }

    pub(super) fn judge(
        &self,
        proposal: &Proposal,
        accepted: &Accepted,
        constraints: &[&Constraint],
        ke_group: GroupId,
        budget: &mut usize,
    ) -> Result<(IkeSuite, Proposal), ProposalRefusal> {
        let transforms = &proposal.transforms;
        let mut columns = Columns {
            encr: Column::read(transforms, &accepted.encr, self.order),
            integ: Column::read(transforms, &accepted.integ, self.order),
            prf: Column::read(transforms, &accepted.prf, self.order),
            group: Column::read(transforms, &accepted.group, self.order),
        };
        if self.group_choice == GroupChoice::Sent {
            columns.group.taken.sort_by_key(|(group, _)| group.iana() != ke_group.0);
        }
        let refused = |nearest: String, reasons| ProposalRefusal {
            number: proposal.number,
            nearest,
            reasons,
        };
        let reasons = self.unlisted(proposal, &columns, accepted);
        if !reasons.is_empty() {
            return Err(refused(columns.nearest(), reasons));
        }
        let search = search(
            columns.combinations(),
            |combination| objections(combination, constraints),
            budget,
        );
        match search {
            Search { found: Some(found), .. } => {
                columns.choose(proposal, &found).ok_or_else(|| {
                    // Not reached: the combination was made of the columns.
                    refused(columns.nearest(), Vec::new())
                })
            }
            Search { nearest, gave_up, .. } => {
                let mut reasons =
                    nearest.map_or_else(Vec::new, |nearest| reasons_against(&nearest, constraints));
                if gave_up {
                    reasons.push(over_limit());
                }
                let name = nearest.map_or_else(|| columns.nearest(), |nearest| name(&nearest));
                Err(refused(name, reasons))
            }
        }
    }

    /// What stands against the proposal as a whole: types missing, unknown or without a listed value.
    fn unlisted(&self, proposal: &Proposal, columns: &Columns<'_>, ok: &Accepted) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if proposal.protocol != ProtocolId::IKE {
            reasons.push(Reason {
                rule: "rfc7296-3.3.4-local-policy-compare".to_owned(),
                kind: ReasonKind::Malformed,
                says: format!("a proposal for {} cannot make an IKE SA", proposal.protocol),
                change: "offer a proposal for IKE".to_owned(),
            });
        }
        let known =
            [TransformType::ENCR, TransformType::PRF, TransformType::INTEG, TransformType::KE];
        reasons.extend(strange_types(proposal, &known));
        reasons.extend(unlisted(&columns.encr, &self.ike.encr, &ok.encr));
        reasons.extend(unlisted(&columns.prf, &self.ike.prf, &ok.prf));
        reasons.extend(unlisted(&columns.group, &self.ike.groups, &ok.group));
        let only_aead = columns.encr.taken.iter().all(|(encr, _)| encr.is_aead());
        if columns.integ.offered || !only_aead {
            reasons.extend(unlisted(
                &columns.integ,
                &self.ike.integ,
                &self.ike.integ.values(&self.readings),
            ));
        }
        reasons
    }

    /// The constraints that count under the profile's readings.
    pub(super) fn active<'a>(&self, constraints: &'a [Constraint]) -> Vec<&'a Constraint> {
        if self.readings.r05 == WideProposal::ListOnly {
            return Vec::new();
        }
        constraints.iter().filter(|constraint| constraint.counts(&self.readings)).collect()
    }
}

impl Accepted {
    pub(super) fn rank(&self, suite: &IkeSuite) -> [usize; 4] {
        [
            place(&self.encr, &suite.encr),
            place(&self.integ, &suite.integ),
            place(&self.group, &suite.group),
            place(&self.prf, &suite.prf),
        ]
    }
}

impl Columns<'_> {
    /// Every combination, the most preferred first. The group comes first, so that a value that was
    /// sent is used if any combination can use it.
    fn combinations(&self) -> impl Iterator<Item = Combination> {
        let none = (!self.integ.offered).then_some(Integ::None);
        self.group.taken.iter().flat_map(move |(group, _)| {
            self.encr.taken.iter().flat_map(move |(encr, _)| {
                let integs = self.integ.taken.iter().map(|(integ, _)| *integ).chain(none);
                integs.flat_map(move |integ| {
                    self.prf.taken.iter().map(move |(prf, _)| Combination {
                        encr: Some(*encr),
                        integ: Some(integ),
                        prf: Some(*prf),
                        group: Some(*group),
                    })
                })
            })
        })
    }

    fn nearest(&self) -> String {
        let (integ, prf) = (self.integ.nearest(), self.prf.nearest());
        let mut words = vec![self.encr.nearest()];
        if self.integ.offered {
            words.push(integ.clone());
        }
        if prf != format!("prf{integ}") {
            words.push(prf);
        }
        words.push(self.group.nearest());
        words.join("-")
    }

    fn choose(&self, proposal: &Proposal, found: &Combination) -> Option<(IkeSuite, Proposal)> {
        let suite = IkeSuite {
            encr: found.encr?,
            integ: found.integ?,
            prf: found.prf?,
            group: found.group?,
        };
        let mut transforms =
            vec![self.encr.transform(suite.encr)?.clone(), self.prf.transform(suite.prf)?.clone()];
        // NONE is left out rather than repeated: rfc7296-1.2-omit-none-transform.
        if suite.integ != Integ::None {
            transforms.push(self.integ.transform(suite.integ)?.clone());
        }
        transforms.push(self.group.transform(suite.group)?.clone());
        Some((suite, answer(proposal, transforms)))
    }
}

/// `proposal` reduced to `transforms`, without an SPI: the endpoint puts its own there.
pub(super) fn answer(proposal: &Proposal, transforms: Vec<crate::wire::v2::Transform>) -> Proposal {
    Proposal { transforms, spi: Default::default(), ..proposal.clone() }
}

/// Integrity NONE is not a listed value: whether it may be used is decided by the cipher.
pub(super) fn with_none(mut values: Vec<Integ>) -> Vec<Integ> {
    if !values.contains(&Integ::None) {
        values.push(Integ::None);
    }
    values
}

/// Refuses a proposal that holds transform types it should not: such a proposal is unacceptable as
/// a whole (RFC 7296 §3.3.6).
pub(super) fn strange_types(proposal: &Proposal, known: &[TransformType]) -> Option<Reason> {
    let strange = proposal.transforms.iter().find(|transform| !known.contains(&transform.kind))?;
    Some(Reason {
        rule: "rfc7296-3.3.6-unknown-transform-type".to_owned(),
        kind: ReasonKind::Malformed,
        says: format!(
            "transform type {} does not belong in a proposal for {}",
            strange.kind, proposal.protocol
        ),
        change: "leave that type out, or offer a second proposal without it".to_owned(),
    })
}

/// Refuses a type that is missing or has no listed value.
pub(super) fn unlisted<T: super::algorithm::Algorithm>(
    column: &Column<'_, T>,
    rule: &Accept<T>,
    accepted: &[T],
) -> Option<Reason> {
    if !column.taken.is_empty() {
        return None;
    }
    let what = T::WHAT;
    let change = format!("offer one of {}", listed(accepted));
    Some(if column.offered {
        Reason {
            rule: rule.rule.clone(),
            kind: ReasonKind::NotListed,
            says: format!("{what} {} is not accepted", column.refused()),
            change,
        }
    } else {
        Reason {
            rule: "rfc7296-3.3.6-unknown-transform-type".to_owned(),
            kind: ReasonKind::Malformed,
            says: format!("the proposal has no {what}, which it must have"),
            change,
        }
    })
}

/// An AEAD goes without integrity, every other cipher with it.
fn pairs(combination: &Combination) -> bool {
    combination.encr.is_some_and(Encr::is_aead) == (combination.integ == Some(Integ::None))
}

fn objections(combination: &Combination, constraints: &[&Constraint]) -> usize {
    let against = constraints.iter().filter(|constraint| !constraint.allows(combination)).count();
    against + usize::from(!pairs(combination))
}

fn reasons_against(combination: &Combination, constraints: &[&Constraint]) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if !pairs(combination) {
        reasons.push(if combination.integ == Some(Integ::None) {
            Reason {
                rule: "rfc7296-3.3.6-unknown-transform-type".to_owned(),
                kind: ReasonKind::Malformed,
                says: "a cipher that does not authenticate needs an integrity algorithm".to_owned(),
                change: "offer one".to_owned(),
            }
        } else {
            Reason {
                rule: "rfc7296-3.3-aead-no-integ".to_owned(),
                kind: ReasonKind::Malformed,
                says: "an AEAD cipher and an integrity algorithm exclude each other".to_owned(),
                change: "offer the AEAD in a proposal without integrity algorithms".to_owned(),
            }
        });
    }
    let against = constraints.iter().filter(|constraint| !constraint.allows(combination));
    reasons.extend(against.map(|constraint| constraint.reason(combination)));
    reasons
}

/// The reason for not looking any further.
pub(super) fn over_limit() -> Reason {
    Reason {
        rule: "limit".to_owned(),
        kind: ReasonKind::Limit,
        says: format!("the offer has more than {MAX_COMBINATIONS} combinations"),
        change: "offer fewer algorithms".to_owned(),
    }
}

/// A combination as text, in the order in which suites are written.
pub(super) fn name(combination: &Combination) -> String {
    let mut words = Vec::new();
    words.extend(combination.encr.map(|encr| encr.to_string()));
    words.extend(combination.integ.filter(|integ| *integ != Integ::None).map(|i| i.to_string()));
    let implied = combination.integ.and_then(Integ::prf);
    words.extend(combination.prf.filter(|prf| implied != Some(*prf)).map(|prf| prf.to_string()));
    words.extend(combination.group.map(|group| group.to_string()));
    words.join("-")
}
