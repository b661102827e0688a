//! All that anyone outside the core gets to know: events, reasons for drops, and logged keys.
//!
//! The terminal, the JSON stream of `serve`, verdicts and reports are functions of these. Nothing
//! is dropped silently: a datagram that leads to nothing gives [`Event::PacketDropped`].

use core::fmt;
use core::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::crypto::SecretBytes;
use crate::crypto::suite::{ChildSuite, IkeSuite};
use crate::fault::Change;
use crate::io::{IkeHandle, Path};
use crate::policy::{Ikev1Mode, Refusal};
use crate::wire::v1::NotifyKind;
use crate::wire::v1::num::Phase1Auth;
use crate::wire::v2::{Id, TrafficSelector};
use crate::wire::{ExchangeType, IkeSpi, NotifyType, PayloadType};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// An IKE SA has begun: as initiator with the request sent, as responder with it answered.
    IkeHalfOpen {
        /// The IKE SA.
        ike: IkeHandle,
        /// The connection's name, on the initiator.
        connection: Option<String>,
        /// Which end this is.
        role: Role,
        /// The path.
        path: Path,
        /// The initiator's SPI.
        spi_i: IkeSpi,
    },
    /// A connection that was asked for was not even tried.
    NotStarted {
        /// The connection's name.
        connection: String,
        /// Why.
        why: NotStarted,
    },
    /// The data plane would not do what the control plane asked of it.
    DataPlaneRefused {
        /// Why, in the data plane's words.
        reason: String,
    },
    /// A cookie was demanded of a peer (RFC 7296 §2.6).
    CookieDemanded {
        /// The peer.
        remote: SocketAddr,
    },
    /// A cookie came back and was right.
    CookieAccepted {
        /// The peer.
        remote: SocketAddr,
    },
    /// The peer demands a cookie, or another group, before it goes on: the request is sent anew.
    InitRepeated {
        /// The IKE SA.
        ike: IkeHandle,
        /// COOKIE or INVALID_KE_PAYLOAD.
        because: NotifyType,
    },
    /// The KE payload is of another group than the one chosen.
    GroupRefused {
        /// The peer.
        remote: SocketAddr,
        /// The number of the group that came.
        offered: u16,
        /// The number of the group that is asked for.
        wanted: u16,
        /// What the peer is told, if anything.
        #[serde(default = "invalid_ke", skip_serializing_if = "is_invalid_ke")]
        answer: Option<Notification>,
    },
    /// An offer was refused, and by which rules.
    ProposalRefused {
        /// The IKE SA, if there is one already.
        ike: Option<IkeHandle>,
        /// The peer.
        remote: SocketAddr,
        /// What was offered.
        what: Offer,
        /// The rules that refused it, proposal by proposal.
        refusal: Refusal,
        /// What the peer is told, if anything.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<Notification>,
    },
    /// An identity was refused before its secret was looked at, or it is not known.
    IdentityRefused {
        /// The IKE SA.
        ike: IkeHandle,
        /// The identity.
        id: String,
        /// The rule.
        rule: String,
        /// What it says, and what to change.
        says: String,
        /// What the peer is told, if anything.
        #[serde(default = "failed", skip_serializing_if = "is_failed")]
        answer: Option<Notification>,
    },
    /// The identity is known, but AUTH, or HASH or SIG in IKEv1, does not fit its secret.
    AuthenticationFailed {
        /// The IKE SA.
        ike: IkeHandle,
        /// The identity.
        id: String,
        /// What the peer is told, if anything.
        #[serde(default = "failed", skip_serializing_if = "is_failed")]
        answer: Option<Notification>,
    },
    /// An IKE SA is up.
    IkeEstablished(Box<IkeEstablished>),
    /// A Child SA is up.
    ChildEstablished(Box<ChildEstablished>),
    /// A Child SA was refused; the IKE SA stays.
    ChildRefused {
        /// The IKE SA.
        ike: IkeHandle,
        /// Who refused.
        by: Side,
        /// The notification that said so; none if nothing was said.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notify: Option<Notification>,
        /// The selectors that were asked for, or the rule that refused.
        detail: String,
    },
    /// The peer answered a request with an error.
    PeerRefused {
        /// The IKE SA.
        ike: IkeHandle,
        /// The exchange.
        exchange: ExchangeType,
        /// The error.
        notify: Notification,
        /// Anybody can have sent it, so the request stays open for some more tries; if no better
        /// answer comes, [`Event::IkeClosed`] follows with [`CloseReason::Refused`]
        /// (RFC 7296 §2.21.1).
        #[serde(default, skip_serializing_if = "core::ops::Not::not")]
        tentative: bool,
    },
    /// XAUTH asks a user to log in.
    XauthAsked {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// Whose user is asked.
        of: Side,
        /// Which question it is, from 1.
        attempt: u32,
    },
    /// A user has logged in.
    XauthSucceeded {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// Whose user it is.
        of: Side,
        /// The name, as far as it can be printed.
        user: String,
    },
    /// A login failed. Nobody gets to know whether it was the name or the password.
    XauthFailed {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// Whose user it is.
        of: Side,
        /// The name, as far as it can be printed; none if none was given.
        user: Option<String>,
        /// Why.
        why: String,
        /// Whether it was the last attempt, so that the SA is deleted.
        last: bool,
    },
    /// An end got inner addresses by mode-config.
    AddressAssigned {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// Which end.
        to: Side,
        /// Its address.
        address: IpAddr,
        /// Whether it was pushed, not asked for.
        pushed: bool,
    },
    /// An ISAKMP SA has taken over the pairs of an older one with the same peer, and their tunnel: the
    /// peer has authenticated anew, and will delete the older one.
    ChildrenAdopted {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// The older one.
        from: IkeHandle,
        /// The number of the tunnel.
        tunnel: u64,
    },
    /// The peer says that this is its only IKE SA with us (RFC 7296 §2.4).
    InitialContact {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// The peer's address or port has changed (RFC 7296 §2.23).
    PeerMoved {
        /// The IKE SA.
        ike: IkeHandle,
        /// From here.
        from: SocketAddr,
        /// To here.
        to: SocketAddr,
    },
    /// A request was sent again, or an answer on a repeated request.
    Retransmitted {
        /// The IKE SA.
        ike: IkeHandle,
        /// The exchange.
        exchange: ExchangeType,
        /// The Message ID.
        message_id: u32,
        /// Whether it is an answer.
        response: bool,
        /// Which repetition this is, from 1.
        attempt: u32,
    },
    /// The peer is asked for a sign of life.
    ProbeSent {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// It was to be asked, but cannot be: not both ends have announced it (RFC 3706, section 5.1).
    ProbeNotSent {
        /// The ISAKMP SA.
        ike: IkeHandle,
        /// Why.
        why: String,
    },
    /// The peer has answered it.
    ProbeAnswered {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// A message was built with a deviation that the endpoint was told to make.
    FaultApplied {
        /// The exchange.
        exchange: ExchangeType,
        /// Whether it is a response.
        response: bool,
        /// The Message ID that it has by right.
        message_id: u32,
        /// The deviation.
        change: Change,
    },
    /// A NAT keepalive came in.
    KeepaliveReceived {
        /// From where.
        remote: SocketAddr,
    },
    /// A Child SA has ended.
    ChildClosed {
        /// The IKE SA.
        ike: IkeHandle,
        /// The own inbound SPI.
        spi_in: u32,
        /// The peer's inbound SPI.
        spi_out: u32,
        /// Why.
        reason: CloseReason,
    },
    /// An IKE SA has ended, and its Child SAs with it.
    #[serde(rename = "closed")]
    IkeClosed {
        /// The IKE SA.
        ike: IkeHandle,
        /// The initiator's SPI.
        spi_i: IkeSpi,
        /// The responder's SPI, zero if it never got one.
        spi_r: IkeSpi,
        /// Why.
        reason: CloseReason,
        /// Whether it was established before.
        established: bool,
    },
    /// The peer broke a requirement that made a message unusable.
    PeerViolation {
        /// The IKE SA, if one is concerned.
        ike: Option<IkeHandle>,
        /// The peer.
        remote: SocketAddr,
        /// The id of the requirement.
        requirement: String,
        /// What was wrong, with the octet where that is known.
        message: String,
    },
    /// A datagram led to nothing.
    PacketDropped {
        /// From where.
        remote: SocketAddr,
        /// Its length in octets.
        len: usize,
        /// Why.
        reason: DropReason,
    },
    /// The sender of ESP or AH for which there is no SA was told so.
    InvalidSpiTold {
        /// The IKE SA that it was said in; in clear without.
        ike: Option<IkeHandle>,
        /// To where.
        remote: SocketAddr,
        /// The SPI.
        spi: u32,
    },
    /// Somebody said in clear that the peer has no SA for what we send. That is only a reason to probe.
    InvalidSpiHeard {
        /// The IKE SA with that peer.
        ike: IkeHandle,
        /// From where.
        remote: SocketAddr,
        /// The SPI.
        spi: u32,
    },
    /// A packet of the peer's side is larger than the MTU of the tunnel. It was delivered all the same.
    OverMtu {
        /// The IKE SA.
        ike: IkeHandle,
        /// The octets of the inner packet.
        len: usize,
        /// The MTU in octets.
        mtu: u16,
    },
    /// ESP packets or inner packets led to nothing.
    TrafficDropped {
        /// The SPI, or 0 where none is known.
        spi: u32,
        /// Why, in the data plane's words.
        reason: String,
    },
}

/// The type of a notification. The same number means different things in the two versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Notification {
    /// Of IKEv2.
    Ikev2(NotifyType),
    /// Of IKEv1.
    Ikev1 {
        /// The type (RFC 2408, section 3.14.1).
        ikev1: NotifyKind,
    },
}

impl From<NotifyType> for Notification {
    fn from(kind: NotifyType) -> Self {
        Self::Ikev2(kind)
    }
}

impl From<NotifyKind> for Notification {
    fn from(ikev1: NotifyKind) -> Self {
        Self::Ikev1 { ikev1 }
    }
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ikev2(kind) => kind.fmt(f),
            Self::Ikev1 { ikev1 } => ikev1.fmt(f),
        }
    }
}

