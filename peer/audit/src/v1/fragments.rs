//! Messages in fragments, put together again.

use std::collections::{BTreeMap, VecDeque};

use ikeproof_proto::wire::IkeSpi;
use ikeproof_proto::wire::v1::Fragment;

use crate::limits;
use crate::observed::Sender;

type Key = (Sender, IkeSpi, u16);

/// The fragments of messages that are not whole yet; beyond [`limits::FRAGMENTED_V1`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    parts: BTreeMap<Key, BTreeMap<u8, Fragment>>,
    order: VecDeque<Key>,
}

impl Fragments {
    /// Takes a fragment, and gives the whole message once its last one is there. The next one with the
    /// same number is of another message, or of the same one sent again: strongSwan has one number for
    /// all.
    pub(crate) fn add(
        &mut self,
        by: Sender,
        cookie: IkeSpi,
        fragment: Fragment,
    ) -> Option<Vec<u8>> {
        let key = (by, cookie, fragment.id);
        if !self.parts.contains_key(&key) {
            self.order.push_back(key);
            if self.order.len() > limits::FRAGMENTED_V1
                && let Some(oldest) = self.order.pop_front()
            {
                self.parts.remove(&oldest);
            }
        }
        let parts = self.parts.entry(key).or_default();
        parts.insert(fragment.number, fragment);
        let last = parts.values().find(|part| part.last).map(|part| part.number)?;
        let all: Vec<&[u8]> =
            (1..=last).filter_map(|number| Some(parts.get(&number)?.data.as_slice())).collect();
        let whole = (all.len() == usize::from(last)).then(|| all.concat())?;
        self.parts.remove(&key);
        self.order.retain(|known| *known != key);
        Some(whole)
    }
}
