//! The command line's manners: help, versions, and exit statuses that scripts rely on.

use crate::support::ikeproof;
use rstest::rstest;

#[rstest]
#[case(&["--help"])]
#[case(&["run", "--help"])]
#[case(&["list", "--help"])]
#[case(&["explain", "--help"])]
#[case(&["serve", "--help"])]
#[case(&["gate", "--help"])]
#[case(&["replay", "--help"])]
#[case(&["decode", "--help"])]
#[case(&["bench", "--help"])]
#[case(&["doctor", "--help"])]
#[case(&["images", "build", "--help"])]
fn every_command_has_help(#[case] arguments: &[&str]) {
    let output = ikeproof(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("Usage: ikeproof"), "{text}");
}

#[rstest]
#[case(&["--no-such-option"], "--no-such-option")]
#[case(&["serv"], "serve")]
#[case(&["serve", "--psk", "a=b"], "--listen")]
#[case(&["serve", "--listen", "nowhere", "--psk", "a=b"], "nowhere")]
#[case(&["run", "--shard", "3/2"], "1/4")]
#[case(&["run", "--jobs", "0"], "--jobs")]
#[case(&["run", "--repeat", "0"], "--repeat")]
#[case(&["bench", "--rounds", "many"], "many")]
#[case(&[], "Usage")]
fn a_wrong_command_line_ends_with_2(#[case] arguments: &[&str], #[case] named: &str) {
    let output = ikeproof(arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(named), "{said}");
}
