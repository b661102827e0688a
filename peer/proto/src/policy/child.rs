//! Which child SA proposal an edge takes, and why it takes none.
//!
//! Besides the lists and constraints of the profile, this is where the built-in rules of ESP and AH
//! are: which integrity goes with which cipher (R06, R07), what AH consists of (R13), that the ESN
//! type is mandatory (R26), and that a key exchange is no part of the first child SA (R25).

use super::algorithm::{Algorithm, Column, listed, place};
use super::constraint::{Combination, Constraint, Search, search};
use super::ike::{MAX_COMBINATIONS, answer, name, over_limit, strange_types, unlisted, with_none};
use super::profile::{Accept, GroupChoice, Order, Profile};
use super::readings::{AeadWithHmac, AhBehindNat, EsnOffer, Pfs};
use super::refusal::{ProposalRefusal, Reason, ReasonKind, Refusal};
use crate::crypto::suite::{ChildProtocol, ChildSuite, Encr, Esn, Group, Integ};
use crate::wire::num::{GroupId, ProtocolId, TransformType};
use crate::wire::v2::{Proposal, Transform};

/// What an edge makes of an offer of child SA proposals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChildSelection {
    /// A proposal is taken.
    Accept {
        /// The number of the proposal.
        proposal: u8,
        /// What was chosen from it.
        suite: ChildSuite,
        /// The proposal to answer with: one transform of each type, as it was offered.
        chosen: Proposal,
    },
    /// A proposal could be taken, with a value for another group: INVALID_KE_PAYLOAD.
    WrongGroup {
        /// What would be chosen.
        suite: ChildSuite,
        /// The group that a value is wanted for.
        want: Group,
    },
    /// No proposal can be taken: NO_PROPOSAL_CHOSEN.
    Refuse(Refusal),
}

/// What the choice of a child SA depends on besides the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChildContext {
    /// The group of the value that was sent, if one was.
    pub ke_group: Option<GroupId>,
    /// Whether it is the child SA of IKE_AUTH, which has no key exchange of its own.
    pub is_first: bool,
    /// Whether a NAT was detected.
    pub nat: bool,
}

struct Columns<'a> {
    encr: Column<'a, Encr>,
    integ: Column<'a, Integ>,
    esn: Column<'a, Esn>,
    group: Column<'a, Group>,
    /// The groups that may be chosen, the most preferred first.
    groups: Vec<Option<Group>>,
    /// The transform that offers to go without a group.
    no_group: Option<&'a Transform>,
}

