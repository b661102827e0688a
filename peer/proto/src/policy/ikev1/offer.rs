//! Offers as the initiator: wide proposals in the words of IKEv2, written out as the complete sets
//! that IKEv1 wants.

use super::life::Life;
use crate::crypto::suite::{Encr, Esn, Group, IcvBytes, Integ};
use crate::policy::algorithm::Algorithm;
use crate::wire::attribute::Attribute;
use crate::wire::num::ProtocolId;
use crate::wire::v1::num::{
    AhTransform, Encapsulation, EspTransform, Phase1Attr, Phase1Auth, Phase1Encr, Phase1Hash,
    Phase2Attr, Phase2Auth,
};
use crate::wire::v1::{KEY_IKE, Proposal, Sa, Transform};
use crate::wire::v2;

/// What an offer of phase 2 says besides its algorithms.
#[derive(Clone, Copy, Debug)]
pub struct Phase2Offer {
    /// The SPI that the SA is to be received on.
    pub spi: u32,
    /// The SPI for an SA of AH that is wanted together with one of ESP.
    pub over_spi: u32,
    /// How long the SA is to live.
    pub life: Life,
    /// How packets of ESP are encapsulated.
    pub encapsulation: Encapsulation,
}

/// An offer of phase 1: one proposal with a transform for each combination of one cipher, hash and
/// group of a proposal. Combinations that IKEv1 has no numbers for are left out.
pub fn phase1_offer(proposals: &[v2::Proposal], auth: Phase1Auth, life: Life) -> Sa {
    let mut sets: Vec<(Encr, Integ, Group)> = Vec::new();
    for proposal in proposals {
        let integs = values::<Integ>(proposal);
        for encr in values::<Encr>(proposal) {
            for integ in &integs {
                for group in values::<Group>(proposal) {
                    sets.push((encr, *integ, group));
                }
            }
        }
    }
    let attributes = sets.into_iter().filter_map(|(encr, integ, group)| {
        let (cipher, bits) = match encr {
            Encr::AesCbc(bits) => (Phase1Encr::AES_CBC, Some(bits.bits())),
            Encr::TripleDesCbc => (Phase1Encr::TRIPLE_DES_CBC, None),
            _ => return None,
        };
        let mut attributes = vec![
            short(Phase1Attr::ENCRYPTION.0, cipher.0),
            short(Phase1Attr::HASH.0, phase1_hash(integ)?.0),
            short(Phase1Attr::AUTH_METHOD.0, auth.0),
            short(Phase1Attr::GROUP.0, group.iana()),
        ];
        attributes.extend(bits.map(|bits| short(Phase1Attr::KEY_LENGTH.0, bits)));
        attributes.extend(life.attributes(Phase1Attr::LIFE_TYPE.0, Phase1Attr::LIFE_DURATION.0));
        Some((KEY_IKE, attributes))
    });
    let transforms = numbered(attributes);
    let proposal = Proposal { number: 1, protocol: ProtocolId::IKE, spi: Vec::new(), transforms };
    Sa { proposals: vec![proposal] }
}

/// An offer of phase 2 (RFC 2407, section 4.4): each proposal with a transform for each of its
/// combinations. Those of one number have one number in the offer, too: they are wanted together (RFC 2408,
/// section 4.2).
///
/// Combinations that IKEv1 has no numbers for are left out. With a proposal that has nothing left go those
/// that are wanted together with it, as each of them alone would be less protection than was asked for.
/// What is left is numbered from 1.
pub fn phase2_offer(proposals: &[v2::Proposal], offer: &Phase2Offer) -> Sa {
    let (mut number, mut offered) = (0_u8, Vec::new());
    for together in proposals.chunk_by(|one, next| one.number == next.number) {
        let transforms: Vec<_> = together
            .iter()
            .map(|proposal| numbered(phase2_sets(proposal, offer).into_iter()))
            .collect();
        if transforms.iter().any(Vec::is_empty) {
            continue;
        }
        number = number.saturating_add(1);
        for (proposal, transforms) in together.iter().zip(transforms) {
            let protocol = proposal.protocol;
            let over = protocol == ProtocolId::AH && together.len() > 1;
            let spi = if over { offer.over_spi } else { offer.spi }.to_be_bytes().to_vec();
            offered.push(Proposal { number, protocol, spi, transforms });
        }
    }
    Sa { proposals: offered }
}

