//! Replays the corpora of the fuzz targets, so that what fuzzing found stays found on stable.

use std::fs;
use std::path::Path;

#[path = "support/message.rs"]
mod message;

#[test]
fn the_corpus_of_messages_holds_all_invariants() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/message");
    let mut count = 0;
    for entry in fs::read_dir(corpus).expect("the corpus is in the tree") {
        let path = entry.expect("the corpus can be listed").path();
        let datagram = fs::read(&path).expect("the corpus can be read");
        // Every cut, too: a corpus of whole messages would not show a missing check of a bound.
        for length in 0..=datagram.len() {
            message::check(&datagram[..length]);
        }
        // And every cut whose header says so, which gets further.
        for length in 28..=datagram.len() {
            let mut cut = datagram[..length].to_vec();
            cut[24..28].copy_from_slice(&u32::try_from(length).expect("small").to_be_bytes());
            message::check(&cut);
        }
        count += 1;
    }
    assert!(count >= 10, "only {count} messages in the corpus");
}
