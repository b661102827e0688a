//! What only the end can show: requests that were never answered (RFC 7296, sections 1.4 and 2.1).
//!
//! The last requests of a session may go unanswered because nobody watches any more, and a peer may
//! be dead or out of reach. So a request counts only if it was repeated more often than the network
//! loses datagrams in a row, while the other side went on sending.

use ikeproof_proto::wire::ExchangeType;

use super::session::Sessions;
use crate::finding::{Report, Sink};
use crate::observed::Frame;
use crate::rules;

/// How often an honest request is sent at least before its silence counts.
const ENOUGH: u32 = 4;

/// Judges the requests without answer of all sessions; each once.
pub(crate) fn judge(sessions: &mut Sessions, sink: &mut Sink) {
    for session in sessions.iter_mut().filter(|session| session.complete) {
        for window in &mut session.windows {
            for (id, exchange) in &mut window.exchanges {
                let silent = !exchange.answered
                    && exchange.alive
                    && exchange.sent >= ENOUGH
                    && exchange.request.is_some();
                // The one who did not answer is blamed, at the request.
                let frame = Frame { by: exchange.frame.by.other(), ..exchange.frame };
                let report = &mut Report::new(frame, sink);
                let rule = if exchange.kind == ExchangeType::INFORMATIONAL {
                    rules::INFO_ANSWERED
                } else {
                    rules::REQUEST_ANSWERED
                };
                if silent || exchange.answered {
                    report.applies(&[rule]);
                }
                if !silent {
                    continue;
                }
                let says = format!("{} request {id}, sent {} times", exchange.kind, exchange.sent);
                report.say(rule, None, format!("{says}, is not answered"));
                exchange.request = None;
            }
        }
    }
}
