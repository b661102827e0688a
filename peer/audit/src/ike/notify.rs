//! Notify, Delete and Configuration payloads of one message (RFC 7296, sections 3.10, 3.11 and
//! 3.15; RFC 7383, section 2.3).

use ikeproof_proto::wire::v2::{Cp, Delete, Notify, Payload};
use ikeproof_proto::wire::{CfgAttr, CfgType, ExchangeType, NotifyType, PayloadType, ProtocolId};

use super::message::{Message, body};
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges these payloads of a message.
pub(crate) fn judge(report: &mut Report<'_>, message: &Message) {
    for part in message.parts() {
        let at = body(part);
        match &part.typed {
            Payload::Notify(notify) => {
                judge_addressing(report, notify, at);
                judge_data(report, notify, at);
                judge_place(report, message, notify, at);
            }
            Payload::Delete(delete) => judge_delete(report, delete, at),
            Payload::Cp(cp) => judge_cp(report, message, cp, at),
            _ => {}
        }
    }
}

/// Protocol ID and SPI size.
fn judge_addressing(report: &mut Report<'_>, notify: &Notify, at: usize) {
    let Notify { protocol, spi, kind, .. } = notify;
    let about_child = matches!(
        *kind,
        NotifyType::REKEY_SA | NotifyType::CHILD_SA_NOT_FOUND | NotifyType::INVALID_SELECTORS
    );
    let child = matches!(*protocol, ProtocolId::ESP | ProtocolId::AH);
    if about_child || !spi.is_empty() {
        report.applies(&[rules::NOTIFY_CHILD]);
    }
    if !about_child && spi.is_empty() {
        report.applies(&[rules::NOTIFY_PROTOCOL_ZERO]);
    }
    if !about_child && matches!(*protocol, ProtocolId::NONE | ProtocolId::IKE) {
        report.applies(&[rules::NOTIFY_IKE_SPI]);
    }
    if about_child && (!child || spi.len() != 4) {
        report.say(
            rules::NOTIFY_CHILD,
            at,
            format!("{kind} with protocol {protocol} and an SPI of {} octets", spi.len()),
        );
    } else if spi.is_empty() && *protocol != ProtocolId::NONE {
        report.say(
            rules::NOTIFY_PROTOCOL_ZERO,
            at,
            format!("{kind} without SPI names protocol {protocol}"),
        );
    } else if !spi.is_empty() && *protocol == ProtocolId::IKE {
        report.say(
            rules::NOTIFY_IKE_SPI,
            at + 1,
            format!("{kind} about the IKE SA has an SPI of {} octets", spi.len()),
        );
    } else if !spi.is_empty() && !child {
        report.say(rules::NOTIFY_CHILD, at, format!("{kind} has an SPI of protocol {protocol}"));
    }
}

/// The length of the data.
fn judge_data(report: &mut Report<'_>, notify: &Notify, at: usize) {
    let length = notify.data.len();
    let (rule, wanted): (&'static Rule, usize) = match notify.kind {
        NotifyType::COOKIE => (rules::COOKIE_LENGTH, length.clamp(1, 64)),
        NotifyType::INVALID_KE_PAYLOAD => (rules::INVALID_KE_DATA, 2),
        NotifyType::SET_WINDOW_SIZE => (rules::WINDOW_DATA, 4),
        NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD => (rules::CRITICAL_DATA, 1),
        NotifyType::NAT_DETECTION_SOURCE_IP | NotifyType::NAT_DETECTION_DESTINATION_IP => {
            (rules::NATD_HASH, 20)
        }
        NotifyType::IKEV2_FRAGMENTATION_SUPPORTED => (rules::FRAGMENTATION_NOTIFY, 0),
        _ => return,
    };
    report.applies(&[rule]);
    if length != wanted {
        report.say(
            rule,
            at + 4 + notify.spi.len(),
            format!("{} has {length} octets of data, not {wanted}", notify.kind),
        );
    }
}

/// The messages that a notify may be in.
fn judge_place(report: &mut Report<'_>, message: &Message, notify: &Notify, at: usize) {
    let says = |what: &str| format!("{} in {what} {}", notify.kind, message.exchange());
    match notify.kind {
        NotifyType::INITIAL_CONTACT => report.applies(&[rules::INITIAL_CONTACT]),
        NotifyType::IPCOMP_SUPPORTED => report.applies(&[rules::IPCOMP]),
        NotifyType::INVALID_MESSAGE_ID => report.applies(&[rules::MESSAGE_ID_NOTIFY]),
        _ => return,
    }
    match notify.kind {
        NotifyType::INITIAL_CONTACT if message.exchange() != ExchangeType::IKE_AUTH => {
            report.say(rules::INITIAL_CONTACT, at + 2, says("a message of"));
        }
        NotifyType::IPCOMP_SUPPORTED if !message.has(PayloadType::SA) => {
            report.say(rules::IPCOMP, at + 2, says("a message without SA payload of"));
        }
        NotifyType::INVALID_MESSAGE_ID if !message.is_request() => {
            report.say(rules::MESSAGE_ID_NOTIFY, at + 2, says("a response of"));
        }
        _ => {}
    }
}

fn judge_delete(report: &mut Report<'_>, delete: &Delete, at: usize) {
    let wanted = match delete.protocol {
        ProtocolId::IKE => 0,
        ProtocolId::ESP | ProtocolId::AH => 4,
        _ => return,
    };
    if delete.spi_size != wanted {
        report.say(
            rules::DELETE_SIZE,
            at + 1,
            format!(
                "Delete for {} has SPI size {}, not {wanted}",
                delete.protocol, delete.spi_size
            ),
        );
    }
}

fn judge_cp(report: &mut Report<'_>, message: &Message, cp: &Cp, at: usize) {
    let has = |kind| cp.attributes.iter().any(|attribute| attribute.kind == kind);
    let address = has(CfgAttr::INTERNAL_IP4_ADDRESS) || has(CfgAttr::INTERNAL_IP6_ADDRESS);
    let request = cp.kind == CfgType::REQUEST;
    for (rule, applies) in [
        (rules::CP_ADDRESS, request && message.exchange() == ExchangeType::IKE_AUTH),
        (rules::CP_NETMASK, has(CfgAttr::INTERNAL_IP4_NETMASK)),
        (rules::CP_SUPPORTED, request && has(CfgAttr::SUPPORTED_ATTRIBUTES)),
    ] {
        if applies {
            report.applies(&[rule]);
        }
    }
    if request && message.exchange() == ExchangeType::IKE_AUTH && !address {
        report.say(rules::CP_ADDRESS, at, "CFG_REQUEST without an address attribute");
    }
    if has(CfgAttr::INTERNAL_IP4_NETMASK) && !has(CfgAttr::INTERNAL_IP4_ADDRESS) {
        report.say(rules::CP_NETMASK, at, "INTERNAL_IP4_NETMASK without INTERNAL_IP4_ADDRESS");
    }
    let filled = cp.attributes.iter().any(|attribute| {
        attribute.kind == CfgAttr::SUPPORTED_ATTRIBUTES && !attribute.value.is_empty()
    });
    if request && filled {
        report.say(rules::CP_SUPPORTED, at, "SUPPORTED_ATTRIBUTES with a value in a request");
    }
}
