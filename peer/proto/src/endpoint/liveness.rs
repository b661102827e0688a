//! When the two ends of an SA have last heard of each other, for either version: what a NAT mapping and
//! dead peer detection go by.
//!
//! Only the data plane knows what ESP has carried, so that a timer first asks it; its answer decides
//! whether there is anything to keep open or to probe for.

use core::time::Duration;

use super::context::Context;
use crate::datagram::KEEPALIVE;
use crate::io::{Activity, Path};
use crate::policy::{Dpd, ProbeMode, Profile};
use crate::time::{Time, seconds};

/// The last signs of life of both ends.
#[derive(Debug)]
pub(crate) struct Liveness {
    dpd: Dpd,
    last_heard: Time,
    probe_at: Time,
    /// When a NAT keepalive may be due; never if this end is not behind a NAT.
    keepalive_at: Option<Time>,
    keepalive: Duration,
    /// When IKE last sent anything, keepalives included.
    last_sent: Time,
    /// When the tunnels last received and sent anything.
    inbound: Option<Seen>,
    outbound: Option<Seen>,
}

/// A time of the data plane, and the same of this SA.
///
/// Both are kept because the SA's clock may be moved: what was seen before the move is older by it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    there: Time,
    here: Time,
}

impl Liveness {
    /// Both ends have just been heard.
    pub(crate) fn new(now: Time, profile: &Profile, behind_nat: bool) -> Self {
        let dpd = profile.dpd();
        let keepalive = seconds(profile.timers.keepalive);
        Self {
            dpd,
            last_heard: now,
            probe_at: now + dpd.idle,
            keepalive_at: behind_nat.then(|| now + keepalive),
            keepalive,
            last_sent: now,
            inbound: None,
            outbound: None,
        }
    }

    /// How the peer is probed.
    pub(crate) fn dpd(&self) -> Dpd {
        self.dpd
    }

    /// When the peer is to be looked after.
    pub(crate) fn probe_at(&self) -> Time {
        self.probe_at
    }

    /// When the NAT mapping is.
    pub(crate) fn keepalive_at(&self) -> Option<Time> {
        self.keepalive_at
    }

    /// The peer has sent something over IKE that is authentic and new.
    pub(crate) fn heard(&mut self, now: Time) {
        self.last_heard = now;
        self.probe_at = now + self.dpd.idle;
    }

    /// This end has sent something over IKE.
    pub(crate) fn sent(&mut self, now: Time) {
        self.last_sent = now;
        if let Some(at) = &mut self.keepalive_at {
            *at = now + self.keepalive;
        }
    }

    /// Whether the data plane is to be asked: for the mapping, or for the peer if it may be probed.
    pub(crate) fn asks(&mut self, now: Time, may_probe: bool) -> bool {
        let mut asks = false;
        if let Some(at) = self.keepalive_at.as_mut().filter(|at| now >= **at) {
            *at = now + self.keepalive;
            asks = true;
        }
        if may_probe && now >= self.probe_at {
            self.probe_at = now + self.dpd.idle;
            asks = true;
        }
        asks
    }

    /// Takes note of when the tunnels last carried anything, and sends a NAT keepalive if neither IKE nor
    /// ESP has sent anything for its interval (RFC 3948 §4).
    pub(crate) fn note(
        &mut self,
        now: Time,
        skew: Duration,
        report: &Activity,
        path: Path,
        cx: &mut Context,
    ) {
        note(&mut self.inbound, report.last_inbound, skew);
        note(&mut self.outbound, report.last_outbound, skew);
        if self.keepalive_at.is_none() {
            return;
        }
        let esp = self.outbound.map_or(self.last_sent, |seen| seen.here);
        let mut last = esp.max(self.last_sent);
        if now.since(last) >= self.keepalive {
            cx.transmit_raw(path, KEEPALIVE.to_vec());
            self.last_sent = now;
            last = now;
        }
        self.keepalive_at = Some(last + self.keepalive);
    }

    /// Whether the peer has been quiet for so long that it is to be probed (reading R23 says whether
    /// only with traffic to send). Never without dead peer detection.
    pub(crate) fn is_quiet(&mut self, now: Time) -> bool {
        if !self.dpd.enabled {
            return false;
        }
        let heard = self.inbound.map_or(self.last_heard, |seen| seen.here.max(self.last_heard));
        if now.since(heard) < self.dpd.idle {
            self.probe_at = heard + self.dpd.idle;
            return false;
        }
        let waits = self.outbound.is_some_and(|seen| seen.here > heard);
        self.dpd.mode == ProbeMode::Periodic || waits
    }
}

fn note(known: &mut Option<Seen>, seen: Option<Time>, skew: Duration) {
    if let Some(there) = seen
        && known.is_none_or(|before| before.there != there)
    {
        *known = Some(Seen { there, here: there + skew });
    }
}
