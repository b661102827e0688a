//! The initiator's side of the initial exchanges (RFC 7296 §1.2).
//!
//! ```text
//! --> IKE_SA_INIT { [N(COOKIE),] SA, KE, Ni, N(NATD_S), N(NATD_D) }     AwaitInit
//! <-- IKE_SA_INIT { SA, KE, Nr, N(NATD_S), N(NATD_D) }
//! --> IKE_AUTH { IDi, [IDr,] AUTH, SA, TSi, TSr }                       AwaitAuth
//! <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr }
//! ```

use super::channel::{AuthOf, KeyMaterial, ReadError, SecureChannel, Transcript};
use super::child::{self, Accepted};
use super::established::{Established, Opening};
use super::natd;
use super::responder::NONCE_LEN;
use super::sa::{Arrival, Next, State};
use super::syntax;
use super::window::{Answered, Due, Pending, Schedule};
use crate::config::Connection;
use crate::crypto::dh::{self, KeyPair};
use crate::crypto::suite::Group;
use crate::endpoint::context::{Context, Envelope};
use crate::entropy::Label;
use crate::event::{
    CloseReason, DropReason, Event, IkeEstablished, KeyLogEntry, NatStatus, Role, Side,
};
use crate::io::{Channel, Deadline, IkeHandle, Path, TimerReason};
use crate::policy;
use crate::time::Time;
use crate::wire::v2::{Auth, Id, Ke, Message, Nonce, Notify, Payload, Sa, Ts};
use crate::wire::{AuthMethod, ExchangeType, GroupId, IkeSpi, NotifyType, TransformType};

/// How often a cookie or another group may be asked for in one IKE_SA_INIT.
const MAX_COOKIES: u32 = 5;
const MAX_GROUPS: u32 = 3;

/// IKE_SA_INIT is on its way.
#[derive(Debug)]
pub(crate) struct AwaitInit {
    pub(crate) spi_i: IkeSpi,
    connection: Box<Connection>,
    path: Path,
    ni: Vec<u8>,
    pair: KeyPair,
    cookie: Option<Vec<u8>>,
    cookies: u32,
    groups_tried: Vec<Group>,
    pending: Pending,
}

/// IKE_AUTH is on its way.
#[derive(Debug)]
pub(crate) struct AwaitAuth {
    pub(crate) channel: SecureChannel,
    connection: Box<Connection>,
    path: Path,
    nat: NatStatus,
    ni: Vec<u8>,
    nr: Vec<u8>,
    init_request: Vec<u8>,
    init_response: Vec<u8>,
    child_proposals: Vec<crate::wire::v2::Proposal>,
    spi_in: u32,
    pending: Pending,
}

/// Starts an IKE SA. `None` if no proposal names a group that can be computed.
pub(crate) fn start(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    connection: Box<Connection>,
) -> Option<AwaitInit> {
    let group = groups_of(&connection).next()?;
    let (channel, local_port, remote_port) = if connection.start_on_nat_port {
        (Channel::Nat, connection.nat_ports.local, connection.nat_ports.remote)
    } else {
        (Channel::Ike, connection.local.port(), connection.remote.port())
    };
    let path = Path {
        channel,
        local: (connection.local.ip(), local_port).into(),
        remote: (connection.remote.ip(), remote_port).into(),
    };
    let spi_i = IkeSpi(cx.entropy.array(Label::IKE_SPI, ike.0));
    let ni = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);
    let pair = key_pair(cx, ike, group)?;
    cx.event(Event::IkeHalfOpen {
        ike,
        connection: Some(connection.name.clone()),
        role: Role::Initiator,
        path,
        spi_i,
    });
    let schedule = Schedule::ordinary(&cx.config.timers);
    let pending = Pending::new(now, 0, ExchangeType::IKE_SA_INIT, Vec::new(), schedule);
    let mut state = AwaitInit {
        spi_i,
        connection,
        path,
        ni,
        pair,
        cookie: None,
        cookies: 0,
        groups_tried: vec![group],
        pending,
    };
    state.send(now, cx);
    Some(state)
}

fn key_pair(cx: &mut Context, ike: IkeHandle, group: Group) -> Option<KeyPair> {
    let random = cx.entropy.bytes(Label::KEY_EXCHANGE, ike.0, dh::random_len(group));
    cx.provider.dh_keypair(group, &random).ok()
}

