//! IKE_AUTH as the responder: who the peer is, whether it knows its secret, and its Child SA.

use crate::crypto::SecretBytes;
use crate::endpoint::context::Context;
use crate::endpoint::pair;
use crate::event::{CloseReason, DropReason, Event, IkeEstablished, KeyLogEntry, NatStatus, Role};
use crate::io::{Deadline, IkeHandle, Path, TimerReason};
use crate::policy::{IdentityQuery, RefusalStyle};
use crate::time::Time;
use crate::v2::channel::{AuthOf, SecureChannel, Transcript, Unread};
use crate::v2::child::{self, ChildRequest};
use crate::v2::established::{Established, Opening};
use crate::v2::sa::{Arrival, Next, State};
use crate::v2::syntax::{self, Misfit, Unusable};
use crate::window::Answered;
use crate::wire::v2::{Auth, Id, Message, Notify, Payload, Sa, Ts};
use crate::wire::{AuthMethod, ExchangeType, NotifyType, PayloadType};

/// An answered IKE_SA_INIT: IKE_AUTH is awaited.
#[derive(Debug)]
pub(crate) struct AwaitAuth {
    pub(crate) channel: SecureChannel,
    pub(super) nat: NatStatus,
    pub(super) ni: Vec<u8>,
    pub(super) nr: Vec<u8>,
    pub(super) init_request: Vec<u8>,
    pub(super) init_response: Vec<u8>,
    /// How often the response was repeated.
    pub(super) repeated: u32,
    pub(super) expires: Time,
}

impl AwaitAuth {
    /// The answer to a repetition of the IKE_SA_INIT request.
    pub(crate) fn repeat_init(&mut self, request: &[u8]) -> Option<(&[u8], u32)> {
        if self.init_request != request || self.init_response.is_empty() {
            return None;
        }
        self.repeated = self.repeated.saturating_add(1);
        Some((&self.init_response, self.repeated))
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
        match self.channel.read_auth(arrival) {
            Ok(request) => self.auth(ike, now, arrival, &request, cx),
            Err(Unread::Unusable(unusable)) => self.unusable(ike, arrival, unusable, cx),
            Err(Unread::Dropped(reason)) => {
                cx.dropped(arrival.path.remote, arrival.bytes.len(), reason);
                Next::State(State::ResponderAuth(self))
            }
        }
    }

    /// A request that is authentic and cannot be used: the SA does not come up.
    fn unusable(
        self: Box<Self>,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        unusable: Unusable,
        cx: &mut Context,
    ) -> Next {
        let remote = arrival.path.remote;
        let notify = match unusable {
            Unusable::Critical(kind) => {
                let reason = DropReason::UnknownCritical { payload: kind };
                cx.dropped(remote, arrival.bytes.len(), reason);
                Notify::new(NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, vec![kind.0])
            }
            Unusable::Syntax { .. } => {
                cx.unusable(Some(ike), remote, &unusable, false);
                Notify::new(NotifyType::INVALID_SYNTAX, Vec::new())
            }
        };
        self.refuse(ike, arrival, CloseReason::ProtocolError, notify, cx)
    }

    /// Ends the SA with an answer that says why.
    fn refuse(
        mut self: Box<Self>,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        reason: CloseReason,
        notify: Notify,
        cx: &mut Context,
    ) -> Next {
        let response = self.seal(ike, &[Payload::Notify(notify)], cx);
        self.answered(arrival, reason, response, cx)
    }

    /// Ends the SA with a response that is ready.
    fn answered(
        self: Box<Self>,
        arrival: &Arrival<'_>,
        reason: CloseReason,
        response: Vec<u8>,
        cx: &mut Context,
    ) -> Next {
        cx.transmit(arrival.path, &response);
        let answered = Answered::new(arrival.bytes, response);
        Next::Answered(State::ResponderAuth(self), reason, answered)
    }

    /// The response: no octets if it is withheld.
    fn seal(&mut self, ike: IkeHandle, payloads: &[Payload], cx: &mut Context) -> Vec<u8> {
        let envelope = self.channel.envelope(ExchangeType::IKE_AUTH, true, 1);
        self.channel.seal(cx, ike, &envelope, payloads).unwrap_or_default()
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
            Err(misfit) => {
                cx.misfit(Some(ike), remote, &misfit);
                let notify = Notify::new(NotifyType::INVALID_SYNTAX, Vec::new());
                return self.refuse(ike, arrival, CloseReason::ProtocolError, notify, cx);
            }
        };
        let Proven { psk, local_id, credential } = match self.authenticate(arrival, &claim, cx) {
            Ok(proven) => proven,
            Err(unproven) => return self.unproven(ike, arrival, &claim, unproven, cx),
        };
        let transcript = self.transcript();
        let auth =
            self.channel.psk_auth(&*cx.provider, AuthOf::Local, &transcript, &local_id, &psk);
        let mut answer = vec![
            Payload::IdR(local_id.clone()),
            Payload::Auth(Auth { method: AuthMethod::SHARED_KEY, data: auth }),
        ];
        if request.notify(NotifyType::INITIAL_CONTACT).is_some() {
            cx.initial_contact(ike);
        }
        cx.peers.authenticated(ike, [local_id.clone(), claim.id_i.clone()]);
        cx.event(Event::IkeEstablished(Box::new(IkeEstablished {
            ike,
            connection: None,
            role: Role::Responder,
            path: arrival.path,
            spi_i: self.channel.spi_i,
            spi_r: self.channel.spi_r,
            local_id,
            remote_id: claim.id_i.clone(),
            credential,
            suite: self.channel.suite,
            nat: self.nat,
            ikev1: None,
        })));

