use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::peer::{Dpd, Psk};

fn connection() -> Connection {
    Connection {
        name: String::from("edge"),
        version: Version::V2,
        local: End { address: Some([10, 0, 0, 10].into()), port: None, identity: None },
        remote: End {
            address: Some([10, 0, 0, 2].into()),
            port: None,
            identity: Some(Identity::Fqdn(String::from("edge.example.com"))),
        },
        psk: Psk::new("secret"),
        ike: vec![IkeProposal {
            encr: vec![Encr::AesCbc(128)],
            integ: vec![Integ::Sha1],
            prf: vec![],
            groups: vec![Group(14)],
        }],
        children: vec![Child {
            name: String::from("net"),
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            proposals: vec![ChildProposal {
                encr: vec![Encr::AesGcm(128, 16)],
                ..Default::default()
            }],
            local: vec![Selector::network([10, 1, 0, 0], 24)],
            remote: vec![Selector::network([10, 2, 0, 0], 24)],
            start: Start::Wait,
            rekey: None,
            replay_window: None,
        }],
        force_encap: false,
        fragmentation: None,
        mobike: Some(false),
        dpd: None,
        rekey: None,
    }
}

fn config(connection: Connection) -> PeerConfig {
    PeerConfig { connections: vec![connection], ..Default::default() }
}

#[rstest]
#[case(vec![Encr::AesCbc(256)], vec![Integ::Sha256], vec![], vec![Group(19)], "aes256-sha256-ecp256")]
#[case(vec![Encr::AesGcm(128, 16)], vec![], vec![Prf::Sha256], vec![Group(2)], "aes128gcm16-prfsha256-modp1024")]
#[case(vec![Encr::TripleDes, Encr::AesCbc(128)], vec![Integ::Md5], vec![Prf::Md5], vec![Group(5)], "3des-aes128-md5-modp1536")]
#[case(vec![Encr::AesCbc(128)], vec![Integ::AesXcbc], vec![Prf::AesCmac], vec![Group(31)], "aes128-aesxcbc-prfaescmac-curve25519")]
fn ike_proposals(
    #[case] encr: Vec<Encr>,
    #[case] integ: Vec<Integ>,
    #[case] prf: Vec<Prf>,
    #[case] groups: Vec<Group>,
    #[case] expected: &str,
) {
    let proposal = IkeProposal { encr, integ, prf, groups };
    assert_eq!(ike_proposal(&proposal).unwrap(), expected);
}

#[rstest]
#[case(Protocol::Esp, vec![Encr::Null], vec![Integ::Sha1], vec![], Esn::No, "null-sha1-noesn")]
#[case(Protocol::Esp, vec![Encr::AesGcm(256, 8)], vec![], vec![Group(14)], Esn::Yes, "aes256gcm8-modp2048-esn")]
#[case(Protocol::Ah, vec![], vec![Integ::Sha256], vec![], Esn::Either, "sha256-esn-noesn")]
fn child_proposals(
    #[case] protocol: Protocol,
    #[case] encr: Vec<Encr>,
    #[case] integ: Vec<Integ>,
    #[case] groups: Vec<Group>,
    #[case] esn: Esn,
    #[case] expected: &str,
) {
    let proposal = ChildProposal { encr, integ, groups, esn };
    assert_eq!(child_proposal(protocol, &proposal).unwrap(), expected);
}

#[rstest]
#[case(Identity::Ip([192, 0, 2, 1].into()), "192.0.2.1")]
#[case(Identity::Fqdn(String::from("a.example")), "fqdn:a.example")]
#[case(Identity::Email(String::from("a@b.example")), "email:a@b.example")]
#[case(Identity::KeyId(vec![0, 0xff]), "keyid:#00ff")]
fn identities(#[case] identity: Identity, #[case] expected: &str) {
    assert_eq!(identity_text(&identity), expected);
}

#[test]
fn an_unknown_group_is_refused() {
    let mut wanted = connection();
    wanted.ike[0].groups = vec![Group(99)];
    let error = render(&config(wanted), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "group 99");
}

#[rstest]
#[case::ah(|child: &mut Child| child.protocol = Protocol::Ah, "AH")]
#[case::transport(|child: &mut Child| child.mode = Mode::Transport, "transport mode")]
#[case::esn(|child: &mut Child| child.proposals[0].esn = Esn::Yes, "extended sequence numbers")]
fn userspace_refuses_what_libipsec_lacks(#[case] change: fn(&mut Child), #[case] what: &str) {
    let mut wanted = connection();
    change(&mut wanted.children[0]);
    let error = render(&config(wanted.clone()), DataPlane::Userspace).unwrap_err();
    assert_eq!(error.what, what);
    assert!(render(&config(wanted), DataPlane::Guest).is_ok());
}

#[test]
fn a_connection_is_rendered_whole_and_without_its_secret() {
    let mut wanted = connection();
    wanted.dpd = Some(Dpd { delay: Duration::from_secs(30), timeout: None });
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let text = rendered.connections[0].to_string();
    for line in [
        "version = 2",
        "local_addrs = 10.0.0.10",
        "proposals = aes128-sha1-modp2048",
        "mobike = no",
        "dpd_delay = 30s",
        "id = fqdn:edge.example.com",
        "esp_proposals = aes128gcm16-noesn",
        "remote_ts = 10.2.0.0/24",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains("data ="));
    assert_eq!(rendered.secrets[0].at("data"), Some(&Node::Octets(b"secret".to_vec())));
    assert!(!rendered.secrets[0].to_string().contains("secret\n"));
    assert_eq!(rendered.secrets[0].list("owners"), ["10.0.0.10", "fqdn:edge.example.com"]);
}

#[test]
fn what_is_tuned_is_told() {
    let (text, tuned) = strongswan_conf(&Daemon::default(), DataPlane::Userspace);
    assert!(text.contains("retransmit_tries = 3") && text.contains("load = yes"));
    assert_eq!(tuned.len(), 2);
    let daemon = Daemon {
        retransmit_timeout: Some(Duration::from_millis(500)),
        retransmit_tries: Some(1),
        ..Default::default()
    };
    let (text, tuned) = strongswan_conf(&daemon, DataPlane::Guest);
    assert!(text.contains("retransmit_timeout = 0.5") && text.contains("load = no"));
    assert!(tuned.is_empty());
}