/// The groups of a connection's proposals, in order.
fn groups_of(connection: &Connection) -> impl Iterator<Item = Group> {
    connection
        .ike
        .iter()
        .flat_map(|proposal| &proposal.transforms)
        .filter(|transform| transform.kind == TransformType::KE)
        .filter_map(|transform| Group::from_iana(transform.id))
}

impl AwaitInit {
    /// Builds the request anew and sends it.
    fn send(&mut self, now: Time, cx: &mut Context) {
        let mut payloads = Vec::new();
        if let Some(cookie) = &self.cookie {
            payloads.push(Payload::Notify(Notify::new(NotifyType::COOKIE, cookie.clone())));
        }
        payloads.extend([
            Payload::Sa(Sa { proposals: self.connection.ike.clone() }),
            Payload::Ke(Ke {
                group: GroupId(self.pair.group().iana()),
                data: self.pair.public().to_vec(),
            }),
            Payload::Nonce(Nonce(self.ni.clone())),
        ]);
        let pretend = self.connection.force_encapsulation;
        payloads.extend(natd::payloads(self.spi_i, IkeSpi::ZERO, self.path, pretend));
        let envelope = Envelope {
            spi_i: self.spi_i,
            spi_r: IkeSpi::ZERO,
            exchange: ExchangeType::IKE_SA_INIT,
            from_initiator: true,
            response: false,
            message_id: 0,
        };
        let bytes = cx.plain(&envelope, &payloads).unwrap_or_default();
        if !bytes.is_empty() {
            cx.transmit(self.path, &bytes);
        }
        let schedule = Schedule::ordinary(&cx.config.timers);
        self.pending = Pending::new(now, 0, ExchangeType::IKE_SA_INIT, bytes, schedule);
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline { at: self.pending.due(), reason: TimerReason::Retransmit }
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        match repeat(&mut self.pending, self.path, ike, now, cx) {
            Due::GiveUp => Next::Closed(State::InitiatorInit(self), CloseReason::DeadPeer),
            Due::Not | Due::Repeat(_) => Next::State(State::InitiatorInit(self)),
        }
    }

    pub(crate) fn message(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        let is_answer = header.exchange == ExchangeType::IKE_SA_INIT
            && header.flags.is_response()
            && header.message_id == 0;
        if !is_answer {
            cx.dropped(remote, len, DropReason::UnexpectedExchange { exchange: header.exchange });
            return Next::State(State::InitiatorInit(self));
        }
        // Nothing here is authenticated yet: what cannot be used is dropped, and the request stays
        // open for a better answer (RFC 7296 §2.21.1).
        let why = match syntax::typed(header, &arrival.raw.payloads) {
            Ok(response) => match self.answered(ike, now, arrival, &response, cx) {
                Ok(next) => return next,
                Err((state, why)) => {
                    cx.dropped(remote, len, DropReason::UselessResponse { why });
                    return Next::State(State::InitiatorInit(state));
                }
            },
            Err(unusable) => format!("{unusable:?}"),
        };
        cx.dropped(remote, len, DropReason::UselessResponse { why });
        Next::State(State::InitiatorInit(self))
    }

    fn answered(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, String)> {
        if let Some(cookie) = response.notify(NotifyType::COOKIE) {
            if cookie.data.is_empty() || cookie.data.len() > 64 || self.cookies >= MAX_COOKIES {
                return Err((self, "a cookie of wrong length, or one too many".to_owned()));
            }
            self.cookies += 1;
            self.cookie = Some(cookie.data.clone());
            cx.event(Event::InitRepeated { ike, because: NotifyType::COOKIE });
            self.send(now, cx);
            return Ok(Next::State(State::InitiatorInit(self)));
        }
        if let Some(wanted) = response.notify(NotifyType::INVALID_KE_PAYLOAD) {
            let group = match wanted.data.as_slice() {
                [hi, lo] => Group::from_iana(u16::from_be_bytes([*hi, *lo])),
                _ => None,
            };
            let acceptable = group.filter(|group| {
                groups_of(&self.connection).any(|offered| offered == *group)
                    && !self.groups_tried.contains(group)
                    && self.groups_tried.len() <= MAX_GROUPS as usize
            });
            let Some(pair) = acceptable.and_then(|group| key_pair(cx, ike, group)) else {
                return Err((self, "INVALID_KE_PAYLOAD names a group that cannot be taken".into()));
            };
            self.groups_tried.push(pair.group());
            self.pair = pair;
            cx.event(Event::InitRepeated { ike, because: NotifyType::INVALID_KE_PAYLOAD });
            self.send(now, cx);
            return Ok(Next::State(State::InitiatorInit(self)));
        }
        if let Some(error) = response.notifies().find(|notify| notify.kind.is_error()) {
            let exchange = ExchangeType::IKE_SA_INIT;
            cx.event(Event::PeerRefused { ike, exchange, notify: error.kind });
            return Ok(Next::Closed(State::InitiatorInit(self), CloseReason::Refused));
        }
        self.agreed(ike, now, arrival, response, cx)
    }