/// What IKEv2 says of an authentication that failed.
#[expect(clippy::unnecessary_wraps, reason = "the default of a field that is an option")]
fn failed() -> Option<Notification> {
    Some(NotifyType::AUTHENTICATION_FAILED.into())
}

fn is_failed(answer: &Option<Notification>) -> bool {
    *answer == failed()
}

/// What IKEv2 says to a value of another group.
#[expect(clippy::unnecessary_wraps, reason = "the default of a field that is an option")]
fn invalid_ke() -> Option<Notification> {
    Some(NotifyType::INVALID_KE_PAYLOAD.into())
}

fn is_invalid_ke(answer: &Option<Notification>) -> bool {
    *answer == invalid_ke()
}

/// The facts of an IKE SA that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IkeEstablished {
    /// The IKE SA.
    pub ike: IkeHandle,
    /// The connection's name, on the initiator.
    pub connection: Option<String>,
    /// Which end this is.
    pub role: Role,
    /// The path.
    pub path: Path,
    /// The initiator's SPI.
    pub spi_i: IkeSpi,
    /// The responder's SPI.
    pub spi_r: IkeSpi,
    /// The own identity.
    pub local_id: Id,
    /// The peer's identity.
    pub remote_id: Id,
    /// What names the credential that proved it. On the initiator, whose connection has one key, that is
    /// the peer's identity.
    pub credential: Id,
    /// The algorithms.
    pub suite: IkeSuite,
    /// What was found about NAT.
    pub nat: NatStatus,
    /// How it came up, if it is an ISAKMP SA of IKEv1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ikev1: Option<Ikev1Established>,
}

