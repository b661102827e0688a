//! One endpoint: finds the IKE SA that an input concerns, and lets it handle it.

use std::collections::BTreeMap;
use std::sync::Arc;

use core::net::SocketAddr;
use core::time::Duration;

use self::invalid_spi::Lately;
use super::context::{Context, Envelope};
use super::cookie::{Claim, CookieJar};
use super::ikev1::{Fresh, Ikev1Table};
use super::limits::Lingering;
use super::schedule::Schedule;
use crate::config::EndpointConfig;
use crate::crypto::Provider;
use crate::event::{CloseReason, DropReason, Event, NotStarted};
use crate::io::{self, Command, Deadline, IkeHandle, Input, Output, Path};
use crate::sa;
use crate::time::Time;
use crate::v2::sa::{Arrival, IkeSa, Next, State};
use crate::v2::syntax::{self, Unusable};
use crate::v2::{initiator, responder};
use crate::wire::v2::{Message, Notify, Payload};
use crate::wire::{ExchangeType, Flags, Header, IkeSpi, NotifyType, PayloadType, RawMessage};

/// The control plane of one peer: any number of IKE SAs, as initiator and as responder.
///
/// The rule of the run loop: hand in one [`Input`] with [`handle`](Self::handle), then call
/// [`poll_output`](Self::poll_output) until it gives [`Output::Timeout`]. Only then hand in the
/// next input, or [`Input::Timeout`] when that time has come.
#[derive(Debug)]
pub struct Endpoint {
    cx: Context,
    sas: BTreeMap<IkeHandle, IkeSa>,
    by_spi: BTreeMap<IkeSpi, IkeHandle>,
    /// Answered IKE_SA_INIT requests, by who sent them (RFC 7296 §2.1).
    by_request: BTreeMap<(SocketAddr, IkeSpi), IkeHandle>,
    sources: BTreeMap<IkeHandle, SocketAddr>,
    schedule: Schedule,
    cookies: CookieJar,
    lingering: Lingering,
    /// Who was told of an invalid SPI, and whose word about one was believed.
    told: Lately,
    hinted: Lately,
    ikev1: Ikev1Table,
    next_handle: u64,
    shutting_down: bool,
}

impl Endpoint {
    /// An endpoint without SAs. All that is random about it follows from `seed`.
    pub fn new(config: EndpointConfig, seed: [u8; 32], provider: Arc<dyn Provider>) -> Self {
        Self {
            cx: Context::new(config, seed, provider),
            sas: BTreeMap::new(),
            by_spi: BTreeMap::new(),
            by_request: BTreeMap::new(),
            sources: BTreeMap::new(),
            schedule: Schedule::default(),
            cookies: CookieJar::default(),
            lingering: Lingering::default(),
            told: Lately::default(),
            hinted: Lately::default(),
            ikev1: Ikev1Table::default(),
            next_handle: 1,
            shutting_down: false,
        }
    }

    /// Takes one input. Drain the outputs before the next one.
    pub fn handle(&mut self, now: Time, input: Input<'_>) {
        match input {
            Input::Ike { path, bytes } => {
                self.datagram(now, path, bytes);
                self.close_lost();
            }
            Input::Timeout => self.timeout(now),
            Input::Command(command) => self.command(now, command),
            Input::DataPlane(report) => self.report(now, report),
            Input::Activity(activity) => self.activity(now, &activity),
        }
    }

