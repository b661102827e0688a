//! Why no shared secret comes of a public value, and which requirement that breaks. Both versions test values
//! alike; only the length of one is a matter of each version.

use thiserror::Error;

use crate::crypto::CryptoError;
use crate::crypto::suite::Group;
use crate::wire::Version;

/// A public value of the peer that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the KE value cannot be used: {0}")]
pub(crate) struct BadPublic(CryptoError);

impl BadPublic {
    /// What it breaks in this version. That a shared secret is not zero is for its receiver to see to.
    pub(crate) fn requirement(&self, version: Version) -> Option<&'static str> {
        match &self.0 {
            CryptoError::PublicLength { .. } if version == Version::V1_0 => {
                Some("rfc2409-5-ke-length")
            }
            CryptoError::PublicLength { group: Group::Curve25519, .. } => {
                Some("rfc8031-3.1-curve25519-length")
            }
            CryptoError::PublicLength { group, .. } if group.is_modp() => {
                Some("rfc7296-3.4-modp-length")
            }
            CryptoError::PublicLength { .. } => Some("rfc5903-7-ke-lengths"),
            CryptoError::PublicOutOfRange(_) => Some("rfc6989-2.1-modp-range"),
            CryptoError::PublicNotOnCurve(_) => Some("rfc6989-2.3-ecp-on-curve"),
            _ => None,
        }
    }
}

/// Sorts a failed key agreement: the peer's value, or this end.
pub(crate) fn blame(error: CryptoError) -> Result<BadPublic, CryptoError> {
    match error {
        CryptoError::PublicLength { .. }
        | CryptoError::PublicOutOfRange(_)
        | CryptoError::PublicNotOnCurve(_)
        | CryptoError::SharedSecretZero(_) => Ok(BadPublic(error)),
        own => Err(own),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LENGTH: fn(Group) -> CryptoError =
        |group| CryptoError::PublicLength { group, expected: 2, actual: 1 };

    #[rstest]
    #[case(LENGTH(Group::Modp2048), "rfc2409-5-ke-length", "rfc7296-3.4-modp-length")]
    #[case(LENGTH(Group::Ecp256), "rfc2409-5-ke-length", "rfc5903-7-ke-lengths")]
    #[case(LENGTH(Group::Curve25519), "rfc2409-5-ke-length", "rfc8031-3.1-curve25519-length")]
    #[case(
        CryptoError::PublicOutOfRange(Group::Modp2048),
        "rfc6989-2.1-modp-range",
        "rfc6989-2.1-modp-range"
    )]
    #[case(
        CryptoError::PublicNotOnCurve(Group::Ecp256),
        "rfc6989-2.3-ecp-on-curve",
        "rfc6989-2.3-ecp-on-curve"
    )]
    fn a_value_breaks(#[case] error: CryptoError, #[case] ikev1: &str, #[case] ikev2: &str) {
        let value = blame(error).unwrap();
        assert_eq!(value.requirement(Version::V1_0), Some(ikev1));
        assert_eq!(value.requirement(Version::V2_0), Some(ikev2));
    }

    #[test]
    fn what_this_end_fails_at_blames_nobody() {
        let own = CryptoError::Provider("dh_agree");
        assert_eq!(blame(own.clone()), Err(own));
        let zero = blame(CryptoError::SharedSecretZero(Group::Curve25519)).unwrap();
        assert_eq!(zero.requirement(Version::V2_0), None);
    }
}
