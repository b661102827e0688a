//! The sequence numbers of one direction of an SA, of ESP or of AH. The network may lose and reorder, but
//! it makes no second packet with a number, and loses no more than a window's worth at the start.

use std::collections::{BTreeMap, VecDeque};

use crate::finding::{Report, Sink};
use crate::limits;
use crate::observed::Frame;
use crate::rules::Rule;

/// What a protocol says about its numbers.
pub(crate) struct NumberRules {
    /// The first number is 1.
    pub(crate) start: &'static Rule,
    /// No number is used twice.
    pub(crate) increments: &'static Rule,
    /// Numbers that are not extended never wrap.
    pub(crate) cycle: &'static Rule,
}

/// What is remembered of the numbers of one SA.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    /// The first packet.
    first: Option<Frame>,
    lowest: u32,
    highest: u32,
    /// How often the low half of the number has wrapped.
    pub(crate) high: u32,
    recent: BTreeMap<u32, Vec<u8>>,
    order: VecDeque<u32>,
}

impl Numbers {
    /// Of an SA whose low half has wrapped so often.
    pub(crate) fn wrapped(high: u32) -> Self {
        Self { high, ..Self::default() }
    }

    /// Whether this very packet has been there before.
    pub(crate) fn is_repeated(&self, seq: u32, digest: &Vec<u8>) -> bool {
        self.recent.get(&seq) == Some(digest)
    }

    /// Judges the number at octet `at` of an authentic packet. If it is known to have `low_only`, it ends
    /// with the low half.
    pub(crate) fn judge(
        &mut self,
        report: &mut Report<'_>,
        rules: &NumberRules,
        at: usize,
        seq: u32,
        digest: Vec<u8>,
        low_only: bool,
    ) {
        report.applies(&[rules.increments]);
        if self.first.is_none() {
            report.applies(&[rules.start]);
        }
        if seq == 0 && self.high == 0 && self.highest < u32::MAX / 2 {
            report.say(rules.start, at, "the sequence number is 0, the first one is 1");
        }
        if self.recent.contains_key(&seq) {
            let says = format!("the sequence number {seq} was used by another packet");
            report.say(rules.increments, at, says);
            return;
        }
        if self.first.is_none() {
            self.first = Some(report.frame());
            self.lowest = seq;
        }
        self.lowest = self.lowest.min(seq);
        let (top, bottom) = (0xffff_0000..=u32::MAX, 0..=0xffff);
        if low_only && top.contains(&self.highest) {
            report.applies(&[rules.cycle]);
        }
        if top.contains(&self.highest) && bottom.contains(&seq) {
            if low_only {
                let says = format!(
                    "the sequence number {seq} follows {}, and there are no extended ones",
                    self.highest
                );
                report.say(rules.cycle, at, says);
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

    /// Judges where the numbers of an SA began all of whose packets were seen, but for those that were lost.
    pub(crate) fn finish(
        &mut self,
        sink: &mut Sink,
        rules: &NumberRules,
        at: impl Into<Option<usize>>,
        spi: u32,
    ) {
        if let Some(frame) = self.first.take()
            && self.lowest > FIRST_NUMBERS
        {
            let says = format!(
                "the lowest sequence number of SPI {spi:#010x} is {}, 1 was never sent",
                self.lowest
            );
            Report::new(frame, sink).say(rules.start, at, says);
        }
    }
}

/// Of so many first numbers the network loses at least one not.
const FIRST_NUMBERS: u32 = 32;
