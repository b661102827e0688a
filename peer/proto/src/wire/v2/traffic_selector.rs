//! Traffic selector substructure (RFC 7296, section 3.13.1) and the sets of packets it stands for.
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   TS Type     |IP Protocol ID |       Selector Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Start Port          |           End Port            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                         Starting Address                      ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                         Ending Address                        ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Ports 0 to 65535 mean ANY, 65535 to 0 mean OPAQUE: the port is not available. For ICMP the
//! type is in the high octet of the port fields, the code in the low one.

use core::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::TsType;

/// A range of addresses and ports of one protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TrafficSelector {
    /// The address family.
    pub kind: TsType,
    /// The protocol of the packets, 0 for any.
    pub ip_protocol: u8,
    /// The first port.
    pub start_port: u16,
    /// The last port.
    pub end_port: u16,
    /// The first address.
    pub start: IpAddr,
    /// The last address, of the same family.
    pub end: IpAddr,
}

impl TrafficSelector {
    /// All protocols and ports from `start` to `end`, which are of one family.
    pub const fn range(start: IpAddr, end: IpAddr) -> Self {
        let kind = match start {
            IpAddr::V4(_) => TsType::IPV4_ADDR_RANGE,
            IpAddr::V6(_) => TsType::IPV6_ADDR_RANGE,
        };
        Self { kind, ip_protocol: 0, start_port: 0, end_port: u16::MAX, start, end }
    }

    /// The subnet that `address` is in; a prefix too long for the family means the one address.
    pub fn subnet(address: IpAddr, prefix: u8) -> Self {
        let (start, end) = match address {
            IpAddr::V4(address) => {
                let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = address.to_bits();
                (Ipv4Addr::from(bits & !host).into(), Ipv4Addr::from(bits | host).into())
            }
            IpAddr::V6(address) => {
                let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
                let bits = address.to_bits();
                (Ipv6Addr::from(bits & !host).into(), Ipv6Addr::from(bits | host).into())
            }
        };
        Self::range(start, end)
    }

    /// One address.
    pub const fn host(address: IpAddr) -> Self {
        Self::range(address, address)
    }

