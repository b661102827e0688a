//! Groups of integers modulo a prime: two engines over one table.
//!
//! What touches our exponent is crypto-bigint, in constant time. What judges a value of the peer,
//! which is public, is num-bigint; it also computes the same powers in tests, as an oracle for the
//! first. All groups here have a safe prime and the generator 2.

use std::sync::{Arc, OnceLock};

use crypto_bigint::modular::{BoxedMontyForm, BoxedMontyParams};
use crypto_bigint::{BoxedUint, Odd};
use num_bigint::BigUint;

use super::dh::{DhSecret, KeyPair, scalar};
use super::{CryptoError, Group, SecretBytes};

/// Checks a public value of the peer: its length, and 1 < value < p-1.
///
/// RFC 6989 section 2.1: for a safe prime this refuses every value that lies in a small subgroup,
/// which are 1 and p-1, and what is no element at all.
pub fn check_public(group: Group, value: &[u8]) -> Result<(), CryptoError> {
    if value.len() != group.public_len() {
        return Err(CryptoError::PublicLength {
            group,
            expected: group.public_len(),
            actual: value.len(),
        });
    }
    let prime = prime(group).ok_or(CryptoError::Provider("a MODP operation on another group"))?;
    let value = BigUint::from_bytes_be(value);
    let one = BigUint::from(1_u8);
    if value > one && value < prime - one {
        Ok(())
    } else {
        Err(CryptoError::PublicOutOfRange(group))
    }
}

/// The prime of a MODP group, for tests and for peers that misbehave on purpose.
pub fn prime(group: Group) -> Option<BigUint> {
    BigUint::parse_bytes(prime_hex(group)?.as_bytes(), 16)
}

/// A key pair whose exponent is made of `random`.
pub(super) fn keypair(group: Group, random: &[u8]) -> Result<KeyPair, CryptoError> {
    let secret = ModpSecret { group, exponent: scalar(group, random)? };
    let public = secret.power(&[2])?.expose().clone();
    Ok(KeyPair::new(group, public, Arc::new(secret)))
}

struct ModpSecret {
    group: Group,
    exponent: SecretBytes,
}

impl ModpSecret {
    /// `base` to the power of the exponent, as many octets as the prime has.
    fn power(&self, base: &[u8]) -> Result<SecretBytes, CryptoError> {
        let wrong = CryptoError::Provider("a MODP operation on another group");
        let params = params(self.group).ok_or(wrong.clone())?;
        let bits = params.bits_precision();
        let base = BoxedUint::from_be_slice(base, bits).map_err(|_| wrong)?;
        let exponent = self.exponent.expose();
        let exponent_bits = u32::try_from(exponent.len() * 8).unwrap_or(u32::MAX);
        let mut exponent = BoxedUint::from_be_slice_truncated(exponent, exponent_bits);
        let mut power =
            BoxedMontyForm::new(base, params).pow_bounded_exp(&exponent, exponent_bits).retrieve();
        let bytes = SecretBytes::new(power.to_be_bytes().into_vec());
        zeroize::Zeroize::zeroize(&mut exponent);
        zeroize::Zeroize::zeroize(&mut power);
        Ok(bytes)
    }
}

impl DhSecret for ModpSecret {
    fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        check_public(self.group, peer_public)?;
        self.power(peer_public)
    }
}

/// The Montgomery parameters of a group, computed once.
fn params(group: Group) -> Option<&'static BoxedMontyParams> {
    static PARAMS: [OnceLock<BoxedMontyParams>; 5] = [const { OnceLock::new() }; 5];
    let slot = PARAMS.get(match group {
        Group::Modp1024 => 0,
        Group::Modp1536 => 1,
        Group::Modp2048 => 2,
        Group::Modp3072 => 3,
        Group::Modp4096 => 4,
        _ => return None,
    })?;
    if let Some(params) = slot.get() {
        return Some(params);
    }
    let bits = u32::try_from(group.public_len() * 8).ok()?;
    let prime = BoxedUint::from_be_hex(prime_hex(group)?, bits).into_option()?;
    let prime = Odd::new(prime).into_option()?;
    Some(slot.get_or_init(|| BoxedMontyParams::new_vartime(prime)))
}

const fn prime_hex(group: Group) -> Option<&'static str> {
    match group {
        Group::Modp1024 => Some(MODP_1024),
        Group::Modp1536 => Some(MODP_1536),
        Group::Modp2048 => Some(MODP_2048),
        Group::Modp3072 => Some(MODP_3072),
        Group::Modp4096 => Some(MODP_4096),
        Group::Ecp256 | Group::Ecp384 | Group::Ecp521 | Group::Curve25519 => None,
    }
}

const MODP_1024: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF",
);

const MODP_1536: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA237327FFFFFFFFFFFFFFFF",
);

const MODP_2048: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718",
    "3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
);

const MODP_3072: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718",
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33",
    "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7",
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864",
    "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2",
    "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF",
);

const MODP_4096: &str = concat!(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74",
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437",
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED",
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05",
    "98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB",
    "9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B",
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718",
    "3995497CEA956AE515D2261898FA051015728E5A8AAAC42DAD33170D04507A33",
    "A85521ABDF1CBA64ECFB850458DBEF0A8AEA71575D060C7DB3970F85A6E1E4C7",
    "ABF5AE8CDB0933D71E8C94E04A25619DCEE3D2261AD2EE6BF12FFA06D98A0864",
    "D87602733EC86A64521F2B18177B200CBBE117577A615D6C770988C0BAD946E2",
    "08E24FA074E5AB3143DB5BFCE0FD108E4B82D120A92108011A723C12A787E6D7",
    "88719A10BDBA5B2699C327186AF4E23C1A946834B6150BDA2583E9CA2AD44CE8",
    "DBBBC2DB04DE8EF92E8EFC141FBECAA6287C59474E6BC05D99B2964FA090C3A2",
    "233BA186515BE7ED1F612970CEE2D7AFB81BDD762170481CD0069127D5B05AA9",
    "93B4EA988D8FDDC186FFB7DC90A6C08F4DF435C934063199FFFFFFFFFFFFFFFF",
);
