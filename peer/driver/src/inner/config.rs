//! What an inner host is and serves, as a value.

use std::net::IpAddr;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::capture::Cidr;

/// An inner host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InnerConfig {
    /// It answers for every address in these.
    pub cidrs: Vec<Cidr>,
    /// Largest packet it sends; its MSS is this less 40 over IPv4 and less 60 over IPv6.
    pub mtu: u16,
    /// TCP ports and what listens there.
    pub services: Vec<(u16, Service)>,
    /// Octets of buffer for each direction of a TCP connection.
    pub tcp_buffer: usize,
    /// Seed of the content that it sends over TCP.
    pub seed: u64,
}

/// What a listening TCP port does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Takes everything and counts it.
    Sink,
    /// Sends so many octets and closes.
    Source(u64),
    /// Sends back what comes.
    Echo,
    /// Sends so many octets, takes so many, and closes.
    Exchange {
        /// Octets to send.
        send: u64,
        /// Octets to take.
        receive: u64,
    },
}

impl InnerConfig {
    /// A host of these ranges with the usual services: sink 9, echo 7, source of 1 MiB 19.
    pub fn new(cidrs: Vec<Cidr>) -> Self {
        Self { cidrs, ..Self::default() }
    }

    /// Whether it answers for an address.
    pub fn owns(&self, address: IpAddr) -> bool {
        self.cidrs.iter().any(|cidr| cidr.contains(address))
    }

    /// The address that it uses itself towards `remote`: that of the first range of the version, the
    /// first host of it if the range is written with its network address.
    pub fn own_address(&self, remote_is_v4: bool) -> Option<IpAddr> {
        let cidr = self.cidrs.iter().find(|cidr| cidr.address().is_ipv4() == remote_is_v4)?;
        Some(match cidr.address() {
            IpAddr::V4(address) if cidr.prefix() < 31 => {
                let mask = u32::MAX.checked_shr(cidr.prefix().into()).unwrap_or(0);
                let bits = address.to_bits();
                let bits = if bits & mask == 0 { bits | 1 } else { bits };
                IpAddr::V4(Ipv4Addr::from_bits(bits))
            }
            IpAddr::V6(address) if cidr.prefix() < 127 => {
                let mask = u128::MAX.checked_shr(cidr.prefix().into()).unwrap_or(0);
                let bits = address.to_bits();
                let bits = if bits & mask == 0 { bits | 1 } else { bits };
                IpAddr::V6(Ipv6Addr::from_bits(bits))
            }
            address => address,
        })
    }
}

impl Default for InnerConfig {
    fn default() -> Self {
        Self {
            cidrs: Vec::new(),
            mtu: 1500,
            services: vec![(7, Service::Echo), (9, Service::Sink), (19, Service::Source(1 << 20))],
            tcp_buffer: 128 << 10,
            seed: 0,
        }
    }
}
