//! SA payloads by themselves: structure, numbering and the attributes of transforms (RFC 2408, sections
//! 3.5, 3.6 and 4.2; RFC 2409, section 5 and appendix A; RFC 2407, section 4.5; RFC 3602, section 5.3).

use ikeproof_proto::wire::v1::num::{
    AhTransform, EspTransform, PayloadKind, Phase1Attr, Phase1Encr, Phase2Attr, Phase2Auth,
};
use ikeproof_proto::wire::v1::{DOI_IPSEC, KEY_IKE, SITUATION_IDENTITY_ONLY};
use ikeproof_proto::wire::{Attribute, ProtocolId};

use super::message::Message;
use super::offer::{Offer, OfferedProposal, OfferedTransform};
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges all SA payloads of a message, and names what the receiver must refuse.
pub(crate) fn judge(
    report: &mut Report<'_>,
    message: &Message,
    phase1: bool,
    answer: bool,
) -> Vec<(&'static Rule, String)> {
    let mut found = Vec::new();
    let offers: Vec<Offer> = message.of(PayloadKind::SA).filter_map(Offer::read).collect();
    for offer in &offers {
        judge_domain(offer, &mut found);
        judge_structure(report, offer);
        if !answer {
            judge_numbers(report, offer);
        }
        for proposal in &offer.proposals {
            judge_protocol(report, proposal, phase1, &mut found);
            for transform in &proposal.transforms {
                judge_forms(report, transform, phase1);
                judge_lifetime(report, transform, phase1);
                if phase1 {
                    judge_phase1(report, transform);
                } else {
                    judge_phase2(report, proposal, transform);
                }
            }
        }
    }
    if phase1 && !answer && !offers.is_empty() {
        report.applies(&[rules::V1_SINGLE_PROPOSAL]);
    }
    let proposals = offers.first().map_or(0, |offer| offer.proposals.len());
    if phase1 && !answer && (offers.len() > 1 || proposals > 1) {
        let at = message.part(PayloadKind::SA).map(|part| part.raw.offset);
        let says = format!("{} SA payloads, {proposals} proposals in the first", offers.len());
        report.say(rules::V1_SINGLE_PROPOSAL, at, says);
    }
    found
}

