//! AES and 3DES in CBC mode.

use core::fmt;
use std::sync::Arc;

use cipher::{
    Array, BlockCipherDecrypt, BlockCipherEncrypt, BlockModeDecrypt, BlockModeEncrypt,
    BlockSizeUser, InnerIvInit, KeyInit,
};

use crate::crypto::provider::{check_key, check_len};
use crate::crypto::{Cbc, CryptoError, Encr, KeyBits};

/// The cipher of `encr` with `key`.
pub(super) fn cbc(encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
    match encr {
        Encr::AesCbc(KeyBits::B128) => keyed::<aes::Aes128>(encr, key),
        Encr::AesCbc(KeyBits::B192) => keyed::<aes::Aes192>(encr, key),
        Encr::AesCbc(KeyBits::B256) => keyed::<aes::Aes256>(encr, key),
        Encr::TripleDesCbc => keyed::<des::TdesEde3>(encr, key),
        _ => Err(CryptoError::Unsupported(encr)),
    }
}

fn keyed<C>(encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + KeyInit + Send + Sync + 'static,
{
    check_key(encr.name(), encr.key_len(), key)?;
    let cipher = C::new_from_slice(key).map_err(|_| CryptoError::Provider("a cipher key"))?;
    Ok(Arc::new(Keyed { encr, cipher }))
}

struct Keyed<C> {
    encr: Encr,
    cipher: C,
}

impl<C> Keyed<C>
where
    C: BlockSizeUser,
{
    fn blocks<'d>(
        iv: &'d [u8],
        data: &'d mut [u8],
    ) -> Result<(&'d cipher::Block<C>, &'d mut [cipher::Block<C>]), CryptoError> {
        let block_len = C::block_size();
        check_len("the initialisation vector", block_len, iv.len())?;
        let iv = <&cipher::Block<C>>::try_from(iv)
            .map_err(|_| CryptoError::Provider("an initialisation vector"))?;
        let actual = data.len();
        let (blocks, rest) = Array::slice_as_chunks_mut(data);
        if rest.is_empty() {
            Ok((iv, blocks))
        } else {
            let expected = actual - actual % block_len;
            Err(CryptoError::Length { what: "data in whole blocks", expected, actual })
        }
    }
}

impl<C> Cbc for Keyed<C>
where
    C: BlockCipherEncrypt + BlockCipherDecrypt + Send + Sync,
{
    fn block_len(&self) -> usize {
        C::block_size()
    }

    fn encrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        let (iv, blocks) = Self::blocks(iv, data)?;
        cbc::Encryptor::inner_iv_init(&self.cipher, iv).encrypt_blocks(blocks);
        Ok(())
    }

    fn decrypt(&self, iv: &[u8], data: &mut [u8]) -> Result<(), CryptoError> {
        let (iv, blocks) = Self::blocks(iv, data)?;
        cbc::Decryptor::inner_iv_init(&self.cipher, iv).decrypt_blocks(blocks);
        Ok(())
    }
}

impl<C> fmt::Debug for Keyed<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cbc").field("encr", &self.encr).finish_non_exhaustive()
    }
}
