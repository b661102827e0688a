//! Main mode as the initiator.

use super::auth::{Authenticator, asks};
use super::common::{
    Exchanged, Features, Start, Waiting, belongs, identity, key_pair, one, outgoing, values,
};
use crate::crypto::SecretBytes;
use crate::crypto::dh::KeyPair;
use crate::crypto::suite::IkeSuite;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Event, Ikev1Established, NatStatus, Role};
use crate::io::{Channel as Port, Deadline, IkeHandle};
use crate::policy::{self, Ikev1Mode};
use crate::time::Time;
use crate::v1::channel::{Channel, KeyMaterial, NONCE_LEN};
use crate::v1::established::{Established, Opening};
use crate::v1::natt::NatT;
use crate::v1::sa::{Arrival, Next, Rejected, State};
use crate::wire::v1::num::Phase1Auth;
use crate::wire::v1::{Id, Message, Notify, NotifyKind, Payload, is_encrypted};
use crate::wire::{ExchangeType, IkeSpi};

const EXCHANGE: ExchangeType = ExchangeType::IDENTITY_PROTECTION;

/// The first message is on its way.
#[derive(Debug)]
pub(crate) struct MainSa {
    start: Start,
    waiting: Waiting,
}

/// What the second message says.
struct Answer {
    message: Message,
    suite: IkeSuite,
    auth: Phase1Auth,
    seconds: Option<u64>,
}

/// The third message is on its way.
#[derive(Debug)]
pub(crate) struct MainKe {
    agreed: Agreed,
    pair: KeyPair,
    ni: Vec<u8>,
    waiting: Waiting,
}

/// The fifth message is on its way.
#[derive(Debug)]
pub(crate) struct MainAuth {
    agreed: Agreed,
    channel: Channel,
    exchanged: Exchanged,
    nat: NatStatus,
    /// The vector of the answer.
    iv: Vec<u8>,
    waiting: Waiting,
}

/// What the first two messages have led to.
#[derive(Debug)]
struct Agreed {
    start: Start,
    spi_r: IkeSpi,
    suite: IkeSuite,
    auth: Phase1Auth,
    authenticator: Authenticator,
    /// Whether the responder has asked for a certificate.
    asked: bool,
    lifetime: u64,
    features: Features,
    sa_body: Vec<u8>,
}

macro_rules! waits {
    ($state:ident, $spis:expr) => {
        impl $state {
            pub(crate) fn deadline(&self) -> Option<Deadline> {
                self.waiting.deadline()
            }

            pub(crate) fn timeout(
                mut self: Box<Self>,
                ike: IkeHandle,
                now: Time,
                cx: &mut Context,
            ) -> Next {
                match self.waiting.timeout(ike, now, cx) {
                    Some(reason) => Next::Closed(State::$state(self), reason),
                    None => Next::State(State::$state(self)),
                }
            }

            pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
                let spis: fn(&Self) -> (IkeSpi, IkeSpi) = $spis;
                spis(self)
            }

            pub(crate) fn message(
                mut self: Box<Self>,
                ike: IkeHandle,
                now: Time,
                arrival: &Arrival<'_>,
                cx: &mut Context,
            ) -> Next {
                let exchange = arrival.raw.header.exchange;
                if exchange == ExchangeType::INFORMATIONAL_V1 {
                    return match self.informed(ike, arrival, cx) {
                        Some(reason) => Next::Closed(State::$state(self), reason),
                        None => Next::State(State::$state(self)),
                    };
                }
                if !belongs(arrival, EXCHANGE) {
                    arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
                    return Next::State(State::$state(self));
                }
                // Nothing here is authenticated yet: what cannot be used is dropped, and the wait
                // for a better answer goes on.
                match self.answered(ike, now, arrival, cx) {
                    Ok(next) => next,
                    Err((state, reason)) => {
                        arrival.dropped(reason, cx);
                        Next::State(State::$state(state))
                    }
                }
            }
        }
    };
}

waits!(MainSa, |state| (state.start.spi_i, IkeSpi::ZERO));
waits!(MainKe, |state| (state.agreed.start.spi_i, state.agreed.spi_r));
waits!(MainAuth, |state| (state.agreed.start.spi_i, state.agreed.spi_r));

/// What an answer leads to, or why it leads to nothing.
type Outcome<S> = Result<Next, (Box<S>, DropReason)>;

fn useless(why: impl Into<String>) -> DropReason {
    DropReason::UselessResponse { why: why.into() }
}

impl MainSa {
    fn informed(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        self.waiting.informed(ike, arrival, cx)
    }

    /// Sends the first message.
    pub(super) fn begin(cx: &mut Context, _ike: IkeHandle, now: Time, start: Start) -> Self {
        let mut payloads = vec![Payload::Sa(start.offer.clone())];
        payloads.extend(start.vendor_ids(cx));
        let outgoing = outgoing(start.spi_i, IkeSpi::ZERO, EXCHANGE, false);
        let bytes = outgoing.plain(cx, &payloads);
        let waiting = Waiting::send(cx, now, start.path, &outgoing, bytes);
        Self { start, waiting }
    }

