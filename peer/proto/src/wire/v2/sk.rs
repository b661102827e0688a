//! Encrypted payload (RFC 7296, section 3.14).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |C|  RESERVED   |         Payload Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Initialization Vector                     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                    Encrypted IKE Payloads                     ~
//! +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               |             Padding (0-255 octets)            |
//! +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
//! |                                               |  Pad Length   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                    Integrity Checksum Data                    ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! The lengths of IV and checksum are the suite's, so that the body stays whole here. The Next
//! Payload field is the type of the first payload inside.

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::PayloadType;

/// Encrypted payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sk {
    /// The first payload of the content, NONE if it is empty.
    pub first: PayloadType,
    /// IV, ciphertext and checksum.
    pub body: Vec<u8>,
}

impl Sk {
    /// Decodes the body of a payload whose Next Payload field is `first`.
    pub fn decode(first: PayloadType, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { first, body: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn the_body_stays_whole() {
        let decode = |reader: &mut Reader<'_>| Sk::decode(PayloadType::IDI, reader);
        let sk = testing::decode(&[1, 2, 3], decode).unwrap();
        assert_eq!(sk, Sk { first: PayloadType::IDI, body: vec![1, 2, 3] });
        assert_eq!(testing::encode(|writer| sk.encode(writer)), [1, 2, 3]);
        testing::truncation_sweep(&[1, 2, 3], 0, decode);
    }
}
