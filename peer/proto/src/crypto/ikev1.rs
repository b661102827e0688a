//! The key schedule of IKEv1 and the encryption of its messages (RFC 2409, sections 5 and 5.5, and
//! appendix B; RFC 3947, section 3.2).
//!
//! The pseudo-random function is always HMAC over the negotiated hash, which a suite names by both
//! its integrity transform and its pseudo-random function. Nothing in a message authenticates the
//! ciphertext: hashes inside do, so [`Ikev1Cipher`] tells nothing about padding.

use std::net::IpAddr;
use std::sync::Arc;

use super::{
    Cbc, ChildProtocol, ChildSuite, CryptoError, DirectionKeys, Encr, Hash, IkeSuite, Prf,
    Provider, Secret, SecretBytes,
};

/// The keys of an ISAKMP SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase1Keys {
    /// What the others are derived from, and the key of HASH_I and HASH_R.
    pub skeyid: SecretBytes,
    /// The key that keys of phase 2 are derived from.
    pub skeyid_d: SecretBytes,
    /// The key of the hashes of phase 2.
    pub skeyid_a: SecretBytes,
    /// What the encryption key is made of.
    pub skeyid_e: SecretBytes,
    /// The encryption key of both directions (RFC 2409, appendix B).
    pub key: SecretBytes,
}

impl Phase1Keys {
    /// The keys that follow from SKEYID, the shared secret and the cookies.
    pub fn derive(
        provider: &dyn Provider,
        suite: IkeSuite,
        skeyid: SecretBytes,
        shared_secret: &SecretBytes,
        cookie_i: [u8; 8],
        cookie_r: [u8; 8],
    ) -> Self {
        let mac = provider.hmac(suite.prf.hash(), skeyid.expose());
        let next = |last: &[u8], number: u8| {
            SecretBytes::new(mac.code(&[
                last,
                shared_secret.expose(),
                &cookie_i,
                &cookie_r,
                &[number],
            ]))
        };
        let skeyid_d = next(&[], 0);
        let skeyid_a = next(skeyid_d.expose(), 1);
        let skeyid_e = next(skeyid_a.expose(), 2);
        let key = encryption_key(provider, suite, &skeyid_e);
        Self { skeyid, skeyid_d, skeyid_a, skeyid_e, key }
    }
}

/// The encryption key: the first octets of SKEYID_e, or of its expansion if it is too short.
fn encryption_key(provider: &dyn Provider, suite: IkeSuite, skeyid_e: &SecretBytes) -> SecretBytes {
    let len = suite.encr.key_len();
    if skeyid_e.len() >= len {
        return SecretBytes::from_slice(skeyid_e.expose().get(..len).unwrap_or_default());
    }
    let mac = provider.hmac(suite.prf.hash(), skeyid_e.expose());
    feedback(len, |last| {
        let seed: &[u8] = if last.is_empty() { &[0] } else { last };
        mac.code(&[seed])
    })
}

/// SKEYID for pre-shared keys: prf(key, Ni | Nr).
pub fn skeyid_psk(
    provider: &dyn Provider,
    prf: Prf,
    psk: &SecretBytes,
    ni: &[u8],
    nr: &[u8],
) -> SecretBytes {
    SecretBytes::new(provider.hmac(prf.hash(), psk.expose()).code(&[ni, nr]))
}

/// SKEYID for signatures: prf(Ni | Nr, g^xy).
pub fn skeyid_signatures(
    provider: &dyn Provider,
    prf: Prf,
    shared_secret: &SecretBytes,
    ni: &[u8],
    nr: &[u8],
) -> SecretBytes {
    let key = [ni, nr].concat();
    SecretBytes::new(provider.hmac(prf.hash(), &key).code(&[shared_secret.expose()]))
}

/// What HASH_I and HASH_R cover, seen from the side whose hash it is.
#[derive(Clone, Copy, Debug)]
pub struct Phase1Claim<'a> {
    /// That side's public value.
    pub public: &'a [u8],
    /// The other side's public value.
    pub peer_public: &'a [u8],
    /// That side's cookie.
    pub cookie: [u8; 8],
    /// The other side's cookie.
    pub peer_cookie: [u8; 8],
    /// The body of the initiator's SA payload, as it was sent.
    pub sa_body: &'a [u8],
    /// The body of that side's ID payload.
    pub id_body: &'a [u8],
}

/// HASH_I or HASH_R: prf(SKEYID, g^x | g^y | CKY-x | CKY-y | SAi | IDx).
pub fn phase1_hash(
    provider: &dyn Provider,
    prf: Prf,
    skeyid: &SecretBytes,
    claim: &Phase1Claim<'_>,
) -> Vec<u8> {
    provider.hmac(prf.hash(), skeyid.expose()).code(&[
        claim.public,
        claim.peer_public,
        &claim.cookie,
        &claim.peer_cookie,
        claim.sa_body,
        claim.id_body,
    ])
}

/// A hash of phase 2: prf(SKEYID_a, parts). HASH(1) and informational ones are over the message ID
/// and what follows the HASH payload, HASH(2) has the initiator's nonce between them, and HASH(3) is
/// over a zero octet, the message ID and both nonces (RFC 2409, sections 5.5 and 5.7).
pub fn phase2_hash(
    provider: &dyn Provider,
    prf: Prf,
    skeyid_a: &SecretBytes,
    parts: &[&[u8]],
) -> Vec<u8> {
    provider.hmac(prf.hash(), skeyid_a.expose()).code(parts)
}

