//! Sockets and captures on a real wire: two namespaces and a veth pair between them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod support;
#[path = "support/tools.rs"]
mod tools;

use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use ikeproof_driver::capture::{
    Capture, CaptureFile, CaptureOptions, Cidr, ClearWhat, Interface, WatchConfig,
};
use ikeproof_driver::inner::{InnerConfig, PingRequest};
use ikeproof_driver::netns::{
    DfMode, HeaderMode, Namespace, OpenError, OuterV4, Place, RawProtocol, RawSocket, UdpOptions,
    open_udp,
};
use ikeproof_driver::node::{Log, Node, NodeConfig};
use ikeproof_driver::sockets::{RawEsp, SocketConfig, Sockets};
use ikeproof_driver::wire::Wire;
use ikeproof_proto::crypto::default_provider;
use ikeproof_proto::event::Event;
use ikeproof_proto::forward::ForwardConfig;
use ikeproof_proto::io::Command as Order;
use ikeproof_proto::middlebox::MiddleboxConfig;
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::testing::{connection, endpoint_config};

const LEFT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 1));
const RIGHT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 77, 0, 2));
const MARKER: &[u8] = b"ikeproof-inner-marker";

fn named(name: &str) -> Interface {
    Interface::Named(name.to_owned())
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(5), work).await.expect("within five seconds")
}

#[tokio::test]
async fn raw_esp_and_ah_there_and_back() {
    let Some((left, right)) = support::pair() else { return };
    let open = |place: &Place, address, protocol, mode| {
        RawSocket::open(place, address, protocol, mode).unwrap()
    };
    let kernel = HeaderMode::Kernel(DfMode::Clear);
    let mut buffer = vec![0; 65_535];

    let esp_left = open(&left.place, LEFT, RawProtocol::Esp, HeaderMode::Included);
    let esp_right = open(&right.place, RIGHT, RawProtocol::Esp, kernel);
    let outer = OuterV4 { tos: 0xb8, identification: 0x1234, df: true, ttl: 61 };
    within(esp_left.send_with(RIGHT, &outer, &[1; 40])).await.unwrap();
    let received = within(esp_right.recv(&mut buffer)).await.unwrap();
    assert_eq!((received.source, received.outer), (LEFT, Some(outer)));
    assert_eq!(buffer[received.payload], [1; 40]);
    within(esp_right.send(LEFT, &[2; 3000])).await.unwrap();
    let received = within(esp_left.recv(&mut buffer)).await.unwrap();
    assert_eq!((received.source, received.payload.len()), (RIGHT, 3000));
    let too_long = within(esp_left.send_with(RIGHT, &outer, &[1; 3000])).await.unwrap_err();
    assert_eq!(too_long.raw_os_error(), Some(nix::libc::EMSGSIZE));

    let ah_left = open(&left.place, LEFT, RawProtocol::Ah, HeaderMode::Included);
    let ah_right = open(&right.place, RIGHT, RawProtocol::Ah, HeaderMode::Included);
    within(ah_left.send_with(RIGHT, &outer, &[3; 24])).await.unwrap();
    let received = within(ah_right.recv(&mut buffer)).await.unwrap();
    assert_eq!(received.outer, Some(outer));
    let back =
        RawSocket::open(&right.place, RIGHT, RawProtocol::Esp, HeaderMode::Kernel(DfMode::Set));
    let too_long = within(back.unwrap().send(LEFT, &[2; 3000])).await.unwrap_err();
    assert_eq!(too_long.raw_os_error(), Some(nix::libc::EMSGSIZE));
}

#[tokio::test]
async fn raw_esp_over_ipv6() {
    let Some((left, right)) = support::pair() else { return };
    let (from, to): (IpAddr, IpAddr) = ("fd77::1".parse().unwrap(), "fd77::2".parse().unwrap());
    let kernel = HeaderMode::Kernel(DfMode::Clear);
    let (a, b) = match (
        RawSocket::open(&left.place, from, RawProtocol::Esp, kernel),
        RawSocket::open(&right.place, to, RawProtocol::Esp, kernel),
    ) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return tools::skip(&format!("no IPv6 here: {:?} {:?}", a.err(), b.err())),
    };
    let mut buffer = vec![0; 65_535];
    for len in [40, 3000] {
        within(a.send(to, &vec![7; len])).await.unwrap();
        let received = within(b.recv(&mut buffer)).await.unwrap();
        assert_eq!((received.source, received.payload), (from, 0..len));
    }
    let included = RawSocket::open(&left.place, from, RawProtocol::Ah, HeaderMode::Included);
    assert!(matches!(included, Err(OpenError::Ipv4Only { .. })));
}