    fn agreed(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, String)> {
        let spi_r = response.header.spi_r;
        let (suite, nr, shared) = match self.read_answer(response, cx) {
            Ok(read) => read,
            Err(why) => {
                cx.violation(
                    Some(ike),
                    arrival.path.remote,
                    "rfc7296-1.2-ike-sa-init-payloads",
                    &why,
                );
                return Err((self, why));
            }
        };
        let material = KeyMaterial {
            role: Role::Initiator,
            suite,
            spi_i: self.spi_i,
            spi_r,
            ni: &self.ni,
            nr: &nr,
            shared: &shared,
        };
        let mut channel = match SecureChannel::establish(cx, &material) {
            Ok(channel) => channel,
            Err(error) => return Err((self, error.to_string())),
        };
        let mut nat = natd::detect(response, arrival.path);
        // The peer sees a NAT in front of us, because that is what we told it.
        nat.local |= nat.supported && self.connection.force_encapsulation;
        let Self { connection, mut path, ni, pending, .. } = *self;
        if nat.found() && path.channel == Channel::Ike {
            path = Path {
                channel: Channel::Nat,
                local: (path.local.ip(), connection.nat_ports.local).into(),
                remote: (path.remote.ip(), connection.nat_ports.remote).into(),
            };
        }
        let init_request = pending.bytes;
        let init_response = arrival.bytes.to_vec();
        let transcript = Transcript {
            init_request: &init_request,
            init_response: &init_response,
            ni: &ni,
            nr: &nr,
        };

        let padded = channel.padded_psk(&*cx.provider, &connection.psk);
        cx.keys(|| KeyLogEntry::Psk { spi_i: channel.spi_i, spi_r, padded });
        let (provider, psk) = (&*cx.provider, &connection.psk);
        let auth = channel.psk_auth(provider, AuthOf::Local, &transcript, &connection.id, psk);
        let spi_in = cx.child_spi(ike);
        let child_proposals: Vec<_> = connection
            .child
            .iter()
            .cloned()
            .map(|mut proposal| {
                proposal.spi = spi_in.to_be_bytes().to_vec();
                proposal
            })
            .collect();
        let mut payloads = vec![Payload::IdI(connection.id.clone())];
        payloads.extend(connection.remote_id.clone().map(Payload::IdR));
        payloads.extend([
            Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: auth }),
            Payload::Sa(Sa { proposals: child_proposals.clone() }),
            Payload::TsI(Ts::new(connection.ts_local.clone())),
            Payload::TsR(Ts::new(connection.ts_remote.clone())),
        ]);
        let envelope = channel.envelope(ExchangeType::IKE_AUTH, false, 1);
        let bytes = channel.seal(cx, ike, &envelope, &payloads).unwrap_or_default();
        if !bytes.is_empty() {
            cx.transmit(path, &bytes);
        }
        let schedule = Schedule::ordinary(&cx.config.timers);
        let pending = Pending::new(now, 1, ExchangeType::IKE_AUTH, bytes, schedule);
        Ok(Next::State(State::InitiatorAuth(Box::new(AwaitAuth {
            channel,
            connection,
            path,
            nat,
            ni,
            nr,
            init_request,
            init_response,
            child_proposals,
            spi_in,
            pending,
        }))))
    }

    fn read_answer(
        &self,
        response: &Message,
        cx: &Context,
    ) -> Result<(crate::crypto::suite::IkeSuite, Vec<u8>, crate::crypto::SecretBytes), String> {
        if response.header.spi_r.is_zero() {
            return Err("the responder's SPI is zero".to_owned());
        }
        let sa = syntax::exactly_one(response, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })?;
        let ke = syntax::exactly_one(response, "KE", |payload| match payload {
            Payload::Ke(ke) => Some(ke),
            _ => None,
        })?;
        let nonce = syntax::exactly_one(response, "Nonce", |payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.0.clone()),
            _ => None,
        })?;
        let suite = policy::check_ike_answer(&self.connection.ike, &sa.proposals)
            .map_err(|error| error.to_string())?;
        if suite.group != self.pair.group() || ke.group.0 != suite.group.iana() {
            return Err(format!("KE is of group {}, the proposal of {}", ke.group, suite.group));
        }
        let shared = cx
            .provider
            .dh_agree(&self.pair, &ke.data)
            .map_err(|error| format!("the KE value cannot be used: {error}"))?;
        Ok((suite, nonce, shared))
    }
}

