//! Cryptography: algorithms and suites, the providers that implement them, key schedules and the
//! protection of IKE messages.
//!
//! Nothing here draws randomness: nonces, scalars and initialisation vectors come in as bytes,
//! drawn by the core from its labelled inputs. From the same bytes every [`Provider`] produces
//! the same bytes, so a recorded session replays under any of them.
//!
//! [`suite`] names what is negotiated, [`provider`] is the trait between names and code,
//! [`keys`] derives what RFC 7296 derives, and [`ike_cipher`] seals and opens the SK and SKF
//! payloads; [`ikev1`] does both for RFC 2409. [`rsa`] signs what RFC 2409 and certificates sign. Secrets live in [`Secret`]: wiped on drop and redacted in `Debug`.

pub mod dh;
mod error;
pub mod hash;
pub mod ike_cipher;
pub mod ikev1;
pub mod keys;
pub mod modp;
mod prf_plus;
pub mod provider;
pub mod rsa;
mod rustcrypto;
mod secret;
mod seeded;
pub mod suite;

#[cfg(feature = "aws-lc")]
mod aws_lc;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(feature = "aws-lc")]
pub use aws_lc::AwsLc;
pub use dh::KeyPair;
pub use error::CryptoError;
pub use hash::Hash;
pub use ike_cipher::{IkeCipher, OpenError};
pub use ikev1::{Ikev1Cipher, Phase1Keys};
pub use keys::{ChildKeys, DirectionKeys, IkeKeys};
pub use prf_plus::prf_plus;
pub use provider::{Aead, Cbc, Mac, Provider, default_provider};
pub use rsa::{RsaForm, RsaPrivateKey, RsaPublicKey};
pub use rustcrypto::RustCrypto;
pub use secret::{Secret, SecretBytes};
pub(crate) use seeded::SeededRng;
pub use suite::{
    ChildProtocol, ChildSuite, Encr, Esn, Group, IcvBytes, IkeSuite, Integ, KeyBits, Prf,
};
