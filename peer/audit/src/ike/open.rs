//! Decryption of SK and SKF payloads: checksum, padding, and vectors that must not come twice
//! (RFC 7296, section 3.14; RFC 5282, section 3.1).

use ikeproof_proto::crypto::{IkeCipher, OpenError};
use ikeproof_proto::wire::v2::Payload;
use ikeproof_proto::wire::v2::presence::Role;
use ikeproof_proto::wire::{PayloadType, RawPayload};

use super::message::{Message, Part};
use super::session::Session;
use crate::finding::Report;
use crate::keys::IkeSaKeys;
use crate::rules;

/// The encrypted part of a message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sealed {
    /// Where its body begins.
    pub(crate) body: usize,
    /// Where it ends.
    pub(crate) end: usize,
    /// The type of the first payload inside.
    pub(crate) first: PayloadType,
    /// The number of the fragment and of all fragments, if it is one.
    pub(crate) fragment: Option<(u16, u16)>,
}

/// What became of the encrypted part.
pub(crate) enum Opened {
    /// The content, and where it begins.
    Content(Vec<u8>, usize),
    /// It is authentic but cannot be read.
    Unreadable,
    /// It is not authentic.
    Forged,
}

/// Finds the encrypted part.
pub(crate) fn sealed(message: &Message) -> Option<Sealed> {
    let Part { raw, typed } = message.clear.iter().find(|part| part.raw.is_encrypted())?;
    let body = raw.offset + RawPayload::HEADER_LEN;
    let end = body + raw.body.len();
    match typed {
        Payload::Skf(skf) => Some(Sealed {
            body: body + 4,
            end,
            first: raw.next,
            fragment: Some((skf.fragment, skf.total)),
        }),
        Payload::Sk(_) => Some(Sealed { body, end, first: raw.next, fragment: None }),
        _ => None,
    }
}

/// Opens the encrypted part and judges how it was sealed.
pub(crate) fn open(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    sealed: Sealed,
    keys: &IkeSaKeys,
) -> Opened {
    let cipher = match message.role {
        Role::Initiator => &keys.initiator,
        Role::Responder => &keys.responder,
    };
    let octets = message.bytes.get(..sealed.end).unwrap_or(&message.bytes);
    report.applies(&[rules::SK_ICV, rules::SK_PADDING]);
    match cipher.open(octets, sealed.body) {
        Ok(content) => {
            judge_vector(report, session, message, sealed, cipher, keys.suite.encr.is_aead());
            Opened::Content(content, sealed.body + cipher.iv_len())
        }
        Err(error @ OpenError::BadIcv) => {
            let at = sealed.end.saturating_sub(cipher.icv_len());
            report.say(rules::SK_ICV, at, error.to_string());
            Opened::Forged
        }
        Err(error @ OpenError::TooShort { .. }) => {
            report.say(rules::SK_PADDING, sealed.body, error.to_string());
            Opened::Forged
        }
        Err(error @ (OpenError::PartialBlock { .. } | OpenError::BadPadLength { .. })) => {
            let at = sealed.end.saturating_sub(cipher.icv_len() + 1);
            report.say(rules::SK_PADDING, at, error.to_string());
            Opened::Unreadable
        }
    }
}

fn judge_vector(
    report: &mut Report<'_>,
    session: &mut Session,
    message: &Message,
    sealed: Sealed,
    cipher: &IkeCipher,
    aead: bool,
) {
    let Some(iv) = message.bytes.get(sealed.body..sealed.body + cipher.iv_len()) else { return };
    let [initiator, responder] = &mut session.ivs;
    let used = match message.role {
        Role::Initiator => initiator,
        Role::Responder => responder,
    };
    let rule = if aead { rules::SK_IV_AEAD } else { rules::SK_IV_CBC };
    if !iv.is_empty() {
        report.applies(&[rule]);
    }
    if !iv.is_empty() && used.is_reused(iv, &message.bytes) {
        let iv = ikeproof_proto::wire::hex::encode(iv);
        report.say(rule, sealed.body, format!("the vector {iv} was used before under this key"));
    }
}
