//! A recorded session as the auditor is given it: datagrams, and the keys that go with them.
//!
//! A transcript says what went into the edge and what came out of it. Whoever wants to know what it
//! says, a reader, a comparison or a snapshot, lets the auditor decode what this makes of it.

use std::net::IpAddr;
use std::time::Duration;

use ikeproof_audit::{Observed, Sender, Transport};
use ikeproof_proto::edge::ESP_PROTOCOL;
use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::io::Channel;
use ikeproof_proto::time::Time;
use ikeproof_proto::transcript::{Line, OutputLine, Recorded, Transcript};
use ikeproof_proto::wire::AH_PROTOCOL;

/// The datagrams of a transcript, each with the number of its entry after the head, and the keys.
pub fn observed(transcript: &Transcript) -> (Vec<(usize, Observed)>, Vec<KeyLogEntry>) {
    let mut datagrams = Vec::new();
    let mut keys = Vec::new();
    let mut at = Time::ZERO;
    for (number, line) in transcript.lines.iter().enumerate() {
        let one = match line {
            Line::In(input) => {
                at = Time::from_start(Duration::from_nanos(input.at));
                arrived(at, &input.what)
            }
            Line::Out(output) => {
                if let OutputLine::Keys(entry) = &**output {
                    keys.push(entry.clone());
                }
                departed(at, output)
            }
            Line::Cut(_) => None,
        };
        datagrams.extend(one.map(|one| (number, one)));
    }
    (datagrams, keys)
}

fn arrived(at: Time, what: &Recorded) -> Option<Observed> {
    let (transport, hex) = match what {
        Recorded::Udp { channel, local, remote, hex } => {
            let marker = *channel == Channel::Nat;
            (Transport::Udp { src: *remote, dst: *local, marker }, hex)
        }
        Recorded::Raw { protocol, local, remote, hex } => (raw(*protocol, *remote, *local)?, hex),
        _ => return None,
    };
    Some(Observed { at, from: Sender::Peer, transport, bytes: hex.0.clone() })
}

fn departed(at: Time, what: &OutputLine) -> Option<Observed> {
    let (transport, hex) = match what {
        OutputLine::Udp { channel, local, remote, hex } => {
            let marker = *channel == Channel::Nat;
            (Transport::Udp { src: *local, dst: *remote, marker }, hex)
        }
        OutputLine::Raw { protocol, local, remote, hex } => (raw(*protocol, *local, *remote)?, hex),
        _ => return None,
    };
    Some(Observed { at, from: Sender::Edge, transport, bytes: hex.0.clone() })
}

/// How a packet of a protocol of its own travels, if the auditor knows the protocol.
fn raw(protocol: u8, src: IpAddr, dst: IpAddr) -> Option<Transport> {
    match protocol {
        ESP_PROTOCOL => Some(Transport::Esp { src, dst }),
        AH_PROTOCOL => Some(Transport::Ah { src, dst }),
        _ => None,
    }
}
