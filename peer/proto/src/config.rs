//! What an endpoint is set up with, and what a connection that it initiates is made of.
//!
//! The configuration is an input like any other: it stands, resolved, at the head of every
//! recording.

use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::crypto::SecretBytes;
use crate::fault::Fault;
use crate::pki::Certificates;
use crate::policy::{Credential, Ikev1Mode, Profile, RemoteAccess, XauthUser};
use crate::wire::v2::{Id, Proposal, TrafficSelector};

/// Everything that an endpoint is set up with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointConfig {
    /// The rules by which proposals, identities and selectors are judged.
    pub profile: Profile,
    /// The own identity as a responder; `None` stands for the address that the peer talks to.
    #[serde(default)]
    pub identity: Option<Id>,
    /// Who may connect, and with which secret.
    pub credentials: Vec<Credential>,
    /// What peers of IKEv1 may authenticate with by signatures; pre-shared keys alone without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Certificates>,
    /// The users behind peers of IKEv1, and the addresses that they get.
    #[serde(default)]
    pub remote_access: RemoteAccess,
    /// What the endpoint is willing to spend on strangers.
    #[serde(default)]
    pub limits: Limits,
    /// Retransmission and half-open times.
    #[serde(default)]
    pub timers: Timers,
    /// Deviations from the protocol, in the order in which they are applied. Empty is honest.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// Whether keys are put out as [`Output::Keys`](crate::io::Output::Keys).
    #[serde(default)]
    pub log_keys: bool,
}

/// Bounds on what is sent to peers that have not proven anything, and on what is kept in all.
///
/// How many half-open IKE SAs are kept, and from when on a cookie is demanded, is the profile's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// IKE SAs in all, half-open ones included.
    pub ike_sas: usize,
    /// Octets out for each octet in, until the peer's address is proven.
    pub amplification: usize,
    /// Unprotected error notifications a second to anyone. Cookies are none.
    pub error_replies_per_second: u32,
    /// Whether the sender of ESP or AH for which there is no SA is told so.
    pub invalid_spi: InvalidSpi,
    /// Whether messages of IKEv1 may come and go in fragments.
    pub fragmentation: Fragmentation,
    /// The largest IP packet with a message of IKEv1 in it, before it is sent in fragments.
    pub fragment_packet: u16,
}

/// What is done about messages of IKEv1 that do not fit into a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fragmentation {
    /// They go out whole, and fragments are dropped.
    Off,
    /// They go out whole, and fragments are taken; that is announced.
    Accept,
    /// They go out in fragments as well, to peers that announce to take them.
    #[default]
    On,
    /// They go out in fragments to everybody, the first message included.
    Force,
}

/// What is said about ESP and AH for which there is no SA: to each source once a second at most, inside an
/// SA with it where there is one, in clear otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InvalidSpi {
    /// Nothing. The peer finds out by its probes.
    #[default]
    Off,
    /// INVALID-SPI, in clear as a message of IKEv1 (RFC 2408, section 3.14.1).
    Ikev1,
    /// INVALID_SPI, in clear as a message of IKEv2 (RFC 7296 §1.5).
    Ikev2,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            ike_sas: 20_000,
            amplification: 3,
            error_replies_per_second: 100,
            invalid_spi: InvalidSpi::default(),
            fragmentation: Fragmentation::default(),
            fragment_packet: 1280,
        }
    }
}

/// Times of the exchange layer. What the profile says of lifetimes and dead peers stands there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Timers {
    /// From a request to its first repetition.
    pub retransmit: Duration,
    /// By which each further wait grows, in percent: 180 is a factor of 1.8.
    pub retransmit_growth_percent: u32,
    /// How often a request is repeated before the peer is taken for dead.
    pub retransmit_tries: u32,
    /// How often IKE_SA_INIT is still repeated once it was refused: nobody has authenticated the
    /// refusal, and the true answer may still come (RFC 7296 §2.21.1). With 0 it ends at once, as it
    /// may where nobody else can reach the wire.
    pub refused_tries: u32,
    /// How long a half-open IKE SA is kept.
    pub half_open: Duration,
    /// How long the last answer of an IKE SA that ended with it is kept for repetition.
    pub linger: Duration,
    /// How long a secret for cookies is used; the one before it is still accepted.
    pub cookie_secret: Duration,
    /// How long a peer has for the last message of an exchange of IKEv1 before the next exchange: for the ACK
    /// of a transaction before quick mode, and for the third message of quick mode before the pair that it
    /// replaces is deleted. A peer with several threads may read the second one of two datagrams that arrive
    /// at once first, and then ends the SA, or is without a pair and sends in clear. With 0 nothing is waited
    /// for.
    pub after_ack: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            retransmit: Duration::from_millis(1000),
            retransmit_growth_percent: 180,
            retransmit_tries: 6,
            refused_tries: 3,
            half_open: Duration::from_secs(30),
            linger: Duration::from_secs(30),
            cookie_secret: Duration::from_secs(120),
            after_ack: Duration::ZERO,
        }
    }
}

