//! Configuration payload (RFC 7296, sections 3.15 and 3.15.1).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   CFG Type    |                    RESERVED                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |R|         Attribute Type      |            Length             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                             Value                             ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer, saturate_u16};
use crate::wire::error::DecodeError;
use crate::wire::num::{CfgAttr, CfgType};

/// A request for addresses and the like, or an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cp {
    /// Request, reply, set or acknowledgement.
    pub kind: CfgType,
    /// The attributes, unknown ones included, in their order.
    pub attributes: Vec<CfgAttribute>,
}

/// An attribute of a Configuration payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CfgAttribute {
    /// What it is, a number of 15 bits.
    pub kind: CfgAttr,
    /// The value, empty where a request leaves it to the answer.
    pub value: Vec<u8>,
}

impl Cp {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [kind, _, _, _] = reader.array("configuration type")?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            let kind = CfgAttr(reader.u16("configuration attribute")? & 0x7fff);
            let length = reader.u16("configuration attribute length")?;
            let value = reader.bytes("configuration attribute value", usize::from(length))?;
            attributes.push(CfgAttribute { kind, value: value.to_vec() });
        }
        Ok(Self { kind: CfgType(kind), attributes })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&[self.kind.0, 0, 0, 0]);
        for attribute in &self.attributes {
            writer.u16(attribute.kind.0 & 0x7fff);
            writer.u16(saturate_u16(attribute.value.len()));
            writer.bytes(&attribute.value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::DecodeErrorKind;
    use crate::wire::v2::testing;

    #[rustfmt::skip]
    const BYTES: [u8; 16] = [
        2, 0, 0, 0,
        0, 1, 0, 4, 192, 0, 2, 9,   // INTERNAL_IP4_ADDRESS
        0x40, 0, 0, 0,              // an unknown one
    ];

    #[test]
    fn a_configuration_has_the_octets_of_the_rfc() {
        let cp = testing::decode(&BYTES, Cp::decode).unwrap();
        assert_eq!(cp.kind, CfgType::REPLY);
        assert_eq!(cp.attributes[0].kind, CfgAttr::INTERNAL_IP4_ADDRESS);
        assert_eq!(cp.attributes[0].value, [192, 0, 2, 9]);
        assert_eq!(cp.attributes[1].kind, CfgAttr(0x4000));
        assert_eq!(testing::encode(|writer| cp.encode(writer)), BYTES);
        testing::truncation_sweep(&BYTES, 4, Cp::decode);
    }

    #[test]
    fn reserved_bits_are_ignored() {
        let mut bytes = BYTES;
        bytes[1] = 0xff;
        bytes[4] = 0x80;
        assert_eq!(testing::decode(&bytes, Cp::decode), testing::decode(&BYTES, Cp::decode));
    }

    #[test]
    fn an_attribute_longer_than_the_payload_is_refused() {
        let mut bytes = BYTES;
        bytes[7] = 9;
        let error = testing::decode(&bytes, Cp::decode).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated);
        assert_eq!((error.needed, error.available), (9, 8));
    }
}
