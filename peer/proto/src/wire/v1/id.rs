//! Identification payload of the IPsec DOI (RFC 2407, section 4.6.2).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   ID Type     |  Protocol ID  |             Port              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                     Identification Data                       ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! In phase 1 it says who a side is, in quick mode which traffic is protected.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::num::IdKind;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::num::IdType;
use crate::wire::v2::{self, TrafficSelector};

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Id {
    /// The kind of identity.
    pub kind: IdKind,
    /// The IP protocol; in phase 1 zero, or UDP with port 500 (RFC 2407, section 4.6.2).
    pub protocol: u8,
    /// The port of `protocol`, zero for any.
    pub port: u16,
    /// The identity: of an address, a subnet or a range in network order.
    pub data: Vec<u8>,
}

impl Id {
    /// The identity of a host, as phase 1 carries it.
    ///
    /// The types that both versions have are numbered alike.
    pub fn of_host(id: &v2::Id) -> Self {
        Self { kind: IdKind(id.kind.0), protocol: 0, port: 0, data: id.data.clone() }
    }

    /// The identity as the rest of the core knows it.
    pub fn host(&self) -> v2::Id {
        v2::Id { kind: IdType(self.kind.0), data: self.data.clone() }
    }

    /// The traffic that a selector stands for, if one payload can say it: any ports or one, and an
    /// address, a subnet or a range.
    pub fn of_traffic(selector: &TrafficSelector) -> Option<Self> {
        let port = if selector.is_any_port() {
            0
        } else if selector.start_port == selector.end_port {
            selector.start_port
        } else {
            return None;
        };
        let (kind, data) = match (selector.start, selector.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                let (start, end) = (start.to_bits(), end.to_bits());
                let (first, last) = (start.to_be_bytes(), end.to_be_bytes());
                let mask = start ^ end;
                if mask == 0 {
                    (IdKind::IPV4_ADDR, first.to_vec())
                } else if mask & mask.wrapping_add(1) == 0 && start & mask == 0 {
                    (IdKind::IPV4_ADDR_SUBNET, [first, (!mask).to_be_bytes()].concat())
                } else {
                    (IdKind::IPV4_ADDR_RANGE, [first, last].concat())
                }
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => {
                let (start, end) = (start.to_bits(), end.to_bits());
                let (first, last) = (start.to_be_bytes(), end.to_be_bytes());
                let mask = start ^ end;
                if mask == 0 {
                    (IdKind::IPV6_ADDR, first.to_vec())
                } else if mask & mask.wrapping_add(1) == 0 && start & mask == 0 {
                    (IdKind::IPV6_ADDR_SUBNET, [first, (!mask).to_be_bytes()].concat())
                } else {
                    (IdKind::IPV6_ADDR_RANGE, [first, last].concat())
                }
            }
            _ => return None,
        };
        Some(Self { kind, protocol: selector.ip_protocol, port, data })
    }

