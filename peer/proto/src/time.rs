//! Time as the core sees it: a duration since the start of the endpoint, always an input.

use core::fmt;
use core::ops::{Add, Sub};
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// A point in time, counted from the start of the endpoint that it is given to.
///
/// The core never asks a clock: whoever drives it says what time it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Time(Duration);

impl Time {
    /// The start of the endpoint.
    pub const ZERO: Self = Self(Duration::ZERO);

    /// The point `since_start` after the start.
    pub const fn from_start(since_start: Duration) -> Self {
        Self(since_start)
    }

    /// The duration since the start.
    pub const fn since_start(self) -> Duration {
        self.0
    }

    /// The duration from `earlier` to `self`, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after))
    }
}

impl Sub<Duration> for Time {
    type Output = Self;

    fn sub(self, before: Duration) -> Self {
        Self(self.0.saturating_sub(before))
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "+{:?}", self.0)
    }
}

/// So many seconds, of which there is at least one: a timer of none would fire for ever at one time.
pub(crate) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count.max(1))
}

/// So many percent of a duration, which a peer or a configuration may have made any length: what cannot be
/// counted is cut off.
pub(crate) fn percent(of: Duration, percent: u32) -> Duration {
    of.saturating_mul(percent) / 100
}
