//! `serve` in front of a scanner that nobody here wrote: ike-scan finds the parameter table and no more.

use std::process::Command;

use crate::support::{REQUIRE_TOOLS, Server, skip};

/// What ike-scan says to one offer of phase 1, in its own numbers: cipher, hash, authentication, group.
fn scan(port: u16, more: &[&str]) -> String {
    let output = Command::new("ike-scan")
        .args(["--sport=0", &format!("--dport={port}"), "--retry=3", "--timeout=2000"])
        .args(more)
        .arg("127.0.0.1")
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_scanner_finds_the_table_of_phase_1_and_no_more() {
    if Command::new("ike-scan").arg("--version").output().is_err() {
        return skip("a_scanner_finds_the_table", "ike-scan is not installed", REQUIRE_TOOLS);
    }
    let mut server = Server::start(&["--ikev1", "--psk", "ip:127.0.0.1=secret"]);
    let (port, _) = server.ports();
    let mut found = Vec::new();
    // DES, 3DES, AES; MD5, SHA-1, SHA-256; groups 1, 2, 5 and 14.
    for cipher in ["1", "5", "7/128", "7/192", "7/256"] {
        for hash in ["1", "2", "4"] {
            for group in ["1", "2", "5", "14"] {
                let transform = format!("{cipher},{hash},1,{group}");
                let said = scan(port, &[&format!("--trans={transform}")]);
                if said.contains("Main Mode Handshake returned") {
                    found.push(transform);
                } else {
                    assert!(said.contains("(NO-PROPOSAL-CHOSEN)"), "{transform}: {said}");
                }
            }
        }
    }
    assert_eq!(found, ["5,2,1,2", "7/128,2,1,2", "7/192,2,1,2", "7/256,2,1,2"]);

    let aggressive = ["--aggressive", "--trans=7/128,2,1,2", "--dhgroup=2", "--idtype=2"];
    let known = scan(port, &[&aggressive[..], &["--id=client.example.com"]].concat());
    assert!(known.contains("Aggressive Mode Handshake returned"), "{known}");
    assert!(known.contains("Hash(20 bytes)"), "{known}");
    // Nobody logs in here, so XAUTH is no way to authenticate.
    let login = scan(port, &["--trans=7/128,2,65001,2"]);
    assert!(login.contains("(NO-PROPOSAL-CHOSEN)"), "{login}");
}
