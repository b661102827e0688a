//! Notification and Delete payloads (RFC 2408, sections 3.14 and 3.15).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              Domain of Interpretation (DOI)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Protocol-ID  |   SPI Size    | Notify Type, or number of SPIs|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~  SPI and Notification Data, or the SPIs one after the other   ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Behind the DOI both are as in IKEv2, and are read by the same code.

use super::num::NotifyKind;
use super::sa::DOI_IPSEC;
use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::header::IkeSpi;
use crate::wire::num::{NotifyType, ProtocolId};
use crate::wire::v2;

/// An error or a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The domain of interpretation: 1 for IPsec, 0 for ISAKMP itself.
    pub doi: u32,
    /// The protocol of the SA that the notification is about.
    pub protocol: ProtocolId,
    /// Its SPI; both cookies for the ISAKMP SA, or nothing.
    pub spi: Vec<u8>,
    /// What is said.
    pub kind: NotifyKind,
    /// More about it, as `kind` defines.
    pub data: Vec<u8>,
}

impl Notify {
    /// A notification about the ISAKMP SA of these cookies.
    pub fn isakmp(kind: NotifyKind, spi_i: IkeSpi, spi_r: IkeSpi, data: Vec<u8>) -> Self {
        let spi = [spi_i.0, spi_r.0].concat();
        Self { doi: DOI_IPSEC, protocol: ProtocolId::IKE, spi, kind, data }
    }

    /// A notification about an SA, or a proposal for one, of ESP or AH.
    pub fn child(kind: NotifyKind, protocol: ProtocolId, spi: u32, data: Vec<u8>) -> Self {
        Self { doi: DOI_IPSEC, protocol, spi: spi.to_be_bytes().to_vec(), kind, data }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let doi = reader.u32("DOI")?;
        let v2::Notify { protocol, spi, kind, data } = v2::Notify::decode(reader)?;
        Ok(Self { doi, protocol, spi, kind: NotifyKind(kind.0), data })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        let Self { doi, protocol, spi, kind, data } = self.clone();
        writer.u32(doi);
        v2::Notify { protocol, spi, kind: NotifyType(kind.0), data }.encode(writer);
    }
}

/// SAs that the sender has deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The domain of interpretation.
    pub doi: u32,
    /// The protocol of all the SAs.
    pub protocol: ProtocolId,
    /// The SPIs that the sender expects in its inbound packets; both cookies for an ISAKMP SA.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// The deletion of an ISAKMP SA.
    pub fn isakmp(spi_i: IkeSpi, spi_r: IkeSpi) -> Self {
        let spis = vec![[spi_i.0, spi_r.0].concat()];
        Self { doi: DOI_IPSEC, protocol: ProtocolId::IKE, spis }
    }

    /// The deletion of an SA of ESP or AH.
    pub fn child(protocol: ProtocolId, spi: u32) -> Self {
        Self { doi: DOI_IPSEC, protocol, spis: vec![spi.to_be_bytes().to_vec()] }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let doi = reader.u32("DOI")?;
        let v2::Delete { protocol, spis, .. } = v2::Delete::decode(reader)?;
        Ok(Self { doi, protocol, spis })
    }

    /// Encodes the body of a payload. All SPIs have the length of the first.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u32(self.doi);
        let first = self.spis.first().map_or(0, Vec::len);
        let spi_size = u8::try_from(first).unwrap_or(u8::MAX);
        v2::Delete { protocol: self.protocol, spi_size, spis: self.spis.clone() }.encode(writer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_notification_has_the_octets_of_the_rfc() {
        let mut bytes = vec![0, 0, 0, 1, 1, 16, 0x8d, 0x28];
        bytes.extend([1; 8]);
        bytes.extend([2; 8]);
        bytes.extend([0, 0, 0, 7]);
        let (spi_i, spi_r) = (IkeSpi([1; 8]), IkeSpi([2; 8]));
        let notify = Notify::isakmp(NotifyKind::R_U_THERE, spi_i, spi_r, vec![0, 0, 0, 7]);
        assert_eq!(testing::decode(&bytes, Notify::decode), Ok(notify.clone()));
        assert_eq!(testing::encode(|writer| notify.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 24, Notify::decode);
    }

    #[test]
    fn a_delete_has_the_octets_of_the_rfc() {
        let bytes = [0, 0, 0, 1, 3, 4, 0, 1, 0xc0, 0, 0, 1];
        let delete = Delete::child(ProtocolId::ESP, 0xc000_0001);
        assert_eq!(testing::decode(&bytes, Delete::decode), Ok(delete.clone()));
        assert_eq!(testing::encode(|writer| delete.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Delete::decode);
        let isakmp = Delete::isakmp(IkeSpi([1; 8]), IkeSpi([2; 8]));
        let bytes = testing::encode(|writer| isakmp.encode(writer));
        assert_eq!((bytes.len(), &bytes[4..8]), (24, &[1, 16, 0, 1][..]));
        assert_eq!(testing::decode(&bytes, Delete::decode), Ok(isakmp));
    }
}
