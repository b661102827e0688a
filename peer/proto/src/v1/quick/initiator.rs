//! Quick mode as the initiator.

use super::{Surroundings, nonce};
use crate::crypto::SecretBytes;
use crate::crypto::dh::{self, KeyPair};
use crate::crypto::suite::Group;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{Event, Side};
use crate::io::Deadline;
use crate::policy::{self, Phase2Offer};
use crate::v1::channel::PhaseTwoKeys;
use crate::v1::child::{self, Accepted, Child};
use crate::v1::informational::lifetime_of;
use crate::v1::sa::Arrival;
use crate::v2::window::{Answered, Due, Pending, Schedule};
use crate::wire::v1::num::Phase2Attr;
use crate::wire::v1::{Id, Message, NotifyKind, Payload, PayloadKind, Sa};
use crate::wire::v2::{Proposal, TrafficSelector};
use crate::wire::{ExchangeType, NotifyType};

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
    ni: Vec<u8>,
    pair: Option<KeyPair>,
    ids: [Payload; 2],
    /// The vector of the answer.
    iv: Vec<u8>,
    pending: Pending,
}

/// What the second message says.
struct Answer {
    accepted: Accepted,
    shared: Option<SecretBytes>,
    nr: Vec<u8>,
}

impl AwaitSecond {
    /// Sends the first message. `None` if nothing of it can be said in IKEv1.
    pub(in crate::v1) fn begin(
        cx: &mut Context,
        around: &Surroundings<'_>,
        base_iv: &[u8],
        message_id: u32,
        ask: Ask,
    ) -> Option<Self> {
        let ike = around.ike;
        let ids = [Id::of_traffic(&ask.ts_local)?, Id::of_traffic(&ask.ts_remote)?];
        let ids = ids.map(Payload::Id);
        let spi_in = cx.child_spi(ike);
        let seconds = cx.config.profile.timers.child_life;
        let encapsulation = around.encapsulation;
        let offer = policy::phase2_offer(
            &ask.proposals,
            &Phase2Offer { spi: spi_in, seconds, encapsulation },
        );
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
        Some(Self { ask, message_id, offer, spi_in, ni, pair, ids, iv, pending })
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
    }

    /// Takes the second message and sends the third. The pair and, for repetitions of the second, the
    /// third; nothing if the message was not authentic, an error if it was and cannot be used.
    pub(in crate::v1) fn answered(
        &self,
        cx: &mut Context,
        around: &Surroundings<'_>,
        arrival: &Arrival<'_>,
        replaces: Option<u32>,
    ) -> Option<Result<(Child, Answered), ()>> {
        let channel = around.channel;
        let opened = match channel.open_hashed(cx, arrival, &self.iv, &self.ni) {
            Ok(opened) => opened,
            Err(reason) => {
                arrival.dropped(reason, cx);
                return None;
            }
        };
        let refused = |requirement: &str, why: String, cx: &mut Context| {
            let (ike, remote) = (around.ike, arrival.path.remote);
            cx.violation(Some(ike), remote, requirement, &why);
            let (by, notify) = (Side::Local, NotifyType::NO_PROPOSAL_CHOSEN);
            cx.event(Event::ChildRefused { ike, by, notify, detail: why });
            Some(Err(()))
        };
        let Answer { accepted, shared, nr } = match self.read(&opened.message, cx) {
            Ok(answer) => answer,
            Err((requirement, why)) => return refused(requirement, why, cx),
        };
        let keys = PhaseTwoKeys { shared: shared.as_ref(), ni: &self.ni, nr: &nr };
        let (ike, now, encap) = (around.ike, around.now, around.encap);
        let installed = child::install(cx, ike, now, channel, &accepted, &keys, encap, replaces);
        let child = match installed {
            Ok(child) => child,
            Err(error) => {
                let (by, notify) = (Side::Local, NotifyType::NO_PROPOSAL_CHOSEN);
                let detail = error.to_string();
                cx.event(Event::ChildRefused { ike, by, notify, detail });
                return Some(Err(()));
            }
        };
        let hash = Payload::Hash(channel.hash3(cx, self.message_id, &keys));
        let outgoing = channel.outgoing(ExchangeType::QUICK_MODE, self.message_id, false);
        let sealed = channel.seal(cx, &outgoing, &opened.next_iv, &[hash]);
        if !sealed.bytes.is_empty() {
            cx.transmit(around.path, &sealed.bytes);
        }
        Some(Ok((child, Answered::new(arrival.bytes, sealed.bytes))))
    }

    fn read(&self, message: &Message, cx: &Context) -> Result<Answer, (&'static str, String)> {
        let payloads = |why: &str| ("rfc2409-5-quick-mode", why.to_owned());
        let sa = message.sa().ok_or_else(|| payloads("there is no SA payload"))?;
        let (suite, seconds, proposal) = policy::check_phase2_answer(&self.offer, sa)
            .map_err(|error| (error.requirement(), error.to_string()))?;
        let spi = <[u8; 4]>::try_from(proposal.spi.as_slice()).ok().map(u32::from_be_bytes);
        let spi_out = spi.filter(|spi| *spi > 255).ok_or_else(|| {
            ("rfc2408-5.5-proposal-spi-checked", "the SPI is reserved".to_owned())
        })?;
        let nr = message.iter().find_map(|payload| match payload {
            Payload::Nonce(nonce) => Some(nonce.clone()),
            _ => None,
        });
        let nr = nr.ok_or_else(|| payloads("there is no NONCE payload"))?;
        let ids: Vec<_> = message.ids().collect();
        let asked: Vec<_> = self.ids.iter().collect();
        let same = ids.len() == asked.len()
            && ids.iter().zip(&asked).all(|(id, asked)| Payload::Id((*id).clone()) == **asked);
        if !same {
            let why = "the identities are not those that were asked for".to_owned();
            return Err(("rfc2409-5.5-qm-client-ids", why));
        }
        let public = message.body(PayloadKind::KE);
        let shared = match (&self.pair, public) {
            (Some(pair), Some(public)) => {
                let shared = cx.provider.dh_agree(pair, public);
                Some(shared.map_err(|error| ("rfc2409-5-ke-length", error.to_string()))?)
            }
            (None, None) => None,
            _ => {
                let why = "there is a KE payload where none was sent, or none where one was";
                return Err(("rfc2409-5.5-qm-ke-same-group", why.to_owned()));
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
        };
        Ok(Answer { accepted, shared, nr })
    }

    /// The pair is refused by the peer, in an informational exchange.
    pub(in crate::v1) fn refused(
        &self,
        ike: crate::io::IkeHandle,
        notify: NotifyType,
        cx: &mut Context,
    ) {
        let detail = format!("{} to {}", self.ask.ts_local, self.ask.ts_remote);
        cx.event(Event::ChildRefused { ike, by: Side::Peer, notify, detail });
    }

    /// The SPI that the answer would be received on, which refusals name.
    pub(in crate::v1) fn spi_in(&self) -> u32 {
        self.spi_in
    }
}

/// The one group of an offer.
fn group_of(offer: &Sa) -> Option<Group> {
    let transform = offer.proposals.first()?.transforms.first()?;
    Group::from_iana(u16::try_from(transform.attribute(Phase2Attr::GROUP.0)?).ok()?)
}
