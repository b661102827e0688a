//! The exchanges after phase 1: whether they may be there, which Message ID they have, and how they are
//! read (RFC 2408, sections 3.1 and 4.8; RFC 2409, sections 4 and 5.5 to 5.7, and appendix B).

use ikeproof_proto::wire::ExchangeType;
use ikeproof_proto::wire::v1::num::{NotifyKind, PayloadKind};

use super::message::Message;
use super::open::{self, Covered};
use super::session::Session;
use super::{config, hashes, inform, quick};
use crate::esp::Esp;
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules::{self, Rule};

/// The last block of phase 1, from which the vectors of later exchanges follow; so far, where somebody is
/// refused before phase 1 is over.
fn base(session: &Session, own: &Ikev1Keys) -> Option<Vec<u8>> {
    if let Some(last) = session.phase1.values().rev().find(|message| message.encrypted) {
        return Some(own.cipher.next_iv(last.ciphertext()));
    }
    let [public_i, public_r] = session.both(PayloadKind::KE)?;
    Some(own.cipher.phase1_iv(public_i, public_r))
}

/// The vector that a message has to be read with, and its place in its exchange.
pub(crate) fn vector(session: &Session, message: &Message, own: &Ikev1Keys) -> Option<Vec<u8>> {
    let exchange = session.later.get(&message.id());
    let chained =
        exchange.filter(|it| it.kind == Some(message.exchange()) && place(session, message) > 0);
    match chained {
        Some(exchange) => exchange.iv.clone(),
        None => Some(own.cipher.phase2_iv(&base(session, own)?, message.id())),
    }
}

/// The place of a message in its exchange, from 0.
fn place(session: &Session, message: &Message) -> usize {
    let Some(exchange) = session.later.get(&message.id()) else { return 0 };
    if message.exchange() != ExchangeType::QUICK_MODE {
        return exchange.messages.len();
    }
    let of_beginner = exchange.by_initiator == message.by_initiator;
    match exchange.messages.len() {
        0 | 1 if of_beginner => 0,
        1 | 2 if !of_beginner => 1,
        count => count,
    }
}

/// Judges a message of a later exchange that is new. Says which vector it was read with.
pub(crate) fn judge(
    report: &mut Report<'_>,
    keys: &Keys,
    esp: &mut Esp,
    session: &mut Session,
    message: &mut Message,
    own: Option<&Ikev1Keys>,
) -> Vec<u8> {
    let kind = message.exchange();
    super::natt::judge_ports(report, session, message, 0);
    judge_early(report, session, message);
    let informs = kind == ExchangeType::INFORMATIONAL_V1;
    if informs && !message.encrypted {
        inform::judge_clear(report, session, message);
        return Vec::new();
    }
    if !message.encrypted {
        match kind {
            ExchangeType::QUICK_MODE => {
                report.applies(&[rules::V1_QM_ENCRYPTED]);
                report.say(rules::V1_QM_ENCRYPTED, 19, "quick mode in clear");
            }
            ExchangeType::TRANSACTION => {
                report.applies(&[rules::CFG_HASH]);
                report.say(rules::CFG_HASH, 19, "a transaction in clear");
            }
            _ => {}
        }
        return Vec::new();
    }
    if kind == ExchangeType::QUICK_MODE {
        report.applies(&[rules::V1_QM_ENCRYPTED]);
    }
    judge_id(report, session, message);
    let place = place(session, message);
    if !session.established() {
        session.unread |= kind == ExchangeType::QUICK_MODE;
        let next = own.map(|own| own.cipher.next_iv(message.ciphertext()));
        // Who is refused before phase 1 is over may be told so under its keys.
        let iv = own.filter(|_| informs).and_then(|own| vector(session, message, own));
        if let (Some(own), Some(iv)) = (own, &iv) {
            // From which block its vector follows then is nowhere prescribed (RFC 2409, appendix B, speaks of the
            // last one of phase 1): there is no mistake to judge.
            open::by_vectors(report, message, own, iv, &[]);
        }
        session.exchange(message).iv = next;
        if let (Some(own), true) = (own, message.readable) {
            judge_contents(report, keys, esp, session, message, own, place);
        }
        remember(session, message, place);
        return iv.unwrap_or_default();
    }
    let iv = own.and_then(|own| vector(session, message, own));
    if let (Some(own), Some(iv)) = (own, &iv) {
        read(report, keys, session, message, own, iv, place);
    }
    let next = own.map(|own| own.cipher.next_iv(message.ciphertext()));
    let exchange = session.exchange(message);
    let same_kind = exchange.kind == Some(kind);
    if same_kind {
        exchange.iv = next;
        exchange.sent = 1;
        exchange.alive = false;
    }
    if !message.readable {
        session.unread |= kind == ExchangeType::QUICK_MODE;
        if same_kind {
            remember(session, message, place);
        }
        return iv.unwrap_or_default();
    }
    let Some(own) = own else { return Vec::new() };
    judge_contents(report, keys, esp, session, message, own, place);
    if same_kind {
        remember(session, message, place);
    }
    iv.unwrap_or_default()
}

