//! Transform substructure (RFC 7296, section 3.3.2). Its attributes are those of both versions.
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Last Substruc |   RESERVED    |        Transform Length       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Transform Type |   RESERVED    |          Transform ID         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Transform Attributes                     ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::wire::attribute::Attribute;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::{EncrId, EsnId, GroupId, IntegId, PrfId, TransformType};

/// One algorithm of a proposal.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Transform {
    /// What the algorithm is for.
    pub kind: TransformType,
    /// The algorithm, in the registry of `kind`.
    pub id: u16,
    /// The attributes, unknown ones included, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<Attribute>,
}

impl Transform {
    /// A transform without attributes.
    pub const fn new(kind: TransformType, id: u16) -> Self {
        Self { kind, id, attributes: Vec::new() }
    }

    /// A cipher, with the attribute Key Length if `key_bits` is given.
    pub fn encr(id: EncrId, key_bits: Option<u16>) -> Self {
        let attributes = key_bits.map(Attribute::key_length).into_iter().collect();
        Self { kind: TransformType::ENCR, id: id.0, attributes }
    }

    /// A pseudorandom function.
    pub const fn prf(id: PrfId) -> Self {
        Self::new(TransformType::PRF, id.0)
    }

    /// An integrity algorithm.
    pub const fn integ(id: IntegId) -> Self {
        Self::new(TransformType::INTEG, id.0)
    }

    /// A key exchange method.
    pub const fn ke(id: GroupId) -> Self {
        Self::new(TransformType::KE, id.0)
    }

    /// A kind of sequence numbers.
    pub const fn esn(id: EsnId) -> Self {
        Self::new(TransformType::ESN, id.0)
    }

    /// The Key Length attribute in bits, if it is there in its only legal form.
    pub fn key_length(&self) -> Option<u16> {
        self.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Tv { kind: Attribute::KEY_LENGTH, value } => Some(*value),
            _ => None,
        })
    }

    /// Decodes one transform and says what its Last Substruc field was.
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<(u8, Self), DecodeError> {
        let start = reader.offset();
        let last = reader.u8("transform")?;
        let _reserved = reader.u8("transform")?;
        let length = reader.u16("transform length")?;
        let mut body = super::sa::body(reader, "transform", start, length, 8)?;
        let kind = TransformType(body.u8("transform type")?);
        let _reserved = body.u8("transform type")?;
        let id = body.u16("transform ID")?;
        let mut attributes = Vec::new();
        while !body.is_empty() {
            attributes.push(Attribute::decode(&mut body)?);
        }
        Ok((last, Self { kind, id, attributes }))
    }

    pub(super) fn encode(&self, last: u8, writer: &mut Writer) {
        writer.u8(last);
        writer.u8(0);
        let length = writer.open_u16(2);
        writer.u8(self.kind.0);
        writer.u8(0);
        writer.u16(self.id);
        for attribute in &self.attributes {
            attribute.encode(writer);
        }
        writer.close(length);
    }
}

impl fmt::Display for Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TransformType::ENCR => write!(f, "{}", EncrId(self.id))?,
            TransformType::PRF => write!(f, "{}", PrfId(self.id))?,
            TransformType::INTEG => write!(f, "INTEG={}", IntegId(self.id))?,
            TransformType::KE => write!(f, "{}", GroupId(self.id))?,
            TransformType::ESN => write!(f, "{}", EsnId(self.id))?,
            kind if (6..=12).contains(&kind.0) => write!(f, "{kind}={}", GroupId(self.id))?,
            kind => write!(f, "{kind}={}", self.id)?,
        }
        match self.key_length() {
            Some(bits) => write!(f, "({bits})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::{DecodeErrorKind, Limit};
    use crate::wire::v2::testing;

    const LIMIT: Limit = Limit::Substructure("transform");

    #[rustfmt::skip]
    const BYTES: [u8; 18] = [
        3, 0, 0, 18,                // another one follows, length
        1, 0, 0, 12,                // ENCR, AES-CBC
        0x80, 14, 1, 0,             // Key Length 256
        0, 99, 0, 2, 0xaa, 0xbb,    // an unknown attribute of variable length
    ];

    #[test]
    fn a_transform_has_the_octets_of_the_rfc() {
        let (last, transform) = testing::decode(&BYTES, Transform::decode).unwrap();
        assert_eq!(last, 3);
        assert_eq!(transform.key_length(), Some(256));
        assert_eq!(transform.to_string(), "ENCR_AES_CBC(256)");
        assert_eq!(transform.attributes[1], Attribute::Tlv { kind: 99, value: vec![0xaa, 0xbb] });
        assert_eq!(testing::encode(|writer| transform.encode(3, writer)), BYTES);
        testing::truncation_sweep(&BYTES, BYTES.len(), Transform::decode);
    }

    #[test]
    fn a_length_below_the_fixed_part_is_refused() {
        for length in 0..8 {
            let mut bytes = BYTES;
            bytes[3] = length;
            let error = testing::decode(&bytes, Transform::decode).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::BadLength);
            assert_eq!((error.offset, error.needed, error.available), (32, 8, length.into()));
            assert_eq!(error.limit, LIMIT);
        }
    }

    #[test]
    fn an_attribute_longer_than_its_transform_is_refused() {
        let mut bytes = BYTES;
        bytes[15] = 3;
        let error = testing::decode(&bytes, Transform::decode).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
        assert_eq!((error.needed, error.available, error.limit), (3, 2, LIMIT));
    }

    #[test]
    fn a_key_length_of_variable_length_does_not_count() {
        let mut transform = Transform::encr(EncrId::AES_CBC, None);
        transform.attributes.push(Attribute::Tlv { kind: 14, value: vec![1, 0] });
        assert_eq!(transform.key_length(), None);
    }
}
