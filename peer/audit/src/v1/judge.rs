//! The way of one ISAKMP message through the checks.

use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::v1::{Fragment, is_encrypted};
use ikeproof_proto::wire::{ExchangeType, Header, IkeSpi, RawMessage};

use super::fragments::Fragments;
use super::message::Message;
use super::repeats;
use super::session::{self, Session, Sessions};
use super::{chain, finish, header, later, open, phase1, suite};
use crate::describe::{self, Decoded};
use crate::esp::Esp;
use crate::finding::{Report, Sink};
use crate::ike::Recent;
use crate::keys::Keys;
use crate::limits;
use crate::observed::Transport;
use crate::rules;

/// All ISAKMP SAs that were seen.
#[derive(Debug, Default)]
pub(crate) struct Isakmp {
    sessions: Sessions,
    cookies: Recent,
    fragments: Fragments,
    /// Messages of an ISAKMP SA that was not seen to begin.
    strangers: bool,
}

impl Isakmp {
    /// Whether a message needs keys that may still come.
    pub(crate) fn wants_keys(&self, header: &Header, keys: &Keys) -> bool {
        let Some(session) = self.sessions.get(header.spi_i) else { return false };
        if session.keyless || header.spi_r.is_zero() {
            return false;
        }
        let proves = header.exchange == ExchangeType::AGGRESSIVE;
        let sealed = is_encrypted(header)
            && session.cookie_r == header.spi_r
            && session.both(PayloadKind::KE).is_some();
        (proves || sealed) && !keys.has_ikev1(header.spi_i, header.spi_r)
    }

    /// Nobody waits for the keys of this message's ISAKMP SA any more.
    pub(crate) fn give_up_keys(&mut self, header: &Header) {
        if let Some(session) = self.sessions.get_mut(header.spi_i) {
            session.keyless = true;
        }
    }

    /// Whether no message of IKEv1 was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.iter().next().is_none() && !self.strangers
    }

    /// Whether all SAs of phase 2 are known: all was seen from its beginning and read.
    pub(crate) fn knows_all_children(&self) -> bool {
        !self.strangers
            && !self.sessions.has_forgotten()
            && self.sessions.iter().all(|session| !session.keyless && !session.unread)
    }

    /// Judges what only the end can show.
    pub(crate) fn finish(&mut self, sink: &mut Sink) {
        finish::judge(&mut self.sessions, sink);
    }

    /// Judges a message.
    pub(crate) fn judge(
        &mut self,
        report: &mut Report<'_>,
        keys: &Keys,
        esp: &mut Esp,
        transport: &Transport,
        bytes: &[u8],
        decoded: &mut Decoded,
    ) {
        let raw = match RawMessage::decode(bytes) {
            Ok(raw) => raw,
            Err(error) => {
                describe::undecodable(decoded, bytes, &error);
                header::judge_undecodable(report, bytes, &error);
                return;
            }
        };
        describe::keep_header(decoded, &raw.header);
        if let Some(Ok(fragment)) = Fragment::of(&raw, bytes) {
            let number = fragment.number;
            let whole = self.fragments.add(report.frame().by, raw.header.spi_i, fragment);
            let Some(whole) = whole else {
                decoded.summary = format!("{} fragment {number}", raw.header.exchange);
                return;
            };
            describe::keep_whole(decoded, &whole);
            match RawMessage::decode(&whole) {
                Ok(raw) => self.judge_whole(report, keys, esp, transport, &whole, raw, decoded),
                Err(error) => {
                    let exchange = raw.header.exchange;
                    decoded.summary = format!("{exchange} fragment {number}, malformed: {error}");
                }
            }
            return;
        }
        self.judge_whole(report, keys, esp, transport, bytes, raw, decoded);
    }

    #[expect(clippy::too_many_arguments, reason = "everything that a message can touch")]
    fn judge_whole(
        &mut self,
        report: &mut Report<'_>,
        keys: &Keys,
        esp: &mut Esp,
        transport: &Transport,
        bytes: &[u8],
        raw: RawMessage,
        decoded: &mut Decoded,
    ) {
        let Transport::Udp { src, dst, marker } = *transport else { return };
        let encrypted = is_encrypted(&raw.header);
        let length = usize::try_from(raw.header.length).unwrap_or(usize::MAX);
        let end = if encrypted { bytes.len() } else { length };
        let mut message = Message {
            frame: report.frame(),
            src,
            dst,
            marker,
            header: raw.header,
            by_initiator: true,
            bytes: bytes.get(..end).unwrap_or(bytes).to_vec(),
            parts: chain::take(raw.payloads.clone()),
            encrypted,
            readable: !encrypted,
            rest: Vec::new(),
        };
        if !self.find(report, &message) {
            describe::ikev1(decoded, &message);
            return;
        }
        let Some(session) = self.sessions.get_mut(raw.header.spi_i) else { return };
        message.by_initiator = message.frame.by == session.initiator;
        if message.by_initiator {
            // It may be the first of a new side.
        } else if session.cookie_r.is_zero() && header::is_phase1(message.exchange()) {
            session.cookie_r = raw.header.spi_r;
            report.applies(&[rules::V1_COOKIE_UNIQUE]);
            if !self.cookies.insert(&raw.header.spi_r.0, limits::COOKIES) {
                report.say(rules::V1_COOKIE_UNIQUE, 8, "the cookie was used before");
            }
        }
        if !raw.header.spi_r.is_zero() && raw.header.spi_r != session.cookie_r {
            describe::ikev1(decoded, &message);
            return;
        }
        if judge_copy(report, session, &mut message, keys, decoded) {
            return;
        }
        let found = header::judge(report, session, &message, &raw, bytes.len());
        session.speaks(&message);
        let digest = session::digest(message.frame.by, &message.bytes);
        let iv = if header::is_phase1(message.exchange()) {
            judge_phase1(report, session, &mut message, keys, found)
        } else {
            let own = suite::keys_of(session, keys);
            later::judge(report, keys, esp, session, &mut message, own.as_deref())
        };
        if let Some(copies) = session.seen.get_mut(&digest) {
            copies.iv = iv;
            repeats::first(copies, &message);
        }
        session.heard(&message);
        describe::ikev1(decoded, &message);
    }

    /// Finds the ISAKMP SA of a message, or opens it with its first one.
    fn find(&mut self, report: &mut Report<'_>, message: &Message) -> bool {
        let header = &message.header;
        let begins = header::is_phase1(header.exchange)
            && !message.encrypted
            && header.spi_r.is_zero()
            && message.has(PayloadKind::SA);
        if let Some(session) = self.sessions.get(header.spi_i) {
            if !begins || !session.established() || message.frame.by != session.initiator {
                return true;
            }
            let digest = session::digest(message.frame.by, &message.bytes);
            if session.seen.contains_key(&digest) {
                return true;
            }
            report.applies(&[rules::V1_COOKIE_UNIQUE]);
            report.say(rules::V1_COOKIE_UNIQUE, 0, "the cookie is that of another phase 1");
        } else if self.is_swapped(header) {
            let says = "the cookies stand in each other's place";
            report.applies(&[rules::V1_COOKIES_PLACE]);
            report.say(rules::V1_COOKIES_PLACE, 0, says);
            return false;
        }
        if begins {
            report.applies(&[rules::V1_COOKIE_UNIQUE]);
            let (by, mode) = (message.frame.by, header.exchange);
            self.sessions.insert(Session::new(header.spi_i, by, mode));
        } else {
            self.strangers = true;
        }
        begins
    }

    fn is_swapped(&self, header: &Header) -> bool {
        let known = |i: IkeSpi, r: IkeSpi| {
            self.sessions.get(i).is_some_and(|session| session.cookie_r == r && !r.is_zero())
        };
        known(header.spi_r, header.spi_i)
    }
}

