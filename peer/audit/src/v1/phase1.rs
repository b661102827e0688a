//! Main and aggressive mode: which message is which, what it holds, and what follows from both sides
//! together (RFC 2409, sections 4, 5 and 5.4).

use ikeproof_proto::wire::v1::num::{NotifyKind, PayloadKind, Phase1Attr, Phase1Auth};
use ikeproof_proto::wire::v1::vendor;
use ikeproof_proto::wire::{ExchangeType, Header};

use super::message::Message;
use super::offer::Offer;
use super::session::Session;
use super::{choice, hashes, ident, natt, open, proposals};
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules::{self, Rule};

/// The place of a message in its mode, from 1.
pub(crate) fn place(session: &Session, message: &Message) -> u8 {
    let odd = |place: u8| if message.by_initiator { place } else { place + 1 };
    if session.mode == ExchangeType::AGGRESSIVE {
        let again = message.has(PayloadKind::SA) || session.phase1.is_empty();
        return if message.by_initiator && !again { 3 } else { odd(1) };
    }
    let has = |kinds: &[PayloadKind]| kinds.iter().any(|kind| message.has(*kind));
    if message.encrypted || has(&[PayloadKind::ID, PayloadKind::HASH, PayloadKind::SIG]) {
        odd(5)
    } else if has(&[PayloadKind::KE, PayloadKind::NONCE]) {
        odd(3)
    } else if has(&[PayloadKind::SA]) {
        odd(1)
    } else {
        let last = session.phase1.keys().filter(|place| **place % 2 == odd(1) % 2).max();
        last.map_or(odd(1), |last| (last + 2).min(odd(5)))
    }
}

/// Decrypts a message. Says which vector it was read with.
pub(crate) fn decrypt(
    report: &mut Report<'_>,
    session: &Session,
    message: &mut Message,
    keys: &Ikev1Keys,
    place: u8,
) -> Vec<u8> {
    let Some([public_i, public_r]) = session.both(PayloadKind::KE) else { return Vec::new() };
    let first = keys.cipher.phase1_iv(public_i, public_r);
    let before = session.phase1.get(&(place - 1)).filter(|before| before.encrypted);
    let chained = before.map(|before| keys.cipher.next_iv(before.ciphertext()));
    let right = chained.clone().unwrap_or_else(|| first.clone());
    let zero = vec![0; keys.cipher.block_len()];
    let mistakes: Vec<(&'static Rule, Vec<u8>, &'static str)> = if chained.is_some() {
        vec![
            (rules::V1_IV_CHAIN, first, "the vector is that of the message before"),
            (rules::V1_IV_CHAIN, zero, "the vector is zero"),
        ]
    } else {
        let swapped = keys.cipher.phase1_iv(public_r, public_i);
        vec![
            (rules::V1_IV_PHASE1, swapped, "the vector hashes the responder's public value first"),
            (rules::V1_IV_PHASE1, zero, "the vector is zero"),
        ]
    };
    open::by_vectors(report, message, keys, &right, &mistakes);
    right
}

/// Judges a message of phase 1 that is new in its place; `own` are the keys, if they are there.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    place: u8,
    keys: &Keys,
    own: Option<&Ikev1Keys>,
) {
    if message.encrypted && !message.readable {
        natt::judge_ports(report, session, message, place);
        return;
    }
    let aggressive = session.mode == ExchangeType::AGGRESSIVE;
    let answer = place == 2;
    judge_first(report, message, place);
    judge_presence(report, session, message, place);
    judge_protection(report, message, place, aggressive);
    judge_values(report, session, message);
    judge_notifies(report, message, place, aggressive);
    judge_vendor_ids(report, message);
    let found = proposals::judge(report, message, true, answer);
    for (rule, says) in found {
        session.defects.add(report, message, rule, says);
    }
    if answer {
        judge_answer(report, session, message);
    }
    if aggressive && place == 1 {
        judge_groups(report, message);
    }
    natt::judge(report, session, message, place);
    natt::judge_ports(report, session, message, place);
    ident::judge_phase1(report, session, message);
    let Some(own) = own else { return };
    if let Some((frame, says)) = session.doubt.take_if(|(frame, _)| frame.by != message.frame.by)
        && (message.has(PayloadKind::HASH) || message.has(PayloadKind::SIG))
    {
        report.applies_to(frame.by, &[rules::V1_HASH_PHASE1]);
        report.say_about(frame, rules::V1_HASH_PHASE1, None, says);
    }
    if hashes::judge_phase1(report, session, message, keys, own) {
        session.doubt = Some((message.frame, DOUBT.to_owned()));
    }
}

/// What is said of a hash once the other side has taken it.
pub(crate) const DOUBT: &str = "HASH is not the value of the secret, and was accepted";

/// SA comes first in the messages that have it.
fn judge_first(report: &mut Report<'_>, message: &Message, place: u8) {
    if place > 2 {
        return;
    }
    if message.has(PayloadKind::SA) {
        report.applies(&[rules::V1_SA_FIRST]);
    }
    if let Some(part) = message.parts.first().filter(|part| part.kind() != PayloadKind::SA)
        && message.has(PayloadKind::SA)
    {
        let says = format!("{} stands in front of SA", part.kind());
        report.say(rules::V1_SA_FIRST, part.raw.offset, says);
    }
}

