//! Identification payloads (RFC 7296, section 3.5).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   ID Type     |                 RESERVED                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                   Identification Data                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::hex;
use crate::wire::num::IdType;

/// Who a side says that it is.
///
/// Prints as `ip:192.0.2.1`, `fqdn:client.example.com`, `email:user@example.com`, `keyid:branch`
/// or, where the data are no plain text or the type is another one, with the data in hex.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Id {
    /// The kind of identity.
    pub kind: IdType,
    /// The identity, without terminator.
    #[serde(with = "hex")]
    pub data: Vec<u8>,
}

impl Id {
    /// An IPv4 address.
    pub fn ipv4(address: Ipv4Addr) -> Self {
        Self { kind: IdType::IPV4_ADDR, data: address.octets().to_vec() }
    }

    /// An IPv6 address.
    pub fn ipv6(address: Ipv6Addr) -> Self {
        Self { kind: IdType::IPV6_ADDR, data: address.octets().to_vec() }
    }

    /// An address of either family.
    pub fn ip(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::ipv4(address),
            IpAddr::V6(address) => Self::ipv6(address),
        }
    }

    /// A domain name.
    pub fn fqdn(name: &str) -> Self {
        Self { kind: IdType::FQDN, data: name.as_bytes().to_vec() }
    }

    /// An e-mail address.
    pub fn rfc822(address: &str) -> Self {
        Self { kind: IdType::RFC822_ADDR, data: address.as_bytes().to_vec() }
    }

    /// Octets that only the two sides understand.
    pub fn key_id(data: &[u8]) -> Self {
        Self { kind: IdType::KEY_ID, data: data.to_vec() }
    }

    /// The address, if the identity is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.kind {
            IdType::IPV4_ADDR => <[u8; 4]>::try_from(self.data.as_slice()).ok().map(IpAddr::from),
            IdType::IPV6_ADDR => <[u8; 16]>::try_from(self.data.as_slice()).ok().map(IpAddr::from),
            _ => None,
        }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [kind, _, _, _] = reader.array("identification type")?;
        let kind = IdType(kind);
        let address_length = match kind {
            IdType::IPV4_ADDR => Some(4),
            IdType::IPV6_ADDR => Some(16),
            _ => None,
        };
        match address_length {
            Some(length) if length != reader.remaining() => {
                Err(reader.error("identification address", length, DecodeErrorKind::BadLength))
            }
            _ => Ok(Self { kind, data: reader.take_rest().to_vec() }),
        }
    }

    /// Encodes the body of a payload: the octets that AUTH covers, too.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&[self.kind.0, 0, 0, 0]);
        writer.bytes(&self.data);
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(address) = self.address() {
            return write!(f, "ip:{address}");
        }
        let prefix = match self.kind {
            IdType::FQDN => "fqdn",
            IdType::RFC822_ADDR => "email",
            IdType::KEY_ID => "keyid",
            IdType::DER_ASN1_DN => "dn",
            IdType::DER_ASN1_GN => "gn",
            IdType::NULL => "null",
            kind => return write!(f, "{kind}:0x{}", hex::encode(&self.data)),
        };
        let plain = core::str::from_utf8(&self.data)
            .ok()
            .filter(|text| !text.starts_with("0x") && !text.chars().any(char::is_control));
        match plain {
            Some(text) => write!(f, "{prefix}:{text}"),
            None => write!(f, "{prefix}:0x{}", hex::encode(&self.data)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn an_identity_has_the_octets_of_the_rfc() {
        let bytes = [2, 0, 0, 0, b'a', b'.', b'b'];
        let id = Id::fqdn("a.b");
        assert_eq!(testing::decode(&bytes, Id::decode), Ok(id.clone()));
        assert_eq!(testing::decode(&[2, 9, 9, 9, b'a', b'.', b'b'], Id::decode), Ok(id.clone()));
        assert_eq!(testing::encode(|writer| id.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, Id::decode);
    }

    #[test]
    fn an_address_has_the_length_of_its_family() {
        let v4 = testing::encode(|writer| Id::ipv4(Ipv4Addr::LOCALHOST).encode(writer));
        let v6 = testing::encode(|writer| Id::ipv6(Ipv6Addr::LOCALHOST).encode(writer));
        testing::truncation_sweep(&v4, v4.len(), Id::decode);
        testing::truncation_sweep(&v6, v6.len(), Id::decode);
        let error = testing::decode(&[v4.as_slice(), &[0]].concat(), Id::decode).unwrap_err();
        assert_eq!((error.needed, error.available), (4, 5));
    }

    #[test]
    fn identities_print_as_they_are_written() {
        for (id, text) in [
            (Id::ip([192, 0, 2, 1].into()), "ip:192.0.2.1"),
            (Id::ipv6("2001:db8::1".parse().unwrap()), "ip:2001:db8::1"),
            (Id::fqdn("client.example.com"), "fqdn:client.example.com"),
            (Id::rfc822("user@example.com"), "email:user@example.com"),
            (Id::key_id(b"branch 7"), "keyid:branch 7"),
            (Id::key_id(b"\x00\xff"), "keyid:0x00ff"),
            (Id::key_id(b"0x41"), "keyid:0x30783431"),
            (Id::fqdn("end\n"), "fqdn:0x656e640a"),
            (Id { kind: IdType(200), data: vec![1] }, "0xc8:0x01"),
        ] {
            assert_eq!(id.to_string(), text);
        }
    }

    #[test]
    fn an_identity_goes_through_a_configuration() {
        let json = serde_json::to_string(&Id::fqdn("a.b")).unwrap();
        assert_eq!(json, r#"{"kind":2,"data":"612e62"}"#);
        assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), Id::fqdn("a.b"));
    }
}
