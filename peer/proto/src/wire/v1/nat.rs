//! NAT Original Address payload (RFC 3947, section 5.2).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   ID Type     |                 RESERVED                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~           IPv4 (4 octets) or IPv6 address (16 octets)         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! It belongs to transport mode, which needs it for the checksums of the packets inside.

use std::net::IpAddr;

use super::num::IdKind;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};

/// The address that a side had before any NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NatOa(pub IpAddr);

impl NatOa {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.error("original address", 4, DecodeErrorKind::Truncated);
        let [kind, _, _, _] = reader.array("original address type")?;
        let address = match IdKind(kind) {
            IdKind::IPV4_ADDR => IpAddr::from(reader.array::<4>("original address")?),
            IdKind::IPV6_ADDR => IpAddr::from(reader.array::<16>("original address")?),
            _ => {
                let kind = DecodeErrorKind::BadValue("type", kind.into());
                return Err(DecodeError { kind, ..at });
            }
        };
        reader.finish("original address")?;
        Ok(Self(address))
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        match self.0 {
            IpAddr::V4(address) => {
                writer.bytes(&[IdKind::IPV4_ADDR.0, 0, 0, 0]);
                writer.bytes(&address.octets());
            }
            IpAddr::V6(address) => {
                writer.bytes(&[IdKind::IPV6_ADDR.0, 0, 0, 0]);
                writer.bytes(&address.octets());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn an_original_address_has_the_octets_of_the_rfc() {
        let bytes = [1, 0, 0, 0, 192, 0, 2, 1];
        let oa = NatOa([192, 0, 2, 1].into());
        assert_eq!(testing::decode(&bytes, NatOa::decode), Ok(oa));
        assert_eq!(testing::encode(|writer| oa.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), NatOa::decode);
        let v6 = NatOa("2001:db8::1".parse().unwrap());
        let bytes = testing::encode(|writer| v6.encode(writer));
        assert_eq!(testing::decode(&bytes, NatOa::decode), Ok(v6));
        assert!(testing::decode(&[2, 0, 0, 0, 192, 0, 2, 1], NatOa::decode).is_err());
    }
}
