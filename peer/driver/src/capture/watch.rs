//! What the wire shows without any key: anything in clear, fragments, ports, keepalives, encapsulation.
//!
//! "Connected" is no success by itself: nothing of the inner network may be seen outside ESP and AH.
//! Fed frame by frame, with bounded memory, so it runs along with a capture or over a file.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::frame::{Cidr, Frame, LinkType};

/// What to look for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchConfig {
    /// Addresses of the inner networks: seen in an outer header, they are in clear.
    pub inner: Vec<Cidr>,
    /// Octets that inner traffic carries: seen outside ESP and AH, they are in clear.
    pub markers: Vec<Vec<u8>>,
    /// UDP ports on which ESP may come in UDP.
    pub nat_ports: Vec<u16>,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { inner: Vec::new(), markers: Vec::new(), nat_ports: vec![4500] }
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WireReport {
    /// Frames that were looked at.
    pub frames: u64,
    /// The first findings in clear; `in_clear_count` counts all of them.
    pub in_clear: Vec<InClear>,
    /// Frames with something in clear.
    pub in_clear_count: u64,
    /// Outer IPv4 and IPv6 fragments.
    pub fragments: u64,
    /// UDP source and destination ports seen in IKE and ESP in UDP, with numbers of frames.
    #[serde(with = "ports")]
    pub ports: BTreeMap<(u16, u16), u64>,
    /// NAT keepalives: a single octet 0xff.
    pub keepalives: u64,
    /// IKE messages, with or without non-ESP marker.
    pub ike: u64,
    /// ESP as IP protocol 50.
    pub esp_raw: u64,
    /// ESP in UDP.
    pub esp_udp: u64,
    /// AH.
    pub ah: u64,
    /// IP packets of other kinds, ICMP errors about the tunnel among them.
    pub other_ip: u64,
    /// Largest outer IP packet.
    pub largest: usize,
}

/// Something of the inner network seen outside ESP and AH.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InClear {
    /// Which frame, counted from 1 as Wireshark does.
    pub frame: u64,
    /// When, since the Unix epoch.
    pub at: Duration,
    /// Source address of the outermost IP header.
    pub source: IpAddr,
    /// Destination address of the outermost IP header.
    pub destination: IpAddr,
    /// Its protocol number.
    pub protocol: u8,
    /// What was seen.
    pub what: ClearWhat,
}

/// What was seen in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClearWhat {
    /// An inner address in an outer header.
    InnerAddress(IpAddr),
    /// The marker with this index in [`WatchConfig::markers`].
    Marker(usize),
}

/// Looks at frames one by one.
#[derive(Debug, Clone)]
pub struct WireWatch {
    config: WatchConfig,
    report: WireReport,
}

impl WireWatch {
    /// A watch that has seen nothing.
    pub fn new(config: WatchConfig) -> Self {
        Self { config, report: WireReport::default() }
    }

    /// Looks at a frame.
    pub fn observe(&mut self, frame: &Frame<'_>) {
        self.report.frames += 1;
        let Some(packet) = ip_packet(frame) else { return };
        let Some(outer) = Outer::of(packet) else { return };
        self.report.largest = self.report.largest.max(outer.len);
        self.report.fragments += u64::from(outer.fragment);
        self.count(&outer);
        if let Some(what) = self.find(&outer) {
            self.report.in_clear_count += 1;
            if self.report.in_clear.len() < MAX_FINDINGS {
                self.report.in_clear.push(InClear {
                    frame: self.report.frames,
                    at: frame.at,
                    source: outer.source,
                    destination: outer.destination,
                    protocol: outer.protocol,
                    what,
                });
            }
        }
    }

    /// What was found so far.
    pub const fn report(&self) -> &WireReport {
        &self.report
    }

    fn count(&mut self, outer: &Outer<'_>) {
        let kind = self.kind(outer);
        let report = &mut self.report;
        if let (Kind::Ike | Kind::EspInUdp | Kind::Keepalive, Some((from, to, _))) =
            (kind, udp(outer.payload))
        {
            *report.ports.entry((from, to)).or_default() += 1;
        }
        let counter = match kind {
            // Fragments are counted as such; what they belong to was counted with the first.
            _ if outer.later_fragment => return,
            Kind::Ike => &mut report.ike,
            Kind::Esp => &mut report.esp_raw,
            Kind::EspInUdp => &mut report.esp_udp,
            Kind::Ah => &mut report.ah,
            Kind::Keepalive => &mut report.keepalives,
            Kind::IcmpError | Kind::Other => &mut report.other_ip,
        };
        *counter += 1;
    }

    fn kind(&self, outer: &Outer<'_>) -> Kind {
        match (outer.protocol, outer.payload) {
            (50, _) => Kind::Esp,
            (51, _) => Kind::Ah,
            _ if outer.later_fragment => Kind::Other,
            (1, [3..=5 | 11 | 12, ..]) if outer.source.is_ipv4() => Kind::IcmpError,
            (58, [1..=4, ..]) if outer.source.is_ipv6() => Kind::IcmpError,
            (17, segment) => match udp(segment) {
                Some((from, to, payload)) => self.udp_kind(from, to, payload),
                None => Kind::Other,
            },
            _ => Kind::Other,
        }
    }

