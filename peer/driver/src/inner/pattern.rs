//! The octets that inner hosts send over TCP, and the digest by which both ends compare them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Pseudo-random octets: the same for the same seed, wherever one starts to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    seed: u64,
}

impl Pattern {
    /// The octets of this seed.
    pub const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Fills `buffer` with the octets from `offset` on.
    pub fn fill(&self, offset: u64, buffer: &mut [u8]) {
        let mut at = offset;
        let mut rest = buffer;
        while !rest.is_empty() {
            let word = self.word(at / 8).to_le_bytes();
            let from = (at % 8) as usize;
            let take = rest.len().min(8 - from);
            let (now, later) = rest.split_at_mut(take);
            now.copy_from_slice(&word[from..from + take]);
            rest = later;
            at += take as u64;
        }
    }

    /// The digest of the first `len` octets.
    pub fn digest(&self, len: u64) -> Digest {
        let mut digest = Digest::default();
        let mut buffer = [0; 4096];
        let mut offset = 0;
        while offset < len {
            let take = usize::try_from(len - offset).unwrap_or(usize::MAX).min(buffer.len());
            self.fill(offset, &mut buffer[..take]);
            digest.update(&buffer[..take]);
            offset += take as u64;
        }
        digest
    }

    const fn word(&self, index: u64) -> u64 {
        let mut z = self.seed ^ index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// FNV-1a over a stream: enough to see that nothing was lost, doubled or changed on the way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Digest(u64);

impl Digest {
    /// Takes more octets in.
    pub fn update(&mut self, octets: &[u8]) {
        self.0 = octets
            .iter()
            .fold(self.0, |hash, octet| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3));
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_the_same_as_in_the_whole() {
        let pattern = Pattern::new(7);
        let mut whole = [0; 100];
        pattern.fill(0, &mut whole);
        for from in 0..50 {
            let mut part = [0; 33];
            pattern.fill(from as u64, &mut part);
            assert_eq!(part, whole[from..from + 33]);
        }
        let mut digest = Digest::default();
        digest.update(&whole);
        assert_eq!(digest, pattern.digest(100));
        assert_ne!(digest, Pattern::new(8).digest(100));
    }
}
