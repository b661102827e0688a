//! The inner addresses that peers were given, so that no two have the same one.

use std::collections::BTreeMap;

use core::net::Ipv4Addr;

use crate::io::IkeHandle;
use crate::policy::AddressPool;

/// Who has which address.
#[derive(Debug, Default)]
pub(crate) struct Addresses(BTreeMap<Ipv4Addr, IkeHandle>);

impl Addresses {
    /// The address of an SA: the one that it has, or the one that it wishes for, or the first that is
    /// free. `None` if all are taken.
    pub(crate) fn assign(
        &mut self,
        pool: &AddressPool,
        ike: IkeHandle,
        wish: Option<Ipv4Addr>,
    ) -> Option<Ipv4Addr> {
        if let Some((address, _)) = self.0.iter().find(|(_, of)| **of == ike) {
            return Some(*address);
        }
        let range = pool.first..=pool.last;
        let wish = wish.filter(|wish| range.contains(wish) && !self.0.contains_key(wish));
        let first = || {
            let mut all = (pool.first.to_bits()..=pool.last.to_bits()).map(Ipv4Addr::from_bits);
            all.find(|address| !self.0.contains_key(address))
        };
        let address = wish.or_else(first)?;
        self.0.insert(address, ike);
        Some(address)
    }

    /// Whether an SA has one.
    pub(crate) fn has(&self, ike: IkeHandle) -> bool {
        self.0.values().any(|of| *of == ike)
    }

    /// Takes back what an SA has.
    pub(crate) fn release(&mut self, ike: IkeHandle) {
        self.0.retain(|_, of| *of != ike);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_given_once_and_come_back() {
        let at = |last| Ipv4Addr::new(10, 9, 0, last);
        let (first, last) = (at(1), at(3));
        let pool = AddressPool { first, last, netmask: None, dns: Vec::new(), push: false };
        let mut addresses = Addresses::default();
        assert_eq!(addresses.assign(&pool, IkeHandle(1), None), Some(at(1)));
        assert_eq!(addresses.assign(&pool, IkeHandle(1), Some(at(3))), Some(at(1)));
        assert_eq!(addresses.assign(&pool, IkeHandle(2), Some(at(3))), Some(at(3)));
        assert_eq!(addresses.assign(&pool, IkeHandle(3), Some(at(9))), Some(at(2)));
        assert_eq!(addresses.assign(&pool, IkeHandle(4), None), None);
        addresses.release(IkeHandle(1));
        assert_eq!(addresses.assign(&pool, IkeHandle(4), Some(at(3))), Some(at(1)));
    }
}
