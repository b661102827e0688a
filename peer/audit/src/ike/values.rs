//! Public values, nonces, identities and AUTH methods (RFC 7296, sections 2.10, 3.4, 3.5, 3.8 and
//! 3.9; RFC 5903; RFC 6989; RFC 8031).

use ikeproof_proto::crypto::dh::random_len;
use ikeproof_proto::crypto::{CryptoError, Group, Prf, Provider, modp};
use ikeproof_proto::wire::v2::{Id, Payload};
use ikeproof_proto::wire::{AuthMethod, ExchangeType, GroupId, IdType, PayloadType, TransformType};

use super::message::{Message, body};
use super::session::Session;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// Judges the values of one message.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    provider: &dyn Provider,
) {
    judge_group(report, message);
    if let Some((part, ke)) = message.ke() {
        judge_public(report, ke.group, &ke.data, body(part), provider);
    }
    // In IKE_SA_INIT the PRF is not chosen before the answer.
    if message.exchange() == ExchangeType::CREATE_CHILD_SA {
        judge_nonce(report, session, message);
    }
    for part in message.parts() {
        match &part.typed {
            Payload::IdI(id) | Payload::IdR(id) => judge_id(report, id, body(part)),
            Payload::Auth(auth) => {
                report.applies(&[rules::AUTH_METHOD]);
                if is_unknown(auth.method) {
                    let says = format!("authentication method {}", auth.method.0);
                    report.say(rules::AUTH_METHOD, body(part), says);
                }
            }
            _ => {}
        }
    }
}

/// Whether nobody knows a method; those from 201 on are for private use.
fn is_unknown(method: AuthMethod) -> bool {
    method.0 <= 200 && AuthMethod::name(method).is_none()
}

/// Judges the length of a nonce against the chosen PRF.
pub(crate) fn judge_nonce(report: &mut Report<'_>, session: &Session, message: &Message) {
    let chosen = session.chosen.as_ref();
    let prf = chosen.and_then(|chosen| chosen.of_kind(TransformType::PRF).next());
    let Some(prf) = prf.and_then(|transform| Prf::from_iana(transform.id)) else { return };
    let least = prf.key_len() / 2;
    let Some((part, nonce)) = message.nonce() else { return };
    report.applies_to(message.frame.by, &[rules::NONCE_HALF_KEY]);
    if nonce.len() < least {
        report.say_about(
            message.frame,
            rules::NONCE_HALF_KEY,
            body(part),
            format!("a nonce of {} octets, {prf} needs at least {least}", nonce.len()),
        );
    }
}

fn judge_group(report: &mut Report<'_>, message: &Message) {
    let Some((_, sa)) = message.sa() else { return };
    let groups: Vec<u16> = sa
        .proposals
        .iter()
        .flat_map(|proposal| proposal.of_kind(TransformType::KE))
        .map(|transform| transform.id)
        .collect();
    if groups.is_empty() {
        report.applies(&[rules::KE_WITHOUT_GROUP]);
    }
    let Some((part, ke)) = message.ke() else { return };
    if groups.is_empty() {
        let says = format!("KE of {}, and no proposal has a group", ke.group);
        report.say(rules::KE_WITHOUT_GROUP, part.raw.offset, says);
        return;
    }
    let child = message.exchange() == ExchangeType::CREATE_CHILD_SA && message.is_request();
    let rule = if child { rules::KE_GROUP_CHILD } else { rules::KE_GROUP };
    report.applies(&[rule]);
    if !groups.contains(&ke.group.0) {
        let names: Vec<String> = groups.iter().map(|&id| GroupId(id).to_string()).collect();
        let says = format!("KE of {}, the SA payload names {}", ke.group, names.join(", "));
        report.say(rule, body(part), says);
    }
}

fn judge_public(
    report: &mut Report<'_>,
    group: GroupId,
    data: &[u8],
    at: usize,
    provider: &dyn Provider,
) {
    let Some((length, rule)) = public_length(group) else { return };
    report.applies(&[rule]);
    if data.len() != length {
        let says = format!("the value of {group} has {} octets, not {length}", data.len());
        report.say(rule, at + 4, says);
        return;
    }
    let Some(group) = Group::from_iana(group.0) else { return };
    if group.is_modp() {
        report.applies(&[rules::KE_MODP_RANGE]);
    } else if rule == rules::KE_ECP_LENGTH {
        report.applies(&[rules::KE_ECP_CURVE]);
    }
    let verdict = if group.is_modp() {
        modp::check_public(group, data)
    } else {
        // The provider checks a point before it uses it; our own half does not matter.
        provider
            .dh_keypair(group, &vec![1; random_len(group)])
            .and_then(|ours| provider.dh_agree(&ours, data))
            .map(drop)
    };
    let rule = match verdict {
        Err(CryptoError::PublicOutOfRange(_)) => rules::KE_MODP_RANGE,
        Err(CryptoError::PublicNotOnCurve(_)) => rules::KE_ECP_CURVE,
        _ => return,
    };
    if let Err(error) = verdict {
        report.say(rule, at + 4, error.to_string());
    }
}

fn public_length(group: GroupId) -> Option<(usize, &'static Rule)> {
    let modp = |bits: usize| Some((bits / 8, rules::KE_MODP_LENGTH));
    match group {
        GroupId::MODP_768 => modp(768),
        GroupId::MODP_1024 | GroupId::MODP_1024_160 => modp(1024),
        GroupId::MODP_1536 => modp(1536),
        GroupId::MODP_2048 | GroupId::MODP_2048_224 | GroupId::MODP_2048_256 => modp(2048),
        GroupId::MODP_3072 => modp(3072),
        GroupId::MODP_4096 => modp(4096),
        GroupId::MODP_6144 => modp(6144),
        GroupId::MODP_8192 => modp(8192),
        GroupId::ECP_256 => Some((64, rules::KE_ECP_LENGTH)),
        GroupId::ECP_384 => Some((96, rules::KE_ECP_LENGTH)),
        GroupId::ECP_521 => Some((132, rules::KE_ECP_LENGTH)),
        GroupId::CURVE25519 => Some((32, rules::KE_25519_LENGTH)),
        _ => None,
    }
}

fn judge_id(report: &mut Report<'_>, id: &Id, at: usize) {
    if !matches!(id.kind, IdType::FQDN | IdType::RFC822_ADDR) {
        return;
    }
    report.applies(&[rules::ID_TERMINATOR]);
    if let Some(&last @ (0 | b'\r' | b'\n')) = id.data.last() {
        report.say(
            rules::ID_TERMINATOR,
            at + 3 + id.data.len(),
            format!("the {} ends with octet {last:#04x}", id.kind),
        );
    }
}

/// The body of the ID payload of the side that sent `message`.
pub(crate) fn id_body(message: &Message, initiator: bool) -> Option<&[u8]> {
    let kind = if initiator { PayloadType::IDI } else { PayloadType::IDR };
    message.part(kind).map(|part| part.raw.body.as_slice())
}
