//! IKE_SA_INIT: repeats for a cookie or another group, the responder's SPI, and the chosen suite
//! (RFC 7296, sections 1.2, 2.1, 2.2, 2.6 and 2.10).

use ikeproof_proto::crypto::Provider;
use ikeproof_proto::wire::v2::{Notify, Payload};
use ikeproof_proto::wire::{GroupId, NotifyType, PayloadType};

use super::message::{Message, Part, body};
use super::session::Session;
use super::{answer, natd, notify, presence, proposals, values, window};
use crate::finding::Report;
use crate::limits;
use crate::rules;

/// Judges a message of IKE_SA_INIT that is not a mere repetition.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    provider: &dyn Provider,
) {
    report.applies(&[rules::FIRST_ID]);
    if message.header.message_id != 0 {
        let says = format!("IKE_SA_INIT with Message ID {}", message.header.message_id);
        report.say(rules::FIRST_ID, 20, says);
    }
    presence::judge(report, session, message);
    proposals::judge(report, message);
    notify::judge(report, message);
    values::judge(report, session, message, provider);
    natd::judge_presence(report, message);
    if message.is_request() {
        window::remember_path(&mut session.init.paths, message);
        judge_request(report, session, message);
    } else {
        window::judge_path(report, &session.init.paths, message);
        judge_response(report, session, message);
    }
}

/// Whether a message repeats an earlier one, octet by octet.
pub(crate) fn repeats(report: &mut Report<'_>, session: &mut Session, message: &Message) -> bool {
    let init = &mut session.init;
    if !message.is_request() {
        let same = |earlier: &Message| earlier.bytes == message.bytes;
        let repeated = init.response.as_ref().is_some_and(same);
        if repeated {
            report.applies(&[rules::INIT_MATCHED]);
        }
        return repeated;
    }
    let repeated = init.requests.iter().any(|earlier| earlier.bytes == message.bytes);
    if repeated {
        report.applies(&[rules::REQUEST_IDENTICAL]);
        window::remember_path(&mut init.paths, message);
    }
    repeated
}

fn judge_request(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    let init = &mut session.init;
    if init.cookie_due || message.notify(NotifyType::COOKIE).is_some() {
        report.applies(&[rules::COOKIE_ECHO]);
    }
    if let Some(earlier) = init.requests.last() {
        if !init.answered {
            report.applies(&[rules::REQUEST_IDENTICAL]);
            let at = earlier.bytes.iter().zip(&message.bytes).position(|(one, two)| one != two);
            report.say(
                rules::REQUEST_IDENTICAL,
                at,
                format!("the request differs from datagram {}, unasked", earlier.frame.number),
            );
        } else if init.cookie_due {
            judge_cookie(report, &init.cookies, earlier, message);
        }
        if let Some(wanted) = init.wanted {
            judge_group(report, wanted, earlier, message);
        }
    }
    init.answered = false;
    init.cookie_due = false;
    init.wanted = None;
    if init.requests.len() >= limits::INIT_REQUESTS {
        init.requests.remove(0);
    }
    init.requests.push(message.clone());
    session.window(message.role).next = Some(1);
}

fn judge_cookie(
    report: &mut Report<'_>,
    cookies: &[Vec<u8>],
    earlier: &Message,
    message: &Message,
) {
    match message.notify(NotifyType::COOKIE) {
        Some((_, notify)) if cookies.contains(&notify.data) => {}
        Some((part, _)) => {
            report.say(rules::COOKIE_ECHO, body(part) + 4, "the cookie is not the one demanded");
        }
        None => report.say(rules::COOKIE_ECHO, None, "the demanded cookie is missing"),
    }
    let rest = |message: &Message| -> Vec<Part> {
        message.parts().filter(|part| !is_cookie(part)).cloned().collect()
    };
    let (before, now) = (rest(earlier), rest(message));
    report.applies(&[rules::COOKIE_REST]);
    let same =
        |(one, two): (&Part, &Part)| one.raw.kind == two.raw.kind && one.raw.body == two.raw.body;
    if before.len() != now.len() {
        let says = format!("{} other payloads, before there were {}", now.len(), before.len());
        report.say(rules::COOKIE_REST, None, says);
    } else if let Some((_, part)) = before.iter().zip(&now).find(|(one, two)| !same((one, two))) {
        let says = format!("payload {} is not the one sent before the cookie", part.raw.kind);
        report.say(rules::COOKIE_REST, part.raw.offset, says);
    }
}

