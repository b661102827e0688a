//! The bodies of the fuzz targets in `peer/fuzz`: what has to hold for every input.
//!
//! They are here and not beside the targets so that `cargo test` replays every corpus on stable:
//! see `peer/proto/tests/fuzz_corpus.rs`. An input is read as a script: a few octets decide what is
//! done next, and after the end of the input every decision is the first one. A broken invariant is
//! a panic.

mod esp;
mod message;
mod pair;
mod responder_exchange;
mod script;
mod seeds;
mod stranger;

pub use esp::check as esp;
pub use message::check as message;
pub use responder_exchange::check as responder_exchange;
pub use seeds::{Seed, esp_seeds, responder_exchange_seeds};
