//! Fragmented IP packets put together, with a bound on what is kept.

use core::net::IpAddr;
use std::collections::{BTreeMap, VecDeque};

use super::link::IpPacket;
use crate::limits;

type Key = (IpAddr, IpAddr, u8, u32);

/// Packets of which fragments are missing; the oldest go first when there are too many octets.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    open: BTreeMap<Key, Parts>,
    order: VecDeque<Key>,
    octets: usize,
}

#[derive(Debug, Default)]
struct Parts {
    pieces: BTreeMap<usize, Vec<u8>>,
    total: Option<usize>,
}

impl Reassembly {
    /// Takes a packet; gives it back if it is whole, or made whole by it.
    pub(super) fn add(&mut self, mut packet: IpPacket) -> Option<IpPacket> {
        let Some(fragment) = packet.fragment else { return Some(packet) };
        let key = (packet.src, packet.dst, packet.protocol, fragment.id);
        let end = fragment.offset + packet.payload.len();
        if end > usize::from(u16::MAX) {
            return None;
        }
        if !self.open.contains_key(&key) {
            self.order.push_back(key);
        }
        let parts = self.open.entry(key).or_default();
        if !fragment.more {
            parts.total = Some(end);
        }
        self.octets += cost(&packet.payload);
        if let Some(old) =
            parts.pieces.insert(fragment.offset, core::mem::take(&mut packet.payload))
        {
            self.octets -= cost(&old);
        }
        if let Some(payload) = parts.whole() {
            self.forget(key);
            return Some(IpPacket { payload, fragment: None, ..packet });
        }
        while self.octets > limits::FRAGMENT_OCTETS
            && let Some(&oldest) = self.order.front()
        {
            self.forget(oldest);
        }
        None
    }

    fn forget(&mut self, key: Key) {
        self.order.retain(|other| *other != key);
        if let Some(parts) = self.open.remove(&key) {
            self.octets -= parts.pieces.values().map(|piece| cost(piece)).sum::<usize>();
        }
    }
}

/// What a piece counts for: its octets, and what it takes to keep even an empty one.
const fn cost(piece: &[u8]) -> usize {
    piece.len() + 256
}

impl Parts {
    fn whole(&self) -> Option<Vec<u8>> {
        let total = self.total?;
        let mut payload = Vec::new();
        for (offset, piece) in &self.pieces {
            // Pieces that overlap count from where the ones before them end.
            let skip = payload.len().checked_sub(*offset)?;
            payload.extend_from_slice(piece.get(skip..).unwrap_or_default());
        }
        (payload.len() >= total).then(|| {
            payload.truncate(total);
            payload
        })
    }
}