fn phase2_sets(proposal: &v2::Proposal, offer: &Phase2Offer) -> Vec<(u8, Vec<Attribute>)> {
    let mut integs: Vec<_> = values::<Integ>(proposal).into_iter().map(Some).collect();
    if integs.is_empty() {
        integs.push(None);
    }
    // The group is one for all of a quick mode, as there is one public value.
    let group = values::<Group>(proposal).first().copied();
    let esn = values::<Esn>(proposal).contains(&Esn::Yes);
    let is_ah = proposal.protocol == ProtocolId::AH;
    // AH is never in UDP.
    let encapsulation = if is_ah { Encapsulation::TUNNEL } else { offer.encapsulation };
    let encrs = if is_ah { vec![Encr::Null] } else { values::<Encr>(proposal) };
    let mut sets = Vec::new();
    for encr in encrs {
        for integ in &integs {
            let auth = integ.and_then(phase2_auth);
            let bits = encr.iana().1;
            let id = if is_ah { integ.and_then(ah_transform) } else { esp_transform(encr) };
            let Some(id) = id else { continue };
            let (of, value) = (Phase2Attr::LIFE_TYPE.0, Phase2Attr::LIFE_DURATION.0);
            let mut attributes = offer.life.attributes(of, value);
            attributes.push(short(Phase2Attr::ENCAPSULATION.0, encapsulation.0));
            attributes.extend(group.map(|group| short(Phase2Attr::GROUP.0, group.iana())));
            attributes.extend(auth.map(|auth| short(Phase2Attr::AUTH.0, auth.0)));
            attributes
                .extend(bits.filter(|_| !is_ah).map(|bits| short(Phase2Attr::KEY_LENGTH.0, bits)));
            attributes.extend(esn.then(|| short(Phase2Attr::ESN.0, 1)));
            sets.push((id, attributes));
        }
    }
    sets
}

fn numbered(sets: impl Iterator<Item = (u8, Vec<Attribute>)>) -> Vec<Transform> {
    (1..).zip(sets).map(|(number, (id, attributes))| Transform { number, id, attributes }).collect()
}

fn values<T: Algorithm>(proposal: &v2::Proposal) -> Vec<T> {
    proposal.of_kind(T::KIND).filter_map(T::read).collect()
}

const fn short(kind: u16, value: u16) -> Attribute {
    Attribute::Tv { kind, value }
}

/// A value that may be too large for two octets.
pub(super) fn number(kind: u16, value: u64) -> Attribute {
    match (u16::try_from(value), u32::try_from(value)) {
        (Ok(value), _) => Attribute::Tv { kind, value },
        (_, Ok(value)) => Attribute::Tlv { kind, value: value.to_be_bytes().to_vec() },
        _ => Attribute::Tlv { kind, value: value.to_be_bytes().to_vec() },
    }
}

fn phase1_hash(integ: Integ) -> Option<Phase1Hash> {
    match integ {
        Integ::HmacMd5_96 => Some(Phase1Hash::MD5),
        Integ::HmacSha1_96 => Some(Phase1Hash::SHA1),
        Integ::HmacSha256_128 => Some(Phase1Hash::SHA2_256),
        Integ::HmacSha384_192 => Some(Phase1Hash::SHA2_384),
        Integ::HmacSha512_256 => Some(Phase1Hash::SHA2_512),
        Integ::None => None,
    }
}

fn phase2_auth(integ: Integ) -> Option<Phase2Auth> {
    match integ {
        Integ::HmacMd5_96 => Some(Phase2Auth::HMAC_MD5),
        Integ::HmacSha1_96 => Some(Phase2Auth::HMAC_SHA1),
        Integ::HmacSha256_128 => Some(Phase2Auth::HMAC_SHA2_256),
        Integ::HmacSha384_192 => Some(Phase2Auth::HMAC_SHA2_384),
        Integ::HmacSha512_256 => Some(Phase2Auth::HMAC_SHA2_512),
        Integ::None => None,
    }
}

fn esp_transform(encr: Encr) -> Option<u8> {
    let transform = match encr {
        Encr::TripleDesCbc => EspTransform::TRIPLE_DES,
        Encr::Null => EspTransform::NULL,
        Encr::AesCbc(_) => EspTransform::AES_CBC,
        Encr::AesGcm { icv: IcvBytes::I8, .. } => EspTransform::AES_GCM_8,
        Encr::AesGcm { icv: IcvBytes::I12, .. } => EspTransform::AES_GCM_12,
        Encr::AesGcm { icv: IcvBytes::I16, .. } => EspTransform::AES_GCM_16,
        Encr::NullAuthAesGmac(_) => EspTransform::NULL_AUTH_AES_GMAC,
        // RFC 7634 has a number for IKEv2 alone.
        Encr::ChaCha20Poly1305 => return None,
    };
    Some(transform.0)
}

fn ah_transform(integ: Integ) -> Option<u8> {
    let transform = match integ {
        Integ::HmacMd5_96 => AhTransform::MD5,
        Integ::HmacSha1_96 => AhTransform::SHA1,
        Integ::HmacSha256_128 => AhTransform::SHA2_256,
        Integ::HmacSha384_192 => AhTransform::SHA2_384,
        Integ::HmacSha512_256 => AhTransform::SHA2_512,
        Integ::None => return None,
    };
    Some(transform.0)
}
