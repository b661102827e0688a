//! Key exchange methods (transform type 4) and extended sequence numbers (type 5).

use super::name::named;

/// A Diffie-Hellman group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// Group 2, 1024-bit MODP, RFC 2409 section 6.2.
    Modp1024,
    /// Group 5, 1536-bit MODP, RFC 3526.
    Modp1536,
    /// Group 14, 2048-bit MODP, RFC 3526.
    Modp2048,
    /// Group 15, 3072-bit MODP, RFC 3526.
    Modp3072,
    /// Group 16, 4096-bit MODP, RFC 3526.
    Modp4096,
    /// Group 19, 256-bit random ECP, RFC 5903.
    Ecp256,
    /// Group 20, 384-bit random ECP, RFC 5903.
    Ecp384,
    /// Group 21, 521-bit random ECP, RFC 5903.
    Ecp521,
    /// Group 31, Curve25519, RFC 8031.
    Curve25519,
}

impl Group {
    const NAMES: [(Self, &'static str); 9] = [
        (Self::Modp1024, "modp1024"),
        (Self::Modp1536, "modp1536"),
        (Self::Modp2048, "modp2048"),
        (Self::Modp3072, "modp3072"),
        (Self::Modp4096, "modp4096"),
        (Self::Ecp256, "ecp256"),
        (Self::Ecp384, "ecp384"),
        (Self::Ecp521, "ecp521"),
        (Self::Curve25519, "curve25519"),
    ];

    /// The IANA transform number.
    pub const fn iana(self) -> u16 {
        match self {
            Self::Modp1024 => 2,
            Self::Modp1536 => 5,
            Self::Modp2048 => 14,
            Self::Modp3072 => 15,
            Self::Modp4096 => 16,
            Self::Ecp256 => 19,
            Self::Ecp384 => 20,
            Self::Ecp521 => 21,
            Self::Curve25519 => 31,
        }
    }

    /// The group of an IANA number.
    pub const fn from_iana(id: u16) -> Option<Self> {
        match id {
            2 => Some(Self::Modp1024),
            5 => Some(Self::Modp1536),
            14 => Some(Self::Modp2048),
            15 => Some(Self::Modp3072),
            16 => Some(Self::Modp4096),
            19 => Some(Self::Ecp256),
            20 => Some(Self::Ecp384),
            21 => Some(Self::Ecp521),
            31 => Some(Self::Curve25519),
            _ => None,
        }
    }

    /// The length of a public value in octets: the modulus, `x || y`, or `u`.
    pub const fn public_len(self) -> usize {
        match self {
            Self::Modp1024 => 128,
            Self::Modp1536 => 192,
            Self::Modp2048 => 256,
            Self::Modp3072 => 384,
            Self::Modp4096 => 512,
            Self::Ecp256 => 64,
            Self::Ecp384 => 96,
            Self::Ecp521 => 132,
            Self::Curve25519 => 32,
        }
    }

    /// Whether it is a group of integers modulo a prime.
    pub const fn is_modp(self) -> bool {
        matches!(
            self,
            Self::Modp1024 | Self::Modp1536 | Self::Modp2048 | Self::Modp3072 | Self::Modp4096
        )
    }
}

named!(Group, "Diffie-Hellman group");

/// Whether sequence numbers have 64 bits (RFC 4304).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Esn {
    /// Sequence numbers of 32 bits.
    No,
    /// Extended sequence numbers.
    Yes,
}

impl Esn {
    const NAMES: [(Self, &'static str); 2] = [(Self::No, "noesn"), (Self::Yes, "esn")];

    /// The IANA transform number.
    pub const fn iana(self) -> u16 {
        match self {
            Self::No => 0,
            Self::Yes => 1,
        }
    }

    /// The value of an IANA number.
    pub const fn from_iana(id: u16) -> Option<Self> {
        match id {
            0 => Some(Self::No),
            1 => Some(Self::Yes),
            _ => None,
        }
    }
}

named!(Esn, "sequence number transform");
