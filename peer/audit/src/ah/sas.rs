//! The directions of AH SAs that packets belong to, and what is remembered of each.

use std::collections::{BTreeMap, VecDeque};

use ikeproof_proto::crypto::Hash;

use super::packet::Packet;
use crate::contents::Contents;
use crate::describe::{Decoded, DetailLevel};
use crate::esp::describe_inner;
use crate::finding::{Report, Sink};
use crate::keys::Keys;
use crate::limits;
use crate::numbers::{NumberRules, Numbers};
use crate::observed::Sender;
use crate::rules;

/// One direction of an SA.
#[derive(Debug, Default)]
struct AhSa {
    /// An exchange has made it, and all of its packets were seen but for those that were lost.
    whole: bool,
    numbers: Numbers,
}

/// All directions, by who receives and the SPI; beyond [`limits::ESP_SAS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Ah {
    sas: BTreeMap<(Sender, u32), AhSa>,
    order: VecDeque<(Sender, u32)>,
    forgotten: bool,
}

impl Ah {
    /// Judges a packet. `negotiated` says whether an exchange has made its SA.
    pub(crate) fn judge(
        &mut self,
        report: &mut Report<'_>,
        keys: &Keys,
        negotiated: bool,
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
        let sa = self.sa(receiver, spi, negotiated);
        if sa.numbers.is_repeated(seq, &digest) {
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
            sa.numbers.judge(report, &NUMBERS, at + 8, seq, digest, authentic);
        }
    }

    /// Judges what only the end can show.
    pub(crate) fn finish(&mut self, sink: &mut Sink) {
        for ((_, spi), sa) in self.sas.iter_mut().filter(|(_, sa)| sa.whole) {
            sa.numbers.finish(sink, &NUMBERS, None, *spi);
        }
    }

    fn sa(&mut self, receiver: Sender, spi: u32, negotiated: bool) -> &mut AhSa {
        let key = (receiver, spi);
        if !self.sas.contains_key(&key) {
            self.order.push_back(key);
            if self.order.len() > limits::ESP_SAS
                && let Some(oldest) = self.order.pop_front()
            {
                self.sas.remove(&oldest);
                self.forgotten = true;
            }
        }
        // One that seems new may be among those that were forgotten.
        let whole = negotiated && !self.forgotten;
        self.sas.entry(key).or_insert_with(|| AhSa { whole, ..AhSa::default() })
    }
}

const NUMBERS: NumberRules = NumberRules {
    start: rules::AH_START,
    increments: rules::AH_INCREMENTS,
    cycle: rules::AH_CYCLE,
};
