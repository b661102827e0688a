//! Known answers, provider against provider, and what must never be printed.

mod aead;
mod cbc;
mod dh;
mod ike_cipher;
mod ikev1;
mod keys;
mod mac;
mod modp;
mod providers;
mod rsa;
mod secrecy;
mod suite;

use std::sync::Arc;

use super::{Provider, RustCrypto};

/// The providers that are built in.
pub(crate) fn providers() -> Vec<Arc<dyn Provider>> {
    vec![
        Arc::new(RustCrypto),
        #[cfg(feature = "aws-lc")]
        Arc::new(super::AwsLc),
    ]
}

/// Octets from hexadecimal text; white space is ignored.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "odd number of digits in {text}");
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}