    fn answered(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Outcome<Self> {
        let Answer { message, suite, auth, seconds } = match self.read(arrival) {
            Ok(read) => read,
            Err((requirement, why)) => {
                cx.violation(Some(ike), arrival.path.remote, requirement, &why);
                return Err((self, useless(why)));
            }
        };
        let Some(pair) = key_pair(cx, ike, suite.group) else {
            let error = format!("{} cannot be computed", suite.group);
            return Err((self, DropReason::Unable { error }));
        };
        let ni = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);
        let Self { start, waiting } = *self;
        let spi_r = message.header.spi_r;
        let (features, asked) = (Features::of(&message), asks(&message));
        features.begin_fragments(cx, (start.spi_i, spi_r), EXCHANGE);
        let authenticator = Authenticator::of_connection(&start.connection, auth);
        let mut payloads = vec![Payload::Ke(pair.public().to_vec()), Payload::Nonce(ni.clone())];
        payloads.extend(authenticator.requests());
        if let Some(natt) = features.natt {
            let pretend = start.connection.force_encapsulation;
            let (hash, spis) = (suite.prf.hash(), (start.spi_i, spi_r));
            payloads.extend(natt.discovery(hash, spis, waiting.path, pretend));
        }
        let outgoing = outgoing(start.spi_i, spi_r, EXCHANGE, false);
        let bytes = outgoing.plain(cx, &payloads);
        let waiting = Waiting::send(cx, now, waiting.path, &outgoing, bytes);
        let own = cx.config.profile.timers.ike_life;
        let lifetime = seconds.unwrap_or(own).min(own);
        let sa_body = Payload::Sa(start.offer.clone()).body();
        let agreed =
            Agreed { start, spi_r, suite, auth, authenticator, asked, lifetime, features, sa_body };
        Ok(Next::State(State::MainKe(Box::new(MainKe { agreed, pair, ni, waiting }))))
    }

    fn read(&self, arrival: &Arrival<'_>) -> Result<Answer, (&'static str, String)> {
        let payloads = "rfc2409-5-main-mode";
        let message = Message::decode(&arrival.raw).map_err(|e| (payloads, e.to_string()))?;
        if message.header.spi_r.is_zero() {
            let why = "the responder's cookie is zero".to_owned();
            return Err(("rfc2408-3.1-cookie-nonzero", why));
        }
        let sa = one(&message, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        let sa = sa.map_err(|why| (payloads, why))?;
        let (suite, auth, seconds) = policy::check_phase1_answer(&self.start.offer, sa)
            .map_err(|error| (error.requirement(), error.to_string()))?;
        Ok(Answer { message, suite, auth, seconds })
    }
}

impl MainKe {
    fn informed(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        self.waiting.informed(ike, arrival, cx)
    }

