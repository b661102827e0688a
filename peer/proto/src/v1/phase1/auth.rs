//! How the ends of phase 1 prove who they are: by a pre-shared key or by RSA signatures (RFC 2409,
//! sections 5.1 and 5.4).
//!
//! The two differ in what SKEYID is made of, and in what goes with an identity: HASH, or SIG over what
//! HASH would be, with certificates. The rest of both modes is the same and knows an
//! [`Authenticator`] only.

use subtle::ConstantTimeEq;

use super::common::{Exchanged, hash, one};
use crate::config::{Connection, PskAsWell};
use crate::crypto::ikev1::{skeyid_psk, skeyid_signatures};
use crate::crypto::{CryptoError, Prf, RsaForm, SecretBytes};
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::io::IkeHandle;
use crate::pki::{Certificate, Certificates, MAX_CERTIFICATES};
use crate::policy::{self, Life};
use crate::time::Time;
use crate::v1::phase1::failure::Failure;
use crate::v1::sa::Arrival;
use crate::wire::CertEncoding;
use crate::wire::v1::num::{Phase1Attr, Phase1Auth};
use crate::wire::v1::{Cert, CertReq, Message, Payload, Sa};
use crate::wire::v2;

/// What both ends of one phase 1 authenticate with.
#[derive(Clone, Debug)]
pub(super) enum Authenticator {
    /// The key that both know.
    PreSharedKey(SecretBytes),
    /// The own certificate, and those that the peer's is judged by.
    Signatures(Certificates),
}

impl Authenticator {
    /// That of an initiator for the method that was chosen.
    pub(super) fn of_connection(connection: &Connection, auth: Phase1Auth) -> Self {
        match (auth.without_xauth(), own_certificates(connection)) {
            (Phase1Auth::RSA_SIGNATURES, Some(certificates)) => {
                Self::Signatures(certificates.clone())
            }
            _ => Self::PreSharedKey(connection.psk.clone()),
        }
    }

    /// SKEYID.
    pub(super) fn skeyid(
        &self,
        cx: &Context,
        prf: Prf,
        exchanged: &Exchanged,
        shared: &SecretBytes,
    ) -> SecretBytes {
        let (provider, Exchanged { ni, nr, .. }) = (&*cx.provider, exchanged);
        match self {
            Self::PreSharedKey(psk) => skeyid_psk(provider, prf, psk, ni, nr),
            Self::Signatures(_) => skeyid_signatures(provider, prf, shared, ni, nr),
        }
    }

    /// What this end says that it is, as a responder.
    pub(super) fn own_id(&self, cx: &Context, arrival: &Arrival<'_>) -> v2::Id {
        let local = arrival.path.local.ip();
        match (&cx.config.identity, self) {
            (Some(id), _) => id.clone(),
            (None, Self::PreSharedKey(_)) => v2::Id::ip(local),
            (None, Self::Signatures(certificates)) => certificates.default_id(local),
        }
    }

    /// The requests for the peer's certificate: one for each authority (RFC 2408, section 3.10).
    pub(super) fn requests(&self) -> Vec<Payload> {
        match self {
            Self::PreSharedKey(_) => Vec::new(),
            Self::Signatures(certificates) => requests(certificates),
        }
    }

    /// What follows the own identity: HASH, or SIG behind the certificates that the peer is to have.
    ///
    /// # Errors
    /// If the provider cannot sign.
    pub(super) fn proof(
        &self,
        cx: &mut Context,
        ike: IkeHandle,
        hash: Vec<u8>,
        asked: bool,
    ) -> Result<Vec<Payload>, CryptoError> {
        let certificates = match self {
            Self::PreSharedKey(_) => return Ok(vec![Payload::Hash(hash)]),
            Self::Signatures(certificates) => certificates,
        };
        let blinding = cx.entropy.array(Label::BLINDING, ike.0);
        let signature =
            cx.provider.rsa_sign(certificates.key(), RsaForm::Bare, &hash, &blinding)?;
        let encoding = CertEncoding::X509_SIGNATURE;
        let chain = certificates.chain().filter(|_| certificates.sends(asked));
        let chain = chain.map(|der| Payload::Cert(Cert { encoding, data: der.to_vec() }));
        Ok(chain.chain([Payload::Sig(signature)]).collect())
    }

    /// Checks what came with the peer's identity against the hash that it must be for.
    ///
    /// # Errors
    /// With what is wrong.
    pub(super) fn check(
        &self,
        cx: &Context,
        now: Time,
        message: &Message,
        id: &v2::Id,
        expected: &[u8],
    ) -> Result<(), Failure> {
        match self {
            Self::PreSharedKey(_) => match hash(message) {
                Ok(received) if bool::from(received.ct_eq(expected)) => Ok(()),
                _ => Err(Failure::Wrong),
            },
            Self::Signatures(certificates) => {
                check_signature(certificates, cx, now, message, id, expected)
            }
        }
    }
}

