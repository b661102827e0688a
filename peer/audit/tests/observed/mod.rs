//! What two cores have sent each other, as the auditor sees it.

use std::net::IpAddr;
use std::time::Duration;

use ikeproof_audit::{Observed, Sender, Transport};
use ikeproof_proto::io::Channel;
use ikeproof_proto::testing::{Flight, Pair, Side};
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::AH_PROTOCOL;

fn address(side: Side) -> IpAddr {
    match side {
        Side::Initiator => [192, 0, 2, 1].into(),
        Side::Responder => [192, 0, 2, 2].into(),
    }
}

/// What the pair has sent, as the auditor sees it: the initiator is the peer.
pub fn observed(pair: &Pair) -> Vec<Observed> {
    (1..)
        .zip(&pair.sent)
        .map(|(number, (side, flight))| {
            let (from, other) = match side {
                Side::Initiator => (Sender::Peer, Side::Responder),
                Side::Responder => (Sender::Edge, Side::Initiator),
            };
            let (transport, bytes) = match flight {
                Flight::Udp(path, bytes) => {
                    let marker = path.channel == Channel::Nat;
                    let transport = Transport::Udp { src: path.local, dst: path.remote, marker };
                    (transport, bytes.clone())
                }
                Flight::Raw(protocol, bytes) => {
                    let (src, dst) = (address(*side), address(other));
                    let transport = match *protocol {
                        AH_PROTOCOL => Transport::Ah { src, dst },
                        _ => Transport::Esp { src, dst },
                    };
                    (transport, bytes.clone())
                }
            };
            Observed { at: Time::from_start(Duration::from_millis(number)), from, transport, bytes }
        })
        .collect()
}
