//! What a peer reports of itself: security associations, counters, and dumps to compare.

use std::{collections::BTreeMap, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::config::{Mode, Protocol};

/// An IKE SA as the peer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IkeSa {
    /// The connection's name.
    pub connection: String,
    /// The daemon's own number of the SA.
    pub unique_id: String,
    /// The major version, 1 or 2.
    pub version: u8,
    /// The state in the daemon's words, such as `ESTABLISHED`.
    pub state: String,
    /// Whether the SA is established.
    pub established: bool,
    /// Whether the peer initiated it.
    pub initiator: bool,
    /// The initiator's SPI (or cookie); `None` when the daemon does not say.
    pub spi_i: Option<u64>,
    /// The responder's SPI.
    pub spi_r: Option<u64>,
    /// The peer's own address and port.
    pub local: Option<SocketAddr>,
    /// The other side's.
    pub remote: Option<SocketAddr>,
    /// The peer's own identity in the daemon's words.
    pub local_id: String,
    /// The other side's identity.
    pub remote_id: String,
    /// Negotiated algorithms by kind, as far as the daemon tells: `encr`, `integ`, `prf`, `group`. In the
    /// words that suites are written in, such as `aes256`.
    pub algorithms: BTreeMap<String, String>,
    /// Whether the peer thinks that it is, or the other side is, behind a NAT.
    pub nat: Nat,
    /// The children.
    pub children: Vec<ChildSa>,
}

/// What the peer found out about NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Nat {
    /// The peer itself is behind one.
    pub local: bool,
    /// The other side is.
    pub remote: bool,
}

/// A child SA as the peer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildSa {
    /// The child's configured name.
    pub name: String,
    /// The daemon's own number.
    pub unique_id: String,
    /// The state in the daemon's words, such as `INSTALLED`.
    pub state: String,
    /// Whether packets can flow.
    pub installed: bool,
    /// ESP or AH.
    pub protocol: Protocol,
    /// Tunnel or transport.
    pub mode: Mode,
    /// UDP encapsulation.
    pub encap: bool,
    /// The SPI of packets towards the peer.
    pub spi_in: u32,
    /// The SPI of packets from the peer.
    pub spi_out: u32,
    /// Negotiated algorithms by kind, as far as the daemon tells: `encr`, `integ`, `group`, `esn`.
    pub algorithms: BTreeMap<String, String>,
    /// The peer's own selectors, such as `10.1.0.0/24`; a single address has the prefix of all bits.
    pub local: Vec<String>,
    /// The other side's selectors.
    pub remote: Vec<String>,
    /// Traffic towards the peer.
    pub received: Traffic,
    /// Traffic from the peer.
    pub sent: Traffic,
}

/// A packet and byte count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// Octets, as the data plane counts them.
    pub bytes: u64,
}

/// Everything that must be as it was before a case: named sections of text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StateDump(pub BTreeMap<String, Vec<String>>);

impl StateDump {
    /// What differs from `before`: added and removed lines by section.
    pub fn differences(&self, before: &Self) -> Vec<Difference> {
        let nothing = Vec::new();
        let sections =
            self.0.keys().chain(before.0.keys().filter(|name| !self.0.contains_key(*name)));
        sections
            .flat_map(|section| {
                let was = before.0.get(section).unwrap_or(&nothing);
                let is = self.0.get(section).unwrap_or(&nothing);
                let added = is.iter().filter(|line| !was.contains(line)).map(|line| ('+', line));
                let gone = was.iter().filter(|line| !is.contains(line)).map(|line| ('-', line));
                added.chain(gone).map(|(sign, line)| Difference {
                    section: section.clone(),
                    line: format!("{sign}{line}"),
                })
            })
            .collect()
    }
}

/// One line that differs from the pristine state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which part of the state, such as `xfrm-state`.
    pub section: String,
    /// The line, with `+` when it is new and `-` when it is gone.
    pub line: String,
}

/// What a reset did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reset {
    /// What was left over; empty when the peer was clean.
    pub left_over: Vec<Difference>,
    /// Whether the daemon had to be restarted.
    pub restarted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(section: &str, lines: &[&str]) -> StateDump {
        let lines = lines.iter().map(ToString::to_string).collect();
        StateDump(BTreeMap::from([(section.to_owned(), lines)]))
    }

    #[test]
    fn differences_name_the_section_and_the_direction() {
        let found = dump("routes", &["a", "b"]).differences(&dump("routes", &["b", "c"]));
        let lines: Vec<_> = found.iter().map(|difference| difference.line.as_str()).collect();
        assert_eq!(lines, ["+a", "-c"]);
        assert!(found.iter().all(|difference| difference.section == "routes"));
    }

    #[test]
    fn a_section_that_vanished_is_a_difference() {
        let found = StateDump::default().differences(&dump("xfrm-state", &["x"]));
        assert_eq!(found.len(), 1);
    }
}
