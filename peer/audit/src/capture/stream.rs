//! From packets to what the auditor takes: ports, sides, and times from the first packet on.

use core::net::IpAddr;
use core::time::Duration;

use ikeproof_proto::event::KeyLogEntry;
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::{AH_PROTOCOL, ExchangeType, Header};

use super::file::{CaptureError, Packet, packets};
use super::fragments::Reassembly;
use super::link::{IpPacket, ip_packet};
use crate::auditor::Auditor;
use crate::describe::Decoded;
use crate::finding::Finding;
use crate::observed::{Observed, Sender, Transport};

/// Which side of a capture is the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that sends the first request of IKE_SA_INIT.
    Initiator,
    /// The one that the first request of IKE_SA_INIT goes to.
    Responder,
    /// The one with one of these addresses.
    Addresses(Vec<IpAddr>),
}

/// How a capture is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which side is the edge.
    pub edge: Side,
    /// The ports of IKE without marker.
    pub ike_ports: Vec<u16>,
    /// The ports of IKE behind the non-ESP marker, and of ESP in UDP.
    pub nat_ports: Vec<u16>,
}

impl Default for Options {
    /// Ports 500 and 4500; the edge answers.
    fn default() -> Self {
        Self { edge: Side::Responder, ike_ports: vec![500], nat_ports: vec![4500] }
    }
}

/// The datagrams of IKE and ESP in a capture, in its order.
pub fn observe(file: &[u8], options: &Options) -> Result<Vec<Observed>, CaptureError> {
    Ok(observe_frames(file, options)?.into_iter().map(|(_, observed)| observed).collect())
}

/// The same, each with the number of its frame, from 1; the last one's with fragmented IP packets.
pub fn observe_frames(
    file: &[u8],
    options: &Options,
) -> Result<Vec<(u64, Observed)>, CaptureError> {
    let packets = packets(file)?;
    let start = packets.first().map_or(Duration::ZERO, |packet| packet.at);
    let mut reassembly = Reassembly::default();
    let mut seen = Vec::new();
    for (number, packet) in (1..).zip(&packets) {
        let Some(whole) = ip_packet(packet).and_then(|packet| reassembly.add(packet)) else {
            continue;
        };
        if let Some((transport, bytes)) = transport(whole, options) {
            seen.push((number, time(packet, start), transport, bytes));
        }
    }
    let edge = edge_addresses(&seen, options);
    Ok(seen
        .into_iter()
        .map(|(number, at, transport, bytes)| {
            let from = if edge.contains(&transport.src()) { Sender::Edge } else { Sender::Peer };
            (number, Observed { at, from, transport, bytes })
        })
        .collect())
}

/// What a capture shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// What was found, by the number of the datagram.
    pub findings: Vec<Finding>,
    /// A line for each datagram of IKE and ESP.
    pub timeline: Vec<Decoded>,
}

/// Judges a capture with the keys that are known.
pub fn judge(file: &[u8], options: &Options, keys: &[KeyLogEntry]) -> Result<Judged, CaptureError> {
    let mut auditor = Auditor::new();
    let mut judged = Judged::default();
    for key in keys {
        judged.findings.extend(auditor.add_keys(key));
    }
    for observed in observe(file, options)? {
        judged.findings.extend(auditor.datagram(&observed));
        judged.timeline.extend(auditor.take_timeline());
    }
    judged.findings.extend(auditor.finish());
    judged.timeline.extend(auditor.take_timeline());
    judged.findings.sort_by_key(|finding| finding.frame);
    Ok(judged)
}

fn time(packet: &Packet<'_>, start: Duration) -> Time {
    Time::from_start(packet.at.saturating_sub(start))
}

fn transport(packet: IpPacket, options: &Options) -> Option<(Transport, Vec<u8>)> {
    let (src, dst) = (packet.src, packet.dst);
    match packet.protocol {
        50 => Some((Transport::Esp { src, dst }, packet.payload)),
        AH_PROTOCOL => Some((Transport::Ah { src, dst }, packet.payload)),
        17 => {
            let (&[a, b, c, d, e, f, _, _], rest) = packet.payload.split_first_chunk::<8>()?;
            let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let length = usize::from(u16::from_be_bytes([e, f])).checked_sub(8)?;
            let bytes = rest.get(..length)?.to_vec();
            let on = |ports: &[u16]| ports.contains(&source) || ports.contains(&destination);
            let marker = on(&options.nat_ports);
            if !marker && !on(&options.ike_ports) {
                return None;
            }
            let (src, dst) = ((src, source).into(), (dst, destination).into());
            Some((Transport::Udp { src, dst, marker }, bytes))
        }
        _ => None,
    }
}

fn edge_addresses(seen: &[(u64, Time, Transport, Vec<u8>)], options: &Options) -> Vec<IpAddr> {
    if let Side::Addresses(addresses) = &options.edge {
        return addresses.clone();
    }
    let first = seen.iter().find(|(_, _, transport, bytes)| {
        let message = match (transport, bytes.as_slice()) {
            (Transport::Udp { marker: true, .. }, [0, 0, 0, 0, message @ ..]) => message,
            (Transport::Udp { marker: false, .. }, message) => message,
            _ => return false,
        };
        Header::decode(message).is_ok_and(|header| {
            let begins_v2 =
                header.exchange == ExchangeType::IKE_SA_INIT && !header.flags.is_response();
            begins_v2 || (header.version.major == 1 && header.spi_r.is_zero())
        })
    });
    // Without a beginning, the first datagram is as good a guess as any.
    let guess = first.or_else(|| seen.first());
    guess
        .map(|(_, _, transport, _)| match options.edge {
            Side::Initiator => vec![transport.src()],
            _ => vec![transport.dst()],
        })
        .unwrap_or_default()
}
