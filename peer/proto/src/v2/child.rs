//! Child SAs as negotiated in IKE_AUTH: the answer to an offer, and the way into the data plane
//! (RFC 7296 §1.2, §2.9, §2.17).

use core::net::SocketAddr;

use super::channel::SecureChannel;
use super::syntax::{self, Misfit};
use crate::crypto::keys::child_keymat;
use crate::crypto::suite::ChildSuite;
use crate::endpoint::context::Context;
use crate::endpoint::pair::{self, Pair};
use crate::event::{Event, Offer, Role, Side};
use crate::io::IkeHandle;
use crate::policy::{ChildContext, ChildSelection, TransportMode};
use crate::sa::{self, Encap, SaError};
use crate::time::{Time, seconds};
use crate::wire::v2::{Delete, Message, Notify, Payload, Proposal, Sa, TrafficSelector, Ts};
use crate::wire::{NotifyType, PayloadType, ProtocolId};

/// A Child SA of an established IKE SA.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
    pub(crate) protocol: ProtocolId,
    pub(crate) expires: Time,
}

/// What a peer asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChildRequest<'a> {
    pub(crate) ike: IkeHandle,
    pub(crate) remote: SocketAddr,
    pub(crate) proposals: &'a [Proposal],
    pub(crate) ts_i: &'a Ts,
    pub(crate) ts_r: &'a Ts,
    /// Whether there is a NAT between the ends.
    pub(crate) nat: bool,
    /// Whether USE_TRANSPORT_MODE is asked for.
    pub(crate) transport: bool,
}

/// What it gets: everything that both ends need to know to install it.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) suite: ChildSuite,
    /// The proposal that was chosen, with the SPI of whoever answers.
    pub(crate) chosen: Proposal,
    pub(crate) ts_i: Vec<TrafficSelector>,
    pub(crate) ts_r: Vec<TrafficSelector>,
    pub(crate) narrowed: bool,
    /// The SPI that this end receives on.
    pub(crate) spi_in: u32,
    /// The SPI that the peer receives on.
    pub(crate) spi_out: u32,
}

impl Accepted {
    /// The payloads of the answer.
    pub(crate) fn payloads(&self) -> [Payload; 3] {
        [
            Payload::Sa(Sa { proposals: vec![self.chosen.clone()] }),
            Payload::TsI(Ts::new(self.ts_i.clone())),
            Payload::TsR(Ts::new(self.ts_r.clone())),
        ]
    }

    /// The selectors of this end, which has this role, and those of the peer.
    fn local_and_remote(&self, role: Role) -> (&[TrafficSelector], &[TrafficSelector]) {
        match role {
            Role::Initiator => (&self.ts_i, &self.ts_r),
            Role::Responder => (&self.ts_r, &self.ts_i),
        }
    }
}

/// Both nonces of the exchange that makes a Child SA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Nonces<'a> {
    pub(crate) ni: &'a [u8],
    pub(crate) nr: &'a [u8],
}

/// The responder's answer to an offer: a Child SA, or the notification that refuses it.
pub(crate) fn accept(cx: &mut Context, request: &ChildRequest<'_>) -> Result<Accepted, Notify> {
    let ChildRequest { ike, remote, .. } = *request;
    let profile = &cx.config.profile;
    if request.transport && profile.readings.r21 == TransportMode::Refuse {
        let why = "R21: transport mode is refused".to_owned();
        return Err(refused(cx, ike, NotifyType::NO_PROPOSAL_CHOSEN, why));
    }
    let context = ChildContext { ke_group: None, is_first: true, nat: request.nat };
    let (suite, mut chosen, spi_out) = match profile.select_child(request.proposals, &context) {
        ChildSelection::Accept { proposal, suite, chosen } => {
            let offered = request.proposals.iter().find(|offer| offer.number == proposal);
            match offered.map_or(Err(Misfit::Spi), spi_of) {
                Ok(spi) => (suite, chosen, spi),
                Err(misfit) => {
                    cx.misfit(Some(ike), remote, &misfit);
                    return Err(refused(cx, ike, NotifyType::INVALID_SYNTAX, misfit.to_string()));
                }
            }
        }
        ChildSelection::WrongGroup { want, .. } => {
            let data = want.iana().to_be_bytes().to_vec();
            return Err(Notify::new(NotifyType::INVALID_KE_PAYLOAD, data));
        }
        ChildSelection::Refuse(refusal) => {
            let answer = NotifyType::NO_PROPOSAL_CHOSEN;
            let detail = refusal.to_string();
            let (ike, what) = (Some(ike), Offer::Child);
            let said = Some(answer.into());
            cx.event(Event::ProposalRefused { ike, remote, what, refusal, answer: said });
            return Err(refused(cx, request.ike, answer, detail));
        }
    };
    let narrowed = match profile.narrow(request.ts_i, request.ts_r) {
        Ok(narrowed) => narrowed,
        Err(why) => {
            return Err(refused(cx, ike, NotifyType::TS_UNACCEPTABLE, why.to_string()));
        }
    };
    let spi_in = cx.child_spi(ike);
    chosen.spi = spi_in.to_be_bytes().to_vec();
    let (ts_i, ts_r) = narrowed;
    let narrowed = ts_i != *request.ts_i || ts_r != *request.ts_r;
    let (ts_i, ts_r) = (ts_i.selectors, ts_r.selectors);
    Ok(Accepted { suite, chosen, ts_i, ts_r, narrowed, spi_in, spi_out })
}

