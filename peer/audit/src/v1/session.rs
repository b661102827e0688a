//! What is remembered of an ISAKMP SA, and how that of a message is found.

use std::collections::{BTreeMap, VecDeque};

use ikeproof_proto::crypto::{Group, Hash};
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::v1::num::{PayloadKind, Phase1Attr};
use ikeproof_proto::wire::{ExchangeType, IkeSpi};

use super::defects::Defects;
use super::dpd::Probes;
use super::message::Message;
use super::natt::NatT;
use super::offer::Offer;
use super::repeats::Copies;
use super::xauth::Login;
use crate::limits;
use crate::observed::{Frame, Sender};

/// What tells two datagrams apart.
pub(crate) type Digest = Vec<u8>;

/// The digest of a datagram and of who sent it.
pub(crate) fn digest(by: Sender, bytes: &[u8]) -> Digest {
    Hash::Sha1.digest(&[&[u8::from(by == Sender::Edge)], bytes])
}

/// An ISAKMP SA, from its first message on.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) cookie_i: IkeSpi,
    /// Zero until the responder has chosen one.
    pub(crate) cookie_r: IkeSpi,
    /// Who began it.
    pub(crate) initiator: Sender,
    /// Main or aggressive mode.
    pub(crate) mode: ExchangeType,
    /// Nobody waits for its keys any more.
    pub(crate) keyless: bool,
    /// The messages of phase 1 by their place, from 1; the newest of each.
    pub(crate) phase1: BTreeMap<u8, Message>,
    /// The later exchanges by their Message ID.
    pub(crate) later: BTreeMap<u32, Exchange>,
    pub(crate) later_order: VecDeque<u32>,
    /// What was seen already, with the vector that it was read with.
    pub(crate) seen: BTreeMap<Digest, Copies>,
    pub(crate) seen_order: VecDeque<Digest>,
    /// What the other side has to refuse, and takes if it goes on.
    pub(crate) defects: Defects,
    pub(crate) natt: NatT,
    pub(crate) probes: Probes,
    pub(crate) login: Login,
    /// A later message could not be read, so that not all SAs are known.
    pub(crate) unread: bool,
    /// A hash that another secret explains, until the other side takes it.
    pub(crate) doubt: Option<(Frame, String)>,
    /// The last address and port of initiator and responder.
    pub(crate) last_source: [Option<core::net::SocketAddr>; 2],
    /// When initiator and responder have last sent anything.
    pub(crate) spoke: [Time; 2],
}

/// An exchange after phase 1.
#[derive(Debug, Default)]
pub(crate) struct Exchange {
    pub(crate) kind: Option<ExchangeType>,
    /// Who began it.
    pub(crate) by_initiator: bool,
    /// The different messages so far, in order.
    pub(crate) messages: Vec<Message>,
    /// What the other side has to refuse.
    pub(crate) defects: Defects,
    /// The vector of the next message; nothing once a message was missed.
    pub(crate) iv: Option<Vec<u8>>,
    /// How often the last message was sent.
    pub(crate) sent: u32,
    /// The other side has sent something else since.
    pub(crate) alive: bool,
}

impl Session {
    pub(crate) fn new(cookie_i: IkeSpi, initiator: Sender, mode: ExchangeType) -> Self {
        Self {
            cookie_i,
            cookie_r: IkeSpi::ZERO,
            initiator,
            mode,
            keyless: false,
            phase1: BTreeMap::new(),
            later: BTreeMap::new(),
            later_order: VecDeque::new(),
            seen: BTreeMap::new(),
            seen_order: VecDeque::new(),
            defects: Defects::default(),
            natt: NatT::default(),
            probes: Probes::default(),
            login: Login::default(),
            unread: false,
            doubt: None,
            last_source: [None, None],
            spoke: [Time::ZERO; 2],
        }
    }

    /// How many messages phase 1 has.
    pub(crate) fn phase1_messages(&self) -> u8 {
        if self.mode == ExchangeType::AGGRESSIVE { 3 } else { 6 }
    }

    /// Whether phase 1 is over.
    pub(crate) fn established(&self) -> bool {
        self.phase1.contains_key(&self.phase1_messages())
    }

