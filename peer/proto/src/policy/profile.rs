//! An edge profile: everything that the edge's rules say, as data.
//!
//! A profile is resolved before it gets here: files, bundles and overrides are the business of the
//! scenarios package. What is left to a [reading](Readings) stays switchable, so that one profile
//! serves a scenario in each of its readings. The selections over it are in the sibling modules.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::constraint::Constraint;
use super::ikev1::Ikev1Policy;
use super::offer::{ChildOffer, IkeOffer};
use super::readings::{ChildCount, DeadAfter, ProbeMode, Readings, When};
use super::ts::TsPolicy;
use crate::crypto::suite::{ChildProtocol, Encr, Esn, Group, IcvBytes, Integ, KeyBits, Prf};
use crate::time::seconds;

/// What an edge offers, accepts and refuses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// The short name, such as `zscaler`.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// Which versions of IKE it speaks.
    pub versions: Versions,
    /// Whose order of preference decides.
    pub order: Order,
    /// Which group is taken if several would do.
    #[serde(default)]
    pub group_choice: GroupChoice,
    /// How it refuses.
    pub refusal: RefusalStyle,
    /// Rules of the IKE SA.
    pub ike: IkePolicy,
    /// Rules of child SAs.
    pub child: ChildPolicy,
    /// What IKEv1 has rules of its own for; without it, the rules of IKEv2 count for both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ikev1: Option<Ikev1Policy>,
    /// Rules of identities.
    pub identity: IdentityPolicy,
    /// Traffic selectors.
    #[serde(default)]
    pub ts: TsPolicy,
    /// Lifetimes and liveness.
    pub timers: Timers,
    /// Bounds.
    pub limits: Limits,
    /// The edge as a router.
    pub forwarding: Forwarding,
    /// How the ambiguities are read.
    #[serde(default)]
    pub readings: Readings,
}

/// The versions of IKE that the edge speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// IKEv2.
    pub ikev2: bool,
    /// IKEv1.
    pub ikev1: bool,
}

/// Whose order of preference decides between combinations that are all allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// The order of the profile's lists.
    Own,
    /// The order of the offer.
    Peer,
}

/// Which of several allowed groups is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupChoice {
    /// The one that a value was sent for, which saves a round trip.
    #[default]
    Sent,
    /// The first in order, even if that costs an INVALID_KE_PAYLOAD.
    Listed,
}

/// How the edge says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RefusalStyle {
    /// With the notify that the RFC names.
    Notify,
    /// With silence.
    Silent,
}

/// Values that are accepted, in order of preference, and the rule that says so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accept<T> {
    /// The values, the most preferred first.
    pub accept: Vec<T>,
    /// The rule's id, such as `F11`.
    pub rule: String,
    /// More values, under a reading.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Also<T>>,
}

/// Values that are accepted under one reading only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Also<T> {
    /// The reading.
    pub only: When,
    /// The values.
    pub accept: Vec<T>,
}

/// Rules of the IKE SA.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IkePolicy {
    /// Encryption.
    pub encr: Accept<Encr>,
    /// Integrity.
    pub integ: Accept<Integ>,
    /// Pseudorandom functions.
    pub prf: Accept<Prf>,
    /// Key exchange groups.
    pub groups: Accept<Group>,
    /// What holds over combinations.
    #[serde(default, rename = "constraint")]
    pub constraints: Vec<Constraint>,
    /// What the edge offers as initiator, in order.
    pub offer: Vec<IkeOffer>,
}

/// Rules of child SAs. Which integrity goes with which cipher is built in: it is no edge's choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildPolicy {
    /// ESP, AH or both.
    pub protocols: Accept<ChildProtocol>,
    /// Encryption; for ESP.
    pub encr: Accept<Encr>,
    /// Integrity.
    pub integ: Accept<Integ>,
    /// Groups of child SAs after the first; whether there must be one is reading R25.
    pub groups: Accept<Group>,
    /// Extended sequence numbers.
    pub esn: EsnPolicy,
    /// What holds over combinations.
    #[serde(default, rename = "constraint")]
    pub constraints: Vec<Constraint>,
    /// What the edge offers as initiator, in order.
    pub offer: Vec<ChildOffer>,
}

