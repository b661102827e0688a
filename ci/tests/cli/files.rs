//! Commands that read files: `decode`, `replay`, and the lists of what there is.

use std::path::{Path, PathBuf};
use std::process::Output;

use ikeproof_proto::event::Event;
use ikeproof_proto::io::Command;
use nix::sys::signal::Signal;

use crate::client::{SUITE, connection, recording_client};
use crate::support::{LONG, REQUIRE_TOOLS, Server, ikeproof, skip};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } = ikeproof(arguments).output().unwrap();
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).unwrap())
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What a session leaves: the client's transcript, and the capture and keys of `serve`.
struct Session {
    folder: tempfile::TempDir,
    ports: (u16, u16),
}

impl Session {
    async fn record() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (pcap, keys) = (folder.path().join("serve.pcapng"), folder.path().join("keys"));
        let mut server = Server::start(&["--pcap", path(&pcap), "--keys", path(&keys)]);
        let ports = server.ports();
        let (node, local, nat) = recording_client(1 << 20);
        let asked = connection(local, nat, ports, SUITE, "secret");
        node.command(Command::Initiate(Box::new(asked)));
        let up = node.wait(LONG, |log| {
            log.events.iter().find_map(|(_, event)| match event {
                Event::ChildEstablished(child) => Some(child.ike),
                _ => None,
            })
        });
        let ike = up.await.unwrap();
        node.command(Command::DeleteIke { ike });
        server.event("closed");
        let closed = node.wait(LONG, |log| {
            let is = |event: &Event| matches!(event, Event::IkeClosed { .. });
            log.events.iter().any(|(_, event)| is(event)).then_some(())
        });
        closed.await.unwrap();
        server.signal(Signal::SIGTERM);
        server.end();
        let (transcript, _) = node.stop().await;
        let file = std::fs::File::create(folder.path().join("session.jsonl")).unwrap();
        transcript.unwrap().write(file).unwrap();
        Self { folder, ports }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_serve_is_decoded_with_its_keys_and_not_without() {
    let session = Session::record().await;
    let (pcap, keys) = (session.file("serve.pcapng"), session.file("keys"));
    let (port, nat_port) = (session.ports.0.to_string(), session.ports.1.to_string());
    let capture = ["decode", path(&pcap), "--port", &port, "--nat-port", &nat_port];
    let (code, said) = run(&[&capture[..], &["--keys", path(&keys)]].concat());
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("peer → edge  IKE_SA_INIT request 0"), "{said}");
    assert!(said.contains("INFORMATIONAL request"), "{said}");
    assert!(!said.contains("(no keys)"), "{said}");
    assert!(said.contains(", 0 findings"), "{said}");
    let (code, said) = run(&capture);
    assert_eq!(code, Some(0));
    assert!(said.contains("(no keys)"), "{said}");
    // The ports are those of a laboratory, so without them nothing is found, and that is said.
    let (code, said) = run(&["decode", path(&pcap)]);
    assert_eq!(code, Some(0));
    assert!(said.contains("--nat-port"), "{said}");
    let (code, said) = run(&["decode", path(&pcap), "--keys", path(session.folder.path())]);
    assert_eq!(code, Some(2));
    assert!(said.contains("esp_sa"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_decoded_and_replayed() {
    let session = Session::record().await;
    let file = session.file("session.jsonl");
    let (code, said) = run(&["decode", path(&file), "-v"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("IKE_AUTH response 1") && !said.contains("(no keys)"), "{said}");

    let folder = path(session.folder.path());
    let (code, said) = run(&["replay", folder]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("identical") && said.contains("1 sessions: 1 identical"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_output_is_told_and_blessed_without_touching_inputs() {
    let session = Session::record().await;
    let file = session.file("session.jsonl");
    let was = std::fs::read_to_string(&file).unwrap();
    // The recording says something else than what the core does.
    let edited = was.replacen("\"reason\":\"deleted-by-us\"", "\"reason\":\"expired\"", 1);
    assert_ne!(edited, was);
    std::fs::write(&file, &edited).unwrap();
    let (code, said) = run(&["replay", path(&file)]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("BROKEN"), "{said}");
    assert!(
        said.lines().any(|line| line.contains("- event") && line.contains("expired")),
        "{said}"
    );
    assert!(said.lines().any(|line| line.contains("+ event") && line.contains("deleted-by-us")));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), edited);

    let (code, said) = run(&["replay", path(&file), "--bless"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("blessed") && said.contains("+ event"), "{said}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), was);
    assert_eq!(run(&["replay", path(&file)]).0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_transcript_is_named_with_its_line() {
    let session = Session::record().await;
    let file = session.file("session.jsonl");
    let was = std::fs::read_to_string(&file).unwrap();
    let mut lines: Vec<_> = was.lines().collect();
    lines[2] = "{\"out\":7}";
    std::fs::write(&file, lines.join("\n")).unwrap();
    for arguments in [&["replay", path(&file)][..], &["decode", path(&file)]] {
        let (code, said) = run(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("session.jsonl") && said.contains("line 3"), "{said}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no-capture");
    std::fs::write(&file, "no capture at all").unwrap();
    for (arguments, named) in [
        (&["decode", "/nowhere/x.pcap"][..], "/nowhere/x.pcap"),
        (&["decode", path(&file)], "neither pcap nor pcapng"),
        (&["replay", "/nowhere"], "/nowhere"),
        (&["replay", path(folder.path())], "no transcript"),
        (&["explain", "v2/cokie"], "did you mean `v2/cookie`"),
        (&["list", "edge/nothing*"], "edge/nothing*"),
        (&["list", "--scenarios", "/nowhere"], "/nowhere"),
        (&["bench", "eps"], "esp"),
    ] {
        let (code, said) = run(arguments);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn scenarios_and_requirements_are_listed_and_explained() {
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("v2/cookie ") && said.contains("scenarios,"), "{said}");
    let (code, said) = run(&["list", "--json", "edge/mss*"]);
    assert_eq!(code, Some(0));
    for line in said.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(row["id"].as_str().unwrap().starts_with("edge/mss"), "{row}");
        assert!(row["cases"].is_u64() && row["covers"].is_array());
    }
    let (code, said) = run(&["explain", "v2/cookie"]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("covers:") && said.contains("cases:") && said.contains("[[step]]"),
        "{said}"
    );
    let (code, said) = run(&["explain", "F11"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("shown by:"), "{said}");
}

#[test]
fn scenarios_of_ones_own_are_added_or_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let good = include_str!("../../../scenarios/suites/v2/connect.toml");
    write("mine/first.toml", &good.replace("v2/connect", "mine/first"));
    let folder_path = path(folder.path()).to_owned();
    let (code, said) = run(&["list", "mine/*", "--scenarios", &folder_path]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("mine/first"), "{said}");
    write("mine/second.toml", "title = \"x\"\nneeds = [\"raw-epp\"]\n");
    let (code, said) = run(&["list", "--scenarios", &folder_path]);
    assert_eq!(code, Some(2));
    assert!(said.contains("mine/second.toml") && said.contains("raw-esp"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_of_serve_is_the_same_to_tshark() {
    let session = Session::record().await;
    let (pcap, keys) = (session.file("serve.pcapng"), session.file("keys"));
    let (port, nat_port) = (session.ports.0.to_string(), session.ports.1.to_string());
    let ports = ["--port", &port, "--nat-port", &nat_port];
    let arguments = ["decode", path(&pcap), "--keys", path(&keys), "--against-tshark"];
    let (code, said) = run(&[&arguments[..], &ports].concat());
    if code == Some(3) && said.contains("tshark is not installed") {
        return skip("a_capture_of_serve", &said, REQUIRE_TOOLS);
    }
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("1 captures,") && said.contains(": 0 differences"), "{said}");
    assert!(!said.contains("exception"), "{said}");
}

/// The captures were taken in the peer's namespace, one of them behind the NAT that it is behind.
#[test]
fn nothing_is_found_in_sessions_with_real_peers() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    for (name, datagrams) in [("strongswan-connect", 14), ("libreswan-nat", 18)] {
        let (file, keys) =
            (captures.join(name).join("capture.pcapng"), captures.join(name).join("wireshark"));
        let (code, said) = run(&["decode", path(&file), "--keys", path(&keys)]);
        assert_eq!(code, Some(0), "{said}");
        let wanted = format!("{datagrams} datagrams, 0 findings (0 of MUST or MUST NOT)");
        assert_eq!(said.lines().last(), Some(wanted.as_str()), "{said}");
        assert!(!said.contains("no keys"), "{said}");
    }
}

/// A folder with a program called tshark that says this whatever it is asked.
fn pretended_tshark(says: &str) -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tshark");
    std::fs::write(&file, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn a_difference_ends_with_1_and_a_missing_tshark_with_3() {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let decode = |folder: &Path| {
        let arguments = ["decode", path(&captures), "--against-tshark"];
        let Output { status, stdout, stderr } =
            ikeproof(&arguments).env("PATH", folder).output().unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    };
    // It sees nothing where we see messages.
    let (code, said) = decode(pretended_tshark("<pdml></pdml>").path());
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("frame 1: we see Ike there, tshark sees nothing"), "{said}");
    let count = std::fs::read_dir(&captures).unwrap().count();
    assert!(said.contains(&format!("{count} captures, 0 frames")), "{said}");
    let (code, said) = decode(pretended_tshark("no tree").path());
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = decode(tempfile::tempdir().unwrap().path());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("apt-get install tshark"), "{said}");
}
