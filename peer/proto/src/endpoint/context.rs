//! What every exchange of an endpoint works with: configuration, randomness, faults, and the queue
//! of what is to go out.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use core::net::{IpAddr, SocketAddr};

use super::addresses::Addresses;
use super::limits::{ErrorReplies, HalfOpen};
use super::peers::Peers;
use super::tunnels::Tunnels;
use crate::config::EndpointConfig;
use crate::crypto::{CryptoError, Group, KeyPair, Provider, dh};
use crate::datagram;
use crate::entropy::{Entropy, Label};
use crate::event::{DropReason, Event, KeyLogEntry};
use crate::fault::{self, Changes, Fault, Faults, Planned};
use crate::io::{IkeHandle, Output, Path};
use crate::policy::Profile;
use crate::sa;
use crate::time::Time;
use crate::v1::fragments::Fragmenter;
use crate::v2::syntax::{Misfit, Unusable};
use crate::wire::v2::Payload;
use crate::wire::{ExchangeType, Flags, Header, IkeSpi, RawMessage, Version};

/// The surroundings of an exchange.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) config: EndpointConfig,
    /// The profile of `config` as IKEv1 sees it.
    pub(crate) ikev1_profile: Profile,
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) entropy: Entropy,
    pub(crate) fragmenter: Fragmenter,
    faults: Faults,
    substitutes: Vec<Substitute>,
    out: VecDeque<Output>,
    child_spis: BTreeSet<u32>,
    /// The inner addresses of peers.
    pub(crate) addresses: Addresses,
    /// Where the peers of the ISAKMP SAs are, half-open ones included.
    pub(crate) contacts: BTreeMap<IkeHandle, IpAddr>,
    pub(crate) tunnels: Tunnels,
    pub(crate) peers: Peers,
    /// The half-open IKE SAs of both versions as a responder.
    pub(crate) half_open: HalfOpen,
    error_replies: ErrorReplies,
    sent: u64,
    sent_octets: u64,
}

/// What goes out in place of the first copies of an honest message.
#[derive(Debug)]
struct Substitute {
    honest: Vec<u8>,
    /// Nothing, if it is withheld.
    faulty: Option<Vec<u8>>,
    copies: u32,
}

/// Who sends a message and in which exchange: what its header says, but for the payloads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) exchange: ExchangeType,
    /// Whether the sender is the original initiator.
    pub(crate) from_initiator: bool,
    pub(crate) response: bool,
    pub(crate) message_id: u32,
}

impl Envelope {
    pub(crate) fn header(&self) -> Header {
        let mut flags = 0;
        if self.from_initiator {
            flags |= Flags::INITIATOR.0;
        }
        if self.response {
            flags |= Flags::RESPONSE.0;
        }
        Header {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            next_payload: crate::wire::PayloadType::NONE,
            version: Version::V2_0,
            exchange: self.exchange,
            flags: Flags(flags),
            message_id: self.message_id,
            length: 0,
        }
    }
}

