//! What a node's events say, in words: log lines, and why an initiation failed.

use ikeproof_driver::node::Log;
use ikeproof_proto::{
    event::{CloseReason, Event, Side},
    io::IkeHandle,
    time::Time,
};

use crate::peer::{IkeSa, Initiated};

/// The log as text: one line for each event, with the seconds since the start.
pub(super) fn log(log: &Log) -> String {
    let mut lines: Vec<(Time, String)> = Vec::new();
    for (at, event) in &log.events {
        // An event is plain data; should it ever not be, the text says why.
        let text = serde_json::to_string(event).unwrap_or_else(|error| error.to_string());
        lines.push((*at, text));
    }
    lines.extend(log.send_errors.iter().map(|(at, error)| (*at, format!("cannot send: {error}"))));
    lines.sort_by_key(|(at, _)| *at);
    let lines =
        lines.iter().map(|(at, text)| format!("{:>12.6} {text}\n", at.since_start().as_secs_f64()));
    lines.collect()
}

/// One line for an IKE SA, for comparing states.
pub(super) fn sa_line(sa: &IkeSa) -> String {
    format!("{} {} {}", sa.connection, sa.unique_id, sa.state)
}

/// What has come of an initiation so far: `None` while it is under way.
pub(super) fn outcome<'a>(
    ike: IkeHandle,
    events: impl Iterator<Item = &'a Event>,
) -> Option<Initiated> {
    let mut words: Vec<String> = Vec::new();
    for event in events {
        match event {
            Event::ChildEstablished(child) if child.ike == ike => return Some(Initiated::Up),
            Event::ChildRefused { ike: of, by, notify, detail } if *of == ike => {
                let who = match by {
                    Side::Local => "this side",
                    Side::Peer => "the peer",
                };
                let with = notify.map(|notify| format!(" with {notify}")).unwrap_or_default();
                words.push(format!("{who} refused the child SA{with}: {detail}"));
                return Some(Initiated::Failed(words.join("; ")));
            }
            Event::PeerRefused { ike: of, exchange, notify, .. } if *of == ike => {
                words.push(format!("the peer answered {exchange} with {notify}"));
            }
            Event::AuthenticationFailed { ike: of, id, .. } if *of == ike => {
                words.push(format!("the peer is not {id}, or has another preshared key"));
            }
            Event::PeerViolation { ike: Some(of), message, .. } if *of == ike => {
                words.push(message.clone());
            }
            Event::IkeClosed { ike: of, reason, .. } if *of == ike => {
                words.push(format!("the IKE SA was closed: {}", spelled(*reason)));
                return Some(Initiated::Failed(words.join("; ")));
            }
            _ => {}
        }
    }
    None
}

fn spelled(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::DeletedByPeer => "deleted by the peer",
        CloseReason::DeletedByUs => "deleted by this side",
        CloseReason::DeadPeer => "the peer does not answer",
        CloseReason::HalfOpenTimeout => "half open for too long",
        CloseReason::AuthenticationFailed => "authentication failed",
        CloseReason::Refused => "refused by the peer",
        CloseReason::ProtocolError => "protocol error",
        CloseReason::Expired => "its time is over",
        CloseReason::SequenceExhausted => "sequence numbers are used up",
        CloseReason::InitialContact => "the peer has only a newer one",
        CloseReason::Forgotten => "forgotten on purpose",
    }
}

#[cfg(test)]
mod tests {
    use ikeproof_proto::wire::{ExchangeType, NotifyType};

    use super::*;

    #[test]
    fn a_refusal_is_told_in_the_peers_own_words() {
        let ike = IkeHandle(1);
        let refused = Event::PeerRefused {
            ike,
            exchange: ExchangeType::IKE_AUTH,
            notify: NotifyType::AUTHENTICATION_FAILED.into(),
            tentative: false,
        };
        assert_eq!(outcome(ike, [&refused].into_iter()), None);
        let closed = Event::IkeClosed {
            ike,
            spi_i: ikeproof_proto::wire::IkeSpi::ZERO,
            spi_r: ikeproof_proto::wire::IkeSpi::ZERO,
            reason: CloseReason::AuthenticationFailed,
            established: false,
        };
        let Some(Initiated::Failed(why)) = outcome(ike, [&refused, &closed].into_iter()) else {
            panic!("it failed");
        };
        assert!(why.contains("IKE_AUTH with AUTHENTICATION_FAILED"), "{why}");
        assert!(why.ends_with("authentication failed"), "{why}");
        assert_eq!(outcome(IkeHandle(2), [&closed].into_iter()), None);
    }
}
