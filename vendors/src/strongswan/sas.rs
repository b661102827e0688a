//! charon's `list-sas` events as typed state.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use super::vici::Node;
use crate::{
    Error, Result,
    peer::{ChildSa, IkeSa, Mode, Nat, Protocol, Traffic, in_words_of_suites},
};

/// Reads one event, which holds one IKE SA under its connection's name.
pub(super) fn read(event: &Node) -> Result<Vec<IkeSa>> {
    event.entries().iter().map(|(name, sa)| ike_sa(name, sa)).collect()
}

fn ike_sa(connection: &str, sa: &Node) -> Result<IkeSa> {
    let state = sa.text("state").to_owned();
    let version = sa.text("version");
    let children = sa.at("child-sas").map_or(&[][..], Node::entries);
    Ok(IkeSa {
        connection: connection.to_owned(),
        unique_id: sa.text("uniqueid").to_owned(),
        version: version.parse().map_err(|_| {
            Error::parse("charon's list-sas", "expected a version, 1 or 2", version)
        })?,
        established: state == "ESTABLISHED",
        state,
        initiator: sa.text("initiator") == "yes",
        spi_i: Some(spi(sa, "initiator-spi")?),
        spi_r: Some(spi(sa, "responder-spi")?),
        local: end(sa, "local-host", "local-port"),
        remote: end(sa, "remote-host", "remote-port"),
        local_id: sa.text("local-id").to_owned(),
        remote_id: sa.text("remote-id").to_owned(),
        algorithms: algorithms(sa),
        nat: Nat { local: sa.text("nat-local") == "yes", remote: sa.text("nat-remote") == "yes" },
        children: children.iter().map(|(_, child)| child_sa(child)).collect::<Result<_>>()?,
    })
}

fn child_sa(child: &Node) -> Result<ChildSa> {
    let mut algorithms = algorithms(child);
    let esn = if child.text("esn") == "1" { "esn" } else { "noesn" };
    algorithms.insert("esn".to_owned(), esn.to_owned());
    let state = child.text("state").to_owned();
    let traffic = |direction: &str| Traffic {
        packets: child.text(&format!("packets-{direction}")).parse().unwrap_or(0),
        bytes: child.text(&format!("bytes-{direction}")).parse().unwrap_or(0),
    };
    Ok(ChildSa {
        name: child.text("name").to_owned(),
        unique_id: child.text("uniqueid").to_owned(),
        // A pair is used until another takes its place, which may be refused; in IKEv1 the old one stays
        // until its life ends, and still receives.
        installed: matches!(state.as_str(), "INSTALLED" | "REKEYING" | "REKEYED"),
        state,
        protocol: if child.text("protocol") == "AH" { Protocol::Ah } else { Protocol::Esp },
        mode: if child.text("mode") == "TRANSPORT" { Mode::Transport } else { Mode::Tunnel },
        encap: child.text("encap") == "yes",
        spi_in: narrow(spi(child, "spi-in")?),
        spi_out: narrow(spi(child, "spi-out")?),
        algorithms,
        local: child.list("local-ts"),
        remote: child.list("remote-ts"),
        received: traffic("in"),
        sent: traffic("out"),
    })
}

/// The named algorithms; the key length of a cipher stands beside its name.
fn algorithms(sa: &Node) -> BTreeMap<String, String> {
    let (encr, bits) = (sa.text("encr-alg"), sa.text("encr-keysize"));
    let encr = if bits.is_empty() { encr.to_owned() } else { format!("{encr}-{bits}") };
    in_words_of_suites([
        ("encr", encr.as_str()),
        ("integ", sa.text("integ-alg")),
        ("prf", sa.text("prf-alg")),
        ("group", sa.text("dh-group")),
    ])
}

fn spi(sa: &Node, key: &str) -> Result<u64> {
    let text = sa.text(key);
    // A half-open SA has no SPI yet, and a child none before it is installed.
    if text.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(text, 16).map_err(|_| {
        Error::parse("charon's list-sas", format!("expected a hexadecimal {key}"), text)
    })
}

fn narrow(spi: u64) -> u32 {
    u32::try_from(spi).unwrap_or(u32::MAX)
}

fn end(sa: &Node, host: &str, port: &str) -> Option<SocketAddr> {
    let address: IpAddr = sa.text(host).parse().ok()?;
    Some(SocketAddr::new(address, sa.text(port).parse().unwrap_or(500)))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn event() -> Node {
        let child = Node::section()
            .with("name", "net")
            .with("uniqueid", "3")
            .with("state", "INSTALLED")
            .with("mode", "TUNNEL")
            .with("protocol", "ESP")
            .with("encap", "yes")
            .with("spi-in", "c0ffee01")
            .with("spi-out", "00000102")
            .with("encr-alg", "AES_GCM_16")
            .with("encr-keysize", "128")
            .with("bytes-in", "168")
            .with("packets-in", "2")
            .with("local-ts", Node::List(vec![String::from("10.1.0.0/24")]))
            .with("remote-ts", Node::List(vec![String::from("10.2.0.0/24")]));
        let sa = Node::section()
            .with("uniqueid", "1")
            .with("version", "2")
            .with("state", "ESTABLISHED")
            .with("local-host", "10.0.0.10")
            .with("local-port", "4500")
            .with("remote-host", "10.0.0.2")
            .with("remote-port", "4500")
            .with("initiator", "yes")
            .with("initiator-spi", "0123456789abcdef")
            .with("responder-spi", "fedcba9876543210")
            .with("encr-alg", "AES_CBC")
            .with("encr-keysize", "256")
            .with("dh-group", "MODP_2048")
            .with("nat-remote", "yes")
            .with("child-sas", Node::section().with("net-3", child));
        Node::section().with("edge", sa)
    }

    #[test]
    fn an_event_becomes_typed_state() {
        let found = read(&event()).unwrap();
        let sa = &found[0];
        assert!(sa.established && sa.initiator && sa.nat.remote && !sa.nat.local);
        assert_eq!(sa.spi_i, Some(0x0123_4567_89ab_cdef));
        assert_eq!(sa.algorithms["encr"], "aes256");
        let child = &sa.children[0];
        assert_eq!((child.spi_in, child.spi_out), (0xc0ff_ee01, 0x102));
        assert_eq!(child.received, Traffic { packets: 2, bytes: 168 });
        assert_eq!(child.local, ["10.1.0.0/24"]);
    }

    #[rstest]
    #[case("CREATED", false)]
    #[case("INSTALLED", true)]
    #[case("REKEYING", true)]
    #[case("REKEYED", true)]
    #[case("DELETED", false)]
    fn a_pair_is_there_while_it_is_replaced(#[case] state: &str, #[case] installed: bool) {
        let child = Node::section().with("state", state);
        assert_eq!(child_sa(&child).unwrap().installed, installed);
    }

    #[test]
    fn a_spi_that_is_no_number_is_an_error() {
        let sa = Node::section().with("version", "2").with("initiator-spi", "xyz");
        assert!(read(&Node::section().with("edge", sa)).is_err());
    }
}
