//! The keyed transforms of one direction of an ESP SA, at work on a packet whose layout is known.

use std::sync::Arc;

use crate::crypto::{
    Aead, Cbc, ChildProtocol, ChildSuite, CryptoError, DirectionKeys, Encr, Esn, Mac, Provider,
    Secret,
};

use super::sizes::{ESP_HEADER_LEN, Layout};
use super::{OpenError, SaError, SealError};

#[derive(Debug)]
pub(super) struct EspCipher {
    pub(super) layout: Layout,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Aead { aead: Arc<dyn Aead>, salt: Secret<[u8; 4]> },
    Cbc { cbc: Arc<dyn Cbc>, mac: Arc<dyn Mac> },
    Null { mac: Arc<dyn Mac> },
}

impl EspCipher {
    pub(super) fn new(
        provider: &dyn Provider,
        suite: &ChildSuite,
        keys: &DirectionKeys,
    ) -> Result<Self, SaError> {
        if suite.protocol != ChildProtocol::Esp {
            return Err(SaError::Protocol(suite.protocol));
        }
        if suite.esn == Esn::Yes {
            return Err(SaError::ExtendedSequenceNumbers);
        }
        let (encr, integ) = (suite.encr, suite.integ);
        let len = |what, expected, actual| CryptoError::Length { what, expected, actual };
        if keys.integ.len() != integ.key_len() {
            return Err(len("integrity key", integ.key_len(), keys.integ.len()).into());
        }
        let (key, salt) = (keys.encr.expose(), keys.salt.expose());
        if key.len() != encr.key_len() {
            return Err(len("encryption key", encr.key_len(), key.len()).into());
        }
        if salt.len() != encr.salt_len() {
            return Err(len("salt", encr.salt_len(), salt.len()).into());
        }
        let kind = match (encr, integ.hash()) {
            (Encr::AesGcm { .. } | Encr::ChaCha20Poly1305, None) => {
                let aead = provider.aead(encr, key)?;
                let salt = salt.as_slice().try_into().map(Secret::new);
                Kind::Aead { aead, salt: salt.map_err(|_| len("salt", 4, 0))? }
            }
            (Encr::AesCbc(_) | Encr::TripleDesCbc, Some(hash)) => Kind::Cbc {
                cbc: provider.cbc(encr, key)?,
                mac: provider.hmac(hash, keys.integ.expose()),
            },
            (Encr::Null, Some(hash)) => {
                Kind::Null { mac: provider.hmac(hash, keys.integ.expose()) }
            }
            (Encr::NullAuthAesGmac(_), _) => return Err(CryptoError::Unsupported(encr).into()),
            _ => return Err(CryptoError::SuiteMismatch { encr, integ }.into()),
        };
        Ok(Self { layout: Layout::of(suite), kind })
    }

    /// Encrypts and authenticates a packet whose header, vector, payload and trailer are written.
    pub(super) fn seal(&self, packet: &mut [u8]) -> Result<(), SealError> {
        let (covered, icv) = packet
            .split_at_mut_checked(packet.len().saturating_sub(self.layout.icv_len))
            .ok_or(SealError::Cipher)?;
        match &self.kind {
            Kind::Aead { aead, salt } => {
                let (header, iv, text) = self.parts(covered).ok_or(SealError::Cipher)?;
                let nonce = nonce(salt, iv).ok_or(SealError::Cipher)?;
                aead.seal(&nonce, header, text, icv).map_err(|_| SealError::Cipher)?;
            }
            Kind::Cbc { cbc, mac } => {
                let (_, iv, text) = self.parts(covered).ok_or(SealError::Cipher)?;
                cbc.encrypt(iv, text).map_err(|_| SealError::Cipher)?;
                mac.sign(&[covered], icv);
            }
            Kind::Null { mac } => mac.sign(&[covered], icv),
        }
        Ok(())
    }

    /// Checks the ICV, then decrypts. Returns payload, padding and trailer.
    pub(super) fn open<'p>(&self, packet: &'p mut [u8]) -> Result<&'p mut [u8], OpenError> {
        let len = packet.len();
        let bad_length = OpenError::BadLength(len);
        if !self.layout.can_be(len) {
            return Err(bad_length);
        }
        let (covered, icv) =
            packet.split_at_mut_checked(len - self.layout.icv_len).ok_or(bad_length)?;
        match &self.kind {
            Kind::Aead { aead, salt } => {
                let (header, iv, text) = self.parts(covered).ok_or(bad_length)?;
                let nonce = nonce(salt, iv).ok_or(bad_length)?;
                aead.open(&nonce, header, text, icv).map_err(|_| OpenError::BadIcv)?;
                Ok(text)
            }
            Kind::Cbc { cbc, mac } => {
                if !mac.verify(&[covered], icv) {
                    return Err(OpenError::BadIcv);
                }
                let (_, iv, text) = self.parts(covered).ok_or(bad_length)?;
                cbc.decrypt(iv, text).map_err(|_| bad_length)?;
                Ok(text)
            }
            Kind::Null { mac } => {
                if !mac.verify(&[covered], icv) {
                    return Err(OpenError::BadIcv);
                }
                let (_, _, text) = self.parts(covered).ok_or(bad_length)?;
                Ok(text)
            }
        }
    }

    /// Header, initialisation vector, and what is encrypted.
    fn parts<'p>(&self, covered: &'p mut [u8]) -> Option<(&'p [u8], &'p [u8], &'p mut [u8])> {
        let (header, rest) = covered.split_at_mut_checked(ESP_HEADER_LEN)?;
        let (iv, text) = rest.split_at_mut_checked(self.layout.iv_len)?;
        Some((header, iv, text))
    }
}

/// The nonce of RFC 4106 and RFC 7634: the salt of the key material, then the vector.
fn nonce(salt: &Secret<[u8; 4]>, iv: &[u8]) -> Option<[u8; 12]> {
    let [a, b, c, d] = *salt.expose();
    let [e, f, g, h, i, j, k, l] = *iv.first_chunk::<8>()?;
    Some([a, b, c, d, e, f, g, h, i, j, k, l])
}
