//! Octets of a datagram through both levels of `wire` as a message of IKEv1.
#![no_main]

use ikeproof_proto::testing::fuzz;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|datagram: &[u8]| fuzz::message_v1(datagram));
