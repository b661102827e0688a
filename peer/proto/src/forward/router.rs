//! The router itself: one call per inner packet and direction.
//!
//! Towards the tunnel the order is TTL, MSS, MTU; from the tunnel TTL, MSS, and only a look at the
//! size: what the peer managed to send is delivered and reported, never dropped.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::config::ForwardConfig;
use super::fragment::{FragmentError, fragment_v4};
use super::icmp::{IcmpError, NoIcmp, icmp_error};
use super::mss::{MssSeen, clamp_mss};
use super::packet::{IpVersion, adjusted_checksum, be16, put16};

/// What was noticed about an inner packet on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Observation {
    /// The MSS option of a SYN or SYN-ACK, before and after clamping.
    pub mss: Option<MssSeen>,
    /// The packet is larger than the tunnel MTU.
    pub over_mtu: Option<OverMtu>,
    /// TTL or hop limit ran out; the packet is answered or dropped.
    pub ttl_expired: Option<TtlExpired>,
}

/// An inner packet larger than the tunnel MTU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OverMtu {
    /// Octets of the packet.
    pub len: usize,
    /// The limit it passed.
    pub mtu: u16,
    /// Whether its sender forbade fragmentation (always so with IPv6).
    pub df: bool,
}

/// A packet whose TTL or hop limit is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TtlExpired;

/// What to do with a packet that an inner host sent towards the tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToTunnel {
    /// Seal the packet that was given, which may have been rewritten in place.
    Seal,
    /// Seal these fragments instead, in this order.
    Fragments(Vec<Vec<u8>>),
    /// Do not seal it; give this ICMP error back to the inner host.
    Answer(Vec<u8>),
    /// Do not seal it, and it must not be answered.
    Drop(NoIcmp),
    /// It may be fragmented and cannot be.
    CannotFragment(FragmentError),
}

/// The router of one edge. One is enough for all its tunnels: it keeps no state per packet.
#[derive(Debug, Clone)]
pub struct Forwarder {
    config: ForwardConfig,
    router_v4: Ipv4Addr,
    router_v6: Ipv6Addr,
}

impl Forwarder {
    /// A router with the addresses that its ICMP errors come from.
    pub const fn new(config: ForwardConfig, router_v4: Ipv4Addr, router_v6: Ipv6Addr) -> Self {
        Self { config, router_v4, router_v6 }
    }

    /// The configuration.
    pub const fn config(&self) -> &ForwardConfig {
        &self.config
    }

    /// Handles a packet from an inner host that is about to be sealed.
    pub fn to_tunnel(&self, packet: &mut [u8]) -> (ToTunnel, Observation) {
        self.to_tunnel_with_mtu(packet, self.config.mtu)
    }

    /// As [`Self::to_tunnel`] with another MTU, for instance one that path MTU discovery lowered.
    pub fn to_tunnel_with_mtu(
        &self,
        packet: &mut [u8],
        mtu: Option<u16>,
    ) -> (ToTunnel, Observation) {
        let mut seen = Observation::default();
        if self.config.decrement_ttl && !decrement_ttl(packet) {
            seen.ttl_expired = Some(TtlExpired);
            return (self.answer(packet, IcmpError::TimeExceeded), seen);
        }
        seen.mss = clamp_mss(packet, &self.config.mss_limits()).ok();
        seen.over_mtu = over_mtu(packet, mtu);
        let Some(over) = seen.over_mtu else { return (ToTunnel::Seal, seen) };
        let action = if over.df {
            self.answer(packet, IcmpError::TooBig { mtu: over.mtu })
        } else {
            match fragment_v4(packet, over.mtu) {
                Ok(fragments) => ToTunnel::Fragments(fragments),
                Err(error) => ToTunnel::CannotFragment(error),
            }
        };
        (action, seen)
    }

    /// Handles a packet that came out of the tunnel; the result says whether to deliver it.
    ///
    /// It is delivered whatever its size. Only an expired TTL, with decrementing switched on, stops
    /// it: `Err` holds the ICMP error to send back through the tunnel, if one is due.
    pub fn from_tunnel(&self, packet: &mut [u8]) -> (Result<(), Option<Vec<u8>>>, Observation) {
        let mut seen = Observation::default();
        if self.config.decrement_ttl && !decrement_ttl(packet) {
            seen.ttl_expired = Some(TtlExpired);
            let reply = match self.answer(packet, IcmpError::TimeExceeded) {
                ToTunnel::Answer(reply) => Some(reply),
                _ => None,
            };
            return (Err(reply), seen);
        }
        seen.mss = clamp_mss(packet, &self.config.mss_limits()).ok();
        seen.over_mtu = over_mtu(packet, self.config.mtu);
        (Ok(()), seen)
    }

    fn answer(&self, packet: &[u8], error: IcmpError) -> ToTunnel {
        let router = match IpVersion::of(packet) {
            Some(IpVersion::V6) => IpAddr::V6(self.router_v6),
            _ => IpAddr::V4(self.router_v4),
        };
        match icmp_error(packet, error, router) {
            Ok(reply) => ToTunnel::Answer(reply),
            Err(why) => ToTunnel::Drop(why),
        }
    }
}

