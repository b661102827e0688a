//! What of the catalogue is covered: which rule of the auditor judges it and by which mutant that is
//! proved, which scenarios show it, and what nothing here would show to be broken, and why.

mod entry;
mod page;
mod uncovered;

pub use entry::{Entry, Thing};
pub use page::markdown;
pub use uncovered::{Group, Uncovered};
