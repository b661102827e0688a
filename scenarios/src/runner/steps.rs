//! The steps of a case other than checks: who begins, what ends, what is held back.

use std::time::Duration;

use ikeproof_proto::event::Event;
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::middlebox::{Action as Fate, Class, Direction as Way, Release, Rule};
use ikeproof_vendors::peer::Target;

use super::case::{CaseRun, Party};
use super::failure::Trouble;
use super::faults;
use super::setup::{self, CHILD, CONNECTION};
use crate::scenario::{
    Action, Actor, Delete, Direction, Initiate, MessageMatch, Scope, Side, Step, What, Which,
};

/// How long an initiation may take before the peer is left alone with it.
const INITIATION: Duration = Duration::from_secs(60);
/// How long an answer is waited for in real time while a clock is moved.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a delete may take.
const GOODBYE: Duration = Duration::from_secs(10);

impl CaseRun<'_> {
    /// Plays steps in order; a check that fails ends them.
    pub(super) async fn play(&self, steps: &[Step]) -> Result<(), Trouble> {
        for step in steps {
            // Boxed, since steps hold steps.
            Box::pin(self.action(&step.action)).await.map_err(|trouble| trouble.at(step.line))?;
        }
        Ok(())
    }

    async fn action(&self, action: &Action) -> Result<(), Trouble> {
        match action {
            Action::Initiate(initiate) => self.initiate(initiate),
            Action::Expect(expect) => self.expect(expect).await,
            Action::Traffic(traffic) => self.traffic(traffic).await,
            Action::Never(never) => self.never(never).await,
            Action::Advance(span) => self.advance(span.0).await,
            Action::Delete(delete) => self.delete(delete).await,
            Action::Kill(which) => self.kill(which).await,
            Action::Restart(which) => self.restart(which).await,
            Action::Hold(message) => self.rule(message, Fate::Hold, true).await,
            Action::Drop(message) => self.rule(message, Fate::Drop, false).await,
            Action::Duplicate(message) => self.rule(message, Fate::Repeat(1), false).await,
            Action::Release => {
                for rule in self.held.lock().await.drain(..) {
                    self.node.release(rule, Release::InOrder);
                }
                Ok(())
            }
            Action::Fault(fault) => {
                let fault = Box::new(faults::armed(fault)?);
                self.node.command(Command::Deviate(fault));
                Ok(())
            }
            Action::Parallel(branches) => {
                let branches = branches.iter().map(|steps| self.play(steps));
                futures_util::future::try_join_all(branches).await.map(drop)
            }
            Action::Repeat(times, steps) => {
                for _ in 0..*times {
                    self.play(steps).await?;
                }
                Ok(())
            }
        }
    }

    fn side(&self, actor: Actor) -> Side {
        actor.side(self.case.initiator)
    }

    fn initiate(&self, initiate: &Initiate) -> Result<(), Trouble> {
        let named = initiate.peer.as_ref().map(|name| name.get_ref().as_str());
        for party in self.parties(named)? {
            match (self.side(initiate.by), initiate.what) {
                (Side::Edge, What::Tunnel) => {
                    let connection = setup::edge_connection(
                        self.edge,
                        party.spec,
                        party.at,
                        party.place,
                        self.seed,
                    )?;
                    self.node.command(Command::Initiate(Box::new(connection)));
                }
                (Side::Edge, What::Liveness) => {
                    for ike in self.handles(party) {
                        self.node.command(Command::Probe { ike });
                    }
                }
                (Side::Peer, What::Tunnel) => {
                    // What comes of it is for the checks to see.
                    party.begin(INITIATION);
                }
                (Side::Peer, What::Liveness) => {
                    return Err(Trouble::Setup("only the edge is told to probe".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The IKE SAs with a peer that are up.
    fn handles(&self, party: &Party<'_>) -> Vec<IkeHandle> {
        self.tunnels(party).iter().map(|tunnel| tunnel.ike.ike).collect()
    }

    async fn advance(&self, by: Duration) -> Result<(), Trouble> {
        for party in &self.parties {
            for ike in self.handles(party) {
                self.node.advance(ike, by, party.is_dead(), PATIENCE).await;
            }
        }
        self.advances.lock().await.push((self.node.now(), by));
        Ok(())
    }

    async fn delete(&self, delete: &Delete) -> Result<(), Trouble> {
        let named = delete.peer.as_ref().map(|name| name.get_ref().as_str());
        for party in self.parties(named)? {
            match (self.side(delete.by), delete.what) {
                (Side::Edge, Scope::Ike) => {
                    for ike in self.handles(party) {
                        self.node.command(Command::DeleteIke { ike });
                        self.closed(ike).await;
                    }
                }
                (Side::Edge, Scope::Child) => {
                    for tunnel in self.tunnels(party) {
                        for child in &tunnel.children {
                            let (ike, spi) = (tunnel.ike.ike, child.spi_in);
                            self.node.command(Command::DeleteChild { ike, spi });
                            self.child_closed(spi).await;
                        }
                    }
                }
                (Side::Peer, scope) => {
                    let connection = CONNECTION.to_owned();
                    let target = match scope {
                        Scope::Ike => Target::Ike(connection),
                        Scope::Child => Target::Child(connection, CHILD.to_owned()),
                    };
                    party.peer.terminate(&target).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until an IKE SA is gone, or long enough.
    pub(super) async fn closed(&self, ike: IkeHandle) {
        let is = |event: &Event| matches!(event, Event::IkeClosed { ike: of, .. } if *of == ike);
        self.node
            .wait(GOODBYE, |log| log.events.iter().any(|(_, event)| is(event)).then_some(()))
            .await;
    }

    async fn child_closed(&self, spi: u32) {
        let is =
            |event: &Event| matches!(event, Event::ChildClosed { spi_in, .. } if *spi_in == spi);
        self.node
            .wait(GOODBYE, |log| log.events.iter().any(|(_, event)| is(event)).then_some(()))
            .await;
    }

    /// A killed peer is gone from the network as well: a kernel goes on answering without its daemon.
    async fn kill(&self, which: &Which) -> Result<(), Trouble> {
        let named = which.peer.as_ref().map(|name| name.get_ref().as_str());
        for party in self.parties(named)? {
            party.peer.kill().await?;
            party.died();
        }
        if self.parties.iter().all(Party::is_dead) {
            for way in [Way::ToEdge, Way::ToPeer] {
                let rule = Rule { direction: Some(way), ..Rule::new(Fate::Drop) };
                self.node.add_rule(rule).await;
            }
        }
        Ok(())
    }

    async fn restart(&self, which: &Which) -> Result<(), Trouble> {
        let named = which.peer.as_ref().map(|name| name.get_ref().as_str());
        for party in self.parties(named)? {
            party.peer.restart().await?;
            party.peer.configure(&party.config).await?;
        }
        Ok(())
    }

    async fn rule(&self, message: &MessageMatch, action: Fate, hold: bool) -> Result<(), Trouble> {
        let direction = match self.side(message.from) {
            Side::Edge => Way::ToPeer,
            Side::Peer => Way::ToEdge,
        };
        let rule = Rule {
            direction: Some(direction),
            class: Some(Class::Ike),
            exchange: Some(message.exchange.number().0),
            response: message.direction.map(|direction| direction == Direction::Response),
            count: Some(message.count),
            ..Rule::new(action)
        };
        if let Some(id) = self.node.add_rule(rule).await
            && hold
        {
            self.held.lock().await.push(id);
        }
        Ok(())
    }
}
