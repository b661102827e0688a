//! The same over IPv6.

use core::net::{IpAddr, Ipv6Addr};

use super::*;
use crate::config::Connection;
use crate::wire::v2::{Id, TrafficSelector};

/// Both ends.
pub(crate) const HOSTS: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2)),
];
/// The inner networks.
const NETS: [u16; 2] = [0x10, 0x20];

fn inner(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, net, 0, 0, 0, 0, host)
}

/// A connection between addresses of IPv6, for traffic of IPv6 or of IPv4.
pub(crate) fn over_ipv6(mut offer: Connection, inner_ipv6: bool) -> Connection {
    (offer.local, offer.remote) = ((HOSTS[0], 500).into(), (HOSTS[1], 500).into());
    if inner_ipv6 {
        let net = |net| vec![TrafficSelector::subnet(inner(net, 0).into(), 64)];
        (offer.ts_local, offer.ts_remote) = (net(NETS[0]), net(NETS[1]));
    }
    offer
}

/// Sends a packet each way, and checks that they arrive as they were.
pub(crate) fn traffic(pair: &mut Pair, inner_ipv6: bool) {
    let packet = |from: usize| {
        if !inner_ipv6 {
            let hosts = [[10, 0, 1, 1], [10, 0, 2, 1]];
            return echo(hosts[from], hosts[1 - from], 100);
        }
        let address = |at: usize| inner(NETS[at], 7).octets();
        let builder = etherparse::PacketBuilder::ipv6(address(from), address(1 - from), 64)
            .icmpv6_echo_request(7, 1);
        let mut packet = Vec::new();
        builder.write(&mut packet, &[0xa5; 100]).unwrap();
        packet
    };
    let (tunnel, packets) = (TunnelId(1), [packet(0), packet(1)]);
    for (side, packet) in [Side::Initiator, Side::Responder].into_iter().zip(&packets) {
        pair.handle(side, EdgeInput::Inner { tunnel, packet });
        pair.deliver();
    }
    let [forth, back] = packets;
    assert_eq!(pair.responder.inner, [(tunnel, forth)], "{:#?}", pair.responder.events);
    assert_eq!(pair.initiator.inner, [(tunnel, back)], "{:#?}", pair.initiator.events);
}

/// Whether anything went in UDP on the NAT ports, and whether anything went raw; all of it between [`HOSTS`].
pub(crate) fn ways(pair: &Pair) -> (bool, bool) {
    let (mut nat, mut raw) = (false, false);
    for (side, flight) in &pair.sent {
        match flight {
            Flight::Udp(path, _) => {
                let [local, remote] = match side {
                    Side::Initiator => HOSTS,
                    Side::Responder => [HOSTS[1], HOSTS[0]],
                };
                assert_eq!((path.local.ip(), path.remote.ip()), (local, remote));
                nat |= path.remote.port() == 4500;
            }
            Flight::Raw(..) => raw = true,
        }
    }
    if raw {
        assert_eq!(pair.hosts, HOSTS);
    }
    (nat, raw)
}

#[rstest]
fn two_ends_connect_over_ipv6(
    #[values("aes128gcm16", "aes256-sha256", "ah:sha256")] child: &str,
    #[values(false, true)] inner_ipv6: bool,
    #[values(false, true)] nat: bool,
) {
    if nat && child.starts_with("ah") {
        return;
    }
    let mut pair = pair();
    let mut offer = over_ipv6(connection("aes256-sha256-ecp256", child), inner_ipv6);
    offer.force_encapsulation = nat;
    offer.expect_id = Some(Id::ip(HOSTS[1]));
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.initiator.events), (true, true), "{:#?}", pair.initiator.events);
    assert_eq!(established(&pair.responder.events), (true, true), "{:#?}", pair.responder.events);
    traffic(&mut pair, inner_ipv6);
    // Without a NAT none is seen: the addresses are hashed as the 16 octets that they are.
    let found = pair.responder.find(|event| match event {
        Event::IkeEstablished(up) => Some(up.nat.peer),
        _ => None,
    });
    assert_eq!((found, ways(&pair)), (Some(nat), (nat, !nat)));
    pair.command(Side::Responder, Command::DeleteIke { ike: IkeHandle(1) });
    for node in [&pair.initiator, &pair.responder] {
        node.edge.endpoint().footprint().check();
        assert_eq!(node.edge.endpoint().ike_sas(), 0);
    }
}

#[test]
fn traffic_of_the_other_version_is_none_of_the_selectors() {
    let mut pair = pair();
    let offer = over_ipv6(connection("aes256-sha256-ecp256", "aes128gcm16"), true);
    pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
    assert_eq!(established(&pair.initiator.events), (true, true), "{:#?}", pair.initiator.events);
    traffic(&mut pair, true);
    let (tunnel, packet) = (TunnelId(1), echo([10, 0, 1, 1], [10, 0, 2, 1], 100));
    pair.handle(Side::Initiator, EdgeInput::Inner { tunnel, packet: &packet });
    assert_eq!(pair.intercept(), []);
}
