//! Attributes payload of mode-config and XAUTH (draft-ietf-ipsec-isakmp-mode-cfg, section 3.2).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |    RESERVED   |           Identifier          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                          Attributes                           ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use super::num::ConfigAttr;
use crate::wire::attribute::Attribute;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::CfgType;

/// A question, its answer, a setting or its acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Request, reply, set or acknowledgement, numbered as in IKEv2.
    pub kind: CfgType,
    /// What the messages of one transaction have in common.
    pub identifier: u16,
    /// The attributes, unknown ones included, in their order.
    pub attributes: Vec<Attribute>,
}

impl Attributes {
    /// The first attribute of a kind.
    pub fn find(&self, kind: ConfigAttr) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.kind() == kind.0)
    }

    /// The octets of the first attribute of a kind: both of them if it is of fixed length.
    pub fn octets(&self, kind: ConfigAttr) -> Option<Vec<u8>> {
        self.find(kind).map(|attribute| match attribute {
            Attribute::Tv { value, .. } => value.to_be_bytes().to_vec(),
            Attribute::Tlv { value, .. } => value.clone(),
        })
    }

    /// Whether there is an attribute of XAUTH among them.
    pub fn is_xauth(&self) -> bool {
        self.attributes.iter().any(|attribute| ConfigAttr(attribute.kind()).is_xauth())
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = CfgType(reader.u8("attributes type")?);
        let _reserved = reader.u8("attributes type")?;
        let identifier = reader.u16("attributes identifier")?;
        let mut attributes = Vec::new();
        while !reader.is_empty() {
            attributes.push(Attribute::decode(reader)?);
        }
        Ok(Self { kind, identifier, attributes })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.0);
        writer.u8(0);
        writer.u16(self.identifier);
        for attribute in &self.attributes {
            attribute.encode(writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn attributes_have_the_octets_of_the_draft() {
        // XAUTH asks for a name and a password.
        let bytes = [1, 0, 0x12, 0x34, 0xc0, 0x88, 0, 0, 0x40, 0x89, 0, 0, 0x40, 0x8a, 0, 2, 1, 2];
        let request = testing::decode(&bytes, Attributes::decode).unwrap();
        assert_eq!((request.kind, request.identifier), (CfgType::REQUEST, 0x1234));
        let kind = request.find(ConfigAttr::XAUTH_TYPE);
        assert_eq!(kind, Some(&Attribute::Tv { kind: 16520, value: 0 }));
        assert!(request.find(ConfigAttr::XAUTH_USER_NAME).is_some());
        assert!(request.find(ConfigAttr::XAUTH_STATUS).is_none());
        assert_eq!(testing::encode(|writer| request.encode(writer)), bytes);
        assert_eq!(request.octets(ConfigAttr::XAUTH_USER_NAME), Some(Vec::new()));
        assert_eq!(request.octets(ConfigAttr::XAUTH_USER_PASSWORD), Some(vec![1, 2]));
        assert_eq!(request.octets(ConfigAttr::XAUTH_TYPE), Some(vec![0, 0]));
        assert!(request.is_xauth());
        testing::truncation_sweep(&bytes, 4, Attributes::decode);
    }

    #[test]
    fn an_address_is_no_login_and_half_an_attribute_spoils_all() {
        let bytes = [2, 0, 0, 9, 0, 1, 0, 4, 10, 9, 0, 1];
        let reply = testing::decode(&bytes, Attributes::decode).unwrap();
        let kind = ConfigAttr::INTERNAL_IP4_ADDRESS;
        assert_eq!((reply.kind, reply.octets(kind)), (CfgType::REPLY, Some(vec![10, 9, 0, 1])));
        assert!(!reply.is_xauth());
        assert_eq!(testing::encode(|writer| reply.encode(writer)), bytes);
        let half = [&bytes[..], &[0, 2, 0, 4, 255]].concat();
        assert!(testing::decode(&half, Attributes::decode).is_err());
    }
}