    /// What is to be done next; [`Output::Timeout`] when there is nothing left.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.cx.pop() {
            return output;
        }
        let next = [self.schedule.next(), self.ikev1.deadline()];
        Output::Timeout(next.into_iter().flatten().min_by_key(|deadline| deadline.at))
    }

    /// How many IKE SAs there are, half-open ones included.
    pub fn ike_sas(&self) -> usize {
        self.sas.len() + self.ikev1.len()
    }

    /// How much the endpoint keeps, for tests of what must not grow.
    #[cfg(any(test, feature = "testing"))]
    pub fn footprint(&self) -> super::Footprint {
        let [sas, cookies, requests, sources, timers, deadlines] = self.ikev1.sizes();
        let [own_timers, own_deadlines] = self.schedule.sizes();
        super::Footprint {
            ike_sas: self.sas.len() + sas,
            half_open: self.cx.half_open.total(),
            by_spi: self.by_spi.len() + cookies,
            by_request: self.by_request.len() + requests,
            sources: self.sources.len() + sources,
            timers: own_timers + timers,
            deadlines: own_deadlines + deadlines,
            child_spis: self.cx.child_spis(),
            tunnels: self.cx.tunnels.len(),
            peers: self.cx.peers.len(),
            entropy: self.cx.entropy.counters(),
            fragmenting: self.cx.fragmenter.len(),
            incomplete: self.ikev1.incomplete(),
        }
    }

    /// The configuration that the endpoint was made with.
    pub fn config(&self) -> &EndpointConfig {
        &self.cx.config
    }

    /// The next timer of one IKE SA in its own time, and whether a request of ours is on its way.
    ///
    /// For whoever moves its clock: see [`Command::SkipTime`]. Report the activity of its tunnels
    /// before a move, or what they carried will look younger than it is.
    pub fn clock_of(&self, ike: IkeHandle, now: Time) -> Option<SaClock> {
        if self.ikev1.has(ike) {
            return self.ikev1.clock_of(ike, now);
        }
        let sa = self.sas.get(&ike)?;
        let own = now + sa.skew;
        let next = sa.state.deadline().map(|deadline| Deadline {
            at: Time::from_start(deadline.at.since(own)),
            reason: deadline.reason,
        });
        Some(SaClock { next, waiting: sa.state.is_waiting() })
    }

    /// The tunnel of an IKE SA: all its Child SAs, and an inner network of its own.
    pub fn tunnel_of(&self, ike: IkeHandle) -> sa::TunnelId {
        self.cx.tunnels.of(ike)
    }

    /// The IKE SA that a tunnel belongs to, which may be gone.
    pub fn ike_of(&self, tunnel: sa::TunnelId) -> IkeHandle {
        self.cx.tunnels.owner(tunnel)
    }

    fn datagram(&mut self, now: Time, path: Path, bytes: &[u8]) {
        let (remote, len) = (path.remote, bytes.len());
        let header = match Header::decode(bytes) {
            Ok(header) => header,
            Err(error) => {
                let reason = if len < Header::LEN {
                    DropReason::Runt
                } else {
                    DropReason::Malformed { error: error.to_string() }
                };
                return self.cx.dropped(remote, len, reason);
            }
        };
        match header.version.major {
            2 => {}
            1 => return self.ikev1(now, path, &header, bytes),
            major => return self.wrong_version(now, path, &header, len, major),
        }
        let raw = match RawMessage::decode(bytes) {
            Ok(raw) if raw.trailing.is_empty() => raw,
            Ok(raw) => {
                let error = format!("{} octets follow the message", raw.trailing.len());
                return self.cx.dropped(remote, len, DropReason::Malformed { error });
            }
            Err(error) => {
                return self.cx.dropped(
                    remote,
                    len,
                    DropReason::Malformed { error: error.to_string() },
                );
            }
        };
        let arrival = Arrival { path, bytes, raw };
        let opens = header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response();
        if opens {
            self.init_request(now, &arrival);
        } else {
            self.for_sa(now, &arrival);
        }
    }

    fn ikev1(&mut self, now: Time, path: Path, header: &Header, bytes: &[u8]) {
        if header.exchange == ExchangeType::INFORMATIONAL_V1
            && !self.ikev1.is_for_sa(header)
            && let Ok(raw) = RawMessage::decode(bytes)
            && self.hint(now, path, &raw)
        {
            return;
        }
        let (handle, others) = (IkeHandle(self.next_handle), self.sas.len());
        let fresh = (!self.shutting_down).then_some(Fresh { handle, others });
        if self.ikev1.datagram(&mut self.cx, now, path, bytes, fresh) {
            self.handle_for_new();
        }
    }

    /// A later version is answered with the one that we speak (RFC 7296 §2.5). What is dropped without the
    /// answer that is due is told by what stands against that.
    fn wrong_version(&mut self, now: Time, path: Path, header: &Header, len: usize, major: u8) {
        if major > 2 && !header.flags.is_response() {
            let envelope = Envelope {
                spi_i: header.spi_i,
                spi_r: header.spi_r,
                exchange: header.exchange,
                from_initiator: !header.flags.is_initiator(),
                response: true,
                message_id: header.message_id,
            };
            let notify = Notify::new(NotifyType::INVALID_MAJOR_VERSION, Vec::new());
            let bound = len.saturating_mul(self.cx.config.limits.amplification);
            let answer = self.cx.plain(&envelope, &[Payload::Notify(notify)]);
            if answer.as_ref().is_some_and(|answer| answer.len() > bound) {
                return self.cx.dropped(path.remote, len, DropReason::Amplification);
            }
            // What is too long costs nobody else an answer.
            if !self.cx.may_reply(now, path.remote, len) {
                return;
            }
            if let Some(answer) = answer {
                self.cx.transmit(path, &answer);
            }
        }
        self.cx.dropped(path.remote, len, DropReason::MajorVersion { major });
    }

    fn for_sa(&mut self, now: Time, arrival: &Arrival<'_>) {
        let header = &arrival.raw.header;
        // The one that we have chosen is the one that the other side names second.
        let own = if header.flags.is_initiator() { header.spi_r } else { header.spi_i };
        let peers = if header.flags.is_initiator() { header.spi_i } else { header.spi_r };
        let (remote, len) = (arrival.path.remote, arrival.bytes.len());
        let Some(handle) = self.by_spi.get(&own).copied() else {
            if !header.flags.is_response() && self.repeat_last(now, own, arrival) {
                return;
            }
            if self.hint(now, arrival.path, &arrival.raw) {
                return;
            }
            return self.cx.dropped(remote, len, DropReason::UnknownIkeSpi { spi: own });
        };
        let Some(sa) = self.sas.remove(&handle) else { return };
        let (spi_i, spi_r) = sa.state.spis();
        let ours_is_initiator = spi_i == own;
        let known_peer = if ours_is_initiator { spi_r } else { spi_i };
        let role_fits = ours_is_initiator != header.flags.is_initiator();
        if !role_fits || !(known_peer.is_zero() || known_peer == peers) {
            self.cx.dropped(remote, len, DropReason::WrongSpi);
            self.sas.insert(handle, sa);
            return;
        }
        let own_now = now + sa.skew;
        let next = sa.state.message(handle, own_now, arrival, &mut self.cx);
        self.keep(now, handle, sa.skew, next);
    }

    /// Answers a repetition of the request that an SA has ended with. Says whether it was one.
    fn repeat_last(&mut self, now: Time, own: IkeSpi, arrival: &Arrival<'_>) -> bool {
        let Some((ike, response, attempt)) = self.lingering.repeat(now, own, arrival.bytes) else {
            return false;
        };
        if !response.is_empty() {
            self.cx.transmit(arrival.path, &response);
        }
        let (exchange, message_id) = (arrival.raw.header.exchange, arrival.raw.header.message_id);
        self.cx.event(Event::Retransmitted { ike, exchange, message_id, response: true, attempt });
        true
    }

    fn init_request(&mut self, now: Time, arrival: &Arrival<'_>) {
        let (remote, len) = (arrival.path.remote, arrival.bytes.len());
        let header = arrival.raw.header;
        if let Some(reason) = self.header_fault(remote, &header) {
            return self.cx.dropped(remote, len, reason);
        }
        if self.repeat_init(arrival) {
            return;
        }
        if self.shutting_down {
            return self.cx.dropped(remote, len, DropReason::ShuttingDown);
        }
        let request = match syntax::typed(header, &arrival.raw.payloads) {
            Ok(request) => request,
            Err(Unusable::Critical(kind)) => {
                let request = Message { header, payloads: Vec::new() };
                let (notify, data) = (NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0]);
                self.cx.dropped(remote, len, DropReason::UnknownCritical { payload: kind });
                let answer = responder::refusal(&mut self.cx, now, arrival, &request, notify, data);
                return responder::send(&mut self.cx, arrival.path, answer);
            }
            Err(Unusable::Syntax { error, .. }) => {
                let error = error.to_string();
                return self.cx.dropped(remote, len, DropReason::Malformed { error });
            }
        };
        if !self.is_welcome(now, arrival, &request) {
            return;
        }
        let handle = self.handle_for_new();
        let Some(state) = responder::init(&mut self.cx, handle, now, arrival, &request) else {
            self.cx.entropy.forget(handle.0);
            return;
        };
        let state = State::ResponderAuth(Box::new(state));
        self.by_request.insert((remote, header.spi_i), handle);
        self.sources.insert(handle, remote);
        self.cx.half_open.add(remote.ip());
        self.adopt(handle, state);
    }

    /// What is wrong with the header of a request that opens an IKE SA; all of it is told.
    fn header_fault(&mut self, remote: SocketAddr, header: &Header) -> Option<DropReason> {
        let id = header.message_id;
        let rules = [
            (header.spi_i.is_zero(), "rfc7296-3.1-spii-nonzero", "the initiator's SPI is zero"),
            (!header.spi_r.is_zero(), "rfc7296-3.1-spir-zero-first", "it names a responder's SPI"),
            (
                !header.flags.contains(Flags::INITIATOR),
                "rfc7296-3.1-i-flag",
                "it does not say that its sender is the initiator",
            ),
        ];
        let mut reason = None;
        if id != 0 {
            let message = format!("IKE_SA_INIT request with Message ID {id}");
            self.cx.violation(None, remote, "rfc7296-2.2-first-message-id-zero", message);
            reason = Some(DropReason::MessageId { got: id, expected: 0 });
        }
        for (_, requirement, what) in rules.into_iter().filter(|(is_broken, ..)| *is_broken) {
            let message = format!("IKE_SA_INIT request: {what}");
            self.cx.violation(None, remote, requirement, message);
            reason = Some(DropReason::WrongSpi);
        }
        reason
    }

    /// Answers a repetition of a request that was answered before. Says whether it was one.
    fn repeat_init(&mut self, arrival: &Arrival<'_>) -> bool {
        let header = arrival.raw.header;
        let key = (arrival.path.remote, header.spi_i);
        let Some(ike) = self.by_request.get(&key).copied() else { return false };
        let Some(sa) = self.sas.get_mut(&ike) else { return false };
        let (response, attempt) = match &mut sa.state {
            State::ResponderAuth(state) => match state.repeat_init(arrival.bytes) {
                Some((response, attempt)) => (response.to_vec(), attempt),
                None => return false,
            },
            State::Established(state) => match state.repeat_init(arrival.bytes) {
                Some((response, attempt)) => (response.to_vec(), attempt),
                None => return false,
            },
            State::InitiatorInit(_) | State::InitiatorAuth(_) => return false,
        };
        self.cx.transmit(arrival.path, &response);
        let (exchange, message_id) = (header.exchange, header.message_id);
        self.cx.event(Event::Retransmitted { ike, exchange, message_id, response: true, attempt });
        true
    }

    /// Limits and cookies: whether the request may cost us a key exchange (RFC 7296 §2.6).
    fn is_welcome(&mut self, now: Time, arrival: &Arrival<'_>, request: &Message) -> bool {
        let Path { remote, .. } = arrival.path;
        let len = arrival.bytes.len();
        let limits = self.cx.config.profile.limits;
        if let Some(reason) = self.cx.limit_reached(remote.ip(), self.ike_sas()) {
            self.cx.dropped(remote, len, reason);
            return false;
        }
        if self.cx.half_open.total() < limits.cookie_threshold {
            return true;
        }
        let nonce = match syntax::exactly_one(request, PayloadType::NONCE, Message::nonce) {
            Ok(nonce) => &nonce.0,
            Err(misfit) => {
                self.cx.misfit(None, remote, &misfit);
                let error = misfit.to_string();
                self.cx.dropped(remote, len, DropReason::Malformed { error });
                return false;
            }
        };
        let claim = Claim { remote, spi_i: request.header.spi_i, nonce };
        let lifetime = self.cx.config.timers.cookie_secret;
        if let Some(cookie) = request.notify(NotifyType::COOKIE) {
            let entropy = &mut self.cx.entropy;
            if self.cookies.check(now, lifetime, entropy, &claim, &cookie.data) {
                self.cx.event(Event::CookieAccepted { remote });
                return true;
            }
            self.cx.dropped(remote, len, DropReason::BadCookie);
        }
        let cookie = self.cookies.make(now, lifetime, &mut self.cx.entropy, &claim);
        let kind = NotifyType::COOKIE;
        let demand = responder::notification(&mut self.cx, arrival, request, kind, cookie);
        if demand.is_some() {
            self.cx.event(Event::CookieDemanded { remote });
        }
        responder::send(&mut self.cx, arrival.path, demand);
        false
    }

    fn timeout(&mut self, now: Time) {
        self.ikev1.timeout(&mut self.cx, now);
        while let Some(handle) = self.schedule.due(now) {
            let Some(sa) = self.sas.remove(&handle) else {
                self.schedule.set(handle, None);
                continue;
            };
            let next = sa.state.timeout(handle, now + sa.skew, &mut self.cx);
            self.keep(now, handle, sa.skew, next);
        }
    }

    fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Initiate(connection) => {
                let connection_name = connection.name.clone();
                let started = if self.shutting_down {
                    Err(NotStarted::ShuttingDown)
                } else {
                    let handle = self.handle_for_new();
                    let started = if connection.ikev1.is_some() {
                        self.ikev1.initiate(&mut self.cx, handle, now, connection)
                    } else {
                        initiator::start(&mut self.cx, handle, now, connection)
                            .map(|state| self.adopt(handle, State::InitiatorInit(Box::new(state))))
                    };
                    started.inspect_err(|_| self.cx.entropy.forget(handle.0))
                };
                if let Err(why) = started {
                    self.cx.event(Event::NotStarted { connection: connection_name, why });
                }
            }
            Command::DeleteIke { ike } => self.delete(now, ike),
            Command::DeleteChild { ike, spi } if self.ikev1.has(ike) => {
                self.ikev1.with_established(&mut self.cx, ike, now, |state, _, cx| {
                    state.drop_child(ike, spi, CloseReason::DeletedByUs, cx);
                });
            }
            Command::DeleteChild { ike, spi } => {
                self.with_established(ike, now, |state, now, cx| {
                    state.delete_child(ike, now, spi, cx);
                })
            }
            Command::CreateChild { ike, ask } => {
                self.ikev1.with_established(&mut self.cx, ike, now, |state, now, cx| {
                    state.create_child(ike, now, *ask, cx);
                });
            }
            Command::RekeyChild { ike, spi } => {
                self.ikev1.with_established(&mut self.cx, ike, now, |state, now, cx| {
                    state.rekey(ike, now, spi, cx);
                });
            }
            Command::Probe { ike } => self.probe(now, ike),
            Command::SkipTime { ike, by } if self.ikev1.has(ike) => self.ikev1.skip(ike, by),
            Command::SkipTime { ike, by } => {
                if let Some(sa) = self.sas.get_mut(&ike) {
                    sa.skew = sa.skew.saturating_add(by);
                }
                self.reschedule(ike);
            }
            Command::Forget { ike } if self.ikev1.has(ike) => {
                self.ikev1.close(&mut self.cx, ike, CloseReason::Forgotten);
            }
            Command::Forget { ike } => self.close(ike, CloseReason::Forgotten),
            Command::Deviate(fault) => self.cx.arm(*fault),
            Command::Shutdown => {
                self.shutting_down = true;
                let mut all: Vec<_> = self.sas.keys().copied().collect();
                all.extend(self.ikev1.handles());
                for ike in all {
                    self.delete(now, ike);
                }
            }
        }
    }

    fn probe(&mut self, now: Time, ike: IkeHandle) {
        if self.ikev1.has(ike) {
            return self.ikev1.with_established(&mut self.cx, ike, now, |state, now, cx| {
                state.probe(ike, now, cx);
            });
        }
        self.with_established(ike, now, |state, now, cx| state.probe(ike, now, cx));
    }

    /// Deletes an IKE SA with an exchange if it is established, without one otherwise.
    fn delete(&mut self, now: Time, ike: IkeHandle) {
        self.ikev1.delete(&mut self.cx, ike);
        match self.sas.get(&ike).map(|sa| &sa.state) {
            Some(State::Established(_)) => {
                self.with_established(ike, now, |state, now, cx| state.delete(ike, now, cx));
            }
            Some(_) => self.close(ike, CloseReason::DeletedByUs),
            None => {}
        }
    }

    fn activity(&mut self, now: Time, activity: &io::Activity) {
        let ike = self.cx.tunnels.owner(activity.tunnel);
        if self.ikev1.has(ike) {
            return self.ikev1.activity(&mut self.cx, now, activity);
        }
        let Some(sa) = self.sas.get_mut(&ike) else { return };
        let skew = sa.skew;
        if let State::Established(state) = &mut sa.state {
            state.activity(ike, now + skew, skew, activity, &mut self.cx);
        }
        self.reschedule(ike);
    }

    fn report(&mut self, now: Time, report: sa::Report) {
        self.ikev1.report(&mut self.cx, now, &report);
        match report {
            sa::Report::AuthenticatedFromNewSource { tunnel, source, .. } => {
                if let sa::Encap::Udp { src, .. } = source {
                    let ike = self.cx.tunnels.owner(tunnel);
                    self.with_established(ike, now, |state, _, cx| state.moved(ike, src, cx));
                }
            }
            sa::Report::SequenceExhausted { tunnel, spi } => {
                let ike = self.cx.tunnels.owner(tunnel);
                self.with_established(ike, now, |state, now, cx| {
                    state.expire_outbound(ike, now, spi, CloseReason::SequenceExhausted, cx);
                });
            }
            sa::Report::Dropped { spi, reason, .. } => {
                self.cx.event(Event::TrafficDropped { spi, reason: reason.to_string() });
            }
            sa::Report::UnknownSpi { protocol, spi, len, source } => {
                self.unknown_spi(now, protocol, spi, len, source);
            }
            sa::Report::Runt { len, source } => {
                let remote = SocketAddr::new(source.src_ip(), 0);
                self.cx.dropped(remote, len, DropReason::Runt);
            }
            // IKEv1 has done what is to be done. In IKEv2 there are no limits by volume.
            sa::Report::CounterThreshold { .. } => {}
        }
    }

    fn with_established(
        &mut self,
        ike: IkeHandle,
        now: Time,
        act: impl FnOnce(&mut crate::v2::established::Established, Time, &mut Context),
    ) {
        if let Some(sa) = self.sas.get_mut(&ike)
            && let State::Established(state) = &mut sa.state
        {
            act(state, now + sa.skew, &mut self.cx);
        }
        self.reschedule(ike);
    }

    /// Ends the IKE SAs that their peers say they have no more.
    fn close_lost(&mut self) {
        for ike in self.cx.peers.lost() {
            self.ikev1.close(&mut self.cx, ike, CloseReason::InitialContact);
            self.close(ike, CloseReason::InitialContact);
        }
    }

    fn handle_for_new(&mut self) -> IkeHandle {
        let handle = IkeHandle(self.next_handle);
        self.next_handle = self.next_handle.wrapping_add(1);
        self.cx.peers.begun(handle);
        handle
    }

    fn adopt(&mut self, handle: IkeHandle, state: State) {
        self.by_spi.insert(state.own_spi(), handle);
        self.sas.insert(handle, IkeSa { skew: Duration::ZERO, state });
        self.reschedule(handle);
    }

    /// Puts an SA back after it has handled something, or clears up behind it.
    fn keep(&mut self, now: Time, handle: IkeHandle, skew: Duration, next: Next) {
        match next {
            Next::State(state) => {
                if !state.is_half_open_responder() {
                    self.no_longer_half_open(handle);
                }
                self.sas.insert(handle, IkeSa { skew, state });
                self.reschedule(handle);
            }
            Next::Closed(state, reason) => self.clear_up(handle, state, reason),
            Next::Answered(state, reason, answered) => {
                let until = now + self.cx.config.timers.linger;
                self.lingering.keep(state.own_spi(), handle, until, answered);
                self.clear_up(handle, state, reason);
            }
        }
    }

    fn close(&mut self, handle: IkeHandle, reason: CloseReason) {
        if let Some(sa) = self.sas.remove(&handle) {
            self.clear_up(handle, sa.state, reason);
        }
    }

    fn clear_up(&mut self, handle: IkeHandle, state: State, reason: CloseReason) {
        self.no_longer_half_open(handle);
        self.by_spi.remove(&state.own_spi());
        self.by_request.retain(|_, of| *of != handle);
        self.schedule.set(handle, None);
        self.cx.entropy.forget(handle.0);
        self.cx.peers.forget(handle);
        state.close(handle, reason, &mut self.cx);
        self.cx.tunnels.forget(handle);
    }

    fn no_longer_half_open(&mut self, handle: IkeHandle) {
        if let Some(source) = self.sources.remove(&handle) {
            self.cx.half_open.remove(source.ip());
        }
    }

    /// Brings the schedule up to date for one SA.
    fn reschedule(&mut self, handle: IkeHandle) {
        let deadline = self.sas.get(&handle).and_then(|sa| {
            let Deadline { at, reason } = sa.state.deadline()?;
            Some(Deadline { at: at - sa.skew, reason })
        });
        self.schedule.set(handle, deadline);
    }
}

/// The clock of one IKE SA, for whoever moves it.
#[derive(Clone, Copy, Debug)]
pub struct SaClock {
    /// How long until its next timer fires, and which one it is.
    pub next: Option<Deadline>,
    /// Whether a request of ours waits for its answer.
    pub waiting: bool,
}

mod invalid_spi;
#[cfg(test)]
mod tests;
