//! The protected channel of an IKE SA: messages sealed and read (RFC 7296 §3.14), and AUTH computed
//! over what was said before it was there (§2.15).

use subtle::ConstantTimeEq;

use super::sa::Arrival;
use super::syntax::{self, Unusable};
use crate::crypto::keys::{padded_psk, psk_auth};
use crate::crypto::suite::IkeSuite;
use crate::crypto::{CryptoError, IkeCipher, IkeKeys, Provider, SecretBytes};
use crate::endpoint::context::{Context, Envelope};
use crate::entropy::Label;
use crate::event::{DropReason, IkeKeyLog, KeyLogEntry, Role};
use crate::fault::{self, Planned};
use crate::io::IkeHandle;
use crate::wire::v2::{Id, Message, Payload};
use crate::wire::{ExchangeType, IkeSpi, PayloadType, RawMessage, RawPayload, Writer};

/// Octets of our nonces: at least half the key size of the largest PRF (RFC 7296 §2.10).
pub(crate) const NONCE_LEN: usize = 32;

/// The keys of an IKE SA and the SPIs that they belong to.
#[derive(Debug)]
pub(crate) struct SecureChannel {
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) role: Role,
    pub(crate) suite: IkeSuite,
    pub(crate) sk_d: SecretBytes,
    sk_p_local: SecretBytes,
    sk_p_remote: SecretBytes,
    seal: IkeCipher,
    open: IkeCipher,
    /// For the fault that repeats it.
    last_iv: Vec<u8>,
}

/// Why a message gives no payloads to act upon.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is not for this state, or not authentic: it is dropped, and nothing changes.
    Dropped(DropReason),
    /// It is authentic, but its content cannot be used.
    Unusable(Unusable),
}

impl SecureChannel {
    /// Derives the keys and logs them.
    pub(crate) fn establish(
        cx: &mut Context,
        exchange: &KeyMaterial<'_>,
    ) -> Result<Self, CryptoError> {
        let KeyMaterial { role, suite, spi_i, spi_r, ni, nr, shared } = *exchange;
        let keys = IkeKeys::derive(&*cx.provider, suite, shared, ni, nr, spi_i.0, spi_r.0)?;
        cx.keys(|| {
            KeyLogEntry::Ike(Box::new(IkeKeyLog {
                spi_i,
                spi_r,
                suite,
                sk_ai: keys.sk_ai.clone(),
                sk_ar: keys.sk_ar.clone(),
                sk_ei: keys.sk_ei.clone(),
                sk_er: keys.sk_er.clone(),
                sk_pi: keys.sk_pi.clone(),
                sk_pr: keys.sk_pr.clone(),
            }))
        });
        let from_i =
            IkeCipher::new(&*cx.provider, suite.encr, suite.integ, &keys.sk_ei, &keys.sk_ai)?;
        let from_r =
            IkeCipher::new(&*cx.provider, suite.encr, suite.integ, &keys.sk_er, &keys.sk_ar)?;
        let (seal, open, sk_p_local, sk_p_remote) = match role {
            Role::Initiator => (from_i, from_r, keys.sk_pi.clone(), keys.sk_pr.clone()),
            Role::Responder => (from_r, from_i, keys.sk_pr.clone(), keys.sk_pi.clone()),
        };
        let sk_d = keys.sk_d.clone();
        let last_iv = Vec::new();
        Ok(Self { spi_i, spi_r, role, suite, sk_d, sk_p_local, sk_p_remote, seal, open, last_iv })
    }

    /// The header of a message that this end sends.
    pub(crate) fn envelope(
        &self,
        exchange: ExchangeType,
        response: bool,
        message_id: u32,
    ) -> Envelope {
        Envelope {
            spi_i: self.spi_i,
            spi_r: self.spi_r,
            exchange,
            from_initiator: self.role == Role::Initiator,
            response,
            message_id,
        }
    }

    /// Builds and protects a message. `None` if a fault withholds it.
    pub(crate) fn seal(
        &mut self,
        cx: &mut Context,
        ike: IkeHandle,
        envelope: &Envelope,
        payloads: &[Payload],
    ) -> Option<Vec<u8>> {
        let mut changes = cx.changes(envelope);
        let message = self.protect(cx, ike, envelope, payloads, &mut changes.lasting());
        if let Some(message) = &message
            && let Some((mut first, copies)) = changes.first_copies()
        {
            let faulty = self.protect(cx, ike, envelope, payloads, &mut first);
            cx.replace_copies(message, faulty, copies);
        }
        cx.deviated(envelope, &changes);
        message
    }

    fn protect(
        &mut self,
        cx: &mut Context,
        ike: IkeHandle,
        envelope: &Envelope,
        payloads: &[Payload],
        changes: &mut [&mut Planned],
    ) -> Option<Vec<u8>> {
        let mut inner: Vec<_> = payloads.iter().map(Payload::encode).collect();
        fault::apply_payloads(changes, &mut inner);
        let mut content =
            RawMessage { header: envelope.header(), payloads: inner, trailing: Vec::new() };
        content.link();
        fault::apply_lengths(changes, &mut content.payloads);
        let (first, plaintext) = RawPayload::encode_chain_as_is(&content.payloads);

        let mut sk = RawPayload::new(PayloadType::SK, vec![0; self.seal.body_len(plaintext.len())]);
        sk.next = first;
        let body_len = sk.body.len();
        let mut message =
            RawMessage { header: envelope.header(), payloads: vec![sk], trailing: Vec::new() };
        message.link();
        fault::apply_header(changes, &mut message.header);
        let mut bytes = message.encode();
        bytes.truncate(bytes.len().saturating_sub(body_len));

        let mut iv = cx.entropy.bytes(Label::IKE_IV, ike.0, self.seal.iv_len());
        fault::apply_iv(changes, &mut iv, &self.last_iv);
        let body = self.seal.seal(&iv, &bytes, &plaintext).ok()?;
        self.last_iv = iv;
        bytes.extend_from_slice(&body);
        fault::apply_wire(changes, &mut bytes).then_some(bytes)
    }

