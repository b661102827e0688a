//! The endpoint: many IKE SAs of both roles behind one pair of UDP sockets.

pub(crate) mod context;
mod cookie;
#[cfg(any(test, feature = "testing"))]
mod footprint;
mod ikev1;
mod limits;
pub(crate) mod pair;
mod schedule;
mod table;

#[cfg(any(test, feature = "testing"))]
pub use footprint::Footprint;
pub use table::{Endpoint, SaClock};
