//! What the tests of every payload do.

use crate::wire::{DecodeError, Limit, Reader, Writer};

/// Decodes `bytes` as the body of a payload at the start of a message.
pub(in crate::wire) fn decode<T>(
    bytes: &[u8],
    decode: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<T, DecodeError> {
    decode(&mut Reader::at(bytes, 32, Limit::PayloadLength))
}

/// What `encode` writes.
pub(in crate::wire) fn encode(encode: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new();
    encode(&mut writer);
    writer.into_bytes()
}

/// Cuts `bytes` at every length: below `shortest` decoding fails and says where, nowhere it panics.
pub(in crate::wire) fn truncation_sweep<T>(
    bytes: &[u8],
    shortest: usize,
    decode_one: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) {
    assert!(decode(bytes, &decode_one).is_ok());
    for length in 0..bytes.len() {
        let result = decode(&bytes[..length], &decode_one);
        if length < shortest {
            let error = result.err().unwrap_or_else(|| panic!("{length} octets decoded"));
            assert!((32..=32 + length).contains(&error.offset), "{error} of {length} octets");
        }
    }
}
