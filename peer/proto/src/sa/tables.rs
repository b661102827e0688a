//! What the tables of the data plane hold.

use core::hash::Hasher;
use std::collections::VecDeque;

use crate::crypto::ChildProtocol;
use crate::time::Time;

use super::{
    Direction, Encap, InboundSa, OpenError, Opened, OutboundSa, PlainPacket, Received, Report,
    SealError, Sealed, TunnelId,
};

#[derive(Debug)]
pub(super) struct Inbound {
    pub(super) tunnel: TunnelId,
    pub(super) sa: InboundSa,
    pub(super) draining: Option<Option<Time>>,
    pub(super) threshold_told: bool,
    pub(super) last: Option<Time>,
}

#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) sa: OutboundSa,
    pub(super) active: bool,
    pub(super) threshold_told: bool,
    pub(super) exhaustion_told: bool,
}

#[derive(Debug, Default)]
pub(super) struct Tunnel {
    pub(super) outbound: Vec<Outbound>,
    /// The last new source that was told.
    pub(super) told: Option<Encap>,
    pub(super) last_inbound: Option<Time>,
    pub(super) last_outbound: Option<Time>,
}

impl Inbound {
    /// Whether it is an SA of this protocol: SPIs of ESP and AH are not the same numbers.
    pub(super) fn is(&self, protocol: ChildProtocol) -> bool {
        self.sa.carrier() == protocol
    }

    /// Opens a packet and tells of it. Says whether the path may move to where it came from.
    pub(super) fn take_in(
        &mut self,
        now: Time,
        packet: &mut [u8],
        reports: &mut Reports,
    ) -> Result<(bool, Received), OpenError> {
        let (tunnel, spi) = (self.tunnel, self.sa.spi());
        let opened = self.open(now, packet).inspect_err(|&reason| {
            reports.tell(Report::Dropped { tunnel, spi, reason });
        })?;
        if self.is_due() {
            let direction = Direction::Inbound;
            reports.tell(Report::CounterThreshold { tunnel, spi, direction });
        }
        let Opened { range, next_header, newest, .. } = opened;
        let moves_path = newest && self.draining.is_none();
        Ok((moves_path, Received { tunnel, spi, range, next_header }))
    }

    fn open(&mut self, now: Time, packet: &mut [u8]) -> Result<Opened, OpenError> {
        if let Some(Some(until)) = self.draining
            && now >= until
        {
            return Err(self.sa.refuse(OpenError::Expired));
        }
        let opened = self.sa.open(packet)?;
        self.last = Some(now);
        Ok(opened)
    }

    /// Whether to tell, now and never again, that it is time to rekey.
    fn is_due(&mut self) -> bool {
        let is_due = !self.threshold_told && self.draining.is_none() && self.sa.is_soft_spent();
        self.threshold_told |= is_due;
        is_due
    }
}

impl Tunnel {
    pub(super) fn seal(&mut self, packet: PlainPacket<'_>) -> Result<Sealed, SealError> {
        let PlainPacket { buf, inner } = packet;
        let packet = buf.get(inner.clone()).ok_or(SealError::NotIp)?;
        let mut refused = SealError::NoActiveSa;
        for held in self.outbound.iter_mut().filter(|held| held.active) {
            if held.sa.allows(packet).ok_or(SealError::NotIp)? {
                let protocol = held.sa.carrier();
                return held.sa.seal(buf, inner).map(|range| Sealed { range, protocol });
            }
            refused = SealError::NoSelector;
        }
        Err(refused)
    }

    /// Whether `path` is neither the one we send on nor the last one told.
    pub(super) fn is_new_source(&mut self, path: Encap) -> bool {
        let ours = path.reversed();
        if self.outbound.iter().any(|held| held.sa.encap() == ours) {
            self.told = None;
            return false;
        }
        if self.outbound.is_empty() || self.told == Some(path) {
            return false;
        }
        self.told = Some(path);
        true
    }
}

/// Reports that wait for the control plane.
#[derive(Debug)]
pub(super) struct Reports {
    waiting: VecDeque<Report>,
    max: usize,
    lost: u64,
}

impl Reports {
    pub(super) fn new(max: usize) -> Self {
        Self { waiting: VecDeque::new(), max, lost: 0 }
    }

    pub(super) fn tell(&mut self, report: Report) {
        let is_drop = matches!(
            report,
            Report::Dropped { .. } | Report::UnknownSpi { .. } | Report::Runt { .. }
        );
        let room = if is_drop { self.max } else { self.max.saturating_mul(2) };
        if self.waiting.len() < room {
            self.waiting.push_back(report);
        } else {
            self.lost += 1;
        }
    }

    pub(super) fn take(&mut self) -> Option<Report> {
        self.waiting.pop_front()
    }

    pub(super) const fn lost(&self) -> u64 {
        self.lost
    }
}

/// SPIs are drawn at random by us and tunnels counted by us: nobody else chooses the keys of the
/// tables, so that one multiplication is hash enough.
#[derive(Debug, Default)]
pub(super) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
