//! A certification authority for laboratories and tests. All of it follows from a seed: the same seed
//! gives the same keys and certificates. Nothing that it makes protects anything.

use core::str::FromStr;
use core::time::Duration;

use ::rsa::PrivateKey;
use ::rsa::pkcs1v15::SigningKey;
use ::rsa::pkcs8::EncodePrivateKey;
use ::rsa::signature::Keypair;
use der::Encode;
use der::asn1::{Ia5String, OctetString};
use der::flagset::FlagSet;
use der::pem::{LineEnding, encode_string};
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{self, Builder, CertificateBuilder};
pub use x509_cert::ext::pkix::KeyUsages as KeyPurpose;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, SubjectAltName};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use super::{CertificateSetup, Der, SendCertificate};
use crate::crypto::{Hash, SecretBytes, SeededRng};
use crate::wire::num::IdType;
use crate::wire::v2::Id;

/// A certificate that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LaboratoryError {
    /// The key could not.
    #[error("no RSA key could be made: {0}")]
    Key(#[from] ::rsa::Error),
    /// The octets could not.
    #[error("no certificate could be written: {0}")]
    Der(#[from] der::Error),
    /// The certificate could not.
    #[error("no certificate could be made: {0}")]
    Builder(String),
}

/// What a certificate is to say.
#[derive(Clone, Debug)]
pub struct Order {
    /// The subject, as RFC 4514 writes it.
    pub subject: String,
    /// The names in subjectAltName: addresses, domain names, mailboxes.
    pub names: Vec<Id>,
    /// From when it is valid, in seconds since 1970.
    pub not_before: u64,
    /// Until when.
    pub not_after: u64,
    /// Whether it may issue others, with so many authorities below it.
    pub authority: Option<Option<u8>>,
    /// What the key is for; the usual things if nothing is said.
    pub usage: Option<Vec<KeyPurpose>>,
    /// The length of the key in bits.
    pub bits: usize,
    /// What the key follows from.
    pub seed: [u8; 32],
}

impl Order {
    /// A certificate of an end, valid from 2020 to 2049, with a key of 2048 bits.
    pub fn end(subject: &str, seed: [u8; 32]) -> Self {
        Self {
            subject: subject.to_owned(),
            names: Vec::new(),
            not_before: 1_577_836_800,
            not_after: 2_493_072_000,
            authority: None,
            usage: None,
            bits: 2048,
            seed,
        }
    }

    /// A certificate of an authority.
    pub fn authority(subject: &str, seed: [u8; 32]) -> Self {
        Self { authority: Some(None), ..Self::end(subject, seed) }
    }
}

/// A key with its certificate.
#[derive(Clone)]
pub struct Issued {
    key: PrivateKey,
    subject: Name,
    certificate: Vec<u8>,
}

impl Issued {
    /// An authority that trusts itself.
    ///
    /// # Errors
    /// If the order cannot be met.
    pub fn root(order: &Order) -> Result<Self, LaboratoryError> {
        let key = PrivateKey::new(&mut SeededRng::new(order.seed), order.bits)?;
        let name = name(&order.subject)?;
        let certificate = sign(order, &key, &name, &key)?;
        Ok(Self { key, subject: name, certificate })
    }

    /// Issues a certificate with a key of its own.
    ///
    /// # Errors
    /// If the order cannot be met.
    pub fn issue(&self, order: &Order) -> Result<Self, LaboratoryError> {
        let key = PrivateKey::new(&mut SeededRng::new(order.seed), order.bits)?;
        self.certify(order, key)
    }

    /// Issues another certificate for the key of `known`: keys take time, certificates do not.
    ///
    /// # Errors
    /// If the order cannot be met.
    pub fn issue_again(&self, order: &Order, known: &Self) -> Result<Self, LaboratoryError> {
        self.certify(order, known.key.clone())
    }

    fn certify(&self, order: &Order, key: PrivateKey) -> Result<Self, LaboratoryError> {
        let certificate = sign(order, &self.key, &self.subject, &key)?;
        Ok(Self { key, subject: name(&order.subject)?, certificate })
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The certificate in PEM.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn certificate_pem(&self) -> Result<String, LaboratoryError> {
        pem("CERTIFICATE", &self.certificate)
    }

    /// The private key as PKCS#8 in DER.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn key(&self) -> Result<SecretBytes, LaboratoryError> {
        let key = self.key.to_pkcs8_der().map_err(|e| LaboratoryError::Builder(e.to_string()))?;
        Ok(SecretBytes::from_slice(key.as_bytes()))
    }

    /// The private key as PKCS#8 in PEM.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn key_pem(&self) -> Result<String, LaboratoryError> {
        pem("PRIVATE KEY", self.key()?.expose())
    }

    /// The setup of an end with this certificate that trusts `anchor`; what it asks and sends is the
    /// default.
    ///
    /// # Errors
    /// If the key cannot be written.
    pub fn setup(
        &self,
        anchor: &Self,
        started_at: u64,
    ) -> Result<CertificateSetup, LaboratoryError> {
        Ok(CertificateSetup {
            chain: vec![Der(self.certificate.clone())],
            key: self.key()?,
            anchors: vec![Der(anchor.certificate.clone())],
            started_at,
            send: SendCertificate::default(),
            ask_nothing: false,
        })
    }
}

