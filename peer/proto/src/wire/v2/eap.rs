//! EAP payload (RFC 7296, section 3.16).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Code      | Identifier    |           Length              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      | Type_Data...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind, Limit};

/// An EAP message from its code on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Eap(pub Vec<u8>);

impl Eap {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (offset, available) = (reader.offset(), reader.remaining());
        let mut header = reader.clone();
        let [_code, _identifier, high, low] = header.array("EAP header")?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        //= rfc7296#3.16
        // Violation: rfc7296-3.16-eap-length.
        if length != available {
            return Err(DecodeError {
                item: "EAP message",
                offset,
                needed: length,
                available,
                limit: Limit::PayloadLength,
                kind: DecodeErrorKind::BadLength,
            });
        }
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
    fn an_eap_message_has_the_octets_of_the_rfc() {
        let bytes = [1, 7, 0, 6, 1, 0xaa];
        let eap = testing::decode(&bytes, Eap::decode).unwrap();
        assert_eq!(eap, Eap(bytes.to_vec()));
        assert_eq!(testing::encode(|writer| eap.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, bytes.len(), Eap::decode);
    }

    #[test]
    fn a_length_that_is_not_the_payloads_is_refused() {
        for length in [0, 3, 5, 7] {
            let error = testing::decode(&[1, 7, 0, length, 1, 0xaa], Eap::decode).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::BadLength);
        }
    }
}
