//! The quick modes of an ISAKMP SA: which of them a message is for, and what becomes of it. Several run
//! at a time; a message ID that was used once opens nothing again.

use super::{Ask, AwaitConnected, AwaitSecond, AwaitThird, Followed, NotAnswered, Surroundings};
use crate::endpoint::context::Context;
use crate::endpoint::pair::encap;
use crate::event::{CloseReason, DropReason, Event, NatStatus, Offer, Side};
use crate::io::{Channel, ChildAsk, Deadline, IkeHandle, Path};
use crate::policy::ChildOffer;
use crate::time::Time;
use crate::v1::child::Child;
use crate::v1::established::{Established, LastAnswer};
use crate::v1::natt;
use crate::v1::sa::Arrival;
use crate::wire::ExchangeType;
use crate::wire::v1::Payload;
use crate::wire::v2::TrafficSelector;

/// How many quick modes may run at a time.
const MAX_QUICK: usize = 64;

/// A quick mode.
#[derive(Debug)]
pub(in crate::v1) enum Quick {
    Second(Box<AwaitSecond>),
    Connected(Box<AwaitConnected>),
    Third(Box<AwaitThird>),
    /// It is over; what a repetition of the last message gets.
    Done(LastAnswer),
}

impl Quick {
    /// Whether it is not over.
    pub(in crate::v1) fn runs(&self) -> bool {
        !matches!(self, Self::Done(_))
    }

    /// Whether this end has begun it to replace a pair.
    pub(in crate::v1) fn is_rekey(&self) -> bool {
        match self {
            Self::Second(quick) => quick.ask.replaces.is_some(),
            Self::Connected(quick) => quick.replaces.is_some(),
            Self::Third(_) | Self::Done(_) => false,
        }
    }

    /// The next timer.
    pub(in crate::v1) fn deadline(&self) -> Option<Deadline> {
        match self {
            Self::Second(quick) => Some(quick.deadline()),
            Self::Connected(quick) => Some(quick.deadline()),
            Self::Third(quick) => Some(quick.deadline()),
            Self::Done(_) => None,
        }
    }

    /// Gives back what was drawn for it.
    pub(in crate::v1) fn abandon(&self, cx: &mut Context) {
        match self {
            Self::Second(quick) => quick.abandon(cx),
            Self::Connected(quick) => quick.abandon(cx),
            Self::Third(quick) => quick.abandon(cx),
            Self::Done(_) => {}
        }
    }

    /// Repeats the last message if its time has come. Whether it is time to give up.
    fn timeout(&mut self, around: &Surroundings<'_>, cx: &mut Context) -> bool {
        match self {
            Self::Second(quick) => quick.timeout(around, cx),
            Self::Connected(quick) => quick.timeout(around, cx),
            Self::Third(quick) => quick.timeout(around, cx),
            Self::Done(_) => false,
        }
    }
}

impl Established {
    /// Starts a quick mode for each pair of selectors of the connection.
    pub(in crate::v1) fn ask_all(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
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

    /// Starts a quick mode for one more pair. Before a peer has logged in there is none (XAUTH).
    pub(crate) fn create_child(
        &mut self,
        ike: IkeHandle,
        now: Time,
        ask: ChildAsk,
        cx: &mut Context,
    ) {
        let ChildAsk { proposals, ts_local, ts_remote } = ask;
        if self.transactions.is_over() {
            self.ask(ike, now, Ask { proposals, ts_local, ts_remote, replaces: None }, cx);
        } else {
            let detail = format!("{ts_local} to {ts_remote}: the login is not over");
            cx.event(Event::ChildRefused { ike, by: Side::Local, notify: None, detail });
        }
    }

    fn ask(&mut self, ike: IkeHandle, now: Time, ask: Ask, cx: &mut Context) {
        let traffic = format!("{} to {}", ask.ts_local, ask.ts_remote);
        let unasked = |why: &str, cx: &mut Context| {
            let (by, notify, detail) = (Side::Local, None, format!("{traffic}: {why}"));
            cx.event(Event::ChildRefused { ike, by, notify, detail });
        };
        if self.running() >= MAX_QUICK {
            return unasked("too many quick modes are running", cx);
        }
        let message_id = self.new_message_id(ike, cx);
        let around = self.around(ike, now, self.path);
        match AwaitSecond::begin(cx, &around, &self.base_iv, message_id, ask) {
            Ok(quick) => {
                self.quick.insert(message_id, Quick::Second(Box::new(quick)));
            }
            Err(why) => unasked(why, cx),
        }
    }

    /// How many quick modes are not over.
    fn running(&self) -> usize {
        self.quick.values().filter(|quick| quick.runs()).count()
    }

    /// What a quick mode on `path` works with. ESP in UDP goes beside IKE (rfc3948-2.1-esp-ports-same-as-ike)
    /// and not on port 500 (reading R10), so an ISAKMP SA that stays there has none, unless the own end is
    /// told to deviate.
    fn around(&self, ike: IkeHandle, now: Time, path: Path) -> Surroundings<'_> {
        let nat = self.nat.found() && self.features.natt.is_some();
        let keeps_port = self.options().is_some_and(|options| options.keeps_port);
        let on_port = path.channel == Channel::Nat || keeps_port;
        let found = if on_port { self.nat } else { NatStatus::default() };
        Surroundings {
            ike,
            now,
            channel: &self.channel,
            path,
            encapsulation: natt::encapsulation(self.features.natt, found),
            encap: encap(path, nat),
            nat,
        }
    }

