//! Encrypted Fragment payload (RFC 7383, section 2.5).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |C|  RESERVED   |         Payload Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Fragment Number        |        Total Fragments        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~          IV, Encrypted content, Padding, Checksum             ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::num::PayloadType;

/// A part of encrypted payloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skf {
    /// The first payload of the content in the first fragment, NONE in the others.
    pub first: PayloadType,
    /// The number of this fragment, from 1 to `total`.
    pub fragment: u16,
    /// The number of fragments.
    pub total: u16,
    /// IV, ciphertext and checksum of this fragment.
    pub body: Vec<u8>,
}

impl Skf {
    /// Decodes the body of a payload whose Next Payload field is `first`.
    pub fn decode(first: PayloadType, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.error("fragment numbers", 4, DecodeErrorKind::Truncated);
        let fragment = reader.u16("fragment number")?;
        let total = reader.u16("total fragments")?;
        //= rfc7383#2.5
        // Violations: rfc7383-2.5-total-not-zero, rfc7383-2.5-number-from-one.
        if total == 0 {
            let kind = DecodeErrorKind::BadValue("total fragments", 0);
            return Err(DecodeError { kind, ..at });
        }
        if !(1..=total).contains(&fragment) {
            let kind = DecodeErrorKind::BadValue("fragment number", fragment.into());
            return Err(DecodeError { kind, ..at });
        }
        Ok(Self { first, fragment, total, body: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u16(self.fragment);
        writer.u16(self.total);
        writer.bytes(&self.body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    fn decode(reader: &mut Reader<'_>) -> Result<Skf, DecodeError> {
        Skf::decode(PayloadType::NONE, reader)
    }

    #[test]
    fn a_fragment_has_the_octets_of_the_rfc() {
        let bytes = [0, 2, 0, 3, 0xaa, 0xbb];
        let skf = testing::decode(&bytes, decode).unwrap();
        assert_eq!((skf.fragment, skf.total, skf.body.as_slice()), (2, 3, &[0xaa, 0xbb][..]));
        assert_eq!(testing::encode(|writer| skf.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, decode);
    }

    #[test]
    fn fragment_numbers_run_from_one_to_the_total() {
        for (fragment, total, legal) in
            [(0, 0, false), (1, 0, false), (0, 2, false), (1, 2, true), (2, 2, true), (3, 2, false)]
        {
            let result = testing::decode(&[0, fragment, 0, total, 1], decode);
            assert_eq!(result.is_ok(), legal, "{fragment} of {total}");
        }
    }
}
