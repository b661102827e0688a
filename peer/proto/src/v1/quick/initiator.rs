//! Quick mode as the initiator.

use std::collections::BTreeSet;

use super::{AwaitConnected, Surroundings, nonce};
use crate::crypto::SecretBytes;
use crate::crypto::dh::{self, KeyPair};
use crate::crypto::suite::Group;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{Event, Notification, Side};
use crate::io::{Deadline, Path};
use crate::policy::{self, Phase2Offer};
use crate::v1::channel::PhaseTwoKeys;
use crate::v1::child::{self, Accepted, Child, Over};
use crate::v1::informational::lifetime_of;
use crate::v1::sa::{Arrival, Rejected};
use crate::window::{Answered, Due, Pending, Schedule};
use crate::wire::ExchangeType;
use crate::wire::v1;
use crate::wire::v1::num::Phase2Attr;
use crate::wire::v1::{FLAG_COMMIT, Id, Message, NotifyKind, Payload, PayloadKind, Sa};
use crate::wire::v2::{Proposal, TrafficSelector};

/// What is asked for.
#[derive(Clone, Debug)]
pub(in crate::v1) struct Ask {
    pub(in crate::v1) proposals: Vec<Proposal>,
    pub(in crate::v1) ts_local: TrafficSelector,
    pub(in crate::v1) ts_remote: TrafficSelector,
    /// The pair that is to be replaced, by its inbound SPI.
    pub(in crate::v1) replaces: Option<u32>,
}

/// The first message is on its way.
#[derive(Debug)]
pub(in crate::v1) struct AwaitSecond {
    pub(in crate::v1) ask: Ask,
    message_id: u32,
    offer: Sa,
    spi_in: u32,
    /// The same for AH, if ESP and AH are wanted together.
    over_spi: Option<u32>,
    ni: Vec<u8>,
    pair: Option<KeyPair>,
    ids: [Payload; 2],
    /// The vector of the answer.
    iv: Vec<u8>,
    pending: Pending,
}

/// What the second message has led to.
#[derive(Debug)]
pub(in crate::v1) enum Followed {
    /// The pair is up; the third message is kept for repetitions of the second.
    Up(Child, Answered),
    /// The peer has to say that it is ready.
    Waits(Box<AwaitConnected>),
}

/// What the second message says.
struct Answer {
    accepted: Accepted,
    shared: Option<SecretBytes>,
    nr: Vec<u8>,
}

