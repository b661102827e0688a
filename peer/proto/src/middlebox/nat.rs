//! Address and port translation with a mapping table, expiry, and remapping in mid-life.
//!
//! Endpoint-independent mapping and filtering, which is what most home routers do: a mapping belongs to
//! the inside address and port, whoever it talks to. A datagram from outside without a mapping is dropped.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::config::{NatConfig, NatSide, RawNat};
use super::datagram::{Datagram, Direction, End, Transport};
use crate::time::Time;

/// The mapping table of one NAT.
#[derive(Debug)]
pub struct Nat {
    config: NatConfig,
    public: IpAddr,
    mappings: Vec<Mapping>,
    next_port: u16,
}

#[derive(Debug)]
struct Mapping {
    inside: SocketAddr,
    outside: SocketAddr,
    last_used: Time,
}

/// The NAT has no way for this datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoMapping;

impl Nat {
    /// An empty table.
    pub fn new(config: NatConfig) -> Self {
        let next_port = config.ports.map_or(FIRST_FREE_PORT, |(first, _)| first);
        Self { public: config.public, config, mappings: Vec::new(), next_port }
    }

    /// Forgets every mapping, as a router does that restarts: the next datagram from inside gets
    /// another port, and `public` as its address if one is given.
    pub fn remap(&mut self, public: Option<IpAddr>) {
        self.mappings.clear();
        self.public = public.unwrap_or(self.public);
        if self.config.ports.is_none() {
            // Without a port range ports are kept where they are free, so a remap needs a new range.
            self.config.ports = Some((FIRST_FREE_PORT, u16::MAX));
            self.next_port = FIRST_FREE_PORT;
        }
    }

    /// The mappings that are there: inside and outside.
    pub fn mappings(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        self.mappings.iter().map(|m| (m.inside, m.outside))
    }

    /// Rewrites a datagram on its way through.
    pub(super) fn translate(
        &mut self,
        now: Time,
        direction: Direction,
        datagram: &mut Datagram,
    ) -> Result<(), NoMapping> {
        if datagram.transport != Transport::Udp && self.config.raw == RawNat::Drop {
            return Err(NoMapping);
        }
        let timeout = self.config.idle_timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        if let Some(timeout) = timeout {
            self.mappings.retain(|m| now.since(m.last_used) < timeout);
        }
        let (address, outgoing) = match self.config.side {
            NatSide::Peer => (&mut datagram.remote, direction == Direction::ToEdge),
            NatSide::Edge => (&mut datagram.local, direction == Direction::ToPeer),
        };
        *address =
            if outgoing { self.outside_of(now, *address) } else { self.inside_of(now, *address)? };
        let address = address.ip();
        datagram.rewrite(if outgoing { End::Source } else { End::Destination }, address);
        Ok(())
    }

    fn outside_of(&mut self, now: Time, inside: SocketAddr) -> SocketAddr {
        if let Some(mapping) = self.mappings.iter_mut().find(|m| m.inside == inside) {
            mapping.last_used = now;
            return mapping.outside;
        }
        let outside = SocketAddr::new(self.public, self.port_for(inside.port()));
        if self.mappings.len() >= MAX_MAPPINGS {
            self.mappings.remove(0);
        }
        self.mappings.push(Mapping { inside, outside, last_used: now });
        outside
    }

    fn inside_of(&mut self, now: Time, outside: SocketAddr) -> Result<SocketAddr, NoMapping> {
        let mapping = self.mappings.iter_mut().find(|m| m.outside == outside).ok_or(NoMapping)?;
        mapping.last_used = now;
        Ok(mapping.inside)
    }

    /// A free public port: the same one without a range, else the next of the range.
    fn port_for(&mut self, inside: u16) -> u16 {
        let taken = |mappings: &[Mapping], port| mappings.iter().any(|m| m.outside.port() == port);
        // Raw ESP and AH have port 0, which is never translated.
        if inside == 0 || (self.config.ports.is_none() && !taken(&self.mappings, inside)) {
            return inside;
        }
        let (first, last) = self.config.ports.unwrap_or((FIRST_FREE_PORT, u16::MAX));
        for _ in 0..=MAX_MAPPINGS {
            let port = self.next_port.clamp(first, last.max(first));
            self.next_port = if port >= last { first } else { port + 1 };
            if !taken(&self.mappings, port) {
                return port;
            }
        }
        first
    }
}

