//! Quick mode (RFC 2409, section 5.5): what its messages hold, and the SAs that it makes.

use ikeproof_proto::crypto::Group;
use ikeproof_proto::wire::ProtocolId;
use ikeproof_proto::wire::v1::num::{Encapsulation, PayloadKind, Phase2Attr};

use super::message::{Message, Part};
use super::offer::{Offer, OfferedProposal};
use super::session::Session;
use super::{choice, ident, later, natt, proposals, xauth};
use crate::esp::{ChildFacts, Esp};
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::observed::Sender;
use crate::rules;

/// Judges a decrypted message of quick mode.
pub(crate) fn judge(
    report: &mut Report<'_>,
    esp: &mut Esp,
    session: &mut Session,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
    place: usize,
) {
    xauth::judge_quick(report, session, place);
    if place >= 3 {
        return;
    }
    judge_order(report, message, place);
    later::judge_hash(report, session, message, keys, own, place);
    judge_presence(report, message, place);
    later::judge_foreign(report, message);
    super::inform::judge_notifies(report, message);
    if place == 2 {
        return;
    }
    let found = proposals::judge(report, message, false, place == 1);
    for (rule, says) in found {
        session.exchange(message).defects.add(report, message, rule, says);
    }
    natt::judge_quick(report, session, message);
    ident::judge_phase2(report, message);
    let Some(offer) = Offer::of(message) else { return };
    let before = session.later.get(&message.id()).and_then(|it| it.messages.first()).cloned();
    match before {
        Some(request) if place == 1 => {
            judge_answer(report, esp, session, &request, message, &offer);
        }
        _ => {
            judge_identities(report, message, None);
            judge_groups(report, message, &offer);
            for spi in offer.proposals.iter().filter_map(spi_of) {
                esp.offer(message.frame.by, spi);
            }
        }
    }
}

/// HASH comes first, and SA second.
fn judge_order(report: &mut Report<'_>, message: &Message, place: usize) {
    let at = |number: usize| message.parts.get(number);
    report.applies(&[rules::V1_QM_HASH_FIRST]);
    if place < 2 && message.has(PayloadKind::SA) {
        report.applies(&[rules::V1_QM_SA_SECOND]);
    }
    let is = |number, kind| at(number).is_some_and(|part: &Part| part.kind() == kind);
    if !is(0, PayloadKind::HASH) {
        let says = "the first payload is not HASH";
        report.say(rules::V1_QM_HASH_FIRST, at(0).map(|part| part.raw.offset), says);
    } else if place < 2 && message.has(PayloadKind::SA) && !is(1, PayloadKind::SA) {
        let says = "SA does not follow HASH";
        report.say(rules::V1_QM_SA_SECOND, at(1).map(|part| part.raw.offset), says);
    }
}

fn judge_presence(report: &mut Report<'_>, message: &Message, place: usize) {
    report.applies(&[rules::V1_QM_MESSAGES]);
    let count = |kind| message.of(kind).count();
    let mut say = |kind: PayloadKind, count: usize| {
        let says = format!("message {} of quick mode has {count} payloads {kind}", place + 1);
        report.say(rules::V1_QM_MESSAGES, None, says);
    };
    let first = place < 2;
    for (kind, least, most) in [
        (PayloadKind::SA, usize::from(first), if first { usize::MAX } else { 0 }),
        (PayloadKind::NONCE, usize::from(first), usize::from(first)),
        (PayloadKind::KE, 0, usize::from(first)),
    ] {
        if !(least..=most).contains(&count(kind)) {
            say(kind, count(kind));
        }
    }
    for kind in [PayloadKind::SIG, PayloadKind::CERT, PayloadKind::CERTREQ, PayloadKind::NAT_D] {
        if count(kind) > 0 {
            say(kind, count(kind));
        }
    }
}

