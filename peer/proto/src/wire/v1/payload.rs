//! Any payload of IKEv1, by its type.

use super::num::PayloadKind;
use super::{Attributes, Cert, CertReq, Delete, Fragment, Id, NatOa, Notify, Sa, VendorId};
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};
use crate::wire::raw::RawPayload;

/// The lengths that a nonce may have (RFC 2409, section 5).
const NONCE_LENGTHS: core::ops::RangeInclusive<usize> = 8..=256;

/// A payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security Association, with the proposals and transforms in it.
    Sa(Sa),
    /// Key Exchange: the public value and nothing else.
    Ke(Vec<u8>),
    /// Identification.
    Id(Id),
    /// Certificate.
    Cert(Cert),
    /// Certificate Request: the data are the name of one authority, or nothing.
    CertReq(CertReq),
    /// Hash.
    Hash(Vec<u8>),
    /// Signature.
    Sig(Vec<u8>),
    /// Nonce.
    Nonce(Vec<u8>),
    /// Notification.
    Notify(Notify),
    /// Delete.
    Delete(Delete),
    /// Vendor ID.
    VendorId(VendorId),
    /// Attributes of mode-config and XAUTH.
    Attributes(Attributes),
    /// NAT Discovery: a hash over cookies, address and port.
    NatD {
        /// The hash.
        hash: Vec<u8>,
        /// Whether it has the number of the drafts before RFC 3947.
        draft: bool,
    },
    /// NAT Original Address.
    NatOa {
        /// The address.
        address: NatOa,
        /// Whether it has the number of the drafts before RFC 3947.
        draft: bool,
    },
    /// A part of another message.
    Fragment(Fragment),
    /// A payload of another type.
    Unknown {
        /// The type.
        kind: PayloadKind,
        /// What follows the generic payload header.
        body: Vec<u8>,
    },
}

impl Payload {
    /// Decodes the body by the payload's type.
    pub fn decode(raw: &RawPayload) -> Result<Self, DecodeError> {
        let reader = &mut raw.reader();
        let payload = match PayloadKind(raw.kind.0) {
            PayloadKind::SA => Self::Sa(Sa::decode(reader)?),
            PayloadKind::KE => Self::Ke(octets(reader)),
            PayloadKind::ID => Self::Id(Id::decode(reader)?),
            PayloadKind::CERT => Self::Cert(Cert::decode(reader)?),
            PayloadKind::CERTREQ => Self::CertReq(CertReq::decode(reader)?),
            PayloadKind::HASH => Self::Hash(octets(reader)),
            PayloadKind::SIG => Self::Sig(octets(reader)),
            PayloadKind::NONCE => Self::Nonce(nonce(reader)?),
            PayloadKind::NOTIFY => Self::Notify(Notify::decode(reader)?),
            PayloadKind::DELETE => Self::Delete(Delete::decode(reader)?),
            PayloadKind::VENDOR_ID => Self::VendorId(VendorId::decode(reader)?),
            PayloadKind::ATTRIBUTES => Self::Attributes(Attributes::decode(reader)?),
            PayloadKind::NAT_D => Self::NatD { hash: octets(reader), draft: false },
            PayloadKind::NAT_D_DRAFT => Self::NatD { hash: octets(reader), draft: true },
            PayloadKind::NAT_OA => Self::NatOa { address: NatOa::decode(reader)?, draft: false },
            PayloadKind::NAT_OA_DRAFT => {
                Self::NatOa { address: NatOa::decode(reader)?, draft: true }
            }
            PayloadKind::FRAGMENT => Self::Fragment(Fragment::decode(reader)?),
            kind => Self::Unknown { kind, body: octets(reader) },
        };
        reader.finish("payload")?;
        Ok(payload)
    }

