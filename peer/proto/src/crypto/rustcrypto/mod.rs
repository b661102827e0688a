//! The provider that is always there: RustCrypto's implementations, pure Rust, every algorithm.

mod aead;
mod cbc;
mod ecdh;
mod mac;
mod provider;

pub use provider::RustCrypto;
