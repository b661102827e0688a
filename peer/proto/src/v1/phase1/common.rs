//! What main and aggressive mode have in common: the offer, vendor IDs, the values that both ends
//! exchange, and the wait of an initiator for its answer.

use super::auth;
use crate::config::{Connection, Ikev1Options};
use crate::crypto::dh::{self, KeyPair};
use crate::crypto::ikev1::Phase1Claim;
use crate::crypto::suite::Group;
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{
    CloseReason, DropReason, Event, NatStatus, NotStarted, Notification, Offer, Role,
};
use crate::io::{Channel, Deadline, IkeHandle, Path};
use crate::policy::{IdentityRefusal, Ikev1Mode, Phase1Choice, Phase1Context, RefusalStyle};
use crate::time::Time;
use crate::v1::fragments;
use crate::v1::natt::{self, NatT};
use crate::v1::outgoing::Outgoing;
use crate::v1::sa::Arrival;
use crate::window::{Due, Pending, Schedule};
use crate::wire::v1::num::Phase1Auth;
use crate::wire::v1::{Message, Notify, NotifyKind, Payload, Sa, VendorId, is_encrypted, vendor};
use crate::wire::{ExchangeType, Header, IkeSpi};

/// What a peer can do besides RFC 2409, as its vendor IDs say.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Features {
    pub(crate) natt: Option<NatT>,
    pub(crate) dpd: bool,
    pub(crate) fragments: bool,
    pub(crate) xauth: bool,
}

impl Features {
    /// What the vendor IDs of a message announce.
    pub(crate) fn of(message: &Message) -> Self {
        let dpd = message.vendor_ids().any(|id| id == vendor::DPD);
        let xauth = message.vendor_ids().any(|id| id == vendor::XAUTH);
        let (natt, fragments) = (NatT::announced(message), fragments::announced(message));
        Self { natt, dpd, fragments, xauth }
    }

    /// From now on the SA sends in fragments what does not fit into a packet, if its peer takes them.
    pub(super) fn begin_fragments(
        &self,
        cx: &mut Context,
        spis: (IkeSpi, IkeSpi),
        exchange: ExchangeType,
    ) {
        if self.fragments {
            cx.fragmenter.begin(spis, exchange);
        }
    }
}

/// The vendor IDs of an answer: the one form of NAT traversal that both know, dead peer detection, and
/// fragments, and XAUTH if it follows.
pub(super) fn vendor_ids(
    cx: &Context,
    features: &Features,
    auth: Phase1Auth,
) -> impl Iterator<Item = Payload> + use<> {
    let fragments = fragments::announcement(&cx.config.limits);
    let natt = features.natt.map(|natt| natt.payload());
    let xauth = auth.is_xauth_of_initiator().then(xauth_id);
    natt.into_iter().chain(dpd_id(cx)).chain(fragments).chain(xauth)
}

/// The announcement of dead peer detection, unless it is off (rfc3706-5.1-vendor-id-both).
fn dpd_id(cx: &Context) -> Option<Payload> {
    let id = || Payload::VendorId(VendorId(vendor::DPD.to_vec()));
    cx.config.profile.timers.dpd.then(id)
}

fn xauth_id() -> Payload {
    Payload::VendorId(VendorId(vendor::XAUTH.to_vec()))
}

/// What an initiator begins with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) spi_i: IkeSpi,
    pub(super) connection: Box<Connection>,
    pub(super) offer: Sa,
    pub(super) path: Path,
}

impl Start {
    /// Draws the cookie and writes the offer.
    ///
    /// # Errors
    /// If nothing of the connection has numbers in IKEv1.
    pub(super) fn of(
        cx: &mut Context,
        ike: IkeHandle,
        connection: Box<Connection>,
    ) -> Result<Self, NotStarted> {
        let offer = auth::offer(&connection, cx.config.profile.ike_life());
        if offer.proposals.iter().all(|proposal| proposal.transforms.is_empty()) {
            let error = "no proposal can be written in IKEv1".to_owned();
            return Err(NotStarted::Unable { error });
        }
        let channel = if connection.start_on_nat_port { Channel::Nat } else { Channel::Ike };
        let path =
            Path { channel: Channel::Ike, local: connection.local, remote: connection.remote };
        let path = match channel {
            Channel::Ike => path,
            Channel::Nat => natt::float(path, connection.nat_ports),
        };
        let spi_i = IkeSpi(cx.entropy.array(Label::IKE_SPI, ike.0));
        cx.event(Event::IkeHalfOpen {
            ike,
            connection: Some(connection.name.clone()),
            role: Role::Initiator,
            path,
            spi_i,
        });
        Ok(Self { spi_i, connection, offer, path })
    }

