//! What is said about NAT detection does not depend on where the datagrams were seen, nor on the
//! numbers of the ports.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ikeproof_audit::{Sender, Transport};

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
