//! What an end authenticates with by signatures: its own certificate and key, and whom it trusts.

use core::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificate::Certificate;
use super::error::{CertificateError, Refused};
use super::path::{MAX_CERTIFICATES, check_path};
use crate::crypto::{CryptoError, Provider, RsaPrivateKey, SecretBytes};
use crate::time::Time;
use crate::wire::hex;
use crate::wire::v2::Id;

/// How many trust anchors there may be: all of them are named in certificate requests.
const MAX_ANCHORS: usize = 32;

/// A certificate in DER.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Der(#[serde(with = "hex")] pub Vec<u8>);

impl fmt::Debug for Der {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Der({} octets)", self.0.len())
    }
}

/// [`Certificates`] before they are checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateSetup {
    /// The own certificate, then those between it and the anchor of the peer.
    pub chain: Vec<Der>,
    /// The private key of the first of them, as PKCS#8 or as RSAPrivateKey.
    #[serde(with = "crate::secret_hex")]
    pub key: SecretBytes,
    /// The authorities that are trusted, or certificates of peers themselves.
    pub anchors: Vec<Der>,
    /// What time it is at the start of the endpoint, in seconds since 1970.
    pub started_at: u64,
    /// When the own certificate is sent.
    #[serde(default)]
    pub send: SendCertificate,
    /// Whether the peer is not asked for its certificate.
    #[serde(default)]
    pub ask_nothing: bool,
}

/// When the own certificate is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SendCertificate {
    /// When the peer asks for one.
    #[default]
    IfAsked,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A setup that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no own certificate, or there are too many.
    #[error("there are {0} own certificates; there may be 1 to {MAX_CERTIFICATES}")]
    Chain(usize),
    /// There are too many anchors.
    #[error("there are {0} trust anchors; there may be {MAX_ANCHORS}")]
    Anchors(usize),
    /// A certificate cannot be used.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The private key cannot be used.
    #[error("the private key cannot be used: {0}")]
    Key(#[from] CryptoError),
    /// The private key belongs to another certificate.
    #[error("the private key is not that of the certificate of {0}")]
    OtherKey(String),
}

/// The own certificate and key, and the trust anchors, checked. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "CertificateSetup", into = "CertificateSetup")]
pub struct Certificates(Arc<Inner>);

struct Inner {
    setup: CertificateSetup,
    own: Certificate,
    key: RsaPrivateKey,
    anchors: Vec<Certificate>,
}

impl Certificates {
    /// Checks a setup.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn new(setup: CertificateSetup) -> Result<Self, SetupError> {
        let chain = setup.chain.len();
        if chain > MAX_CERTIFICATES {
            return Err(SetupError::Chain(chain));
        }
        if setup.anchors.len() > MAX_ANCHORS {
            return Err(SetupError::Anchors(setup.anchors.len()));
        }
        let read = |der: &Der| Certificate::from_der(&der.0);
        let chain: Vec<_> = setup.chain.iter().map(read).collect::<Result<_, _>>()?;
        let anchors = setup.anchors.iter().map(read).collect::<Result<_, _>>()?;
        let own = chain.into_iter().next().ok_or(SetupError::Chain(0))?;
        let key = RsaPrivateKey::from_der(setup.key.expose())?;
        if key.public() != own.key() {
            return Err(SetupError::OtherKey(own.subject_text().to_owned()));
        }
        Ok(Self(Arc::new(Inner { setup, own, key, anchors })))
    }

    /// The own certificate.
    pub fn own(&self) -> &Certificate {
        &self.0.own
    }

    /// Its private key.
    pub fn key(&self) -> &RsaPrivateKey {
        &self.0.key
    }

    /// What is sent as certificates.
    pub fn chain(&self) -> impl Iterator<Item = &[u8]> {
        self.0.setup.chain.iter().map(|der| der.0.as_slice())
    }

    /// Whom this end trusts.
    pub fn anchors(&self) -> &[Certificate] {
        &self.0.anchors
    }

    /// Whether the own certificate goes to a peer that has asked for one, or not.
    pub fn sends(&self, asked: bool) -> bool {
        match self.0.setup.send {
            SendCertificate::IfAsked => asked,
            SendCertificate::Always => true,
            SendCertificate::Never => false,
        }
    }

    /// Whether peers are asked for theirs.
    pub fn asks(&self) -> bool {
        !self.0.setup.ask_nothing
    }

    /// What this end says that it is where nothing else is set: its address, if the certificate names
    /// that, and else the subject.
    pub fn default_id(&self, local: IpAddr) -> Id {
        let address = Id::ip(local);
        match self.own().check_id(&address) {
            Ok(()) => address,
            Err(_) => self.own().subject_id(),
        }
    }

    /// Checks a peer's certificate: its path at that time, and that it names the peer.
    ///
    /// # Errors
    /// With what stands against it.
    pub fn check(
        &self,
        provider: &dyn Provider,
        leaf: &Certificate,
        others: &[Certificate],
        id: &Id,
        now: Time,
    ) -> Result<(), Refused> {
        let now = self.0.setup.started_at.saturating_add(now.since_start().as_secs());
        check_path(provider, leaf, others, self.anchors(), now)?;
        leaf.check_id(id)
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("own", self.own())
            .field("anchors", &self.anchors())
            .finish_non_exhaustive()
    }
}

impl TryFrom<CertificateSetup> for Certificates {
    type Error = SetupError;

    fn try_from(setup: CertificateSetup) -> Result<Self, SetupError> {
        Self::new(setup)
    }
}

impl From<Certificates> for CertificateSetup {
    fn from(certificates: Certificates) -> Self {
        certificates.0.setup.clone()
    }
}
