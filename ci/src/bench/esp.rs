//! ESP against the bare cipher: our data plane with its tables, framing and replay window, and the
//! cipher of the same provider called over as many octets with nothing around it.

use std::sync::Arc;

use ikeproof_proto::crypto::{Aead, Cbc, ChildSuite, Mac, Provider, default_provider};
use ikeproof_proto::sa::Loopback;

use super::report::Measured;
use super::rounds::{Contestant, compare, play};
use crate::exit::Stop;

const BATCH: usize = 64;

/// A suite and a length to measure.
#[derive(Clone, Copy, Debug)]
pub struct Task {
    suite: &'static str,
    inner: usize,
    gated: bool,
}

/// All of them. The gate is for AES-256-GCM at 1400 octets.
pub fn tasks() -> [Task; 4] {
    let suite = "aes256gcm16";
    [
        Task { suite, inner: 1400, gated: true },
        Task { suite, inner: 512, gated: false },
        Task { suite, inner: 64, gated: false },
        Task { suite: "aes256-sha256", inner: 1400, gated: false },
    ]
}

impl Task {
    /// What it is, for people.
    pub fn name(&self) -> String {
        format!("{} at {} octets", self.suite, self.inner)
    }

    /// Measures sealing and opening.
    ///
    /// # Errors
    /// If the contestants cannot be set up, or lose packets.
    pub fn measure(&self, rounds: u32) -> Result<[Measured; 2], Stop> {
        let provider = default_provider();
        let broken =
            |why: String| Stop::Infrastructure(format!("the benchmark of {}: {why}", self.name()));
        let suite: ChildSuite = self.suite.parse().map_err(|_| broken("no such suite".into()))?;
        let mut ours = Loopback::new(&*provider, suite, self.inner, BATCH)
            .map_err(|error| broken(error.to_string()))?;
        let mut bare = Bare::new(&*provider, suite, self.inner).map_err(broken)?;
        let (ours, bare) = play(&mut ours, &mut bare, rounds)?;
        let measured = |what, ours: &[f64], bare: &[f64]| Measured {
            what,
            suite: self.suite.to_owned(),
            inner: self.inner,
            provider: provider.name(),
            rounds,
            gated: self.gated,
            figures: compare(ours, bare),
        };
        Ok([measured("seal", &ours.seal, &bare.seal), measured("open", &ours.open, &bare.open)])
    }
}

impl Contestant for Loopback {
    fn seal(&mut self) {
        Self::seal(self);
    }

    fn open(&mut self) {
        Self::open(self);
    }

    fn packets(&self) -> u32 {
        BATCH as u32
    }

    fn is_whole(&self) -> bool {
        Self::is_whole(self)
    }
}

/// The cipher alone.
struct Bare {
    cipher: Cipher,
    stride: usize,
    arena: Vec<u8>,
    tags: Vec<[u8; 16]>,
    whole: bool,
}

enum Cipher {
    Aead(Arc<dyn Aead>),
    Cbc(Arc<dyn Cbc>, Arc<dyn Mac>),
}

impl Bare {
    fn new(provider: &dyn Provider, suite: ChildSuite, inner: usize) -> Result<Self, String> {
        let key = vec![7; suite.encr.key_len()];
        let cipher = match suite.integ.hash() {
            None => {
                Cipher::Aead(provider.aead(suite.encr, &key).map_err(|error| error.to_string())?)
            }
            Some(hash) => Cipher::Cbc(
                provider.cbc(suite.encr, &key).map_err(|error| error.to_string())?,
                provider.hmac(hash, &vec![7; suite.integ.key_len()]),
            ),
        };
        // Pad length and next header are encrypted with the packet; ESP aligns to four octets.
        let stride = (inner + 2).next_multiple_of(suite.encr.block_len().max(4));
        let (arena, tags) = (vec![0x55; stride * BATCH], vec![[0; 16]; BATCH]);
        Ok(Self { cipher, stride, arena, tags, whole: true })
    }
}

impl Contestant for Bare {
    fn seal(&mut self) {
        for (data, tag) in self.arena.chunks_mut(self.stride).zip(&mut self.tags) {
            let sealed = match &self.cipher {
                Cipher::Aead(aead) => aead.seal(&NONCE, &HEADER, data, tag),
                Cipher::Cbc(cbc, mac) => {
                    let sealed = cbc.encrypt(&IV, data);
                    mac.sign(&[&HEADER, &IV, data], tag);
                    sealed
                }
            };
            self.whole &= sealed.is_ok();
        }
    }

    fn open(&mut self) {
        for (data, tag) in self.arena.chunks_mut(self.stride).zip(&self.tags) {
            self.whole &= match &self.cipher {
                Cipher::Aead(aead) => aead.open(&NONCE, &HEADER, data, tag).is_ok(),
                Cipher::Cbc(cbc, mac) => {
                    mac.verify(&[&HEADER, &IV, data], tag) && cbc.decrypt(&IV, data).is_ok()
                }
            };
        }
    }

    fn packets(&self) -> u32 {
        BATCH as u32
    }

    fn is_whole(&self) -> bool {
        self.whole
    }
}

const NONCE: [u8; 12] = [3; 12];
const HEADER: [u8; 8] = [5; 8];
const IV: [u8; 16] = [3; 16];
