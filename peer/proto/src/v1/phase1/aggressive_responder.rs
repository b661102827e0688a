//! Aggressive mode as the responder.

use core::net::SocketAddr;

use super::auth::{Authenticator, accepted, asks, certificates_for};
use super::common::{
    Answer, Exchanged, Features, belongs, choose, identity, initial_contact, key_pair, one,
    outgoing, tell_identity, values, vendor_ids,
};
use super::failure::Attempt;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Event, Ikev1Established, NatStatus, Role};
use crate::io::{Deadline, IkeHandle, TimerReason};
use crate::policy::{IdentityQuery, Ikev1Mode, Phase1Choice};
use crate::time::Time;
use crate::v1::channel::{Channel, KeyMaterial, NONCE_LEN};
use crate::v1::established::{Established, LastAnswer, Opening};
use crate::v1::natt::NatT;
use crate::v1::sa::{Arrival, Next, State};
use crate::window::Answered;
use crate::wire::v1::{Id, Message, NotifyKind, Payload, PayloadKind, Sa, is_encrypted};
use crate::wire::{ExchangeType, IkeSpi, v2};

const EXCHANGE: ExchangeType = ExchangeType::AGGRESSIVE;
/// How often the second message is sent again because a quick mode came before the third.
const MAX_REMINDERS: u32 = 5;

/// The first message is answered: the third is awaited.
#[derive(Debug)]
pub(crate) struct AwaitFinal {
    channel: Channel,
    choice: Phase1Choice,
    authenticator: Authenticator,
    exchanged: Exchanged,
    features: Features,
    local_id: v2::Id,
    remote_id: v2::Id,
    credential: v2::Id,
    /// The body of the initiator's ID payload.
    id_body: Vec<u8>,
    answered: Answered,
    response: Vec<u8>,
    reminders: u32,
    /// The own address that the first message came to.
    reached: SocketAddr,
    expires: Time,
}

