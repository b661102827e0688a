//! Sealing and opening of the Encrypted payload, SK and SKF (RFC 7296 section 3.14, RFC 5282,
//! RFC 7383).
//!
//! The body is what follows the generic header (and the fragment header of SKF): initialisation
//! vector, ciphertext, ICV. Everything of the message before the body is authenticated with it,
//! so the header and the payload length must be final before sealing: [`IkeCipher::body_len`]
//! tells what to write there.

use std::sync::Arc;

use super::provider::check_len;
use super::{Aead, Cbc, CryptoError, Encr, Integ, Mac, Provider, Secret, SecretBytes};

/// The keys of one direction of an IKE SA, ready for use.
#[derive(Clone, Debug)]
pub struct IkeCipher {
    kind: Kind,
    iv_len: usize,
    block_len: usize,
    icv_len: usize,
}

#[derive(Clone, Debug)]
enum Kind {
    Aead { aead: Arc<dyn Aead>, salt: Secret<[u8; 4]> },
    Cbc { cbc: Arc<dyn Cbc>, mac: Arc<dyn Mac> },
    Null { mac: Arc<dyn Mac> },
}

/// Why an Encrypted payload was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// There is no room for vector, pad length and ICV.
    #[error("the encrypted payload has {actual} octets, and needs at least {needed}")]
    TooShort {
        /// The least that the suite needs.
        needed: usize,
        /// What there is.
        actual: usize,
    },
    /// The ciphertext is not made of whole blocks.
    #[error("the ciphertext of {actual} octets is not a multiple of {block}")]
    PartialBlock {
        /// The length of a block.
        block: usize,
        /// The length of the ciphertext.
        actual: usize,
    },
    /// The ICV does not authenticate the message.
    #[error("the ICV does not authenticate the message")]
    BadIcv,
    /// The pad length reaches beyond the plaintext.
    #[error("the pad length {pad_len} does not fit a plaintext of {plaintext} octets")]
    BadPadLength {
        /// The pad length that was decrypted.
        pad_len: u8,
        /// The length of the plaintext with padding and pad length.
        plaintext: usize,
    },
}

impl IkeCipher {
    /// Takes the keys of one direction. `sk_e` ends with the salt if the cipher has one; `sk_a` is
    /// empty with an AEAD.
    pub fn new(
        provider: &dyn Provider,
        encr: Encr,
        integ: Integ,
        sk_e: &SecretBytes,
        sk_a: &SecretBytes,
    ) -> Result<Self, CryptoError> {
        check_len("SK_e", encr.keymat_len(), sk_e.len())?;
        check_len("SK_a", integ.key_len(), sk_a.len())?;
        let (key, salt) = sk_e
            .expose()
            .split_at_checked(encr.key_len())
            .ok_or(CryptoError::Provider("a short key"))?;
        let mismatch = CryptoError::SuiteMismatch { encr, integ };
        let kind = match (encr, integ.hash()) {
            (Encr::AesGcm { .. } | Encr::ChaCha20Poly1305, None) => {
                let salt = salt.try_into().map_err(|_| CryptoError::Provider("a short salt"))?;
                Kind::Aead { aead: provider.aead(encr, key)?, salt: Secret::new(salt) }
            }
            (Encr::AesCbc(_) | Encr::TripleDesCbc, Some(hash)) => {
                Kind::Cbc { cbc: provider.cbc(encr, key)?, mac: provider.hmac(hash, sk_a.expose()) }
            }
            (Encr::Null, Some(hash)) => Kind::Null { mac: provider.hmac(hash, sk_a.expose()) },
            (Encr::NullAuthAesGmac(_), _) => return Err(CryptoError::Unsupported(encr)),
            _ => return Err(mismatch),
        };
        let icv_len = if encr.is_aead() { encr.icv_len() } else { integ.icv_len() };
        Ok(Self { kind, iv_len: encr.iv_len(), block_len: encr.block_len(), icv_len })
    }

    /// The length of the initialisation vector that [`IkeCipher::seal`] takes.
    ///
    /// It must be unpredictable for CBC and unique under the key for an AEAD.
    pub const fn iv_len(&self) -> usize {
        self.iv_len
    }

    /// The length of the ICV.
    pub const fn icv_len(&self) -> usize {
        self.icv_len
    }

    /// The length of the body that seals `plaintext_len` octets of payloads.
    pub const fn body_len(&self, plaintext_len: usize) -> usize {
        self.iv_len + (plaintext_len + 1).next_multiple_of(self.block_len) + self.icv_len
    }