/// Client identities are two or none, and the answer has them in the order of the request.
fn judge_identities(report: &mut Report<'_>, message: &Message, request: Option<&Message>) {
    let of = |message: &Message| -> Vec<Vec<u8>> {
        message.of(PayloadKind::ID).map(|part| part.raw.body.clone()).collect()
    };
    let own = of(message);
    let at = message.part(PayloadKind::ID).map(|part| part.raw.offset);
    let asked = request.map(of).filter(|asked| asked.len() == 2);
    if !own.is_empty() || asked.is_some() {
        report.applies(&[rules::V1_QM_IDS]);
    }
    if !matches!(own.len(), 0 | 2) {
        let says = format!("{} client identities", own.len());
        report.say(rules::V1_QM_IDS, at, says);
        return;
    }
    let Some(asked) = asked else { return };
    if own.is_empty() {
        report.say(rules::V1_QM_IDS, None, "the answer has no client identities");
    } else if own != asked && own.iter().rev().eq(asked.iter()) {
        report.say(
            rules::V1_QM_IDS,
            at,
            "the answer has the client identities the other way round",
        );
    }
}

/// With a public value, all transforms name one group, which it is of.
fn judge_groups(report: &mut Report<'_>, message: &Message, offer: &Offer) {
    let Some(part) = message.part(PayloadKind::KE) else { return };
    report.applies(&[rules::V1_QM_KE_GROUP]);
    let mut groups: Vec<Option<u64>> =
        offer.transforms().map(|(_, it)| it.value(Phase2Attr::GROUP.0)).collect();
    groups.dedup();
    let [Some(group)] = groups.as_slice() else {
        let says = "not all transforms name one group, and there is a public value";
        report.say(rules::V1_QM_KE_GROUP, offer.at, says);
        return;
    };
    let group = u16::try_from(*group).ok().and_then(Group::from_iana);
    if group.is_some() {
        report.applies(&[rules::V1_KE_LENGTH]);
    }
    if let Some(group) = group.filter(|group| group.public_len() != part.raw.body.len()) {
        let (is, wanted) = (part.raw.body.len(), group.public_len());
        let says = format!("a public value of {is} octets, {group} has {wanted}");
        report.say(rules::V1_KE_LENGTH, part.body(), says);
    }
}

fn judge_answer(
    report: &mut Report<'_>,
    esp: &mut Esp,
    session: &mut Session,
    request: &Message,
    message: &Message,
    answer: &Offer,
) {
    judge_identities(report, message, Some(request));
    let Some(offer) = Offer::of(request) else { return };
    for (rule, says) in choice::judge(report, &offer, answer, false) {
        session.exchange(message).defects.add(report, message, rule, says);
    }
    let chosen = answer.single().map(|(_, transform)| transform);
    let group = chosen
        .and_then(|it| it.value(Phase2Attr::GROUP.0))
        .and_then(|it| u16::try_from(it).ok())
        .and_then(Group::from_iana);
    let public = message.part(PayloadKind::KE);
    if request.has(PayloadKind::KE) {
        report.applies(&[rules::V1_QM_KE_SAME]);
        let length = public.map_or(0, |part| part.raw.body.len());
        if group.is_none_or(|group| group.public_len() != length) {
            let says = format!("the answer has a public value of {length} octets");
            report.say(rules::V1_QM_KE_SAME, public.map(Part::body), says);
        }
    }
    let mode = chosen.and_then(|it| it.value(Phase2Attr::ENCAPSULATION.0)).unwrap_or_default();
    let plain = mode <= u64::from(Encapsulation::TRANSPORT.0);
    let facts = ChildFacts { nat: !plain };
    for proposal in &answer.proposals {
        let asked = offer
            .proposals
            .iter()
            .find(|it| it.number == proposal.number && it.protocol == proposal.protocol);
        let ends: [(Sender, Option<u32>); 2] =
            [(request.frame.by, asked.and_then(spi_of)), (message.frame.by, spi_of(proposal))];
        for (receiver, spi) in ends {
            if let Some(spi) = spi {
                esp.negotiate(receiver, spi, facts);
            }
        }
    }
}

/// The SPI of a proposal for an SA of phase 2.
fn spi_of(proposal: &OfferedProposal) -> Option<u32> {
    let child = matches!(proposal.protocol, ProtocolId::ESP | ProtocolId::AH);
    let spi = <[u8; 4]>::try_from(proposal.spi.as_slice()).ok()?;
    child.then_some(u32::from_be_bytes(spi))
}
