//! Encryption transforms (IKEv2 transform type 1).

use super::name::named;

/// The length of an AES key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyBits {
    /// 128 bits.
    B128,
    /// 192 bits.
    B192,
    /// 256 bits.
    B256,
}

impl KeyBits {
    /// The length in bits, as the Key Length attribute carries it.
    pub const fn bits(self) -> u16 {
        match self {
            Self::B128 => 128,
            Self::B192 => 192,
            Self::B256 => 256,
        }
    }

    /// The length in octets.
    pub const fn octets(self) -> usize {
        self.bits() as usize / 8
    }

    /// The length named by a Key Length attribute.
    pub const fn from_bits(bits: u16) -> Option<Self> {
        match bits {
            128 => Some(Self::B128),
            192 => Some(Self::B192),
            256 => Some(Self::B256),
            _ => None,
        }
    }
}

/// The length of the ICV of AES-GCM, which is part of the transform number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IcvBytes {
    /// 8 octets, ENCR_AES_GCM_8.
    I8,
    /// 12 octets, ENCR_AES_GCM_12.
    I12,
    /// 16 octets, ENCR_AES_GCM_16.
    I16,
}

impl IcvBytes {
    /// The length in octets.
    pub const fn octets(self) -> usize {
        match self {
            Self::I8 => 8,
            Self::I12 => 12,
            Self::I16 => 16,
        }
    }
}

/// An encryption transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encr {
    /// ENCR_AES_CBC, RFC 3602.
    AesCbc(KeyBits),
    /// ENCR_AES_GCM_8, _12 and _16, RFC 4106 and RFC 5282.
    AesGcm {
        /// The length of the key, without the salt.
        bits: KeyBits,
        /// The length of the ICV.
        icv: IcvBytes,
    },
    /// ENCR_CHACHA20_POLY1305, RFC 7634.
    ChaCha20Poly1305,
    /// ENCR_3DES, RFC 2451.
    TripleDesCbc,
    /// ENCR_NULL, RFC 2410.
    Null,
    /// ENCR_NULL_AUTH_AES_GMAC, RFC 4543: known by name, never offered and not implemented.
    NullAuthAesGmac(KeyBits),
}

