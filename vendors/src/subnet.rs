//! Which /24 a lane gets: a pool, what is already taken, and the first free one.
//!
//! "Taken" is any overlap with a network the engine already has or with a route of this host (the
//! default route aside). The engine has the last word: another run may take the same subnet between
//! our look and our request, and then the next candidate is tried.

use std::{fmt, net::Ipv4Addr, str::FromStr};

use crate::{Error, Result};

/// An IPv4 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subnet {
    address: u32,
    prefix: u8,
}

impl Subnet {
    /// A network from an address in it and a prefix length; host bits are cleared.
    pub fn new(address: Ipv4Addr, prefix: u8) -> Result<Self> {
        if prefix > 32 {
            return Err(Error::Invalid {
                what: "prefix length",
                value: prefix.to_string(),
                why: String::from("more than 32"),
            });
        }
        Ok(Self { address: u32::from(address) & mask(prefix), prefix })
    }

    /// The prefix length.
    pub fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The address with the given host part; wraps inside the subnet.
    pub fn host(&self, number: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.address | (number & !mask(self.prefix)))
    }

    /// Whether two networks share an address.
    pub fn overlaps(&self, other: &Self) -> bool {
        let shorter = mask(self.prefix.min(other.prefix));
        self.address & shorter == other.address & shorter
    }

    /// How many /24 networks are inside this one.
    pub fn slice_count(&self) -> u32 {
        1 << 24u8.saturating_sub(self.prefix).min(16)
    }

    /// The /24 networks inside this one, beginning at a position derived from `seed`.
    pub fn slices(&self, seed: u32) -> impl Iterator<Item = Self> + use<> {
        let count = self.slice_count();
        let base = self.address;
        (0..count).map(move |offset| Self {
            address: base | ((seed.wrapping_add(offset) % count) << 8),
            prefix: 24,
        })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.address), self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |why: &str| Error::Invalid {
            what: "subnet",
            value: text.to_owned(),
            why: why.to_owned(),
        };
        let (address, prefix) = text.split_once('/').ok_or_else(|| invalid("no prefix length"))?;
        let address = address.parse().map_err(|_| invalid("not an IPv4 address"))?;
        Self::new(address, prefix.parse().map_err(|_| invalid("not a prefix length"))?)
    }
}

/// The routes of this host in the form of `/proc/net/route`, without the default route.
pub fn routes(table: &str) -> Vec<Subnet> {
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let destination = u32::from_str_radix(words.get(1)?, 16).ok()?.swap_bytes();
            let mask = u32::from_str_radix(words.get(7)?, 16).ok()?.swap_bytes();
            let prefix = u8::try_from(mask.count_ones()).ok().filter(|prefix| *prefix > 0)?;
            Some(Subnet { address: destination, prefix })
        })
        .collect()
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("10.213.0.0/16", "10.213.7.0/24", true)]
    #[case("10.213.8.0/24", "10.213.7.0/24", false)]
    #[case("0.0.0.0/0", "10.213.7.0/24", true)]
    #[case("10.213.7.128/25", "10.213.7.0/24", true)]
    fn overlap(#[case] a: Subnet, #[case] b: Subnet, #[case] expected: bool) {
        assert_eq!(a.overlaps(&b), expected);
        assert_eq!(b.overlaps(&a), expected);
    }

    #[test]
    fn slices_cover_the_pool_once_from_any_seed() {
        let pool: Subnet = "10.213.0.0/16".parse().unwrap();
        let slices: Vec<_> = pool.slices(u32::MAX - 3).collect();
        assert_eq!(slices.len(), 256);
        let mut unique: Vec<_> = slices.iter().map(ToString::to_string).collect();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 256);
        assert!(slices.iter().all(|slice| slice.overlaps(&pool)));
    }

    #[test]
    fn a_pool_of_a_slash_24_has_one_slice() {
        let pool: Subnet = "192.0.2.0/24".parse().unwrap();
        assert_eq!(pool.slices(9).map(|s| s.to_string()).collect::<Vec<_>>(), ["192.0.2.0/24"]);
    }

    #[test]
    fn routes_leave_the_default_out() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";
        let found: Vec<_> = routes(table).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["172.17.0.0/16"]);
    }
}
