//! What the auditor says of a session.

use ikeproof_audit::{Decoded, Finding, Observed};

use super::lab::Lab;
use crate::support::judge;

impl Lab {
    /// All findings and the timeline, with all keys known from the start.
    pub fn audit(&self, seen: &[Observed]) -> (Vec<Finding>, Vec<Decoded>) {
        judge::audited(&self.keys, seen)
    }

    /// All findings, with each key coming after `late` datagrams more than it was there.
    pub fn findings_late(&self, late: usize) -> Vec<Finding> {
        judge::findings_late(&self.seen, &self.keys, &self.keys_at, late)
    }
}
