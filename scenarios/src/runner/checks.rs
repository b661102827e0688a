//! `expect` and `never`: what must be so, on both sides and on the wire.
//!
//! A check waits for what can still come and looks once at what can only go wrong. Every failure says
//! what was expected and what was seen.

use std::time::Duration;

use ikeproof_driver::capture::WireReport;
use ikeproof_driver::node::Log;
use ikeproof_proto::event::{Event, Side};
use ikeproof_proto::wire::v2::TrafficSelector;
use ikeproof_vendors::peer::Target;
use tokio::time::Instant;

use super::case::{CaseRun, Party};
use super::failure::Trouble;
use super::seen::{self, Tunnel};
use super::setup::{self, identity};
use crate::scenario::{
    CheckName, Established, EventPattern, Expect, Leftover, Never, OnWire, Policies, Port, Refused,
    Side as Who,
};

/// How long something may take unless the scenario says otherwise.
const WITHIN: Duration = Duration::from_secs(10);
/// How long what is demanded of the wire may take to be seen, unless the scenario says otherwise.
const ON_WIRE: Duration = Duration::from_secs(3);
/// From one look at a peer's SAs to the next.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

impl CaseRun<'_> {
    /// Plays one `expect`.
    pub(super) async fn expect(&self, expect: &Expect) -> Result<(), Trouble> {
        let within = expect.within.map_or(WITHIN, |span| span.0);
        let named = expect.peer.as_ref().map(|name| name.get_ref().as_str());
        let parties = self.parties(named)?;
        // All that one step looks at is judged, so that a control can name everything that fails.
        let mut failed = Failed::default();
        if let Some(wanted) = &expect.established {
            for party in &parties {
                failed.note(self.established(party, wanted, within).await)?;
            }
        }
        if let Some(refused) = &expect.refused {
            for party in &parties {
                failed.note(self.refused(party, refused.get_ref(), within).await)?;
            }
        }
        if expect.sas_match == Some(true) {
            for party in &parties {
                failed.note(self.sas_match(party).await)?;
            }
        }
        if let Some(event) = &expect.event {
            failed.note(self.event(event, within).await)?;
        }
        if let Some(wanted) = &expect.on_wire {
            let within = expect.within.map_or(ON_WIRE, |span| span.0);
            failed.note(self.on_wire(&parties, wanted, within).await)?;
        }
        if expect.leftover == Some(Leftover::None) {
            for party in &parties {
                failed.note(self.nothing_left(party, within).await)?;
            }
        }
        if let Some(finding) = &expect.finding {
            failed.note(self.finding(finding.get_ref()))?;
        }
        failed.result()
    }

    /// The tunnels with a peer.
    pub(super) fn tunnels(&self, party: &Party<'_>) -> Vec<Tunnel> {
        self.tunnels_in(&self.node.log(), party)
    }

    /// The tunnels with a peer that a log tells of. For use while the log is held.
    fn tunnels_in(&self, log: &Log, party: &Party<'_>) -> Vec<Tunnel> {
        let id = setup::peer_identity(party.spec, party.place).to_id();
        // Without another peer to confuse it with, the identity is a matter of the checks.
        let only = self.parties.len() == 1;
        seen::tunnels(log, (!only).then_some(&id))
    }

    async fn established(
        &self,
        party: &Party<'_>,
        wanted: &Established,
        within: Duration,
    ) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Established, why);
        let deadline = Instant::now() + within;
        let children = wanted.children.unwrap_or(1);
        let up =
            |tunnels: &[Tunnel]| tunnels.iter().any(|tunnel| tunnel.children.len() >= children);
        let waited =
            self.node.wait(within, |log| up(&self.tunnels_in(log, party)).then_some(())).await;
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
        // A control of what comes: without its policies the peer sends in clear.
        if party.spec.policies == Policies::Removed {
            party.peer.remove_policies().await?;
        }
        // The peer must say so as well.
        loop {
            let sas = party.peer.sas().await?;
            if sas
                .iter()
                .any(|sa| sa.established && sa.children.iter().any(|child| child.installed))
            {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(fail(format!("the edge has a tunnel, the peer has {sas:?}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn is_as_wanted(
        &self,
        party: &Party<'_>,
        tunnel: &Tunnel,
        wanted: &Established,
    ) -> Result<(), String> {
        let Tunnel { ike, children } = tunnel;
        let child = children.first().ok_or("there is no Child SA")?;
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
            return Err(format!("NAT detection found {:?}", ike.nat));
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
            if id != ike.remote_id {
                return Err(format!("the credential of {} was used", ike.remote_id));
            }
        }
        if let Some(retried) = &wanted.retried {
            let seen = seen::retries(&self.node.log());
            if seen != *retried {
                return Err(format!("asked for again: {seen:?}, expected {retried:?}"));
            }
        }
        Ok(())
    }

    async fn refused(
        &self,
        party: &Party<'_>,
        wanted: &Refused,
        within: Duration,
    ) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Refused, why);
        let by = wanted.by.map(|actor| match actor.side(self.case.initiator) {
            Who::Edge => Side::Local,
            Who::Peer => Side::Peer,
        });
        if wanted.silence == Some(true) {
            return self.silence(within).await;
        }
        let fits = |refusal: &seen::Refusal| {
            let kind = match (wanted.notify, wanted.child) {
                (Some(notify), _) => !refusal.child && refusal.notify == notify.0,
                (None, Some(notify)) => refusal.child && refusal.notify == notify.0,
                (None, None) => false,
            };
            kind && by.is_none_or(|by| by == refusal.by)
                && wanted.rule.as_ref().is_none_or(|rule| seen::names(&refusal.rules, rule))
        };
        if wanted.delete == Some(true) {
            let gone = |log: &Log| {
                log.events.iter().find_map(|(_, event)| match event {
                    Event::IkeClosed { established: true, .. } => Some(()),
                    _ => None,
                })
            };
            return match self.node.wait(within, gone).await {
                Some(()) => Ok(()),
                None => Err(fail("no IKE SA came up and was deleted".to_owned())),
            };
        }
        let found =
            self.node.wait(within, |log| seen::refusals(log).iter().any(fits).then_some(())).await;
        if found.is_none() {
            let all = seen::refusals(&self.node.log());
            let seen = match all.as_slice() {
                [] => "nobody refused anything".to_owned(),
                all => format!("{all:?}"),
            };
            return Err(fail(format!("expected {wanted:?}; {seen}")));
        }
        let tunnels = self.tunnels(party);
        if wanted.child.is_some() {
            // Whoever keeps an IKE SA without a Child SA is right; it must not have got one.
            if tunnels.iter().any(|tunnel| !tunnel.children.is_empty()) {
                return Err(fail("the Child SA is up all the same".to_owned()));
            }
        } else if !tunnels.is_empty() {
            return Err(fail("the IKE SA is up all the same".to_owned()));
        }
        // The peer must not believe in a tunnel either.
        let deadline = Instant::now() + within;
        loop {
            let sas = party.peer.sas().await?;
            // With only the Child SA refused, an IKE SA that is still on its way has to come up or go.
            let believes = sas.iter().any(|sa| {
                sa.children.iter().any(|child| child.installed)
                    || (wanted.child.is_none() == sa.established)
            });
            if !believes {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(fail(format!("it was refused, but the peer has {sas:?}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn silence(&self, within: Duration) -> Result<(), Trouble> {
        let fail = |why: &str| Trouble::check(CheckName::Refused, why);
        let silent = |event: &Event| {
            matches!(
                event,
                Event::PacketDropped {
                    reason: ikeproof_proto::event::DropReason::Silent
                        | ikeproof_proto::event::DropReason::Ikev1 { .. },
                    ..
                }
            )
        };
        let dropped = self
            .node
            .wait(within, |log| log.events.iter().any(|(_, event)| silent(event)).then_some(()))
            .await;
        if dropped.is_none() {
            return Err(fail("the edge has not dropped anything in silence"));
        }
        let answered =
            self.node.log().datagrams.iter().any(|(_, direction, _)| {
                *direction == ikeproof_proto::middlebox::Direction::ToPeer
            });
        if answered { Err(fail("the edge has answered")) } else { Ok(()) }
    }

    /// SPIs of both sides crosswise, addresses, encapsulation.
    async fn sas_match(&self, party: &Party<'_>) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::SasMatch, why);
        let sas = party.peer.sas().await?;
        let tunnels = self.tunnels(party);
        let Some(Tunnel { ike, children }) = tunnels.first() else {
            return Err(fail("the edge has no IKE SA".to_owned()));
        };
        let number = |spi: &ikeproof_proto::wire::IkeSpi| u64::from_be_bytes(spi.0);
        let theirs = sas.iter().find(|sa| {
            // Not every daemon tells the SPIs of its IKE SAs.
            sa.established
                && sa.spi_i.is_none_or(|spi| spi == number(&ike.spi_i))
                && sa.spi_r.is_none_or(|spi| spi == number(&ike.spi_r))
        });
        let Some(theirs) = theirs else {
            return Err(fail(format!(
                "the edge has the IKE SA {}:{}, the peer has {sas:?}",
                ike.spi_i, ike.spi_r
            )));
        };
        let we_began = ike.role == ikeproof_proto::event::Role::Initiator;
        if theirs.initiator == we_began {
            return Err(fail("both sides say that they are the initiator, or neither".to_owned()));
        }
        for child in children {
            let found = theirs.children.iter().find(|other| {
                other.spi_in == child.spi_out && other.spi_out == child.spi_in && other.installed
            });
            let Some(other) = found else {
                return Err(fail(format!(
                    "the edge has SPIs {:#010x} in and {:#010x} out, the peer has {:?}",
                    child.spi_in, child.spi_out, theirs.children
                )));
            };
            if other.encap != child.udp_encapsulated {
                return Err(fail(format!(
                    "UDP encapsulation: {} at the edge, {} at the peer",
                    child.udp_encapsulated, other.encap
                )));
            }
        }
        let installed = theirs.children.iter().filter(|child| child.installed).count();
        if installed != children.len() {
            let ours = children.len();
            return Err(fail(format!("{ours} Child SAs at the edge, {installed} at the peer")));
        }
        Ok(())
    }

    async fn event(&self, wanted: &EventPattern, within: Duration) -> Result<(), Trouble> {
        let least = usize::try_from(wanted.count.or(wanted.at_least).unwrap_or(1)).unwrap_or(1);
        let enough = |log: &Log| (seen::count(log, wanted.name) >= least).then_some(());
        self.node.wait(within, enough).await;
        let count = seen::count(&self.node.log(), wanted.name);
        let exact = wanted.count.and_then(|count| usize::try_from(count).ok());
        if count < least || exact.is_some_and(|exact| exact != count) {
            let name = wanted.name;
            let expected = match exact {
                Some(exact) => format!("{exact} times"),
                None => format!("at least {least} times"),
            };
            let why = format!("{name:?} was seen {count} times, expected {expected}");
            return Err(Trouble::check(CheckName::Event, why));
        }
        Ok(())
    }

    async fn on_wire(
        &self,
        parties: &[&Party<'_>],
        wanted: &OnWire,
        within: Duration,
    ) -> Result<(), Trouble> {
        // What is demanded may still be on its way through the capture.
        let deadline = Instant::now() + within;
        loop {
            let wrong: Vec<_> =
                parties.iter().flat_map(|party| self.wire_wrong(party, wanted)).collect();
            // What must not be there will not go away.
            let is_over =
                Instant::now() >= deadline || wrong.iter().any(|(check, _)| is_final(*check));
            if wrong.is_empty() {
                return Ok(());
            }
            if is_over {
                let mut failed = Failed::default();
                for (check, why) in wrong {
                    failed.note(Err(Trouble::check(check, why)))?;
                }
                return failed.result();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn wire_wrong(&self, party: &Party<'_>, wanted: &OnWire) -> Vec<(CheckName, String)> {
        let mut wrong = Vec::new();
        let report =
            party.watching.as_ref().map(super::stage::Watching::report).unwrap_or_default();
        let log = self.node.log();
        let WireReport { esp_raw, esp_udp, keepalives, fragments, largest, ports, .. } = &report;
        let differs =
            |wanted: Option<bool>, seen: bool| wanted.is_some_and(|wanted| wanted != seen);
        let number = |octets: u16| usize::from(octets);
        if differs(wanted.raw_esp, *esp_raw > 0) {
            wrong.push((CheckName::RawEsp, format!("{esp_raw} packets of raw ESP were seen")));
        }
        if differs(wanted.udp_encap, *esp_udp > 0) {
            wrong.push((CheckName::UdpEncap, format!("{esp_udp} packets of ESP in UDP were seen")));
        }
        let outside = seen::outside_ports(&log);
        let rewritten =
            outside.len() >= 2 && !outside.iter().any(|port| [500, 4500].contains(port));
        if differs(wanted.ports_rewritten, rewritten) {
            let why = format!("the edge sees the peer's ports {outside:?}");
            wrong.push((CheckName::PortsRewritten, why));
        }
        if let Some(least) = wanted.keepalives
            && *keepalives < u64::from(least)
        {
            let why = format!("{keepalives} keepalives were seen, expected {least}");
            wrong.push((CheckName::Keepalives, why));
        }
        let on_500 = !ports.is_empty() && ports.keys().all(|pair| *pair == (500, 500));
        if differs(wanted.stays_on_500, on_500) {
            let ports: Vec<_> = ports.keys().collect();
            wrong.push((
                CheckName::StaysOn500,
                format!("ports seen, source and destination: {ports:?}"),
            ));
        }
        if wanted.no_fragments == Some(true) && *fragments > 0 {
            wrong.push((CheckName::NoFragments, format!("{fragments} outer fragments were seen")));
        }
        if let Some(most) = wanted.outer_max
            && *largest > number(most)
        {
            let why = format!("an outer packet has {largest} octets, at most {most} are allowed");
            wrong.push((CheckName::OuterMax, why));
        }
        if let Some(exactly) = wanted.outer_exactly
            && *largest != number(exactly)
        {
            let why = format!("the largest outer packet has {largest} octets, expected {exactly}");
            wrong.push((CheckName::OuterExactly, why));
        }
        let repeated = seen::repeated_messages(&log);
        if let Some(least) = wanted.retransmissions
            && repeated < usize::try_from(least).unwrap_or(usize::MAX)
        {
            let why = format!("{repeated} messages were sent more than once, expected {least}");
            wrong.push((CheckName::Retransmissions, why));
        }
        let disturbed = seen::disturbed(&log);
        if let Some(least) = wanted.disturbed
            && disturbed < usize::try_from(least).unwrap_or(usize::MAX)
        {
            let why = format!("{disturbed} datagrams were disturbed, expected {least}");
            wrong.push((CheckName::Disturbed, why));
        }
        wrong
    }

    /// Neither side has an SA any more.
    async fn nothing_left(&self, party: &Party<'_>, within: Duration) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Leftover, why);
        let none = |log: &Log| self.tunnels_in(log, party).is_empty().then_some(());
        let gone = self.node.wait(within, none).await;
        if gone.is_none() {
            return Err(fail(format!("the edge still has {:?}", self.tunnels(party))));
        }
        if party.is_dead() {
            return Ok(());
        }
        let deadline = Instant::now() + within;
        loop {
            let sas = party.peer.sas().await?;
            if sas.is_empty() {
                return Ok(());
            }
            if !sas.iter().any(|sa| sa.established) {
                // It was refused without proof and goes on trying (RFC 7296 §2.21.1), until told.
                let target = Target::Ike(setup::CONNECTION.to_owned());
                if let Err(error) = party.peer.terminate(&target).await {
                    // It may have given up by itself in this moment.
                    tracing::debug!(%error, "telling the peer to stop trying");
                }
            }
            if Instant::now() >= deadline {
                return Err(fail(format!("the peer still has {sas:?}")));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Plays one `never`.
    pub(super) async fn never(&self, never: &Never) -> Result<(), Trouble> {
        let (events, datagrams) = {
            let log = self.node.log();
            (log.events.len(), log.datagrams.len())
        };
        let happened = |log: &Log| {
            let new = log.events.get(events..).unwrap_or_default();
            if let Some(name) = never.event
                && seen::count(log, name) > 0
                && new.iter().any(|_| true)
            {
                return Some(format!("{name:?} happened"));
            }
            let notify = never.notify.map(|notify| notify.0);
            if let Some(refusal) =
                seen::refusals(log).into_iter().find(|refusal| Some(refusal.notify) == notify)
            {
                return Some(refusal.text);
            }
            let up = |event: &Event| matches!(event, Event::IkeEstablished(_));
            if never.established && new.iter().any(|(_, event)| up(event)) {
                return Some("an IKE SA came up".to_owned());
            }
            let sent = log.datagrams.get(datagrams..).unwrap_or_default().iter().any(
                |(_, direction, _)| *direction == ikeproof_proto::middlebox::Direction::ToPeer,
            );
            (never.message && sent).then(|| "the edge has sent a message".to_owned())
        };
        match self.node.wait(never.duration.0, happened).await {
            Some(why) => Err(Trouble::check(CheckName::Never, why)),
            None => Ok(()),
        }
    }
}

/// The checks of one step that failed.
#[derive(Default)]
struct Failed {
    checks: Vec<CheckName>,
    whys: Vec<String>,
}

impl Failed {
    /// Takes note of a check; anything else that went wrong is passed on.
    fn note(&mut self, result: Result<(), Trouble>) -> Result<(), Trouble> {
        match result {
            Err(Trouble::Check { checks, why, .. }) => {
                for check in checks {
                    if !self.checks.contains(&check) {
                        self.checks.push(check);
                    }
                }
                self.whys.push(why);
                Ok(())
            }
            other => other,
        }
    }

    fn result(self) -> Result<(), Trouble> {
        if self.checks.is_empty() {
            return Ok(());
        }
        Err(Trouble::Check { checks: self.checks, why: self.whys.join("; "), line: 0 })
    }
}

/// Whether a check that fails now can only go on failing.
fn is_final(check: CheckName) -> bool {
    matches!(check, CheckName::NoFragments | CheckName::OuterMax)
}

fn text(selectors: &[TrafficSelector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
