//! The key schedule against vectors made with Python's `hmac` and `hashlib`, written from the
//! text of RFC 7296 and independent of the code under test.

use std::net::IpAddr;

use super::{hex, providers};
use crate::crypto::keys::{child_keymat, natd_hash, psk_auth};
use crate::crypto::{CryptoError, IkeKeys, Prf, SecretBytes, prf_plus};

const SPI_I: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const SPI_R: [u8; 8] = [0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18];

fn nonces() -> (Vec<u8>, Vec<u8>) {
    ((0..32).collect(), (100..120).collect())
}

fn shared_secret() -> SecretBytes {
    SecretBytes::new((0..256_u32).map(|i| (i * 7 + 3) as u8).collect())
}

/// The keys in the order in which key material is cut.
fn material(keys: &IkeKeys) -> Vec<u8> {
    [&keys.sk_d, &keys.sk_ai, &keys.sk_ar, &keys.sk_ei, &keys.sk_er, &keys.sk_pi, &keys.sk_pr]
        .into_iter()
        .flat_map(|key| key.expose().clone())
        .collect()
}

const MATERIAL: &str =
    "b1084064c8032f0f8b4b243a619d917d0da2698403c3aa9ac60f5cc44a9c702a8c4f95b29b6ce60c
         94c9fdb3acd6c6c731b050c8db79451d0bbd9030f1198eca1e4a78585a705761a65cc8bb3c74593e
         6ba2ebfb9303383cec18d0667c0a3b4f6653e27c738fdfe12f5bedba3ec3832b900d3f9ae9b75466
         c19eab26df37c987442225f3dfd7d4238faac3bcce65512470d926f1ec7b5361e49a8f05d1236be4
         8d4a059bc44f43fc025e89e531412ef25fc2cad6e85365c69e04d00e7b095570c5ddd317df7bad90
         9503e8eb2a9a0001eaa0649ab055cef1053b322ae7ef5de5";

#[test]
fn keys_of_an_ike_sa_with_a_block_cipher() {
    let (ni, nr) = nonces();
    for provider in providers() {
        let suite = "aes256-sha256-modp2048".parse().unwrap();
        let shared = shared_secret();
        let keys = IkeKeys::derive(&*provider, suite, &shared, &ni, &nr, SPI_I, SPI_R).unwrap();
        assert_eq!(
            keys.skeyseed.expose(),
            &hex("cf2668b7ebc19270385767c32c9a263c462964285c0a32b89035a8ce25e047d4")
        );
        assert_eq!(material(&keys), hex(MATERIAL), "{}", provider.name());
        assert_eq!((keys.sk_ai.len(), keys.sk_ei.len(), keys.sk_pi.len()), (32, 32, 32));
    }
}