impl core::fmt::Debug for Issued {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Issued({})", self.subject)
    }
}

/// How the builder is told what to write: exactly what was ordered.
struct Exactly {
    issuer: Name,
    subject: Name,
    extensions: Vec<Extension>,
}

impl BuilderProfile for Exactly {
    fn get_issuer(&self, _subject: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        self.subject.clone()
    }

    fn build_extensions(
        &self,
        _spk: SubjectPublicKeyInfoRef<'_>,
        _issuer_spk: SubjectPublicKeyInfoRef<'_>,
        _tbs: &TbsCertificate,
    ) -> builder::Result<Vec<Extension>> {
        Ok(self.extensions.clone())
    }
}

/// A certificate over `key`, signed by an issuer with SHA-256.
fn sign(
    order: &Order,
    issuer_key: &PrivateKey,
    issuer: &Name,
    key: &PrivateKey,
) -> Result<Vec<u8>, LaboratoryError> {
    let subject = name(&order.subject)?;
    let extensions = extensions(order, &subject)?;
    let profile = Exactly { issuer: issuer.clone(), subject, extensions };
    let time = |seconds: u64| -> Result<Time, LaboratoryError> {
        let time = der::asn1::GeneralizedTime::from_unix_duration(Duration::from_secs(seconds))?;
        Ok(Time::GeneralTime(time))
    };
    let validity = Validity::new(time(order.not_before)?, time(order.not_after)?);
    let serial = serial(order);
    let build = |error: builder::Error| LaboratoryError::Builder(error.to_string());
    let own = SigningKey::<sha2::Sha256>::new(key.clone());
    let spki = SubjectPublicKeyInfo::from_key(&own.verifying_key())
        .map_err(|error| LaboratoryError::Builder(error.to_string()))?;
    let certificate = CertificateBuilder::new(profile, SerialNumber::new(&serial)?, validity, spki)
        .map_err(build)?
        .build(&SigningKey::<sha2::Sha256>::new(issuer_key.clone()))
        .map_err(build)?;
    Ok(certificate.to_der()?)
}

/// A name of no parts is a name, too.
fn name(text: &str) -> Result<Name, LaboratoryError> {
    if text.is_empty() { Ok(Name::default()) } else { Ok(Name::from_str(text)?) }
}

/// A serial number that is positive and follows from all of the order: some daemons remember what they
/// have seen by it.
fn serial(order: &Order) -> [u8; 9] {
    let times = [order.not_before, order.not_after].map(u64::to_be_bytes).concat();
    let said =
        format!("{} {:?} {:?} {:?}", order.subject, order.names, order.authority, order.usage);
    let digest = Hash::Sha256.digest(&[&order.seed, &times, said.as_bytes()]);
    let mut serial = [0x5a; 9];
    for (to, from) in serial.iter_mut().skip(1).zip(digest) {
        *to = from;
    }
    serial
}

fn extensions(order: &Order, subject: &Name) -> Result<Vec<Extension>, LaboratoryError> {
    let mut extensions = Vec::new();
    let constraints = BasicConstraints {
        ca: order.authority.is_some(),
        path_len_constraint: order.authority.flatten(),
    };
    extensions.push(constraints.to_extension(subject, &extensions)?);
    let usual = if order.authority.is_some() {
        vec![KeyPurpose::KeyCertSign, KeyPurpose::CRLSign]
    } else {
        vec![KeyPurpose::DigitalSignature, KeyPurpose::NonRepudiation]
    };
    let usages = order.usage.clone().unwrap_or(usual);
    let flags = usages.into_iter().fold(FlagSet::default(), |flags, usage| flags | usage);
    extensions.push(KeyUsage(flags).to_extension(subject, &extensions)?);
    let names = order.names.iter().filter_map(|id| general_name(id).transpose());
    let names: Vec<GeneralName> = names.collect::<Result<_, _>>()?;
    if !names.is_empty() {
        extensions.push(SubjectAltName(names).to_extension(subject, &extensions)?);
    }
    Ok(extensions)
}

fn general_name(id: &Id) -> der::Result<Option<GeneralName>> {
    Ok(match id.kind {
        IdType::FQDN => Some(GeneralName::DnsName(Ia5String::new(&id.data)?)),
        IdType::RFC822_ADDR => Some(GeneralName::Rfc822Name(Ia5String::new(&id.data)?)),
        IdType::IPV4_ADDR | IdType::IPV6_ADDR => {
            Some(GeneralName::IpAddress(OctetString::new(id.data.clone())?))
        }
        _ => None,
    })
}

fn pem(label: &str, der: &[u8]) -> Result<String, LaboratoryError> {
    encode_string(label, LineEnding::LF, der)
        .map_err(|error| LaboratoryError::Builder(error.to_string()))
}
