//! What tshark says of a frame.

use ikeproof_driver::wireshark::{Field, Packet};

use super::fact::{Fact, Facts, Kind, Seen};
use super::ours::{ID_DATA, OCTETS};

/// The protocols of which the comparison needs fields.
pub const PROTOCOLS: &[&str] =
    &["ip", "ipv6", "udp", "udpencap", "isakmp", "esp", "ah", "_ws.malformed", "_ws.short"];
/// The frames that may have something to compare.
pub const FILTER: &str = "isakmp || esp || ah || udpencap";

/// What tshark says; `None` if the frame is none of IKE, ESP and AH by itself, but at most quotes them.
pub fn seen(packet: &Packet) -> Option<Seen> {
    let at = packet
        .protocols
        .iter()
        .position(|it| matches!(it.name.as_str(), "isakmp" | "esp" | "ah" | "udpencap"))?;
    let (outside, inside) = packet.protocols.split_at(at);
    let mut clear = Facts::default();
    outside.iter().for_each(|protocol| transport(&mut clear, protocol));
    let mut seen = Seen {
        kind: Kind::Nothing,
        clear: Vec::new(),
        sealed: None,
        authentic: None,
        broken: broken(packet),
    };
    let mut protocols = inside.iter().skip_while(|protocol| protocol.name == "udpencap");
    match protocols.next() {
        Some(ike) if ike.name == "isakmp" => {
            seen.kind = Kind::Ike;
            if ike.find("isakmp.ike.nat_keepalive").is_some() {
                seen.kind = Kind::Keepalive;
            }
            let mut sealed = None;
            let version = ike.find("isakmp.version").map(|version| number(&version.show));
            if version.and_then(|it| it.parse::<u8>().ok()).is_some_and(|it| it >> 4 == 1) {
                message_v1(&mut clear, &mut sealed, &ike.fields, None);
            } else {
                message(&mut clear, &mut sealed, &ike.fields);
            }
            seen.sealed = sealed.map(|facts: Facts| facts.0);
            seen.authentic = ike.find("isakmp.enc.icd").and_then(|icv| verdict(&icv.text));
        }
        Some(esp) if esp.name == "esp" => {
            seen.kind = Kind::Esp;
            esp.fields.iter().for_each(|field| keep(&mut clear, field, ESP));
            seen.sealed = inner_packet(esp, protocols.next());
            let icv = |name: &str| esp.find(name).is_some_and(|icv| icv.show == "1");
            seen.authentic = match (icv("esp.icv_good"), icv("esp.icv_bad")) {
                (false, false) => None,
                (good, _) => Some(good),
            };
        }
        Some(ah) if ah.name == "ah" => {
            seen.kind = Kind::Ah;
            ah.fields.iter().for_each(|field| keep(&mut clear, field, AH));
        }
        _ if inside.iter().any(|it| it.find("udpencap.nat_keepalive").is_some()) => {
            seen.kind = Kind::Keepalive;
        }
        _ => {}
    }
    seen.clear = clear.0;
    Some(seen)
}

/// Whether a frame is shorter than its IPv4 header says.
pub fn is_cut(packet: &Packet) -> bool {
    packet.protocols("ip").any(|ip| ip.find("ip.bogus_ip_length").is_some())
}

fn transport(facts: &mut Facts, protocol: &Field) {
    if matches!(protocol.name.as_str(), "ip" | "ipv6" | "udp") {
        protocol.fields.iter().for_each(|field| keep(facts, field, TRANSPORT));
    }
}

/// Walks a message; what is below the decrypted data goes to `sealed`.
fn message(clear: &mut Facts, sealed: &mut Option<Facts>, fields: &[Field]) {
    for field in fields {
        if field.name == "isakmp.enc.decrypted" {
            let sealed = sealed.get_or_insert_default();
            message(sealed, &mut None, &field.fields);
            continue;
        }
        if field.name == "isakmp.typepayload" {
            keep(clear, field, &[("isakmp.typepayload", How::Number)]);
            // Proposals and transforms are payloads to tshark, and parts of one to us.
            if !matches!(field.show.as_str(), "2" | "3") {
                clear.0.push(Fact { name: OCTETS, value: field.octets.clone() });
            }
        } else if field.name.starts_with("isakmp.id.data.") {
            if !field.octets.is_empty() {
                clear.0.push(Fact { name: ID_DATA, value: field.octets.clone() });
            }
            continue;
        } else {
            keep(clear, field, IKE);
            keep(clear, field, IKE_V2);
        }
        message(clear, sealed, &field.fields);
    }
}

