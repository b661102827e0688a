//! `refused`: one side said no in the way that the scenario says, and neither believes in a tunnel.

use std::time::Duration;

use ikeproof_audit::{Decoded, Finding, Sender};
use ikeproof_driver::node::Log;
use ikeproof_proto::event::{Event, Side};
use ikeproof_vendors::peer::IkeSa;

use super::case::{CaseRun, Party};
use super::failure::Trouble;
use super::{seen, told};
use crate::scenario::{CheckName, Notify, Refused, Side as Who};

impl CaseRun<'_> {
    pub(super) async fn refused(
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
                (Some(notify), _) => !refusal.child && refusal.notify == Some(notify.0),
                (None, Some(notify)) => refusal.child && refusal.notify == Some(notify.0),
                (None, None) => wanted.authentication == Some(true) && refusal.authentication,
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
            let (wanted, seen) = (told::wanted(wanted), told::refusals(&all));
            return Err(fail(format!("expected {wanted}; {seen}")));
        }
        if let Some(notify) = wanted.notify.or(wanted.child) {
            let by = seen::refusals(&self.node.log()).into_iter().filter(fits).map(|it| it.by);
            self.said(&by.collect::<Vec<_>>(), notify, within).await?;
        }
        let tunnels = self.tunnels(party);
        let kept = wanted.children.unwrap_or(0);
        if wanted.child.is_some() {
            // Whoever keeps an IKE SA without a Child SA is right; it must not have got one more.
            let children: usize = tunnels.iter().map(|tunnel| tunnel.children.len()).sum();
            if children != kept {
                let why = format!("it was refused, but there are {children} Child SAs, not {kept}");
                return Err(fail(why));
            }
        } else if !tunnels.is_empty() {
            return Err(fail("the IKE SA is up all the same".to_owned()));
        }
        // The peer must not believe in a tunnel either. With only the Child SA refused, an IKE SA that is
        // still on its way has to come up or go.
        let believes = |sa: &IkeSa| wanted.child.is_none() == sa.established;
        let agrees = |sas: &[IkeSa]| {
            let children = sas.iter().flat_map(|sa| &sa.children);
            children.filter(|child| child.installed).count() == kept && !sas.iter().any(believes)
        };
        match self.until(party, within, async |sas| agrees(sas)).await? {
            Ok(()) => Ok(()),
            Err(sas) => Err(fail(format!("it was refused, but the peer has {}", told::sas(&sas)))),
        }
    }

    /// What the edge's events say was said is held against the messages themselves: one of those that
    /// refused must have sent the notification.
    async fn said(&self, by: &[Side], notify: Notify, within: Duration) -> Result<(), Trouble> {
        let is_of = |from: Sender| {
            by.iter().any(|by| match by {
                Side::Local => from == Sender::Edge,
                Side::Peer => from == Sender::Peer,
            })
        };
        let is_said = |_: &[Finding], decoded: &[Decoded]| {
            decoded.iter().any(|one| is_of(one.from) && notify.is_in(&one.summary))
        };
        if self.until_audited(within, is_said).await {
            return Ok(());
        }
        let why = format!("no message with N({}) was seen of those who refused", notify.0);
        Err(Trouble::check(CheckName::Refused, why))
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
}