        let wanted = ChildRequest {
            ike,
            remote,
            proposals: &claim.sa.proposals,
            ts_i: claim.ts_i,
            ts_r: claim.ts_r,
            nat: self.nat.found(),
            transport: request.notify(NotifyType::USE_TRANSPORT_MODE).is_some(),
        };
        let child = child::accept(cx, &wanted).and_then(|accepted| {
            let nonces = child::Nonces { ni: &self.ni, nr: &self.nr };
            let encap = self.encap(arrival.path);
            let child = child::install(cx, ike, now, &self.channel, &accepted, nonces, encap)?;
            answer.extend(accepted.payloads());
            Ok(child)
        });
        let child = child.map_err(|refusal| answer.push(Payload::Notify(refusal))).ok();
        let response = self.seal(ike, &answer, cx);
        cx.transmit(arrival.path, &response);
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

    /// Ends the SA of a peer that is not let in, with a word to it unless the profile is silent.
    fn unproven(
        mut self: Box<Self>,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        claim: &AuthRequest<'_>,
        unproven: Unproven,
        cx: &mut Context,
    ) -> Next {
        let notify = NotifyType::AUTHENTICATION_FAILED;
        let says = cx.config.profile.refusal != RefusalStyle::Silent;
        let response = if says {
            self.seal(ike, &[Payload::Notify(Notify::new(notify, Vec::new()))], cx)
        } else {
            Vec::new()
        };
        // What is withheld is not said.
        let (id, said) = (claim.id_i.to_string(), !response.is_empty());
        let answer = said.then_some(notify.into());
        cx.event(match unproven {
            Unproven::Identity { rule, says } => {
                Event::IdentityRefused { ike, id, rule, says, answer }
            }
            Unproven::Secret => Event::AuthenticationFailed { ike, id, answer },
        });
        let reason = CloseReason::AuthenticationFailed;
        if !says {
            cx.dropped(arrival.path.remote, arrival.bytes.len(), DropReason::Silent);
            return self.closed(reason);
        }
        self.answered(arrival, reason, response, cx)
    }

    /// The secret of the identity that the peer claims and proves, and the identity it gets back.
    fn authenticate(
        &self,
        arrival: &Arrival<'_>,
        claim: &AuthRequest<'_>,
        cx: &mut Context,
    ) -> Result<Proven, Unproven> {
        let Path { local, remote, .. } = arrival.path;
        let Some(auth) = claim.auth else {
            // EAP is asked for by leaving AUTH out (RFC 7296 §2.16); the profile has no EAP.
            let rule = "F14".to_owned();
            let says =
                "AUTH is absent, which asks for EAP; only pre-shared keys are known".to_owned();
            return Err(Unproven::Identity { rule, says });
        };
        let query =
            IdentityQuery { id_i: claim.id_i, source: remote.ip(), nat_at_peer: self.nat.peer };
        let (psk, credential) = match cx.config.profile.identify(query, &cx.config.credentials) {
            Ok(credential) => (credential.psk.clone(), credential.id.to_id()),
            Err(refusal) => {
                let (rule, says) = (refusal.rule.clone(), refusal.to_string());
                return Err(Unproven::Identity { rule, says });
            }
        };
        if auth.method != AuthMethod::SHARED_KEY {
            let rule = "F14".to_owned();
            let says = format!("AUTH is made by {}; only pre-shared keys are known", auth.method);
            return Err(Unproven::Identity { rule, says });
        }
        let transcript = self.transcript();
        let provider = &*cx.provider;
        if !self.channel.check_psk_auth(provider, &transcript, claim.id_i, &psk, &auth.data) {
            return Err(Unproven::Secret);
        }
        let padded = self.channel.padded_psk(provider, &psk);
        let (spi_i, spi_r) = (self.channel.spi_i, self.channel.spi_r);
        cx.keys(|| KeyLogEntry::Psk { spi_i, spi_r, padded });
        let local_id = cx.config.identity.clone().unwrap_or_else(|| Id::ip(local.ip()));
        Ok(Proven { psk, local_id, credential })
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
        pair::encap(path, self.nat.found())
    }
}

/// A peer that has proved who it is, and what the answer is made with.
struct Proven {
    psk: SecretBytes,
    local_id: Id,
    /// What names the credential.
    credential: Id,
}

/// Why a peer is not let in.
enum Unproven {
    /// Its identity, or how it wants to prove it, is refused by this rule.
    Identity { rule: String, says: String },
    /// AUTH does not fit the secret.
    Secret,
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
    fn of(request: &'a Message) -> Result<Self, Misfit> {
        let id_i = syntax::exactly_one(request, PayloadType::IDI, Message::id_i)?;
        let auth = syntax::at_most_one(request, PayloadType::AUTH, Message::auth)?;
        let sa = syntax::exactly_one(request, PayloadType::SA, Message::sa)?;
        let (ts_i, ts_r) = child::selectors_of(request)?;
        Ok(Self { id_i, auth, sa, ts_i, ts_r })
    }
}