/// What only an ISAKMP SA of IKEv1 has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ikev1Established {
    /// The mode of phase 1.
    pub mode: Ikev1Mode,
    /// How the ends have authenticated, by the number of phase 1's attribute.
    pub auth: Phase1Auth,
    /// Its lifetime in seconds, as this end goes by it.
    pub lifetime: u64,
}

/// The facts of a Child SA that is up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildEstablished {
    /// The IKE SA.
    pub ike: IkeHandle,
    /// The tunnel in the data plane.
    pub tunnel: u64,
    /// The own inbound SPI.
    pub spi_in: u32,
    /// The peer's inbound SPI.
    pub spi_out: u32,
    /// The algorithms.
    pub suite: ChildSuite,
    /// The own side's selectors.
    pub ts_local: Vec<TrafficSelector>,
    /// The peer's side's selectors.
    pub ts_remote: Vec<TrafficSelector>,
    /// Whether ESP goes inside UDP.
    pub udp_encapsulated: bool,
    /// Whether the responder gave less than was asked for.
    pub narrowed: bool,
    /// The algorithms of AH around it, if ESP and AH are used together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<ChildSuite>,
}

/// Why a connection was not tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum NotStarted {
    /// The endpoint is shutting down.
    ShuttingDown,
    /// No proposal names a Diffie-Hellman group that is known.
    NoGroup,
    /// This end failed at its own part.
    Unable {
        /// At what.
        error: String,
    },
}

