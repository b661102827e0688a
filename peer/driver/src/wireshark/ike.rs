//! Keys of IKE SAs as lines of `ikev1_decryption_table` and `ikev2_decryption_table`.

use ikeproof_proto::crypto::{Encr, Integ, SecretBytes};
use ikeproof_proto::event::{IkeKeyLog, Ikev1KeyLog};
use ikeproof_proto::wire::hex;

use super::tables::Unsupported;

/// Encryption of an IKEv2 SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IkeEncryption {
    /// No encryption (RFC 2410).
    Null,
    /// Triple DES in CBC mode.
    TripleDes,
    /// AES in CBC mode with keys of so many bits.
    AesCbc(u16),
    /// AES in counter mode with keys of so many bits.
    AesCtr(u16),
    /// AES-GCM with keys of so many bits and an ICV of so many octets.
    AesGcm(u16, usize),
    /// AES-CCM with keys of so many bits and an ICV of so many octets.
    AesCcm(u16, usize),
    /// Anything else, by its name.
    Other(&'static str),
}

/// Integrity of an IKEv2 SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IkeIntegrity {
    /// None: the encryption is an AEAD.
    None,
    /// HMAC-MD5-96.
    Md5_96,
    /// HMAC-SHA1-96.
    Sha1_96,
    /// HMAC-SHA2-256-128.
    Sha256_128,
    /// HMAC-SHA2-384-192.
    Sha384_192,
    /// HMAC-SHA2-512-256.
    Sha512_256,
    /// An ICV of so many bits that is not checked.
    Unchecked(u16),
}

/// Keys of an IKEv1 SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ikev1Keys {
    /// Cookie of the initiator.
    pub cookie_i: [u8; 8],
    /// The encryption key, after expansion of SKEYID_e to the cipher's length.
    pub key: SecretBytes,
}

/// Keys of an IKEv2 SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ikev2Keys {
    /// SPI of the initiator.
    pub spi_i: [u8; 8],
    /// SPI of the responder.
    pub spi_r: [u8; 8],
    /// SK_ei, an AEAD's with its salt.
    pub sk_ei: SecretBytes,
    /// SK_er, an AEAD's with its salt.
    pub sk_er: SecretBytes,
    /// Encryption.
    pub encryption: IkeEncryption,
    /// SK_ai; empty with an AEAD.
    pub sk_ai: SecretBytes,
    /// SK_ar; empty with an AEAD.
    pub sk_ar: SecretBytes,
    /// Integrity.
    pub integrity: IkeIntegrity,
}

impl IkeEncryption {
    /// The name in Wireshark's table.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn name(self) -> Result<String, Unsupported> {
        match self {
            Self::Null => Ok("NULL [RFC2410]".to_owned()),
            Self::TripleDes => Ok("3DES [RFC2451]".to_owned()),
            Self::AesCbc(bits @ (128 | 192 | 256)) => Ok(format!("AES-CBC-{bits} [RFC3602]")),
            Self::AesCtr(bits @ (128 | 192 | 256)) => Ok(format!("AES-CTR-{bits} [RFC5930]")),
            Self::AesGcm(bits @ (128 | 192 | 256), icv @ (8 | 12 | 16)) => {
                Ok(format!("AES-GCM-{bits} with {icv} octet ICV [RFC5282]"))
            }
            Self::AesCcm(bits @ (128 | 192 | 256), icv @ (8 | 12 | 16)) => {
                Ok(format!("AES-CCM-{bits} with {icv} octet ICV [RFC5282]"))
            }
            Self::Other(name) => Err(Unsupported { what: format!("IKE with {name}") }),
            other => Err(Unsupported { what: format!("IKE with {other:?}") }),
        }
    }
}

impl IkeIntegrity {
    /// The name in Wireshark's table.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn name(self) -> Result<String, Unsupported> {
        Ok(match self {
            Self::None => "NONE [RFC4306]",
            Self::Md5_96 => "HMAC_MD5_96 [RFC2403]",
            Self::Sha1_96 => "HMAC_SHA1_96 [RFC2404]",
            Self::Sha256_128 => "HMAC_SHA2_256_128 [RFC4868]",
            Self::Sha384_192 => "HMAC_SHA2_384_192 [RFC4868]",
            Self::Sha512_256 => "HMAC_SHA2_512_256 [RFC4868]",
            Self::Unchecked(bits @ (64 | 96 | 128 | 160 | 192 | 256)) => {
                return Ok(format!("ANY {bits}-bits of Authentication [No Checking]"));
            }
            Self::Unchecked(bits) => {
                return Err(Unsupported { what: format!("IKE with an ICV of {bits} bits") });
            }
        }
        .to_owned())
    }
}

