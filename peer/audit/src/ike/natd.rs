//! NAT detection (RFC 7296, section 2.23): hashes against the addresses seen, and what follows.
//!
//! A hash that does not fit proves nothing while a NAT can explain it: one between the two, or one
//! between an end and whoever observes. Behind the initiator's NAT both sources fit, and only the
//! destination in the answer does not; behind the responder's, only that in the request. So a
//! finding is only what no NAT makes: a hash over something else than the RFC says. Any other that
//! does not fit says that there is a NAT, and then the session has to move to port 4500.

use core::net::SocketAddr;

use ikeproof_proto::crypto::keys::natd_hash;
use ikeproof_proto::wire::NotifyType;
use ikeproof_proto::wire::v2::Notify;

use super::message::{Message, Part, body};
use super::session::Session;
use crate::finding::Report;
use crate::rules;

const SOURCE: NotifyType = NotifyType::NAT_DETECTION_SOURCE_IP;
const DESTINATION: NotifyType = NotifyType::NAT_DETECTION_DESTINATION_IP;

/// Judges whether both notifies are there; none of them says that NAT traversal is not supported.
pub(crate) fn judge_presence(report: &mut Report<'_>, message: &Message) {
    let source = message.notify(SOURCE).is_some();
    let destination = message.notify(DESTINATION).is_some();
    if source || destination {
        report.applies(&[rules::NATD_BOTH]);
    }
    if source != destination {
        let missing = if source { DESTINATION } else { SOURCE };
        report.say(rules::NATD_BOTH, None, format!("{missing} is missing"));
    }
}

/// Judges the hashes of the last request and of its answer, and notes whether there is a NAT.
pub(crate) fn judge(
    report: &mut Report<'_>,
    session: &mut Session,
    request: &Message,
    answer: &Message,
) {
    let (mut all, mut nat) = (true, false);
    for message in [request, answer] {
        for kind in [SOURCE, DESTINATION] {
            let verdict = verdict(message, kind);
            if verdict.is_some() {
                report.applies_to(message.frame.by, &[rules::NATD_HASH]);
            }
            match verdict {
                None => all = false,
                Some(Verdict::Fits) => {}
                Some(Verdict::Translated) => nat = true,
                Some(Verdict::Mistake(at, says)) => {
                    let says = format!("{kind} is the hash {says}");
                    report.say_about(message.frame, rules::NATD_HASH, at, says);
                    // Right or wrong, it tells the initiator to move.
                    nat |= !message.is_request();
                }
            }
        }
    }
    session.nat = all && nat;
}

/// What the hashes of one kind say.
enum Verdict {
    /// One is that of the address seen.
    Fits,
    /// None is, which a NAT explains.
    Translated,
    /// It was made in a wrong way, whatever the address.
    Mistake(usize, &'static str),
}

/// Judges the notifies of a kind; `None` if there is none of full length.
fn verdict(message: &Message, kind: NotifyType) -> Option<Verdict> {
    let (spi_i, spi_r) = (message.header.spi_i.0, message.header.spi_r.0);
    let (own, other) =
        if kind == SOURCE { (message.src, message.dst) } else { (message.dst, message.src) };
    let hash =
        |spi_i, spi_r, address: SocketAddr| natd_hash(spi_i, spi_r, address.ip(), address.port());
    let right = hash(spi_i, spi_r, own);
    let all: Vec<(&Part, &Notify)> = message
        .notifies()
        .filter(|(_, notify)| notify.kind == kind && notify.data.len() == right.len())
        .collect();
    let (first, _) = all.first()?;
    let is = |hash: &[u8]| all.iter().any(|(_, notify)| notify.data == hash);
    if is(&right) {
        return Some(Verdict::Fits);
    }
    // No NAT translates an address into that of the other end.
    let mistakes = [
        (hash(spi_i, spi_r, other), "of the other end's address"),
        (hash(spi_i, [0; 8], own), "without the responder's SPI"),
        (hash(spi_r, spi_i, own), "with the responder's SPI in front"),
    ];
    let mistake = mistakes.into_iter().find(|(wrong, _)| is(wrong));
    Some(match mistake {
        Some((_, says)) => Verdict::Mistake(body(first) + 4, says),
        None => Verdict::Translated,
    })
}

/// Judges whether the initiator moves to port 4500 behind a NAT. Ports can have
/// other numbers in a laboratory, so which one it is has to be said by who observes.
pub(crate) fn judge_port(report: &mut Report<'_>, session: &Session, message: &Message) {
    if !session.nat || !message.is_request() {
        return;
    }
    report.applies(&[rules::NATD_TUNNELS]);
    if !message.marker {
        report.say(
            rules::NATD_TUNNELS,
            None,
            format!(
                "there is a NAT, and {} still goes to port {}",
                message.exchange(),
                message.dst.port()
            ),
        );
    }
}