/// Extended sequence numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EsnPolicy {
    /// Whether ESN may be chosen; which of both is preferred is the order's business.
    pub accept: bool,
    /// The rule's id.
    pub rule: String,
}

/// Which identities the edge knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdentityPolicy {
    /// Identity types that a credential is looked up by.
    pub types: Accept<IdentityType>,
}

/// The types of identity that a credential may be named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdentityType {
    /// `ID_IPV4_ADDR`.
    Ipv4,
    /// `ID_IPV6_ADDR`.
    Ipv6,
    /// `ID_FQDN`.
    Fqdn,
    /// `ID_RFC822_ADDR`.
    Email,
    /// `ID_KEY_ID`.
    KeyId,
}

impl IdentityType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ipv4, Self::Ipv6, Self::Fqdn, Self::Email, Self::KeyId];
}

/// Lifetimes and liveness, in seconds. None of them is shorter than one, whatever stands here, and probes
/// are at least one apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timers {
    /// Lifetime of an IKE SA.
    pub ike_life: u64,
    /// Lifetime of a child SA.
    pub child_life: u64,
    /// Kilobytes after which an ISAKMP SA of IKEv1 ends; any number, if nothing is said. IKEv2 has no words
    /// for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ike_kilobytes: Option<u64>,
    /// Kilobytes after which a pair of SAs of IKEv1 ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub child_kilobytes: Option<u64>,
    /// Whether the peer is probed at all. Without it, IKEv1 does not announce that it can be done either.
    #[serde(default = "enabled")]
    pub dpd: bool,
    /// Silence after which the peer is probed, and the interval of the probes.
    pub dpd_interval: u64,
    /// Probes that may stay unanswered.
    pub dpd_retries: u32,
    /// Silence after which a NAT keepalive is sent.
    pub keepalive: u64,
}

/// Bounds that the edge sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Child SAs of one IKE SA; what they count is reading R24. Applied in IKEv1, as in IKEv2 nobody gets
    /// a second one.
    pub max_children: usize,
    /// Half-open IKE SAs in all.
    pub half_open: usize,
    /// Half-open IKE SAs of one source address.
    pub half_open_per_source: usize,
    /// Half-open IKE SAs from which on a cookie is demanded; 0 demands one always.
    pub cookie_threshold: usize,
}

/// The edge as a router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarding {
    /// The largest inner packet, or no bound.
    pub mtu: Option<u16>,
    /// The largest MSS that passes inside IPv4, or no bound.
    pub mss: Option<u16>,
    /// The largest MSS that passes inside IPv6, or no bound.
    pub mss_v6: Option<u16>,
}

/// When the edge asks whether the peer is there, as reading R22 makes of the two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dpd {
    /// Whether to probe.
    pub enabled: bool,
    /// When to probe.
    pub mode: ProbeMode,
    /// Silence before the first probe.
    pub idle: Duration,
    /// From one probe to the next, and from the last to giving up.
    pub interval: Duration,
    /// Probes in all.
    pub probes: u32,
}

impl Dpd {
    /// From the last sign of life to giving up.
    pub fn dead_after(&self) -> Duration {
        self.idle.saturating_add(self.interval.saturating_mul(self.probes))
    }
}

