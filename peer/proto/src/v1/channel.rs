//! The keys of an ISAKMP SA and what is protected with them (RFC 2409, sections 5, 5.5 and 5.7, and
//! appendix B).
//!
//! A message that cannot be decrypted, whose content makes no sense or whose hash is wrong is dropped
//! with one and the same reason, so that nobody learns from us which of these it was.

use subtle::ConstantTimeEq;

use super::outgoing::{Outgoing, Sealed};
use super::sa::Arrival;
use crate::crypto::ikev1::{KeymatInput, Phase1Claim, keymat, phase1_hash, phase2_hash};
use crate::crypto::suite::{ChildSuite, IkeSuite};
use crate::crypto::{CryptoError, DirectionKeys, Ikev1Cipher, Phase1Keys, SecretBytes};
use crate::endpoint::context::Context;
use crate::event::{DropReason, Ikev1KeyLog, KeyLogEntry, Role};
use crate::wire::v1::{Message, Payload, PayloadKind, is_encrypted};
use crate::wire::{ExchangeType, Header, IkeSpi, RawPayload};

/// Octets of our nonces (RFC 2409, section 5: 8 to 256).
pub(crate) const NONCE_LEN: usize = 32;

/// The keys of an ISAKMP SA and the cookies that they belong to.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) role: Role,
    pub(crate) suite: IkeSuite,
    keys: Phase1Keys,
    cipher: Ikev1Cipher,
}

/// What the keys of an ISAKMP SA are made of.
#[derive(Debug)]
pub(crate) struct KeyMaterial<'a> {
    pub(crate) role: Role,
    pub(crate) suite: IkeSuite,
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) skeyid: SecretBytes,
    pub(crate) shared: &'a SecretBytes,
}

/// What a protected message says.
#[derive(Debug)]
pub(crate) struct Opened {
    /// Its payloads, HASH included where there is one.
    pub(crate) message: Message,
    /// The octets of the payloads behind a HASH payload at the front, without padding.
    pub(crate) rest: Vec<u8>,
    /// The vector of the next message of the exchange.
    pub(crate) next_iv: Vec<u8>,
}

impl Channel {
    /// Derives the keys and logs them.
    ///
    /// # Errors
    /// If the cipher of the suite is none of IKEv1.
    pub(crate) fn establish(
        cx: &mut Context,
        material: KeyMaterial<'_>,
    ) -> Result<Self, CryptoError> {
        let KeyMaterial { role, suite, spi_i, spi_r, skeyid, shared } = material;
        let provider = &*cx.provider;
        let keys = Phase1Keys::derive(provider, suite, skeyid, shared, spi_i.0, spi_r.0);
        let cipher = Ikev1Cipher::new(provider, suite, &keys.key)?;
        cx.keys(|| {
            let Phase1Keys { skeyid, skeyid_d, skeyid_a, skeyid_e, key } = keys.clone();
            let log =
                Ikev1KeyLog { spi_i, spi_r, suite, skeyid, skeyid_d, skeyid_a, skeyid_e, key };
            KeyLogEntry::Ikev1(Box::new(log))
        });
        Ok(Self { spi_i, spi_r, role, suite, keys, cipher })
    }

    /// The header of a message of this SA.
    pub(crate) fn outgoing(
        &self,
        exchange: ExchangeType,
        message_id: u32,
        response: bool,
    ) -> Outgoing {
        let (spi_i, spi_r) = (self.spi_i, self.spi_r);
        Outgoing { spi_i, spi_r, exchange, message_id, response, commit: false }
    }

    /// The vector of the first encrypted message of phase 1.
    pub(crate) fn phase1_iv(&self, public_i: &[u8], public_r: &[u8]) -> Vec<u8> {
        self.cipher.phase1_iv(public_i, public_r)
    }

    /// The last block of an encrypted message, from which the next vector is made.
    pub(crate) fn last_block(&self, arrival: &Arrival<'_>) -> Vec<u8> {
        self.cipher.next_iv(ciphertext(arrival))
    }

    /// The vector of the first message of a later exchange.
    pub(crate) fn phase2_iv(&self, base: &[u8], message_id: u32) -> Vec<u8> {
        self.cipher.phase2_iv(base, message_id)
    }

    /// HASH_I or HASH_R of one side.
    pub(crate) fn phase1_hash(&self, cx: &Context, claim: &Phase1Claim<'_>) -> Vec<u8> {
        phase1_hash(&*cx.provider, self.suite.prf, &self.keys.skeyid, claim)
    }

    /// A hash of phase 2 over `parts`.
    pub(crate) fn phase2_hash(&self, cx: &Context, parts: &[&[u8]]) -> Vec<u8> {
        phase2_hash(&*cx.provider, self.suite.prf, &self.keys.skeyid_a, parts)
    }

    /// The keys of one direction of an SA of phase 2.
    pub(crate) fn keymat(
        &self,
        cx: &Context,
        direction: &PhaseTwoKeys<'_>,
        spi: u32,
        suite: ChildSuite,
    ) -> DirectionKeys {
        let input = KeymatInput {
            skeyid_d: &self.keys.skeyid_d,
            shared_secret: direction.shared,
            spi,
            ni: direction.ni,
            nr: direction.nr,
        };
        keymat(&*cx.provider, self.suite.prf, &input, suite)
    }

