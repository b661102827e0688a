//! Message IDs, windows, repetitions, and where answers go (RFC 7296, sections 2.1 to 2.3, 2.11).
//!
//! Each side numbers its own requests. A repetition is known by its octets; the network may repeat
//! or reorder datagrams, so only octets that differ under one number, and numbers that no order of
//! honest datagrams can give, are findings.

use core::net::SocketAddr;
use std::collections::BTreeMap;

use ikeproof_proto::wire::v2::presence::Role;
use ikeproof_proto::wire::{ExchangeType, NotifyType, PayloadType};

use super::message::Message;
use super::session::{Digest, Session, other};
use crate::finding::Report;
use crate::limits;
use crate::observed::Frame;
use crate::rules;

/// Which part of a message a datagram is: (0, 0) if it is whole.
pub(crate) type PartOf = (u16, u16);

/// The requests of one side of an IKE SA.
#[derive(Debug, Default)]
pub(crate) struct Window {
    pub(crate) exchanges: BTreeMap<u32, Exchange>,
    /// The number of the next new request, once known.
    pub(crate) next: Option<u32>,
    /// How many requests the other side allows at once, if it said so.
    pub(crate) announced: Option<u32>,
    /// Numbers were moved by RFC 6311.
    pub(crate) synchronised: bool,
}

/// A request and its answer.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) kind: ExchangeType,
    pub(crate) frame: Frame,
    /// The request, once it is there in full and could be read.
    pub(crate) request: Option<Message>,
    /// How often it was sent, or its first fragment.
    pub(crate) sent: u32,
    paths: Vec<(SocketAddr, SocketAddr)>,
    request_parts: BTreeMap<PartOf, Digest>,
    answer_parts: BTreeMap<PartOf, Digest>,
    pub(crate) answered: bool,
    /// What request and answer say was judged.
    read: [bool; 2],
    /// The other side has sent something since.
    pub(crate) alive: bool,
    reported: bool,
}

/// What a datagram is to its exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It is new.
    New,
    /// It repeats an earlier one, octet by octet.
    Repeated,
    /// It belongs to nothing, or contradicts an earlier one.
    Useless,
}

impl Exchange {
    fn new(kind: ExchangeType, frame: Frame) -> Self {
        Self {
            kind,
            frame,
            request: None,
            sent: 0,
            paths: Vec::new(),
            request_parts: BTreeMap::new(),
            answer_parts: BTreeMap::new(),
            answered: false,
            read: [false; 2],
            alive: false,
            reported: false,
        }
    }
}

/// Whether a datagram repeats an earlier one of its session; asked before anything else is judged.
pub(crate) fn repeats(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: PartOf,
    digest: &Digest,
) -> bool {
    let request = message.is_request();
    let role = if request { message.role } else { other(message.role) };
    let Some(exchange) = session.window(role).exchanges.get_mut(&message.header.message_id) else {
        return false;
    };
    if request && exchange.request_parts.get(&part) == Some(digest) {
        report.applies(&[rules::REQUEST_IDENTICAL]);
        if part.0 <= 1 {
            exchange.sent = exchange.sent.saturating_add(1);
        }
        remember_path(&mut exchange.paths, message);
        return true;
    }
    let repeated = !request && exchange.answer_parts.get(&part) == Some(digest);
    if repeated {
        report.applies(&[rules::RESPONSE_IDENTICAL]);
    }
    repeated
}

/// Whether what a message says comes for the first time. One that was sent whole, or in large
/// fragments, may be sent again in smaller ones, and says the same (RFC 7383, section 2.5.2).
pub(crate) fn is_first_reading(session: &mut Session, message: &Message) -> bool {
    let request = message.is_request();
    let role = if request { message.role } else { other(message.role) };
    let Some(exchange) = session.window(role).exchanges.get_mut(&message.header.message_id) else {
        return true;
    };
    let [asked, answered] = &mut exchange.read;
    !core::mem::replace(if request { asked } else { answered }, true)
}

/// Judges the number of a message that is authentic, or in clear.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: PartOf,
    digest: Digest,
) -> Turn {
    note_life(session, message.role);
    if message.is_request() {
        judge_request(report, session, message, part, digest)
    } else {
        judge_response(report, session, message, part, digest)
    }
}

