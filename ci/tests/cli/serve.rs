//! `serve` as a user meets it: the options, the events, a client of our own over real sockets.

use std::net::{IpAddr, SocketAddr};

use ikeproof_driver::inner::PingRequest;
use ikeproof_driver::node::{LogLimit, Node};
use ikeproof_driver::wire::Wire;
use ikeproof_proto::config::{Connection, Ikev1Options};
use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::event::Event;
use ikeproof_proto::io::Command;
use ikeproof_proto::policy::{ChildOffer, Ikev1Mode, XauthUser};
use ikeproof_proto::sa::TunnelId;
use ikeproof_proto::wire::v2::Id;
use nix::sys::signal::Signal;
use rstest::rstest;

use crate::client::{CLIENT, SUITE, client, connection, node_config};
use crate::support::{LONG, Server, ikeproof};

fn initiate(connection: Connection) -> Command {
    Command::Initiate(Box::new(connection))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_connects_pings_and_leaves() {
    let folder = tempfile::tempdir().unwrap();
    let (pcap, keys) = (folder.path().join("serve.pcapng"), folder.path().join("keys"));
    let options = ["--pcap", pcap.to_str().unwrap(), "--keys", keys.to_str().unwrap()];
    let mut server = Server::start(&options);
    let (node, local, nat) = client();
    node.command(initiate(connection(local, nat, server.ports(), SUITE, "secret")));
    let child = node
        .wait(LONG, |log| {
            log.events.iter().find_map(|(_, event)| match event {
                Event::ChildEstablished(child) => Some(child.clone()),
                _ => None,
            })
        })
        .await
        .unwrap_or_else(|| panic!("{:#?}", node.log().events));

    let up = server.event("ike_established");
    assert_eq!(up["remote_id"], "fqdn:client.example.com");
    assert_eq!(up["local_id"], "ip:127.0.0.1");
    assert_eq!(up["suite"], SUITE);
    assert_eq!(up["nat"], "peer");
    let up = server.event("child_established");
    assert_eq!(up["suite"], "aes256gcm16");
    assert_eq!(up["ts_local"][0], "10.255.0.0/16");
    assert_eq!(up["ts_remote"][0], "10.9.0.1/32");
    assert_eq!(up["udp_encapsulated"], true);
    assert_eq!(up["remote"], SocketAddr::new(CLIENT, nat).to_string());
    assert_eq!(up["spi_out"], format!("{:08x}", child.spi_in));

    let to = IpAddr::from([10, 255, 3, 4]);
    let report = node.ping(TunnelId(child.tunnel), PingRequest::new(to, 3)).await.unwrap();
    assert_eq!(report.replies.len(), 3, "{report:?}");
    let ping = server.event("ping_answered");
    assert_eq!((&ping["from"], &ping["to"]), (&"10.9.0.1".into(), &"10.255.3.4".into()));

    node.command(Command::DeleteIke { ike: child.ike });
    let closed = server.event("closed");
    assert_eq!(closed["reason"], "deleted-by-peer");
    assert_eq!(closed["remote_id"], "fqdn:client.example.com");
    server.signal(Signal::SIGTERM);
    let (status, events) = server.end();
    assert_eq!(status.code(), Some(0));
    assert_eq!(events.last().unwrap()["event"], "stopped");
    let all = serde_json::to_string(&events).unwrap();
    assert!(!all.contains("secret"), "{all}");

    let capture = std::fs::read(pcap).unwrap();
    assert_eq!(capture[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert!(capture.windows(11).any(|text| text == b"synthesised"));
    let table = |name| std::fs::read_to_string(keys.join(name)).unwrap();
    assert_eq!(table("ikev2_decryption_table").lines().count(), 2);
    assert_eq!(table("esp_sa").lines().count(), 3);
}

#[rstest]
#[case::right("wonderland", "xauth_succeeded")]
#[case::wrong("looking-glass", "xauth_failed")]
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_ikev1_logs_in(#[case] password: &str, #[case] comes: &str) {
    let mut server = Server::start(&["--xauth", "alice=wonderland"]);
    let (node, local, nat) = client();
    let suite = "aes256-sha1-modp1024";
    let mut wanted = connection(local, nat, server.ports(), suite, "secret");
    let password = SecretBytes::from_slice(password.as_bytes());
    wanted.ikev1 = Some(Ikev1Options {
        mode: Ikev1Mode::Aggressive,
        xauth: vec![XauthUser { name: "alice".to_owned(), password }],
        ..Ikev1Options::default()
    });
    let child: ChildOffer = "aes256gcm16".parse().unwrap();
    wanted.child = vec![child.proposal(1, &[0; 4], false)];
    node.command(initiate(wanted));
    assert_eq!(server.event(comes)["user"], "alice");
    if comes == "xauth_failed" {
        server.signal(Signal::SIGTERM);
        let (status, events) = server.end();
        assert_eq!(status.code(), Some(0));
        assert!(events.iter().all(|event| event["event"] != "child_established"), "{events:#?}");
        return;
    }
    let up = server.event("child_established");
    assert_eq!((&up["suite"], &up["udp_encapsulated"]), (&"aes256gcm16".into(), &true.into()));
    let tunnel = node
        .wait(LONG, |log| {
            log.events.iter().find_map(|(_, event)| match event {
                Event::ChildEstablished(child) => Some(TunnelId(child.tunnel)),
                _ => None,
            })
        })
        .await
        .unwrap();
    let to = IpAddr::from([10, 255, 3, 4]);
    let report = node.ping(tunnel, PingRequest::new(to, 3)).await.unwrap();
    assert_eq!(report.replies.len(), 3, "{report:?}");
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_deletes_what_is_up() {
    let mut server = Server::start(&[]);
    let (node, local, nat) = client();
    let ports = server.ports();
    node.command(initiate(connection(local, nat, ports, SUITE, "secret")));
    server.event("child_established");
    server.signal(Signal::SIGINT);
    let (status, events) = server.end();
    assert_eq!(status.code(), Some(0));
    let closed = events.iter().find(|event| event["event"] == "closed").unwrap();
    assert_eq!(closed["reason"], "deleted-by-us");
    let left = &events.last().unwrap()["open"];
    assert_eq!(left, 0, "{events:#?}");
    let gone = node.wait(LONG, |log| {
        log.events.iter().any(|(_, event)| matches!(event, Event::IkeClosed { .. })).then_some(())
    });
    assert!(gone.await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_names_the_rule_and_what_to_change() {
    let mut server = Server::start(&[]);
    let (node, local, nat) = client();
    let ports = server.ports();
    node.command(initiate(connection(local, nat, ports, "aes256-sha384-ecp384", "secret")));
    let refused = server.event("proposal_refused");
    assert_eq!(refused["answer"], "NO_PROPOSAL_CHOSEN");
    assert_eq!(refused["sa"], "ike");
    let list = |name: &str| refused[name].as_array().unwrap().clone();
    assert!(!list("rules").is_empty() && !list("change").is_empty(), "{refused:#}");
    assert!(refused["proposals"][0]["nearest"].is_string());
    assert_eq!(refused["remote"], local.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_told_apart_from_an_unknown_identity() {
    let mut server = Server::start(&["--cookies"]);
    let (node, local, nat) = client();
    let ports = server.ports();
    node.command(initiate(connection(local, nat, ports, SUITE, "another")));
    assert_eq!(server.event("authentication_failed")["id"], "fqdn:client.example.com");
    assert!(server.event("cookie_demanded")["remote"].is_string());
    let mut unknown = connection(local, nat, ports, SUITE, "secret");
    unknown.id = Id::fqdn("nobody.example.com");
    node.command(initiate(unknown));
    let refused = server.event("identity_refused");
    assert_eq!(refused["id"], "fqdn:nobody.example.com");
    assert!(refused["rule"].is_string() && refused["says"].is_string());
}

#[test]
fn a_datagram_that_leads_to_nothing_is_told() {
    let mut server = Server::start(&[]);
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"what is this", ("127.0.0.1", server.ports().0)).unwrap();
    let dropped = server.event("packet_dropped");
    assert_eq!(dropped["remote"], socket.local_addr().unwrap().to_string());
    assert_eq!(dropped["octets"], 12);
    assert!(dropped["reason"].is_string() && dropped["detail"].is_string(), "{dropped:#}");
}

#[test]
fn it_listens_at_once_and_ends_with_zero_on_sigterm() {
    let mut server = Server::start(&[]);
    let listening = server.event("listening");
    assert_eq!(listening["profile"], "zscaler");
    assert!(listening["raw_esp"].is_boolean());
    assert!(listening["time"].is_f64() && listening["at"].is_string());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.end().0.code(), Some(0));
}

#[test]
fn each_address_that_is_listened_on_is_told() {
    let mut server = Server::start(&["--listen", "127.0.0.3"]);
    server.event("listening");
    server.signal(Signal::SIGINT);
    let (status, events) = server.end();
    assert_eq!(status.code(), Some(0));
    let listening: Vec<_> = events.iter().filter(|event| event["event"] == "listening").collect();
    let ids: Vec<_> = listening.iter().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ip:127.0.0.1", "ip:127.0.0.3"]);
}

#[test]
fn a_port_in_use_is_named_with_a_way_out() {
    let holder = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let arguments = [
        "serve",
        "--psk",
        "a.example=s",
        "--listen",
        "127.0.0.1",
        "--nat-port",
        "0",
        "--port",
        &port,
    ];
    let output = ikeproof(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&format!("127.0.0.1:{port}")) && said.contains("in use"), "{said}");
    assert!(said.contains("another address or port"), "{said}");
}

#[rstest::rstest]
#[case(&["--profile", "zscalar", "--psk", "a.example=s"], &["zscalar", "did you mean", "zscaler"])]
#[case(&["--profile", "nowhere/x.toml", "--psk", "a.example=s"], &["nowhere/x.toml"])]
#[case(&["--bundle", "zs-tables", "--psk", "a.example=s"], &["zs-tables", "zs-table"])]
#[case(&["--psk", "no equals sign"], &["--psk", "ID=SECRET"])]
#[case(&["--psk", "a.example=s", "--psk", "fqdn:a.example=t"], &["fqdn:a.example", "twice"])]
#[case(&["--psk", "a.example=s", "--xauth", "alice"], &["--xauth", "USER=SECRET"])]
#[case(&["--psk", "a.example=s", "--xauth", "a=s", "--xauth", "a=t"], &["--xauth a=", "twice"])]
#[case(&["--psk", "a.example=s", "--inner", "10.0.0.0/40"], &["--inner", "10.0.0.0/40"])]
#[case(&["--psk", "a.example=s", "--id", "what:this"], &["--id", "what:this"])]
#[case(&["--psk", "a.example=s", "--port", "9", "--nat-port", "9"], &["--port", "--nat-port"])]
#[case(&["--psk", "a.example=s", "--pcap", "/nowhere/x"], &["--pcap", "/nowhere/x"])]
fn what_is_wrong_is_named(#[case] options: &[&str], #[case] named: &[&str]) {
    let mut arguments = vec!["serve", "--listen", "127.0.0.1"];
    if !options.contains(&"--port") {
        arguments.extend(["--port", "0", "--nat-port", "0"]);
    }
    arguments.extend(options);
    let output = ikeproof(&arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(output.stdout.is_empty());
    for word in named {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(said.lines().count() < 24, "{said}");
}

#[tokio::test]
async fn events_nobody_reads_cost_no_memory() {
    // The log of a node that nobody drains stays at its limit.
    let (sockets, config) = node_config(0);
    let (local, _) = sockets.local();
    let limit = LogLimit { entries: 10, datagrams: true };
    let node = Node::start_limited(config, Wire::Sockets(sockets), limit);
    let socket = std::net::UdpSocket::bind("127.0.0.2:0").unwrap();
    for _ in 0..50 {
        socket.send_to(b"runt", local).unwrap();
    }
    node.wait(LONG, |log| (log.lost > 0).then_some(())).await.unwrap();
    let log = node.drain().await.unwrap();
    assert_eq!(log.entries(), 10);
    assert!(log.lost > 0);
}
