//! What becomes of a peer of phase 1 that has not proven who it is: what is told, to whom, and whether
//! that is the end.

use core::net::SocketAddr;

use crate::endpoint::context::Context;
use crate::event::Event;
use crate::io::IkeHandle;
use crate::pki::{CertificateError, Refused};
use crate::wire::v1::NotifyKind;
use crate::wire::v2;

/// Why a peer is not who it says that it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// HASH or SIG is missing, or fits neither the identity nor what was exchanged. A wrong secret
    /// looks so, and a message that was changed on its way.
    Wrong,
    /// SIG is over a DigestInfo.
    Encoding,
    /// There is no certificate, though one was asked for or none.
    Missing {
        /// Whether one was.
        asked: bool,
    },
    /// The certificate cannot be used.
    Unreadable(CertificateError),
    /// The signature is that of a certificate that does not count.
    Refused(Refused),
}

impl Failure {
    /// Tells whoever listens, and says what the peer may be told.
    pub(super) fn tell(
        &self,
        cx: &mut Context,
        ike: IkeHandle,
        remote: SocketAddr,
        id: &v2::Id,
    ) -> Option<NotifyKind> {
        let id = id.to_string();
        let (rule, says) = match self {
            Self::Wrong => {
                cx.event(Event::AuthenticationFailed { ike, id, answer: None });
                return None;
            }
            Self::Encoding => (
                "rfc2409-5.1-rsa-signature-encoding",
                "the signature is over a DigestInfo instead of the hash alone".to_owned(),
            ),
            Self::Missing { asked } => {
                let why =
                    if *asked { "asked for and not sent" } else { "neither asked for nor sent" };
                ("rfc2408-3.10-certreq-answered", format!("a certificate was {why}"))
            }
            Self::Unreadable(error) => (error.requirement(), error.to_string()),
            Self::Refused(refused) => {
                (refused.requirement(), format!("{refused}; {}", refused.change()))
            }
        };
        if matches!(self, Self::Encoding | Self::Missing { asked: true }) {
            cx.violation(Some(ike), remote, rule, says.as_str());
        }
        let answer = self.notify();
        let rule = rule.to_owned();
        cx.event(Event::IdentityRefused { ike, id, rule, says, answer: Some(answer.into()) });
        Some(answer)
    }

    /// Whether no better message will come. The ciphertext of phase 1 can be changed on its way, but a
    /// signature that fits was made by the peer, and so was the rest that it covers.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(_))
    }

    const fn notify(&self) -> NotifyKind {
        match self {
            Self::Wrong | Self::Encoding => NotifyKind::INVALID_SIGNATURE,
            Self::Missing { .. } => NotifyKind::CERTIFICATE_UNAVAILABLE,
            Self::Unreadable(_) => NotifyKind::INVALID_CERTIFICATE,
            Self::Refused(refused) => refused.notify(),
        }
    }
}