/// The sender is there, which counts for the requests that it has not answered.
fn note_life(session: &mut Session, sender: Role) {
    for exchange in session.window(other(sender)).exchanges.values_mut() {
        exchange.alive = true;
    }
}

fn judge_request(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: PartOf,
    digest: Digest,
) -> Turn {
    let id = message.header.message_id;
    let (authenticated, complete, rekeyed) =
        (session.authenticated, session.complete, session.rekeyed);
    let window = session.window(message.role);
    if window.next.is_none() && !complete {
        window.next = Some(id);
    }
    if let Some(exchange) = window.exchanges.get_mut(&id) {
        return repeat_or_part(report, exchange, message, part, digest);
    }
    let next = window.next.unwrap_or(0);
    let size = window.announced.unwrap_or(1);
    let is_forgotten = window.exchanges.len() >= limits::EXCHANGES
        && window.exchanges.first_key_value().is_some_and(|(oldest, _)| id < *oldest);
    if id < next && (is_forgotten || size == 1) && !window.synchronised {
        // So old that its exchange is forgotten: nothing can be said.
        return Turn::Useless;
    }
    if !window.synchronised {
        let rule = if rekeyed && next == 0 { rules::REKEYED_ID } else { rules::ID_INCREMENTS };
        if size == 1 {
            report.applies(&[rule]);
        }
        if id > next && size == 1 {
            report.say(
                rule,
                20,
                format!("the request has Message ID {id}, the next one is {next}"),
            );
        }
        judge_outstanding(report, window, id, size, authenticated);
    }
    window.next = Some(next.max(id.saturating_add(1)));
    let mut exchange = Exchange::new(message.exchange(), report.frame());
    exchange.sent = 1;
    exchange.request_parts.insert(part, digest);
    remember_path(&mut exchange.paths, message);
    window.exchanges.insert(id, exchange);
    while window.exchanges.len() > limits::EXCHANGES {
        window.exchanges.pop_first();
    }
    Turn::New
}

fn judge_outstanding(
    report: &mut Report<'_>,
    window: &mut Window,
    id: u32,
    size: u32,
    authenticated: bool,
) {
    let announced = window.announced.is_some();
    let rule = match (authenticated, announced) {
        (false, _) => rules::WINDOW_INIT,
        (true, true) => rules::WINDOW_ANNOUNCED,
        (true, false) => rules::WINDOW_ONE,
    };
    if window.exchanges.range(..id).next().is_some() {
        report.applies(&[rule]);
    }
    let open: Vec<&mut Exchange> = window
        .exchanges
        .range_mut(..id)
        .map(|(_, exchange)| exchange)
        .filter(|exchange| !exchange.answered && !exchange.reported)
        .collect();
    let count = u32::try_from(open.len()).unwrap_or(u32::MAX);
    if count < size {
        return;
    }
    report.say(
        rule,
        20,
        format!("request {id} is sent while {count} are not answered and {size} may be"),
    );
    for exchange in open {
        exchange.reported = true;
    }
}

/// A datagram under a number that is in use: a repetition, another fragment, or neither.
fn repeat_or_part(
    report: &mut Report<'_>,
    exchange: &mut Exchange,
    message: &Message,
    part: PartOf,
    digest: Digest,
) -> Turn {
    remember_path(&mut exchange.paths, message);
    let known = exchange.request_parts.contains_key(&part);
    if known || exchange.kind != message.exchange() {
        report.applies(&[rules::REQUEST_IDENTICAL]);
    }
    match exchange.request_parts.get(&part) {
        Some(earlier) if *earlier == digest => return Turn::Repeated,
        Some(_) => {
            report.say(
                rules::REQUEST_IDENTICAL,
                first_difference(exchange.request.as_ref(), message),
                format!(
                    "request {} differs from the one in datagram {}",
                    message.header.message_id, exchange.frame.number
                ),
            );
            return Turn::Useless;
        }
        None => {}
    }
    if exchange.kind != message.exchange() {
        report.say(
            rules::REQUEST_IDENTICAL,
            18,
            format!("request {} was {} before", message.header.message_id, exchange.kind),
        );
        return Turn::Useless;
    }
    if exchange.request_parts.len() < limits::FRAGMENTS {
        exchange.request_parts.insert(part, digest);
    }
    Turn::New
}

