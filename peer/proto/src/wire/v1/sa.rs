//! Security Association, Proposal and Transform payloads (RFC 2408, sections 3.4 to 3.6; RFC 2407,
//! section 4.6.1).
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              Domain of Interpretation (DOI)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Situation                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |   RESERVED    |        Proposal Length        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Proposal #   |  Protocol-Id  |    SPI Size   |# of Transforms|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        SPI (variable)                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Next Payload  |   RESERVED    |        Transform Length       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Transform #  | Transform-Id  |           RESERVED2           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        SA Attributes                          ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Several proposals may have one number: they then stand for SAs that are wanted together.

use super::num::PayloadKind;
use crate::wire::attribute::Attribute;
use crate::wire::cursor::{Reader, Writer, saturate_u8};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};
use crate::wire::num::ProtocolId;

/// The IPsec DOI (RFC 2407, section 4.6.1).
pub const DOI_IPSEC: u32 = 1;
/// The generic DOI of ISAKMP, which notifications may carry (RFC 2408, section 3.14).
pub const DOI_ISAKMP: u32 = 0;
/// SIT_IDENTITY_ONLY (RFC 2407, section 4.2.1).
pub const SITUATION_IDENTITY_ONLY: u32 = 1;
/// The transform KEY_IKE, the only one of phase 1 (RFC 2407, section 4.4.2).
pub const KEY_IKE: u8 = 1;

/// Proposals, from most to least preferred; the one that was chosen in an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sa {
    /// The proposals, at least one when received.
    pub proposals: Vec<Proposal>,
}

/// An SA of one protocol, with alternatives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The number. Proposals of one number are wanted together.
    pub number: u8,
    /// The protocol.
    pub protocol: ProtocolId,
    /// The sender's SPI. In phase 1 it says nothing and may have any length.
    pub spi: Vec<u8>,
    /// The alternatives, from most to least preferred.
    pub transforms: Vec<Transform>,
}

/// One complete set of algorithms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transform {
    /// The number, counted up in an offer and repeated in an answer.
    pub number: u8,
    /// What the protocol uses: KEY_IKE, a cipher of ESP, a hash of AH.
    pub id: u8,
    /// The attributes, unknown ones included, in their order.
    pub attributes: Vec<Attribute>,
}

impl Sa {
    /// Decodes the body of a payload of the IPsec DOI.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let at = reader.error("SA payload", 4, DecodeErrorKind::Truncated);
        let doi = reader.u32("DOI")?;
        if doi != DOI_IPSEC {
            let kind = DecodeErrorKind::BadValue("DOI", doi.into());
            return Err(DecodeError { kind, ..at });
        }
        let situation = reader.u32("situation")?;
        if situation != SITUATION_IDENTITY_ONLY {
            // Secrecy and integrity would bring labels of their own.
            let kind = DecodeErrorKind::BadValue("situation", situation.into());
            return Err(DecodeError { kind, ..at });
        }
        let mut proposals = Vec::new();
        loop {
            let at = reader.error("next payload of the proposal", 1, DecodeErrorKind::BadLength);
            let (next, proposal) = Proposal::decode(reader)?;
            proposals.push(proposal);
            check_next(at, next, if reader.is_empty() { NONE } else { PROPOSAL })?;
            if reader.is_empty() {
                return Ok(Self { proposals });
            }
        }
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(DOI_IPSEC);
        writer.u32(SITUATION_IDENTITY_ONLY);
        for (left, proposal) in (0..self.proposals.len()).rev().zip(&self.proposals) {
            proposal.encode(if left == 0 { NONE } else { PROPOSAL }, writer);
        }
    }
}

impl Proposal {
    fn decode(reader: &mut Reader<'_>) -> Result<(u8, Self), DecodeError> {
        let start = reader.offset();
        let next = reader.u8("proposal")?;
        let _reserved = reader.u8("proposal")?;
        let length = reader.u16("proposal length")?;
        let mut body = body(reader, "proposal", start, length)?;
        let number = body.u8("proposal number")?;
        let protocol = ProtocolId(body.u8("proposal protocol")?);
        let spi_size = body.u8("proposal SPI size")?;
        let count = body.u8("number of transforms")?;
        let spi = body.bytes("proposal SPI", usize::from(spi_size))?.to_vec();
        let mut transforms = Vec::new();
        for left in (0..count).rev() {
            let at = body.error("next payload of the transform", 1, DecodeErrorKind::BadLength);
            let (next, transform) = Transform::decode(&mut body)?;
            check_next(at, next, if left == 0 { NONE } else { TRANSFORM })?;
            transforms.push(transform);
        }
        body.finish("proposal")?;
        Ok((next, Self { number, protocol, spi, transforms }))
    }

    fn encode(&self, next: u8, writer: &mut Writer) {
        writer.u8(next);
        writer.u8(0);
        let length = writer.open_u16(2);
        writer.u8(self.number);
        writer.u8(self.protocol.0);
        writer.u8(saturate_u8(self.spi.len()));
        writer.u8(saturate_u8(self.transforms.len()));
        writer.bytes(&self.spi);
        for (left, transform) in (0..self.transforms.len()).rev().zip(&self.transforms) {
            transform.encode(if left == 0 { NONE } else { TRANSFORM }, writer);
        }
        writer.close(length);
    }
}

