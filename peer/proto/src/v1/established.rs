//! An ISAKMP SA that both ends have authenticated: quick modes, dead peer detection, keepalives,
//! lifetimes, and the SAs that were negotiated (RFC 2409, sections 5.5 and 5.7; RFC 3706).

use std::collections::BTreeMap;

use core::net::SocketAddr;
use core::time::Duration;

use super::channel::Channel as Keys;
use super::child::Child;
use super::message_ids::MessageIds;
use super::phase1::Features;
use super::probes::PeerProbes;
use super::quick::{Quick, responder_lifetime};
use super::sa::{Arrival, Next, State};
use super::transaction::Transactions;
use crate::config::Connection;
use crate::crypto::suite::ChildProtocol;
use crate::endpoint::context::Context;
use crate::endpoint::liveness::Liveness;
use crate::endpoint::pair::encap;
use crate::entropy::Label;
use crate::event::{
    CloseReason, DropReason, Event, IkeEstablished, Ikev1Established, NatStatus, Role,
};
use crate::io::{self, Channel, Deadline, IkeHandle, Path, TimerReason};
use crate::policy::{Ikev1Mode, Lifetime};
use crate::sa;
use crate::time::{Time, seconds};
use crate::wire::v1::{Notify, NotifyKind, Payload};
use crate::wire::v2;
use crate::wire::{ExchangeType, IkeSpi, ProtocolId};

pub(crate) use crate::window::Answered as LastAnswer;

/// How many quick modes that are over are kept, so that a repeated last message is answered.
const MAX_ANSWERS: usize = 64;

/// An established ISAKMP SA.
#[derive(Debug)]
pub(crate) struct Established {
    pub(super) channel: Keys,
    pub(super) path: Path,
    pub(super) nat: NatStatus,
    pub(super) features: Features,
    /// What the vectors of later exchanges are made of.
    pub(super) base_iv: Vec<u8>,
    pub(super) connection: Option<Box<Connection>>,
    /// Who the two ends are, this one first.
    pub(super) ids: [v2::Id; 2],
    /// Whether pairs of an older SA with this peer are still to come under this one.
    pub(super) adopts: bool,
    pub(super) children: Vec<Child>,
    pub(super) has_tunnel: bool,
    pub(super) quick: BTreeMap<u32, Quick>,
    pub(super) message_ids: MessageIds,
    pub(super) transactions: Transactions,
    pub(super) last_answer: Option<LastAnswer>,
    /// Whether the peer may still lack the third message of aggressive mode: it has shown nothing yet that
    /// only an end with an SA can send.
    pub(super) unconfirmed: bool,
    pub(super) probes: Probes,
    pub(super) liveness: Liveness,
    expires: Time,
    /// Octets of IKE that may still pass, if they are limited.
    octets_left: Option<u64>,
}

/// What phase 1 ends in.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) channel: Keys,
    pub(crate) path: Path,
    pub(crate) nat: NatStatus,
    pub(crate) features: Features,
    pub(crate) base_iv: Vec<u8>,
    pub(crate) local_id: v2::Id,
    pub(crate) remote_id: v2::Id,
    /// What names the credential that proved it.
    pub(crate) credential: v2::Id,
    pub(crate) facts: Ikev1Established,
    /// Whether the peer has said that it has no other SA with this end.
    pub(crate) initial_contact: bool,
    /// What an initiator asks for next.
    pub(crate) connection: Option<Box<Connection>>,
    /// The last message of phase 1 that came in, and what it was answered with.
    pub(crate) last_answer: Option<LastAnswer>,
}

/// Dead peer detection: probes sent, and probes answered.
#[derive(Debug)]
pub(super) struct Probes {
    /// The sequence number of the next probe.
    pub(super) next: u32,
    /// The probe that waits for its answer: its number, when it is repeated, how often it was.
    pub(super) waiting: Option<(u32, Time, u32)>,
    /// Those of the peer.
    pub(super) peer: PeerProbes,
}