fn remember(session: &mut Session, message: &Message, place: usize) {
    let exchange = session.exchange(message);
    exchange.messages.truncate(place);
    if exchange.messages.len() < crate::limits::MESSAGES_OF_EXCHANGE {
        exchange.messages.push(message.clone());
    }
}

fn judge_contents(
    report: &mut Report<'_>,
    keys: &Keys,
    esp: &mut Esp,
    session: &mut Session,
    message: &Message,
    own: &Ikev1Keys,
    place: usize,
) {
    let found = super::chain::judge(report, &message.parts);
    let exchange = session.exchange(message);
    exchange.defects.taken(report, message);
    exchange.defects.replace(report, message, found);
    match message.exchange() {
        ExchangeType::QUICK_MODE => {
            quick::judge(report, esp, session, message, keys, own, place);
        }
        ExchangeType::TRANSACTION => config::judge(report, session, message, keys, own),
        ExchangeType::INFORMATIONAL_V1 => {
            judge_connected(report, session, message);
            inform::judge(report, session, message, keys, own);
        }
        _ => {}
    }
    if let Some((frame, says)) = session.doubt.take_if(|(frame, _)| frame.by != message.frame.by)
        && message.exchange() != ExchangeType::INFORMATIONAL_V1
    {
        report.applies_to(frame.by, &[rules::V1_HASH_PHASE1]);
        report.say_about(frame, rules::V1_HASH_PHASE1, None, says);
    }
}

/// Decrypts a message; what its hash covers says whether the vector was right.
fn read(
    report: &mut Report<'_>,
    keys: &Keys,
    session: &Session,
    message: &mut Message,
    own: &Ikev1Keys,
    iv: &[u8],
    place: usize,
) {
    let front = front(session, message, place);
    let (front, rest) =
        front.as_ref().map_or((None, true), |(front, rest)| (Some(front.as_slice()), *rest));
    let vector = match (message.exchange(), place) {
        (ExchangeType::TRANSACTION, _) => rules::CFG_VECTOR,
        (_, 0) => rules::V1_IV_PHASE2,
        _ => rules::V1_IV_CHAIN,
    };
    open::phase2(report, keys, message, own, iv, Covered { front, rest, vector });
}

/// What the hash of a message covers in front of its payloads, and whether it covers those; nothing
/// if a nonce is not known.
fn front(session: &Session, message: &Message, place: usize) -> Option<(Vec<u8>, bool)> {
    let id = message.id().to_be_bytes();
    if message.exchange() != ExchangeType::QUICK_MODE || place == 0 {
        return Some((id.to_vec(), true));
    }
    let exchange = session.later.get(&message.id())?;
    let nonce = |place: usize| exchange.messages.get(place)?.octets(PayloadKind::NONCE);
    if place == 1 {
        return Some(([&id, nonce(0)?].concat(), true));
    }
    Some(([&[0], &id[..], nonce(0)?, nonce(1)?].concat(), false))
}

/// Judges the hash of quick mode.
pub(crate) fn judge_hash(
    report: &mut Report<'_>,
    session: &Session,
    message: &Message,
    keys: &Keys,
    own: &Ikev1Keys,
    place: usize,
) {
    let Some((front, rest)) = front(session, message, place) else { return };
    let rule = match place {
        0 => rules::V1_QM_HASH1,
        1 => rules::V1_QM_HASH2,
        _ => rules::V1_QM_HASH3,
    };
    hashes::judge_phase2(report, message, keys, own, &front, rest, rule);
}

/// Nothing but Informationals comes before phase 1 is over. A message may overtake the last one of
/// its own sender.
fn judge_early(report: &mut Report<'_>, session: &Session, message: &Message) {
    let last = session.phase1_messages();
    let early = !session.established();
    let overtaken =
        session.phase1.contains_key(&(last - 1)) && message.by_initiator == (last % 2 == 1);
    let rule = match message.exchange() {
        ExchangeType::QUICK_MODE => rules::V1_QUICK_PHASE2,
        ExchangeType::NEW_GROUP_MODE => rules::V1_NEW_GROUP,
        ExchangeType::TRANSACTION => rules::XAUTH_PHASE1,
        _ => return,
    };
    report.applies(&[rule]);
    if early && !overtaken {
        let says = format!("{} before phase 1 is over", message.exchange());
        report.say(rule, 18, says);
    }
}

