//! `expect` and `never`: what must be so, on both sides and on the wire.
//!
//! A check waits for what can still come and looks once at what can only go wrong. Every failure says
//! what was expected and what was seen. Whether both sides agree is judged beside this module, as are
//! refusals and what is seen on the wire.

use std::time::Duration;

use ikeproof_audit::{Decoded, Finding, Sender};
use ikeproof_driver::node::Log;
use ikeproof_proto::event::Event;
use ikeproof_proto::wire::v2::Id;
use ikeproof_vendors::peer::{IkeSa, Target};
use tokio::time::Instant;

use super::case::{CaseRun, Party};
use super::failure::{Failed, Trouble};
use super::seen::{self, Tunnel, Tunnels};
use super::{setup, told};
use crate::scenario::{
    CheckName, EventPattern, Expect, Leftover, MessagePattern, Never, Side as Who,
};

/// How long something may take unless the scenario says otherwise: a guest on a busy host may stand still for long.
const WITHIN: Duration = Duration::from_secs(20);
/// The same for a check that must fail in a control: it waits this out each time.
const MUST_FAIL: Duration = Duration::from_secs(4);
/// How long what is demanded of the wire may take to be seen, unless the scenario says otherwise.
pub(super) const ON_WIRE: Duration = Duration::from_secs(3);
/// How long nothing more may come once there is exactly as much as the scenario wants.
const SETTLED: Duration = Duration::from_secs(1);
/// From one look at a peer's SAs, or at the wire, to the next.
pub(super) const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How much there was in the log when `never` began.
#[derive(Debug, Clone, Copy)]
pub(super) struct SoFar {
    events: usize,
    datagrams: usize,
    /// How often the event that may not happen had happened.
    counted: usize,
}

