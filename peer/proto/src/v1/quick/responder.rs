//! Quick mode as the responder.

use super::commit::say_connected;
use super::{Surroundings, nonce};
use crate::crypto::dh;
use crate::crypto::{CryptoError, SecretBytes};
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{Event, Side};
use crate::io::Deadline;
use crate::policy::{Lifetime, Phase2Choice, Phase2Context, Refusal};
use crate::v1::channel::{Opened, PhaseTwoKeys};
use crate::v1::child::{self, Accepted, Child, Over};
use crate::v1::outgoing::Outgoing;
use crate::v1::sa::Arrival;
use crate::window::{Answered, Due, Pending, Schedule};
use crate::wire::v1::num::LifeType;
use crate::wire::v1::{Message, Notify, NotifyKind, Payload, PayloadKind, Proposal, Sa};
use crate::wire::v2::{TrafficSelector, Ts};
use crate::wire::{ExchangeType, ProtocolId};

/// The first message is answered: the third is awaited.
#[derive(Debug)]
pub(in crate::v1) struct AwaitThird {
    pub(in crate::v1) accepted: Accepted,
    ni: Vec<u8>,
    nr: Vec<u8>,
    shared: Option<SecretBytes>,
    /// The vector of the third message.
    iv: Vec<u8>,
    /// The first message and its answer.
    answered: Answered,
    pending: Pending,
    message_id: u32,
    /// Whether the peer waits for CONNECTED.
    commit: bool,
}

/// Why a first message gets no second one.
#[derive(Debug)]
pub(in crate::v1) enum NotAnswered {
    /// It is not authentic, or breaks the protocol; that was told already.
    Dropped,
    /// It is refused: with this notification, for this reason, and over these rules if the offer is what is
    /// refused.
    Refused(Notify, String, Option<Refusal>),
}

/// What a first message asks for.
struct Request<'a> {
    sa: &'a Sa,
    ni: &'a [u8],
    public: Option<&'a [u8]>,
    /// The peer's side.
    ts_i: TrafficSelector,
    /// This side.
    ts_r: TrafficSelector,
    ids: Vec<Payload>,
}

impl AwaitThird {
    /// Answers the first message. `room` says whether another pair may be set up for this traffic.
    pub(in crate::v1) fn begin(
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        base_iv: &[u8],
        room: impl FnOnce(&Context, &TrafficSelector, &TrafficSelector) -> bool,
    ) -> Result<Self, NotAnswered> {
        let channel = around.channel;
        let message_id = arrival.raw.header.message_id;
        let iv = channel.phase2_iv(base_iv, message_id);
        let opened = channel.open_hashed(cx, arrival, &iv, &[]).map_err(|reason| {
            arrival.dropped(reason, cx);
            NotAnswered::Dropped
        })?;
        let request = match Request::of(&opened.message, arrival) {
            Ok(request) => request,
            // What is authentic and cannot be used gets a word, as it would else come again and again.
            Err((requirement @ IDS, why)) => {
                cx.violation(Some(around.ike), arrival.path.remote, requirement, &why);
                let kind = NotifyKind::INVALID_ID_INFORMATION;
                return Err(NotAnswered::Refused(about_first(&opened.message, kind), why, None));
            }
            Err((requirement, why)) => {
                arrival.violates(Some(around.ike), requirement, &why, cx);
                return Err(NotAnswered::Dropped);
            }
        };
        let choice = Self::choose(cx, around, &request)?;
        let protocol = choice.chosen.protocol;
        let spi_out = spi_of(&choice.chosen);
        let refuse = |kind: NotifyKind, why: String| {
            NotAnswered::Refused(Notify::child(kind, protocol, spi_out, Vec::new()), why, None)
        };
        if spi_out <= 255 || choice.over.as_ref().is_some_and(|(_, ah)| spi_of(ah) <= 255) {
            let why = "the SPI of the proposal is reserved or does not have four octets";
            return Err(refuse(NotifyKind::INVALID_SPI, why.to_owned()));
        }
        let (wanted_i, wanted_r) = (Ts::new(vec![request.ts_i]), Ts::new(vec![request.ts_r]));
        match cx.ikev1_profile.narrow(&wanted_i, &wanted_r) {
            Ok((ts_i, ts_r)) if ts_i == wanted_i && ts_r == wanted_r => {}
            Ok(_) => {
                let why = "the traffic goes beyond what is protected, and IKEv1 cannot narrow it";
                return Err(refuse(NotifyKind::INVALID_ID_INFORMATION, why.to_owned()));
            }
            Err(why) => {
                return Err(refuse(NotifyKind::INVALID_ID_INFORMATION, why.to_string()));
            }
        }
        if !room(cx, &request.ts_r, &request.ts_i) {
            let why = "R24 (F18): there is no room for another SA".to_owned();
            return Err(refuse(NotifyKind::NO_PROPOSAL_CHOSEN, why));
        }
        let agreed = Self::agree(cx, around, &request, choice.suite.group);
        let (public, shared) = agreed.map_err(|error| {
            arrival.rejected(Some(around.ike), error.into(), cx);
            NotAnswered::Dropped
        })?;
        Ok(Self::answer(cx, around, arrival, &request, choice, spi_out, public, shared, &opened))
    }