impl AwaitFinal {
    /// Answers the first message.
    pub(super) fn begin(
        cx: &mut Context,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        message: &Message,
    ) -> Option<Self> {
        let malformed = |why: &str, cx: &mut Context| {
            arrival.violates(None, "rfc2409-5-aggressive-mode", why, cx);
        };
        let read = one(message, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        })
        .and_then(|sa| Ok((sa, values(message)?, identity(message)?)));
        let (sa, (public, nonce), (id, id_body)) = match read {
            Ok(read) => read,
            Err(why) => {
                malformed(&why, cx);
                return None;
            }
        };
        let remote_id = id.host();
        let (choice, authenticator, credential) =
            chosen(cx, ike, now, arrival, sa, public.len(), &remote_id)?;
        let suite = choice.suite;
        let unable = |error: String, cx: &mut Context| {
            arrival.dropped(DropReason::Unable { error }, cx);
            None
        };
        let Some(pair) = key_pair(cx, ike, suite.group) else {
            return unable(format!("{} cannot be computed", suite.group), cx);
        };
        let shared = match cx.provider.dh_agree(&pair, public) {
            Ok(shared) => shared,
            Err(error) => {
                arrival.rejected(None, error.into(), cx);
                return None;
            }
        };
        let spi_i = message.header.spi_i;
        let spi_r = IkeSpi(cx.entropy.array(Label::IKE_SPI, ike.0));
        let nr = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);
        let exchanged = Exchanged {
            sa_body: message.body(PayloadKind::SA).unwrap_or_default().to_vec(),
            public_i: public.to_vec(),
            public_r: pair.public().to_vec(),
            ni: nonce.to_vec(),
            nr,
        };
        let skeyid = authenticator.skeyid(cx, suite.prf, &exchanged, &shared);
        let (role, shared) = (Role::Responder, &shared);
        let material = KeyMaterial { role, suite, spi_i, spi_r, skeyid, shared };
        let channel = match Channel::establish(cx, material) {
            Ok(channel) => channel,
            Err(error) => return unable(error.to_string(), cx),
        };
        let local_id = authenticator.own_id(cx, arrival);
        let features = Features::of(message);
        let own_id = Payload::Id(Id::of_host(&local_id));
        let own_body = own_id.body();
        let claim = exchanged.claim(Role::Responder, (spi_i, spi_r), &own_body);
        let hash = channel.phase1_hash(cx, &claim);
        let proof = match authenticator.proof(cx, ike, hash, asks(message)) {
            Ok(proof) => proof,
            Err(error) => return unable(error.to_string(), cx),
        };
        let certificates = certificates_len(&proof);
        let mut payloads = vec![
            Payload::Sa(Sa { proposals: vec![choice.chosen.clone()] }),
            Payload::Ke(exchanged.public_r.clone()),
            Payload::Nonce(exchanged.nr.clone()),
            own_id,
        ];
        payloads.extend(proof);
        payloads.extend(vendor_ids(cx, &features, choice.auth));
        payloads.extend(authenticator.requests());
        if let Some(natt) = features.natt {
            let (hash, spis) = (suite.prf.hash(), (spi_i, spi_r));
            payloads.extend(natt.discovery(hash, spis, arrival.path, false));
        }
        let response = outgoing(spi_i, spi_r, EXCHANGE, true).plain(cx, &payloads);
        // Certificates do not count: the peer cannot go on without them, and they are no secret that
        // could wait for its address to be proven.
        let counted = response.len().saturating_sub(certificates);
        if counted > arrival.bytes.len().saturating_mul(cx.config.limits.amplification) {
            arrival.dropped(DropReason::Amplification, cx);
            return None;
        }
        features.begin_fragments(cx, (spi_i, spi_r), EXCHANGE);
        cx.transmit(arrival.path, &response);
        let (path, connection) = (arrival.path, None);
        cx.event(Event::IkeHalfOpen { ike, connection, role, path, spi_i });
        Some(Self {
            channel,
            choice,
            authenticator,
            exchanged,
            features,
            local_id,
            remote_id,
            credential,
            id_body: id_body.to_vec(),
            answered: Answered::new(arrival.bytes, response.clone()),
            response,
            reminders: 0,
            reached: arrival.path.local,
            expires: now + cx.config.timers.half_open,
        })
    }

    /// The answer to a repetition of the first message.
    pub(crate) fn repeat_first(&mut self, request: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.answered.repeat(request).map(|(response, attempt)| (response.to_vec(), attempt))
    }

    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.channel.spi_i, self.channel.spi_r)
    }

    pub(crate) fn deadline(&self) -> Option<Deadline> {
        Some(Deadline { at: self.expires, reason: TimerReason::HalfOpen })
    }

    pub(crate) fn timeout(self: Box<Self>, _ike: IkeHandle, now: Time, _cx: &mut Context) -> Next {
        if now >= self.expires {
            return Next::Closed(State::AwaitFinal(self), CloseReason::HalfOpenTimeout);
        }
        Next::State(State::AwaitFinal(self))
    }

    pub(crate) fn message(
        mut self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Next {
        let exchange = arrival.raw.header.exchange;
        if exchange == ExchangeType::QUICK_MODE && self.reminders < MAX_REMINDERS {
            // The initiator believes to be done, so its third message was lost. What makes it send
            // that again is our second one.
            self.reminders += 1;
            cx.transmit(arrival.path, &self.response);
            let (exchange, message_id, response) = (EXCHANGE, 0, true);
            let attempt = self.reminders;
            cx.event(Event::Retransmitted { ike, exchange, message_id, response, attempt });
            return Next::State(State::AwaitFinal(self));
        }
        if !belongs(arrival, EXCHANGE) {
            arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            return Next::State(State::AwaitFinal(self));
        }
        let iv = self.channel.phase1_iv(&self.exchanged.public_i, &self.exchanged.public_r);
        let is_encrypted = is_encrypted(&arrival.raw.header);
        let base = if is_encrypted { self.channel.last_block(arrival) } else { iv.clone() };
        let Self { ref authenticator, ref channel, ref remote_id, .. } = *self;
        let attempt = Attempt { ike, now, arrival, authenticator, channel, base: &base };
        // RFC 2409 leaves it open whether the third message is encrypted.
        let read = if is_encrypted {
            channel.open(arrival, &iv).map(|opened| opened.message)
        } else {
            Message::decode(&arrival.raw)
                .map_err(|error| DropReason::Malformed { error: error.to_string() })
        };
        let message = match read {
            Ok(message) => message,
            Err(reason) => {
                attempt.unread(remote_id, reason, cx);
                return Next::State(State::AwaitFinal(self));
            }
        };
        let claim = self.exchanged.claim(Role::Initiator, self.spis(), &self.id_body);
        let expected = channel.phase1_hash(cx, &claim);
        if let Err(failure) = authenticator.check(cx, now, &message, remote_id, &expected) {
            attempt.refuse(remote_id, &failure, cx);
            if failure.is_final() {
                return Next::Closed(State::AwaitFinal(self), CloseReason::AuthenticationFailed);
            }
            // Anybody can have sent it so, and a true message is still welcome.
            return Next::State(State::AwaitFinal(self));
        }
        self.established(ike, now, arrival, &message, base, cx)
    }

    fn established(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        message: &Message,
        base_iv: Vec<u8>,
        cx: &mut Context,
    ) -> Next {
        let spis = self.spis();
        let nat = match self.features.natt {
            Some(_) => {
                let hash = self.choice.suite.prf.hash();
                NatT::detect(hash, spis, message, arrival.path, self.reached)
            }
            None => NatStatus::default(),
        };
        let initial_contact = initial_contact(cx, ike, arrival, message);
        let this = *self;
        let Phase1Choice { auth, lifetime, .. } = this.choice;
        let mode = Ikev1Mode::Aggressive;
        let opening = Opening {
            channel: this.channel,
            path: arrival.path,
            nat,
            features: this.features,
            base_iv,
            local_id: this.local_id,
            remote_id: this.remote_id,
            credential: this.credential,
            facts: Ikev1Established { mode, auth, lifetime: lifetime.seconds },
            initial_contact,
            connection: None,
            last_answer: Some(LastAnswer::new(arrival.bytes, Vec::new())),
        };
        let mut state = Established::open(cx, ike, now, opening);
        if lifetime.tell {
            state.tell_lifetime(ike, lifetime, cx);
        }
        Next::State(State::Established(Box::new(state)))
    }
}

