//! Two edges back to back under a virtual clock, for the tests of this and other packages.

#![expect(clippy::expect_used, reason = "a test that is set up wrongly has to end")]

mod certificates;
pub mod fuzz;
mod pair;
#[cfg(test)]
mod remembering;
#[cfg(test)]
pub(crate) mod session;
mod setup;

pub use certificates::certificates;
pub use pair::{Flight, Node, Pair, Side};
pub use setup::{connection, credential, endpoint_config, remote_access, user};
