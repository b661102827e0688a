//! The data plane against packets of any kind, beside a model of what it must say to each.
//!
//! Authentic packets are made here, with the primitives of the provider and nothing of `sa`, so that
//! what is inside them can be anything: padding, next header, inner packet. The model is a second
//! reading of RFC 4303: which sequence numbers pass, and what is left of the text.

use core::net::{IpAddr, Ipv4Addr};
use std::collections::BTreeSet;

use super::script::Script;
use crate::crypto::{ChildSuite, DirectionKeys, Provider, RustCrypto, Secret, SecretBytes};
use crate::sa::{
    Command, DataPlane, DropKind, Encap, InboundParams, InboundSa, Layout, Limits, MAX_HEADROOM,
    OpenError, OutboundParams, OutboundSa, PlainPacket, Received, ReplayWindow, SealError, Sealed,
    Selectors, TunnelId, sizes,
};
use crate::time::Time;

const MAX_STEPS: usize = 64;
const WINDOW: u32 = 64;
const TUNNEL: TunnelId = TunnelId(7);
const SPI: u32 = 0x0001_0203;
const HEADER_LEN: usize = 8;

/// One of each kind: AEAD with every length of tag, CBC with both lengths of block, NULL.
const SUITES: [&str; 9] = [
    "aes256gcm16",
    "aes128gcm12",
    "aes192gcm8",
    "chacha20poly1305",
    "aes128-sha1",
    "aes256-sha256",
    "aes192-sha512",
    "3des-md5",
    "null-sha384",
];

/// The inner packet, or what an authentic packet is refused for.
type Verdict = Result<Vec<u8>, DropKind>;

/// Runs the script in `input`; panics where an invariant does not hold.
///
/// What has to hold: no packet that was made without the keys is opened or moves the window, however
/// near it is to one that was made with them; what is sealed is opened as it was; and an authentic
/// packet with any content at all gets the verdict of the model.
pub fn check(input: &[u8]) {
    let mut script = Script::new(input);
    let suite = script.pick(&SUITES).parse().expect("the suites above have names");
    let mut link = Link::new(suite);
    for _ in 0..MAX_STEPS {
        if script.is_over() {
            break;
        }
        link.step(&mut script);
        link.check_counters();
    }
}

struct Link {
    suite: ChildSuite,
    layout: Layout,
    sender: DataPlane,
    receiver: DataPlane,
    /// The sequence numbers of all authentic packets so far, whatever was in them.
    seen: BTreeSet<u32>,
    opened: u64,
    dropped: u64,
}

impl Link {
    fn new(suite: ChildSuite) -> Self {
        let limits = Limits::default();
        let outbound = OutboundParams {
            spi: SPI,
            suite,
            keys: keys(&suite),
            iv_key: Secret::new([9; 16]),
            encap: encap(),
            selectors: Selectors::any(),
            limits,
        };
        let inbound = InboundParams {
            spi: SPI,
            suite,
            keys: keys(&suite),
            replay: ReplayWindow::new(WINDOW).expect("a size that is allowed"),
            selectors: Selectors::any(),
            limits,
        };
        let sealer = OutboundSa::new(&RustCrypto, outbound).expect("a suite that can be run");
        let opener = InboundSa::new(&RustCrypto, inbound).expect("a suite that can be run");
        let (mut sender, mut receiver) = (DataPlane::new(), DataPlane::new());
        let apply = |plane: &mut DataPlane, command| {
            plane.apply(command).expect("the data planes are empty");
        };
        let tunnel = TUNNEL;
        apply(&mut sender, Command::InstallOutbound { tunnel, sa: Box::new(sealer) });
        apply(&mut sender, Command::SwitchOutbound { tunnel, spi: SPI, replaces: None });
        apply(&mut receiver, Command::InstallInbound { tunnel, sa: Box::new(opener) });
        let layout = Layout::of(&suite);
        Self { suite, layout, sender, receiver, seen: BTreeSet::new(), opened: 0, dropped: 0 }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.u8() % 6 {
            0 => self.strange(script.chunk().to_vec()),
            1 => {
                // The same behind the header of the SA, which gets it as far as the ICV.
                let sequence = self.sequence(script);
                self.strange([&header(sequence), script.chunk()].concat());
            }
            2 => {
                if let Some((sequence, packet, inner)) = self.seal(script.chunk()) {
                    self.authentic(sequence, &packet, inner.clone());
                    self.authentic(sequence, &packet, inner);
                }
            }
            3 => {
                let Some((sequence, packet, inner)) = self.seal(script.chunk()) else { return };
                for _ in 0..=script.u8() % 4 {
                    self.strange(spoiled(&packet, script));
                }
                self.authentic(sequence, &packet, inner);
            }
            4 => {
                let sequence = self.sequence(script);
                let text = self.text(script.chunk());
                let packet = self.forge(sequence, &text);
                self.authentic(sequence, &packet, content(&text));
            }
            _ => {
                // Any next header and inner packet, with right padding.
                let (sequence, next_header) = (self.sequence(script), script.u8());
                let text = padded(script.chunk(), next_header, self.layout.align);
                let packet = self.forge(sequence, &text);
                self.authentic(sequence, &packet, content(&text));
            }
        }
    }

