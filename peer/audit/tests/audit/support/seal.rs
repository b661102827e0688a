//! Sealing with everything in the caller's hands: vector, padding and pad length.

use ikeproof_proto::crypto::{Encr, Integ, Provider, SecretBytes};

/// The keys of one direction of an IKE SA or of a Child SA.
#[derive(Clone)]
pub struct Keys {
    pub encr: Encr,
    pub integ: Integ,
    /// The key, with the salt behind it.
    pub encryption: SecretBytes,
    pub integrity: SecretBytes,
}

impl Keys {
    pub fn icv_len(&self) -> usize {
        if self.encr.is_aead() { self.encr.icv_len() } else { self.integ.icv_len() }
    }

    /// Vector, ciphertext and ICV over `prefix` and them; `text` is encrypted as it is. What does
    /// not fill whole blocks is sent in clear at the end.
    pub fn seal(&self, provider: &dyn Provider, iv: &[u8], prefix: &[u8], text: &[u8]) -> Vec<u8> {
        let (key, salt) = self.encryption.expose().split_at(self.encr.key_len());
        let mut text = text.to_vec();
        let mut icv = vec![0; self.icv_len()];
        if self.encr.is_aead() {
            let nonce: [u8; 12] = [salt, iv].concat().try_into().unwrap();
            let aead = provider.aead(self.encr, key).unwrap();
            aead.seal(&nonce, prefix, &mut text, &mut icv).unwrap();
        } else {
            let cbc = provider.cbc(self.encr, key).unwrap();
            let whole = text.len() - text.len() % cbc.block_len();
            cbc.encrypt(iv, &mut text[..whole]).unwrap();
            let mac = provider.hmac(self.integ.hash().unwrap(), self.integrity.expose());
            mac.sign(&[prefix, iv, &text], &mut icv);
        }
        [iv, &text, &icv].concat()
    }
}