fn over_mtu(packet: &[u8], mtu: Option<u16>) -> Option<OverMtu> {
    let mtu = mtu?;
    if packet.len() <= usize::from(mtu) {
        return None;
    }
    let df = match IpVersion::of(packet)? {
        IpVersion::V4 => be16(packet, 6)? & 0x4000 != 0,
        IpVersion::V6 => true,
    };
    Some(OverMtu { len: packet.len(), mtu, df })
}

/// Takes one off TTL or hop limit; false if nothing is left then. Other packets pass.
fn decrement_ttl(packet: &mut [u8]) -> bool {
    match IpVersion::of(packet) {
        Some(IpVersion::V4) => {
            let (Some(old), Some(checksum)) = (be16(packet, 8), be16(packet, 10)) else {
                return true;
            };
            if old >> 8 <= 1 {
                return false;
            }
            put16(packet, 8, old - 0x100);
            put16(packet, 10, adjusted_checksum(checksum, old, old - 0x100));
            true
        }
        Some(IpVersion::V6) => match packet.get_mut(7) {
            Some(limit) if *limit <= 1 => false,
            Some(limit) => {
                *limit -= 1;
                true
            }
            None => true,
        },
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::super::packet::{internet_checksum, refresh_ipv4_checksum};
    use super::*;
    use proptest::prelude::*;

    fn forwarder(config: ForwardConfig) -> Forwarder {
        Forwarder::new(config, Ipv4Addr::new(10, 0, 0, 254), Ipv6Addr::LOCALHOST)
    }

    fn udp_v4(len: usize, df: bool, ttl: u8) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, ttl, 17, 0, 0, 10, 0, 0, 1, 10, 9, 0, 2];
        packet.resize(len, 0xab);
        packet[6] = if df { 0x40 } else { 0 };
        put16(&mut packet, 2, u16::try_from(len).unwrap());
        refresh_ipv4_checksum(&mut packet, 20);
        packet
    }

    #[test]
    fn a_large_packet_with_df_is_answered_and_without_df_fragmented() {
        let forwarder = forwarder(ForwardConfig::default());
        let (action, seen) = forwarder.to_tunnel(&mut udp_v4(1500, true, 64));
        let ToTunnel::Answer(reply) = action else { panic!("{action:?}") };
        assert_eq!(reply[20..28], [3, 4, reply[22], reply[23], 0, 0, 0x05, 0x78]);
        assert_eq!(seen.over_mtu, Some(OverMtu { len: 1500, mtu: 1400, df: true }));
        let (action, _) = forwarder.to_tunnel(&mut udp_v4(1500, false, 64));
        let ToTunnel::Fragments(fragments) = action else { panic!("{action:?}") };
        assert_eq!(fragments.len(), 2);
        assert_eq!(forwarder.to_tunnel(&mut udp_v4(1400, true, 64)).0, ToTunnel::Seal);
    }

    #[test]
    fn with_the_mtu_off_1500_passes() {
        let forwarder = forwarder(ForwardConfig::TRANSPARENT);
        let mut packet = udp_v4(1500, true, 1);
        let before = packet.clone();
        assert_eq!(forwarder.to_tunnel(&mut packet), (ToTunnel::Seal, Observation::default()));
        assert_eq!(packet, before);
    }

    #[test]
    fn a_large_packet_from_the_peer_is_delivered_and_reported() {
        let (result, seen) =
            forwarder(ForwardConfig::default()).from_tunnel(&mut udp_v4(1500, true, 64));
        assert_eq!(result, Ok(()));
        assert_eq!(seen.over_mtu, Some(OverMtu { len: 1500, mtu: 1400, df: true }));
    }

    #[test]
    fn the_ttl_is_decremented_only_when_asked() {
        let forwarder = forwarder(ForwardConfig { decrement_ttl: true, ..Default::default() });
        let mut packet = udp_v4(100, true, 2);
        assert_eq!(forwarder.to_tunnel(&mut packet).0, ToTunnel::Seal);
        assert_eq!(packet[8], 1);
        assert_eq!(internet_checksum(&[&packet[..20]]), 0);
        let (action, seen) = forwarder.to_tunnel(&mut packet);
        assert!(matches!(action, ToTunnel::Answer(reply) if reply[20] == 11));
        assert_eq!(seen.ttl_expired, Some(TtlExpired));
        assert!(matches!(forwarder.from_tunnel(&mut packet).0, Err(Some(_))));
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..1600), ttl in any::<bool>()) {
            let forwarder = forwarder(ForwardConfig { decrement_ttl: ttl, mtu: Some(100), ..Default::default() });
            let _ = forwarder.to_tunnel(&mut bytes);
            let _ = forwarder.from_tunnel(&mut bytes);
        }
    }
}