impl Profile {
    /// A profile that accepts everything the core can run, without a rule over combinations.
    ///
    /// The data plane does no extended sequence numbers: negotiating them would end in a tunnel that
    /// is none. It is what an embedded peer and the ends of in-memory tests go by unless they are told
    /// otherwise.
    pub fn lenient(name: &str) -> Self {
        let integ: Vec<Integ> = Integ::all().filter(|integ| *integ != Integ::None).collect();
        let encr: Vec<Encr> = Encr::all().filter(|encr| encr.is_offered()).collect();
        let ciphers: Vec<Encr> = encr.iter().copied().filter(|e| *e != Encr::Null).collect();
        let groups: Vec<Group> = Group::all().collect();
        let ike = IkeOffer {
            encr: vec![Encr::AesCbc(KeyBits::B256)],
            integ: vec![Integ::HmacSha256_128],
            prf: vec![Prf::HmacSha256],
            groups: vec![Group::Modp2048],
        };
        let child = ChildOffer {
            protocol: ChildProtocol::Esp,
            encr: vec![Encr::AesGcm { bits: KeyBits::B256, icv: IcvBytes::I16 }],
            integ: Vec::new(),
            groups: Vec::new(),
            esn: vec![Esn::No],
        };
        let rule = "lenient";
        Self {
            name: name.to_owned(),
            title: "Accepts everything that can be run".to_owned(),
            versions: Versions { ikev2: true, ikev1: true },
            order: Order::Peer,
            group_choice: GroupChoice::Sent,
            refusal: RefusalStyle::Notify,
            ike: IkePolicy {
                encr: Accept::new(ciphers, rule),
                integ: Accept::new(integ.clone(), rule),
                prf: Accept::new(Prf::all().collect::<Vec<_>>(), rule),
                groups: Accept::new(groups.clone(), rule),
                constraints: Vec::new(),
                offer: vec![ike],
            },
            child: ChildPolicy {
                protocols: Accept::new([ChildProtocol::Esp, ChildProtocol::Ah], rule),
                encr: Accept::new(encr, rule),
                integ: Accept::new(integ, rule),
                groups: Accept::new(groups, rule),
                esn: EsnPolicy { accept: false, rule: rule.to_owned() },
                constraints: Vec::new(),
                offer: vec![child],
            },
            ikev1: None,
            identity: IdentityPolicy { types: Accept::new(IdentityType::ALL, rule) },
            ts: TsPolicy::default(),
            timers: Timers {
                ike_life: 86_400,
                child_life: 28_800,
                ike_kilobytes: None,
                child_kilobytes: None,
                dpd: true,
                dpd_interval: 20,
                dpd_retries: 5,
                keepalive: 20,
            },
            limits: Limits {
                max_children: 64,
                half_open: 256,
                half_open_per_source: 64,
                cookie_threshold: 128,
            },
            forwarding: Forwarding { mtu: None, mss: None, mss_v6: None },
            readings: Readings::default(),
        }
    }

    /// The schedule of liveness probes.
    pub fn dpd(&self) -> Dpd {
        let interval = seconds(self.timers.dpd_interval);
        let probes = self.timers.dpd_retries.max(1);
        let (enabled, mode) = (self.timers.dpd, self.readings.r23);
        match self.readings.r22 {
            DeadAfter::EachRetry => Dpd { enabled, mode, idle: interval, interval, probes },
            DeadAfter::InAll => {
                let probes = probes.saturating_sub(1).max(1);
                Dpd { enabled, mode, idle: interval, interval, probes }
            }
            DeadAfter::FirstProbe => {
                let step = interval.checked_div(probes).unwrap_or(interval).max(seconds(1));
                Dpd { enabled, mode, idle: interval, interval: step, probes }
            }
        }
    }

    /// Whether one more child SA may be set up where `installed` pairs are in use, `overlapping` of
    /// them only until the peer of a finished rekey deletes the old one (reading R24).
    pub fn has_room_for_child(&self, installed: usize, overlapping: usize, is_rekey: bool) -> bool {
        let pairs = installed.saturating_sub(overlapping);
        // A peer that never deletes the old ones does not rekey, whatever it calls it.
        let is_excess = overlapping >= self.limits.max_children;
        match self.readings.r24 {
            ChildCount::Pairs => is_rekey && !is_excess || pairs < self.limits.max_children,
            ChildCount::Overlap => installed < self.limits.max_children,
            ChildCount::EachDirection => {
                is_rekey && !is_excess || pairs < self.limits.max_children / 2
            }
        }
    }
}

impl<T: Copy + PartialEq> Accept<T> {
    /// A list with a rule.
    pub fn new(accept: impl Into<Vec<T>>, rule: &str) -> Self {
        Self { accept: accept.into(), rule: rule.to_owned(), also: Vec::new() }
    }

    /// The values that count under `readings`, in order of preference.
    pub fn values(&self, readings: &Readings) -> Vec<T> {
        let also = self.also.iter().filter(|also| also.only.holds(readings));
        let mut values = self.accept.clone();
        for value in also.flat_map(|also| &also.accept) {
            if !values.contains(value) {
                values.push(*value);
            }
        }
        values
    }
}

const fn enabled() -> bool {
    true
}