    /// Mostly one that passes, or else any.
    fn sequence(&self, script: &mut Script<'_>) -> u32 {
        match script.u8() {
            255 => script.u32(),
            ahead => self.right().saturating_add(u32::from(ahead % 96) + 1).saturating_sub(16),
        }
    }

    fn right(&self) -> u32 {
        self.seen.last().copied().unwrap_or(0)
    }

    /// A packet that nobody made with the keys: it is dropped, and nothing else changes.
    fn strange(&mut self, packet: Vec<u8>) {
        let (right, drops) = (self.window_right(), self.dropped);
        let opened = self.open(packet.clone());
        assert!(opened.is_err(), "{} was opened", crate::wire::hex::encode(&packet));
        assert_eq!(self.window_right(), right, "only an authentic packet moves the window");
        assert_eq!(self.dropped, drops + 1);
    }

    /// A packet that was made with the keys and holds `inner`, or what it is refused for.
    fn authentic(&mut self, sequence: u32, packet: &[u8], inner: Verdict) {
        let expected = match self.replayed(sequence) {
            Some(kind) => Err(kind),
            None => {
                self.seen.insert(sequence);
                inner
            }
        };
        let got = self.open(packet.to_vec()).map_err(|error| error.kind());
        assert_eq!(got, expected, "{}: sequence number {sequence}", self.suite);
        assert_eq!(self.window_right(), self.right());
    }

    /// Why a sequence number does not pass (RFC 4303 section 3.4.3).
    fn replayed(&self, sequence: u32) -> Option<DropKind> {
        if sequence == 0 {
            Some(DropKind::SequenceZero)
        } else if u64::from(sequence) + u64::from(WINDOW) <= u64::from(self.right()) {
            Some(DropKind::TooOld)
        } else {
            self.seen.contains(&sequence).then_some(DropKind::Replay)
        }
    }

    fn open(&mut self, mut packet: Vec<u8>) -> Result<Vec<u8>, OpenError> {
        let mut results = Vec::new();
        self.receiver.open_batch(Time::ZERO, encap(), [packet.as_mut_slice()], &mut results);
        let [result] = results.try_into().expect("one packet, one result");
        match result {
            Ok(Received { tunnel, spi, range, .. }) => {
                assert_eq!((tunnel, spi), (TUNNEL, SPI));
                self.opened += 1;
                Ok(packet.get(range).expect("the inner packet lies in the buffer").to_vec())
            }
            Err(error) => {
                self.dropped += 1;
                Err(error)
            }
        }
    }

    /// Seals an inner packet, if it is one: sequence number, packet, and what must come out.
    fn seal(&mut self, inner: &[u8]) -> Option<(u32, Vec<u8>, Verdict)> {
        let place = MAX_HEADROOM..MAX_HEADROOM + inner.len();
        let mut buf = [&[0; MAX_HEADROOM], inner, &[0; sizes::MAX_TAILROOM]].concat();
        let mut results = Vec::new();
        let packets = [PlainPacket { buf: &mut buf, inner: place }];
        self.sender.seal_batch(Time::ZERO, TUNNEL, packets, &mut results);
        let [result] = results.try_into().expect("one packet, one result");
        let next_header = if inner.first().is_some_and(|first| first >> 4 == 6) { 41 } else { 4 };
        match result {
            Ok(Sealed { range, .. }) => {
                let packet = buf.get(range).expect("the packet lies in the buffer").to_vec();
                assert_eq!(packet.len(), self.layout.sealed_len(inner.len()));
                let sequence = packet.get(4..8).expect("a header").try_into().expect("4 octets");
                let text = padded(inner, next_header, self.layout.align);
                Some((u32::from_be_bytes(sequence), packet, content(&text)))
            }
            Err(refused) => {
                assert_eq!(refused, SealError::NotIp);
                assert!(inner_packet(inner, next_header).is_err(), "it is an IP packet");
                None
            }
        }
    }

    /// Text of a length that the cipher can have.
    fn text(&self, chunk: &[u8]) -> Vec<u8> {
        let mut text = chunk.to_vec();
        text.resize(chunk.len().next_multiple_of(self.layout.align).max(self.layout.align), 0);
        text
    }

