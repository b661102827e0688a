//! What the benches share: CPU time of the thread as their clock, packets, tunnels.
//!
//! CPU time and not wall time: on a machine with other work the first is steady within a few per
//! cent and the second is not.
#![allow(dead_code, reason = "each bench uses a part")]

use std::sync::Arc;
use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use ikeproof_proto::crypto::{
    ChildSuite, DirectionKeys, Provider, RustCrypto, Secret, SecretBytes,
};
use ikeproof_proto::sa::{
    Command, DataPlane, Encap, InboundParams, InboundSa, Layout, Limits, OutboundParams,
    OutboundSa, PlainPacket, ReplayWindow, Selectors, TunnelId,
};
use ikeproof_proto::time::Time;
use nix::time::{ClockId, clock_gettime};

/// Packets in a batch.
pub const BATCH: usize = 64;
/// The length of an inner packet.
pub const INNER: usize = 1400;

const TUNNEL: TunnelId = TunnelId(1);
const SPI: u32 = 0x1234_5678;

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

pub fn encap() -> Encap {
    let src = "192.0.2.1:4500".parse().expect("an address");
    Encap::Udp { src, dst: "192.0.2.2:4500".parse().expect("an address") }
}

/// A UDP packet.
pub fn packet(len: usize) -> Vec<u8> {
    let [high, low] = (len as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend_from_slice(&[0x12, 0x34, 0, 53]);
    packet.resize(len, 0x55);
    packet
}

/// Both ends of a tunnel, and a batch of packets on the way between them.
pub struct Tunnel {
    layout: Layout,
    stride: usize,
    sender: DataPlane,
    receiver: DataPlane,
    arena: Vec<u8>,
    sealed: Vec<Result<core::ops::Range<usize>, ikeproof_proto::sa::SealError>>,
    opened: Vec<Result<ikeproof_proto::sa::Received, ikeproof_proto::sa::OpenError>>,
}

impl Tunnel {
    pub fn new(provider: &dyn Provider, suite: ChildSuite) -> Self {
        let key = |len| SecretBytes::new(vec![7; len]);
        let keys = || DirectionKeys {
            encr: key(suite.encr.key_len()),
            salt: key(suite.encr.salt_len()),
            integ: key(suite.integ.key_len()),
        };
        let outbound = OutboundParams {
            spi: SPI,
            suite,
            keys: keys(),
            iv_key: Secret::new([9; 16]),
            encap: encap(),
            selectors: Selectors::any(),
            limits: Limits::default(),
        };
        let inbound = InboundParams {
            spi: SPI,
            suite,
            keys: keys(),
            replay: ReplayWindow::new(1024).expect("a size"),
            selectors: Selectors::any(),
            limits: Limits::default(),
        };
        let (mut sender, mut receiver) = (DataPlane::new(), DataPlane::new());
        let sa = Box::new(OutboundSa::new(provider, outbound).expect("an SA"));
        let commands = [
            Command::InstallOutbound { tunnel: TUNNEL, sa },
            Command::SwitchOutbound { tunnel: TUNNEL, spi: SPI, replaces: None },
        ];
        for command in commands {
            sender.apply(command).expect("a command");
        }
        let sa = Box::new(InboundSa::new(provider, inbound).expect("an SA"));
        receiver.apply(Command::InstallInbound { tunnel: TUNNEL, sa }).expect("a command");
        let layout = Layout::of(&suite);
        let stride = layout.sealed_len(INNER);
        let mut arena = vec![0; stride * BATCH];
        for slot in arena.chunks_mut(stride) {
            slot[layout.headroom()..layout.headroom() + INNER].copy_from_slice(&packet(INNER));
        }
        let (sealed, opened) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
        Self { layout, stride, sender, receiver, arena, sealed, opened }
    }

    /// Seals the batch. The inner packets must be there.
    pub fn seal(&mut self) {
        let start = self.layout.headroom();
        let packets = self
            .arena
            .chunks_mut(self.stride)
            .map(|buf| PlainPacket { buf, inner: start..start + INNER });
        self.sender.seal_batch(Time::ZERO, TUNNEL, packets, &mut self.sealed);
    }

    /// Opens the batch that was sealed, which puts the inner packets back where they were.
    pub fn open(&mut self) {
        let packets = self.arena.chunks_mut(self.stride);
        self.receiver.open_batch(Time::ZERO, encap(), packets, &mut self.opened);
    }

    /// Whether everything that was sealed and opened last was so without loss.
    pub fn is_whole(&self) -> bool {
        self.sealed.len() == BATCH
            && self.opened.len() == BATCH
            && self.sealed.iter().all(Result::is_ok)
            && self.opened.iter().all(Result::is_ok)
    }
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
