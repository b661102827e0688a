//! The requirements of IKEv1.

mod config;
mod dpd;
mod exchange;
mod header;
mod natt;
mod offer;

pub(crate) use config::*;
pub(crate) use dpd::*;
pub(crate) use exchange::*;
pub(crate) use header::*;
pub(crate) use natt::*;
pub(crate) use offer::*;

/// All groups.
pub(super) const GROUPS: [&[&super::Rule]; 6] =
    [V1_HEADER, V1_OFFER, V1_EXCHANGE, V1_DPD, V1_NATT, V1_CONFIG];
