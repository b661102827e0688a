//! The endpoint: many IKE SAs of both roles behind one pair of UDP sockets.

pub(crate) mod context;
mod cookie;
mod limits;
mod table;

pub use table::{Endpoint, SaClock};
