//! Diffie-Hellman: from random bytes to a scalar, the same under every provider.
//!
//! The core draws [`random_len`] octets for a key pair and hands them in. What becomes of them:
//!
//! - **MODP**: the octets are the exponent, with its top bit set so that it has full length. It is
//!   short, as RFC 3526 section 8 allows: twice the higher of its two strength estimates, rounded
//!   up to whole octets (240, 320, 424 and 480 bits for groups 5, 14, 15 and 16). Group 2, for
//!   which RFC 3526 has no estimate, takes 256 bits. In a group of a safe prime this is enough,
//!   since no small subgroup can leak part of the exponent.
//! - **ECP**: the octets, read big endian and cut to the bit length of the order, are the scalar.
//!   If that is 0 or not below the order (probability 2^-32 for group 19, far less for the others)
//!   the next candidate is made of SHA-512 over a label, a counter and the octets drawn; and so
//!   on until one fits. Nobody needs to draw again, so a replay consumes what the recording did.
//! - **Curve25519**: the octets are the scalar; clamping is part of the function (RFC 7748).

use core::fmt;
use std::sync::Arc;

use num_bigint::BigUint;
use serde::{Deserialize, Serialize};

use super::modp;
use super::provider::check_len;
use super::{CryptoError, Group, Hash, Secret, SecretBytes};

const EXPAND_LABEL: &[u8] = b"ikeproof ecp scalar";

/// The number of random octets that a key pair of `group` is made of.
pub const fn random_len(group: Group) -> usize {
    match group {
        Group::Modp1024 => 32,
        Group::Modp1536 => 30,
        Group::Modp2048 => 40,
        Group::Modp3072 => 53,
        Group::Modp4096 => 60,
        Group::Ecp256 => 32,
        Group::Ecp384 => 48,
        Group::Ecp521 => 66,
        Group::Curve25519 => 32,
    }
}

/// Our half of an exchange: the public value to send and the secret behind it.
///
/// A retransmitted or repeated exchange may use the same pair again, so it can be cloned; the
/// secret is shared, not copied.
#[derive(Clone)]
pub struct KeyPair {
    group: Group,
    public: Vec<u8>,
    secret: Arc<dyn DhSecret>,
}

/// The secret half in the form its provider likes.
pub(super) trait DhSecret: Send + Sync {
    /// The shared secret, after the provider's own checks of the public value, whose length has
    /// been checked already.
    fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError>;
}

/// A public value that no private one has, or one that gives the shared secret away: what the tests of RFC
/// 6989, section 2, are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PublicValue {
    /// 0 of a MODP group: the secret is 0.
    Zero,
    /// 1 of a MODP group: the secret is 1.
    One,
    /// p - 1 of a MODP group: the secret is 1 or p - 1, depending on the other side's exponent.
    PrimeMinusOne,
    /// p of a MODP group, which is 0 for whoever does not look at the range.
    Prime,
    /// A point that is not on the curve of an ECP group: the right one with another last bit of y.
    OffCurve,
}

/// A secret that does not depend on the other side.
struct Known(SecretBytes);

impl DhSecret for Known {
    fn agree(&self, _: &[u8]) -> Result<SecretBytes, CryptoError> {
        Ok(self.0.clone())
    }
}

impl KeyPair {
    /// With another public value, and the secret that a peer has who takes it for an honest one: of
    /// [`PublicValue::PrimeMinusOne`] that of even exponents, of a point off the curve what it was. Of a group
    /// that has no such value the pair stays as it is.
    #[must_use]
    pub fn with_public(mut self, value: PublicValue) -> Self {
        let octets = self.group.public_len();
        let padded = |number: &BigUint| {
            let digits = number.to_bytes_be();
            let mut padded = vec![0; octets.saturating_sub(digits.len())];
            padded.extend_from_slice(&digits);
            padded
        };
        let (zero, one) = (BigUint::ZERO, BigUint::from(1_u8));
        let (public, secret) = match (modp::prime(self.group), value) {
            (Some(_), PublicValue::Zero) => (zero.clone(), zero),
            (Some(_), PublicValue::One) => (one.clone(), one),
            (Some(prime), PublicValue::PrimeMinusOne) => (prime - 1_u8, one),
            (Some(prime), PublicValue::Prime) => (prime, zero),
            (None, PublicValue::OffCurve) => {
                let curve = matches!(self.group, Group::Ecp256 | Group::Ecp384 | Group::Ecp521);
                if let Some(last) = self.public.last_mut().filter(|_| curve) {
                    *last ^= 1;
                }
                return self;
            }
            _ => return self,
        };
        self.public = padded(&public);
        self.secret = Arc::new(Known(SecretBytes::new(padded(&secret))));
        self
    }

