//! The auditor itself: puts datagrams in a row, waits for keys, and hands each to its judges.
//!
//! Datagrams are judged strictly in the order in which they were seen. One that needs keys which may
//! still come stops the row, so that findings are the same whether keys come early or late; the
//! limits say how long it may. At [`Auditor::finish`] everything left is judged as it is.

use std::collections::VecDeque;
use std::sync::Arc;

use ikeproof_proto::crypto::{Provider, default_provider};
use ikeproof_proto::time::Time;
use ikeproof_proto::wire::v1::is_v1;
use ikeproof_proto::wire::{EspHeader, Header, ah};

use crate::ah::Ah;
use crate::contents::Contents;
use crate::describe::Decoded;
use crate::esp::Esp;
use crate::finding::{Applied, Finding, Report, Sink};
use crate::framing::{self, Broken, Kind};
use crate::ike::Ike;
use crate::keys::Keys;
use crate::limits;
use crate::observed::{Frame, Observed};
use crate::v1::Isakmp;
use ikeproof_proto::event::KeyLogEntry;

/// Judges what two sides send one another.
#[derive(Debug)]
pub struct Auditor {
    keys: Keys,
    ike: Ike,
    isakmp: Isakmp,
    esp: Esp,
    ah: Ah,
    waiting: VecDeque<(Frame, Observed)>,
    waiting_octets: usize,
    frames: u64,
    timeline: VecDeque<Decoded>,
    timeline_lost: u64,
    contents: bool,
    sink: Sink,
}

impl Default for Auditor {
    fn default() -> Self {
        Self::new()
    }
}

impl Auditor {
    /// An auditor that has seen nothing.
    pub fn new() -> Self {
        Self::with_provider(default_provider())
    }

    /// An auditor that computes with this provider.
    pub fn with_provider(provider: Arc<dyn Provider>) -> Self {
        Self {
            keys: Keys::new(provider),
            ike: Ike::default(),
            isakmp: Isakmp::default(),
            esp: Esp::default(),
            ah: Ah::default(),
            waiting: VecDeque::new(),
            waiting_octets: 0,
            frames: 0,
            timeline: VecDeque::new(),
            timeline_lost: 0,
            contents: false,
            sink: Sink::default(),
        }
    }

    /// From now on each line of the timeline has its datagram typed, too.
    pub const fn keep_contents(&mut self) {
        self.contents = true;
    }

    /// Takes keys, and judges what has waited for them.
    pub fn add_keys(&mut self, entry: &KeyLogEntry) -> Vec<Finding> {
        self.keys.add(entry);
        self.ike.settle_auth(&self.keys, &mut self.sink);
        self.judge_ready(false);
        self.take_findings()
    }

    /// Takes a datagram. The findings may be about earlier ones, and those about this one may come
    /// later: their frame says which datagram they are about.
    pub fn datagram(&mut self, observed: &Observed) -> Vec<Finding> {
        self.frames += 1;
        let frame = Frame { number: self.frames, at: observed.at, by: observed.from };
        self.waiting_octets += observed.bytes.len();
        self.waiting.push_back((frame, observed.clone()));
        self.judge_ready(false);
        self.take_findings()
    }

    /// Judges what still waits, and what only the end can show, such as requests without answer.
    pub fn finish(&mut self) -> Vec<Finding> {
        self.judge_ready(true);
        self.ike.finish(&mut self.sink);
        self.isakmp.finish(&mut self.sink);
        self.esp.finish(&mut self.sink);
        self.ah.finish(&mut self.sink);
        self.take_findings()
    }

    /// How often each rule was applied so far, and to whom; those that were not applied are left out.
    /// A rule that is not here has neither held nor been broken.
    pub fn applied(&self) -> Vec<Applied> {
        self.sink.applied()
    }

    fn take_findings(&mut self) -> Vec<Finding> {
        core::mem::take(&mut self.sink.findings)
    }

    /// Takes the lines of the timeline so far. After [`Auditor::finish`] it is complete; until then
    /// the lines of datagrams that wait for keys are missing.
    pub fn take_timeline(&mut self) -> Vec<Decoded> {
        self.timeline.drain(..).collect()
    }

    /// How many lines of the timeline were lost because nobody took them.
    pub const fn timeline_lost(&self) -> u64 {
        self.timeline_lost
    }

