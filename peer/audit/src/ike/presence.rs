//! Which payloads a message holds, how often, in which order, and what of it is encrypted. The
//! rules are the tables of the wire level; here they get the ids of the catalogue.

use ikeproof_proto::wire::v2::presence::{Content, Direction, check};
use ikeproof_proto::wire::v2::{Notify, Payload};
use ikeproof_proto::wire::{ExchangeType, NotifyType, PayloadType, ProtocolId};

use super::message::Message;
use super::session::Session;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges a message that can be read, or that is in clear.
pub(crate) fn judge(report: &mut Report<'_>, session: &Session, message: &Message) {
    let typed = |parts: &[super::Part]| -> Vec<Payload> {
        parts.iter().map(|part| part.typed.clone()).collect()
    };
    let clear = typed(&message.clear);
    let protected = message.inner.as_deref().map(typed);
    let violations = check(&Content {
        exchange: message.exchange(),
        direction: message.direction,
        sender: message.role,
        clear: &clear,
        protected: protected.as_deref(),
    });
    let rekeys_ike = message
        .sa()
        .and_then(|(_, sa)| sa.proposals.first())
        .is_some_and(|first| first.protocol == ProtocolId::IKE);
    report.applies(&rules_of(session, message, rekeys_ike));
    let mut quiet = true;
    for violation in violations {
        let rule = rules::of_presence(violation.rule, message.exchange(), rekeys_ike);
        let Some(rule) = rule else { continue };
        // The sender is known by the session, so this would only repeat the flag.
        if rule == rules::INITIATOR_FLAG {
            continue;
        }
        quiet = false;
        let mut all = message.clear.iter().chain(message.inner.iter().flatten()).rev();
        let last = all.find(|part| part.raw.kind == violation.payload);
        let says = format!("{}: {}", violation.payload, violation.detail);
        report.say(rule, last.map(|part| part.raw.offset), says);
    }
    if quiet && message.inner.is_none() && session.authenticated && is_unprotected_control(message)
    {
        let says = "a message of an established IKE SA in clear";
        report.say(rules::INFO_PROTECTED, 16, says);
    }
}

/// The rules about which payloads a message holds, and where.
fn rules_of(session: &Session, message: &Message, rekeys_ike: bool) -> Vec<&'static Rule> {
    let exchange = message.exchange();
    let has = |kind| message.has(kind);
    let informs = exchange == ExchangeType::INFORMATIONAL;
    let rekeys = exchange == ExchangeType::CREATE_CHILD_SA && rekeys_ike;
    let drawn = message
        .parts()
        .filter(|it| !matches!(it.raw.kind, PayloadType::NOTIFY | PayloadType::VENDOR_ID));
    let mut all: Vec<&'static Rule> =
        rules::of_presence("", exchange, rekeys_ike).into_iter().collect();
    for (rule, applies) in [
        (rules::FRAGMENT_INIT, exchange == ExchangeType::IKE_SA_INIT),
        (rules::SK_NESTED, message.inner.is_some()),
        (rules::REKEY_KE, rekeys && message.is_request()),
        (rules::REKEY_KE_ANSWER, rekeys && !message.is_request()),
        (
            rules::INFO_PROTECTED,
            informs
                || session.authenticated
                    && message.inner.is_none()
                    && is_unprotected_control(message),
        ),
        (rules::ORDER_SENT, drawn.count() > 1),
        (rules::CP_ORDER, has(PayloadType::CP) && has(PayloadType::SA)),
        (rules::CP_WITH_SA, has(PayloadType::CP) && exchange == ExchangeType::IKE_AUTH),
    ] {
        if applies {
            all.push(rule);
        }
    }
    all
}

/// Whether a message in clear is not one that a node without the SA may answer with.
fn is_unprotected_control(message: &Message) -> bool {
    message.exchange() != ExchangeType::IKE_SA_INIT && !is_stateless_answer(message)
}

/// Whether a message is the answer of a node that does not know the SA (RFC 7296, section 2.21.4).
pub(crate) fn is_stateless_answer(message: &Message) -> bool {
    let stateless = |notify: &Notify| {
        matches!(notify.kind, NotifyType::INVALID_IKE_SPI | NotifyType::INVALID_MAJOR_VERSION)
    };
    message.direction == Direction::Response
        && !message.clear.iter().any(|part| part.raw.is_encrypted())
        && message.notifies().any(|(_, notify)| stateless(notify))
}
