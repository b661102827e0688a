//! AES-GCM with tags of 8, 12 and 16 octets, and ChaCha20-Poly1305.

use core::fmt;
use std::sync::Arc;

use aead::{AeadInOut, KeyInit};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use chacha20poly1305::ChaCha20Poly1305;
use cipher::consts::{U8, U12, U16};

use crate::crypto::provider::{check_key, check_len};
use crate::crypto::{Aead, CryptoError, Encr, IcvBytes, KeyBits};

/// The cipher of `encr` with `key`.
pub(super) fn aead(encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
    use IcvBytes::{I8, I12, I16};
    use KeyBits::{B128, B192, B256};
    match encr {
        Encr::AesGcm { bits: B128, icv: I8 } => keyed::<AesGcm<Aes128, U12, U8>>(encr, key),
        Encr::AesGcm { bits: B192, icv: I8 } => keyed::<AesGcm<Aes192, U12, U8>>(encr, key),
        Encr::AesGcm { bits: B256, icv: I8 } => keyed::<AesGcm<Aes256, U12, U8>>(encr, key),
        Encr::AesGcm { bits: B128, icv: I12 } => keyed::<AesGcm<Aes128, U12, U12>>(encr, key),
        Encr::AesGcm { bits: B192, icv: I12 } => keyed::<AesGcm<Aes192, U12, U12>>(encr, key),
        Encr::AesGcm { bits: B256, icv: I12 } => keyed::<AesGcm<Aes256, U12, U12>>(encr, key),
        Encr::AesGcm { bits: B128, icv: I16 } => keyed::<AesGcm<Aes128, U12, U16>>(encr, key),
        Encr::AesGcm { bits: B192, icv: I16 } => keyed::<AesGcm<Aes192, U12, U16>>(encr, key),
        Encr::AesGcm { bits: B256, icv: I16 } => keyed::<AesGcm<Aes256, U12, U16>>(encr, key),
        Encr::ChaCha20Poly1305 => keyed::<ChaCha20Poly1305>(encr, key),
        _ => Err(CryptoError::Unsupported(encr)),
    }
}

fn keyed<C>(encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError>
where
    C: AeadInOut<NonceSize = U12> + KeyInit + Send + Sync + 'static,
{
    check_key(encr.name(), encr.key_len(), key)?;
    let cipher = C::new_from_slice(key).map_err(|_| CryptoError::Provider("a cipher key"))?;
    Ok(Arc::new(Keyed { encr, cipher }))
}

struct Keyed<C> {
    encr: Encr,
    cipher: C,
}

impl<C> Aead for Keyed<C>
where
    C: AeadInOut<NonceSize = U12> + Send + Sync,
{
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
        let sealed = self
            .cipher
            .encrypt_inout_detached(nonce.into(), aad, data.into())
            .map_err(|_| CryptoError::Provider("a message to seal"))?;
        tag.copy_from_slice(&sealed);
        Ok(())
    }

    fn open(
        &self,
        nonce: &[u8; 12],
        aad: &[u8],
        data: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        check_len("the tag", self.tag_len(), tag.len())?;
        let tag = tag.try_into().map_err(|_| CryptoError::BadTag)?;
        self.cipher
            .decrypt_inout_detached(nonce.into(), aad, data.into(), tag)
            .map_err(|_| CryptoError::BadTag)
    }
}

impl<C> fmt::Debug for Keyed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aead").field("encr", &self.encr).finish_non_exhaustive()
    }
}
