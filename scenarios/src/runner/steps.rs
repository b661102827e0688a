//! The steps of a case other than checks: who begins, what ends, what is held back.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ikeproof_proto::config::Connection;
use ikeproof_proto::event::Event;
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::middlebox::{Action as Fate, Class, Direction as Way, Release, Rule};
use ikeproof_proto::wire::v2::TrafficSelector;
use ikeproof_vendors::peer::{IkeSa, Target};

use super::case::{CaseRun, Party};
use super::checks::SoFar;
use super::failure::Trouble;
use super::faults;
use super::setup::{self, CONNECTION};
use crate::scenario::{
    Action, Actor, Delete, Direction, Initiate, MessageMatch, Nets, Scope, Side, Step, What, Which,
};

/// How long an initiation may take before the peer is left alone with it.
const INITIATION: Duration = Duration::from_secs(60);
/// How long an answer is waited for in real time while a clock is moved.
const PATIENCE: Duration = Duration::from_secs(10);
/// Where a NAT is from then on that has got another address (TEST-NET-2 of RFC 5737, which nobody else has).
const MOVED: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
/// How long a delete may take.
const GOODBYE: Duration = Duration::from_secs(10);

impl CaseRun<'_> {
    /// Plays steps in order; a check that fails ends them.
    pub(super) async fn play(&self, steps: &[Step]) -> Result<(), Trouble> {
        let mut since = None;
        for (at, step) in steps.iter().enumerate() {
            let before = since.take();
            let next = steps.get(at + 1).map(|next| &next.action);
            // What comes of an initiation may have come before the next step looks: `never` counts it.
            if let (Action::Initiate(_), Some(Action::Never(never))) = (&step.action, next) {
                since = Some(self.so_far(never));
            }
            // Boxed, since steps hold steps.
            Box::pin(self.action(&step.action, before))
                .await
                .map_err(|trouble| trouble.at(step.line))?;
        }
        Ok(())
    }

    async fn action(&self, action: &Action, before: Option<SoFar>) -> Result<(), Trouble> {
        match action {
            Action::Initiate(initiate) => self.initiate(initiate).await,
            Action::Expect(expect) => self.expect(expect).await,
            Action::Traffic(traffic) => self.traffic(traffic).await,
            Action::Never(never) => {
                self.never(never, before.unwrap_or_else(|| self.so_far(never))).await
            }
            Action::Advance(span) => self.advance(span.0).await,
            Action::Delete(delete) => self.delete(delete).await,
            Action::Kill(which) => self.kill(which).await,
            Action::Restart(which) => self.restart(which).await,
            Action::Forget(which) => self.forget(which).await,
            Action::NextPassword(which) => {
                let named = which.peer.as_ref().map(|name| name.get_ref().as_str());
                for party in self.parties(named)? {
                    party.peer.next_password().await?;
                }
                Ok(())
            }
            Action::Hold(message) => self.rule(message, Fate::Hold, true).await,
            Action::Drop(message) => self.rule(message, Fate::Drop, false).await,
            Action::Duplicate(message) => self.rule(message, Fate::Repeat(1), false).await,
            Action::Calm => {
                self.node.calm();
                Ok(())
            }
            Action::Remap(remap) => match self.node.remap(remap.address.then_some(MOVED)).await {
                true => Ok(()),
                false => Err(Trouble::Setup("there is no NAT to remap".to_owned())),
            },
            Action::Release => {
                for rule in self.held.lock().await.drain(..) {
                    self.node.lift(rule, Release::InOrder);
                }
                Ok(())
            }
            Action::Fault(fault) => {
                let fault = Box::new(faults::armed(fault)?);
                self.node.command(Command::Deviate(fault));
                Ok(())
            }
            Action::Parallel(branches) => {
                // One that fails does not end the others: what a peer was told to do it would go on with.
                let branches = branches.iter().map(|steps| self.play(steps));
                futures_util::future::join_all(branches).await.into_iter().collect()
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

    async fn initiate(&self, initiate: &Initiate) -> Result<(), Trouble> {
        let named = initiate.peer.as_ref().map(|name| name.get_ref().as_str());
        let nets = initiate.net.as_ref().map(|net| *net.get_ref());
        for party in self.parties(named)? {
            match (self.side(initiate.by), initiate.what) {
                (Side::Edge, What::Tunnel) => self.edge_begins(party, nets)?,
                (Side::Edge, What::Liveness) => {
                    for ike in self.handles(party) {
                        self.node.command(Command::Probe { ike });
                    }
                }
                (Side::Edge, What::Rekey) => {
                    for (ike, spi) in self.pairs(party, nets)? {
                        self.node.command(Command::RekeyChild { ike, spi });
                    }
                }
                (Side::Edge, What::Reauth) => {
                    let mut anew = self.edge_connection(party, Nets::FIRST)?;
                    anew.ts_local.clear();
                    self.node.command(Command::Initiate(Box::new(anew)));
                }
                (Side::Peer, What::Reauth) => {
                    party.peer.rekey(&Target::Ike(CONNECTION.to_owned())).await?;
                }
                (Side::Peer, What::Rekey) => {
                    for child in self.children(party, nets)? {
                        party.peer.rekey(&child).await?;
                    }
                }
                (Side::Peer, What::Tunnel) => {
                    // What comes of it is for the checks to see.
                    for net in nets.unwrap_or(Nets::FIRST).numbers() {
                        party.begin(net, INITIATION);
                    }
                }
                (Side::Peer, What::Liveness) => {
                    return Err(Trouble::Setup("only the edge is told to probe".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// The edge asks for networks behind a peer: for a first one with an IKE SA, for more under it.
    fn edge_begins(&self, party: &Party<'_>, nets: Option<Nets>) -> Result<(), Trouble> {
        if let Some(nets) = nets
            && let Some(ike) = self.handles(party).first().copied()
        {
            for net in nets.numbers() {
                let ask = Box::new(setup::edge_child(self.edge, party.spec, net)?);
                self.node.command(Command::CreateChild { ike, ask });
            }
            return Ok(());
        }
        let connection = self.edge_connection(party, nets.unwrap_or(Nets::FIRST))?;
        self.node.command(Command::Initiate(Box::new(connection)));
        Ok(())
    }

    /// What the edge asks a peer for, for these networks behind it.
    fn edge_connection(&self, party: &Party<'_>, nets: Nets) -> Result<Connection, Trouble> {
        let (spec, at, place) = (party.spec, party.at, party.place);
        setup::edge_connection(self.edge, spec, at, place, self.seed, nets)
    }

    /// The pairs of the edge for networks behind a peer, or all: IKE SA and own SPI.
    fn pairs(
        &self,
        party: &Party<'_>,
        nets: Option<Nets>,
    ) -> Result<Vec<(IkeHandle, u32)>, Trouble> {
        let wanted = nets.map(|nets| party.selectors(nets)).transpose()?;
        let is_meant = |remote: &[TrafficSelector]| {
            wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|net| remote.contains(net)))
        };
        let mut pairs = Vec::new();
        for tunnel in self.tunnels(party) {
            let children = tunnel.children.iter().filter(|child| is_meant(&child.ts_remote));
            pairs.extend(children.map(|child| (tunnel.ike.ike, child.spi_in)));
        }
        Ok(pairs)
    }

    /// The children of a peer for networks behind it; for all that are up, if none are named.
    fn children(&self, party: &Party<'_>, nets: Option<Nets>) -> Result<Vec<Target>, Trouble> {
        let child = |net| Target::Child(CONNECTION.to_owned(), setup::child_name(net));
        let count = *party.spec.nets.get_ref();
        if let Some(nets) = nets {
            return Ok(nets.numbers().map(child).collect());
        }
        if count == 1 {
            return Ok(vec![child(1)]);
        }
        let mut up = Vec::new();
        for net in 1..=count {
            if !self.pairs(party, Some(Nets { first: net, last: net }))?.is_empty() {
                up.push(child(net));
            }
        }
        Ok(up)
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
        let nets = delete.net.as_ref().map(|net| *net.get_ref());
        for party in self.parties(named)? {
            match (self.side(delete.by), delete.what) {
                (Side::Edge, Scope::Ike) => {
                    for ike in self.handles(party) {
                        self.node.command(Command::DeleteIke { ike });
                        self.closed(ike).await;
                    }
                }
                (Side::Edge, Scope::Older) => {
                    let handles = self.handles(party);
                    let newest = handles.iter().max();
                    for &ike in handles.iter().filter(|ike| Some(*ike) != newest) {
                        self.node.command(Command::DeleteIke { ike });
                        self.closed(ike).await;
                    }
                }
                (Side::Edge, Scope::Child) => {
                    for (ike, spi) in self.pairs(party, nets)? {
                        self.node.command(Command::DeleteChild { ike, spi });
                        self.child_closed(spi).await;
                    }
                }
                (Side::Peer, scope) => {
                    let targets = match scope {
                        Scope::Ike => vec![Target::Ike(CONNECTION.to_owned())],
                        Scope::Child => self.children(party, nets)?,
                        Scope::Older => older(&party.peer.sas().await?),
                    };
                    for target in &targets {
                        party.peer.terminate(target).await?;
                    }
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

    /// An edge that crashed and came up again knows what it is configured with, and no SA.
    async fn forget(&self, which: &Which) -> Result<(), Trouble> {
        let named = which.peer.as_ref().map(|name| name.get_ref().as_str());
        for party in self.parties(named)? {
            for ike in self.handles(party) {
                self.node.command(Command::Forget { ike });
                self.closed(ike).await;
            }
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

/// The IKE SAs that a peer has beside the newest, in whatever state.
fn older(sas: &[IkeSa]) -> Vec<Target> {
    let mut numbers: Vec<(u64, &str)> =
        sas.iter().filter_map(|sa| Some((sa.unique_id.parse().ok()?, &*sa.unique_id))).collect();
    numbers.sort_unstable();
    numbers.pop();
    numbers.into_iter().map(|(_, number)| Target::Sa(number.to_owned())).collect()
}
