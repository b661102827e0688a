//! IKE_SA_INIT as the responder: an answer that opens an IKE SA, or a refusal that keeps nothing.

use crate::crypto::CryptoError;
use crate::endpoint::context::{Context, Envelope};
use crate::entropy::Label;
use crate::event::{DropReason, Event, Offer, Role};
use crate::io::{IkeHandle, Path};
use crate::policy::{IkeSelection, RefusalStyle};
use crate::time::Time;
use crate::v2::channel::{KeyMaterial, NONCE_LEN, SecureChannel};
use crate::v2::natd;
use crate::v2::responder::AwaitAuth;
use crate::v2::sa::Arrival;
use crate::v2::syntax::{self, Misfit};
use crate::wire::v2::{Ke, Message, Nonce, Notify, Payload, Sa};
use crate::wire::{ExchangeType, GroupId, IkeSpi, NotifyType, PayloadType};

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
        Err(misfit) => {
            misfits(cx, arrival, &misfit);
            return None;
        }
    };
    let (suite, chosen) = match cx.config.profile.select_ike(&offer.sa.proposals, offer.ke.group) {
        IkeSelection::Accept { suite, chosen, .. } => (suite, chosen),
        IkeSelection::WrongGroup { want, .. } => {
            let (kind, wanted) = (NotifyType::INVALID_KE_PAYLOAD, want.iana());
            let data = wanted.to_be_bytes().to_vec();
            let answer = refusal(cx, now, arrival, request, kind, data);
            cx.event(Event::GroupRefused {
                remote: path.remote,
                offered: offer.ke.group.0,
                wanted,
                answer: answer.as_ref().map(|_| kind.into()),
            });
            send(cx, path, answer);
            return None;
        }
        IkeSelection::Refuse(why) => {
            let kind = NotifyType::NO_PROPOSAL_CHOSEN;
            let answer = if cx.config.profile.refusal == RefusalStyle::Silent {
                cx.dropped(path.remote, bytes.len(), DropReason::Silent);
                None
            } else {
                refusal(cx, now, arrival, request, kind, Vec::new())
            };
            cx.event(Event::ProposalRefused {
                ike: None,
                remote: path.remote,
                what: Offer::Ike,
                refusal: why,
                answer: answer.as_ref().map(|_| kind.into()),
            });
            send(cx, path, answer);
            return None;
        }
    };

    let agreed = cx
        .init_key_pair(ike, suite.group, true)
        .and_then(|pair| Ok((cx.provider.dh_agree(&pair, &offer.ke.data)?, pair)));
    let (shared, pair) = match agreed {
        Ok(agreed) => agreed,
        Err(error) => {
            match syntax::blame(error) {
                Ok(misfit) => misfits(cx, arrival, &misfit),
                Err(own) => unable(cx, arrival, &own),
            }
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
    let channel = match SecureChannel::establish(cx, &material) {
        Ok(channel) => channel,
        Err(own) => {
            unable(cx, arrival, &own);
            return None;
        }
    };
    cx.transmit(path, &init_response);
    cx.event(Event::IkeHalfOpen { ike, connection: None, role: Role::Responder, path, spi_i });
    Some(AwaitAuth {
        channel,
        nat: natd::detect(request, path),
        ni: offer.ni.to_vec(),
        nr,
        init_request: bytes.to_vec(),
        init_response,
        repeated: 0,
        expires: now + cx.config.timers.half_open,
    })
}

/// A request that the peer is to blame for. There is no SA in which to say so.
fn misfits(cx: &mut Context, arrival: &Arrival<'_>, misfit: &Misfit) {
    let (remote, len) = (arrival.path.remote, arrival.bytes.len());
    cx.misfit(None, remote, misfit);
    cx.dropped(remote, len, DropReason::Malformed { error: misfit.to_string() });
}

/// A request that this end fails at.
fn unable(cx: &mut Context, arrival: &Arrival<'_>, error: &CryptoError) {
    let reason = DropReason::Unable { error: error.to_string() };
    cx.dropped(arrival.path.remote, arrival.bytes.len(), reason);
}

/// An unprotected refusal of IKE_SA_INIT, unless there were too many of late. What keeps it is told.
pub(crate) fn refusal(
    cx: &mut Context,
    now: Time,
    arrival: &Arrival<'_>,
    request: &Message,
    kind: NotifyType,
    data: Vec<u8>,
) -> Option<Vec<u8>> {
    if !cx.may_reply(now, arrival.path.remote, arrival.bytes.len()) {
        return None;
    }
    notification(cx, arrival, request, kind, data)
}

/// An unprotected answer to IKE_SA_INIT that opens nothing; the responder's SPI stays zero (RFC 7296
/// §2.6).
pub(crate) fn notification(
    cx: &mut Context,
    arrival: &Arrival<'_>,
    request: &Message,
    kind: NotifyType,
    data: Vec<u8>,
) -> Option<Vec<u8>> {
    let notify = Payload::Notify(Notify::new(kind, data));
    let answer = cx.plain(&init_answer(request), &[notify])?;
    if answer.len() > arrival.bytes.len().saturating_mul(cx.config.limits.amplification) {
        cx.dropped(arrival.path.remote, arrival.bytes.len(), DropReason::Amplification);
        return None;
    }
    Some(answer)
}

/// Sends an answer, if there is one.
pub(crate) fn send(cx: &mut Context, path: Path, answer: Option<Vec<u8>>) {
    if let Some(answer) = answer {
        cx.transmit(path, &answer);
    }
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
    fn of(request: &'a Message) -> Result<Self, Misfit> {
        let sa = syntax::exactly_one(request, PayloadType::SA, Message::sa)?;
        let ke = syntax::exactly_one(request, PayloadType::KE, Message::ke)?;
        let nonce = syntax::exactly_one(request, PayloadType::NONCE, Message::nonce)?;
        Ok(Self { sa, ke, ni: &nonce.0 })
    }
}
