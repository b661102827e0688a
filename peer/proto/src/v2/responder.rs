//! The responder's side of the initial exchanges (RFC 7296 §1.2).
//!
//! ```text
//! --> IKE_SA_INIT { SA, KE, Ni, N(NATD_S), N(NATD_D) }      init()
//! <-- IKE_SA_INIT { SA, KE, Nr, N(NATD_S), N(NATD_D) }
//! --> IKE_AUTH { IDi, [IDr,] AUTH, SA, TSi, TSr }           AwaitAuth
//! <-- IKE_AUTH { IDr, AUTH, SA, TSi, TSr }
//! ```
//!
//! Cookies and limits are the endpoint's business and done before `init` is called.

use super::channel::{AuthOf, KeyMaterial, ReadError, SecureChannel, Transcript};
use super::child::{self, ChildRequest};
use super::established::{Established, Opening};
use super::natd;
use super::sa::{Arrival, Next, State};
use super::syntax::{self, Unusable};
use super::window::Answered;
use crate::crypto::dh;
use crate::endpoint::context::{Context, Envelope};
use crate::entropy::Label;
use crate::event::{
    CloseReason, DropReason, Event, IkeEstablished, KeyLogEntry, NatStatus, Offer, Role,
};
use crate::io::{Deadline, IkeHandle, Path, TimerReason};
use crate::policy::{IdentityQuery, IkeSelection, RefusalStyle};
use crate::time::Time;
use crate::wire::v2::{Auth, Id, Ke, Message, Nonce, Notify, Payload, Sa, Ts};
use crate::wire::{AuthMethod, ExchangeType, GroupId, IkeSpi, NotifyType};

/// Octets of our nonces: at least half the key size of the largest PRF (RFC 7296 §2.10).
pub(crate) const NONCE_LEN: usize = 32;

/// An answered IKE_SA_INIT: IKE_AUTH is awaited.
#[derive(Debug)]
pub(crate) struct AwaitAuth {
    pub(crate) channel: SecureChannel,
    nat: NatStatus,
    ni: Vec<u8>,
    nr: Vec<u8>,
    init_request: Vec<u8>,
    init_response: Vec<u8>,
    expires: Time,
}

/// Answers IKE_SA_INIT. `None` if the answer is a refusal or none at all; nothing is kept then.
pub(crate) fn init(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    arrival: &Arrival<'_>,
    request: &Message,
) -> Option<AwaitAuth> {
    let Arrival { path, bytes, .. } = *arrival;
    let spi_i = request.header.spi_i;
    let offer = match InitOffer::of(request) {
        Ok(offer) => offer,
        Err(why) => {
            cx.violation(None, path.remote, "rfc7296-1.2-ike-sa-init-payloads", &why);
            cx.dropped(path.remote, bytes.len(), DropReason::Malformed { error: why });
            return None;
        }
    };
    let (suite, chosen) = match cx.config.profile.select_ike(&offer.sa.proposals, offer.ke.group) {
        IkeSelection::Accept { suite, chosen, .. } => (suite, chosen),
        IkeSelection::WrongGroup { want, .. } => {
            let wanted = GroupId(want.iana());
            cx.event(Event::GroupRefused {
                remote: path.remote,
                offered: offer.ke.group.0,
                wanted: wanted.0,
            });
            let data = wanted.0.to_be_bytes().to_vec();
            refuse(cx, path, bytes, request, NotifyType::INVALID_KE_PAYLOAD, data);
            return None;
        }
        IkeSelection::Refuse(refusal) => {
            let answer = NotifyType::NO_PROPOSAL_CHOSEN;
            cx.event(Event::ProposalRefused {
                ike: None,
                remote: path.remote,
                what: Offer::Ike,
                refusal,
                answer,
            });
            if cx.config.profile.refusal == RefusalStyle::Silent {
                cx.dropped(path.remote, bytes.len(), DropReason::Silent);
            } else {
                refuse(cx, path, bytes, request, answer, Vec::new());
            }
            return None;
        }
    };

    let random = cx.entropy.bytes(Label::KEY_EXCHANGE, ike.0, dh::random_len(suite.group));
    let agreed = cx
        .provider
        .dh_keypair(suite.group, &random)
        .and_then(|pair| Ok((cx.provider.dh_agree(&pair, &offer.ke.data)?, pair)));
    let (shared, pair) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => {
            let why = format!("the KE value cannot be used: {error}");
            cx.violation(None, path.remote, "rfc6989-2.5-failed-test-no-sa", &why);
            cx.dropped(path.remote, bytes.len(), DropReason::Malformed { error: why });
            return None;
        }
    };
    let spi_r = IkeSpi(cx.entropy.array(Label::IKE_SPI, ike.0));
    let nr = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);

    let mut answer = vec![
        Payload::Sa(Sa { proposals: vec![chosen] }),
        Payload::Ke(Ke { group: GroupId(suite.group.iana()), data: pair.public().to_vec() }),
        Payload::Nonce(Nonce(nr.clone())),
    ];
    answer.extend(natd::payloads(spi_i, spi_r, path, false));
    let envelope = Envelope { spi_r, ..init_answer(request) };
    let init_response = cx.plain(&envelope, &answer).unwrap_or_default();
    if init_response.len() > bytes.len().saturating_mul(cx.config.limits.amplification) {
        cx.dropped(path.remote, bytes.len(), DropReason::Amplification);
        return None;
    }

    let material = KeyMaterial {
        role: Role::Responder,
        suite,
        spi_i,
        spi_r,
        ni: offer.ni,
        nr: &nr,
        shared: &shared,
    };
    let channel = SecureChannel::establish(cx, &material).ok()?;
    if !init_response.is_empty() {
        cx.transmit(path, &init_response);
    }
    cx.event(Event::IkeHalfOpen { ike, connection: None, role: Role::Responder, path, spi_i });
    Some(AwaitAuth {
        channel,
        nat: natd::detect(request, path),
        ni: offer.ni.to_vec(),
        nr,
        init_request: bytes.to_vec(),
        init_response,
        expires: now + cx.config.timers.half_open,
    })
}