impl AwaitSecond {
    /// Sends the first message.
    ///
    /// # Errors
    /// With what of it cannot be said in IKEv1.
    pub(in crate::v1) fn begin(
        cx: &mut Context,
        around: &Surroundings<'_>,
        base_iv: &[u8],
        message_id: u32,
        ask: Ask,
    ) -> Result<Self, &'static str> {
        let ike = around.ike;
        let id = |traffic: &TrafficSelector| {
            Id::of_traffic(traffic).ok_or("IKEv1 has no identity for such traffic")
        };
        let ids = [id(&ask.ts_local)?, id(&ask.ts_remote)?].map(Payload::Id);
        let spi_in = cx.child_spi(ike);
        let numbers: BTreeSet<u8> = ask.proposals.iter().map(|one| one.number).collect();
        let may_be_bundle = numbers.len() < ask.proposals.len();
        let over_spi = may_be_bundle.then(|| cx.child_spi(ike));
        let life = cx.config.profile.child_life();
        let encapsulation = around.encapsulation;
        let offer = policy::phase2_offer(
            &ask.proposals,
            &Phase2Offer { spi: spi_in, over_spi: over_spi.unwrap_or(spi_in), life, encapsulation },
        );
        // Of what was to be together there may be nothing in the offer.
        let over_spi = over_spi.filter(|spi| {
            let is_bundle = offer.proposals.iter().any(|one| one.spi == spi.to_be_bytes());
            if !is_bundle {
                cx.free_child_spi(*spi);
            }
            is_bundle
        });
        if offer.proposals.is_empty() {
            cx.free_child_spi(spi_in);
            return Err("IKEv1 has no numbers for any of the proposals");
        }
        let group = group_of(&offer);
        let pair = group.and_then(|group| {
            let random = cx.entropy.bytes(Label::KEY_EXCHANGE, ike.0, dh::random_len(group));
            cx.provider.dh_keypair(group, &random).ok()
        });
        let ni = nonce(cx, ike);
        let mut payloads = vec![Payload::Sa(offer.clone()), Payload::Nonce(ni.clone())];
        payloads.extend(pair.as_ref().map(|pair| Payload::Ke(pair.public().to_vec())));
        payloads.extend(ids.clone());
        let outgoing = around.channel.outgoing(ExchangeType::QUICK_MODE, message_id, false);
        let iv = around.channel.phase2_iv(base_iv, message_id);
        let sealed = around.channel.seal_hashed(cx, &outgoing, &iv, &payloads, &[]);
        let schedule = Schedule::ordinary(&cx.config.timers);
        let (now, path) = (around.now, around.path);
        let pending = Pending::send(cx, now, path, &outgoing.envelope(), sealed.bytes, schedule);
        let iv = sealed.next_iv;
        Ok(Self { ask, message_id, offer, spi_in, over_spi, ni, pair, ids, iv, pending })
    }

    pub(in crate::v1) fn deadline(&self) -> Deadline {
        self.pending.deadline()
    }

    /// Repeats the message if its time has come. Whether it is time to give up.
    pub(in crate::v1) fn timeout(&mut self, around: &Surroundings<'_>, cx: &mut Context) -> bool {
        self.pending.timeout(around.path, around.ike, around.now, cx) == Due::GiveUp
    }

    /// Gives back what was drawn for it.
    pub(in crate::v1) fn abandon(&self, cx: &mut Context) {
        cx.free_child_spi(self.spi_in);
        if let Some(spi) = self.over_spi {
            cx.free_child_spi(spi);
        }
    }

    /// Takes the second message and sends the third. Nothing if the message was not authentic, an error
    /// if it was and cannot be used.
    pub(in crate::v1) fn answered(
        &self,
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        replaces: Option<u32>,
    ) -> Option<Result<Followed, ()>> {
        let channel = around.channel;
        let opened = match channel.open_hashed(cx, arrival, &self.iv, &self.ni) {
            Ok(opened) => opened,
            Err(reason) => {
                arrival.dropped(reason, cx);
                return None;
            }
        };
        let refused = |Rejected { requirement, why, .. }: Rejected, cx: &mut Context| {
            let (ike, remote) = (around.ike, arrival.path.remote);
            if let Some(requirement) = requirement {
                cx.violation(Some(ike), remote, requirement, &why);
            }
            let (by, notify) = (Side::Local, None);
            cx.event(Event::ChildRefused { ike, by, notify, detail: why });
            Some(Err(()))
        };
        let Answer { accepted, shared, nr } = match self.read(around.path, &opened.message, cx) {
            Ok(answer) => answer,
            Err(rejected) => return refused(rejected, cx),
        };
        // What was offered with AH around it may be wanted without.
        if let (None, Some(spi)) = (accepted.over, self.over_spi) {
            cx.free_child_spi(spi);
        }
        let keys = PhaseTwoKeys { shared: shared.as_ref(), ni: &self.ni, nr: &nr };
        if arrival.raw.header.flags.contains(FLAG_COMMIT) {
            let third = self.third(cx, around, &opened.next_iv, &keys);
            let outgoing = channel.outgoing(ExchangeType::QUICK_MODE, self.message_id, false);
            let schedule = Schedule::ordinary(&cx.config.timers);
            let answered = Answered::new(arrival.bytes, third.clone());
            let (now, path) = (around.now, around.path);
            let pending = Pending::send(cx, now, path, &outgoing.envelope(), third, schedule);
            let (ni, replaces) = (self.ni.clone(), self.ask.replaces);
            return Some(Ok(Followed::Waits(Box::new(AwaitConnected {
                accepted,
                replaces,
                ni,
                nr,
                shared,
                answered,
                pending,
            }))));
        }
        let (ike, now, encap) = (around.ike, around.now, around.encap);
        let installed = child::install(cx, ike, now, channel, &accepted, &keys, encap, replaces);
        let child = match installed {
            Ok(child) => child,
            Err(error) => {
                let (by, notify) = (Side::Local, None);
                let detail = error.to_string();
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                return Some(Err(()));
            }
        };
        let third = self.third(cx, around, &opened.next_iv, &keys);
        cx.transmit(around.path, &third);
        Some(Ok(Followed::Up(child, Answered::new(arrival.bytes, third))))
    }

    /// The third message.
    fn third(
        &self,
        cx: &mut Context,
        around: &Surroundings<'_>,
        iv: &[u8],
        keys: &PhaseTwoKeys<'_>,
    ) -> Vec<u8> {
        let channel = around.channel;
        let hash = Payload::Hash(channel.hash3(cx, self.message_id, keys));
        let outgoing = channel.outgoing(ExchangeType::QUICK_MODE, self.message_id, false);
        channel.seal(cx, &outgoing, iv, &[hash]).bytes
    }

    fn read(&self, path: Path, message: &Message, cx: &Context) -> Result<Answer, Rejected> {
        let payloads = |why: &str| ("rfc2409-5-quick-mode", why.to_owned());
        let sa = message.sa().ok_or_else(|| payloads("there is no SA payload"))?;
        let broken = |error: policy::V1AnswerError| (error.requirement(), error.to_string());
        let (sa, over) = policy::check_phase2_over(&self.offer, sa).map_err(broken)?;
        let (suite, seconds, proposal) =
            policy::check_phase2_answer(&self.offer, &sa).map_err(broken)?;
        let spi_out = spi_of(proposal)?;
        let over = match (over, self.over_spi) {
            (Some((suite, ah)), Some(spi_in)) => Some(Over { suite, spi_in, spi_out: spi_of(ah)? }),
            _ => None,
        };
        let nr = message.iter().find_map(|payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.clone()),
            _ => None,
        });
        let nr = nr.ok_or_else(|| payloads("there is no NONCE payload"))?;
        let ids: Vec<_> = message.ids().collect();
        let asked: Vec<_> = self.ids.iter().collect();
        let same = ids.len() == asked.len()
            && ids.iter().zip(&asked).all(|(id, asked)| Payload::Id((*id).clone()) == **asked);
        // Without identities the ends themselves are meant.
        let is_ends = self.ask.ts_local == TrafficSelector::host(path.local.ip())
            && self.ask.ts_remote == TrafficSelector::host(path.remote.ip());
        if !(same || ids.is_empty() && is_ends) {
            let why = "the identities are not those that were asked for".to_owned();
            return Err(("rfc2409-5.5-qm-client-ids", why).into());
        }
        let public = message.body(PayloadKind::KE);
        let shared = match (&self.pair, public) {
            (Some(pair), Some(public)) => Some(cx.provider.dh_agree(pair, public)?),
            (None, None) => None,
            _ => {
                let why = "there is a KE payload where none was sent, or none where one was";
                return Err(("rfc2409-5.5-qm-ke-same-group", why.to_owned()).into());
            }
        };
        let told = message.notifies().find_map(|notify| match notify.kind {
            NotifyKind::RESPONDER_LIFETIME => lifetime_of(&notify.data),
            _ => None,
        });
        let seconds = [seconds, told].into_iter().flatten().min();
        let own = cx.config.profile.timers.child_life;
        let accepted = Accepted {
            suite,
            spi_in: self.spi_in,
            spi_out,
            ts_local: self.ask.ts_local,
            ts_remote: self.ask.ts_remote,
            lifetime: seconds.unwrap_or(own).min(own),
            asked: true,
            over,
        };
        Ok(Answer { accepted, shared, nr })
    }

    /// The pair is refused by the peer, in an informational exchange.
    pub(in crate::v1) fn refused(
        &self,
        ike: crate::io::IkeHandle,
        notify: Notification,
        cx: &mut Context,
    ) {
        let notify = Some(notify);
        let detail = format!("{} to {}", self.ask.ts_local, self.ask.ts_remote);
        cx.event(Event::ChildRefused { ike, by: Side::Peer, notify, detail });
    }

    /// Whether an SPI is one that was offered, of which refusals name one.
    pub(in crate::v1) fn receives_on(&self, spi: &[u8]) -> bool {
        let mut own = [Some(self.spi_in), self.over_spi].into_iter().flatten();
        own.any(|own| own.to_be_bytes() == *spi)
    }
}

/// The SPI of what was answered.
fn spi_of(proposal: &v1::Proposal) -> Result<u32, (&'static str, String)> {
    let spi = <[u8; 4]>::try_from(proposal.spi.as_slice()).ok().map(u32::from_be_bytes);
    spi.filter(|spi| *spi > 255)
        .ok_or_else(|| ("rfc2408-5.5-proposal-spi-checked", "the SPI is reserved".to_owned()))
}

/// The one group of an offer.
fn group_of(offer: &Sa) -> Option<Group> {
    let transform = offer.proposals.first()?.transforms.first()?;
    Group::from_iana(u16::try_from(transform.attribute(Phase2Attr::GROUP.0)?).ok()?)
}
