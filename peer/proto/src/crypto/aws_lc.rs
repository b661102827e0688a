//! The fast provider: AWS-LC for AES-GCM with full tags, ChaCha20-Poly1305, HMAC over the SHA
//! family, the ECP groups, Curve25519 and the signatures of certificates. What it lacks, RustCrypto
//! does: CBC, short tags, MD5, MODP and the bare RSA signatures of IKEv1.
//!
//! Scalars are imported, never generated inside: see [`dh`](super::dh).

use core::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::signature::{self, RsaParameters, VerificationAlgorithm};
use aws_lc_rs::{agreement, digest, hmac};

use super::dh::{DhSecret, KeyPair, scalar};
use super::provider::{check_key, check_len};
use super::rsa::{RsaForm, RsaPublicKey};
use super::{
    Aead, Cbc, CryptoError, Encr, Group, Hash, IcvBytes, KeyBits, Mac, Provider, RustCrypto,
    SecretBytes,
};

/// SEC 1's mark of an uncompressed point, which RFC 5903 leaves out.
const UNCOMPRESSED: u8 = 4;

/// AWS-LC, and RustCrypto for what it lacks.
#[derive(Clone, Copy, Debug, Default)]
pub struct AwsLc;

impl Provider for AwsLc {
    fn name(&self) -> &'static str {
        "aws-lc"
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
        let algorithm = match hash {
            Hash::Md5 => return RustCrypto.hmac(hash, key),
            Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Hash::Sha256 => hmac::HMAC_SHA256,
            Hash::Sha384 => hmac::HMAC_SHA384,
            Hash::Sha512 => hmac::HMAC_SHA512,
        };
        Arc::new(Hmac { hash, keyed: hmac::Context::with_key(&hmac::Key::new(algorithm, key)) })
    }

    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
        RustCrypto.cbc(encr, key)
    }

    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
        let algorithm = match encr {
            Encr::AesGcm { bits: KeyBits::B128, icv: IcvBytes::I16 } => &aead::AES_128_GCM,
            Encr::AesGcm { bits: KeyBits::B192, icv: IcvBytes::I16 } => &aead::AES_192_GCM,
            Encr::AesGcm { bits: KeyBits::B256, icv: IcvBytes::I16 } => &aead::AES_256_GCM,
            Encr::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
            _ => return RustCrypto.aead(encr, key),
        };
        check_key(encr.name(), encr.key_len(), key)?;
        let key =
            UnboundKey::new(algorithm, key).map_err(|_| CryptoError::Provider("a cipher key"))?;
        Ok(Arc::new(FullTag { encr, key: LessSafeKey::new(key) }))
    }

    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
        let algorithm = match group {
            Group::Ecp256 => &agreement::ECDH_P256,
            Group::Ecp384 => &agreement::ECDH_P384,
            Group::Ecp521 => &agreement::ECDH_P521,
            Group::Curve25519 => &agreement::X25519,
            _ => return RustCrypto.dh_keypair(group, random),
        };
        let scalar = scalar(group, random)?;
        let key = agreement::PrivateKey::from_private_key(algorithm, scalar.expose())
            .map_err(|_| CryptoError::Provider("a scalar"))?;
        let public = key.compute_public_key().map_err(|_| CryptoError::Provider("a public key"))?;
        let mark = usize::from(group != Group::Curve25519);
        let public = public.as_ref().get(mark..).unwrap_or_default().to_vec();
        Ok(KeyPair::new(group, public, Arc::new(Agreement { group, algorithm, key })))
    }

    fn rsa_verify(
        &self,
        key: &RsaPublicKey,
        form: RsaForm,
        hash: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let Some((algorithm, digest)) = certificate_form(key, form) else {
            return RustCrypto.rsa_verify(key, form, hash, signature);
        };
        digest::Digest::import_less_safe(hash, digest)
            .and_then(|hash| algorithm.verify_digest_sig(key.pkcs1(), &hash, signature))
            .map_err(|_| CryptoError::BadSignature)
    }
}

/// What verifies signatures of that form, where there is something.
fn certificate_form(
    key: &RsaPublicKey,
    form: RsaForm,
) -> Option<(&'static RsaParameters, &'static digest::Algorithm)> {
    let RsaForm::DigestInfo(hash) = form else { return None };
    Some(match hash {
        Hash::Md5 => return None,
        Hash::Sha1 => (
            &signature::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
        ),
        Hash::Sha256 => {
            (&signature::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, &digest::SHA256)
        }
        Hash::Sha384 if key.bits() < 2048 => return None,
        Hash::Sha384 => (&signature::RSA_PKCS1_2048_8192_SHA384, &digest::SHA384),
        Hash::Sha512 => {
            (&signature::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, &digest::SHA512)
        }
    })
}

struct Hmac {
    hash: Hash,
    keyed: hmac::Context,
}

impl Mac for Hmac {
    fn output_len(&self) -> usize {
        self.hash.output_len()
    }

    fn sign(&self, parts: &[&[u8]], out: &mut [u8]) {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        for (to, from) in out.iter_mut().zip(mac.sign().as_ref()) {
            *to = *from;
        }
    }
}

impl fmt::Debug for Hmac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hmac").field("hash", &self.hash).finish_non_exhaustive()
    }
}

struct FullTag {
    encr: Encr,
    key: LessSafeKey,
}

impl Aead for FullTag {
    fn tag_len(&self) -> usize {
        self.encr.icv_len()
    }

    fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        check_len("the tag", self.tag_len(), tag.len())?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key
            .seal_in_place_scatter(nonce, Aad::from(aad), data, &[], tag)
            .map_err(|_| CryptoError::Provider("a message to seal"))
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        check_len("the tag", self.tag_len(), tag.len())?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        self.key
            .open_in_place_separate_tag(nonce, Aad::from(aad), tag, data)
            .map(drop)
            .map_err(|_| CryptoError::BadTag)
    }
}

impl fmt::Debug for FullTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aead").field("encr", &self.encr).finish_non_exhaustive()
    }
}

struct Agreement {
    group: Group,
    algorithm: &'static agreement::Algorithm,
    key: agreement::PrivateKey,
}

impl DhSecret for Agreement {
    fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        let (mark, refused): (&[u8], _) = if self.group == Group::Curve25519 {
            (&[], CryptoError::SharedSecretZero(self.group))
        } else {
            (&[UNCOMPRESSED], CryptoError::PublicNotOnCurve(self.group))
        };
        let point = [mark, peer_public].concat();
        let peer = agreement::UnparsedPublicKey::new(self.algorithm, point);
        agreement::agree(&self.key, peer, refused, |shared| Ok(SecretBytes::from_slice(shared)))
    }
}
