//! The sending half of an ESP SA.

use core::ops::Range;
use std::sync::Arc;

use crate::crypto::{Cbc, ChildSuite, DirectionKeys, Encr, KeyBits, Provider, Secret};

use super::cipher::EspCipher;
use super::matcher::Matcher;
use super::sizes::{ESP_HEADER_LEN, Layout};
use super::{Counters, Encap, Limits, SaError, SealError, Selectors, inner};

const BLOCK: usize = 16;

/// What an outbound SA is made of.
#[derive(Clone, Debug)]
pub struct OutboundParams {
    /// The SPI that the peer chose.
    pub spi: u32,
    /// The algorithms.
    pub suite: ChildSuite,
    /// The keys of what we send.
    pub keys: DirectionKeys,
    /// A key of its own for initialisation vectors, drawn by the core. Used with CBC only.
    pub iv_key: Secret<[u8; 16]>,
    /// Where packets go.
    pub encap: Encap,
    /// What may be sent.
    pub selectors: Selectors,
    /// When to rekey and when to stop.
    pub limits: Limits,
}

/// An SA that packets are sent on.
///
/// It is not `Clone`: two copies would use sequence numbers, and with them nonces, twice.
#[derive(Debug)]
pub struct OutboundSa {
    spi: u32,
    suite: ChildSuite,
    cipher: EspCipher,
    /// What makes initialisation vectors unpredictable: a cipher over the sequence number.
    iv_cipher: Option<Arc<dyn Cbc>>,
    /// The last sequence number used; 0 before the first.
    sequence: u32,
    encap: Encap,
    matcher: Matcher,
    limits: Limits,
    counters: Counters,
}

impl OutboundSa {
    /// Keys the SA.
    pub fn new(provider: &dyn Provider, params: OutboundParams) -> Result<Self, SaError> {
        let OutboundParams { spi, suite, keys, iv_key, encap, selectors, limits } = params;
        if spi < 256 {
            return Err(SaError::ReservedSpi(spi));
        }
        let cipher = EspCipher::new(provider, &suite, &keys)?;
        let iv_cipher = if suite.encr.block_len() > 1 {
            Some(provider.cbc(Encr::AesCbc(KeyBits::B128), iv_key.expose())?)
        } else {
            None
        };
        let (matcher, counters) = (Matcher::new(selectors), Counters::default());
        Ok(Self { spi, suite, cipher, iv_cipher, sequence: 0, encap, matcher, limits, counters })
    }

    /// The SPI.
    pub const fn spi(&self) -> u32 {
        self.spi
    }

    /// The algorithms.
    pub const fn suite(&self) -> ChildSuite {
        self.suite
    }

    /// The layout of packets, from which follows how long they get.
    pub const fn layout(&self) -> Layout {
        self.cipher.layout
    }

    /// Where packets go.
    pub const fn encap(&self) -> Encap {
        self.encap
    }

    /// Changes where packets go, as when a NAT has changed its mapping.
    pub const fn set_encap(&mut self, encap: Encap) {
        self.encap = encap;
    }

    /// What may be sent.
    pub const fn selectors(&self) -> &Selectors {
        self.matcher.selectors()
    }

    /// Whether the selectors allow a packet; `None` if it is none.
    pub(super) fn allows(&self, packet: &[u8]) -> Option<bool> {
        self.matcher.allow_outbound(packet)
    }

    /// What was sent.
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The last sequence number used; 0 before the first.
    pub const fn sequence(&self) -> u32 {
        self.sequence
    }

    /// Sets the last sequence number used, for recorded sessions and for tests of what happens at
    /// the end. With an AEAD, going back means using a nonce twice.
    pub const fn set_sequence(&mut self, sequence: u32) {
        self.sequence = sequence;
    }

    /// Whether it is time to rekey.
    pub const fn is_soft_spent(&self) -> bool {
        self.limits.soft.is_spent(&self.counters)
    }

