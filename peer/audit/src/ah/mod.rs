//! AH: packets against the keys of the key log (RFC 4302).
//!
//! A packet of AH is the whole IP packet, since the ICV covers the outer header. What exchanges of IKE
//! say about its SPIs is the matter of [`Esp`](crate::esp::Esp), which knows those of both protocols.

mod covered;
mod numbers;
mod verifier;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ikeproof_proto::crypto::Hash;
use ikeproof_proto::wire::ah::{self, AhHeader};

pub(crate) use verifier::Verifier;

use crate::contents::Contents;
use crate::describe::{Decoded, DetailLevel};
use crate::esp::describe_inner;
use crate::finding::{Report, Sink};
use crate::keys::Keys;
use crate::limits;
use crate::observed::Sender;
use crate::rules;
use numbers::Numbers;

/// All directions, by who receives and the SPI; beyond [`limits::ESP_SAS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Ah {
    sas: BTreeMap<(Sender, u32), Numbers>,
    order: VecDeque<(Sender, u32)>,
}

/// A packet, taken apart.
struct Packet<'a> {
    whole: &'a [u8],
    /// Where AH begins.
    at: usize,
    header: AhHeader,
    v6: bool,
}

impl Ah {
    /// Judges a packet.
    pub(crate) fn judge(
        &mut self,
        report: &mut Report<'_>,
        keys: &Keys,
        whole: &[u8],
        decoded: &mut Decoded,
    ) {
        let Some(packet) = Packet::of(whole) else {
            decoded.summary = format!("AH in a packet of {} octets, which has none", whole.len());
            return;
        };
        let Packet { at, header, .. } = packet;
        let (spi, seq) = (header.spi, header.seq);
        if let Some(contents) = &mut decoded.contents {
            *contents = Contents::Ah(header);
        }
        decoded.summary = format!("AH {spi:#010x} seq {seq}, {} octets", whole.len());
        decoded.detail(DetailLevel::Header, "SPI", format!("{spi:#010x}"));
        decoded.detail(DetailLevel::Header, "sequence number", seq.to_string());
        decoded.detail(DetailLevel::Header, "next header", header.next_header.to_string());
        report.applies(&[rules::AH_SPI_ZERO]);
        if spi == 0 {
            report.say(rules::AH_SPI_ZERO, at + 4, "the SPI is zero");
            return;
        }
        let receiver = report.frame().by.other();
        let digest = Hash::Sha1.digest(&[whole.get(at..).unwrap_or_default()]);
        let numbers = self.numbers(receiver, spi);
        if numbers.is_repeated(seq, &digest) {
            decoded.retransmission = true;
            return;
        }
        report.applies(&[rules::AH_RESERVED]);
        if header.reserved != 0 {
            let says = format!("the reserved field is {:#06x}", header.reserved);
            report.say(rules::AH_RESERVED, at + 2, says);
        }
        let verifiers = keys.ah(spi);
        let authentic = packet.judge_icv(report, &verifiers);
        if authentic && let Some(content) = whole.get(at + header.stated_len()..) {
            packet.judge_content(report, content);
            describe_inner(decoded, header.next_header, content);
        }
        if authentic || verifiers.is_empty() {
            numbers.judge(report, at + 8, seq, digest);
        }
    }

    /// Judges what only the end can show.
    pub(crate) fn finish(&mut self, sink: &mut Sink) {
        for ((_, spi), numbers) in &mut self.sas {
            numbers.finish(sink, *spi);
        }
    }

    fn numbers(&mut self, receiver: Sender, spi: u32) -> &mut Numbers {
        let key = (receiver, spi);
        if !self.sas.contains_key(&key) {
            self.order.push_back(key);
            if self.order.len() > limits::ESP_SAS
                && let Some(oldest) = self.order.pop_front()
            {
                self.sas.remove(&oldest);
            }
        }
        self.sas.entry(key).or_default()
    }
}

impl<'a> Packet<'a> {
    fn of(whole: &'a [u8]) -> Option<Self> {
        let at = ah::offset_in(whole)?;
        let header = AhHeader::decode(whole.get(at..)?).ok()?;
        let v6 = whole.first()? >> 4 == 6;
        Some(Self { whole, at, header, v6 })
    }

    /// Judges the length of the header and the ICV. Whether the packet is authentic.
    fn judge_icv(&self, report: &mut Report<'_>, verifiers: &[Arc<Verifier>]) -> bool {
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
        let Some(covered) = covered::covered(self.whole, self.at, integ.icv_len()) else {
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

    fn judge_content(&self, report: &mut Report<'_>, content: &[u8]) {
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