    /// Where all that follows NAT discovery goes; `found` if both ends speak of one and there is one.
    pub(super) fn path_behind(&self, path: Path, found: bool) -> Path {
        let keeps_port = self.connection.ikev1.as_ref().is_some_and(|options| options.keeps_port);
        if found && !keeps_port { natt::float(path, self.connection.nat_ports) } else { path }
    }

    pub(super) fn options(&self) -> Ikev1Options {
        self.connection.ikev1.clone().unwrap_or_default()
    }

    pub(super) fn mode(&self) -> Ikev1Mode {
        self.options().mode
    }

    /// The vendor IDs of the first message.
    pub(super) fn vendor_ids(&self, cx: &Context) -> Vec<Payload> {
        let mut payloads = natt::announcement(self.options().nat_traversal);
        payloads.extend(dpd_id(cx));
        payloads.extend(fragments::announcement(&cx.config.limits));
        payloads.extend(auth::logs_in(&self.connection).then(xauth_id));
        payloads
    }

    /// What NAT discovery found. Where the peer was told of a NAT, it sees one.
    pub(super) fn nat(&self, mut found: NatStatus) -> NatStatus {
        found.local |= found.supported && self.connection.force_encapsulation;
        found
    }
}

/// The header of a message of phase 1.
pub(super) fn outgoing(
    spi_i: IkeSpi,
    spi_r: IkeSpi,
    exchange: ExchangeType,
    response: bool,
) -> Outgoing {
    Outgoing { spi_i, spi_r, exchange, message_id: 0, response, commit: false }
}

/// Whether the peer says in its last message of phase 1 that it has no other SA with us, which is told. In
/// clear anybody may have put it there (RFC 2407, section 4.6.3).
pub(super) fn initial_contact(
    cx: &mut Context,
    ike: IkeHandle,
    arrival: &Arrival<'_>,
    message: &Message,
) -> bool {
    let says = is_encrypted(&arrival.raw.header)
        && message.notifies().any(|notify| notify.kind == NotifyKind::INITIAL_CONTACT);
    if says {
        cx.initial_contact(ike);
    }
    says
}

/// An initiator's message that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pending: Pending,
    pub(super) path: Path,
    /// With what it was refused, by whoever it was.
    refused: Option<Notification>,
    /// Whether an answer came that does not prove who the peer is.
    pub(super) unproven: bool,
}

impl Waiting {
    /// Sends the message and starts its timer.
    pub(super) fn send(
        cx: &mut Context,
        now: Time,
        path: Path,
        outgoing: &Outgoing,
        bytes: Vec<u8>,
    ) -> Self {
        let schedule = Schedule::ordinary(&cx.config.timers);
        let pending = Pending::send(cx, now, path, &outgoing.envelope(), bytes, schedule);
        Self { pending, path, refused: None, unproven: false }
    }

    pub(super) fn deadline(&self) -> Option<Deadline> {
        Some(self.pending.deadline())
    }

    /// Repeats the message if its time has come. The reason to give up for, if it is over.
    pub(super) fn timeout(
        &mut self,
        ike: IkeHandle,
        now: Time,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        match self.pending.timeout(self.path, ike, now, cx) {
            Due::GiveUp if self.unproven => Some(CloseReason::AuthenticationFailed),
            Due::GiveUp if self.refused.is_some() => Some(CloseReason::Refused),
            Due::GiveUp => Some(CloseReason::DeadPeer),
            Due::Not | Due::Repeat(_) => None,
        }
    }

    /// Takes note of an error that came in clear.
    pub(super) fn informed(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        self.told(ike, arrival, Message::decode(&arrival.raw).ok().as_ref(), cx)
    }

