//! Captures of all link types and both formats give the findings and lines of the live session.

use std::net::IpAddr;
use std::sync::Arc;

use ikeproof_audit::capture::{CaptureError, LinkType, Options, Side, judge, observe, packets};
use ikeproof_audit::{Auditor, Observed, Sender, Transport};
use ikeproof_proto::crypto::RustCrypto;

use crate::support::Lab;
use crate::support::lab::{AH, CBC, GCM, Profile};

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// The IP packet of a datagram; in fragments of `mtu` octets of payload if that is not zero.
fn ip_packets(observed: &Observed, id: u16, mtu: usize) -> Vec<Vec<u8>> {
    let (payload, protocol) = match observed.transport {
        Transport::Udp { src, dst, .. } => {
            let length = u16::try_from(observed.bytes.len() + 8).unwrap();
            let head = [src.port(), dst.port(), length, 0].map(u16::to_be_bytes).concat();
            ([head, observed.bytes.clone()].concat(), 17)
        }
        Transport::Esp { .. } => (observed.bytes.clone(), 50),
        // It comes with its IP header.
        Transport::Ah { .. } => return vec![observed.bytes.clone()],
    };
    let octets = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(_) => unreachable!(),
    };
    let chunk = if mtu == 0 { payload.len() } else { mtu };
    let count = payload.len().div_ceil(chunk);
    payload
        .chunks(chunk)
        .enumerate()
        .map(|(number, piece)| {
            let more = u16::from(number + 1 < count) << 13;
            let offset = more | u16::try_from(number * chunk / 8).unwrap();
            let total = u16::try_from(20 + piece.len()).unwrap();
            let mut packet = vec![0x45, 0];
            packet.extend(total.to_be_bytes());
            packet.extend(id.to_be_bytes());
            packet.extend(offset.to_be_bytes());
            packet.extend([64, protocol, 0, 0]);
            packet.extend(octets(observed.transport.src()));
            packet.extend(octets(observed.transport.dst()));
            packet.extend_from_slice(piece);
            packet
        })
        .collect()
}

fn frame(link: LinkType, packet: &[u8]) -> Vec<u8> {
    let head = match link {
        LinkType::ETHERNET => [&MAC[..], &MAC, &[8, 0]].concat(),
        LinkType::LINUX_SLL => [&[0, 0, 0, 1, 0, 6][..], &MAC, &[0, 0, 8, 0]].concat(),
        LinkType::LINUX_SLL2 => [&[8, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 6][..], &MAC, &[0, 0]].concat(),
        _ => Vec::new(),
    };
    [&head, packet].concat()
}

