//! Fragmenting an IPv4 packet that does not fit into the tunnel and may be fragmented (RFC 791).
//!
//! Fragmentation happens before ESP, so that every ESP packet holds a whole IP fragment and the far
//! gateway never has to reassemble outer packets.

use thiserror::Error;

use super::packet::{IpVersion, be16, ipv4_header_len, put16, refresh_ipv4_checksum, stated_len};

/// Why a packet cannot be fragmented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FragmentError {
    /// Not IPv4, or cut off within its header.
    #[error("not an IPv4 packet with a whole header")]
    NotIpv4,
    /// The DF bit forbids it.
    #[error("the DF bit is set")]
    DontFragment,
    /// The MTU leaves no room for eight octets behind the header.
    #[error("an MTU of {mtu} has no room for a header of {header} and 8 octets of data")]
    MtuTooSmall {
        /// The limit that was asked for.
        mtu: u16,
        /// Octets of header that every fragment needs.
        header: usize,
    },
    /// Offset and length point past the largest IPv4 packet.
    #[error("fragment offset {offset} with {len} octets of data passes 65535")]
    TooLong {
        /// Offset of the packet's own data, in octets.
        offset: usize,
        /// Octets of data in it.
        len: usize,
    },
}

/// Cuts `packet` into fragments of at most `mtu` octets; one that fits comes back as it is.
///
/// A fragment can be fragmented again. Options without the copied flag stay in the first one only.
///
/// # Errors
///
/// If DF is set, the packet is no IPv4, or the MTU has no room for any data.
pub fn fragment_v4(packet: &[u8], mtu: u16) -> Result<Vec<Vec<u8>>, FragmentError> {
    if IpVersion::of(packet) != Some(IpVersion::V4) {
        return Err(FragmentError::NotIpv4);
    }
    let header_len = ipv4_header_len(packet).ok_or(FragmentError::NotIpv4)?;
    let total = stated_len(packet).ok_or(FragmentError::NotIpv4)?.max(header_len);
    let whole = packet.get(..total).ok_or(FragmentError::NotIpv4)?;
    if total <= usize::from(mtu) {
        return Ok(vec![whole.to_vec()]);
    }
    let flags = be16(packet, 6).ok_or(FragmentError::NotIpv4)?;
    if flags & DF != 0 {
        return Err(FragmentError::DontFragment);
    }
    let (first_header, data) = whole.split_at_checked(header_len).ok_or(FragmentError::NotIpv4)?;
    let later_header = header_of_later_fragments(first_header);
    let base = usize::from(flags & OFFSET) * 8;
    if base + data.len() > usize::from(u16::MAX) {
        return Err(FragmentError::TooLong { offset: base, len: data.len() });
    }

    let mut fragments = Vec::with_capacity(data.len() / usize::from(mtu).max(8) + 2);
    let mut at = 0;
    while at < data.len() {
        let header = if at == 0 { first_header } else { &later_header };
        let room = usize::from(mtu).saturating_sub(header.len());
        let rest = data.len() - at;
        let take = if rest <= room { rest } else { room & !7 };
        if take == 0 {
            return Err(FragmentError::MtuTooSmall { mtu, header: header.len() });
        }
        let last = take == rest;
        let mut fragment = Vec::with_capacity(header.len() + take);
        fragment.extend_from_slice(header);
        fragment.extend_from_slice(data.get(at..at + take).unwrap_or_default());
        let offset = u16::try_from((base + at) / 8).unwrap_or(OFFSET) & OFFSET;
        let more = if last { flags & MF } else { MF };
        put16(&mut fragment, 6, (flags & RESERVED) | more | offset);
        let len = u16::try_from(fragment.len()).unwrap_or(u16::MAX);
        put16(&mut fragment, 2, len);
        refresh_ipv4_checksum(&mut fragment, header.len());
        fragments.push(fragment);
        at += take;
    }
    Ok(fragments)
}

