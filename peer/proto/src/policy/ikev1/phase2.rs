//! Phase 2: which transform an edge takes for an SA of ESP or AH (RFC 2407, sections 4.4 and 4.5).

use super::attributes::{self, Vocabulary};
use super::life::{Lifetime, OfferedLife};
use crate::crypto::suite::{ChildProtocol, ChildSuite, Encr, Esn, Group, Integ, KeyBits};
use crate::policy::algorithm::Algorithm;
use crate::policy::child::ChildContext;
use crate::policy::ike::MAX_COMBINATIONS;
use crate::policy::profile::{Order, Profile};
use crate::policy::readings::Bundle;
use crate::policy::refusal::{ProposalRefusal, Reason, ReasonKind, Refusal};
use crate::wire::num::{GroupId, ProtocolId};
use crate::wire::v1::num::{AhTransform, Encapsulation, EspTransform, Phase2Attr, Phase2Auth};
use crate::wire::v1::{Proposal, Sa, Transform};
use crate::wire::v2;

/// What the choice in phase 2 depends on besides the offer.
#[derive(Clone, Copy, Debug)]
pub struct Phase2Context {
    /// The length of the public value, if there is a new key exchange.
    pub public_len: Option<usize>,
    /// Whether a NAT was detected.
    pub nat: bool,
    /// The encapsulation that SAs of this ISAKMP SA have: none in UDP where IKE stays on port 500.
    pub encapsulation: Encapsulation,
}

/// What was chosen in phase 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase2Choice {
    /// The algorithms.
    pub suite: ChildSuite,
    /// How long the SA lives.
    pub lifetime: Lifetime,
    /// The proposal to answer with: the one transform, as it was offered, and the peer's SPI.
    pub chosen: Proposal,
    /// The same for the SA of AH that this one of ESP is wanted together with.
    pub over: Option<(ChildSuite, Proposal)>,
}

/// One transform of phase 2, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase2Set {
    pub suite: ChildSuite,
    /// Integrity as it is written: an AEAD may come with one (reading R06).
    integ: Integ,
    pub encapsulation: Encapsulation,
    pub life: OfferedLife,
}

