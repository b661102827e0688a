//! Sessions of IKEv1 between two ends in memory, as captures with their key tables.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use ikeproof_driver::capture::{
    CaptureFile, Frame, FrameDirection, InterfaceInfo, LinkType, synthesise,
};
use ikeproof_driver::wireshark::KeyTables;
use ikeproof_proto::config::{Fragmentation, Ikev1Options};
use ikeproof_proto::edge::EdgeInput;
use ikeproof_proto::forward::internet_checksum;
use ikeproof_proto::io::{Command, IkeHandle};
use ikeproof_proto::middlebox::{Datagram, Direction, Transport};
use ikeproof_proto::policy::{ChildOffer, Identity, Ikev1Mode};
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::testing::{Flight, Pair, Side, connection, endpoint_config};
use ikeproof_proto::wire::v2::Id;

const INITIATOR: [u8; 4] = [192, 0, 2, 1];
const RESPONDER: [u8; 4] = [192, 0, 2, 2];
/// The largest packet with a message: less than most of them need.
const PACKET: u16 = 164;

/// What a session is made of.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// The name of its folder.
    pub name: &'static str,
    pub mode: Ikev1Mode,
    pub ike: &'static str,
    pub child: &'static str,
    /// Whether the initiator says that it is behind a NAT.
    pub nat: bool,
    /// Whether large messages go in fragments, from the first one on.
    pub fragments: bool,
}

/// Both modes; with and without a NAT; keys that are cut, and that are expanded; messages in fragments.
pub const SESSIONS: [Session; 6] = [
    Session {
        name: "ikev1-main",
        mode: Ikev1Mode::Main,
        ike: "aes128-sha1-ecp256",
        child: "aes128-sha256-ecp256",
        nat: false,
        fragments: false,
    },
    Session {
        name: "ikev1-main-nat",
        mode: Ikev1Mode::Main,
        ike: "3des-md5-modp1024",
        child: "aes256gcm16",
        nat: true,
        fragments: false,
    },
    Session {
        name: "ikev1-aggressive",
        mode: Ikev1Mode::Aggressive,
        ike: "aes256-sha1-modp1024",
        child: "3des-md5",
        nat: false,
        fragments: false,
    },
    Session {
        name: "ikev1-aggressive-nat",
        mode: Ikev1Mode::Aggressive,
        ike: "aes192-sha256-ecp256",
        child: "null-sha1-modp1024",
        nat: true,
        fragments: false,
    },
    Session {
        name: "ikev1-main-fragments",
        mode: Ikev1Mode::Main,
        ike: "aes128-sha1-modp2048",
        child: "aes128-sha256-modp2048",
        nat: true,
        fragments: true,
    },
    Session {
        name: "ikev1-aggressive-fragments",
        mode: Ikev1Mode::Aggressive,
        ike: "aes256-sha256-modp2048",
        child: "aes128-sha1-modp2048",
        nat: false,
        fragments: true,
    },
];

impl Session {
    /// Runs the session: it comes up, carries an echo request each way, is probed and deleted.
    pub fn run(&self) -> Pair {
        let [initiator, mut responder] =
            [endpoint_config(), endpoint_config()].map(|mut config| {
                if self.fragments {
                    config.limits.fragmentation = Fragmentation::Force;
                    config.limits.fragment_packet = PACKET;
                }
                config
            });
        let mut by_address = responder.credentials[0].clone();
        by_address.id = Identity::Ip(INITIATOR.into());
        responder.credentials.push(by_address);
        let mut pair = Pair::new(initiator, responder);
        let mut offer = connection(self.ike, self.child);
        offer.ikev1 = Some(Ikev1Options { mode: self.mode, ..Ikev1Options::default() });
        offer.force_encapsulation = self.nat;
        let child: ChildOffer = self.child.parse().unwrap();
        offer.child = vec![child.proposal(1, &[0; 4], false)];
        if self.mode == Ikev1Mode::Main {
            offer.id = Id::ip(INITIATOR.into());
        }
        pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
        for (side, from, to) in [(Side::Initiator, 1, 2), (Side::Responder, 2, 1)] {
            let packet = ping([10, 0, from, 1], [10, 0, to, 1]);
            pair.handle(side, EdgeInput::Inner { tunnel: TunnelId(1), packet: &packet });
            pair.deliver();
        }
        pair.command(Side::Responder, Command::Probe { ike: IkeHandle(1) });
        pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
        pair
    }

    /// Writes what was sent as a capture, and the keys beside it. Says how many frames there are.
    pub fn write(&self, capture: &Path, tables: &Path) -> usize {
        let pair = self.run();
        let file = CaptureFile::create(capture).unwrap();
        let info = InterfaceInfo {
            name: "edge".to_owned(),
            link: LinkType::Ethernet,
            synthesised: true,
            description: None,
        };
        let interface = file.interface(&info).unwrap();
        for (number, (side, flight)) in (0..).zip(&pair.sent) {
            // The responder is the edge.
            let (direction, way) = match side {
                Side::Initiator => (Direction::ToEdge, FrameDirection::In),
                Side::Responder => (Direction::ToPeer, FrameDirection::Out),
            };
            let bytes = synthesise(&datagram(*side, flight), direction, &Default::default());
            let bytes = bytes.unwrap();
            let frame = Frame {
                at: Duration::new(1_700_000_000, number * 1_000_000),
                direction: way,
                link: LinkType::Ethernet,
                original_len: bytes.len(),
                bytes: &bytes,
            };
            file.frame(interface, &frame, None).unwrap();
        }
        assert!(KeyTables::of(&pair.responder.keys).write(tables).unwrap().is_empty());
        pair.sent.len()
    }
}

fn datagram(side: Side, flight: &Flight) -> Datagram {
    match (flight, side) {
        (Flight::Udp(path, bytes), Side::Initiator) => {
            Datagram::udp(path.remote, path.local, bytes.clone())
        }
        (Flight::Udp(path, bytes), Side::Responder) => {
            Datagram::udp(path.local, path.remote, bytes.clone())
        }
        (Flight::Raw(_, bytes), _) => {
            let at = |address: [u8; 4]| SocketAddr::from((address, 0));
            let (local, remote) = (at(RESPONDER), at(INITIATOR));
            Datagram { local, remote, transport: Transport::Esp, bytes: bytes.clone() }
        }
    }
}

/// An echo request between two inner hosts.
fn ping(from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut ping = vec![0x45, 0, 0, 28, 0, 1, 0x40, 0, 64, 1, 0, 0];
    ping.extend([from, to].concat());
    let checksum = internet_checksum(&[&ping]);
    ping[10..12].copy_from_slice(&checksum.to_be_bytes());
    ping.extend([8, 0, 0xf7, 0xfd, 0, 1, 0, 1]);
    ping
}
