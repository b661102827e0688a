//! AUTH as the two sides compute it, and what the auditor says of a session.

use std::sync::Arc;

use ikeproof_audit::{Applied, Auditor, Decoded, Finding, Observed};
use ikeproof_proto::crypto::keys::signed_octets;
use ikeproof_proto::crypto::{Provider, RustCrypto};
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::wire::PayloadType;

use super::draft::Draft;
use super::lab::{AuthWay, Lab};

impl Lab {
    /// Fills in AUTH, over what was really sent.
    pub(super) fn sign(&mut self, draft: &mut Draft, position: usize) {
        let sa = self.sa.clone().unwrap();
        let part = Self::part(&sa, draft.from);
        let octets_of = |name: &str| self.sent.get(name).cloned().unwrap_or_default();
        let octets = match (part, self.auth[part]) {
            (0, AuthWay::FirstInit) => octets_of("init-0-request"),
            (0, _) => octets_of("init-request"),
            _ => octets_of("init-response"),
        };
        // Only what the header counts is the message.
        let length = u32::from_be_bytes(octets[24..28].try_into().unwrap()) as usize;
        let octets = &octets[..length.min(octets.len())];
        let nonce = |name: &str| {
            let payloads = &self.payloads[name];
            payloads.iter().find(|raw| raw.kind == PayloadType::NONCE).map(|raw| raw.body.clone())
        };
        let own = ["init-request", "init-response"][part];
        let other = ["init-response", "init-request"][part];
        let from = if self.auth[part] == AuthWay::OwnNonce { own } else { other };
        let nonce = nonce(from).unwrap_or_default();
        let kind = [PayloadType::IDI, PayloadType::IDR][part];
        let Some(id) = draft.payloads.iter().find(|raw| raw.kind == kind) else { return };
        let id = if self.auth[part] == AuthWay::IdWithoutType { &id.body[4..] } else { &id.body };
        let prf = self.ike.prf;
        let signed = signed_octets(&self.provider, prf, octets, &nonce, &sa.sk_p[part], id);
        let mut key = self.psk_padded.expose().clone();
        if self.auth[part] == AuthWay::WrongSecret {
            key[0] ^= 1;
        }
        let value = self.provider.hmac(prf.hash(), &key).code(&[&signed]);
        let auth = &mut draft.payloads[position];
        auth.body.truncate(4);
        auth.body.extend_from_slice(&value);
        auth.declared_length = u16::try_from(auth.body.len() + 4).unwrap();
    }

    /// All findings, with all keys known from the start.
    pub fn findings(&self) -> Vec<Finding> {
        audited(&self.keys, &self.seen).0
    }

    /// All findings, with each key coming after `late` datagrams more than it was there.
    pub fn findings_late(&self, late: usize) -> Vec<Finding> {
        findings_late(&self.seen, &self.keys, &self.keys_at, late)
    }
}

/// All findings and the timeline, with all keys known from the start.
pub fn audited(keys: &[KeyLogEntry], seen: &[Observed]) -> (Vec<Finding>, Vec<Decoded>) {
    let (mut auditor, findings) = finished(keys, seen);
    (findings, auditor.take_timeline())
}

/// How often each rule was applied, with all keys known from the start.
pub fn applied(keys: &[KeyLogEntry], seen: &[Observed]) -> Vec<Applied> {
    finished(keys, seen).0.applied()
}

/// The findings of rules that, by their own count, were never applied to who broke them.
pub fn out_of_nothing(keys: &[KeyLogEntry], seen: &[Observed]) -> Vec<Finding> {
    let (auditor, mut findings) = finished(keys, seen);
    let applied = auditor.applied();
    findings.retain(|finding| {
        let counts = applied.iter().find(|it| it.rule.id == finding.requirement);
        counts.is_none_or(|counts| counts.to(finding.by) == 0)
    });
    findings
}

fn finished(keys: &[KeyLogEntry], seen: &[Observed]) -> (Auditor, Vec<Finding>) {
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for key in keys {
        findings.extend(auditor.add_keys(key));
    }
    for observed in seen {
        findings.extend(auditor.datagram(observed));
    }
    findings.extend(auditor.finish());
    (auditor, findings)
}

/// All findings, with each key coming after `late` datagrams more than were seen before it.
pub fn findings_late(
    seen: &[Observed],
    keys: &[KeyLogEntry],
    keys_at: &[usize],
    late: usize,
) -> Vec<Finding> {
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for (number, observed) in seen.iter().enumerate() {
        findings.extend(auditor.datagram(observed));
        for (key, &at) in keys.iter().zip(keys_at) {
            if at + late == number + 1 {
                findings.extend(auditor.add_keys(key));
            }
        }
    }
    for (key, &at) in keys.iter().zip(keys_at) {
        if at + late > seen.len() {
            findings.extend(auditor.add_keys(key));
        }
    }
    findings.extend(auditor.finish());
    findings
}
