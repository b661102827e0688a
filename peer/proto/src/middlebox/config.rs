//! What the middlebox does, as a value that can be written in a scenario and into a transcript.

use core::net::IpAddr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::rules::Rule;

/// Everything about one middlebox. The default passes everything on at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MiddleboxConfig {
    /// Seed of every random decision of this flow.
    pub seed: u64,
    /// Datagrams from the edge to the peer.
    pub to_peer: DirectionConfig,
    /// Datagrams from the peer to the edge.
    pub to_edge: DirectionConfig,
    /// Address translation, if there is any.
    pub nat: Option<NatConfig>,
    /// Scripted steps that are there from the start.
    pub rules: Vec<Rule>,
}

/// One direction: IKE and data are impaired separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DirectionConfig {
    /// IKE messages and keepalives.
    pub ike: Impairment,
    /// ESP and AH, in UDP or not.
    pub data: Impairment,
}

/// What happens to datagrams of one class and direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Impairment {
    /// Chance that a datagram is lost.
    pub loss: Chance,
    /// Chance that a datagram comes twice; the second follows after `duplicate_after_ms`.
    pub duplicate: Chance,
    /// Distance of the second one.
    pub duplicate_after_ms: u32,
    /// Chance that a datagram is held back by `reorder_by_ms`, so that later ones pass it.
    pub reorder: Chance,
    /// How long a reordered datagram is held back.
    pub reorder_by_ms: u32,
    /// Delay of every datagram.
    pub delay_ms: u32,
    /// Up to this much more, drawn for each datagram.
    pub jitter_ms: u32,
}

/// A probability in millionths, written as a number from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Chance(u32);

impl Chance {
    /// Never.
    pub const NEVER: Self = Self(0);
    /// Always.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many in a thousand, at most 1000.
    pub const fn per_mille(value: u16) -> Self {
        Self(if value > 1000 { 1_000_000 } else { value as u32 * 1000 })
    }

    /// Whether it is [`Self::ALWAYS`].
    pub const fn is_certain(self) -> bool {
        self.0 == 1_000_000
    }

    /// Whether an evenly distributed number falls within this chance.
    pub(super) const fn covers(self, random: u64) -> bool {
        random % 1_000_000 < self.0 as u64
    }
}

impl Serialize for Chance {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_f64(f64::from(self.0) / 1e6)
    }
}

impl<'de> Deserialize<'de> for Chance {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = f64::deserialize(d)?;
        if !(0.0..=1.0).contains(&value) {
            let text = "a chance is a number from 0 to 1";
            return Err(serde::de::Error::custom(text));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1e6 after the check above"
        )]
        Ok(Self((value * 1e6).round() as u32))
    }
}

/// Address translation in front of one of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatConfig {
    /// Who is behind it.
    pub side: NatSide,
    /// The address that the other side sees.
    pub public: IpAddr,
    /// First and last public port; without it ports stay as they are where they are free.
    #[serde(default)]
    pub ports: Option<(u16, u16)>,
    /// A mapping that saw no traffic for so long is forgotten; without it mappings stay.
    #[serde(default)]
    pub idle_timeout_ms: Option<u32>,
    /// What becomes of ESP and AH without UDP.
    #[serde(default)]
    pub raw: RawNat,
}

/// Which side is behind a NAT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NatSide {
    /// The peer: the edge sees another remote address.
    Peer,
    /// The edge: its endpoint knows another local address than the wire.
    Edge,
}

/// What a NAT does with ESP and AH that come without UDP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RawNat {
    /// Nothing passes: they have no ports to translate.
    #[default]
    Drop,
    /// The address alone is translated, as "IPsec pass-through" does for a single host.
    Address,
}
