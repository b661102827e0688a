//! HASH_I, HASH_R and the hashes of later exchanges, computed again (RFC 2409, sections 5, 5.5 and 5.7).
//!
//! A value in aggressive mode that does not fit can come of another secret, which breaks no rule. So
//! it is compared with the values of known mistakes too, and otherwise held against its sender only
//! if the other side takes it. What could be decrypted was made with the right secret.

use ikeproof_proto::crypto::ikev1::{Phase1Claim, phase1_hash, phase2_hash};
use ikeproof_proto::wire::v1::num::PayloadKind;

use super::message::Message;
use super::session::Session;
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules::{self, Rule};

/// Judges HASH_I or HASH_R. Whether it is wrong in no known way while another secret explains it.
pub(crate) fn judge_phase1(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
) -> bool {
    let Some(part) = message.part(PayloadKind::HASH) else { return false };
    if own.skeyid.is_empty() {
        return false;
    }
    let id = session.both(PayloadKind::ID).map(|[i, r]| if message.by_initiator { i } else { r });
    let id = message.octets(PayloadKind::ID).or(id).or_else(|| {
        let mut before =
            session.phase1.values().filter(|it| it.by_initiator == message.by_initiator);
        before.find_map(|it| it.octets(PayloadKind::ID))
    });
    let Some([public_i, public_r]) = session.both(PayloadKind::KE) else { return false };
    let (Some(id_body), Some([sa_i, sa_r])) = (id, session.both(PayloadKind::SA)) else {
        return false;
    };
    let (cookie_i, cookie_r) = (session.cookie_i.0, session.cookie_r.0);
    let claim = if message.by_initiator {
        Phase1Claim {
            public: public_i,
            peer_public: public_r,
            cookie: cookie_i,
            peer_cookie: cookie_r,
            sa_body: sa_i,
            id_body,
        }
    } else {
        Phase1Claim {
            public: public_r,
            peer_public: public_i,
            cookie: cookie_r,
            peer_cookie: cookie_i,
            sa_body: sa_i,
            id_body,
        }
    };
    let is = |claim: &Phase1Claim<'_>| {
        phase1_hash(keys.provider(), own.suite.prf, &own.skeyid, claim) == part.raw.body
    };
    let both: [&'static Rule; 2] = [rules::V1_HASH_PHASE1, rules::V1_HASH_SA];
    if is(&claim) {
        report.applies(&both);
        return false;
    }
    let at = part.body();
    if is(&Phase1Claim { sa_body: sa_r, ..claim }) {
        let says = "HASH covers the answered SA payload, not the offered one";
        report.applies(&both);
        report.say(rules::V1_HASH_SA, at, says);
        return false;
    }
    let data = id_body.get(4..).unwrap_or_default();
    let swapped = Phase1Claim {
        public: claim.peer_public,
        peer_public: claim.public,
        cookie: claim.peer_cookie,
        peer_cookie: claim.cookie,
        ..claim
    };
    for (wrong, says) in [
        (Phase1Claim { id_body: data, ..claim }, "HASH covers the identity without its type"),
        (Phase1Claim { sa_body: &[], ..claim }, "HASH does not cover the SA payload"),
        (swapped, "HASH is made like that of the other side"),
    ] {
        if is(&wrong) {
            report.applies(&both);
            report.say(rules::V1_HASH_PHASE1, at, says);
            return false;
        }
    }
    if message.encrypted {
        let says = "HASH is not the value of the key that the message is encrypted with";
        report.applies(&both);
        report.say(rules::V1_HASH_PHASE1, at, says);
        return false;
    }
    true
}

/// Judges the hash in front of a message of a later exchange. Says whether it is right.
pub(crate) fn judge_phase2(
    report: &mut Report<'_>,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
    front: &[u8],
    rest: bool,
    rule: &'static Rule,
) -> bool {
    let Some(part) = message.parts.first().filter(|part| part.kind() == PayloadKind::HASH) else {
        return false;
    };
    if own.skeyid_a.is_empty() {
        return true;
    }
    let rest: &[u8] = if rest { &message.rest } else { &[] };
    let hash = phase2_hash(keys.provider(), own.suite.prf, &own.skeyid_a, &[front, rest]);
    let right = hash == part.raw.body;
    report.applies(&[rule]);
    if !right {
        report.say(rule, part.body(), "HASH is another value than that of the message");
    }
    right
}