    /// All of IPv4.
    pub const fn any_v4() -> Self {
        Self::range(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST))
    }

    /// All of IPv6.
    pub const fn any_v6() -> Self {
        let last = Ipv6Addr::from_bits(u128::MAX);
        Self::range(IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(last))
    }

    /// The same addresses for one protocol and a range of its ports.
    pub const fn with_ports(self, ip_protocol: u8, start_port: u16, end_port: u16) -> Self {
        Self { ip_protocol, start_port, end_port, ..self }
    }

    /// Whether the ports are OPAQUE.
    pub const fn is_opaque(&self) -> bool {
        self.start_port == u16::MAX && self.end_port == 0
    }

    /// Whether all ports are included, or there are none.
    pub const fn is_any_port(&self) -> bool {
        self.start_port == 0 && self.end_port == u16::MAX
    }

    /// Whether no packet matches, because a range ends before it begins.
    pub fn is_empty(&self) -> bool {
        let ports = self.start_port > self.end_port && !self.is_opaque();
        ports || self.start > self.end || self.start.is_ipv4() != self.end.is_ipv4()
    }

    /// Whether all that matches `other` matches this, too.
    pub fn contains(&self, other: &Self) -> bool {
        self.intersect(other) == Some(*other)
    }

    /// Whether a packet with this address at the selector's end matches. `port` is `None` where the
    /// protocol has none or the packet does not show it.
    pub fn matches(&self, address: IpAddr, ip_protocol: u8, port: Option<u16>) -> bool {
        let (start_port, end_port) = match port {
            Some(port) => (port, port),
            None => (u16::MAX, 0),
        };
        self.contains(&Self::host(address).with_ports(ip_protocol, start_port, end_port))
    }

    /// What matches both, if anything does.
    pub fn intersect(&self, other: &Self) -> Option<Self> {
        if self.kind != other.kind || self.is_empty() || other.is_empty() {
            return None;
        }
        let ip_protocol = match (self.ip_protocol, other.ip_protocol) {
            (0, protocol) | (protocol, 0) => protocol,
            (one, two) if one == two => one,
            _ => return None,
        };
        let (start_port, end_port) = match (self.is_opaque(), other.is_opaque()) {
            (true, true) => (u16::MAX, 0),
            // ANY includes OPAQUE, a range of ports does not (RFC 4301, section 4.4.1.1).
            (true, false) if other.is_any_port() => (u16::MAX, 0),
            (false, true) if self.is_any_port() => (u16::MAX, 0),
            (false, false) => {
                (self.start_port.max(other.start_port), self.end_port.min(other.end_port))
            }
            _ => return None,
        };
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        let both = Self { kind: self.kind, ip_protocol, start_port, end_port, start, end };
        (!both.is_empty()).then_some(both)
    }

    /// Decodes what follows the selector length of a selector of a known type.
    pub(super) fn decode_body(
        kind: TsType,
        ip_protocol: u8,
        reader: &mut Reader<'_>,
    ) -> Result<Self, DecodeError> {
        let start_port = reader.u16("start port")?;
        let end_port = reader.u16("end port")?;
        let (start, end) = if kind == TsType::IPV6_ADDR_RANGE {
            let start = reader.array::<16>("starting address")?;
            (IpAddr::from(start), IpAddr::from(reader.array::<16>("ending address")?))
        } else {
            let start = reader.array::<4>("starting address")?;
            (IpAddr::from(start), IpAddr::from(reader.array::<4>("ending address")?))
        };
        reader.finish("traffic selector")?;
        Ok(Self { kind, ip_protocol, start_port, end_port, start, end })
    }

    pub(super) fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.0);
        writer.u8(self.ip_protocol);
        let length = writer.open_u16(2);
        writer.u16(self.start_port);
        writer.u16(self.end_port);
        for address in [self.start, self.end] {
            match address {
                IpAddr::V4(address) => writer.bytes(&address.octets()),
                IpAddr::V6(address) => writer.bytes(&address.octets()),
            }
        }
        writer.close(length);
    }

    /// The prefix length, if the addresses are those of a subnet.
    fn prefix(&self) -> Option<u32> {
        let (differing, width) = match (self.start, self.end) {
            (IpAddr::V4(start), IpAddr::V4(end)) => {
                (u128::from(start.to_bits() ^ end.to_bits()), 32)
            }
            (IpAddr::V6(start), IpAddr::V6(end)) => (start.to_bits() ^ end.to_bits(), 128),
            _ => return None,
        };
        let host_bits = u128::BITS - differing.leading_zeros();
        let prefix = width - host_bits;
        let subnet = Self::subnet(self.start, u8::try_from(prefix).ok()?);
        (subnet.start == self.start && subnet.end == self.end).then_some(prefix)
    }
}

impl fmt::Display for TrafficSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            Some(prefix) => write!(f, "{}/{prefix}", self.start)?,
            None => write!(f, "{}-{}", self.start, self.end)?,
        }
        if self.ip_protocol == 0 && self.is_any_port() {
            return Ok(());
        }
        write!(f, "[{}", Protocol(self.ip_protocol))?;
        if self.is_opaque() {
            f.write_str("/opaque")?;
        } else if matches!(self.ip_protocol, 1 | 58) && !self.is_any_port() {
            let ([type_1, code_1], [type_2, code_2]) =
                (self.start_port.to_be_bytes(), self.end_port.to_be_bytes());
            write!(f, "/type {type_1} code {code_1}")?;
            if self.start_port != self.end_port {
                write!(f, " to type {type_2} code {code_2}")?;
            }
        } else if self.start_port == self.end_port {
            write!(f, "/{}", self.start_port)?;
        } else if !self.is_any_port() {
            write!(f, "/{}-{}", self.start_port, self.end_port)?;
        }
        f.write_str("]")
    }
}

struct Protocol(u8);

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("any"),
            1 => f.write_str("icmp"),
            6 => f.write_str("tcp"),
            17 => f.write_str("udp"),
            58 => f.write_str("icmpv6"),
            number => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests;
