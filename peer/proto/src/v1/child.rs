//! SAs of ESP as negotiated in quick mode, and their way into the data plane (RFC 2409, section 5.5).

use super::channel::{Channel, PhaseTwoKeys};
use crate::crypto::suite::ChildSuite;
use crate::endpoint::context::Context;
use crate::endpoint::pair::{self, Pair};
use crate::io::IkeHandle;
use crate::sa::{Encap, SaError};
use crate::time::Time;
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
    };
    pair::install(cx, ike, pair)?;
    let life = core::time::Duration::from_secs(lifetime);
    let percent = if asked { ASKER_REKEYS_AT } else { ANSWERER_REKEYS_AT };
    let rekey_at = Some(now + life * percent / 100);
    let (expires, replaced) = (now + life, false);
    Ok(Child { spi_in, spi_out, ts_local, ts_remote, suite, rekey_at, expires, replaced })
}

/// The percentage of its life after which a pair is replaced by who has asked for it, and by the other
/// end if that has not happened: apart, so that they do not meet.
const ASKER_REKEYS_AT: u32 = 90;
const ANSWERER_REKEYS_AT: u32 = 95;