impl Ikev1Keys {
    /// The line of `ikev1_decryption_table`.
    pub fn line(&self) -> String {
        format!("{},{}", hex::encode(&self.cookie_i), hex::encode(self.key.expose()))
    }
}

impl Ikev2Keys {
    /// The line of `ikev2_decryption_table`.
    ///
    /// # Errors
    ///
    /// If Wireshark has no name for an algorithm.
    pub fn line(&self) -> Result<String, Unsupported> {
        Ok(format!(
            "{},{},{},{},\"{}\",{},{},\"{}\"",
            hex::encode(&self.spi_i),
            hex::encode(&self.spi_r),
            hex::encode(self.sk_ei.expose()),
            hex::encode(self.sk_er.expose()),
            self.encryption.name()?,
            hex::encode(self.sk_ai.expose()),
            hex::encode(self.sk_ar.expose()),
            self.integrity.name()?,
        ))
    }
}

impl From<Encr> for IkeEncryption {
    fn from(encr: Encr) -> Self {
        match encr {
            Encr::Null => Self::Null,
            Encr::TripleDesCbc => Self::TripleDes,
            Encr::AesCbc(bits) => Self::AesCbc(bits.bits()),
            Encr::AesGcm { bits, icv } => Self::AesGcm(bits.bits(), icv.octets()),
            Encr::ChaCha20Poly1305 => Self::Other("ChaCha20-Poly1305"),
            Encr::NullAuthAesGmac(_) => Self::Other("AES-GMAC"),
        }
    }
}

impl From<Integ> for IkeIntegrity {
    fn from(integ: Integ) -> Self {
        match integ {
            Integ::None => Self::None,
            Integ::HmacMd5_96 => Self::Md5_96,
            Integ::HmacSha1_96 => Self::Sha1_96,
            Integ::HmacSha256_128 => Self::Sha256_128,
            Integ::HmacSha384_192 => Self::Sha384_192,
            Integ::HmacSha512_256 => Self::Sha512_256,
        }
    }
}

impl From<&Ikev1KeyLog> for Ikev1Keys {
    fn from(keys: &Ikev1KeyLog) -> Self {
        Self { cookie_i: keys.spi_i.0, key: keys.key.clone() }
    }
}

impl From<&IkeKeyLog> for Ikev2Keys {
    fn from(keys: &IkeKeyLog) -> Self {
        Self {
            spi_i: keys.spi_i.0,
            spi_r: keys.spi_r.0,
            sk_ei: keys.sk_ei.clone(),
            sk_er: keys.sk_er.clone(),
            encryption: keys.suite.encr.into(),
            sk_ai: keys.sk_ai.clone(),
            sk_ar: keys.sk_ar.clone(),
            integrity: keys.suite.integ.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Ikev2Keys {
        Ikev2Keys {
            spi_i: [1; 8],
            spi_r: [2; 8],
            sk_ei: vec![203; 2].into(),
            sk_er: vec![204; 2].into(),
            encryption: IkeEncryption::AesGcm(256, 16),
            sk_ai: SecretBytes::default(),
            sk_ar: vec![205; 2].into(),
            integrity: IkeIntegrity::None,
        }
    }

    #[test]
    fn keys_are_not_printed() {
        let one = Ikev1Keys { cookie_i: [1; 8], key: vec![206; 2].into() };
        let said = format!("{:?} {one:?}", keys());
        for octet in ["203", "204", "205", "206"] {
            assert!(!said.contains(octet), "{said}");
        }
    }

    #[test]
    fn a_line_is_as_wireshark_writes_it() {
        assert_eq!(
            keys().line().unwrap(),
            "0101010101010101,0202020202020202,cbcb,cccc,\
             \"AES-GCM-256 with 16 octet ICV [RFC5282]\",,cdcd,\"NONE [RFC4306]\""
        );
    }

    #[test]
    fn what_wireshark_cannot_decrypt_is_named() {
        let error = IkeEncryption::Other("ChaCha20-Poly1305").name().unwrap_err();
        assert_eq!(error.to_string(), "Wireshark cannot decrypt IKE with ChaCha20-Poly1305");
        assert!(IkeEncryption::AesGcm(256, 13).name().is_err());
    }
}