    /// The offer of phase 1, and the answer to it.
    pub(crate) fn offers(&self) -> (Option<Offer>, Option<Offer>) {
        let of = |place| self.phase1.get(&place).and_then(Offer::of);
        (of(1), of(2))
    }

    /// The group that was chosen, or offered alone.
    pub(crate) fn group(&self) -> Option<Group> {
        let (offer, choice) = self.offers();
        choice.as_ref().and_then(group_of).or_else(|| offer.as_ref().and_then(group_of))
    }

    /// A payload of phase 1 that comes once from each side: the initiator's and the responder's.
    pub(crate) fn both(&self, kind: PayloadKind) -> Option<[&[u8]; 2]> {
        let of = |by_initiator| {
            let mut own = self.phase1.values().filter(|it| it.by_initiator == by_initiator);
            own.find_map(|message| message.octets(kind))
        };
        Some([of(true)?, of(false)?])
    }

    /// A message goes out: the other side is there to answer what is open.
    pub(crate) fn speaks(&mut self, message: &Message) {
        for (id, exchange) in &mut self.later {
            let asked_by_other = exchange
                .messages
                .first()
                .is_some_and(|first| first.by_initiator != message.by_initiator);
            exchange.alive |= asked_by_other && *id != message.id();
        }
    }

    /// Notes when and from where a side has sent something.
    pub(crate) fn heard(&mut self, message: &Message) {
        let [spoke_i, spoke_r] = &mut self.spoke;
        let [source_i, source_r] = &mut self.last_source;
        let (spoke, source) =
            if message.by_initiator { (spoke_i, source_i) } else { (spoke_r, source_r) };
        *spoke = message.frame.at;
        *source = Some(message.src);
    }

    /// The exchange of a Message ID, made if there is none.
    pub(crate) fn exchange(&mut self, message: &Message) -> &mut Exchange {
        let id = message.id();
        if !self.later.contains_key(&id) {
            self.later_order.push_back(id);
            if self.later_order.len() > limits::EXCHANGES_V1
                && let Some(oldest) = self.later_order.pop_front()
            {
                self.later.remove(&oldest);
            }
        }
        self.later.entry(id).or_insert_with(|| Exchange {
            kind: Some(message.exchange()),
            by_initiator: message.by_initiator,
            ..Exchange::default()
        })
    }

    /// What was seen of a datagram; `None` if it is new, and remembered from now on.
    pub(crate) fn repeated(&mut self, digest: &Digest) -> Option<&mut Copies> {
        if self.seen.contains_key(digest) {
            return self.seen.get_mut(digest);
        }
        self.seen.insert(digest.clone(), Copies::default());
        self.seen_order.push_back(digest.clone());
        if self.seen_order.len() > limits::MESSAGES_V1
            && let Some(oldest) = self.seen_order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        None
    }
}

/// The group of the first transform.
pub(crate) fn group_of(offer: &Offer) -> Option<Group> {
    let (_, transform) = offer.single()?;
    Group::from_iana(u16::try_from(transform.value(Phase1Attr::GROUP.0)?).ok()?)
}

/// All ISAKMP SAs; beyond [`limits::SESSIONS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_cookie: BTreeMap<IkeSpi, Session>,
    order: VecDeque<IkeSpi>,
    forgotten: bool,
}

impl Sessions {
    pub(crate) fn get(&self, cookie_i: IkeSpi) -> Option<&Session> {
        self.by_cookie.get(&cookie_i)
    }

    pub(crate) fn get_mut(&mut self, cookie_i: IkeSpi) -> Option<&mut Session> {
        self.by_cookie.get_mut(&cookie_i)
    }

    pub(crate) fn insert(&mut self, session: Session) {
        self.order.retain(|cookie| *cookie != session.cookie_i);
        self.order.push_back(session.cookie_i);
        self.by_cookie.insert(session.cookie_i, session);
        if self.order.len() > limits::SESSIONS
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_cookie.remove(&oldest);
            self.forgotten = true;
        }
    }

    /// Whether there were too many to remember all.
    pub(crate) const fn has_forgotten(&self) -> bool {
        self.forgotten
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.by_cookie.values()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_cookie.values_mut()
    }
}
