//! The Authentication Header, and the IP packet that it is in (RFC 4302, section 2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Header   |  Payload Len  |          RESERVED             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Security Parameters Index (SPI)               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Sequence Number Field                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                Integrity Check Value-ICV (variable)           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Payload Len counts words of four octets, less two. The ICV is filled up so that the header has
//! whole words, and in IPv6 whole words of eight octets. The ICV covers the header in front of AH,
//! so that nobody can do anything with AH without the IP packet: here an AH packet is the whole of it.

use super::cursor::Reader;
use super::error::DecodeError;

/// The protocol number of AH.
pub const AH_PROTOCOL: u8 = 51;

/// What is in front of the ICV.
pub const AH_FIXED_LEN: usize = 12;

/// The fields of AH in front of the ICV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AhHeader {
    /// The protocol of what follows: 4 or 41 in tunnel mode.
    pub next_header: u8,
    /// The length of the whole header in words of four octets, less two.
    pub payload_len: u8,
    /// Sent as zero; covered by the ICV, and else without meaning.
    pub reserved: u16,
    /// The security parameters index, chosen by the receiver.
    pub spi: u32,
    /// The sequence number, its low half if it is extended.
    pub seq: u32,
}

impl AhHeader {
    /// Decodes the fields at the start of `ah`.
    pub fn decode(ah: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(ah);
        let mut reader = reader.sub("AH header", AH_FIXED_LEN, reader.limit())?;
        Ok(Self {
            next_header: reader.u8("next header")?,
            payload_len: reader.u8("payload length")?,
            reserved: reader.u16("reserved")?,
            spi: reader.u32("SPI")?,
            seq: reader.u32("sequence number")?,
        })
    }

    /// The octets of the fields.
    pub fn to_bytes(self) -> [u8; AH_FIXED_LEN] {
        let [r0, r1] = self.reserved.to_be_bytes();
        let [s0, s1, s2, s3] = self.spi.to_be_bytes();
        let [n0, n1, n2, n3] = self.seq.to_be_bytes();
        [self.next_header, self.payload_len, r0, r1, s0, s1, s2, s3, n0, n1, n2, n3]
    }

    /// The length of the whole header that Payload Len says.
    pub const fn stated_len(&self) -> usize {
        (self.payload_len as usize + 2) * 4
    }
}

/// Where AH begins in an IP packet; `None` if it is none, or has no AH.
pub fn offset_in(packet: &[u8]) -> Option<usize> {
    match packet.first()? >> 4 {
        4 => {
            let header: &[u8; 20] = packet.first_chunk()?;
            let [first, _, _, _, _, _, _, _, _, protocol, ..] = *header;
            let len = usize::from(first & 0x0f) * 4;
            (protocol == AH_PROTOCOL && len >= 20 && len <= packet.len()).then_some(len)
        }
        6 => {
            let header: &[u8; 40] = packet.first_chunk()?;
            let [_, _, _, _, _, _, next, ..] = *header;
            behind_extensions(packet, next)
        }
        _ => None,
    }
}

/// The fields of AH in an IP packet.
pub fn header_in(packet: &[u8]) -> Option<AhHeader> {
    AhHeader::decode(packet.get(offset_in(packet)?..)?).ok()
}

fn behind_extensions(packet: &[u8], mut next: u8) -> Option<usize> {
    let mut at = 40;
    for _ in 0..MAX_EXTENSIONS {
        if next == AH_PROTOCOL {
            return Some(at);
        }
        let &[following, len] = packet.get(at..)?.first_chunk()?;
        at += match next {
            HOP_BY_HOP | ROUTING | DESTINATION => usize::from(len) * 8 + 8,
            FRAGMENT => 8,
            _ => return None,
        };
        next = following;
    }
    None
}

/// Hop-by-hop options of IPv6.
pub(crate) const HOP_BY_HOP: u8 = 0;
/// The routing header of IPv6.
pub(crate) const ROUTING: u8 = 43;
/// The fragment header of IPv6.
pub(crate) const FRAGMENT: u8 = 44;
/// Destination options of IPv6.
pub(crate) const DESTINATION: u8 = 60;
/// More extension headers than any honest packet has.
const MAX_EXTENSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const AH: [u8; 12] = [4, 4, 0, 0, 0xc1, 0xc2, 0xc3, 0xc4, 0, 0, 0, 7];

    fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = next;
        packet.extend_from_slice(rest);
        packet
    }

    #[test]
    fn a_header_octet_by_octet() {
        let header = AhHeader::decode(&AH).unwrap();
        let expected =
            AhHeader { next_header: 4, payload_len: 4, reserved: 0, spi: 0xc1c2_c3c4, seq: 7 };
        assert_eq!((header, header.stated_len()), (expected, 24));
        assert_eq!(header.to_bytes(), AH);
        for length in 0..AH_FIXED_LEN {
            assert!(AhHeader::decode(&AH[..length]).is_err());
        }
    }

    #[test]
    fn it_is_found_behind_options_and_extension_headers() {
        let mut v4 = vec![0; 24];
        v4[0] = 0x46;
        v4[9] = 51;
        v4.extend_from_slice(&AH);
        assert_eq!(offset_in(&v4), Some(24));
        assert_eq!(header_in(&v4).unwrap().seq, 7);
        v4[9] = 50;
        assert_eq!(offset_in(&v4), None);
        assert_eq!(offset_in(&v6(51, &AH)), Some(40));
        let behind = [[FRAGMENT, 0, 1, 4, 0, 0, 0, 0], [51, 0, 0, 0, 0, 0, 0, 0]].concat();
        assert_eq!(offset_in(&v6(HOP_BY_HOP, &[behind, AH.to_vec()].concat())), Some(56));
        assert_eq!(offset_in(&v6(17, &AH)), None);
        for length in 0..40 {
            assert_eq!(offset_in(&v6(51, &AH)[..length]), None);
        }
    }
}