fn pcap(link: LinkType, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = 0xa1b2_c3d4_u32.to_le_bytes().to_vec();
    file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    file.extend(link.0.to_le_bytes());
    for (micros, frame) in frames {
        let length = u32::try_from(frame.len()).unwrap();
        for word in [
            u32::try_from(micros / 1_000_000).unwrap(),
            u32::try_from(micros % 1_000_000).unwrap(),
            length,
            length,
        ] {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = u32::try_from(padded + 12).unwrap().to_be_bytes();
    [&kind.to_be_bytes(), &length, body, &vec![0; padded - body.len()], &length[..]].concat()
}

/// Big endian, with nanoseconds.
fn pcapng(link: LinkType, frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut section = 0x1a2b_3c4d_u32.to_be_bytes().to_vec();
    section.extend([0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let mut file = block(0x0a0d_0d0a, &section);
    let mut interface = u16::try_from(link.0).unwrap().to_be_bytes().to_vec();
    interface.extend([0, 0, 0, 4, 0, 0, 0, 9, 0, 1, 9, 0, 0, 0, 0, 0, 0, 0]);
    file.extend(block(1, &interface));
    for (micros, frame) in frames {
        let nanos = micros * 1000;
        let length = u32::try_from(frame.len()).unwrap();
        let mut body = 0_u32.to_be_bytes().to_vec();
        body.extend(nanos.to_be_bytes());
        body.extend(length.to_be_bytes());
        body.extend(length.to_be_bytes());
        body.extend(frame);
        file.extend(block(6, &body));
        // A block that nobody knows.
        file.extend(block(0x4000_0bad, &[1, 2, 3]));
    }
    file
}

fn frames(lab: &Lab, link: LinkType, mtu: usize) -> Vec<(u64, Vec<u8>)> {
    let start = lab.seen[0].at;
    (1..)
        .zip(&lab.seen)
        .flat_map(|(id, observed)| {
            let micros = u64::try_from(observed.at.since(start).as_micros()).unwrap() + 7;
            let mut packets = ip_packets(observed, id, mtu);
            // Fragments may come in any order.
            packets.reverse();
            packets.into_iter().map(move |packet| (micros, frame(link, &packet)))
        })
        .collect()
}

/// The session as a capture would give it: times from the first packet on.
fn live(lab: &Lab) -> Vec<Observed> {
    let start = lab.seen[0].at;
    let shift = |observed: &Observed| Observed {
        at: ikeproof_proto::time::Time::from_start(observed.at.since(start)),
        ..observed.clone()
    };
    lab.seen.iter().map(shift).collect()
}

#[test]
fn every_format_and_link_type_gives_the_datagrams_of_the_session() {
    for profile in [CBC, Profile { nat: true, ..GCM }, AH] {
        let lab = Lab::new(profile).run();
        for link in [
            LinkType::ETHERNET,
            LinkType::LINUX_SLL,
            LinkType::LINUX_SLL2,
            LinkType::RAW,
            LinkType::IPV4,
        ] {
            for mtu in [0, 64] {
                let frames = frames(&lab, link, mtu);
                for file in [pcap(link, &frames), pcapng(link, &frames)] {
                    let options = Options {
                        ike_ports: vec![500, 20000],
                        nat_ports: vec![4500, 20001],
                        ..Options::default()
                    };
                    assert_eq!(observe(&file, &options).unwrap(), live(&lab), "{link:?} {mtu}");
                }
            }
        }
    }
}

#[test]
fn findings_of_a_capture_are_those_of_the_live_session() {
    let mut lab = Lab::new(CBC);
    lab.edit("child-request", |draft| draft.header.version.minor = 1);
    lab.edit_esp("esp-peer-2", |draft| draft.next = 41);
    let lab = lab.run();
    let file = pcapng(LinkType::ETHERNET, &frames(&lab, LinkType::ETHERNET, 64));
    let judged = judge(&file, &Options::default(), &lab.keys).unwrap();
    let mut auditor = Auditor::with_provider(Arc::new(RustCrypto));
    let mut findings = Vec::new();
    for key in &lab.keys {
        findings.extend(auditor.add_keys(key));
    }
    for observed in live(&lab) {
        findings.extend(auditor.datagram(&observed));
    }
    findings.extend(auditor.finish());
    assert_eq!(judged.findings, findings);
    assert_eq!(judged.timeline, auditor.take_timeline());
    assert_eq!(findings.len(), 2);
}

/// Fragments without end, even empty ones, take no more memory than the limit.
#[test]
fn fragments_that_never_become_whole_are_forgotten() {
    let lab = Lab::new(CBC).run();
    let packet = ip_packets(&lab.seen[0], 0, 64).remove(0);
    let frames: Vec<(u64, Vec<u8>)> = (0..u16::MAX)
        .map(|id| {
            let mut packet = packet.clone();
            packet[4..6].copy_from_slice(&id.to_be_bytes());
            packet.truncate(20);
            packet[2..4].copy_from_slice(&[0, 20]);
            (0, packet)
        })
        .collect();
    let file = pcap(LinkType::RAW, &frames);
    assert!(observe(&file, &Options::default()).unwrap().is_empty());
}

#[test]
fn the_edge_can_be_named() {
    let lab = Lab::new(CBC).run();
    let file = pcap(LinkType::RAW, &frames(&lab, LinkType::RAW, 0));
    for edge in [Side::Initiator, Side::Addresses(vec!["192.0.2.1".parse().unwrap()])] {
        let options = Options { edge, ..Options::default() };
        let seen = observe(&file, &options).unwrap();
        assert_eq!(seen[0].from, Sender::Edge);
        assert_eq!(seen[1].from, Sender::Peer);
    }
}

#[test]
fn a_file_that_breaks_off_gives_what_is_before() {
    let lab = Lab::new(CBC).run();
    for file in [
        pcap(LinkType::RAW, &frames(&lab, LinkType::RAW, 0)),
        pcapng(LinkType::RAW, &frames(&lab, LinkType::RAW, 0)),
    ] {
        let mut last = 0;
        for length in 0..file.len() {
            if let Ok(packets) = packets(&file[..length]) {
                assert!(packets.len() >= last, "{length}");
                last = packets.len();
            }
        }
        assert!(last + 1 >= lab.seen.len());
    }
    assert_eq!(packets(b"GIF89a"), Err(CaptureError::Magic(0x4749_4638)));
    assert_eq!(packets(&[]), Err(CaptureError::Magic(0)));
}