    /// Encrypts a message of phase 1, whose HASH payload is one of `payloads`.
    pub(crate) fn seal(
        &self,
        cx: &mut Context,
        outgoing: &Outgoing,
        iv: &[u8],
        payloads: &[Payload],
    ) -> Sealed {
        outgoing.sealed(cx, &self.cipher, iv, payloads, None)
    }

    /// Encrypts a message of phase 2, with a HASH payload in front: over the message ID, the nonce
    /// of the initiator if it belongs there, and all payloads.
    pub(crate) fn seal_hashed(
        &self,
        cx: &mut Context,
        outgoing: &Outgoing,
        iv: &[u8],
        payloads: &[Payload],
        nonce: &[u8],
    ) -> Sealed {
        let provider = std::sync::Arc::clone(&cx.provider);
        let message_id = outgoing.message_id.to_be_bytes();
        let hash = |rest: &[u8]| {
            let parts = [&message_id[..], nonce, rest];
            phase2_hash(&*provider, self.suite.prf, &self.keys.skeyid_a, &parts)
        };
        outgoing.sealed(cx, &self.cipher, iv, payloads, Some(&hash))
    }

    /// Decrypts a message. Nothing about it is authenticated yet.
    ///
    /// # Errors
    /// With the reason to drop it for.
    pub(crate) fn open(&self, arrival: &Arrival<'_>, iv: &[u8]) -> Result<Opened, DropReason> {
        let Arrival { raw, .. } = arrival;
        if !is_encrypted(&raw.header) {
            return Err(DropReason::NotEncrypted);
        }
        let body = ciphertext(arrival);
        let plaintext = self.cipher.decrypt(iv, body).map_err(|_| DropReason::BadIcv)?;
        let first = raw.header.next_payload;
        let (payloads, used) = RawPayload::decode_padded_chain(first, &plaintext, Header::LEN)
            .map_err(|_| DropReason::BadIcv)?;
        let from = match payloads.first() {
            Some(payload) if payload.kind == PayloadKind::HASH.raw() => payload.encoded_len(),
            _ => 0,
        };
        let rest = plaintext.get(from..used).unwrap_or_default().to_vec();
        let message =
            Message::of_payloads(raw.header, &payloads).map_err(|_| DropReason::BadIcv)?;
        Ok(Opened { message, rest, next_iv: self.cipher.next_iv(body) })
    }

    /// Decrypts a message of phase 2 and checks the hash in front of it, which covers the message ID,
    /// `nonce` and all that follows the HASH payload.
    ///
    /// # Errors
    /// With the reason to drop it for.
    pub(crate) fn open_hashed(
        &self,
        cx: &Context,
        arrival: &Arrival<'_>,
        iv: &[u8],
        nonce: &[u8],
    ) -> Result<Opened, DropReason> {
        let opened = self.open(arrival, iv)?;
        let message_id = arrival.raw.header.message_id.to_be_bytes();
        let expected = self.phase2_hash(cx, &[&message_id, nonce, &opened.rest]);
        check_hash(&opened.message, &expected)?;
        Ok(opened)
    }

    /// Decrypts the third message of quick mode and checks HASH(3).
    ///
    /// # Errors
    /// With the reason to drop it for.
    pub(crate) fn open_final(
        &self,
        cx: &Context,
        arrival: &Arrival<'_>,
        iv: &[u8],
        keys: &PhaseTwoKeys<'_>,
    ) -> Result<Opened, DropReason> {
        let opened = self.open(arrival, iv)?;
        let message_id = arrival.raw.header.message_id;
        check_hash(&opened.message, &self.hash3(cx, message_id, keys))?;
        Ok(opened)
    }

    /// HASH(3) of quick mode (RFC 2409, section 5.5).
    pub(crate) fn hash3(&self, cx: &Context, message_id: u32, keys: &PhaseTwoKeys<'_>) -> Vec<u8> {
        self.phase2_hash(cx, &[&[0], &message_id.to_be_bytes(), keys.ni, keys.nr])
    }
}

/// What keys of phase 2 are made of, besides SPI and SKEYID_d.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhaseTwoKeys<'a> {
    pub(crate) shared: Option<&'a SecretBytes>,
    pub(crate) ni: &'a [u8],
    pub(crate) nr: &'a [u8],
}

fn ciphertext<'a>(arrival: &'a Arrival<'_>) -> &'a [u8] {
    let length = arrival.raw.trailing_in_message();
    arrival.raw.trailing.get(..length).unwrap_or_default()
}

/// Whether the message begins with this hash. Compared in constant time.
fn check_hash(message: &Message, expected: &[u8]) -> Result<(), DropReason> {
    match message.payloads.first() {
        Some((Payload::Hash(hash), _)) if bool::from(hash.as_slice().ct_eq(expected)) => Ok(()),
        _ => Err(DropReason::BadIcv),
    }
}
