//! IKE_SA_INIT as the initiator: the request, again for a cookie or another group, and its answer.

use thiserror::Error;

use super::auth::{Agreed, AwaitAuth};
use crate::config::Connection;
use crate::crypto::dh::KeyPair;
use crate::crypto::suite::{Group, IkeSuite};
use crate::crypto::{CryptoError, SecretBytes};
use crate::endpoint::context::{Context, Envelope};
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Event, NotStarted, Role};
use crate::io::{Channel, Deadline, IkeHandle, Path};
use crate::policy;
use crate::time::Time;
use crate::v2::channel::{KeyMaterial, NONCE_LEN, SecureChannel};
use crate::v2::natd;
use crate::v2::sa::{Arrival, Next, State};
use crate::v2::syntax::{self, Misfit};
use crate::window::{Due, Pending, Schedule};
use crate::wire::v2::{Ke, Message, Nonce, Notify, Payload, Sa};
use crate::wire::{ExchangeType, GroupId, IkeSpi, NotifyType, PayloadType, TransformType};

/// How often a cookie or another group may be asked for in one IKE_SA_INIT.
const MAX_COOKIES: u32 = 5;
const MAX_GROUPS: u32 = 3;

/// IKE_SA_INIT is on its way.
#[derive(Debug)]
pub(crate) struct AwaitInit {
    request: Request,
    path: Path,
    cookies: u32,
    groups_tried: Vec<Group>,
    /// With what the request was refused last, by whoever it was.
    refused: Option<NotifyType>,
    pending: Pending,
}

/// What the request is made of.
#[derive(Debug)]
struct Request {
    spi_i: IkeSpi,
    connection: Box<Connection>,
    ni: Vec<u8>,
    pair: KeyPair,
    cookie: Option<Vec<u8>>,
}

