//! HMAC: RFC 2202 and RFC 4231.

use super::{hex, providers};
use crate::crypto::Hash;

fn holds(hash: Hash, key: &[u8], data: &[u8], code: &str) {
    let code = hex(code);
    for provider in providers() {
        let mac = provider.hmac(hash, key);
        assert_eq!(mac.code(&[data]), code, "{hash:?} by {}", provider.name());
        let (head, tail) = data.split_at(data.len() / 2);
        assert!(mac.verify(&[head, tail], &code), "in two parts, by {}", provider.name());
        assert!(mac.verify(&[data], &code[..12]), "truncated, by {}", provider.name());
        assert!(!mac.verify(&[data], &[]), "an empty tag verifies nothing");
        assert!(!mac.verify(&[data], &[&code[..], &[0]].concat()), "nor does a longer one");
        let mut wrong = code.clone();
        wrong[0] ^= 1;
        assert!(!mac.verify(&[data], &wrong));
    }
}

#[test]
fn rfc_2202_hmac_md5() {
    holds(Hash::Md5, &[0x0b; 16], b"Hi There", "9294727a3638bb1c13f48ef8158bfc9d");
    holds(Hash::Md5, b"Jefe", b"what do ya want for nothing?", "750c783e6ab0b503eaa86e310a5db738");
    holds(
        Hash::Md5,
        &[0xaa; 80],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd",
    );
}

#[test]
fn rfc_2202_hmac_sha1() {
    holds(Hash::Sha1, &[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00");
    holds(
        Hash::Sha1,
        b"Jefe",
        b"what do ya want for nothing?",
        "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
    );
    holds(
        Hash::Sha1,
        &[0xaa; 80],
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "aa4ae5e15272d00e95705637ce8a3b55ed402112",
    );
}

#[test]
fn rfc_4231_hmac_sha2() {
    let jefe = b"what do ya want for nothing?";
    holds(
        Hash::Sha256,
        b"Jefe",
        jefe,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
    );
    holds(
        Hash::Sha384,
        b"Jefe",
        jefe,
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e
         8e2240ca5e69e2c78b3239ecfab21649",
    );
    holds(
        Hash::Sha512,
        b"Jefe",
        jefe,
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554
         9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
    );
    let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
    holds(
        Hash::Sha256,
        &[0xaa; 131],
        long,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    );
    holds(
        Hash::Sha512,
        &[0xaa; 131],
        long,
        "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352
         6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598",
    );
}
