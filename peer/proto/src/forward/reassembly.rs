//! Putting IPv4 and IPv6 fragments together again, with every bound set beforehand.
//!
//! Used by the inner hosts (a ping of any size crosses the tunnel in fragments) and by whoever reads
//! captures. Overlapping fragments are refused in both versions, as RFC 5722 demands for IPv6; an
//! exact repetition is ignored.

use core::net::IpAddr;
use core::time::Duration;
use std::collections::VecDeque;

use super::packet::{
    DESTINATION, FRAGMENT, HOP_BY_HOP, IpVersion, ROUTING, addresses, array, be16, ipv4_header_len,
    put16, refresh_ipv4_checksum, stated_len,
};
use crate::time::Time;

/// What became of a packet given to [`Reassembler::push`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reassembled {
    /// A whole packet already: go on with the one that was given.
    NotAFragment,
    /// Kept; more fragments are missing.
    Incomplete,
    /// The last missing fragment: the whole packet, header fixed, without fragment header.
    Complete(Vec<u8>),
    /// Dropped together with what was there of its packet.
    Refused(Refusal),
}

/// Why fragments were dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Headers are cut off or contradict the length.
    Malformed,
    /// Data overlaps that of another fragment.
    Overlap,
    /// The whole would pass 65535 octets.
    TooLong,
}

/// Bounded reassembly of many packets at once.
#[derive(Debug, Default)]
pub struct Reassembler {
    partial: VecDeque<Partial>,
}

#[derive(Debug)]
struct Partial {
    key: Key,
    since: Time,
    /// Header of the fragment with offset zero, IPv6 without the fragment header.
    header: Option<Vec<u8>>,
    /// Total length of the data, known from the last fragment.
    total: Option<usize>,
    /// Pieces in order of offset, without overlap.
    pieces: Vec<(usize, Vec<u8>)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Key {
    source: IpAddr,
    destination: IpAddr,
    id: u32,
    /// Upper protocol, part of the key in IPv4 only.
    protocol: u8,
}

struct Piece<'p> {
    key: Key,
    offset: usize,
    more: bool,
    header: Vec<u8>,
    data: &'p [u8],
}

impl Reassembler {
    /// An empty reassembler.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a packet and says what became of it.
    pub fn push(&mut self, now: Time, packet: &[u8]) -> Reassembled {
        self.partial.retain(|p| now.since(p.since) < TIMEOUT);
        let piece = match piece_of(packet) {
            Ok(Some(piece)) => piece,
            Ok(None) => return Reassembled::NotAFragment,
            Err(why) => return Reassembled::Refused(why),
        };
        let place = self.partial.iter().position(|p| p.key == piece.key);
        let mut partial = match place.and_then(|at| self.partial.remove(at)) {
            Some(partial) => partial,
            None => Partial {
                key: Key { ..piece.key },
                since: now,
                header: None,
                total: None,
                pieces: Vec::new(),
            },
        };
        if let Err(why) = partial.add(piece) {
            return Reassembled::Refused(why);
        }
        if let Some(packet) = partial.whole() {
            return Reassembled::Complete(packet);
        }
        if self.partial.len() >= MAX_PARTIAL {
            self.partial.pop_front();
        }
        self.partial.push_back(partial);
        Reassembled::Incomplete
    }
}

impl Partial {
    fn add(&mut self, piece: Piece<'_>) -> Result<(), Refusal> {
        let end = piece.offset + piece.data.len();
        if end + piece.header.len() > usize::from(u16::MAX) {
            return Err(Refusal::TooLong);
        }
        if !piece.more {
            if self.total.is_some_and(|total| total != end) {
                return Err(Refusal::Overlap);
            }
            self.total = Some(end);
        }
        if self.total.is_some_and(|total| end > total) {
            return Err(Refusal::Overlap);
        }
        if piece.offset == 0 && self.header.is_none() {
            self.header = Some(piece.header);
        }
        let at = self.pieces.partition_point(|(offset, _)| *offset < piece.offset);
        if let Some((offset, data)) = self.pieces.get(at) {
            if *offset == piece.offset && data == piece.data {
                return Ok(());
            }
            if end > *offset {
                return Err(Refusal::Overlap);
            }
        }
        let before = at.checked_sub(1).and_then(|at| self.pieces.get(at));
        if before.is_some_and(|(offset, data)| offset + data.len() > piece.offset) {
            return Err(Refusal::Overlap);
        }
        self.pieces.insert(at, (piece.offset, piece.data.to_vec()));
        Ok(())
    }

    fn whole(&self) -> Option<Vec<u8>> {
        let header = self.header.as_ref()?;
        let total = self.total?;
        if self.pieces.iter().map(|(_, data)| data.len()).sum::<usize>() != total {
            return None;
        }
        let mut packet = header.clone();
        for (_, data) in &self.pieces {
            packet.extend_from_slice(data);
        }
        match IpVersion::of(&packet)? {
            IpVersion::V4 => {
                let len = u16::try_from(packet.len()).ok()?;
                put16(&mut packet, 2, len);
                put16(&mut packet, 6, 0);
                refresh_ipv4_checksum(&mut packet, header.len());
            }
            IpVersion::V6 => {
                let len = u16::try_from(packet.len().checked_sub(40)?).ok()?;
                put16(&mut packet, 4, len);
            }
        }
        Some(packet)
    }
}

