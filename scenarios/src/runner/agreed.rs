//! `established` and `sas_match`: both sides have the same SAs, and they are as the scenario says.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use ikeproof_proto::crypto::suite::{ChildProtocol, ChildSuite, IkeSuite};
use ikeproof_proto::event::{ChildEstablished, IkeEstablished, Role};
use ikeproof_proto::wire::v2::TrafficSelector;
use ikeproof_vendors::peer::{ChildSa, IkeSa, Mode, Protocol};

use super::case::{CaseRun, Party};
use super::failure::Trouble;
use super::seen::{self, Tunnel};
use super::setup::identity;
use super::told;
use crate::scenario::{CheckName, Established, Ikev1Auth, Policies, Port};

impl CaseRun<'_> {
    pub(super) async fn established(
        &self,
        party: &Party<'_>,
        wanted: &Established,
        within: Duration,
    ) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Established, why);
        let children = wanted.children.unwrap_or(1);
        let mut tunnels = self.follow(party);
        let waited = self.node.wait(within, |log| {
            tunnels.read(log).any(|tunnel| tunnel.children.len() >= children).then_some(())
        });
        let waited = waited.await;
        if waited.is_none() {
            let refused = seen::refusals(&self.node.log());
            let refused: Vec<_> = refused.iter().map(|refusal| refusal.text.as_str()).collect();
            let why =
                if refused.is_empty() { "nothing was refused".into() } else { refused.join("; ") };
            return Err(fail(format!("the edge has no tunnel after {within:?}: {why}")));
        }
        let tunnels = self.tunnels(party);
        let Some(tunnel) = tunnels.iter().find(|tunnel| tunnel.children.len() >= children) else {
            return Err(fail("the tunnel is gone again".to_owned()));
        };
        self.is_as_wanted(party, tunnel, wanted).map_err(fail)?;
        // The peer must say so as well.
        let installed = |sa: &IkeSa| sa.children.iter().filter(|child| child.installed).count();
        let up = |sa: &IkeSa| sa.established && installed(sa) >= children;
        let up = self.until(party, within, async |sas| sas.iter().any(up)).await?;
        up.map_err(|sas| fail(format!("the edge has a tunnel, the peer has {}", told::sas(&sas))))?;
        // A control of what comes: without its policies the peer sends in clear. It has them by now.
        if party.spec.policies == Policies::Removed {
            party.peer.remove_policies().await?;
        }
        Ok(())
    }

    fn is_as_wanted(
        &self,
        party: &Party<'_>,
        tunnel: &Tunnel,
        wanted: &Established,
    ) -> Result<(), String> {
        let Tunnel { ike, children } = tunnel;
        let child = children.last().ok_or("there is no Child SA")?;
        if let Some(suite) = wanted.ike
            && suite != ike.suite
        {
            return Err(format!("the IKE SA is {}, not {suite}", ike.suite));
        }
        if let Some(suite) = wanted.child
            && suite != child.suite
        {
            return Err(format!("the Child SA is {}, not {suite}", child.suite));
        }
        let same = |said: &[ikeproof_proto::policy::Selector], seen: &[TrafficSelector]| {
            said.len() == seen.len() && said.iter().all(|selector| seen.contains(&selector.0))
        };
        if let Some(said) = &wanted.ts_peer
            && !same(said, &child.ts_remote)
        {
            return Err(format!("the peer's selectors are {}", text(&child.ts_remote)));
        }
        if let Some(said) = &wanted.ts_edge
            && !same(said, &child.ts_local)
        {
            return Err(format!("the edge's selectors are {}", text(&child.ts_local)));
        }
        if let Some(nat) = wanted.nat
            && nat != ike.nat.found()
        {
            return Err(if nat {
                "no NAT was found".to_owned()
            } else {
                "a NAT was found".to_owned()
            });
        }
        if let Some(port) = wanted.port {
            let number = match port {
                Port::Ike => 500,
                Port::NatT => 4500,
            };
            if ike.path.local.port() != number {
                return Err(format!("IKE is on port {}", ike.path.local.port()));
            }
        }
        if let Some(count) = wanted.children
            && count != children.len()
        {
            return Err(format!("there are {} Child SAs, not {count}", children.len()));
        }
        if let Some(spec) = &wanted.credential {
            let id = identity(spec, party.place.own, party.place.outside).to_id();
            if id != ike.credential {
                return Err(format!("the credential of {} was used", ike.credential));
            }
        }
        if let Some(mode) = wanted.mode
            && ike.ikev1.is_none_or(|it| it.mode != mode)
        {
            let seen = ike.ikev1.map_or_else(|| "IKEv2".to_owned(), |it| it.mode.to_string());
            return Err(format!("the IKE SA came up by {seen}, not by {mode}"));
        }
        if let Some(auth) = wanted.auth.map(Ikev1Auth::number)
            && ike.ikev1.is_none_or(|it| it.auth != auth)
        {
            let seen = ike.ikev1.map_or_else(|| "IKEv2".to_owned(), |it| it.auth.to_string());
            return Err(format!("both sides authenticated by {seen}, not by {auth}"));
        }
        if let Some(retried) = &wanted.retried {
            let seen = seen::retries(&self.node.log());
            if seen != *retried {
                return Err(format!("asked for again: {seen:?}, expected {retried:?}"));
            }
        }
        Ok(())
    }

    /// SPIs of both sides crosswise, the edge's address, encapsulation, protocol, mode, selectors and
    /// algorithms; and no side has more than the other.
    pub(super) async fn sas_match(&self, party: &Party<'_>) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::SasMatch, why);
        let sas = party.peer.sas().await?;
        let tunnels = self.tunnels(party);
        if tunnels.is_empty() {
            return Err(fail("the edge has no IKE SA".to_owned()));
        }
        for tunnel in &tunnels {
            matches(tunnel, &sas, tunnels.len()).map_err(fail)?;
        }
        let up = sas.iter().filter(|sa| sa.established).count();
        if up != tunnels.len() {
            let ours = tunnels.len();
            return Err(fail(format!("{ours} IKE SAs at the edge, {up} at the peer")));
        }
        let ours: usize = tunnels.iter().map(|tunnel| tunnel.children.len()).sum();
        let installed = sas.iter().flat_map(|sa| &sa.children).filter(|it| it.installed).count();
        if installed != ours {
            return Err(fail(format!("{ours} Child SAs at the edge, {installed} at the peer")));
        }
        Ok(())
    }
}