fn judge_domain(offer: &Offer, found: &mut Vec<(&'static Rule, String)>) {
    if offer.doi != DOI_IPSEC {
        found.push((rules::V1_DOI_CHECKED, format!("DOI {}", offer.doi)));
    }
    if offer.situation != SITUATION_IDENTITY_ONLY {
        found.push((rules::V1_SITUATION_CHECKED, format!("situation {:#x}", offer.situation)));
    }
}

fn judge_structure(report: &mut Report<'_>, offer: &Offer) {
    report.applies(&[rules::V1_SA_LENGTHS]);
    if let Some(error) = &offer.broken {
        report.say(rules::V1_SA_LENGTHS, error.offset, error.to_string());
        return;
    }
    let last = offer.proposals.len().saturating_sub(1);
    for (number, proposal) in offer.proposals.iter().enumerate() {
        report.applies(&[rules::V1_PROPOSAL_CHAIN, rules::V1_TRANSFORM_COUNT]);
        let wanted = if number == last { PayloadKind::NONE } else { PayloadKind::PROPOSAL };
        if proposal.next != wanted.0 {
            let says = format!("a proposal names {} as next payload", PayloadKind(proposal.next));
            report.say(rules::V1_PROPOSAL_CHAIN, proposal.at, says);
        }
        if usize::from(proposal.count) != proposal.transforms.len() {
            let says = format!(
                "{} transforms are announced, {} are there",
                proposal.count,
                proposal.transforms.len()
            );
            report.say(rules::V1_TRANSFORM_COUNT, proposal.at + 7, says);
        }
        let last = proposal.transforms.len().saturating_sub(1);
        for (number, transform) in proposal.transforms.iter().enumerate() {
            report.applies(&[rules::V1_TRANSFORM_CHAIN]);
            let wanted = if number == last { PayloadKind::NONE } else { PayloadKind::TRANSFORM };
            if transform.next != wanted.0 {
                let next = PayloadKind(transform.next);
                let says = format!("a transform names {next} as next payload");
                report.say(rules::V1_TRANSFORM_CHAIN, transform.at, says);
            }
        }
    }
}

fn judge_numbers(report: &mut Report<'_>, offer: &Offer) {
    let mut earlier: Vec<&OfferedProposal> = Vec::new();
    for proposal in &offer.proposals {
        let before = earlier.last();
        let at = proposal.at + 4;
        if before.is_some() {
            report.applies(&[rules::V1_SUITE_ADJACENT, rules::V1_ALTERNATIVES]);
        }
        let again = earlier.iter().any(|it| it.number == proposal.number);
        if before.is_some_and(|before| before.number != proposal.number) && again {
            let says = format!("proposal {} goes on behind another number", proposal.number);
            report.say(rules::V1_SUITE_ADJACENT, at, says);
        } else if before.is_some_and(|before| {
            before.number > proposal.number
                || before.number == proposal.number && before.protocol == proposal.protocol
        }) {
            let says = format!("proposal {} does not count up", proposal.number);
            report.say(rules::V1_ALTERNATIVES, at, says);
        }
        for (one, two) in proposal.transforms.iter().zip(proposal.transforms.iter().skip(1)) {
            report.applies(&[rules::V1_TRANSFORM_NUMBERS]);
            if two.number <= one.number {
                let says = format!("transform {} follows transform {}", two.number, one.number);
                report.say(rules::V1_TRANSFORM_NUMBERS, two.at + 4, says);
            }
        }
        earlier.push(proposal);
    }
}

fn judge_protocol(
    report: &mut Report<'_>,
    proposal: &OfferedProposal,
    phase1: bool,
    found: &mut Vec<(&'static Rule, String)>,
) {
    if phase1 {
        report.applies(&[rules::V1_P1_PROTOCOL, rules::V1_KEY_IKE]);
        if proposal.protocol != ProtocolId::IKE {
            let says = format!("a proposal for {} in phase 1", proposal.protocol);
            report.say(rules::V1_P1_PROTOCOL, proposal.at + 5, says);
        }
        for transform in proposal.transforms.iter().filter(|it| it.id != KEY_IKE) {
            let says = format!("transform ID {} in phase 1", transform.id);
            report.say(rules::V1_KEY_IKE, transform.at + 5, says);
        }
        return;
    }
    let ipsec = matches!(proposal.protocol, ProtocolId::ESP | ProtocolId::AH);
    if ipsec {
        report.applies(&[rules::V1_SPI_SIZE, rules::SPI_RESERVED]);
    }
    match <[u8; 4]>::try_from(proposal.spi.as_slice()) {
        Err(_) if ipsec => {
            let says = format!("an SPI of {} octets", proposal.spi.len());
            report.say(rules::V1_SPI_SIZE, proposal.at + 6, says.clone());
            found.push((rules::V1_SPI_CHECKED, says));
        }
        Ok(spi) if ipsec && u32::from_be_bytes(spi) < 256 => {
            let says = format!("the SPI is {:#010x}", u32::from_be_bytes(spi));
            report.say(rules::SPI_RESERVED, proposal.at + 8, says);
        }
        _ => {}
    }
}

/// Attributes that have the form with a value of two octets.
const BASIC_1: [Phase1Attr; 9] = [
    Phase1Attr::ENCRYPTION,
    Phase1Attr::HASH,
    Phase1Attr::AUTH_METHOD,
    Phase1Attr::GROUP,
    Phase1Attr::GROUP_TYPE,
    Phase1Attr::LIFE_TYPE,
    Phase1Attr::PRF,
    Phase1Attr::KEY_LENGTH,
    Phase1Attr::FIELD_SIZE,
];
const BASIC_2: [Phase2Attr; 8] = [
    Phase2Attr::LIFE_TYPE,
    Phase2Attr::GROUP,
    Phase2Attr::ENCAPSULATION,
    Phase2Attr::AUTH,
    Phase2Attr::KEY_LENGTH,
    Phase2Attr::KEY_ROUNDS,
    Phase2Attr::COMPRESS_DICTIONARY,
    Phase2Attr::ECN_TUNNEL,
];

fn judge_forms(report: &mut Report<'_>, transform: &OfferedTransform, phase1: bool) {
    for (at, attribute) in &transform.attributes {
        let kind = attribute.kind();
        let basic = if phase1 {
            BASIC_1.iter().any(|it| it.0 == kind)
        } else {
            BASIC_2.iter().any(|it| it.0 == kind)
        };
        if basic {
            report.applies(&[rules::V1_BASIC_FORM]);
        }
        if basic && matches!(attribute, Attribute::Tlv { .. }) {
            let says = format!("{} has the form of variable length", name(kind, phase1));
            report.say(rules::V1_BASIC_FORM, *at, says);
        }
    }
}

/// The name of an attribute.
pub(crate) fn name(kind: u16, phase1: bool) -> String {
    if phase1 { Phase1Attr(kind).to_string() } else { Phase2Attr(kind).to_string() }
}

/// Each duration has a type of its own before it. Other attributes may stand between the two, which the
/// rule does not forbid.
fn judge_lifetime(report: &mut Report<'_>, transform: &OfferedTransform, phase1: bool) {
    let (of_type, of_duration) = if phase1 {
        (Phase1Attr::LIFE_TYPE.0, Phase1Attr::LIFE_DURATION.0)
    } else {
        (Phase2Attr::LIFE_TYPE.0, Phase2Attr::LIFE_DURATION.0)
    };
    let mut announced = false;
    for (at, attribute) in &transform.attributes {
        if attribute.kind() == of_type {
            announced = true;
        } else if attribute.kind() == of_duration {
            report.applies(&[rules::V1_LIFE_TYPE]);
            if !core::mem::take(&mut announced) {
                report.say(rules::V1_LIFE_TYPE, *at, "a duration does not follow its type");
            }
        }
    }
}

fn judge_phase1(report: &mut Report<'_>, transform: &OfferedTransform) {
    let value = |kind: Phase1Attr| transform.value(kind.0);
    report.applies(&[rules::V1_P1_ATTRIBUTES]);
    if value(Phase1Attr::GROUP).is_some() {
        report.applies(&[rules::V1_GROUP_PARAMETERS]);
    }
    let of_own_group = transform.find(Phase1Attr::GROUP_TYPE.0);
    for kind in
        [Phase1Attr::ENCRYPTION, Phase1Attr::HASH, Phase1Attr::AUTH_METHOD, Phase1Attr::GROUP]
    {
        let own = kind == Phase1Attr::GROUP && of_own_group.is_some();
        if value(kind).is_none() && !own {
            let says = format!("transform {} has no {kind}", transform.number);
            report.say(rules::V1_P1_ATTRIBUTES, transform.at, says);
        }
    }
    let parameters = [
        Phase1Attr::GROUP_TYPE,
        Phase1Attr::GROUP_PRIME,
        Phase1Attr::GROUP_GENERATOR_ONE,
        Phase1Attr::GROUP_GENERATOR_TWO,
        Phase1Attr::GROUP_CURVE_A,
        Phase1Attr::GROUP_CURVE_B,
        Phase1Attr::FIELD_SIZE,
        Phase1Attr::GROUP_ORDER,
    ];
    let parameter = parameters.iter().find_map(|kind| transform.find(kind.0));
    if value(Phase1Attr::GROUP).is_some()
        && let Some((at, attribute)) = parameter
    {
        let says = format!("{} beside a group number", Phase1Attr(attribute.kind()));
        report.say(rules::V1_GROUP_PARAMETERS, at, says);
    }
    let cipher = value(Phase1Attr::ENCRYPTION).and_then(|it| u16::try_from(it).ok());
    let Some(cipher) = cipher.map(Phase1Encr) else { return };
    let key_length = transform.find(Phase1Attr::KEY_LENGTH.0);
    let fixed =
        matches!(cipher, Phase1Encr::DES_CBC | Phase1Encr::IDEA_CBC | Phase1Encr::TRIPLE_DES_CBC);
    judge_key_length(report, transform, key_length, fixed, cipher == Phase1Encr::AES_CBC);
}

fn judge_key_length(
    report: &mut Report<'_>,
    transform: &OfferedTransform,
    key_length: Option<(usize, &Attribute)>,
    fixed: bool,
    aes: bool,
) {
    if fixed {
        report.applies(&[rules::V1_KEYLEN_FIXED]);
    }
    if aes {
        report.applies(&[rules::V1_KEYLEN_AES]);
    }
    match key_length {
        Some((at, _)) if fixed => {
            let says = "Key Length beside a cipher whose keys have one length";
            report.say(rules::V1_KEYLEN_FIXED, at, says);
        }
        None if aes => {
            let says = format!("transform {} is AES without Key Length", transform.number);
            report.say(rules::V1_KEYLEN_AES, transform.at, says);
        }
        _ => {}
    }
}

fn judge_phase2(report: &mut Report<'_>, proposal: &OfferedProposal, transform: &OfferedTransform) {
    let value = |kind: Phase2Attr| transform.value(kind.0);
    let number = transform.number;
    report.applies(&[rules::V1_ENCAPSULATION]);
    if value(Phase2Attr::ENCAPSULATION).is_none() {
        let says = format!("transform {number} has no Encapsulation Mode");
        report.say(rules::V1_ENCAPSULATION, transform.at, says);
    }
    let auth = value(Phase2Attr::AUTH);
    if proposal.protocol == ProtocolId::AH {
        report.applies(&[rules::V1_AH_AUTH]);
        let id = AhTransform(transform.id);
        let wanted = match id {
            AhTransform::MD5 => Some(Phase2Auth::HMAC_MD5),
            AhTransform::SHA1 => Some(Phase2Auth::HMAC_SHA1),
            AhTransform::DES => Some(Phase2Auth::DES_MAC),
            AhTransform::SHA2_256 => Some(Phase2Auth::HMAC_SHA2_256),
            AhTransform::SHA2_384 => Some(Phase2Auth::HMAC_SHA2_384),
            AhTransform::SHA2_512 => Some(Phase2Auth::HMAC_SHA2_512),
            _ => None,
        };
        if auth.is_none() || wanted.is_some_and(|wanted| auth != Some(wanted.0.into())) {
            let says = format!("{id} with Authentication Algorithm {auth:?}");
            report.say(rules::V1_AH_AUTH, transform.at, says);
        }
        return;
    }
    if proposal.protocol != ProtocolId::ESP {
        return;
    }
    let id = EspTransform(transform.id);
    if id == EspTransform::NULL {
        report.applies(&[rules::V1_NULL_AUTH]);
    }
    if id == EspTransform::NULL && auth.is_none() {
        let says = format!("transform {number} is ESP_NULL without authentication");
        report.say(rules::V1_NULL_AUTH, transform.at, says);
    }
    let fixed = matches!(id, EspTransform::DES | EspTransform::TRIPLE_DES | EspTransform::NULL);
    let key_length = transform.find(Phase2Attr::KEY_LENGTH.0);
    judge_key_length(report, transform, key_length, fixed, id == EspTransform::AES_CBC);
}
