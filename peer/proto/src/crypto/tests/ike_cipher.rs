//! The Encrypted payload against vectors made with Python `cryptography`, and everything that
//! must not open.

use proptest::prelude::*;

use super::{hex, providers};
use crate::crypto::{CryptoError, Encr, IkeCipher, Integ, OpenError, Provider, SecretBytes};

fn octets(range: core::ops::Range<u8>) -> SecretBytes {
    SecretBytes::new(range.collect())
}

fn cipher(provider: &dyn Provider, suite: &str, sk_e: &[u8], sk_a: SecretBytes) -> IkeCipher {
    let mut words = suite.split('-');
    let encr = words.next().unwrap().parse().unwrap();
    let integ = words.next().map_or(Integ::None, |word| word.parse().unwrap());
    IkeCipher::new(provider, encr, integ, &SecretBytes::from_slice(sk_e), &sk_a).unwrap()
}

fn holds(suite: &str, sk_e: &[u8], sk_a: &SecretBytes, iv: &[u8], body: &str) {
    let prefix: Vec<u8> = (0..32).collect();
    let payloads = b"payloads of some length";
    for provider in providers() {
        let cipher = cipher(&*provider, suite, sk_e, sk_a.clone());
        let sealed = cipher.seal(iv, &prefix, payloads).unwrap();
        assert_eq!(sealed, hex(body), "{suite} by {}", provider.name());
        assert_eq!(sealed.len(), cipher.body_len(payloads.len()));
        let message = [prefix.clone(), sealed].concat();
        assert_eq!(cipher.open(&message, prefix.len()), Ok(payloads.to_vec()));
    }
}

#[test]
fn aes_cbc_with_hmac_sha2_256() {
    let iv: Vec<u8> = (0xa0..0xb0).collect();
    let key: Vec<u8> = (0..16).collect();
    holds(
        "aes128-sha256",
        &key,
        &octets(0x40..0x60),
        &iv,
        "a0a1a2a3a4a5a6a7a8a9aaabacadaeafd4e2d9a34deccf7f2647ac2fc333896ef5c20b25407eb5de
         65c355ade5d6cade1cc4fabe7f685b467e593b23380f9e46",
    );
}

#[test]
fn aes_gcm() {
    let key: Vec<u8> = (0..16).chain([9, 8, 7, 6]).collect();
    holds(
        "aes128gcm16",
        &key,
        &SecretBytes::default(),
        &hex("a0a1a2a3a4a5a6a7"),
        "a0a1a2a3a4a5a6a7b853a764e86e6b44b738aa503414b98e7a2e1cfab101833e8d0c22ad22716518
         2c189b0729e3b8b7",
    );
}

#[test]
fn chacha20_poly1305() {
    let key: Vec<u8> = (0..32).chain([9, 8, 7, 6]).collect();
    holds(
        "chacha20poly1305",
        &key,
        &SecretBytes::default(),
        &hex("a0a1a2a3a4a5a6a7"),
        "a0a1a2a3a4a5a6a76371ed5579e747fdb974f12aeca9fa94f8e83aafce50ed621eac2b05ed4b47a7
         99c8dff9acce1786",
    );
}

#[test]
fn null_with_hmac_md5() {
    holds(
        "null-md5",
        &[],
        &octets(0..16),
        &[],
        "7061796c6f616473206f6620736f6d65206c656e67746800ef34e14e1750a1924dbc882e",
    );
}

fn every_suite(provider: &dyn Provider) -> Vec<(String, IkeCipher)> {
    let mut suites = Vec::new();
    for encr in Encr::all().filter(|encr| encr.is_offered()) {
        for integ in Integ::all().filter(|integ| (*integ == Integ::None) == encr.is_aead()) {
            let sk_e = SecretBytes::new(vec![0x11; encr.keymat_len()]);
            let sk_a = SecretBytes::new(vec![0x22; integ.key_len()]);
            let cipher = IkeCipher::new(provider, encr, integ, &sk_e, &sk_a).unwrap();
            suites.push((format!("{encr}-{integ}"), cipher));
        }
    }
    suites
}

