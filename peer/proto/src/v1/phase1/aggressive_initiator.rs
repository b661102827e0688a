//! Aggressive mode as the initiator.

use super::auth::{Authenticator, asks, first_requests};
use super::common::{
    Exchanged, Features, Start, Waiting, belongs, identity, key_pair, one, outgoing, values,
};
use super::failure::Failure;
use crate::crypto::SecretBytes;
use crate::crypto::dh::KeyPair;
use crate::crypto::suite::{Group, IkeSuite};
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{CloseReason, DropReason, Ikev1Established, NatStatus, NotStarted, Role};
use crate::io::{Deadline, IkeHandle};
use crate::policy::{self, Ikev1Mode};
use crate::time::Time;
use crate::v1::channel::{Channel, KeyMaterial, NONCE_LEN};
use crate::v1::established::{Established, LastAnswer, Opening};
use crate::v1::natt::NatT;
use crate::v1::sa::{Arrival, Next, Rejected, State};
use crate::wire::v1::num::{Phase1Attr, Phase1Auth};
use crate::wire::v1::{Id, Message, Payload};
use crate::wire::{ExchangeType, IkeSpi, v2};

const EXCHANGE: ExchangeType = ExchangeType::AGGRESSIVE;

/// The first message is on its way.
#[derive(Debug)]
pub(crate) struct InitiatorAggressive {
    start: Start,
    pair: KeyPair,
    ni: Vec<u8>,
    waiting: Waiting,
}

/// What the second message says.
struct Answer {
    spi_r: IkeSpi,
    suite: IkeSuite,
    auth: Phase1Auth,
    seconds: Option<u64>,
    features: Features,
    exchanged: Exchanged,
    shared: SecretBytes,
    id: v2::Id,
    id_body: Vec<u8>,
    message: Message,
}

impl InitiatorAggressive {
    /// Sends the first message: all transforms have the group of the first, as its public value is sent
    /// along.
    ///
    /// # Errors
    /// If that group cannot be computed.
    pub(super) fn begin(
        cx: &mut Context,
        ike: IkeHandle,
        now: Time,
        mut start: Start,
    ) -> Result<Self, NotStarted> {
        let group_of = |transform: &crate::wire::v1::Transform| {
            let number = transform.attribute(Phase1Attr::GROUP.0)?;
            Group::from_iana(u16::try_from(number).ok()?)
        };
        let proposal = start.offer.proposals.first_mut().ok_or(NotStarted::NoGroup)?;
        let first = proposal.transforms.first().and_then(group_of);
        let group = first.ok_or(NotStarted::NoGroup)?;
        proposal.transforms.retain(|transform| group_of(transform) == Some(group));
        let pair = key_pair(cx, ike, group).ok_or(NotStarted::NoGroup)?;
        let ni = cx.entropy.bytes(Label::NONCE, ike.0, NONCE_LEN);
        let mut payloads = vec![
            Payload::Sa(start.offer.clone()),
            Payload::Ke(pair.public().to_vec()),
            Payload::Nonce(ni.clone()),
            Payload::Id(Id::of_host(&start.connection.id)),
        ];
        payloads.extend(start.vendor_ids(cx));
        payloads.extend(first_requests(&start.connection));
        let outgoing = outgoing(start.spi_i, IkeSpi::ZERO, EXCHANGE, false);
        let bytes = outgoing.plain(cx, &payloads);
        let waiting = Waiting::send(cx, now, start.path, &outgoing, bytes);
        Ok(Self { start, pair, ni, waiting })
    }

