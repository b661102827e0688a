//! Events for people: what was proposed, what was refused, by which rule, and what to change.
//!
//! The first line of an event begins with the time and the peer's address; further lines are indented.

use std::fmt::Write as _;

use ikeproof_proto::event::CloseReason;
use jiff::tz::TimeZone;

use super::shown::{ChildUp, Entry, IkeUp, Listening, Peer, ProposalRefused, Shown};

/// The lines of an entry, each with its line break.
pub fn lines(entry: &Entry<'_>) -> String {
    let clock = entry.at.to_zoned_datetime(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string();
    let (who, mut said) = said(entry.shown);
    if let Some(change) = change(entry.shown) {
        let _ = write!(said, "\n{INDENT}change: {change}");
    }
    format!("{clock} {who}  {said}\n")
}

/// Who it is about, and what is said.
fn said(shown: &Shown) -> (String, String) {
    let edge = || "edge".to_owned();
    match shown {
        Shown::Listening(it) => (edge(), listening(it)),
        Shown::IkeHalfOpen { peer, .. } => (name(peer), format!("{} begins", peer.ike)),
        Shown::CookieDemanded { remote } => (remote.to_string(), "cookie demanded".to_owned()),
        Shown::CookieAccepted { remote } => {
            (remote.to_string(), "came back with the cookie".to_owned())
        }
        Shown::InitRepeated { peer, because } => {
            (name(peer), format!("IKE_SA_INIT is sent anew: {because}"))
        }
        Shown::GroupRefused { remote, offered, wanted, answer } => {
            (remote.to_string(), other_group(offered, wanted, answer.as_deref()))
        }
        Shown::ProposalRefused(it) => (it.remote.to_string(), refusal(it)),
        Shown::IdentityRefused { peer, id, rule, says, .. } => {
            (name(peer), format!("REFUSED: the identity {id}\n{INDENT}{says} [{rule}]"))
        }
        Shown::AuthenticationFailed { peer, id, .. } => {
            (name(peer), format!("REFUSED: {id} is known, but does not know its secret"))
        }
        Shown::IkeEstablished(it) => (name(&it.peer), ike_up(it)),
        Shown::ChildEstablished(it) => (name(&it.peer), child_up(it)),
        Shown::ChildRefused { peer, by, notify, detail } => {
            let with = notify.as_ref().map(|notify| format!(" with {notify}")).unwrap_or_default();
            (name(peer), format!("Child SA REFUSED by the {by}{with}\n{INDENT}{detail}"))
        }
        Shown::PeerRefused { peer, exchange, notify, tentative } => {
            let but =
                if *tentative { "; anybody can have sent that, so it is asked again" } else { "" };
            (name(peer), format!("answers {exchange} with {notify}{but}"))
        }
        Shown::XauthAsked { peer, of, attempt } => {
            (name(peer), format!("user of the {of} is asked to log in (attempt {attempt})"))
        }
        Shown::XauthSucceeded { peer, user, .. } => (name(peer), format!("{user} has logged in")),
        Shown::XauthFailed { peer, user, why, last, .. } => {
            let user = user.as_deref().unwrap_or("nobody");
            let then = if *last { "; that was the last attempt" } else { "" };
            (name(peer), format!("LOGIN REFUSED: {user}\n{INDENT}{why}{then}"))
        }
        Shown::AddressAssigned { peer, to, address, pushed } => {
            let how = if *pushed { "pushed" } else { "asked for" };
            (name(peer), format!("the {to} has the inner address {address}, {how}"))
        }
        Shown::ChildrenAdopted { peer, from } => {
            (name(peer), format!("has authenticated anew; what IKE SA {from} had goes on"))
        }
        Shown::InitialContact { peer } => (name(peer), "has no other SA with us".to_owned()),
        Shown::PeerMoved { peer, from, to } => (name(peer), format!("moved from {from} to {to}")),
        Shown::Retransmitted { peer, exchange, message_id, response, attempt } => {
            let what = if *response { "answer" } else { "request" };
            (name(peer), format!("{exchange} {what} {message_id} sent again ({attempt})"))
        }
        Shown::ProbeSent { peer } => (name(peer), "is asked for a sign of life".to_owned()),
        Shown::ProbeNotSent { peer, why } => {
            (name(peer), format!("is not asked for a sign of life: {why}"))
        }
        Shown::ProbeAnswered { peer } => (name(peer), "is alive".to_owned()),
        Shown::FaultApplied { exchange, response, message_id } => {
            let half = if *response { "response" } else { "request" };
            (String::new(), format!("{exchange} {half} {message_id} deviates on purpose"))
        }
        Shown::KeepaliveReceived { remote } => (remote.to_string(), "NAT keepalive".to_owned()),
        Shown::ChildClosed { peer, spi_in, spi_out, reason } => {
            (name(peer), format!("Child SA in {spi_in} out {spi_out} ended: {}", ended(*reason)))
        }
        Shown::Closed { peer, reason, established, .. } => {
            let what = if *established { "IKE SA" } else { "half-open IKE SA" };
            (name(peer), format!("{what} {} ended: {}", peer.ike, ended(*reason)))
        }
        Shown::PeerViolation { remote, requirement, message, .. } => {
            (remote.to_string(), format!("VIOLATION of {requirement}: {message}"))
        }
        Shown::PacketDropped { remote, octets, detail, .. } => {
            (remote.to_string(), format!("{octets} octets dropped: {detail}"))
        }
        Shown::InvalidSpiTold { remote, spi, .. } => {
            (remote.to_string(), format!("told that SPI {spi} is invalid"))
        }
        Shown::InvalidSpiHeard { peer, from, spi } => {
            (name(peer), format!("{from} says that SPI {spi} is invalid there, so it is probed"))
        }
        Shown::OverMtu { peer, octets, mtu } => {
            (name(peer), format!("an inner packet of {octets} octets, where the MTU is {mtu}"))
        }
        Shown::TrafficDropped { spi, reason } => {
            (edge(), format!("packet dropped, SPI {spi}: {reason}"))
        }
        Shown::NotStarted { connection, why } => {
            (edge(), format!("connection {connection} not started: {why}"))
        }
        Shown::DataPlaneRefused { reason } => {
            (edge(), format!("the data plane refused a command: {reason}"))
        }
        Shown::PingAnswered { peer, from, to, octets } => {
            (name(peer), format!("ping of {octets} octets from {from} to {to} answered"))
        }
        Shown::TcpAccepted { peer, from, to, mss } => {
            let mss = mss.map_or_else(String::new, |mss| format!(", MSS {mss}"));
            (name(peer), format!("TCP from {from} to {to}{mss}"))
        }
        Shown::NobodyThere { peer, destination, .. } => {
            (name(peer), format!("packet for {destination}, which nobody here has"))
        }
        Shown::SendFailed { detail } => (edge(), format!("cannot send: {detail}")),
        Shown::KeysNotForWireshark { detail } => (edge(), detail.clone()),
        Shown::EventsLost { count } => {
            (edge(), format!("{count} events came faster than they were read, and are lost"))
        }
        Shown::ShuttingDown { because } => (edge(), format!("{because}: deleting all SAs")),
        Shown::Stopped { open: 0 } => (edge(), "stopped".to_owned()),
        Shown::Stopped { open } => {
            (edge(), format!("stopped; {open} IKE SAs did not answer their delete in time"))
        }
    }
}

fn listening(it: &Listening) -> String {
    let raw = if it.raw_esp {
        "ESP raw and over UDP, AH"
    } else {
        "ESP over UDP only (no CAP_NET_RAW): clients need a NAT or forced encapsulation"
    };
    format!(
        "listening on {} and {} as {}; {raw}\n{INDENT}profile {} ({})\n\
         {INDENT}clients: {}\n{INDENT}inner addresses that answer ping: {}",
        it.local,
        it.nat_local,
        it.id,
        it.profile,
        it.title,
        it.clients.join(", "),
        it.inner.join(", ")
    )
}

fn ike_up(it: &IkeUp) -> String {
    format!(
        "IKE SA up: {} with {}, NAT: {}, SPIs {} {}",
        it.suite,
        it.peer.remote_id.as_deref().unwrap_or("nobody"),
        it.nat,
        it.spi_i,
        it.spi_r
    )
}

fn child_up(it: &ChildUp) -> String {
    let encapsulated = if it.udp_encapsulated { "ESP in UDP" } else { "raw ESP" };
    let narrowed = if it.narrowed { ", narrowed" } else { "" };
    format!(
        "Child SA up: {}, {} === {}{narrowed}, {encapsulated}, SPIs in {} out {}",
        it.suite,
        it.ts_local.join(" "),
        it.ts_remote.join(" "),
        it.spi_in,
        it.spi_out
    )
}

fn other_group(offered: &str, wanted: &str, answer: Option<&str>) -> String {
    let asks = match answer {
        Some(answer) => format!("{answer} asks for {wanted}"),
        None => format!("{wanted} is wanted, and there was no answer"),
    };
    format!("sent a KE payload of {offered}; {asks}")
}

fn refusal(it: &ProposalRefused) -> String {
    let sa = if it.sa == "ike" { "an IKE SA" } else { "a Child SA" };
    let how = it
        .answer
        .as_ref()
        .map_or_else(|| "without an answer".to_owned(), |it| format!("with {it}"));
    let mut said = format!("REFUSED: the offer for {sa}, {how}");
    if it.proposals.is_empty() {
        let _ = write!(said, "\n{INDENT}the offer holds no proposal");
    }
    for proposal in &it.proposals {
        let _ =
            write!(said, "\n{INDENT}proposal {}, nearest: {}", proposal.number, proposal.nearest);
        for reason in &proposal.reasons {
            let _ = write!(said, "\n{INDENT}  {} [{}]", reason.says, reason.rule);
        }
    }
    if it.more > 0 {
        let _ = write!(said, "\n{INDENT}and {} more proposals", it.more);
    }
    said
}

/// What to change.
fn change(shown: &Shown) -> Option<String> {
    match shown {
        Shown::ProposalRefused(it) => (!it.change.is_empty()).then(|| it.change.join("; or ")),
        Shown::AuthenticationFailed { change, .. }
        | Shown::XauthFailed { change, .. }
        | Shown::NobodyThere { change, .. } => Some((*change).to_owned()),
        Shown::PacketDropped { change, .. } => change.map(str::to_owned),
        _ => None,
    }
}

fn name(peer: &Peer) -> String {
    peer.remote.map_or_else(|| peer.ike.clone(), |remote| remote.to_string())
}

fn ended(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::DeletedByPeer => "the peer deleted it",
        CloseReason::DeletedByUs => "deleted here",
        CloseReason::DeadPeer => "the peer does not answer any more",
        CloseReason::HalfOpenTimeout => "the peer did not go on in time",
        CloseReason::AuthenticationFailed => "authentication failed",
        CloseReason::Refused => "refused",
        CloseReason::ProtocolError => "a message broke the protocol",
        CloseReason::Expired => "its lifetime is over",
        CloseReason::SequenceExhausted => "its sequence numbers are used up",
        CloseReason::InitialContact => "the peer has only a newer one",
        CloseReason::Forgotten => "forgotten",
    }
}

