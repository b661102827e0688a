//! Phase 1: which transform an edge takes (RFC 2409, section 5 and appendix A).

use super::attributes::{self, Vocabulary};
use super::life::{Lifetime, OfferedLife};
use super::table::Ikev1Mode;
use crate::crypto::suite::{Encr, Group, IkeSuite, Integ, KeyBits};
use crate::policy::algorithm::Algorithm;
use crate::policy::ike::MAX_COMBINATIONS;
use crate::policy::profile::{Order, Profile};
use crate::policy::refusal::{ProposalRefusal, Reason, ReasonKind, Refusal};
use crate::wire::num::{GroupId, ProtocolId};
use crate::wire::v1::num::{Phase1Attr, Phase1Auth, Phase1Encr, Phase1Hash};
use crate::wire::v1::{KEY_IKE, Proposal, Sa, Transform};
use crate::wire::v2;

/// What the choice in phase 1 depends on besides the offer.
#[derive(Clone, Copy, Debug)]
pub struct Phase1Context<'a> {
    /// The mode.
    pub mode: Ikev1Mode,
    /// The length of the public value that came with the offer, in aggressive mode.
    pub public_len: Option<usize>,
    /// How this end lets peers authenticate.
    pub auth: &'a [Phase1Auth],
}

/// What was chosen in phase 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase1Choice {
    /// The algorithms; integrity and pseudo-random function both name the hash.
    pub suite: IkeSuite,
    /// How the ends authenticate.
    pub auth: Phase1Auth,
    /// How long the SA lives.
    pub lifetime: Lifetime,
    /// The proposal to answer with: the one transform, as it was offered.
    pub chosen: Proposal,
}

/// One transform of phase 1, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Phase1Set {
    pub suite: IkeSuite,
    pub auth: Phase1Auth,
    pub life: OfferedLife,
}

impl Profile {
    /// Selects from an offer of phase 1. Call it on the profile [`for_ikev1`](Profile::for_ikev1).
    ///
    /// # Errors
    /// With the rules that stand against each transform.
    pub fn select_phase1(
        &self,
        offer: &Sa,
        context: &Phase1Context<'_>,
    ) -> Result<Phase1Choice, Refusal> {
        let mut refusal = Refusal::new();
        let accepted = self.accepted_ike();
        let mut budget = MAX_COMBINATIONS;
        let mut best: Option<([usize; 4], Phase1Choice)> = None;
        let sets = offer.proposals.iter().flat_map(|proposal| {
            proposal.transforms.iter().map(move |transform| (proposal, transform))
        });
        for (proposal, transform) in sets {
            let refused = |nearest: String, reasons| ProposalRefusal {
                number: transform.number,
                nearest,
                reasons,
            };
            let set = match Phase1Set::read(proposal, transform) {
                Ok(set) => set,
                Err(reason) => {
                    refusal.add(refused(format!("transform {}", transform.number), vec![reason]));
                    continue;
                }
            };
            let suite = set.suite;
            let against = self.against_set(&set, context);
            let judged = {
                let constraints = self.active(&self.ike.constraints);
                let group = GroupId(suite.group.iana());
                let as_v2 = set.as_v2(transform.number);
                self.judge(&as_v2, &accepted, &constraints, group, &mut budget)
            };
            match (judged, against.is_empty()) {
                (Ok(_), true) => {
                    let rank = accepted.rank(&suite);
                    if best.as_ref().is_none_or(|(least, _)| rank < *least) {
                        let transforms = vec![transform.clone()];
                        let chosen = Proposal { transforms, ..proposal.clone() };
                        let lifetime = self.lifetime(set.life, self.ike_life());
                        let choice = Phase1Choice { suite, auth: set.auth, lifetime, chosen };
                        best = Some((rank, choice));
                    }
                    if self.order == Order::Peer {
                        break;
                    }
                }
                (Ok(_), false) => refusal.add(refused(suite.to_string(), against)),
                (Err(mut judged), _) => {
                    judged.reasons.extend(against);
                    refusal.add(judged);
                }
            }
        }
        best.map(|(_, choice)| choice).ok_or(refusal)
    }

    /// What stands against a set besides its algorithms.
    fn against_set(&self, set: &Phase1Set, context: &Phase1Context<'_>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        reasons.extend(self.against_auth(set.auth, context));
        let (modes, rule) = self.modes();
        if !modes.contains(&context.mode) {
            reasons.push(Reason {
                rule: rule.to_owned(),
                kind: ReasonKind::NotListed,
                says: format!("{} is not accepted", context.mode),
                change: "use the other mode".to_owned(),
            });
        }
        let group = set.suite.group;
        if context.public_len.is_some_and(|len| len != group.public_len()) {
            reasons.push(Reason {
                rule: "rfc2409-5-aggressive-group-not-negotiated".to_owned(),
                kind: ReasonKind::Malformed,
                says: format!("the public value is not of {group}"),
                change: "offer one group in aggressive mode, that of the public value".to_owned(),
            });
        }
        reasons.extend(self.too_long(set.life, self.ike_life()));
        reasons
    }
}