/// Starts an IKE SA.
///
/// # Errors
/// If no proposal names a group that is known, or the group cannot be computed.
pub(crate) fn start(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    connection: Box<Connection>,
) -> Result<AwaitInit, NotStarted> {
    let group = groups_of(&connection).next().ok_or(NotStarted::NoGroup)?;
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
    let pair = cx
        .init_key_pair(ike, group, false)
        .map_err(|error| NotStarted::Unable { error: error.to_string() })?;
    cx.event(Event::IkeHalfOpen {
        ike,
        connection: Some(connection.name.clone()),
        role: Role::Initiator,
        path,
        spi_i,
    });
    let request = Request { spi_i, connection, ni, pair, cookie: None };
    let pending = request.send(path, now, cx);
    Ok(AwaitInit { request, path, cookies: 0, groups_tried: vec![group], refused: None, pending })
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

impl Request {
    /// Builds the request and sends it.
    fn send(&self, path: Path, now: Time, cx: &mut Context) -> Pending {
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
        payloads.extend(natd::payloads(self.spi_i, IkeSpi::ZERO, path, pretend));
        let envelope = Envelope {
            spi_i: self.spi_i,
            spi_r: IkeSpi::ZERO,
            exchange: ExchangeType::IKE_SA_INIT,
            from_initiator: true,
            response: false,
            message_id: 0,
        };
        let bytes = cx.plain(&envelope, &payloads).unwrap_or_default();
        Pending::send(cx, now, path, &envelope, bytes, Schedule::ordinary(&cx.config.timers))
    }
}

impl AwaitInit {
    /// The SPI of this end.
    pub(crate) fn spi_i(&self) -> IkeSpi {
        self.request.spi_i
    }

    /// Sends the request anew, as the peer has asked for.
    fn again(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        because: NotifyType,
        cx: &mut Context,
    ) -> Next {
        cx.event(Event::InitRepeated { ike, because });
        self.refused = None;
        self.pending = self.request.send(self.path, now, cx);
        Next::State(State::InitiatorInit(self))
    }

    pub(crate) fn deadline(&self) -> Deadline {
        self.pending.deadline()
    }

    pub(crate) fn timeout(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Next {
        match self.pending.timeout(self.path, ike, now, cx) {
            Due::GiveUp => {
                let reason = match self.refused {
                    Some(_) => CloseReason::Refused,
                    None => CloseReason::DeadPeer,
                };
                Next::Closed(State::InitiatorInit(self), reason)
            }
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
        let (state, why) = match syntax::typed(header, &arrival.raw.payloads) {
            Ok(response) => match self.answered(ike, now, arrival, &response, cx) {
                Ok(next) => return next,
                Err((state, useless)) => (state, useless.to_string()),
            },
            Err(unusable) => {
                cx.unusable(Some(ike), remote, &unusable, true);
                (self, unusable.to_string())
            }
        };
        cx.dropped(remote, len, DropReason::UselessResponse { why });
        Next::State(State::InitiatorInit(state))
    }

    fn answered(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, Useless)> {
        if let Some(cookie) = response.notify(NotifyType::COOKIE) {
            if cookie.data.is_empty() || cookie.data.len() > 64 || self.cookies >= MAX_COOKIES {
                return Err((self, Useless::Cookie));
            }
            self.cookies += 1;
            self.request.cookie = Some(cookie.data.clone());
            return Ok(self.again(ike, now, NotifyType::COOKIE, cx));
        }
        if let Some(wanted) = response.notify(NotifyType::INVALID_KE_PAYLOAD) {
            return self.other_group(ike, now, &wanted.data, cx);
        }
        if let Some(error) = response.notifies().find(|notify| notify.kind.is_error()) {
            return self.refused(ike, error.kind, cx);
        }
        self.agreed(ike, now, arrival, response, cx)
    }

    /// Offers the group that INVALID_KE_PAYLOAD names (RFC 7296 §1.2). If it is none of ours, that is a
    /// refusal like any other.
    fn other_group(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        wanted: &[u8],
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, Useless)> {
        let &[high, low] = wanted else {
            return Err((self, Useless::NoGroup));
        };
        let group = Group::from_iana(u16::from_be_bytes([high, low]));
        let ours = |group: &Group| groups_of(&self.request.connection).any(|of| of == *group);
        let Some(group) = group.filter(ours) else {
            return self.refused(ike, NotifyType::INVALID_KE_PAYLOAD, cx);
        };
        if self.groups_tried.contains(&group) || self.groups_tried.len() > MAX_GROUPS as usize {
            return Err((self, Useless::GroupAgain));
        }
        let pair = match cx.init_key_pair(ike, group, false) {
            Ok(pair) => pair,
            Err(own) => return Err((self, own.into())),
        };
        self.groups_tried.push(group);
        self.request.pair = pair;
        Ok(self.again(ike, now, NotifyType::INVALID_KE_PAYLOAD, cx))
    }

    /// Tells of a refusal at once, and goes on trying for a while: anybody can have sent it, and the
    /// answer of the true peer may still come (RFC 7296 §2.21.1).
    fn refused(
        mut self: Box<Self>,
        ike: IkeHandle,
        notify: NotifyType,
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, Useless)> {
        if self.refused == Some(notify) {
            return Err((self, Useless::Refused(notify)));
        }
        let tries = cx.config.timers.refused_tries;
        let (exchange, tentative) = (ExchangeType::IKE_SA_INIT, tries > 0);
        let said = notify.into();
        cx.event(Event::PeerRefused { ike, exchange, notify: said, tentative });
        if !tentative {
            return Ok(Next::Closed(State::InitiatorInit(self), CloseReason::Refused));
        }
        if self.refused.replace(notify).is_none() {
            self.pending.limit(tries);
        }
        Ok(Next::State(State::InitiatorInit(self)))
    }

    fn agreed(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        response: &Message,
        cx: &mut Context,
    ) -> Result<Next, (Box<Self>, Useless)> {
        let spi_r = response.header.spi_r;
        let (suite, nr, shared) = match self.read_answer(response, cx) {
            Ok(read) => read,
            Err(useless) => {
                if let Useless::Misfit(misfit) = &useless {
                    cx.misfit(Some(ike), arrival.path.remote, misfit);
                }
                return Err((self, useless));
            }
        };
        let material = KeyMaterial {
            role: Role::Initiator,
            suite,
            spi_i: self.request.spi_i,
            spi_r,
            ni: &self.request.ni,
            nr: &nr,
            shared: &shared,
        };
        let channel = match SecureChannel::establish(cx, &material) {
            Ok(channel) => channel,
            Err(own) => return Err((self, own.into())),
        };
        let mut nat = natd::detect(response, arrival.path);
        // The peer sees a NAT in front of us, because that is what we told it.
        nat.local |= nat.supported && self.request.connection.force_encapsulation;
        let Self { request: Request { connection, ni, .. }, mut path, pending, .. } = *self;
        if nat.found() && path.channel == Channel::Ike {
            path = Path {
                channel: Channel::Nat,
                local: (path.local.ip(), connection.nat_ports.local).into(),
                remote: (path.remote.ip(), connection.nat_ports.remote).into(),
            };
        }
        let agreed = Agreed {
            channel,
            connection,
            path,
            nat,
            ni,
            nr,
            init_request: pending.bytes,
            init_response: arrival.bytes.to_vec(),
        };
        let state = AwaitAuth::begin(cx, ike, now, agreed);
        Ok(Next::State(State::InitiatorAuth(Box::new(state))))
    }

    fn read_answer(
        &self,
        response: &Message,
        cx: &Context,
    ) -> Result<(IkeSuite, Vec<u8>, SecretBytes), Useless> {
        if response.header.spi_r.is_zero() {
            return Err(Misfit::ZeroSpi.into());
        }
        let sa = syntax::exactly_one(response, PayloadType::SA, Message::sa)?;
        let ke = syntax::exactly_one(response, PayloadType::KE, Message::ke)?;
        let nonce = syntax::exactly_one(response, PayloadType::NONCE, Message::nonce)?;
        let suite = policy::check_ike_answer(&self.request.connection.ike, &sa.proposals)
            .map_err(Misfit::from)?;
        let (chosen, sent) = (suite.group, self.request.pair.group());
        if chosen != sent {
            return Err(Misfit::OtherGroup { chosen, sent }.into());
        }
        if ke.group.0 != chosen.iana() {
            return Err(Misfit::KeGroup { ke: ke.group, chosen }.into());
        }
        let agreed = cx.provider.dh_agree(&self.request.pair, &ke.data);
        let shared = agreed.map_err(|error| match syntax::blame(error) {
            Ok(misfit) => Useless::from(misfit),
            Err(own) => Useless::from(own),
        })?;
        Ok((suite, nonce.0.clone(), shared))
    }
}

/// Why an answer is passed over. The request stays open.
#[derive(Debug, Error)]
enum Useless {
    #[error("a cookie of wrong length, or one too many")]
    Cookie,
    #[error("INVALID_KE_PAYLOAD does not name a group")]
    NoGroup,
    #[error("INVALID_KE_PAYLOAD names a group that was tried, or one too many")]
    GroupAgain,
    #[error("{0} once more")]
    Refused(NotifyType),
    #[error(transparent)]
    Misfit(#[from] Misfit),
    #[error("this end failed at its own part: {0}")]
    Own(#[from] CryptoError),
}
