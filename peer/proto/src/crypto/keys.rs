//! The key schedule of IKEv2: keys of the IKE SA (RFC 7296 sections 2.14 and 2.18), keys of child
//! SAs (2.17), authentication with a shared key (2.15) and the NAT detection hash (2.23).

use std::net::IpAddr;

use super::{
    ChildSuite, CryptoError, Encr, Hash, IkeSuite, Integ, Prf, Provider, SecretBytes, prf_plus,
};

const KEY_PAD: &[u8] = b"Key Pad for IKEv2";

/// The keys of an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IkeKeys {
    /// What the others were derived from; kept for the key log and for tests.
    pub skeyseed: SecretBytes,
    /// The key that child keys and a rekeyed IKE SA are derived from.
    pub sk_d: SecretBytes,
    /// The integrity key of the initiator's messages; empty with an AEAD.
    pub sk_ai: SecretBytes,
    /// The integrity key of the responder's messages; empty with an AEAD.
    pub sk_ar: SecretBytes,
    /// The encryption key of the initiator's messages, followed by the salt if there is one.
    pub sk_ei: SecretBytes,
    /// The encryption key of the responder's messages, followed by the salt if there is one.
    pub sk_er: SecretBytes,
    /// The key over the initiator's identity.
    pub sk_pi: SecretBytes,
    /// The key over the responder's identity.
    pub sk_pr: SecretBytes,
}

impl IkeKeys {
    /// The keys of an IKE SA from IKE_SA_INIT: SKEYSEED = prf(Ni | Nr, g^ir).
    pub fn derive(
        provider: &dyn Provider,
        suite: IkeSuite,
        shared_secret: &SecretBytes,
        ni: &[u8],
        nr: &[u8],
        spi_i: [u8; 8],
        spi_r: [u8; 8],
    ) -> Result<Self, CryptoError> {
        let key = [ni, nr].concat();
        let skeyseed = provider.hmac(suite.prf.hash(), &key).code(&[shared_secret.expose()]);
        Self::expand(provider, suite, SecretBytes::new(skeyseed), ni, nr, spi_i, spi_r)
    }

    /// The keys of an IKE SA that replaces another: SKEYSEED = prf(SK_d (old), g^ir (new) | Ni |
    /// Nr) with the function of the old SA, the rest with that of the new.
    #[expect(clippy::too_many_arguments, reason = "the inputs of RFC 7296 section 2.18")]
    pub fn derive_rekeyed(
        provider: &dyn Provider,
        suite: IkeSuite,
        old_prf: Prf,
        old_sk_d: &SecretBytes,
        shared_secret: &SecretBytes,
        ni: &[u8],
        nr: &[u8],
        spi_i: [u8; 8],
        spi_r: [u8; 8],
    ) -> Result<Self, CryptoError> {
        let mac = provider.hmac(old_prf.hash(), old_sk_d.expose());
        let skeyseed = mac.code(&[shared_secret.expose(), ni, nr]);
        Self::expand(provider, suite, SecretBytes::new(skeyseed), ni, nr, spi_i, spi_r)
    }

    fn expand(
        provider: &dyn Provider,
        suite: IkeSuite,
        skeyseed: SecretBytes,
        ni: &[u8],
        nr: &[u8],
        spi_i: [u8; 8],
        spi_r: [u8; 8],
    ) -> Result<Self, CryptoError> {
        let (prf, integ, encr) =
            (suite.prf.key_len(), suite.integ.key_len(), suite.encr.keymat_len());
        let seed: [&[u8]; 4] = [ni, nr, &spi_i, &spi_r];
        let len = 3 * prf + 2 * integ + 2 * encr;
        let material = prf_plus(provider, suite.prf, skeyseed.expose(), &seed, len)?;
        let mut rest = material.expose().as_slice();
        Ok(Self {
            skeyseed,
            sk_d: take(&mut rest, prf),
            sk_ai: take(&mut rest, integ),
            sk_ar: take(&mut rest, integ),
            sk_ei: take(&mut rest, encr),
            sk_er: take(&mut rest, encr),
            sk_pi: take(&mut rest, prf),
            sk_pr: take(&mut rest, prf),
        })
    }
}