    fn answered(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Outcome<Self> {
        let (exchanged, shared, found, asked) = match self.read(arrival, cx) {
            Ok(read) => read,
            Err(Rejected { requirement, why, own }) => {
                if let Some(requirement) = requirement {
                    cx.violation(Some(ike), arrival.path.remote, requirement, &why);
                }
                let unable = |error| DropReason::Unable { error };
                return Err((self, if own { unable(why) } else { useless(why) }));
            }
        };
        let Agreed { start, spi_r, suite, authenticator, features, .. } = &self.agreed;
        let skeyid = authenticator.skeyid(cx, suite.prf, &exchanged, &shared);
        let (spi_i, spi_r) = (start.spi_i, *spi_r);
        let (role, suite, shared) = (Role::Initiator, *suite, &shared);
        let material = KeyMaterial { role, suite, spi_i, spi_r, skeyid, shared };
        let channel = match Channel::establish(cx, material) {
            Ok(channel) => channel,
            Err(error) => return Err((self, DropReason::Unable { error: error.to_string() })),
        };
        let nat = start.nat(found);
        let path = start.path_behind(self.waiting.path, features.natt.is_some() && nat.found());
        let id = Payload::Id(Id::of_host(&start.connection.id));
        let claim_body = id.body();
        let claim = exchanged.claim(role, (spi_i, spi_r), &claim_body);
        let hash = channel.phase1_hash(cx, &claim);
        let contact = Notify::isakmp(NotifyKind::INITIAL_CONTACT, spi_i, spi_r, Vec::new());
        let asked = asked || self.agreed.asked;
        let proof = match authenticator.proof(cx, ike, hash, asked) {
            Ok(proof) => proof,
            Err(error) => return Err((self, DropReason::Unable { error: error.to_string() })),
        };
        let mut payloads = vec![id];
        payloads.extend(proof);
        // Whoever is told so drops all other SAs with this end (RFC 2407, section 4.6.3.3). There may be
        // one that the peer has begun at the same time.
        let there = start.connection.remote.ip();
        let is_first = !cx.contacts.iter().any(|(other, at)| *other != ike && *at == there);
        payloads.extend(is_first.then_some(Payload::Notify(contact)));
        let outgoing = outgoing(spi_i, spi_r, EXCHANGE, false);
        let iv = channel.phase1_iv(&exchanged.public_i, &exchanged.public_r);
        let sealed = channel.seal(cx, &outgoing, &iv, &payloads);
        let waiting = Waiting::send(cx, now, path, &outgoing, sealed.bytes);
        let agreed = self.agreed;
        let iv = sealed.next_iv;
        let state = MainAuth { agreed, channel, exchanged, nat, iv, waiting };
        Ok(Next::State(State::MainAuth(Box::new(state))))
    }

    fn read(
        &self,
        arrival: &Arrival<'_>,
        cx: &Context,
    ) -> Result<(Exchanged, SecretBytes, NatStatus, bool), Rejected> {
        let payloads = |why: String| ("rfc2409-5-main-mode", why);
        let message = Message::decode(&arrival.raw).map_err(|e| payloads(e.to_string()))?;
        let (public, nonce) = values(&message).map_err(payloads)?;
        let shared = cx.provider.dh_agree(&self.pair, public)?;
        let exchanged = Exchanged {
            sa_body: self.agreed.sa_body.clone(),
            public_i: self.pair.public().to_vec(),
            public_r: public.to_vec(),
            ni: self.ni.clone(),
            nr: nonce.to_vec(),
        };
        let spis = (self.agreed.start.spi_i, self.agreed.spi_r);
        let hash = self.agreed.suite.prf.hash();
        let nat = match self.agreed.features.natt {
            Some(_) => NatT::detect(hash, spis, &message, arrival.path, arrival.path.local),
            None => NatStatus::default(),
        };
        Ok((exchanged, shared, nat, asks(&message)))
    }
}

impl MainAuth {
    /// There are keys, so a responder protects what it says (RFC 2408, section 4.8). What comes in clear
    /// is listened to all the same: not every responder does.
    fn informed(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let header = arrival.raw.header;
        if !is_encrypted(&header) {
            return self.waiting.informed(ike, arrival, cx);
        }
        let iv = self.channel.phase2_iv(&self.iv, header.message_id);
        match self.channel.open_hashed(cx, arrival, &iv, &[]) {
            Ok(opened) => self.waiting.told(ike, arrival, Some(&opened.message), cx),
            Err(reason) => {
                arrival.dropped(reason, cx);
                None
            }
        }
    }

    fn answered(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Outcome<Self> {
        // rfc3947-4-old-port-discard.
        if self.waiting.path.channel == Port::Nat && arrival.path.channel == Port::Ike {
            return Err((self, useless("it comes from the port that was left")));
        }
        let opened = match self.channel.open(arrival, &self.iv) {
            Ok(opened) => opened,
            Err(reason) => return Err((self, reason)),
        };
        let (id, id_body) = match identity(&opened.message) {
            Ok((id, body)) => (id.host(), body.to_vec()),
            // Under a wrong key the content is as good as random, so this is no violation.
            _ => return Err((self, DropReason::BadIcv)),
        };
        let spis = (self.channel.spi_i, self.channel.spi_r);
        let claim = self.exchanged.claim(Role::Responder, spis, &id_body);
        let expected = self.channel.phase1_hash(cx, &claim);
        let connection = &self.agreed.start.connection;
        let authenticator = &self.agreed.authenticator;
        if let Err(failure) = authenticator.check(cx, now, &opened.message, &id, &expected) {
            // A wrong pre-shared key is told by the responder, who has noticed it before.
            if matches!(authenticator, Authenticator::Signatures(_)) {
                failure.tell(cx, ike, arrival.path.remote, &id, None);
            }
            if failure.is_final() {
                let reason = CloseReason::AuthenticationFailed;
                return Ok(Next::Closed(State::MainAuth(self), reason));
            }
            // Nothing protects the ciphertext from being changed on the way: a true copy may follow.
            self.waiting.unproven = true;
            return Err((self, DropReason::BadIcv));
        }
        if !connection.expect_id.as_ref().is_none_or(|expected| *expected == id) {
            let answer = None;
            cx.event(Event::AuthenticationFailed { ike, id: id.to_string(), answer });
            let reason = CloseReason::AuthenticationFailed;
            return Ok(Next::Closed(State::MainAuth(self), reason));
        }
        let this = *self;
        let Agreed { start, auth, features, lifetime, .. } = this.agreed;
        let opening = Opening {
            channel: this.channel,
            path: this.waiting.path,
            nat: this.nat,
            features,
            base_iv: opened.next_iv,
            local_id: start.connection.id.clone(),
            credential: id.clone(),
            remote_id: id,
            facts: Ikev1Established { mode: Ikev1Mode::Main, auth, lifetime },
            initial_contact: false,
            connection: Some(start.connection),
            last_answer: None,
        };
        Ok(Next::State(State::Established(Box::new(Established::open(cx, ike, now, opening)))))
    }
}
