//! Pings of an inner host: series under way, what came back, and what stood in the way.

use std::net::IpAddr;
use std::time::Duration;

use ikeproof_proto::time::Time;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::pattern::Pattern;
use super::ping_packet::{Echo, IcmpAbout, build};

/// A series of echo requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingRequest {
    /// Source; without it the host's own address.
    pub from: Option<IpAddr>,
    /// Destination.
    pub to: IpAddr,
    /// How many.
    pub count: u16,
    /// Octets of data in each, without the ICMP header.
    pub size: u16,
    /// The DF bit over IPv4; over IPv6 it keeps the host itself from fragmenting.
    pub df: bool,
    /// From one to the next.
    pub interval: Duration,
    /// How long to wait for each.
    pub timeout: Duration,
}

impl PingRequest {
    /// So many pings of 56 octets, 20 ms apart, each waited for 2 s.
    pub const fn new(to: IpAddr, count: u16) -> Self {
        Self {
            from: None,
            to,
            count,
            size: 56,
            df: false,
            interval: Duration::from_millis(20),
            timeout: Duration::from_secs(2),
        }
    }
}

/// Names a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PingId(pub(super) u16);

impl PingId {
    /// The identifier in its packets.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// A ping that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingReply {
    /// Counted from 0.
    pub sequence: u16,
    /// Time from request to reply.
    pub round_trip: Duration,
}

/// What became of a series.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PingReport {
    /// What was asked for.
    pub request: PingRequest,
    /// Requests that were sent.
    pub sent: u16,
    /// Replies with the right content, the first of each sequence.
    pub replies: Vec<PingReply>,
    /// Replies that came once more.
    pub duplicates: u32,
    /// Replies whose content was not what was sent.
    pub corrupted: u32,
    /// Next-hop MTUs of "packet too big" and "fragmentation needed".
    pub too_big: Vec<u16>,
    /// Type and code of other ICMP errors.
    pub errors: Vec<(u8, u8)>,
}

impl PingReport {
    /// Whether every request was answered.
    pub fn all_answered(&self) -> bool {
        self.replies.len() == usize::from(self.request.count)
    }
}

/// A series cannot start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PingError {
    /// There is no own address of the destination's version.
    #[error("the inner host has no address of the IP version of {to}")]
    NoSource {
        /// The destination.
        to: IpAddr,
    },
    /// The requests cannot be made: mixed versions, or longer than an IP packet.
    #[error("no echo request of {size} octets from {from} to {to} can be made")]
    Impossible {
        /// Source.
        from: IpAddr,
        /// Destination.
        to: IpAddr,
        /// Octets of data.
        size: u16,
    },
}

/// A series under way.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) id: PingId,
    from: IpAddr,
    report: PingReport,
    /// When each was sent; `None` once it is settled.
    waiting: Vec<Option<Time>>,
    next_at: Time,
}

impl Series {
    pub(super) fn new(
        id: PingId,
        from: IpAddr,
        request: PingRequest,
        now: Time,
    ) -> Result<Self, PingError> {
        let (to, size) = (request.to, request.size);
        let report = PingReport {
            request,
            sent: 0,
            replies: Vec::new(),
            duplicates: 0,
            corrupted: 0,
            too_big: Vec::new(),
            errors: Vec::new(),
        };
        let series = Self { id, from, report, waiting: Vec::new(), next_at: now };
        match series.packet(0, 0) {
            Some(_) => Ok(series),
            None => Err(PingError::Impossible { from, to, size }),
        }
    }

    /// The packets that are due.
    pub(super) fn poll(&mut self, now: Time, ip_id: &mut u16) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        while self.report.sent < self.report.request.count && self.next_at <= now {
            *ip_id = ip_id.wrapping_add(1).max(1);
            packets.extend(self.packet(self.report.sent, *ip_id));
            self.report.sent += 1;
            self.waiting.push(Some(now));
            self.next_at = self.next_at + self.report.request.interval;
        }
        for sent in &mut self.waiting {
            if sent.is_some_and(|sent| now.since(sent) >= self.report.request.timeout) {
                *sent = None;
            }
        }
        packets
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        let unsent = self.report.sent < self.report.request.count;
        let next = unsent.then_some(self.next_at);
        let timeout = self.report.request.timeout;
        let waiting = self.waiting.iter().flatten().map(|sent| *sent + timeout).min();
        next.into_iter().chain(waiting).min()
    }

    /// The report, once all are sent and settled.
    pub(super) fn finished(&self) -> Option<PingReport> {
        let settled = self.waiting.iter().all(Option::is_none);
        (self.report.sent == self.report.request.count && settled).then(|| self.report.clone())
    }

    /// Takes a reply; false if it belongs to another series.
    pub(super) fn reply(&mut self, now: Time, echo: &Echo<'_>) -> bool {
        let mine = echo.id == self.id.0 && echo.source == self.report.request.to;
        if !mine || echo.sequence >= self.report.sent {
            return false;
        }
        if echo.data != self.data(echo.sequence) {
            self.report.corrupted += 1;
        } else if self.report.replies.iter().any(|reply| reply.sequence == echo.sequence) {
            self.report.duplicates += 1;
        } else if let Some(sent) = self.waiting[usize::from(echo.sequence)].take() {
            let round_trip = now.since(sent);
            self.report.replies.push(PingReply { sequence: echo.sequence, round_trip });
        }
        true
    }

    /// Takes an ICMP error about one of its requests; false if it belongs to another series.
    pub(super) fn error(&mut self, about: &IcmpAbout) -> bool {
        let Some((id, sequence)) = about.echo else { return false };
        if id != self.id.0 || sequence >= self.report.sent || about.to != self.report.request.to {
            return false;
        }
        match about.mtu {
            Some(mtu) => self.report.too_big.push(mtu),
            None => self.report.errors.push((about.kind, about.code)),
        }
        self.waiting[usize::from(sequence)] = None;
        true
    }

    /// Notes that a request is larger than the host itself may send.
    pub(super) fn too_big_for_host(&mut self, mtu: u16) {
        self.report.too_big.push(mtu);
        if let Some(last) = self.waiting.last_mut() {
            *last = None;
        }
    }

    /// Whether the host must not fragment.
    pub(super) const fn df(&self) -> bool {
        self.report.request.df
    }

    fn packet(&self, sequence: u16, ip_id: u16) -> Option<Vec<u8>> {
        let data = self.data(sequence);
        let echo = Echo {
            request: true,
            source: self.from,
            destination: self.report.request.to,
            id: self.id.0,
            sequence,
            data: &data,
        };
        build(&echo, ip_id, self.report.request.df)
    }

    fn data(&self, sequence: u16) -> Vec<u8> {
        let mut data = vec![0; usize::from(self.report.request.size)];
        Pattern::new(u64::from(self.id.0) << 16 | u64::from(sequence)).fill(0, &mut data);
        data
    }
}