    fn udp_kind(&self, from: u16, to: u16, payload: &[u8]) -> Kind {
        let nat = |port| self.config.nat_ports.contains(&port);
        match payload {
            [0xff] if nat(from) || nat(to) => Kind::Keepalive,
            [0, 0, 0, 0, ..] if nat(from) || nat(to) => Kind::Ike,
            _ if nat(from) || nat(to) => Kind::EspInUdp,
            _ if from == 500 || to == 500 => Kind::Ike,
            _ => Kind::Other,
        }
    }

    /// What of the inner network is seen in a packet, or in the packet that an ICMP error quotes.
    fn find(&self, outer: &Outer<'_>) -> Option<ClearWhat> {
        for address in [outer.source, outer.destination] {
            if self.config.inner.iter().any(|cidr| cidr.contains(address)) {
                return Some(ClearWhat::InnerAddress(address));
            }
        }
        match self.kind(outer) {
            Kind::Esp | Kind::EspInUdp | Kind::Ah => return None,
            Kind::IcmpError => {
                // Quoted ESP is as protected as ESP. Each quotation is shorter, so this ends.
                let quoted = outer.payload.get(8..)?;
                return Outer::of(quoted).and_then(|quoted| self.find(&quoted));
            }
            Kind::Ike | Kind::Keepalive | Kind::Other => {}
        }
        let holds = |marker: &Vec<u8>| {
            !marker.is_empty() && outer.payload.windows(marker.len()).any(|part| part == *marker)
        };
        self.config.markers.iter().position(holds).map(ClearWhat::Marker)
    }
}

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ike,
    Esp,
    EspInUdp,
    Ah,
    Keepalive,
    IcmpError,
    Other,
}

/// The outermost IP header, or that of a quoted packet, which may be cut off behind it.
struct Outer<'a> {
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    fragment: bool,
    later_fragment: bool,
    len: usize,
    payload: &'a [u8],
}

impl<'a> Outer<'a> {
    fn of(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::v4(packet),
            6 => Self::v6(packet),
            _ => None,
        }
    }

    fn v4(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<20>()?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]])).min(packet.len());
        let fields = u16::from_be_bytes([header[6], header[7]]);
        Some(Self {
            source: IpAddr::from(<[u8; 4]>::try_from(&header[12..16]).ok()?),
            destination: IpAddr::from(<[u8; 4]>::try_from(&header[16..20]).ok()?),
            protocol: header[9],
            fragment: fields & 0x3fff != 0,
            later_fragment: fields & 0x1fff != 0,
            len,
            payload: packet.get(usize::from(header[0] & 0x0f) * 4..len)?,
        })
    }

    fn v6(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<40>()?;
        let stated = usize::from(u16::from_be_bytes([header[4], header[5]])) + 40;
        let len = stated.min(packet.len());
        let mut protocol = header[6];
        let mut payload = packet.get(40..len)?;
        let (mut fragment, mut later_fragment) = (false, false);
        loop {
            let skip = match (protocol, payload) {
                (0 | 43 | 60, [_, words, ..]) => (usize::from(*words) + 1) * 8,
                (44, [_, _, high, low, ..]) => {
                    fragment = true;
                    later_fragment = u16::from_be_bytes([*high, *low]) & 0xfff8 != 0;
                    8
                }
                _ => break,
            };
            protocol = *payload.first()?;
            payload = payload.get(skip..)?;
            if later_fragment {
                break;
            }
        }
        Some(Self {
            source: IpAddr::from(<[u8; 16]>::try_from(&header[8..24]).ok()?),
            destination: IpAddr::from(<[u8; 16]>::try_from(&header[24..40]).ok()?),
            protocol,
            fragment,
            later_fragment,
            len,
            payload,
        })
    }
}

fn ip_packet<'a>(frame: &Frame<'a>) -> Option<&'a [u8]> {
    if frame.link == LinkType::Raw {
        return Some(frame.bytes);
    }
    let mut rest = frame.bytes.get(12..)?;
    // Up to two VLAN tags.
    for _ in 0..2 {
        match rest {
            [0x81, 0x00, ..] | [0x88, 0xa8, ..] => rest = rest.get(4..)?,
            _ => break,
        }
    }
    match rest {
        [0x08, 0x00, packet @ ..] | [0x86, 0xdd, packet @ ..] => Some(packet),
        _ => None,
    }
}

fn udp(segment: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (header, payload) = segment.split_first_chunk::<8>()?;
    let stated = usize::from(u16::from_be_bytes([header[4], header[5]])).checked_sub(8)?;
    Some((
        u16::from_be_bytes([header[0], header[1]]),
        u16::from_be_bytes([header[2], header[3]]),
        payload.get(..stated).unwrap_or(payload),
    ))
}