    /// Takes note of an error that `message` tells of. Nobody is authenticated yet, and in clear anybody can
    /// have sent it, so the own message is repeated some more times; with no such time to go the wait is
    /// over.
    pub(super) fn told(
        &mut self,
        ike: IkeHandle,
        arrival: &Arrival<'_>,
        message: Option<&Message>,
        cx: &mut Context,
    ) -> Option<CloseReason> {
        let error =
            message.and_then(|message| message.notifies().find(|notify| notify.kind.is_error()));
        let Some(notify) = error.map(|notify| Notification::from(notify.kind)) else {
            let exchange = arrival.raw.header.exchange;
            arrival.dropped(DropReason::UnexpectedExchange { exchange }, cx);
            return None;
        };
        if self.refused == Some(notify) {
            arrival.dropped(DropReason::UselessResponse { why: format!("{notify} again") }, cx);
            return None;
        }
        let tries = cx.config.timers.refused_tries;
        let (exchange, tentative) = (arrival.raw.header.exchange, tries > 0);
        cx.event(Event::PeerRefused { ike, exchange, notify, tentative });
        if self.refused.replace(notify).is_none() {
            self.pending.limit(tries);
        }
        (!tentative).then_some(CloseReason::Refused)
    }
}

/// Whether a message that came in clear belongs to the exchange of phase 1.
pub(super) fn belongs(arrival: &Arrival<'_>, exchange: ExchangeType) -> bool {
    let header = &arrival.raw.header;
    header.exchange == exchange && header.message_id == 0
}

/// Draws a key pair.
pub(super) fn key_pair(cx: &mut Context, ike: IkeHandle, group: Group) -> Option<KeyPair> {
    let random = cx.entropy.bytes(Label::KEY_EXCHANGE, ike.0, dh::random_len(group));
    cx.provider.dh_keypair(group, &random).ok()
}

/// All that both ends have said before they authenticate.
#[derive(Clone, Debug)]
pub(super) struct Exchanged {
    /// The body of the initiator's SA payload.
    pub(super) sa_body: Vec<u8>,
    pub(super) public_i: Vec<u8>,
    pub(super) public_r: Vec<u8>,
    pub(super) ni: Vec<u8>,
    pub(super) nr: Vec<u8>,
}

impl Exchanged {
    /// What the hash of one side covers.
    pub(super) fn claim<'a>(
        &'a self,
        of: Role,
        spis: (IkeSpi, IkeSpi),
        id_body: &'a [u8],
    ) -> Phase1Claim<'a> {
        let (spi_i, spi_r) = (spis.0.0, spis.1.0);
        let (public, peer_public, cookie, peer_cookie) = match of {
            Role::Initiator => (&self.public_i, &self.public_r, spi_i, spi_r),
            Role::Responder => (&self.public_r, &self.public_i, spi_r, spi_i),
        };
        let sa_body = &self.sa_body;
        Phase1Claim { public, peer_public, cookie, peer_cookie, sa_body, id_body }
    }
}

/// Chooses from the offer of a first message, or refuses it.
pub(super) fn choose(
    cx: &mut Context,
    now: Time,
    arrival: &Arrival<'_>,
    offer: &Sa,
    mode: Ikev1Mode,
    public_len: Option<usize>,
    auth: &[Phase1Auth],
) -> Option<Phase1Choice> {
    let auth = cx.ikev1_profile.phase1_methods(auth, &cx.config.remote_access);
    let context = Phase1Context { mode, public_len, auth: &auth };
    match cx.ikev1_profile.select_phase1(offer, &context) {
        Ok(choice) => Some(choice),
        Err(refusal) => {
            let (kind, remote) = (NotifyKind::NO_PROPOSAL_CHOSEN, arrival.path.remote);
            let answer = Answer::plain(cx, now, arrival, kind);
            let (ike, what, said) = (None, Offer::Ike, answer.said());
            cx.event(Event::ProposalRefused { ike, remote, what, refusal, answer: said });
            answer.send(cx, arrival);
            None
        }
    }
}

/// Tells of an identity that is refused by a rule.
pub(super) fn tell_identity(
    cx: &mut Context,
    ike: IkeHandle,
    id: String,
    refusal: &IdentityRefusal,
    answer: &Answer,
) {
    let (rule, says) = (refusal.rule.clone(), refusal.to_string());
    cx.event(Event::IdentityRefused { ike, id, rule, says, answer: answer.said() });
}

/// Refuses a message in clear, unless the profile is silent.
pub(crate) fn refuse(cx: &mut Context, now: Time, arrival: &Arrival<'_>, kind: NotifyKind) {
    Answer::plain(cx, now, arrival, kind).send(cx, arrival);
}