    /// Protects a text by hand.
    fn forge(&self, sequence: u32, text: &[u8]) -> Vec<u8> {
        let mut text = text.to_vec();
        let (keys, encr) = (keys(&self.suite), self.suite.encr);
        let (header, iv) = (header(sequence), vec![0x42; self.layout.iv_len]);
        let mut icv = vec![0; self.layout.icv_len];
        let key = keys.encr.expose();
        let Some(hash) = self.suite.integ.hash() else {
            let nonce = [keys.salt.expose().as_slice(), &iv].concat();
            let nonce = nonce.try_into().expect("a salt and a vector make a nonce");
            let aead = RustCrypto.aead(encr, key).expect("an AEAD");
            aead.seal(&nonce, &header, &mut text, &mut icv).expect("a text to seal");
            return [header.as_slice(), &iv, &text, &icv].concat();
        };
        if !iv.is_empty() {
            let cbc = RustCrypto.cbc(encr, key).expect("a cipher");
            cbc.encrypt(&iv, &mut text).expect("whole blocks");
        }
        let mac = RustCrypto.hmac(hash, keys.integ.expose());
        mac.sign(&[&header, &iv, &text], &mut icv);
        [header.as_slice(), &iv, &text, &icv].concat()
    }

    fn window_right(&self) -> u32 {
        self.receiver.inbound(SPI).map_or(0, |sa| sa.replay().right())
    }

    /// Every packet was counted once, and the reports do not pile up.
    fn check_counters(&mut self) {
        let sa = self.receiver.inbound(SPI).expect("nobody has removed the SA");
        let unknown = self.receiver.unknown_drops();
        assert_eq!(sa.drops().total() + unknown.total(), self.dropped);
        assert_eq!(sa.counters().packets, self.opened);
        while self.receiver.poll_report().is_some() {}
        assert_eq!(self.receiver.reports_lost(), 0);
    }
}

/// What an authentic text holds, or what it is refused for.
fn content(text: &[u8]) -> Verdict {
    let [front @ .., pad_len, next_header] = text else { return Err(DropKind::BadPadding) };
    let pad_len = usize::from(*pad_len);
    let Some(len) = front.len().checked_sub(pad_len) else { return Err(DropKind::BadPadding) };
    let (payload, padding) = front.split_at(len);
    // Monotonic from 1: it cannot count past 255, which is also the longest padding there is.
    if !padding.iter().copied().eq((1..=255).take(pad_len)) {
        return Err(DropKind::BadPadding);
    }
    inner_packet(payload, *next_header)
}

/// The inner packet in a payload, without what is behind it (RFC 4303 section 2.7).
fn inner_packet(payload: &[u8], next_header: u8) -> Verdict {
    let version = match next_header {
        4 => 4,
        41 => 6,
        59 => return Err(DropKind::Dummy),
        _ => return Err(DropKind::BadNextHeader),
    };
    match payload.first().map(|first| first >> 4) {
        None => return Err(DropKind::InnerLength),
        Some(other) if other != version => return Err(DropKind::InnerVersion),
        Some(_) => {}
    }
    let (field, fixed) = if version == 4 { (2, 20) } else { (4, 40) };
    let Some([high, low]) = payload.get(field..field + 2).filter(|_| payload.len() >= fixed) else {
        return Err(DropKind::InnerLength);
    };
    let said = usize::from(u16::from_be_bytes([*high, *low]));
    let (len, least) = if version == 4 {
        let ihl = payload.first().map_or(0, |first| usize::from(first & 0x0f) * 4);
        (said, ihl.max(fixed))
    } else {
        (said + fixed, fixed)
    };
    match payload.get(..len) {
        Some(inner) if len >= least => Ok(inner.to_vec()),
        _ => Err(DropKind::InnerLength),
    }
}

/// A payload with padding, pad length and next header.
fn padded(payload: &[u8], next_header: u8, align: usize) -> Vec<u8> {
    let pad_len = (payload.len() + 2).next_multiple_of(align) - payload.len() - 2;
    let pad_len = u8::try_from(pad_len).expect("less than a block");
    let mut text = payload.to_vec();
    text.extend(1..=pad_len);
    text.extend([pad_len, next_header]);
    text
}

/// A packet with an octet changed, octets missing or octets too many.
fn spoiled(packet: &[u8], script: &mut Script<'_>) -> Vec<u8> {
    let mut spoiled = packet.to_vec();
    match script.u8() % 3 {
        0 => {
            let at = usize::from(script.u16()) % packet.len().max(1);
            let mask = script.u8().max(1);
            if let Some(octet) = spoiled.get_mut(at) {
                *octet ^= mask;
            }
        }
        1 => spoiled.truncate(packet.len().saturating_sub(usize::from(script.u8()) + 1)),
        _ => spoiled.resize(packet.len() + usize::from(script.u8()) + 1, 0),
    }
    spoiled
}

fn header(sequence: u32) -> [u8; HEADER_LEN] {
    ((u64::from(SPI) << 32) | u64::from(sequence)).to_be_bytes()
}

fn encap() -> Encap {
    let at = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    Encap::Raw { src: at(1), dst: at(2) }
}

fn keys(suite: &ChildSuite) -> DirectionKeys {
    let key = |first: u8, len| SecretBytes::new((first..).take(len).collect());
    DirectionKeys {
        encr: key(0x10, suite.encr.key_len()),
        salt: key(0x50, suite.encr.salt_len()),
        integ: key(0x80, suite.integ.key_len()),
    }
}
