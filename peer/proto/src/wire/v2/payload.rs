//! Any payload of IKEv2, by its type.

use super::{
    Auth, Cert, CertReq, Cp, Delete, Eap, Id, Ke, Nonce, Notify, Sa, Sk, Skf, Ts, VendorId,
};
use crate::wire::cursor::Writer;
use crate::wire::error::DecodeError;
use crate::wire::num::PayloadType;
use crate::wire::raw::RawPayload;

/// A payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Security Association.
    Sa(Sa),
    /// Key Exchange.
    Ke(Ke),
    /// Identification of the initiator.
    IdI(Id),
    /// Identification of the responder.
    IdR(Id),
    /// Certificate.
    Cert(Cert),
    /// Certificate Request.
    CertReq(CertReq),
    /// Authentication.
    Auth(Auth),
    /// Nonce.
    Nonce(Nonce),
    /// Notify.
    Notify(Notify),
    /// Delete.
    Delete(Delete),
    /// Vendor ID.
    VendorId(VendorId),
    /// Traffic Selectors of the initiator.
    TsI(Ts),
    /// Traffic Selectors of the responder.
    TsR(Ts),
    /// Encrypted.
    Sk(Sk),
    /// Encrypted Fragment.
    Skf(Skf),
    /// Configuration.
    Cp(Cp),
    /// EAP.
    Eap(Eap),
    /// A payload of another type.
    Unknown {
        /// The type.
        kind: PayloadType,
        /// Whether a receiver that does not know the type has to refuse the message.
        critical: bool,
        /// What follows the generic payload header.
        body: Vec<u8>,
    },
}

impl Payload {
    /// Decodes the body by the payload's type. The critical bit of known types is ignored.
    pub fn decode(raw: &RawPayload) -> Result<Self, DecodeError> {
        let reader = &mut raw.reader();
        let payload = match raw.kind {
            PayloadType::SA => Self::Sa(Sa::decode(reader)?),
            PayloadType::KE => Self::Ke(Ke::decode(reader)?),
            PayloadType::IDI => Self::IdI(Id::decode(reader)?),
            PayloadType::IDR => Self::IdR(Id::decode(reader)?),
            PayloadType::CERT => Self::Cert(Cert::decode(reader)?),
            PayloadType::CERTREQ => Self::CertReq(CertReq::decode(reader)?),
            PayloadType::AUTH => Self::Auth(Auth::decode(reader)?),
            PayloadType::NONCE => Self::Nonce(Nonce::decode(reader)?),
            PayloadType::NOTIFY => Self::Notify(Notify::decode(reader)?),
            PayloadType::DELETE => Self::Delete(Delete::decode(reader)?),
            PayloadType::VENDOR_ID => Self::VendorId(VendorId::decode(reader)?),
            PayloadType::TSI => Self::TsI(Ts::decode(reader)?),
            PayloadType::TSR => Self::TsR(Ts::decode(reader)?),
            PayloadType::SK => Self::Sk(Sk::decode(raw.next, reader)?),
            PayloadType::SKF => Self::Skf(Skf::decode(raw.next, reader)?),
            PayloadType::CP => Self::Cp(Cp::decode(reader)?),
            PayloadType::EAP => Self::Eap(Eap::decode(reader)?),
            kind => {
                let body = reader.take_rest().to_vec();
                Self::Unknown { kind, critical: raw.critical, body }
            }
        };
        reader.finish("payload")?;
        Ok(payload)
    }

    /// The payload's type.
    pub const fn kind(&self) -> PayloadType {
        match self {
            Self::Sa(_) => PayloadType::SA,
            Self::Ke(_) => PayloadType::KE,
            Self::IdI(_) => PayloadType::IDI,
            Self::IdR(_) => PayloadType::IDR,
            Self::Cert(_) => PayloadType::CERT,
            Self::CertReq(_) => PayloadType::CERTREQ,
            Self::Auth(_) => PayloadType::AUTH,
            Self::Nonce(_) => PayloadType::NONCE,
            Self::Notify(_) => PayloadType::NOTIFY,
            Self::Delete(_) => PayloadType::DELETE,
            Self::VendorId(_) => PayloadType::VENDOR_ID,
            Self::TsI(_) => PayloadType::TSI,
            Self::TsR(_) => PayloadType::TSR,
            Self::Sk(_) => PayloadType::SK,
            Self::Skf(_) => PayloadType::SKF,
            Self::Cp(_) => PayloadType::CP,
            Self::Eap(_) => PayloadType::EAP,
            Self::Unknown { kind, .. } => *kind,
        }
    }

    /// The payload alone, at the end of a chain. Only unknown payloads can be critical.
    ///
    /// A body of more than 65531 octets fits no payload; its length field then says 65535.
    pub fn encode(&self) -> RawPayload {
        let mut writer = Writer::new();
        let mut next = PayloadType::NONE;
        match self {
            Self::Sa(sa) => sa.encode(&mut writer),
            Self::Ke(ke) => ke.encode(&mut writer),
            Self::IdI(id) | Self::IdR(id) => id.encode(&mut writer),
            Self::Cert(cert) => cert.encode(&mut writer),
            Self::CertReq(request) => request.encode(&mut writer),
            Self::Auth(auth) => auth.encode(&mut writer),
            Self::Nonce(nonce) => nonce.encode(&mut writer),
            Self::Notify(notify) => notify.encode(&mut writer),
            Self::Delete(delete) => delete.encode(&mut writer),
            Self::VendorId(vendor_id) => vendor_id.encode(&mut writer),
            Self::TsI(ts) | Self::TsR(ts) => ts.encode(&mut writer),
            Self::Sk(sk) => {
                next = sk.first;
                sk.encode(&mut writer);
            }
            Self::Skf(skf) => {
                next = skf.first;
                skf.encode(&mut writer);
            }
            Self::Cp(cp) => cp.encode(&mut writer),
            Self::Eap(eap) => eap.encode(&mut writer),
            Self::Unknown { body, .. } => writer.bytes(body),
        }
        let critical = matches!(self, Self::Unknown { critical: true, .. });
        RawPayload { next, critical, ..RawPayload::new(self.kind(), writer.into_bytes()) }
    }

    /// Decodes the chain of decrypted content, which begins at `base_offset` of the datagram.
    pub fn decode_chain(
        first: PayloadType,
        bytes: &[u8],
        base_offset: usize,
    ) -> Result<Vec<Self>, DecodeError> {
        RawPayload::decode_chain(first, bytes, base_offset)?.iter().map(Self::decode).collect()
    }

    /// Encodes content that is to be encrypted; returns the first payload's type, too.
    pub fn encode_chain(payloads: &[Self]) -> (PayloadType, Vec<u8>) {
        let raw: Vec<RawPayload> = payloads.iter().map(Self::encode).collect();
        RawPayload::encode_chain(&raw)
    }
}

#[cfg(test)]
mod tests;
