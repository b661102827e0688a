//! An edge as the responder, against strangers and against a peer that errs.
#![no_main]

use ikeproof_proto::testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| fuzz::responder_exchange(script));
