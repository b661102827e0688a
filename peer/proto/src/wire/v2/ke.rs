//! Key Exchange payload (RFC 7296, section 3.4).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Diffie-Hellman Group Num    |           RESERVED            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                       Key Exchange Data                       ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::GroupId;

/// A public value. Whether it fits its group is not judged here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ke {
    /// The key exchange method.
    pub group: GroupId,
    /// The public value.
    pub data: Vec<u8>,
}

impl Ke {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let group = GroupId(reader.u16("key exchange group")?);
        let _reserved = reader.u16("key exchange group")?;
        Ok(Self { group, data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.group.0);
        writer.u16(0);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_key_exchange_has_the_octets_of_the_rfc() {
        let bytes = [0, 31, 0, 0, 1, 2, 3];
        let ke = Ke { group: GroupId::CURVE25519, data: vec![1, 2, 3] };
        assert_eq!(testing::decode(&bytes, Ke::decode), Ok(ke.clone()));
        assert_eq!(testing::decode(&[0, 31, 9, 9, 1, 2, 3], Ke::decode), Ok(ke.clone()));
        assert_eq!(testing::encode(|writer| ke.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, Ke::decode);
    }
}
