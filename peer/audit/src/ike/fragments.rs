//! Fragmented messages put together again (RFC 7383, section 2.6), within bounds.

use std::collections::BTreeMap;

use ikeproof_proto::wire::PayloadType;
use ikeproof_proto::wire::v2::presence::Role;

use crate::limits;

/// The decrypted fragments of messages that are not complete yet, one message a side and direction.
#[derive(Debug, Default)]
pub(crate) struct Fragments {
    open: Vec<Open>,
}

#[derive(Debug)]
struct Open {
    sender: Role,
    response: bool,
    message_id: u32,
    total: u16,
    first: PayloadType,
    parts: BTreeMap<u16, Vec<u8>>,
}

/// One decrypted fragment.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) sender: Role,
    pub(crate) response: bool,
    pub(crate) message_id: u32,
    pub(crate) number: u16,
    pub(crate) total: u16,
    pub(crate) first: PayloadType,
    pub(crate) content: Vec<u8>,
}

impl Fragments {
    /// Adds a fragment; the whole content when it is complete, with the type of its first payload.
    pub(crate) fn add(&mut self, fragment: Fragment) -> Option<(PayloadType, Vec<u8>)> {
        let Fragment { sender, response, message_id, number, total, first, content } = fragment;
        if usize::from(total) > limits::FRAGMENTS {
            return None;
        }
        let at = self.open.iter().position(|open| {
            open.sender == sender && open.response == response && open.message_id == message_id
        });
        // A larger total makes what is stored void, a smaller one is dropped.
        if let Some(stored) = at.and_then(|at| self.open.get(at).map(|open| open.total)) {
            if total < stored {
                return None;
            }
            if total > stored {
                self.open.retain(|open| {
                    open.sender != sender
                        || open.response != response
                        || open.message_id != message_id
                });
            }
        }
        let at = match self.open.iter().position(|open| {
            open.sender == sender && open.response == response && open.message_id == message_id
        }) {
            Some(at) => at,
            None => {
                if self.open.len() >= 4 {
                    self.open.remove(0);
                }
                let parts = BTreeMap::new();
                let first = PayloadType::NONE;
                self.open.push(Open { sender, response, message_id, total, first, parts });
                self.open.len().saturating_sub(1)
            }
        };
        let open = self.open.get_mut(at)?;
        if number == 1 {
            open.first = first;
        }
        open.parts.insert(number, content);
        if open.parts.len() < usize::from(total) {
            return None;
        }
        let open = self.open.remove(at);
        Some((open.first, open.parts.into_values().flatten().collect()))
    }
}
