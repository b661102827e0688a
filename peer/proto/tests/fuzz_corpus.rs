//! Replays the corpora of the fuzz targets, so that what fuzzing found stays found on stable.

use std::fs;
use std::path::{Path, PathBuf};

use ikeproof_proto::testing::fuzz;

#[path = "support/seeds.rs"]
mod seeds;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

/// Every input of a corpus, in order of their names.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let listed = fs::read_dir(corpus(target)).expect("the corpus is in the tree");
    let mut inputs: Vec<_> = listed
        .map(|entry| {
            let path = entry.expect("the corpus can be listed").path();
            (path.display().to_string(), fs::read(&path).expect("the corpus can be read"))
        })
        .collect();
    inputs.sort();
    inputs
}

/// Every message of a corpus, and every cut of each: a corpus of whole messages would not show a missing
/// check of a bound.
fn replay_messages(target: &str, check: fn(&[u8])) {
    let messages = inputs(target);
    for (_, datagram) in &messages {
        for length in 0..=datagram.len() {
            check(&datagram[..length]);
        }
        // And every cut whose header says so, which gets further.
        for length in 28..=datagram.len() {
            let mut cut = datagram[..length].to_vec();
            cut[24..28].copy_from_slice(&u32::try_from(length).expect("small").to_be_bytes());
            check(&cut);
        }
    }
    assert!(messages.len() >= 10, "only {} messages in the corpus", messages.len());
}

#[test]
fn the_corpus_of_messages_holds_all_invariants() {
    replay_messages("message", fuzz::message);
}

#[test]
fn the_corpus_of_ikev1_messages_holds_all_invariants() {
    replay_messages("message_v1", fuzz::message_v1);
    // What is made for one version is a datagram for the other, too.
    for (_, datagram) in inputs("message").into_iter().chain(inputs("message_v1")) {
        fuzz::message(&datagram);
        fuzz::message_v1(&datagram);
    }
}

#[test]
fn the_corpus_of_sessions_holds_all_invariants() {
    for (name, input) in inputs("responder_exchange") {
        println!("{name}");
        fuzz::responder_exchange(&input);
    }
}

#[test]
fn the_corpus_of_ikev1_sessions_holds_all_invariants() {
    for (name, input) in inputs("isakmp_exchange") {
        println!("{name}");
        fuzz::isakmp_exchange(&input);
    }
}

#[test]
fn the_corpus_of_esp_holds_all_invariants() {
    for (name, input) in inputs("esp") {
        println!("{name}");
        // And cuts of it: after the end of a script every decision is zero.
        for length in (0..=input.len()).rev().step_by(9) {
            fuzz::esp(&input[..length]);
        }
    }
}

#[test]
fn the_seeds_in_the_tree_are_those_that_are_made() {
    for (target, seeds) in seeds::all() {
        assert!(seeds.len() >= 10, "{target}");
        for seed in seeds {
            let there = fs::read(corpus(target).join(&seed.name)).unwrap_or_default();
            assert!(there == seed.input, "{target}/{}: run the example fuzz_seeds", seed.name);
        }
    }
}
