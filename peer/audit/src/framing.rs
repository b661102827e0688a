//! What a datagram is: IKE, ESP or a keepalive, and whether it is dressed for its port
//! (RFC 3948, section 2; RFC 7296, sections 2 and 2.23).
//!
//! What comes in the wrong dress is still recognised by its content, reported, and then judged for
//! what it is.

use ikeproof_proto::wire::v1::is_v1;
use ikeproof_proto::wire::{EspHeader, Header};

use crate::observed::Transport;
use crate::rules::{self, Rule};

/// What a datagram is.
pub(crate) enum Kind<'a> {
    /// An IKE message, without marker.
    Ike(&'a [u8]),
    /// An ESP packet.
    Esp(&'a [u8]),
    /// An IP packet that AH is in.
    Ah(&'a [u8]),
    /// A NAT keepalive.
    Keepalive,
    /// Nothing of these.
    Runt,
}

/// A rule about framing that is broken, and how.
pub(crate) type Broken = (&'static Rule, String);

/// Says what `bytes` are. `is_esp` tells whether an ESP packet may have this SPI.
pub(crate) fn classify<'a>(
    transport: &Transport,
    bytes: &'a [u8],
    is_esp: impl Fn(u32) -> bool,
) -> (Kind<'a>, Option<Broken>) {
    match transport {
        Transport::Esp { .. } => (Kind::Esp(bytes), None),
        Transport::Ah { .. } => (Kind::Ah(bytes), None),
        Transport::Udp { marker: false, .. } => on_500(bytes, is_esp),
        Transport::Udp { marker: true, .. } => on_4500(bytes),
    }
}

fn on_500(bytes: &[u8], is_esp: impl Fn(u32) -> bool) -> (Kind<'_>, Option<Broken>) {
    if let [0, 0, 0, 0, message @ ..] = bytes
        && is_ike(message)
    {
        let says = "the non-ESP marker stands in front of a message on port 500".to_owned();
        return (Kind::Ike(message), Some((rules::MARKER_ON_500, says)));
    }
    if !is_ike(bytes)
        && let Ok(header) = EspHeader::decode(bytes)
        && is_esp(header.spi)
    {
        let says = format!("an ESP packet of SPI {:#010x} in UDP on port 500", header.spi);
        return (Kind::Esp(bytes), Some((rules::ESP_ON_500, says)));
    }
    (Kind::Ike(bytes), None)
}

fn on_4500(bytes: &[u8]) -> (Kind<'_>, Option<Broken>) {
    match bytes {
        [0xff] => (Kind::Keepalive, None),
        // Without the marker, an initiator SPI may begin with zeros just as well.
        [0, 0, 0, 0, message @ ..] if is_ike(message) || !is_ike(bytes) => {
            (Kind::Ike(message), None)
        }
        _ if is_ike(bytes) => {
            let says = "an IKE message begins where the non-ESP marker has to be".to_owned();
            let v1 = Header::decode(bytes).is_ok_and(|header| is_v1(&header));
            let rule = if v1 { rules::NATT_MARKER } else { rules::MARKER_MISSING };
            (Kind::Ike(bytes), Some((rule, says)))
        }
        [a, b, c, d, message @ ..] if is_ike(message) => {
            let says =
                format!("the marker in front of an IKE message is {a:02x}{b:02x}{c:02x}{d:02x}");
            (Kind::Ike(message), Some((rules::MARKER_VALUE, says)))
        }
        [first, ..] if bytes.len() < 4 || bytes.iter().all(|octet| octet == first) => {
            let says = format!(
                "{} octets {first:#04x} are neither IKE nor ESP, and a keepalive is one octet 0xff",
                bytes.len()
            );
            (Kind::Runt, Some((rules::KEEPALIVE, says)))
        }
        [] => {
            let says = "an empty datagram; a keepalive is one octet 0xff".to_owned();
            (Kind::Runt, Some((rules::KEEPALIVE, says)))
        }
        _ => (Kind::Esp(bytes), None),
    }
}

/// The rules that are applied to what a datagram is dressed in.
pub(crate) fn rules_of(transport: &Transport, kind: &Kind<'_>) -> &'static [&'static Rule] {
    let Transport::Udp { marker, .. } = transport else { return &[] };
    let v1 = |message| Header::decode(message).is_ok_and(|header| is_v1(&header));
    match kind {
        Kind::Ike(message) if *marker && v1(message) => &[rules::NATT_MARKER, rules::MARKER_VALUE],
        Kind::Ike(_) if *marker => &[rules::MARKER_MISSING, rules::MARKER_VALUE],
        Kind::Ike(_) => &[rules::MARKER_ON_500],
        Kind::Esp(_) => &[rules::ESP_ON_500],
        Kind::Keepalive | Kind::Runt => &[rules::KEEPALIVE],
        Kind::Ah(_) => &[],
    }
}

fn is_known(header: &Header) -> bool {
    match header.version.major {
        1 => matches!(header.exchange.0, 1..=6 | 32..=33),
        2 => (34..=44).contains(&header.exchange.0),
        _ => false,
    }
}

/// Whether the octets are a whole message of IKE by version, exchange and length, which octets
/// of another kind are by chance once in 2^50 times.
fn is_ike(bytes: &[u8]) -> bool {
    Header::decode(bytes)
        .is_ok_and(|header| is_known(&header) && usize::try_from(header.length) == Ok(bytes.len()))
}
