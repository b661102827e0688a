//! The transaction exchange: mode-config (draft-ietf-ipsec-isakmp-mode-cfg), and XAUTH in it.

use ikeproof_proto::wire::v1::Attributes;
use ikeproof_proto::wire::v1::num::{ConfigAttr, PayloadKind};
use ikeproof_proto::wire::{Attribute, CfgType, ExchangeType};

use super::message::{Message, Part};
use super::session::Session;
use super::{hashes, later, xauth};
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules;

/// Judges a decrypted message of a transaction.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
) {
    let front = message.id().to_be_bytes();
    if message.parts.first().is_some_and(|part| part.kind() == PayloadKind::HASH) {
        hashes::judge_phase2(report, message, keys, own, &front, true, rules::CFG_HASH);
    } else {
        report.applies(&[rules::CFG_HASH]);
        report.say(rules::CFG_HASH, None, "the first payload is not HASH");
    }
    later::judge_foreign(report, message);
    report.applies(&[rules::CFG_ONE]);
    let count = message.of(PayloadKind::ATTRIBUTES).count();
    if count != 1 {
        report.say(rules::CFG_ONE, None, format!("{count} attribute payloads"));
    }
    let Some((part, attributes)) = message.attributes() else { return };
    judge_values(report, part, attributes);
    judge_time(report, session, part, attributes);
    xauth::judge(report, session, message, part, attributes);
}

/// Whether an attribute is one of mode-config itself.
fn is_config(attribute: &Attribute) -> bool {
    attribute.kind() <= ConfigAttr::INTERNAL_IP6_ADDRESS.0
}

/// Whether an attribute has no value.
pub(crate) fn is_empty(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Tv { .. } => false,
        Attribute::Tlv { value, .. } => value.is_empty(),
    }
}

fn judge_values(report: &mut Report<'_>, part: &Part, attributes: &Attributes) {
    let mut own = attributes.attributes.iter().filter(|it| is_config(it));
    let name = |it: &Attribute| ConfigAttr(it.kind());
    if own.clone().next().is_some() {
        match attributes.kind {
            CfgType::REPLY => report.applies(&[rules::CFG_REPLY_VALUES]),
            CfgType::ACK => report.applies(&[rules::CFG_ACK]),
            _ => {}
        }
    }
    if attributes.kind == CfgType::REPLY
        && let Some(empty) = own.clone().find(|it| is_empty(it))
    {
        let says = format!("{} in a reply has no value", name(empty));
        report.say(rules::CFG_REPLY_VALUES, part.body(), says);
    }
    if attributes.kind == CfgType::ACK
        && let Some(full) = own.find(|it| !is_empty(it))
    {
        let says = format!("{} in an acknowledgement has a value", name(full));
        report.say(rules::CFG_ACK, part.body(), says);
    }
    let answers = matches!(attributes.kind, CfgType::REPLY | CfgType::SET);
    let has = |kind| attributes.find(kind).is_some();
    if answers && has(ConfigAttr::INTERNAL_IP4_NETMASK) {
        report.applies(&[rules::CFG_NETMASK]);
    }
    if answers && has(ConfigAttr::INTERNAL_IP4_NETMASK) && !has(ConfigAttr::INTERNAL_IP4_ADDRESS) {
        report.say(rules::CFG_NETMASK, part.body(), "a netmask without an address");
    }
}

/// An address is fetched before the first quick mode.
fn judge_time(report: &mut Report<'_>, session: &Session, part: &Part, attributes: &Attributes) {
    let asks = attributes.kind == CfgType::REQUEST
        && attributes.find(ConfigAttr::INTERNAL_IP4_ADDRESS).is_some();
    if asks {
        report.applies(&[rules::CFG_BEFORE_PHASE2]);
    }
    let quick = |kind| kind == Some(ExchangeType::QUICK_MODE);
    let mut earlier = session.later.values().filter(|it| quick(it.kind));
    if asks && earlier.any(|it| it.messages.len() >= 3) {
        let says = "an address is asked for after quick mode";
        report.say(rules::CFG_BEFORE_PHASE2, part.body(), says);
    }
}
