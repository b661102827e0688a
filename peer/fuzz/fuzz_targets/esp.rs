//! ESP packets of any kind through the data plane, beside a model.
#![no_main]

use ikeproof_proto::testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| fuzz::esp(script));