impl Profile {
    /// Selects from an offer for a child SA.
    pub fn select_child(&self, offered: &[Proposal], context: &ChildContext) -> ChildSelection {
        let constraints = self.active(&self.child.constraints);
        let mut refusal = Refusal::new();
        let mut budget = MAX_COMBINATIONS;
        let mut best: Option<([usize; 4], &Proposal, ChildSuite, Proposal)> = None;
        for proposal in offered {
            match self.judge_child(proposal, &constraints, context, &mut budget) {
                Ok((suite, chosen)) => {
                    let rank = self.child_rank(&suite);
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
            None => ChildSelection::Refuse(refusal),
            Some((_, proposal, suite, chosen)) => match suite.group {
                Some(want) if context.ke_group != Some(GroupId(want.iana())) => {
                    ChildSelection::WrongGroup { suite, want }
                }
                _ => ChildSelection::Accept { proposal: proposal.number, suite, chosen },
            },
        }
    }

    pub(super) fn child_rank(&self, suite: &ChildSuite) -> [usize; 4] {
        let groups = &self.child.groups.accept;
        [
            place(&self.child.protocols.accept, &suite.protocol),
            place(&self.child.encr.accept, &suite.encr),
            place(&self.child.integ.accept, &suite.integ),
            suite.group.map_or(groups.len(), |group| place(groups, &group)),
        ]
    }

    pub(super) fn judge_child(
        &self,
        proposal: &Proposal,
        constraints: &[&Constraint],
        context: &ChildContext,
        budget: &mut usize,
    ) -> Result<(ChildSuite, Proposal), ProposalRefusal> {
        let columns = self.child_columns(proposal, context);
        let refused = |nearest: String, reasons| ProposalRefusal {
            number: proposal.number,
            nearest,
            reasons,
        };
        let protocol = match protocol_of(proposal) {
            Ok(protocol) => protocol,
            Err(reason) => return Err(refused(columns.nearest(None), vec![reason])),
        };
        let reasons = self.against_whole(proposal, protocol, &columns, context);
        if !reasons.is_empty() {
            return Err(refused(columns.nearest(Some(protocol)), reasons));
        }
        let hmac = self.readings.r06;
        let search = search(
            columns.combinations(protocol),
            |combination| objections(combination, hmac, constraints),
            budget,
        );
        match search {
            Search { found: Some(found), .. } => {
                columns.choose(proposal, protocol, &found).ok_or_else(|| {
                    // Not reached: the combination was made of the columns.
                    refused(columns.nearest(Some(protocol)), Vec::new())
                })
            }
            Search { nearest, gave_up, .. } => {
                let mut reasons = nearest
                    .map_or_else(Vec::new, |nearest| reasons_against(&nearest, hmac, constraints));
                if gave_up {
                    reasons.push(over_limit());
                }
                let nearest =
                    nearest.map_or_else(|| columns.nearest(Some(protocol)), |found| name(&found));
                Err(refused(nearest, reasons))
            }
        }
    }

    fn child_columns<'a>(&self, proposal: &'a Proposal, context: &ChildContext) -> Columns<'a> {
        let (transforms, readings) = (&proposal.transforms, &self.readings);
        let esn: &[Esn] = if self.child.esn.accept { &[Esn::No, Esn::Yes] } else { &[Esn::No] };
        // The order of ESN is always the peer's: the profile does not rank it.
        let mut columns = Columns {
            encr: Column::read(transforms, &self.child.encr.values(readings), self.order),
            integ: Column::read(
                transforms,
                &with_none(self.child.integ.values(readings)),
                self.order,
            ),
            esn: Column::read(transforms, esn, Order::Peer),
            group: Column::read(transforms, &self.child.groups.values(readings), self.order),
            groups: Vec::new(),
            no_group: transforms
                .iter()
                .find(|transform| transform.kind == TransformType::KE && transform.id == 0),
        };
        columns.groups = self.group_options(&columns, context);
        columns
    }

    /// The groups that may be chosen. None at all means that R25 or F13 stands against the proposal.
    fn group_options(&self, columns: &Columns<'_>, context: &ChildContext) -> Vec<Option<Group>> {
        // IKE_AUTH carries no key exchange: a group in its proposals is passed over.
        if context.is_first || !columns.group.offered {
            let required = self.readings.r25 == Pfs::Require && !context.is_first;
            return if required { Vec::new() } else { vec![None] };
        }
        let mut options: Vec<_> = match self.readings.r25 {
            Pfs::Forbid => Vec::new(),
            Pfs::Optional | Pfs::Require => {
                columns.group.taken.iter().map(|(group, _)| Some(*group)).collect()
            }
        };
        if columns.no_group.is_some() && self.readings.r25 != Pfs::Require {
            options.push(None);
        }
        if self.group_choice == GroupChoice::Sent {
            let sent = context.ke_group.map(|group| group.0);
            options.sort_by_key(|group| group.map(Group::iana) != sent);
        }
        options
    }

    /// What stands against the proposal whichever combination is taken.
    fn against_whole(
        &self,
        proposal: &Proposal,
        protocol: ChildProtocol,
        columns: &Columns<'_>,
        context: &ChildContext,
    ) -> Vec<Reason> {
        let readings = &self.readings;
        let mut reasons = Vec::new();
        let mut add = |rule: &str, kind, says: String, change: String| {
            reasons.push(Reason { rule: rule.to_owned(), kind, says, change });
        };
        let protocols = &self.child.protocols;
        if !protocols.values(readings).contains(&protocol) {
            add(
                &protocols.rule,
                ReasonKind::NotListed,
                format!("{} is not accepted", proposal.protocol),
                "offer the other protocol".to_owned(),
            );
        }
        if protocol == ChildProtocol::Ah && context.nat && readings.r11 == AhBehindNat::Refuse {
            add(
                "R11",
                ReasonKind::Combination,
                "AH covers the addresses that a NAT rewrites".to_owned(),
                "offer ESP behind a NAT".to_owned(),
            );
        }
        if protocol == ChildProtocol::Ah && columns.encr.offered {
            add(
                "R13",
                ReasonKind::Malformed,
                "a proposal for AH has no encryption".to_owned(),
                "leave encryption out of it".to_owned(),
            );
        }
        if columns.groups.is_empty() {
            let (rule, says, change) = self.no_group_reason(columns);
            add(&rule, ReasonKind::NotListed, says, change);
        }
        self.against_esn(proposal, columns, &mut add);
        let known =
            [TransformType::ENCR, TransformType::INTEG, TransformType::KE, TransformType::ESN];
        reasons.extend(strange_types(proposal, &known));
        let integ = &self.child.integ;
        if protocol == ChildProtocol::Ah {
            let hmacs = columns.integ.taken.iter().any(|(integ, _)| *integ != Integ::None);
            if !hmacs {
                reasons.push(no_ah_integrity(columns, integ, readings));
            }
        } else {
            let encr = &self.child.encr;
            reasons.extend(unlisted(&columns.encr, encr, &encr.values(readings)));
            if columns.integ.offered {
                reasons.extend(unlisted(&columns.integ, integ, &integ.values(readings)));
            }
        }
        reasons
    }

