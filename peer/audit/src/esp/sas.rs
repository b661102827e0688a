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
use crate::numbers::{NumberRules, Numbers};
use crate::observed::{Sender, Transport};
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
    packets: u64,
    pub(crate) numbers: Numbers,
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
        if sa.numbers.is_repeated(header.seq, &digest) {
            decoded.retransmission = true;
            if decoded.contents.is_some() && !openers.is_empty() {
                // It is read again, and nothing of it judged again.
                let mut unheard = Sink::default();
                let report = &mut Report::new(report.frame(), &mut unheard);
                let numbers = Numbers::wrapped(sa.numbers.high);
                let sa = &mut EspSa { numbers, ..EspSa::default() };
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
            sa.numbers.judge(report, &NUMBERS, 4, header.seq, digest, low_only);
        }
    }

    /// Judges what only the end can show.
    pub(crate) fn finish(&mut self, sink: &mut Sink) {
        for ((_, spi), sa) in self.sas.iter_mut().filter(|(_, sa)| sa.agreed) {
            sa.numbers.finish(sink, &NUMBERS, 4, *spi);
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

const NUMBERS: NumberRules = NumberRules {
    start: rules::ESP_START,
    increments: rules::ESP_INCREMENTS,
    cycle: rules::ESP_CYCLE,
};
