//! Security Association payload and proposal substructure (RFC 7296, sections 3.3 and 3.3.1).
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Last Substruc |   RESERVED    |         Proposal Length       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Proposal Num  |  Protocol ID  |    SPI Size   |Num  Transforms|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        SPI (variable)                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        <Transforms>                           ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Lengths, counts and the Last Substruc fields have to agree with one another, else the payload is
//! refused: `rfc7296-3.3-sa-length-consistent`. Numbers, protocols and algorithms are not judged.

use serde::{Deserialize, Serialize};

use super::transform::Transform;
use crate::wire::cursor::{Reader, Writer, saturate_u8};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};
use crate::wire::hex;
use crate::wire::num::{ProtocolId, TransformType};

/// Proposals, from most to least preferred; the one that was chosen in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sa {
    /// The proposals, at least one when received.
    pub proposals: Vec<Proposal>,
}

impl Sa {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut proposals = Vec::new();
        loop {
            let at =
                reader.error("last substructure of the proposal", 1, DecodeErrorKind::BadLength);
            let (last, proposal) = Proposal::decode(reader)?;
            proposals.push(proposal);
            check_last(at, last, if reader.is_empty() { 0 } else { MORE_PROPOSALS })?;
            if reader.is_empty() {
                return Ok(Self { proposals });
            }
        }
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        for (left, proposal) in (0..self.proposals.len()).rev().zip(&self.proposals) {
            proposal.encode(if left == 0 { 0 } else { MORE_PROPOSALS }, writer);
        }
    }
}

/// One combination of algorithms, possibly with alternatives for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposal {
    /// The number: from 1 upwards in an offer, the offer's in an answer.
    pub number: u8,
    /// The protocol of the SA.
    pub protocol: ProtocolId,
    /// The sender's SPI, empty in the initial negotiation of an IKE SA.
    #[serde(with = "hex", default, skip_serializing_if = "Vec::is_empty")]
    pub spi: Vec<u8>,
    /// The algorithms, at most 255.
    pub transforms: Vec<Transform>,
}

impl Proposal {
    /// A proposal of an SA for `protocol`.
    pub const fn new(
        number: u8,
        protocol: ProtocolId,
        spi: Vec<u8>,
        transforms: Vec<Transform>,
    ) -> Self {
        Self { number, protocol, spi, transforms }
    }

    /// The transforms of one kind, in their order.
    pub fn of_kind(&self, kind: TransformType) -> impl Iterator<Item = &Transform> {
        self.transforms.iter().filter(move |transform| transform.kind == kind)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(u8, Self), DecodeError> {
        let start = reader.offset();
        let last = reader.u8("proposal")?;
        let _reserved = reader.u8("proposal")?;
        let length = reader.u16("proposal length")?;
        let mut body = body(reader, "proposal", start, length, 8)?;
        let number = body.u8("proposal number")?;
        let protocol = ProtocolId(body.u8("proposal protocol")?);
        let spi_size = body.u8("proposal SPI size")?;
        let count = body.u8("number of transforms")?;
        let spi = body.bytes("proposal SPI", usize::from(spi_size))?.to_vec();
        let mut transforms = Vec::new();
        for left in (0..count).rev() {
            let at =
                body.error("last substructure of the transform", 1, DecodeErrorKind::BadLength);
            let (last, transform) = Transform::decode(&mut body)?;
            check_last(at, last, if left == 0 { 0 } else { MORE_TRANSFORMS })?;
            transforms.push(transform);
        }
        body.finish("proposal")?;
        Ok((last, Self { number, protocol, spi, transforms }))
    }

    fn encode(&self, last: u8, writer: &mut Writer) {
        writer.u8(last);
        writer.u8(0);
        let length = writer.open_u16(2);
        writer.u8(self.number);
        writer.u8(self.protocol.0);
        writer.u8(saturate_u8(self.spi.len()));
        writer.u8(saturate_u8(self.transforms.len()));
        writer.bytes(&self.spi);
        for (left, transform) in (0..self.transforms.len()).rev().zip(&self.transforms) {
            transform.encode(if left == 0 { 0 } else { MORE_TRANSFORMS }, writer);
        }
        writer.close(length);
    }
}

/// A reader of what follows the first four octets of a substructure that is `length` octets long
/// in all and cannot be shorter than `least`.
pub(super) fn body<'a>(
    reader: &mut Reader<'a>,
    item: &'static str,
    offset: usize,
    length: u16,
    least: usize,
) -> Result<Reader<'a>, DecodeError> {
    let limit = Limit::Substructure(item);
    let length = usize::from(length);
    if length < least {
        let kind = DecodeErrorKind::BadLength;
        return Err(DecodeError { item, offset, needed: least, available: length, limit, kind });
    }
    reader.sub(item, length - 4, limit)
}

/// Checks a Last Substruc field against what the lengths and counts say.
fn check_last(at: DecodeError, last: u8, expected: u8) -> Result<(), DecodeError> {
    if last == expected {
        return Ok(());
    }
    Err(DecodeError { kind: DecodeErrorKind::BadValue("value", last.into()), ..at })
}

