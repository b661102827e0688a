//! The seeds of every fuzz target that has some, with the recorded sessions of the tree.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;

use ikeproof_proto::testing::fuzz::{
    Seed, esp_seeds, isakmp_exchange_seeds, message_v1_seeds, responder_exchange_seeds,
};
use ikeproof_proto::transcript::Transcript;

/// The name of each target and its seeds.
pub fn all() -> [(&'static str, Vec<Seed>); 4] {
    let recorded = transcripts();
    [
        ("responder_exchange", responder_exchange_seeds(&recorded)),
        ("isakmp_exchange", isakmp_exchange_seeds(&recorded)),
        ("message_v1", message_v1_seeds()),
        ("esp", esp_seeds(&recorded)),
    ]
}

/// The recorded sessions with real peers, named after peer and file.
fn transcripts() -> Vec<(String, Transcript)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios/transcripts");
    let mut found = Vec::new();
    for peer in fs::read_dir(root).expect("the recorded sessions are in the tree") {
        let peer = peer.expect("they can be listed").path();
        for session in fs::read_dir(&peer).expect("a folder for each peer") {
            let path = session.expect("it can be listed").path();
            let file = File::open(&path).expect("a session can be read");
            let transcript = Transcript::read(BufReader::new(file)).expect("it is a transcript");
            let name = |path: &Path| path.file_stem().expect("a name").display().to_string();
            let peer = peer.file_name().expect("a name").display().to_string();
            found.push((format!("{peer}-{}", name(&path)), transcript));
        }
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}
