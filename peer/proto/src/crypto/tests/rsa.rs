//! RSA signatures: both forms, provider against provider, and forgeries.

use std::sync::OnceLock;

use ::rsa::BoxedUint;
use ::rsa::pkcs1::EncodeRsaPrivateKey;
use ::rsa::pkcs8::EncodePrivateKey;
use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use num_bigint::BigUint;
use rstest::rstest;

use super::providers;
use crate::crypto::rsa::BLINDING_LEN;
use crate::crypto::{
    CryptoError, Hash, Provider, RsaForm, RsaPrivateKey, RsaPublicKey, RustCrypto, SeededRng,
};

const BLINDING: [u8; BLINDING_LEN] = [7; BLINDING_LEN];

/// A key of 1024 bits, made once.
fn raw() -> &'static ::rsa::PrivateKey {
    static KEY: OnceLock<::rsa::PrivateKey> = OnceLock::new();
    KEY.get_or_init(|| ::rsa::PrivateKey::new(&mut SeededRng::new([3; 32]), 1024).unwrap())
}

fn key() -> RsaPrivateKey {
    RsaPrivateKey::from_der(raw().to_pkcs8_der().unwrap().as_bytes()).unwrap()
}

/// The private operation on any block, as a forger with the key could do it.
fn apply(block: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| BigUint::from_bytes_be(bytes);
    let (n, d) = (number(&raw().n_bytes()), number(&raw().d().to_be_bytes()));
    let signature = number(block).modpow(&d, &n).to_bytes_be();
    [vec![0; block.len() - signature.len()], signature].concat()
}

/// 00 01 FF.. 00, then the content, in a block of 128 octets.
fn block(content: &[u8]) -> Vec<u8> {
    [&[0, 1][..], &vec![0xff; 125 - content.len()], &[0], content].concat()
}

#[rstest]
fn a_bare_signature_is_the_private_operation_on_the_padded_hash(
    #[values(Hash::Md5, Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512)] hash: Hash,
) {
    let digest = hash.digest(&[b"what was said"]);
    for provider in providers() {
        let signature = provider.rsa_sign(&key(), RsaForm::Bare, &digest, &BLINDING).unwrap();
        assert_eq!(signature, apply(&block(&digest)), "{}", provider.name());
        let again = provider.rsa_sign(&key(), RsaForm::Bare, &digest, &[9; BLINDING_LEN]);
        assert_eq!(again, Ok(signature.clone()), "blinding does not show");
        let key = key();
        let verify = |hash: &[u8], form| provider.rsa_verify(key.public(), form, hash, &signature);
        assert_eq!(verify(&digest, RsaForm::Bare), Ok(()));
        assert_eq!(verify(&digest, RsaForm::DigestInfo(hash)), Err(CryptoError::BadSignature));
        let other = hash.digest(&[b"something else"]);
        assert_eq!(verify(&other, RsaForm::Bare), Err(CryptoError::BadSignature));
    }
}

#[rstest]
fn a_named_signature_verifies_under_every_provider(
    #[values(Hash::Sha1, Hash::Sha256, Hash::Sha384, Hash::Sha512)] hash: Hash,
) {
    let digest = hash.digest(&[b"what was said"]);
    let form = RsaForm::DigestInfo(hash);
    let signature = RustCrypto.rsa_sign(&key(), form, &digest, &BLINDING).unwrap();
    for provider in providers() {
        let key = key();
        let verify =
            |form, signature: &[u8]| provider.rsa_verify(key.public(), form, &digest, signature);
        assert_eq!(verify(form, &signature), Ok(()), "{}", provider.name());
        assert_eq!(verify(RsaForm::Bare, &signature), Err(CryptoError::BadSignature));
        for at in [0, 1, 64, 127] {
            let mut wrong = signature.clone();
            wrong[at] ^= 1;
            assert_eq!(verify(form, &wrong), Err(CryptoError::BadSignature));
        }
    }
}

