//! Traffic selectors in the form in which every packet is held against them.
//!
//! Most SAs select by address alone. Then nothing of a packet is looked at but its addresses, as
//! numbers; only selectors with protocols or ports need the whole [`Flow`].

use std::net::IpAddr;

use super::{Flow, SelectorRange, Selectors, inner};

#[derive(Debug)]
pub(super) struct Matcher {
    selectors: Selectors,
    /// The ranges as numbers, if no selector names a protocol or a port.
    by_address: Option<ByAddress>,
}

#[derive(Debug)]
struct ByAddress {
    local: Side,
    remote: Side,
}

#[derive(Debug, Default)]
struct Side {
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
}

impl Matcher {
    pub(super) fn new(selectors: Selectors) -> Self {
        let is_plain = |range: &SelectorRange| {
            range.protocol == 0 && range.start_port == 0 && range.end_port == u16::MAX
        };
        let by_address = selectors.local.iter().chain(&selectors.remote).all(is_plain).then(|| {
            ByAddress { local: Side::new(&selectors.local), remote: Side::new(&selectors.remote) }
        });
        Self { selectors, by_address }
    }

    pub(super) const fn selectors(&self) -> &Selectors {
        &self.selectors
    }

    /// Whether we may send this; `None` if it is no IP packet.
    pub(super) fn allow_outbound(&self, packet: &[u8]) -> Option<bool> {
        match &self.by_address {
            Some(sides) => allow(&sides.local, &sides.remote, packet),
            None => Flow::of(packet).map(|flow| self.selectors.allow_outbound(&flow)),
        }
    }

    /// Whether the peer may send this; `None` if it is no IP packet.
    pub(super) fn allow_inbound(&self, packet: &[u8]) -> Option<bool> {
        match &self.by_address {
            Some(sides) => allow(&sides.remote, &sides.local, packet),
            None => Flow::of(packet).map(|flow| self.selectors.allow_inbound(&flow)),
        }
    }
}

fn allow(from: &Side, to: &Side, packet: &[u8]) -> Option<bool> {
    match inner::version(packet) {
        4 => {
            let (src, dst) = inner::v4_addresses(packet)?;
            Some(within(&from.v4, src) && within(&to.v4, dst))
        }
        6 => {
            let (src, dst) = inner::v6_addresses(packet)?;
            Some(within(&from.v6, src) && within(&to.v6, dst))
        }
        _ => None,
    }
}

fn within<N: PartialOrd + Copy>(ranges: &[(N, N)], address: N) -> bool {
    ranges.iter().any(|(start, end)| *start <= address && address <= *end)
}

impl Side {
    fn new(ranges: &[SelectorRange]) -> Self {
        let mut side = Self::default();
        for range in ranges {
            // A range from one family to the other holds nothing: see `SelectorRange::contains`.
            match (range.start, range.end) {
                (IpAddr::V4(start), IpAddr::V4(end)) => {
                    side.v4.push((start.to_bits(), end.to_bits()));
                }
                (IpAddr::V6(start), IpAddr::V6(end)) => {
                    side.v6.push((start.to_bits(), end.to_bits()));
                }
                _ => {}
            }
        }
        side
    }
}
