//! Expected failures: what is known to fail with which peer, in which versions, why, and until when.
//!
//! A file of entries is read and checked like every other file of the package. The runner asks it about
//! each case that was judged: a failure that an entry covers is `expected-fail`, a pass that one covers
//! is `unexpected-pass`. What is wrong with the entries themselves (past their day, or about nothing)
//! becomes a finding of the gate, so that the file stays true.

mod entry;
mod judge;
mod version;

pub use entry::{Entry, ExpectedFailures};
pub use version::{Dotted, Versions};
