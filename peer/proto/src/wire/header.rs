//! The IKE header, which both versions share (RFC 7296, section 3.1; RFC 2408, section 3.1).
//!
//! ```text
//!                      1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       IKE SA Initiator's SPI                  |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       IKE SA Responder's SPI                  |
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Message ID                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                            Length                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use core::fmt;
use core::ops::BitOr;

use serde::{Deserialize, Serialize};

use super::cursor::{Reader, Writer};
use super::error::DecodeError;
use super::num::{ExchangeType, PayloadType};

/// The fixed part at the start of every IKE message. All bits are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The SPI chosen by the initiator of the IKE SA; the initiator cookie in IKEv1.
    pub spi_i: IkeSpi,
    /// The SPI chosen by the responder of the IKE SA; the responder cookie in IKEv1.
    pub spi_r: IkeSpi,
    /// The type of the first payload.
    pub next_payload: PayloadType,
    /// The version.
    pub version: Version,
    /// The exchange.
    pub exchange: ExchangeType,
    /// The flags, reserved ones included.
    pub flags: Flags,
    /// The message ID.
    pub message_id: u32,
    /// The Length field: what it says, not what is there.
    pub length: u32,
}

impl Header {
    /// The number of octets of a header.
    pub const LEN: usize = 28;

    /// Decodes the header at the start of `datagram`. Its values are not judged.
    pub fn decode(datagram: &[u8]) -> Result<Self, DecodeError> {
        Self::read(&mut Reader::new(datagram))
    }

    /// Decodes a header where `reader` is.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // The check of the whole first makes an error name the header, not a field of it.
        let mut reader = reader.sub("IKE header", Self::LEN, reader.limit())?;
        Ok(Self {
            spi_i: IkeSpi(reader.array("initiator SPI")?),
            spi_r: IkeSpi(reader.array("responder SPI")?),
            next_payload: PayloadType(reader.u8("next payload")?),
            version: Version::from_octet(reader.u8("version")?),
            exchange: ExchangeType(reader.u8("exchange type")?),
            flags: Flags(reader.u8("flags")?),
            message_id: reader.u32("message ID")?,
            length: reader.u32("length")?,
        })
    }

    /// Writes the header exactly as it is.
    pub fn encode(&self, writer: &mut Writer) {
        writer.bytes(&self.spi_i.0);
        writer.bytes(&self.spi_r.0);
        writer.u8(self.next_payload.0);
        writer.u8(self.version.to_octet());
        writer.u8(self.exchange.0);
        writer.u8(self.flags.0);
        writer.u32(self.message_id);
        writer.u32(self.length);
    }
}

/// The SPI of one side of an IKE SA.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct IkeSpi(pub [u8; 8]);

impl IkeSpi {
    /// The SPI of a side that has not chosen one.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether no SPI was chosen.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }
}

impl fmt::Display for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
    }
}

impl fmt::Debug for IkeSpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<IkeSpi> for String {
    fn from(spi: IkeSpi) -> Self {
        spi.to_string()
    }
}

impl TryFrom<String> for IkeSpi {
    type Error = super::hex::HexError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = super::hex::decode(&text)?;
        bytes.try_into().map(Self).map_err(|_| super::hex::HexError)
    }
}

/// A version of the protocol; each number has four bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// The major version.
    pub major: u8,
    /// The minor version, ignored when received (RFC 7296, section 2.5).
    pub minor: u8,
}

impl Version {
    /// IKEv1.
    pub const V1_0: Self = Self { major: 1, minor: 0 };
    /// IKEv2.
    pub const V2_0: Self = Self { major: 2, minor: 0 };

    const fn from_octet(octet: u8) -> Self {
        Self { major: octet >> 4, minor: octet & 0x0f }
    }

