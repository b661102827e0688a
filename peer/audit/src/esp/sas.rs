//! The directions of Child SAs that packets may belong to, and what is remembered of each.

use std::collections::{BTreeMap, VecDeque};

use ikeproof_proto::crypto::{Esn, Hash};
use ikeproof_proto::wire::EspHeader;

use super::{checks, inner};
use crate::contents::Seal;
use crate::describe::Decoded;
use crate::finding::{Report, Sink};
use crate::keys::Keys;
use crate::limits;
use crate::observed::{Frame, Sender, Transport};
use crate::rules;
use crate::vectors::Vectors;

/// What the exchange that made a Child SA says about its packets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChildFacts {
    /// There is a NAT, so that packets go in UDP.
    pub(crate) nat: bool,
}

/// One direction of a Child SA.
#[derive(Debug, Default)]
pub(crate) struct EspSa {
    /// It was offered or agreed on in an exchange.
    agreed: bool,
    facts: ChildFacts,
    keyless: bool,
    /// The first packet.
    first: Option<Frame>,
    lowest: u32,
    pub(crate) highest: u32,
    /// How often the low half of the number has wrapped.
    pub(crate) high: u32,
    packets: u64,
    recent: BTreeMap<u32, Vec<u8>>,
    order: VecDeque<u32>,
    pub(crate) ivs: Vectors,
    encapsulation_reported: bool,
    unknown_reported: bool,
}

/// All directions, by who receives and the SPI; beyond [`limits::ESP_SAS`] the oldest go.
#[derive(Debug, Default)]
pub(crate) struct Esp {
    sas: BTreeMap<(Sender, u32), EspSa>,
    order: VecDeque<(Sender, u32)>,
    forgotten: bool,
}

impl Esp {
    /// `receiver` has offered to receive with `spi`.
    pub(crate) fn offer(&mut self, receiver: Sender, spi: u32) {
        self.sa(receiver, spi).agreed = true;
    }

    /// An exchange has made an SA for which `receiver` has chosen `spi`.
    pub(crate) fn negotiate(&mut self, receiver: Sender, spi: u32, facts: ChildFacts) {
        let sa = self.sa(receiver, spi);
        sa.agreed = true;
        sa.facts = facts;
    }

    /// Whether a packet to `receiver` may have this SPI.
    pub(crate) fn knows(&self, receiver: Sender, spi: u32) -> bool {
        self.sas.get(&(receiver, spi)).is_some_and(|sa| sa.agreed)
    }

    /// Whether packets with this SPI need keys that may still come.
    pub(crate) fn wants_keys(&self, receiver: Sender, spi: u32, keys: &Keys) -> bool {
        let waits = |sa: &EspSa| sa.agreed && !sa.keyless;
        self.sas.get(&(receiver, spi)).is_some_and(waits) && !keys.has_child(spi)
    }

    /// Nobody waits for these keys any more.
    pub(crate) fn give_up_keys(&mut self, receiver: Sender, spi: u32) {
        self.sa(receiver, spi).keyless = true;
    }

