//! The way of one IKE message through the checks.

use ikeproof_proto::wire::v2::presence::Role;
use ikeproof_proto::wire::{ExchangeType, Header, IkeSpi, NotifyType, PayloadType, RawMessage};

use super::fragments::Fragment;
use super::message::{Message, body};
use super::open::{self, Opened, Sealed};
use super::session::{Recent, Session, Sessions, digest, other};
use super::window::{self, PartOf, Turn};
use super::{
    answer, auth, chain, child, finish, header, init, natd, notify, presence, proposals, selectors,
    values,
};
use crate::contents::Seal;
use crate::describe::{self, Decoded, DetailLevel};
use crate::esp::Esp;
use crate::finding::{Report, Sink};
use crate::keys::{IkeSaKeys, Keys};
use crate::limits;
use crate::observed::Transport;
use crate::rules;

/// All IKE SAs that were seen.
#[derive(Debug, Default)]
pub(crate) struct Ike {
    sessions: Sessions,
    nonces: Recent,
}

impl Ike {
    /// Whether a message needs keys that may still come.
    pub(crate) fn wants_keys(&self, header: &Header, keys: &Keys) -> bool {
        let sealed = matches!(header.next_payload, PayloadType::SK | PayloadType::SKF);
        sealed
            && header.version.major == 2
            && header.exchange != ExchangeType::IKE_SA_INIT
            && self.sessions.get(header.spi_i).is_some_and(|session| {
                session.complete
                    && !session.keyless
                    && session.spi_r == header.spi_r
                    && keys.ike(header.spi_i, header.spi_r).is_none()
            })
    }

    /// Nobody waits for the keys of this message's IKE SA any more.
    pub(crate) fn give_up_keys(&mut self, header: &Header) {
        if let Some(session) = self.sessions.get_mut(header.spi_i) {
            session.keyless = true;
        }
    }

    /// Whether an IKE SA with this SPI of its initiator was seen.
    pub(crate) fn knows(&self, spi_i: IkeSpi) -> bool {
        self.sessions.get(spi_i).is_some()
    }

    /// Whether no IKE SA was seen.
    pub(crate) fn is_empty(&self) -> bool {
        self.sessions.iter().next().is_none()
    }

    /// Whether all Child SAs are known: all was seen from its beginning, and read.
    pub(crate) fn knows_all_children(&self) -> bool {
        !self.sessions.has_forgotten()
            && self
                .sessions
                .iter()
                .all(|session| session.complete && !session.keyless && session.unread.is_empty())
    }

    /// Judges the AUTH payloads that have waited for a secret.
    pub(crate) fn settle_auth(&mut self, keys: &Keys, sink: &mut Sink) {
        for session in self.sessions.iter_mut() {
            auth::settle(session, keys, sink);
        }
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
        let Transport::Udp { src, dst, marker } = *transport else { return };
        let raw = match RawMessage::decode(bytes) {
            Ok(raw) => raw,
            Err(error) => {
                describe::undecodable(decoded, bytes, &error);
                header::judge_undecodable(report, bytes, &error);
                return;
            }
        };
        let known = self.sessions.get(raw.header.spi_i).is_some();
        if raw.header.version.major != 2 {
            describe::other_version(decoded, &raw);
            if known || raw.header.version.major != 1 {
                let says = format!("the version is {}", raw.header.version);
                report.applies(&[rules::VERSION_SENT]);
                report.say(rules::VERSION_SENT, 17, says);
            }
            return;
        }
        if !known {
            self.open_session(report, &raw.header);
        }
        let Some(session) = self.sessions.get_mut(raw.header.spi_i) else { return };
        let role = session.role(report.frame().by);
        let direction = header::direction(session, &raw.header, role);
        let length = usize::try_from(raw.header.length).unwrap_or(usize::MAX);
        let mut message = Message {
            frame: report.frame(),
            src,
            dst,
            marker,
            header: raw.header,
            role,
            direction,
            bytes: bytes.get(..length).unwrap_or(bytes).to_vec(),
            clear: chain::take(raw.payloads.clone()),
            inner: None,
            seal: Seal::Unopened,
        };
        let initial = raw.header.exchange == ExchangeType::IKE_SA_INIT;
        if !initial && session.spi_r != raw.header.spi_r {
            // It belongs to no IKE SA that was seen to begin, but what it says can be shown.
            let own = keys.ike(raw.header.spi_i, raw.header.spi_r);
            let sealed = open::sealed(&message);
            read_again(&mut message, sealed, own.as_deref());
            describe::message(decoded, &message);
            return;
        }
        if initial {
            let repeated = init::repeats(report, session, &message);
            decoded.retransmission = repeated;
            if !repeated {
                header::judge_lengths(report, &raw, bytes.len());
                header::judge(report, session, &raw.header, role, direction);
                message.clear = chain::judge(report, raw.payloads, !message.is_request());
                judge_nonce(report, &mut self.nonces, session, &message);
                init::judge(report, session, &message, keys.provider());
            }
            describe::message(decoded, &message);
            if session.nat && !message.is_request() {
                let says = "a hash does not fit the addresses seen: there is a NAT between the two";
                decoded.detail(DetailLevel::Header, "NAT detection", says);
            }
            return;
        }
        let made = judge_later(
            report,
            keys,
            esp,
            session,
            &mut message,
            raw,
            bytes,
            decoded,
            &mut self.nonces,
        );
        if let Some(new) = made {
            self.sessions.insert(new);
        }
    }