    /// The traffic that the payload stands for in quick mode; `None` if it stands for none, or for a
    /// subnet whose mask has holes.
    pub fn traffic(&self) -> Option<TrafficSelector> {
        let data = self.data.as_slice();
        let selector = match self.kind {
            IdKind::IPV4_ADDR => {
                TrafficSelector::host(IpAddr::from(<[u8; 4]>::try_from(data).ok()?))
            }
            IdKind::IPV6_ADDR => {
                TrafficSelector::host(IpAddr::from(<[u8; 16]>::try_from(data).ok()?))
            }
            IdKind::IPV4_ADDR_SUBNET => {
                let [address, mask] = halves::<4>(data)?.map(u32::from_be_bytes);
                let prefix = mask.leading_ones();
                if mask.count_ones() != prefix {
                    return None;
                }
                TrafficSelector::subnet(Ipv4Addr::from(address).into(), u8::try_from(prefix).ok()?)
            }
            IdKind::IPV6_ADDR_SUBNET => {
                let [address, mask] = halves::<16>(data)?.map(u128::from_be_bytes);
                let prefix = mask.leading_ones();
                if mask.count_ones() != prefix {
                    return None;
                }
                TrafficSelector::subnet(Ipv6Addr::from(address).into(), u8::try_from(prefix).ok()?)
            }
            IdKind::IPV4_ADDR_RANGE => {
                let [start, end] = halves::<4>(data)?.map(IpAddr::from);
                TrafficSelector::range(start, end)
            }
            IdKind::IPV6_ADDR_RANGE => {
                let [start, end] = halves::<16>(data)?.map(IpAddr::from);
                TrafficSelector::range(start, end)
            }
            _ => return None,
        };
        let selector = match self.port {
            0 => selector.with_ports(self.protocol, 0, u16::MAX),
            port => selector.with_ports(self.protocol, port, port),
        };
        (!selector.is_empty()).then_some(selector)
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = IdKind(reader.u8("identification type")?);
        let protocol = reader.u8("identification protocol")?;
        let port = reader.u16("identification port")?;
        let length = match kind {
            IdKind::IPV4_ADDR => Some(4),
            IdKind::IPV4_ADDR_SUBNET | IdKind::IPV4_ADDR_RANGE => Some(8),
            IdKind::IPV6_ADDR => Some(16),
            IdKind::IPV6_ADDR_SUBNET | IdKind::IPV6_ADDR_RANGE => Some(32),
            _ => None,
        };
        match length {
            Some(length) if length != reader.remaining() => {
                Err(reader.error("identification address", length, DecodeErrorKind::BadLength))
            }
            _ => Ok(Self { kind, protocol, port, data: reader.take_rest().to_vec() }),
        }
    }

    /// Encodes the body of a payload: the octets that HASH_I and HASH_R cover, too.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.0);
        writer.u8(self.protocol);
        writer.u16(self.port);
        writer.bytes(&self.data);
    }
}

/// Two addresses of `N` octets each.
fn halves<const N: usize>(data: &[u8]) -> Option<[[u8; N]; 2]> {
    let (first, rest) = data.split_first_chunk::<N>()?;
    Some([*first, <[u8; N]>::try_from(rest).ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn an_identity_has_the_octets_of_the_rfc() {
        let bytes = [4, 17, 0, 53, 10, 1, 0, 0, 255, 255, 0, 0];
        let id = testing::decode(&bytes, Id::decode).unwrap();
        assert_eq!(id.traffic().unwrap().to_string(), "10.1.0.0/16[udp/53]");
        assert_eq!(testing::encode(|writer| id.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Id::decode);
        let named = testing::decode(&[3, 0, 0, 0, b'a', b'@', b'b'], Id::decode).unwrap();
        assert_eq!(named.host().to_string(), "email:a@b");
        assert_eq!(Id::of_host(&named.host()), named);
        assert_eq!(named.traffic(), None);
    }

    #[test]
    fn traffic_goes_through_a_payload_and_back() {
        for text in
            ["10.0.0.0/8", "0.0.0.0/0", "::/0", "192.0.2.1", "2001:db8::/32", "10.0.0.5-10.0.0.9"]
        {
            let selector = text.parse::<crate::policy::Selector>().unwrap().0;
            assert_eq!(Id::of_traffic(&selector).unwrap().traffic(), Some(selector), "{text}");
        }
        let ports = TrafficSelector::any_v4().with_ports(6, 80, 90);
        assert_eq!(Id::of_traffic(&ports), None);
    }

    #[test]
    fn a_mask_with_holes_and_a_range_that_ends_early_stand_for_nothing() {
        for (kind, data) in [
            (IdKind::IPV4_ADDR_SUBNET, vec![10, 0, 0, 0, 255, 0, 255, 0]),
            (IdKind::IPV4_ADDR_RANGE, vec![10, 0, 0, 9, 10, 0, 0, 1]),
            (IdKind::IPV4_ADDR, vec![10, 0, 0]),
            (IdKind(99), vec![]),
        ] {
            assert_eq!(Id { kind, protocol: 0, port: 0, data }.traffic(), None);
        }
    }
}
