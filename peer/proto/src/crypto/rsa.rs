//! RSA keys and the signatures of RFC 8017, section 8.2 (PKCS#1, version 1.5).
//!
//! IKEv1 signs HASH_I and HASH_R as they are (RFC 2409, section 5.1); certificates, and others, put
//! a DigestInfo in front that names the hash. A signature is deterministic, so recordings replay.
//! Verification builds the whole padded block and compares it in constant time: nothing is parsed
//! that a forger could stretch.

use core::fmt;
use std::sync::Arc;

use ::rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey, EncodeRsaPublicKey};
use ::rsa::pkcs1v15::Pkcs1v15Sign;
use ::rsa::pkcs8::DecodePrivateKey;
use ::rsa::traits::PublicKeyParts;

use super::{CryptoError, Hash, SeededRng};

/// Octets that hide the computation of a signature.
pub const BLINDING_LEN: usize = 32;
/// The lengths of a modulus in bits.
pub const KEY_BITS: core::ops::RangeInclusive<usize> = 1024..=8192;
/// The longest encoding of a public key that is looked at.
const MAX_PUBLIC_DER: usize = 1100;

/// What the private key is applied to, behind the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RsaForm {
    /// The hash alone (RFC 2409, section 5.1).
    Bare,
    /// The hash in a DigestInfo that names it.
    DigestInfo(Hash),
}

/// A public key within the bounds: a modulus of 1024 to 8192 bits, an odd exponent of 3 to 2^33.
#[derive(Clone, PartialEq, Eq)]
pub struct RsaPublicKey {
    key: ::rsa::PublicKey,
    pkcs1: Vec<u8>,
}

impl RsaPublicKey {
    /// Reads an RSAPublicKey (RFC 8017, appendix A.1.1).
    ///
    /// # Errors
    /// If it is none, or not within the bounds.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, CryptoError> {
        if der.len() > MAX_PUBLIC_DER {
            return Err(CryptoError::RsaKey("it is too long"));
        }
        let key = ::rsa::PublicKey::from_pkcs1_der(der)
            .map_err(|_| CryptoError::RsaKey("it is malformed, or not within the bounds"))?;
        Self::new(key)
    }

    fn new(key: ::rsa::PublicKey) -> Result<Self, CryptoError> {
        if !KEY_BITS.contains(&bits_of(&key)) {
            return Err(CryptoError::RsaKey("its modulus has no length of 1024 to 8192 bits"));
        }
        let pkcs1 = key.to_pkcs1_der().map_err(|_| CryptoError::RsaKey("it is malformed"))?;
        Ok(Self { pkcs1: pkcs1.as_bytes().to_vec(), key })
    }

    /// The length of the modulus in bits.
    pub fn bits(&self) -> usize {
        bits_of(&self.key)
    }

    /// The length of a signature in octets.
    pub fn signature_len(&self) -> usize {
        self.key.size()
    }

    /// The key as an RSAPublicKey (RFC 8017, appendix A.1.1).
    pub fn pkcs1(&self) -> &[u8] {
        &self.pkcs1
    }
}

impl fmt::Debug for RsaPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPublicKey({} bits)", self.bits())
    }
}

/// A private key: wiped on drop and never printed.
#[derive(Clone)]
pub struct RsaPrivateKey {
    key: Arc<::rsa::PrivateKey>,
    public: RsaPublicKey,
}

impl RsaPrivateKey {
    /// Reads a key as PKCS#8 (RFC 5958), or as the RSAPrivateKey inside it.
    ///
    /// # Errors
    /// If it is none, is not consistent, or is not within the bounds.
    pub fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        let key = ::rsa::PrivateKey::from_pkcs8_der(der)
            .ok()
            .or_else(|| ::rsa::PrivateKey::from_pkcs1_der(der).ok())
            .ok_or(CryptoError::RsaKey("it is no private key in DER"))?;
        let public = RsaPublicKey::new(key.to_public_key())?;
        Ok(Self { key: Arc::new(key), public })
    }

    /// The other half.
    pub const fn public(&self) -> &RsaPublicKey {
        &self.public
    }
}

impl fmt::Debug for RsaPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RsaPrivateKey({} bits)", self.public.bits())
    }
}

/// The signature of a hash, computed behind a blinding factor that `blinding` gives.
pub(super) fn sign(
    key: &RsaPrivateKey,
    form: RsaForm,
    hash: &[u8],
    blinding: &[u8; BLINDING_LEN],
) -> Result<Vec<u8>, CryptoError> {
    let mut blinding = SeededRng::new(*blinding);
    key.key
        .sign_with_rng(&mut blinding, padding(form)?, hash)
        .map_err(|_| CryptoError::Provider("a hash to sign"))
}

/// Checks a signature.
pub(super) fn verify(
    key: &RsaPublicKey,
    form: RsaForm,
    hash: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    // An empty hash would leave nothing but padding to compare.
    if hash.is_empty() || signature.len() != key.signature_len() {
        return Err(CryptoError::BadSignature);
    }
    key.key.verify(padding(form)?, hash, signature).map_err(|_| CryptoError::BadSignature)
}

fn padding(form: RsaForm) -> Result<Pkcs1v15Sign, CryptoError> {
    Ok(match form {
        RsaForm::Bare => Pkcs1v15Sign::new_unprefixed(),
        RsaForm::DigestInfo(Hash::Sha1) => Pkcs1v15Sign::new::<sha1::Sha1>(),
        RsaForm::DigestInfo(Hash::Sha256) => Pkcs1v15Sign::new::<sha2::Sha256>(),
        RsaForm::DigestInfo(Hash::Sha384) => Pkcs1v15Sign::new::<sha2::Sha384>(),
        RsaForm::DigestInfo(Hash::Sha512) => Pkcs1v15Sign::new::<sha2::Sha512>(),
        RsaForm::DigestInfo(Hash::Md5) => return Err(CryptoError::BadSignature),
    })
}

fn bits_of(key: &::rsa::PublicKey) -> usize {
    key.n().bit_width() as usize
}