    pub(crate) fn spis(&self) -> (IkeSpi, IkeSpi) {
        (self.start.spi_i, IkeSpi::ZERO)
    }

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
            Some(reason) => Next::Closed(State::Aggressive(self), reason),
            None => Next::State(State::Aggressive(self)),
        }
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
            return match self.waiting.informed(ike, arrival, cx) {
                Some(reason) => Next::Closed(State::Aggressive(self), reason),
                None => Next::State(State::Aggressive(self)),
            };
        }
        if !belongs(arrival, EXCHANGE) {
            arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            return Next::State(State::Aggressive(self));
        }
        match self.read(arrival, cx) {
            Ok((answer, found)) => self.answered(ike, now, arrival, answer, found, cx),
            Err(rejected) => {
                arrival.rejected(Some(ike), rejected, cx);
                Next::State(State::Aggressive(self))
            }
        }
    }

    fn read(&self, arrival: &Arrival<'_>, cx: &Context) -> Result<(Answer, NatStatus), Rejected> {
        let payloads = |why: String| ("rfc2409-5-aggressive-mode", why);
        let message = Message::decode(&arrival.raw).map_err(|e| payloads(e.to_string()))?;
        let spi_r = message.header.spi_r;
        if spi_r.is_zero() {
            let why = "the responder's cookie is zero".to_owned();
            return Err(("rfc2408-3.1-cookie-nonzero", why).into());
        }
        let sa = one(&message, "SA", |payload| match payload {
            Payload::Sa(sa) => Some(sa),
            _ => None,
        });
        let (suite, auth, seconds) =
            policy::check_phase1_answer(&self.start.offer, sa.map_err(payloads)?)
                .map_err(|error| (error.requirement(), error.to_string()))?;
        let (public, nonce) = values(&message).map_err(payloads)?;
        let (id, id_body) = identity(&message).map_err(payloads)?;
        let shared = cx.provider.dh_agree(&self.pair, public)?;
        let features = Features::of(&message);
        let spis = (self.start.spi_i, spi_r);
        let nat = match features.natt {
            Some(_) => {
                NatT::detect(suite.prf.hash(), spis, &message, arrival.path, arrival.path.local)
            }
            None => NatStatus::default(),
        };
        let exchanged = Exchanged {
            sa_body: Payload::Sa(self.start.offer.clone()).body(),
            public_i: self.pair.public().to_vec(),
            public_r: public.to_vec(),
            ni: self.ni.clone(),
            nr: nonce.to_vec(),
        };
        let (id, id_body) = (id.host(), id_body.to_vec());
        let answer = Answer {
            spi_r,
            suite,
            auth,
            seconds,
            features,
            exchanged,
            shared,
            id,
            id_body,
            message,
        };
        Ok((answer, nat))
    }

    fn answered(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        answer: Answer,
        found: NatStatus,
        cx: &mut Context,
    ) -> Next {
        let Answer { spi_r, suite, auth, exchanged, shared, id, .. } = &answer;
        let (spi_r, suite) = (*spi_r, *suite);
        let spi_i = self.start.spi_i;
        let connection = &self.start.connection;
        let authenticator = Authenticator::of_connection(connection, *auth);
        let skeyid = authenticator.skeyid(cx, suite.prf, exchanged, shared);
        let role = Role::Initiator;
        let material = KeyMaterial { role, suite, spi_i, spi_r, skeyid, shared };
        let Ok(channel) = Channel::establish(cx, material) else {
            let error = "the cipher is none of IKEv1".to_owned();
            arrival.dropped(DropReason::Unable { error }, cx);
            return Next::State(State::Aggressive(self));
        };
        let claim = exchanged.claim(Role::Responder, (spi_i, spi_r), &answer.id_body);
        let expected = channel.phase1_hash(cx, &claim);
        let mut checked = authenticator.check(cx, now, &answer.message, id, &expected);
        if connection.expect_id.as_ref().is_some_and(|expected| expected != id) {
            checked = checked.and(Err(Failure::Wrong));
        }
        if let Err(failure) = checked {
            // Anybody can have sent this answer, but it is the first that fits our request: with a
            // wrong secret there will be no other.
            failure.tell(cx, ike, arrival.path.remote, id, None);
            let reason = CloseReason::AuthenticationFailed;
            return Next::Closed(State::Aggressive(self), reason);
        }
        answer.features.begin_fragments(cx, (spi_i, spi_r), EXCHANGE);
        self.finish(ike, now, arrival, (channel, authenticator), answer, found, cx)
    }

    /// Sends the third message.
    #[expect(clippy::too_many_arguments, reason = "what the second message has brought")]
    fn finish(
        self: Box<Self>,
        ike: IkeHandle,
        now: Time,
        arrival: &Arrival<'_>,
        (channel, authenticator): (Channel, Authenticator),
        answer: Answer,
        found: NatStatus,
        cx: &mut Context,
    ) -> Next {
        let Answer { spi_r, suite, auth, seconds, features, exchanged, id, message, .. } = answer;
        let (spi_i, connection) = (self.start.spi_i, &self.start.connection);
        let nat = self.start.nat(found);
        let moves = features.natt.is_some() && nat.found();
        let path = self.start.path_behind(self.waiting.path, moves);
        let own_id = Payload::Id(Id::of_host(&connection.id)).body();
        let claim = exchanged.claim(Role::Initiator, (spi_i, spi_r), &own_id);
        let hash = channel.phase1_hash(cx, &claim);
        let mut payloads = match authenticator.proof(cx, ike, hash, asks(&message)) {
            Ok(payloads) => payloads,
            Err(error) => {
                arrival.dropped(DropReason::Unable { error: error.to_string() }, cx);
                return Next::State(State::Aggressive(self));
            }
        };
        if let Some(natt) = features.natt {
            // The path of the message itself, which may have moved to the NAT ports already, is what
            // the peer compares with.
            let pretend = connection.force_encapsulation;
            let hash = suite.prf.hash();
            payloads.extend(natt.discovery(hash, (spi_i, spi_r), path, pretend));
        }
        let outgoing = outgoing(spi_i, spi_r, EXCHANGE, false);
        let iv = channel.phase1_iv(&exchanged.public_i, &exchanged.public_r);
        let (bytes, base_iv) = if self.start.options().clear_third_message {
            (outgoing.plain(cx, &payloads), iv)
        } else {
            let sealed = channel.seal(cx, &outgoing, &iv, &payloads);
            (sealed.bytes, sealed.next_iv)
        };
        cx.transmit(path, &bytes);
        let own = cx.config.profile.timers.ike_life;
        let lifetime = seconds.unwrap_or(own).min(own);
        let this = *self;
        let opening = Opening {
            channel,
            path,
            nat,
            features,
            base_iv,
            local_id: this.start.connection.id.clone(),
            credential: id.clone(),
            remote_id: id,
            facts: Ikev1Established { mode: Ikev1Mode::Aggressive, auth, lifetime },
            initial_contact: false,
            connection: Some(this.start.connection),
            last_answer: Some(LastAnswer::new(arrival.bytes, bytes)),
        };
        Next::State(State::Established(Box::new(Established::open(cx, ike, now, opening))))
    }
}
