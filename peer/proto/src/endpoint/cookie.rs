//! Stateless cookies (RFC 7296 §2.6): proof that a peer receives at the address it sends from,
//! before anything is kept or computed for it.

use core::net::SocketAddr;
use core::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::crypto::Secret;
use crate::entropy::{Entropy, Label};
use crate::time::Time;
use crate::wire::IkeSpi;

/// Length of our cookies in octets: a version, and a MAC. The limit is 64 (RFC 7296 §2.6).
const COOKIE_LEN: usize = 33;

/// Makes and checks cookies. Two secrets are good at a time.
#[derive(Debug, Default)]
pub(crate) struct CookieJar {
    current: Option<CookieSecret>,
    previous: Option<CookieSecret>,
    version: u8,
}

#[derive(Debug)]
struct CookieSecret {
    version: u8,
    since: Time,
    key: Secret<[u8; 32]>,
}

impl CookieJar {
    /// The cookie that a peer must return.
    pub(crate) fn make(
        &mut self,
        now: Time,
        lifetime: Duration,
        entropy: &mut Entropy,
        peer: &Claim<'_>,
    ) -> Vec<u8> {
        self.turn(now, lifetime, entropy);
        self.current.as_ref().map(|secret| secret.cookie(peer)).unwrap_or_default()
    }

    /// Whether `cookie` was made for this peer with a secret that is still good.
    pub(crate) fn check(
        &mut self,
        now: Time,
        lifetime: Duration,
        entropy: &mut Entropy,
        peer: &Claim<'_>,
        cookie: &[u8],
    ) -> bool {
        self.turn(now, lifetime, entropy);
        [&self.current, &self.previous].into_iter().flatten().any(|secret| {
            cookie.first() == Some(&secret.version) && bool::from(secret.cookie(peer).ct_eq(cookie))
        })
    }

    fn turn(&mut self, now: Time, lifetime: Duration, entropy: &mut Entropy) {
        let age = self.current.as_ref().map(|secret| now.since(secret.since));
        if age.is_some_and(|age| age < lifetime) {
            return;
        }
        self.version = self.version.wrapping_add(1);
        let key = Secret::new(entropy.array(Label::COOKIE, 0));
        let fresh = CookieSecret { version: self.version, since: now, key };
        self.previous = self.current.replace(fresh);
        // After a long quiet the one before is too old to be believed as well.
        if age.is_some_and(|age| age >= lifetime.saturating_mul(2)) {
            self.previous = None;
        }
    }
}

/// What a cookie is bound to (RFC 7296 §2.6: the nonce, the address, the SPI).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub(crate) remote: SocketAddr,
    pub(crate) spi_i: IkeSpi,
    pub(crate) nonce: &'a [u8],
}

impl CookieSecret {
    fn cookie(&self, peer: &Claim<'_>) -> Vec<u8> {
        let mut cookie = Vec::with_capacity(COOKIE_LEN);
        cookie.push(self.version);
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.expose()) {
            match peer.remote.ip() {
                core::net::IpAddr::V4(ip) => mac.update(&ip.octets()),
                core::net::IpAddr::V6(ip) => mac.update(&ip.octets()),
            }
            mac.update(&peer.remote.port().to_be_bytes());
            mac.update(&peer.spi_i.0);
            mac.update(peer.nonce);
            cookie.extend_from_slice(&mac.finalize().into_bytes());
        }
        cookie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_secs(120);

    fn claim(nonce: &[u8]) -> Claim<'_> {
        Claim { remote: "192.0.2.1:500".parse().unwrap(), spi_i: IkeSpi([1; 8]), nonce }
    }

    fn at(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    #[test]
    fn a_cookie_is_good_for_its_peer_alone() {
        let (mut jar, mut entropy) = (CookieJar::default(), Entropy::new([1; 32]));
        let cookie = jar.make(at(0), LIFE, &mut entropy, &claim(b"nonce"));
        assert_eq!(cookie.len(), COOKIE_LEN);
        assert!(jar.check(at(1), LIFE, &mut entropy, &claim(b"nonce"), &cookie));
        assert!(!jar.check(at(1), LIFE, &mut entropy, &claim(b"other"), &cookie));
        let elsewhere = Claim { remote: "192.0.2.1:501".parse().unwrap(), ..claim(b"nonce") };
        assert!(!jar.check(at(1), LIFE, &mut entropy, &elsewhere, &cookie));
        assert!(!jar.check(at(1), LIFE, &mut entropy, &claim(b"nonce"), &[]));
    }

    #[test]
    fn a_cookie_outlives_one_change_of_secret_and_no_more() {
        let (mut jar, mut entropy) = (CookieJar::default(), Entropy::new([1; 32]));
        let cookie = jar.make(at(0), LIFE, &mut entropy, &claim(b"nonce"));
        assert!(jar.check(at(130), LIFE, &mut entropy, &claim(b"nonce"), &cookie));
        assert!(!jar.check(at(260), LIFE, &mut entropy, &claim(b"nonce"), &cookie));
    }

    #[test]
    fn after_a_long_quiet_an_old_cookie_is_worthless() {
        let (mut jar, mut entropy) = (CookieJar::default(), Entropy::new([1; 32]));
        let cookie = jar.make(at(0), LIFE, &mut entropy, &claim(b"nonce"));
        assert!(!jar.check(at(3600), LIFE, &mut entropy, &claim(b"nonce"), &cookie));
    }
}