impl Encr {
    const NAMES: [(Self, &'static str); 18] = {
        use IcvBytes::{I8, I12, I16};
        use KeyBits::{B128, B192, B256};
        [
            (Self::AesCbc(B128), "aes128"),
            (Self::AesCbc(B192), "aes192"),
            (Self::AesCbc(B256), "aes256"),
            (Self::AesGcm { bits: B128, icv: I8 }, "aes128gcm8"),
            (Self::AesGcm { bits: B192, icv: I8 }, "aes192gcm8"),
            (Self::AesGcm { bits: B256, icv: I8 }, "aes256gcm8"),
            (Self::AesGcm { bits: B128, icv: I12 }, "aes128gcm12"),
            (Self::AesGcm { bits: B192, icv: I12 }, "aes192gcm12"),
            (Self::AesGcm { bits: B256, icv: I12 }, "aes256gcm12"),
            (Self::AesGcm { bits: B128, icv: I16 }, "aes128gcm16"),
            (Self::AesGcm { bits: B192, icv: I16 }, "aes192gcm16"),
            (Self::AesGcm { bits: B256, icv: I16 }, "aes256gcm16"),
            (Self::ChaCha20Poly1305, "chacha20poly1305"),
            (Self::TripleDesCbc, "3des"),
            (Self::Null, "null"),
            (Self::NullAuthAesGmac(B128), "aes128gmac"),
            (Self::NullAuthAesGmac(B192), "aes192gmac"),
            (Self::NullAuthAesGmac(B256), "aes256gmac"),
        ]
    };

    /// The IANA transform number and the value of the Key Length attribute, if it has one.
    pub const fn iana(self) -> (u16, Option<u16>) {
        match self {
            Self::TripleDesCbc => (3, None),
            Self::Null => (11, None),
            Self::AesCbc(bits) => (12, Some(bits.bits())),
            Self::AesGcm { bits, icv: IcvBytes::I8 } => (18, Some(bits.bits())),
            Self::AesGcm { bits, icv: IcvBytes::I12 } => (19, Some(bits.bits())),
            Self::AesGcm { bits, icv: IcvBytes::I16 } => (20, Some(bits.bits())),
            Self::NullAuthAesGmac(bits) => (21, Some(bits.bits())),
            Self::ChaCha20Poly1305 => (28, None),
        }
    }

    /// The transform of an IANA number and Key Length attribute.
    ///
    /// A cipher with keys of several lengths needs the attribute and a cipher with one length must
    /// not have it (RFC 7296 section 3.3.5): both give `None`, as does an unknown number.
    pub const fn from_iana(id: u16, key_length: Option<u16>) -> Option<Self> {
        let Some(key_length) = key_length else {
            return match id {
                3 => Some(Self::TripleDesCbc),
                11 => Some(Self::Null),
                28 => Some(Self::ChaCha20Poly1305),
                _ => None,
            };
        };
        let Some(bits) = KeyBits::from_bits(key_length) else { return None };
        match id {
            12 => Some(Self::AesCbc(bits)),
            18 => Some(Self::AesGcm { bits, icv: IcvBytes::I8 }),
            19 => Some(Self::AesGcm { bits, icv: IcvBytes::I12 }),
            20 => Some(Self::AesGcm { bits, icv: IcvBytes::I16 }),
            21 => Some(Self::NullAuthAesGmac(bits)),
            _ => None,
        }
    }

    /// The length of the key in octets, without the salt.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AesCbc(bits) | Self::AesGcm { bits, .. } | Self::NullAuthAesGmac(bits) => {
                bits.octets()
            }
            Self::ChaCha20Poly1305 => 32,
            Self::TripleDesCbc => 24,
            Self::Null => 0,
        }
    }

    /// The length of the salt that key material carries after the key.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AesGcm { .. } | Self::ChaCha20Poly1305 | Self::NullAuthAesGmac(_) => 4,
            Self::AesCbc(_) | Self::TripleDesCbc | Self::Null => 0,
        }
    }

    /// What the transform takes of the key material: key and salt.
    pub const fn keymat_len(self) -> usize {
        self.key_len() + self.salt_len()
    }

    /// The length of the initialisation vector that travels with the packet.
    pub const fn iv_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 16,
            Self::AesGcm { .. } | Self::ChaCha20Poly1305 | Self::NullAuthAesGmac(_) => 8,
            Self::TripleDesCbc => 8,
            Self::Null => 0,
        }
    }

    /// What the plaintext must be a multiple of, in octets.
    pub const fn block_len(self) -> usize {
        match self {
            Self::AesCbc(_) => 16,
            Self::TripleDesCbc => 8,
            Self::AesGcm { .. }
            | Self::ChaCha20Poly1305
            | Self::Null
            | Self::NullAuthAesGmac(_) => 1,
        }
    }

    /// The length of the ICV that the cipher itself makes; 0 if an integrity transform does.
    pub const fn icv_len(self) -> usize {
        match self {
            Self::AesGcm { icv, .. } => icv.octets(),
            Self::ChaCha20Poly1305 | Self::NullAuthAesGmac(_) => 16,
            Self::AesCbc(_) | Self::TripleDesCbc | Self::Null => 0,
        }
    }

    /// Whether the cipher authenticates by itself and goes without an integrity transform.
    pub const fn is_aead(self) -> bool {
        self.icv_len() > 0
    }

    /// Whether anything here may offer it.
    pub const fn is_offered(self) -> bool {
        !matches!(self, Self::NullAuthAesGmac(_))
    }
}

named!(Encr, "encryption transform");
