//! What the router part of the edge does to inner packets, as a value.
//!
//! A limit is written as a number or as `"off"`, so that a scenario's control reads as what it is.

use core::fmt;

use serde::{Deserialize, Serialize};

use super::mss::MssLimits;

/// How the edge forwards inner packets. The default is what the edge does in production.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForwardConfig {
    /// Largest inner packet that enters the tunnel; `None` (`"off"`) lets any size pass.
    #[serde(with = "limit")]
    pub mtu: Option<u16>,
    /// Largest MSS left in an IPv4 SYN, both ways; `None` (`"off"`) rewrites nothing.
    #[serde(with = "limit")]
    pub mss_v4: Option<u16>,
    /// Largest MSS left in an IPv6 SYN, both ways; `None` (`"off"`) rewrites nothing.
    #[serde(with = "limit")]
    pub mss_v6: Option<u16>,
    /// Whether TTL or hop limit is decremented; off, since the inner hosts sit on the edge itself.
    pub decrement_ttl: bool,
}

impl ForwardConfig {
    /// The configuration that changes nothing: the control of every check of this module.
    pub const TRANSPARENT: Self =
        Self { mtu: None, mss_v4: None, mss_v6: None, decrement_ttl: false };

    /// The MSS limits of both IP versions.
    pub const fn mss_limits(&self) -> MssLimits {
        MssLimits { v4: self.mss_v4, v6: self.mss_v6 }
    }
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self { mtu: Some(1400), mss_v4: Some(1360), mss_v6: Some(1340), decrement_ttl: false }
    }
}

/// Serde of a limit: a number, or the word `off`.
mod limit {
    use super::fmt;
    use serde::de::{Error, Unexpected, Visitor};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde(with) calls")]
    pub(super) fn serialize<S: Serializer>(value: &Option<u16>, s: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(limit) => s.serialize_u16(*limit),
            None => s.serialize_str("off"),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u16>, D::Error> {
        d.deserialize_any(LimitVisitor)
    }

    struct LimitVisitor;

    impl Visitor<'_> for LimitVisitor {
        type Value = Option<u16>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of octets from 1 to 65535, or \"off\"")
        }

        fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
            match u16::try_from(value) {
                Ok(limit) if limit > 0 => Ok(Some(limit)),
                _ => Err(E::invalid_value(Unexpected::Unsigned(value), &self)),
            }
        }

        fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
            match u64::try_from(value) {
                Ok(value) => self.visit_u64(value),
                Err(_) => Err(E::invalid_value(Unexpected::Signed(value), &self)),
            }
        }

        fn visit_str<E: Error>(self, value: &str) -> Result<Self::Value, E> {
            match value {
                "off" => Ok(None),
                _ => Err(E::invalid_value(Unexpected::Str(value), &self)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_or_off() {
        let config: ForwardConfig = serde_json::from_str(r#"{"mtu":"off","mss_v4":1300}"#).unwrap();
        assert_eq!(config.mtu, None);
        assert_eq!(config.mss_v4, Some(1300));
        assert_eq!(config.mss_v6, Some(1340));
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ForwardConfig>(&text).unwrap(), config);
        for wrong in [r#"{"mtu":0}"#, r#"{"mtu":70000}"#, r#"{"mtu":-1}"#, r#"{"mtu":"no"}"#] {
            assert!(serde_json::from_str::<ForwardConfig>(wrong).is_err(), "{wrong}");
        }
    }
}
