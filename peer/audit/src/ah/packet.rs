//! What an AH packet shows: length, ICV, inner packet (RFC 4302, sections 2 and 3.3.3).

use std::sync::Arc;

use ikeproof_proto::wire::ah::{self, AhHeader};

use super::Verifier;
use super::covered::covered;
use crate::finding::Report;
use crate::rules;

/// A packet, taken apart.
pub(super) struct Packet<'a> {
    pub(super) whole: &'a [u8],
    /// Where AH begins.
    pub(super) at: usize,
    pub(super) header: AhHeader,
    v6: bool,
}

impl<'a> Packet<'a> {
    pub(super) fn of(whole: &'a [u8]) -> Option<Self> {
        let at = ah::offset_in(whole)?;
        let header = AhHeader::decode(whole.get(at..)?).ok()?;
        let v6 = whole.first()? >> 4 == 6;
        Some(Self { whole, at, header, v6 })
    }

    /// Judges the length of the header and the ICV. Whether the packet is authentic.
    pub(super) fn judge_icv(&self, report: &mut Report<'_>, verifiers: &[Arc<Verifier>]) -> bool {
        let Some(integ) = verifiers.first().map(|verifier| verifier.integ()) else { return false };
        let stated = self.header.stated_len();
        let bare = ah::AH_FIXED_LEN + integ.icv_len();
        let wanted = bare.next_multiple_of(if self.v6 { 8 } else { 4 });
        report.applies(&[rules::AH_LENGTH]);
        // What a padding could be at all. Anything else is a length that nobody can use.
        if stated < bare || stated > bare + 8 || self.at + stated > self.whole.len() {
            let says = format!("AH with {integ} has {wanted} octets, and says {stated}");
            report.say(rules::AH_LENGTH, self.at + 1, says);
            return false;
        }
        report.applies(&[rules::AH_PADDING]);
        if stated != wanted {
            let says = format!("AH with {integ} has {stated} octets, and {wanted} are enough");
            report.say(rules::AH_PADDING, self.at + 1, says);
        }
        let Some(covered) = covered(self.whole, self.at, integ.icv_len()) else {
            // Options of IPv4 and extension headers are not judged.
            return false;
        };
        report.applies(&[rules::AH_ICV]);
        let icv_at = self.at + ah::AH_FIXED_LEN;
        let icv = self.whole.get(icv_at..icv_at + integ.icv_len()).unwrap_or_default();
        let authentic = verifiers.iter().any(|verifier| verifier.verify(&covered, icv));
        if !authentic {
            let says = format!("the ICV of {integ} does not fit packet {}", self.header.seq);
            report.say(rules::AH_ICV, icv_at, says);
        }
        authentic
    }

    pub(super) fn judge_content(&self, report: &mut Report<'_>, content: &[u8]) {
        let next = self.header.next_header;
        let version = content.first().map_or(0, |first| first >> 4);
        let fits = match next {
            4 => version == 4,
            41 => version == 6,
            _ => return,
        };
        report.applies(&[rules::AH_NEXT]);
        if !fits {
            let says = format!("next header {next}, and the inner packet has version {version}");
            report.say(rules::AH_NEXT, self.at, says);
        }
    }
}
