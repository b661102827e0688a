//! The sending half of an SA.

use core::ops::Range;
use std::sync::Arc;

use crate::crypto::{
    Cbc, ChildProtocol, ChildSuite, DirectionKeys, Encr, KeyBits, Provider, Secret,
};

use super::ah::AhMac;
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
    /// Where packets go. Of a path in UDP AH takes only the addresses.
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
    transform: Transform,
    /// The last sequence number used; 0 before the first.
    sequence: u32,
    encap: Encap,
    matcher: Matcher,
    limits: Limits,
    counters: Counters,
    /// The SA of AH that its packets go in.
    over: Option<Box<OutboundSa>>,
}

#[derive(Debug)]
enum Transform {
    Esp {
        cipher: EspCipher,
        /// What makes initialisation vectors unpredictable: a cipher over the sequence number.
        iv_cipher: Option<Arc<dyn Cbc>>,
    },
    Ah(AhMac),
}

impl OutboundSa {
    /// Keys the SA.
    pub fn new(provider: &dyn Provider, params: OutboundParams) -> Result<Self, SaError> {
        let OutboundParams { spi, suite, keys, iv_key, encap, selectors, limits } = params;
        if spi < 256 {
            return Err(SaError::ReservedSpi(spi));
        }
        let transform = match suite.protocol {
            ChildProtocol::Esp => {
                let cipher = EspCipher::new(provider, &suite, &keys)?;
                let iv_cipher = if suite.encr.block_len() > 1 {
                    Some(provider.cbc(Encr::AesCbc(KeyBits::B128), iv_key.expose())?)
                } else {
                    None
                };
                Transform::Esp { cipher, iv_cipher }
            }
            ChildProtocol::Ah => Transform::Ah(AhMac::new(provider, &suite, &keys)?),
        };
        let (matcher, counters) = (Matcher::new(selectors), Counters::default());
        let (sequence, over) = (0, None);
        Ok(Self { spi, suite, transform, sequence, encap, matcher, limits, counters, over })
    }

    /// Puts an SA of ESP under one of AH: from now on its packets go inside those of the other (RFC
    /// 2401 section 4.5).
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

    /// The protocol of the packets that it goes in.
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

    /// The layout of packets, from which follows how long they get.
    pub const fn layout(&self) -> Layout {
        match &self.transform {
            Transform::Esp { cipher, .. } => cipher.layout,
            Transform::Ah(mac) => mac.layout(self.encap.dst_ip().is_ipv6()),
        }
    }

    /// Where packets go.
    pub const fn encap(&self) -> Encap {
        self.encap
    }

    /// Changes where packets go, as when a NAT has changed its mapping.
    pub fn set_encap(&mut self, encap: Encap) {
        self.encap = encap;
        if let Some(over) = &mut self.over {
            over.set_encap(encap);
        }
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
    pub fn is_exhausted(&self) -> bool {
        self.sequence == u32::MAX || self.over.as_ref().is_some_and(|over| over.is_exhausted())
    }

    /// Seals the IP packet that lies at `inner` in `buf`, in tunnel mode.
    ///
    /// Returns where the sealed packet lies, of ESP or with AH the whole IP packet: it begins
    /// [`Layout::headroom`] octets before the inner packet and ends [`Layout::tailroom`] octets behind
    /// it, and overwrites what is there; under AH more is in front. Traffic selectors are not looked
    /// at.
    pub fn seal(&mut self, buf: &mut [u8], inner: Range<usize>) -> Result<Range<usize>, SealError> {
        let packet = buf.get(inner.clone()).ok_or(SealError::NotIp)?;
        let next_header = match inner::version(packet) {
            4 => inner::IPV4,
            6 => inner::IPV6,
            _ => return Err(SealError::NotIp),
        };
        let sealed = self.seal_as(buf, inner, next_header)?;
        match &mut self.over {
            Some(over) => over.seal_as(buf, sealed, inner::ESP),
            None => Ok(sealed),
        }
    }

    /// Seals whatever lies at `payload` in `buf` behind a next header of the caller's choice: 59
    /// for a dummy packet, or what a peer must refuse. Never under AH.
    pub fn seal_as(
        &mut self,
        buf: &mut [u8],
        payload: Range<usize>,
        next_header: u8,
    ) -> Result<Range<usize>, SealError> {
        let layout = self.layout();
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
        // Used from here on, even if the cipher were to refuse: a nonce is never used twice.
        self.sequence = sequence;
        let numbers = (self.spi, sequence);
        match &self.transform {
            Transform::Esp { cipher, iv_cipher } => {
                write_header(packet, numbers, iv_cipher.as_deref(), layout.iv_len)?;
                write_trailer(packet, headroom + payload_len, layout.icv_len, next_header)?;
                cipher.seal(packet)?;
            }
            Transform::Ah(mac) => {
                let path = (self.encap.src_ip(), self.encap.dst_ip());
                mac.seal(packet, path, numbers, next_header)?;
            }
        }
        self.counters.count(payload_len);
        Ok(start..end)
    }
}

/// SPI, sequence number and initialisation vector.
fn write_header(
    packet: &mut [u8],
    (spi, sequence): (u32, u32),
    iv_cipher: Option<&dyn Cbc>,
    iv_len: usize,
) -> Result<(), SealError> {
    let (header, rest) =
        packet.split_first_chunk_mut::<ESP_HEADER_LEN>().ok_or(SealError::Cipher)?;
    *header = ((u64::from(spi) << 32) | u64::from(sequence)).to_be_bytes();
    let iv = rest.get_mut(..iv_len).ok_or(SealError::Cipher)?;
    if let Some(cipher) = iv_cipher {
        let mut block = u128::from(sequence).to_be_bytes();
        cipher.encrypt(&[0; BLOCK], &mut block).map_err(|_| SealError::Cipher)?;
        iv.copy_from_slice(block.get(..iv.len()).ok_or(SealError::Cipher)?);
    } else if let Some(iv) = iv.first_chunk_mut::<8>() {
        *iv = u64::from(sequence).to_be_bytes();
    }
    Ok(())
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