    fn judge_ready(&mut self, all: bool) {
        let newest = self.waiting.back().map_or(Time::ZERO, |(frame, _)| frame.at);
        while let Some((frame, observed)) = self.waiting.pop_front() {
            let wanted = if all { None } else { self.wanted_keys(&observed) };
            if let Some(wanted) = wanted {
                let full = self.waiting.len() >= limits::WAITING_DATAGRAMS
                    || self.waiting_octets > limits::WAITING_OCTETS
                    || newest.since(frame.at) > limits::WAITING_TIME;
                if !full {
                    self.waiting.push_front((frame, observed));
                    return;
                }
                match wanted {
                    Wanted::Ikev1(header) => self.isakmp.give_up_keys(&header),
                    Wanted::Ike(header) => self.ike.give_up_keys(&header),
                    Wanted::Esp(spi) => self.esp.give_up_keys(observed.from.other(), spi),
                }
            }
            self.waiting_octets -= observed.bytes.len().min(self.waiting_octets);
            let decoded = self.judge(frame, &observed);
            if self.timeline.len() >= limits::TIMELINE {
                self.timeline.pop_front();
                self.timeline_lost += 1;
            }
            self.timeline.push_back(decoded);
        }
    }

    /// What a datagram needs keys for that may still come.
    fn wanted_keys(&self, observed: &Observed) -> Option<Wanted> {
        match self.classify(observed).0 {
            Kind::Ike(message) => {
                let header = Header::decode(message).ok()?;
                if self.is_ikev1(message) {
                    let wants = self.isakmp.wants_keys(&header, &self.keys);
                    return wants.then_some(Wanted::Ikev1(header));
                }
                self.ike.wants_keys(&header, &self.keys).then_some(Wanted::Ike(header))
            }
            Kind::Esp(packet) => {
                let spi = EspHeader::decode(packet).ok()?.spi;
                let receiver = observed.from.other();
                self.esp.wants_keys(receiver, spi, &self.keys).then_some(Wanted::Esp(spi))
            }
            Kind::Ah(packet) => {
                let spi = ah::header_in(packet)?.spi;
                let receiver = observed.from.other();
                self.esp.wants_keys(receiver, spi, &self.keys).then_some(Wanted::Esp(spi))
            }
            Kind::Keepalive | Kind::Runt => None,
        }
    }

    /// Whether all SAs are known that packets may belong to.
    fn knows_all_children(&self) -> bool {
        (!self.ike.is_empty() || !self.isakmp.is_empty())
            && self.ike.knows_all_children()
            && self.isakmp.knows_all_children()
    }

    /// Whether it is a message of IKEv1, and not one of an IKE SA with a wrong version.
    fn is_ikev1(&self, message: &[u8]) -> bool {
        let header = Header::decode(message);
        header.is_ok_and(|header| is_v1(&header) && !self.ike.knows(header.spi_i))
    }

    fn classify<'a>(&self, observed: &'a Observed) -> (Kind<'a>, Option<Broken>) {
        let receiver = observed.from.other();
        framing::classify(&observed.transport, &observed.bytes, |spi| self.esp.knows(receiver, spi))
    }

    fn judge(&mut self, frame: Frame, observed: &Observed) -> Decoded {
        let transport = observed.transport;
        let bytes = &observed.bytes;
        let mut decoded = Decoded::new(frame, transport, bytes.len());
        decoded.contents = self.contents.then_some(Contents::Nothing);
        let (kind, broken) = self.classify(observed);
        let all_children = matches!(kind, Kind::Esp(_)) && self.knows_all_children();
        let v1 = matches!(kind, Kind::Ike(message) if self.is_ikev1(message));
        let report = &mut Report::new(frame, &mut self.sink);
        report.applies(framing::rules_of(&transport, &kind));
        if let Some((rule, message)) = broken {
            report.say(rule, 0, message);
        }
        match kind {
            Kind::Ike(message) if v1 => {
                let (keys, esp) = (&self.keys, &mut self.esp);
                self.isakmp.judge(report, keys, esp, &transport, message, &mut decoded);
            }
            Kind::Ike(message) => {
                let (keys, esp) = (&self.keys, &mut self.esp);
                self.ike.judge(report, keys, esp, &transport, message, &mut decoded);
            }
            Kind::Esp(packet) => {
                let keys = &self.keys;
                self.esp.judge(report, keys, all_children, &transport, packet, &mut decoded);
            }
            Kind::Ah(packet) => {
                let receiver = frame.by.other();
                let negotiated = ah::header_in(packet)
                    .is_some_and(|header| self.esp.knows(receiver, header.spi));
                self.ah.judge(report, &self.keys, negotiated, packet, &mut decoded);
            }
            Kind::Keepalive => {
                decoded.summary = "NAT keepalive".to_owned();
                decoded.contents = self.contents.then_some(Contents::Keepalive);
            }
            Kind::Runt => decoded.summary = format!("{} octets that are nothing", bytes.len()),
        }
        decoded
    }
}

enum Wanted {
    Ike(Header),
    Ikev1(Header),
    Esp(u32),
}
