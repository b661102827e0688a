//! Decryption of ESP packets with the keys of the key log.

use core::fmt;
use std::sync::Arc;

use ikeproof_proto::crypto::{
    Aead, Cbc, ChildProtocol, ChildSuite, CryptoError, Esn, Mac, Provider,
};
use ikeproof_proto::wire::ESP_HEADER_LEN;

use ikeproof_proto::event::ChildKeyLog;

/// The keys of one direction of a Child SA, ready for use.
pub(crate) struct Opener {
    suite: ChildSuite,
    kind: Kind,
}

enum Kind {
    Aead { aead: Arc<dyn Aead>, salt: Vec<u8> },
    Cbc { cbc: Arc<dyn Cbc>, mac: Arc<dyn Mac> },
    Null { mac: Arc<dyn Mac> },
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener").field("suite", &self.suite).finish_non_exhaustive()
    }
}

/// What an authentic packet holds.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The vector.
    pub(crate) iv: Vec<u8>,
    /// The plaintext with padding, pad length and next header; `None` if the ciphertext is not made
    /// of whole blocks.
    pub(crate) text: Option<Vec<u8>>,
    /// How many octets were encrypted.
    pub(crate) text_len: usize,
}

impl Opener {
    /// Takes the keys of the key log; `None` if they do not fit their suite, or it is not ESP.
    pub(crate) fn new(provider: &dyn Provider, log: &ChildKeyLog) -> Option<Self> {
        let suite = log.suite;
        if suite.protocol != ChildProtocol::Esp {
            return None;
        }
        let (key, salt) = log.encryption.expose().split_at_checked(suite.encr.key_len())?;
        let mac = || {
            let hash = suite.integ.hash()?;
            (log.integrity.len() == suite.integ.key_len())
                .then(|| provider.hmac(hash, log.integrity.expose()))
        };
        let kind = if suite.encr.is_aead() {
            let aead = provider.aead(suite.encr, key).ok()?;
            Kind::Aead { aead, salt: salt.to_vec() }
        } else if suite.encr.key_len() == 0 {
            Kind::Null { mac: mac()? }
        } else {
            Kind::Cbc { cbc: provider.cbc(suite.encr, key).ok()?, mac: mac()? }
        };
        Some(Self { suite, kind })
    }

    /// The algorithms.
    pub(crate) const fn suite(&self) -> &ChildSuite {
        &self.suite
    }

    /// Opens a packet. `high` are the high halves of the sequence number that it may have; they
    /// count only with extended sequence numbers.
    pub(crate) fn open(&self, packet: &[u8], high: &[u32]) -> Option<Opened> {
        let high = if self.suite.esn == Esn::Yes { high } else { &[0] };
        high.iter().find_map(|&high| self.open_with(packet, high).ok())
    }

    fn open_with(&self, packet: &[u8], high: u32) -> Result<Opened, CryptoError> {
        let esn = self.suite.esn == Esn::Yes;
        let split = |bytes: &'_ [u8], at: usize| -> Option<(Vec<u8>, Vec<u8>)> {
            let (head, tail) = bytes.split_at_checked(at)?;
            Some((head.to_vec(), tail.to_vec()))
        };
        let bad = CryptoError::BadTag;
        let (header, rest) = split(packet, ESP_HEADER_LEN).ok_or(bad.clone())?;
        let (iv, rest) = split(&rest, self.suite.encr.iv_len()).ok_or(bad.clone())?;
        let at = rest.len().checked_sub(self.suite.icv_len()).ok_or(bad.clone())?;
        let (mut text, icv) = split(&rest, at).ok_or(bad.clone())?;
        let high = high.to_be_bytes();
        let text_len = text.len();
        match &self.kind {
            Kind::Aead { aead, salt } => {
                let nonce: [u8; 12] =
                    [salt.as_slice(), &iv].concat().try_into().map_err(|_| bad.clone())?;
                let (spi, seq) = header.split_at_checked(4).ok_or(bad)?;
                let aad = if esn { [spi, &high, seq].concat() } else { header.clone() };
                aead.open(&nonce, &aad, &mut text, &icv)?;
            }
            Kind::Cbc { mac, .. } | Kind::Null { mac } => {
                let mut parts: Vec<&[u8]> = vec![&header, &iv, &text];
                if esn {
                    parts.push(&high);
                }
                if !mac.verify(&parts, &icv) {
                    return Err(bad);
                }
            }
        }
        if let Kind::Cbc { cbc, .. } = &self.kind {
            if !text_len.is_multiple_of(cbc.block_len()) {
                return Ok(Opened { iv, text: None, text_len });
            }
            cbc.decrypt(&iv, &mut text)?;
        }
        Ok(Opened { iv, text: Some(text), text_len })
    }
}
