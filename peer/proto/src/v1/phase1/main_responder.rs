//! Main mode as the responder.

use super::auth::{Authenticator, accepted, asks, certificates_for};
use super::common::{
    Answer, Exchanged, Features, belongs, choose, identity, initial_contact, key_pair, one,
    outgoing, tell_identity, values, vendor_ids,
};
use super::failure::Attempt;
use crate::crypto::SecretBytes;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Event, Ikev1Established, NatStatus, Role};
use crate::io::{Deadline, IkeHandle, TimerReason};
use crate::policy::{Identity, IdentityQuery, Ikev1Mode, MainModeKey, Phase1Choice};
use crate::time::Time;
use crate::v1::channel::{Channel, KeyMaterial, NONCE_LEN};
use crate::v1::established::{Established, LastAnswer, Opening};
use crate::v1::natt::NatT;
use crate::v1::sa::{Arrival, Next, Rejected, State};
use crate::window::Answered;
use crate::wire::v1::{Id, Message, NotifyKind, Payload, PayloadKind, Sa};
use crate::wire::{ExchangeType, IkeSpi, v2};

const EXCHANGE: ExchangeType = ExchangeType::IDENTITY_PROTECTION;
/// Octets of a key that stands for one that is not known.
const UNKNOWN_KEY_LEN: usize = 32;

/// The first message is answered: the third is awaited.
#[derive(Debug)]
pub(crate) struct AwaitKe {
    agreed: Agreed,
    answered: Answered,
    expires: Time,
}

/// The third message is answered: the fifth is awaited.
#[derive(Debug)]
pub(crate) struct AwaitAuth {
    agreed: Agreed,
    channel: Channel,
    exchanged: Exchanged,
    nat: NatStatus,
    answered: Answered,
    expires: Time,
}

/// What the first two messages have led to.
#[derive(Debug)]
struct Agreed {
    spi_i: IkeSpi,
    spi_r: IkeSpi,
    choice: Phase1Choice,
    authenticator: Authenticator,
    /// The credential that the pre-shared key was found as, if it was.
    named: Option<Identity>,
    /// Whether the initiator has asked for a certificate.
    asked: bool,
    features: Features,
    sa_body: Vec<u8>,
}

