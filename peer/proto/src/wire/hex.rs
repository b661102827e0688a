//! Octets as hex text, for what configurations and events embed.

use serde::{Deserialize, Deserializer, Serializer, de};

/// Text that is not a whole number of octets in hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the expected number of octets in hex")]
pub struct HexError;

/// `bytes` as lower-case hex.
pub fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The octets of `text`, which is hex of either case and nothing else.
pub fn decode(text: &str) -> Result<Vec<u8>, HexError> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return Err(HexError);
    }
    pairs.iter().map(|&[high, low]| Ok(digit(high)? << 4 | digit(low)?)).collect()
}

/// Serialises octets as hex: `#[serde(with = "hex")]`, together with [`deserialize`].
pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

/// Deserialises octets from hex.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    decode(&String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn digit(octet: u8) -> Result<u8, HexError> {
    match octet {
        b'0'..=b'9' => Ok(octet - b'0'),
        b'a'..=b'f' => Ok(octet - b'a' + 10),
        b'A'..=b'F' => Ok(octet - b'A' + 10),
        _ => Err(HexError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_of_every_octet_comes_back() {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(decode(&encode(&all).to_uppercase()).unwrap(), all);
    }

    #[test]
    fn what_is_no_hex_is_refused() {
        for text in ["0", "0g", " 00", "0x00", "é"] {
            assert_eq!(decode(text), Err(HexError), "{text}");
        }
    }
}