impl Profile {
    /// Selects from an offer of phase 2. Call it on the profile [`for_ikev1`](Profile::for_ikev1).
    ///
    /// # Errors
    /// With the rules that stand against each transform.
    pub fn select_phase2(
        &self,
        offer: &Sa,
        context: &Phase2Context,
    ) -> Result<Phase2Choice, Refusal> {
        let mut refusal = Refusal::new();
        let mut budget = MAX_COMBINATIONS;
        let mut best: Option<([usize; 4], Phase2Choice)> = None;
        let sets = offer.proposals.iter().flat_map(|proposal| {
            proposal.transforms.iter().map(move |transform| (proposal, transform))
        });
        for (proposal, transform) in sets {
            // AH of a bundle is looked at with each transform of its ESP.
            if self.esp_under(offer, proposal).is_some() {
                continue;
            }
            let mut judge = |proposal: &Proposal, transform: &Transform| {
                self.judge_set(offer, proposal, transform, context, &mut budget)
            };
            let judged = judge(proposal, transform).and_then(|(suite, lifetime)| {
                let over = match self.ah_over(offer, proposal) {
                    None => None,
                    Some(ah) => Some(first_of(ah, &mut judge)?),
                };
                let chosen = with_one(proposal, transform);
                Ok(Phase2Choice { suite, lifetime, chosen, over })
            });
            match judged {
                Ok(choice) => {
                    let rank = self.child_rank(&choice.suite);
                    if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                        best = Some((rank, choice));
                    }
                    if self.order == Order::Peer {
                        break;
                    }
                }
                Err(refused) => refusal.add(refused),
            }
        }
        best.map(|(_, choice)| choice).ok_or(refusal)
    }

    /// Judges one transform by itself.
    fn judge_set(
        &self,
        offer: &Sa,
        proposal: &Proposal,
        transform: &Transform,
        context: &Phase2Context,
        budget: &mut usize,
    ) -> Result<(ChildSuite, Lifetime), ProposalRefusal> {
        let refused = |nearest: String, reasons| ProposalRefusal {
            number: proposal.number,
            nearest,
            reasons,
        };
        let set = Phase2Set::read(proposal.protocol, transform)
            .map_err(|reason| refused(format!("transform {}", transform.number), vec![reason]))?;
        let against = self.against_child(offer, proposal, &set, context);
        let constraints = self.active(&self.child.constraints);
        let ke_group = set.suite.group.map(|group| GroupId(group.iana()));
        let as_v2 = set.as_v2(proposal);
        let context = ChildContext { ke_group, is_first: false, nat: context.nat };
        match (self.judge_child(&as_v2, &constraints, &context, budget), against.is_empty()) {
            (Ok((suite, _)), true) => Ok((suite, self.lifetime(set.life, self.child_life()))),
            (Ok((suite, _)), false) => Err(refused(suite.to_string(), against)),
            (Err(mut judged), _) => {
                judged.reasons.extend(against);
                Err(judged)
            }
        }
    }

    /// The proposal for AH that a proposal for ESP is bundled with, where bundles are accepted (R12).
    fn ah_over<'a>(&self, offer: &'a Sa, proposal: &Proposal) -> Option<&'a Proposal> {
        let partner = self.partner(offer, proposal)?;
        (proposal.protocol == ProtocolId::ESP && partner.protocol == ProtocolId::AH)
            .then_some(partner)
    }

    /// The same the other way round.
    fn esp_under<'a>(&self, offer: &'a Sa, proposal: &Proposal) -> Option<&'a Proposal> {
        let partner = self.partner(offer, proposal)?;
        (proposal.protocol == ProtocolId::AH && partner.protocol == ProtocolId::ESP)
            .then_some(partner)
    }

    /// The one other proposal of the same number.
    fn partner<'a>(&self, offer: &'a Sa, proposal: &Proposal) -> Option<&'a Proposal> {
        let mut same = offer.proposals.iter().filter(|other| other.number == proposal.number);
        let (one, two) = (same.next()?, same.next()?);
        if self.readings.r12 != Bundle::Accept || same.next().is_some() {
            return None;
        }
        Some(if one.protocol == proposal.protocol { two } else { one })
    }

    /// What stands against a set besides its algorithms.
    fn against_child(
        &self,
        offer: &Sa,
        proposal: &Proposal,
        set: &Phase2Set,
        context: &Phase2Context,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |rule: &str, kind, says: String, change: &str| {
            let (rule, change) = (rule.to_owned(), change.to_owned());
            reasons.push(Reason { rule, kind, says, change });
        };
        let together =
            offer.proposals.iter().filter(|other| other.number == proposal.number).count();
        let is_bundle = self.ah_over(offer, proposal).or(self.esp_under(offer, proposal)).is_some();
        if together > 1 && !is_bundle {
            let says = "several SAs under one number are wanted together".to_owned();
            add("R12", ReasonKind::NotListed, says, "offer ESP alone");
        }
        let wanted = match set.suite.protocol {
            ChildProtocol::Esp => context.encapsulation,
            // It is never in UDP: with or without a NAT, a tunnel is a tunnel.
            ChildProtocol::Ah => Encapsulation::TUNNEL,
        };
        if set.encapsulation != wanted {
            let rule = match set.encapsulation {
                Encapsulation::TRANSPORT
                | Encapsulation::UDP_TRANSPORT
                | Encapsulation::UDP_TRANSPORT_DRAFT => "R21 (F17)",
                _ if context.nat && context.encapsulation == Encapsulation::TUNNEL => "R10 (F41)",
                _ if context.nat => "rfc3947-5.1-encap-when-nat",
                _ => "rfc3947-5.1-encap-not-without-nat",
            };
            let (got, want) = (set.encapsulation, wanted);
            let says = format!("the encapsulation is {got}, and {want} is wanted");
            add(rule, ReasonKind::Combination, says, "offer that one");
        }
        let expected = set.suite.group.map(Group::public_len);
        if expected != context.public_len {
            let (says, change) = match (set.suite.group, context.public_len) {
                (None, _) => ("there is a KE payload, but no group".to_owned(), "offer the group"),
                (Some(group), None) => {
                    (format!("{group} is offered without a KE payload"), "send one")
                }
                (Some(group), Some(_)) => {
                    (format!("the public value is not of {group}"), "offer its group alone")
                }
            };
            add("rfc2409-5.5-qm-ke-same-group", ReasonKind::Malformed, says, change);
        }
        reasons.extend(self.too_long(set.life, self.child_life()));
        reasons
    }
}

