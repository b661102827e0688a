//! AUTH recomputed for shared keys (RFC 7296, section 2.15).
//!
//! A value that does not fit can come of another secret, which breaks no rule. So it is compared
//! with the values of known mistakes too; and otherwise held against its sender only if the other
//! side takes it, or if its sender is the responder, who has proved by then to have the secret.

use ikeproof_proto::crypto::keys::signed_octets;
use ikeproof_proto::wire::v2::presence::Role;
use ikeproof_proto::wire::{AuthMethod, NotifyType, PayloadType};

use super::message::{Message, body};
use super::session::Session;
use super::values::id_body;
use crate::finding::{Report, Sink};
use crate::keys::{IkeSaKeys, Keys};
use crate::rules::{self, Rule};

enum Verdict {
    /// Nothing can be said.
    Unknown,
    /// It is right.
    Right,
    /// It is wrong in a known way.
    Mistake(&'static Rule, &'static str),
    /// It is wrong.
    Wrong,
}

/// Judges the AUTH payloads that have waited for the secret, as soon as it is there.
pub(crate) fn settle(session: &mut Session, keys: &Keys, sink: &mut Sink) {
    if session.auth_pending.is_empty() || keys.padded_psk(session.spi_i, session.spi_r).is_none() {
        return;
    }
    let Some(sa_keys) = keys.ike(session.spi_i, session.spi_r) else { return };
    for message in core::mem::take(&mut session.auth_pending) {
        let report = &mut Report::new(message.frame, sink);
        judge(report, session, &message, keys, &sa_keys);
    }
}

fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    keys: &Keys,
    sa_keys: &IkeSaKeys,
) {
    let initiator = message.role == Role::Initiator;
    let at = message.auth().map(|(part, _)| body(part) + 4);
    let verdict = verdict(session, message, keys, sa_keys);
    match verdict {
        Verdict::Unknown => {}
        Verdict::Wrong if initiator => {
            report.applies_to(message.frame.by.other(), &[rules::AUTH_CHECKED]);
        }
        _ => {
            report.applies(&[rules::AUTH_VALUE, rules::AUTH_ID, rules::AUTH_NONCE]);
            if initiator && session.init.requests.len() > 1 {
                report.applies(&[rules::AUTH_LAST_INIT]);
            }
        }
    }
    match verdict {
        Verdict::Unknown | Verdict::Right => {}
        Verdict::Mistake(rule, says) => report.say(rule, at, says),
        Verdict::Wrong if initiator => session.initiator_auth_wrong = Some(message.frame),
        Verdict::Wrong => {
            report.say(rules::AUTH_VALUE, at, "AUTH is not the value of the shared secret");
        }
    }
    if !initiator && let Some(frame) = session.initiator_auth_wrong.take() {
        let says = "AUTH is not the value of the shared secret, and was accepted";
        report.applies_to(frame.by, &[rules::AUTH_VALUE]);
        report.say_about(frame, rules::AUTH_VALUE, None, says);
        let says = "the initiator's AUTH does not fit the secret, and is answered with AUTH";
        report.say(rules::AUTH_CHECKED, None, says);
    }
}

fn verdict(session: &Session, message: &Message, keys: &Keys, sa_keys: &IkeSaKeys) -> Verdict {
    let initiator = message.role == Role::Initiator;
    let Some((_, auth)) = message.auth() else { return Verdict::Unknown };
    let Some(psk) = keys.padded_psk(session.spi_i, session.spi_r) else { return Verdict::Unknown };
    let (Some(request), Some(response)) = (session.init.requests.last(), &session.init.response)
    else {
        return Verdict::Unknown;
    };
    let ppk = message.notify(NotifyType::PPK_IDENTITY).is_some();
    if auth.method != AuthMethod::SHARED_KEY || session.auth_extended || ppk {
        return Verdict::Unknown;
    }
    let nonce = |message: &Message| {
        message.part(PayloadType::NONCE).map(|part| part.raw.body.clone()).unwrap_or_default()
    };
    let (own, own_nonce, peer_nonce, sk_p) = if initiator {
        (request, nonce(request), nonce(response), &sa_keys.sk_pi)
    } else {
        (response, nonce(response), nonce(request), &sa_keys.sk_pr)
    };
    let Some(id) = id_body(message, initiator) else { return Verdict::Unknown };
    let (provider, prf) = (keys.provider(), sa_keys.suite.prf);
    let value = |octets: &[u8], nonce: &[u8], id: &[u8]| {
        let signed = signed_octets(provider, prf, octets, nonce, sk_p, id);
        provider.hmac(prf.hash(), psk.expose()).code(&[&signed])
    };
    let is = |octets: &[u8], nonce: &[u8], id: &[u8]| value(octets, nonce, id) == auth.data;
    if is(&own.bytes, &peer_nonce, id) {
        return Verdict::Right;
    }
    let mut earlier = session.init.requests.iter().rev().skip(1);
    if initiator && earlier.any(|earlier| is(&earlier.bytes, &peer_nonce, id)) {
        let says = "AUTH covers an earlier IKE_SA_INIT request, not the last one";
        return Verdict::Mistake(rules::AUTH_LAST_INIT, says);
    }
    if is(&own.bytes, &own_nonce, id) {
        return Verdict::Mistake(rules::AUTH_NONCE, "AUTH covers the sender's own nonce");
    }
    let data = id.get(4..).unwrap_or_default();
    if is(&own.bytes, &peer_nonce, data) {
        let says = "AUTH covers the identity without its type and reserved octets";
        return Verdict::Mistake(rules::AUTH_ID, says);
    }
    let kind = if initiator { PayloadType::IDI } else { PayloadType::IDR };
    if let Some(part) = message.part(kind) {
        let length = part.raw.declared_length.to_be_bytes();
        let whole = [&[part.raw.next.0, 0], length.as_slice(), id].concat();
        if is(&own.bytes, &peer_nonce, &whole) {
            let says = "AUTH covers the generic header of the ID payload";
            return Verdict::Mistake(rules::AUTH_ID, says);
        }
    }
    Verdict::Wrong
}
