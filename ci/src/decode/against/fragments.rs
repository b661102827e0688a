//! What tshark makes of fragments of IKEv1, which is not always what they were made of.
//!
//! tshark 4.0 has one message under way for two addresses. It asks neither for the cookies nor for the
//! number that the fragments of a message share, and of two fragments in one place the first one counts:
//! one that was repeated for itself spoils the message after it. What it puts together is told here, so
//! that a message which it does not have as it was sent is an exception, and no other one is.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ikeproof_proto::wire::IkeSpi;
use ikeproof_proto::wire::v1::Fragment;

/// The fragments that tshark keeps, by source and destination.
#[derive(Debug, Default)]
pub struct TheirFragments(BTreeMap<(IpAddr, IpAddr), Pending>);

/// What tshark makes of a fragment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Theirs {
    /// The message that it shows with it.
    pub whole: Option<Vec<u8>>,
    /// Whether that may be another one than was sent: fragments of several messages have met, or of one
    /// that was cut twice.
    pub mixed: bool,
}

#[derive(Debug, Default)]
struct Pending {
    /// The place that was called the last one first.
    last: Option<u32>,
    parts: BTreeMap<u32, Vec<u8>>,
    /// Whose the fragments are: the initiator's cookie and the number that they share.
    of: BTreeSet<(IkeSpi, u16)>,
    /// One was in the place of another, or behind the last one.
    clash: bool,
    /// Of which messages fragments went into the mixed one before.
    spoiled: BTreeSet<(IkeSpi, u16)>,
}

impl TheirFragments {
    /// Takes a fragment of this SA.
    pub fn add(&mut self, way: (IpAddr, IpAddr), cookie: IkeSpi, fragment: &Fragment) -> Theirs {
        let pending = self.0.entry(way).or_default();
        // Places count from zero; that of number zero is behind all others.
        let place = u32::from(fragment.number).wrapping_sub(1);
        let last = if fragment.last { *pending.last.get_or_insert(place) } else { place };
        let data = pending.parts.entry(place).or_insert_with(|| fragment.data.clone());
        pending.clash |= last != place || *data != fragment.data;
        pending.of.insert((cookie, fragment.id));
        let behind = pending.parts.keys().next_back().copied();
        let mixed = pending.clash
            || pending.of.len() > 1
            || pending.last.is_some_and(|last| behind > Some(last))
            || !pending.of.is_disjoint(&pending.spoiled);
        let is_whole = |last| (0..=last).all(|place| pending.parts.contains_key(&place));
        if !pending.last.is_some_and(is_whole) {
            return Theirs { whole: None, mixed };
        }
        let pending = core::mem::take(pending);
        let whole = Some(pending.parts.into_values().flatten().collect());
        if mixed {
            self.0.insert(way, Pending { spoiled: pending.of, ..Pending::default() });
        }
        Theirs { whole, mixed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_fragment_spoils_the_message_after_it() {
        let way = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let back = (way.1, way.0);
        let mut theirs = TheirFragments::default();
        let mut add = |way, id, number, last, data: &str| {
            let data = data.as_bytes().to_vec();
            let fragment = Fragment { id, number, last, data };
            let Theirs { whole, mixed } = theirs.add(way, IkeSpi([1; 8]), &fragment);
            (whole.map(|whole| String::from_utf8(whole).unwrap()), mixed)
        };
        let whole = |data: &str| Some(data.to_owned());
        assert_eq!(add(way, 1, 2, true, "b"), (None, false));
        assert_eq!(add(back, 2, 1, true, "x"), (whole("x"), false));
        assert_eq!(add(way, 1, 1, false, "a"), (whole("ab"), false));
        assert_eq!(add(way, 1, 1, false, "a"), (None, false));
        assert_eq!(add(way, 1, 1, false, "a"), (None, false));
        assert_eq!(add(way, 3, 1, false, "c"), (None, true));
        assert_eq!(add(way, 3, 2, true, "d"), (whole("ad"), true));
        // What is left of a message that went into a mixed one is no message.
        assert_eq!(add(way, 3, 3, true, "e"), (None, true));
        assert_eq!(add(way, 4, 1, true, "f"), (None, true));
        // Behind number zero there is nothing that would complete it.
        assert_eq!(add(back, 5, 0, true, "g"), (None, false));
        assert_eq!(add(back, 6, 1, true, "h"), (None, true));
    }
}