impl AwaitAuth {
    /// The SPI that the Child SA is to receive on.
    pub(crate) fn child_spi(&self) -> u32 {
        self.spi_in
    }

    fn closed(self: Box<Self>, reason: CloseReason) -> Next {
        Next::Closed(State::InitiatorAuth(self), reason)
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline { at: self.pending.due(), reason: TimerReason::Retransmit }
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        match repeat(&mut self.pending, self.path, ike, now, cx) {
            Due::GiveUp => self.closed(CloseReason::DeadPeer),
            Due::Not | Due::Repeat(_) => Next::State(State::InitiatorAuth(self)),
        }
    }

    pub(crate) fn message(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        let reason = if header.exchange != ExchangeType::IKE_AUTH || !header.flags.is_response() {
            DropReason::UnexpectedExchange { exchange: header.exchange }
        } else if header.message_id != 1 {
            DropReason::MessageId { got: header.message_id, expected: 1 }
        } else {
            match self.channel.open(arrival.bytes, &arrival.raw) {
                Ok(payloads) => match syntax::typed(header, &payloads) {
                    Ok(response) => return self.answered(ike, now, arrival, &response, cx),
                    Err(unusable) => {
                        return self.abort(ike, remote, &format!("{unusable:?}"), cx);
                    }
                },
                Err(ReadError::Syntax(error)) => {
                    return self.abort(ike, remote, &error.to_string(), cx);
                }
                Err(ReadError::NotEncrypted) => DropReason::NotEncrypted,
                Err(ReadError::BadIcv) => DropReason::BadIcv,
            }
        };
        cx.dropped(remote, len, reason);
        Next::State(State::InitiatorAuth(self))
    }

    fn abort(
        self: Box<Self>,
        ike: IkeHandle,
        remote: core::net::SocketAddr,
        why: &str,
        cx: &mut Context,
    ) -> Next {
        cx.violation(Some(ike), remote, "rfc7296-1.2-ike-auth-payloads", why);
        self.closed(CloseReason::ProtocolError)
    }

