//! SAs of ESP as negotiated in quick mode, and their way into the data plane (RFC 2409, section 5.5).

use super::channel::{Channel, PhaseTwoKeys};
use crate::crypto::suite::ChildSuite;
use crate::crypto::{Secret, SecretBytes};
use crate::endpoint::context::Context;
use crate::entropy::Label;
use crate::event::{ChildEstablished, ChildKeyLog, CloseReason, Event, KeyLogEntry};
use crate::io::IkeHandle;
use crate::sa::{
    self, Encap, InboundParams, InboundSa, OutboundParams, OutboundSa, ReplayWindow, SaError,
    SelectorRange, Selectors,
};
use crate::time::Time;
use crate::v2::child::tunnel_of;
use crate::wire::v2::TrafficSelector;

/// Packets that may come late (RFC 4303 §3.4.3: 64 is the default, more is better at speed).
const REPLAY_WINDOW: u32 = 1024;

/// A pair of SAs.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
    pub(crate) ts_local: TrafficSelector,
    pub(crate) ts_remote: TrafficSelector,
    pub(crate) suite: ChildSuite,
    /// When this end begins a quick mode to replace it, if nobody has before.
    pub(crate) rekey_at: Option<Time>,
    pub(crate) expires: Time,
    /// Whether another pair for the same traffic has taken its place.
    pub(crate) replaced: bool,
}

impl Child {
    /// Whether the pair is for this traffic.
    pub(crate) fn protects(&self, local: &TrafficSelector, remote: &TrafficSelector) -> bool {
        self.ts_local == *local && self.ts_remote == *remote
    }
}

/// What both ends have agreed on.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) suite: ChildSuite,
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
    pub(crate) ts_local: TrafficSelector,
    pub(crate) ts_remote: TrafficSelector,
    /// The lifetime in seconds.
    pub(crate) lifetime: u64,
    /// Whether this end has asked for it, and so is the first to ask for the next one.
    pub(crate) asked: bool,
}

/// Derives the keys of both directions and hands them to the data plane.
///
/// # Errors
/// If the data plane cannot run what was agreed on.
#[expect(clippy::too_many_arguments, reason = "what a pair is made of, and where it goes")]
pub(crate) fn install(
    cx: &mut Context,
    ike: IkeHandle,
    now: Time,
    channel: &Channel,
    accepted: &Accepted,
    keys: &PhaseTwoKeys<'_>,
    encap: Encap,
    replaces: Option<u32>,
) -> Result<Child, SaError> {
    let Accepted { suite, spi_in, spi_out, ts_local, ts_remote, lifetime, asked } = *accepted;
    let theirs = channel.keymat(cx, keys, spi_in, suite);
    let ours = channel.keymat(cx, keys, spi_out, suite);
    let selectors = Selectors { local: vec![range(&ts_local)], remote: vec![range(&ts_remote)] };
    let limits = sa::Limits::default();
    let inbound = InboundParams {
        spi: spi_in,
        suite,
        keys: theirs.clone(),
        replay: ReplayWindow::new(REPLAY_WINDOW).unwrap_or_else(|_| ReplayWindow::off()),
        selectors: selectors.clone(),
        limits,
    };
    let iv_key = Secret::new(cx.entropy.array(Label::ESP_IV_KEY, ike.0));
    let outbound = OutboundParams {
        spi: spi_out,
        suite,
        keys: ours.clone(),
        iv_key,
        encap,
        selectors,
        limits,
    };
    let inbound = InboundSa::new(&*cx.provider, inbound)?;
    let outbound = OutboundSa::new(&*cx.provider, outbound)?;
    let (here, there) = (encap.src_ip(), encap.dst_ip());
    for (spi, source, destination, keys) in
        [(spi_out, here, there, &ours), (spi_in, there, here, &theirs)]
    {
        let encryption =
            SecretBytes::new([keys.encr.expose().as_slice(), keys.salt.expose()].concat());
        let integrity = keys.integ.clone();
        cx.keys(|| {
            let log = ChildKeyLog { spi, source, destination, suite, encryption, integrity };
            KeyLogEntry::Child(Box::new(log))
        });
    }
    let tunnel = tunnel_of(ike);
    cx.data_plane(sa::Command::InstallInbound { tunnel, sa: Box::new(inbound) });
    cx.data_plane(sa::Command::InstallOutbound { tunnel, sa: Box::new(outbound) });
    cx.data_plane(sa::Command::SwitchOutbound { tunnel, spi: spi_out, replaces });
    cx.event(Event::ChildEstablished(Box::new(ChildEstablished {
        ike,
        tunnel: tunnel.0,
        spi_in,
        spi_out,
        suite,
        ts_local: vec![ts_local],
        ts_remote: vec![ts_remote],
        udp_encapsulated: encap.is_udp(),
        narrowed: false,
    })));
    let life = core::time::Duration::from_secs(lifetime);
    let percent = if asked { ASKER_REKEYS_AT } else { ANSWERER_REKEYS_AT };
    let rekey_at = Some(now + life * percent / 100);
    let (expires, replaced) = (now + life, false);
    Ok(Child { spi_in, spi_out, ts_local, ts_remote, suite, rekey_at, expires, replaced })
}

/// Takes a pair out of the data plane.
pub(crate) fn remove(ike: IkeHandle, child: &Child, reason: CloseReason, cx: &mut Context) {
    let Child { spi_in, spi_out, .. } = *child;
    cx.free_child_spi(spi_in);
    cx.data_plane(sa::Command::RemoveInbound { spi: spi_in });
    cx.data_plane(sa::Command::RemoveOutbound { tunnel: tunnel_of(ike), spi: spi_out });
    cx.event(Event::ChildClosed { ike, spi_in, spi_out, reason });
}

fn range(ts: &TrafficSelector) -> SelectorRange {
    SelectorRange {
        protocol: ts.ip_protocol,
        start: ts.start,
        end: ts.end,
        start_port: ts.start_port,
        end_port: ts.end_port,
    }
}

/// The percentage of its life after which a pair is replaced by who has asked for it, and by the other
/// end if that has not happened: apart, so that they do not meet.
const ASKER_REKEYS_AT: u32 = 90;
const ANSWERER_REKEYS_AT: u32 = 95;
