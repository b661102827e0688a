//! Vendor ID payload (RFC 7296, section 3.12).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                        Vendor ID (VID)                        ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;

/// Octets by which an implementation knows its own kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VendorId(pub Vec<u8>);

impl VendorId {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(reader.take_rest().to_vec()))
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_vendor_id_is_all_of_its_payload() {
        let vendor_id = testing::decode(b"strongSwan", VendorId::decode).unwrap();
        assert_eq!(vendor_id.0, b"strongSwan");
        assert_eq!(testing::encode(|writer| vendor_id.encode(writer)), b"strongSwan");
        testing::truncation_sweep(b"strongSwan", 0, VendorId::decode);
    }
}
