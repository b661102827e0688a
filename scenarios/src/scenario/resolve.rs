//! From a scenario's edge to the policy that the core goes by.

use ikeproof_proto::policy::{Profile, TsPolicy};

use super::setup::{Cookie, Edge, Limit, Switch};
use super::words::Octets;
use crate::profile::{LoadError, ProfileFile};

impl Edge {
    /// The profile with the scenario's bundle, readings and other deviations applied.
    ///
    /// # Errors
    /// When there is no such profile or bundle, or a reading cannot be set.
    pub fn policy(&self) -> Result<Profile, LoadError> {
        let file = ProfileFile::load(self.profile())?;
        let mut policy = match &self.bundle {
            Some(bundle) => file.with_bundle(bundle.get_ref())?,
            None => file.policy,
        };
        for (reading, value) in &self.readings {
            policy.readings.set(reading.get_ref(), value.get_ref())?;
        }
        policy.versions.ikev1 = self.ikev1.unwrap_or(policy.versions.ikev1);
        policy.order = self.order.unwrap_or(policy.order);
        policy.group_choice = self.group_choice.unwrap_or(policy.group_choice);
        if let Some(ts) = &self.ts {
            let given =
                |given: &Vec<_>, own: Vec<_>| if given.is_empty() { own } else { given.clone() };
            policy.ts = TsPolicy {
                local: given(&ts.local, policy.ts.local),
                remote: given(&ts.remote, policy.ts.remote),
                mode: ts.mode,
            };
        }
        let limit = |limit: Option<Limit>, own| match limit {
            None => own,
            Some(Limit::Off) => None,
            Some(Limit::At(octets)) => Some(octets),
        };
        let forwarding = &mut policy.forwarding;
        forwarding.mtu = limit(self.mtu, forwarding.mtu);
        forwarding.mss = limit(self.mss, forwarding.mss);
        if self.mss == Some(Limit::Off) {
            forwarding.mss_v6 = None;
        }
        let limits = &mut policy.limits;
        limits.cookie_threshold = match self.cookie {
            Cookie::Auto => limits.cookie_threshold,
            Cookie::Always => 0,
            Cookie::Never => usize::MAX,
        };
        limits.max_children = self.max_children.unwrap_or(limits.max_children);
        let timers = &mut policy.timers;
        let kilobytes = |bytes: Option<Octets>, own| bytes.map(Octets::kilobytes).or(own);
        timers.ike_kilobytes = kilobytes(self.life.ike_bytes, timers.ike_kilobytes);
        timers.child_kilobytes = kilobytes(self.life.child_bytes, timers.child_kilobytes);
        timers.dpd = self.dpd.map_or(timers.dpd, |dpd| dpd == Switch::On);
        timers.ike_life = self.life.ike.map_or(timers.ike_life, |life| life.0.as_secs());
        timers.child_life = self.life.child.map_or(timers.child_life, |life| life.0.as_secs());
        if let (Some(commit), Some(ikev1)) = (self.commit, &mut policy.ikev1) {
            ikev1.commit = commit == Switch::On;
        }
        if !self.ike.is_empty() {
            policy.ike.offer.clone_from(&self.ike);
        }
        if !self.esp.is_empty() {
            policy.child.offer.clone_from(&self.esp);
        }
        Ok(policy)
    }
}