impl Transform {
    /// The first attribute of a number as a number itself.
    pub fn attribute(&self, kind: u16) -> Option<u64> {
        self.attributes.iter().find(|found| found.kind() == kind).and_then(Attribute::number)
    }

    fn decode(reader: &mut Reader<'_>) -> Result<(u8, Self), DecodeError> {
        let start = reader.offset();
        let next = reader.u8("transform")?;
        let _reserved = reader.u8("transform")?;
        let length = reader.u16("transform length")?;
        let mut body = body(reader, "transform", start, length)?;
        let number = body.u8("transform number")?;
        let id = body.u8("transform ID")?;
        let _reserved = body.u16("transform ID")?;
        let mut attributes = Vec::new();
        while !body.is_empty() {
            attributes.push(Attribute::decode(&mut body)?);
        }
        Ok((next, Self { number, id, attributes }))
    }

    fn encode(&self, next: u8, writer: &mut Writer) {
        writer.u8(next);
        writer.u8(0);
        let length = writer.open_u16(2);
        writer.u8(self.number);
        writer.u8(self.id);
        writer.u16(0);
        for attribute in &self.attributes {
            attribute.encode(writer);
        }
        writer.close(length);
    }
}

/// A reader of what follows the first four octets of a part that is `length` octets long in all.
fn body<'a>(
    reader: &mut Reader<'a>,
    item: &'static str,
    offset: usize,
    length: u16,
) -> Result<Reader<'a>, DecodeError> {
    let (limit, available) = (Limit::Substructure(item), usize::from(length));
    if available < LEAST {
        let kind = DecodeErrorKind::BadLength;
        return Err(DecodeError { item, offset, needed: LEAST, available, limit, kind });
    }
    reader.sub(item, available - 4, limit)
}

/// Checks a Next Payload field of a part against what lengths and counts say.
fn check_next(at: DecodeError, next: u8, expected: u8) -> Result<(), DecodeError> {
    if next == expected {
        return Ok(());
    }
    Err(DecodeError { kind: DecodeErrorKind::BadValue("value", next.into()), ..at })
}

const NONE: u8 = PayloadKind::NONE.0;
const PROPOSAL: u8 = PayloadKind::PROPOSAL.0;
const TRANSFORM: u8 = PayloadKind::TRANSFORM.0;
/// The fixed part of a proposal, and of a transform.
const LEAST: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[rustfmt::skip]
    const BYTES: [u8; 64] = [
        0, 0, 0, 1, 0, 0, 0, 1,
        0, 0, 0, 56, 7, 3, 4, 2, 0xc0, 1, 2, 3,     // proposal 7 for ESP, two transforms
        3, 0, 0, 20, 1, 12, 0, 0,                   // AES-CBC
        0x80, 6, 0, 128, 0x80, 5, 0, 2, 0x80, 4, 0, 1,
        0, 0, 0, 24, 2, 11, 0, 0,                   // NULL
        0x80, 5, 0, 1, 0x80, 1, 0, 1, 0, 2, 0, 4, 0, 0, 0x70, 0x80,
    ];

    #[test]
    fn a_security_association_has_the_octets_of_the_rfc() {
        let sa = testing::decode(&BYTES, Sa::decode).unwrap();
        let [proposal] = sa.proposals.as_slice() else { panic!("not one proposal") };
        assert_eq!((proposal.number, proposal.protocol), (7, ProtocolId::ESP));
        assert_eq!(proposal.spi, [0xc0, 1, 2, 3]);
        let [one, two] = proposal.transforms.as_slice() else { panic!("not two transforms") };
        assert_eq!(
            (one.attribute(6), one.attribute(5), one.attribute(4)),
            (Some(128), Some(2), Some(1))
        );
        assert_eq!((two.number, two.id, two.attribute(2)), (2, 11, Some(28_800)));
        assert_eq!(testing::encode(|writer| sa.encode(writer)), BYTES);
        testing::truncation_sweep(&BYTES, BYTES.len(), Sa::decode);
    }

    #[test]
    fn an_unknown_doi_or_situation_is_refused() {
        for (at, item) in [(3, "DOI"), (7, "situation")] {
            let mut bytes = BYTES;
            bytes[at] = 2;
            let error = testing::decode(&bytes, Sa::decode).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::BadValue(item, 2));
        }
    }

    #[test]
    fn links_that_disagree_with_lengths_and_counts_are_refused() {
        for (at, value) in [(8, 2), (8, 3), (20, 0), (20, 2), (40, 3), (15, 1), (15, 3)] {
            let mut bytes = BYTES;
            bytes[at] = value;
            assert!(testing::decode(&bytes, Sa::decode).is_err(), "octet {at} as {value}");
        }
    }

    #[test]
    fn every_flipped_octet_decodes_or_fails_without_panic() {
        for at in 0..BYTES.len() {
            for mask in [1, 0x7f, 0x80, 0xff] {
                let mut bytes = BYTES;
                bytes[at] ^= mask;
                if let Ok(sa) = testing::decode(&bytes, Sa::decode) {
                    let again = testing::encode(|writer| sa.encode(writer));
                    assert_eq!(testing::decode(&again, Sa::decode), Ok(sa));
                }
            }
        }
    }
}