/// JSON has no keys but strings: ports are a list of `[source, destination, frames]`.
mod ports {
    use super::BTreeMap;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        ports: &BTreeMap<(u16, u16), u64>,
        s: S,
    ) -> Result<S::Ok, S::Error> {
        s.collect_seq(ports.iter().map(|((from, to), count)| (from, to, count)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        d: D,
    ) -> Result<BTreeMap<(u16, u16), u64>, D::Error> {
        let list = Vec::<(u16, u16, u64)>::deserialize(d)?;
        Ok(list.into_iter().map(|(from, to, count)| ((from, to), count)).collect())
    }
}

const MAX_FINDINGS: usize = 100;

#[cfg(test)]
mod tests {
    use super::super::frame::FrameDirection;
    use super::super::synthesis::synthesise;
    use super::*;
    use ikeproof_proto::forward::fragment_v4;
    use ikeproof_proto::middlebox::{Datagram, Direction, Transport};
    use std::net::SocketAddr;

    const MARKER: &[u8] = b"inner-secret";

    fn watch() -> WireWatch {
        WireWatch::new(WatchConfig {
            inner: vec!["10.9.0.0/16".parse().unwrap()],
            markers: vec![MARKER.to_vec()],
            ..Default::default()
        })
    }

    fn frame(bytes: &[u8], link: LinkType) -> Frame<'_> {
        let direction = FrameDirection::Out;
        Frame { at: Duration::ZERO, direction, link, original_len: bytes.len(), bytes }
    }

    fn observe(watch: &mut WireWatch, transport: Transport, port: u16, payload: &[u8]) {
        let datagram = Datagram {
            local: SocketAddr::from(([192, 0, 2, 1], port)),
            remote: SocketAddr::from(([192, 0, 2, 2], port)),
            transport,
            bytes: match transport {
                // It comes with its IP header.
                Transport::Ah => ah_packet(payload),
                Transport::Udp | Transport::Esp => payload.to_vec(),
            },
        };
        let bytes = synthesise(&datagram, Direction::ToPeer, &Default::default()).unwrap();
        watch.observe(&frame(&bytes, LinkType::Ethernet));
    }

    fn ah_packet(behind: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 51, 0, 0];
        packet.extend([192, 0, 2, 1, 192, 0, 2, 2]);
        packet.extend(behind);
        packet[3] = u8::try_from(packet.len()).unwrap();
        packet
    }

    #[test]
    fn kinds_are_told_apart() {
        let mut watch = watch();
        observe(&mut watch, Transport::Udp, 500, &[1; 28]);
        observe(&mut watch, Transport::Udp, 4500, &[0; 32]);
        observe(&mut watch, Transport::Udp, 4500, &[0xff]);
        observe(&mut watch, Transport::Udp, 4500, &[7; 40]);
        observe(&mut watch, Transport::Esp, 0, &[7; 40]);
        observe(&mut watch, Transport::Ah, 0, &[7; 40]);
        observe(&mut watch, Transport::Udp, 53, &[7; 40]);
        let report = watch.report();
        assert_eq!((report.ike, report.keepalives, report.esp_udp), (2, 1, 1));
        assert_eq!((report.esp_raw, report.ah, report.other_ip, report.frames), (1, 1, 1, 7));
        assert_eq!(report.ports.get(&(4500, 4500)), Some(&3));
        assert_eq!(report.in_clear_count, 0);
        let text = serde_json::to_string(report).unwrap();
        assert_eq!(serde_json::from_str::<WireReport>(&text).unwrap(), *report);
    }

    #[test]
    fn a_marker_is_found_outside_esp_only() {
        let mut watch = watch();
        observe(&mut watch, Transport::Esp, 0, MARKER);
        observe(&mut watch, Transport::Udp, 4500, MARKER);
        assert_eq!(watch.report().in_clear_count, 0);
        observe(&mut watch, Transport::Udp, 53, MARKER);
        let found = &watch.report().in_clear;
        assert_eq!((found[0].frame, found[0].what), (3, ClearWhat::Marker(0)));
    }

    #[test]
    fn an_inner_address_outside_is_found_and_fragments_are_counted() {
        let mut watch = watch();
        let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 50, 0, 0];
        packet.extend([10, 9, 0, 1, 192, 0, 2, 1]);
        packet.resize(2000, 0);
        packet[2..4].copy_from_slice(&2000_u16.to_be_bytes());
        for fragment in fragment_v4(&packet, 1500).unwrap() {
            watch.observe(&frame(&fragment, LinkType::Raw));
        }
        let report = watch.report();
        assert_eq!((report.fragments, report.esp_raw, report.in_clear_count), (2, 1, 2));
        assert_eq!(report.in_clear[0].what, ClearWhat::InnerAddress(IpAddr::from([10, 9, 0, 1])));
        assert_eq!(report.largest, 1500);
    }
}
