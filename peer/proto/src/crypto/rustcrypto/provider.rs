//! The provider itself.

use std::sync::Arc;

use super::{aead, cbc, ecdh, mac};
use crate::crypto::dh::KeyPair;
use crate::crypto::{Aead, Cbc, CryptoError, Encr, Group, Hash, Mac, Provider, modp};

/// Every algorithm, in pure Rust.
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

impl Provider for RustCrypto {
    fn name(&self) -> &'static str {
        "rustcrypto"
    }

    fn hmac(&self, hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
        mac::hmac(hash, key)
    }

    fn cbc(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Cbc>, CryptoError> {
        cbc::cbc(encr, key)
    }

    fn aead(&self, encr: Encr, key: &[u8]) -> Result<Arc<dyn Aead>, CryptoError> {
        aead::aead(encr, key)
    }

    fn dh_keypair(&self, group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
        if group.is_modp() { modp::keypair(group, random) } else { ecdh::keypair(group, random) }
    }
}