    fn no_group_reason(&self, columns: &Columns<'_>) -> (String, String, String) {
        let groups = &self.child.groups;
        match self.readings.r25 {
            Pfs::Forbid => (
                "R25".to_owned(),
                "perfect forward secrecy is not accepted".to_owned(),
                "switch PFS off for child SAs".to_owned(),
            ),
            Pfs::Require
                if columns.group.taken.is_empty() && columns.group.refused().is_empty() =>
            {
                (
                    "R25".to_owned(),
                    "perfect forward secrecy is required".to_owned(),
                    format!("offer one of {}", listed(&groups.values(&self.readings))),
                )
            }
            Pfs::Optional | Pfs::Require => (
                groups.rule.clone(),
                format!("Diffie-Hellman group {} is not accepted", columns.group.refused()),
                format!("offer one of {}", listed(&groups.values(&self.readings))),
            ),
        }
    }

    fn against_esn(
        &self,
        proposal: &Proposal,
        columns: &Columns<'_>,
        add: &mut impl FnMut(&str, ReasonKind, String, String),
    ) {
        let with_esn =
            proposal.transforms.iter().any(|transform| Esn::read(transform) == Some(Esn::Yes));
        let rule = &self.child.esn.rule;
        if !columns.esn.offered {
            add(
                "rfc7296-3.3.3-esn-transform-present",
                ReasonKind::Malformed,
                "the proposal does not say whether sequence numbers are extended".to_owned(),
                "add the transform for 32-bit sequence numbers".to_owned(),
            );
        } else if with_esn && self.readings.r26 == EsnOffer::RefuseAny && !self.child.esn.accept {
            add(
                &format!("R26 ({rule})"),
                ReasonKind::NotListed,
                "a proposal with extended sequence numbers is not accepted".to_owned(),
                "take extended sequence numbers out of the proposal".to_owned(),
            );
        } else if columns.esn.taken.is_empty() {
            add(
                &format!("{rule} (R26)"),
                ReasonKind::NotListed,
                "extended sequence numbers are not accepted".to_owned(),
                "offer 32-bit sequence numbers, alone or as well".to_owned(),
            );
        }
    }
}

