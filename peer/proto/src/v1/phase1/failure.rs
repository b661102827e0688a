//! What becomes of a peer of phase 1 that has not proven who it is: what is told, to whom, and whether
//! that is the end.
//!
//! Until HASH or SIG fits, anybody on the way may have changed the ciphertext. What decrypting it yields
//! must not show then: each such message gets the same reaction, whatever is wrong with it.

use core::net::SocketAddr;

use super::auth::Authenticator;
use super::common::Answer;
use crate::endpoint::context::Context;
use crate::event::{DropReason, Event, Notification};
use crate::io::IkeHandle;
use crate::pki::{CertificateError, Refused};
use crate::time::Time;
use crate::v1::channel::Channel;
use crate::v1::sa::Arrival;
use crate::wire::v1::NotifyKind;
use crate::wire::v2;

/// A message to a responder that should prove who its peer is.
pub(super) struct Attempt<'a> {
    pub(super) ike: IkeHandle,
    pub(super) now: Time,
    pub(super) arrival: &'a Arrival<'a>,
    pub(super) authenticator: &'a Authenticator,
    pub(super) channel: &'a Channel,
    /// The last block of phase 1 so far.
    pub(super) base: &'a [u8],
}

impl Attempt<'_> {
    /// Drops a message that could not be read, as one that proves nothing if its content is as good as
    /// random.
    pub(super) fn unread(&self, id: &v2::Id, reason: DropReason, cx: &mut Context) {
        match reason {
            DropReason::BadIcv => self.refuse(id, &Failure::Wrong, cx),
            reason => self.arrival.dropped(reason, cx),
        }
    }

    /// Drops the message. With a pre-shared key the peer gets no word, as most likely it has another key
    /// and could not read it. With signatures it is told what is wrong under keys that only it has, in a
    /// message whose length is always the same (RFC 2408, sections 4.8, 5.9 and 5.12).
    pub(super) fn refuse(&self, id: &v2::Id, failure: &Failure, cx: &mut Context) {
        let Self { ike, now, arrival, authenticator, channel, base } = *self;
        let remote = arrival.path.remote;
        match authenticator {
            Authenticator::PreSharedKey(_) => failure.tell(cx, ike, remote, id, None),
            Authenticator::Signatures(_) => {
                let answer = Answer::protected(cx, now, arrival, failure.notify(), channel, base);
                failure.tell(cx, ike, remote, id, answer.said());
                answer.send(cx, arrival);
            }
        }
        arrival.dropped(DropReason::BadIcv, cx);
    }
}

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
    /// Tells whoever listens, with what the peer is told.
    pub(super) fn tell(
        &self,
        cx: &mut Context,
        ike: IkeHandle,
        remote: SocketAddr,
        id: &v2::Id,
        answer: Option<Notification>,
    ) {
        let id = id.to_string();
        let (rule, says) = match self {
            Self::Wrong => {
                cx.event(Event::AuthenticationFailed { ike, id, answer });
                return;
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
        let rule = rule.to_owned();
        cx.event(Event::IdentityRefused { ike, id, rule, says, answer });
    }

    /// Whether no better message will come. SIG covers the identity but no certificate, so what stands
    /// against one may have come on the way, unless its path leads to a trust anchor.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Refused(Refused::OtherName { .. } | Refused::TypeOfName(_)))
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
