//! Nonce payload (RFC 7296, section 3.9).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                            Nonce Data                         ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::ops::RangeInclusive;

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::{DecodeError, DecodeErrorKind};

/// Random octets of one side of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(pub Vec<u8>);

impl Nonce {
    /// The lengths that a nonce may have; others are refused when received.
    pub const LENGTHS: RangeInclusive<usize> = 16..=256;

    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        //= rfc7296#3.9
        // Violation: rfc7296-3.9-nonce-size.
        let (least, most) = Self::LENGTHS.into_inner();
        if !Self::LENGTHS.contains(&reader.remaining()) {
            let needed = reader.remaining().clamp(least, most);
            return Err(reader.error("nonce", needed, DecodeErrorKind::BadLength));
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
    fn a_nonce_has_16_to_256_octets() {
        let bytes: Vec<u8> = (0..=u8::MAX).chain([0; 44]).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            match testing::decode(bytes, Nonce::decode) {
                Ok(nonce) => {
                    assert!((16..=256).contains(&length));
                    assert_eq!(testing::encode(|writer| nonce.encode(writer)), bytes);
                }
                Err(error) => {
                    assert!(!(16..=256).contains(&length));
                    assert_eq!(error.kind, DecodeErrorKind::BadLength);
                    assert_eq!(error.needed, if length < 16 { 16 } else { 256 });
                }
            }
        }
    }
}
