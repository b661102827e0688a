//! The data plane: tables of SAs and tunnels, batches of packets, reports.

use core::hash::BuildHasherDefault;
use core::ops::Range;
use std::collections::HashMap;

use crate::crypto::ChildProtocol;
use crate::time::Time;
use crate::wire::ah;

use super::tables::{Inbound, NumberHasher, Outbound, Reports, Tunnel};
use super::{
    Command, CommandError, Direction, DropCounts, DropKind, Encap, InboundSa, OpenError,
    OutboundSa, Report, SealError, TunnelId,
};

/// Reports kept for the control plane unless it says otherwise.
const DEFAULT_REPORTS: usize = 1024;

/// All tunnels of an endpoint.
///
/// Batches are sealed and opened in place; nothing is allocated per packet. The vectors for
/// results belong to the caller, who keeps them from batch to batch.
#[derive(Debug)]
pub struct DataPlane {
    inbound: HashMap<u32, Inbound, BuildHasherDefault<NumberHasher>>,
    tunnels: HashMap<TunnelId, Tunnel, BuildHasherDefault<NumberHasher>>,
    /// From SAs of AH to those of ESP under them, which stand in the table.
    bundles: HashMap<u32, u32, BuildHasherDefault<NumberHasher>>,
    reports: Reports,
    unknown: DropCounts,
}

/// An inner packet in a buffer of the caller, to be sealed there.
#[derive(Debug)]
pub struct PlainPacket<'b> {
    /// The buffer, with [`MAX_HEADROOM`](super::MAX_HEADROOM) octets before the packet and
    /// [`MAX_TAILROOM`](super::sizes::MAX_TAILROOM) behind it, or as many as the suite needs.
    pub buf: &'b mut [u8],
    /// Where the packet lies.
    pub inner: Range<usize>,
}

/// A packet that was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Where it lies in the buffer: the ESP packet, or with AH the whole IP packet.
    pub range: Range<usize>,
    /// What it is.
    pub protocol: ChildProtocol,
}

/// A packet that was opened and may be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The tunnel that it came by.
    pub tunnel: TunnelId,
    /// The SPI that it came on.
    pub spi: u32,
    /// Where the inner packet lies in the buffer.
    pub range: Range<usize>,
    /// 4 or 41.
    pub next_header: u8,
}

impl Default for DataPlane {
    fn default() -> Self {
        Self::new()
    }
}

impl DataPlane {
    /// A data plane without tunnels.
    pub fn new() -> Self {
        Self::with_max_reports(DEFAULT_REPORTS)
    }

    /// A data plane without tunnels that keeps at most `max_reports` reports of dropped packets,
    /// and as many again of everything else, so that a flood of bad packets hides nothing. What
    /// does not fit is counted; the counters of drops lose nothing.
    pub fn with_max_reports(max_reports: usize) -> Self {
        Self {
            inbound: HashMap::default(),
            tunnels: HashMap::default(),
            bundles: HashMap::default(),
            reports: Reports::new(max_reports),
            unknown: DropCounts::default(),
        }
    }

    /// Carries out a command.
    pub fn apply(&mut self, command: Command) -> Result<(), CommandError> {
        match command {
            Command::InstallInbound { tunnel, sa } => {
                let over = sa.over().map(InboundSa::spi);
                for spi in [Some(sa.spi()), over].into_iter().flatten() {
                    if self.inbound.contains_key(&spi) || self.bundles.contains_key(&spi) {
                        return Err(CommandError::SpiInUse(spi));
                    }
                }
                self.bundles.extend(over.map(|over| (over, sa.spi())));
                self.tunnels.entry(tunnel).or_default();
                let sa = *sa;
                let entry =
                    Inbound { tunnel, sa, draining: None, threshold_told: false, last: None };
                self.inbound.insert(entry.sa.spi(), entry);
            }
            Command::InstallOutbound { tunnel, sa } => {
                let outbound = &mut self.tunnels.entry(tunnel).or_default().outbound;
                if outbound.iter().any(|held| held.sa.spi() == sa.spi()) {
                    return Err(CommandError::SpiInUse(sa.spi()));
                }
                outbound.push(Outbound {
                    sa: *sa,
                    active: false,
                    threshold_told: false,
                    exhaustion_told: false,
                });
            }
            Command::SwitchOutbound { tunnel, spi, replaces } => {
                let outbound = &mut self.tunnel_mut(tunnel)?.outbound;
                for known in [Some(spi), replaces].into_iter().flatten() {
                    if !outbound.iter().any(|held| held.sa.spi() == known) {
                        return Err(CommandError::NoSa(known));
                    }
                }
                for held in outbound {
                    if Some(held.sa.spi()) == replaces {
                        held.active = false;
                    }
                    if held.sa.spi() == spi {
                        held.active = true;
                    }
                }
            }
            Command::DrainInbound { spi, until } => {
                self.inbound.get_mut(&spi).ok_or(CommandError::NoSa(spi))?.draining = Some(until);
            }
            Command::RemoveInbound { spi } => {
                self.inbound.remove(&spi).ok_or(CommandError::NoSa(spi))?;
                self.bundles.retain(|_, esp| *esp != spi);
            }
            Command::RemoveOutbound { tunnel, spi } => {
                let outbound = &mut self.tunnel_mut(tunnel)?.outbound;
                let at = outbound.iter().position(|held| held.sa.spi() == spi);
                outbound.remove(at.ok_or(CommandError::NoSa(spi))?);
            }
            Command::RemoveTunnel { tunnel } => {
                self.tunnels.remove(&tunnel).ok_or(CommandError::NoTunnel(tunnel))?;
                let Self { inbound, bundles, .. } = self;
                inbound.retain(|_, held| held.tunnel != tunnel);
                bundles.retain(|_, esp| inbound.contains_key(esp));
            }
            Command::SetEncap { tunnel, encap } => {
                let tunnel = self.tunnel_mut(tunnel)?;
                tunnel.told = None;
                for held in &mut tunnel.outbound {
                    held.sa.set_encap(encap);
                }
            }
        }
        Ok(())
    }

