//! The key schedule of IKEv1 against vectors made with Python's `hmac` and `hashlib`, written from the
//! text of RFC 2409 and independent of the code under test.

use std::net::IpAddr;

use super::{hex, providers};
use crate::crypto::ikev1::{
    Ikev1Cipher, KeymatInput, Phase1Claim, Phase1Keys, keymat, natd_hash, phase1_hash, phase2_hash,
    skeyid_psk, skeyid_signatures,
};
use crate::crypto::{DirectionKeys, Hash, IkeSuite, Prf, SecretBytes};

const COOKIE_I: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const COOKIE_R: [u8; 8] = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];

fn nonces() -> (Vec<u8>, Vec<u8>) {
    ((0..16).collect(), (100..120).collect())
}

fn shared_secret() -> SecretBytes {
    SecretBytes::new((0..128_u32).map(|i| (i * 7 + 3) as u8).collect())
}

fn psk() -> SecretBytes {
    SecretBytes::from_slice(b"a secret of the laboratory")
}

/// SKEYID, _d, _a, _e, the encryption key, HASH_I and HASH_R.
const VECTORS: [(&str, [&str; 7]); 2] = [
    (
        "3des-md5-modp1024",
        [
            "b6024acf13a2ddd37f96df5bd34dcf7a",
            "4c1a633e99f988c223149c05c3630e09",
            "1fec81792ffca520bfcb9c0038a8f9ce",
            "4e3db30f2e9f5a8bee75e471f9aaa7f5",
            "454b464309f356f0be3135a1ba31580615f4c0e01861fc03",
            "7b9f9475ba6d3b5399f1c0e4c9e9f029",
            "c3c28f42376a67d0a3083bc70e9b5a5e",
        ],
    ),
    (
        "aes256-sha1-modp1024",
        [
            "863723fd4ed976d43c0287e45d66c2d865436cae",
            "eaeb3ed0c3afa85fd50ddb9b8618293cc11b850d",
            "c11f5ab817e53786da43ac4031ee651beed95b19",
            "ceed97f140c19f185c7893ba22d42455f09361e5",
            "bb67549876d11e953559bf952638f3575b6b3f9655d196d10b22234d98f59a99",
            "0a521186e551c653486831acb035672bf4ac693d",
            "d2a494a9d6dd3063c343b7af7231732a42f365c5",
        ],
    ),
];

#[test]
fn keys_and_hashes_of_phase_1() {
    let (ni, nr) = nonces();
    let (public_i, public_r) = ([0xa1; 128], [0xb2; 128]);
    let sa_body: Vec<u8> = (0..40).collect();
    for provider in providers() {
        for (suite, expected) in VECTORS {
            let suite: IkeSuite = suite.parse().unwrap();
            let skeyid = skeyid_psk(&*provider, suite.prf, &psk(), &ni, &nr);
            let shared = shared_secret();
            let keys = Phase1Keys::derive(&*provider, suite, skeyid, &shared, COOKIE_I, COOKIE_R);
            let claim_i = Phase1Claim {
                public: &public_i,
                peer_public: &public_r,
                cookie: COOKIE_I,
                peer_cookie: COOKIE_R,
                sa_body: &sa_body,
                id_body: b"\x02\x00\x00\x00a.b",
            };
            let claim_r = Phase1Claim {
                public: &public_r,
                peer_public: &public_i,
                cookie: COOKIE_R,
                peer_cookie: COOKIE_I,
                ..claim_i
            };
            let hash = |claim| phase1_hash(&*provider, suite.prf, &keys.skeyid, claim);
            let made = [
                keys.skeyid.expose().clone(),
                keys.skeyid_d.expose().clone(),
                keys.skeyid_a.expose().clone(),
                keys.skeyid_e.expose().clone(),
                keys.key.expose().clone(),
                hash(&claim_i),
                hash(&claim_r),
            ];
            assert_eq!(made, expected.map(hex), "{suite} of {}", provider.name());
        }
    }
}

#[test]
fn a_key_that_is_long_enough_is_cut_and_not_expanded() {
    let (ni, nr) = nonces();
    for provider in providers() {
        let suite: IkeSuite = "aes128-sha1-modp1024".parse().unwrap();
        let skeyid = skeyid_psk(&*provider, suite.prf, &psk(), &ni, &nr);
        let shared = shared_secret();
        let keys = Phase1Keys::derive(&*provider, suite, skeyid, &shared, COOKIE_I, COOKIE_R);
        assert_eq!(keys.key.expose(), &hex("ceed97f140c19f185c7893ba22d42455"));
    }
}