/// Chooses from the offer, and finds what the peer that says to be `remote_id` authenticates with, and
/// the credential that it counts for.
fn chosen(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    arrival: &Arrival<'_>,
    sa: &Sa,
    public_len: usize,
    remote_id: &v2::Id,
) -> Option<(Phase1Choice, Authenticator, v2::Id)> {
    let source = arrival.path.remote.ip();
    let query = IdentityQuery { id_i: remote_id, source, nat_at_peer: false };
    let (profile, credentials) = (&cx.ikev1_profile, &cx.config.credentials);
    let found = profile
        .aggressive_mode_credential(query, credentials)
        .map(|credential| (credential.psk.clone(), credential.id.to_id()));
    let accepted = accepted(cx, sa, found.is_ok());
    let mode = Ikev1Mode::Aggressive;
    let choice = choose(cx, now, arrival, sa, mode, Some(public_len), &accepted)?;
    match (certificates_for(cx, choice.auth), found) {
        (Some(certificates), _) => {
            Some((choice, Authenticator::Signatures(certificates), remote_id.clone()))
        }
        (None, Ok((psk, credential))) => {
            Some((choice, Authenticator::PreSharedKey(psk), credential))
        }
        (None, Err(refusal)) => {
            let answer = Answer::plain(cx, now, arrival, NotifyKind::INVALID_ID_INFORMATION);
            tell_identity(cx, ike, remote_id.to_string(), &refusal, &answer);
            answer.send(cx, arrival);
            None
        }
    }
}

fn certificates_len(payloads: &[Payload]) -> usize {
    let certificates = payloads.iter().filter(|payload| payload.kind() == PayloadKind::CERT);
    certificates.map(|payload| payload.body().len()).sum()
}