/// Which end of an IKE SA this endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The original initiator.
    Initiator,
    /// The original responder.
    Responder,
}

/// Us or them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// This endpoint.
    Local,
    /// The other one.
    Peer,
}

/// What an offer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offer {
    /// An IKE SA.
    Ike,
    /// A Child SA.
    Child,
}

/// What NAT detection found (RFC 7296 §2.23).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatStatus {
    /// Both NAT_DETECTION notifications came.
    pub supported: bool,
    /// This end is behind a NAT.
    pub local: bool,
    /// The peer is behind a NAT.
    pub peer: bool,
}

impl NatStatus {
    /// Whether there is a NAT at either end, so that ESP has to go inside UDP.
    pub fn found(self) -> bool {
        self.local || self.peer
    }
}

/// Why an SA has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CloseReason {
    /// The peer deleted it.
    DeletedByPeer,
    /// This endpoint deleted it.
    DeletedByUs,
    /// The peer does not answer any more.
    DeadPeer,
    /// A half-open SA was not completed in time.
    HalfOpenTimeout,
    /// Authentication failed, on either side.
    AuthenticationFailed,
    /// The peer refused, and gave no better answer.
    Refused,
    /// A message broke the protocol beyond repair.
    ProtocolError,
    /// It has lived its time.
    Expired,
    /// Its sequence numbers are used up (RFC 4303 §3.3.3).
    SequenceExhausted,
    /// The peer says that it has only a newer one (RFC 7296 §2.4).
    InitialContact,
    /// It was forgotten on purpose.
    Forgotten,
}