/// The SPI of a proposal for a Child SA, unless it is reserved (RFC 4303 §2.1): nothing could be sent
/// with that.
pub(crate) fn spi_of(proposal: &Proposal) -> Result<u32, Misfit> {
    let octets = <[u8; 4]>::try_from(proposal.spi.as_slice()).map_err(|_| Misfit::Spi)?;
    match u32::from_be_bytes(octets) {
        0 => Err(Misfit::Spi),
        reserved @ 1..=255 => Err(Misfit::ReservedSpi(reserved)),
        spi => Ok(spi),
    }
}

fn refused(cx: &mut Context, ike: IkeHandle, notify: NotifyType, detail: String) -> Notify {
    let said = Some(notify.into());
    cx.event(Event::ChildRefused { ike, by: Side::Local, notify: said, detail });
    Notify::new(notify, Vec::new())
}

/// Derives the keys and hands both directions to the data plane.
///
/// # Errors
/// If the data plane cannot run what was agreed on: the notification that says so. What was drawn
/// for the Child SA is given back then, and whoever listens knows.
pub(crate) fn install(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    channel: &SecureChannel,
    accepted: &Accepted,
    nonces: Nonces<'_>,
    encap: Encap,
) -> Result<Child, Notify> {
    let Accepted { suite, spi_in, spi_out, narrowed, .. } = *accepted;
    let (ts_local, ts_remote) = accepted.local_and_remote(channel.role);
    let Nonces { ni, nr } = nonces;
    let keys = child_keymat(&*cx.provider, channel.suite.prf, &channel.sk_d, None, ni, nr, suite);
    let installed = keys.map_err(SaError::from).and_then(|keys| {
        let (ours, theirs) = match channel.role {
            Role::Initiator => (keys.initiator, keys.responder),
            Role::Responder => (keys.responder, keys.initiator),
        };
        let pair = Pair {
            suite,
            spi_in,
            spi_out,
            ts_local,
            ts_remote,
            narrowed,
            ours,
            theirs,
            encap,
            replaces: None,
            over: None,
            limits: sa::Limits::default(),
        };
        pair::install(cx, ike, pair)
    });
    if let Err(error) = installed {
        cx.free_child_spi(spi_in);
        return Err(refused(cx, ike, NotifyType::NO_PROPOSAL_CHOSEN, error.to_string()));
    }
    let expires = now + seconds(cx.config.profile.timers.child_life);
    Ok(Child { spi_in, spi_out, protocol: suite.protocol.into(), expires })
}

/// The payloads that delete SAs of ESP and AH by their inbound SPIs: one for each protocol.
pub(crate) fn deletes(closed: &[(ProtocolId, u32)]) -> Vec<Payload> {
    let of = |protocol: ProtocolId| {
        let spis: Vec<u32> =
            closed.iter().filter(|(known, _)| *known == protocol).map(|(_, spi)| *spi).collect();
        (!spis.is_empty()).then(|| Payload::Delete(Delete::child(protocol, &spis)))
    };
    [ProtocolId::ESP, ProtocolId::AH].into_iter().filter_map(of).collect()
}

/// The selectors of both sides in a message that asks for or grants a Child SA.
pub(crate) fn selectors_of(message: &Message) -> Result<(&Ts, &Ts), Misfit> {
    let ts_i = syntax::exactly_one(message, PayloadType::TSI, Message::ts_i)?;
    let ts_r = syntax::exactly_one(message, PayloadType::TSR, Message::ts_r)?;
    Ok((ts_i, ts_r))
}