/// The header with those options only that have the copied flag.
fn header_of_later_fragments(header: &[u8]) -> Vec<u8> {
    let (fixed, mut options) = header.split_at_checked(20).unwrap_or((header, &[]));
    let mut kept = fixed.to_vec();
    while let Some(&kind) = options.first() {
        let len = match kind {
            0 => break,
            1 => 1,
            _ => usize::from(options.get(1).copied().unwrap_or_default()),
        };
        if len == 0 || (kind > 1 && len < 2) {
            break;
        }
        let Some((option, rest)) = options.split_at_checked(len) else { break };
        if kind & COPIED != 0 {
            kept.extend_from_slice(option);
        }
        options = rest;
    }
    kept.resize(kept.len().next_multiple_of(4), 0);
    let words = u8::try_from(kept.len() / 4).unwrap_or(5);
    if let Some(first) = kept.first_mut() {
        *first = 0x40 | (words & 0x0f);
    }
    kept
}

const RESERVED: u16 = 0x8000;
const DF: u16 = 0x4000;
const MF: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
const COPIED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use super::super::packet::internet_checksum;
    use super::super::{Reassembled, Reassembler};
    use super::*;
    use crate::time::Time;
    use proptest::prelude::*;

    fn packet(options: &[u8], data_len: usize, df: bool) -> Vec<u8> {
        let header_len = 20 + options.len();
        let mut packet = vec![0x40 | u8::try_from(header_len / 4).unwrap(), 0, 0, 0, 0xab, 0xcd];
        packet.extend(if df { [0x40, 0] } else { [0, 0] });
        packet.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 9, 0, 2]);
        packet.extend(options);
        packet.extend((0..data_len).map(|i| (i % 251) as u8));
        let len = u16::try_from(packet.len()).unwrap();
        put16(&mut packet, 2, len);
        refresh_ipv4_checksum(&mut packet, header_len);
        packet
    }

    #[test]
    fn fifteen_hundred_octets_become_two_fragments() {
        let fragments = fragment_v4(&packet(&[], 1480, false), 1400).unwrap();
        let lens: Vec<_> = fragments.iter().map(Vec::len).collect();
        assert_eq!(lens, [20 + 1376, 20 + 104]);
        assert_eq!(fragments[0][..8], [0x45, 0, 0x05, 0x74, 0xab, 0xcd, 0x20, 0]);
        assert_eq!(fragments[1][..8], [0x45, 0, 0, 124, 0xab, 0xcd, 0, 172]);
        for fragment in &fragments {
            assert_eq!(internet_checksum(&[&fragment[..20]]), 0);
        }
    }

    #[test]
    fn df_forbids_it_and_a_packet_that_fits_is_untouched() {
        let big = packet(&[], 1480, true);
        assert_eq!(fragment_v4(&big, 1400), Err(FragmentError::DontFragment));
        assert_eq!(fragment_v4(&big, 1500).unwrap(), core::slice::from_ref(&big));
        assert_eq!(
            fragment_v4(&packet(&[], 100, false), 27),
            Err(FragmentError::MtuTooSmall { mtu: 27, header: 20 })
        );
        assert_eq!(fragment_v4(&[0x60; 60], 40), Err(FragmentError::NotIpv4));
    }

    #[test]
    fn only_copied_options_go_into_later_fragments() {
        // Record route (7) stays in the first, router alert (148) is copied.
        let options = [7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0, 0];
        let fragments = fragment_v4(&packet(&options, 400, false), 300).unwrap();
        assert_eq!(fragments[0][0], 0x48);
        assert_eq!(fragments[1][0], 0x46);
        assert_eq!(fragments[1][20..24], [148, 4, 0, 0]);
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), mtu in any::<u16>()) {
            let _ = fragment_v4(&bytes, mtu);
        }

        #[test]
        fn fragments_of_fragments_reassemble(len in 1..6000_usize, first in 68..1500_u16, second in 68..1500_u16) {
            let whole = packet(&[], len, false);
            let mut reassembler = Reassembler::new();
            let mut result = None;
            for outer in fragment_v4(&whole, first).unwrap().into_iter().rev() {
                for piece in fragment_v4(&outer, second).unwrap() {
                    prop_assert!(piece.len() <= usize::from(second));
                    match reassembler.push(Time::ZERO, &piece) {
                        Reassembled::Complete(packet) => result = Some(packet),
                        Reassembled::NotAFragment => result = Some(piece),
                        Reassembled::Incomplete => {}
                        Reassembled::Refused(why) => prop_assert!(false, "{why:?}"),
                    }
                }
            }
            prop_assert_eq!(result, Some(whole));
        }
    }
}