impl Phase1Set {
    /// Reads a transform, whose attributes all have to be known and must not contradict each other.
    pub(super) fn read(proposal: &Proposal, transform: &Transform) -> Result<Self, Reason> {
        let malformed = |rule: &str, says: String, change: &str| Reason {
            rule: rule.to_owned(),
            kind: ReasonKind::Malformed,
            says,
            change: change.to_owned(),
        };
        if proposal.protocol != ProtocolId::IKE || transform.id != KEY_IKE {
            let says = format!(
                "transform {} for {} cannot make an ISAKMP SA",
                transform.id, proposal.protocol
            );
            return Err(malformed("rfc2409-5-phase1-single-proposal", says, "offer KEY_IKE"));
        }
        attributes::check(transform, &VOCABULARY)?;
        let attribute = |kind: Phase1Attr| transform.attribute(kind.0);
        let missing = |what: &str| {
            let says = format!("the transform has no {what}");
            malformed("rfc2409-4-phase1-attributes-mandatory", says, "add it")
        };
        let unknown = |what: &str, number: u64| Reason {
            rule: "rfc2408-5.6-transform-unknown-ignored".to_owned(),
            kind: ReasonKind::NotListed,
            says: format!("{what} is not accepted (number {number})"),
            change: "offer another transform as well".to_owned(),
        };
        let cipher = attribute(Phase1Attr::ENCRYPTION).ok_or_else(|| missing("cipher"))?;
        let hash = attribute(Phase1Attr::HASH).ok_or_else(|| missing("hash"))?;
        let auth =
            attribute(Phase1Attr::AUTH_METHOD).ok_or_else(|| missing("authentication method"))?;
        let group = attribute(Phase1Attr::GROUP).ok_or_else(|| missing("group"))?;
        let encr = cipher_of(cipher, attribute(Phase1Attr::KEY_LENGTH));
        let encr = encr.ok_or_else(|| unknown(&cipher_name(cipher), cipher))?;
        let integ = u16::try_from(hash).ok().and_then(|hash| hash_of(Phase1Hash(hash)));
        let integ = integ.ok_or_else(|| unknown("the hash", hash))?;
        let prf = integ.prf().ok_or_else(|| missing("hash"))?;
        let group_id = u16::try_from(group).ok().and_then(Group::from_iana);
        let group = group_id.ok_or_else(|| unknown("the Diffie-Hellman group", group))?;
        let auth = Phase1Auth(u16::try_from(auth).map_err(|_| missing("authentication method"))?);
        let life = OfferedLife::read(transform, &VOCABULARY)?;
        Ok(Self { suite: IkeSuite { encr, integ, prf, group }, auth, life })
    }

    /// The set as a proposal of IKEv2, for the judgement that both versions share.
    fn as_v2(&self, number: u8) -> v2::Proposal {
        let IkeSuite { encr, integ, prf, group } = self.suite;
        let transforms =
            vec![encr.transform(), integ.transform(), prf.transform(), group.transform()];
        v2::Proposal { number, protocol: ProtocolId::IKE, spi: Vec::new(), transforms }
    }
}

fn cipher_of(number: u64, key_length: Option<u64>) -> Option<Encr> {
    match (Phase1Encr(u16::try_from(number).ok()?), key_length) {
        (Phase1Encr::AES_CBC, Some(bits)) => {
            KeyBits::from_bits(u16::try_from(bits).ok()?).map(Encr::AesCbc)
        }
        // rfc2409-a-keylen-fixed-cipher: the attribute must not be there.
        (Phase1Encr::TRIPLE_DES_CBC, None) => Some(Encr::TripleDesCbc),
        _ => None,
    }
}

fn cipher_name(number: u64) -> String {
    u16::try_from(number).map_or_else(|_| "the cipher".to_owned(), |n| Phase1Encr(n).to_string())
}

fn hash_of(hash: Phase1Hash) -> Option<Integ> {
    match hash {
        Phase1Hash::MD5 => Some(Integ::HmacMd5_96),
        Phase1Hash::SHA1 => Some(Integ::HmacSha1_96),
        Phase1Hash::SHA2_256 => Some(Integ::HmacSha256_128),
        Phase1Hash::SHA2_384 => Some(Integ::HmacSha384_192),
        Phase1Hash::SHA2_512 => Some(Integ::HmacSha512_256),
        _ => None,
    }
}

/// There are no pseudo-random functions to name: PRF can only ask for something that nobody knows. Groups
/// are known by their numbers alone.
const VOCABULARY: Vocabulary = Vocabulary {
    understood: &[
        Phase1Attr::ENCRYPTION.0,
        Phase1Attr::HASH.0,
        Phase1Attr::AUTH_METHOD.0,
        Phase1Attr::GROUP.0,
        Phase1Attr::LIFE_TYPE.0,
        Phase1Attr::LIFE_DURATION.0,
        Phase1Attr::KEY_LENGTH.0,
    ],
    lifetimes: [Phase1Attr::LIFE_TYPE.0, Phase1Attr::LIFE_DURATION.0],
    rule: "rfc2408-5.6-transform-attributes-checked",
    // RFC 2409, appendix A, says what a type is for, and RFC 2407 speaks of other SAs.
    counted: "rfc2408-5.6-transform-attributes-checked",
    name: |kind| Phase1Attr(kind).to_string(),
};