    fn choose(
        cx: &Context,
        around: &Surroundings<'_>,
        request: &Request<'_>,
    ) -> Result<Phase2Choice, NotAnswered> {
        let context = Phase2Context {
            public_len: request.public.map(<[u8]>::len),
            nat: around.nat,
            encapsulation: around.encapsulation,
        };
        cx.ikev1_profile.select_phase2(request.sa, &context).map_err(|refusal| {
            let notify = about(request.sa, NotifyKind::NO_PROPOSAL_CHOSEN);
            NotAnswered::Refused(notify, refusal.to_string(), Some(refusal))
        })
    }

    /// The own public value and the shared secret, where the peer has sent a value.
    fn agree(
        cx: &mut Context,
        around: &Surroundings<'_>,
        request: &Request<'_>,
        group: Option<crate::crypto::suite::Group>,
    ) -> Result<(Option<Vec<u8>>, Option<SecretBytes>), CryptoError> {
        let (Some(group), Some(public)) = (group, request.public) else { return Ok((None, None)) };
        let random = cx.entropy.bytes(Label::KEY_EXCHANGE, around.ike.0, dh::random_len(group));
        let pair = cx.provider.dh_keypair(group, &random)?;
        let shared = cx.provider.dh_agree(&pair, public)?;
        Ok((Some(pair.public().to_vec()), Some(shared)))
    }

    #[expect(clippy::too_many_arguments, reason = "all that the second message is made of")]
    fn answer(
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        request: &Request<'_>,
        choice: Phase2Choice,
        spi_out: u32,
        public: Option<Vec<u8>>,
        shared: Option<SecretBytes>,
        opened: &Opened,
    ) -> Self {
        let channel = around.channel;
        let message_id = arrival.raw.header.message_id;
        let Phase2Choice { suite, lifetime, mut chosen, over } = choice;
        let spi_in = cx.child_spi(around.ike);
        chosen.spi = spi_in.to_be_bytes().to_vec();
        let protocol = chosen.protocol;
        let nr = nonce(cx, around.ike);
        let mut proposals = vec![chosen];
        let over = over.map(|(suite, ah)| {
            let spi_in = cx.child_spi(around.ike);
            let over = Over { suite, spi_in, spi_out: spi_of(&ah) };
            proposals.push(Proposal { spi: spi_in.to_be_bytes().to_vec(), ..ah });
            over
        });
        let mut payloads = vec![Payload::Sa(Sa { proposals }), Payload::Nonce(nr.clone())];
        payloads.extend(public.map(Payload::Ke));
        payloads.extend(request.ids.iter().cloned());
        if lifetime.tell {
            payloads.push(responder_lifetime(protocol, &spi_in.to_be_bytes(), lifetime));
        }
        let commit = cx.config.profile.ikev1.as_ref().is_some_and(|ikev1| ikev1.commit);
        let outgoing = channel.outgoing(ExchangeType::QUICK_MODE, message_id, true);
        let outgoing = Outgoing { commit, ..outgoing };
        let sealed = channel.seal_hashed(cx, &outgoing, &opened.next_iv, &payloads, request.ni);
        let response = sealed.bytes.clone();
        let schedule = Schedule::ordinary(&cx.config.timers);
        let (now, path) = (around.now, arrival.path);
        let pending = Pending::send(cx, now, path, &outgoing.envelope(), sealed.bytes, schedule);
        let accepted = Accepted {
            suite,
            spi_in,
            spi_out,
            ts_local: request.ts_r,
            ts_remote: request.ts_i,
            lifetime: lifetime.seconds,
            asked: false,
            over,
        };
        Self {
            accepted,
            ni: request.ni.to_vec(),
            nr,
            shared,
            iv: sealed.next_iv,
            answered: Answered::new(arrival.bytes, response),
            pending,
            message_id,
            commit,
        }
    }

    pub(in crate::v1) fn deadline(&self) -> Deadline {
        self.pending.deadline()
    }

    /// Repeats the second message if its time has come. Whether it is time to give up.
    pub(in crate::v1) fn timeout(&mut self, around: &Surroundings<'_>, cx: &mut Context) -> bool {
        self.pending.timeout(around.path, around.ike, around.now, cx) == Due::GiveUp
    }

    /// Gives back what was drawn for it.
    pub(in crate::v1) fn abandon(&self, cx: &mut Context) {
        self.accepted.free(cx);
    }

    /// The answer to a repetition of the first message.
    pub(in crate::v1) fn repeat(&mut self, request: &[u8]) -> Option<(&[u8], u32)> {
        self.answered.repeat(request)
    }

