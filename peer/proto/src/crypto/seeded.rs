//! Randomness for code that wants a source of it instead of octets: all of it follows from a seed,
//! which the core has drawn.

use core::convert::Infallible;

use ::rsa::rand_core::{TryCryptoRng, TryRng};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::Secret;

/// HMAC-SHA-256 of a counter, keyed with the seed.
pub(crate) struct SeededRng {
    seed: Secret<[u8; 32]>,
    block: u64,
}

impl SeededRng {
    /// The source that `seed` gives.
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed: Secret::new(seed), block: 0 }
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }

    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.seed.expose()) else { return };
            mac.update(&self.block.to_be_bytes());
            self.block = self.block.wrapping_add(1);
            for (to, from) in chunk.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
    }
}

impl TryRng for SeededRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(u32::from_be_bytes(self.array()))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(u64::from_be_bytes(self.array()))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for SeededRng {}
