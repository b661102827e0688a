//! Why a packet was not sealed, not opened, or an SA not made.

use crate::crypto::{ChildProtocol, CryptoError};

use super::replay::ReplayError;

/// Why an SA could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SaError {
    /// The keys do not fit the suite, or the suite is none.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// The data plane does not do this protocol.
    #[error("the data plane does not do {0:?}")]
    Protocol(ChildProtocol),
    /// The data plane does not do extended sequence numbers.
    #[error("the data plane does not do extended sequence numbers")]
    ExtendedSequenceNumbers,
    /// A replay window of no allowed size.
    #[error("a replay window has 32 packets, or 64 to 4096 in steps of 64, not {0}")]
    ReplayWindow(u32),
    /// SPIs 0 to 255 are reserved (RFC 4303 section 2.1).
    #[error("the SPI {0:#010x} is reserved")]
    ReservedSpi(u32),
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SealError {
    /// There is no tunnel of that number.
    #[error("no such tunnel")]
    NoTunnel,
    /// The tunnel has no SA to send on.
    #[error("no outbound SA is active")]
    NoActiveSa,
    /// The packet is in no traffic selector of any active SA.
    #[error("the packet is in no traffic selector")]
    NoSelector,
    /// The inner packet does not begin like an IP packet, or does not lie in the buffer.
    #[error("the inner packet is no IP packet")]
    NotIp,
    /// The buffer has too little room in front of the packet.
    #[error("the packet needs {needed} octets in front of it, there are {available}")]
    Headroom {
        /// What the header needs.
        needed: usize,
        /// What there is.
        available: usize,
    },
    /// The buffer has too little room behind the packet.
    #[error("the packet needs {needed} octets behind it, there are {available}")]
    Tailroom {
        /// What the trailer needs.
        needed: usize,
        /// What there is.
        available: usize,
    },
    /// The last sequence number has been used: the SA is at its end (RFC 4303 section 3.3.3).
    #[error("the sequence numbers of the SA are used up")]
    SequenceExhausted,
    /// A hard limit of packets or octets is reached.
    #[error("the SA has reached its hard limit")]
    Expired,
    /// No outer header can be made: the packet is too long for IP, or the path is of two versions.
    #[error("no outer IP header can be made for a packet of {0} octets")]
    Outer(usize),
    /// The cipher refused. It cannot, with the lengths checked before it is called.
    #[error("the cipher refused the packet")]
    Cipher,
}

/// Why a packet that arrived was discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum OpenError {
    /// No SA has this SPI.
    #[error("unknown SPI {0:#010x}")]
    UnknownSpi(u32),
    /// The packet is too short, or its ciphertext does not fill blocks or 32-bit words.
    #[error("the packet of {0} octets has no length that the suite can make")]
    BadLength(usize),
    /// A fragment, where only whole packets can be checked (RFC 4302 section 3.4.1).
    #[error("a fragment of an AH packet")]
    Fragment,
    /// The headers in front of AH are broken, or say another length than the packet has.
    #[error("the headers in front of AH cannot be read")]
    OuterHeader,
    /// The sequence number is 0, which no sender uses.
    #[error("sequence number 0")]
    SequenceZero,
    /// The sequence number was seen before.
    #[error("sequence number {0} was seen before")]
    Replay(u32),
    /// The sequence number is older than the window.
    #[error("sequence number {0} is older than the window")]
    TooOld(u32),
    /// The ICV does not authenticate the packet.
    #[error("the ICV does not authenticate the packet")]
    BadIcv,
    /// The pad length is beyond the packet, or the padding is not 1, 2, 3 and so on.
    #[error("bad padding")]
    BadPadding,
    /// The next header is no IP packet.
    #[error("next header {0} is no IP packet")]
    BadNextHeader(u8),
    /// A dummy packet (next header 59), which is to be discarded without more ado.
    #[error("a dummy packet")]
    Dummy,
    /// The inner packet is not of the IP version that the next header says.
    #[error("the inner packet has version {version} behind next header {next_header}")]
    InnerVersion {
        /// The next header.
        next_header: u8,
        /// The version field of the inner packet.
        version: u8,
    },
    /// The inner packet is longer than what carries it, or shorter than its own header.
    #[error("the inner packet says it has {said} octets, {there} are there")]
    InnerLength {
        /// What its header says.
        said: usize,
        /// What is there.
        there: usize,
    },
    /// The inner packet is outside of the negotiated traffic selectors.
    #[error("the inner packet is outside of the traffic selectors")]
    Selector,
    /// A hard limit of packets or octets is reached, or the time to drain is over.
    #[error("the SA has reached its hard limit")]
    Expired,
}

impl OpenError {
    /// The kind of reason, to count by.
    pub const fn kind(self) -> DropKind {
        match self {
            Self::UnknownSpi(_) => DropKind::UnknownSpi,
            Self::BadLength(_) => DropKind::BadLength,
            Self::Fragment => DropKind::Fragment,
            Self::OuterHeader => DropKind::OuterHeader,
            Self::SequenceZero => DropKind::SequenceZero,
            Self::Replay(_) => DropKind::Replay,
            Self::TooOld(_) => DropKind::TooOld,
            Self::BadIcv => DropKind::BadIcv,
            Self::BadPadding => DropKind::BadPadding,
            Self::BadNextHeader(_) => DropKind::BadNextHeader,
            Self::Dummy => DropKind::Dummy,
            Self::InnerVersion { .. } => DropKind::InnerVersion,
            Self::InnerLength { .. } => DropKind::InnerLength,
            Self::Selector => DropKind::Selector,
            Self::Expired => DropKind::Expired,
        }
    }
}

impl From<ReplayError> for OpenError {
    fn from(refused: ReplayError) -> Self {
        match refused {
            ReplayError::Zero => Self::SequenceZero,
            ReplayError::Seen(sequence) => Self::Replay(sequence),
            ReplayError::TooOld(sequence) => Self::TooOld(sequence),
        }
    }
}

/// The kinds of [`OpenError`], without their details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is the OpenError of the same name")]
pub enum DropKind {
    UnknownSpi,
    BadLength,
    Fragment,
    OuterHeader,
    SequenceZero,
    Replay,
    TooOld,
    BadIcv,
    BadPadding,
    BadNextHeader,
    Dummy,
    InnerVersion,
    InnerLength,
    Selector,
    Expired,
}

impl DropKind {
    /// All of them, in the order of their declaration.
    pub const ALL: [Self; 15] = [
        Self::UnknownSpi,
        Self::BadLength,
        Self::Fragment,
        Self::OuterHeader,
        Self::SequenceZero,
        Self::Replay,
        Self::TooOld,
        Self::BadIcv,
        Self::BadPadding,
        Self::BadNextHeader,
        Self::Dummy,
        Self::InnerVersion,
        Self::InnerLength,
        Self::Selector,
        Self::Expired,
    ];
}
