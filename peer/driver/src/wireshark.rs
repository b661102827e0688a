//! Key tables for Wireshark and tshark, which then decrypt a capture of ours.
//!
//! Three files of a Wireshark profile: `ikev1_decryption_table`, `ikev2_decryption_table` and `esp_sa`.
//! The columns and names are those of `packet-isakmp.c` and `packet-ipsec.c` as of version 4.0, tried
//! with tshark; an algorithm that this version has no name for gives [`Unsupported`] instead of a
//! line that would make the whole table unreadable.

use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::Path;

use thiserror::Error;

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
    AesGcm(u16, u8),
    /// AES-CCM with keys of so many bits and an ICV of so many octets.
    AesCcm(u16, u8),
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
    AesGcm(u8),
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

/// Keys of an IKEv1 SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ikev1Keys {
    /// Cookie of the initiator.
    pub cookie_i: [u8; 8],
    /// The encryption key, after expansion of SKEYID_e to the cipher's length.
    pub key: Vec<u8>,
}

/// Keys of an IKEv2 SA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ikev2Keys {
    /// SPI of the initiator.
    pub spi_i: [u8; 8],
    /// SPI of the responder.
    pub spi_r: [u8; 8],
    /// SK_ei, an AEAD's with its salt.
    pub sk_ei: Vec<u8>,
    /// SK_er, an AEAD's with its salt.
    pub sk_er: Vec<u8>,
    /// Encryption.
    pub encryption: IkeEncryption,
    /// SK_ai; empty with an AEAD.
    pub sk_ai: Vec<u8>,
    /// SK_ar; empty with an AEAD.
    pub sk_ar: Vec<u8>,
    /// Integrity.
    pub integrity: IkeIntegrity,
}

/// Keys of one direction of an ESP SA pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EspKeys {
    /// Outer source address as captured; `None` matches any.
    pub source: Option<IpAddr>,
    /// Outer destination address as captured; its version decides the table's protocol column.
    pub destination: IpAddr,
    /// Security parameters index.
    pub spi: u32,
    /// Encryption.
    pub encryption: EspEncryption,
    /// Encryption key, with salt or nonce where there is one.
    pub encryption_key: Vec<u8>,
    /// Integrity.
    pub integrity: EspIntegrity,
    /// Integrity key.
    pub integrity_key: Vec<u8>,
    /// Whether sequence numbers are of 64 bits.
    pub esn: bool,
}

/// Wireshark has no name for this.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Wireshark cannot decrypt {what}")]
pub struct Unsupported {
    /// The algorithm.
    pub what: String,
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

impl Ikev1Keys {
    /// The line of `ikev1_decryption_table`.
    pub fn line(&self) -> String {
        format!("{},{}", hex(&self.cookie_i), hex(&self.key))
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
            hex(&self.spi_i),
            hex(&self.spi_r),
            hex(&self.sk_ei),
            hex(&self.sk_er),
            self.encryption.name()?,
            hex(&self.sk_ai),
            hex(&self.sk_ar),
            self.integrity.name()?,
        ))
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
        let protocol = if self.destination.is_ipv4() { "IPv4" } else { "IPv6" };
        let source = self.source.map_or_else(|| "*".to_owned(), |source| source.to_string());
        let key = |octets: &[u8]| match octets {
            [] => String::new(),
            _ => format!("0x{}", hex(octets)),
        };
        Ok(format!(
            "\"{protocol}\",\"{source}\",\"{}\",\"0x{:08x}\",\"{}\",\"{}\",\"{}\",\"{}\"{}",
            self.destination,
            self.spi,
            self.encryption.name()?,
            key(&self.encryption_key),
            self.integrity.name()?,
            key(&self.integrity_key),
            if self.esn { ",\"64-bit\"" } else { "" },
        ))
    }
}

/// All keys of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTables {
    /// IKEv1 SAs.
    pub ikev1: Vec<Ikev1Keys>,
    /// IKEv2 SAs.
    pub ikev2: Vec<Ikev2Keys>,
    /// ESP SAs, one entry a direction.
    pub esp: Vec<EspKeys>,
}

impl KeyTables {
    /// Writes the three files into `directory`, which it makes, and returns what cannot be decrypted.
    ///
    /// # Errors
    ///
    /// If the files cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<Vec<Unsupported>> {
        let mut unsupported = Vec::new();
        let mut table = |lines: Vec<Result<String, Unsupported>>| {
            let mut text = String::from("# Written by ikeproof. Contains session keys.\n");
            for line in lines {
                match line {
                    Ok(line) => {
                        text.push_str(&line);
                        text.push('\n');
                    }
                    Err(error) => unsupported.push(error),
                }
            }
            text
        };
        let ikev1 = table(self.ikev1.iter().map(|keys| Ok(keys.line())).collect());
        let ikev2 = table(self.ikev2.iter().map(Ikev2Keys::line).collect());
        let esp = table(self.esp.iter().map(EspKeys::line).collect());
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("ikev1_decryption_table"), ikev1)?;
        std::fs::write(directory.join("ikev2_decryption_table"), ikev2)?;
        std::fs::write(directory.join("esp_sa"), esp)?;
        Ok(unsupported)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_wireshark_writes_them() {
        let ike = Ikev2Keys {
            spi_i: [1; 8],
            spi_r: [2; 8],
            sk_ei: vec![3; 2],
            sk_er: vec![4; 2],
            encryption: IkeEncryption::AesGcm(256, 16),
            sk_ai: vec![],
            sk_ar: vec![],
            integrity: IkeIntegrity::None,
        };
        assert_eq!(
            ike.line().unwrap(),
            "0101010101010101,0202020202020202,0303,0404,\
             \"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\""
        );
        let esp = EspKeys {
            source: None,
            destination: IpAddr::from([192, 0, 2, 2]),
            spi: 0x1234,
            encryption: EspEncryption::AesCbc,
            encryption_key: vec![0xaa; 2],
            integrity: EspIntegrity::Sha1_96,
            integrity_key: vec![],
            esn: true,
        };
        assert_eq!(
            esp.line().unwrap(),
            "\"IPv4\",\"*\",\"192.0.2.2\",\"0x00001234\",\"AES-CBC [RFC3602]\",\"0xaaaa\",\
             \"HMAC-SHA-1-96 [RFC2404]\",\"\",\"64-bit\""
        );
    }

    #[test]
    fn what_wireshark_cannot_decrypt_is_named() {
        let error = IkeEncryption::Other("ChaCha20-Poly1305").name().unwrap_err();
        assert_eq!(error.to_string(), "Wireshark cannot decrypt IKE with ChaCha20-Poly1305");
        assert!(IkeEncryption::AesGcm(256, 13).name().is_err());
    }
}
