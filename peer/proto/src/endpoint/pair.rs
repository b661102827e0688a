//! A pair of SAs of ESP on its way into the data plane and out of it, whichever exchange agreed on it:
//! IKE_AUTH (RFC 7296 §2.17) or quick mode (RFC 2409 §5.5).

use super::context::Context;
use crate::crypto::suite::{ChildProtocol, ChildSuite};
use crate::crypto::{DirectionKeys, Secret, SecretBytes};
use crate::entropy::Label;
use crate::event::{ChildEstablished, ChildKeyLog, CloseReason, Event, KeyLogEntry};
use crate::io::{Channel, IkeHandle, Path};
use crate::sa::{
    self, Encap, InboundParams, InboundSa, OutboundParams, OutboundSa, ReplayWindow, SaError,
    SelectorRange, Selectors,
};
use crate::wire::v2::TrafficSelector;

/// Packets that may come late (RFC 4303 §3.4.3: 64 is the default, more is better at speed).
const REPLAY_WINDOW: u32 = 1024;

/// What both ends have agreed on, with the keys that came of it.
pub(crate) struct Pair<'a> {
    pub(crate) suite: ChildSuite,
    /// The SPI that this end receives on.
    pub(crate) spi_in: u32,
    /// The SPI that the peer receives on.
    pub(crate) spi_out: u32,
    pub(crate) ts_local: &'a [TrafficSelector],
    pub(crate) ts_remote: &'a [TrafficSelector],
    /// Whether the answer has less in it than was asked for.
    pub(crate) narrowed: bool,
    /// The keys of what this end sends.
    pub(crate) ours: DirectionKeys,
    /// The keys of what the peer sends.
    pub(crate) theirs: DirectionKeys,
    pub(crate) encap: Encap,
    /// The outbound SPI of the pair whose place it takes.
    pub(crate) replaces: Option<u32>,
    /// The pair of AH that packets of this one of ESP go in.
    pub(crate) over: Option<Over>,
    /// Which volume it ends with.
    pub(crate) limits: sa::Limits,
}

/// A pair of AH around one of ESP.
pub(crate) struct Over {
    pub(crate) suite: ChildSuite,
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
    pub(crate) ours: DirectionKeys,
    pub(crate) theirs: DirectionKeys,
}

/// Hands both directions to the data plane, and tells whoever listens.
///
/// # Errors
/// If the data plane cannot run what was agreed on.
pub(crate) fn install(cx: &mut Context, ike: IkeHandle, pair: Pair<'_>) -> Result<(), SaError> {
    let Pair { suite, spi_in, spi_out, ts_local, ts_remote, encap, ours, theirs, limits, .. } =
        pair;
    let selectors = Selectors { local: ranges(ts_local), remote: ranges(ts_remote) };
    let inbound = InboundParams {
        spi: spi_in,
        suite,
        keys: theirs.clone(),
        replay: ReplayWindow::new(REPLAY_WINDOW).unwrap_or_else(|_| ReplayWindow::off()),
        selectors: selectors.clone(),
        limits,
    };
    let iv_key = Secret::new(cx.entropy.array(Label::ESP_IV_KEY, ike.0));
    let keys = ours.clone();
    let outbound = OutboundParams { spi: spi_out, suite, keys, iv_key, encap, selectors, limits };
    let mut inbound = InboundSa::new(&*cx.provider, inbound)?;
    let mut outbound = OutboundSa::new(&*cx.provider, outbound)?;
    if let Some(over) = &pair.over {
        let (theirs, ours) = over.sas(cx, encap)?;
        (inbound, outbound) = (inbound.under(theirs)?, outbound.under(ours)?);
    }
    log_keys(cx, suite, encap, [(spi_out, &ours), (spi_in, &theirs)]);
    if let Some(Over { suite, spi_in, spi_out, ours, theirs }) = &pair.over {
        log_keys(cx, *suite, encap, [(*spi_out, ours), (*spi_in, theirs)]);
    }
    let (tunnel, replaces) = (cx.tunnels.of(ike), pair.replaces);
    cx.data_plane(sa::Command::InstallInbound { tunnel, sa: Box::new(inbound) });
    cx.data_plane(sa::Command::InstallOutbound { tunnel, sa: Box::new(outbound) });
    cx.data_plane(sa::Command::SwitchOutbound { tunnel, spi: spi_out, replaces });
    cx.event(Event::ChildEstablished(Box::new(ChildEstablished {
        ike,
        tunnel: tunnel.0,
        spi_in,
        spi_out,
        suite,
        ts_local: ts_local.to_vec(),
        ts_remote: ts_remote.to_vec(),
        udp_encapsulated: encap.is_udp() && suite.protocol == ChildProtocol::Esp,
        narrowed: pair.narrowed,
        over: pair.over.map(|over| over.suite),
    })));
    Ok(())
}

