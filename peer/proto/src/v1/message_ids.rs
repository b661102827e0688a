//! The message IDs that were used on an ISAKMP SA, by either end: each of them opens one exchange, and none
//! a second time (RFC 2408, section 3.1). Nothing else tells a copy of an old message from a new one, so
//! that none is forgotten as long as the SA lives.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// An SA that has used so many ends. Where each end probes the other every 20 s they last for almost four
/// days, and phase 1 for one.
const MAX_USED: usize = 1 << 16;

/// The message IDs, and in which order they were used.
#[derive(Debug, Default)]
pub(super) struct MessageIds(BTreeMap<u32, usize>);

impl MessageIds {
    /// Takes note of an ID. Says whether it is new.
    pub(super) fn add(&mut self, id: u32) -> bool {
        let order = self.0.len();
        match self.0.entry(id) {
            Entry::Vacant(vacant) => {
                vacant.insert(order);
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Whether an ID was used.
    pub(super) fn contains(&self, id: u32) -> bool {
        self.0.contains_key(&id)
    }

    /// The place of an ID in the order in which they were used.
    pub(super) fn order_of(&self, id: u32) -> Option<usize> {
        self.0.get(&id).copied()
    }

    /// Whether the SA has to end.
    pub(super) fn are_spent(&self) -> bool {
        self.0.len() >= MAX_USED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_new_twice_until_all_are_spent() {
        let mut ids = MessageIds::default();
        let many = u32::try_from(MAX_USED).unwrap();
        for id in (0..many).rev() {
            assert!(!ids.are_spent() && ids.add(id) && !ids.add(many - 1));
        }
        assert!(ids.are_spent() && ids.contains(0) && !ids.contains(many));
        assert_eq!([many - 1, 0].map(|id| ids.order_of(id)), [Some(0), Some(MAX_USED - 1)]);
    }
}