/// Shows a copy of a message that was seen already. Whether it is one.
fn judge_copy(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &mut Message,
    keys: &Keys,
    decoded: &mut Decoded,
) -> bool {
    let digest = session::digest(message.frame.by, &message.bytes);
    let Some(copies) = session.repeated(&digest) else { return false };
    let iv = copies.iv.clone();
    decoded.retransmission = true;
    report.applies(&[rules::V1_REPEATS_SAME]);
    repeats::judge(report, session, message);
    if message.encrypted
        && let Some(own) = suite::keys_of(session, keys)
    {
        open::again(message, &own, &iv);
    }
    if let Some(exchange) = session.later.get_mut(&message.id()) {
        exchange.sent += 1;
    }
    if message.notifies().any(|(_, notify)| super::dpd::is_question(notify)) {
        session.probes.again(message.by_initiator);
    }
    session.heard(message);
    describe::ikev1(decoded, message);
    true
}

/// Judges a message of main or aggressive mode. Says which vector it was read with.
fn judge_phase1(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &mut Message,
    keys: &Keys,
    mut found: Vec<(&'static rules::Rule, String)>,
) -> Vec<u8> {
    let exchange = message.exchange();
    report.applies(&[rules::V1_PHASE1_ONLY]);
    if session.established() {
        let says = format!("{exchange} in an ISAKMP SA that is there");
        report.say(rules::V1_PHASE1_ONLY, 18, says);
        return Vec::new();
    }
    if !session.phase1.is_empty() {
        report.applies(&[rules::V1_MODE_SWITCH]);
    }
    if exchange != session.mode {
        let says = format!("{exchange} goes on with {}", session.mode);
        report.say(rules::V1_MODE_SWITCH, 18, says);
        return Vec::new();
    }
    let place = phase1::place(session, message);
    let own = suite::keys_of(session, keys);
    let mut iv = Vec::new();
    if message.encrypted
        && let Some(own) = &own
    {
        iv = phase1::decrypt(report, session, message, own, place);
    }
    if session.phase1.contains_key(&place) {
        report.applies(&[rules::V1_REPEATS_SAME]);
        let says = format!("message {place} is repeated with another content");
        report.say(rules::V1_REPEATS_SAME, None, says);
    }
    if message.readable {
        found.extend(chain::judge(report, &message.parts));
    }
    session.defects.taken(report, message);
    session.defects.replace(report, message, found);
    session.phase1.insert(place, message.clone());
    phase1::judge(report, session, message, place, keys, own.as_deref());
    iv
}