    /// Remembers an IKE SA that is seen for the first time.
    fn open_session(&mut self, report: &Report<'_>, header: &Header) {
        let by = report.frame().by;
        let begins = header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response();
        let initiator = if begins || header.flags.is_initiator() { by } else { by.other() };
        let spi_r = if begins { IkeSpi::ZERO } else { header.spi_r };
        self.sessions.insert(Session::new(header.spi_i, spi_r, initiator, begins));
    }
}

/// Judges a message after IKE_SA_INIT. Returns the IKE SA that it makes by rekeying.
#[expect(clippy::too_many_arguments, reason = "everything that a message can touch")]
fn judge_later(
    report: &mut Report<'_>,
    keys: &Keys,
    esp: &mut Esp,
    session: &mut Session,
    message: &mut Message,
    raw: RawMessage,
    datagram: &[u8],
    decoded: &mut Decoded,
    nonces: &mut Recent,
) -> Option<Session> {
    let sealed = open::sealed(message);
    let part: PartOf = sealed.and_then(|sealed| sealed.fragment).unwrap_or((0, 0));
    let digest = digest(&message.bytes);
    let sa_keys = keys.ike(session.spi_i, session.spi_r);
    if window::repeats(report, session, message, part, &digest) {
        decoded.retransmission = true;
        read_again(message, sealed, sa_keys.as_deref());
        describe::message(decoded, message);
        return None;
    }
    header::judge_lengths(report, &raw, datagram.len());
    let mut content = None;
    match (sealed, sa_keys.as_deref()) {
        (Some(sealed), Some(sa_keys)) => {
            match open::open(report, session, message, sealed, sa_keys) {
                Opened::Content(octets, at) => {
                    message.seal = Seal::Open;
                    content = Some((sealed, octets, at));
                }
                Opened::Unreadable => message.seal = Seal::Broken,
                Opened::Forged => {
                    message.seal = Seal::Broken;
                    describe::message(decoded, message);
                    return None;
                }
            }
        }
        (Some(_), None) if message.exchange() == ExchangeType::IKE_AUTH => {
            // All that can be said without keys is that it was answered.
            session.authenticated |= !message.is_request();
        }
        _ => {}
    }
    header::judge(report, session, &message.header, message.role, message.direction);
    message.clear = chain::judge(report, raw.payloads, !message.is_request());
    if let Some((sealed, octets, at)) = content {
        judge_fragment(report, session, message, sealed);
        message.inner = put_together(report, session, message, sealed, octets, at);
    }
    if presence::is_stateless_answer(message) {
        // It says nothing that can be believed, so it answers nothing either.
        presence::judge(report, session, message);
        describe::message(decoded, message);
        return None;
    }
    let turn = window::judge(report, session, message, part, digest);
    natd::judge_port(report, session, message);
    describe::message(decoded, message);
    if turn != Turn::New {
        return None;
    }
    note_unread(session, message);
    if !message.is_readable() || !window::is_first_reading(session, message) {
        return None;
    }
    judge_readable(report, keys, esp, session, message, nonces)
}

/// Judges a message that is new and can be read in full.
fn judge_readable(
    report: &mut Report<'_>,
    keys: &Keys,
    esp: &mut Esp,
    session: &mut Session,
    message: &Message,
    nonces: &mut Recent,
) -> Option<Session> {
    judge_order(report, session, message);
    presence::judge(report, session, message);
    proposals::judge(report, message);
    notify::judge(report, message);
    values::judge(report, session, message, keys.provider());
    selectors::judge(report, message);
    judge_nonce(report, nonces, session, message);
    window::note_announcements(session, message);
    if message.exchange() == ExchangeType::IKE_INTERMEDIATE {
        session.auth_extended = true;
    }
    let has_auth = message.has(PayloadType::AUTH);
    if message.exchange() == ExchangeType::IKE_AUTH && has_auth {
        session.auth_pending.push(message.clone());
        session.auth_pending.truncate(limits::INIT_REQUESTS);
        report.with(|sink| auth::settle(session, keys, sink));
        session.authenticated |= !message.is_request();
    }
    let id = message.header.message_id;
    if message.is_request() {
        child::judge_request(report, session, esp, message);
        if let Some(exchange) = session.window(message.role).exchanges.get_mut(&id) {
            exchange.request = Some(message.clone());
        }
        return None;
    }
    let exchange = session.window(other(message.role)).exchanges.get_mut(&id)?;
    let request = exchange.request.take()?;
    answer::judge(report, session, &request, message);
    child::judge_response(report, session, esp, &request, message)
}