#[test]
fn keys_of_an_ike_sa_with_an_aead_have_a_salt_and_no_integrity_key() {
    let (ni, nr) = nonces();
    for provider in providers() {
        let suite = "aes256gcm16-prfsha384-ecp384".parse().unwrap();
        let keys =
            IkeKeys::derive(&*provider, suite, &shared_secret(), &ni, &nr, SPI_I, SPI_R).unwrap();
        assert_eq!(
            keys.skeyseed.expose(),
            &hex("0d55f89f50142c38d09373200598d60c6cae7bbd8f046a670453ad07207237e3ab73620447dcb290
         804c6d3398c9b6c0")
        );
        assert!(keys.sk_ai.is_empty() && keys.sk_ar.is_empty());
        assert_eq!((keys.sk_ei.len(), keys.sk_er.len()), (36, 36));
        assert_eq!(
            material(&keys),
            hex("db600b42906ee4e1d873fcae2087415df6e0001fe11f15e95f2bb483879efe0eb01062983b11975d
         0b6b6aa1681dbe1b22131a96740c2d45d4e7e4e6e7d555964ed43e3a7cb173117d8cd2a34de82d44
         dff982679fe4e03cf350be9e69e4dae92df3ccefbf061566455670c701855ebe76acdbbe14bc725f
         fe21f3dfd509c8314182f83268d10a424344e9c610117faad050cac69a8a7a5ef0ed98c25701e084
         1d597ae271b54650e4d48ad731316d5f70292472860a299046ff2e7debd261d642325e77ff41b15b
         cb784b0ba7766b4bd6e97d7e6d7b341e")
        );
    }
}

#[test]
fn keys_of_a_rekeyed_ike_sa_come_from_the_old_function_and_the_new() {
    let (ni, nr) = nonces();
    for provider in providers() {
        let keys = IkeKeys::derive_rekeyed(
            &*provider,
            "aes128-sha1-prfsha256-modp2048".parse().unwrap(),
            Prf::HmacSha1,
            &SecretBytes::new(vec![0x42; 20]),
            &shared_secret(),
            &ni,
            &nr,
            SPI_I,
            SPI_R,
        )
        .unwrap();
        assert_eq!(keys.skeyseed.expose(), &hex("04f8b81f5d2bdb753ccf8fefb89289606774ea54"));
        assert_eq!(
            material(&keys),
            hex("ca10f0a62a90f0187139a59915a12b7e71b4c9418bcc6ad3271856080268e3e67e0055a881e5b578
         5966711e9e0c17f6b6e95b95772e407a1616f945c69aeaab21d2941c1a4dd4f758b2e5c0aec4238b
         d37205495fbd8a4fe14a6a5f735ba1a0255f5f54364d2be0c7b1427194b5b9a9245fb30ecafb1168
         fe6e6117051ef1e3acf31ccef5da41971e475c55ca83b97c8fa4328c84c6c0f5e61672e8727ca521
         d2eab0240e040f74")
        );
    }
}

#[test]
fn keys_of_a_child_sa() {
    let (ni, nr) = nonces();
    let sk_d = SecretBytes::from_slice(&hex(MATERIAL)[..32]);
    for provider in providers() {
        let suite = "aes256-sha256".parse().unwrap();
        let keys = child_keymat(&*provider, Prf::HmacSha256, &sk_d, None, &ni, &nr, suite).unwrap();
        let all: Vec<u8> = [
            &keys.initiator.encr,
            &keys.initiator.integ,
            &keys.responder.encr,
            &keys.responder.integ,
        ]
        .into_iter()
        .flat_map(|key| key.expose().clone())
        .collect();
        assert_eq!(
            all,
            hex("6c67768c115e0698b096bfbc08e96edbe938414c46f344e41a5372330ce92b94138654f21faaaa8a
         2d99611a44ce99c527a28208a050d8d2337282bc21b3a4aec19ff87a51106f98d4b012d8d1261911
         9d967ae2f1c47076ac0024ca066a52e6a3543c7fdbcb24eb36b89ddf293c402fd3dfe27a38f8dd5d
         d084501bb769311b")
        );
        assert!(keys.initiator.salt.is_empty());
    }
}

#[test]
fn keys_of_a_child_sa_with_forward_secrecy_and_an_aead() {
    let (ni, nr) = nonces();
    let sk_d = SecretBytes::from_slice(&hex(MATERIAL)[..32]);
    let shared = shared_secret();
    for provider in providers() {
        let suite = "aes128gcm16-modp2048".parse().unwrap();
        let keys = child_keymat(&*provider, Prf::HmacSha256, &sk_d, Some(&shared), &ni, &nr, suite)
            .unwrap();
        let all: Vec<u8> = [
            &keys.initiator.encr,
            &keys.initiator.salt,
            &keys.responder.encr,
            &keys.responder.salt,
        ]
        .into_iter()
        .flat_map(|key| key.expose().clone())
        .collect();
        assert_eq!(
            all,
            hex("a036045bf37a00ab3f801fb6dafcd4e82a836bbe05c9873840c5cbfa97ef1a87046190a33c263415")
        );
        assert_eq!((keys.initiator.encr.len(), keys.initiator.salt.len()), (16, 4));
        assert!(keys.initiator.integ.is_empty() && keys.responder.integ.is_empty());
    }
}

#[test]
fn authentication_with_a_shared_key() {
    let (_, nr) = nonces();
    let sk_pi = SecretBytes::from_slice(&hex(MATERIAL)[224 - 64..224 - 32]);
    for provider in providers() {
        let auth = psk_auth(
            &*provider,
            Prf::HmacSha256,
            &SecretBytes::from_slice(b"secret"),
            b"first message octets",
            &nr,
            &sk_pi,
            b"\x02\x00\x00\x00branch-7.example.com",
        );
        assert_eq!(auth, hex("0e4c1e6c787a300401e6070aa67e3ec0851532503ecaf684481d3af346f3cb42"));
    }
}

#[test]
fn nat_detection_of_both_address_families() {
    let v4: IpAddr = "192.0.2.1".parse().unwrap();
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    assert_eq!(natd_hash(SPI_I, SPI_R, v4, 4500), hex("5184f43875ff7d9e3dfdc92bd1dee1a08204de3e"));
    assert_eq!(natd_hash(SPI_I, SPI_R, v6, 500), hex("645efdf3a4d473679c6a6530abefd3b71d8c18af"));
}

#[test]
fn prf_plus_ends_where_its_counter_does() {
    for provider in providers() {
        let all = 255 * 16;
        let long = prf_plus(&*provider, Prf::HmacMd5, b"key", &[b"seed"], all).unwrap();
        assert_eq!(long.len(), all);
        assert_eq!(
            prf_plus(&*provider, Prf::HmacMd5, b"key", &[b"seed"], all + 1),
            Err(CryptoError::PrfPlusTooLong(all + 1))
        );
        let empty = prf_plus(&*provider, Prf::HmacMd5, b"key", &[b"seed"], 0).unwrap();
        assert!(empty.is_empty());
    }
}
