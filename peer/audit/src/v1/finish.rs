//! What only the end can show: questions that were never answered (RFC 3706, section 5.2;
//! draft-ietf-ipsec-isakmp-mode-cfg, section 2). As with IKEv2, silence counts only if the question was
//! repeated more often than the network loses datagrams in a row, while the other side went on sending.

use ikeproof_proto::wire::{CfgType, ExchangeType};

use super::dpd;
use super::session::Sessions;
use crate::finding::{Report, Sink};
use crate::observed::Frame;
use crate::rules;

/// How often an honest question is sent at least before its silence counts.
const ENOUGH: u32 = 4;

/// Judges the questions without answer of all sessions; each once.
pub(crate) fn judge(sessions: &mut Sessions, sink: &mut Sink) {
    for session in sessions.iter_mut() {
        for (asked, by_initiator) in session.probes.iter().zip([true, false]) {
            let Some((frame, count)) = asked.open.filter(|(_, count)| *count >= ENOUGH) else {
                continue;
            };
            if asked.alive && dpd::announced(session, !by_initiator) {
                // The one who did not answer is blamed, at the question.
                let frame = Frame { by: frame.by.other(), ..frame };
                let says = format!("R-U-THERE, sent {count} times, is not answered");
                let report = &mut Report::new(frame, sink);
                report.applies(&[rules::DPD_ANSWERED]);
                report.say(rules::DPD_ANSWERED, None, says);
            }
        }
        for exchange in session.later.values_mut() {
            let [request, answers @ ..] = exchange.messages.as_slice() else { continue };
            let asks = exchange.kind == Some(ExchangeType::TRANSACTION)
                && request.attributes().is_some_and(|(_, it)| it.kind == CfgType::REQUEST);
            let silent = answers.is_empty() && exchange.alive && exchange.sent >= ENOUGH;
            let frame = Frame { by: request.frame.by.other(), ..request.frame };
            let report = &mut Report::new(frame, sink);
            if asks && (silent || !answers.is_empty()) {
                report.applies(&[rules::CFG_ANSWERED]);
            }
            if asks && silent {
                let says = format!("a request, sent {} times, is not answered", exchange.sent);
                report.say(rules::CFG_ANSWERED, None, says);
                exchange.sent = 0;
            }
        }
    }
}
