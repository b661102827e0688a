//! AES-CBC by RFC 3602 section 4, 3DES-CBC by NIST SP 800-67 and by an independent implementation.

use super::{hex, providers};
use crate::crypto::{CryptoError, Encr, KeyBits};

fn holds(encr: Encr, key: &str, iv: &str, plain: &[u8], cipher: &str) {
    for provider in providers() {
        let cbc = provider.cbc(encr, &hex(key)).unwrap();
        let mut data = plain.to_vec();
        cbc.encrypt(&hex(iv), &mut data).unwrap();
        assert_eq!(data, hex(cipher), "{encr} by {}", provider.name());
        cbc.decrypt(&hex(iv), &mut data).unwrap();
        assert_eq!(data, plain, "{encr} by {}", provider.name());
    }
}

#[test]
fn rfc_3602_case_1_one_block() {
    holds(
        Encr::AesCbc(KeyBits::B128),
        "06a9214036b8a15b512e03d534120006",
        "3dafba429d9eb430b422da802c9fac41",
        b"Single block msg",
        "e353779c1079aeb82708942dbe77181a",
    );
}

#[test]
fn rfc_3602_case_2_two_blocks() {
    holds(
        Encr::AesCbc(KeyBits::B128),
        "c286696d887c9aa0611bbb3e2025a45a",
        "562e17996d093d28ddb3ba695a2e6f58",
        &hex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"),
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    );
}

#[test]
fn sp_800_38a_aes_192_and_256() {
    let iv = "000102030405060708090a0b0c0d0e0f";
    let plain = hex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51");
    holds(
        Encr::AesCbc(KeyBits::B192),
        "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        iv,
        &plain,
        "4f021db243bc633d7178183a9fa071e8 b4d9ada9ad7dedf4e5e738763f69145a",
    );
    holds(
        Encr::AesCbc(KeyBits::B256),
        "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        iv,
        &plain,
        "f58c4c04d6e5f1ba779eabfb5f7bfbd6 9cfc4e967edb808d679f777bc6702c7d",
    );
}

/// Made with Python `cryptography`: TripleDES(bytes(range(24))), CBC(bytes(range(8))).
#[test]
fn triple_des_against_an_independent_implementation() {
    holds(
        Encr::TripleDesCbc,
        "000102030405060708090a0b0c0d0e0f1011121314151617",
        "0001020304050607",
        b"The quick brown fox jump",
        "2116057c372e0e95dbe91fbfd148371b8e9974187b71e7c0",
    );
}

#[test]
fn odd_lengths_are_refused() {
    for provider in providers() {
        let cbc = provider.cbc(Encr::AesCbc(KeyBits::B128), &[0; 16]).unwrap();
        assert!(matches!(cbc.encrypt(&[0; 16], &mut [0; 17]), Err(CryptoError::Length { .. })));
        assert!(matches!(cbc.decrypt(&[0; 8], &mut [0; 16]), Err(CryptoError::Length { .. })));
        assert!(matches!(
            provider.cbc(Encr::AesCbc(KeyBits::B128), &[0; 15]),
            Err(CryptoError::KeyLength { expected: 16, actual: 15, .. })
        ));
        assert!(matches!(provider.cbc(Encr::Null, &[]), Err(CryptoError::Unsupported(Encr::Null))));
    }
}
