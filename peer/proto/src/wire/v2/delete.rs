//! Delete payload (RFC 7296, section 3.11).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Protocol ID   |   SPI Size    |          Num of SPIs          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~               Security Parameter Index(es) (SPI)              ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer, saturate_u16};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};
use crate::wire::num::ProtocolId;

/// SAs that the sender has deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// The protocol of all the SAs.
    pub protocol: ProtocolId,
    /// The length of each SPI: four for ESP and AH, zero for the IKE SA of the message.
    pub spi_size: u8,
    /// The SPIs that the sender expects in its inbound packets, each of `spi_size` octets.
    pub spis: Vec<Vec<u8>>,
}

impl Delete {
    /// The deletion of the IKE SA that the message belongs to.
    pub const fn ike() -> Self {
        Self { protocol: ProtocolId::IKE, spi_size: 0, spis: Vec::new() }
    }

    /// The deletion of ESP SAs.
    pub fn esp(spis: &[u32]) -> Self {
        Self::child(ProtocolId::ESP, spis)
    }

    /// The deletion of SAs of ESP or AH.
    pub fn child(protocol: ProtocolId, spis: &[u32]) -> Self {
        let spis = spis.iter().map(|spi| spi.to_be_bytes().to_vec()).collect();
        Self { protocol, spi_size: 4, spis }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolId(reader.u8("delete protocol")?);
        let spi_size = reader.u8("delete SPI size")?;
        let at = reader.error("delete", 2, DecodeErrorKind::Truncated);
        let count = reader.u16("number of SPIs")?;
        if spi_size == 0 && count != 0 {
            // Counting what has no octets is the one way to make much out of few of them.
            let kind = DecodeErrorKind::BadValue("number of SPIs", count.into());
            return Err(DecodeError { kind, ..at });
        }
        let length = usize::from(spi_size) * usize::from(count);
        let limit = Limit::Substructure("number of SPIs");
        let mut spis = reader.sub("SPIs to delete", length, limit)?;
        reader.finish("delete")?;
        let spis = match usize::from(spi_size) {
            0 => Vec::new(),
            size => spis.take_rest().chunks_exact(size).map(<[u8]>::to_vec).collect(),
        };
        Ok(Self { protocol, spi_size, spis })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.protocol.0);
        writer.u8(self.spi_size);
        writer.u16(saturate_u16(self.spis.len()));
        for spi in &self.spis {
            writer.bytes(spi);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_delete_of_children_has_the_octets_of_the_rfc() {
        let bytes = [3, 4, 0, 2, 0xc0, 0, 0, 1, 0xc0, 0, 0, 2];
        let delete = Delete::esp(&[0xc000_0001, 0xc000_0002]);
        assert_eq!(testing::decode(&bytes, Delete::decode), Ok(delete.clone()));
        assert_eq!(testing::encode(|writer| delete.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Delete::decode);
    }

    #[test]
    fn a_delete_of_the_ike_sa_has_no_spi() {
        let bytes = [1, 0, 0, 0];
        assert_eq!(testing::decode(&bytes, Delete::decode), Ok(Delete::ike()));
        assert_eq!(testing::encode(|writer| Delete::ike().encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Delete::decode);
    }

    #[test]
    fn counts_that_disagree_with_the_length_are_refused() {
        for (bytes, kind) in [
            ([3, 4, 0, 2, 1, 2, 3, 4], DecodeErrorKind::Truncated),
            ([3, 4, 0, 0, 1, 2, 3, 4], DecodeErrorKind::TrailingBytes),
            ([3, 4, 0xff, 0xff, 1, 2, 3, 4], DecodeErrorKind::Truncated),
            ([1, 0, 0xff, 0xff, 1, 2, 3, 4], DecodeErrorKind::BadValue("number of SPIs", 65535)),
        ] {
            assert_eq!(testing::decode(&bytes, Delete::decode).unwrap_err().kind, kind);
        }
    }
}
