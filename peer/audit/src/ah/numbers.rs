//! The sequence numbers of one direction. The network may lose and reorder, but it makes no second
//! packet with a number, and loses no more than a window's worth at the start.

use std::collections::{BTreeMap, VecDeque};

use crate::finding::{Report, Sink};
use crate::limits;
use crate::observed::Frame;
use crate::rules;

/// Of so many first numbers the network loses at least one not.
const FIRST_NUMBERS: u32 = 32;
/// How near to an end of its range a number is when it wraps.
const NEAR: u32 = 0xffff;

/// What is remembered of the numbers of one SA.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// The first packet.
    first: Option<Frame>,
    lowest: u32,
    highest: u32,
    recent: BTreeMap<u32, Vec<u8>>,
    order: VecDeque<u32>,
}

impl Numbers {
    /// Whether this very packet has been there before.
    pub(super) fn is_repeated(&self, seq: u32, digest: &Vec<u8>) -> bool {
        self.recent.get(&seq) == Some(digest)
    }

    /// Judges the number at octet `at` of an authentic packet.
    pub(super) fn judge(&mut self, report: &mut Report<'_>, at: usize, seq: u32, digest: Vec<u8>) {
        let near_end = self.highest >= u32::MAX - NEAR;
        let wraps = near_end && seq <= NEAR;
        report.applies(&[rules::AH_INCREMENTS]);
        if self.first.is_none() {
            report.applies(&[rules::AH_START]);
        }
        if near_end {
            report.applies(&[rules::AH_CYCLE]);
        }
        if seq == 0 && !wraps {
            report.say(rules::AH_START, at, "the sequence number is 0, the first one is 1");
        }
        if self.recent.contains_key(&seq) {
            let says = format!("the sequence number {seq} was used by another packet");
            report.say(rules::AH_INCREMENTS, at, says);
            return;
        }
        if wraps {
            let says = format!("the sequence number {seq} follows {}", self.highest);
            report.say(rules::AH_CYCLE, at, says);
            self.highest = seq;
        }
        if self.first.is_none() {
            self.first = Some(report.frame());
            self.lowest = seq;
        }
        self.lowest = self.lowest.min(seq);
        self.highest = self.highest.max(seq);
        self.recent.insert(seq, digest);
        self.order.push_back(seq);
        if self.order.len() > limits::ESP_PACKETS
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
    }

    /// Judges where the numbers began.
    pub(super) fn finish(&mut self, sink: &mut Sink, spi: u32) {
        if let Some(frame) = self.first.take()
            && self.lowest > FIRST_NUMBERS
        {
            let says = format!(
                "the lowest sequence number of SPI {spi:#010x} is {}, 1 was never sent",
                self.lowest
            );
            Report::new(frame, sink).say(rules::AH_START, None, says);
        }
    }
}