    fn answered(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Next {
        let remote = arrival.path.remote;
        let identity = response.payloads.iter().find_map(|payload| match payload {
            Payload::IdR(id) => Some(id.clone()),
            _ => None,
        });
        let auth = response.payloads.iter().find_map(|payload| match payload {
            Payload::Auth(auth) => Some(auth),
            _ => None,
        });
        let error = response.notifies().find(|notify| notify.kind.is_error()).map(|n| n.kind);
        let (Some(id_r), Some(auth)) = (identity, auth) else {
            let Some(notify) = error else {
                return self.abort(ike, remote, "there is no IDr or no AUTH payload", cx);
            };
            cx.event(Event::PeerRefused { ike, exchange: ExchangeType::IKE_AUTH, notify });
            return self.closed(if notify == NotifyType::AUTHENTICATION_FAILED {
                CloseReason::AuthenticationFailed
            } else {
                CloseReason::Refused
            });
        };
        if !self.is_peer(&id_r, auth, cx) {
            cx.event(Event::AuthenticationFailed { ike, id: id_r.to_string() });
            self.say_failed(ike, cx);
            return self.closed(CloseReason::AuthenticationFailed);
        }
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: Some(self.connection.name.clone()),
            role: Role::Initiator,
            path: self.path,
            spi_i: self.channel.spi_i,
            spi_r: self.channel.spi_r,
            local_id: self.connection.id.clone(),
            remote_id: id_r,
            suite: self.channel.suite,
            nat: self.nat,
        })));
        let child = match self.child_of(response, error) {
            Ok(accepted) => {
                let nonces = child::Nonces { ni: &self.ni, nr: &self.nr };
                let encap = child::encap(self.path, self.nat.found());
                child::install(cx, ike, now, &self.channel, &accepted, nonces, encap)
            }
            Err((by, notify, detail)) => {
                cx.free_child_spi(self.spi_in);
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                None
            }
        };
        let this = *self;
        let opening = Opening {
            channel: this.channel,
            path: this.path,
            nat: this.nat,
            children: child.into_iter().collect(),
            answered: Answered::default(),
            init_answered: Answered::default(),
        };
        Next::State(State::Established(Box::new(Established::initiator(now, opening, &cx.config))))
    }

    fn is_peer(&self, id_r: &Id, auth: &Auth, cx: &Context) -> bool {
        let expected = self.connection.expect_id.as_ref().is_none_or(|expected| expected == id_r);
        let transcript = Transcript {
            init_request: &self.init_request,
            init_response: &self.init_response,
            ni: &self.ni,
            nr: &self.nr,
        };
        let psk = &self.connection.psk;
        expected
            && auth.method == AuthMethod::SHARED_KEY
            && self.channel.check_psk_auth(&*cx.provider, &transcript, id_r, psk, &auth.data)
    }

    /// Tells the peer in an exchange of its own that it is not who it should be (RFC 7296 §2.21.2).
    /// Its answer is not waited for.
    fn say_failed(&mut self, ike: IkeHandle, cx: &mut Context) {
        let envelope = self.channel.envelope(ExchangeType::INFORMATIONAL, false, 2);
        let notify = Notify::new(NotifyType::AUTHENTICATION_FAILED, Vec::new());
        if let Some(bytes) = self.channel.seal(cx, ike, &envelope, &[Payload::Notify(notify)]) {
            cx.transmit(self.path, &bytes);
        }
    }

    fn child_of(
        &self,
        response: &Message,
        error: Option<NotifyType>,
    ) -> Result<Accepted, (Side, NotifyType, String)> {
        let sa = response.payloads.iter().find_map(|payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        let Some(sa) = sa else {
            let notify = error.unwrap_or(NotifyType::NO_PROPOSAL_CHOSEN);
            return Err((Side::Peer, notify, "the peer granted no Child SA".to_owned()));
        };
        let ours = |notify, why: String| (Side::Local, notify, why);
        let suite = policy::check_child_answer(&self.child_proposals, &sa.proposals, true)
            .map_err(|error| ours(NotifyType::NO_PROPOSAL_CHOSEN, error.to_string()))?;
        let (ts_i, ts_r) =
            child::selectors_of(response).map_err(|why| ours(NotifyType::TS_UNACCEPTABLE, why))?;
        let Connection { ts_local, ts_remote, .. } = &*self.connection;
        let (asked_i, asked_r) = (Ts::new(ts_local.clone()), Ts::new(ts_remote.clone()));
        if !policy::is_within(ts_i, &asked_i) || !policy::is_within(ts_r, &asked_r) {
            let why = "the peer granted selectors beyond those asked for".to_owned();
            return Err(ours(NotifyType::TS_UNACCEPTABLE, why));
        }
        let chosen = sa.proposals.first().cloned();
        let Some((chosen, spi_out)) = chosen.and_then(|p| child::spi_of(&p).map(|spi| (p, spi)))
        else {
            let why = "the peer's SPI does not have four octets".to_owned();
            return Err(ours(NotifyType::INVALID_SYNTAX, why));
        };
        Ok(Accepted {
            suite,
            chosen,
            narrowed: *ts_i != asked_i || *ts_r != asked_r,
            ts_i: ts_i.selectors.clone(),
            ts_r: ts_r.selectors.clone(),
            spi_in: self.spi_in,
            spi_out,
        })
    }
}

/// Repeats a request if its time has come.
pub(crate) fn repeat(
    pending: &mut Pending,
    path: Path,
    ike: IkeHandle,
    now: Time,
    cx: &mut Context,
) -> Due {
    let due = pending.poll(now);
    if let Due::Repeat(attempt) = due {
        if !pending.bytes.is_empty() {
            cx.transmit(path, &pending.bytes);
        }
        let (exchange, message_id) = (pending.exchange, pending.message_id);
        cx.event(Event::Retransmitted { ike, exchange, message_id, response: false, attempt });
    }
    due
}
