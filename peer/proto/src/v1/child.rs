//! SAs of ESP as negotiated in quick mode, and their way into the data plane (RFC 2409, section 5.5).

use super::channel::{Channel, PhaseTwoKeys};
use crate::crypto::suite::ChildSuite;
use crate::endpoint::context::Context;
use crate::endpoint::pair::{self, Pair};
use crate::event::CloseReason;
use crate::io::IkeHandle;
use crate::policy::Life;
use crate::sa::{self, Encap, SaError};
use crate::time::{Time, percent, seconds};
use crate::wire::ProtocolId;
use crate::wire::v2::TrafficSelector;

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
    /// It ends by this end's will, not by its age.
    pub(crate) retired: bool,
    /// The pair of AH around it, if ESP and AH are used together.
    pub(crate) over: Option<Over>,
}

/// A pair of AH around one of ESP.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Over {
    pub(crate) suite: ChildSuite,
    pub(crate) spi_in: u32,
    pub(crate) spi_out: u32,
}

impl Child {
    /// Whether the pair is for this traffic.
    pub(crate) fn protects(&self, local: &TrafficSelector, remote: &TrafficSelector) -> bool {
        self.ts_local == *local && self.ts_remote == *remote
    }

    /// The SAs that the peer sends on, as they are deleted.
    pub(crate) fn inbound(&self) -> impl Iterator<Item = (ProtocolId, u32)> {
        let over = self.over.map(|over| (ProtocolId::AH, over.spi_in));
        [(self.suite.protocol.into(), self.spi_in)].into_iter().chain(over)
    }

    /// Whether the peer receives on this SPI.
    pub(crate) fn sends_on(&self, protocol: ProtocolId, spi_out: u32) -> bool {
        let over = self.over.map(|over| (ProtocolId::AH, over.spi_out));
        over == Some((protocol, spi_out))
            || (self.suite.protocol.into(), self.spi_out) == (protocol, spi_out)
    }

    /// Takes the pair out of the data plane.
    pub(crate) fn remove(&self, cx: &mut Context, ike: IkeHandle, reason: CloseReason) {
        if let Some(over) = self.over {
            cx.free_child_spi(over.spi_in);
        }
        pair::remove(cx, ike, self.spi_in, self.spi_out, reason);
    }
}

impl Child {
    /// The peer ends it earlier: this end is to replace it before that.
    pub(crate) fn shorten(&mut self, now: Time, lifetime: u64) {
        let life = seconds(lifetime);
        let rekey_at = now + percent(life, ASKER_REKEYS_AT);
        self.expires = self.expires.min(now + life);
        self.rekey_at = self.rekey_at.map(|at| at.min(rekey_at));
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
    /// The pair of AH around it, if ESP and AH are used together.
    pub(crate) over: Option<Over>,
}

impl Accepted {
    /// Gives back the SPIs of a pair that does not come up.
    pub(crate) fn free(&self, cx: &mut Context) {
        cx.free_child_spi(self.spi_in);
        if let Some(over) = self.over {
            cx.free_child_spi(over.spi_in);
        }
    }
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
    let Accepted { suite, spi_in, spi_out, ts_local, ts_remote, lifetime, asked, over } = *accepted;
    let share = if asked { ASKER_REKEYS_AT } else { ANSWERER_REKEYS_AT };
    let theirs = channel.keymat(cx, keys, spi_in, suite);
    let ours = channel.keymat(cx, keys, spi_out, suite);
    let around = over.map(|Over { suite, spi_in, spi_out }| pair::Over {
        suite,
        spi_in,
        spi_out,
        theirs: channel.keymat(cx, keys, spi_in, suite),
        ours: channel.keymat(cx, keys, spi_out, suite),
    });
    let pair = Pair {
        suite,
        spi_in,
        spi_out,
        ts_local: &[ts_local],
        ts_remote: &[ts_remote],
        narrowed: false,
        ours,
        theirs,
        encap,
        replaces,
        over: around,
        limits: limits(cx.config.profile.child_life(), share),
    };
    pair::install(cx, ike, pair)?;
    let life = seconds(lifetime);
    let rekey_at = Some(now + percent(life, share));
    let (expires, replaced, retired) = (now + life, false, false);
    Ok(Child {
        spi_in,
        spi_out,
        ts_local,
        ts_remote,
        suite,
        rekey_at,
        expires,
        replaced,
        retired,
        over,
    })
}

/// The own limits by volume. What the peer has offered of that it sees to itself.
fn limits(own: Life, percent: u32) -> sa::Limits {
    let Some(octets) = own.octets() else { return sa::Limits::default() };
    let budget = |bytes| sa::Budget { bytes, ..sa::Budget::UNLIMITED };
    let soft = budget(octets / 100 * u64::from(percent));
    sa::Limits { soft, hard: budget(octets) }
}

/// The percentage of its life after which a pair is replaced by who has asked for it, and by the other
/// end if that has not happened: apart, so that they do not meet.
const ASKER_REKEYS_AT: u32 = 90;
const ANSWERER_REKEYS_AT: u32 = 95;