/// The keys of one direction of a child SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectionKeys {
    /// The encryption key without the salt; empty for NULL and AH.
    pub encr: SecretBytes,
    /// The salt of the nonce; empty unless the cipher has one.
    pub salt: SecretBytes,
    /// The integrity key; empty with an AEAD.
    pub integ: SecretBytes,
}

/// The keys of a child SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildKeys {
    /// The keys of what the initiator of the exchange that made the SA sends.
    pub initiator: DirectionKeys,
    /// The keys of what the responder of that exchange sends.
    pub responder: DirectionKeys,
}

/// The keys of a child SA: KEYMAT = prf+ (SK_d, [g^ir (new) |] Ni | Nr).
///
/// `prf` and `sk_d` are those of the IKE SA; `shared_secret` is there if the exchange that made
/// the child SA had KE payloads; the nonces are those of that exchange.
pub fn child_keymat(
    provider: &dyn Provider,
    prf: Prf,
    sk_d: &SecretBytes,
    shared_secret: Option<&SecretBytes>,
    ni: &[u8],
    nr: &[u8],
    suite: ChildSuite,
) -> Result<ChildKeys, CryptoError> {
    let secret: &[u8] = shared_secret.map_or(&[], |secret| secret.expose());
    let len = 2 * suite.keymat_len();
    let material = prf_plus(provider, prf, sk_d.expose(), &[secret, ni, nr], len)?;
    let mut rest = material.expose().as_slice();
    Ok(ChildKeys {
        initiator: direction(&mut rest, suite.encr, suite.integ),
        responder: direction(&mut rest, suite.encr, suite.integ),
    })
}

/// The encryption key comes before the integrity key, the salt right after the encryption key.
fn direction(rest: &mut &[u8], encr: Encr, integ: Integ) -> DirectionKeys {
    DirectionKeys {
        encr: take(rest, encr.key_len()),
        salt: take(rest, encr.salt_len()),
        integ: take(rest, integ.key_len()),
    }
}

fn take(rest: &mut &[u8], len: usize) -> SecretBytes {
    let (head, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
    *rest = tail;
    SecretBytes::from_slice(head)
}

/// What an AUTH payload covers: the first message of its sender, the nonce of the other side, and
/// prf(SK_p, the sender's ID payload without its generic header).
pub fn signed_octets(
    provider: &dyn Provider,
    prf: Prf,
    message: &[u8],
    peer_nonce: &[u8],
    sk_p: &SecretBytes,
    id_body: &[u8],
) -> Vec<u8> {
    let maced_id = provider.hmac(prf.hash(), sk_p.expose()).code(&[id_body]);
    [message, peer_nonce, &maced_id].concat()
}

/// prf(key, "Key Pad for IKEv2"): what a shared key is used as.
pub fn padded_psk(provider: &dyn Provider, prf: Prf, psk: &SecretBytes) -> SecretBytes {
    SecretBytes::new(provider.hmac(prf.hash(), psk.expose()).code(&[KEY_PAD]))
}

/// The AUTH value of a shared key:
/// prf(prf(key, "Key Pad for IKEv2"), message | nonce | prf(SK_p, ID)).
pub fn psk_auth(
    provider: &dyn Provider,
    prf: Prf,
    psk: &SecretBytes,
    message: &[u8],
    peer_nonce: &[u8],
    sk_p: &SecretBytes,
    id_body: &[u8],
) -> Vec<u8> {
    let padded = padded_psk(provider, prf, psk);
    let octets = signed_octets(provider, prf, message, peer_nonce, sk_p, id_body);
    provider.hmac(prf.hash(), padded.expose()).code(&[&octets])
}

/// The content of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: SHA-1 over the SPIs in
/// the order of the header, the address and the port.
pub fn natd_hash(spi_i: [u8; 8], spi_r: [u8; 8], ip: IpAddr, port: u16) -> Vec<u8> {
    let port = port.to_be_bytes();
    match ip {
        IpAddr::V4(ip) => Hash::Sha1.digest(&[&spi_i, &spi_r, &ip.octets(), &port]),
        IpAddr::V6(ip) => Hash::Sha1.digest(&[&spi_i, &spi_r, &ip.octets(), &port]),
    }
}
