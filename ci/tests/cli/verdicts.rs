//! What the verdicts of a run rest on.

use std::fs;
use std::path::Path;
use std::process::Output;

use rstest::rstest;

use crate::support::ikeproof;

fn run(arguments: &[&str], out: &Path) -> (Option<i32>, String) {
    let all = [&["run", "--peer", "embedded", "--out", out.to_str().unwrap()], arguments].concat();
    let Output { status, stdout, stderr } = ikeproof(&all).output().unwrap();
    (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
}

/// The files of that name in a folder and all below it, as one text.
fn text_of(folder: &Path, name: &str) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            text.push_str(&text_of(&entry.path(), name));
        } else if entry.file_name() == name {
            text.push_str(&fs::read_to_string(entry.path()).unwrap());
        }
    }
    text
}

#[test]
fn a_session_with_much_traffic_is_audited_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (code, said) = run(&["edge/mss [peer]"], folder.path());
    assert_eq!(code, Some(0), "{said}");
    let timeline = text_of(folder.path(), "timeline.txt");
    assert!(timeline.contains("INFORMATIONAL response"), "{timeline}");
}

#[rstest]
#[case::no_tunnel("traffic = { from = \"edge\", ping = 1, must_fail = true }", "never a tunnel")]
#[case::no_transfer(
    "traffic = { from = \"edge\", tcp = { bytes = \"1KiB\" }, must_fail = true }",
    "never a tunnel"
)]
#[case::no_packet("expect = { on_wire = { udp_encap = false } }", "no packet of ESP or AH")]
#[case::no_message(
    "expect = { on_wire = { ike_fragments = { peer = false } } }",
    "no message of IKE was seen"
)]
fn what_nobody_could_see_does_not_hold(#[case] step: &str, #[case] says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let scenarios = folder.path().join("scenarios");
    fs::create_dir(&scenarios).unwrap();
    let text = format!(
        "id = \"mine\"\ntitle = \"Nothing happens\"\ncovers = [\"F01\"]\n[[step]]\nadvance = \"1s\"\n[[step]]\n{step}\n"
    );
    fs::write(scenarios.join("mine.toml"), text).unwrap();
    let arguments = ["--scenarios", scenarios.to_str().unwrap(), "mine [peer]"];
    let (code, said) = run(&arguments, &folder.path().join("out"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(says), "{said}");
}