impl Established {
    /// Takes over from phase 1, and asks for the SAs of the connection if there is one.
    pub(crate) fn open(cx: &mut Context, ike: IkeHandle, now: Time, opening: Opening) -> Self {
        let Opening { channel, path, nat, features, base_iv, facts, connection, .. } = opening;
        let ids = [opening.local_id, opening.remote_id];
        // Behind one identity of phase 1 there may be many users, and each of them may be the first.
        if facts.auth.without_xauth() == facts.auth {
            cx.peers.authenticated(ike, ids.clone());
        }
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: connection.as_ref().map(|connection| connection.name.clone()),
            role: channel.role,
            path,
            spi_i: channel.spi_i,
            spi_r: channel.spi_r,
            local_id: ids[0].clone(),
            remote_id: ids[1].clone(),
            credential: opening.credential,
            suite: channel.suite,
            nat,
            ikev1: Some(facts),
        })));
        // RFC 3706 §6.2: random, with the high bit clear.
        let first: u32 = u32::from_be_bytes(cx.entropy.array(Label::PROBE_SEQUENCE, ike.0));
        let is_last = facts.mode == Ikev1Mode::Aggressive && channel.role == Role::Initiator;
        let mut established = Self {
            channel,
            path,
            nat,
            features,
            base_iv,
            connection,
            ids,
            adopts: !opening.initial_contact,
            children: Vec::new(),
            has_tunnel: false,
            quick: BTreeMap::new(),
            message_ids: MessageIds::default(),
            transactions: Transactions::default(),
            last_answer: opening.last_answer,
            unconfirmed: is_last,
            probes: Probes { next: first >> 1, waiting: None, peer: PeerProbes::default() },
            liveness: Liveness::new(now, &cx.config.profile, nat.local),
            expires: now + seconds(facts.lifetime),
            octets_left: cx.config.profile.ike_life().octets(),
        };
        established.begin_transactions(ike, now, facts.auth, cx);
        established
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
        if !self.message_ids.add(id) {
            return false;
        }
        // Answers are kept for a while; that a message ID was used is never forgotten.
        let over = self.quick.iter().filter(|(_, quick)| !quick.runs());
        let mut over: Vec<_> = over.map(|(id, _)| (self.message_ids.order_of(*id), *id)).collect();
        over.sort_unstable();
        for (_, id) in over.iter().rev().skip(MAX_ANSWERS) {
            self.quick.remove(id);
        }
        true
    }

    /// When it ends: at once, if it has no more message IDs.
    fn expires(&self) -> Time {
        if self.message_ids.are_spent() { Time::ZERO } else { self.expires }
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
            || self.transactions.is_waiting()
            || self.quick.values().any(Quick::runs)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let quick = self.quick.values().filter_map(Quick::deadline);
        let quick = quick.map(|Deadline { at, reason }| (at, reason));
        let probe = self.probes.waiting.map_or(self.liveness.probe_at(), |(_, at, _)| at);
        let keepalive = self.liveness.keepalive_at().map(|at| (at, TimerReason::Keepalive));
        let child = self.children.iter().flat_map(|child| {
            let rekey = child.rekey_at.map(|at| (at, TimerReason::ChildLifetime));
            rekey.into_iter().chain([(child.expires, TimerReason::ChildLifetime)])
        });
        [(probe, TimerReason::DeadPeer), (self.expires(), TimerReason::IkeLifetime)]
            .into_iter()
            .chain(keepalive)
            .chain(quick)
            .chain(child)
            .chain(self.transactions.deadline())
            .min()
            .map(|(at, reason)| Deadline { at, reason })
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        let sent = cx.sent();
        if let Some(reason) = self.transaction_timeouts(ike, now, cx) {
            return self.closed(reason);
        }
        self.quick_timeouts(ike, now, cx);
        self.child_timeouts(ike, now, cx);
        if now >= self.expires() {
            self.say_deleted(ike, cx);
            return self.closed(CloseReason::Expired);
        }
        let dpd = self.liveness.dpd();
        if let Some((_, at, tries)) = self.probes.waiting
            && now >= at
        {
            if tries >= dpd.probes {
                return self.closed(CloseReason::DeadPeer);
            }
            self.repeat_probe(ike, now, dpd.interval, cx);
        }
        if self.liveness.asks(now, self.probes.waiting.is_none()) {
            cx.ask_activity(ike);
        }
        self.note_sent(now, sent, cx);
        Next::State(State::Established(self))
    }

    /// Sends the third message of aggressive mode again. Nobody answers it, and a responder that still
    /// waits for it need not repeat the second, which is how floods are amplified: libreswan does not.
    pub(super) fn complete_again(&mut self, ike: IkeHandle, cx: &mut Context) {
        if let Some((message, attempt)) = self.last_answer.as_mut().and_then(LastAnswer::again) {
            cx.transmit(self.path, message);
            let exchange = ExchangeType::AGGRESSIVE;
            let (message_id, response) = (0, false);
            cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
        }
    }

    /// Takes note of when the tunnels last carried anything: keeps the NAT mapping open if nothing else
    /// does, and probes if the peer has been quiet for too long (RFC 3706).
    pub(crate) fn activity(
        &mut self,
        ike: IkeHandle,
        now: Time,
        skew: Duration,
        report: &io::Activity,
        cx: &mut Context,
    ) {
        self.liveness.note(now, skew, report, self.path, cx);
        let is_quiet = self.probes.waiting.is_none() && self.liveness.is_quiet(now);
        if is_quiet && self.may_probe().is_ok() {
            self.probe(ike, now, cx);
        }
    }

    /// Takes note of what was sent over IKE since there were `before` messages.
    fn note_sent(&mut self, now: Time, before: u64, cx: &Context) {
        if cx.sent() != before {
            self.liveness.sent(now);
        }
    }

    /// Takes note of octets of IKE that have passed. An SA whose volume is spent ends at once.
    pub(crate) fn passed(&mut self, now: Time, octets: u64) {
        if let Some(left) = &mut self.octets_left {
            *left = left.saturating_sub(octets);
            if *left == 0 {
                self.expires = self.expires.min(now);
            }
        }
    }

    /// Asks for a sign of life, or says why that cannot be done.
    pub(crate) fn probe(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        if let Err(why) = self.may_probe() {
            return cx.event(Event::ProbeNotSent { ike, why: why.to_owned() });
        }
        if self.probes.waiting.is_none() {
            self.begin_probe(ike, now, self.liveness.dpd().interval, cx);
            self.liveness.sent(now);
        }
    }

    /// Whether probes may be sent: both ends have announced them (rfc3706-5.1-vendor-id-both). If not,
    /// why.
    fn may_probe(&self) -> Result<(), &'static str> {
        if !self.liveness.dpd().enabled {
            Err("this end does no dead peer detection")
        } else if !self.features.dpd {
            Err("the peer has not announced dead peer detection")
        } else {
            Ok(())
        }
    }

    /// Somebody says that the peer has lost its SAs: asks it, if it answers probes.
    pub(crate) fn doubted(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        self.probe(ike, now, cx);
    }

    /// Where the peer is, and the SPIs that are sent on.
    pub(crate) fn sends(&self) -> (Path, Vec<u32>) {
        let spis = self.children.iter().flat_map(|child| {
            [Some(child.spi_out), child.over.map(|over| over.spi_out)].into_iter().flatten()
        });
        (self.path, spis.collect())
    }

    /// Tells the peer that it sends on an SPI that no SA has.
    pub(crate) fn tell_invalid_spi(
        &mut self,
        ike: IkeHandle,
        protocol: ChildProtocol,
        spi: u32,
        cx: &mut Context,
    ) {
        let notify = Notify::child(NotifyKind::INVALID_SPI, protocol.into(), spi, Vec::new());
        self.inform(ike, &[Payload::Notify(notify)], cx);
    }

    /// Deletes the ISAKMP SA and all that was negotiated with it. Nothing answers a delete.
    pub(crate) fn delete(&mut self, ike: IkeHandle, cx: &mut Context) {
        self.say_deleted(ike, cx);
    }

    /// Something authentic has come from another address or port: behind a NAT the peer has moved. Who is
    /// behind one itself does not follow (RFC 3947, section 7).
    pub(crate) fn moved(&mut self, ike: IkeHandle, to: SocketAddr, cx: &mut Context) {
        let from = self.path.remote;
        if self.nat.local || !self.nat.peer || from == to {
            return;
        }
        self.moves(ike, Path { remote: to, ..self.path }, cx);
    }

    fn moves(&mut self, ike: IkeHandle, path: Path, cx: &mut Context) {
        let (from, to) = (self.path.remote, path.remote);
        self.path = path;
        cx.event(Event::PeerMoved { ike, from, to });
        if self.has_tunnel {
            let encap = encap(self.path, self.nat.found());
            cx.data_plane(sa::Command::SetEncap { tunnel: cx.tunnels.of(ike), encap });
        }
    }

    /// Tells the peer how long the ISAKMP SA lives here (RFC 2407, section 4.6.3.1).
    pub(crate) fn tell_lifetime(&mut self, ike: IkeHandle, lifetime: Lifetime, cx: &mut Context) {
        let (spi_i, spi_r) = self.spis();
        let spi = [spi_i.0, spi_r.0].concat();
        let notify = responder_lifetime(ProtocolId::IKE, &spi, lifetime);
        self.inform(ike, &[notify], cx);
    }

    /// The peer says how long something lives there.
    pub(super) fn told_lifetime(&mut self, now: Time, notify: &Notify, lifetime: u64) {
        if notify.protocol == ProtocolId::IKE {
            self.expires = self.expires.min(now + seconds(lifetime));
            return;
        }
        let is_meant = |child: &&mut Child| child.spi_out.to_be_bytes() == *notify.spi;
        if let Some(child) = self.children.iter_mut().find(is_meant) {
            child.shorten(now, lifetime);
        }
    }

    pub(super) fn heard(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) {
        self.unconfirmed = false;
        self.liveness.heard(now);
        self.passed(now, arrival.bytes.len() as u64);
        // An initiator may change ports later than with its ID (RFC 3947, section 4).
        let floats = arrival.path.channel == Channel::Nat && self.path.channel == Channel::Ike;
        if floats && self.features.natt.is_some() && self.nat.found() {
            return self.moves(ike, arrival.path, cx);
        }
        self.moved(ike, arrival.path.remote, cx);
    }

    pub(crate) fn message(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let sent = cx.sent();
        let header = arrival.raw.header;
        match header.exchange {
            // rfc3947-4-old-port-discard: whoever has changed ports does not go back.
            exchange @ (ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE)
                if self.channel.role == Role::Responder
                    && self.path.channel == Channel::Nat
                    && arrival.path.channel == Channel::Ike =>
            {
                arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            }
            ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE => {
                self.repeat_last(ike, arrival, cx);
            }
            // xauth02-6-before-other-exchanges: whoever has not logged in gets no SAs.
            exchange @ ExchangeType::QUICK_MODE if !self.transactions.is_over() => {
                arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            }
            ExchangeType::QUICK_MODE => self.quick(ike, now, arrival, cx),
            ExchangeType::TRANSACTION => {
                if let Some(reason) = self.transaction(ike, now, arrival, cx) {
                    return self.closed(reason);
                }
            }
            ExchangeType::INFORMATIONAL_V1 => {
                if let Some(reason) = self.informational(ike, now, arrival, cx) {
                    return self.closed(reason);
                }
            }
            exchange => arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx),
        }
        self.note_sent(now, sent, cx);
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
}
