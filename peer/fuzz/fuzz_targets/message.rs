//! Octets of a datagram through both levels of `wire`.
//!
//! `cargo +nightly fuzz run message` from `peer/`. What this finds goes into `corpus/message`, which
//! `peer/proto/tests/fuzz_corpus.rs` replays on stable with the same checks.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../proto/tests/support/message.rs"]
mod message;

fuzz_target!(|datagram: &[u8]| message::check(datagram));