/// Notes whether a message that may be about Child SAs could be read.
fn note_unread(session: &mut Session, message: &Message) {
    let key = (message.role == Role::Initiator, message.is_request(), message.header.message_id);
    let sa = !message.has(PayloadType::SA) || message.sa().is_some();
    if message.is_readable() && sa {
        session.unread.remove(&key);
    } else if session.unread.len() < limits::EXCHANGES {
        session.unread.insert(key);
    }
}

/// Only IKE_AUTH and what prepares it come before IKE_AUTH is over; but what is wrong with an answer
/// of IKE_AUTH may be said right after it (RFC 7296, section 2.21.2).
fn judge_order(report: &mut Report<'_>, session: &Session, message: &Message) {
    let later =
        matches!(message.exchange(), ExchangeType::CREATE_CHILD_SA | ExchangeType::INFORMATIONAL);
    let protected = message.inner.is_some();
    let answered = || {
        let exchanges = &session.window_of(Role::Initiator).exchanges;
        exchanges.values().any(|it| it.kind == ExchangeType::IKE_AUTH && it.answered)
    };
    let gives_up = message.exchange() == ExchangeType::INFORMATIONAL
        && message.role == Role::Initiator
        && FATAL.iter().any(|&kind| message.notify(kind).is_some())
        && answered();
    if !(later && protected && session.complete && message.is_request()) || gives_up {
        return;
    }
    report.applies(&[rules::EXCHANGE_ORDER]);
    if !session.authenticated {
        let says = format!("a request of {} before IKE_AUTH is over", message.exchange());
        report.say(rules::EXCHANGE_ORDER, 18, says);
    }
}

/// The notifies that end an IKE SA at once.
const FATAL: [NotifyType; 3] = [
    NotifyType::AUTHENTICATION_FAILED,
    NotifyType::INVALID_SYNTAX,
    NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD,
];

/// No nonce comes twice, but for repeats of IKE_SA_INIT.
fn judge_nonce(report: &mut Report<'_>, nonces: &mut Recent, session: &Session, message: &Message) {
    let Some((part, nonce)) = message.nonce() else { return };
    let same = |earlier: &Message| earlier.nonce().is_some_and(|(_, other)| other == nonce);
    let repeat = message.exchange() == ExchangeType::IKE_SA_INIT
        && (session.init.requests.iter().any(same) && message.is_request()
            || session.init.response.as_ref().is_some_and(same) && !message.is_request());
    if repeat {
        return;
    }
    report.applies(&[rules::NONCE_REUSED]);
    if !nonces.insert(nonce, limits::NONCES) {
        report.say(rules::NONCE_REUSED, body(part), "the nonce was used before");
    }
}

/// Judges what only fragments can get wrong.
fn judge_fragment(report: &mut Report<'_>, session: &Session, message: &Message, sealed: Sealed) {
    let Some((number, total)) = sealed.fragment else { return };
    if number > 1 {
        report.applies(&[rules::FRAGMENT_NEXT]);
    }
    if number > 1 && sealed.first != PayloadType::NONE {
        let says = format!("fragment {number} of {total} names next payload {}", sealed.first);
        report.say(rules::FRAGMENT_NEXT, sealed.body.saturating_sub(8), says);
    }
    let supported = NotifyType::IKEV2_FRAGMENTATION_SUPPORTED;
    let (Some(request), Some(response)) = (session.init.requests.last(), &session.init.response)
    else {
        return;
    };
    report.applies(&[rules::FRAGMENTS_AGREED]);
    if request.notify(supported).is_none() || response.notify(supported).is_none() {
        let says = format!("fragment {number} of {total}, and not both sides announced support");
        report.say(rules::FRAGMENTS_AGREED, message.clear.last().map(|part| part.raw.offset), says);
    }
}

/// The payloads inside, once all fragments are there.
fn put_together(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    sealed: Sealed,
    octets: Vec<u8>,
    at: usize,
) -> Option<Vec<super::Part>> {
    let response = !message.is_request();
    let Some((number, total)) = sealed.fragment else {
        return chain::judge_inner(report, sealed.first, &octets, at, response);
    };
    let (first, octets) = session.fragments.add(Fragment {
        sender: message.role,
        response,
        message_id: message.header.message_id,
        number,
        total,
        first: sealed.first,
        content: octets,
    })?;
    chain::judge_inner(report, first, &octets, 0, response)
}

/// Decrypts a message for the timeline only, such as a repetition; nothing of it is judged.
fn read_again(message: &mut Message, sealed: Option<Sealed>, keys: Option<&IkeSaKeys>) {
    let (Some(sealed), Some(keys)) = (sealed, keys) else { return };
    if sealed.fragment.is_some() {
        return;
    }
    let cipher = match message.role {
        Role::Initiator => &keys.initiator,
        Role::Responder => &keys.responder,
    };
    let octets = message.bytes.get(..sealed.end).unwrap_or(&message.bytes);
    let Ok(content) = cipher.open(octets, sealed.body) else {
        message.seal = Seal::Broken;
        return;
    };
    message.seal = Seal::Open;
    let at = sealed.body + cipher.iv_len();
    message.inner = ikeproof_proto::wire::RawPayload::decode_chain(sealed.first, &content, at)
        .ok()
        .map(chain::take);
}