/// The proposal with this transform alone.
fn with_one(proposal: &Proposal, transform: &Transform) -> Proposal {
    Proposal { transforms: vec![transform.clone()], ..proposal.clone() }
}

/// The first transform of a proposal that can be taken.
fn first_of(
    proposal: &Proposal,
    judge: &mut impl FnMut(&Proposal, &Transform) -> Result<(ChildSuite, Lifetime), ProposalRefusal>,
) -> Result<(ChildSuite, Proposal), ProposalRefusal> {
    let number = proposal.number;
    let mut refused = ProposalRefusal { number, nearest: String::new(), reasons: Vec::new() };
    for transform in &proposal.transforms {
        match judge(proposal, transform) {
            Ok((suite, _)) => return Ok((suite, with_one(proposal, transform))),
            Err(why) => refused = why,
        }
    }
    Err(refused)
}

impl Phase2Set {
    /// Reads a transform of `protocol`, whose attributes all have to be known and must not contradict each
    /// other.
    pub(super) fn read(protocol: ProtocolId, transform: &Transform) -> Result<Self, Reason> {
        let refuse = |rule: &str, kind, says: String, change: &str| Reason {
            rule: rule.to_owned(),
            kind,
            says,
            change: change.to_owned(),
        };
        let unknown = |says: String| {
            let rule = "rfc2408-5.6-transform-unknown-ignored";
            refuse(rule, ReasonKind::NotListed, says, "offer another transform as well")
        };
        attributes::check(transform, &VOCABULARY)?;
        let attribute = |kind: Phase2Attr| transform.attribute(kind.0);
        let integ = match attribute(Phase2Attr::AUTH) {
            None => Integ::None,
            Some(number) => {
                let known = u16::try_from(number).ok().and_then(|n| auth_of(Phase2Auth(n)));
                known
                    .ok_or_else(|| unknown(format!("integrity number {number} is not accepted")))?
            }
        };
        let (protocol, encr) = match protocol {
            ProtocolId::ESP => {
                let bits = attribute(Phase2Attr::KEY_LENGTH);
                let encr = cipher_of(EspTransform(transform.id), bits);
                let what = || format!("ESP transform {} is not accepted so", transform.id);
                (ChildProtocol::Esp, encr.ok_or_else(|| unknown(what()))?)
            }
            ProtocolId::AH => {
                if hash_of(AhTransform(transform.id)) != Some(integ) {
                    let says = "the transform of AH and its algorithm differ".to_owned();
                    let rule = "rfc2407-4.4.3-ah-auth-attribute";
                    let change = "name the same hash in both";
                    return Err(refuse(rule, ReasonKind::Malformed, says, change));
                }
                (ChildProtocol::Ah, Encr::Null)
            }
            other => return Err(unknown(format!("{other} is not accepted"))),
        };
        let group = match attribute(Phase2Attr::GROUP) {
            None => None,
            Some(number) => {
                let known = u16::try_from(number).ok().and_then(Group::from_iana);
                let what = || format!("Diffie-Hellman group {number} is not accepted");
                Some(known.ok_or_else(|| unknown(what()))?)
            }
        };
        let esn = match attribute(Phase2Attr::ESN) {
            None => Esn::No,
            Some(1) => Esn::Yes,
            Some(other) => return Err(unknown(format!("ESN {other} is not accepted"))),
        };
        let Some(Ok(encapsulation)) = attribute(Phase2Attr::ENCAPSULATION).map(u16::try_from)
        else {
            let says = "the transform does not name its encapsulation".to_owned();
            let rule = "rfc2407-4.5-encapsulation-mode-present";
            return Err(refuse(rule, ReasonKind::Malformed, says, "name tunnel mode"));
        };
        let life = OfferedLife::read(transform, &VOCABULARY)?;
        let used = if encr.is_aead() { Integ::None } else { integ };
        let suite = ChildSuite { protocol, encr, integ: used, esn, group };
        Ok(Self { suite, integ, encapsulation: Encapsulation(encapsulation), life })
    }