/// Two nodes over real sockets: the outer header that the ICV covers is what the kernel sends and hands
/// over.
#[rstest::rstest]
#[case(LEFT, RIGHT)]
#[case("fd77::1".parse().unwrap(), "fd77::2".parse().unwrap())]
#[tokio::test]
async fn ah_carries_traffic_between_two_nodes(#[case] from: IpAddr, #[case] to: IpAddr) {
    let Some((left, right)) = support::pair() else { return };
    let sockets = |place: &Place, address| {
        let place = place.clone();
        let raw = RawEsp::Required;
        Sockets::open(&SocketConfig { place, address, port: 500, nat_port: 4500, raw })
    };
    let (a, b) = match (sockets(&left.place, from), sockets(&right.place, to)) {
        (Ok(a), Ok(b)) => (a, b),
        (a, b) => return tools::skip(&format!("no {from} here: {:?} {:?}", a.err(), b.err())),
    };
    assert!(a.has_ah() && b.has_ah());
    let node = |sockets, inner: [u8; 4]| {
        let config = NodeConfig {
            title: "test".to_owned(),
            peer: "itself".to_owned(),
            endpoint: endpoint_config(),
            forward: ForwardConfig::TRANSPARENT,
            seed: inner.map(|octet| [octet; 8]).concat().try_into().unwrap(),
            provider: default_provider(),
            middlebox: MiddleboxConfig::default(),
            nat_port: 4500,
            inner: InnerConfig::new(vec![Cidr::new(inner.into(), 32).unwrap()]),
            record: 0,
        };
        Node::start(config, Wire::Sockets(sockets))
    };
    let (a, b) = (node(a, [10, 0, 1, 1]), node(b, [10, 0, 2, 1]));
    let mut offer = connection("aes256-sha256-ecp256", "ah:sha256");
    (offer.local, offer.remote) = (SocketAddr::new(from, 500), SocketAddr::new(to, 500));
    a.command(Order::Initiate(Box::new(offer)));
    let up = |log: &Log| {
        log.events.iter().find_map(|(_, event)| match event {
            Event::ChildEstablished(child) => Some(TunnelId(child.tunnel)),
            _ => None,
        })
    };
    let soon = Duration::from_secs(5);
    let (tunnel, back) = (a.wait(soon, up).await, b.wait(soon, up).await);
    let (tunnel, back) = (tunnel.expect("up at one end"), back.expect("up at the other"));
    for (node, tunnel, target) in [(&a, tunnel, [10, 0, 2, 1]), (&b, back, [10, 0, 1, 1])] {
        let report = within(node.ping(tunnel, PingRequest::new(target.into(), 2))).await.unwrap();
        assert!(report.all_answered(), "{report:?} {:?}", b.log().send_errors);
    }
}

#[tokio::test]
async fn errors_name_the_address_and_the_way_out() {
    let Some((left, _right)) = support::pair() else { return };
    let address = SocketAddr::new(LEFT, 500);
    let first = open_udp(&left.place, address, UdpOptions::default()).unwrap();
    let text = open_udp(&left.place, address, UdpOptions::default()).unwrap_err().to_string();
    assert!(
        text.starts_with("10.77.0.1:500 is already in use") && text.contains("ss -lunp"),
        "{text}"
    );
    drop(first);
    open_udp(&left.place, address, UdpOptions::default()).unwrap();
    let elsewhere = SocketAddr::from(([192, 0, 2, 77], 500));
    let error = open_udp(&left.place, elsewhere, UdpOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::AddressNotLocal { .. }), "{error}");
    let nowhere = Place::Namespace(Namespace::at("/proc/self/ns/none"));
    let error = open_udp(&nowhere, address, UdpOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Namespace { .. }), "{error}");
    let error = Capture::start(CaptureOptions::new(left.place.clone(), named("eth9"))).unwrap_err();
    assert_eq!(error.to_string(), "there is no interface eth9 there");
}

