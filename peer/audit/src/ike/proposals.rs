//! Proposals of one SA payload: numbers, SPIs, and transforms that belong together (RFC 7296,
//! sections 3.3 and 3.3.1 to 3.3.5; RFC 5282; RFC 4106; RFC 7634); and whether two offers are the same.

use std::collections::HashSet;

use ikeproof_proto::wire::v2::{Attribute, Proposal, Sa, Transform};
use ikeproof_proto::wire::{
    EncrId, ExchangeType, GroupId, IntegId, PrfId, ProtocolId, TransformType,
};

use super::message::{Message, body};
use super::reserved::{Place, substructures};
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges the SA payload of a message, if it has one.
pub(crate) fn judge(report: &mut Report<'_>, message: &Message) {
    let Some((part, sa)) = message.sa() else { return };
    let base = body(part);
    let places = substructures(&part.raw.body);
    for (index, proposal) in sa.proposals.iter().enumerate() {
        let place = places.get(index);
        let at = base + place.map_or(0, |place| place.at);
        let expected = index + 1;
        if message.is_request() {
            report.applies(&[rules::PROPOSAL_NUMBERS]);
        }
        if message.is_request() && usize::from(proposal.number) != expected {
            report.say(
                rules::PROPOSAL_NUMBERS,
                at + 4,
                format!("proposal {expected} of the offer has the number {}", proposal.number),
            );
        }
        judge_spi(report, message, proposal, at);
        judge_combination(report, message, proposal, at);
        for (index, transform) in proposal.transforms.iter().enumerate() {
            let at = base + transform_at(place, index);
            judge_attributes(report, proposal.protocol, transform, at);
        }
    }
}

fn transform_at(place: Option<&Place>, index: usize) -> usize {
    place.and_then(|place| place.transforms.get(index).copied()).unwrap_or(0)
}

/// Whether the message makes a new IKE SA out of an old one.
fn is_rekey_of_ike(message: &Message, proposal: &Proposal) -> bool {
    message.exchange() == ExchangeType::CREATE_CHILD_SA && proposal.protocol == ProtocolId::IKE
}

fn is_child(proposal: &Proposal) -> bool {
    matches!(proposal.protocol, ProtocolId::ESP | ProtocolId::AH)
}

fn judge_spi(report: &mut Report<'_>, message: &Message, proposal: &Proposal, at: usize) {
    let size = proposal.spi.len();
    let said = format!("proposal {} has an SPI of {size} octets", proposal.number);
    if is_child(proposal) {
        report.applies(&[rules::SPI_SIZE_CHILD, rules::SPI_RESERVED]);
        match <[u8; 4]>::try_from(proposal.spi.as_slice()).map(u32::from_be_bytes) {
            Err(_) => report.say(rules::SPI_SIZE_CHILD, at + 6, said),
            Ok(0) => report.say(rules::SPI_SIZE_CHILD, at + 8, "the SPI is zero"),
            Ok(spi @ 1..=255) => {
                report.say(rules::SPI_RESERVED, at + 8, format!("the SPI {spi} is reserved"));
            }
            Ok(_) => {}
        }
    } else if is_rekey_of_ike(message, proposal) {
        report.applies(&[rules::SPI_SIZE_REKEY]);
        if size != 8 {
            report.say(rules::SPI_SIZE_REKEY, at + 6, said);
        }
    } else if proposal.protocol == ProtocolId::IKE {
        report.applies(&[rules::SPI_SIZE_INIT]);
        if size != 0 {
            report.say(rules::SPI_SIZE_INIT, at + 6, said);
        }
    }
}