#[test]
fn skeyid_of_signatures() {
    let (ni, nr) = nonces();
    for provider in providers() {
        let skeyid = skeyid_signatures(&*provider, Prf::HmacSha1, &shared_secret(), &ni, &nr);
        assert_eq!(skeyid.expose(), &hex("90c84432b6c82d4560234a272811c21c79de40c4"));
    }
}

#[test]
fn keys_of_phase_2_with_and_without_a_key_exchange() {
    let (ni, nr) = nonces();
    let skeyid_d = SecretBytes::new(hex("eaeb3ed0c3afa85fd50ddb9b8618293cc11b850d"));
    let shared = shared_secret();
    for provider in providers() {
        for (suite, shared_secret, expected) in [
            (
                "aes256-sha1",
                None,
                "361dc46ebfa0398c22984aaebc807aa37027780af641bdbf81589774fc20cbc9
                 66ba360fddf076625bd0212e2a29fdae0460d685",
            ),
            ("aes128gcm16-modp1024", Some(&shared), "cfe3a372b5e506ae68fd56b1c047b02b40d969bd"),
            ("ah:sha1", None, "b960508c78e0f41d0864f7c9e175cae87247cda3"),
        ] {
            let skeyid_d = &skeyid_d;
            let input = KeymatInput { skeyid_d, shared_secret, spi: 0xc001_0203, ni: &ni, nr: &nr };
            let keys = keymat(&*provider, Prf::HmacSha1, &input, suite.parse().unwrap());
            let DirectionKeys { encr, salt, integ } = keys;
            let all = [encr, salt, integ].map(|key| key.expose().clone()).concat();
            assert_eq!(all, hex(expected), "{suite} of {}", provider.name());
        }
    }
}

#[test]
fn vectors_of_both_phases_are_cut_to_a_block() {
    for provider in providers() {
        let suite: IkeSuite = "3des-sha1-modp1024".parse().unwrap();
        let key = SecretBytes::new((0..24).collect());
        let cipher = Ikev1Cipher::new(&*provider, suite, &key).unwrap();
        assert_eq!(cipher.phase1_iv(&[0xa1; 128], &[0xb2; 128]), hex("31bb0e0865a36e0f"));
        let last: Vec<u8> = (0..8).collect();
        assert_eq!(cipher.phase2_iv(&last, 0x0102_0304), hex("bd6373b563c70068"));
    }
}

#[test]
fn a_body_is_padded_with_zeros_and_the_vectors_chain() {
    for provider in providers() {
        for (suite, len) in [("aes128-sha1-modp1024", 16), ("3des-md5-modp1024", 24)] {
            let suite: IkeSuite = suite.parse().unwrap();
            let key = SecretBytes::new((0..len).collect());
            let cipher = Ikev1Cipher::new(&*provider, suite, &key).unwrap();
            let iv = vec![7; cipher.block_len()];
            let sealed = cipher.encrypt(&iv, b"seventeen octets.").unwrap();
            assert_eq!(sealed.len() % cipher.block_len(), 0);
            let opened = cipher.decrypt(&iv, &sealed).unwrap();
            let (text, padding) = opened.split_at(17);
            assert_eq!(text, b"seventeen octets.");
            assert!(padding.iter().all(|octet| *octet == 0));
            assert_eq!(cipher.next_iv(&sealed), sealed[sealed.len() - cipher.block_len()..]);
            assert!(cipher.decrypt(&iv, &sealed[1..]).is_err());
            assert!(cipher.decrypt(&iv, &[]).is_err());
            assert!(cipher.decrypt(&iv[1..], &sealed).is_err());
        }
        let aead = "aes128gcm16-prfsha1-modp1024".parse().unwrap();
        let key = SecretBytes::new(vec![0; 16]);
        assert!(Ikev1Cipher::new(&*provider, aead, &key).is_err());
    }
}

#[test]
fn nat_discovery_uses_the_negotiated_hash() {
    let ip: IpAddr = [192, 0, 2, 1].into();
    let hash = |hash| natd_hash(hash, COOKIE_I, COOKIE_R, ip, 500);
    assert_eq!(hash(Hash::Sha1), hex("d798d986143f878f70765e0e869c80bbc375f701"));
    assert_eq!(hash(Hash::Md5), hex("cf5faa9384eb43f6272e122d4934e27f"));
}

#[test]
fn hashes_of_phase_2_are_keyed_with_skeyid_a() {
    // RFC 2202, test case 2 of HMAC-SHA-1, in two parts.
    for provider in providers() {
        let key = SecretBytes::from_slice(b"Jefe");
        let parts: [&[u8]; 2] = [b"what do ya want ", b"for nothing?"];
        let hash = phase2_hash(&*provider, Prf::HmacSha1, &key, &parts);
        assert_eq!(hash, hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
    }
}
