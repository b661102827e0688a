//! An ISAKMP SA that both ends have authenticated: quick modes, dead peer detection, keepalives,
//! lifetimes, and the SAs that were negotiated (RFC 2409, sections 5.5 and 5.7; RFC 3706).

use std::collections::{BTreeMap, VecDeque};

use core::net::SocketAddr;
use core::time::Duration;

use super::channel::Channel;
use super::child::Child;
use super::natt;
use super::phase1::Features;
use super::quick::{Ask, AwaitSecond, AwaitThird, NotAnswered, Surroundings, responder_lifetime};
use super::sa::{Arrival, Next, State};
use crate::config::Connection;
use crate::datagram::KEEPALIVE;
use crate::endpoint::context::Context;
use crate::endpoint::pair::{self, encap, tunnel_of};
use crate::entropy::Label;
use crate::event::{
    CloseReason, DropReason, Event, IkeEstablished, Ikev1Established, NatStatus, Role, Side,
};
use crate::io::{self, Deadline, IkeHandle, Path, TimerReason};
use crate::policy::{ChildOffer, Dpd, ProbeMode};
use crate::sa;
use crate::time::Time;
use crate::wire::v1::Payload;
use crate::wire::v2::{self, TrafficSelector};
use crate::wire::{ExchangeType, IkeSpi, NotifyType, ProtocolId};

pub(crate) use crate::v2::window::Answered as LastAnswer;

/// How many quick modes may run at a time.
const MAX_QUICK: usize = 64;
/// How many message IDs are remembered, so that a replayed quick mode opens nothing.
const MAX_USED: usize = 1024;

/// An established ISAKMP SA.
#[derive(Debug)]
pub(crate) struct Established {
    pub(super) channel: Channel,
    pub(super) path: Path,
    nat: NatStatus,
    features: Features,
    /// What the vectors of later exchanges are made of.
    pub(super) base_iv: Vec<u8>,
    connection: Option<Box<Connection>>,
    pub(super) children: Vec<Child>,
    has_tunnel: bool,
    pub(super) quick: BTreeMap<u32, Quick>,
    used: VecDeque<u32>,
    last_answer: Option<LastAnswer>,
    pub(super) probes: Probes,
    dpd: Dpd,
    pub(super) last_heard: Time,
    probe_at: Time,
    keepalive_at: Option<Time>,
    keepalive: Duration,
    expires: Time,
    activity: Activity,
}

/// What phase 1 ends in.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) channel: Channel,
    pub(crate) path: Path,
    pub(crate) nat: NatStatus,
    pub(crate) features: Features,
    pub(crate) base_iv: Vec<u8>,
    pub(crate) local_id: v2::Id,
    pub(crate) remote_id: v2::Id,
    /// What names the credential that proved it.
    pub(crate) credential: v2::Id,
    pub(crate) facts: Ikev1Established,
    /// What an initiator asks for next.
    pub(crate) connection: Option<Box<Connection>>,
    /// The last message of phase 1 that came in, and what it was answered with.
    pub(crate) last_answer: Option<LastAnswer>,
}

/// A quick mode.
#[derive(Debug)]
pub(super) enum Quick {
    Second(Box<AwaitSecond>),
    Third(Box<AwaitThird>),
    /// It is over; what a repetition of the last message gets.
    Done(LastAnswer),
}

/// Dead peer detection: probes sent, and probes answered.
#[derive(Debug)]
pub(super) struct Probes {
    /// The sequence number of the next probe.
    pub(super) next: u32,
    /// The probe that waits for its answer: its number, when it is repeated, how often it was.
    pub(super) waiting: Option<(u32, Time, u32)>,
    /// The last sequence number of the peer.
    pub(super) peer: Option<u32>,
}

/// The last traffic of all tunnels, as times of the data plane and of this SA.
#[derive(Clone, Copy, Debug, Default)]
struct Activity {
    inbound: Option<(Time, Time)>,
    outbound: Option<(Time, Time)>,
}