impl Columns<'_> {
    /// Every combination, the most preferred first. ESN is chosen apart: no rule ties it to others.
    fn combinations(&self, protocol: ChildProtocol) -> impl Iterator<Item = Combination> {
        let encrs: Vec<_> = match protocol {
            ChildProtocol::Esp => self.encr.taken.iter().map(|(encr, _)| Some(*encr)).collect(),
            ChildProtocol::Ah => vec![None],
        };
        let mut integs: Vec<_> = self.integ.taken.iter().map(|(integ, _)| *integ).collect();
        if !self.integ.offered {
            integs.push(Integ::None);
        }
        let groups = self.groups.clone();
        groups.into_iter().flat_map(move |group| {
            let integs = integs.clone();
            encrs.clone().into_iter().flat_map(move |encr| {
                integs.clone().into_iter().map(move |integ| Combination {
                    encr,
                    integ: Some(integ),
                    prf: None,
                    group,
                })
            })
        })
    }

    fn nearest(&self, protocol: Option<ChildProtocol>) -> String {
        let mut words = Vec::new();
        if protocol != Some(ChildProtocol::Ah) || self.encr.offered {
            words.push(self.encr.nearest());
        }
        if self.integ.offered {
            words.push(self.integ.nearest());
        }
        if self.group.offered {
            words.push(self.group.nearest());
        }
        if self.esn.offered {
            words.push(self.esn.nearest());
        }
        words.join("-")
    }

    fn choose(
        &self,
        proposal: &Proposal,
        protocol: ChildProtocol,
        found: &Combination,
    ) -> Option<(ChildSuite, Proposal)> {
        let integ = found.integ?;
        let (esn, esn_transform) = self.esn.taken.first()?;
        let mut transforms = Vec::new();
        if let Some(encr) = found.encr {
            transforms.push(self.encr.transform(encr)?.clone());
        }
        // NONE is left out rather than repeated: rfc7296-1.2-omit-none-transform.
        if integ != Integ::None {
            transforms.push(self.integ.transform(integ)?.clone());
        }
        if let Some(group) = found.group {
            transforms.push(self.group.transform(group)?.clone());
        }
        transforms.push((*esn_transform).clone());
        let encr = found.encr.unwrap_or(Encr::Null);
        let integ = if encr.is_aead() { Integ::None } else { integ };
        let suite = ChildSuite { protocol, encr, integ, esn: *esn, group: found.group };
        Some((suite, answer(proposal, transforms)))
    }
}

fn protocol_of(proposal: &Proposal) -> Result<ChildProtocol, Reason> {
    match proposal.protocol {
        ProtocolId::ESP => Ok(ChildProtocol::Esp),
        ProtocolId::AH => Ok(ChildProtocol::Ah),
        other => Err(Reason {
            rule: "rfc7296-3.3.4-local-policy-compare".to_owned(),
            kind: ReasonKind::Malformed,
            says: format!("a proposal for {other} cannot make a child SA"),
            change: "offer a proposal for ESP or AH".to_owned(),
        }),
    }
}

fn no_ah_integrity(
    columns: &Columns<'_>,
    rule: &Accept<Integ>,
    readings: &super::readings::Readings,
) -> Reason {
    let values = rule.values(readings);
    unlisted(&columns.integ, rule, &values).unwrap_or_else(|| Reason {
        rule: "R13".to_owned(),
        kind: ReasonKind::Malformed,
        says: "AH without integrity protects nothing".to_owned(),
        change: format!("offer one of {}", listed(&values)),
    })
}

/// What stands against a pair of cipher and integrity, as the protocol has it.
fn against_pair(
    combination: &Combination,
    hmac: AeadWithHmac,
) -> Option<(&'static str, ReasonKind)> {
    let bare = combination.integ == Some(Integ::None);
    match combination.encr {
        Some(encr) if encr.is_aead() => {
            (!bare && hmac == AeadWithHmac::Strict).then_some(("R06", ReasonKind::Malformed))
        }
        Some(Encr::Null) if bare => Some(("R07", ReasonKind::Combination)),
        _ if bare => Some(("rfc8221-4-esp-no-unauthenticated", ReasonKind::Combination)),
        _ => None,
    }
}

fn objections(combination: &Combination, hmac: AeadWithHmac, constraints: &[&Constraint]) -> usize {
    let against = constraints.iter().filter(|constraint| !constraint.allows(combination)).count();
    against + usize::from(against_pair(combination, hmac).is_some())
}

fn reasons_against(
    combination: &Combination,
    hmac: AeadWithHmac,
    constraints: &[&Constraint],
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if let Some((rule, kind)) = against_pair(combination, hmac) {
        let (says, change) = match rule {
            "R06" => (
                "an AEAD cipher goes without an HMAC (RFC 7296 §3.3)",
                "offer the AEAD in a proposal without integrity algorithms",
            ),
            "R07" => (
                "NULL encryption without integrity protects nothing (RFC 8221)",
                "offer an HMAC with NULL, in a proposal of its own",
            ),
            _ => ("a cipher that does not authenticate needs an HMAC", "offer an HMAC with it"),
        };
        let (rule, says, change) = (rule.to_owned(), says.to_owned(), change.to_owned());
        reasons.push(Reason { rule, kind, says, change });
    }
    let against = constraints.iter().filter(|constraint| !constraint.allows(combination));
    reasons.extend(against.map(|constraint| constraint.reason(combination)));
    reasons
}
