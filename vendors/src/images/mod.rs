//! The images of peers and helpers: embedded build contexts, the base image, and building.
//!
//! [`ensure`] is `ikeproof images build` as a function. A tag contains a hash of everything that goes
//! into the image, so an unchanged one is found and a changed one is built anew.

mod apt;
mod base;
mod build;
mod context;

pub use base::{BASE_NAMES, base_present};
pub use build::{Event, Progress, ensure, missing};
pub use context::Image;
