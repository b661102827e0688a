//! ICMP errors that a router sends back into the inner network: packet too big and time exceeded.
//!
//! RFC 1191 and 1812 for IPv4 (quoting as much as fits into 576 octets), RFC 4443 for IPv6 (as much
//! as fits into 1280). What must not be answered (errors, later fragments, packets from or to a
//! group) is not, and the caller gets the reason.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::packet::{
    ICMP, ICMPV6, Upper, addresses, internet_checksum, put16, refresh_ipv4_checksum, stated_len,
    upper_layer,
};

/// The error to report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpError {
    /// IPv4 type 3 code 4, IPv6 type 2, with the MTU of the next hop.
    TooBig {
        /// Largest packet that would pass.
        mtu: u16,
    },
    /// IPv4 type 11 code 0, IPv6 type 3 code 0.
    TimeExceeded,
}

/// Why a packet is not answered with an ICMP error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoIcmp {
    /// Neither IPv4 nor IPv6, or cut off within its headers.
    Malformed,
    /// It is an ICMP error itself.
    IcmpError,
    /// An IPv4 fragment other than the first.
    LaterFragment,
    /// Its source is no single host.
    BadSource,
    /// Its destination is a group or a broadcast address.
    BadDestination,
}

/// The ICMP error about `packet`, sent by `router` of the same IP version.
///
/// # Errors
///
/// Says why the packet must not be answered.
pub fn icmp_error(packet: &[u8], error: IcmpError, router: IpAddr) -> Result<Vec<u8>, NoIcmp> {
    let (source, destination) = addresses(packet).ok_or(NoIcmp::Malformed)?;
    let whole = stated_len(packet).and_then(|len| packet.get(..len)).ok_or(NoIcmp::Malformed)?;
    match upper_layer(packet) {
        Upper::Malformed => return Err(NoIcmp::Malformed),
        // RFC 1122 section 3.2.2 forbids it for IPv4; RFC 4443 section 2.4 has no such rule.
        Upper::LaterFragment if source.is_ipv4() => return Err(NoIcmp::LaterFragment),
        Upper::LaterFragment => {}
        Upper::At { protocol: ICMP, offset } => match packet.get(offset) {
            Some(0 | 8 | 13 | 14) => {}
            _ => return Err(NoIcmp::IcmpError),
        },
        Upper::At { protocol: ICMPV6, offset } => {
            if packet.get(offset).is_none_or(|kind| *kind < 128) {
                return Err(NoIcmp::IcmpError);
            }
        }
        Upper::At { .. } => {}
    }
    match (source, destination, router) {
        (IpAddr::V4(source), IpAddr::V4(destination), IpAddr::V4(router)) => {
            if source.is_unspecified() || source.is_loopback() || is_group(source) {
                return Err(NoIcmp::BadSource);
            }
            if is_group(destination) {
                return Err(NoIcmp::BadDestination);
            }
            Ok(error_v4(whole, error, router, source))
        }
        (IpAddr::V6(source), IpAddr::V6(_), IpAddr::V6(router)) => {
            if source.is_unspecified() || source.is_multicast() {
                return Err(NoIcmp::BadSource);
            }
            // RFC 4443 section 2.4 (e.3): packet too big answers multicast as well.
            if packet.get(24) == Some(&0xff) && error == IcmpError::TimeExceeded {
                return Err(NoIcmp::BadDestination);
            }
            Ok(error_v6(whole, error, router, source))
        }
        _ => Err(NoIcmp::Malformed),
    }
}

fn error_v4(packet: &[u8], error: IcmpError, router: Ipv4Addr, to: Ipv4Addr) -> Vec<u8> {
    let quoted = packet.get(..packet.len().min(576 - 28)).unwrap_or_default();
    let (kind, code, mtu) = match error {
        IcmpError::TooBig { mtu } => (3, 4, mtu),
        IcmpError::TimeExceeded => (11, 0, 0),
    };
    let total = u16::try_from(28 + quoted.len()).unwrap_or(u16::MAX);
    let mut reply = Vec::with_capacity(usize::from(total));
    // Precedence 6, as RFC 1812 section 4.3.2.5 asks of errors made by a router.
    reply.extend_from_slice(&[0x45, 0xc0, 0, 0, 0, 0, 0, 0, 64, ICMP, 0, 0]);
    put16(&mut reply, 2, total);
    reply.extend_from_slice(&router.octets());
    reply.extend_from_slice(&to.octets());
    refresh_ipv4_checksum(&mut reply, 20);
    reply.extend_from_slice(&[kind, code, 0, 0, 0, 0]);
    reply.extend_from_slice(&mtu.to_be_bytes());
    reply.extend_from_slice(quoted);
    let checksum = internet_checksum(&[reply.get(20..).unwrap_or_default()]);
    put16(&mut reply, 22, checksum);
    reply
}

