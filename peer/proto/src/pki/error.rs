//! What can be wrong with a certificate, and which requirement says so.

use crate::wire::v1::NotifyKind;

/// Octets that are no certificate that can be used here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is longer than anything that is looked at.
    #[error("a certificate of {0} octets is too long")]
    TooLong(usize),
    /// It is not well-formed.
    #[error("the certificate is malformed: {0}")]
    Malformed(String),
    /// Its key is none of RSA, or not within the bounds.
    #[error("the key of the certificate cannot be used: {0}")]
    Key(String),
    /// It is signed with an algorithm that is not known.
    #[error("the certificate is signed with {0}")]
    SignatureAlgorithm(String),
    /// A critical extension is not understood.
    #[error("the critical extension {0} of the certificate is not understood")]
    CriticalExtension(String),
    /// An extension is there twice.
    #[error("the extension {0} of the certificate is there twice")]
    ExtensionTwice(String),
}

impl CertificateError {
    /// The requirement that says so.
    pub const fn requirement(&self) -> &'static str {
        match self {
            Self::CriticalExtension(_) | Self::ExtensionTwice(_) => "rfc5280-4.2-critical-unknown",
            _ => "rfc5280-6.1.3-signature",
        }
    }
}

/// Why a certificate that can be read does not count.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is not valid yet.
    #[error("the certificate of {0} is not valid yet")]
    NotYetValid(String),
    /// It is not valid any more.
    #[error("the certificate of {0} has expired")]
    Expired(String),
    /// Nobody that is trusted has issued it.
    #[error("{0}, who has issued the certificate, is not trusted")]
    Untrusted(String),
    /// The path is longer than what is followed.
    #[error("no trust anchor comes within {0} certificates")]
    TooDeep(usize),
    /// Its signature is wrong.
    #[error("the signature of the certificate of {0} is wrong")]
    Signature(String),
    /// Its issuer is no authority.
    #[error("{0}, who has issued a certificate, is no authority")]
    NoAuthority(String),
    /// Its issuer may not sign certificates.
    #[error("the key of {0} is not for certificates")]
    NotForCertificates(String),
    /// There are more authorities below one than it allows.
    #[error("there are more authorities below {0} than it allows")]
    PathLength(String),
    /// Its key is for something else.
    #[error("the key of {0} is not for signatures")]
    NotForSignatures(String),
    /// It names somebody else.
    #[error("the certificate of {subject} does not name {id}")]
    OtherName {
        /// Whom it names.
        subject: String,
        /// The asserted identity.
        id: String,
    },
    /// A certificate cannot name identities of that type.
    #[error("a certificate cannot name {0}")]
    TypeOfName(String),
}

impl Refused {
    /// The requirement that says so.
    pub const fn requirement(&self) -> &'static str {
        match self {
            Self::NotYetValid(_) | Self::Expired(_) => "rfc5280-6.1.3-validity",
            Self::Untrusted(_) | Self::TooDeep(_) => "rfc5280-6.1-trust-anchor",
            Self::Signature(_) => "rfc5280-6.1.3-signature",
            Self::NoAuthority(_) => "rfc5280-6.1.4-authority",
            Self::NotForCertificates(_) => "rfc5280-6.1.4-key-cert-sign",
            Self::PathLength(_) => "rfc5280-6.1.4-path-length",
            Self::NotForSignatures(_) => "rfc4945-5.1.3.2-key-usage",
            Self::OtherName { .. } | Self::TypeOfName(_) => "rfc4945-3.1-id-in-certificate",
        }
    }

    /// How IKEv1 tells it.
    pub const fn notify(&self) -> NotifyKind {
        match self {
            Self::Untrusted(_) | Self::TooDeep(_) => NotifyKind::INVALID_CERT_AUTHORITY,
            Self::OtherName { .. } | Self::TypeOfName(_) => NotifyKind::INVALID_ID_INFORMATION,
            _ => NotifyKind::INVALID_CERTIFICATE,
        }
    }

    /// What helps.
    pub const fn change(&self) -> &'static str {
        match self {
            Self::NotYetValid(_) | Self::Expired(_) => "renew it, or set the clock",
            Self::Untrusted(_) | Self::TooDeep(_) => {
                "use a certificate of a trusted authority, and send those between them"
            }
            Self::Signature(_) => "send it as the authority has made it",
            Self::NoAuthority(_) | Self::NotForCertificates(_) | Self::PathLength(_) => {
                "let an authority issue it"
            }
            Self::NotForSignatures(_) => "have digitalSignature or nonRepudiation in its key usage",
            Self::OtherName { .. } | Self::TypeOfName(_) => {
                "assert a name of subjectAltName, or the subject"
            }
        }
    }
}
