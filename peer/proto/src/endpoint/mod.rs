//! The endpoint: many IKE SAs of both roles behind one pair of UDP sockets.

mod addresses;
pub(crate) mod context;
mod cookie;
#[cfg(any(test, feature = "testing"))]
mod footprint;
mod ikev1;
mod limits;
pub(crate) mod liveness;
pub(crate) mod pair;
pub(crate) mod peers;
mod schedule;
mod table;
pub(crate) mod tunnels;

#[cfg(any(test, feature = "testing"))]
pub use footprint::Footprint;
pub use table::{Endpoint, SaClock};
