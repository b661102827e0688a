//! Stable names of transforms: one table a type, from which `Display`, `FromStr` and serde come.

/// A name that no transform of the kind has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {kind} `{name}`")]
pub struct UnknownName {
    /// The kind of transform that was looked for.
    pub kind: &'static str,
    /// The name that was given.
    pub name: String,
}

/// A suite that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownSuite {
    /// A word of the suite names nothing that may stand there.
    #[error("`{word}` has no place in the suite `{suite}`")]
    Word {
        /// The word.
        word: String,
        /// The whole suite as it was given.
        suite: String,
    },
    /// The suite lacks a transform.
    #[error("the suite `{suite}` lacks {missing}")]
    Missing {
        /// What it lacks.
        missing: &'static str,
        /// The whole suite as it was given.
        suite: String,
    },
}

/// `Display` and `FromStr` by the table `NAMES: [(Self, &str)]` of the type, serde by both.
macro_rules! named {
    ($type:ty, $kind:literal) => {
        impl $type {
            /// The stable name.
            pub fn name(self) -> &'static str {
                Self::NAMES.iter().find(|(value, _)| *value == self).map_or("?", |(_, name)| name)
            }

            /// All values there are, in the order of the table.
            pub fn all() -> impl Iterator<Item = Self> {
                Self::NAMES.iter().map(|(value, _)| *value)
            }
        }

        impl core::fmt::Display for $type {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.pad(self.name())
            }
        }

        impl core::str::FromStr for $type {
            type Err = $crate::crypto::suite::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::NAMES
                    .iter()
                    .find(|(_, known)| *known == name)
                    .map(|(value, _)| *value)
                    .ok_or_else(|| Self::Err { kind: $kind, name: name.to_owned() })
            }
        }

        $crate::crypto::suite::name::serde_by_name!($type);
    };
}

/// Serde by `Display` and `FromStr`.
macro_rules! serde_by_name {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(super) use {named, serde_by_name};