/// Sends an unprotected refusal of IKE_SA_INIT; the responder's SPI stays zero (RFC 7296 §2.6).
pub(crate) fn refuse(
    cx: &mut Context,
    path: Path,
    request_bytes: &[u8],
    request: &Message,
    kind: NotifyType,
    data: Vec<u8>,
) {
    let notify = Payload::Notify(Notify::new(kind, data));
    let Some(answer) = cx.plain(&init_answer(request), &[notify]) else { return };
    if answer.len() > request_bytes.len().saturating_mul(cx.config.limits.amplification) {
        cx.dropped(path.remote, request_bytes.len(), DropReason::Amplification);
        return;
    }
    cx.transmit(path, &answer);
}

fn init_answer(request: &Message) -> Envelope {
    Envelope {
        spi_i: request.header.spi_i,
        spi_r: IkeSpi::ZERO,
        exchange: ExchangeType::IKE_SA_INIT,
        from_initiator: false,
        response: true,
        message_id: 0,
    }
}

/// What an IKE_SA_INIT request must have (RFC 7296 §1.2).
struct InitOffer<'a> {
    sa: &'a Sa,
    ke: &'a Ke,
    ni: &'a [u8],
}

impl<'a> InitOffer<'a> {
    fn of(request: &'a Message) -> Result<Self, String> {
        let sa = syntax::exactly_one(request, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })?;
        let ke = syntax::exactly_one(request, "KE", |payload| match payload {
            Payload::Ke(ke) => Some(ke),
            _ => None,
        })?;
        let ni = syntax::exactly_one(request, "Nonce", |payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.0.as_slice()),
            _ => None,
        })?;
        Ok(Self { sa, ke, ni })
    }
}

impl AwaitAuth {
    /// The answer to a repetition of the IKE_SA_INIT request.
    pub(crate) fn repeat_init(&self, request: &[u8]) -> Option<&[u8]> {
        (self.init_request == request && !self.init_response.is_empty())
            .then_some(self.init_response.as_slice())
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline { at: self.expires, reason: TimerReason::HalfOpen }
    }

    pub(crate) fn timeout(self: Box<Self>, now: Time) -> Next {
        if now >= self.expires {
            return self.closed(CloseReason::HalfOpenTimeout);
        }
        Next::State(State::ResponderAuth(self))
    }