/// Whether a peer has the same IKE SA, of `count` in all, and the same Child SAs.
fn matches(tunnel: &Tunnel, sas: &[IkeSa], count: usize) -> Result<(), String> {
    let Tunnel { ike, children } = tunnel;
    let number = |spi: &ikeproof_proto::wire::IkeSpi| u64::from_be_bytes(spi.0);
    let theirs = sas.iter().find(|sa| {
        // Not every daemon tells the SPIs of its IKE SAs.
        sa.established
            && sa.spi_i.is_none_or(|spi| spi == number(&ike.spi_i))
            && sa.spi_r.is_none_or(|spi| spi == number(&ike.spi_r))
    });
    let Some(theirs) = theirs else {
        return Err(format!(
            "the edge has the IKE SA {}:{}, the peer has {}",
            ike.spi_i,
            ike.spi_r,
            told::sas(sas)
        ));
    };
    // Of several without SPIs any may be meant.
    if count == 1 || theirs.spi_i.is_some() {
        same_ike(ike, theirs)?;
    }
    for child in children {
        // A daemon may count a pair under another IKE SA of the same two ends.
        let found = sas.iter().flat_map(|sa| &sa.children).find(|other| {
            other.spi_in == child.spi_out && other.spi_out == child.spi_in && other.installed
        });
        let Some(other) = found else {
            return Err(format!(
                "the edge has SPIs {:#010x} in and {:#010x} out, the peer has {}",
                child.spi_in,
                child.spi_out,
                told::sas(sas)
            ));
        };
        same_child(child, other)?;
    }
    Ok(())
}

