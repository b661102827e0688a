//! NAT detection (RFC 7296, section 2.23): hashes against the addresses seen, and what follows.
//!
//! A hash that does not fit proves nothing while a NAT can explain it. If both sides name the
//! very source that was seen, there is no NAT between them, and then every hash has to fit. If a
//! hash does not fit otherwise, there is a NAT, and the session has to move to port 4500.

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
    let seen = [
        fits(request, SOURCE, request.src),
        fits(request, DESTINATION, request.dst),
        fits(answer, SOURCE, answer.src),
        fits(answer, DESTINATION, answer.dst),
    ];
    let [
        Some(request_source),
        Some(request_destination),
        Some(answer_source),
        Some(answer_destination),
    ] = seen
    else {
        return;
    };
    if request_source.fits && answer_source.fits {
        for (message, verdict, address) in
            [(request, request_destination, request.dst), (answer, answer_destination, answer.dst)]
        {
            if !verdict.fits {
                report.say_about(
                    message.frame,
                    rules::NATD_HASH,
                    verdict.at,
                    format!("{DESTINATION} does not fit {address}, and there is no NAT"),
                );
            }
        }
        return;
    }
    session.nat = true;
}

struct Verdict {
    fits: bool,
    at: usize,
}

/// Whether one of the notifies of a kind fits an address; `None` if there is none of full length.
fn fits(message: &Message, kind: NotifyType, address: SocketAddr) -> Option<Verdict> {
    let header = &message.header;
    let hash = natd_hash(header.spi_i.0, header.spi_r.0, address.ip(), address.port());
    let all: Vec<(&Part, &Notify)> = message
        .notifies()
        .filter(|(_, notify)| notify.kind == kind && notify.data.len() == hash.len())
        .collect();
    let (first, _) = all.first()?;
    let at = body(first) + 4;
    Some(Verdict { fits: all.iter().any(|(_, notify)| notify.data == hash), at })
}

/// Judges whether the initiator moves to port 4500 behind a NAT. Ports can have
/// other numbers in a laboratory, so which one it is has to be said by who observes.
pub(crate) fn judge_port(report: &mut Report<'_>, session: &Session, message: &Message) {
    if session.nat && message.is_request() && !message.marker {
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