#[tokio::test]
async fn a_capture_shows_what_sockets_hide_and_other_programs_read_it() {
    let Some((left, right)) = support::pair() else { return };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.pcapng");
    let capture = Capture::start(CaptureOptions {
        file: Some(CaptureFile::create(&path).unwrap()),
        description: Some("the peer's side".to_owned()),
        watch: WatchConfig { markers: vec![MARKER.to_vec()], ..Default::default() },
        ..CaptureOptions::new(right.place.clone(), Interface::Ethernet)
    })
    .unwrap();

    let udp = |place: &Place, address, port, df| {
        let options = UdpOptions { df, ..Default::default() };
        open_udp(place, SocketAddr::new(address, port), options).unwrap()
    };
    let mut buffer = vec![0; 65_535];
    for port in [500, 4500] {
        let a = udp(&left.place, LEFT, port, DfMode::Clear);
        let b = udp(&right.place, RIGHT, port, DfMode::Set);
        let to_right = SocketAddr::new(RIGHT, port);
        for payload in [&[0; 40][..], &[9; 2000], &[0xff]] {
            within(a.send_to(payload, to_right)).await.unwrap();
            let (len, from) = within(b.recv_from(&mut buffer)).await.unwrap();
            assert_eq!((&buffer[..len], from), (payload, SocketAddr::new(LEFT, port)));
        }
        within(b.send_to(&[9; 100], SocketAddr::new(LEFT, port))).await.unwrap();
        within(a.recv_from(&mut buffer)).await.unwrap();
        let too_long = within(b.send_to(&[9; 2000], SocketAddr::new(LEFT, port))).await;
        assert_eq!(too_long.unwrap_err().raw_os_error(), Some(nix::libc::EMSGSIZE));
    }
    let kernel = HeaderMode::Kernel(DfMode::Clear);
    let esp = RawSocket::open(&left.place, LEFT, RawProtocol::Esp, kernel).unwrap();
    within(esp.send(RIGHT, MARKER)).await.unwrap();
    // The control: the same octets outside ESP are found.
    let clear = udp(&left.place, LEFT, 7000, DfMode::Clear);
    within(clear.send_to(MARKER, SocketAddr::new(RIGHT, 7000))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let summary = tokio::task::spawn_blocking(|| capture.stop()).await.unwrap().unwrap();

    let wire = &summary.wire;
    assert_eq!((wire.keepalives, wire.esp_raw, wire.esp_udp), (1, 1, 2));
    assert_eq!(wire.fragments, 4);
    // The octets in clear, and the port unreachable that quotes them; not the protocol unreachable that
    // quotes the ESP packet.
    let found: Vec<_> = wire.in_clear.iter().map(|found| (found.protocol, found.what)).collect();
    assert_eq!(found, [(17, ClearWhat::Marker(0)), (1, ClearWhat::Marker(0))]);
    assert!(wire.ports.keys().eq(&[(500, 500), (4500, 4500)]));
    assert_eq!((summary.dropped_by_kernel, summary.written), (0, summary.frames));
    println!("{summary:?}");

    assert_eq!(blocks(&path), summary.frames);
    match Command::new("tshark").args(["-n", "-r"]).arg(&path).output() {
        Err(error) => tools::skip(&format!("tshark: {error}")),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            println!("{text}");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(text.lines().count() as u64, summary.frames);
            assert!(text.contains("ESP (SPI=0x696b6570)"));
            assert!(text.contains("NAT-keepalive"));
        }
    }
}

/// How many packets pcap-file finds, after it checked the rest of the file.
fn blocks(path: &std::path::Path) -> u64 {
    use pcap_file::pcapng::{Block, PcapNgReader};
    let mut reader = PcapNgReader::new(std::fs::File::open(path).unwrap()).unwrap();
    let (mut packets, mut statistics) = (0, 0);
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::EnhancedPacket(packet) => {
                assert_eq!(packet.original_len as usize, packet.data.len());
                packets += 1;
            }
            Block::InterfaceStatistics(_) => statistics += 1,
            _ => {}
        }
    }
    assert_eq!(statistics, 1);
    let interface = &reader.interfaces()[0];
    println!("{interface:?}");
    packets
}
