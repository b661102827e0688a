//! What `serve` prints, as types whose field names scripts rely on.
//!
//! Identities, selectors, suites and addresses are text, SPIs are hex. Secrets have no way in: no
//! field here holds a key.

use std::net::{IpAddr, SocketAddr};

use ikeproof_proto::event::CloseReason;
use ikeproof_proto::policy::ReasonKind;
use serde::Serialize;

/// A line of output.
#[derive(Debug, Serialize)]
pub struct Entry<'a> {
    /// What happened.
    #[serde(flatten)]
    pub shown: &'a Shown,
    /// Seconds since the start.
    pub time: f64,
    /// The same as a date.
    pub at: jiff::Timestamp,
}

/// What is said of an IKE SA's other end.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    /// The IKE SA, as in `ike-1`; each address that is listened on counts for itself.
    pub ike: String,
    /// Its address.
    pub remote: Option<SocketAddr>,
    /// Its identity, once it is known.
    pub remote_id: Option<String>,
}

/// Something that happened, as it is shown.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Shown {
    Listening(Box<Listening>),
    IkeHalfOpen {
        #[serde(flatten)]
        peer: Peer,
        role: &'static str,
        local: SocketAddr,
        spi_i: String,
    },
    CookieDemanded {
        remote: SocketAddr,
    },
    CookieAccepted {
        remote: SocketAddr,
    },
    InitRepeated {
        #[serde(flatten)]
        peer: Peer,
        because: String,
    },
    GroupRefused {
        remote: SocketAddr,
        offered: String,
        wanted: String,
        answer: Option<String>,
    },
    ProposalRefused(Box<ProposalRefused>),
    IdentityRefused {
        #[serde(flatten)]
        peer: Peer,
        id: String,
        rule: String,
        says: String,
        answer: Option<String>,
    },
    AuthenticationFailed {
        #[serde(flatten)]
        peer: Peer,
        id: String,
        answer: Option<String>,
        change: &'static str,
    },
    IkeEstablished(Box<IkeUp>),
    ChildEstablished(Box<ChildUp>),
    ChildRefused {
        #[serde(flatten)]
        peer: Peer,
        by: &'static str,
        notify: Option<String>,
        detail: String,
    },
    PeerRefused {
        #[serde(flatten)]
        peer: Peer,
        exchange: String,
        notify: String,
        tentative: bool,
    },
    XauthAsked {
        #[serde(flatten)]
        peer: Peer,
        of: &'static str,
        attempt: u32,
    },
    XauthSucceeded {
        #[serde(flatten)]
        peer: Peer,
        of: &'static str,
        user: String,
    },
    XauthFailed {
        #[serde(flatten)]
        peer: Peer,
        of: &'static str,
        user: Option<String>,
        why: String,
        last: bool,
        change: &'static str,
    },
    AddressAssigned {
        #[serde(flatten)]
        peer: Peer,
        to: &'static str,
        address: IpAddr,
        pushed: bool,
    },
    ChildrenAdopted {
        #[serde(flatten)]
        peer: Peer,
        from: u64,
    },
    InitialContact {
        #[serde(flatten)]
        peer: Peer,
    },
    PeerMoved {
        #[serde(flatten)]
        peer: Peer,
        from: SocketAddr,
        to: SocketAddr,
    },
    Retransmitted {
        #[serde(flatten)]
        peer: Peer,
        exchange: String,
        message_id: u32,
        response: bool,
        attempt: u32,
    },
    ProbeSent {
        #[serde(flatten)]
        peer: Peer,
    },
    ProbeNotSent {
        #[serde(flatten)]
        peer: Peer,
        why: String,
    },
    ProbeAnswered {
        #[serde(flatten)]
        peer: Peer,
    },
    FaultApplied {
        exchange: String,
        response: bool,
        message_id: u32,
    },
    KeepaliveReceived {
        remote: SocketAddr,
    },
    ChildClosed {
        #[serde(flatten)]
        peer: Peer,
        spi_in: String,
        spi_out: String,
        reason: CloseReason,
    },
    Closed {
        #[serde(flatten)]
        peer: Peer,
        spi_i: String,
        spi_r: String,
        reason: CloseReason,
        established: bool,
    },
    PeerViolation {
        ike: Option<String>,
        remote: SocketAddr,
        requirement: String,
        message: String,
    },
    PacketDropped {
        remote: SocketAddr,
        octets: usize,
        reason: &'static str,
        detail: String,
        change: Option<&'static str>,
    },
    InvalidSpiTold {
        ike: Option<String>,
        remote: SocketAddr,
        spi: String,
    },
    InvalidSpiHeard {
        #[serde(flatten)]
        peer: Peer,
        from: SocketAddr,
        spi: String,
    },
    OverMtu {
        #[serde(flatten)]
        peer: Peer,
        octets: usize,
        mtu: u16,
    },
    TrafficDropped {
        spi: String,
        reason: String,
    },
    NotStarted {
        connection: String,
        why: String,
    },
    DataPlaneRefused {
        reason: String,
    },
    PingAnswered {
        #[serde(flatten)]
        peer: Peer,
        from: IpAddr,
        to: IpAddr,
        octets: usize,
    },
    TcpAccepted {
        #[serde(flatten)]
        peer: Peer,
        from: SocketAddr,
        to: SocketAddr,
        mss: Option<u16>,
    },
    NobodyThere {
        #[serde(flatten)]
        peer: Peer,
        destination: IpAddr,
        change: &'static str,
    },
    SendFailed {
        detail: String,
    },
    KeysNotForWireshark {
        detail: String,
    },
    EventsLost {
        count: u64,
    },
    ShuttingDown {
        because: &'static str,
    },
    Stopped {
        open: usize,
    },
}

/// A node is ready.
#[derive(Clone, Debug, Serialize)]
pub struct Listening {
    pub profile: String,
    pub title: String,
    pub local: SocketAddr,
    pub nat_local: SocketAddr,
    pub raw_esp: bool,
    pub id: String,
    pub clients: Vec<String>,
    pub inner: Vec<String>,
    pub cookies: &'static str,
}

/// An offer was refused.
#[derive(Clone, Debug, Serialize)]
pub struct ProposalRefused {
    pub ike: Option<String>,
    pub remote: SocketAddr,
    pub sa: &'static str,
    pub answer: Option<String>,
    pub proposals: Vec<Proposal>,
    pub more: usize,
    pub rules: Vec<String>,
    pub change: Vec<String>,
}

/// A proposal of it.
#[derive(Clone, Debug, Serialize)]
pub struct Proposal {
    pub number: u8,
    pub nearest: String,
    pub reasons: Vec<Reason>,
}

/// A rule that stood against it.
#[derive(Clone, Debug, Serialize)]
pub struct Reason {
    pub rule: String,
    pub kind: ReasonKind,
    pub says: String,
    pub change: String,
}

/// An IKE SA is up.
#[derive(Clone, Debug, Serialize)]
pub struct IkeUp {
    #[serde(flatten)]
    pub peer: Peer,
    pub role: &'static str,
    pub local: SocketAddr,
    pub local_id: String,
    pub suite: String,
    pub nat: &'static str,
    pub spi_i: String,
    pub spi_r: String,
}

/// A Child SA is up.
#[derive(Clone, Debug, Serialize)]
pub struct ChildUp {
    #[serde(flatten)]
    pub peer: Peer,
    pub suite: String,
    pub ts_local: Vec<String>,
    pub ts_remote: Vec<String>,
    pub udp_encapsulated: bool,
    pub narrowed: bool,
    pub spi_in: String,
    pub spi_out: String,
}
