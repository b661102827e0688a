//! AES-GCM by the test cases of its specification, ChaCha20-Poly1305 by RFC 8439, and short tags.

use super::{hex, providers};
use crate::crypto::{CryptoError, Encr, IcvBytes, KeyBits};

fn holds(encr: Encr, key: &str, nonce: &str, aad: &str, plain: &[u8], cipher: &str, tag: &str) {
    let nonce: [u8; 12] = hex(nonce).try_into().unwrap();
    let aad = hex(aad);
    let tag_len = encr.icv_len();
    for provider in providers() {
        let aead = provider.aead(encr, &hex(key)).unwrap();
        let mut data = plain.to_vec();
        let mut made = vec![0; tag_len];
        aead.seal(&nonce, &aad, &mut data, &mut made).unwrap();
        assert_eq!(data, hex(cipher), "{encr} by {}", provider.name());
        assert_eq!(made, hex(tag)[..tag_len], "{encr} by {}", provider.name());
        let sealed = data.clone();
        aead.open(&nonce, &aad, &mut data, &made).unwrap();
        assert_eq!(data, plain, "{encr} by {}", provider.name());
        made[0] ^= 1;
        data.copy_from_slice(&sealed);
        assert_eq!(aead.open(&nonce, &aad, &mut data, &made), Err(CryptoError::BadTag));
    }
}

const PLAIN: &str = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
const AAD: &str = "feedfacedeadbeeffeedfacedeadbeefabaddad2";

#[test]
fn gcm_case_4_aes_128_with_every_tag_length() {
    for icv in [IcvBytes::I8, IcvBytes::I12, IcvBytes::I16] {
        holds(
            Encr::AesGcm { bits: KeyBits::B128, icv },
            "feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            AAD,
            &hex(PLAIN),
            "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e
             21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091",
            "5bc94fbc3221a5db94fae95ae7121a47",
        );
    }
}

#[test]
fn gcm_case_10_aes_192() {
    holds(
        Encr::AesGcm { bits: KeyBits::B192, icv: IcvBytes::I16 },
        "feffe9928665731c6d6a8f9467308308feffe9928665731c",
        "cafebabefacedbaddecaf888",
        AAD,
        &hex(PLAIN),
        "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c
         7d773d00c144c525ac619d18c84a3f4718e2448b2fe324d9ccda2710",
        "2519498e80f1478f37ba55bd6d27618c",
    );
}

#[test]
fn gcm_case_16_aes_256() {
    holds(
        Encr::AesGcm { bits: KeyBits::B256, icv: IcvBytes::I16 },
        "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
        "cafebabefacedbaddecaf888",
        AAD,
        &hex(PLAIN),
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
         8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
        "76fc6ece0f4e1768cddf8853bb2d551b",
    );
}

#[test]
fn rfc_8439_chacha20_poly1305() {
    holds(
        Encr::ChaCha20Poly1305,
        "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        "070000004041424344454647",
        "50515253c0c1c2c3c4c5c6c7",
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the \
          future, sunscreen would be it.",
        "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
         3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
         92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
         3ff4def08e4b7a9de576d26586cec64b6116",
        "1ae10b594f09e26a7e902ecbd0600691",
    );
}

#[test]
fn gmac_is_known_and_not_available() {
    let gmac = Encr::NullAuthAesGmac(KeyBits::B128);
    assert!(!gmac.is_offered());
    for provider in providers() {
        assert!(
            matches!(provider.aead(gmac, &[0; 16]), Err(CryptoError::Unsupported(e)) if e == gmac)
        );
    }
}