/// What the keys of one direction of an SA of phase 2 are made of.
#[derive(Clone, Copy, Debug)]
pub struct KeymatInput<'a> {
    /// SKEYID_d of the ISAKMP SA.
    pub skeyid_d: &'a SecretBytes,
    /// The new shared secret, if there was a new key exchange.
    pub shared_secret: Option<&'a SecretBytes>,
    /// The SPI that the receiver of that direction has chosen.
    pub spi: u32,
    /// The initiator's nonce.
    pub ni: &'a [u8],
    /// The responder's nonce.
    pub nr: &'a [u8],
}

/// The keys of one direction: KEYMAT = prf(SKEYID_d, [g(qm)^xy |] protocol | SPI | Ni | Nr), fed back
/// until it is long enough (RFC 2409, section 5.5).
pub fn keymat(
    provider: &dyn Provider,
    prf: Prf,
    input: &KeymatInput<'_>,
    suite: ChildSuite,
) -> DirectionKeys {
    let mac = provider.hmac(prf.hash(), input.skeyid_d.expose());
    let secret: &[u8] = input.shared_secret.map_or(&[], |secret| secret.expose());
    let protocol = match suite.protocol {
        ChildProtocol::Ah => 2,
        ChildProtocol::Esp => 3,
    };
    let spi = input.spi.to_be_bytes();
    let material = feedback(suite.keymat_len(), |last| {
        mac.code(&[last, secret, &[protocol], &spi, input.ni, input.nr])
    });
    let mut rest = material.expose().as_slice();
    let mut take = |len| {
        let (head, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        rest = tail;
        SecretBytes::from_slice(head)
    };
    DirectionKeys {
        encr: take(suite.encr.key_len()),
        salt: take(suite.encr.salt_len()),
        integ: take(suite.integ.key_len()),
    }
}

/// `len` octets of blocks, each made from the one before it.
fn feedback(len: usize, block: impl Fn(&[u8]) -> Vec<u8>) -> SecretBytes {
    let mut material = Secret::new(Vec::new());
    let mut last = Secret::new(Vec::new());
    while material.len() < len {
        last = Secret::new(block(last.expose()));
        material.expose_mut().extend_from_slice(last.expose());
    }
    material.expose_mut().truncate(len);
    material
}

/// The content of a NAT-D payload: the negotiated hash over cookies, address and port.
pub fn natd_hash(
    hash: Hash,
    cookie_i: [u8; 8],
    cookie_r: [u8; 8],
    ip: IpAddr,
    port: u16,
) -> Vec<u8> {
    let port = port.to_be_bytes();
    match ip {
        IpAddr::V4(ip) => hash.digest(&[&cookie_i, &cookie_r, &ip.octets(), &port]),
        IpAddr::V6(ip) => hash.digest(&[&cookie_i, &cookie_r, &ip.octets(), &port]),
    }
}

/// The encryption of the messages of an ISAKMP SA: CBC with vectors that both sides compute.
#[derive(Clone, Debug)]
pub struct Ikev1Cipher {
    cbc: Arc<dyn Cbc>,
    hash: Hash,
}

impl Ikev1Cipher {
    /// The cipher of `suite` with the encryption key of both directions.
    ///
    /// # Errors
    /// If the cipher is not one in CBC mode, or the key does not fit.
    pub fn new(
        provider: &dyn Provider,
        suite: IkeSuite,
        key: &SecretBytes,
    ) -> Result<Self, CryptoError> {
        match suite.encr {
            Encr::AesCbc(_) | Encr::TripleDesCbc => {
                let cbc = provider.cbc(suite.encr, key.expose())?;
                Ok(Self { cbc, hash: suite.prf.hash() })
            }
            other => Err(CryptoError::Unsupported(other)),
        }
    }

    /// The length of a block and of a vector in octets.
    pub fn block_len(&self) -> usize {
        self.cbc.block_len()
    }

    /// The vector of the first encrypted message of phase 1: hash(g^xi | g^xr), cut to a block.
    pub fn phase1_iv(&self, public_i: &[u8], public_r: &[u8]) -> Vec<u8> {
        self.cut(self.hash.digest(&[public_i, public_r]))
    }

    /// The vector of the first message of a later exchange: hash(last block of phase 1 | message ID),
    /// cut to a block.
    pub fn phase2_iv(&self, last_block: &[u8], message_id: u32) -> Vec<u8> {
        self.cut(self.hash.digest(&[last_block, &message_id.to_be_bytes()]))
    }

    /// The vector of the message after one with this ciphertext: its last block.
    pub fn next_iv(&self, ciphertext: &[u8]) -> Vec<u8> {
        let from = ciphertext.len().saturating_sub(self.block_len());
        ciphertext.get(from..).unwrap_or_default().to_vec()
    }

    /// Encrypts a chain of payloads, with zeros behind it up to whole blocks.
    ///
    /// # Errors
    /// If the vector does not have the length of a block.
    pub fn encrypt(&self, iv: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let mut data = plaintext.to_vec();
        data.resize(plaintext.len().next_multiple_of(self.block_len()), 0);
        self.cbc.encrypt(iv, &mut data)?;
        Ok(data)
    }

    /// Decrypts a body. What is padding follows from the payloads in it.
    ///
    /// # Errors
    /// If the body is empty or not made of whole blocks.
    pub fn decrypt(&self, iv: &[u8], ciphertext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        if ciphertext.is_empty() {
            let (what, expected) = ("an encrypted body", self.block_len());
            return Err(CryptoError::Length { what, expected, actual: 0 });
        }
        let mut data = ciphertext.to_vec();
        self.cbc.decrypt(iv, &mut data)?;
        Ok(data)
    }

    fn cut(&self, mut digest: Vec<u8>) -> Vec<u8> {
        digest.truncate(self.block_len());
        digest
    }
}