    pub(super) fn new(group: Group, public: Vec<u8>, secret: Arc<dyn DhSecret>) -> Self {
        Self { group, public, secret }
    }

    /// The group.
    pub const fn group(&self) -> Group {
        self.group
    }

    /// The public value as a KE payload carries it.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret with the owner of `peer_public`.
    pub fn agree(&self, peer_public: &[u8]) -> Result<SecretBytes, CryptoError> {
        let expected = self.group.public_len();
        if peer_public.len() != expected {
            return Err(CryptoError::PublicLength {
                group: self.group,
                expected,
                actual: peer_public.len(),
            });
        }
        self.secret.agree(peer_public)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("group", &self.group).finish_non_exhaustive()
    }
}

/// The scalar or exponent that `random` stands for.
pub(super) fn scalar(group: Group, random: &[u8]) -> Result<SecretBytes, CryptoError> {
    check_len("the random string of a key pair", random_len(group), random.len())?;
    Ok(match group {
        Group::Ecp256 => ecp_scalar(&ORDER_256, 0xff, random),
        Group::Ecp384 => ecp_scalar(&ORDER_384, 0xff, random),
        Group::Ecp521 => ecp_scalar(&ORDER_521, 0x01, random),
        Group::Curve25519 => SecretBytes::from_slice(random),
        _ => {
            let mut exponent = SecretBytes::from_slice(random);
            if let Some(top) = exponent.expose_mut().first_mut() {
                *top |= 0x80;
            }
            exponent
        }
    })
}

fn ecp_scalar(order: &[u8], top_mask: u8, random: &[u8]) -> SecretBytes {
    let mut candidate = SecretBytes::from_slice(random);
    let mut counter: u32 = 0;
    loop {
        if let Some(top) = candidate.expose_mut().first_mut() {
            *top &= top_mask;
        }
        if is_scalar(candidate.expose(), order) {
            return candidate;
        }
        candidate = expand(counter, random);
        counter += 1;
    }
}

/// As many octets as `random` has, of SHA-512 over label, counter, block number and `random`.
fn expand(counter: u32, random: &[u8]) -> SecretBytes {
    let mut bytes = Secret::new(Vec::with_capacity(random.len() + Hash::Sha512.output_len()));
    let mut block: u32 = 0;
    while bytes.len() < random.len() {
        let parts = [EXPAND_LABEL, &counter.to_be_bytes(), &block.to_be_bytes(), random];
        let digest = Secret::new(Hash::Sha512.digest(&parts));
        bytes.expose_mut().extend_from_slice(digest.expose());
        block += 1;
    }
    bytes.expose_mut().truncate(random.len());
    bytes
}

/// Whether 0 < candidate < order, both big endian and of one length, without branching on the
/// octets.
fn is_scalar(candidate: &[u8], order: &[u8]) -> bool {
    let mut borrow: i16 = 0;
    let mut any: u8 = 0;
    for (c, o) in candidate.iter().zip(order).rev() {
        borrow = (i16::from(*c) - i16::from(*o) + borrow) >> 8;
        any |= c;
    }
    borrow != 0 && any != 0
}

/// The orders of the base points, RFC 5903 section 3.
const ORDER_256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

const ORDER_384: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf,
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

const ORDER_521: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xfa, 0x51, 0x86, 0x87, 0x83, 0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09,
    0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47, 0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38,
    0x64, 0x09,
];
