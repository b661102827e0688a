//! The MODP groups: the table, the range check, and one engine against the other.

use num_bigint::BigUint;
use proptest::prelude::*;

use super::providers;
use crate::crypto::dh::{random_len, scalar};
use crate::crypto::modp::{check_public, prime};
use crate::crypto::{CryptoError, Group, Provider, RustCrypto};

fn groups() -> impl Iterator<Item = Group> {
    Group::all().filter(|group| group.is_modp())
}

fn padded(group: Group, value: &BigUint) -> Vec<u8> {
    let bytes = value.to_bytes_be();
    let mut padded = vec![0; group.public_len() - bytes.len()];
    padded.extend(bytes);
    padded
}

/// Fermat's test to the bases 2, 3 and 5: no proof, but no typing error passes it.
fn is_probably_prime(value: &BigUint) -> bool {
    let one = BigUint::from(1_u8);
    [2_u8, 3, 5].iter().all(|base| BigUint::from(*base).modpow(&(value - &one), value) == one)
}

#[test]
fn every_group_has_a_safe_prime_of_its_length_and_the_shape_of_rfc_3526() {
    let ones = BigUint::from(u64::MAX);
    for group in groups() {
        let p = prime(group).unwrap();
        assert_eq!(p.bits(), group.public_len() as u64 * 8);
        assert_eq!(&p % (BigUint::from(1_u8) << 64), ones, "{group}: low 64 bits");
        assert_eq!(&p >> (p.bits() - 64), ones, "{group}: high 64 bits");
        assert!(is_probably_prime(&p), "{group}");
        assert!(is_probably_prime(&(&p >> 1)), "{group}: (p-1)/2");
    }
}

#[test]
fn values_of_order_one_and_two_and_values_out_of_range_are_refused() {
    for group in groups() {
        let p = prime(group).unwrap();
        let one = BigUint::from(1_u8);
        let refused = Err(CryptoError::PublicOutOfRange(group));
        for value in [BigUint::ZERO, one.clone(), &p - &one, p.clone(), &p + &one] {
            assert_eq!(check_public(group, &padded(group, &value)), refused, "{group}");
        }
        assert_eq!(check_public(group, &vec![0xff; group.public_len()]), refused, "{group}");
        let two = BigUint::from(2_u8);
        for value in [two.clone(), &p - &two] {
            assert_eq!(check_public(group, &padded(group, &value)), Ok(()), "{group}");
        }
        let ours = RustCrypto.dh_keypair(group, &vec![9; random_len(group)]).unwrap();
        assert_eq!(ours.agree(&padded(group, &(&p - &one))), refused.map(|()| unreachable!()));
    }
}

#[test]
fn a_short_exponent_has_its_full_length_whatever_is_drawn() {
    for group in groups() {
        let exponent = scalar(group, &vec![0; random_len(group)]).unwrap();
        assert_eq!(BigUint::from_bytes_be(exponent.expose()).bits(), random_len(group) as u64 * 8);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn both_engines_agree(seed in any::<[u8; 64]>(), peer in any::<[u8; 64]>()) {
        for group in groups() {
            let p = prime(group).unwrap();
            let len = random_len(group);
            let (ours, theirs) = (&seed[..len], &peer[..len]);
            let exponent = BigUint::from_bytes_be(scalar(group, ours).unwrap().expose());
            for provider in providers() {
                let pair = provider.dh_keypair(group, ours).unwrap();
                let public = BigUint::from(2_u8).modpow(&exponent, &p);
                prop_assert_eq!(pair.public(), padded(group, &public));
                let other = provider.dh_keypair(group, theirs).unwrap();
                let shared =
                    BigUint::from_bytes_be(other.public()).modpow(&exponent, &p);
                let agreed = provider.dh_agree(&pair, other.public()).unwrap();
                prop_assert_eq!(agreed.expose(), &padded(group, &shared));
                prop_assert_eq!(&provider.dh_agree(&other, pair.public()).unwrap(), &agreed);
            }
        }
    }
}