/// An IKE SA with its first Child SA, as an initiator asks for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connection {
    /// The name that events carry.
    pub name: String,
    /// The own address and port of the IKE socket.
    pub local: SocketAddr,
    /// The peer's address and port of its IKE socket.
    pub remote: SocketAddr,
    /// The own port and the peer's port for IKE and ESP once a NAT was found (RFC 7296 §2.23).
    pub nat_ports: NatPorts,
    /// Starts on the NAT ports at once, which RFC 7296 §2.23 allows.
    #[serde(default)]
    pub start_on_nat_port: bool,
    /// The own identity.
    pub id: Id,
    /// Whom to ask for (IDr), if anybody in particular.
    #[serde(default)]
    pub remote_id: Option<Id>,
    /// Whom to accept; `None` takes whoever knows the secret.
    #[serde(default)]
    pub expect_id: Option<Id>,
    /// The pre-shared key.
    #[serde(with = "crate::secret_hex")]
    pub psk: SecretBytes,
    /// The proposals for the IKE SA, best first.
    pub ike: Vec<Proposal>,
    /// The proposals for the Child SA, best first; their SPIs are filled in.
    pub child: Vec<Proposal>,
    /// The own side's selectors. In IKEv1 there may be none: then no SAs are asked for, and those of an older
    /// ISAKMP SA with the same peer come under the new one.
    pub ts_local: Vec<TrafficSelector>,
    /// The peer's side's selectors.
    pub ts_remote: Vec<TrafficSelector>,
    /// Uses IKEv1, in this way; IKEv2 without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ikev1: Option<Ikev1Options>,
    /// Tells the peer that there is a NAT even if there is none, so that ESP goes over UDP.
    #[serde(default)]
    pub force_encapsulation: bool,
}

/// How a connection of IKEv1 is made. What it offers is written as for IKEv2: each combination of a
/// proposal becomes a transform.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ikev1Options {
    /// The mode of phase 1.
    pub mode: Ikev1Mode,
    /// Which NAT traversal is announced.
    pub nat_traversal: NatTraversal,
    /// Sends the third message of aggressive mode in clear, which RFC 2409 leaves open.
    pub clear_third_message: bool,
    /// Stays on its port where a NAT was found, and asks for ESP in UDP there, against RFC 3947, section 4.
    pub keeps_port: bool,
    /// Authenticates by signatures with these (RFC 2409, section 5.1), by the pre-shared key without.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<Certificates>,
    /// Whether the pre-shared key is offered as well, where there are certificates.
    pub psk_as_well: PskAsWell,
    /// What is answered when XAUTH asks for a login: the first time this, then the next, at last always
    /// the last one. Without any, phase 1 is negotiated without XAUTH.
    pub xauth: Vec<XauthUser>,
    /// How an inner address is got.
    pub mode_config: ModeConfig,
}

/// Where an offer with signatures has the same with a pre-shared key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PskAsWell {
    /// Nowhere.
    #[default]
    No,
    /// Before signatures.
    Before,
    /// Behind them.
    Behind,
}

/// How an initiator of IKEv1 gets its inner address. With one, it asks for SAs of that address alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModeConfig {
    /// It needs none.
    #[default]
    Off,
    /// It asks for one.
    Pull,
    /// It waits until it is given one.
    Push,
}

/// Which forms of NAT traversal an initiator of IKEv1 announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatTraversal {
    /// RFC 3947 and the drafts 02 and 03.
    #[default]
    All,
    /// The drafts alone.
    Drafts,
    /// None.
    Off,
}

/// The UDP ports used behind a NAT, 4500 on both sides unless a laboratory says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatPorts {
    /// The own one.
    pub local: u16,
    /// The peer's.
    pub remote: u16,
}

impl Default for NatPorts {
    fn default() -> Self {
        Self { local: 4500, remote: 4500 }
    }
}
