//! The ECP groups by RFC 5903 section 8, Curve25519 by RFC 7748 section 6.1, and what is refused.

use super::{hex, providers};
use crate::crypto::dh::{PublicValue, random_len};
use crate::crypto::{CryptoError, Group};

fn holds(group: Group, i: &str, r: &str, public_i: &str, public_r: &str, shared: &str) {
    for provider in providers() {
        let name = provider.name();
        let ours = provider.dh_keypair(group, &hex(i)).unwrap();
        let theirs = provider.dh_keypair(group, &hex(r)).unwrap();
        assert_eq!(ours.public(), hex(public_i), "{group} by {name}");
        assert_eq!(theirs.public(), hex(public_r), "{group} by {name}");
        assert_eq!(provider.dh_agree(&ours, theirs.public()).unwrap().expose(), &hex(shared));
        assert_eq!(provider.dh_agree(&theirs, ours.public()).unwrap().expose(), &hex(shared));
    }
}

#[test]
fn rfc_5903_256_bit_group() {
    holds(
        Group::Ecp256,
        "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
        "C6EF9C5D78AE012A011164ACB397CE2088685D8F06BF9BE0B283AB46476BEE53",
        "dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180
         5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3",
        "d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63
         56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab",
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    );
}

#[test]
fn rfc_5903_384_bit_group() {
    holds(
        Group::Ecp384,
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655
         E35B538041E649EE3FAEF896783AB194",
        "41CB0779B4BDB85D47846725FBEC3C9430FAB46CC8DC5060855CC9BDA0AA2942
         E0308312916B8ED2960E4BD55A7448FC",
        "667842d7d180ac2cde6f74f37551f55755c7645c20ef73e31634fe72b4c55ee6
         de3ac808acb4bdb4c88732aee95f41aa9482ed1fc0eeb9cafc4984625ccfc23f
         65032149e0e144ada024181535a0f38eeb9fcff3c2c947dae69b4c634573a81c",
        "e558dbef53eecde3d3fccfc1aea08a89a987475d12fd950d83cfa41732bc509d
         0d1ac43a0336def96fda41d0774a3571dcfbec7aacf3196472169e838430367f
         66eebe3c6e70c416dd5f0c68759dd1fff83fa40142209dff5eaad96db9e6386c",
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4
         D603135569B9E9D09CF5D4A270F59746",
    );
}

#[test]
fn rfc_5903_521_bit_group() {
    holds(
        Group::Ecp521,
        "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A0
         95AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D4A52",
        "0145BA99A847AF43793FDD0E872E7CDFA16BE30FDC780F97BCCC3F078380201E
         9C677D600B343757A3BDBF2A3163E4C2F869CCA7458AA4A4EFFC311F5CB151685EB9",
        "0015417e84dbf28c0ad3c278713349dc7df153c897a1891bd98bab4357c9ecbe
         e1e3bf42e00b8e380aeae57c2d107564941885942af5a7f4601723c4195d176ced3e
         017cae20b6641d2eeb695786d8c946146239d099e18e1d5a514c739d7cb4a10a
         d8a788015ac405d7799dc75e7b7d5b6cf2261a6a7f1507438bf01beb6ca3926f9582",
        "00d0b3975ac4b799f5bea16d5e13e9af971d5e9b984c9f39728b5e5739735a21
         9b97c356436adc6e95bb0352f6be64a6c2912d4ef2d0433ced2b6171640012d9460f
         015c68226383956e3bd066e797b623c27ce0eac2f551a10c2c724d9852077b87
         220b6536c5c408a1d2aebb8e86d678ae49cb57091f4732296579ab44fcd17f0fc56a",
        "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04
         D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA",
    );
}

#[test]
fn rfc_7748_curve25519() {
    holds(
        Group::Curve25519,
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742",
    );
}

#[test]
fn a_rejected_scalar_is_replaced_in_the_same_way_by_every_provider() {
    for group in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
        for byte in [0x00, 0xff] {
            let random = vec![byte; random_len(group)];
            let pairs: Vec<_> = providers()
                .iter()
                .map(|provider| provider.dh_keypair(group, &random).unwrap().public().to_vec())
                .collect();
            assert_eq!(pairs[0].len(), group.public_len());
            assert!(pairs.iter().all(|public| *public == pairs[0]), "{group} from {byte:#x}");
        }
    }
}