/// Walks a message of IKEv1, or the payload of type `inside`; what stands below the encrypted data was
/// decrypted.
fn message_v1(
    clear: &mut Facts,
    sealed: &mut Option<Facts>,
    fields: &[Field],
    inside: Option<&str>,
) {
    for field in fields {
        let name = field.name.as_str();
        match name {
            "isakmp.enc.data" => {
                if !field.fields.is_empty() {
                    let sealed = sealed.get_or_insert_default();
                    message_v1(sealed, &mut None, &field.fields, None);
                }
                continue;
            }
            "isakmp.typepayload" => {
                keep(clear, field, &[("isakmp.typepayload", How::Number)]);
                if !matches!(field.show.as_str(), "2" | "3") {
                    clear.0.push(Fact { name: OCTETS, value: field.octets.clone() });
                }
                message_v1(clear, sealed, &field.fields, Some(&field.show));
                continue;
            }
            // The data of a notification, taken apart once more.
            _ if inside == Some("11") && name.contains(".attr") => continue,
            _ if name.starts_with("isakmp.id.data.") => {
                if !field.octets.is_empty() {
                    clear.0.push(Fact { name: ID_DATA, value: field.octets.clone() });
                }
                continue;
            }
            _ => {
                keep(clear, field, IKE);
                keep(clear, field, IKE_V1);
            }
        }
        message_v1(clear, sealed, &field.fields, inside);
    }
}

fn inner_packet(esp: &Field, next: Option<&Field>) -> Option<Vec<Fact>> {
    let decrypted = esp.find("esp.decrypted_data")?;
    let mut facts = Facts::default();
    decrypted.walk().for_each(|field| keep(&mut facts, field, ESP_INSIDE));
    let packet = next.filter(|protocol| matches!(protocol.name.as_str(), "ip" | "ipv6"));
    if let Some(packet) = packet {
        packet.fields.iter().for_each(|field| keep(&mut facts, field, INNER));
    }
    Some(facts.0)
}