/// A refusal that is ready to be sent: no octets if the profile is silent, or if it would be one too many
/// or too long a one, which was told. An event can say before it what the peer gets to know.
#[derive(Debug)]
#[must_use]
pub(super) struct Answer {
    kind: NotifyKind,
    bytes: Vec<u8>,
}

impl Answer {
    /// In clear.
    pub(super) fn plain(
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        kind: NotifyKind,
    ) -> Self {
        Self::of(cx, now, arrival, kind, |cx, outgoing, notify| outgoing.plain(cx, &[notify]))
    }

    /// Under the keys that there are, though nobody is authenticated yet (RFC 2408, section 4.8); `base`
    /// is the last block of phase 1. Peers that have keys do not believe what comes in clear.
    pub(super) fn protected(
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        kind: NotifyKind,
        channel: &crate::v1::channel::Channel,
        base: &[u8],
    ) -> Self {
        Self::of(cx, now, arrival, kind, |cx, outgoing, notify| {
            let iv = channel.phase2_iv(base, outgoing.message_id);
            channel.seal_hashed(cx, outgoing, &iv, &[notify], &[]).bytes
        })
    }

    fn of(
        cx: &mut Context,
        now: Time,
        arrival: &Arrival<'_>,
        kind: NotifyKind,
        write: impl FnOnce(&mut Context, &Outgoing, Payload) -> Vec<u8>,
    ) -> Self {
        let none = Self { kind, bytes: Vec::new() };
        if cx.config.profile.refusal == RefusalStyle::Silent {
            arrival.dropped(DropReason::Silent, cx);
            return none;
        }
        if !cx.may_reply(now, arrival.path.remote, arrival.bytes.len()) {
            return none;
        }
        let Header { spi_i, spi_r, .. } = arrival.raw.header;
        let notify = Notify::isakmp(kind, spi_i, spi_r, Vec::new());
        let message_id = u32::from_be_bytes(cx.entropy.array(Label::MESSAGE_ID, 0));
        let exchange = ExchangeType::INFORMATIONAL_V1;
        let (response, commit) = (true, false);
        let outgoing = Outgoing { spi_i, spi_r, exchange, message_id, response, commit };
        let bytes = write(cx, &outgoing, Payload::Notify(notify));
        if bytes.len() > arrival.bytes.len().saturating_mul(cx.config.limits.amplification) {
            arrival.dropped(DropReason::Amplification, cx);
            return none;
        }
        Self { kind, bytes }
    }

    /// What the peer is told, if anything.
    pub(super) fn said(&self) -> Option<Notification> {
        (!self.bytes.is_empty()).then(|| self.kind.into())
    }

    /// Sends it.
    pub(super) fn send(self, cx: &mut Context, arrival: &Arrival<'_>) {
        cx.transmit(arrival.path, &self.bytes);
    }
}

/// The one value that `pick` finds, or a word on why there is not exactly one.
pub(super) fn one<'a, T>(
    message: &'a Message,
    what: &'static str,
    pick: impl Fn(&'a Payload) -> Option<T>,
) -> Result<T, String> {
    let mut found = message.iter().filter_map(pick);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("there is no {what} payload")),
        (Some(_), Some(_)) => Err(format!("there is more than one {what} payload")),
    }
}

/// The public value and the nonce of a message.
pub(super) fn values(message: &Message) -> Result<(&[u8], &[u8]), String> {
    let public = one(message, "KE", |payload| match payload {
        Payload::Ke(public) => Some(public.as_slice()),
        _ => None,
    })?;
    let nonce = one(message, "NONCE", |payload| match payload {
        Payload::Nonce(nonce) => Some(nonce.as_slice()),
        _ => None,
    })?;
    Ok((public, nonce))
}

/// The HASH payload of a message.
pub(super) fn hash(message: &Message) -> Result<&[u8], String> {
    one(message, "HASH", |payload| match payload {
        Payload::Hash(hash) => Some(hash.as_slice()),
        _ => None,
    })
}

/// The identity of a message, and the body that the hash covers.
pub(super) fn identity(message: &Message) -> Result<(&crate::wire::v1::Id, &[u8]), String> {
    let id = one(message, "ID", |payload| match payload {
        Payload::Id(id) => Some(id),
        _ => None,
    })?;
    Ok((id, message.body(crate::wire::v1::PayloadKind::ID).unwrap_or_default()))
}
