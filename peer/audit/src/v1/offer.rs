//! A Security Association payload taken apart without judging it, every field with its octet
//! (RFC 2408, sections 3.3 to 3.6).

use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::{Attribute, DecodeError, Limit, ProtocolId, Reader};

use super::message::{Message, Part};

/// The content of an SA payload, as far as its lengths lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Where the body begins.
    pub(crate) at: usize,
    pub(crate) doi: u32,
    pub(crate) situation: u32,
    pub(crate) proposals: Vec<OfferedProposal>,
    /// The lengths do not add up.
    pub(crate) broken: Option<DecodeError>,
}

/// A proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedProposal {
    pub(crate) at: usize,
    pub(crate) next: u8,
    pub(crate) reserved: u8,
    pub(crate) number: u8,
    pub(crate) protocol: ProtocolId,
    pub(crate) spi: Vec<u8>,
    /// How many transforms it says to have.
    pub(crate) count: u8,
    pub(crate) transforms: Vec<OfferedTransform>,
}

/// A transform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OfferedTransform {
    pub(crate) at: usize,
    pub(crate) next: u8,
    pub(crate) reserved: [u8; 3],
    pub(crate) number: u8,
    pub(crate) id: u8,
    /// With the octet where each begins.
    pub(crate) attributes: Vec<(usize, Attribute)>,
}

impl OfferedTransform {
    /// The first attribute of a number as a number itself.
    pub(crate) fn value(&self, kind: u16) -> Option<u64> {
        self.find(kind).and_then(|(_, attribute)| attribute.number())
    }

    /// The first attribute of a number, and where it is.
    pub(crate) fn find(&self, kind: u16) -> Option<(usize, &Attribute)> {
        let found = self.attributes.iter().find(|(_, attribute)| attribute.kind() == kind);
        found.map(|(at, attribute)| (*at, attribute))
    }
}

impl Offer {
    /// The first SA payload of a message.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        message.part(PayloadKind::SA).and_then(Self::read)
    }

    /// Takes an SA payload apart; `None` if it cannot even hold DOI and situation.
    pub(crate) fn read(part: &Part) -> Option<Self> {
        let reader = &mut part.raw.reader();
        let (doi, situation) = (reader.u32("DOI").ok()?, reader.u32("situation").ok()?);
        let mut offer =
            Self { at: part.body(), doi, situation, proposals: Vec::new(), broken: None };
        while !reader.is_empty() {
            match proposal(reader) {
                Ok((proposal, broken)) => {
                    offer.proposals.push(proposal);
                    offer.broken = offer.broken.or(broken);
                }
                Err(error) => {
                    offer.broken = offer.broken.or(Some(error));
                    break;
                }
            }
        }
        Some(offer)
    }

    /// The only transform of the only proposal, as an answer has it.
    pub(crate) fn single(&self) -> Option<(&OfferedProposal, &OfferedTransform)> {
        let proposal = self.proposals.first()?;
        Some((proposal, proposal.transforms.first()?))
    }

    /// All transforms with their proposals.
    pub(crate) fn transforms(&self) -> impl Iterator<Item = (&OfferedProposal, &OfferedTransform)> {
        self.proposals.iter().flat_map(|proposal| {
            proposal.transforms.iter().map(move |transform| (proposal, transform))
        })
    }
}

fn proposal(
    reader: &mut Reader<'_>,
) -> Result<(OfferedProposal, Option<DecodeError>), DecodeError> {
    let at = reader.offset();
    let (next, reserved, mut body) = part(reader, "proposal")?;
    let number = body.u8("proposal number")?;
    let protocol = ProtocolId(body.u8("proposal protocol")?);
    let spi_size = body.u8("proposal SPI size")?;
    let count = body.u8("number of transforms")?;
    let spi = body.bytes("proposal SPI", usize::from(spi_size))?.to_vec();
    let (mut transforms, mut broken) = (Vec::new(), None);
    while !body.is_empty() {
        match transform(&mut body) {
            Ok(transform) => transforms.push(transform),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    let proposal = OfferedProposal { at, next, reserved, number, protocol, spi, count, transforms };
    Ok((proposal, broken))
}

fn transform(reader: &mut Reader<'_>) -> Result<OfferedTransform, DecodeError> {
    let at = reader.offset();
    let (next, reserved, mut body) = part(reader, "transform")?;
    let number = body.u8("transform number")?;
    let id = body.u8("transform ID")?;
    let [high, low] = body.array("transform ID")?;
    let mut attributes = Vec::new();
    while !body.is_empty() {
        let at = body.offset();
        let kind = body.u16("attribute")?;
        let value = body.u16("attribute")?;
        let attribute = if kind & 0x8000 == 0 {
            let value = body.bytes("attribute value", usize::from(value))?.to_vec();
            Attribute::Tlv { kind, value }
        } else {
            Attribute::Tv { kind: kind & 0x7fff, value }
        };
        attributes.push((at, attribute));
    }
    Ok(OfferedTransform { at, next, reserved: [reserved, high, low], number, id, attributes })
}

/// The Next Payload and reserved octets of a part, and a reader of what follows its length.
fn part<'a>(
    reader: &mut Reader<'a>,
    item: &'static str,
) -> Result<(u8, u8, Reader<'a>), DecodeError> {
    let next = reader.u8(item)?;
    let reserved = reader.u8(item)?;
    let length = usize::from(reader.u16(item)?);
    let body = reader.sub(item, length.saturating_sub(4), Limit::Substructure(item))?;
    Ok((next, reserved, body))
}
