//! Echo requests and replies as packets, and IPv6 fragments of them.

use std::net::IpAddr;

use ikeproof_proto::forward::internet_checksum;

/// An echo request or reply that came in whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo<'a> {
    pub(super) request: bool,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) id: u16,
    pub(super) sequence: u16,
    pub(super) data: &'a [u8],
}

/// An ICMP error about a packet of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IcmpAbout {
    pub(super) kind: u8,
    pub(super) code: u8,
    pub(super) mtu: Option<u16>,
    /// Destination of the packet that it is about.
    pub(super) to: IpAddr,
    /// Identifier and sequence, if that was an echo request.
    pub(super) echo: Option<(u16, u16)>,
}

/// What an ICMP packet says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Icmp<'a> {
    Echo(Echo<'a>),
    Error(IcmpAbout),
    Other,
}

/// Reads a whole packet, `None` if it is no ICMP with a right checksum.
pub(super) fn parse(packet: &[u8]) -> Option<Icmp<'_>> {
    let (source, destination, protocol, payload) = ip(packet)?;
    let right = match protocol {
        1 if source.is_ipv4() => internet_checksum(&[payload]) == 0,
        58 if source.is_ipv6() => checksum_v6(source, destination, payload) == 0,
        _ => return None,
    };
    let (header, data) = payload.split_first_chunk::<8>()?;
    if !right {
        return None;
    }
    let [kind, code, _, _, a, b, c, d] = *header;
    let v4 = source.is_ipv4();
    let echo = |request| {
        let (id, sequence) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        Some(Icmp::Echo(Echo { request, source, destination, id, sequence, data }))
    };
    match (v4, kind) {
        (true, 8) | (false, 128) => echo(true),
        (true, 0) | (false, 129) => echo(false),
        (true, 3 | 11 | 12) | (false, 1..=4) => {
            let too_big = (v4 && (kind, code) == (3, 4)) || (!v4 && kind == 2);
            let mtu = too_big.then(|| u16::from_be_bytes([c, d]));
            let (_, to, protocol, quoted) = ip(data)?;
            let request = matches!((protocol, quoted.first()), (1, Some(8)) | (58, Some(128)));
            let echo = quoted.first_chunk::<8>().filter(|_| request).map(|quoted| {
                let [.., a, b, c, d] = *quoted;
                (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
            });
            Some(Icmp::Error(IcmpAbout { kind, code, mtu, to, echo }))
        }
        _ => Some(Icmp::Other),
    }
}

/// The packet of an echo request or reply, whole, whatever its size.
///
/// `None` if the addresses are of different versions or 65535 octets are passed.
pub(super) fn build(echo: &Echo<'_>, ip_id: u16, df: bool) -> Option<Vec<u8>> {
    let len = echo.data.len() + 8;
    let kind = match (echo.source.is_ipv4(), echo.request) {
        (true, true) => 8,
        (true, false) => 0,
        (false, true) => 128,
        (false, false) => 129,
    };
    let mut icmp = Vec::with_capacity(len);
    icmp.extend([kind, 0, 0, 0]);
    icmp.extend(echo.id.to_be_bytes());
    icmp.extend(echo.sequence.to_be_bytes());
    icmp.extend_from_slice(echo.data);
    let mut packet = Vec::with_capacity(len + 40);
    match (echo.source, echo.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = u16::try_from(len + 20).ok()?;
            packet.extend([0x45, 0]);
            packet.extend(total.to_be_bytes());
            packet.extend(ip_id.to_be_bytes());
            packet.extend([if df { 0x40 } else { 0 }, 0, 64, 1, 0, 0]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let checksum = internet_checksum(&[&packet]);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
            let checksum = internet_checksum(&[&icmp]);
            icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            packet.extend([0x60, 0, 0, 0]);
            packet.extend(u16::try_from(len).ok()?.to_be_bytes());
            packet.extend([58, 64]);
            packet.extend(source.octets());
            packet.extend(destination.octets());
            let checksum = checksum_v6(echo.source, echo.destination, &icmp);
            icmp[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        _ => return None,
    }
    packet.extend(icmp);
    Some(packet)
}

/// Cuts an IPv6 packet without extension headers into fragments, as its sender may.
pub(super) fn fragment_v6(packet: &[u8], mtu: u16, id: u32) -> Vec<Vec<u8>> {
    let room = (usize::from(mtu.max(1280)) - 48) & !7;
    let Some((header, data)) = packet.split_first_chunk::<40>() else { return Vec::new() };
    let count = data.len().div_ceil(room);
    let pieces = data.chunks(room).enumerate().map(|(index, piece)| {
        let mut fragment = header.to_vec();
        fragment[4..6].copy_from_slice(&(piece.len() as u16 + 8).to_be_bytes());
        fragment[6] = 44;
        let more = u16::from(index + 1 < count);
        fragment.extend([header[6], 0]);
        fragment.extend(((index * room) as u16 | more).to_be_bytes());
        fragment.extend(id.to_be_bytes());
        fragment.extend_from_slice(piece);
        fragment
    });
    pieces.collect()
}

fn ip(packet: &[u8]) -> Option<(IpAddr, IpAddr, u8, &[u8])> {
    if packet.first()? >> 4 == 4 {
        let header = packet.first_chunk::<20>()?;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let source = <[u8; 4]>::try_from(&header[12..16]).ok()?;
        let destination = <[u8; 4]>::try_from(&header[16..20]).ok()?;
        let payload = packet.get(usize::from(header[0] & 0x0f) * 4..total.min(packet.len()))?;
        Some((source.into(), destination.into(), header[9], payload))
    } else {
        let header = packet.first_chunk::<40>()?;
        let total = usize::from(u16::from_be_bytes([header[4], header[5]])) + 40;
        let source = <[u8; 16]>::try_from(&header[8..24]).ok()?;
        let destination = <[u8; 16]>::try_from(&header[24..40]).ok()?;
        let payload = packet.get(40..total.min(packet.len()))?;
        Some((source.into(), destination.into(), header[6], payload))
    }
}

fn checksum_v6(source: IpAddr, destination: IpAddr, payload: &[u8]) -> u16 {
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (source, destination) else { return 1 };
    let len = (payload.len() as u32).to_be_bytes();
    internet_checksum(&[&source.octets(), &destination.octets(), &len, &[0, 0, 0, 58], payload])
}
