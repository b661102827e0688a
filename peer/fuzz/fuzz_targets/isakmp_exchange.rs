//! An edge and IKEv1: strangers, and a peer that errs in main, aggressive and quick mode.
#![no_main]

use ikeproof_proto::testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| fuzz::isakmp_exchange(script));