    /// Takes the third message. The pair, and what a repetition of the third gets; nothing if it was not
    /// authentic, an error if the pair cannot be run.
    pub(in crate::v1) fn finished(
        &self,
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        base_iv: &[u8],
        replaces: Option<u32>,
    ) -> Option<Result<(Child, Answered), ()>> {
        let keys = PhaseTwoKeys { shared: self.shared.as_ref(), ni: &self.ni, nr: &self.nr };
        if let Err(reason) = around.channel.open_final(cx, arrival, &self.iv, &keys) {
            arrival.dropped(reason, cx);
            return None;
        }
        let (ike, now, encap) = (around.ike, around.now, around.encap);
        let accepted = &self.accepted;
        let made = child::install(cx, ike, now, around.channel, accepted, &keys, encap, replaces);
        let child = match made {
            Ok(child) => child,
            Err(error) => {
                let (by, notify) = (Side::Local, None);
                cx.event(Event::ChildRefused { ike, by, notify, detail: error.to_string() });
                return Some(Err(()));
            }
        };
        let answer = if self.commit {
            say_connected(cx, around, base_iv, self.message_id, accepted)
        } else {
            Vec::new()
        };
        Some(Ok((child, Answered::new(arrival.bytes, answer))))
    }
}

/// A refusal of what the first proposal is for.
fn about(sa: &Sa, kind: NotifyKind) -> Notify {
    let first = sa.proposals.first();
    let protocol = first.map_or(ProtocolId::ESP, |first| first.protocol);
    let spi = first.map(|first| first.spi.clone()).unwrap_or_default();
    Notify { spi, ..Notify::child(kind, protocol, 0, Vec::new()) }
}

fn about_first(message: &Message, kind: NotifyKind) -> Notify {
    about(message.sa().unwrap_or(&Sa { proposals: Vec::new() }), kind)
}

/// The requirement about identities.
const IDS: &str = "rfc2409-5.5-qm-client-ids";

impl<'a> Request<'a> {
    fn of(message: &'a Message, arrival: &Arrival<'_>) -> Result<Self, (&'static str, String)> {
        let payloads = |why: &str| ("rfc2409-5-quick-mode", why.to_owned());
        let sa = message.sa().ok_or_else(|| payloads("there is no SA payload"))?;
        let second = message.payloads.get(1).map(|(payload, _)| payload.kind());
        if second != Some(PayloadKind::SA) {
            return Err(("rfc2409-5.5-qm-sa-second", "SA does not follow HASH".to_owned()));
        }
        let ni = message.body(PayloadKind::NONCE);
        let ni = ni.ok_or_else(|| payloads("there is no NONCE payload"))?;
        let ids: Vec<_> = message.ids().collect();
        let (ts_i, ts_r) = match ids.as_slice() {
            // Without identities the ends themselves are meant.
            [] => (
                TrafficSelector::host(arrival.path.remote.ip()),
                TrafficSelector::host(arrival.path.local.ip()),
            ),
            [id_i, id_r] => match (id_i.traffic(), id_r.traffic()) {
                (Some(ts_i), Some(ts_r)) => (ts_i, ts_r),
                _ => return Err((IDS, "an identity is no traffic".into())),
            },
            _ => return Err((IDS, "there are neither two ID payloads nor none".into())),
        };
        let ids = ids.into_iter().cloned().map(Payload::Id).collect();
        Ok(Self { sa, ni, public: message.body(PayloadKind::KE), ts_i, ts_r, ids })
    }
}

/// The SPI of a proposal; 0, which is never used, if it has none of four octets.
fn spi_of(proposal: &Proposal) -> u32 {
    <[u8; 4]>::try_from(proposal.spi.as_slice()).map_or(0, u32::from_be_bytes)
}

/// The notification of a shorter lifetime than was offered (RFC 2407, section 4.6.3.1).
pub(in crate::v1) fn responder_lifetime(
    protocol: ProtocolId,
    spi: &[u8],
    lifetime: Lifetime,
) -> Payload {
    use crate::wire::v1::DOI_IPSEC;
    // Life Type and Life Duration in four octets: the numbers of phase 2 or of phase 1.
    let (kind, duration) = if protocol == ProtocolId::IKE { (11, 12) } else { (1, 2) };
    let seconds = (LifeType::SECONDS, lifetime.seconds);
    let kilobytes = lifetime.kilobytes.map(|kilobytes| (LifeType::KILOBYTES, kilobytes));
    let mut data = Vec::new();
    for (LifeType(of), value) in [seconds].into_iter().chain(kilobytes) {
        let [high, low] = of.to_be_bytes();
        data.extend([0x80, kind, high, low, 0, duration, 0, 4]);
        data.extend(u32::try_from(value).unwrap_or(u32::MAX).to_be_bytes());
    }
    let kind = NotifyKind::RESPONDER_LIFETIME;
    Payload::Notify(Notify { doi: DOI_IPSEC, protocol, spi: spi.to_vec(), kind, data })
}
