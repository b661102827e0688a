//! One line about an inner packet, for the timeline.

use etherparse::{Icmpv4Type, Icmpv6Type, LaxNetSlice, LaxSlicedPacket, TransportSlice};

use crate::contents::InnerHeader;
use crate::describe::{Decoded, DetailLevel};

/// Adds what a packet holds to its line.
pub(crate) fn describe(decoded: &mut Decoded, next: u8, content: &[u8]) {
    let text = match next {
        4 | 41 => summary(content),
        59 => "dummy packet".to_owned(),
        next => format!("protocol {next}, {} octets", content.len()),
    };
    decoded.detail(DetailLevel::Payload, "inner", text.clone());
    decoded.summary.push_str(&format!(" {{ {text} }}"));
}

/// The header of an IP packet, as far as etherparse takes it for one.
pub(crate) fn header(next: u8, content: &[u8]) -> Option<InnerHeader> {
    if !matches!(next, 4 | 41) {
        return None;
    }
    match LaxSlicedPacket::from_ip(content).ok()?.net? {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some(InnerHeader {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: header.protocol().0,
                length: header.total_len(),
            })
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some(InnerHeader {
                source: header.source_addr().into(),
                destination: header.destination_addr().into(),
                protocol: header.next_header().0,
                length: header.payload_length(),
            })
        }
        LaxNetSlice::Arp(_) => None,
    }
}

/// One line about an IP packet.
fn summary(packet: &[u8]) -> String {
    let octets = packet.len();
    let Ok(sliced) = LaxSlicedPacket::from_ip(packet) else {
        return format!("{octets} octets that are no IP packet");
    };
    let Some(net) = sliced.net.as_ref().and_then(addresses) else {
        return format!("{octets} octets that are no IP packet");
    };
    let (source, destination, protocol) = net;
    match &sliced.transport {
        Some(TransportSlice::Icmpv4(icmp)) => {
            let kind = match icmp.icmp_type() {
                Icmpv4Type::EchoRequest(_) => "echo request".to_owned(),
                Icmpv4Type::EchoReply(_) => "echo reply".to_owned(),
                _ => format!("type {}", icmp.type_u8()),
            };
            format!("ICMP {kind} {source} → {destination}, {octets} octets")
        }
        Some(TransportSlice::Icmpv6(icmp)) => {
            let kind = match icmp.icmp_type() {
                Icmpv6Type::EchoRequest(_) => "echo request".to_owned(),
                Icmpv6Type::EchoReply(_) => "echo reply".to_owned(),
                _ => format!("type {}", icmp.type_u8()),
            };
            format!("ICMPv6 {kind} {source} → {destination}, {octets} octets")
        }
        Some(TransportSlice::Udp(udp)) => format!(
            "UDP {source}:{} → {destination}:{}, {octets} octets",
            udp.source_port(),
            udp.destination_port()
        ),
        Some(TransportSlice::Tcp(tcp)) => {
            let flags =
                [(tcp.syn(), "SYN"), (tcp.fin(), "FIN"), (tcp.rst(), "RST"), (tcp.ack(), "ACK")];
            let flags: Vec<&str> =
                flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
            format!(
                "TCP {source}:{} → {destination}:{} [{}], {octets} octets",
                tcp.source_port(),
                tcp.destination_port(),
                flags.join(" ")
            )
        }
        _ => format!("protocol {protocol} {source} → {destination}, {octets} octets"),
    }
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(core::net::IpAddr, core::net::IpAddr, u8)> {
    Some(match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            let protocol = ip.payload_ip_number().0;
            (header.source_addr().into(), header.destination_addr().into(), protocol)
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            let protocol = ip.payload().ip_number.0;
            (header.source_addr().into(), header.destination_addr().into(), protocol)
        }
        LaxNetSlice::Arp(_) => return None,
    })
}