#[test]
fn the_random_string_must_have_its_length() {
    for provider in providers() {
        for group in Group::all() {
            let short = vec![1; random_len(group) - 1];
            let refused = provider.dh_keypair(group, &short).unwrap_err();
            assert!(matches!(refused, CryptoError::Length { .. }), "{group}: {refused}");
        }
    }
}

#[test]
fn a_public_value_of_the_wrong_length_is_refused() {
    for provider in providers() {
        for group in Group::all() {
            let ours = provider.dh_keypair(group, &vec![7; random_len(group)]).unwrap();
            for len in [0, group.public_len() - 1, group.public_len() + 1] {
                assert_eq!(
                    provider.dh_agree(&ours, &vec![1; len]),
                    Err(CryptoError::PublicLength {
                        group,
                        expected: group.public_len(),
                        actual: len
                    })
                );
            }
        }
    }
}

#[test]
fn a_point_off_the_curve_is_refused() {
    for provider in providers() {
        for group in [Group::Ecp256, Group::Ecp384, Group::Ecp521] {
            let ours = provider.dh_keypair(group, &vec![7; random_len(group)]).unwrap();
            let mut off = ours.public().to_vec();
            *off.last_mut().unwrap() ^= 1;
            let refused = Err(CryptoError::PublicNotOnCurve(group));
            assert_eq!(provider.dh_agree(&ours, &off), refused, "{}", provider.name());
            let zero = vec![0; group.public_len()];
            assert_eq!(provider.dh_agree(&ours, &zero), refused, "{}", provider.name());
            let above = vec![0xff; group.public_len()];
            assert_eq!(provider.dh_agree(&ours, &above), refused, "{}", provider.name());
        }
    }
}

#[test]
fn a_curve25519_point_of_small_order_is_refused() {
    let small = [
        hex("0000000000000000000000000000000000000000000000000000000000000000"),
        hex("0100000000000000000000000000000000000000000000000000000000000000"),
        hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
        hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    ];
    for provider in providers() {
        let ours = provider.dh_keypair(Group::Curve25519, &[7; 32]).unwrap();
        for public in &small {
            assert_eq!(
                provider.dh_agree(&ours, public),
                Err(CryptoError::SharedSecretZero(Group::Curve25519)),
                "{}",
                provider.name()
            );
        }
    }
}

#[test]
fn a_pair_with_a_value_to_refuse_has_what_others_would_compute_with_it() {
    use num_bigint::BigUint;

    let group = Group::Modp2048;
    let prime = crate::crypto::modp::prime(group).unwrap();
    let exponent = BigUint::from(2_u8).pow(64) + 6_u8;
    for provider in providers() {
        let pair = provider.dh_keypair(group, &vec![7; random_len(group)]).unwrap();
        let other = provider.dh_keypair(group, &vec![9; random_len(group)]).unwrap();
        for value in
            [PublicValue::Zero, PublicValue::One, PublicValue::PrimeMinusOne, PublicValue::Prime]
        {
            let ours = pair.clone().with_public(value);
            assert_eq!(ours.public().len(), group.public_len());
            // Nobody here agrees with it; whoever does not look gets this, by an even exponent.
            assert!(provider.dh_agree(&other, ours.public()).is_err(), "{value:?}");
            let theirs = BigUint::from_bytes_be(ours.public()).modpow(&exponent, &prime);
            let secret = provider.dh_agree(&ours, other.public()).unwrap();
            assert_eq!(BigUint::from_bytes_be(secret.expose()), theirs, "{value:?}");
            assert_eq!(secret.expose().len(), group.public_len());
        }
        let same = pair.clone().with_public(PublicValue::OffCurve);
        assert_eq!(same.public(), pair.public(), "there is no curve");

        let group = Group::Ecp256;
        let pair = provider.dh_keypair(group, &vec![7; random_len(group)]).unwrap();
        let other = provider.dh_keypair(group, &vec![9; random_len(group)]).unwrap();
        let ours = pair.clone().with_public(PublicValue::OffCurve);
        assert!(provider.dh_agree(&other, ours.public()).is_err());
        assert_eq!(pair.clone().with_public(PublicValue::Zero).public(), pair.public());
    }
}
