//! Keys of ESP SAs as lines of `esp_sa`.

use std::net::IpAddr;

use ikeproof_proto::crypto::{Encr, Esn, Integ, SecretBytes};
use ikeproof_proto::event::ChildKeyLog;
use ikeproof_proto::wire::hex;

use super::tables::Unsupported;

/// Encryption of an ESP SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspEncryption {
    /// No encryption (RFC 2410).
    Null,
    /// DES in CBC mode.
    Des,
    /// Triple DES in CBC mode.
    TripleDes,
    /// AES in CBC mode.
    AesCbc,
    /// AES in counter mode; the key ends with the 4-octet nonce.
    AesCtr,
    /// AES-GCM with an ICV of so many octets; the key ends with the 4-octet salt.
    AesGcm(usize),
    /// Anything else, by its name.
    Other(&'static str),
}

/// Integrity of an ESP SA.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EspIntegrity {
    /// None, or the encryption is an AEAD.
    Null,
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

/// The version of IP, which the table has a column for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// Keys of one direction of an ESP SA pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspKeys {
    /// The version of IP outside.
    pub family: Family,
    /// Outer source address as captured; `None` matches any.
    pub source: Option<IpAddr>,
    /// Outer destination address as captured; `None` matches any.
    pub destination: Option<IpAddr>,
    /// Security parameters index.
    pub spi: u32,
    /// Encryption.
    pub encryption: EspEncryption,
    /// Encryption key, with salt or nonce where there is one.
    pub encryption_key: SecretBytes,
    /// Integrity.
    pub integrity: EspIntegrity,
    /// Integrity key.
    pub integrity_key: SecretBytes,
    /// Whether sequence numbers are of 64 bits.
    pub esn: bool,
}

impl EspEncryption {
    /// The name in Wireshark's table.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn name(self) -> Result<String, Unsupported> {
        Ok(match self {
            Self::Null => "NULL".to_owned(),
            Self::Des => "DES-CBC [RFC2405]".to_owned(),
            Self::TripleDes => "TripleDES-CBC [RFC2451]".to_owned(),
            Self::AesCbc => "AES-CBC [RFC3602]".to_owned(),
            Self::AesCtr => "AES-CTR [RFC3686]".to_owned(),
            Self::AesGcm(icv @ (8 | 12 | 16)) => {
                format!("AES-GCM with {icv} octet ICV [RFC4106]")
            }
            Self::AesGcm(icv) => {
                return Err(Unsupported { what: format!("ESP with an ICV of {icv} octets") });
            }
            Self::Other(name) => {
                return Err(Unsupported { what: format!("ESP with {name}") });
            }
        })
    }
}

impl EspIntegrity {
    /// The name in Wireshark's table.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn name(self) -> Result<String, Unsupported> {
        Ok(match self {
            Self::Null => "NULL",
            Self::Md5_96 => "HMAC-MD5-96 [RFC2403]",
            Self::Sha1_96 => "HMAC-SHA-1-96 [RFC2404]",
            Self::Sha256_128 => "HMAC-SHA-256-128 [RFC4868]",
            Self::Sha384_192 => "HMAC-SHA-384-192 [RFC4868]",
            Self::Sha512_256 => "HMAC-SHA-512-256 [RFC4868]",
            Self::Unchecked(bits @ (64 | 96 | 128 | 192 | 256)) => {
                return Ok(format!("ANY {bits} bit authentication [no checking]"));
            }
            Self::Unchecked(bits) => {
                return Err(Unsupported { what: format!("ESP with an ICV of {bits} bits") });
            }
        }
        .to_owned())
    }
}

impl EspKeys {
    /// The line of `esp_sa`.
    ///
    /// The column of the sequence number's length is new after 4.0, which discards it with a warning;
    /// it stands at 32 bits where it is absent, so it is written for 64 bits only.
    ///
    /// # Errors
    ///
    /// If Wireshark has no name for an algorithm.
    pub fn line(&self) -> Result<String, Unsupported> {
        let protocol = match self.family {
            Family::V4 => "IPv4",
            Family::V6 => "IPv6",
        };
        let address = |it: Option<IpAddr>| it.map_or_else(|| "*".to_owned(), |it| it.to_string());
        let key = |key: &SecretBytes| match key.expose().as_slice() {
            [] => String::new(),
            octets => format!("0x{}", hex::encode(octets)),
        };
        Ok(format!(
            "\"{protocol}\",\"{}\",\"{}\",\"0x{:08x}\",\"{}\",\"{}\",\"{}\",\"{}\"{}",
            address(self.source),
            address(self.destination),
            self.spi,
            self.encryption.name()?,
            key(&self.encryption_key),
            self.integrity.name()?,
            key(&self.integrity_key),
            if self.esn { ",\"64-bit\"" } else { "" },
        ))
    }
}

impl From<IpAddr> for Family {
    fn from(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

impl From<Encr> for EspEncryption {
    fn from(encr: Encr) -> Self {
        match encr {
            Encr::Null => Self::Null,
            Encr::TripleDesCbc => Self::TripleDes,
            Encr::AesCbc(_) => Self::AesCbc,
            Encr::AesGcm { icv, .. } => Self::AesGcm(icv.octets()),
            Encr::ChaCha20Poly1305 => Self::Other("ChaCha20-Poly1305"),
            Encr::NullAuthAesGmac(_) => Self::Other("AES-GMAC"),
        }
    }
}

impl From<Integ> for EspIntegrity {
    fn from(integ: Integ) -> Self {
        match integ {
            Integ::None => Self::Null,
            Integ::HmacMd5_96 => Self::Md5_96,
            Integ::HmacSha1_96 => Self::Sha1_96,
            Integ::HmacSha256_128 => Self::Sha256_128,
            Integ::HmacSha384_192 => Self::Sha384_192,
            Integ::HmacSha512_256 => Self::Sha512_256,
        }
    }
}

impl From<&ChildKeyLog> for EspKeys {
    /// Neither address is in the line. The log has them as the edge saw them when it made the SA; a NAT
    /// between there and where the capture was taken, or a peer that moves, makes them others, and
    /// then the packets would not be decrypted. The SPI tells SAs apart by itself.
    fn from(keys: &ChildKeyLog) -> Self {
        Self {
            family: keys.destination.into(),
            source: None,
            destination: None,
            spi: keys.spi,
            encryption: keys.suite.encr.into(),
            encryption_key: keys.encryption.clone(),
            integrity: keys.suite.integ.into(),
            integrity_key: keys.integrity.clone(),
            esn: keys.suite.esn == Esn::Yes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_as_wireshark_writes_it() {
        let esp = EspKeys {
            family: Family::V4,
            source: None,
            destination: Some(IpAddr::from([192, 0, 2, 2])),
            spi: 0x1234,
            encryption: EspEncryption::AesCbc,
            encryption_key: vec![0xaa; 2].into(),
            integrity: EspIntegrity::Sha1_96,
            integrity_key: SecretBytes::default(),
            esn: true,
        };
        assert_eq!(
            esp.line().unwrap(),
            "\"IPv4\",\"*\",\"192.0.2.2\",\"0x00001234\",\"AES-CBC [RFC3602]\",\"0xaaaa\",\
             \"HMAC-SHA-1-96 [RFC2404]\",\"\",\"64-bit\""
        );
        let said = format!("{esp:?}");
        assert!(!said.contains("170"), "{said}");
    }
}
