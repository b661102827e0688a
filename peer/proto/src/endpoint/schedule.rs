//! The timers of many SAs: which is due next, and one for each SA at most.

use std::collections::{BTreeMap, BTreeSet};

use crate::io::{Deadline, IkeHandle};
use crate::time::Time;

/// The next deadline of each SA, in order of time.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    timers: BTreeSet<(Time, IkeHandle)>,
    deadlines: BTreeMap<IkeHandle, Deadline>,
}

impl Schedule {
    /// Puts `deadline` in the place of what an SA had; `None` if nothing is due any more.
    pub(super) fn set(&mut self, ike: IkeHandle, deadline: Option<Deadline>) {
        if let Some(before) = self.deadlines.remove(&ike) {
            self.timers.remove(&(before.at, ike));
        }
        if let Some(deadline) = deadline {
            self.timers.insert((deadline.at, ike));
            self.deadlines.insert(ike, deadline);
        }
    }

    /// The next deadline of any SA.
    pub(super) fn next(&self) -> Option<Deadline> {
        let (_, ike) = self.timers.first()?;
        self.deadlines.get(ike).copied()
    }

    /// An SA of which something is due.
    pub(super) fn due(&self, now: Time) -> Option<IkeHandle> {
        self.timers.first().filter(|(at, _)| *at <= now).map(|(_, ike)| *ike)
    }

    /// The sizes of both tables, for tests of what must not grow.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.timers.len(), self.deadlines.len()]
    }
}
