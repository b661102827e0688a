//! What is said about NAT detection does not depend on where the datagrams were seen, nor on the
//! numbers of the ports.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ikeproof_audit::{Sender, Transport};
use ikeproof_proto::crypto::keys::natd_hash;
use ikeproof_proto::wire::NotifyType;
use rstest::rstest;

use crate::support::Lab;
use crate::support::draft::Draft;
use crate::support::lab::{CBC, Profile};

const NAT: Profile = Profile { nat: true, ..CBC };

/// The datagrams of a session are seen with other ports.
fn with_ports(lab: &mut Lab, port: u16, nat_port: u16) {
    let change = |address: &mut SocketAddr| match address.port() {
        500 => address.set_port(port),
        4500 => address.set_port(nat_port),
        _ => {}
    };
    for seen in &mut lab.seen {
        if let Transport::Udp { src, dst, .. } = &mut seen.transport {
            change(src);
            change(dst);
        }
    }
}

fn on_the_first_port(draft: &mut Draft) {
    let port = |address: SocketAddr, other: u16| match address.port() {
        4500 => SocketAddr::new(address.ip(), 500),
        _ => SocketAddr::new(address.ip(), other),
    };
    draft.marker = false;
    (draft.src, draft.dst) = (port(draft.src, 20000), port(draft.dst, 20000));
}

fn found(lab: &Lab) -> BTreeSet<&'static str> {
    lab.findings().iter().map(|finding| finding.requirement).collect()
}

#[test]
fn who_does_not_leave_the_first_port_is_found_whatever_its_number_is() {
    for (port, nat_port) in [(500, 4500), (5500, 5501), (4500, 500)] {
        let mut honest = Lab::new(NAT).run();
        with_ports(&mut honest, port, nat_port);
        assert_eq!(found(&honest), BTreeSet::new(), "{port}");
        let mut lab = Lab::new(NAT);
        for step in ["auth-request", "auth-response"] {
            lab.edit(step, on_the_first_port);
        }
        let mut lab = lab.run();
        with_ports(&mut lab, port, nat_port);
        assert_eq!(found(&lab), BTreeSet::from(["rfc7296-2.23-natd-initiator-tunnels"]), "{port}");
        assert!(lab.findings().iter().all(|finding| finding.by == Sender::Peer));
    }
}

const SOURCE: NotifyType = NotifyType::NAT_DETECTION_SOURCE_IP;
const DESTINATION: NotifyType = NotifyType::NAT_DETECTION_DESTINATION_IP;

/// The session as it is seen behind a NAT, where an address is another one.
fn seen_behind(lab: &mut Lab, translated: [(&str, &str); 2]) {
    let translated =
        translated.map(|(from, to)| -> (SocketAddr, SocketAddr) { (parse(from), parse(to)) });
    for seen in &mut lab.seen {
        if let Transport::Udp { src, dst, .. } = &mut seen.transport {
            for address in [src, dst] {
                let known = translated.iter().find(|(from, _)| from == address);
                *address = known.map_or(*address, |(_, to)| *to);
            }
        }
    }
}

fn parse(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

fn set(lab: &mut Lab, step: &'static str, kind: NotifyType, address: &'static str) {
    lab.edit(step, move |draft| {
        let address = parse(address);
        let (spi_i, spi_r) = (draft.header.spi_i.0, draft.header.spi_r.0);
        let hash = natd_hash(spi_i, spi_r, address.ip(), address.port());
        draft.notify(kind, |notify| notify.data = hash);
    });
}

const BEHIND_THE_PEERS_NAT: [(&str, &str); 2] =
    [("198.51.100.1:20000", "10.0.0.2:500"), ("198.51.100.1:20001", "10.0.0.2:4500")];
const BEHIND_THE_EDGES_NAT: [(&str, &str); 2] =
    [("203.0.113.1:500", "10.9.0.9:500"), ("203.0.113.1:4500", "10.9.0.9:4500")];

/// Both sources fit there; only the destination in the answer does not.
#[test]
fn behind_the_initiators_nat_nothing_is_found_and_the_nat_is_known() {
    let mut honest = Lab::new(NAT).run();
    seen_behind(&mut honest, BEHIND_THE_PEERS_NAT);
    assert_eq!(found(&honest), BTreeSet::new());
    let mut lab = Lab::new(NAT);
    for step in ["auth-request", "auth-response"] {
        lab.edit(step, on_the_first_port);
    }
    let mut lab = lab.run();
    let outside = found(&lab);
    seen_behind(&mut lab, BEHIND_THE_PEERS_NAT);
    assert_eq!(found(&lab), outside);
    assert_eq!(outside, BTreeSet::from(["rfc7296-2.23-natd-initiator-tunnels"]));
}

/// Both sources fit there; only the destination in the request does not.
#[test]
fn behind_the_responders_nat_nothing_is_found_and_the_nat_is_known() {
    for leaves in [true, false] {
        let mut lab = Lab::new(NAT);
        set(&mut lab, "init-request", SOURCE, "198.51.100.1:20000");
        set(&mut lab, "init-response", SOURCE, "10.9.0.9:500");
        for step in ["auth-request", "auth-response"] {
            if !leaves {
                lab.edit(step, on_the_first_port);
            }
        }
        let mut lab = lab.run();
        let outside = found(&lab);
        seen_behind(&mut lab, BEHIND_THE_EDGES_NAT);
        assert_eq!(found(&lab), outside);
        let wanted = (!leaves).then_some("rfc7296-2.23-natd-initiator-tunnels");
        assert_eq!(outside, wanted.into_iter().collect());
    }
}

/// A hash that no NAT explains. The initiator that is told so in the answer has to move, too.
#[rstest]
#[case::other_end_request("init-request", DESTINATION, |i, r, src, _| natd(i, r, src), &[])]
#[case::other_end_source("init-request", SOURCE, |i, r, _, dst| natd(i, r, dst), &[])]
#[case::spis_swapped("init-request", SOURCE, |i, r, src, _| natd(r, i, src), &[])]
#[case::no_spi_r("init-response", DESTINATION, |i, _, _, dst| natd(i, [0; 8], dst), MOVES)]
#[case::answer_swapped("init-response", SOURCE, |i, r, src, _| natd(r, i, src), MOVES)]
fn a_hash_over_something_else_is_found(
    #[case] step: &'static str,
    #[case] kind: NotifyType,
    #[case] make: fn([u8; 8], [u8; 8], SocketAddr, SocketAddr) -> Vec<u8>,
    #[case] also: &[&'static str],
) {
    let mut lab = Lab::new(CBC);
    lab.edit(step, move |draft| {
        let hash = make(draft.header.spi_i.0, draft.header.spi_r.0, draft.src, draft.dst);
        draft.notify(kind, |notify| notify.data = hash);
    });
    let wanted = also.iter().copied().chain(["rfc7296-2.23-natd-hash"]).collect();
    assert_eq!(found(&lab.run()), wanted);
}

const MOVES: &[&str] = &["rfc7296-2.23-natd-encap-on-nat", "rfc7296-2.23-natd-initiator-tunnels"];

fn natd(spi_i: [u8; 8], spi_r: [u8; 8], address: SocketAddr) -> Vec<u8> {
    natd_hash(spi_i, spi_r, address.ip(), address.port())
}