fn error_v6(packet: &[u8], error: IcmpError, router: Ipv6Addr, to: Ipv6Addr) -> Vec<u8> {
    let quoted = packet.get(..packet.len().min(1280 - 48)).unwrap_or_default();
    let (kind, code, value) = match error {
        IcmpError::TooBig { mtu } => (2, 0, u32::from(mtu)),
        IcmpError::TimeExceeded => (3, 0, 0),
    };
    let payload = u16::try_from(8 + quoted.len()).unwrap_or(u16::MAX);
    let mut reply = Vec::with_capacity(usize::from(payload) + 40);
    reply.extend_from_slice(&[0x60, 0, 0, 0, 0, 0, ICMPV6, 64]);
    put16(&mut reply, 4, payload);
    reply.extend_from_slice(&router.octets());
    reply.extend_from_slice(&to.octets());
    reply.extend_from_slice(&[kind, code, 0, 0]);
    reply.extend_from_slice(&value.to_be_bytes());
    reply.extend_from_slice(quoted);
    let checksum = internet_checksum(&[
        reply.get(8..40).unwrap_or_default(),
        &payload.to_be_bytes(),
        &[0, ICMPV6],
        reply.get(40..).unwrap_or_default(),
    ]);
    put16(&mut reply, 42, checksum);
    reply
}

fn is_group(address: Ipv4Addr) -> bool {
    // Class E is refused as a whole: the limited broadcast address lies in it.
    address.octets().first().is_none_or(|first| *first >= 224)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 254));

    fn udp_v4(len: usize) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 9, 0, 2];
        packet.resize(len, 0xab);
        put16(&mut packet, 2, u16::try_from(len).unwrap());
        refresh_ipv4_checksum(&mut packet, 20);
        packet
    }

    #[test]
    fn too_big_over_ipv4_quotes_up_to_576_octets() {
        let packet = udp_v4(1500);
        let reply = icmp_error(&packet, IcmpError::TooBig { mtu: 1400 }, ROUTER).unwrap();
        assert_eq!(reply.len(), 576);
        assert_eq!(reply[..4], [0x45, 0xc0, 2, 64]);
        assert_eq!(reply[8..10], [64, 1]);
        assert_eq!(reply[12..20], [10, 0, 0, 254, 10, 0, 0, 1]);
        assert_eq!(reply[20..22], [3, 4]);
        assert_eq!(reply[24..28], [0, 0, 0x05, 0x78]);
        assert_eq!(reply[28..], packet[..548]);
        assert_eq!(internet_checksum(&[&reply[..20]]), 0);
        assert_eq!(internet_checksum(&[&reply[20..]]), 0);
    }

    #[test]
    fn too_big_over_ipv6_quotes_up_to_1280_octets() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 17, 64];
        packet.extend([0xfd; 16]);
        packet.extend([0xfc; 16]);
        packet.resize(1500, 0xab);
        put16(&mut packet, 4, 1460);
        let router = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0xfe));
        let reply = icmp_error(&packet, IcmpError::TooBig { mtu: 1400 }, router).unwrap();
        assert_eq!(reply.len(), 1280);
        assert_eq!(reply[40..42], [2, 0]);
        assert_eq!(reply[44..48], [0, 0, 0x05, 0x78]);
        assert_eq!(reply[48..], packet[..1232]);
        let len = 1240_u16.to_be_bytes();
        assert_eq!(internet_checksum(&[&reply[8..40], &len, &[0, 58], &reply[40..]]), 0);
    }

    #[test]
    fn errors_groups_and_later_fragments_are_not_answered() {
        let too_big = IcmpError::TooBig { mtu: 1400 };
        let error = icmp_error(&udp_v4(1500), too_big, ROUTER).unwrap();
        assert_eq!(icmp_error(&error, too_big, ROUTER), Err(NoIcmp::IcmpError));
        let mut packet = udp_v4(1500);
        packet[7] = 9;
        assert_eq!(icmp_error(&packet, too_big, ROUTER), Err(NoIcmp::LaterFragment));
        let mut packet = udp_v4(1500);
        packet[16] = 239;
        assert_eq!(icmp_error(&packet, too_big, ROUTER), Err(NoIcmp::BadDestination));
        packet[12] = 0;
        packet[13..16].fill(0);
        assert_eq!(icmp_error(&packet, too_big, ROUTER), Err(NoIcmp::BadSource));
        let mut echo = udp_v4(1500);
        echo[9] = ICMP;
        echo[20] = 8;
        assert!(icmp_error(&echo, too_big, ROUTER).is_ok());
    }

    proptest! {
        #[test]
        fn random_octets_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), mtu in any::<u16>()) {
            let _ = icmp_error(&bytes, IcmpError::TooBig { mtu }, ROUTER);
            let _ = icmp_error(&bytes, IcmpError::TimeExceeded, IpAddr::V6(Ipv6Addr::LOCALHOST));
        }
    }
}