const INDENT: &str = "             ";

#[cfg(test)]
mod tests {
    use ikeproof_proto::policy::ReasonKind;

    use super::super::shown::{Proposal, Reason};
    use super::*;

    #[test]
    fn a_refusal_says_what_why_and_what_to_change() {
        let reason = Reason {
            rule: "C1 (F09, R04)".to_owned(),
            kind: ReasonKind::Combination,
            says: "SHA-384 and SHA-512 in phase 1 must use group 14".to_owned(),
            change: "offer modp2048 with sha384".to_owned(),
        };
        let nearest = "aes256-sha384-ecp384".to_owned();
        let shown = Shown::ProposalRefused(Box::new(ProposalRefused {
            ike: None,
            remote: "192.0.2.7:500".parse().unwrap(),
            sa: "ike",
            answer: Some("NO_PROPOSAL_CHOSEN".to_owned()),
            proposals: vec![Proposal { number: 1, nearest, reasons: vec![reason] }],
            more: 2,
            rules: Vec::new(),
            change: vec!["offer modp2048 with sha384".to_owned()],
        }));
        let entry = Entry { shown: &shown, time: 0.0, at: jiff::Timestamp::UNIX_EPOCH };
        let text = lines(&entry);
        let (first, rest) = text.split_once('\n').unwrap();
        let said = "192.0.2.7:500  REFUSED: the offer for an IKE SA, with NO_PROPOSAL_CHOSEN";
        assert!(first.ends_with(said), "{text}");
        assert_eq!(
            rest,
            "             proposal 1, nearest: aes256-sha384-ecp384\n               SHA-384 and SHA-512 \
             in phase 1 must use group 14 [C1 (F09, R04)]\n             and 2 more proposals\n             \
             change: offer modp2048 with sha384\n"
        );
    }
}