    pub(in crate::v1) fn quick_timeouts(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        let again = |quick: &Quick| matches!(quick, Quick::Second(it) if it.deadline().at <= now);
        if self.unconfirmed && self.quick.values().any(again) {
            self.complete_again(ike, cx);
        }
        let mut quick = core::mem::take(&mut self.quick);
        let around = self.around(ike, now, self.path);
        quick.retain(|_, quick| {
            let over = quick.timeout(&around, cx);
            if over {
                let detail = "quick mode was not answered".to_owned();
                let (by, notify) = (Side::Peer, None);
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                quick.abandon(cx);
            }
            !over
        });
        self.quick = quick;
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
            // Of one number are those that are used together.
            None => [Some(child.suite), child.over.map(|over| over.suite)]
                .into_iter()
                .flatten()
                .map(|suite| ChildOffer::of(suite).proposal(1, &[], false))
                .collect(),
        };
        let replaces = Some(spi);
        self.ask(ike, now, Ask { proposals, ts_local, ts_remote, replaces }, cx);
    }

    pub(in crate::v1) fn quick(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) {
        let message_id = arrival.raw.header.message_id;
        let next = match self.quick.remove(&message_id) {
            None => return self.quick_begins(ike, now, arrival, cx),
            Some(Quick::Second(quick)) => self.second(ike, now, arrival, quick, cx),
            Some(Quick::Connected(quick)) => self.connected(ike, now, arrival, quick, cx),
            Some(Quick::Third(quick)) => self.third(ike, now, arrival, quick, cx),
            Some(Quick::Done(mut answered)) => {
                match answered.repeat(arrival.bytes) {
                    Some((response, attempt)) if !response.is_empty() => {
                        cx.transmit(self.path, response);
                        repeated(ike, message_id, false, attempt, cx);
                    }
                    _ => arrival.dropped(DropReason::UnexpectedResponse, cx),
                }
                Some(Quick::Done(answered))
            }
        };
        if let Some(next) = next {
            self.quick.insert(message_id, next);
        }
    }

    /// The second message.
    fn second(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        quick: Box<AwaitSecond>,
        cx: &mut Context,
    ) -> Option<Quick> {
        let replaces = self.replaced_by(&quick.ask.ts_local, &quick.ask.ts_remote);
        let around = self.around(ike, now, self.path);
        match quick.answered(cx, &around, arrival, replaces) {
            None => Some(Quick::Second(quick)),
            Some(Err(())) => {
                quick.abandon(cx);
                None
            }
            Some(Ok(Followed::Waits(quick))) => {
                self.heard(ike, now, arrival, cx);
                Some(Quick::Connected(quick))
            }
            Some(Ok(Followed::Up(child, answered))) => {
                self.heard(ike, now, arrival, cx);
                self.came_up(ike, now, child, quick.ask.replaces, cx);
                Some(Quick::Done(answered))
            }
        }
    }

    /// A pair that was asked for is up. Who asks for a new pair takes the old one down, not before the
    /// peer has had time to read the third message.
    fn came_up(
        &mut self,
        ike: IkeHandle,
        now: Time,
        child: Child,
        old: Option<u32>,
        cx: &mut Context,
    ) {
        self.adopt(child);
        let wait = cx.config.timers.after_ack;
        let Some(old) = old else { return };
        if wait.is_zero() {
            return self.drop_child(ike, old, CloseReason::DeletedByUs, cx);
        }
        if let Some(old) = self.children.iter_mut().find(|child| child.spi_in == old) {
            old.retired = true;
            old.expires = old.expires.min(now + wait);
        }
    }

    /// CONNECTED, or the second message once more.
    fn connected(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        mut quick: Box<AwaitConnected>,
        cx: &mut Context,
    ) -> Option<Quick> {
        if let Some((response, attempt)) = quick.repeat(arrival.bytes) {
            cx.transmit(self.path, response);
            repeated(ike, arrival.raw.header.message_id, false, attempt, cx);
            return Some(Quick::Connected(quick));
        }
        let accepted = &quick.accepted;
        let replaces = self.replaced_by(&accepted.ts_local, &accepted.ts_remote);
        let around = self.around(ike, now, self.path);
        match quick.connected(cx, &around, arrival, &self.base_iv, replaces) {
            None => Some(Quick::Connected(quick)),
            Some(Err(())) => {
                quick.abandon(cx);
                None
            }
            Some(Ok(child)) => {
                self.heard(ike, now, arrival, cx);
                self.came_up(ike, now, child, quick.replaces, cx);
                Some(Quick::Done(quick.answered))
            }
        }
    }

    /// Takes an informational message if a quick mode waits for CONNECTED in it. Says whether one does.
    pub(in crate::v1) fn is_connected(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> bool {
        let waits = self.quick.get(&arrival.raw.header.message_id);
        if !matches!(waits, Some(Quick::Connected(_))) {
            return false;
        }
        self.quick(ike, now, arrival, cx);
        true
    }

    /// The third message, or the first once more.
    fn third(
        &mut self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        mut quick: Box<AwaitThird>,
        cx: &mut Context,
    ) -> Option<Quick> {
        if let Some((response, attempt)) = quick.repeat(arrival.bytes) {
            cx.transmit(arrival.path, response);
            repeated(ike, arrival.raw.header.message_id, true, attempt, cx);
            return Some(Quick::Third(quick));
        }
        let accepted = &quick.accepted;
        let replaces = self.replaced_by(&accepted.ts_local, &accepted.ts_remote);
        let around = self.around(ike, now, self.path);
        match quick.finished(cx, &around, arrival, &self.base_iv, replaces) {
            None => Some(Quick::Third(quick)),
            Some(Err(())) => {
                quick.abandon(cx);
                None
            }
            Some(Ok((child, answered))) => {
                self.heard(ike, now, arrival, cx);
                self.adopt(child);
                Some(Quick::Done(answered))
            }
        }
    }

    /// The first message of a quick mode of the peer.
    fn quick_begins(&mut self, ike: IkeHandle, now: Time, arrival: &Arrival<'_>, cx: &mut Context) {
        let message_id = arrival.raw.header.message_id;
        if message_id == 0 || self.message_ids.contains(message_id) || self.running() >= MAX_QUICK {
            let (got, expected) = (message_id, 0);
            return arrival.dropped(DropReason::MessageId { got, expected }, cx);
        }
        let around = self.around(ike, now, arrival.path);
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
            Err(NotAnswered::Refused(notify, detail, refusal)) => {
                self.heard(ike, now, arrival, cx);
                self.use_message_id(message_id);
                let kind = notify.kind.into();
                // What is withheld is not said.
                let said = self.inform(ike, &[Payload::Notify(notify)], cx).then_some(kind);
                if let Some(refusal) = refusal {
                    let (remote, what, answer) = (arrival.path.remote, Offer::Child, said);
                    let ike = Some(ike);
                    cx.event(Event::ProposalRefused { ike, remote, what, refusal, answer });
                }
                let by = Side::Local;
                cx.event(Event::ChildRefused { ike, by, notify: said, detail });
            }
        }
    }
}

fn repeated(ike: IkeHandle, message_id: u32, response: bool, attempt: u32, cx: &mut Context) {
    let exchange = ExchangeType::QUICK_MODE;
    cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
}