#[test]
fn a_lax_padding_is_refused() {
    let digest = Hash::Sha1.digest(&[b"what was said"]);
    let honest = block(&digest);
    // The hash in front of garbage, as after a parser that does not look to the end.
    let stretched = [&[0, 1][..], &[0xff; 8], &[0], &digest, &[0xaa; 97]].concat();
    let mut other_octet = honest.clone();
    other_octet[50] = 0xfe;
    let mut other_type = honest.clone();
    other_type[1] = 2;
    let mut no_separator = honest.clone();
    no_separator[107] = 0xff;
    let in_algorithm = block(
        &[&[0x30, 0x21, 0x30, 9, 6, 5, 0x2b, 0xe, 3, 2, 0x1a, 5, 0, 4, 0x14], digest.as_slice()]
            .concat(),
    );
    let cases = [
        ("stretched", stretched),
        ("an octet of the padding", other_octet),
        ("the block type", other_type),
        ("the separator", no_separator),
        ("a DigestInfo", in_algorithm),
    ];
    for provider in providers() {
        let key = key();
        let verify =
            |signature: &[u8]| provider.rsa_verify(key.public(), RsaForm::Bare, &digest, signature);
        assert_eq!(verify(&apply(&honest)), Ok(()));
        for (what, block) in &cases {
            assert_eq!(block.len(), 128, "{what}");
            assert_eq!(verify(&apply(block)), Err(CryptoError::BadSignature), "{what}");
        }
        let signature = apply(&honest);
        assert_eq!(verify(&[&[0], &signature[..]].concat()), Err(CryptoError::BadSignature));
        assert_eq!(verify(&signature[..127]), Err(CryptoError::BadSignature));
        assert_eq!(verify(&[]), Err(CryptoError::BadSignature));
        // The same number once more modulo n, where it fits into the length.
        let n = BigUint::from_bytes_be(&raw().n_bytes());
        let again = (BigUint::from_bytes_be(&signature) + n).to_bytes_be();
        assert_eq!(verify(&again), Err(CryptoError::BadSignature));
        let empty = provider.rsa_verify(key.public(), RsaForm::Bare, &[], &apply(&block(&[])));
        assert_eq!(empty, Err(CryptoError::BadSignature));
    }
}

/// An RSAPublicKey of these numbers.
fn public_der(n: &BigUint, e: &BigUint) -> Vec<u8> {
    let integer = |number: &BigUint| {
        let mut bytes = number.to_bytes_be();
        if bytes[0] & 0x80 != 0 {
            bytes.insert(0, 0);
        }
        tlv(2, &bytes)
    };
    tlv(0x30, &[integer(n), integer(e)].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short @ ..=127] => vec![tag, short],
        [0, short] => vec![tag, 0x81, short],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [head, content.to_vec()].concat()
}

#[test]
fn keys_are_bounded() {
    let modulus = |bits: u64| (BigUint::from(1_u8) << (bits - 1)) + 1_u8;
    let read = |bits: u64, e: BigUint| RsaPublicKey::from_pkcs1(&public_der(&modulus(bits), &e));
    let usual = || BigUint::from(65537_u32);
    for (bits, usable) in [(1023, false), (1024, true), (8192, true), (8193, false)] {
        assert_eq!(read(bits, usual()).is_ok(), usable, "{bits}");
    }
    assert_eq!(read(2048, usual()).unwrap().bits(), 2048);
    let least = BigUint::from(1_u8) << 33_u32;
    let exponents = [
        (BigUint::from(1_u8), false),
        (BigUint::from(2_u8), false),
        (BigUint::from(3_u8), true),
        (least.clone() - 1_u8, true),
        (least + 1_u8, false),
        (modulus(1000), false),
    ];
    for (e, usable) in exponents {
        assert_eq!(read(1024, e.clone()).is_ok(), usable, "{e}");
    }
    assert!(RsaPublicKey::from_pkcs1(&[]).is_err());
    let whole = public_der(&modulus(1024), &usual());
    for length in 0..whole.len() {
        assert!(RsaPublicKey::from_pkcs1(&whole[..length]).is_err(), "{length}");
    }
}

#[test]
fn private_keys_are_read_in_both_forms_and_do_not_show() {
    let pkcs1 = raw().to_pkcs1_der().unwrap();
    let key = RsaPrivateKey::from_der(pkcs1.as_bytes()).unwrap();
    assert_eq!(key.public(), self::key().public());
    assert_eq!(format!("{key:?}"), "RsaPrivateKey(1024 bits)");
    assert!(matches!(RsaPrivateKey::from_der(b"none"), Err(CryptoError::RsaKey(_))));
    // A private exponent that does not belong to the modulus.
    let wrong = ::rsa::PrivateKey::from_components(
        raw().n().as_ref().clone(),
        raw().e().clone(),
        BoxedUint::from(3_u8),
        raw().primes().iter().map(|prime| prime.as_ref().clone()).collect(),
    );
    assert!(wrong.is_err());
}
