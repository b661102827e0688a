//! `ikeproof bench`: throughput as ratios inside one run, so that a busy machine does not decide.
//!
//! [`rounds`] lets two contestants take turns and compares them, [`esp`] is the data plane against
//! the bare cipher, [`report`] says what came of it.

mod command;
mod esp;
mod report;
mod rounds;

pub use command::run;