    /// Judges a packet. `all_children` says whether all exchanges that make SAs were seen.
    pub(crate) fn judge(
        &mut self,
        report: &mut Report<'_>,
        keys: &Keys,
        all_children: bool,
        transport: &Transport,
        packet: &[u8],
        decoded: &mut Decoded,
    ) {
        report.applies(&[rules::ESP_SHORT]);
        let Ok(header) = EspHeader::decode(packet) else {
            let says = format!("{} octets cannot hold SPI and sequence number", packet.len());
            decoded.summary = format!("ESP of {} octets", packet.len());
            report.say(rules::ESP_SHORT, 0, says);
            return;
        };
        decoded.esp(&header, packet.len());
        report.applies(&[rules::ESP_SPI_ZERO]);
        if header.spi == 0 {
            report.say(rules::ESP_SPI_ZERO, 0, "the SPI is zero");
            return;
        }
        let receiver = report.frame().by.other();
        let agreed = self.knows(receiver, header.spi);
        let openers = keys.child(header.spi, transport.src(), transport.dst());
        if !agreed && openers.is_empty() {
            let all_known = all_children && !self.forgotten;
            let sa = self.sa(receiver, header.spi);
            if all_known {
                report.applies(&[rules::ESP_SPI]);
            }
            if all_known && !sa.unknown_reported {
                sa.unknown_reported = true;
                let says = format!("the {receiver} has chosen no SPI {:#010x}", header.spi);
                report.say(rules::ESP_SPI, 0, says);
            }
            return;
        }
        if agreed {
            report.applies(&[rules::ESP_SPI]);
        }
        let sa = self.sa(receiver, header.spi);
        let digest = Hash::Sha1.digest(&[packet]);
        if sa.recent.get(&header.seq) == Some(&digest) {
            decoded.retransmission = true;
            if decoded.contents.is_some() && !openers.is_empty() {
                // It is read again, and nothing of it judged again.
                let mut unheard = Sink::default();
                let report = &mut Report::new(report.frame(), &mut unheard);
                let sa = &mut EspSa { high: sa.high, ..EspSa::default() };
                match checks::judge(report, sa, &header, packet, &openers) {
                    checks::Outcome::Forged => decoded.esp_opened(Seal::Broken, None),
                    checks::Outcome::Authentic(content) => decoded.esp_opened(Seal::Open, content),
                }
            }
            return;
        }
        if sa.facts.nat {
            report.applies(&[rules::ESP_ENCAPSULATED]);
        }
        if sa.facts.nat && matches!(transport, Transport::Esp { .. }) && !sa.encapsulation_reported
        {
            sa.encapsulation_reported = true;
            report.say(rules::ESP_ENCAPSULATED, None, "there is a NAT, and ESP is not in UDP");
        }
        sa.packets = sa.packets.saturating_add(1);
        let mut authentic = true;
        if !openers.is_empty() && sa.packets <= limits::ESP_DECRYPTED {
            match checks::judge(report, sa, &header, packet, &openers) {
                checks::Outcome::Forged => {
                    authentic = false;
                    decoded.esp_opened(Seal::Broken, None);
                }
                checks::Outcome::Authentic(content) => {
                    decoded.decrypted = true;
                    if let Some((next, content)) = &content {
                        inner::describe(decoded, *next, content);
                    }
                    decoded.esp_opened(Seal::Open, content);
                }
            }
        }
        if authentic {
            let low_only =
                !openers.is_empty() && openers.iter().all(|opener| opener.suite().esn == Esn::No);
            sa.judge_number(report, header.seq, digest, low_only);
        }
    }

    /// Judges what only the end can show.
    pub(crate) fn finish(&mut self, sink: &mut Sink) {
        for ((_, spi), sa) in &mut self.sas {
            if let Some(frame) = sa.first.take()
                && sa.agreed
                && sa.lowest > FIRST_NUMBERS
            {
                let says = format!(
                    "the lowest sequence number of SPI {spi:#010x} is {}, 1 was never sent",
                    sa.lowest
                );
                Report::new(frame, sink).say(rules::ESP_START, 4, says);
            }
        }
    }

    fn sa(&mut self, receiver: Sender, spi: u32) -> &mut EspSa {
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
        self.sas.entry(key).or_default()
    }
}

impl EspSa {
    /// Judges a sequence number. The network may lose and reorder, but it makes no second packet
    /// with a number, and loses no more than a window's worth at the start. If the number is known
    /// to have `low_only`, it ends with the low half.
    fn judge_number(&mut self, report: &mut Report<'_>, seq: u32, digest: Vec<u8>, low_only: bool) {
        report.applies(&[rules::ESP_INCREMENTS]);
        if self.first.is_none() {
            report.applies(&[rules::ESP_START]);
        }
        if seq == 0 && self.high == 0 && self.highest < u32::MAX / 2 {
            report.say(rules::ESP_START, 4, "the sequence number is 0, the first one is 1");
        }
        if self.recent.contains_key(&seq) {
            let says = format!("the sequence number {seq} was used by another packet");
            report.say(rules::ESP_INCREMENTS, 4, says);
            return;
        }
        if self.first.is_none() {
            self.first = Some(report.frame());
            self.lowest = seq;
        }
        self.lowest = self.lowest.min(seq);
        let (top, bottom) = (0xffff_0000..=u32::MAX, 0..=0xffff);
        if low_only && top.contains(&self.highest) {
            report.applies(&[rules::ESP_CYCLE]);
        }
        if top.contains(&self.highest) && bottom.contains(&seq) {
            if low_only {
                let says = format!(
                    "the sequence number {seq} follows {}, and there are no extended ones",
                    self.highest
                );
                report.say(rules::ESP_CYCLE, 4, says);
            }
            self.high = self.high.wrapping_add(1);
            self.highest = seq;
        }
        // A packet that was overtaken while the low half wrapped belongs to the half before.
        let overtaken = self.high > 0 && bottom.contains(&self.highest) && top.contains(&seq);
        if !overtaken {
            self.highest = self.highest.max(seq);
        }
        self.recent.insert(seq, digest);
        self.order.push_back(seq);
        if self.order.len() > limits::ESP_PACKETS
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }
}

/// Of so many first numbers the network loses at least one not.
const FIRST_NUMBERS: u32 = 32;
