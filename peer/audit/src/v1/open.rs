//! Decryption: the vector of each message follows from those before it (RFC 2409, appendix B).
//!
//! Under a wrong vector only the first block is garbled. In a later exchange the rest holds most of
//! a hash, which says whether the message is authentic, and the block can be made good again.

use ikeproof_proto::crypto::ikev1::phase2_hash;
use ikeproof_proto::wire::v1::num::PayloadKind;
use ikeproof_proto::wire::{ExchangeType, Header, PayloadType, RawPayload};

use super::chain;
use super::message::Message;
use crate::finding::Report;
use crate::keys::{Ikev1Keys, Keys};
use crate::rules::{self, Rule};

/// Decrypts a message with the first of these vectors that makes sense of it: the right one, and those
/// of known mistakes, which are judged. Nothing changes if none does.
pub(crate) fn by_vectors(
    report: &mut Report<'_>,
    message: &mut Message,
    keys: &Ikev1Keys,
    right: &[u8],
    mistakes: &[(&'static Rule, Vec<u8>, &'static str)],
) {
    let body = judge_blocks(report, message, keys);
    if let Some((rule, ..)) = mistakes.first() {
        report.applies(&[*rule]);
    }
    if let Some(content) = decrypt(keys, right, &body).filter(|it| is_chain(message, it)) {
        take(report, message, &content);
        return;
    }
    for (rule, iv, says) in mistakes {
        if let Some(content) = decrypt(keys, iv, &body).filter(|it| is_chain(message, it)) {
            report.say(rule, Header::LEN, *says);
            take(report, message, &content);
            return;
        }
    }
}

/// What the hash of a message of a later exchange covers besides the payloads behind it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Covered<'a> {
    /// What stands in front of the payloads, such as the Message ID; nothing if that is not known.
    pub(crate) front: Option<&'a [u8]>,
    /// Whether the payloads are covered at all.
    pub(crate) rest: bool,
    /// The rule about its vector.
    pub(crate) vector: &'static Rule,
}

/// Decrypts a message of a later exchange.
pub(crate) fn phase2(
    report: &mut Report<'_>,
    keys: &Keys,
    message: &mut Message,
    own: &Ikev1Keys,
    iv: &[u8],
    covered: Covered<'_>,
) {
    let body = judge_blocks(report, message, own);
    let Some(content) = decrypt(own, iv, &body) else { return };
    report.applies(&[covered.vector]);
    if own.is_expanded() {
        report.applies(&[rules::V1_KEY_EXPANSION]);
    }
    if is_chain(message, &content) {
        take(report, message, &content);
        return;
    }
    if let Some(content) = mended(keys, message, own, &content, covered) {
        let says = "the first block is encrypted under another vector";
        report.say(covered.vector, Header::LEN, says);
        take(report, message, &content);
        return;
    }
    for (key, says) in own.mistaken_keys(keys.provider()) {
        if let Ok(cipher) = own.cipher_with(keys.provider(), &key)
            && let Ok(content) = cipher.decrypt(iv, &body)
            && is_chain(message, &content)
        {
            report.say(rules::V1_KEY_EXPANSION, Header::LEN, says);
            take(report, message, &content);
            return;
        }
    }
}

/// Shows what a message says without judging it.
pub(crate) fn again(message: &mut Message, keys: &Ikev1Keys, iv: &[u8]) {
    let body = message.ciphertext().to_vec();
    if let Some(content) = decrypt(keys, iv, &body).filter(|it| is_chain(message, it)) {
        let first = message.header.next_payload;
        if let Ok((raw, _)) = RawPayload::decode_padded_chain(first, &content, Header::LEN) {
            message.parts = chain::take(raw);
            message.readable = true;
        }
    }
}

/// The encrypted octets.
fn judge_blocks(report: &mut Report<'_>, message: &Message, keys: &Ikev1Keys) -> Vec<u8> {
    let body = message.ciphertext();
    let block = keys.cipher.block_len();
    report.applies(&[rules::V1_BLOCKS]);
    if !body.len().is_multiple_of(block) || body.is_empty() {
        let says = format!("{} encrypted octets are no whole blocks of {block}", body.len());
        report.say(rules::V1_BLOCKS, 24, says);
    }
    body.to_vec()
}

fn decrypt(keys: &Ikev1Keys, iv: &[u8], body: &[u8]) -> Option<Vec<u8>> {
    keys.cipher.decrypt(iv, body).ok()
}

fn is_chain(message: &Message, content: &[u8]) -> bool {
    let first = message.header.next_payload;
    RawPayload::decode_padded_chain(first, content, Header::LEN)
        .is_ok_and(|(payloads, _)| !payloads.is_empty())
}

/// Takes the payloads of decrypted octets, and judges the padding behind them.
fn take(report: &mut Report<'_>, message: &mut Message, content: &[u8]) {
    let first = message.header.next_payload;
    let Ok((raw, used)) = RawPayload::decode_padded_chain(first, content, Header::LEN) else {
        return;
    };
    let padding = content.get(used..).unwrap_or_default();
    if !padding.is_empty() {
        report.applies(&[rules::V1_PAD_ZERO]);
    }
    if padding.iter().any(|octet| *octet != 0) {
        report.say(rules::V1_PAD_ZERO, Header::LEN + used, "the padding is not made of zeros");
    }
    let from = raw.first().map_or(0, RawPayload::encoded_len);
    message.rest = content.get(from..used).unwrap_or_default().to_vec();
    message.parts = chain::take(raw);
    message.readable = true;
}

/// The content with its first block made good, if the rest of it proves to be authentic.
fn mended(
    keys: &Keys,
    message: &Message,
    own: &Ikev1Keys,
    content: &[u8],
    covered: Covered<'_>,
) -> Option<Vec<u8>> {
    if own.skeyid_a.is_empty() {
        return None;
    }
    let block = own.cipher.block_len();
    let hash_len = own.suite.prf.output_len();
    let start = RawPayload::HEADER_LEN + hash_len;
    let behind = content.get(start..)?;
    let next = match message.exchange() {
        ExchangeType::QUICK_MODE if covered.rest => PayloadKind::SA,
        ExchangeType::QUICK_MODE => PayloadKind::NONE,
        ExchangeType::TRANSACTION => PayloadKind::ATTRIBUTES,
        _ => PayloadKind::NOTIFY,
    };
    let used = if covered.rest {
        RawPayload::decode_padded_chain(PayloadType(next.0), behind, start).ok()?.1
    } else {
        0
    };
    let rest = behind.get(..used)?;
    let hash = phase2_hash(keys.provider(), own.suite.prf, &own.skeyid_a, &[covered.front?, rest]);
    let from = block.checked_sub(RawPayload::HEADER_LEN)?;
    if content.get(block..start)? != hash.get(from..)? {
        return None;
    }
    let length = u16::try_from(start).ok()?.to_be_bytes();
    Some([&[next.0, 0], &length[..], hash.get(..from)?, content.get(block..)?].concat())
}
