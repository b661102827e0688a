//! The trait between the names of algorithms and the code that computes them.
//!
//! A provider turns keys into keyed objects; the objects are immutable, shared between threads,
//! and work in buffers of the caller without allocating. A keyed [`Mac`] keeps the state after
//! its key and copies it for every message: it is never keyed twice.
//!
//! [`RustCrypto`](super::RustCrypto) implements everything. The fast provider hands what it lacks
//! to it, and for whatever two providers have, the same inputs give the same outputs and the same
//! errors.

use core::fmt;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::dh::KeyPair;
use super::rsa::{self, BLINDING_LEN, RsaForm, RsaPrivateKey, RsaPublicKey};
use super::{CryptoError, Encr, Group, Hash, SecretBytes};

/// The longest output of any hash here.
pub const MAX_HASH_LEN: usize = 64;

/// An implementation of the algorithms.
pub trait Provider: Send + Sync + fmt::Debug {
    /// The name, for reports.
    fn name(&self) -> &'static str;

    /// HMAC over `hash` with `key` of any length.
    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac>;

    /// A block cipher in CBC mode; `Unsupported` for what is none.
    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError>;

    /// An authenticated cipher; `key` is without the salt. `Unsupported` for what is none.
    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError>;

    /// A key pair from the random bytes that the core drew for it.
    ///
    /// `random` has [`dh::random_len`](super::dh::random_len) octets. The same bytes give the same
    /// key pair under every provider; [`dh`](super::dh) says how.
    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError>;

    /// The shared secret of our key pair and the peer's public value, after all checks of the
    /// value that RFC 6989 and RFC 8031 ask for.
    fn dh_agree(&self, ours: &KeyPair, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        ours.agree(peer_public)
    }

    /// The signature of a hash: the same octets under every provider. `blinding` are random octets
    /// that only hide the computation.
    fn rsa_sign(
        &self,
        key: &RsaPrivateKey,
        form: RsaForm,
        hash: &[u8],
        blinding: &[u8; BLINDING_LEN],
    ) -> Result<Vec<u8>, CryptoError> {
        rsa::sign(key, form, hash, blinding)
    }

    /// Checks the signature of a hash; `BadSignature` for everything that is not exactly the one
    /// that the form prescribes.
    fn rsa_verify(
        &self,
        key: &RsaPublicKey,
        form: RsaForm,
        hash: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        rsa::verify(key, form, hash, signature)
    }
}

/// A keyed message authentication code.
pub trait Mac: Send + Sync + fmt::Debug {
    /// The length of the whole code in octets.
    fn output_len(&self) -> usize;

    /// The code of the concatenation of `parts` into `out`, truncated to the length of `out`.
    /// Octets of `out` beyond [`Mac::output_len`] are left alone.
    fn sign(&self, parts: &[&[u8]], out: &mut [u8]);

    /// Whether `tag` is the code of `parts`, truncated to its length. Compared in constant time.
    /// An empty tag, or one longer than a code, verifies nothing.
    fn verify(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        let mut code = [0; MAX_HASH_LEN];
        self.sign(parts, &mut code);
        let len = tag.len();
        len > 0
            && len <= self.output_len()
            && code.get(..len).is_some_and(|code| code.ct_eq(tag).into())
    }

    /// The whole code of the concatenation of `parts`.
    fn code(&self, parts: &[&[u8]]) -> Vec<u8> {
        let mut code = vec![0; self.output_len()];
        self.sign(parts, &mut code);
        code
    }
}

/// A keyed block cipher in CBC mode.
pub trait Cbc: Send + Sync + fmt::Debug {
    /// The length of a block and of an initialisation vector.
    fn block_len(&self) -> usize;

    /// Encrypts whole blocks in place.
    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>;

    /// Decrypts whole blocks in place.
    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError>;
}

/// A keyed authenticated cipher with a nonce of 12 octets and a detached tag.
pub trait Aead: Send + Sync + fmt::Debug {
    /// The length of the tag in octets.
    fn tag_len(&self) -> usize;

    /// Encrypts in place and writes the tag.
    fn seal(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError>;

    /// Checks the tag and decrypts in place. On `BadTag` the content of `data` is unspecified.
    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError>;
}

/// The provider to use unless something else is asked for: the fast one where it is built in.
pub fn default_provider() -> Arc<dyn Provider> {
    #[cfg(feature = "aws-lc")]
    return Arc::new(super::AwsLc);
    #[cfg(not(feature = "aws-lc"))]
    Arc::new(super::RustCrypto)
}

/// Refuses a key of the wrong length.
pub(super) fn check_key(
    what: &'static str,
    expected: usize,
    key: &[u8],
) -> Result<(), CryptoError> {
    if key.len() == expected {
        Ok(())
    } else {
        Err(CryptoError::KeyLength { what, expected, actual: key.len() })
    }
}

/// Refuses an octet string of the wrong length.
pub(super) fn check_len(
    what: &'static str,
    expected: usize,
    actual: usize,
) -> Result<(), CryptoError> {
    if actual == expected { Ok(()) } else { Err(CryptoError::Length { what, expected, actual }) }
}
