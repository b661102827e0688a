//! Authentication payload (RFC 7296, section 3.8).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Auth Method   |                RESERVED                       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ~                      Authentication Data                      ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::AuthMethod;

/// The proof that the sender is who it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// How `data` was made.
    pub method: AuthMethod,
    /// The MAC or signature.
    pub data: Vec<u8>,
}

impl Auth {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let [method, _, _, _] = reader.array("authentication method")?;
        Ok(Self { method: AuthMethod(method), data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&[self.method.0, 0, 0, 0]);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn an_authentication_has_the_octets_of_the_rfc() {
        let bytes = [2, 0, 0, 0, 0xaa, 0xbb];
        let auth = Auth { method: AuthMethod::SHARED_KEY, data: vec![0xaa, 0xbb] };
        assert_eq!(testing::decode(&bytes, Auth::decode), Ok(auth.clone()));
        assert_eq!(testing::decode(&[2, 9, 9, 9, 0xaa, 0xbb], Auth::decode), Ok(auth.clone()));
        assert_eq!(testing::encode(|writer| auth.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 4, Auth::decode);
    }
}