impl Context {
    pub(crate) fn new(config: EndpointConfig, seed: [u8; 32], provider: Arc<dyn Provider>) -> Self {
        let faults = Faults::new(&config.faults);
        let ikev1_profile = config.profile.for_ikev1();
        Self {
            ikev1_profile,
            config,
            provider,
            entropy: Entropy::new(seed),
            fragmenter: Fragmenter::default(),
            faults,
            substitutes: Vec::new(),
            out: VecDeque::new(),
            child_spis: BTreeSet::new(),
            addresses: Addresses::default(),
            contacts: BTreeMap::new(),
            tunnels: Tunnels::default(),
            peers: Peers::default(),
            half_open: HalfOpen::default(),
            error_replies: ErrorReplies::default(),
            sent: 0,
            sent_octets: 0,
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.out.push_back(Output::Event(event));
    }

    /// The peer says, under protection, that this is its only IKE SA with us (RFC 7296 §2.4; RFC 2407,
    /// section 4.6.3.3).
    pub(crate) fn initial_contact(&mut self, ike: IkeHandle) {
        self.event(Event::InitialContact { ike });
        self.peers.says_alone(ike);
    }

    pub(crate) fn keys(&mut self, entry: impl FnOnce() -> KeyLogEntry) {
        if self.config.log_keys {
            self.out.push_back(Output::Keys(entry()));
        }
    }

    pub(crate) fn data_plane(&mut self, command: sa::Command) {
        self.out.push_back(Output::DataPlane(Box::new(command)));
    }

    pub(crate) fn ask_activity(&mut self, ike: IkeHandle) {
        self.out.push_back(Output::AskActivity(self.tunnels.of(ike)));
    }

    pub(crate) fn dropped(&mut self, remote: SocketAddr, len: usize, reason: DropReason) {
        self.event(Event::PacketDropped { remote, len, reason });
    }

    pub(crate) fn violation(
        &mut self,
        ike: Option<IkeHandle>,
        remote: SocketAddr,
        requirement: &str,
        message: impl Into<String>,
    ) {
        let requirement = requirement.to_owned();
        self.event(Event::PeerViolation { ike, remote, requirement, message: message.into() });
    }

    /// Whether one more unprotected error may be sent. Tells of it if not.
    pub(crate) fn may_reply(&mut self, now: Time, remote: SocketAddr, len: usize) -> bool {
        let may = self.error_replies.allow(now, self.config.limits.error_replies_per_second);
        if !may {
            self.dropped(remote, len, DropReason::ErrorRateLimit);
        }
        may
    }

    /// Tells of a message that cannot be read, if that breaks a requirement.
    pub(crate) fn unusable(
        &mut self,
        ike: Option<IkeHandle>,
        remote: SocketAddr,
        unusable: &Unusable,
        is_response: bool,
    ) {
        if let Some(requirement) = unusable.requirement(is_response) {
            self.violation(ike, remote, requirement, unusable.to_string());
        }
    }

    /// Tells of a message that does not fit, if that breaks a requirement.
    pub(crate) fn misfit(&mut self, ike: Option<IkeHandle>, remote: SocketAddr, misfit: &Misfit) {
        if let Some(requirement) = misfit.requirement() {
            self.violation(ike, remote, requirement, misfit.to_string());
        }
    }

    /// Sends a finished IKE message. One that is withheld has no octets, and nothing is sent.
    pub(crate) fn transmit(&mut self, path: Path, message: &[u8]) {
        if message.is_empty() {
            return;
        }
        match self.substitute(message) {
            Some(None) => {}
            Some(Some(faulty)) => self.transmit_as_is(path, &faulty),
            None => self.transmit_as_is(path, message),
        }
    }

    /// How many IKE messages were sent so far.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// How many octets they had in all.
    pub(crate) fn sent_octets(&self) -> u64 {
        self.sent_octets
    }

    fn transmit_as_is(&mut self, path: Path, message: &[u8]) {
        self.sent = self.sent.wrapping_add(1);
        self.sent_octets = self.sent_octets.wrapping_add(message.len() as u64);
        let fragments = self.fragmenter.cut(&self.config.limits, path, message);
        if fragments.is_empty() {
            let bytes = datagram::frame(path.channel, message);
            self.out.push_back(Output::Transmit { path, bytes });
        }
        for fragment in fragments {
            let bytes = datagram::frame(path.channel, &fragment);
            self.out.push_back(Output::Transmit { path, bytes });
        }
    }

    /// What a fault sends in place of this copy of a message: `Some(None)` for nothing at all.
    fn substitute(&mut self, message: &[u8]) -> Option<Option<Vec<u8>>> {
        let at = self.substitutes.iter().position(|substitute| substitute.honest == message)?;
        let substitute = self.substitutes.get_mut(at)?;
        substitute.copies = substitute.copies.saturating_sub(1);
        if substitute.copies == 0 {
            return Some(self.substitutes.swap_remove(at).faulty);
        }
        Some(substitute.faulty.clone())
    }

    /// Sends octets that are no IKE message, such as a keepalive.
    pub(crate) fn transmit_raw(&mut self, path: Path, bytes: Vec<u8>) {
        self.out.push_back(Output::Transmit { path, bytes });
    }

    /// From now on the endpoint deviates so.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// A key pair for the Key Exchange payload of a request or a response of IKE_SA_INIT, which a fault may have
    /// made one that nobody should agree with.
    ///
    /// # Errors
    /// What the provider says.
    pub(crate) fn init_key_pair(
        &mut self,
        ike: IkeHandle,
        group: Group,
        response: bool,
    ) -> Result<KeyPair, CryptoError> {
        let random = self.entropy.bytes(Label::KEY_EXCHANGE, ike.0, dh::random_len(group));
        let pair = self.provider.dh_keypair(group, &random)?;
        Ok(self.faults.key_pair(ExchangeType::IKE_SA_INIT, response, pair))
    }

    /// The limit for which no stranger from `source` may begin one more IKE SA where there are `ike_sas`, if
    /// there is no room.
    pub(crate) fn limit_reached(&self, source: IpAddr, ike_sas: usize) -> Option<DropReason> {
        let limits = self.config.profile.limits;
        if self.half_open.of(source) >= limits.half_open_per_source
            || self.half_open.total() >= limits.half_open
        {
            Some(DropReason::HalfOpenLimit)
        } else {
            (ike_sas >= self.config.limits.ike_sas).then_some(DropReason::SaLimit)
        }
    }

    /// The faults for the next message of this kind. Once it is built, [`Self::deviated`] tells of them.
    pub(crate) fn changes(&mut self, envelope: &Envelope) -> Changes {
        self.faults.next(envelope.exchange, envelope.response)
    }

    /// Tells which faults have changed a message that was built.
    pub(crate) fn deviated(&mut self, envelope: &Envelope, changes: &Changes) {
        let Envelope { exchange, response, message_id, .. } = *envelope;
        for change in changes.made() {
            let change = change.clone();
            self.event(Event::FaultApplied { exchange, response, message_id, change });
        }
    }

    /// The first `copies` copies of the message `honest` will be `faulty` instead.
    pub(crate) fn replace_copies(&mut self, honest: &[u8], faulty: Option<Vec<u8>>, copies: u32) {
        self.substitutes.push(Substitute { honest: honest.to_vec(), faulty, copies });
    }

    /// Builds a message without protection. `None` if a fault withholds it.
    pub(crate) fn plain(&mut self, envelope: &Envelope, payloads: &[Payload]) -> Option<Vec<u8>> {
        let mut changes = self.changes(envelope);
        let message = plain(&mut changes.lasting(), envelope, payloads);
        if let Some(message) = &message
            && let Some((mut first, copies)) = changes.first_copies()
        {
            self.replace_copies(message, plain(&mut first, envelope, payloads), copies);
        }
        self.deviated(envelope, &changes);
        message
    }

    /// An SPI for a Child SA that no other one of this endpoint has (RFC 4303 §2.1: 256 and up).
    pub(crate) fn child_spi(&mut self, ike: IkeHandle) -> u32 {
        loop {
            let spi = u32::from_be_bytes(self.entropy.array(Label::CHILD_SPI, ike.0));
            if spi > 255 && self.child_spis.insert(spi) {
                return spi;
            }
        }
    }

    /// How many SPIs of Child SAs are taken.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn child_spis(&self) -> usize {
        self.child_spis.len()
    }

    /// Lets another Child SA have the SPI.
    pub(crate) fn free_child_spi(&mut self, spi: u32) {
        self.child_spis.remove(&spi);
    }
}

fn plain(
    changes: &mut [&mut Planned],
    envelope: &Envelope,
    payloads: &[Payload],
) -> Option<Vec<u8>> {
    let mut payloads: Vec<_> = payloads.iter().map(Payload::encode).collect();
    fault::apply_payloads(changes, &mut payloads);
    let mut message = RawMessage { header: envelope.header(), payloads, trailing: Vec::new() };
    message.link();
    fault::apply_lengths(changes, &mut message.payloads);
    fault::apply_header(changes, &mut message.header);
    let mut bytes = message.encode();
    fault::apply_wire(changes, &mut bytes).then_some(bytes)
}
