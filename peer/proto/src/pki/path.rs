//! The path from a certificate to a trust anchor (RFC 5280, section 6.1, without policies, names that
//! are constrained, and revocation).

use super::certificate::Certificate;
use super::error::Refused;
use crate::crypto::Provider;

/// How many certificates of a peer are looked at.
pub const MAX_CERTIFICATES: usize = 8;
/// How many certificates there may be from that of the peer to the anchor, which is not counted.
pub const MAX_DEPTH: usize = 4;

/// Checks that `leaf` may sign at the time `now`, in seconds since 1970, and that it was issued by
/// one of `anchors`, by way of authorities among `others`.
///
/// # Errors
/// With the first thing that stands against it.
pub fn check_path(
    provider: &dyn Provider,
    leaf: &Certificate,
    others: &[Certificate],
    anchors: &[Certificate],
    now: u64,
) -> Result<(), Refused> {
    if leaf.extensions.usage.is_some_and(|usage| !usage.signatures) {
        return Err(Refused::NotForSignatures(leaf.subject_text.clone()));
    }
    let mut current = leaf;
    for authorities in 0..MAX_DEPTH {
        check_time(current, now)?;
        if anchors.iter().any(|anchor| anchor.der() == current.der()) {
            return Ok(());
        }
        let named = |known: &&Certificate| known.subject == current.issuer;
        let signed = |issuer: &&Certificate| current.verify(provider, issuer).is_ok();
        if let Some(anchor) = anchors.iter().filter(named).find(signed) {
            check_time(anchor, now)?;
            return check_authority(anchor, authorities);
        }
        // One that has issued itself leads nowhere.
        let others =
            others.iter().take(MAX_CERTIFICATES).filter(|other| other.der() != current.der());
        let mut candidates = others.clone().filter(named);
        let Some(issuer) = candidates.find(signed) else {
            return Err(if anchors.iter().chain(others).any(|known| named(&known)) {
                Refused::Signature(current.subject_text.clone())
            } else {
                Refused::Untrusted(current.issuer_text.clone())
            });
        };
        check_authority(issuer, authorities)?;
        current = issuer;
    }
    Err(Refused::TooDeep(MAX_DEPTH))
}

fn check_time(certificate: &Certificate, now: u64) -> Result<(), Refused> {
    if now < certificate.not_before {
        return Err(Refused::NotYetValid(certificate.subject_text.clone()));
    }
    if now > certificate.not_after {
        return Err(Refused::Expired(certificate.subject_text.clone()));
    }
    Ok(())
}

/// Whether a certificate may issue others, with so many authorities below it.
fn check_authority(issuer: &Certificate, below: usize) -> Result<(), Refused> {
    let name = || issuer.subject_text.clone();
    if !issuer.extensions.is_authority {
        return Err(Refused::NoAuthority(name()));
    }
    if issuer.extensions.usage.is_some_and(|usage| !usage.certificates) {
        return Err(Refused::NotForCertificates(name()));
    }
    if issuer.extensions.path_len.is_some_and(|most| below > usize::from(most)) {
        return Err(Refused::PathLength(name()));
    }
    Ok(())
}
