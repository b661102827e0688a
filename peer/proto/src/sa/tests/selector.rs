//! Traffic selectors and the packets they look at.

use core::net::IpAddr;

use proptest::prelude::*;

use crate::crypto::tests::hex;
use crate::sa::matcher::Matcher;
use crate::sa::{Flow, SelectorRange, Selectors};

fn range(start: &str, end: &str) -> SelectorRange {
    SelectorRange::addresses(start.parse().unwrap(), end.parse().unwrap())
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_range_of_addresses_includes_both_ends_and_no_other_family() {
    let lan = range("10.1.0.0", "10.1.0.255");
    assert!(lan.contains(ip("10.1.0.0"), 6, Some(80)));
    assert!(lan.contains(ip("10.1.0.255"), 17, None));
    assert!(!lan.contains(ip("10.0.255.255"), 6, Some(80)));
    assert!(!lan.contains(ip("10.1.1.0"), 6, Some(80)));
    assert!(!lan.contains(ip("::"), 6, Some(80)));
    assert!(!SelectorRange::ANY_V4.contains(ip("2001:db8::1"), 6, None));
    assert!(!SelectorRange::ANY_V6.contains(ip("255.255.255.255"), 6, None));
    assert!(SelectorRange::ANY_V6.contains(ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), 0, None));
}

#[test]
fn protocols_and_ports() {
    let any = SelectorRange::ANY_V4;
    let web = SelectorRange { protocol: 6, start_port: 80, end_port: 81, ..any };
    let host = ip("192.0.2.1");
    assert!(web.contains(host, 6, Some(80)) && web.contains(host, 6, Some(81)));
    assert!(!web.contains(host, 6, Some(79)) && !web.contains(host, 6, Some(82)));
    assert!(!web.contains(host, 17, Some(80)), "another protocol");
    assert!(!web.contains(host, 6, None), "a later fragment has no ports");
    let opaque = SelectorRange { protocol: 6, start_port: 65535, end_port: 0, ..any };
    assert!(opaque.contains(host, 6, None) && !opaque.contains(host, 6, Some(65535)));
}

#[test]
fn directions_are_not_confused() {
    let selectors = Selectors {
        local: vec![range("10.1.0.0", "10.1.0.255")],
        remote: vec![range("0.0.0.0", "9.255.255.255"), range("11.0.0.0", "255.255.255.255")],
    };
    let flow = |src: &str, dst: &str| Flow {
        src: ip(src),
        dst: ip(dst),
        protocol: 17,
        ports: Some((1, 2)),
    };
    let out = flow("10.1.0.7", "192.0.2.1");
    let back = flow("192.0.2.1", "10.1.0.7");
    assert!(selectors.allow_outbound(&out) && !selectors.allow_inbound(&out));
    assert!(selectors.allow_inbound(&back) && !selectors.allow_outbound(&back));
    assert!(!selectors.allow_outbound(&flow("10.1.1.7", "192.0.2.1")));
    assert!(!selectors.allow_outbound(&flow("10.1.0.7", "10.1.0.8")));
}

#[test]
fn flows_of_ipv4_packets() {
    // Options of four octets, TCP 4660 to 22136.
    let tcp = hex("46000030000000004006000001020304 05060708 01010101 12345678");
    let flow = Flow::of(&tcp).unwrap();
    assert_eq!((flow.src, flow.dst), (ip("1.2.3.4"), ip("5.6.7.8")));
    assert_eq!((flow.protocol, flow.ports), (6, Some((0x1234, 0x5678))));
    // The same, as a later fragment.
    let mut later = tcp.clone();
    later[7] = 1;
    assert_eq!(Flow::of(&later).unwrap().ports, None);
    // More fragments follow, but this is the first.
    let mut first = tcp.clone();
    first[6] = 0x20;
    assert_eq!(Flow::of(&first).unwrap().ports, Some((0x1234, 0x5678)));
    // An echo request: type 8, code 0, in both places.
    let ping = hex("4500001c 00000000 40010000 01020304 05060708 0800f7ff");
    assert_eq!(Flow::of(&ping).unwrap().ports, Some((0x0800, 0x0800)));
    // GRE has no ports.
    let gre = hex("4500001c 00000000 402f0000 01020304 05060708 00000800");
    assert_eq!(Flow::of(&gre).unwrap().ports, None);
}

