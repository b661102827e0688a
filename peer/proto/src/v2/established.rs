//! An IKE SA that both ends have authenticated: INFORMATIONAL exchanges, liveness, keepalives,
//! lifetimes, and the Child SAs (RFC 7296 §1.4, §2.2 to §2.4).

use std::collections::VecDeque;

use core::net::SocketAddr;
use core::time::Duration;

use super::channel::{SecureChannel, Unread};
use super::child::{Child, deletes};
use super::sa::{Arrival, Next, State};
use super::syntax::Unusable;
use crate::config::EndpointConfig;
use crate::endpoint::context::Context;
use crate::endpoint::liveness::Liveness;
use crate::endpoint::pair;
use crate::event::{CloseReason, DropReason, Event, NatStatus, Role};
use crate::io::{self, Deadline, IkeHandle, Path, TimerReason};
use crate::policy::IkeDeleteAnswer;
use crate::sa;
use crate::time::{Time, seconds};
use crate::window::{Answered, Due, Pending, Schedule};
use crate::wire::v2::{Delete, Message, Notify, Payload};
use crate::wire::{ExchangeType, IkeSpi, NotifyType, ProtocolId};

/// How many requests of our own may wait for the one on its way.
const MAX_TASKS: usize = 64;

/// An established IKE SA.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) channel: SecureChannel,
    path: Path,
    nat: NatStatus,
    children: Vec<Child>,
    /// Whether the data plane has a tunnel for this SA, with or without Child SAs in it.
    has_tunnel: bool,
    /// The Message ID of our next request.
    next_request: u32,
    /// The Message ID that the peer's next request must have.
    next_expected: u32,
    pending: Option<(Task, Pending)>,
    tasks: VecDeque<Task>,
    answered: Answered,
    init_answered: Answered,
    liveness: Liveness,
    expires: Time,
}

/// What an initial exchange ends in.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) channel: SecureChannel,
    pub(crate) path: Path,
    pub(crate) nat: NatStatus,
    pub(crate) children: Vec<Child>,
    pub(crate) answered: Answered,
    pub(crate) init_answered: Answered,
}

/// A request of our own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    DeleteIke(CloseReason),
    DeleteChild(ProtocolId, u32, CloseReason),
    Probe,
    TellInvalidSpi(u32),
}

impl Established {
    pub(crate) fn initiator(now: Time, opening: Opening, config: &EndpointConfig) -> Self {
        Self::new(now, opening, config, 2, 0)
    }

    pub(crate) fn responder(now: Time, opening: Opening, config: &EndpointConfig) -> Self {
        Self::new(now, opening, config, 0, 2)
    }

    fn new(
        now: Time,
        opening: Opening,
        config: &EndpointConfig,
        next_request: u32,
        next_expected: u32,
    ) -> Self {
        let Opening { channel, path, nat, children, answered, init_answered } = opening;
        Self {
            channel,
            path,
            nat,
            has_tunnel: !children.is_empty(),
            children,
            next_request,
            next_expected,
            pending: None,
            tasks: VecDeque::new(),
            answered,
            init_answered,
            liveness: Liveness::new(now, &config.profile, nat.local),
            expires: now + seconds(config.profile.timers.ike_life),
        }
    }

    fn closed(self: Box<Self>, reason: CloseReason) -> Next {
        Next::Closed(State::Established(self), reason)
    }

