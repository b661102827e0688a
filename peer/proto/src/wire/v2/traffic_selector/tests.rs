use proptest::prelude::*;

use super::*;

fn v4(text: &str, prefix: u8) -> TrafficSelector {
    TrafficSelector::subnet(text.parse().unwrap(), prefix)
}

#[test]
fn a_subnet_is_the_range_of_its_addresses() {
    let subnet = v4("10.1.2.3", 16);
    assert_eq!(subnet.start.to_string(), "10.1.0.0");
    assert_eq!(subnet.end.to_string(), "10.1.255.255");
    assert_eq!(v4("10.1.2.3", 0), TrafficSelector::any_v4());
    assert_eq!(v4("10.1.2.3", 32), TrafficSelector::host([10, 1, 2, 3].into()));
    assert_eq!(v4("10.1.2.3", 200), TrafficSelector::host([10, 1, 2, 3].into()));
    assert_eq!(v4("2001:db8::1", 0), TrafficSelector::any_v6());
    assert_eq!(v4("2001:db8::1", 32).end.to_string(), "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff");
}

#[test]
fn selectors_print_as_subnet_or_range_with_protocol_and_ports() {
    let range = TrafficSelector::range([10, 0, 0, 1].into(), [10, 0, 0, 9].into());
    for (selector, text) in [
        (TrafficSelector::any_v4(), "0.0.0.0/0"),
        (TrafficSelector::any_v6(), "::/0"),
        (range, "10.0.0.1-10.0.0.9"),
        (v4("10.0.0.0", 8).with_ports(6, 443, 443), "10.0.0.0/8[tcp/443]"),
        (v4("10.0.0.0", 8).with_ports(17, 0, 65535), "10.0.0.0/8[udp]"),
        (v4("10.0.0.0", 8).with_ports(17, 1, 9), "10.0.0.0/8[udp/1-9]"),
        (v4("10.0.0.0", 8).with_ports(132, 65535, 0), "10.0.0.0/8[132/opaque]"),
        (v4("10.0.0.0", 8).with_ports(1, 0x0800, 0x0800), "10.0.0.0/8[icmp/type 8 code 0]"),
        (
            v4("10.0.0.0", 8).with_ports(1, 0x0300, 0x03ff),
            "10.0.0.0/8[icmp/type 3 code 0 to type 3 code 255]",
        ),
    ] {
        assert_eq!(selector.to_string(), text);
    }
}

#[test]
fn an_intersection_is_the_narrower_of_each_field() {
    let any = TrafficSelector::any_v4();
    let net = v4("10.0.0.0", 8);
    let https = v4("10.1.0.0", 16).with_ports(6, 443, 443);
    assert_eq!(any.intersect(&net), Some(net));
    assert_eq!(net.intersect(&https), Some(https));
    assert_eq!(
        https.intersect(&v4("10.1.0.0", 24).with_ports(6, 1, 500)).unwrap().to_string(),
        "10.1.0.0/24[tcp/443]"
    );
    assert_eq!(net.intersect(&v4("11.0.0.0", 8)), None);
    assert_eq!(https.intersect(&https.with_ports(17, 443, 443)), None);
    assert_eq!(https.intersect(&https.with_ports(6, 80, 80)), None);
    assert_eq!(any.intersect(&TrafficSelector::any_v6()), None);
}

#[test]
fn opaque_ports_are_in_any_but_in_no_range() {
    let any = TrafficSelector::any_v4();
    let opaque = any.with_ports(17, u16::MAX, 0);
    assert!(any.contains(&opaque) && opaque.contains(&opaque));
    assert!(!opaque.contains(&any));
    assert_eq!(opaque.intersect(&any.with_ports(17, 1, 9)), None);
    assert!(any.matches([10, 0, 0, 1].into(), 50, None));
    assert!(!any.with_ports(17, 1, 9).matches([10, 0, 0, 1].into(), 17, None));
    assert!(any.with_ports(17, 1, 9).matches([10, 0, 0, 1].into(), 17, Some(9)));
}

#[test]
fn a_selector_that_ends_before_it_begins_holds_nothing() {
    let backwards = TrafficSelector::range([10, 0, 0, 9].into(), [10, 0, 0, 1].into());
    assert!(backwards.is_empty());
    assert!(!TrafficSelector::any_v4().contains(&backwards));
    assert_eq!(backwards.intersect(&TrafficSelector::any_v4()), None);
    assert!(TrafficSelector::any_v4().with_ports(6, 9, 1).is_empty());
}

fn selector() -> impl Strategy<Value = TrafficSelector> {
    let ports = prop_oneof![Just((0, u16::MAX)), Just((u16::MAX, 0)), (0u16..5, 0u16..5)];
    (0u32..8, 0u32..8, prop::sample::select(vec![0u8, 6, 17]), ports).prop_map(
        |(start, end, protocol, (start_port, end_port))| {
            TrafficSelector::range(Ipv4Addr::from(start).into(), Ipv4Addr::from(end).into())
                .with_ports(protocol, start_port, end_port)
        },
    )
}

proptest! {
    #[test]
    fn an_intersection_holds_exactly_what_both_hold(
        one in selector(), two in selector(),
        address in 0u32..8, protocol in prop::sample::select(vec![6u8, 17]),
        port in prop::option::of(0u16..5),
    ) {
        let both = one.intersect(&two);
        prop_assert_eq!(both, two.intersect(&one));
        let address = IpAddr::from(Ipv4Addr::from(address));
        let in_both = both.is_some_and(|both| both.matches(address, protocol, port));
        let in_each =
            one.matches(address, protocol, port) && two.matches(address, protocol, port);
        prop_assert_eq!(in_both, in_each);
        if let Some(both) = both {
            prop_assert!(one.contains(&both) && two.contains(&both));
        }
    }
}
