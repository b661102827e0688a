//! Secrets do not show.

use subtle::ConstantTimeEq;

use super::providers;
use crate::crypto::dh::random_len;
use crate::crypto::keys::child_keymat;
use crate::crypto::{ChildSuite, Encr, Group, Hash, IkeCipher, IkeKeys, KeyBits, SecretBytes};

/// An octet that stands for a secret: 0xa7, which is 167.
const MARK: u8 = 0xa7;

fn shows(debug: &str) -> bool {
    debug.contains("167") || debug.to_lowercase().contains("a7")
}

#[test]
fn debug_output_never_holds_a_secret() {
    assert!(shows(&format!("{:?}", [MARK])), "the test itself sees what it looks for");
    let secret = SecretBytes::new(vec![MARK; 64]);
    assert_eq!(format!("{secret:?}"), "Secret(redacted)");
    for provider in providers() {
        let mark = [MARK; 66];
        let mut texts = vec![
            format!("{provider:?}"),
            format!("{:?}", provider.hmac(Hash::Sha256, &mark)),
            format!("{:?}", provider.hmac(Hash::Md5, &mark)),
            format!("{:?}", provider.cbc(Encr::AesCbc(KeyBits::B256), &mark[..32])),
            format!("{:?}", provider.cbc(Encr::TripleDesCbc, &mark[..24])),
        ];
        for encr in Encr::all().filter(|encr| encr.is_aead() && encr.is_offered()) {
            texts.push(format!("{:?}", provider.aead(encr, &mark[..encr.key_len()])));
        }
        for group in Group::all() {
            texts.push(format!("{:?}", provider.dh_keypair(group, &mark[..random_len(group)])));
        }
        let suite = "aes256-sha256-modp2048".parse().unwrap();
        let mut keys =
            IkeKeys::derive(&*provider, suite, &secret, b"ni", b"nr", [0; 8], [0; 8]).unwrap();
        for key in [&mut keys.sk_d, &mut keys.sk_ei, &mut keys.sk_ai, &mut keys.skeyseed] {
            key.expose_mut().fill(MARK);
        }
        texts.push(format!("{keys:?}"));
        let child: ChildSuite = "aes128gcm16".parse().unwrap();
        let mut keys =
            child_keymat(&*provider, suite.prf, &keys.sk_d, None, b"ni", b"nr", child).unwrap();
        keys.initiator.encr.expose_mut().fill(MARK);
        keys.initiator.salt.expose_mut().fill(MARK);
        texts.push(format!("{keys:?}"));
        let (e, a) = (SecretBytes::new(vec![MARK; 32]), SecretBytes::new(vec![MARK; 32]));
        texts.push(format!("{:?}", IkeCipher::new(&*provider, suite.encr, suite.integ, &e, &a)));
        let (e, none) = (SecretBytes::new(vec![MARK; 20]), SecretBytes::default());
        let cipher = IkeCipher::new(&*provider, child.encr, child.integ, &e, &none).unwrap();
        texts.push(format!("{cipher:?}"));
        for text in texts {
            assert!(!shows(&text), "by {}: {text}", provider.name());
        }
    }
}

#[test]
fn secrets_compare_by_content() {
    let one = SecretBytes::from_slice(b"one");
    assert_eq!(one, SecretBytes::from_slice(b"one"));
    assert_ne!(one, SecretBytes::from_slice(b"two"));
    assert_ne!(one, SecretBytes::from_slice(b"one longer"));
    assert!(bool::from(one.ct_eq(&one.clone())));
}