#[test]
fn any_changed_bit_is_noticed_under_every_suite() {
    let prefix = [0x5a; 32];
    for provider in providers() {
        for (suite, cipher) in every_suite(&*provider) {
            let iv = vec![0x33; cipher.iv_len()];
            let body = cipher.seal(&iv, &prefix, b"twelve bytes").unwrap();
            let message = [prefix.to_vec(), body].concat();
            for at in 0..message.len() {
                let mut wrong = message.clone();
                wrong[at] ^= 0x80;
                assert_eq!(
                    cipher.open(&wrong, prefix.len()),
                    Err(OpenError::BadIcv),
                    "{suite} by {}, octet {at}",
                    provider.name()
                );
            }
        }
    }
}

#[test]
fn every_truncation_is_refused_under_every_suite() {
    for provider in providers() {
        for (suite, cipher) in every_suite(&*provider) {
            let iv = vec![0x33; cipher.iv_len()];
            let body = cipher.seal(&iv, b"prefix", &[7; 40]).unwrap();
            let message = [b"prefix".to_vec(), body].concat();
            for len in 0..message.len() {
                assert!(cipher.open(&message[..len], 6).is_err(), "{suite}, {len} octets");
            }
            let beyond = cipher.open(&message, message.len() + 1);
            assert!(matches!(beyond, Err(OpenError::TooShort { actual: 0, .. })), "{suite}");
        }
    }
}

#[test]
fn a_pad_length_beyond_the_plaintext_is_refused_and_padding_may_hold_anything() {
    for provider in providers() {
        let null = cipher(&*provider, "null-sha1", &[], SecretBytes::new(vec![3; 20]));
        let key = SecretBytes::new(vec![3; 20]);
        let mac = provider.hmac(crate::crypto::Hash::Sha1, key.expose());
        let mut message = b"ab\x03".to_vec();
        message.extend_from_slice(&mac.code(&[b"ab\x03"])[..12]);
        assert_eq!(
            null.open(&message, 0),
            Err(OpenError::BadPadLength { pad_len: 3, plaintext: 3 })
        );
        let aes = cipher(&*provider, "aes128-sha1", &[1; 16], key);
        let body = aes.seal_with_padding(&[5; 16], b"p", b"data", &[0xee; 27]).unwrap();
        assert_eq!(aes.open(&[b"p".to_vec(), body].concat(), 1), Ok(b"data".to_vec()));
    }
}

#[test]
fn keys_and_suites_that_do_not_fit_are_refused() {
    for provider in providers() {
        let new = |encr: &str, integ: &str, e, a| {
            let (encr, integ) = (encr.parse().unwrap(), integ.parse().unwrap());
            let (e, a) = (SecretBytes::new(vec![0; e]), SecretBytes::new(vec![0; a]));
            IkeCipher::new(&*provider, encr, integ, &e, &a).map(drop)
        };
        assert_eq!(new("aes128", "sha1", 16, 20), Ok(()));
        assert!(matches!(new("aes128", "sha1", 17, 20), Err(CryptoError::Length { .. })));
        assert!(matches!(new("aes128", "sha1", 16, 19), Err(CryptoError::Length { .. })));
        assert!(matches!(new("aes128", "none", 16, 0), Err(CryptoError::SuiteMismatch { .. })));
        assert!(matches!(
            new("aes128gcm16", "sha1", 20, 20),
            Err(CryptoError::SuiteMismatch { .. })
        ));
        assert!(matches!(new("aes128gmac", "none", 20, 0), Err(CryptoError::Unsupported(_))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_sealed_opens_and_fits_the_promised_length(
        plaintext in proptest::collection::vec(any::<u8>(), 0..200),
        prefix in proptest::collection::vec(any::<u8>(), 0..64),
    ) {
        for provider in providers() {
            for (_, cipher) in every_suite(&*provider) {
                let iv = vec![0x44; cipher.iv_len()];
                let body = cipher.seal(&iv, &prefix, &plaintext).unwrap();
                prop_assert_eq!(body.len(), cipher.body_len(plaintext.len()));
                let message = [prefix.clone(), body].concat();
                prop_assert_eq!(cipher.open(&message, prefix.len()), Ok(plaintext.clone()));
            }
        }
    }
}