    pub(crate) fn own_spi(&self) -> IkeSpi {
        match self.channel.role {
            Role::Initiator => self.channel.spi_i,
            Role::Responder => self.channel.spi_r,
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// The answer to a late repetition of the IKE_SA_INIT request.
    pub(crate) fn repeat_init(&mut self, request: &[u8]) -> Option<(&[u8], u32)> {
        self.init_answered.repeat(request)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        let retransmit = self.pending.as_ref().map(|(_, pending)| {
            let Deadline { at, reason } = pending.deadline();
            (at, reason)
        });
        // While a request is on its way its own timer finds out whether the peer is there.
        let probe =
            self.pending.is_none().then_some((self.liveness.probe_at(), TimerReason::DeadPeer));
        let keepalive = self.liveness.keepalive_at().map(|at| (at, TimerReason::Keepalive));
        let child = self.children.iter().map(|child| child.expires).min();
        let child = child.map(|at| (at, TimerReason::ChildLifetime));
        [retransmit, probe, keepalive, child, Some((self.expires, TimerReason::IkeLifetime))]
            .into_iter()
            .flatten()
            .min()
            .map(|(at, reason)| Deadline { at, reason })
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        if let Some((task, pending)) = &mut self.pending {
            match pending.timeout(self.path, ike, now, cx) {
                Due::Not => {}
                Due::Repeat(_) => self.liveness.sent(now),
                Due::GiveUp => {
                    let reason = match task {
                        Task::DeleteIke(reason) => *reason,
                        Task::DeleteChild(..) | Task::Probe | Task::TellInvalidSpi(_) => {
                            CloseReason::DeadPeer
                        }
                    };
                    return self.closed(reason);
                }
            }
        }
        let expired: Vec<u32> =
            self.children.iter().filter(|child| now >= child.expires).map(|c| c.spi_in).collect();
        for spi in expired {
            self.expire_child(ike, now, spi, CloseReason::Expired, cx);
        }
        if now >= self.expires {
            self.expires = now + self.liveness.dpd().dead_after();
            self.begin(ike, now, Task::DeleteIke(CloseReason::Expired), cx);
        }
        if self.liveness.asks(now, self.pending.is_none()) {
            cx.ask_activity(ike);
        }
        Next::State(State::Established(self))
    }

    /// Takes note of when the tunnels last carried anything. Keeps the NAT mapping open if nothing else
    /// does (RFC 3948 §4), and probes if the peer has been quiet for too long (RFC 7296 §2.4; reading
    /// R23 says whether only with traffic to send).
    pub(crate) fn activity(
        &mut self,
        ike: IkeHandle,
        now: Time,
        skew: Duration,
        report: &io::Activity,
        cx: &mut Context,
    ) {
        self.liveness.note(now, skew, report, self.path, cx);
        if self.pending.is_none() && self.liveness.is_quiet(now) {
            self.begin(ike, now, Task::Probe, cx);
        }
    }

    /// Starts a request of our own, or queues it behind the one that is on its way.
    fn begin(&mut self, ike: IkeHandle, now: Time, task: Task, cx: &mut Context) {
        let queued = self.pending.iter().map(|(task, _)| task).chain(&self.tasks);
        if queued.into_iter().any(|other| *other == task) {
            return;
        }
        if self.pending.is_some() {
            if self.tasks.len() < MAX_TASKS {
                self.tasks.push_back(task);
            }
            return;
        }
        let mut schedule = Schedule::ordinary(&cx.config.timers);
        let payloads = match task {
            Task::DeleteIke(_) => vec![Payload::Delete(Delete::ike())],
            Task::DeleteChild(protocol, spi, _) => deletes(&[(protocol, spi)]),
            Task::Probe => {
                cx.event(Event::ProbeSent { ike });
                let dpd = self.liveness.dpd();
                let tries = dpd.probes.saturating_sub(1);
                schedule = Schedule { first: dpd.interval, growth_percent: 100, tries };
                Vec::new()
            }
            Task::TellInvalidSpi(spi) => {
                vec![notify(NotifyType::INVALID_SPI, spi.to_be_bytes().to_vec())]
            }
        };
        let message_id = self.next_request;
        self.next_request = self.next_request.wrapping_add(1);
        let envelope = self.channel.envelope(ExchangeType::INFORMATIONAL, false, message_id);
        let bytes = self.channel.seal(cx, ike, &envelope, &payloads).unwrap_or_default();
        if !bytes.is_empty() {
            self.liveness.sent(now);
        }
        let pending = Pending::send(cx, now, self.path, &envelope, bytes, schedule);
        self.pending = Some((task, pending));
    }

    /// Asks for the IKE SA to be deleted.
    pub(crate) fn delete(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        // Nothing that waits matters any more.
        self.tasks.clear();
        self.begin(ike, now, Task::DeleteIke(CloseReason::DeletedByUs), cx);
    }

    /// Asks for the Child SA that receives on `spi` to be deleted.
    pub(crate) fn delete_child(&mut self, ike: IkeHandle, now: Time, spi: u32, cx: &mut Context) {
        if let Some(child) = self.children.iter().find(|child| child.spi_in == spi) {
            let task = Task::DeleteChild(child.protocol, spi, CloseReason::DeletedByUs);
            self.begin(ike, now, task, cx);
        }
    }

    /// Takes back the offer of the Child SA that was to receive on `spi`: what the peer granted for it
    /// cannot be used, and the peer would keep it otherwise (RFC 7296 §1.4.1).
    pub(crate) fn disown(
        &mut self,
        ike: IkeHandle,
        now: Time,
        (protocol, spi): (ProtocolId, u32),
        cx: &mut Context,
    ) {
        let task = Task::DeleteChild(protocol, spi, CloseReason::ProtocolError);
        self.begin(ike, now, task, cx);
    }

    /// Deletes a Child SA because it can be used no longer.
    pub(crate) fn expire_child(
        &mut self,
        ike: IkeHandle,
        now: Time,
        spi: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        if let Some(child) = self.children.iter_mut().find(|child| child.spi_in == spi) {
            // Not again while the exchange runs.
            child.expires = now + seconds(cx.config.profile.timers.child_life);
            let task = Task::DeleteChild(child.protocol, spi, reason);
            self.begin(ike, now, task, cx);
        }
    }

    /// The same for the Child SA that sends on `spi_out`.
    pub(crate) fn expire_outbound(
        &mut self,
        ike: IkeHandle,
        now: Time,
        spi_out: u32,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        let found = self.children.iter().find(|child| child.spi_out == spi_out);
        if let Some(spi_in) = found.map(|child| child.spi_in) {
            self.expire_child(ike, now, spi_in, reason, cx);
        }
    }

    /// Asks for a sign of life.
    pub(crate) fn probe(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        self.begin(ike, now, Task::Probe, cx);
    }

    /// Somebody says that the peer has lost its SAs: asks it, unless an answer is awaited anyway.
    pub(crate) fn doubted(&mut self, ike: IkeHandle, now: Time, cx: &mut Context) {
        if !self.is_waiting() {
            self.probe(ike, now, cx);
        }
    }

    /// Where the peer is, and the SPIs that are sent on.
    pub(crate) fn sends(&self) -> (Path, Vec<u32>) {
        (self.path, self.children.iter().map(|child| child.spi_out).collect())
    }

    /// Tells the peer that it sends on an SPI that no SA has (RFC 7296 §1.5).
    pub(crate) fn tell_invalid_spi(
        &mut self,
        ike: IkeHandle,
        now: Time,
        spi: u32,
        cx: &mut Context,
    ) {
        self.begin(ike, now, Task::TellInvalidSpi(spi), cx);
    }

    /// Forgets all Child SAs.
    pub(crate) fn close_children(
        mut self: Box<Self>,
        ike: IkeHandle,
        reason: CloseReason,
        cx: &mut Context,
    ) {
        for child in self.children.drain(..) {
            pair::remove(cx, ike, child.spi_in, child.spi_out, reason);
        }
        if self.has_tunnel {
            cx.data_plane(sa::Command::RemoveTunnel { tunnel: cx.tunnels.of(ike) });
        }
    }

    fn close_child(
        &mut self,
        ike: IkeHandle,
        reason: CloseReason,
        cx: &mut Context,
        is_meant: impl Fn(&Child) -> bool,
    ) -> Option<u32> {
        let at = self.children.iter().position(is_meant)?;
        let child = self.children.remove(at);
        pair::remove(cx, ike, child.spi_in, child.spi_out, reason);
        Some(child.spi_in)
    }

    /// A packet of this SA that is authentic and new has come from another address or port: behind a
    /// NAT the peer has moved. Who is behind one itself does not follow (RFC 7296 §2.23).
    pub(crate) fn moved(&mut self, ike: IkeHandle, to: SocketAddr, cx: &mut Context) {
        let from = self.path.remote;
        if self.nat.local || !self.nat.peer || from == to {
            return;
        }
        self.path.remote = to;
        cx.event(Event::PeerMoved { ike, from, to });
        let encap = pair::encap(self.path, self.nat.found());
        cx.data_plane(sa::Command::SetEncap { tunnel: cx.tunnels.of(ike), encap });
    }

    pub(crate) fn message(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        if !header.flags.is_response()
            && let Some((response, attempt)) = self.answered.repeat(arrival.bytes)
        {
            let (exchange, message_id) = (header.exchange, header.message_id);
            cx.transmit(arrival.path, response);
            cx.event(Event::Retransmitted { ike, exchange, message_id, response: true, attempt });
            return Next::State(State::Established(self));
        }
        let typed = match self.channel.read(arrival) {
            Ok(message) => Ok(message),
            Err(Unread::Unusable(unusable)) => Err(unusable),
            Err(Unread::Dropped(reason)) => {
                cx.dropped(remote, len, reason);
                return Next::State(State::Established(self));
            }
        };
        if header.flags.is_response() {
            self.response(ike, now, arrival, typed, cx)
        } else {
            self.request(ike, now, arrival, typed, cx)
        }
    }

    /// A message that is authentic and was never seen before has come: the peer is alive, and where it
    /// says (RFC 7296 §2.4, §2.23). A replayed one shows neither.
    fn heard(&mut self, ike: IkeHandle, now: Time, remote: SocketAddr, cx: &mut Context) {
        self.liveness.heard(now);
        self.moved(ike, remote, cx);
    }

    fn request(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        typed: Result<Message, Unusable>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        if header.message_id != self.next_expected {
            let (got, expected) = (header.message_id, self.next_expected);
            cx.dropped(remote, len, DropReason::MessageId { got, expected });
            return Next::State(State::Established(self));
        }
        let exchange = header.exchange;
        let is_known =
            matches!(exchange, ExchangeType::INFORMATIONAL | ExchangeType::CREATE_CHILD_SA);
        if typed.is_ok() && !is_known {
            cx.dropped(remote, len, DropReason::UnexpectedExchange { exchange });
            return Next::State(State::Established(self));
        }
        self.heard(ike, now, remote, cx);
        let (answer, closes) = match typed {
            Err(Unusable::Critical(kind)) => {
                cx.dropped(remote, len, DropReason::UnknownCritical { payload: kind });
                let kind = vec![kind.0];
                (vec![notify(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, kind)], None)
            }
            Err(unusable @ Unusable::Syntax { .. }) => {
                cx.unusable(Some(ike), remote, &unusable, false);
                let answer = vec![notify(NotifyType::INVALID_SYNTAX, Vec::new())];
                (answer, Some(CloseReason::ProtocolError))
            }
            Ok(request) if exchange == ExchangeType::INFORMATIONAL => {
                self.informational(ike, &request, cx)
            }
            // Every Child SA and every rekey may be refused so (RFC 7296 §1.3).
            Ok(_) => (vec![notify(NotifyType::NO_ADDITIONAL_SAS, Vec::new())], None),
        };
        self.next_expected = self.next_expected.wrapping_add(1);
        let envelope = self.channel.envelope(header.exchange, true, header.message_id);
        let response = self.channel.seal(cx, ike, &envelope, &answer).unwrap_or_default();
        if !response.is_empty() {
            cx.transmit(arrival.path, &response);
            self.liveness.sent(now);
        }
        let answered = Answered::new(arrival.bytes, response);
        if let Some(reason) = closes {
            return Next::Answered(State::Established(self), reason, answered);
        }
        self.answered = answered;
        Next::State(State::Established(self))
    }

    /// Deletes and notifications of the peer (RFC 7296 §1.4, §1.4.1).
    fn informational(
        &mut self,
        ike: IkeHandle,
        request: &Message,
        cx: &mut Context,
    ) -> (Vec<Payload>, Option<CloseReason>) {
        let mut closed = Vec::new();
        for payload in &request.payloads {
            match payload {
                Payload::Delete(delete) if delete.protocol == ProtocolId::IKE => {
                    let answer = match cx.config.profile.readings.r30 {
                        IkeDeleteAnswer::Empty => Vec::new(),
                        IkeDeleteAnswer::Echo => vec![Payload::Delete(Delete::ike())],
                    };
                    return (answer, Some(CloseReason::DeletedByPeer));
                }
                Payload::Delete(delete) => {
                    for spi in &delete.spis {
                        let Ok(octets) = <[u8; 4]>::try_from(spi.as_slice()) else { continue };
                        let spi_out = u32::from_be_bytes(octets);
                        let reason = CloseReason::DeletedByPeer;
                        let spi_in = self.close_child(ike, reason, cx, |child| {
                            child.protocol == delete.protocol && child.spi_out == spi_out
                        });
                        closed.extend(spi_in.map(|spi| (delete.protocol, spi)));
                    }
                }
                Payload::Notify(found) if found.kind == NotifyType::AUTHENTICATION_FAILED => {
                    let (exchange, notify) = (ExchangeType::INFORMATIONAL, found.kind);
                    let notify = notify.into();
                    cx.event(Event::PeerRefused { ike, exchange, notify, tentative: false });
                    return (Vec::new(), Some(CloseReason::AuthenticationFailed));
                }
                _ => {}
            }
        }
        // A Child SA that we are deleting as well is not named again (RFC 7296 §1.4.1).
        if let Some((Task::DeleteChild(_, spi, _), _)) = self.pending {
            closed.retain(|(_, closed)| *closed != spi);
        }
        (deletes(&closed), None)
    }

    fn response(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        typed: Result<Message, Unusable>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        let fits = self.pending.as_ref().is_some_and(|(_, pending)| {
            pending.message_id == header.message_id && pending.exchange == header.exchange
        });
        let Some((task, _)) = self.pending.take_if(|_| fits) else {
            cx.dropped(remote, len, DropReason::UnexpectedResponse);
            return Next::State(State::Established(self));
        };
        self.heard(ike, now, remote, cx);
        if let Err(unusable) = typed {
            cx.unusable(Some(ike), remote, &unusable, true);
            return self.closed(CloseReason::ProtocolError);
        }
        match task {
            Task::DeleteIke(reason) => return self.closed(reason),
            Task::DeleteChild(_, spi, reason) => {
                self.close_child(ike, reason, cx, |child| child.spi_in == spi);
            }
            Task::Probe => cx.event(Event::ProbeAnswered { ike }),
            Task::TellInvalidSpi(_) => {}
        }
        if let Some(next) = self.tasks.pop_front() {
            self.begin(ike, now, next, cx);
        }
        Next::State(State::Established(self))
    }
}

fn notify(kind: NotifyType, data: Vec<u8>) -> Payload {
    Payload::Notify(Notify::new(kind, data))
}

#[cfg(test)]
mod tests;