impl CaseRun<'_> {
    /// Plays one `expect`.
    pub(super) async fn expect(&self, expect: &Expect) -> Result<(), Trouble> {
        let within = |check| expect.within.map_or_else(|| self.patience(check), |span| span.0);
        let named = expect.peer.as_ref().map(|name| name.get_ref().as_str());
        let parties = self.parties(named)?;
        // All that one step looks at is judged, so that a control can name everything that fails.
        let mut failed = Failed::default();
        if let Some(wanted) = &expect.established {
            for party in &parties {
                failed
                    .note(self.established(party, wanted, within(CheckName::Established)).await)?;
            }
        }
        if let Some(refused) = &expect.refused {
            let within = within(CheckName::Refused);
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
            failed.note(self.event(event, within(CheckName::Event)).await)?;
        }
        if let Some(message) = &expect.message {
            failed.note(self.message(message, within(CheckName::Message)).await)?;
        }
        if let Some(wanted) = &expect.on_wire {
            let within = expect.within.map_or(ON_WIRE, |span| span.0);
            failed.note(self.on_wire(&parties, wanted, within).await)?;
        }
        if expect.leftover == Some(Leftover::None) {
            for party in &parties {
                failed.note(self.nothing_left(party, within(CheckName::Leftover)).await)?;
            }
        }
        if let Some(finding) = &expect.finding {
            let within = within(CheckName::Finding);
            failed.note(self.finding(finding.get_ref(), within).await)?;
        }
        failed.result()
    }

    /// How long a check waits for what it wants, unless the scenario says.
    fn patience(&self, check: CheckName) -> Duration {
        if self.must_fail(check) { MUST_FAIL } else { WITHIN }
    }

    /// Whether this is a control in which a check must fail.
    pub(super) fn must_fail(&self, check: CheckName) -> bool {
        self.case.control.as_ref().is_some_and(|control| control.fails.contains(&check))
    }

    /// The tunnels with a peer.
    pub(super) fn tunnels(&self, party: &Party<'_>) -> Vec<Tunnel> {
        seen::tunnels(&self.node.log(), self.told_by(party).as_ref())
    }

    /// The same, for use while the log is held and grows.
    pub(super) fn follow(&self, party: &Party<'_>) -> Tunnels {
        Tunnels::of(self.told_by(party))
    }

    /// What tells a peer's tunnels from others'. Without another peer to confuse it with, the identity
    /// is a matter of the checks.
    fn told_by(&self, party: &Party<'_>) -> Option<Id> {
        let only = self.parties.len() == 1;
        (!only).then(|| setup::peer_identity(party.spec, party.place).to_id())
    }

    /// Looks at the peer's SAs until `is_so`, at most `within`; what the peer has then if it never is.
    pub(super) async fn until(
        &self,
        party: &Party<'_>,
        within: Duration,
        is_so: impl AsyncFn(&[IkeSa]) -> bool,
    ) -> Result<Result<(), Vec<IkeSa>>, Trouble> {
        let deadline = Instant::now() + within;
        loop {
            let sas = party.peer.sas().await?;
            if is_so(&sas).await {
                return Ok(Ok(()));
            }
            if Instant::now() >= deadline {
                return Ok(Err(sas));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn event(&self, wanted: &EventPattern, within: Duration) -> Result<(), Trouble> {
        let least = usize::try_from(wanted.count.or(wanted.at_least).unwrap_or(1)).unwrap_or(1);
        let exact = wanted.count.and_then(|count| usize::try_from(count).ok());
        let enough = |log: &Log| (seen::count(log, wanted.name) >= least).then_some(());
        self.node.wait(within, enough).await;
        if let Some(exact) = exact {
            let one_more = |log: &Log| (seen::count(log, wanted.name) > exact).then_some(());
            self.node.wait(SETTLED, one_more).await;
        }
        let count = seen::count(&self.node.log(), wanted.name);
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

    /// A message that was seen. The auditor reads it, so that encryption hides nothing.
    async fn message(&self, wanted: &MessagePattern, within: Duration) -> Result<(), Trouble> {
        let from = match wanted.from.side(self.case.initiator) {
            Who::Edge => Sender::Edge,
            Who::Peer => Sender::Peer,
        };
        let deadline = Instant::now() + within;
        let exact = wanted.count.and_then(|count| usize::try_from(count).ok());
        let least = usize::try_from(wanted.at_least.unwrap_or(1)).unwrap_or(1);
        let mut settled = false;
        loop {
            let (_, decoded) = self.audited();
            let fit = |one: &&Decoded| one.from == from && !one.retransmission;
            let seen = decoded
                .iter()
                .filter(fit)
                .filter(|one| wanted.fits(&one.summary, one.encrypted))
                .count();
            let enough = exact.map_or(seen >= least, |exact| seen == exact);
            if enough && exact.is_some() && !settled {
                tokio::time::sleep(SETTLED).await;
                settled = true;
                continue;
            }
            if enough || exact.is_some_and(|exact| seen > exact) || Instant::now() >= deadline {
                let expected = match exact {
                    Some(exact) => exact.to_string(),
                    None => format!("at least {least}"),
                };
                let why = format!("{seen} messages fit {wanted}, expected {expected}");
                return if enough { Ok(()) } else { Err(Trouble::check(CheckName::Message, why)) };
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// A finding of the auditor, whoever is to blame.
    async fn finding(&self, requirement: &str, within: Duration) -> Result<(), Trouble> {
        let is_found = |findings: &[Finding], _: &[Decoded]| {
            findings.iter().any(|finding| finding.requirement == requirement)
        };
        if self.until_audited(within, is_found).await {
            return Ok(());
        }
        let why = format!("the auditor has not found {requirement}");
        Err(Trouble::check(CheckName::Finding, why))
    }

    /// Lets the auditor look until it sees what is wanted, at most `within`; whether it has.
    pub(super) async fn until_audited(
        &self,
        within: Duration,
        is_so: impl Fn(&[Finding], &[Decoded]) -> bool,
    ) -> bool {
        let deadline = Instant::now() + within;
        loop {
            let (findings, decoded) = self.audited();
            if is_so(&findings, &decoded) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// What the auditor says of all that was seen so far.
    fn audited(&self) -> (Vec<Finding>, Vec<Decoded>) {
        // A copy, since reading takes its time and the edge writes to the log meanwhile.
        let log = self.node.log().clone();
        let audit = super::ladder::audit(&log);
        (audit.findings, audit.decoded)
    }

    /// Neither side has an SA any more.
    async fn nothing_left(&self, party: &Party<'_>, within: Duration) -> Result<(), Trouble> {
        let fail = |why: String| Trouble::check(CheckName::Leftover, why);
        let mut up = self.follow(party);
        let gone = self.node.wait(within, |log| (up.read(log).len() == 0).then_some(())).await;
        if gone.is_none() {
            return Err(fail(format!(
                "the edge still has {}",
                told::tunnels(&self.tunnels(party))
            )));
        }
        if party.is_dead() {
            return Ok(());
        }
        let target = Target::Ike(setup::CONNECTION.to_owned());
        let gone = async |sas: &[IkeSa]| {
            if !sas.is_empty() && !sas.iter().any(|sa| sa.established) {
                // It was refused without proof and goes on trying (RFC 7296 §2.21.1), until told.
                if let Err(error) = party.peer.terminate(&target).await {
                    // It may have given up by itself in this moment.
                    tracing::debug!(%error, "telling the peer to stop trying");
                }
            }
            sas.is_empty()
        };
        match self.until(party, within, gone).await? {
            Ok(()) => Ok(()),
            Err(sas) => Err(fail(format!("the peer still has {}", told::sas(&sas)))),
        }
    }

    /// What has happened so far of what may never happen from now on.
    pub(super) fn so_far(&self, never: &Never) -> SoFar {
        let log = self.node.log();
        let counted = never.event.map_or(0, |name| seen::count(&log, name));
        SoFar { events: log.events.len(), datagrams: log.datagrams.len(), counted }
    }

    /// Plays one `never`.
    pub(super) async fn never(&self, never: &Never, before: SoFar) -> Result<(), Trouble> {
        // What is inside messages is read by the auditor, at the end.
        let reads = never.notify.is_some() || never.finding;
        let SoFar { events, datagrams, counted } = before;
        let happened = |log: &Log| {
            let new = log.events.get(events..).unwrap_or_default();
            if let Some(name) = never.event
                && seen::count(log, name) > counted
            {
                return Some(format!("{name:?} happened"));
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
        let fail = |why: String| Err(Trouble::check(CheckName::Never, why));
        // In a control it happens, on a busy host later; it is not waited for once it has.
        let least = if self.must_fail(CheckName::Never) { WITHIN } else { Duration::ZERO };
        if let Some(why) = self.node.wait(never.duration.0.max(least), happened).await {
            return fail(why);
        }
        if !reads {
            return Ok(());
        }
        let (findings, decoded) = self.audited();
        let is_new = |frame: u64| usize::try_from(frame).is_ok_and(|frame| frame > datagrams);
        let found = findings.iter().find(|one| never.finding && is_new(one.frame));
        let carries = |one: &&Decoded| {
            is_new(one.frame) && never.notify.is_some_and(|notify| notify.is_in(&one.summary))
        };
        match (found, decoded.iter().find(carries)) {
            (Some(finding), _) => fail(finding.to_string()),
            (None, Some(message)) => fail(message.summary.clone()),
            (None, None) => Ok(()),
        }
    }
}