    const fn to_octet(self) -> u8 {
        (self.major << 4) | (self.minor & 0x0f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The flags of the header as IKEv2 uses them, reserved bits included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender is the original initiator of the IKE SA.
    pub const INITIATOR: Self = Self(0x08);
    /// The sender knows a higher major version.
    pub const VERSION: Self = Self(0x10);
    /// The message is a response.
    pub const RESPONSE: Self = Self(0x20);

    /// The flags of a message from the original initiator or not, a response or not.
    pub const fn new(initiator: bool, response: bool) -> Self {
        let initiator = if initiator { Self::INITIATOR.0 } else { 0 };
        let response = if response { Self::RESPONSE.0 } else { 0 };
        Self(initiator | response)
    }

    /// Whether all flags of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether the sender is the original initiator of the IKE SA.
    pub const fn is_initiator(self) -> bool {
        self.contains(Self::INITIATOR)
    }

    /// Whether the sender says that it knows a higher major version.
    pub const fn is_version(self) -> bool {
        self.contains(Self::VERSION)
    }

    /// Whether the message is a response.
    pub const fn is_response(self) -> bool {
        self.contains(Self::RESPONSE)
    }

    /// The bits that IKEv2 does not define.
    pub const fn reserved(self) -> u8 {
        self.0 & !(Self::INITIATOR.0 | Self::VERSION.0 | Self::RESPONSE.0)
    }
}

impl BitOr for Flags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = [(Self::RESPONSE, "R"), (Self::VERSION, "V"), (Self::INITIATOR, "I")];
        write!(f, "{:#04x}(", self.0)?;
        letters
            .iter()
            .filter(|(flag, _)| self.contains(*flag))
            .try_for_each(|(_, letter)| f.write_str(letter))?;
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::error::{DecodeErrorKind, Limit};

    #[rustfmt::skip]
    const BYTES: [u8; 28] = [
        0x06, 0x40, 0x89, 0x77, 0x49, 0xc1, 0x85, 0x20, // initiator SPI
        0, 0, 0, 0, 0, 0, 0, 0,                         // responder SPI
        33, 0x20, 34, 0x08,                             // SA, 2.0, IKE_SA_INIT, initiator
        0, 0, 0, 0,                                     // message ID
        0, 0, 0x02, 0x78,                               // length
    ];

    #[test]
    fn a_header_has_the_octets_of_the_rfc() {
        let header = Header::decode(&BYTES).unwrap();
        assert_eq!(header.spi_i.to_string(), "0640897749c18520");
        assert!(header.spi_r.is_zero() && !header.spi_i.is_zero());
        assert_eq!(header.next_payload, PayloadType::SA);
        assert_eq!(header.version, Version::V2_0);
        assert_eq!(header.exchange, ExchangeType::IKE_SA_INIT);
        assert_eq!(header.flags, Flags::new(true, false));
        assert_eq!(header.length, 0x278);
        let mut writer = Writer::new();
        header.encode(&mut writer);
        assert_eq!(writer.into_bytes(), BYTES);
    }

    #[test]
    fn every_shorter_header_is_refused_as_a_whole() {
        for length in 0..Header::LEN {
            let error = Header::decode(&BYTES[..length]).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::Truncated);
            assert_eq!((error.item, error.offset), ("IKE header", 0));
            assert_eq!((error.needed, error.available), (28, length));
            assert_eq!(error.limit, Limit::Datagram);
        }
    }

    #[test]
    fn every_value_of_the_octets_with_bit_fields_is_kept() {
        for octet in 0..=u8::MAX {
            let mut bytes = BYTES;
            bytes[17] = octet;
            bytes[19] = octet;
            let mut writer = Writer::new();
            Header::decode(&bytes).unwrap().encode(&mut writer);
            assert_eq!(writer.into_bytes(), bytes);
            let flags = Flags(octet);
            assert_eq!(flags.is_response(), octet & 0x20 != 0);
            assert_eq!(flags.is_version(), octet & 0x10 != 0);
            assert_eq!(flags.is_initiator(), octet & 0x08 != 0);
            assert_eq!(flags.reserved(), octet & 0xc7);
        }
    }

    #[test]
    fn an_spi_is_hex_in_configurations_and_events() {
        let spi = Header::decode(&BYTES).unwrap().spi_i;
        assert_eq!(serde_json::to_string(&spi).unwrap(), r#""0640897749c18520""#);
        assert_eq!(serde_json::from_str::<IkeSpi>(r#""0640897749c18520""#).unwrap(), spi);
        assert!(serde_json::from_str::<IkeSpi>(r#""0640897749c185""#).is_err());
        assert!(serde_json::from_str::<IkeSpi>(r#""0640897749c1852x""#).is_err());
    }
}
