//! The ISAKMP SAs of an endpoint: which of them a message of IKEv1 is for, what strangers may begin,
//! and their timers. The tables are apart from those of IKEv2; handles and the context are shared.

use std::collections::BTreeMap;

use core::net::SocketAddr;
use core::time::Duration;

use super::SaClock;
use super::context::Context;
use super::schedule::Schedule;
use crate::config::{Connection, Fragmentation};
use crate::event::{CloseReason, DropReason, Event, NotStarted};
use crate::io::{self, Deadline, IkeHandle, Path};
use crate::policy::Ikev1Off;
use crate::sa;
use crate::time::Time;
use crate::v1::established::Established;
use crate::v1::fragments::{Added, Reassembly, Whose};
use crate::v1::phase1;
use crate::v1::sa::{Arrival, Next, State};
use crate::wire::v1::{Fragment, Message, NotifyKind, is_encrypted};
use crate::wire::{ExchangeType, Header, IkeSpi, RawMessage};

/// All ISAKMP SAs, of both roles.
#[derive(Debug, Default)]
pub(super) struct Ikev1Table {
    sas: BTreeMap<IkeHandle, Isakmp>,
    by_cookie: BTreeMap<IkeSpi, IkeHandle>,
    /// Answered first messages, by who sent them.
    by_request: BTreeMap<(SocketAddr, IkeSpi), IkeHandle>,
    sources: BTreeMap<IkeHandle, SocketAddr>,
    schedule: Schedule,
    fragments: Reassembly,
}

/// An SA that a stranger may begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub(super) handle: IkeHandle,
    /// How many SAs of IKEv2 there are, which the limits count as well.
    pub(super) others: usize,
}

/// An ISAKMP SA, and by how much its clock is ahead of the endpoint's.
#[derive(Debug)]
struct Isakmp {
    skew: Duration,
    state: State,
}

impl Ikev1Table {
    /// How many SAs there are, half-open ones included.
    pub(super) fn len(&self) -> usize {
        self.sas.len()
    }

    /// Whether the SA is one of these.
    pub(super) fn has(&self, ike: IkeHandle) -> bool {
        self.sas.contains_key(&ike)
    }

    /// The handles of all SAs.
    pub(super) fn handles(&self) -> Vec<IkeHandle> {
        self.sas.keys().copied().collect()
    }

    /// The next timer of any SA.
    pub(super) fn deadline(&self) -> Option<Deadline> {
        self.schedule.next()
    }

