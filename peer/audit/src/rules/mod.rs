//! The requirements that the auditor judges, as a table.
//!
//! Each has the id, key word and sentence of the catalogue, and the name of a mutant: an edit of an
//! honest session that makes this finding appear, while the honest session gives none. The tests
//! go through the whole table; a rule without a mutant fails them.

mod ah;
mod content;
mod declare;
mod esp;
mod exchange;
mod table;
mod v1;
mod wire;

pub(crate) use ah::*;
pub(crate) use content::*;
use declare::rules;
pub(crate) use esp::*;
pub(crate) use exchange::*;
pub(crate) use table::of_presence;
pub use table::{IKEV1, RULES, Rule, by_id};
pub(crate) use v1::*;
pub(crate) use wire::*;