    /// The set as a proposal of IKEv2, for the judgement that both versions share.
    fn as_v2(&self, proposal: &Proposal) -> v2::Proposal {
        let ChildSuite { protocol, encr, esn, group, .. } = self.suite;
        let mut transforms = Vec::new();
        if protocol == ChildProtocol::Esp {
            transforms.push(encr.transform());
        }
        if self.integ != Integ::None {
            transforms.push(self.integ.transform());
        }
        transforms.extend(group.map(Group::transform));
        transforms.push(esn.transform());
        let Proposal { number, protocol, ref spi, .. } = *proposal;
        v2::Proposal { number, protocol, spi: spi.clone(), transforms }
    }
}

/// The numbers are those of IKEv2 as far as both have one; with others they mean something else.
fn cipher_of(transform: EspTransform, key_length: Option<u64>) -> Option<Encr> {
    let bits = key_length.map(u16::try_from).transpose().ok()?;
    match transform {
        EspTransform::TRIPLE_DES
        | EspTransform::NULL
        | EspTransform::AES_CBC
        | EspTransform::AES_GCM_8
        | EspTransform::AES_GCM_12
        | EspTransform::AES_GCM_16 => Encr::from_iana(transform.0.into(), bits),
        EspTransform::NULL_AUTH_AES_GMAC => KeyBits::from_bits(bits?).map(Encr::NullAuthAesGmac),
        _ => None,
    }
}

fn auth_of(number: Phase2Auth) -> Option<Integ> {
    match number {
        Phase2Auth::HMAC_MD5 => Some(Integ::HmacMd5_96),
        Phase2Auth::HMAC_SHA1 => Some(Integ::HmacSha1_96),
        Phase2Auth::HMAC_SHA2_256 => Some(Integ::HmacSha256_128),
        Phase2Auth::HMAC_SHA2_384 => Some(Integ::HmacSha384_192),
        Phase2Auth::HMAC_SHA2_512 => Some(Integ::HmacSha512_256),
        _ => None,
    }
}

fn hash_of(transform: AhTransform) -> Option<Integ> {
    match transform {
        AhTransform::MD5 => Some(Integ::HmacMd5_96),
        AhTransform::SHA1 => Some(Integ::HmacSha1_96),
        AhTransform::SHA2_256 => Some(Integ::HmacSha256_128),
        AhTransform::SHA2_384 => Some(Integ::HmacSha384_192),
        AhTransform::SHA2_512 => Some(Integ::HmacSha512_256),
        _ => None,
    }
}

/// Key rounds, compression and ECN (RFC 3168, section 9.2) are defined, and not for anything that is
/// known here.
const VOCABULARY: Vocabulary = Vocabulary {
    understood: &[
        Phase2Attr::LIFE_TYPE.0,
        Phase2Attr::LIFE_DURATION.0,
        Phase2Attr::GROUP.0,
        Phase2Attr::ENCAPSULATION.0,
        Phase2Attr::AUTH.0,
        Phase2Attr::KEY_LENGTH.0,
        Phase2Attr::ESN.0,
    ],
    lifetimes: [Phase2Attr::LIFE_TYPE.0, Phase2Attr::LIFE_DURATION.0],
    rule: "rfc2407-4.5.3-unknown-attribute-aborts",
    counted: "rfc2407-4.5-life-type-before-duration",
    name: |kind| Phase2Attr(kind).to_string(),
};