    /// Seals packets for a tunnel, each on the first active SA whose selectors allow it.
    ///
    /// `results` is cleared and gets, for each packet in order, what it has become and where that
    /// lies in its buffer. ESP goes where [`DataPlane::encap`] says, AH says so itself.
    pub fn seal_batch<'b>(
        &mut self,
        now: Time,
        tunnel: TunnelId,
        packets: impl IntoIterator<Item = PlainPacket<'b>>,
        results: &mut Vec<Result<Sealed, SealError>>,
    ) {
        results.clear();
        let Some(held) = self.tunnels.get_mut(&tunnel) else {
            results.extend(packets.into_iter().map(|_| Err(SealError::NoTunnel)));
            return;
        };
        for packet in packets {
            results.push(held.seal(packet));
        }
        if results.iter().any(Result::is_ok) {
            held.last_outbound = Some(now);
        }
        for outbound in &mut held.outbound {
            let spi = outbound.sa.spi();
            if !outbound.threshold_told && outbound.sa.is_soft_spent() {
                outbound.threshold_told = true;
                let direction = Direction::Outbound;
                let report = Report::CounterThreshold { tunnel, spi, direction };
                self.reports.tell(report);
            }
            if !outbound.exhaustion_told && outbound.sa.is_exhausted() {
                outbound.exhaustion_told = true;
                let report = Report::SequenceExhausted { tunnel, spi };
                self.reports.tell(report);
            }
        }
    }

    /// Opens ESP packets that arrived by one path (`path.src` is the peer).
    ///
    /// `results` is cleared and gets, for each packet in order, where the inner packet lies in the
    /// packet's buffer, or why it was dropped. Every drop is counted and reported.
    pub fn open_batch<'b>(
        &mut self,
        now: Time,
        path: Encap,
        packets: impl IntoIterator<Item = &'b mut [u8]>,
        results: &mut Vec<Result<Received, OpenError>>,
    ) {
        results.clear();
        let Self { inbound, tunnels, reports, unknown, .. } = self;
        // Packets of a batch mostly share SA and tunnel: neither is looked up again then.
        let mut last: Option<&mut Inbound> = None;
        let mut settled: Option<TunnelId> = None;
        for packet in packets {
            let Some(spi) = packet.first_chunk().copied().map(u32::from_be_bytes) else {
                unknown.count(DropKind::BadLength);
                reports.tell(Report::Runt { len: packet.len(), source: path });
                results.push(Err(OpenError::BadLength(packet.len())));
                continue;
            };
            if last.as_ref().is_none_or(|held| held.sa.spi() != spi) {
                last = inbound.get_mut(&spi).filter(|held| held.is(ChildProtocol::Esp));
            }
            let Some(held) = &mut last else {
                unknown.count(DropKind::UnknownSpi);
                let (protocol, len, source) = (ChildProtocol::Esp, packet.len(), path);
                reports.tell(Report::UnknownSpi { protocol, spi, len, source });
                results.push(Err(OpenError::UnknownSpi(spi)));
                continue;
            };
            let tunnel = held.tunnel;
            let (moves_path, received) = match held.take_in(now, packet, reports) {
                Ok(taken) => taken,
                Err(reason) => {
                    results.push(Err(reason));
                    continue;
                }
            };
            if settled != Some(tunnel)
                && let Some(known) = tunnels.get_mut(&tunnel)
            {
                known.last_inbound = Some(now);
                if moves_path {
                    settled = Some(tunnel);
                    if known.is_new_source(path) {
                        let source = path;
                        reports.tell(Report::AuthenticatedFromNewSource { tunnel, spi, source });
                    }
                }
            }
            results.push(Ok(received));
        }
    }

    /// Opens an IP packet that AH is in. Its addresses are those of `path`, or it is not authentic:
    /// AH never moves a path.
    pub fn open_ah(
        &mut self,
        now: Time,
        path: Encap,
        packet: &mut [u8],
    ) -> Result<Received, OpenError> {
        let Self { inbound, tunnels, bundles, reports, unknown } = self;
        let Some(spi) = ah::header_in(packet).map(|header| header.spi) else {
            unknown.count(DropKind::BadLength);
            reports.tell(Report::Runt { len: packet.len(), source: path });
            return Err(OpenError::BadLength(packet.len()));
        };
        let entry = bundles.get(&spi).unwrap_or(&spi);
        let Some(held) = inbound.get_mut(entry).filter(|held| held.is(ChildProtocol::Ah)) else {
            unknown.count(DropKind::UnknownSpi);
            let (protocol, len, source) = (ChildProtocol::Ah, packet.len(), path);
            reports.tell(Report::UnknownSpi { protocol, spi, len, source });
            return Err(OpenError::UnknownSpi(spi));
        };
        let (_, received) = held.take_in(now, packet, reports)?;
        if let Some(known) = tunnels.get_mut(&held.tunnel) {
            known.last_inbound = Some(now);
        }
        Ok(received)
    }

    /// Opens one ESP packet, as a batch of one: for tests and for slow paths, since it allocates.
    /// See [`DataPlane::open_batch`].
    pub fn open(
        &mut self,
        now: Time,
        path: Encap,
        packet: &mut [u8],
    ) -> Result<Received, OpenError> {
        let mut results = Vec::with_capacity(1);
        self.open_batch(now, path, [packet], &mut results);
        results.pop().unwrap_or(Err(OpenError::BadLength(0)))
    }

    /// The oldest report that was not taken yet.
    pub fn poll_report(&mut self) -> Option<Report> {
        self.reports.take()
    }

    /// The number of reports that found no room.
    pub const fn reports_lost(&self) -> u64 {
        self.reports.lost()
    }

    /// The path of a tunnel: of its first active SA, or else of the first it has.
    pub fn encap(&self, tunnel: TunnelId) -> Option<Encap> {
        let outbound = &self.tunnels.get(&tunnel)?.outbound;
        let active = outbound.iter().find(|held| held.active);
        active.or_else(|| outbound.first()).map(|held| held.sa.encap())
    }

    /// The SA of an SPI that we chose.
    pub fn inbound(&self, spi: u32) -> Option<&InboundSa> {
        self.inbound.get(&spi).map(|held| &held.sa)
    }

    /// How many SAs there are for receiving, over all tunnels.
    pub fn inbound_sas(&self) -> usize {
        self.inbound.len()
    }

    /// Lets the SAs that send through a tunnel go on behind this sequence number.
    #[cfg(test)]
    pub(crate) fn set_sequence(&mut self, tunnel: TunnelId, sequence: u32) {
        let held = self.tunnels.get_mut(&tunnel).into_iter();
        held.flat_map(|tunnel| &mut tunnel.outbound).for_each(|it| it.sa.set_sequence(sequence));
    }

    /// The SAs of a tunnel for sending, with whether they are active.
    pub fn outbound(&self, tunnel: TunnelId) -> impl Iterator<Item = (&OutboundSa, bool)> {
        let held = self.tunnels.get(&tunnel).into_iter().flat_map(|tunnel| &tunnel.outbound);
        held.map(|held| (&held.sa, held.active))
    }

    /// When the last authentic packet came on an SA.
    pub fn last_inbound_on(&self, spi: u32) -> Option<Time> {
        self.inbound.get(&spi)?.last
    }

    /// When the last authentic packet came by a tunnel: proof that the peer is alive.
    pub fn last_inbound(&self, tunnel: TunnelId) -> Option<Time> {
        self.tunnels.get(&tunnel)?.last_inbound
    }

    /// When the last packet was sealed for a tunnel: what a NAT keepalive is measured from.
    pub fn last_outbound(&self, tunnel: TunnelId) -> Option<Time> {
        self.tunnels.get(&tunnel)?.last_outbound
    }

    /// What was dropped without an SA to count it on.
    pub const fn unknown_drops(&self) -> &DropCounts {
        &self.unknown
    }

    fn tunnel_mut(&mut self, tunnel: TunnelId) -> Result<&mut Tunnel, CommandError> {
        self.tunnels.get_mut(&tunnel).ok_or(CommandError::NoTunnel(tunnel))
    }
}