/// Message IDs are not shared by exchanges; CONNECTED alone has that of its quick mode.
fn judge_id(report: &mut Report<'_>, session: &Session, message: &Message) {
    let kind = message.exchange();
    let Some(exchange) = session.later.get(&message.id()) else {
        // It begins an exchange, with a number of its own.
        report.applies(&[id_rule(kind)]);
        return;
    };
    let other = exchange.kind.filter(|other| *other != kind);
    let says = |what: &str| format!("the Message ID {:#010x} {what}", message.id());
    let count = exchange.messages.len();
    let of_beginner = exchange.by_initiator == message.by_initiator;
    match (kind, other) {
        (ExchangeType::INFORMATIONAL_V1, Some(_)) => {}
        (_, Some(_)) | (ExchangeType::INFORMATIONAL_V1, None) => report.applies(&[id_rule(kind)]),
        (ExchangeType::QUICK_MODE, None) if count >= 3 => report.applies(&[id_rule(kind)]),
        (ExchangeType::QUICK_MODE, None)
            if of_beginner && count == 1 || !of_beginner && count == 2 =>
        {
            report.applies(&[rules::V1_REPEATS_SAME]);
        }
        _ => {}
    }
    match (kind, other) {
        (ExchangeType::INFORMATIONAL_V1, Some(_)) => {}
        (ExchangeType::TRANSACTION, Some(other)) => {
            report.say(rules::CFG_ID, 20, says(&format!("is that of {other}")));
        }
        (_, Some(other)) => {
            report.say(rules::V1_ID_UNIQUE, 20, says(&format!("is that of {other}")));
        }
        (ExchangeType::INFORMATIONAL_V1, None) => {
            report.say(rules::V1_ID_UNIQUE, 20, says("was used by another Informational"));
        }
        (ExchangeType::QUICK_MODE, None) if count >= 3 => {
            report.say(rules::V1_ID_UNIQUE, 20, says("is that of a quick mode that is over"));
        }
        (ExchangeType::QUICK_MODE, None)
            if of_beginner && count == 1 || !of_beginner && count == 2 =>
        {
            report.say(rules::V1_REPEATS_SAME, None, "it is repeated with another content");
        }
        _ => {}
    }
}

/// The rule about the Message ID of an exchange.
fn id_rule(kind: ExchangeType) -> &'static Rule {
    if kind == ExchangeType::TRANSACTION { rules::CFG_ID } else { rules::V1_ID_UNIQUE }
}

/// Judges the Message ID of an Informational that is that of another exchange, or has to be.
fn judge_connected(report: &mut Report<'_>, session: &Session, message: &Message) {
    let connected = message.notifies().find(|(_, notify)| notify.kind == NotifyKind::CONNECTED);
    let kind = session.later.get(&message.id()).and_then(|exchange| exchange.kind);
    let of_other = kind.is_some_and(|kind| kind != ExchangeType::INFORMATIONAL_V1);
    report.applies(if connected.is_some() {
        &[rules::V1_COMMIT_ID]
    } else {
        &[rules::V1_INFO_OWN_ID]
    });
    match connected {
        Some((part, _)) if !of_other => {
            let says = "CONNECTED has a Message ID of its own";
            report.say(rules::V1_COMMIT_ID, part.raw.offset, says);
        }
        None if of_other => {
            let says = "an Informational has the Message ID of another exchange";
            report.say(rules::V1_INFO_OWN_ID, 20, says);
        }
        _ => {}
    }
}

/// Payloads that belong to other exchanges.
pub(crate) fn judge_foreign(report: &mut Report<'_>, message: &Message) {
    report.applies(&[rules::V1_VENDOR_PHASE1]);
    if message.has(PayloadKind::ATTRIBUTES) {
        report.applies(&[rules::CFG_TYPE]);
    }
    if let Some(part) = message.part(PayloadKind::VENDOR_ID) {
        let says = format!("a Vendor ID in {}", message.exchange());
        report.say(rules::V1_VENDOR_PHASE1, part.raw.offset, says);
    }
    if message.exchange() != ExchangeType::TRANSACTION
        && let Some(part) = message.part(PayloadKind::ATTRIBUTES)
    {
        let says = format!("an attribute payload in {}", message.exchange());
        report.say(rules::CFG_TYPE, part.raw.offset, says);
    }
}
