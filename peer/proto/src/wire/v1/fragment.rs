//! Fragment payload: a message of IKEv1 cut into several datagrams.
//!
//! It is no standard: routers of several makers and free implementations agree on the vendor ID
//! `FRAGMENTATION` and on this form. The payload is alone in its message, without encryption, and
//! what all fragments carry together is a whole message with a header of its own.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Fragment ID          |Fragment Number|     Flags   |L|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                             Data                              ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::header::FLAG_ENCRYPTION;
use super::message::Message;
use super::num::PayloadKind;
use super::payload::Payload;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::raw::RawMessage;

/// A part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// What the fragments of one message have in common.
    pub id: u16,
    /// The place in the message, from 1.
    pub number: u8,
    /// Whether it is the last one.
    pub last: bool,
    /// The part.
    pub data: Vec<u8>,
}

/// Why a message that begins with a fragment is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FragmentError {
    /// There are other payloads.
    #[error("a fragment is not alone in its message")]
    Accompanied,
    /// It does not decode.
    #[error(transparent)]
    Undecodable(#[from] DecodeError),
}

impl Fragment {
    /// The fragment that a message is; `None` if it is a message of another kind. The flag for encryption
    /// means nothing here: some leave it set.
    pub fn of(raw: &RawMessage, bytes: &[u8]) -> Option<Result<Self, FragmentError>> {
        if raw.header.next_payload != PayloadKind::FRAGMENT.raw() {
            return None;
        }
        let mut clear = bytes.to_vec();
        if let Some(flags) = clear.get_mut(FLAGS_AT) {
            *flags &= !FLAG_ENCRYPTION.0;
        }
        let message = RawMessage::decode(&clear).and_then(|raw| Message::decode(&raw));
        Some(match message.map(|message| <[_; 1]>::try_from(message.payloads)) {
            Ok(Ok([(Payload::Fragment(fragment), _)])) => Ok(fragment),
            Ok(_) => Err(FragmentError::Accompanied),
            Err(error) => Err(error.into()),
        })
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = reader.u16("fragment ID")?;
        let number = reader.u8("fragment number")?;
        let flags = reader.u8("fragment flags")?;
        Ok(Self { id, number, last: flags & LAST != 0, data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.id);
        writer.u8(self.number);
        writer.u8(if self.last { LAST } else { 0 });
        writer.bytes(&self.data);
    }
}

const LAST: u8 = 1;
/// Where the flags stand in a header.
const FLAGS_AT: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_fragment_has_its_octets() {
        let bytes = [0, 9, 2, 1, 0xaa, 0xbb];
        let fragment = Fragment { id: 9, number: 2, last: true, data: vec![0xaa, 0xbb] };
        assert_eq!(testing::decode(&bytes, Fragment::decode), Ok(fragment.clone()));
        assert_eq!(testing::encode(|writer| fragment.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, Fragment::decode);
    }
}
