//! The numbers of IANA's IKEv2 registries as types.
//!
//! Each registry is a newtype made by the macro `registry!`: the known numbers are constants, every
//! other number survives decoding and encoding and prints as hex. Nothing in here decides whether
//! a number is acceptable; that is for the states and the policy.

mod algorithms;
mod notify;
mod payload;

pub use algorithms::{EncrId, EsnId, GroupId, IntegId, PrfId, TransformType};
pub use notify::NotifyType;
pub use payload::{
    AuthMethod, CertEncoding, CfgAttr, CfgType, ExchangeType, IdType, PayloadType, ProtocolId,
    TsType,
};

/// Declares newtypes over a registry's integer, with a constant and a name per known number.
///
/// `Display` and `Debug` print the registry's name, or hex where the number is unknown.
macro_rules! registry {
    ($(
        $(#[$meta:meta])*
        $registry:ident($int:ty) {
            $($constant:ident = $value:literal $name:literal,)+
        }
    )+) => {$(
        $(#[$meta])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
        )]
        #[serde(transparent)]
        pub struct $registry(pub $int);

        impl $registry {
            $(
                #[doc = concat!("`", $name, "`, number ", stringify!($value), ".")]
                pub const $constant: Self = Self($value);
            )+

            /// The numbers that have a name here, in the order of the registry.
            pub const KNOWN: &'static [Self] = &[$(Self::$constant),+];

            /// The registry's name of the number, if it is known.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($name),)+
                    _ => None,
                }
            }
        }

        impl core::fmt::Display for $registry {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self.name() {
                    Some(name) => f.pad(name),
                    None => write!(f, "{:#0width$x}", self.0, width = 2 + 2 * size_of::<$int>()),
                }
            }
        }

        impl core::fmt::Debug for $registry {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                core::fmt::Display::fmt(self, f)
            }
        }

        impl From<$int> for $registry {
            fn from(number: $int) -> Self {
                Self(number)
            }
        }

        impl From<$registry> for $int {
            fn from(number: $registry) -> Self {
                number.0
            }
        }
    )+};
}
pub(crate) use registry;

#[cfg(test)]
mod tests;
