//! AH in tunnel mode: the headers in front of an inner packet, and the ICV over all of it (RFC 4302,
//! section 3).
//!
//! What is made and what is taken here is a whole IP packet, since the ICV covers the outer header.
//! AH is never in UDP.

use core::net::IpAddr;
use core::ops::Range;
use std::sync::Arc;

use crate::crypto::{
    ChildProtocol, ChildSuite, CryptoError, DirectionKeys, Esn, Integ, Mac, Provider,
};
use crate::forward::internet_checksum;
use crate::wire::ah::{self, AH_FIXED_LEN, AH_PROTOCOL, AhHeader};

use super::sizes::{Layout, Outer, ah_len};
use super::{OpenError, SaError, SealError, inner, mutable};

/// The hop limit of what is sent.
const TTL: u8 = 64;
/// The longest ICV.
const MAX_ICV: usize = 32;

/// The keyed transform of one direction of an AH SA.
#[derive(Debug)]
pub(super) struct AhMac {
    integ: Integ,
    mac: Arc<dyn Mac>,
}

/// An authentic packet.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) next_header: u8,
    pub(super) payload: Range<usize>,
}

impl AhMac {
    pub(super) fn new(
        provider: &dyn Provider,
        suite: &ChildSuite,
        keys: &DirectionKeys,
    ) -> Result<Self, SaError> {
        if suite.protocol != ChildProtocol::Ah {
            return Err(SaError::Protocol(suite.protocol));
        }
        if suite.esn == Esn::Yes {
            return Err(SaError::ExtendedSequenceNumbers);
        }
        let (encr, integ) = (suite.encr, suite.integ);
        let Some(hash) = integ.hash() else {
            return Err(CryptoError::SuiteMismatch { encr, integ }.into());
        };
        let (expected, actual) = (integ.key_len(), keys.integ.len());
        if expected != actual {
            return Err(CryptoError::Length { what: "integrity key", expected, actual }.into());
        }
        Ok(Self { integ, mac: provider.hmac(hash, keys.integ.expose()) })
    }

    /// The layout of what is sent to that address.
    pub(super) const fn layout(&self, v6: bool) -> Layout {
        Layout::ah(self.integ, v6)
    }

    /// Writes the outer header, AH and its ICV in front of a payload that ends the packet.
    pub(super) fn seal(
        &self,
        packet: &mut [u8],
        (source, destination): (IpAddr, IpAddr),
        (spi, seq): (u32, u32),
        next_header: u8,
    ) -> Result<(), SealError> {
        let v6 = destination.is_ipv6();
        let outer = Outer { v6, udp: false }.len();
        let ah_len = ah_len(self.integ, v6);
        let len = packet.len();
        write_outer(packet, source, destination, seq)?;
        let ah = packet.get_mut(outer..outer + ah_len).ok_or(SealError::Outer(len))?;
        let (fixed, icv) =
            ah.split_first_chunk_mut::<AH_FIXED_LEN>().ok_or(SealError::Outer(len))?;
        let payload_len = u8::try_from(ah_len / 4 - 2).map_err(|_| SealError::Outer(len))?;
        *fixed = AhHeader { next_header, payload_len, reserved: 0, spi, seq }.to_bytes();
        icv.fill(0);
        let mut code = [0; MAX_ICV];
        let code = code.get_mut(..self.integ.icv_len()).ok_or(SealError::Cipher)?;
        self.mac.sign(&[packet], code);
        let icv = packet.get_mut(outer + AH_FIXED_LEN..).unwrap_or_default();
        icv.get_mut(..code.len()).ok_or(SealError::Cipher)?.copy_from_slice(code);
        // After the ICV is made: these change on the way, and count as zero under it.
        finish_outer(packet);
        Ok(())
    }