fn is_cookie(part: &Part) -> bool {
    matches!(&part.typed, Payload::Notify(Notify { kind: NotifyType::COOKIE, .. }))
}

fn judge_group(report: &mut Report<'_>, wanted: GroupId, earlier: &Message, message: &Message) {
    if let Some((part, ke)) = message.ke() {
        report.applies(&[rules::INVALID_KE_RETRY]);
        if ke.group != wanted {
            let says = format!("KE of {}, the responder asks for {wanted}", ke.group);
            report.say(rules::INVALID_KE_RETRY, body(part), says);
        }
    }
    if let (Some((_, before)), Some((part, now))) = (earlier.sa(), message.sa()) {
        report.applies(&[rules::INVALID_KE_SUITES]);
        if let Some(says) = proposals::difference(before, now) {
            report.say(rules::INVALID_KE_SUITES, body(part), says);
        }
    }
}

fn judge_response(report: &mut Report<'_>, session: &mut Session, message: &Message) {
    let init = &mut session.init;
    init.answered = true;
    let spi_r = message.header.spi_r;
    if !message.has(PayloadType::SA) {
        note_refusal(session, message);
        report.applies(&[rules::SPI_R_REFUSAL]);
        if !spi_r.is_zero() {
            let says = format!("the responder's SPI of an answer without SA is {spi_r}");
            report.say(rules::SPI_R_REFUSAL, 8, says);
        }
        return;
    }
    report.applies(&[rules::SPI_R_CHOSEN]);
    if spi_r.is_zero() {
        let says = "the responder's SPI of an answer with SA is zero";
        report.say(rules::SPI_R_CHOSEN, 8, says);
    }
    if session.init.response.is_some() {
        let says = "a second answer with an SA to one IKE_SA_INIT request";
        report.applies(&[rules::INIT_MATCHED]);
        report.say(rules::INIT_MATCHED, None, says);
        return;
    }
    session.spi_r = spi_r;
    session.chosen = message.sa().and_then(|(_, sa)| sa.proposals.first()).cloned();
    let Some(request) = session.init.requests.last().cloned() else { return };
    answer::judge(report, session, &request, message);
    values::judge_nonce(report, session, &request);
    values::judge_nonce(report, session, message);
    natd::judge(report, session, &request, message);
    let fragmentation = NotifyType::IKEV2_FRAGMENTATION_SUPPORTED;
    let (asked, told) = (request.notify(fragmentation), message.notify(fragmentation));
    if asked.is_none() || told.is_some() {
        report.applies(&[rules::FRAGMENTATION_ECHO]);
    }
    if let (Some((part, _)), None) = (told, asked) {
        report.say(rules::FRAGMENTATION_ECHO, body(part), "the request does not announce it");
    }
    let ppk = NotifyType::USE_PPK;
    session.auth_extended = message.notify(ppk).is_some() && request.notify(ppk).is_some();
    session.init.response = Some(message.clone());
}

fn note_refusal(session: &mut Session, message: &Message) {
    let init = &mut session.init;
    for (_, notify) in message.notifies() {
        match (notify.kind, notify.data.as_slice()) {
            (NotifyType::COOKIE, cookie) => {
                init.cookie_due = true;
                if init.cookies.len() >= limits::INIT_REQUESTS {
                    init.cookies.remove(0);
                }
                init.cookies.push(cookie.to_vec());
            }
            (NotifyType::INVALID_KE_PAYLOAD, &[high, low]) => {
                init.wanted = Some(GroupId(u16::from_be_bytes([high, low])));
            }
            _ => {}
        }
    }
}