#[test]
fn flows_of_ipv6_packets_are_found_behind_extension_headers() {
    let addresses = "20010db8000000000000000000000001 20010db8000000000000000000000002";
    let of = |next: &str, rest: &str| {
        let text = format!("60000000 0020{next}40 {addresses} {rest}");
        let flow = Flow::of(&hex(&text)).unwrap();
        assert_eq!((flow.src, flow.dst), (ip("2001:db8::1"), ip("2001:db8::2")));
        (flow.protocol, flow.ports)
    };
    assert_eq!(of("11", "00350045"), (17, Some((53, 69))));
    // Hop-by-hop, routing and destination options before TCP.
    let chain = "2b00010400000000 3c00000000000000 0601010c000000000000000000000000 00500051";
    assert_eq!(of("00", chain), (6, Some((80, 81))));
    // The first fragment has ports, a later one has not.
    assert_eq!(of("2c", "1100000100000000 00350045"), (17, Some((53, 69))));
    assert_eq!(of("2c", "1100000900000000 00350045"), (17, None));
    assert_eq!(of("3a", "8000"), (58, Some((0x8000, 0x8000))));
    // An authentication header of 24 octets.
    assert_eq!(
        of("33", "1104000000000000000000000000000000000000000000000035 0045"),
        (17, Some((53, 69)))
    );
}

#[test]
fn any_octets_give_a_flow_or_none_and_every_truncation_too() {
    let chain = "60000000002000400000000000000000000000000000000000000000000000000000000000000000
        00000104000000000000010400000000000001040000000000000104000000000000010400000000
        0000010400000000000001040000000000000104000000000000010400000000";
    let packet = hex(chain);
    assert_eq!(Flow::of(&packet).unwrap().ports, None, "a chain without end");
    for len in 0..packet.len() {
        assert_eq!(Flow::of(&packet[..len]).is_some(), len >= 40);
    }
    for first in 0..=255_u8 {
        let _ = Flow::of(&[first; 64]);
    }
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0_u8..4, 0_u8..4).prop_map(|(a, b)| IpAddr::from([10, 0, a, b])),
        (0_u16..4).prop_map(|a| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, a])),
        any::<[u8; 4]>().prop_map(IpAddr::from),
        any::<[u8; 16]>().prop_map(IpAddr::from),
    ]
}

fn any_range(plain: bool) -> impl Strategy<Value = SelectorRange> {
    let ports = prop_oneof![Just((0, 65535)), Just((65535, 0)), (0_u16..100, 0_u16..100)];
    let protocol = prop_oneof![Just(0_u8), Just(6), Just(17)];
    (any_address(), any_address(), protocol, ports).prop_map(
        move |(start, end, protocol, ports)| {
            let range = SelectorRange::addresses(start, end);
            let (start_port, end_port) = ports;
            if plain { range } else { SelectorRange { protocol, start_port, end_port, ..range } }
        },
    )
}

fn any_selectors() -> impl Strategy<Value = Selectors> {
    any::<bool>().prop_flat_map(|plain| {
        let ranges = || proptest::collection::vec(any_range(plain), 0..4);
        (ranges(), ranges()).prop_map(|(local, remote)| Selectors { local, remote })
    })
}

fn any_packet() -> impl Strategy<Value = Vec<u8>> {
    let addresses = (any_address(), any_address());
    (addresses, any::<[u8; 8]>(), 0_usize..80).prop_map(|((src, dst), payload, len)| {
        let mut packet = match (src, dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let head = [0x45, 0, 0, 60, 0, 0, 0, 0, 64, 17, 0, 0];
                [&head[..], &src.octets(), &dst.octets()].concat()
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let head = [0x60, 0, 0, 0, 0, 20, 6, 64];
                [&head[..], &src.octets(), &dst.octets()].concat()
            }
            _ => vec![0x50; 20],
        };
        packet.extend_from_slice(&payload);
        packet.truncate(len);
        packet
    })
}

proptest! {
    #[test]
    fn the_fast_way_decides_as_the_plain_way(
        selectors in any_selectors(),
        packets in proptest::collection::vec(any_packet(), 1..20),
    ) {
        let matcher = Matcher::new(selectors.clone());
        for packet in packets {
            let flow = Flow::of(&packet);
            prop_assert_eq!(
                matcher.allow_inbound(&packet),
                flow.map(|flow| selectors.allow_inbound(&flow))
            );
            prop_assert_eq!(
                matcher.allow_outbound(&packet),
                flow.map(|flow| selectors.allow_outbound(&flow))
            );
        }
    }
}
