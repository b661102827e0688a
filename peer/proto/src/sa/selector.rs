//! Traffic selectors as the data plane uses them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// What traffic selectors look at in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Flow {
    /// The source address.
    pub src: IpAddr,
    /// The destination address.
    pub dst: IpAddr,
    /// The protocol, behind any extension headers.
    pub protocol: u8,
    /// Source and destination port, or type and code in both places; `None` where the packet has
    /// none: a later fragment, or a protocol without ports.
    pub ports: Option<(u16, u16)>,
}

impl Flow {
    /// The flow of a whole IP packet; `None` if it is none.
    pub fn of(packet: &[u8]) -> Option<Self> {
        super::inner::flow(packet)
    }
}

/// A range of addresses and ports of one protocol, as in RFC 7296 section 3.13.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SelectorRange {
    /// The protocol, 0 for any.
    pub protocol: u8,
    /// The lowest address.
    pub start: IpAddr,
    /// The highest address, of the same family.
    pub end: IpAddr,
    /// The lowest port; with `end_port` 65535 and this 0, any or none.
    pub start_port: u16,
    /// The highest port. Below `start_port` (65535 to 0) it stands for OPAQUE: packets whose ports
    /// are not there.
    pub end_port: u16,
}

impl SelectorRange {
    /// All of IPv4.
    pub const ANY_V4: Self =
        Self::addresses(IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::BROADCAST));

    /// All of IPv6.
    pub const ANY_V6: Self = Self::addresses(
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    );

    /// Every protocol and port of a range of addresses.
    pub const fn addresses(start: IpAddr, end: IpAddr) -> Self {
        Self { protocol: 0, start, end, start_port: 0, end_port: u16::MAX }
    }

    /// Whether an end of a flow is in the range.
    pub fn contains(&self, address: IpAddr, protocol: u8, port: Option<u16>) -> bool {
        (self.protocol == 0 || self.protocol == protocol)
            // Addresses of the other family compare as all lower or all higher.
            && self.start.is_ipv4() == self.end.is_ipv4()
            && self.start <= address
            && address <= self.end
            && self.contains_port(port)
    }

    const fn contains_port(&self, port: Option<u16>) -> bool {
        if self.start_port == 0 && self.end_port == u16::MAX {
            return true;
        }
        match port {
            Some(port) => self.start_port <= port && port <= self.end_port,
            None => self.start_port > self.end_port,
        }
    }
}

/// The selectors of an SA, seen from here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selectors {
    /// Our side: sources of what we send, destinations of what we receive.
    pub local: Vec<SelectorRange>,
    /// The side of the peer.
    pub remote: Vec<SelectorRange>,
}

impl Selectors {
    /// Everything, of both families.
    pub fn any() -> Self {
        let any = vec![SelectorRange::ANY_V4, SelectorRange::ANY_V6];
        Self { local: any.clone(), remote: any }
    }

    /// Whether we may send this.
    pub fn allow_outbound(&self, flow: &Flow) -> bool {
        let (src, dst) = flow.ports.unzip();
        within(&self.local, flow.src, flow.protocol, src)
            && within(&self.remote, flow.dst, flow.protocol, dst)
    }

    /// Whether the peer may send this.
    pub fn allow_inbound(&self, flow: &Flow) -> bool {
        let (src, dst) = flow.ports.unzip();
        within(&self.remote, flow.src, flow.protocol, src)
            && within(&self.local, flow.dst, flow.protocol, dst)
    }
}

fn within(ranges: &[SelectorRange], address: IpAddr, protocol: u8, port: Option<u16>) -> bool {
    ranges.iter().any(|range| range.contains(address, protocol, port))
}