fn judge_combination(report: &mut Report<'_>, message: &Message, proposal: &Proposal, at: usize) {
    let number = proposal.number;
    let ids = |kind| proposal.of_kind(kind).map(|transform| transform.id).collect::<Vec<u16>>();
    let ciphers: Vec<EncrId> = ids(TransformType::ENCR).into_iter().map(EncrId).collect();
    let integrity = ids(TransformType::INTEG);
    let protects = integrity.iter().any(|&id| id != IntegId::NONE.0);
    let aead = ciphers.iter().any(|&cipher| is_aead(cipher));
    note_combination(report, message, proposal, &ciphers);
    if aead && protects {
        report.say(
            rules::AEAD_NO_INTEG,
            at,
            format!("proposal {number} has an AEAD cipher and an integrity transform"),
        );
    }
    if is_child(proposal) && proposal.of_kind(TransformType::ESN).next().is_none() {
        report.say(rules::ESN_PRESENT, at, format!("proposal {number} has no ESN transform"));
    }
    let null = ciphers.contains(&EncrId::NULL);
    match proposal.protocol {
        ProtocolId::IKE => {
            if null || (!aead && !ciphers.is_empty() && !protects) {
                let what = if null { "NULL encryption" } else { "no integrity protection" };
                report.say(rules::IKE_NULL, at, format!("proposal {number} has {what}"));
            }
            if ciphers.contains(&EncrId::NULL_AUTH_AES_GMAC) {
                report.say(rules::IKE_GMAC, at, format!("proposal {number} has GMAC for IKE"));
            }
        }
        ProtocolId::ESP if null && !protects => {
            let says = format!("proposal {number} neither encrypts nor authenticates");
            report.say(rules::BOTH_NULL, at, says);
        }
        _ => {}
    }
    if integrity == [IntegId::NONE.0] {
        let says = format!("proposal {number} sends an integrity transform NONE");
        report.say(rules::OMIT_NONE, at, says);
    }
    let groups = ids(TransformType::KE);
    if is_rekey_of_ike(message, proposal) && groups.contains(&GroupId::NONE.0) {
        let says = format!("proposal {number} of a rekey of the IKE SA has group NONE");
        report.say(rules::REKEY_GROUP_NONE, at, says);
    } else if groups == [GroupId::NONE.0] {
        report.say(rules::OMIT_NONE, at, format!("proposal {number} sends a group NONE"));
    }
}

/// Which rules about combinations apply to a proposal.
fn note_combination(
    report: &mut Report<'_>,
    message: &Message,
    proposal: &Proposal,
    ciphers: &[EncrId],
) {
    let has = |kind| proposal.of_kind(kind).next().is_some();
    let of_ike = proposal.protocol == ProtocolId::IKE;
    for (rule, applies) in [
        (rules::AEAD_NO_INTEG, ciphers.iter().any(|&cipher| is_aead(cipher))),
        (rules::ESN_PRESENT, is_child(proposal)),
        (rules::IKE_NULL, of_ike),
        (rules::IKE_GMAC, of_ike && !ciphers.is_empty()),
        (rules::BOTH_NULL, proposal.protocol == ProtocolId::ESP),
        (rules::OMIT_NONE, has(TransformType::INTEG) || has(TransformType::KE)),
        (rules::REKEY_GROUP_NONE, is_rekey_of_ike(message, proposal) && has(TransformType::KE)),
    ] {
        if applies {
            report.applies(&[rule]);
        }
    }
}

fn judge_attributes(
    report: &mut Report<'_>,
    protocol: ProtocolId,
    transform: &Transform,
    at: usize,
) {
    let kind_of = |attribute: &Attribute| match attribute {
        Attribute::Tv { kind, .. } | Attribute::Tlv { kind, .. } => *kind,
    };
    let kinds: Vec<u16> = transform.attributes.iter().map(kind_of).collect();
    if !kinds.is_empty() {
        report.applies(&[rules::ATTRIBUTE_TWICE, rules::ATTRIBUTE_FORM]);
    }
    let twice = kinds
        .iter()
        .enumerate()
        .find(|(index, kind)| kinds.iter().take(*index).any(|k| k == *kind));
    if let Some((_, kind)) = twice {
        report.say(rules::ATTRIBUTE_TWICE, at + 8, format!("attribute {kind} comes twice"));
    }
    let long = |attribute: &Attribute| {
        matches!(attribute, Attribute::Tlv { kind: Attribute::KEY_LENGTH, .. })
    };
    if transform.attributes.iter().any(long) {
        report.say(rules::ATTRIBUTE_FORM, at + 8, "Key Length in the form of variable length");
    }
    let given = kinds.contains(&Attribute::KEY_LENGTH);
    let without = has_no_key_length(transform);
    if without {
        report.applies(&[rules::KEY_LENGTH_FIXED]);
    }
    if given && without {
        report.say(
            rules::KEY_LENGTH_FIXED,
            at,
            format!("{} of type {} has a Key Length attribute", transform.id, transform.kind),
        );
    }
    if transform.kind != TransformType::ENCR {
        return;
    }
    let cipher = EncrId(transform.id);
    let Some((needed, rule)) = key_length(cipher, protocol) else { return };
    report.applies(&[rule]);
    if given != needed {
        let what = if needed { "lacks the" } else { "has a" };
        report.say(rule, at, format!("{cipher} {what} Key Length attribute"));
    } else if let Some(bits) = transform.key_length()
        && needed
        && !matches!(bits, 128 | 192 | 256)
    {
        report.say(rule, at + 8, format!("{cipher} with a key of {bits} bits"));
    }
}