const MORE_PROPOSALS: u8 = 2;
const MORE_TRANSFORMS: u8 = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::num::{EncrId, EsnId, GroupId, IntegId, PrfId};
    use crate::wire::v2::testing;

    #[rustfmt::skip]
    const BYTES: [u8; 72] = [
        // Proposal 1, IKE: the four transforms of AES-CBC-128, SHA-1 and group 2.
        2, 0, 0, 44, 1, 1, 0, 4,
        3, 0, 0, 12, 1, 0, 0, 12, 0x80, 14, 0, 128,
        3, 0, 0, 8, 3, 0, 0, 2,
        3, 0, 0, 8, 2, 0, 0, 2,
        0, 0, 0, 8, 4, 0, 0, 2,
        // Proposal 2, ESP with an SPI: NULL and no ESN.
        0, 0, 0, 28, 2, 3, 4, 2, 0xc0, 1, 2, 3,
        3, 0, 0, 8, 1, 0, 0, 11,
        0, 0, 0, 8, 5, 0, 0, 0,
    ];

    fn sa() -> Sa {
        let ike = vec![
            Transform::encr(EncrId::AES_CBC, Some(128)),
            Transform::integ(IntegId::HMAC_SHA1_96),
            Transform::prf(PrfId::HMAC_SHA1),
            Transform::ke(GroupId::MODP_1024),
        ];
        let esp = vec![Transform::encr(EncrId::NULL, None), Transform::esn(EsnId::NO_ESN)];
        let spi = vec![0xc0, 1, 2, 3];
        Sa {
            proposals: vec![
                Proposal::new(1, ProtocolId::IKE, Vec::new(), ike),
                Proposal::new(2, ProtocolId::ESP, spi, esp),
            ],
        }
    }

    #[test]
    fn an_sa_payload_has_the_octets_of_the_rfc() {
        assert_eq!(testing::decode(&BYTES, Sa::decode), Ok(sa()));
        assert_eq!(testing::encode(|writer| sa().encode(writer)), BYTES);
        testing::truncation_sweep(&BYTES, BYTES.len(), Sa::decode);
    }

    #[test]
    fn counts_lengths_and_last_markers_that_disagree_are_refused() {
        let cases: &[(&str, usize, u8, DecodeErrorKind)] = &[
            ("proposal 1 says last", 0, 0, DecodeErrorKind::BadValue("value", 0)),
            ("proposal 1 says transform", 0, 3, DecodeErrorKind::BadValue("value", 3)),
            ("proposal 2 says more", 44, 2, DecodeErrorKind::BadValue("value", 2)),
            ("proposal length 0", 3, 0, DecodeErrorKind::BadLength),
            ("proposal length 3", 3, 3, DecodeErrorKind::BadLength),
            ("proposal length 7", 3, 7, DecodeErrorKind::BadLength),
            ("proposal cuts its transform", 3, 43, DecodeErrorKind::Truncated),
            ("proposal reaches into the next", 3, 46, DecodeErrorKind::TrailingBytes),
            ("proposal reaches out of the payload", 47, 29, DecodeErrorKind::Truncated),
            ("one transform too few", 7, 3, DecodeErrorKind::BadValue("value", 3)),
            ("one transform too many", 7, 5, DecodeErrorKind::BadValue("value", 0)),
            ("no transform counted", 7, 0, DecodeErrorKind::TrailingBytes),
            ("SPI eats the transforms", 6, 255, DecodeErrorKind::Truncated),
            ("transform says last", 8, 0, DecodeErrorKind::BadValue("value", 0)),
            ("transform length 0", 11, 0, DecodeErrorKind::BadLength),
            ("transform reaches out of the proposal", 39, 9, DecodeErrorKind::Truncated),
        ];
        for &(name, at, octet, kind) in cases {
            let mut bytes = BYTES;
            bytes[at] = octet;
            assert_eq!(testing::decode(&bytes, Sa::decode).unwrap_err().kind, kind, "{name}");
        }
    }

    #[test]
    fn reserved_octets_are_ignored() {
        let mut bytes = BYTES;
        for at in [1, 9, 13, 21, 45] {
            bytes[at] = 0xff;
        }
        assert_eq!(testing::decode(&bytes, Sa::decode), Ok(sa()));
    }

    #[test]
    fn an_empty_sa_payload_is_refused() {
        let error = testing::decode(&[], Sa::decode).unwrap_err();
        assert_eq!((error.item, error.kind), ("proposal", DecodeErrorKind::Truncated));
    }

    #[test]
    fn a_proposal_goes_through_a_configuration() {
        let json = serde_json::to_string(&sa()).unwrap();
        assert!(json.contains(r#""protocol":3,"spi":"c0010203""#), "{json}");
        assert_eq!(serde_json::from_str::<Sa>(&json).unwrap(), sa());
    }
}
