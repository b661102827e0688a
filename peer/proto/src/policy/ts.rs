//! Traffic selectors: what an edge makes of the traffic that a peer wants protected.
//!
//! As responder the edge narrows (RFC 7296 §2.9): what both sides allow is kept, the selector of
//! the packet that triggered the exchange first of all.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::profile::Profile;
use crate::wire::v2::{TrafficSelector, Ts};

/// The most selectors that an answer holds on either side.
const MAX_SELECTORS: usize = 64;

/// The traffic that an edge protects.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TsPolicy {
    /// On the edge's side.
    pub local: Vec<Selector>,
    /// On the peer's side.
    pub remote: Vec<Selector>,
    /// What happens to an offer that goes beyond that.
    pub mode: TsMode,
}

/// What happens to an offer that goes beyond what the edge protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TsMode {
    /// It is narrowed to what both have in common.
    #[default]
    Narrow,
    /// It is refused.
    Exact,
}

/// A traffic selector as text: `10.1.0.0/16`, `10.0.0.5`, `10.0.0.5-10.0.0.9`, and any of them with
/// protocol and ports behind: `10.1.0.0/16[tcp]`, `10.1.0.0/16[udp/53]`, `10.1.0.0/16[6/80-90]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selector(pub TrafficSelector);

/// Why no child SA can be set up: TS_UNACCEPTABLE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[error("{says} [{rule}]; {change}")]
pub struct TsRefusal {
    /// The rule's id.
    pub rule: String,
    /// What was offered and what is protected.
    pub says: String,
    /// What to change.
    pub change: String,
}

/// A text that is no traffic selector.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no traffic selector: a subnet, an address or a range, and [PROTOCOL/PORTS] behind"
)]
pub struct NoSelector(pub String);

impl Profile {
    /// Narrows what a peer offers: `ts_i` is its own side, `ts_r` that of the edge.
    ///
    /// # Errors
    /// When nothing that both sides allow is left.
    pub fn narrow(&self, ts_i: &Ts, ts_r: &Ts) -> Result<(Ts, Ts), TsRefusal> {
        let policy = &self.ts;
        let mut remote = narrowed(&ts_i.selectors, &policy.remote);
        let mut local = narrowed(&ts_r.selectors, &policy.local);
        // A child SA protects packets of one family at a time: a family without its counterpart
        // protects nothing.
        let families =
            |side: &[TrafficSelector], v4| side.iter().any(|ts| ts.start.is_ipv4() == v4);
        for v4 in [true, false] {
            if !families(&remote, v4) || !families(&local, v4) {
                remote.retain(|ts| ts.start.is_ipv4() != v4);
                local.retain(|ts| ts.start.is_ipv4() != v4);
            }
        }
        let refuse = |rule: &str, change: &str| TsRefusal {
            rule: rule.to_owned(),
            says: format!(
                "the peer offers {} to {}, the edge protects {} to {}",
                ranges(&ts_i.selectors),
                ranges(&ts_r.selectors),
                texts(&policy.remote),
                texts(&policy.local),
            ),
            change: change.to_owned(),
        };
        if remote.is_empty() || local.is_empty() {
            let change = "offer selectors that lie within what the edge protects";
            return Err(refuse("rfc7296-2.9-ts-unacceptable", change));
        }
        let cut = remote != ts_i.selectors || local != ts_r.selectors;
        if policy.mode == TsMode::Exact && cut {
            let change = "offer exactly what the edge protects";
            return Err(refuse("ts.mode = exact", change));
        }
        Ok((Ts::new(remote), Ts::new(local)))
    }
}

/// Whether every selector of `answered` lies within one of `offered`, as an answer's must.
pub fn is_within(answered: &Ts, offered: &Ts) -> bool {
    !answered.selectors.is_empty()
        && answered.selectors.iter().all(|ts| offered.selectors.iter().any(|own| own.contains(ts)))
}

/// What `offered` and `allowed` have in common, in the order of the offer and each part once.
fn narrowed(offered: &[TrafficSelector], allowed: &[Selector]) -> Vec<TrafficSelector> {
    let mut kept: Vec<TrafficSelector> = Vec::new();
    let parts = offered
        .iter()
        .flat_map(|offer| allowed.iter().filter_map(|Selector(allow)| allow.intersect(offer)));
    for part in parts {
        if kept.contains(&part) {
            continue;
        }
        kept.push(part);
        if kept.len() == MAX_SELECTORS {
            break;
        }
    }
    kept
}

fn ranges(selectors: &[TrafficSelector]) -> String {
    let shown: Vec<_> = selectors.iter().take(8).map(ToString::to_string).collect();
    let more = if selectors.len() > shown.len() { " and more" } else { "" };
    format!("{}{more}", shown.join(", "))
}

fn texts(selectors: &[Selector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Default for TsPolicy {
    /// Everything, in both families.
    fn default() -> Self {
        let any = || vec![Selector(TrafficSelector::any_v4()), Selector(TrafficSelector::any_v6())];
        Self { local: any(), remote: any(), mode: TsMode::Narrow }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Selector {
    type Err = NoSelector;

    fn from_str(text: &str) -> Result<Self, NoSelector> {
        read(text).map(Self).ok_or_else(|| NoSelector(text.to_owned()))
    }
}

impl Serialize for Selector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Selector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn read(text: &str) -> Option<TrafficSelector> {
    let (addresses, ports) = match text.split_once('[') {
        Some((addresses, rest)) => (addresses, Some(rest.strip_suffix(']')?)),
        None => (text, None),
    };
    let selector = if let Some((address, length)) = addresses.split_once('/') {
        let (address, length): (IpAddr, u8) = (address.parse().ok()?, length.parse().ok()?);
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return None;
        }
        TrafficSelector::subnet(address, length)
    } else if let Some((first, last)) = addresses.split_once('-') {
        TrafficSelector::range(first.parse().ok()?, last.parse().ok()?)
    } else {
        TrafficSelector::host(addresses.parse().ok()?)
    };
    let selector = match ports {
        None => selector,
        Some(ports) => with_ports(selector, ports)?,
    };
    (!selector.is_empty()).then_some(selector)
}

fn with_ports(selector: TrafficSelector, text: &str) -> Option<TrafficSelector> {
    let (protocol, ports) = match text.split_once('/') {
        Some((protocol, ports)) => (protocol, Some(ports)),
        None => (text, None),
    };
    let protocol = match protocol {
        "any" => 0,
        "icmp" => 1,
        "tcp" => 6,
        "udp" => 17,
        "icmpv6" => 58,
        number => number.parse().ok()?,
    };
    let (first, last) = match ports {
        None => (0, u16::MAX),
        Some(ports) => match ports.split_once('-') {
            Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
            None => {
                let port = ports.parse().ok()?;
                (port, port)
            }
        },
    };
    Some(selector.with_ports(protocol, first, last))
}
