//! HMAC: the state after the key is kept and cloned for each message.

use core::fmt;
use std::sync::Arc;

use digest::Digest;
use hmac::Hmac;
use hmac::digest::KeyInit;

use crate::crypto::{Hash, Mac};

/// HMAC over `hash` with `key`.
pub(super) fn hmac(hash: Hash, key: &[u8]) -> Arc<dyn Mac> {
    macro_rules! keyed {
        ($digest:ty) => {
            Arc::new(Keyed { hash, keyed: Hmac::<$digest>::new(&block::<_, $digest>(key)) })
        };
    }
    match hash {
        Hash::Md5 => keyed!(md5::Md5),
        Hash::Sha1 => keyed!(sha1::Sha1),
        Hash::Sha256 => keyed!(sha2::Sha256),
        Hash::Sha384 => keyed!(sha2::Sha384),
        Hash::Sha512 => keyed!(sha2::Sha512),
    }
}

/// The key as HMAC's own block: hashed if it is longer than one, then filled up with zeros. This
/// is what HMAC does with a key of any length, made infallible.
fn block<N: digest::array::ArraySize, D: Digest>(key: &[u8]) -> digest::array::Array<u8, N> {
    let mut block = digest::array::Array::<u8, N>::default();
    let hashed;
    let key = if key.len() > block.len() {
        hashed = zeroize::Zeroizing::new(D::digest(key).to_vec());
        hashed.as_slice()
    } else {
        key
    };
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    block
}

struct Keyed<M> {
    hash: Hash,
    keyed: M,
}

impl<M: hmac::Mac + Clone + Send + Sync> Mac for Keyed<M> {
    fn output_len(&self) -> usize {
        self.hash.output_len()
    }

    fn sign(&self, parts: &[&[u8]], out: &mut [u8]) {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(part);
        }
        for (to, from) in out.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
    }
}

impl<M> fmt::Debug for Keyed<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hmac").field("hash", &self.hash).finish_non_exhaustive()
    }
}
