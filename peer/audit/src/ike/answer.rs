//! An answer against its request: the chosen suite, selectors, and notifies that only answer
//! something (RFC 7296, sections 1.3.1, 1.4, 2.7, 2.9 and 3.3.6).

use ikeproof_proto::wire::v2::{Payload, Proposal, Sa, Transform};
use ikeproof_proto::wire::{
    CfgType, ExchangeType, NotifyType, PayloadType, ProtocolId, TransformType,
};

use super::message::{Message, body};
use super::selectors;
use super::session::Session;
use crate::finding::Report;
use crate::rules;

/// Judges an answer.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &Session,
    request: &Message,
    answer: &Message,
) {
    if let (Some((_, offer)), Some((part, chosen))) = (request.sa(), answer.sa()) {
        let piggybacked = answer.exchange() == ExchangeType::IKE_AUTH;
        judge_choice(report, offer, chosen, body(part), piggybacked);
    }
    // In transport mode behind a NAT the addresses are replaced (RFC 7296, section 2.23.1).
    let transport = NotifyType::USE_TRANSPORT_MODE;
    if !(session.nat && answer.notify(transport).is_some()) {
        selectors::judge_answer(report, request, answer);
    }
    if let Some((part, _)) = answer.notify(transport) {
        report.applies(&[rules::TRANSPORT_ECHO]);
        if request.notify(transport).is_none() {
            report.say(rules::TRANSPORT_ECHO, body(part), "USE_TRANSPORT_MODE was not asked for");
        }
    }
    judge_configuration(report, request, answer);
    if answer.exchange() == ExchangeType::INFORMATIONAL {
        judge_informational(report, request, answer);
    }
}

fn judge_configuration(report: &mut Report<'_>, request: &Message, answer: &Message) {
    let has = |message: &Message, wanted| {
        message.parts().any(|part| matches!(&part.typed, Payload::Cp(cp) if cp.kind == wanted))
    };
    if !has(answer, CfgType::REPLY) {
        return;
    }
    report.applies(&[rules::CP_UNASKED]);
    if !has(request, CfgType::REQUEST) {
        let at = answer.part(PayloadType::CP).map(body);
        report.say(rules::CP_UNASKED, at, "CFG_REPLY, and the request has no CFG_REQUEST");
    }
}

fn judge_informational(report: &mut Report<'_>, request: &Message, answer: &Message) {
    let deletes_ike = request.parts().any(
        |part| matches!(&part.typed, Payload::Delete(delete) if delete.protocol == ProtocolId::IKE),
    );
    if deletes_ike {
        report.applies(&[rules::DELETE_ANSWER]);
    }
    if deletes_ike && let Some(part) = answer.parts().next() {
        let says = format!("the answer to the deletion of the IKE SA holds {}", part.raw.kind);
        report.say(rules::DELETE_ANSWER, part.raw.offset, says);
    }
    let empty = request.is_readable() && request.parts().next().is_none();
    let unasked = answer.parts().find(|part| match &part.typed {
        Payload::Delete(_) => true,
        Payload::Notify(notify) => notify.kind.is_error(),
        _ => false,
    });
    if empty {
        report.applies(&[rules::EMPTY_ANSWER]);
    }
    if empty && let Some(part) = unasked {
        let says = format!("the answer to a sign of life holds {}", part.raw.kind);
        report.say(rules::EMPTY_ANSWER, part.raw.offset, says);
    }
}

/// Judges a chosen suite against the offer. A child that comes with IKE_AUTH has no key exchange of
/// its own, whatever groups were offered.
fn judge_choice(report: &mut Report<'_>, offer: &Sa, chosen: &Sa, at: usize, piggybacked: bool) {
    report.applies(&[rules::SINGLE_SUITE]);
    if chosen.proposals.len() != 1 {
        let says = format!("{} proposals in the answer", chosen.proposals.len());
        report.say(rules::SINGLE_SUITE, at, says);
    }
    let Some(choice) = chosen.proposals.first() else { return };
    report.applies(&[rules::PROPOSAL_ACCEPTED]);
    let Some(offered) = offer.proposals.iter().find(|offered| offered.number == choice.number)
    else {
        let says = format!("proposal {} was not offered", choice.number);
        report.say(rules::PROPOSAL_ACCEPTED, at + 4, says);
        return;
    };
    report.applies(&[rules::SAME_PROTOCOL, rules::ONE_TRANSFORM, rules::NO_ADDITIONAL]);
    if offered.transforms.iter().any(|transform| !transform.attributes.is_empty()) {
        report.applies(&[rules::ATTRIBUTES_SAME]);
    }
    if offered.protocol != choice.protocol {
        report.say(
            rules::SAME_PROTOCOL,
            at + 5,
            format!("protocol {} was offered, {} is chosen", offered.protocol, choice.protocol),
        );
    }
    judge_counts(report, offered, choice, at, piggybacked);
    for transform in &choice.transforms {
        judge_transform(report, offered, transform, at);
    }
}

fn judge_counts(
    report: &mut Report<'_>,
    offered: &Proposal,
    choice: &Proposal,
    at: usize,
    piggybacked: bool,
) {
    let mut kinds: Vec<TransformType> =
        offered.transforms.iter().map(|transform| transform.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let count = choice.of_kind(kind).count();
        // NONE may be chosen by leaving the type out.
        let none = matches!(kind, TransformType::INTEG | TransformType::KE)
            && offered.of_kind(kind).any(|transform| transform.id == 0)
            || kind == TransformType::KE && piggybacked;
        if count > 1 || (count == 0 && !none) {
            let says = format!("{count} transforms of type {kind} in the answer");
            report.say(rules::ONE_TRANSFORM, at, says);
        }
    }
}

fn judge_transform(report: &mut Report<'_>, offered: &Proposal, transform: &Transform, at: usize) {
    if offered.transforms.contains(transform) {
        return;
    }
    let same = offered.of_kind(transform.kind).find(|other| other.id == transform.id);
    match same {
        Some(other) => report.say(
            rules::ATTRIBUTES_SAME,
            at,
            format!("{transform} is chosen, {other} was offered"),
        ),
        None => report.say(
            rules::NO_ADDITIONAL,
            at,
            format!("{transform} is not in proposal {} of the offer", offered.number),
        ),
    }
}