fn piece_of(packet: &[u8]) -> Result<Option<Piece<'_>>, Refusal> {
    match IpVersion::of(packet) {
        Some(IpVersion::V4) => piece_v4(packet),
        Some(IpVersion::V6) => piece_v6(packet),
        None => Err(Refusal::Malformed),
    }
}

fn piece_v4(packet: &[u8]) -> Result<Option<Piece<'_>>, Refusal> {
    let fields = be16(packet, 6).ok_or(Refusal::Malformed)?;
    if fields & 0x3fff == 0 {
        return Ok(None);
    }
    let read = || {
        let header_len = ipv4_header_len(packet)?;
        let data = packet.get(header_len..stated_len(packet)?)?;
        let (source, destination) = addresses(packet)?;
        let id = u32::from(be16(packet, 4)?);
        let key = Key { source, destination, id, protocol: *packet.get(9)? };
        let header = packet.get(..header_len)?.to_vec();
        let more = fields & 0x2000 != 0;
        Some(Piece { key, offset: usize::from(fields & 0x1fff) * 8, more, header, data })
    };
    checked(read())
}

fn piece_v6(packet: &[u8]) -> Result<Option<Piece<'_>>, Refusal> {
    // The unfragmentable part ends at the fragment header; before it only these three may stand.
    let mut next_at = 6;
    let mut offset = 40_usize;
    loop {
        match packet.get(next_at) {
            Some(&FRAGMENT) => break,
            Some(&(HOP_BY_HOP | ROUTING | DESTINATION)) => {
                let len = packet.get(offset + 1).ok_or(Refusal::Malformed)?;
                next_at = offset;
                offset += (usize::from(*len) + 1) * 8;
            }
            Some(_) => return Ok(None),
            None => return Err(Refusal::Malformed),
        }
    }
    let read = || {
        let next = *packet.get(offset)?;
        let fields = be16(packet, offset + 2)?;
        let id = u32::from_be_bytes(array(packet, offset + 4)?);
        let data = packet.get(offset + 8..stated_len(packet)?)?;
        let (source, destination) = addresses(packet)?;
        let mut header = packet.get(..offset)?.to_vec();
        *header.get_mut(next_at)? = next;
        let key = Key { source, destination, id, protocol: 0 };
        let more = fields & 1 != 0;
        Some(Piece { key, offset: usize::from(fields & 0xfff8), more, header, data })
    };
    checked(read())
}

fn checked(piece: Option<Piece<'_>>) -> Result<Option<Piece<'_>>, Refusal> {
    let piece = piece.ok_or(Refusal::Malformed)?;
    if piece.more && (piece.data.is_empty() || piece.data.len() % 8 != 0) {
        return Err(Refusal::Malformed);
    }
    Ok(Some(piece))
}

/// RFC 8200 allows 60 seconds; inner hosts never wait that long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// At 64 KiB each, 1 MiB at most is kept.
const MAX_PARTIAL: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment_v6(id: u32, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, FRAGMENT, 64];
        put16(&mut packet, 4, u16::try_from(data.len() + 8).unwrap());
        packet.extend([1; 16]);
        packet.extend([2; 16]);
        packet.extend([17, 0]);
        packet.extend((offset | u16::from(more)).to_be_bytes());
        packet.extend(id.to_be_bytes());
        packet.extend(data);
        packet
    }

    #[test]
    fn ipv6_fragments_lose_their_fragment_header() {
        let mut r = Reassembler::new();
        assert_eq!(r.push(Time::ZERO, &fragment_v6(7, 8, false, &[9; 3])), Reassembled::Incomplete);
        assert_eq!(r.push(Time::ZERO, &fragment_v6(7, 8, false, &[9; 3])), Reassembled::Incomplete);
        let Reassembled::Complete(packet) = r.push(Time::ZERO, &fragment_v6(7, 0, true, &[8; 8]))
        else {
            panic!("not complete");
        };
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 11, 17, 64]);
        assert_eq!(packet[40..], [8, 8, 8, 8, 8, 8, 8, 8, 9, 9, 9]);
    }

    #[test]
    fn overlap_and_expiry_drop_the_packet() {
        let mut r = Reassembler::new();
        r.push(Time::ZERO, &fragment_v6(7, 0, true, &[8; 16]));
        assert_eq!(
            r.push(Time::ZERO, &fragment_v6(7, 8, false, &[9; 8])),
            Reassembled::Refused(Refusal::Overlap)
        );
        r.push(Time::ZERO, &fragment_v6(8, 0, true, &[8; 8]));
        let late = Time::ZERO + TIMEOUT;
        assert_eq!(r.push(late, &fragment_v6(8, 8, false, &[9; 8])), Reassembled::Incomplete);
    }

    #[test]
    fn memory_is_bounded() {
        let mut r = Reassembler::new();
        for id in 0..100 {
            r.push(Time::ZERO, &fragment_v6(id, 0, true, &[8; 8]));
        }
        assert_eq!(r.partial.len(), MAX_PARTIAL);
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(mut packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..20)) {
            let mut r = Reassembler::new();
            for (i, packet) in packets.iter_mut().enumerate() {
                if let Some(first) = packet.first_mut() { *first = if i % 2 == 0 { 0x45 } else { 0x60 }; }
                r.push(Time::ZERO, packet);
            }
        }
    }
}