    /// How many messages of which some fragments are there.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn incomplete(&self) -> usize {
        self.fragments.len()
    }

    /// The sizes of the tables, for tests of what must not grow: SAs, cookies, requests, sources, timers,
    /// deadlines.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn sizes(&self) -> [usize; 6] {
        let [timers, deadlines] = self.schedule.sizes();
        [
            self.sas.len(),
            self.by_cookie.len(),
            self.by_request.len(),
            self.sources.len(),
            timers,
            deadlines,
        ]
    }

    /// The clock of one SA.
    pub(super) fn clock_of(&self, ike: IkeHandle, now: Time) -> Option<SaClock> {
        let sa = self.sas.get(&ike)?;
        let own = now + sa.skew;
        let next = sa.state.deadline().map(|deadline| Deadline {
            at: Time::from_start(deadline.at.since(own)),
            reason: deadline.reason,
        });
        Some(SaClock { next, waiting: sa.state.is_waiting() })
    }

    /// Starts an SA as the initiator.
    ///
    /// # Errors
    /// If nothing of the connection can be offered in IKEv1.
    pub(super) fn initiate(
        &mut self,
        cx: &mut Context,
        ike: IkeHandle,
        now: Time,
        connection: Box<Connection>,
    ) -> Result<(), NotStarted> {
        let remote = connection.remote.ip();
        let state = phase1::start(cx, ike, now, connection)?;
        cx.contacts.insert(ike, remote);
        self.adopt(ike, state);
        Ok(())
    }

    /// Takes a message of IKEv1. `fresh` is the handle of an SA that it may begin; says whether it has.
    pub(super) fn datagram(
        &mut self,
        cx: &mut Context,
        now: Time,
        path: Path,
        bytes: &[u8],
        fresh: Option<Fresh>,
    ) -> bool {
        let raw = match RawMessage::decode(bytes) {
            Ok(raw) => raw,
            Err(error) => {
                let error = error.to_string();
                cx.dropped(path.remote, bytes.len(), DropReason::Malformed { error });
                return false;
            }
        };
        if raw.header.length as usize != bytes.len() {
            let error = format!("the message is {} octets long by its header", raw.header.length);
            cx.dropped(path.remote, bytes.len(), DropReason::Malformed { error });
            return false;
        }
        let arrival = Arrival { path, bytes, raw };
        if let Some(fragment) = Fragment::of(&arrival.raw, bytes) {
            let fragment = fragment.map_err(|error| error.to_string());
            let whole = fragment.and_then(|it| self.fragment(cx, now, &arrival, fresh, it));
            return match whole {
                Ok(Some(whole)) => {
                    let raw = whole.0;
                    self.whole(cx, now, &Arrival { path, bytes: &whole.1, raw }, fresh)
                }
                Ok(None) => false,
                Err(why) => {
                    arrival.dropped(DropReason::Fragment { why }, cx);
                    false
                }
            };
        }
        self.whole(cx, now, &arrival, fresh)
    }

    fn whole(
        &mut self,
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        fresh: Option<Fresh>,
    ) -> bool {
        let header = arrival.raw.header;
        if header.spi_r.is_zero() {
            return self.first(cx, now, arrival, fresh);
        }
        self.for_sa(cx, now, arrival, &header);
        false
    }

    /// Takes a fragment. The message that it makes complete, or why it leads to nothing.
    fn fragment(
        &mut self,
        cx: &Context,
        now: Time,
        arrival: &Arrival<'_>,
        fresh: Option<Fresh>,
        fragment: Fragment,
    ) -> Result<Option<(RawMessage, Vec<u8>)>, String> {
        if cx.config.limits.fragmentation == Fragmentation::Off {
            return Err("fragments are not taken".to_owned());
        }
        let header = arrival.raw.header;
        let known = self.handle_of(&header).filter(|handle| {
            let spis = self.sas.get(handle).map(|sa| sa.state.spis());
            spis.is_some_and(|spis| belongs(spis, &header))
        });
        let whose = match known {
            Some(handle) => match self.sas.get(&handle).map(|sa| &sa.state) {
                Some(State::Established(_)) => Whose::Sa(handle),
                _ => Whose::HalfOpen(handle),
            },
            None if !header.spi_r.is_zero() => return Err("no SA has these cookies".to_owned()),
            // What would not be welcome whole is not put together either.
            None if fresh.is_none() || !cx.config.profile.versions.ikev1 => {
                return Err("nothing may be begun".to_owned());
            }
            None => Whose::Stranger(arrival.path.remote, header.spi_i),
        };
        let bytes = match self.fragments.add(now, whose, fragment) {
            Added::Kept => return Ok(None),
            Added::Useless(why) => return Err(why.to_owned()),
            Added::Whole(bytes) => bytes,
        };
        let raw = RawMessage::decode(&bytes).map_err(|error| error.to_string())?;
        let inner = raw.header;
        let is_same = inner.version == header.version
            && (inner.spi_i, inner.spi_r) == (header.spi_i, header.spi_r);
        if !is_same || inner.length as usize != bytes.len() {
            return Err("the message in the fragments is another".to_owned());
        }
        if inner.next_payload == header.next_payload {
            return Err("there are fragments in the fragments".to_owned());
        }
        Ok(Some((raw, bytes)))
    }

    /// Whether a message has a cookie of one of these SAs.
    pub(super) fn is_for_sa(&self, header: &Header) -> bool {
        self.handle_of(header).is_some()
    }

    /// The newest established SA of which this holds: the path to its peer, and the SPIs that it sends on.
    pub(super) fn newest(&self, holds: impl Fn(Path, &[u32]) -> bool) -> Option<IkeHandle> {
        self.sas.iter().rev().find_map(|(ike, sa)| match &sa.state {
            State::Established(state) => {
                let (path, spis) = state.sends();
                holds(path, &spis).then_some(*ike)
            }
            _ => None,
        })
    }

    /// The SA of a message. Cookies keep their places: ours is the first one where we have begun
    /// (RFC 2409, section 4).
    fn handle_of(&self, header: &Header) -> Option<IkeHandle> {
        let by_cookie = |cookie: &IkeSpi| self.by_cookie.get(cookie).copied();
        by_cookie(&header.spi_i).or_else(|| by_cookie(&header.spi_r))
    }

    fn for_sa(&mut self, cx: &mut Context, now: Time, arrival: &Arrival<'_>, header: &Header) {
        let Some(handle) = self.handle_of(header) else {
            return arrival.dropped(DropReason::UnknownIkeSpi { spi: header.spi_r }, cx);
        };
        let Some(sa) = self.sas.remove(&handle) else { return };
        if !belongs(sa.state.spis(), header) {
            arrival.dropped(DropReason::WrongSpi, cx);
            self.sas.insert(handle, sa);
            return;
        }
        let (now, before) = (now + sa.skew, cx.sent_octets());
        let next = sa.state.message(handle, now, arrival, cx);
        let next = next.passed(now, cx.sent_octets().wrapping_sub(before));
        self.keep(cx, now, handle, sa.skew, next);
    }

    /// A message without a responder's cookie: it begins phase 1, repeats what did, or is an error that
    /// somebody sends to an initiator.
    fn first(
        &mut self,
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        fresh: Option<Fresh>,
    ) -> bool {
        let header = arrival.raw.header;
        let begins =
            matches!(header.exchange, ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE);
        if !begins {
            let known = self.by_cookie.contains_key(&header.spi_i);
            if known && header.exchange == ExchangeType::INFORMATIONAL_V1 {
                self.for_sa(cx, now, arrival, &header);
            } else {
                let exchange = header.exchange;
                arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            }
            return false;
        }
        let wrong = if header.spi_i.is_zero() {
            Some(("rfc2408-3.1-cookie-nonzero", "a first message without a cookie"))
        } else if header.message_id != 0 {
            Some(("rfc2408-3.1-message-id-zero-phase1", "a first message with a message ID"))
        } else if is_encrypted(&header) {
            Some(("rfc2408-5.2-check-flags", "a first message that is encrypted"))
        } else {
            None
        };
        if let Some((requirement, why)) = wrong {
            arrival.violates(None, requirement, why, cx);
            return false;
        }
        if self.repeat_first(cx, arrival) {
            return false;
        }
        let Some(Fresh { handle, others }) = fresh else {
            arrival.dropped(DropReason::ShuttingDown, cx);
            return false;
        };
        if !self.is_welcome(cx, now, arrival, others) {
            return false;
        }
        let message = match Message::decode(&arrival.raw) {
            Ok(message) => message,
            Err(error) => {
                let error = error.to_string();
                arrival.dropped(DropReason::Malformed { error }, cx);
                return false;
            }
        };
        let Some(state) = phase1::answer(cx, handle, now, arrival, &message) else {
            cx.entropy.forget(handle.0);
            return true;
        };
        let remote = arrival.path.remote;
        self.by_request.insert((remote, header.spi_i), handle);
        self.sources.insert(handle, remote);
        cx.half_open.add(remote.ip());
        cx.contacts.insert(handle, remote.ip());
        self.adopt(handle, state);
        true
    }

    /// Answers a repetition of a first message as before. Says whether it was one.
    fn repeat_first(&mut self, cx: &mut Context, arrival: &Arrival<'_>) -> bool {
        let header = arrival.raw.header;
        let key = (arrival.path.remote, header.spi_i);
        let Some(ike) = self.by_request.get(&key).copied() else { return false };
        let Some(sa) = self.sas.get_mut(&ike) else { return false };
        let repeated = match &mut sa.state {
            State::AwaitKe(state) => state.repeat_first(arrival.bytes),
            State::AwaitFinal(state) => state.repeat_first(arrival.bytes),
            _ => None,
        };
        let exchange = header.exchange;
        match repeated {
            Some((response, attempt)) => {
                cx.transmit(arrival.path, &response);
                let (message_id, response) = (0, true);
                cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
            }
            // Phase 1 has gone on, so this copy is late.
            None => arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx),
        }
        true
    }

    /// Whether a stranger may begin phase 1: the profile speaks IKEv1 (reading R28), and the limits leave
    /// room beside `others` of IKEv2.
    fn is_welcome(
        &self,
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        others: usize,
    ) -> bool {
        let exchange = arrival.raw.header.exchange;
        if !cx.config.profile.versions.ikev1 {
            match cx.config.profile.readings.r28 {
                Ikev1Off::Silence => {}
                Ikev1Off::NoProposalChosen => {
                    phase1::refuse(cx, now, arrival, NotifyKind::NO_PROPOSAL_CHOSEN);
                }
                Ikev1Off::InvalidMajorVersion => {
                    phase1::refuse(cx, now, arrival, NotifyKind::INVALID_MAJOR_VERSION);
                }
            }
            arrival.dropped(DropReason::Ikev1 { exchange }, cx);
            return false;
        }
        if let Some(reason) = cx.limit_reached(arrival.path.remote.ip(), self.sas.len() + others) {
            arrival.dropped(reason, cx);
            return false;
        }
        true
    }

    /// Lets the timers that are due fire.
    pub(super) fn timeout(&mut self, cx: &mut Context, now: Time) {
        while let Some(handle) = self.schedule.due(now) {
            let Some(sa) = self.sas.remove(&handle) else {
                self.schedule.set(handle, None);
                continue;
            };
            let (now, before) = (now + sa.skew, cx.sent_octets());
            let next = sa.state.timeout(handle, now, cx);
            let next = next.passed(now, cx.sent_octets().wrapping_sub(before));
            self.keep(cx, now, handle, sa.skew, next);
        }
    }

    /// Moves the clock of one SA forward.
    pub(super) fn skip(&mut self, ike: IkeHandle, by: Duration) {
        if let Some(sa) = self.sas.get_mut(&ike) {
            sa.skew = sa.skew.saturating_add(by);
        }
        self.reschedule(ike);
    }

    /// Deletes an SA, with a word to the peer if it is established.
    pub(super) fn delete(&mut self, cx: &mut Context, ike: IkeHandle) {
        if let Some(sa) = self.sas.get_mut(&ike) {
            if let State::Established(state) = &mut sa.state {
                state.delete(ike, cx);
            }
            self.close(cx, ike, CloseReason::DeletedByUs);
        }
    }

    /// Lets an established SA do something.
    pub(super) fn with_established(
        &mut self,
        cx: &mut Context,
        ike: IkeHandle,
        now: Time,
        act: impl FnOnce(&mut Established, Time, &mut Context),
    ) {
        if let Some(sa) = self.sas.get_mut(&ike)
            && let State::Established(state) = &mut sa.state
        {
            let (now, before) = (now + sa.skew, cx.sent_octets());
            act(state, now, cx);
            state.passed(now, cx.sent_octets().wrapping_sub(before));
        }
        self.reschedule(ike);
    }

    /// Takes note of when a tunnel last carried anything.
    pub(super) fn activity(&mut self, cx: &mut Context, now: Time, activity: &io::Activity) {
        let ike = cx.tunnels.owner(activity.tunnel);
        let skew = self.sas.get(&ike).map_or(Duration::ZERO, |sa| sa.skew);
        self.with_established(cx, ike, now, |state, now, cx| {
            state.activity(ike, now, skew, activity, cx);
        });
    }

    /// Takes a report of the data plane about one of these SAs.
    pub(super) fn report(&mut self, cx: &mut Context, now: Time, report: &sa::Report) {
        match *report {
            sa::Report::AuthenticatedFromNewSource { tunnel, source, .. } => {
                if let sa::Encap::Udp { src, .. } = source {
                    let ike = cx.tunnels.owner(tunnel);
                    self.with_established(cx, ike, now, |state, _, cx| state.moved(ike, src, cx));
                }
            }
            sa::Report::SequenceExhausted { tunnel, spi } => {
                let ike = cx.tunnels.owner(tunnel);
                self.with_established(cx, ike, now, |state, _, cx| {
                    state.drop_outbound(ike, spi, CloseReason::SequenceExhausted, cx);
                });
            }
            sa::Report::CounterThreshold { tunnel, spi, direction } => {
                let ike = cx.tunnels.owner(tunnel);
                self.with_established(cx, ike, now, |state, now, cx| {
                    state.volume_is_spent(ike, now, direction, spi, cx);
                });
            }
            sa::Report::Dropped { .. }
            | sa::Report::UnknownSpi { .. }
            | sa::Report::Runt { .. } => {}
        }
    }

    /// Ends an SA without a word.
    pub(super) fn close(&mut self, cx: &mut Context, ike: IkeHandle, reason: CloseReason) {
        if let Some(sa) = self.sas.remove(&ike) {
            self.clear_up(cx, ike, sa.state, reason);
        }
    }

    fn adopt(&mut self, handle: IkeHandle, state: State) {
        self.by_cookie.insert(state.own_spi(), handle);
        self.sas.insert(handle, Isakmp { skew: Duration::ZERO, state });
        self.reschedule(handle);
    }

    /// Puts an SA back after it has handled something at its own `now`, or clears up behind it.
    fn keep(&mut self, cx: &mut Context, now: Time, handle: IkeHandle, skew: Duration, next: Next) {
        match next {
            Next::State(mut state) => {
                if !state.is_half_open_responder() {
                    self.no_longer_half_open(cx, handle);
                }
                let older = self.adopted_from(cx, now, handle, skew, &mut state);
                self.sas.insert(handle, Isakmp { skew, state });
                self.reschedule(handle);
                older.into_iter().for_each(|older| self.reschedule(older));
            }
            Next::Closed(state, reason) => self.clear_up(cx, handle, state, reason),
        }
    }

    /// Brings what an older SA with the same peer has under one that has just been established: the peer
    /// may delete the older one, and its pairs live on, whichever SA they were negotiated under (RFC 2409,
    /// section 4). Says whose they were. This end leaves the older one alone: a peer that does the same a
    /// moment later, as charon does, would lose its pairs by an early delete.
    fn adopted_from(
        &mut self,
        cx: &mut Context,
        now: Time,
        handle: IkeHandle,
        skew: Duration,
        state: &mut State,
    ) -> Option<IkeHandle> {
        if let State::Established(new) = state
            && new.is_to_adopt()
        {
            for (&from, sa) in self.sas.iter_mut().rev() {
                if let State::Established(old) = &mut sa.state
                    && new.adopt_children(cx, now, (from, sa.skew), old, (handle, skew))
                {
                    return Some(from);
                }
            }
        }
        None
    }

    fn clear_up(&mut self, cx: &mut Context, handle: IkeHandle, state: State, reason: CloseReason) {
        self.no_longer_half_open(cx, handle);
        self.by_cookie.remove(&state.own_spi());
        self.by_request.retain(|_, of| *of != handle);
        self.fragments.forget(handle);
        self.schedule.set(handle, None);
        cx.entropy.forget(handle.0);
        cx.contacts.remove(&handle);
        cx.peers.forget(handle);
        state.close(handle, reason, cx);
        cx.tunnels.forget(handle);
    }

    fn no_longer_half_open(&mut self, cx: &mut Context, handle: IkeHandle) {
        if let Some(source) = self.sources.remove(&handle) {
            cx.half_open.remove(source.ip());
        }
    }

    fn reschedule(&mut self, handle: IkeHandle) {
        let deadline = self.sas.get(&handle).and_then(|sa| {
            let Deadline { at, reason } = sa.state.deadline()?;
            Some(Deadline { at: at - sa.skew, reason })
        });
        self.schedule.set(handle, deadline);
    }
}

/// Whether a message is of the SA with these cookies, of which the responder's may not be known yet.
fn belongs(spis: (IkeSpi, IkeSpi), header: &Header) -> bool {
    let (spi_i, spi_r) = spis;
    spi_i == header.spi_i && (spi_r.is_zero() || spi_r == header.spi_r)
}
