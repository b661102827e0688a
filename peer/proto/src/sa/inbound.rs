//! The receiving half of an SA.

use core::ops::Range;

use crate::crypto::{ChildProtocol, ChildSuite, DirectionKeys, Provider};
use crate::wire::{EspHeader, ah};

use super::ah::{AhMac, Checked};
use super::cipher::EspCipher;
use super::matcher::Matcher;
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
    transform: Transform,
    replay: ReplayWindow,
    matcher: Matcher,
    limits: Limits,
    counters: Counters,
    drops: DropCounts,
    /// The SA of AH that its packets come in.
    over: Option<Box<InboundSa>>,
}

/// What a packet holds that is authentic.
struct Authentic {
    payload: Range<usize>,
    next_header: u8,
    sequence: u32,
    newest: bool,
}

#[derive(Debug)]
enum Transform {
    Esp(EspCipher),
    Ah(AhMac),
}

/// A packet that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the inner packet lies in the buffer of the packet, without any padding for traffic
    /// flow confidentiality.
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
        let transform = match suite.protocol {
            ChildProtocol::Esp => Transform::Esp(EspCipher::new(provider, &suite, &keys)?),
            ChildProtocol::Ah => Transform::Ah(AhMac::new(provider, &suite, &keys)?),
        };
        let (counters, drops) = (Counters::default(), DropCounts::default());
        let matcher = Matcher::new(selectors);
        let over = None;
        Ok(Self { spi, suite, transform, replay, matcher, limits, counters, drops, over })
    }

    /// Puts an SA of ESP under one of AH: from now on its packets are good only inside those of the
    /// other (RFC 2401 section 4.5).
    ///
    /// # Errors
    /// If one of the two is of another protocol.
    pub fn under(mut self, ah: Self) -> Result<Self, SaError> {
        match (self.suite.protocol, ah.suite.protocol) {
            (ChildProtocol::Esp, ChildProtocol::Ah) => self.over = Some(Box::new(ah)),
            (ChildProtocol::Esp, wrong) | (wrong, _) => return Err(SaError::Protocol(wrong)),
        }
        Ok(self)
    }

    /// The SA of AH that its packets come in, if there is one.
    pub fn over(&self) -> Option<&Self> {
        self.over.as_deref()
    }

    /// The protocol of the packets that it comes in.
    pub const fn carrier(&self) -> ChildProtocol {
        if self.over.is_some() { ChildProtocol::Ah } else { self.suite.protocol }
    }

    /// The SPI.
    pub const fn spi(&self) -> u32 {
        self.spi
    }

    /// The algorithms.
    pub const fn suite(&self) -> ChildSuite {
        self.suite
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

    /// Opens a packet in place and counts it: an ESP packet, or the whole IP packet that AH is in.
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
        let Some(over) = &mut self.over else { return self.open_alone(packet) };
        let Authentic { payload, next_header, .. } = over.authenticate(packet)?;
        if next_header != inner::ESP {
            return Err(OpenError::BadNextHeader(next_header));
        }
        over.counters.count(payload.len());
        let shift = payload.start;
        let opened = self.open_alone(packet.get_mut(payload).unwrap_or_default())?;
        let range = opened.range.start + shift..opened.range.end + shift;
        Ok(Opened { range, ..opened })
    }

    /// Checks whether a packet is of this SA, new and authentic, in this order.
    fn authenticate(&mut self, packet: &mut [u8]) -> Result<Authentic, OpenError> {
        let numbers = match &self.transform {
            Transform::Esp(_) => EspHeader::decode(packet).ok().map(|esp| (esp.spi, esp.seq)),
            Transform::Ah(_) => ah::header_in(packet).map(|ah| (ah.spi, ah.seq)),
        };
        let (spi, sequence) = numbers.ok_or(OpenError::BadLength(packet.len()))?;
        if spi != self.spi {
            return Err(OpenError::UnknownSpi(spi));
        }
        if self.limits.hard.is_spent(&self.counters) {
            return Err(OpenError::Expired);
        }
        self.replay.check(sequence)?;
        let (payload, next_header, newest) = match &self.transform {
            Transform::Esp(cipher) => {
                let text = cipher.open(packet)?;
                let newest = self.replay.update(sequence);
                let (payload_len, next_header) = unpad(text)?;
                let start = cipher.layout.headroom();
                (start..start + payload_len, next_header, newest)
            }
            Transform::Ah(mac) => {
                let Checked { payload, next_header } = mac.open(packet)?;
                (payload, next_header, self.replay.update(sequence))
            }
        };
        Ok(Authentic { payload, next_header, sequence, newest })
    }

    fn open_alone(&mut self, packet: &mut [u8]) -> Result<Opened, OpenError> {
        let Authentic { payload: range, next_header, sequence, newest } =
            self.authenticate(packet)?;
        let payload = packet.get(range.clone()).unwrap_or_default();
        let inner_len = check_inner(payload, next_header)?;
        // Only ESP has padding for traffic flow confidentiality.
        if matches!(self.transform, Transform::Ah(_)) && inner_len != payload.len() {
            return Err(OpenError::InnerLength { said: inner_len, there: payload.len() });
        }
        let inner = payload.get(..inner_len).unwrap_or_default();
        if self.matcher.allow_inbound(inner) != Some(true) {
            return Err(OpenError::Selector);
        }
        let range = range.start..range.start + inner_len;
        Ok(Opened { range, next_header, sequence, newest })
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
