//! Integrity transforms (type 3) and pseudo-random functions (type 2).

use super::name::named;
use crate::crypto::Hash;

/// An integrity transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Integ {
    /// None: the cipher authenticates by itself.
    None,
    /// AUTH_HMAC_MD5_96, RFC 2403.
    HmacMd5_96,
    /// AUTH_HMAC_SHA1_96, RFC 2404.
    HmacSha1_96,
    /// AUTH_HMAC_SHA2_256_128, RFC 4868.
    HmacSha256_128,
    /// AUTH_HMAC_SHA2_384_192, RFC 4868.
    HmacSha384_192,
    /// AUTH_HMAC_SHA2_512_256, RFC 4868.
    HmacSha512_256,
}

impl Integ {
    const NAMES: [(Self, &'static str); 6] = [
        (Self::None, "none"),
        (Self::HmacMd5_96, "md5"),
        (Self::HmacSha1_96, "sha1"),
        (Self::HmacSha256_128, "sha256"),
        (Self::HmacSha384_192, "sha384"),
        (Self::HmacSha512_256, "sha512"),
    ];

    /// The IANA transform number.
    pub const fn iana(self) -> u16 {
        match self {
            Self::None => 0,
            Self::HmacMd5_96 => 1,
            Self::HmacSha1_96 => 2,
            Self::HmacSha256_128 => 12,
            Self::HmacSha384_192 => 13,
            Self::HmacSha512_256 => 14,
        }
    }

    /// The transform of an IANA number.
    pub const fn from_iana(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::None),
            1 => Some(Self::HmacMd5_96),
            2 => Some(Self::HmacSha1_96),
            12 => Some(Self::HmacSha256_128),
            13 => Some(Self::HmacSha384_192),
            14 => Some(Self::HmacSha512_256),
            _ => None,
        }
    }

    /// The hash under the HMAC.
    pub const fn hash(self) -> Option<Hash> {
        match self {
            Self::None => None,
            Self::HmacMd5_96 => Some(Hash::Md5),
            Self::HmacSha1_96 => Some(Hash::Sha1),
            Self::HmacSha256_128 => Some(Hash::Sha256),
            Self::HmacSha384_192 => Some(Hash::Sha384),
            Self::HmacSha512_256 => Some(Hash::Sha512),
        }
    }

    /// The length of the key in octets: that of the digest.
    pub const fn key_len(self) -> usize {
        match self.hash() {
            None => 0,
            Some(hash) => hash.output_len(),
        }
    }

    /// The length of the truncated ICV in octets.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::None => 0,
            Self::HmacMd5_96 | Self::HmacSha1_96 => 12,
            Self::HmacSha256_128 => 16,
            Self::HmacSha384_192 => 24,
            Self::HmacSha512_256 => 32,
        }
    }

    /// The pseudo-random function over the same hash.
    pub const fn prf(self) -> Option<Prf> {
        match self {
            Self::None => None,
            Self::HmacMd5_96 => Some(Prf::HmacMd5),
            Self::HmacSha1_96 => Some(Prf::HmacSha1),
            Self::HmacSha256_128 => Some(Prf::HmacSha256),
            Self::HmacSha384_192 => Some(Prf::HmacSha384),
            Self::HmacSha512_256 => Some(Prf::HmacSha512),
        }
    }
}

named!(Integ, "integrity transform");

/// A pseudo-random function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Prf {
    /// PRF_HMAC_MD5, RFC 2104.
    HmacMd5,
    /// PRF_HMAC_SHA1, RFC 2104.
    HmacSha1,
    /// PRF_HMAC_SHA2_256, RFC 4868.
    HmacSha256,
    /// PRF_HMAC_SHA2_384, RFC 4868.
    HmacSha384,
    /// PRF_HMAC_SHA2_512, RFC 4868.
    HmacSha512,
}

impl Prf {
    const NAMES: [(Self, &'static str); 5] = [
        (Self::HmacMd5, "prfmd5"),
        (Self::HmacSha1, "prfsha1"),
        (Self::HmacSha256, "prfsha256"),
        (Self::HmacSha384, "prfsha384"),
        (Self::HmacSha512, "prfsha512"),
    ];

    /// The IANA transform number.
    pub const fn iana(self) -> u16 {
        match self {
            Self::HmacMd5 => 1,
            Self::HmacSha1 => 2,
            Self::HmacSha256 => 5,
            Self::HmacSha384 => 6,
            Self::HmacSha512 => 7,
        }
    }

    /// The function of an IANA number.
    pub const fn from_iana(id: u16) -> Option<Self> {
        match id {
            1 => Some(Self::HmacMd5),
            2 => Some(Self::HmacSha1),
            5 => Some(Self::HmacSha256),
            6 => Some(Self::HmacSha384),
            7 => Some(Self::HmacSha512),
            _ => None,
        }
    }

    /// The hash under the HMAC.
    pub const fn hash(self) -> Hash {
        match self {
            Self::HmacMd5 => Hash::Md5,
            Self::HmacSha1 => Hash::Sha1,
            Self::HmacSha256 => Hash::Sha256,
            Self::HmacSha384 => Hash::Sha384,
            Self::HmacSha512 => Hash::Sha512,
        }
    }

    /// The preferred key length in octets: that of the output (RFC 7296 section 2.13).
    pub const fn key_len(self) -> usize {
        self.output_len()
    }

    /// The length of the output in octets.
    pub const fn output_len(self) -> usize {
        self.hash().output_len()
    }
}

named!(Prf, "pseudo-random function");
