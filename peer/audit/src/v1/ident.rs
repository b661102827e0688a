//! Identification payloads (RFC 2407, section 4.6.2; RFC 3947, section 4).

use ikeproof_proto::wire::v1::Id;
use ikeproof_proto::wire::v1::num::IdKind;

use super::message::{Message, Part};
use super::session::Session;
use crate::finding::Report;
use crate::rules;

const UDP: u8 = 17;

/// Judges the identity of a message of phase 1.
pub(crate) fn judge_phase1(report: &mut Report<'_>, session: &Session, message: &Message) {
    for (part, id) in message.ids() {
        let at = part.body() + 1;
        let says = format!("the identity has protocol {} and port {}", id.protocol, id.port);
        report.applies(&[rules::V1_ID_PORT, rules::V1_ID_HOST]);
        if session.natt.found == Some(true) {
            report.applies(&[rules::NATT_ID_PORT]);
        }
        if session.natt.found == Some(true) && id.port != 0 {
            report.say(rules::NATT_ID_PORT, at, says);
        } else if !matches!((id.protocol, id.port), (0, 0) | (UDP, 0 | 500 | 4500)) {
            report.say(rules::V1_ID_PORT, at, says);
        }
        judge_subnet(report, part, id);
        let host = matches!(
            id.kind,
            IdKind::IPV4_ADDR
                | IdKind::IPV6_ADDR
                | IdKind::FQDN
                | IdKind::USER_FQDN
                | IdKind::DER_ASN1_DN
                | IdKind::DER_ASN1_GN
                | IdKind::KEY_ID
        );
        if !host && id.kind.0 < 249 {
            let says = format!("the identity of a side is of type {}", id.kind);
            report.say(rules::V1_ID_HOST, part.body(), says);
        }
    }
}

/// Judges the identities of quick mode, which stand for traffic.
pub(crate) fn judge_phase2(report: &mut Report<'_>, message: &Message) {
    for (part, id) in message.ids() {
        judge_subnet(report, part, id);
    }
}

fn judge_subnet(report: &mut Report<'_>, part: &Part, id: &Id) {
    if !matches!(id.kind, IdKind::IPV4_ADDR_SUBNET | IdKind::IPV6_ADDR_SUBNET) {
        return;
    }
    report.applies(&[rules::V1_SUBNET]);
    let (address, mask) = id.data.split_at(id.data.len() / 2);
    if !is_mask(mask) {
        let order = if is_mask(address) { ", the address in front of it is" } else { "" };
        let says = format!("what follows the address of a subnet is no mask{order}");
        report.say(rules::V1_SUBNET, part.body() + 4 + address.len(), says);
    }
}

/// Whether the octets are ones, and then zeros.
fn is_mask(octets: &[u8]) -> bool {
    let ones: u32 = octets.iter().map(|octet| octet.count_ones()).sum();
    let full = octets.iter().take_while(|octet| **octet == 0xff).count();
    let leading = octets.get(full).map_or(0, |octet| octet.leading_ones());
    u32::try_from(full * 8).is_ok_and(|full| full + leading == ones)
}
