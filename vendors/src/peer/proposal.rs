//! Algorithms and proposals as a peer's configuration names them.
//!
//! Plain values without wire numbers: the wire's registries belong to the protocol package, and a
//! driver only needs to spell an algorithm in its daemon's language or say that it cannot.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An encryption algorithm with its key length in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Encr {
    /// No encryption.
    Null,
    /// Single DES in CBC mode.
    Des,
    /// Triple DES in CBC mode.
    TripleDes,
    /// AES in CBC mode.
    AesCbc(u16),
    /// AES in counter mode.
    AesCtr(u16),
    /// AES in Galois/counter mode: key bits, ICV octets (8, 12 or 16).
    AesGcm(u16, u8),
    /// AES in CCM mode: key bits, ICV octets (8, 12 or 16).
    AesCcm(u16, u8),
    /// Null encryption with AES GMAC authentication: key bits.
    AesGmac(u16),
    /// Camellia in CBC mode.
    CamelliaCbc(u16),
    /// ChaCha20 with Poly1305.
    ChaCha20Poly1305,
}

impl Encr {
    /// Whether the algorithm authenticates as well, so that no integrity algorithm goes with it.
    pub fn is_aead(self) -> bool {
        matches!(
            self,
            Self::AesGcm(..) | Self::AesCcm(..) | Self::AesGmac(_) | Self::ChaCha20Poly1305
        )
    }
}

/// An integrity algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Integ {
    /// HMAC-MD5-96.
    Md5,
    /// HMAC-SHA1-96.
    Sha1,
    /// HMAC-SHA2-256-128.
    Sha256,
    /// HMAC-SHA2-384-192.
    Sha384,
    /// HMAC-SHA2-512-256.
    Sha512,
    /// AES-XCBC-96.
    AesXcbc,
    /// AES-CMAC-96.
    AesCmac,
}

/// A pseudorandom function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Prf {
    /// HMAC-MD5.
    Md5,
    /// HMAC-SHA1.
    Sha1,
    /// HMAC-SHA2-256.
    Sha256,
    /// HMAC-SHA2-384.
    Sha384,
    /// HMAC-SHA2-512.
    Sha512,
    /// AES-XCBC-PRF-128.
    AesXcbc,
    /// AES-CMAC-PRF-128.
    AesCmac,
}

impl From<Integ> for Prf {
    fn from(integ: Integ) -> Self {
        match integ {
            Integ::Md5 => Self::Md5,
            Integ::Sha1 => Self::Sha1,
            Integ::Sha256 => Self::Sha256,
            Integ::Sha384 => Self::Sha384,
            Integ::Sha512 => Self::Sha512,
            Integ::AesXcbc => Self::AesXcbc,
            Integ::AesCmac => Self::AesCmac,
        }
    }
}

/// A Diffie-Hellman group by its IANA number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Group(pub u16);

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group {}", self.0)
    }
}

/// Extended sequence numbers in a child SA's proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Esn {
    /// Only 32-bit sequence numbers.
    #[default]
    No,
    /// Only 64-bit sequence numbers.
    Yes,
    /// Both are proposed.
    Either,
}

/// An IKE proposal.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct IkeProposal {
    /// Encryption algorithms, in order of preference.
    pub encr: Vec<Encr>,
    /// Integrity algorithms; empty with AEAD.
    #[serde(default)]
    pub integ: Vec<Integ>,
    /// Pseudorandom functions; when empty, those that go with `integ`.
    #[serde(default)]
    pub prf: Vec<Prf>,
    /// Diffie-Hellman groups.
    pub groups: Vec<Group>,
}

impl IkeProposal {
    /// The pseudorandom functions, those of `integ` when none is named.
    pub fn prfs(&self) -> Vec<Prf> {
        if self.prf.is_empty() {
            self.integ.iter().map(|integ| Prf::from(*integ)).collect()
        } else {
            self.prf.clone()
        }
    }
}

/// A proposal for a child SA, ESP or AH.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ChildProposal {
    /// Encryption algorithms; empty for AH.
    #[serde(default)]
    pub encr: Vec<Encr>,
    /// Integrity algorithms; empty with AEAD.
    #[serde(default)]
    pub integ: Vec<Integ>,
    /// Groups for perfect forward secrecy; empty for none.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Extended sequence numbers.
    #[serde(default)]
    pub esn: Esn,
}
