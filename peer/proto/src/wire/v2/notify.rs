//! Notify payload (RFC 7296, section 3.10).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Protocol ID  |   SPI Size    |      Notify Message Type      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                Security Parameter Index (SPI)                 ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                       Notification Data                       ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer, saturate_u8};
use crate::wire::error::DecodeError;
use crate::wire::num::{NotifyType, ProtocolId};

/// An error or a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notify {
    /// The protocol of the SA that the notify is about, NONE if `spi` is empty.
    pub protocol: ProtocolId,
    /// The SPI of the SA that the notify is about, empty for the IKE SA and for none.
    pub spi: Vec<u8>,
    /// What is said.
    pub kind: NotifyType,
    /// More about it, as `kind` defines.
    pub data: Vec<u8>,
}

impl Notify {
    /// A notify about the IKE SA or about none.
    pub const fn new(kind: NotifyType, data: Vec<u8>) -> Self {
        Self { protocol: ProtocolId::NONE, spi: Vec::new(), kind, data }
    }

    /// A notify about the child SA with `spi`.
    pub fn child(kind: NotifyType, protocol: ProtocolId, spi: u32) -> Self {
        Self { protocol, spi: spi.to_be_bytes().to_vec(), kind, data: Vec::new() }
    }

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let protocol = ProtocolId(reader.u8("notify protocol")?);
        let spi_size = reader.u8("notify SPI size")?;
        let kind = NotifyType(reader.u16("notify type")?);
        let spi = reader.bytes("notify SPI", usize::from(spi_size))?.to_vec();
        Ok(Self { protocol, spi, kind, data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.protocol.0);
        writer.u8(saturate_u8(self.spi.len()));
        writer.u16(self.kind.0);
        writer.bytes(&self.spi);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_notify_has_the_octets_of_the_rfc() {
        let bytes = [3, 4, 0x40, 0x09, 0xc0, 1, 2, 3];
        let notify = Notify::child(NotifyType::REKEY_SA, ProtocolId::ESP, 0xc001_0203);
        assert_eq!(testing::decode(&bytes, Notify::decode), Ok(notify.clone()));
        assert_eq!(testing::encode(|writer| notify.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Notify::decode);
    }

    #[test]
    fn data_follow_the_spi() {
        let bytes = [0, 0, 0, 17, 0, 14];
        let notify = Notify::new(NotifyType::INVALID_KE_PAYLOAD, vec![0, 14]);
        assert_eq!(testing::decode(&bytes, Notify::decode), Ok(notify.clone()));
        assert_eq!(testing::encode(|writer| notify.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, Notify::decode);
    }
}
