//! The receiving half of an ESP SA.

use core::ops::Range;

use crate::crypto::{ChildSuite, DirectionKeys, Provider};

use super::cipher::EspCipher;
use super::matcher::Matcher;
use super::sizes::{ESP_HEADER_LEN, Layout};
use super::{Counters, DropCounts, Limits, OpenError, ReplayWindow, SaError, Selectors, inner};

/// What an inbound SA is made of.
#[derive(Clone, Debug)]
pub struct InboundParams {
    /// The SPI that we chose.
    pub spi: u32,
    /// The algorithms.
    pub suite: ChildSuite,
    /// The keys of what the peer sends.
    pub keys: DirectionKeys,
    /// Which sequence numbers were received.
    pub replay: ReplayWindow,
    /// What may be received.
    pub selectors: Selectors,
    /// When to rekey and when to stop.
    pub limits: Limits,
}

/// An SA that packets are received on.
#[derive(Debug)]
pub struct InboundSa {
    spi: u32,
    suite: ChildSuite,
    cipher: EspCipher,
    replay: ReplayWindow,
    matcher: Matcher,
    limits: Limits,
    counters: Counters,
    drops: DropCounts,
}

/// A packet that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the inner packet lies in the buffer of the ESP packet, without any padding for
    /// traffic flow confidentiality.
    pub range: Range<usize>,
    /// 4 or 41.
    pub next_header: u8,
    /// The sequence number.
    pub sequence: u32,
    /// Whether it is the highest sequence number so far.
    pub newest: bool,
}

impl InboundSa {
    /// Keys the SA.
    pub fn new(provider: &dyn Provider, params: InboundParams) -> Result<Self, SaError> {
        let InboundParams { spi, suite, keys, replay, selectors, limits } = params;
        if spi < 256 {
            return Err(SaError::ReservedSpi(spi));
        }
        let cipher = EspCipher::new(provider, &suite, &keys)?;
        let (counters, drops) = (Counters::default(), DropCounts::default());
        let matcher = Matcher::new(selectors);
        Ok(Self { spi, suite, cipher, replay, matcher, limits, counters, drops })
    }

    /// The SPI.
    pub const fn spi(&self) -> u32 {
        self.spi
    }

    /// The algorithms.
    pub const fn suite(&self) -> ChildSuite {
        self.suite
    }

    /// The layout of packets.
    pub const fn layout(&self) -> Layout {
        self.cipher.layout
    }

    /// What may be received.
    pub const fn selectors(&self) -> &Selectors {
        self.matcher.selectors()
    }

    /// What was received and passed on.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// What was dropped.
    pub const fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// Which sequence numbers were received.
    pub const fn replay(&self) -> &ReplayWindow {
        &self.replay
    }

    /// Whether it is time to rekey.
    pub const fn is_soft_spent(&self) -> bool {
        self.limits.soft.is_spent(&self.counters)
    }

    /// Opens an ESP packet in place and counts it.
    ///
    /// After an error the content of `packet` is unspecified.
    pub fn open(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let opened = self.open_uncounted(packet);
        match &opened {
            Ok(opened) => self.counters.count(opened.range.len()),
            Err(refused) => self.drops.count(refused.kind()),
        }
        opened
    }

    /// Counts a packet that is refused for a reason outside of the SA.
    pub(super) fn refuse(&mut self, reason: OpenError) -> OpenError {
        self.drops.count(reason.kind());
        reason
    }

    fn open_uncounted(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let Some(&[s0, s1, s2, s3, n0, n1, n2, n3]) = packet.first_chunk::<ESP_HEADER_LEN>() else {
            return Err(OpenError::BadLength(packet.len()));
        };
        let spi = u32::from_be_bytes([s0, s1, s2, s3]);
        let sequence = u32::from_be_bytes([n0, n1, n2, n3]);
        if spi != self.spi {
            return Err(OpenError::UnknownSpi(spi));
        }
        if self.limits.hard.is_spent(&self.counters) {
            return Err(OpenError::Expired);
        }
        self.replay.check(sequence)?;
        let text = self.cipher.open(packet)?;
        let newest = self.replay.update(sequence);
        let (payload_len, next_header) = unpad(text)?;
        let payload = text.get(..payload_len).unwrap_or_default();
        let inner_len = check_inner(payload, next_header)?;
        let inner = payload.get(..inner_len).unwrap_or_default();
        if self.matcher.allow_inbound(inner) != Some(true) {
            return Err(OpenError::Selector);
        }
        let start = self.cipher.layout.headroom();
        Ok(Opened { range: start..start + inner_len, next_header, sequence, newest })
    }
}

/// The length of the payload and the next header, after the check of the padding that RFC 4303
/// section 2.4 recommends.
fn unpad(text: &[u8]) -> Result<(usize, u8), OpenError> {
    let [padded @ .., pad_len, next_header] = text else { return Err(OpenError::BadPadding) };
    let payload_len =
        padded.len().checked_sub(usize::from(*pad_len)).ok_or(OpenError::BadPadding)?;
    let padding = padded.get(payload_len..).unwrap_or_default();
    // Counted from 0 in `usize`: a padding of 255 octets must not run over the end of `u8`.
    let as_counted = padding.iter().enumerate().all(|(at, octet)| usize::from(*octet) == at + 1);
    if as_counted { Ok((payload_len, *next_header)) } else { Err(OpenError::BadPadding) }
}

/// The length of the inner packet, which its own header tells.
fn check_inner(payload: &[u8], next_header: u8) -> Result<usize, OpenError> {
    let expected = match next_header {
        inner::IPV4 => 4,
        inner::IPV6 => 6,
        inner::NO_NEXT_HEADER => return Err(OpenError::Dummy),
        other => return Err(OpenError::BadNextHeader(other)),
    };
    let there = payload.len();
    let version = inner::version(payload);
    if there > 0 && version != expected {
        return Err(OpenError::InnerVersion { next_header, version });
    }
    let too_short = OpenError::InnerLength { said: 0, there };
    let (said, least) = inner::total_len(payload).ok_or(too_short)?;
    if said < least || said > there {
        return Err(OpenError::InnerLength { said, there });
    }
    Ok(said)
}
