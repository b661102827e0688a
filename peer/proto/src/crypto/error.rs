//! What can go wrong in a cryptographic operation, sorted so that the caller can tell a mistake
//! of its own from a hostile or broken peer.

use super::suite::{Encr, Group, Integ};

/// A cryptographic operation that was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A key has the wrong length for its algorithm.
    #[error("{what} takes a key of {expected} octets, not {actual}")]
    KeyLength {
        /// The algorithm.
        what: &'static str,
        /// What it takes.
        expected: usize,
        /// What it was given.
        actual: usize,
    },
    /// An initialisation vector, tag, block or random string has the wrong length.
    #[error("{what} is {expected} octets long, not {actual}")]
    Length {
        /// What was measured.
        what: &'static str,
        /// The length it must have.
        expected: usize,
        /// The length it had.
        actual: usize,
    },
    /// The cipher is known by name and never used, or has no implementation of the asked kind.
    #[error("{0} is not available here")]
    Unsupported(Encr),
    /// Encryption and integrity transforms that do not belong together.
    #[error("{encr} and integrity {integ} do not belong together")]
    SuiteMismatch {
        /// The encryption transform.
        encr: Encr,
        /// The integrity transform.
        integ: Integ,
    },
    /// A public value of the peer does not have the length of its group (RFC 7296 section 3.4).
    #[error("public value of {group} is {expected} octets long, not {actual}")]
    PublicLength {
        /// The group.
        group: Group,
        /// The length that the group prescribes.
        expected: usize,
        /// The length that arrived.
        actual: usize,
    },
    /// A MODP public value of the peer is not in the range 2..=p-2 (RFC 6989 section 2.1).
    #[error("public value of {0} is out of range")]
    PublicOutOfRange(Group),
    /// A public point of the peer is not on the curve (RFC 6989 section 2.3).
    #[error("public value of {0} is not a point on the curve")]
    PublicNotOnCurve(Group),
    /// The shared secret is all zero: the peer sent a point of small order (RFC 8031 section 5).
    #[error("shared secret of {0} is all zero")]
    SharedSecretZero(Group),
    /// More key material was asked for than prf+ can give (RFC 7296 section 2.13).
    #[error("prf+ cannot give {0} octets")]
    PrfPlusTooLong(usize),
    /// The tag does not authenticate the data.
    #[error("the tag does not authenticate the data")]
    BadTag,
    /// An RSA key that is malformed, too short, too long, or has an unusual public exponent.
    #[error("an RSA key cannot be used: {0}")]
    RsaKey(&'static str),
    /// A signature that is not that of the key and the hash.
    #[error("the signature is wrong")]
    BadSignature,
    /// A provider refused an operation that its inputs allow.
    #[error("provider refused {0}")]
    Provider(&'static str),
}