    /// The payload's type.
    pub const fn kind(&self) -> PayloadKind {
        match self {
            Self::Sa(_) => PayloadKind::SA,
            Self::Ke(_) => PayloadKind::KE,
            Self::Id(_) => PayloadKind::ID,
            Self::Cert(_) => PayloadKind::CERT,
            Self::CertReq(_) => PayloadKind::CERTREQ,
            Self::Hash(_) => PayloadKind::HASH,
            Self::Sig(_) => PayloadKind::SIG,
            Self::Nonce(_) => PayloadKind::NONCE,
            Self::Notify(_) => PayloadKind::NOTIFY,
            Self::Delete(_) => PayloadKind::DELETE,
            Self::VendorId(_) => PayloadKind::VENDOR_ID,
            Self::Attributes(_) => PayloadKind::ATTRIBUTES,
            Self::NatD { draft: false, .. } => PayloadKind::NAT_D,
            Self::NatD { draft: true, .. } => PayloadKind::NAT_D_DRAFT,
            Self::NatOa { draft: false, .. } => PayloadKind::NAT_OA,
            Self::NatOa { draft: true, .. } => PayloadKind::NAT_OA_DRAFT,
            Self::Fragment(_) => PayloadKind::FRAGMENT,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The payload alone, at the end of a chain.
    pub fn encode(&self) -> RawPayload {
        RawPayload::new(self.kind().raw(), self.body())
    }

    /// What follows the generic payload header.
    pub fn body(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        match self {
            Self::Sa(sa) => sa.encode(&mut writer),
            Self::Id(id) => id.encode(&mut writer),
            Self::Cert(cert) => cert.encode(&mut writer),
            Self::CertReq(request) => request.encode(&mut writer),
            Self::Notify(notify) => notify.encode(&mut writer),
            Self::Delete(delete) => delete.encode(&mut writer),
            Self::VendorId(vendor_id) => vendor_id.encode(&mut writer),
            Self::Attributes(attributes) => attributes.encode(&mut writer),
            Self::NatOa { address, .. } => address.encode(&mut writer),
            Self::Fragment(fragment) => fragment.encode(&mut writer),
            Self::Ke(octets)
            | Self::Hash(octets)
            | Self::Sig(octets)
            | Self::Nonce(octets)
            | Self::NatD { hash: octets, .. }
            | Self::Unknown { body: octets, .. } => writer.bytes(octets),
        }
        writer.into_bytes()
    }
}

fn octets(reader: &mut Reader<'_>) -> Vec<u8> {
    reader.take_rest().to_vec()
}

fn nonce(reader: &mut Reader<'_>) -> Result<Vec<u8>, DecodeError> {
    // Violation: rfc2409-5-nonce-length.
    let (least, most) = NONCE_LENGTHS.into_inner();
    if !NONCE_LENGTHS.contains(&reader.remaining()) {
        let needed = reader.remaining().clamp(least, most);
        return Err(reader.error("nonce", needed, DecodeErrorKind::BadLength));
    }
    Ok(octets(reader))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::num::{CertEncoding, CfgType, ProtocolId};
    use crate::wire::v1::num::{IdKind, NotifyKind};
    use crate::wire::v1::{Proposal, Transform};
    use crate::wire::{Attribute, IkeSpi};

    fn examples() -> Vec<Payload> {
        let transform =
            Transform { number: 1, id: 1, attributes: vec![Attribute::Tv { kind: 1, value: 7 }] };
        let proposal = Proposal {
            number: 1,
            protocol: ProtocolId::IKE,
            spi: Vec::new(),
            transforms: vec![transform],
        };
        let (spi_i, spi_r) = (IkeSpi([1; 8]), IkeSpi([2; 8]));
        let id = Id { kind: IdKind::FQDN, protocol: 17, port: 500, data: b"a.b".to_vec() };
        vec![
            Payload::Sa(Sa { proposals: vec![proposal] }),
            Payload::Ke(vec![1; 128]),
            Payload::Id(id),
            Payload::Cert(Cert { encoding: CertEncoding::X509_SIGNATURE, data: vec![1] }),
            Payload::CertReq(CertReq { encoding: CertEncoding::X509_SIGNATURE, data: vec![] }),
            Payload::Hash(vec![2; 20]),
            Payload::Sig(vec![3; 256]),
            Payload::Nonce(vec![4; 8]),
            Payload::Notify(Notify::isakmp(NotifyKind::INITIAL_CONTACT, spi_i, spi_r, vec![])),
            Payload::Delete(Delete::isakmp(spi_i, spi_r)),
            Payload::VendorId(VendorId(vec![5; 16])),
            Payload::Attributes(Attributes {
                kind: CfgType::SET,
                identifier: 9,
                attributes: vec![Attribute::Tlv { kind: 16521, value: b"name".to_vec() }],
            }),
            Payload::NatD { hash: vec![6; 20], draft: false },
            Payload::NatD { hash: vec![6; 20], draft: true },
            Payload::NatOa { address: NatOa([192, 0, 2, 1].into()), draft: false },
            Payload::NatOa { address: NatOa([192, 0, 2, 1].into()), draft: true },
            Payload::Fragment(Fragment { id: 1, number: 1, last: true, data: vec![7] }),
            Payload::Unknown { kind: PayloadKind(77), body: vec![8] },
        ]
    }

    #[test]
    fn every_payload_survives_encoding_and_decoding() {
        for payload in examples() {
            let raw = payload.encode();
            assert_eq!(raw.kind, payload.kind().raw());
            assert_eq!(Payload::decode(&raw), Ok(payload));
        }
    }

    #[test]
    fn any_octets_in_any_payload_decode_or_fail_without_panic() {
        for payload in examples() {
            let raw = payload.encode();
            for length in 0..=raw.body.len() {
                let cut = RawPayload::new(raw.kind, raw.body[..length].to_vec());
                let _ = Payload::decode(&cut);
            }
            for at in 0..raw.body.len() {
                for value in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut raw = raw.clone();
                    raw.body[at] = value;
                    let _ = Payload::decode(&raw);
                }
            }
        }
    }

    #[test]
    fn a_nonce_has_8_to_256_octets() {
        for length in 0..300 {
            let raw = RawPayload::new(PayloadKind::NONCE.raw(), vec![1; length]);
            assert_eq!(Payload::decode(&raw).is_ok(), (8..=256).contains(&length), "{length}");
        }
    }

    #[test]
    fn a_certificate_and_its_request_have_the_octets_of_the_rfc() {
        // RFC 2408, sections 3.9 and 3.10: a type, then a certificate, or the name of one authority.
        let body = [4, 0x30, 0x03, 0x31, 0x01, 0x00];
        let (encoding, data) = (CertEncoding::X509_SIGNATURE, body[1..].to_vec());
        let request = Payload::CertReq(CertReq { encoding, data: data.clone() });
        let certificate = Payload::Cert(Cert { encoding, data });
        for (kind, payload) in [(PayloadKind::CERTREQ, request), (PayloadKind::CERT, certificate)] {
            let raw = RawPayload::new(kind.raw(), body.to_vec());
            assert_eq!(Payload::decode(&raw), Ok(payload.clone()));
            assert_eq!(payload.body(), body);
            assert!(Payload::decode(&RawPayload::new(kind.raw(), Vec::new())).is_err());
        }
        // Any authority will do.
        let any = RawPayload::new(PayloadKind::CERTREQ.raw(), vec![4]);
        let decoded = Payload::decode(&any);
        assert_eq!(decoded, Ok(Payload::CertReq(CertReq { encoding, data: Vec::new() })));
    }
}
