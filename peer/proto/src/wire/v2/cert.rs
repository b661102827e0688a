//! Certificate and Certificate Request payloads (RFC 7296, sections 3.6 and 3.7).
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | Cert Encoding |                                               |
//! +-+-+-+-+-+-+-+-+                                               +
//! ~          Certificate Data / Certification Authority           ~
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use crate::wire::cursor::{Reader, Writer};
use crate::wire::error::DecodeError;
use crate::wire::num::CertEncoding;

/// A certificate or what stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cert {
    /// The format of `data`.
    pub encoding: CertEncoding,
    /// The certificate.
    pub data: Vec<u8>,
}

impl Cert {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertEncoding(reader.u8("certificate encoding")?);
        Ok(Self { encoding, data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.encoding.0);
        writer.bytes(&self.data);
    }
}

/// A wish for certificates of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertReq {
    /// The wanted format.
    pub encoding: CertEncoding,
    /// The accepted authorities: SHA-1 hashes of their keys one after the other, or nothing.
    pub data: Vec<u8>,
}

impl CertReq {
    /// Decodes the body of a payload.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let encoding = CertEncoding(reader.u8("certificate request encoding")?);
        Ok(Self { encoding, data: reader.take_rest().to_vec() })
    }

    /// Encodes the body of a payload.
    pub fn encode(&self, writer: &mut Writer) {
        writer.u8(self.encoding.0);
        writer.bytes(&self.data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::v2::testing;

    #[test]
    fn a_certificate_has_the_octets_of_the_rfc() {
        let bytes = [4, 0x30, 0x82];
        let cert = Cert { encoding: CertEncoding::X509_SIGNATURE, data: vec![0x30, 0x82] };
        assert_eq!(testing::decode(&bytes, Cert::decode), Ok(cert.clone()));
        assert_eq!(testing::encode(|writer| cert.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 1, Cert::decode);
    }

    #[test]
    fn a_certificate_request_has_the_octets_of_the_rfc() {
        let bytes = [[4; 1].as_slice(), &[0xaa; 20], &[0xbb; 20]].concat();
        let request = testing::decode(&bytes, CertReq::decode).unwrap();
        assert_eq!(request.encoding, CertEncoding::X509_SIGNATURE);
        assert_eq!(request.data.chunks(20).count(), 2);
        assert_eq!(testing::encode(|writer| request.encode(writer)), bytes);
        testing::truncation_sweep(&bytes, 1, CertReq::decode);
    }
}