impl Over {
    /// The SA to receive on and the one to send on. The selectors are looked at inside.
    fn sas(&self, cx: &Context, encap: Encap) -> Result<(InboundSa, OutboundSa), SaError> {
        let (suite, limits) = (self.suite, sa::Limits::default());
        let inbound = InboundParams {
            spi: self.spi_in,
            suite,
            keys: self.theirs.clone(),
            replay: ReplayWindow::new(REPLAY_WINDOW).unwrap_or_else(|_| ReplayWindow::off()),
            selectors: Selectors::any(),
            limits,
        };
        let outbound = OutboundParams {
            spi: self.spi_out,
            suite,
            keys: self.ours.clone(),
            // AH has no initialisation vector.
            iv_key: Secret::new([0; 16]),
            encap,
            selectors: Selectors::any(),
            limits,
        };
        let provider = &*cx.provider;
        Ok((InboundSa::new(provider, inbound)?, OutboundSa::new(provider, outbound)?))
    }
}

/// Logs the keys of what is sent and of what is received.
fn log_keys(
    cx: &mut Context,
    suite: ChildSuite,
    encap: Encap,
    [ours, theirs]: [(u32, &DirectionKeys); 2],
) {
    let (here, there) = (encap.src_ip(), encap.dst_ip());
    for ((spi, keys), source, destination) in [(ours, here, there), (theirs, there, here)] {
        let encryption =
            SecretBytes::new([keys.encr.expose().as_slice(), keys.salt.expose()].concat());
        let integrity = keys.integ.clone();
        cx.keys(|| {
            let log = ChildKeyLog { spi, source, destination, suite, encryption, integrity };
            KeyLogEntry::Child(Box::new(log))
        });
    }
}

/// Takes a pair out of the data plane.
pub(crate) fn remove(
    cx: &mut Context,
    ike: IkeHandle,
    spi_in: u32,
    spi_out: u32,
    reason: CloseReason,
) {
    cx.free_child_spi(spi_in);
    cx.data_plane(sa::Command::RemoveInbound { spi: spi_in });
    cx.data_plane(sa::Command::RemoveOutbound { tunnel: cx.tunnels.of(ike), spi: spi_out });
    cx.event(Event::ChildClosed { ike, spi_in, spi_out, reason });
}

/// How ESP travels: inside UDP if there is a NAT, else as protocol 50, whatever port IKE is on
/// (RFC 7296 §2.23).
pub(crate) fn encap(path: Path, nat_found: bool) -> Encap {
    if nat_found && path.channel == Channel::Nat {
        Encap::Udp { src: path.local, dst: path.remote }
    } else {
        Encap::Raw { src: path.local.ip(), dst: path.remote.ip() }
    }
}

fn ranges(selectors: &[TrafficSelector]) -> Vec<SelectorRange> {
    let range = |ts: &TrafficSelector| SelectorRange {
        protocol: ts.ip_protocol,
        start: ts.start,
        end: ts.end,
        start_port: ts.start_port,
        end_port: ts.end_port,
    };
    selectors.iter().map(range).collect()
}