/// Checks SIG with the key of the first certificate, and then whether that certificate counts: whoever
/// has made the signature has meant the certificate that goes with it.
fn check_signature(
    certificates: &Certificates,
    cx: &Context,
    now: Time,
    message: &Message,
    id: &v2::Id,
    expected: &[u8],
) -> Result<(), Failure> {
    let signature = one(message, "SIG", |payload| match payload {
        Payload::Sig(signature) => Some(signature.as_slice()),
        _ => None,
    });
    let signature = signature.map_err(|_| Failure::Wrong)?;
    let mut received = message
        .iter()
        .filter_map(|payload| match payload {
            Payload::Cert(cert) if cert.encoding == CertEncoding::X509_SIGNATURE => Some(cert),
            _ => None,
        })
        .take(MAX_CERTIFICATES)
        .map(|cert| Certificate::from_der(&cert.data));
    let leaf = match received.next() {
        Some(leaf) => leaf.map_err(Failure::Unreadable)?,
        // What is trusted by itself need not be sent.
        None => {
            let known = certificates.anchors().iter().find(|known| known.check_id(id).is_ok());
            known.cloned().ok_or(Failure::Missing { asked: certificates.asks() })?
        }
    };
    // One that cannot be read may not be needed.
    let others: Vec<_> = received.filter_map(Result::ok).collect();
    let fits = |form| cx.provider.rsa_verify(leaf.key(), form, expected, signature).is_ok();
    if !fits(RsaForm::Bare) {
        let named = crate::crypto::Hash::ALL
            .into_iter()
            .any(|hash| hash.output_len() == expected.len() && fits(RsaForm::DigestInfo(hash)));
        return Err(if named { Failure::Encoding } else { Failure::Wrong });
    }
    certificates.check(&*cx.provider, &leaf, &others, id, now).map_err(Failure::Refused)
}

/// How this end lets the peer authenticate, not looking at logins by XAUTH. Where no key is known for it (readings R14 and R15) and it
/// offers signatures too, those are what is left (reading R16).
pub(super) fn accepted(cx: &Context, offer: &Sa, key_is_known: bool) -> Vec<Phase1Auth> {
    let (key, rsa) = (Phase1Auth::PRE_SHARED_KEY, Phase1Auth::RSA_SIGNATURES);
    match (cx.config.certificates.is_some(), key_is_known) {
        (false, _) => vec![key],
        (true, false) if offers(offer, rsa) => vec![rsa],
        (true, _) => vec![key, rsa],
    }
}

/// The own certificates, if the method that was chosen is that of signatures.
pub(super) fn certificates_for(cx: &Context, auth: Phase1Auth) -> Option<Certificates> {
    cx.config.certificates.clone().filter(|_| auth.without_xauth() == Phase1Auth::RSA_SIGNATURES)
}

/// Whether the user of an initiator has a login for XAUTH.
pub(super) fn logs_in(connection: &Connection) -> bool {
    connection.ikev1.as_ref().is_some_and(|options| !options.xauth.is_empty())
}

/// The offer of an initiator: with signatures, with a pre-shared key, or with one before the other, and
/// with XAUTH behind them if its user logs in.
pub(super) fn offer(connection: &Connection, life: Life) -> Sa {
    let with = |auth: Phase1Auth| {
        let auth = auth.with_xauth().filter(|_| logs_in(connection)).unwrap_or(auth);
        policy::phase1_offer(&connection.ike, auth, life)
    };
    let (key, rsa) = (Phase1Auth::PRE_SHARED_KEY, Phase1Auth::RSA_SIGNATURES);
    let as_well = connection.ikev1.as_ref().map(|options| options.psk_as_well);
    let (first, second) = match (own_certificates(connection), as_well.unwrap_or_default()) {
        (None, _) => (key, None),
        (Some(_), PskAsWell::No) => (rsa, None),
        (Some(_), PskAsWell::Before) => (key, Some(rsa)),
        (Some(_), PskAsWell::Behind) => (rsa, Some(key)),
    };
    let mut offer = with(first);
    let more = second.map(with).into_iter().flat_map(|more| more.proposals);
    for (proposal, more) in offer.proposals.iter_mut().zip(more) {
        proposal.transforms.extend(more.transforms);
        proposal.transforms.truncate(usize::from(u8::MAX));
        for (number, transform) in (1..=u8::MAX).zip(&mut proposal.transforms) {
            transform.number = number;
        }
    }
    offer
}

/// What an initiator of aggressive mode asks for in its first message.
pub(super) fn first_requests(connection: &Connection) -> Vec<Payload> {
    own_certificates(connection).map(requests).unwrap_or_default()
}

/// Whether the peer asks for a certificate that this end may have.
pub(super) fn asks(message: &Message) -> bool {
    message.iter().any(|payload| {
        matches!(payload, Payload::CertReq(request) if request.encoding == CertEncoding::X509_SIGNATURE)
    })
}

fn requests(certificates: &Certificates) -> Vec<Payload> {
    let encoding = CertEncoding::X509_SIGNATURE;
    let anchors = certificates.anchors().iter().filter(|_| certificates.asks());
    anchors
        .map(|anchor| Payload::CertReq(CertReq { encoding, data: anchor.subject().to_vec() }))
        .collect()
}

fn offers(offer: &Sa, auth: Phase1Auth) -> bool {
    let mut transforms = offer.proposals.iter().flat_map(|proposal| &proposal.transforms);
    transforms.any(|transform| {
        let number = transform.attribute(Phase1Attr::AUTH_METHOD.0);
        let method = number.and_then(|number| u16::try_from(number).ok()).map(Phase1Auth);
        method.is_some_and(|method| method.without_xauth() == auth)
    })
}

fn own_certificates(connection: &Connection) -> Option<&Certificates> {
    connection.ikev1.as_ref().and_then(|options| options.certificates.as_ref())
}
