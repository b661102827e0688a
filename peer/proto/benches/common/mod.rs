//! What the benches share: CPU time of the thread as their clock, packets, tunnels.
//!
//! CPU time and not wall time: on a machine with other work the first is steady within a few per
//! cent and the second is not.
#![allow(dead_code, reason = "each bench uses a part")]

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use ikeproof_proto::crypto::{ChildSuite, Provider, RustCrypto};
use ikeproof_proto::sa::Loopback;
use nix::time::{ClockId, clock_gettime};

/// Packets in a batch.
pub const BATCH: usize = 64;
/// The length of an inner packet.
pub const INNER: usize = 1400;

/// The CPU time that this thread has used.
pub fn cpu_now() -> Duration {
    let now = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("the clock of the thread");
    now.into()
}

/// CPU time of the thread as criterion's measurement.
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        cpu_now()
    }

    fn end(&self, start: Duration) -> Duration {
        cpu_now() - start
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// The providers that are built in.
pub fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(ikeproof_proto::crypto::AwsLc),
    ]
}

pub fn suite(name: &str) -> ChildSuite {
    name.parse().expect("a suite")
}

/// Both ends of a tunnel of `suite`, and a batch on the way between them.
pub fn tunnel(provider: &dyn Provider, suite: ChildSuite) -> Loopback {
    Loopback::new(provider, suite, INNER, BATCH).expect("a suite that can be run")
}

/// The bare AEAD over the same octets, called without anything of ours between.
pub struct Bare<C> {
    pub cipher: C,
    stride: usize,
    arena: Vec<u8>,
    tags: Vec<[u8; 16]>,
}

impl<C> Bare<C> {
    pub fn new(cipher: C) -> Self {
        let stride = (INNER + 2).next_multiple_of(4);
        Self { cipher, stride, arena: vec![0x55; stride * BATCH], tags: vec![[0; 16]; BATCH] }
    }

    pub fn each(&mut self, call: impl Fn(&C, &mut [u8], &mut [u8; 16])) {
        for (data, tag) in self.arena.chunks_mut(self.stride).zip(&mut self.tags) {
            call(&self.cipher, data, tag);
        }
    }
}

pub const NONCE: [u8; 12] = [3; 12];
pub const AAD: [u8; 8] = [5; 8];

#[cfg(feature = "aws-lc")]
pub mod bare_aws_lc {
    use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

    use super::{AAD, Bare, NONCE};

    pub fn new(bits: usize) -> Bare<LessSafeKey> {
        let algorithm = if bits == 128 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, &[7; 32][..bits / 8]).expect("a key");
        Bare::new(LessSafeKey::new(key))
    }

    pub fn seal(bare: &mut Bare<LessSafeKey>) {
        bare.each(|key, data, tag| {
            let nonce = Nonce::assume_unique_for_key(NONCE);
            key.seal_in_place_scatter(nonce, Aad::from(&AAD), data, &[], tag).expect("sealed");
        });
    }

    pub fn open(bare: &mut Bare<LessSafeKey>) {
        bare.each(|key, data, tag| {
            let nonce = Nonce::assume_unique_for_key(NONCE);
            key.open_in_place_separate_tag(nonce, Aad::from(&AAD), &*tag, data).expect("opened");
        });
    }
}

pub mod bare_rust_crypto {
    use aead::{AeadInOut, KeyInit};

    use super::{AAD, Bare, NONCE};

    pub fn new<C: KeyInit>() -> Bare<C> {
        Bare::new(C::new_from_slice(&[7; 32][..C::key_size()]).expect("a key"))
    }

    pub fn seal<C>(bare: &mut Bare<C>)
    where
        C: AeadInOut<NonceSize = cipher::consts::U12, TagSize = cipher::consts::U16>,
    {
        bare.each(|cipher, data, tag| {
            let sealed = cipher.encrypt_inout_detached(&NONCE.into(), &AAD, data.into());
            *tag = sealed.expect("sealed").into();
        });
    }

    pub fn open<C>(bare: &mut Bare<C>)
    where
        C: AeadInOut<NonceSize = cipher::consts::U12, TagSize = cipher::consts::U16>,
    {
        bare.each(|cipher, data, tag| {
            let tag = (*tag).into();
            cipher.decrypt_inout_detached(&NONCE.into(), &AAD, data.into(), &tag).expect("opened");
        });
    }
}