    /// Whether no more packets can be sent.
    pub const fn is_exhausted(&self) -> bool {
        self.sequence == u32::MAX
    }

    /// Seals the IP packet that lies at `inner` in `buf`, in tunnel mode.
    ///
    /// Returns where the ESP packet lies: it begins [`Layout::headroom`] octets before the inner
    /// packet and ends [`Layout::tailroom`] octets behind it, and overwrites what is there. On an
    /// error nothing is written. Traffic selectors are not looked at.
    pub fn seal(&mut self, buf: &mut [u8], inner: Range<usize>) -> Result<Range<usize>, SealError> {
        let packet = buf.get(inner.clone()).ok_or(SealError::NotIp)?;
        let next_header = match inner::version(packet) {
            4 => inner::IPV4,
            6 => inner::IPV6,
            _ => return Err(SealError::NotIp),
        };
        self.seal_as(buf, inner, next_header)
    }

    /// Seals whatever lies at `payload` in `buf` behind a next header of the caller's choice: 59
    /// for a dummy packet, or what a peer must refuse.
    pub fn seal_as(
        &mut self,
        buf: &mut [u8],
        payload: Range<usize>,
        next_header: u8,
    ) -> Result<Range<usize>, SealError> {
        let layout = self.cipher.layout;
        let payload_len = payload.len();
        let headroom = layout.headroom();
        let Some(start) = payload.start.checked_sub(headroom) else {
            return Err(SealError::Headroom { needed: headroom, available: payload.start });
        };
        let end = start + layout.sealed_len(payload_len);
        let available = buf.len().saturating_sub(payload.end);
        let Some(packet) = buf.get_mut(start..end) else {
            return Err(SealError::Tailroom { needed: layout.tailroom(payload_len), available });
        };
        if self.limits.hard.is_spent(&self.counters) {
            return Err(SealError::Expired);
        }
        let sequence = self.sequence.checked_add(1).ok_or(SealError::SequenceExhausted)?;
        self.write_header(packet, sequence)?;
        write_trailer(packet, headroom + payload_len, layout.icv_len, next_header)?;
        // Used from here on, even if the cipher were to refuse: a nonce is never used twice.
        self.sequence = sequence;
        self.cipher.seal(packet)?;
        self.counters.count(payload_len);
        Ok(start..end)
    }

    /// SPI, sequence number and initialisation vector.
    fn write_header(&self, packet: &mut [u8], sequence: u32) -> Result<(), SealError> {
        let (header, rest) =
            packet.split_first_chunk_mut::<ESP_HEADER_LEN>().ok_or(SealError::Cipher)?;
        *header = ((u64::from(self.spi) << 32) | u64::from(sequence)).to_be_bytes();
        let iv = rest.get_mut(..self.cipher.layout.iv_len).ok_or(SealError::Cipher)?;
        if let Some(cipher) = &self.iv_cipher {
            let mut block = u128::from(sequence).to_be_bytes();
            cipher.encrypt(&[0; BLOCK], &mut block).map_err(|_| SealError::Cipher)?;
            iv.copy_from_slice(block.get(..iv.len()).ok_or(SealError::Cipher)?);
        } else if let Some(iv) = iv.first_chunk_mut::<8>() {
            *iv = u64::from(sequence).to_be_bytes();
        }
        Ok(())
    }
}

/// Padding 1, 2, 3 and so on, pad length and next header.
fn write_trailer(
    packet: &mut [u8],
    at: usize,
    icv_len: usize,
    next_header: u8,
) -> Result<(), SealError> {
    let end = packet.len() - icv_len;
    let trailer = packet.get_mut(at..end).ok_or(SealError::Cipher)?;
    let [padding @ .., pad_len, next] = trailer else { return Err(SealError::Cipher) };
    let mut count: u8 = 0;
    for octet in padding {
        count += 1;
        *octet = count;
    }
    *pad_len = count;
    *next = next_header;
    Ok(())
}