/// Why a datagram led to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum DropReason {
    /// It is too short for what it must be.
    Runt,
    /// It is no well-formed message.
    Malformed {
        /// What is wrong, with the octet.
        error: String,
    },
    /// A critical payload of a type that is not known here, which was said (RFC 7296 §2.5).
    UnknownCritical {
        /// Its type.
        payload: PayloadType,
    },
    /// IKEv1, which this endpoint does not speak.
    Ikev1 {
        /// Its exchange type.
        exchange: ExchangeType,
    },
    /// A later major version (RFC 7296 §2.5).
    MajorVersion {
        /// The version.
        major: u8,
    },
    /// No IKE SA has this SPI.
    UnknownIkeSpi {
        /// The own SPI that the message names.
        spi: IkeSpi,
    },
    /// The SPIs or flags do not fit the SA.
    WrongSpi,
    /// Its checksum is wrong.
    BadIcv,
    /// It is not encrypted where it must be.
    NotEncrypted,
    /// The exchange is not expected in this state.
    UnexpectedExchange {
        /// The exchange.
        exchange: ExchangeType,
    },
    /// Its Message ID is outside the window.
    MessageId {
        /// What came.
        got: u32,
        /// What was expected.
        expected: u32,
    },
    /// An answer to nothing that was asked.
    UnexpectedResponse,
    /// An answer that cannot be used; the request is still open.
    UselessResponse {
        /// Why.
        why: String,
    },
    /// A cookie that is wrong or too old.
    BadCookie,
    /// Too many half-open SAs.
    HalfOpenLimit,
    /// Too many SAs.
    SaLimit,
    /// The answer would be larger than allowed towards an unproven address.
    Amplification,
    /// This end failed at its own part, so that nothing could come of it.
    Unable {
        /// At what.
        error: String,
    },
    /// Too many error replies in this second.
    ErrorRateLimit,
    /// The profile answers this with silence.
    Silent,
    /// The endpoint is shutting down.
    ShuttingDown,
    /// A protocol that nothing here speaks.
    Protocol {
        /// Its number.
        protocol: u8,
    },
    /// A fragment of a message of IKEv1 that is of no use.
    Fragment {
        /// Why.
        why: String,
    },
}

/// Keys of an SA, for decrypting captures and for the auditor. Put out only on request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "keys", rename_all = "kebab-case")]
pub enum KeyLogEntry {
    /// The keys of an IKE SA (RFC 7296 §2.14).
    Ike(Box<IkeKeyLog>),
    /// What AUTH payloads of this IKE SA are made with: prf(secret, "Key Pad for IKEv2").
    Psk {
        /// The initiator's SPI.
        spi_i: IkeSpi,
        /// The responder's SPI.
        spi_r: IkeSpi,
        /// The padded secret (RFC 7296 §2.15).
        #[serde(with = "crate::secret_hex")]
        padded: SecretBytes,
    },
    /// The keys of one direction of a Child SA.
    Child(Box<ChildKeyLog>),
    /// The keys of an ISAKMP SA of IKEv1 (RFC 2409 §5, appendix B).
    Ikev1(Box<Ikev1KeyLog>),
}

/// The keys of an ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of RFC 2409 §5 say it all")]
pub struct Ikev1KeyLog {
    pub spi_i: IkeSpi,
    pub spi_r: IkeSpi,
    pub suite: IkeSuite,
    #[serde(with = "crate::secret_hex")]
    pub skeyid: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub skeyid_d: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub skeyid_a: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub skeyid_e: SecretBytes,
    /// The encryption key of both directions.
    #[serde(with = "crate::secret_hex")]
    pub key: SecretBytes,
}

/// The keys of an IKE SA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names of RFC 7296 §2.14 say it all")]
pub struct IkeKeyLog {
    pub spi_i: IkeSpi,
    pub spi_r: IkeSpi,
    pub suite: IkeSuite,
    #[serde(with = "crate::secret_hex")]
    pub sk_ai: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub sk_ar: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub sk_ei: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub sk_er: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub sk_pi: SecretBytes,
    #[serde(with = "crate::secret_hex")]
    pub sk_pr: SecretBytes,
}

/// The keys of one direction of a Child SA.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChildKeyLog {
    /// The SPI in the packets.
    pub spi: u32,
    /// Who sends them.
    pub source: IpAddr,
    /// Who receives them.
    pub destination: IpAddr,
    /// The algorithms.
    pub suite: ChildSuite,
    /// The encryption key, with the salt of an AEAD behind it.
    #[serde(with = "crate::secret_hex")]
    pub encryption: SecretBytes,
    /// The integrity key.
    #[serde(with = "crate::secret_hex")]
    pub integrity: SecretBytes,
}
