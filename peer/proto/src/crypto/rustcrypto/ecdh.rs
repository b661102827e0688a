//! Key exchange on the ECP groups and on Curve25519.

use std::sync::Arc;

use elliptic_curve::ecdh::diffie_hellman;
use elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point};
use elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use x25519_dalek::StaticSecret;

use crate::crypto::dh::{DhSecret, KeyPair, scalar};
use crate::crypto::{CryptoError, Group, SecretBytes};

/// SEC 1's mark of an uncompressed point, which RFC 5903 leaves out.
const UNCOMPRESSED: u8 = 4;

/// A key pair whose scalar is made of `random`.
pub(super) fn keypair(group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
    let scalar = scalar(group, random)?;
    match group {
        Group::Ecp256 => ecp::<p256::NistP256>(group, &scalar),
        Group::Ecp384 => ecp::<p384::NistP384>(group, &scalar),
        Group::Ecp521 => ecp::<p521::NistP521>(group, &scalar),
        _ => curve25519(group, &scalar),
    }
}

fn ecp<C>(group: Group, scalar: &SecretBytes) -> Result<KeyPair, CryptoError>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    let key = SecretKey::<C>::from_slice(scalar.expose())
        .map_err(|_| CryptoError::Provider("a scalar"))?;
    let point = key.public_key().to_sec1_point(false);
    let public = point.as_bytes().get(1..).unwrap_or_default().to_vec();
    Ok(KeyPair::new(group, public, Arc::new(EcpSecret { group, key })))
}

struct EcpSecret<C: elliptic_curve::Curve> {
    group: Group,
    key: SecretKey<C>,
}

impl<C> DhSecret for EcpSecret<C>
where
    C: CurveArithmetic,
    FieldBytesSize<C>: ModulusSize,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
{
    fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        let point = [&[UNCOMPRESSED], peer_public].concat();
        let peer = PublicKey::<C>::from_sec1_bytes(&point)
            .map_err(|_| CryptoError::PublicNotOnCurve(self.group))?;
        let shared = diffie_hellman::<C>(self.key.to_nonzero_scalar(), *peer.as_affine());
        Ok(SecretBytes::from_slice(shared.raw_secret_bytes()))
    }
}

fn curve25519(group: Group, scalar: &SecretBytes) -> Result<KeyPair, CryptoError> {
    let scalar: [u8; 32] =
        scalar.expose().as_slice().try_into().map_err(|_| CryptoError::Provider("a scalar"))?;
    let secret = StaticSecret::from(scalar);
    let public = x25519_dalek::PublicKey::from(&secret).to_bytes().to_vec();
    Ok(KeyPair::new(group, public, Arc::new(X25519Secret { group, secret })))
}

struct X25519Secret {
    group: Group,
    secret: StaticSecret,
}

impl DhSecret for X25519Secret {
    fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        let peer: [u8; 32] = peer_public.try_into().map_err(|_| CryptoError::PublicLength {
            group: self.group,
            expected: 32,
            actual: peer_public.len(),
        })?;
        let shared = self.secret.diffie_hellman(&x25519_dalek::PublicKey::from(peer));
        if shared.was_contributory() {
            Ok(SecretBytes::from_slice(shared.as_bytes()))
        } else {
            Err(CryptoError::SharedSecretZero(self.group))
        }
    }
}
