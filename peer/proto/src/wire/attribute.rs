//! Data attributes, which both versions of IKE share (RFC 7296, section 3.3.5; RFC 2408, section 3.3).
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |A|       Attribute Type        |    AF=0  Attribute Length     |
//! |F|                             |    AF=1  Attribute Value      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   AF=0  Attribute Value                       ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use serde::{Deserialize, Serialize};

use super::cursor::{Reader, Writer, saturate_u16};
use super::error::DecodeError;
use super::hex;

/// An attribute of a transform, or of anything else in ISAKMP.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Attribute {
    /// Of fixed length: a value of two octets.
    Tv {
        /// The attribute's number, of 15 bits.
        kind: u16,
        /// The value.
        value: u16,
    },
    /// Of variable length.
    Tlv {
        /// The attribute's number, of 15 bits.
        kind: u16,
        /// The value.
        #[serde(with = "hex")]
        value: Vec<u8>,
    },
}

impl Attribute {
    /// The number of Key Length, the only attribute of IKEv2. It is of fixed length. In phase 1 of
    /// IKEv1 it has the same number.
    pub const KEY_LENGTH: u16 = 14;

    /// The attribute Key Length.
    pub const fn key_length(bits: u16) -> Self {
        Self::Tv { kind: Self::KEY_LENGTH, value: bits }
    }

    /// The attribute's number.
    pub const fn kind(&self) -> u16 {
        match self {
            Self::Tv { kind, .. } | Self::Tlv { kind, .. } => *kind,
        }
    }

    /// The value as a number, whichever form it has; `None` if it has no octets or more than eight.
    ///
    /// A value of two octets may be written in either form (RFC 2409, appendix A).
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Tv { value, .. } => Some(u64::from(*value)),
            Self::Tlv { value, .. } if (1..=8).contains(&value.len()) => {
                Some(value.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)))
            }
            Self::Tlv { .. } => None,
        }
    }

    /// Decodes the next attribute.
    pub(crate) fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = reader.u16("transform attribute")?;
        let value = reader.u16("transform attribute")?;
        if kind & 0x8000 != 0 {
            return Ok(Self::Tv { kind: kind & 0x7fff, value });
        }
        let value = reader.bytes("transform attribute value", usize::from(value))?.to_vec();
        Ok(Self::Tlv { kind, value })
    }

    /// Writes the attribute in the form that it has.
    pub(crate) fn encode(&self, writer: &mut Writer) {
        match self {
            Self::Tv { kind, value } => {
                writer.u16(kind | 0x8000);
                writer.u16(*value);
            }
            Self::Tlv { kind, value } => {
                writer.u16(kind & 0x7fff);
                writer.u16(saturate_u16(value.len()));
                writer.bytes(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_in_either_form() {
        let decode = |bytes: &[u8]| Attribute::decode(&mut Reader::new(bytes)).unwrap();
        let short = decode(&[0x80, 12, 0x70, 0x80]);
        let long = decode(&[0, 12, 0, 4, 0, 0, 0x70, 0x80]);
        assert_eq!((short.kind(), short.number()), (12, Some(28_800)));
        assert_eq!((long.kind(), long.number()), (12, Some(28_800)));
        assert_eq!(decode(&[0, 12, 0, 0]).number(), None);
        assert_eq!(Attribute::Tlv { kind: 12, value: vec![0xff; 9] }.number(), None);
        assert_eq!(Attribute::Tlv { kind: 12, value: vec![0xff; 8] }.number(), Some(u64::MAX));
    }
}
