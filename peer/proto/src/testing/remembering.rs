//! The pure Rust provider with a memory for key exchanges.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};

use crate::crypto::dh::KeyPair;
use crate::crypto::suite::{Encr, Group};
use crate::crypto::{Aead, Cbc, CryptoError, Hash, Mac, Provider, RustCrypto, SecretBytes};

/// Computes each key exchange once: the seeds of both ends are the same in every run, and so are their
/// private values.
#[derive(Debug)]
pub(crate) struct Remembering;

/// By group and randomness.
type Pairs = BTreeMap<(u16, Vec<u8>), KeyPair>;
/// By both public values.
type Agreements = BTreeMap<(Vec<u8>, Vec<u8>), SecretBytes>;
static PAIRS: LazyLock<Mutex<Pairs>> = LazyLock::new(Mutex::default);
static SECRETS: LazyLock<Mutex<Agreements>> = LazyLock::new(Mutex::default);

impl Provider for Remembering {
    fn name(&self) -> &'static str {
        RustCrypto.name()
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
        RustCrypto.hmac(hash, key)
    }

    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
        RustCrypto.cbc(encr, key)
    }

    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
        RustCrypto.aead(encr, key)
    }

    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
        let key = (group.iana(), random.to_vec());
        if let Some(pair) = PAIRS.lock().unwrap().get(&key) {
            return Ok(pair.clone());
        }
        let pair = RustCrypto.dh_keypair(group, random)?;
        PAIRS.lock().unwrap().insert(key, pair.clone());
        Ok(pair)
    }

    fn dh_agree(&self, ours: &KeyPair, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        let key = (ours.public().to_vec(), peer_public.to_vec());
        if let Some(secret) = SECRETS.lock().unwrap().get(&key) {
            return Ok(secret.clone());
        }
        let secret = RustCrypto.dh_agree(ours, peer_public)?;
        SECRETS.lock().unwrap().insert(key, secret.clone());
        Ok(secret)
    }
}