const FIRST_FREE_PORT: u16 = 20_000;
const MAX_MAPPINGS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn config(ports: Option<(u16, u16)>) -> NatConfig {
        NatConfig {
            side: NatSide::Peer,
            public: IpAddr::from([203, 0, 113, 1]),
            ports,
            idle_timeout_ms: Some(1000),
            raw: RawNat::Drop,
        }
    }

    fn from_peer(host: u8, port: u16) -> Datagram {
        let edge = SocketAddr::from(([192, 0, 2, 1], port));
        Datagram::udp(edge, SocketAddr::from(([10, 0, 0, host], port)), vec![1])
    }

    fn through(nat: &mut Nat, ms: u64, host: u8, port: u16) -> SocketAddr {
        let mut datagram = from_peer(host, port);
        let now = Time::from_start(Duration::from_millis(ms));
        nat.translate(now, Direction::ToEdge, &mut datagram).unwrap();
        let mut back = datagram.clone();
        nat.translate(now, Direction::ToPeer, &mut back).unwrap();
        assert_eq!(back, from_peer(host, port));
        datagram.remote
    }

    #[test]
    fn two_hosts_share_one_address() {
        let mut nat = Nat::new(config(None));
        assert_eq!(through(&mut nat, 0, 2, 500).to_string(), "203.0.113.1:500");
        assert_eq!(through(&mut nat, 0, 3, 500).to_string(), "203.0.113.1:20000");
        assert_eq!(through(&mut nat, 1, 2, 500).to_string(), "203.0.113.1:500");
        assert_eq!(nat.mappings().count(), 2);
    }

    #[test]
    fn expiry_and_remapping_give_another_port() {
        let mut nat = Nat::new(config(Some((20_000, 20_010))));
        assert_eq!(through(&mut nat, 0, 2, 4500).port(), 20_000);
        assert_eq!(through(&mut nat, 999, 2, 4500).port(), 20_000);
        assert_eq!(through(&mut nat, 1999, 2, 4500).port(), 20_001);
        nat.remap(Some(IpAddr::from([203, 0, 113, 9])));
        assert_eq!(through(&mut nat, 2000, 2, 4500).to_string(), "203.0.113.9:20002");
    }

    #[test]
    fn nothing_comes_in_without_a_mapping_and_raw_esp_does_not_pass() {
        let mut nat = Nat::new(config(None));
        let mut stray = from_peer(2, 500);
        assert!(nat.translate(Time::ZERO, Direction::ToPeer, &mut stray).is_err());
        let mut esp = Datagram { transport: Transport::Esp, ..from_peer(2, 0) };
        assert!(nat.translate(Time::ZERO, Direction::ToEdge, &mut esp).is_err());
        let mut nat = Nat::new(NatConfig { raw: RawNat::Address, ..config(None) });
        nat.translate(Time::ZERO, Direction::ToEdge, &mut esp).unwrap();
        assert_eq!(esp.remote.to_string(), "203.0.113.1:0");
    }

    #[test]
    fn the_header_that_ah_comes_with_is_rewritten_too() {
        let mut bytes = vec![0; 32];
        (bytes[0], bytes[3], bytes[9]) = (0x45, 32, 51);
        bytes[12..20].copy_from_slice(&[10, 0, 0, 2, 192, 0, 2, 1]);
        let checksum = |bytes: &[u8]| {
            let sum: u32 =
                bytes[..20].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
            (sum & 0xffff) + (sum >> 16)
        };
        let right = 0xffff - checksum(&bytes) as u16;
        bytes[10..12].copy_from_slice(&right.to_be_bytes());
        assert_eq!(checksum(&bytes), 0xffff);
        let mut ah = Datagram { transport: Transport::Ah, bytes, ..from_peer(2, 0) };
        let before = ah.clone();
        let mut nat = Nat::new(NatConfig { raw: RawNat::Address, ..config(None) });
        nat.translate(Time::ZERO, Direction::ToEdge, &mut ah).unwrap();
        assert_eq!(ah.bytes[12..20], [203, 0, 113, 1, 192, 0, 2, 1]);
        assert_eq!(checksum(&ah.bytes), 0xffff);
        let mut back = Datagram { bytes: before.bytes.clone(), ..ah.clone() };
        back.bytes[12..20].copy_from_slice(&[192, 0, 2, 1, 203, 0, 113, 1]);
        nat.translate(Time::ZERO, Direction::ToPeer, &mut back).unwrap();
        assert_eq!(back.bytes[12..20], [192, 0, 2, 1, 10, 0, 0, 2]);
    }
}
