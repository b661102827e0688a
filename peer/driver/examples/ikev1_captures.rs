//! Writes captures of IKEv1 sessions in memory, with their keys, for the comparison with tshark.
//!
//! `cargo run -p ikeproof-driver --example ikev1_captures -- FOLDER`
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a tool for the tree")]

use std::path::PathBuf;

#[path = "../tests/support/ikev1.rs"]
mod ikev1;

fn main() {
    let folder = PathBuf::from(std::env::args_os().nth(1).expect("a folder"));
    for session in ikev1::SESSIONS {
        let folder = folder.join(session.name);
        let tables = folder.join("wireshark");
        std::fs::create_dir_all(&tables).unwrap();
        let frames = session.write(&folder.join("capture.pcapng"), &tables);
        println!("{}: {frames} frames", folder.display());
    }
}
