//! What all TOML files of this package have in common: reading them with every error at once, each
//! with file, line, column and the nearest word that would be valid.
//!
//! A file is parsed into a tree that knows its positions; parts of it are deserialised one by one,
//! so that one wrong part does not hide the next.

mod nearest;
mod problem;
mod read;

pub use nearest::nearest;
pub use problem::{FileErrors, Problem};
pub(crate) use read::{Document, Tree, problem_of, read, remove, replace_placeholders};
