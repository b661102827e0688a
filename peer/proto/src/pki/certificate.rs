//! One certificate, read into what is needed of it (RFC 5280, section 4).

use core::fmt;
use std::collections::BTreeSet;
use std::net::IpAddr;

use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use super::error::CertificateError;
use crate::crypto::{CryptoError, Hash, Provider, RsaForm, RsaPublicKey};

/// The longest certificate that is looked at.
const MAX_LEN: usize = 16 * 1024;

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const SHA1_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.5");
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const SHA384_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12");
const SHA512_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const ANY_PURPOSE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const IPSEC_IKE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.17");

/// A certificate with an RSA key, signed with RSA.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    /// What the signature covers.
    tbs: Vec<u8>,
    pub(super) issuer: Vec<u8>,
    pub(super) issuer_text: String,
    pub(super) subject: Vec<u8>,
    pub(super) subject_text: String,
    /// Seconds since 1970.
    pub(super) not_before: u64,
    pub(super) not_after: u64,
    key: RsaPublicKey,
    hash: Hash,
    signature: Vec<u8>,
    pub(super) extensions: Extensions,
}

/// What the extensions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) is_authority: bool,
    pub(super) path_len: Option<u8>,
    /// For signatures, for certificates; `None` for anything.
    pub(super) usage: Option<Usage>,
    pub(super) names: Vec<AltName>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) signatures: bool,
    pub(super) certificates: bool,
}

/// A name in subjectAltName, of a type that IKE has an identity for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AltName {
    Dns(String),
    Email(String),
    Ip(IpAddr),
}

impl Certificate {
    /// Reads a certificate.
    ///
    /// # Errors
    /// If it is none, or one that cannot be used here.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_LEN {
            return Err(CertificateError::TooLong(der.len()));
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(malformed)?;
        let tbs = parsed.tbs_certificate();
        if tbs.signature() != parsed.signature_algorithm() {
            let why = "its two names of the signature algorithm differ";
            return Err(CertificateError::Malformed(why.to_owned()));
        }
        let spki = tbs.subject_public_key_info();
        if spki.algorithm.oid != RSA_ENCRYPTION {
            return Err(CertificateError::Key(format!("it is of type {}", spki.algorithm.oid)));
        }
        let key = RsaPublicKey::from_pkcs1(spki.subject_public_key.as_bytes().unwrap_or_default());
        let validity = tbs.validity();
        Ok(Self {
            der: der.to_vec(),
            tbs: signed_part(der).map_err(malformed)?,
            issuer: tbs.issuer().to_der().map_err(malformed)?,
            issuer_text: tbs.issuer().to_string(),
            subject: tbs.subject().to_der().map_err(malformed)?,
            subject_text: tbs.subject().to_string(),
            not_before: validity.not_before.to_unix_duration().as_secs(),
            not_after: validity.not_after.to_unix_duration().as_secs(),
            key: key.map_err(|error| CertificateError::Key(error.to_string()))?,
            hash: signature_hash(parsed.signature_algorithm().oid)?,
            signature: parsed.signature().as_bytes().unwrap_or_default().to_vec(),
            extensions: Extensions::read(tbs.extensions().map_or(&[], Vec::as_slice))?,
        })
    }

    /// The octets that it was read from.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The name of its subject, as a Name in DER.
    pub fn subject(&self) -> &[u8] {
        &self.subject
    }

    /// The name of its subject as text (RFC 4514).
    pub fn subject_text(&self) -> &str {
        &self.subject_text
    }

    /// The key of its subject.
    pub const fn key(&self) -> &RsaPublicKey {
        &self.key
    }

    /// Whether its signature is that of `issuer`.
    ///
    /// # Errors
    /// If it is not.
    pub(super) fn verify(&self, provider: &dyn Provider, issuer: &Self) -> Result<(), CryptoError> {
        let digest = self.hash.digest(&[&self.tbs]);
        let form = RsaForm::DigestInfo(self.hash);
        provider.rsa_verify(&issuer.key, form, &digest, &self.signature)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} by {})", self.subject_text, self.issuer_text)
    }
}

impl Extensions {
    fn read(extensions: &[Extension]) -> Result<Self, CertificateError> {
        let (mut read, mut seen) = (Self::default(), BTreeSet::new());
        for extension in extensions {
            let (oid, value) = (extension.extn_id, extension.extn_value.as_bytes());
            if !seen.insert(oid) {
                return Err(CertificateError::ExtensionTwice(oid.to_string()));
            }
            match oid {
                BASIC_CONSTRAINTS => {
                    let constraints = BasicConstraints::from_der(value).map_err(malformed)?;
                    read.is_authority = constraints.ca;
                    read.path_len = constraints.path_len_constraint;
                }
                KEY_USAGE => {
                    let usage = KeyUsage::from_der(value).map_err(malformed)?;
                    read.usage = Some(Usage {
                        signatures: usage.digital_signature() || usage.non_repudiation(),
                        certificates: usage.key_cert_sign(),
                    });
                }
                SUBJECT_ALT_NAME => {
                    let names = SubjectAltName::from_der(value).map_err(malformed)?;
                    read.names = names.0.iter().filter_map(AltName::of).collect();
                }
                EXTENDED_KEY_USAGE if extension.critical => {
                    let purposes = ExtendedKeyUsage::from_der(value).map_err(malformed)?.0;
                    if !purposes.iter().any(|oid| [ANY_PURPOSE, IPSEC_IKE].contains(oid)) {
                        return Err(CertificateError::CriticalExtension(oid.to_string()));
                    }
                }
                _ if extension.critical => {
                    return Err(CertificateError::CriticalExtension(oid.to_string()));
                }
                _ => {}
            }
        }
        Ok(read)
    }
}

impl AltName {
    fn of(name: &GeneralName) -> Option<Self> {
        match name {
            GeneralName::DnsName(name) => Some(Self::Dns(name.as_str().to_owned())),
            GeneralName::Rfc822Name(name) => Some(Self::Email(name.as_str().to_owned())),
            GeneralName::IpAddress(octets) => {
                let octets = octets.as_bytes();
                let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
                v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok().map(Self::Ip)
            }
            _ => None,
        }
    }
}

fn signature_hash(oid: ObjectIdentifier) -> Result<Hash, CertificateError> {
    match oid {
        SHA1_WITH_RSA => Ok(Hash::Sha1),
        SHA256_WITH_RSA => Ok(Hash::Sha256),
        SHA384_WITH_RSA => Ok(Hash::Sha384),
        SHA512_WITH_RSA => Ok(Hash::Sha512),
        other => Err(CertificateError::SignatureAlgorithm(other.to_string())),
    }
}

/// The octets of TBSCertificate as they came: they are what the signature covers.
fn signed_part(der: &[u8]) -> der::Result<Vec<u8>> {
    let mut reader = SliceReader::new(der)?;
    Header::decode(&mut reader)?;
    Ok(reader.tlv_bytes()?.to_vec())
}

fn malformed(error: der::Error) -> CertificateError {
    CertificateError::Malformed(error.to_string())
}
