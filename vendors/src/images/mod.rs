//! The images of peers and helpers: embedded build contexts, the base image, and building.
//!
//! [`ensure`] and [`prune`] are `ikeproof images build` as functions. A tag contains a hash of
//! everything of ours that goes into the image, and the id of the base, so an unchanged image is found
//! and a changed one is built anew.

mod apt;
mod base;
mod build;
mod context;
mod prune;
mod tags;

pub use base::{BASE_NAMES, Base, base_present};
pub use build::{Event, Progress, ensure, missing};
pub use context::Image;
pub use prune::prune;
pub use tags::Tags;