/// Role, address and algorithms of an IKE SA, as far as the peer tells them.
fn same_ike(ike: &IkeEstablished, theirs: &IkeSa) -> Result<(), String> {
    if theirs.initiator == (ike.role == Role::Initiator) {
        return Err("both sides say that they are the initiator, or neither".to_owned());
    }
    let edge = ike.path.local;
    // A daemon may tell the port alone.
    let is_edge = |told: &SocketAddr| {
        told.port() == edge.port() && (told.ip().is_unspecified() || told.ip() == edge.ip())
    };
    if let Some(told) = theirs.remote.filter(|told| !is_edge(told)) {
        return Err(format!("the edge is at {edge}, for the peer it is at {told}"));
    }
    let IkeSuite { encr, integ, prf, group } = &ike.suite;
    let mut suite = vec![("encr", encr.to_string()), ("prf", prf.to_string())];
    suite.extend([("integ", integ.to_string()), ("group", group.to_string())]);
    same_algorithms("IKE SA", &suite, &theirs.algorithms)
}

/// Encapsulation, protocol, mode, selectors and algorithms of a pair of SAs.
fn same_child(child: &ChildEstablished, theirs: &ChildSa) -> Result<(), String> {
    if theirs.encap != child.udp_encapsulated {
        return Err(format!(
            "UDP encapsulation: {} at the edge, {} at the peer",
            child.udp_encapsulated, theirs.encap
        ));
    }
    let is_ah = child.suite.protocol == ChildProtocol::Ah;
    if is_ah != (theirs.protocol == Protocol::Ah) || theirs.mode != Mode::Tunnel {
        let (protocol, mode) = (theirs.protocol, theirs.mode);
        return Err(format!("the peer's pair is of {protocol:?} in {mode:?} mode"));
    }
    let side = |whose: &str, ours: &[TrafficSelector], told: &[String]| {
        let ours: BTreeSet<_> = ours.iter().map(ToString::to_string).collect();
        if told.iter().cloned().collect::<BTreeSet<_>>() == ours {
            return Ok(());
        }
        let ours: Vec<_> = ours.into_iter().collect();
        Err(format!(
            "{whose} selectors: {} at the edge, {} at the peer",
            ours.join(", "),
            told.join(", ")
        ))
    };
    side("the peer's", &child.ts_remote, &theirs.local)?;
    side("the edge's", &child.ts_local, &theirs.remote)?;
    let ChildSuite { encr, integ, esn, group, .. } = &child.suite;
    let mut suite = vec![("integ", integ.to_string()), ("esn", esn.to_string())];
    if !is_ah {
        suite.push(("encr", encr.to_string()));
    }
    suite.extend(group.map(|group| ("group", group.to_string())));
    same_algorithms(CHILD, &suite, &theirs.algorithms)
}

/// Whether all algorithms that a peer tells are ours. Those of a Child SA it must tell; those of an IKE SA
/// pluto forgets where another one of the same conn has ended.
fn same_algorithms(
    what: &str,
    ours: &[(&str, String)],
    told: &BTreeMap<String, String>,
) -> Result<(), String> {
    if what == CHILD && !told.contains_key("encr") && !told.contains_key("integ") {
        return Err(format!("the peer does not tell the algorithms of its {what}"));
    }
    for (kind, theirs) in told {
        let own = ours.iter().find(|(own, _)| own == kind).map(|(_, word)| word.as_str());
        if own != Some(theirs.as_str()) {
            let own = own.unwrap_or("none");
            return Err(format!("{what}: {kind} is {own} at the edge, {theirs} at the peer"));
        }
    }
    Ok(())
}

const CHILD: &str = "Child SA";

fn text(selectors: &[TrafficSelector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