    /// Checks the ICV of a packet. What may have changed on the way is set to zero for that.
    pub(super) fn open(&self, packet: &mut [u8]) -> Result<Checked, OpenError> {
        let len = packet.len();
        let bad_length = OpenError::BadLength(len);
        let at = ah::offset_in(packet).ok_or(OpenError::OuterHeader)?;
        if inner::total_len(packet).is_none_or(|(said, _)| said != len) {
            return Err(OpenError::OuterHeader);
        }
        let (headers, ah) = packet.split_at_mut_checked(at).ok_or(bad_length)?;
        let v6 = inner::version(headers) == 6;
        let header = AhHeader::decode(ah).map_err(|_| bad_length)?;
        let stated = header.stated_len();
        // Systems that align to eight octets over IPv4 as well are authentic none the less.
        if stated != ah_len(self.integ, v6) && stated != ah_len(self.integ, true) {
            return Err(bad_length);
        }
        let payload = at + stated..len;
        let icv_len = self.integ.icv_len();
        let icv = ah.get_mut(AH_FIXED_LEN..AH_FIXED_LEN + icv_len).ok_or(bad_length)?;
        let mut sent = [0; MAX_ICV];
        let sent = sent.get_mut(..icv_len).ok_or(bad_length)?;
        sent.copy_from_slice(icv);
        icv.fill(0);
        mutable::clear(headers)?;
        if payload.start > len {
            return Err(bad_length);
        }
        if !self.mac.verify(&[packet], sent) {
            return Err(OpenError::BadIcv);
        }
        Ok(Checked { next_header: header.next_header, payload })
    }
}

/// The outer header as the ICV counts it.
fn write_outer(
    packet: &mut [u8],
    source: IpAddr,
    destination: IpAddr,
    seq: u32,
) -> Result<(), SealError> {
    let len = packet.len();
    let too_long = SealError::Outer(len);
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let header = packet.first_chunk_mut::<20>().ok_or(too_long)?;
            let [l0, l1] = u16::try_from(len).map_err(|_| too_long)?.to_be_bytes();
            let [i0, i1] = identification(seq).to_be_bytes();
            let [s0, s1, s2, s3] = source.octets();
            let [d0, d1, d2, d3] = destination.octets();
            *header = [
                0x45,
                0,
                l0,
                l1,
                i0,
                i1,
                0,
                0,
                0,
                AH_PROTOCOL,
                0,
                0,
                s0,
                s1,
                s2,
                s3,
                d0,
                d1,
                d2,
                d3,
            ];
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let (header, rest) = packet.split_first_chunk_mut::<40>().ok_or(too_long)?;
            let [l0, l1] = u16::try_from(rest.len()).map_err(|_| too_long)?.to_be_bytes();
            let (fixed, addresses) = header.split_at_mut(8);
            fixed.copy_from_slice(&[0x60, 0, 0, 0, l0, l1, AH_PROTOCOL, 0]);
            let (from, to) = addresses.split_at_mut(16);
            from.copy_from_slice(&source.octets());
            to.copy_from_slice(&destination.octets());
        }
        _ => return Err(too_long),
    }
    Ok(())
}

/// The ICV covers the Identification, and systems put their own in the place of zero.
fn identification(seq: u32) -> u16 {
    u16::try_from(seq.wrapping_sub(1) % 0xffff + 1).unwrap_or(1)
}

/// What the ICV does not cover: hop limit and checksum.
fn finish_outer(packet: &mut [u8]) {
    match packet.first().map(|first| first >> 4) {
        Some(4) => {
            let Some(header) = packet.first_chunk_mut::<20>() else { return };
            let [_, _, _, _, _, _, _, _, ttl, ..] = header;
            *ttl = TTL;
            let checksum = internet_checksum(&[header]);
            let [_, _, _, _, _, _, _, _, _, _, c0, c1, ..] = header;
            [*c0, *c1] = checksum.to_be_bytes();
        }
        Some(6) => {
            if let Some([_, _, _, _, _, _, _, hop_limit]) = packet.first_chunk_mut::<8>() {
                *hop_limit = TTL;
            }
        }
        _ => {}
    }
}
