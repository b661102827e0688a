//! Traffic Selector payloads (RFC 7296, section 3.13).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Number of TSs |                 RESERVED                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                       <Traffic Selectors>                     ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Selectors of unknown types are no reason to refuse the others; they stand apart, so that no
//! one takes them for address ranges: `rfc7296-3.13.1-ts-unknown-type-ignored`.

use super::sa::body;
use super::traffic_selector::TrafficSelector;
use crate::wire::cursor::{Reader, Writer, saturate_u8};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::num::TsType;

/// The traffic of one side of a child SA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ts {
    /// The address ranges, in their order.
    pub selectors: Vec<TrafficSelector>,
    /// The selectors of other types.
    pub unknown: Vec<UnknownSelector>,
}

/// A selector whose type is not an address range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownSelector {
    /// Where in the whole list the selector stands.
    pub position: usize,
    /// The type.
    pub kind: TsType,
    /// The octet after the type; the protocol in the types that have one.
    pub ip_protocol: u8,
    /// What follows the selector length.
    pub body: Vec<u8>,
}

impl Ts {
    /// A payload of address ranges.
    pub const fn new(selectors: Vec<TrafficSelector>) -> Self {
        Self { selectors, unknown: Vec::new() }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at =
            reader.error("traffic selectors", 8, DecodeErrorKind::BadValue("number of TSs", 0));
        let [count, _, _, _] = reader.array("number of traffic selectors")?;
        //= rfc7296#3.13
        // Violation: rfc7296-3.13-ts-count-and-length.
        if count == 0 {
            return Err(at);
        }
        let mut ts = Self::default();
        for position in 0..usize::from(count) {
            let start = reader.offset();
            let kind = TsType(reader.u8("traffic selector")?);
            let ip_protocol = reader.u8("traffic selector")?;
            let length = reader.u16("selector length")?;
            let least = match kind {
                TsType::IPV4_ADDR_RANGE => 16,
                TsType::IPV6_ADDR_RANGE => 40,
                _ => 4,
            };
            let mut body = body(reader, "traffic selector", start, length, least)?;
            if least == 4 {
                let body = body.take_rest().to_vec();
                ts.unknown.push(UnknownSelector { position, kind, ip_protocol, body });
            } else {
                ts.selectors.push(TrafficSelector::decode_body(kind, ip_protocol, &mut body)?);
            }
        }
        reader.finish("traffic selectors")?;
        Ok(ts)
    }

    /// Encodes the body of a payload. Unknown selectors go where `position` says.
    pub fn encode(&self, writer: &mut Writer) {
        let count = self.selectors.len() + self.unknown.len();
        writer.bytes(&[saturate_u8(count), 0, 0, 0]);
        let mut unknown = self.unknown.iter().peekable();
        let mut selectors = self.selectors.iter();
        for position in 0..count {
            let due = unknown.next_if(|unknown| unknown.position <= position);
            match (due, due.is_none().then(|| selectors.next()).flatten()) {
                (Some(due), _) => due.encode(writer),
                (None, Some(selector)) => selector.encode(writer),
                (None, None) => unknown.next().into_iter().for_each(|late| late.encode(writer)),
            }
        }
    }
}

impl From<Vec<TrafficSelector>> for Ts {
    fn from(selectors: Vec<TrafficSelector>) -> Self {
        Self::new(selectors)
    }
}

impl UnknownSelector {
    fn encode(&self, writer: &mut Writer) {
        writer.u8(self.kind.0);
        writer.u8(self.ip_protocol);
        let length = writer.open_u16(2);
        writer.bytes(&self.body);
        writer.close(length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[rustfmt::skip]
    const BYTES: [u8; 66] = [
        3, 0, 0, 0,
        7, 6, 0, 16, 0x01, 0xbb, 0x01, 0xbb, 10, 0, 0, 0, 10, 0, 0, 255,
        10, 0, 0, 6, 0xaa, 0xbb,                                    // a security label
        8, 0, 0, 40, 0, 0, 0xff, 0xff,
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
        0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2,
    ];

    #[test]
    fn a_ts_payload_has_the_octets_of_the_rfc() {
        let ts = testing::decode(&BYTES, Ts::decode).unwrap();
        let texts: Vec<String> = ts.selectors.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["10.0.0.0/24[tcp/443]", "2001:db8::1-2001:db8::2"]);
        assert_eq!((ts.unknown[0].position, ts.unknown[0].kind), (1, TsType::SECLABEL));
        assert_eq!(ts.unknown[0].body, [0xaa, 0xbb]);
        assert_eq!(testing::encode(|writer| ts.encode(writer)), BYTES);
        testing::truncation_sweep(&BYTES, BYTES.len(), Ts::decode);
    }

    #[test]
    fn counts_types_and_lengths_that_disagree_are_refused() {
        let cases: &[(&str, usize, u8, DecodeErrorKind)] = &[
            ("no selector", 0, 0, DecodeErrorKind::BadValue("number of TSs", 0)),
            ("one too few", 0, 2, DecodeErrorKind::TrailingBytes),
            ("one too many", 0, 4, DecodeErrorKind::Truncated),
            ("length 0", 7, 0, DecodeErrorKind::BadLength),
            ("length 3", 7, 3, DecodeErrorKind::BadLength),
            ("length of IPv4 too short", 7, 15, DecodeErrorKind::BadLength),
            ("length of IPv4 too long", 7, 17, DecodeErrorKind::TrailingBytes),
            ("IPv6 of the length of IPv4", 4, 8, DecodeErrorKind::BadLength),
            ("IPv4 of the length of IPv6", 26, 7, DecodeErrorKind::TrailingBytes),
            ("unknown of length 3", 23, 3, DecodeErrorKind::BadLength),
            ("last reaches out of the payload", 29, 41, DecodeErrorKind::Truncated),
        ];
        for &(name, at, octet, kind) in cases {
            let mut bytes = BYTES;
            bytes[at] = octet;
            assert_eq!(testing::decode(&bytes, Ts::decode).unwrap_err().kind, kind, "{name}");
        }
    }

    #[test]
    fn selectors_of_unknown_types_at_the_end_are_written_even_if_misplaced() {
        let late = UnknownSelector { position: 9, kind: TsType(99), ip_protocol: 0, body: vec![] };
        let ts = Ts { selectors: vec![TrafficSelector::any_v4()], unknown: vec![late] };
        let bytes = testing::encode(|writer| ts.encode(writer));
        assert_eq!(bytes[0], 2);
        assert_eq!(bytes[bytes.len() - 4..], [99, 0, 0, 4]);
    }
}
