//! Provider against provider: the same inputs give the same outputs and the same errors.

use proptest::prelude::*;

use super::providers;
use crate::crypto::dh::random_len;
use crate::crypto::{Encr, Group, Hash, Provider};

fn all_equal<T: PartialEq + core::fmt::Debug>(
    what: &str,
    compute: impl Fn(&dyn Provider) -> T,
) -> Result<(), TestCaseError> {
    let results: Vec<T> = providers().iter().map(|provider| compute(&**provider)).collect();
    for result in &results {
        prop_assert_eq!(result, &results[0], "{}", what);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn macs_agree(
        key in proptest::collection::vec(any::<u8>(), 0..200),
        data in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for hash in Hash::ALL {
            all_equal("hmac", |provider| provider.hmac(hash, &key).code(&[&data, b"more"]))?;
        }
    }

    #[test]
    fn ciphers_agree(
        key in any::<[u8; 32]>(),
        nonce in any::<[u8; 12]>(),
        aad in proptest::collection::vec(any::<u8>(), 0..40),
        data in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        for encr in Encr::all().filter(|encr| encr.is_aead() && encr.is_offered()) {
            all_equal(encr.name(), |provider| {
                let aead = provider.aead(encr, &key[..encr.key_len()]).unwrap();
                let (mut data, mut tag) = (data.clone(), vec![0; aead.tag_len()]);
                aead.seal(&nonce, &aad, &mut data, &mut tag).unwrap();
                (data, tag)
            })?;
        }
        for encr in Encr::all().filter(|encr| encr.block_len() > 1) {
            all_equal(encr.name(), |provider| {
                let cbc = provider.cbc(encr, &key[..encr.key_len()]).unwrap();
                let mut data = data[..data.len() / 16 * 16].to_vec();
                cbc.encrypt(&[nonce, nonce].concat()[..cbc.block_len()], &mut data).unwrap();
                data
            })?;
        }
    }

    #[test]
    fn key_exchanges_agree(ours in any::<[u8; 66]>(), theirs in any::<[u8; 66]>()) {
        for group in Group::all().filter(|group| !group.is_modp()) {
            let len = random_len(group);
            all_equal(group.name(), |provider| {
                let ours = provider.dh_keypair(group, &ours[..len]).unwrap();
                let theirs = provider.dh_keypair(group, &theirs[..len]).unwrap();
                let shared = provider.dh_agree(&ours, theirs.public()).unwrap();
                (ours.public().to_vec(), shared)
            })?;
        }
    }

    #[test]
    fn public_values_are_refused_alike(ours in any::<[u8; 66]>(), wild in any::<[u8; 132]>()) {
        for group in Group::all().filter(|group| !group.is_modp()) {
            all_equal(group.name(), |provider| {
                let ours = provider.dh_keypair(group, &ours[..random_len(group)]).unwrap();
                provider.dh_agree(&ours, &wild[..group.public_len()])
            })?;
        }
    }
}
