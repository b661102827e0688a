//! prf+ of RFC 7296 section 2.13.

use super::{CryptoError, Prf, Provider, Secret, SecretBytes};

/// `len` octets of prf+ (key, seed), where the seed is the concatenation of `seed`.
///
/// The counter is one octet, so there are at most 255 outputs of the function.
pub fn prf_plus(
    provider: &dyn Provider,
    prf: Prf,
    key: &[u8],
    seed: &[&[u8]],
    len: usize,
) -> Result<SecretBytes, CryptoError> {
    let output_len = prf.output_len();
    if len > 255 * output_len {
        return Err(CryptoError::PrfPlusTooLong(len));
    }
    let mac = provider.hmac(prf.hash(), key);
    let mut material = Secret::new(Vec::with_capacity(len + output_len));
    let mut last = Secret::new(Vec::new());
    let mut counter: u8 = 1;
    while material.len() < len {
        let count = [counter];
        let mut parts: Vec<&[u8]> = Vec::with_capacity(seed.len() + 2);
        parts.push(last.expose());
        parts.extend_from_slice(seed);
        parts.push(&count);
        let next = Secret::new(mac.code(&parts));
        material.expose_mut().extend_from_slice(next.expose());
        last = next;
        counter = counter.wrapping_add(1);
    }
    material.expose_mut().truncate(len);
    Ok(material)
}