/// The payloads that the RFC draws, by their numbers.
fn judge_presence(report: &mut Report<'_>, session: &Session, message: &Message, place: u8) {
    let methods = |offer: Option<Offer>| {
        let offer = offer.filter(|offer| !offer.proposals.is_empty());
        offer.and_then(|offer| offer.single().and_then(|(_, it)| it.value(AUTH_METHOD)))
    };
    let (offer, answer) = session.offers();
    let method = methods(answer).or(methods(offer)).or(methods(Offer::of(message)));
    let encryption = [Phase1Auth::RSA_ENCRYPTION, Phase1Auth::REVISED_RSA_ENCRYPTION];
    if encryption.iter().any(|it| method == Some(it.0.into())) {
        return;
    }
    let aggressive = session.mode == ExchangeType::AGGRESSIVE;
    let (rule, wanted): (_, &[PayloadKind]) = match (aggressive, place) {
        (false, 1 | 2) => (rules::V1_MAIN_MESSAGES, &[PayloadKind::SA]),
        (false, 3 | 4) => (rules::V1_MAIN_MESSAGES, &[PayloadKind::KE, PayloadKind::NONCE]),
        (false, _) => (rules::V1_MAIN_MESSAGES, &[PayloadKind::ID]),
        (true, 1 | 2) => (
            rules::V1_AGGRESSIVE_MESSAGES,
            &[PayloadKind::SA, PayloadKind::KE, PayloadKind::NONCE, PayloadKind::ID],
        ),
        (true, _) => (rules::V1_AGGRESSIVE_MESSAGES, &[]),
    };
    report.applies(&[rule]);
    for kind in [PayloadKind::SA, PayloadKind::KE, PayloadKind::NONCE, PayloadKind::ID] {
        let count = message.of(kind).count();
        let right = usize::from(wanted.contains(&kind));
        // More SA payloads than one break a rule of their own.
        if count == right || kind == PayloadKind::SA && count > right && right == 1 {
            continue;
        }
        report.say(rule, None, format!("message {place} has {count} payloads {kind}"));
    }
    let proves = message.has(PayloadKind::HASH) || message.has(PayloadKind::SIG);
    let proof = if aggressive { place >= 2 } else { place >= 5 };
    if proves != proof {
        let says = if proves { "proves an identity already" } else { "proves no identity" };
        report.say(rule, None, format!("message {place} {says}"));
    }
}

fn judge_protection(report: &mut Report<'_>, message: &Message, place: u8, aggressive: bool) {
    if aggressive || place < 5 {
        return;
    }
    report.applies(&[rules::V1_MAIN_ENCRYPTED]);
    if !message.encrypted {
        let says = format!("message {place} of main mode is in clear");
        report.say(rules::V1_MAIN_ENCRYPTED, 19, says);
    }
}

/// Public values have the length of their group.
fn judge_values(report: &mut Report<'_>, session: &Session, message: &Message) {
    let group = session.group().or_else(|| super::session::group_of(&Offer::of(message)?));
    if let (Some(group), Some(part)) = (group, message.part(PayloadKind::KE)) {
        let (is, wanted) = (part.raw.body.len(), group.public_len());
        report.applies(&[rules::V1_KE_LENGTH]);
        if is != wanted {
            let says = format!("a public value of {is} octets, {group} has {wanted}");
            report.say(rules::V1_KE_LENGTH, part.body(), says);
        }
    }
}

fn judge_notifies(report: &mut Report<'_>, message: &Message, place: u8, aggressive: bool) {
    for (part, notify) in message.notifies() {
        let of_doi =
            (NotifyKind::RESPONDER_LIFETIME..=NotifyKind::INITIAL_CONTACT).contains(&notify.kind);
        if !of_doi {
            continue;
        }
        let says = format!("{} in message {place}", notify.kind);
        report.applies(if aggressive {
            &[rules::V1_STATUS_AGGRESSIVE]
        } else {
            &[rules::V1_STATUS_PROTECTED]
        });
        if aggressive {
            report.say(rules::V1_STATUS_AGGRESSIVE, part.raw.offset, says);
        } else if !message.encrypted {
            report.say(rules::V1_STATUS_PROTECTED, part.raw.offset, says);
        }
    }
    super::inform::judge_notifies(report, message);
}

/// The first octets of the Vendor ID of dead peer detection; the rest is its version.
fn judge_vendor_ids(report: &mut Report<'_>, message: &Message) {
    let (name, _) = vendor::DPD.split_at(14);
    for part in message.of(PayloadKind::VENDOR_ID) {
        let id = part.raw.body.as_slice();
        if !id.starts_with(name) {
            continue;
        }
        report.applies(&[rules::DPD_VENDOR_VALUE]);
        if id != vendor::DPD {
            let says = "a Vendor ID of dead peer detection with another version or length";
            report.say(rules::DPD_VENDOR_VALUE, part.body(), says);
        }
    }
}

fn judge_answer(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    let (Some(offer), Some(answer)) =
        (session.phase1.get(&1).and_then(Offer::of), Offer::of(message))
    else {
        return;
    };
    for (rule, says) in choice::judge(report, &offer, &answer, true) {
        session.defects.add(report, message, rule, says);
    }
}

/// All offers of aggressive mode name the group of the public value that comes with them.
fn judge_groups(report: &mut Report<'_>, message: &Message) {
    let Some(offer) = Offer::of(message) else { return };
    let mut groups: Vec<u64> =
        offer.transforms().filter_map(|(_, it)| it.value(Phase1Attr::GROUP.0)).collect();
    report.applies(&[rules::V1_AGGRESSIVE_GROUP]);
    groups.sort_unstable();
    groups.dedup();
    if groups.len() > 1 {
        let says = format!("the offers name the groups {groups:?}, and there is one public value");
        report.say(rules::V1_AGGRESSIVE_GROUP, Header::LEN, says);
    }
}

const AUTH_METHOD: u16 = Phase1Attr::AUTH_METHOD.0;