/// Whether a transform is a known one of another type than a cipher's: none of these has keys of
/// several lengths (RFC 7296, section 3.3.5). Those of private use can.
fn has_no_key_length(transform: &Transform) -> bool {
    match transform.kind {
        TransformType::PRF => (PrfId::HMAC_MD5.0..=LAST_PRF).contains(&transform.id),
        TransformType::INTEG => (IntegId::NONE.0..=LAST_INTEG).contains(&transform.id),
        _ => false,
    }
}

/// Whether a cipher has the Key Length attribute, and the rule that says so.
fn key_length(cipher: EncrId, protocol: ProtocolId) -> Option<(bool, &'static Rule)> {
    Some(match cipher {
        EncrId::DES | EncrId::TRIPLE_DES | EncrId::IDEA | EncrId::NULL => {
            (false, rules::KEY_LENGTH_FIXED)
        }
        EncrId::CHACHA20_POLY1305 | EncrId::CHACHA20_POLY1305_IIV => {
            (false, rules::KEY_LENGTH_CHACHA)
        }
        EncrId::AES_CBC | EncrId::AES_CTR | EncrId::CAMELLIA_CBC | EncrId::CAMELLIA_CTR => {
            (true, rules::KEY_LENGTH_CBC)
        }
        EncrId(KUZNYECHIK_MGM_KTREE..=MAGMA_MGM_MAC_KTREE) => (false, rules::KEY_LENGTH_FIXED),
        _ if is_aead(cipher) && protocol == ProtocolId::IKE => (true, rules::KEY_LENGTH_AEAD),
        _ if is_aead(cipher) => (true, rules::KEY_LENGTH_ESP_AEAD),
        _ => return None,
    })
}

/// In what the suites of two offers differ; `None` if both offer the same set.
///
/// Transforms of a type are alternatives, whatever their order (RFC 7296 §3.3), and a number is only
/// a proposal's place in the order of preference: who is told of another group may put it first.
pub(crate) fn difference(before: &Sa, now: &Sa) -> Option<String> {
    if let Some(number) = not_in(before, now) {
        return Some(format!("proposal {number} of the offer before is not in it as it was"));
    }
    let number = not_in(now, before)?;
    Some(format!("proposal {number} was not in the offer before"))
}

/// The number of the first proposal of an offer whose suites the other offer does not have.
fn not_in(sa: &Sa, other: &Sa) -> Option<u8> {
    let others: Vec<Suites<'_>> = other.proposals.iter().map(Suites::of).collect();
    let missing = sa.proposals.iter().find(|proposal| !others.contains(&Suites::of(proposal)));
    missing.map(|proposal| proposal.number)
}

/// What a proposal stands for.
#[derive(PartialEq, Eq)]
struct Suites<'a> {
    protocol: ProtocolId,
    transforms: HashSet<&'a Transform>,
}

impl<'a> Suites<'a> {
    fn of(proposal: &'a Proposal) -> Self {
        Self { protocol: proposal.protocol, transforms: proposal.transforms.iter().collect() }
    }
}

/// Whether a cipher authenticates by itself.
pub(crate) const fn is_aead(cipher: EncrId) -> bool {
    matches!(cipher.0, 14..=16 | 18..=21 | 25..=MAGMA_MGM_MAC_KTREE)
}

/// The ciphers of RFC 9227, whose keys have 256 bits.
const KUZNYECHIK_MGM_KTREE: u16 = 32;
const MAGMA_MGM_MAC_KTREE: u16 = 35;
/// `PRF_HMAC_STREEBOG_512`.
const LAST_PRF: u16 = 9;
/// `AUTH_HMAC_SHA2_512_256`.
const LAST_INTEG: u16 = 14;