    fn closed(self: Box<Self>, reason: CloseReason) -> Next {
        Next::Closed(State::ResponderAuth(self), reason)
    }

    pub(crate) fn message(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let (remote, len, header) = (arrival.path.remote, arrival.bytes.len(), arrival.raw.header);
        let reason = if header.exchange != ExchangeType::IKE_AUTH || header.flags.is_response() {
            DropReason::UnexpectedExchange { exchange: header.exchange }
        } else if header.message_id != 1 {
            DropReason::MessageId { got: header.message_id, expected: 1 }
        } else {
            match self.channel.open(arrival.bytes, &arrival.raw) {
                Ok(payloads) => {
                    return match syntax::typed(header, &payloads) {
                        Ok(request) => self.auth(ike, now, arrival, &request, cx),
                        Err(unusable) => self.unusable(ike, arrival, unusable, cx),
                    };
                }
                Err(ReadError::Syntax(error)) => {
                    return self.unusable(ike, arrival, Unusable::Syntax(error), cx);
                }
                Err(ReadError::NotEncrypted) => DropReason::NotEncrypted,
                Err(ReadError::BadIcv) => DropReason::BadIcv,
            }
        };
        cx.dropped(remote, len, reason);
        Next::State(State::ResponderAuth(self))
    }

    /// A request that is authentic and cannot be used: the SA does not come up.
    fn unusable(
        mut self: Box<Self>,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        unusable: Unusable,
        cx: &mut Context,
    ) -> Next {
        let remote = arrival.path.remote;
        let notify = match unusable {
            Unusable::Critical(kind) => {
                Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0])
            }
            Unusable::Syntax(error) => {
                let requirement = "rfc7296-3.10.1-invalid-syntax-protected";
                cx.violation(Some(ike), remote, requirement, error.to_string());
                Notify::new(NotifyType::INVALID_SYNTAX, Vec::new())
            }
        };
        self.answer(ike, arrival, &[Payload::Notify(notify)], cx);
        self.closed(CloseReason::ProtocolError)
    }

    fn answer(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        payloads: &[Payload],
        cx: &mut Context,
    ) -> Vec<u8> {
        let envelope = self.channel.envelope(ExchangeType::IKE_AUTH, true, 1);
        let response = self.channel.seal(cx, ike, &envelope, payloads).unwrap_or_default();
        if !response.is_empty() {
            cx.transmit(arrival.path, &response);
        }
        response
    }

    fn auth(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        request: &Message,
        cx: &mut Context,
    ) -> Next {
        let remote = arrival.path.remote;
        let claim = match AuthRequest::of(request) {
            Ok(claim) => claim,
            Err(why) => {
                cx.violation(Some(ike), remote, "rfc7296-1.2-ike-auth-payloads", why);
                let notify = Notify::new(NotifyType::INVALID_SYNTAX, Vec::new());
                self.answer(ike, arrival, &[Payload::Notify(notify)], cx);
                return self.closed(CloseReason::ProtocolError);
            }
        };
        let Some((psk, local_id)) = self.authenticate(ike, arrival, &claim, cx) else {
            if cx.config.profile.refusal == RefusalStyle::Notify {
                let notify = Notify::new(NotifyType::AUTHENTICATION_FAILED, Vec::new());
                self.answer(ike, arrival, &[Payload::Notify(notify)], cx);
            }
            return self.closed(CloseReason::AuthenticationFailed);
        };
        let transcript = self.transcript();
        let auth =
            self.channel.psk_auth(&*cx.provider, AuthOf::Local, &transcript, &local_id, &psk);
        let mut answer = vec![
            Payload::IdR(local_id.clone()),
            Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: auth }),
        ];
        if request.notify(NotifyType::INITIAL_CONTACT).is_some() {
            cx.event(Event::InitialContact { ike });
        }
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: None,
            role: Role::Responder,
            path: arrival.path,
            spi_i: self.channel.spi_i,
            spi_r: self.channel.spi_r,
            local_id,
            remote_id: claim.id_i.clone(),
            suite: self.channel.suite,
            nat: self.nat,
        })));

        let wanted = ChildRequest {
            ike,
            remote,
            proposals: &claim.sa.proposals,
            ts_i: claim.ts_i,
            ts_r: claim.ts_r,
            nat: self.nat.found(),
        };
        let child = match child::accept(cx, &wanted) {
            Ok(accepted) => {
                answer.extend(accepted.payloads());
                let nonces = child::Nonces { ni: &self.ni, nr: &self.nr };
                child::install(
                    cx,
                    ike,
                    now,
                    &self.channel,
                    &accepted,
                    nonces,
                    self.encap(arrival.path),
                )
            }
            Err(refusal) => {
                answer.push(Payload::Notify(refusal));
                None
            }
        };
        let response = self.answer(ike, arrival, &answer, cx);
        let this = *self;
        let opening = Opening {
            channel: this.channel,
            path: arrival.path,
            nat: this.nat,
            children: child.into_iter().collect(),
            answered: Answered::new(arrival.bytes, response),
            init_answered: Answered::new(&this.init_request, this.init_response),
        };
        Next::State(State::Established(Box::new(Established::responder(now, opening, &cx.config))))
    }

    /// The secret of the identity that the peer claims and proves, and the identity it gets back.
    fn authenticate(
        &self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        claim: &AuthRequest<'_>,
        cx: &mut Context,
    ) -> Option<(crate::crypto::SecretBytes, Id)> {
        let Path { local, remote, .. } = arrival.path;
        let id = claim.id_i.to_string();
        let Some(auth) = claim.auth else {
            // EAP is asked for by leaving AUTH out (RFC 7296 §2.16); the profile has no EAP.
            let rule = "F14".to_owned();
            let says =
                "AUTH is absent, which asks for EAP; only pre-shared keys are known".to_owned();
            cx.event(Event::IdentityRefused { ike, id, rule, says });
            return None;
        };
        let query =
            IdentityQuery { id_i: claim.id_i, source: remote.ip(), nat_at_peer: self.nat.peer };
        let psk = match cx.config.profile.identify(query, &cx.config.credentials) {
            Ok(credential) => credential.psk.clone(),
            Err(refusal) => {
                let (rule, says) = (refusal.rule.clone(), refusal.to_string());
                cx.event(Event::IdentityRefused { ike, id, rule, says });
                return None;
            }
        };
        if auth.method != AuthMethod::SHARED_KEY {
            let rule = "F14".to_owned();
            let says = format!("AUTH is made by {}; only pre-shared keys are known", auth.method);
            cx.event(Event::IdentityRefused { ike, id, rule, says });
            return None;
        }
        let transcript = self.transcript();
        let provider = &*cx.provider;
        if !self.channel.check_psk_auth(provider, &transcript, claim.id_i, &psk, &auth.data) {
            cx.event(Event::AuthenticationFailed { ike, id });
            return None;
        }
        let padded = self.channel.padded_psk(provider, &psk);
        let (spi_i, spi_r) = (self.channel.spi_i, self.channel.spi_r);
        cx.keys(|| KeyLogEntry::Psk { spi_i, spi_r, padded });
        let local_id = cx.config.identity.clone().unwrap_or_else(|| Id::ip(local.ip()));
        Some((psk, local_id))
    }

    fn transcript(&self) -> Transcript<'_> {
        Transcript {
            init_request: &self.init_request,
            init_response: &self.init_response,
            ni: &self.ni,
            nr: &self.nr,
        }
    }

    fn encap(&self, path: Path) -> crate::sa::Encap {
        child::encap(path, self.nat.found())
    }
}

/// What an IKE_AUTH request must have without EAP (RFC 7296 §1.2).
struct AuthRequest<'a> {
    id_i: &'a Id,
    auth: Option<&'a Auth>,
    sa: &'a Sa,
    ts_i: &'a Ts,
    ts_r: &'a Ts,
}

impl<'a> AuthRequest<'a> {
    fn of(request: &'a Message) -> Result<Self, String> {
        let id_i = syntax::exactly_one(request, "IDi", |payload| match payload {
            Payload::IdI(id) => Some(id),
            _ => None,
        })?;
        let auth = syntax::at_most_one(request, "AUTH", |payload| match payload {
            Payload::Auth(auth) => Some(auth),
            _ => None,
        })?;
        let sa = syntax::exactly_one(request, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })?;
        let (ts_i, ts_r) = child::selectors_of(request)?;
        Ok(Self { id_i, auth, sa, ts_i, ts_r })
    }
}
