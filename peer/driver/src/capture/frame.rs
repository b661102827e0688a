//! A captured frame, and address ranges to look for in it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A frame on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Time since the Unix epoch.
    pub at: Duration,
    /// Seen from the captured interface.
    pub direction: FrameDirection,
    /// What the octets start with.
    pub link: LinkType,
    /// Length on the wire, which may be more than was kept.
    pub original_len: usize,
    /// The octets.
    pub bytes: &'a [u8],
}

/// Seen from the captured interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FrameDirection {
    /// Received by it.
    In,
    /// Sent by it.
    Out,
}

/// What a frame starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkType {
    /// An Ethernet header.
    Ethernet,
    /// An IP header.
    Raw,
}

impl LinkType {
    /// The number of this link type in capture files.
    pub const fn number(self) -> u16 {
        match self {
            Self::Ethernet => 1,
            Self::Raw => 101,
        }
    }
}

/// A range of addresses, written as `10.9.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

impl Cidr {
    /// The range of this address and prefix length.
    ///
    /// # Errors
    ///
    /// If the prefix is longer than the address.
    pub fn new(address: IpAddr, prefix: u8) -> Result<Self, CidrError> {
        let limit = if address.is_ipv4() { 32 } else { 128 };
        if prefix > limit {
            return Err(CidrError { text: format!("{address}/{prefix}") });
        }
        Ok(Self { address, prefix })
    }

    /// The address it was made of.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix length.
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                let host_bits = 32 - u32::from(self.prefix.min(32));
                let differing = range.to_bits() ^ address.to_bits();
                differing.checked_shr(host_bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => {
                let host_bits = 128 - u32::from(self.prefix.min(128));
                let differing = range.to_bits() ^ address.to_bits();
                differing.checked_shr(host_bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<Cidr> for String {
    fn from(cidr: Cidr) -> Self {
        cidr.to_string()
    }
}

impl TryFrom<String> for Cidr {
    type Error = CidrError;

    fn try_from(text: String) -> Result<Self, CidrError> {
        text.parse()
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let wrong = || CidrError { text: text.to_owned() };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let whole = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(whole), |p| p.parse().map_err(|_| wrong()))?;
        Self::new(address, prefix).map_err(|_| wrong())
    }
}

/// The text is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no address range such as 10.9.0.0/16 or fd00:9::/64")]
pub struct CidrError {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let cidr: Cidr = "10.9.0.0/16".parse().unwrap();
        assert!(cidr.contains(IpAddr::from([10, 9, 255, 1])));
        assert!(!cidr.contains(IpAddr::from([10, 8, 0, 1])));
        assert!("0.0.0.0/0".parse::<Cidr>().unwrap().contains(IpAddr::from([255, 0, 0, 1])));
        assert!("::/0".parse::<Cidr>().unwrap().contains("2001:db8::1".parse().unwrap()));
        assert_eq!("fd00::1".parse::<Cidr>().unwrap().to_string(), "fd00::1/128");
        for wrong in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/x"] {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong}");
        }
    }
}