    /// Seals `plaintext` and returns the body: vector, ciphertext, ICV.
    ///
    /// `prefix` is the whole message before the body, from the IKE header through the generic
    /// header of the payload and the fragment header of SKF, with all lengths final.
    pub fn seal(&self, iv: &[u8], prefix: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let padded = (plaintext.len() + 1).next_multiple_of(self.block_len);
        let pad_len = padded - plaintext.len() - 1;
        let padding = vec![0; pad_len];
        self.seal_with_padding(iv, prefix, plaintext, &padding)
    }

    /// Seals with padding of the caller's choice, of any content and any length up to 255 that
    /// fills the blocks.
    pub fn seal_with_padding(
        &self,
        iv: &[u8],
        prefix: &[u8],
        plaintext: &[u8],
        padding: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        check_len("the initialisation vector", self.iv_len, iv.len())?;
        let too_long = CryptoError::Length {
            what: "padding",
            expected: usize::from(u8::MAX),
            actual: padding.len(),
        };
        let pad_len = u8::try_from(padding.len()).map_err(|_| too_long)?;
        let text_len = plaintext.len() + padding.len() + 1;
        let mut body = Vec::with_capacity(self.iv_len + text_len + self.icv_len);
        body.extend_from_slice(iv);
        body.extend_from_slice(plaintext);
        body.extend_from_slice(padding);
        body.push(pad_len);
        body.resize(self.iv_len + text_len + self.icv_len, 0);
        let split = self.iv_len + text_len;
        let (sealed, icv) = body.split_at_mut_checked(split).ok_or(CryptoError::BadTag)?;
        let (iv, text) = sealed.split_at_mut_checked(self.iv_len).ok_or(CryptoError::BadTag)?;
        match &self.kind {
            Kind::Aead { aead, salt } => aead.seal(&nonce(salt, iv)?, prefix, text, icv)?,
            Kind::Cbc { cbc, mac } => {
                cbc.encrypt(iv, text)?;
                mac.sign(&[prefix, iv, text], icv);
            }
            Kind::Null { mac } => mac.sign(&[prefix, text], icv),
        }
        Ok(body)
    }

    /// Opens the body that begins at `body_offset` and ends with `message`, and returns the
    /// payloads without padding.
    ///
    /// The ICV is compared in constant time before anything is decrypted. The content of the
    /// padding is not checked, as RFC 7296 section 3.14 lets senders choose it.
    pub fn open(&self, message: &[u8], body_offset: usize) -> Result<Vec<u8>, OpenError> {
        let (prefix, body) = message.split_at_checked(body_offset).unwrap_or((message, &[]));
        let needed = self.iv_len + self.block_len + self.icv_len;
        let too_short = OpenError::TooShort { needed, actual: body.len() };
        if body.len() < needed {
            return Err(too_short);
        }
        let (iv, rest) = body.split_at_checked(self.iv_len).ok_or(too_short)?;
        let (text, icv) = rest.split_at_checked(rest.len() - self.icv_len).ok_or(too_short)?;
        if !text.len().is_multiple_of(self.block_len) {
            return Err(OpenError::PartialBlock { block: self.block_len, actual: text.len() });
        }
        let mut plaintext = text.to_vec();
        match &self.kind {
            Kind::Aead { aead, salt } => {
                let nonce = nonce(salt, iv).map_err(|_| too_short)?;
                aead.open(&nonce, prefix, &mut plaintext, icv).map_err(|_| OpenError::BadIcv)?;
            }
            Kind::Cbc { cbc, mac } => {
                if !mac.verify(&[prefix, iv, text], icv) {
                    return Err(OpenError::BadIcv);
                }
                cbc.decrypt(iv, &mut plaintext).map_err(|_| too_short)?;
            }
            Kind::Null { mac } => {
                if !mac.verify(&[prefix, text], icv) {
                    return Err(OpenError::BadIcv);
                }
            }
        }
        let padded = plaintext.len();
        let pad_len = plaintext.pop().unwrap_or(0);
        let end = plaintext.len().checked_sub(usize::from(pad_len));
        plaintext.truncate(end.ok_or(OpenError::BadPadLength { pad_len, plaintext: padded })?);
        Ok(plaintext)
    }
}

/// The nonce of RFC 5282 and RFC 7634: the salt of the key material, then the vector.
fn nonce(salt: &Secret<[u8; 4]>, iv: &[u8]) -> Result<[u8; 12], CryptoError> {
    let iv: [u8; 8] = iv.try_into().map_err(|_| CryptoError::Length {
        what: "IV",
        expected: 8,
        actual: iv.len(),
    })?;
    let mut nonce = [0; 12];
    let (head, tail) = nonce.split_at_mut(4);
    head.copy_from_slice(salt.expose());
    tail.copy_from_slice(&iv);
    Ok(nonce)
}
