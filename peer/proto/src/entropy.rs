//! Labelled randomness: every random octet of the core is drawn here, by name.
//!
//! A draw is a function of (seed, label, instance, how often that pair was drawn before), so a new
//! draw anywhere shifts no other one and a recorded session replays after the code has changed.
//! Providers never draw for themselves; see `crypto::provider`.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::crypto::Secret;

/// What a draw is for. The text is part of the recorded format: do not rename a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub &'static str);

impl Label {
    /// Nonces of IKE exchanges.
    pub const NONCE: Self = Self("nonce");
    /// SPIs of IKE SAs, 8 octets.
    pub const IKE_SPI: Self = Self("spi/ike");
    /// SPIs of Child SAs, 4 octets.
    pub const CHILD_SPI: Self = Self("spi/child");
    /// Private values of a key exchange.
    pub const KEY_EXCHANGE: Self = Self("dh");
    /// Initialization vectors of encrypted payloads.
    pub const IKE_IV: Self = Self("iv");
    /// Keys under which the IVs of ESP in CBC mode are made.
    pub const ESP_IV_KEY: Self = Self("esp-iv-key");
    /// Message IDs of IKEv1, 4 octets.
    pub const MESSAGE_ID: Self = Self("message-id");
    /// The first sequence number of probes (RFC 3706 §6.2).
    pub const PROBE_SEQUENCE: Self = Self("probe-sequence");
    /// A key in place of one that is not known, so that a peer finds out by itself.
    pub const UNKNOWN_KEY: Self = Self("unknown-key");
    /// What hides the computation of a signature.
    pub const BLINDING: Self = Self("blinding");
    /// Secrets that cookies are made with.
    pub const COOKIE: Self = Self("cookie");
}

/// The source of all randomness of one endpoint.
pub struct Entropy {
    seed: Secret<[u8; 32]>,
    drawn: BTreeMap<(Label, u64), u64>,
}

impl Entropy {
    /// A source that gives the same octets for the same `seed` and the same draws.
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seed: Secret::new(seed), drawn: BTreeMap::new() }
    }

    /// Fills `out` for the next draw of `label` by `instance` (the number of an SA, or 0).
    pub fn fill(&mut self, label: Label, instance: u64, out: &mut [u8]) {
        let count = self.drawn.entry((label, instance)).or_insert(0);
        let draw = *count;
        *count = count.wrapping_add(1);
        for (block, chunk) in (0u64..).zip(out.chunks_mut(32)) {
            let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.seed.expose()) else { return };
            mac.update(label.0.as_bytes());
            for part in [instance, draw, block] {
                mac.update(&part.to_be_bytes());
            }
            for (to, from) in chunk.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
    }

    /// The next `N` octets of `label` for `instance`.
    pub fn array<const N: usize>(&mut self, label: Label, instance: u64) -> [u8; N] {
        let mut out = [0; N];
        self.fill(label, instance, &mut out);
        out
    }

    /// The next `len` octets of `label` for `instance`.
    pub fn bytes(&mut self, label: Label, instance: u64, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        self.fill(label, instance, &mut out);
        out
    }

    /// How many counters are kept.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn counters(&self) -> usize {
        self.drawn.len()
    }

    /// Forgets the counters of an instance that has ended, so that the table stays bounded.
    ///
    /// Instances are numbered once and never reused, so no draw can repeat.
    pub fn forget(&mut self, instance: u64) {
        self.drawn.retain(|(_, of), _| *of != instance);
    }
}

impl core::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_shifts_no_other() {
        let mut one = Entropy::new([7; 32]);
        let mut two = Entropy::new([7; 32]);
        let _: [u8; 8] = two.array(Label::IKE_SPI, 1);
        assert_eq!(one.bytes(Label::NONCE, 1, 40), two.bytes(Label::NONCE, 1, 40));
    }

    #[test]
    fn draws_of_one_label_differ() {
        let mut entropy = Entropy::new([7; 32]);
        let first: [u8; 32] = entropy.array(Label::NONCE, 1);
        let second: [u8; 32] = entropy.array(Label::NONCE, 1);
        let other: [u8; 32] = entropy.array(Label::NONCE, 2);
        assert_ne!(first, second);
        assert_ne!(first, other);
    }
}
