//! The bodies of the fuzz targets in `peer/fuzz`: what has to hold for every input.
//!
//! They are here and not beside the targets so that `cargo test` replays every corpus on stable:
//! see `peer/proto/tests/fuzz_corpus.rs`. An input is read as a script: a few octets decide what is
//! done next, and after the end of the input every decision is the first one. A broken invariant is
//! a panic.

mod esp;
mod isakmp_exchange;
mod isakmp_ways;
mod message;
mod message_v1;
mod pair;
mod responder_exchange;
mod script;
mod seeds;
mod seeds_v1;
mod stranger;

pub use esp::check as esp;
pub use isakmp_exchange::check as isakmp_exchange;
pub use message::check as message;
pub use message_v1::check as message_v1;
pub use responder_exchange::check as responder_exchange;
pub use seeds::{Seed, esp_seeds, responder_exchange_seeds};
pub use seeds_v1::{isakmp_exchange_seeds, message_v1_seeds};
