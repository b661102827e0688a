//! What both sides have and said, in a line for people: the reason of a verdict.

use ikeproof_driver::inner;
use ikeproof_proto::event::Side;
use ikeproof_vendors::peer::{self as vendor, IkeSa};

use super::seen::{Refusal, Tunnel};
use crate::scenario::{Actor, Refused};

/// The SAs of a peer, in its own words for states.
pub fn sas(sas: &[IkeSa]) -> String {
    let one = |sa: &IkeSa| {
        let children: Vec<_> = sa
            .children
            .iter()
            .map(|child| format!("{} {:#010x}", child.state, child.spi_in))
            .collect();
        let spi = |spi: Option<u64>| spi.map_or("?".to_owned(), |spi| format!("{spi:016x}"));
        let (spi_i, spi_r) = (spi(sa.spi_i), spi(sa.spi_r));
        format!("IKE SA {spi_i}:{spi_r} {} with {}", sa.state, list(&children, "no Child SA"))
    };
    list(&sas.iter().map(one).collect::<Vec<_>>(), "no IKE SA")
}

/// The SAs of the edge.
pub fn tunnels(tunnels: &[Tunnel]) -> String {
    let one = |tunnel: &Tunnel| {
        let Tunnel { ike, children } = tunnel;
        let children: Vec<_> = children.iter().map(|it| format!("{:#010x}", it.spi_in)).collect();
        let children = list(&children, "no Child SA");
        format!("IKE SA {}:{} of {} with {children}", ike.spi_i, ike.spi_r, ike.remote_id)
    };
    list(&tunnels.iter().map(one).collect::<Vec<_>>(), "no IKE SA")
}

/// How a scenario wants one side to say no.
pub fn wanted(refused: &Refused) -> String {
    let Refused { notify, silence, delete, child, children, authentication, rule, by } = refused;
    let mut text = match (notify, child) {
        (Some(notify), _) => notify.0.to_string(),
        (None, Some(notify)) => match children {
            Some(kept) => format!("{} for a Child SA besides {kept}", notify.0),
            None => format!("{} for the Child SA", notify.0),
        },
        (None, None) if *silence == Some(true) => "silence".to_owned(),
        (None, None) if *delete == Some(true) => "a delete".to_owned(),
        (None, None) if *authentication == Some(true) => "a failed authentication".to_owned(),
        (None, None) => "a refusal".to_owned(),
    };
    match by {
        Some(Actor::Initiator) => text.push_str(" by the initiator"),
        Some(Actor::Responder) => text.push_str(" by the responder"),
        Some(Actor::Peer) => text.push_str(" by the peer"),
        Some(Actor::Edge) => text.push_str(" by the edge"),
        None => {}
    }
    if let Some(rule) = rule {
        text.push_str(&format!(" for {rule}"));
    }
    text
}

/// How both sides said no.
pub fn refusals(refusals: &[Refusal]) -> String {
    let one = |refusal: &Refusal| {
        let by = match refusal.by {
            Side::Local => "the edge",
            Side::Peer => "the peer",
        };
        let what = if refusal.child { " for the Child SA" } else { "" };
        let said = refusal.notify.map_or_else(|| "nothing".to_owned(), |it| it.to_string());
        format!("{by} said {said}{what}: {}", refusal.text)
    };
    list(&refusals.iter().map(one).collect::<Vec<_>>(), "nobody refused anything")
}

/// What became of a peer's pings.
pub fn peer_pings(report: &vendor::PingReport) -> String {
    let vendor::PingReport { sent, received, errors, mtu, .. } = report;
    let mtu = mtu.map(|mtu| format!(", it was told an MTU of {mtu}")).unwrap_or_default();
    format!("from the peer: {received} of {sent} pings were answered, {errors} errors{mtu}")
}

/// What became of the edge's pings.
pub fn edge_pings(report: &inner::PingReport) -> String {
    let inner::PingReport { sent, replies, corrupted, too_big, errors, .. } = report;
    let mut text = format!("from the edge: {} of {sent} pings were answered", replies.len());
    if *corrupted > 0 {
        text.push_str(&format!(", {corrupted} with other content"));
    }
    if !too_big.is_empty() {
        text.push_str(&format!(", too big for {too_big:?}"));
    }
    if !errors.is_empty() {
        text.push_str(&format!(", ICMP type and code {errors:?}"));
    }
    text
}

fn list(items: &[String], none: &str) -> String {
    if items.is_empty() { none.to_owned() } else { items.join("; ") }
}