fn judge_response(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    part: PartOf,
    digest: Digest,
) -> Turn {
    let id = message.header.message_id;
    let complete = session.complete;
    let window = session.window(other(message.role));
    let old = window.next.is_some_and(|next| id < next) || window.synchronised;
    let known = window.exchanges.contains_key(&id);
    if known || complete && !old {
        report.applies(&[rules::RESPONSE_ID]);
    }
    let Some(exchange) = window.exchanges.get_mut(&id) else {
        if complete && !old {
            report.say(
                rules::RESPONSE_ID,
                20,
                format!("a response with Message ID {id}, which no request has"),
            );
        }
        return Turn::Useless;
    };
    judge_path(report, &exchange.paths, message);
    report.applies(&[rules::RESPONSE_EXCHANGE]);
    if exchange.kind != message.exchange() {
        report.say(
            rules::RESPONSE_EXCHANGE,
            18,
            format!("the response is {}, request {id} is {}", message.exchange(), exchange.kind),
        );
    }
    match exchange.answer_parts.get(&part) {
        Some(earlier) if *earlier == digest => return Turn::Repeated,
        Some(_) => {
            report.applies(&[rules::RESPONSE_IDENTICAL]);
            report.say(
                rules::RESPONSE_IDENTICAL,
                None,
                format!("the response to request {id} differs from the one before"),
            );
            return Turn::Useless;
        }
        None => {}
    }
    exchange.answered = true;
    if exchange.answer_parts.len() < limits::FRAGMENTS {
        exchange.answer_parts.insert(part, digest);
    }
    Turn::New
}

/// Judges whether an answer goes from where the request went to where it came from.
pub(crate) fn judge_path(
    report: &mut Report<'_>,
    paths: &[(SocketAddr, SocketAddr)],
    message: &Message,
) {
    if !paths.is_empty() {
        report.applies(&[rules::REPLY_TO, rules::REPLY_FROM]);
    }
    if paths.is_empty() || paths.contains(&(message.dst, message.src)) {
        return;
    }
    if let Some((src, _)) = paths.last()
        && !paths.iter().any(|(src, _)| *src == message.dst)
    {
        report.say(
            rules::REPLY_TO,
            None,
            format!("the response goes to {}, the request came from {src}", message.dst),
        );
    }
    if let Some((_, dst)) = paths.last()
        && !paths.iter().any(|(_, dst)| *dst == message.src)
    {
        report.say(
            rules::REPLY_FROM,
            None,
            format!("the response comes from {}, the request went to {dst}", message.src),
        );
    }
}

pub(crate) fn remember_path(paths: &mut Vec<(SocketAddr, SocketAddr)>, message: &Message) {
    let path = (message.src, message.dst);
    if !paths.contains(&path) {
        if paths.len() >= limits::PATHS {
            paths.remove(0);
        }
        paths.push(path);
    }
}

/// Takes what a message says about windows, for the requests of the side that receives it.
pub(crate) fn note_announcements(session: &mut Session, message: &Message) {
    for (_, notify) in message.notifies() {
        match (notify.kind, notify.data.as_slice()) {
            (NotifyType::SET_WINDOW_SIZE, &[a, b, c, d]) => {
                let size = u32::from_be_bytes([a, b, c, d]).max(1);
                session.window(other(message.role)).announced = Some(size);
            }
            (NotifyType::IKEV2_MESSAGE_ID_SYNC, _) => {
                for window in &mut session.windows {
                    window.synchronised = true;
                }
            }
            _ => {}
        }
    }
}

/// The first octet in which two messages differ; none is named in what is encrypted anew.
fn first_difference(earlier: Option<&Message>, message: &Message) -> Option<usize> {
    let earlier = earlier?;
    let encrypted = message.clear.iter().any(|part| part.raw.kind == PayloadType::SK);
    let at = earlier.bytes.iter().zip(&message.bytes).position(|(one, two)| one != two)?;
    (!encrypted || at < 28).then_some(at)
}
