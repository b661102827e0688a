//! What a decrypted ESP packet shows: check value, vector, padding, inner packet (RFC 4303, section
//! 2; RFC 3602; RFC 4106; RFC 7634).

use std::sync::Arc;

use ikeproof_proto::crypto::{ChildSuite, Encr};
use ikeproof_proto::wire::{ESP_HEADER_LEN, EspHeader};

use super::opener::Opener;
use super::sas::EspSa;
use crate::finding::Report;
use crate::rules::{self, Rule};

/// What came of a packet.
pub(super) enum Outcome {
    /// It is not authentic.
    Forged,
    /// It is; the next header and the content without padding, if they can be read.
    Authentic(Option<(u8, Vec<u8>)>),
}

/// Judges a packet for which there are keys.
pub(super) fn judge(
    report: &mut Report<'_>,
    sa: &mut EspSa,
    header: &EspHeader,
    packet: &[u8],
    openers: &[Arc<Opener>],
) -> Outcome {
    let high = sa.numbers.high;
    let high = [high, high.wrapping_add(1), high.saturating_sub(1)];
    let found =
        openers.iter().find_map(|opener| Some((opener.suite(), opener.open(packet, &high)?)));
    let Some((suite, opened)) = found else {
        let Some(suite) = openers.first().map(|opener| opener.suite()) else {
            return Outcome::Forged;
        };
        let rule = icv_rule(suite);
        report.applies(&[rule]);
        let at = packet.len().saturating_sub(suite.icv_len());
        let says = format!("the ICV of {suite} does not fit packet {}", header.seq);
        report.say(rule, at, says);
        return Outcome::Forged;
    };
    if suite.icv_len() > 0 {
        report.applies(&[icv_rule(suite)]);
    }
    let rule = match suite.encr {
        Encr::ChaCha20Poly1305 => rules::ESP_IV_CHACHA,
        Encr::TripleDesCbc => rules::ESP_IV_64,
        encr if encr.is_aead() => rules::ESP_IV_GCM,
        _ => rules::ESP_IV_CBC,
    };
    if !opened.iv.is_empty() {
        report.applies(&[rule]);
    }
    if !opened.iv.is_empty() && sa.ivs.is_reused(&opened.iv, packet) {
        let iv = ikeproof_proto::wire::hex::encode(&opened.iv);
        report.say(rule, ESP_HEADER_LEN, format!("the vector {iv} was used before"));
    }
    let text_at = ESP_HEADER_LEN + opened.iv.len();
    let length = opened.text_len;
    let block = suite.encr.block_len();
    let rule = match suite.encr {
        Encr::TripleDesCbc => rules::ESP_BLOCKS_64,
        _ => rules::ESP_BLOCKS,
    };
    report.applies(&[if block > 1 { rule } else { rules::ESP_ALIGN }]);
    if !length.is_multiple_of(block) {
        let says = format!("{length} encrypted octets are no whole blocks of {block}");
        report.say(rule, text_at, says);
    } else if !length.is_multiple_of(4) {
        let says = format!("{length} encrypted octets do not end on a four-octet boundary");
        report.say(rules::ESP_ALIGN, text_at, says);
    }
    Outcome::Authentic(opened.text.and_then(|text| judge_trailer(report, text, text_at)))
}

/// The rule that an ICV which does not fit breaks.
const fn icv_rule(suite: &ChildSuite) -> &'static Rule {
    if suite.encr.is_aead() { rules::ESP_AEAD } else { rules::ESP_ICV }
}

fn judge_trailer(
    report: &mut Report<'_>,
    mut text: Vec<u8>,
    text_at: usize,
) -> Option<(u8, Vec<u8>)> {
    let end = text_at + text.len();
    report.applies(&[rules::ESP_PAD_LENGTH]);
    let (Some(next), Some(pad_length)) = (text.pop(), text.pop()) else {
        report.say(rules::ESP_PAD_LENGTH, text_at, "there is no pad length");
        return None;
    };
    let Some(content) = text.len().checked_sub(usize::from(pad_length)) else {
        let says = format!("pad length {pad_length} in front of {} octets", text.len());
        report.say(rules::ESP_PAD_LENGTH, end.saturating_sub(2), says);
        return None;
    };
    let padding = text.split_off(content);
    if !padding.is_empty() {
        report.applies(&[rules::ESP_PAD_VALUES]);
    }
    let wrong = (1..=u8::MAX).zip(&padding).find(|(wanted, octet)| wanted != *octet);
    if let Some((wanted, octet)) = wrong {
        report.say(
            rules::ESP_PAD_VALUES,
            text_at + content + usize::from(wanted) - 1,
            format!("octet {wanted} of the padding is {octet:#04x}"),
        );
    }
    judge_inner(report, next, &text, text_at, end);
    Some((next, text))
}

fn judge_inner(report: &mut Report<'_>, next: u8, content: &[u8], at: usize, end: usize) {
    let wanted = match next {
        4 => 4,
        41 => 6,
        _ => return,
    };
    report.applies(&[rules::ESP_INNER_VERSION]);
    let version = content.first().map_or(0, |first| first >> 4);
    if version != wanted {
        let says = format!("next header {next}, and the inner packet has version {version}");
        report.say(rules::ESP_INNER_VERSION, end.saturating_sub(1), says);
        return;
    }
    let field = |at: usize| match (content.get(at), content.get(at + 1)) {
        (Some(&high), Some(&low)) => Some(usize::from(u16::from_be_bytes([high, low]))),
        _ => None,
    };
    let length = if wanted == 4 { field(2) } else { field(4).map(|length| length + 40) };
    let length = length.unwrap_or(usize::MAX);
    report.applies(&[rules::ESP_INNER_WHOLE]);
    // More is padding for traffic flow confidentiality (RFC 4303, section 2.7).
    if content.len() < length {
        let says = format!("the inner packet says {length} octets, {} are there", content.len());
        report.say(rules::ESP_INNER_WHOLE, at + 2, says);
    }
}