impl AwaitKe {
    /// Answers the first message.
    pub(super) fn begin(
        cx: &mut Context,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        message: &Message,
    ) -> Option<Self> {
        let remote = arrival.path.remote;
        let sa = one(message, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        let sa = match sa {
            Ok(sa) => sa,
            Err(why) => {
                arrival.violates(None, "rfc2409-5-main-mode", &why, cx);
                return None;
            }
        };
        let key = cx.ikev1_profile.main_mode_key(remote.ip(), &cx.config.credentials);
        let accepted = accepted(cx, sa, matches!(key, Ok(MainModeKey::Known(..))));
        let choice = choose(cx, now, arrival, sa, Ikev1Mode::Main, None, &accepted)?;
        let found = match certificates_for(cx, choice.auth) {
            Some(certificates) => cx
                .ikev1_profile
                .main_mode_by_signature(remote.ip(), &cx.config.credentials)
                .map(|()| (None, Authenticator::Signatures(certificates))),
            None => key.map(|key| match key {
                MainModeKey::Known(named, psk) => (Some(*named), Authenticator::PreSharedKey(psk)),
                MainModeKey::Unknown => {
                    let psk = cx.entropy.bytes(Label::UNKNOWN_KEY, ike.0, UNKNOWN_KEY_LEN);
                    (None, Authenticator::PreSharedKey(SecretBytes::new(psk)))
                }
            }),
        };
        let (named, authenticator) = match found {
            Ok(found) => found,
            Err(refusal) => {
                let answer = Answer::plain(cx, now, arrival, NotifyKind::NO_PROPOSAL_CHOSEN);
                tell_identity(cx, ike, format!("ip:{}", remote.ip()), &refusal, &answer);
                answer.send(cx, arrival);
                return None;
            }
        };
        let spi_i = message.header.spi_i;
        let spi_r = IkeSpi(cx.entropy.array(Label::IKE_SPI, ike.0));
        let features = Features::of(message);
        let mut payloads = vec![Payload::Sa(Sa { proposals: vec![choice.chosen.clone()] })];
        payloads.extend(vendor_ids(cx, &features, choice.auth));
        let response = outgoing(spi_i, spi_r, EXCHANGE, true).plain(cx, &payloads);
        if response.len() > arrival.bytes.len().saturating_mul(cx.config.limits.amplification) {
            arrival.dropped(DropReason::Amplification, cx);
            return None;
        }
        features.begin_fragments(cx, (spi_i, spi_r), EXCHANGE);
        cx.transmit(arrival.path, &response);
        let (path, connection, role) = (arrival.path, None, Role::Responder);
        cx.event(Event::IkeHalfOpen { ike, connection, role, path, spi_i });
        let sa_body = message.body(PayloadKind::SA).unwrap_or_default().to_vec();
        Some(Self {
            agreed: Agreed {
                spi_i,
                spi_r,
                choice,
                authenticator,
                named,
                asked: asks(message),
                features,
                sa_body,
            },
            answered: Answered::new(arrival.bytes, response),
            expires: now + cx.config.timers.half_open,
        })
    }

    /// The answer to a repetition of the first message.
    pub(crate) fn repeat_first(&mut self, request: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.answered.repeat(request).map(|(response, attempt)| (response.to_vec(), attempt))
    }

    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.agreed.spi_i, self.agreed.spi_r)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.expires, reason: TimerReason::HalfOpen })
    }

    pub(crate) fn timeout(self: Box<Self>, _ike: IkeHandle, now: Time, _cx: &mut Context) -> Next {
        if now >= self.expires {
            return Next::Closed(State::AwaitKe(self), CloseReason::HalfOpenTimeout);
        }
        Next::State(State::AwaitKe(self))
    }

    pub(crate) fn message(
        self: Box<Self>,
        ike: IkeHandle,
        _now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        if !belongs(arrival, EXCHANGE) {
            let exchange = arrival.raw.header.exchange;
            arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            return Next::State(State::AwaitKe(self));
        }
        let message = match Message::decode(&arrival.raw) {
            Ok(message) => message,
            Err(error) => {
                arrival.violates(Some(ike), "rfc2409-5-main-mode", &error.to_string(), cx);
                return Next::State(State::AwaitKe(self));
            }
        };
        match self.keys(ike, arrival, &message, cx) {
            Ok(state) => Next::State(State::AwaitAuth(Box::new(state))),
            Err((state, rejected)) => {
                arrival.rejected(Some(ike), rejected, cx);
                Next::State(State::AwaitKe(state))
            }
        }
    }

    /// Takes the third message and answers it.
    fn keys(
        self: Box<Self>,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        message: &Message,
        cx: &mut Context,
    ) -> Result<AwaitAuth, (Box<Self>, Rejected)> {
        let Agreed { spi_i, spi_r, ref choice, ref authenticator, features, ref sa_body, .. } =
            self.agreed;
        let suite = choice.suite;
        let Some(pair) = key_pair(cx, ike, suite.group) else {
            let why = format!("{} cannot be computed", suite.group);
            return Err((self, Rejected::unable(why)));
        };
        let (public_i, ni) = match values(message) {
            Ok((public, nonce)) => (public.to_vec(), nonce.to_vec()),
            Err(why) => return Err((self, ("rfc2409-5-main-mode", why).into())),
        };
        let shared = match cx.provider.dh_agree(&pair, &public_i) {
            Ok(shared) => shared,
            Err(error) => return Err((self, error.into())),
        };
        let nr = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);
        let public_r = pair.public().to_vec();
        let sa_body = sa_body.clone();
        let exchanged = Exchanged { sa_body, public_i, public_r, ni, nr };
        let mut payloads =
            vec![Payload::Ke(pair.public().to_vec()), Payload::Nonce(exchanged.nr.clone())];
        payloads.extend(authenticator.requests());
        let (hash, spis) = (suite.prf.hash(), (spi_i, spi_r));
        let mut nat = NatStatus::default();
        if let Some(natt) = features.natt {
            payloads.extend(natt.discovery(hash, spis, arrival.path, false));
            nat = NatT::detect(hash, spis, message, arrival.path, arrival.path.local);
        }
        let skeyid = authenticator.skeyid(cx, suite.prf, &exchanged, &shared);
        let (role, shared) = (Role::Responder, &shared);
        let material = KeyMaterial { role, suite, spi_i, spi_r, skeyid, shared };
        let channel = match Channel::establish(cx, material) {
            Ok(channel) => channel,
            Err(error) => return Err((self, Rejected::unable(error.to_string()))),
        };
        let response = outgoing(spi_i, spi_r, EXCHANGE, true).plain(cx, &payloads);
        cx.transmit(arrival.path, &response);
        let answered = Answered::new(arrival.bytes, response);
        let Self { mut agreed, expires, .. } = *self;
        agreed.asked |= asks(message);
        Ok(AwaitAuth { agreed, channel, exchanged, nat, answered, expires })
    }
}

