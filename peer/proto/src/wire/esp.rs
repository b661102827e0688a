//! The part of an ESP packet that is in clear (RFC 4303, section 2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Security Parameters Index (SPI)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Sequence Number                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Payload Data (variable)                    ~
//! +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               |     Padding (0-255 bytes)                     |
//! +-+-+-+-+-+-+-+-+               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |  Pad Length   | Next Header   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Integrity Check Value-ICV   (variable)                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Only the SPI and the sequence number can be read without the keys. The payload data begins with
//! the IV, if the cipher has one; its length and that of the ICV are the suite's. After decryption
//! the last octet is Next Header (4 or 41 for a tunnel, 59 for a dummy packet), the one before it
//! Pad Length, which counts neither itself nor Next Header; padding is 1, 2, 3, … unless the cipher
//! says otherwise, and ends the ciphertext on a multiple of four octets and of the block size. With
//! extended sequence numbers only the low half is in the packet, the high half enters the ICV.
//! SPI 0 is never sent, 1 to 255 are reserved (RFC 4303, section 2.1); a zero SPI in UDP on port
//! 4500 is the non-ESP marker of IKE.

use super::cursor::Reader;
use super::error::DecodeError;

/// The number of octets of SPI and sequence number together.
pub const ESP_HEADER_LEN: usize = 8;

/// SPI and sequence number of an ESP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspHeader {
    /// The security parameters index, chosen by the receiver.
    pub spi: u32,
    /// The sequence number, its low half if it is extended.
    pub seq: u32,
}

impl EspHeader {
    /// Decodes the header at the start of `packet`.
    pub fn decode(packet: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(packet);
        let mut reader = reader.sub("ESP header", ESP_HEADER_LEN, reader.limit())?;
        Ok(Self { spi: reader.u32("SPI")?, seq: reader.u32("sequence number")? })
    }

    /// The header's octets.
    pub fn to_bytes(self) -> [u8; ESP_HEADER_LEN] {
        (u64::from(self.spi) << 32 | u64::from(self.seq)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_esp_header_is_spi_then_sequence_number() {
        let packet = [0xc1, 0xc2, 0xc3, 0xc4, 0, 0, 0, 7, 0xff];
        let header = EspHeader::decode(&packet).unwrap();
        assert_eq!(header, EspHeader { spi: 0xc1c2_c3c4, seq: 7 });
        assert_eq!(header.to_bytes(), packet[..8]);
    }

    #[test]
    fn every_shorter_packet_is_refused() {
        for length in 0..ESP_HEADER_LEN {
            let error = EspHeader::decode(&[0; 8][..length]).unwrap_err();
            assert_eq!((error.needed, error.available), (8, length));
        }
    }
}
