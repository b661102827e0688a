//! Edge profiles: files that say what an edge offers, accepts and refuses, and why.
//!
//! A file holds the statements of the edge's document (`[[fact]]`), the places where they leave room
//! (`[[reading]]`), named ways to read the whole (`[bundle]`), and the policy that the core goes by
//! (`[profile]`). Loading checks that the four agree. Other edges are more files of this form.

mod load;
mod table;
#[cfg(test)]
mod tests;

pub use load::{BUILTIN, Fact, LoadError, ProfileFile, ReadingDoc, Scope, load};
pub use table::{Cell, Table, TableRow};
