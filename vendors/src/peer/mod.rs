//! The contract every tested peer fulfils, and the vendor-neutral words it is spoken in.

mod config;
mod contract;
mod proposal;
mod state;
mod traffic;
mod words;

pub use config::*;
pub use contract::*;
pub use proposal::*;
pub use state::*;
pub use traffic::*;
pub(crate) use words::in_words_of_suites;