impl Established {
    /// Takes over from phase 1, and asks for the SAs of the connection if there is one.
    pub(crate) fn open(cx: &mut Context, ike: IkeHandle, now: Time, opening: Opening) -> Self {
        let Opening { channel, path, nat, features, base_iv, facts, connection, .. } = opening;
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: connection.as_ref().map(|connection| connection.name.clone()),
            role: channel.role,
            path,
            spi_i: channel.spi_i,
            spi_r: channel.spi_r,
            local_id: opening.local_id,
            remote_id: opening.remote_id,
            credential: opening.credential,
            suite: channel.suite,
            nat,
            ikev1: Some(facts),
        })));
        let dpd = cx.config.profile.dpd();
        let keepalive = Duration::from_secs(cx.config.profile.timers.keepalive);
        // RFC 3706 §6.2: random, with the high bit clear.
        let first: u32 = u32::from_be_bytes(cx.entropy.array(Label::PROBE_SEQUENCE, ike.0));
        let mut established = Self {
            channel,
            path,
            nat,
            features,
            base_iv,
            connection,
            children: Vec::new(),
            has_tunnel: false,
            quick: BTreeMap::new(),
            used: VecDeque::new(),
            last_answer: opening.last_answer,
            probes: Probes { next: first >> 1, waiting: None, peer: None },
            dpd,
            last_heard: now,
            probe_at: now + dpd.idle,
            keepalive_at: nat.local.then(|| now + keepalive),
            keepalive,
            expires: now + Duration::from_secs(facts.lifetime),
            activity: Activity::default(),
        };
        established.ask_all(ike, now, cx);
        established
    }

    /// Starts a quick mode for each pair of selectors of the connection.
    fn ask_all(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        let Some(connection) = &self.connection else { return };
        let mut asks = Vec::new();
        for ts_local in &connection.ts_local {
            for ts_remote in &connection.ts_remote {
                if ts_local.start.is_ipv4() == ts_remote.start.is_ipv4() {
                    asks.push(Ask {
                        proposals: connection.child.clone(),
                        ts_local: *ts_local,
                        ts_remote: *ts_remote,
                        replaces: None,
                    });
                }
            }
        }
        for ask in asks {
            self.ask(ike, now, ask, cx);
        }
    }

    fn ask(&mut self, ike: IkeHandle, now: Time, ask: Ask, cx: &mut Context) {
        if self.quick.len() >= MAX_QUICK {
            return;
        }
        let message_id = self.new_message_id(ike, cx);
        let around = self.around(ike, now);
        if let Some(quick) = AwaitSecond::begin(cx, &around, &self.base_iv, message_id, ask) {
            self.quick.insert(message_id, Quick::Second(Box::new(quick)));
        }
    }

    /// A message ID that was not used on this SA (RFC 2408, section 3.1).
    pub(super) fn new_message_id(&mut self, ike: IkeHandle, cx: &mut Context) -> u32 {
        loop {
            let id = u32::from_be_bytes(cx.entropy.array(Label::MESSAGE_ID, ike.0));
            if id != 0 && self.use_message_id(id) {
                return id;
            }
        }
    }

    /// Takes note of a message ID. Says whether it is new.
    pub(super) fn use_message_id(&mut self, id: u32) -> bool {
        if self.used.contains(&id) {
            return false;
        }
        if self.used.len() == MAX_USED
            && let Some(oldest) = self.used.pop_front()
        {
            self.quick.remove(&oldest);
        }
        self.used.push_back(id);
        true
    }

    fn around(&self, ike: IkeHandle, now: Time) -> Surroundings<'_> {
        let nat = self.nat.found() && self.features.natt.is_some();
        Surroundings {
            ike,
            now,
            channel: &self.channel,
            path: self.path,
            encapsulation: natt::encapsulation(self.features.natt, self.nat),
            encap: encap(self.path, nat),
            nat,
        }
    }

    pub(super) fn closed(self: Box<Self>, reason: CloseReason) -> Next {
        Next::Closed(State::Established(self), reason)
    }

    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.channel.spi_i, self.channel.spi_r)
    }

    pub(crate) fn own_spi(&self) -> IkeSpi {
        match self.channel.role {
            Role::Initiator => self.channel.spi_i,
            Role::Responder => self.channel.spi_r,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.probes.waiting.is_some()
            || self.quick.values().any(|quick| !matches!(quick, Quick::Done(_)))
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let quick = self.quick.values().filter_map(|quick| match quick {
            Quick::Second(quick) => Some(quick.deadline()),
            Quick::Third(quick) => Some(quick.deadline()),
            Quick::Done(_) => None,
        });
        let quick = quick.map(|Deadline { at, reason }| (at, reason));
        let probe = self.probes.waiting.map_or(self.probe_at, |(_, at, _)| at);
        let keepalive = self.keepalive_at.map(|at| (at, TimerReason::Keepalive));
        let child = self.children.iter().flat_map(|child| {
            let rekey = child.rekey_at.map(|at| (at, TimerReason::ChildLifetime));
            rekey.into_iter().chain([(child.expires, TimerReason::ChildLifetime)])
        });
        [(probe, TimerReason::DeadPeer), (self.expires, TimerReason::IkeLifetime)]
            .into_iter()
            .chain(keepalive)
            .chain(quick)
            .chain(child)
            .min()
            .map(|(at, reason)| Deadline { at, reason })
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        self.quick_timeouts(ike, now, cx);
        if self.keepalive_at.is_some_and(|at| now >= at) {
            cx.transmit_raw(self.path, KEEPALIVE.to_vec());
            self.keepalive_at = Some(now + self.keepalive);
        }
        self.child_timeouts(ike, now, cx);
        if now >= self.expires {
            self.say_deleted(ike, cx);
            return self.closed(CloseReason::Expired);
        }
        match self.probes.waiting {
            Some((_, at, tries)) if now >= at => {
                if tries >= self.dpd.probes {
                    return self.closed(CloseReason::DeadPeer);
                }
                self.repeat_probe(ike, now, self.dpd.interval, cx);
            }
            Some(_) => {}
            None if now >= self.probe_at => {
                // The answer comes as a report and decides whether there is anything to probe for.
                self.probe_at = now + self.dpd.idle;
                if self.features.dpd {
                    cx.ask_activity(tunnel_of(ike));
                }
            }
            None => {}
        }
        Next::State(State::Established(self))
    }

    fn quick_timeouts(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        let mut quick = core::mem::take(&mut self.quick);
        let around = self.around(ike, now);
        quick.retain(|_, quick| {
            let over = match quick {
                Quick::Second(quick) => quick.timeout(&around, cx),
                Quick::Third(quick) => quick.timeout(&around, cx),
                Quick::Done(_) => false,
            };
            if over {
                let detail = "quick mode was not answered".to_owned();
                let (by, notify) = (Side::Peer, NotifyType::NO_PROPOSAL_CHOSEN);
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                match quick {
                    Quick::Second(quick) => quick.abandon(cx),
                    Quick::Third(quick) => quick.abandon(cx),
                    Quick::Done(_) => {}
                }
            }
            !over
        });
        self.quick = quick;
    }

    fn child_timeouts(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        let due = |child: &&Child| child.rekey_at.is_some_and(|at| now >= at);
        let rekeys: Vec<_> = self.children.iter().filter(due).cloned().collect();
        for child in rekeys {
            self.rekey(ike, now, child.spi_in, cx);
        }
        let expired: Vec<u32> =
            self.children.iter().filter(|child| now >= child.expires).map(|c| c.spi_in).collect();
        for spi in expired {
            self.drop_child(ike, spi, CloseReason::Expired, cx);
        }
    }

    /// Starts a quick mode that replaces the pair that receives on `spi`. An end that has no connection
    /// of its own asks for what there is.
    pub(crate) fn rekey(&mut self, ike: IkeHandle, now: Time, spi: u32, cx: &mut Context) {
        let Some(child) = self.children.iter_mut().find(|child| child.spi_in == spi) else {
            return;
        };
        child.rekey_at = None;
        let (ts_local, ts_remote) = (child.ts_local, child.ts_remote);
        let proposals = match &self.connection {
            Some(connection) => connection.child.clone(),
            None => vec![ChildOffer::of(child.suite).proposal(1, &[], false)],
        };
        let replaces = Some(spi);
        self.ask(ike, now, Ask { proposals, ts_local, ts_remote, replaces }, cx);
    }

    /// Takes note of when the tunnels last carried anything; probes if the peer has been quiet for too
    /// long (RFC 3706; reading R23 says whether only with traffic to send).
    pub(crate) fn activity(
        &mut self,
        ike: IkeHandle,
        now: Time,
        skew: Duration,
        report: &io::Activity,
        cx: &mut Context,
    ) {
        note(&mut self.activity.inbound, report.last_inbound, skew);
        note(&mut self.activity.outbound, report.last_outbound, skew);
        let heard =
            self.activity.inbound.map_or(self.last_heard, |(_, at)| at.max(self.last_heard));
        if self.probes.waiting.is_some() {
            return;
        }
        if now.since(heard) < self.dpd.idle {
            self.probe_at = heard + self.dpd.idle;
            return;
        }
        let waits = self.activity.outbound.is_some_and(|(_, at)| at > heard);
        if self.dpd.mode == ProbeMode::Periodic || waits {
            self.probe(ike, now, cx);
        }
    }

    /// Asks for a sign of life.
    pub(crate) fn probe(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        if self.probes.waiting.is_none() {
            self.begin_probe(ike, now, self.dpd.interval, cx);
        }
    }

    /// Deletes the ISAKMP SA and all that was negotiated with it. Nothing answers a delete.
    pub(crate) fn delete(&mut self, ike: IkeHandle, cx: &mut Context) {
        self.say_deleted(ike, cx);
    }

    /// Deletes the pair that receives on `spi`.
    pub(crate) fn drop_child(
        &mut self,
        ike: IkeHandle,
        spi: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        if let Some(child) = self.take_child(|child| child.spi_in == spi) {
            self.say_child_deleted(ike, child.spi_in, cx);
            pair::remove(cx, ike, child.spi_in, child.spi_out, reason);
        }
    }

    /// The same for the pair that sends on `spi_out`.
    pub(crate) fn drop_outbound(
        &mut self,
        ike: IkeHandle,
        spi_out: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        let found = self.children.iter().find(|child| child.spi_out == spi_out);
        if let Some(spi_in) = found.map(|child| child.spi_in) {
            self.drop_child(ike, spi_in, reason, cx);
        }
    }

    pub(super) fn take_child(&mut self, is_meant: impl Fn(&Child) -> bool) -> Option<Child> {
        let at = self.children.iter().position(is_meant)?;
        Some(self.children.remove(at))
    }

    /// Forgets all SAs.
    pub(crate) fn close_children(
        self: Box<Self>,
        ike: IkeHandle,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        for quick in self.quick.values() {
            match quick {
                Quick::Second(quick) => quick.abandon(cx),
                Quick::Third(quick) => quick.abandon(cx),
                Quick::Done(_) => {}
            }
        }
        for child in &self.children {
            pair::remove(cx, ike, child.spi_in, child.spi_out, reason);
        }
        if self.has_tunnel {
            cx.data_plane(sa::Command::RemoveTunnel { tunnel: tunnel_of(ike) });
        }
    }

    /// Something authentic has come from another address or port: behind a NAT the peer has moved
    /// (RFC 3947, section 7).
    pub(crate) fn moved(&mut self, ike: IkeHandle, to: SocketAddr, cx: &mut Context) {
        let from = self.path.remote;
        if !self.nat.peer || from == to {
            return;
        }
        self.path.remote = to;
        cx.event(Event::PeerMoved { ike, from, to });
        if self.has_tunnel {
            let encap = encap(self.path, self.nat.found());
            cx.data_plane(sa::Command::SetEncap { tunnel: tunnel_of(ike), encap });
        }
    }

    /// Tells the peer how long the ISAKMP SA lives here (RFC 2407, section 4.6.3.1).
    pub(crate) fn tell_lifetime(&mut self, ike: IkeHandle, seconds: u64, cx: &mut Context) {
        let (spi_i, spi_r) = self.spis();
        let spi = [spi_i.0, spi_r.0].concat();
        let notify = responder_lifetime(ProtocolId::IKE, &spi, seconds);
        self.inform(ike, &[notify], cx);
    }

    /// The peer says how long something lives there.
    pub(super) fn told_lifetime(&mut self, now: Time, seconds: u64) {
        self.expires = self.expires.min(now + Duration::from_secs(seconds));
    }

    pub(super) fn heard(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) {
        self.last_heard = now;
        self.probe_at = now + self.dpd.idle;
        self.moved(ike, arrival.path.remote, cx);
    }

    pub(crate) fn message(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let header = arrival.raw.header;
        match header.exchange {
            ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE => {
                self.repeat_last(ike, arrival, cx);
            }
            ExchangeType::QUICK_MODE => self.quick(ike, now, arrival, cx),
            ExchangeType::INFORMATIONAL_V1 => return self.informational(ike, now, arrival, cx),
            exchange => arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx),
        }
        Next::State(State::Established(self))
    }

    /// Answers a repetition of the last message of phase 1 as it was answered before.
    fn repeat_last(&mut self, ike: IkeHandle, arrival: &Arrival<'_>, cx: &mut Context) {
        let exchange = arrival.raw.header.exchange;
        let repeated = self.last_answer.as_mut().and_then(|last| last.repeat(arrival.bytes));
        match repeated {
            Some((response, attempt)) if !response.is_empty() => {
                cx.transmit(self.path, response);
                let (message_id, response) = (0, true);
                cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
            }
            _ => arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx),
        }
    }

    fn quick(&mut self, ike: IkeHandle, now: Time, arrival: &Arrival<'_>, cx: &mut Context) {
        let message_id = arrival.raw.header.message_id;
        match self.quick.remove(&message_id) {
            None => self.quick_begins(ike, now, arrival, cx),
            Some(Quick::Second(quick)) => {
                let replaces = self.replaced_by(&quick.ask.ts_local, &quick.ask.ts_remote);
                let around = self.around(ike, now);
                match quick.answered(cx, &around, arrival, replaces) {
                    None => {
                        self.quick.insert(message_id, Quick::Second(quick));
                    }
                    Some(Err(())) => quick.abandon(cx),
                    Some(Ok((child, answered))) => {
                        self.heard(ike, now, arrival, cx);
                        self.quick.insert(message_id, Quick::Done(answered));
                        self.adopt(child);
                        // Who asks for a new pair takes the old one down.
                        if let Some(old) = quick.ask.replaces {
                            self.drop_child(ike, old, CloseReason::DeletedByUs, cx);
                        }
                    }
                }
            }
            Some(Quick::Third(mut quick)) => {
                if let Some((response, attempt)) = quick.repeat(arrival.bytes) {
                    cx.transmit(arrival.path, response);
                    let (exchange, response) = (ExchangeType::QUICK_MODE, true);
                    cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
                    self.quick.insert(message_id, Quick::Third(quick));
                    return;
                }
                let accepted = &quick.accepted;
                let replaces = self.replaced_by(&accepted.ts_local, &accepted.ts_remote);
                let around = self.around(ike, now);
                match quick.finished(cx, &around, arrival, replaces) {
                    None => {
                        self.quick.insert(message_id, Quick::Third(quick));
                    }
                    Some(Err(())) => quick.abandon(cx),
                    Some(Ok(child)) => {
                        self.heard(ike, now, arrival, cx);
                        let done = LastAnswer::new(arrival.bytes, Vec::new());
                        self.quick.insert(message_id, Quick::Done(done));
                        self.adopt(child);
                    }
                }
            }
            Some(Quick::Done(mut answered)) => {
                match answered.repeat(arrival.bytes) {
                    Some((response, attempt)) if !response.is_empty() => {
                        cx.transmit(self.path, response);
                        let (exchange, response) = (ExchangeType::QUICK_MODE, false);
                        cx.event(Event::Retransmitted {
                            ike,
                            exchange,
                            message_id,
                            response,
                            attempt,
                        });
                    }
                    _ => arrival.dropped(DropReason::UnexpectedResponse, cx),
                }
                self.quick.insert(message_id, Quick::Done(answered));
            }
        }
    }

    /// The first message of a quick mode of the peer.
    fn quick_begins(&mut self, ike: IkeHandle, now: Time, arrival: &Arrival<'_>, cx: &mut Context) {
        let message_id = arrival.raw.header.message_id;
        let running = self.quick.values().filter(|quick| !matches!(quick, Quick::Done(_))).count();
        if message_id == 0 || self.used.contains(&message_id) || running >= MAX_QUICK {
            let (got, expected) = (message_id, 0);
            return arrival.dropped(DropReason::MessageId { got, expected }, cx);
        }
        let around = self.around(ike, now);
        let (children, pending) = (&self.children, &self.quick);
        let room = |cx: &Context, local: &TrafficSelector, remote: &TrafficSelector| {
            let waiting = pending.values().filter(|quick| matches!(quick, Quick::Third(_))).count();
            let is_rekey = children.iter().any(|child| child.protects(local, remote));
            let overlap = children.iter().filter(|child| child.replaced).count();
            let installed = children.len() + waiting;
            cx.ikev1_profile.has_room_for_child(installed, overlap, is_rekey)
        };
        match AwaitThird::begin(cx, &around, arrival, &self.base_iv, room) {
            Ok(quick) => {
                self.heard(ike, now, arrival, cx);
                self.use_message_id(message_id);
                self.quick.insert(message_id, Quick::Third(Box::new(quick)));
            }
            Err(NotAnswered::Dropped) => {}
            Err(NotAnswered::Refused(notify, detail)) => {
                self.heard(ike, now, arrival, cx);
                self.use_message_id(message_id);
                let (by, kind) = (Side::Local, NotifyType(notify.kind.0));
                cx.event(Event::ChildRefused { ike, by, notify: kind, detail });
                self.inform(ike, &[Payload::Notify(notify)], cx);
            }
        }
    }

    /// The outbound SPI of the pair that new SAs for the same traffic take the place of.
    fn replaced_by(&self, local: &TrafficSelector, remote: &TrafficSelector) -> Option<u32> {
        let mut same = self.children.iter().filter(|child| child.protects(local, remote));
        same.find(|child| !child.replaced).map(|child| child.spi_out)
    }

    fn adopt(&mut self, child: Child) {
        self.has_tunnel = true;
        for old in &mut self.children {
            if old.protects(&child.ts_local, &child.ts_remote) {
                old.replaced = true;
                old.rekey_at = None;
            }
        }
        self.children.push(child);
    }
}

fn note(known: &mut Option<(Time, Time)>, seen: Option<Time>, skew: Duration) {
    if let Some(seen) = seen
        && known.is_none_or(|(before, _)| before != seen)
    {
        *known = Some((seen, seen + skew));
    }
}