/// Adds a field if it is one of those that are compared.
fn keep(facts: &mut Facts, field: &Field, wanted: &[(&'static str, How)]) {
    let Some((name, how)) = wanted.iter().find(|(name, _)| *name == field.name) else { return };
    let value = match how {
        How::Number => number(&field.show),
        How::Octets if field.octets.is_empty() => return,
        How::Octets => field.octets.clone(),
        How::Text => field.show.clone(),
    };
    facts.0.push(Fact { name, value });
}

/// A number as tshark writes it: decimal, or hex with a prefix, or a word for yes and no.
fn number(text: &str) -> String {
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => match text {
            "True" => Some(1),
            "False" => Some(0),
            _ => text.parse().ok(),
        },
    };
    // What is no number differs from every number, and is shown as it is.
    parsed.map_or_else(|| text.to_owned(), |number| number.to_string())
}

/// What the line of an ICV says of it.
fn verdict(text: &str) -> Option<bool> {
    if text.contains("[incorrect") {
        Some(false)
    } else if text.contains("[correct") {
        Some(true)
    } else {
        None
    }
}

/// What tshark complains of: errors and warnings within IKE and ESP, and what it cannot dissect.
fn broken(packet: &Packet) -> Vec<String> {
    let ours = packet
        .protocols
        .iter()
        .filter(|it| matches!(it.name.as_str(), "isakmp" | "esp" | "udpencap"));
    let mut broken = Vec::new();
    for field in ours.flat_map(Field::walk) {
        if field.name != "_ws.expert" {
            continue;
        }
        let severity = field.find("_ws.expert.severity").map(|it| number(&it.show));
        let severity = severity.and_then(|it| it.parse::<u64>().ok()).unwrap_or(WARNING);
        if severity >= WARNING {
            broken.push(field.text.clone());
        }
    }
    // What ESP held may be anything; only what is about ESP and IKE themselves counts.
    let about = |text: &str| ["ISAKMP", "ESP", "UDPENCAP"].iter().any(|name| text.contains(name));
    let cut = |it: &&Field| matches!(it.name.as_str(), "_ws.malformed" | "_ws.short");
    broken.extend(
        packet.protocols.iter().filter(cut).map(|it| it.text.clone()).filter(|text| about(text)),
    );
    broken
}

/// What is compared of a value.
#[derive(Clone, Copy)]
enum How {
    Number,
    Octets,
    Text,
}

/// Expert information of this severity and above counts.
const WARNING: u64 = 0x0060_0000;

const TRANSPORT: &[(&str, How)] = &[
    ("ip.src", How::Text),
    ("ip.dst", How::Text),
    ("ipv6.src", How::Text),
    ("ipv6.dst", How::Text),
    ("udp.srcport", How::Number),
    ("udp.dstport", How::Number),
];
const INNER: &[(&str, How)] = &[
    ("ip.len", How::Number),
    ("ip.proto", How::Number),
    ("ip.src", How::Text),
    ("ip.dst", How::Text),
    ("ipv6.plen", How::Number),
    ("ipv6.nxt", How::Number),
    ("ipv6.src", How::Text),
    ("ipv6.dst", How::Text),
];
const ESP: &[(&str, How)] = &[("esp.spi", How::Number), ("esp.sequence", How::Number)];
const AH: &[(&str, How)] = &[
    ("ah.next_header", How::Number),
    ("ah.length", How::Number),
    ("ah.spi", How::Number),
    ("ah.sequence", How::Number),
];
const ESP_INSIDE: &[(&str, How)] =
    &[("esp.contained_data", How::Octets), ("esp.protocol", How::Number)];
/// Of either version.
const IKE: &[(&str, How)] = &[
    ("isakmp.ispi", How::Octets),
    ("isakmp.rspi", How::Octets),
    ("isakmp.nextpayload", How::Number),
    ("isakmp.version", How::Number),
    ("isakmp.exchangetype", How::Number),
    ("isakmp.flags", How::Number),
    ("isakmp.messageid", How::Number),
    ("isakmp.length", How::Number),
    ("isakmp.payloadlength", How::Number),
    ("isakmp.prop.number", How::Number),
    ("isakmp.prop.protoid", How::Number),
    ("isakmp.spisize", How::Number),
    ("isakmp.prop.transforms", How::Number),
    ("isakmp.spi", How::Octets),
    ("isakmp.key_exchange.data", How::Octets),
    ("isakmp.id.type", How::Number),
    ("isakmp.nonce", How::Octets),
    ("isakmp.notify.protoid", How::Number),
    ("isakmp.notify.msgtype", How::Number),
    ("isakmp.notify.data", How::Octets),
    ("isakmp.delete.protoid", How::Number),
    ("isakmp.spinum", How::Number),
    ("isakmp.delete.spi", How::Octets),
    ("isakmp.vid_bytes", How::Octets),
    ("isakmp.cfg.type", How::Number),
];
const IKE_V2: &[(&str, How)] = &[
    ("isakmp.criticalpayload", How::Number),
    ("isakmp.reserved7", How::Number),
    ("isakmp.tf.type", How::Number),
    ("isakmp.tf.id.encr", How::Number),
    ("isakmp.tf.id.prf", How::Number),
    ("isakmp.tf.id.integ", How::Number),
    ("isakmp.tf.id.dh", How::Number),
    ("isakmp.tf.id.esn", How::Number),
    ("isakmp.tf.id", How::Number),
    ("isakmp.ike2.attr.format", How::Number),
    ("isakmp.ike2.attr.type", How::Number),
    ("isakmp.ike2.attr.value", How::Octets),
    ("isakmp.key_exchange.dh_group", How::Number),
    ("isakmp.auth.method", How::Number),
    ("isakmp.auth.data", How::Octets),
    ("isakmp.ts.number", How::Number),
    ("isakmp.ts.type", How::Number),
    ("isakmp.ts.protoid", How::Number),
    ("isakmp.ts.selector_length", How::Number),
    ("isakmp.ts.start_port", How::Number),
    ("isakmp.ts.end_port", How::Number),
    ("isakmp.ts.start_ipv4", How::Text),
    ("isakmp.ts.end_ipv4", How::Text),
    ("isakmp.ts.start_ipv6", How::Text),
    ("isakmp.ts.end_ipv6", How::Text),
    ("isakmp.frag.number", How::Number),
    ("isakmp.frag.total", How::Number),
];
const IKE_V1: &[(&str, How)] = &[
    ("isakmp.sa.doi", How::Number),
    ("isakmp.sa.situation", How::Octets),
    ("isakmp.trans.number", How::Number),
    ("isakmp.trans.id", How::Number),
    ("isakmp.ike.attr.format", How::Number),
    ("isakmp.ike.attr.type", How::Number),
    ("isakmp.ike.attr.length", How::Number),
    ("isakmp.ike.attr.value", How::Octets),
    ("isakmp.ipsec.attr.format", How::Number),
    ("isakmp.ipsec.attr.type", How::Number),
    ("isakmp.ipsec.attr.length", How::Number),
    ("isakmp.ipsec.attr.value", How::Octets),
    ("isakmp.id.protoid", How::Number),
    ("isakmp.id.port", How::Number),
    ("isakmp.hash", How::Octets),
    ("isakmp.sig", How::Octets),
    ("isakmp.notify.doi", How::Number),
    ("isakmp.delete.doi", How::Number),
    ("isakmp.ike.nat_hash", How::Octets),
    ("isakmp.ike.nat_original_address_ipv4", How::Text),
    ("isakmp.ike.nat_original_address_ipv6", How::Text),
    ("isakmp.cfg.identifier", How::Number),
    ("isakmp.extradata", How::Octets),
    ("isakmp.frag.packetid", How::Number),
    ("isakmp.frag.seq", How::Number),
    ("isakmp.frag.last", How::Number),
];