impl AwaitAuth {
    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.agreed.spi_i, self.agreed.spi_r)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.expires, reason: TimerReason::HalfOpen })
    }

    pub(crate) fn timeout(self: Box<Self>, _ike: IkeHandle, now: Time, _cx: &mut Context) -> Next {
        if now >= self.expires {
            return Next::Closed(State::AwaitAuth(self), CloseReason::HalfOpenTimeout);
        }
        Next::State(State::AwaitAuth(self))
    }

    pub(crate) fn message(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let exchange = arrival.raw.header.exchange;
        if let Some((response, attempt)) = self.answered.repeat(arrival.bytes) {
            cx.transmit(arrival.path, response);
            let (message_id, response) = (0, true);
            cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
            return Next::State(State::AwaitAuth(self));
        }
        if !belongs(arrival, EXCHANGE) {
            arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            return Next::State(State::AwaitAuth(self));
        }
        let iv = self.channel.phase1_iv(&self.exchanged.public_i, &self.exchanged.public_r);
        let base = self.channel.last_block(arrival);
        let Self { agreed: Agreed { ref authenticator, .. }, ref channel, .. } = *self;
        let attempt = Attempt { ike, now, arrival, authenticator, channel, base: &base };
        let read = channel.open(arrival, &iv).and_then(|opened| {
            let (id, body) = identity(&opened.message).map_err(|_| DropReason::BadIcv)?;
            let id = (id.host(), body.to_vec());
            Ok((opened, id))
        });
        // Under a wrong key the content is as good as random, so this is no violation, and no identity.
        let address = v2::Id::ip(arrival.path.remote.ip());
        let (opened, (id_i, id_body)) = match read {
            Ok(read) => read,
            Err(reason) => {
                attempt.unread(&address, reason, cx);
                return Next::State(State::AwaitAuth(self));
            }
        };
        let claim = self.exchanged.claim(Role::Initiator, self.spis(), &id_body);
        let expected = channel.phase1_hash(cx, &claim);
        if let Err(failure) = authenticator.check(cx, now, &opened.message, &id_i, &expected) {
            let signs = matches!(authenticator, Authenticator::Signatures(_));
            attempt.refuse(if signs { &id_i } else { &address }, &failure, cx);
            if failure.is_final() {
                return Next::Closed(State::AwaitAuth(self), CloseReason::AuthenticationFailed);
            }
            // A true copy may follow.
            return Next::State(State::AwaitAuth(self));
        }
        if !self.may_be(ike, now, arrival, (&id_i, &base), cx) {
            return Next::Closed(State::AwaitAuth(self), CloseReason::AuthenticationFailed);
        }
        self.established(ike, now, arrival, id_i, base, &opened.message, cx)
    }

    /// Whether the identity that the peer has proven is that of the key's credential. With signatures
    /// the certificate has named it.
    fn may_be(
        &self,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        (id_i, base): (&v2::Id, &[u8]),
        cx: &mut Context,
    ) -> bool {
        let Some(named) = &self.agreed.named else { return true };
        let source = arrival.path.remote.ip();
        let query = IdentityQuery { id_i, source, nat_at_peer: self.nat.peer };
        let (profile, credentials) = (&cx.ikev1_profile, &cx.config.credentials);
        match profile.main_mode_identity(query, named, credentials) {
            Ok(()) => true,
            Err(refusal) => {
                let (kind, channel) = (NotifyKind::INVALID_ID_INFORMATION, &self.channel);
                let answer = Answer::protected(cx, now, arrival, kind, channel, base);
                tell_identity(cx, ike, id_i.to_string(), &refusal, &answer);
                answer.send(cx, arrival);
                false
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "what the fifth message has brought")]
    fn established(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        remote_id: v2::Id,
        iv: Vec<u8>,
        message: &Message,
        cx: &mut Context,
    ) -> Next {
        let (spi_i, spi_r) = self.spis();
        let authenticator = &self.agreed.authenticator;
        let local_id = authenticator.own_id(cx, arrival);
        let id = Payload::Id(Id::of_host(&local_id));
        let id_body = id.body();
        let claim = self.exchanged.claim(Role::Responder, (spi_i, spi_r), &id_body);
        let hash = self.channel.phase1_hash(cx, &claim);
        let proof = match authenticator.proof(cx, ike, hash, self.agreed.asked || asks(message)) {
            Ok(proof) => proof,
            Err(error) => {
                arrival.dropped(DropReason::Unable { error: error.to_string() }, cx);
                return Next::State(State::AwaitAuth(self));
            }
        };
        let payloads = [vec![id], proof].concat();
        let outgoing = outgoing(spi_i, spi_r, EXCHANGE, true);
        let sealed = self.channel.seal(cx, &outgoing, &iv, &payloads);
        cx.transmit(arrival.path, &sealed.bytes);
        let initial_contact = initial_contact(cx, ike, arrival, message);
        let this = *self;
        let Phase1Choice { auth, lifetime, .. } = this.agreed.choice;
        let named = this.agreed.named.as_ref();
        let credential = named.map_or_else(|| remote_id.clone(), Identity::to_id);
        let opening = Opening {
            channel: this.channel,
            path: arrival.path,
            nat: this.nat,
            features: this.agreed.features,
            base_iv: sealed.next_iv,
            local_id,
            credential,
            remote_id,
            facts: Ikev1Established { mode: Ikev1Mode::Main, auth, lifetime: lifetime.seconds },
            initial_contact,
            connection: None,
            last_answer: Some(LastAnswer::new(arrival.bytes, sealed.bytes)),
        };
        let mut state = Established::open(cx, ike, now, opening);
        if lifetime.tell {
            state.tell_lifetime(ike, lifetime, cx);
        }
        Next::State(State::Established(Box::new(state)))
    }
}