    /// Reads a message of IKE_AUTH: the request as the responder, the response as the initiator.
    pub(crate) fn read_auth(&self, arrival: &Arrival<'_>) -> Result<Message, Unread> {
        let header = arrival.raw.header;
        let response = self.role == Role::Initiator;
        if header.exchange != ExchangeType::IKE_AUTH || header.flags.is_response() != response {
            let exchange = header.exchange;
            return Err(Unread::Dropped(DropReason::UnexpectedExchange { exchange }));
        }
        if header.message_id != 1 {
            let (got, expected) = (header.message_id, 1);
            return Err(Unread::Dropped(DropReason::MessageId { got, expected }));
        }
        self.read(arrival)
    }

    /// Checks and decrypts a message; its payloads, without the SK payload around them.
    pub(crate) fn read(&self, arrival: &Arrival<'_>) -> Result<Message, Unread> {
        let Arrival { bytes, raw, .. } = arrival;
        let Some(sk) = raw.payloads.last().filter(|last| last.kind == PayloadType::SK) else {
            return Err(Unread::Dropped(DropReason::NotEncrypted));
        };
        let bad_icv = || Unread::Dropped(DropReason::BadIcv);
        let offset = sk.offset + RawPayload::HEADER_LEN;
        let message = bytes.get(..offset + sk.body.len()).ok_or_else(bad_icv)?;
        let plaintext = self.open.open(message, offset).map_err(|_| bad_icv())?;
        let inner_offset = offset + self.open.iv_len();
        let payloads = RawPayload::decode_chain(sk.next, &plaintext, inner_offset)
            .map_err(|error| Unread::Unusable(Unusable::Syntax { kind: None, error }))?;
        let message = syntax::typed(raw.header, &payloads).map_err(Unread::Unusable)?;
        // What is in clear in front of SK is never used; of an unknown type and critical, it stands
        // against the whole message (RFC 7296 §2.5).
        let outside = raw.payloads.len().saturating_sub(1);
        match raw.payloads.iter().take(outside).find(|clear| syntax::is_unknown_critical(clear)) {
            Some(unknown) => Err(Unread::Unusable(Unusable::Critical(unknown.kind))),
            None => Ok(message),
        }
    }

    /// The AUTH value of one end for a pre-shared key (RFC 7296 §2.15).
    pub(crate) fn psk_auth(
        &self,
        provider: &dyn Provider,
        whose: AuthOf,
        transcript: &Transcript<'_>,
        id: &Id,
        psk: &SecretBytes,
    ) -> Vec<u8> {
        let (message, peer_nonce) = match (whose, self.role) {
            (AuthOf::Local, Role::Initiator) | (AuthOf::Remote, Role::Responder) => {
                (transcript.init_request, transcript.nr)
            }
            (AuthOf::Local, Role::Responder) | (AuthOf::Remote, Role::Initiator) => {
                (transcript.init_response, transcript.ni)
            }
        };
        let sk_p = match whose {
            AuthOf::Local => &self.sk_p_local,
            AuthOf::Remote => &self.sk_p_remote,
        };
        psk_auth(provider, self.suite.prf, psk, message, peer_nonce, sk_p, &id_body(id))
    }

    /// Whether `auth` is what the peer must have computed. In constant time.
    pub(crate) fn check_psk_auth(
        &self,
        provider: &dyn Provider,
        transcript: &Transcript<'_>,
        id: &Id,
        psk: &SecretBytes,
        auth: &[u8],
    ) -> bool {
        let expected = self.psk_auth(provider, AuthOf::Remote, transcript, id, psk);
        expected.as_slice().ct_eq(auth).into()
    }

    /// prf(secret, "Key Pad for IKEv2"), with which the auditor can compute AUTH anew.
    pub(crate) fn padded_psk(&self, provider: &dyn Provider, psk: &SecretBytes) -> SecretBytes {
        padded_psk(provider, self.suite.prf, psk)
    }
}

/// The body of an ID payload, without its generic header.
fn id_body(id: &Id) -> Vec<u8> {
    let mut writer = Writer::new();
    id.encode(&mut writer);
    writer.into_bytes()
}

/// What the keys of an IKE SA are made of (RFC 7296 §2.14).
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyMaterial<'a> {
    pub(crate) role: Role,
    pub(crate) suite: IkeSuite,
    pub(crate) spi_i: IkeSpi,
    pub(crate) spi_r: IkeSpi,
    pub(crate) ni: &'a [u8],
    pub(crate) nr: &'a [u8],
    pub(crate) shared: &'a SecretBytes,
}

/// What AUTH covers: both IKE_SA_INIT messages as they were sent, and the nonces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Transcript<'a> {
    pub(crate) init_request: &'a [u8],
    pub(crate) init_response: &'a [u8],
    pub(crate) ni: &'a [u8],
    pub(crate) nr: &'a [u8],
}

/// Whose AUTH payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AuthOf {
    Local,
    Remote,
}

#[cfg(test)]
mod tests;
