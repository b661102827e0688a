//! ESP against the bare cipher: our data plane with its tables, framing and replay window, and the
//! cipher of the same provider called over as many octets with nothing around it.

use std::ops::Range;
use std::sync::Arc;

use ikeproof_proto::crypto::{
    Aead, Cbc, ChildSuite, DirectionKeys, Mac, Provider, Secret, SecretBytes, default_provider,
};
use ikeproof_proto::sa::{
    Command, DataPlane, Encap, InboundParams, InboundSa, Layout, Limits, OpenError, OutboundParams,
    OutboundSa, PlainPacket, Received, ReplayWindow, SealError, Selectors, TunnelId,
};
use ikeproof_proto::time::Time;

use super::report::Measured;
use super::rounds::{Contestant, compare, play};
use crate::exit::Stop;

const BATCH: usize = 64;
const TUNNEL: TunnelId = TunnelId(1);
const SPI: u32 = 0x1234_5678;

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
        let mut ours = Ours::new(&*provider, suite, self.inner).map_err(broken)?;
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

/// Both ends of a tunnel, and a batch on the way between them.
struct Ours {
    inner: Range<usize>,
    stride: usize,
    sender: DataPlane,
    receiver: DataPlane,
    arena: Vec<u8>,
    sealed: Vec<Result<Range<usize>, SealError>>,
    opened: Vec<Result<Received, OpenError>>,
}

impl Ours {
    fn new(provider: &dyn Provider, suite: ChildSuite, inner: usize) -> Result<Self, String> {
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
            replay: ReplayWindow::new(1024).map_err(|error| error.to_string())?,
            selectors: Selectors::any(),
            limits: Limits::default(),
        };
        let (mut sender, mut receiver) = (DataPlane::new(), DataPlane::new());
        let sa = OutboundSa::new(provider, outbound).map_err(|error| error.to_string())?;
        let commands = [
            Command::InstallOutbound { tunnel: TUNNEL, sa: Box::new(sa) },
            Command::SwitchOutbound { tunnel: TUNNEL, spi: SPI, replaces: None },
        ];
        for command in commands {
            sender.apply(command).map_err(|error| error.to_string())?;
        }
        let sa = InboundSa::new(provider, inbound).map_err(|error| error.to_string())?;
        let command = Command::InstallInbound { tunnel: TUNNEL, sa: Box::new(sa) };
        receiver.apply(command).map_err(|error| error.to_string())?;
        let layout = Layout::of(&suite);
        let stride = layout.sealed_len(inner);
        let mut arena = vec![0; stride * BATCH];
        let place = layout.headroom()..layout.headroom() + inner;
        for slot in arena.chunks_mut(stride) {
            slot[place.clone()].copy_from_slice(&packet(inner));
        }
        Ok(Self {
            inner: place,
            stride,
            sender,
            receiver,
            arena,
            sealed: Vec::with_capacity(BATCH),
            opened: Vec::with_capacity(BATCH),
        })
    }
}

impl Contestant for Ours {
    fn seal(&mut self) {
        let inner = self.inner.clone();
        let packets =
            self.arena.chunks_mut(self.stride).map(|buf| PlainPacket { buf, inner: inner.clone() });
        self.sender.seal_batch(Time::ZERO, TUNNEL, packets, &mut self.sealed);
    }

    fn open(&mut self) {
        let packets = self.arena.chunks_mut(self.stride);
        self.receiver.open_batch(Time::ZERO, encap(), packets, &mut self.opened);
    }

    fn packets(&self) -> u32 {
        BATCH as u32
    }

    fn is_whole(&self) -> bool {
        let (sealed, opened) = (&self.sealed, &self.opened);
        sealed.len() == BATCH
            && opened.len() == BATCH
            && sealed.iter().all(Result::is_ok)
            && opened.iter().all(Result::is_ok)
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

fn encap() -> Encap {
    let at = |last| ([192, 0, 2, last], 4500).into();
    Encap::Udp { src: at(1), dst: at(2) }
}

/// A UDP packet of this length.
fn packet(len: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let mut packet = vec![0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet.extend_from_slice(&[0x12, 0x34, 0, 53]);
    packet.resize(len, 0x55);
    packet
}

const NONCE: [u8; 12] = [3; 12];
const HEADER: [u8; 8] = [5; 8];
const IV: [u8; 16] = [3; 16];
