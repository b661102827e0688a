use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::peer::{AddressPool, Dpd, Login, Psk};

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
        login: None,
        users: Vec::new(),
        pool: None,
        initial_contact: false,
        mode_config: ModeConfig::Off,
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
            over: None,
            local: vec![Selector::network([10, 1, 0, 0], 24)],
            remote: vec![Selector::network([10, 2, 0, 0], 24)],
            start: Start::Wait,
            rekey: None,
            life_bytes: None,
            replay_window: None,
        }],
        force_encap: false,
        keeps_port: false,
        nat_traversal: NatTraversal::All,
        fragmentation: None,
        mobike: Some(false),
        dpd: None,
        rekey: None,
        life_bytes: None,
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

#[rstest]
#[case(Fragmentation::Off, "no")]
#[case(Fragmentation::Accept, "accept")]
#[case(Fragmentation::On, "yes")]
#[case(Fragmentation::Force, "force")]
fn fragmentation_has_its_words(#[case] wanted: Fragmentation, #[case] word: &str) {
    let mut connection = connection();
    connection.fragmentation = Some(wanted);
    let rendered = render(&config(connection), DataPlane::Guest).unwrap();
    let section = rendered.connections[0].entries()[0].1.clone();
    assert_eq!(section.text("fragmentation"), word);
}

#[rstest]
#[case(ModeConfig::Pull, "yes")]
#[case(ModeConfig::Push, "no")]
fn a_client_of_mode_config_takes_any_address(#[case] how: ModeConfig, #[case] pull: &str) {
    let mut wanted = connection();
    wanted.mode_config = how;
    let error = render(&config(wanted.clone()), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "mode-config in IKEv2");
    wanted.version = Version::V1Main;
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let section = rendered.connections[0].entries()[0].1.clone();
    assert_eq!((section.text("pull"), section.list("vips")), (pull, vec!["0.0.0.0".to_owned()]));
    let child = section.at("children").unwrap().entries()[0].1.clone();
    assert_eq!(child.list("local_ts"), ["dynamic"]);
}

#[rstest]
#[case(false, "yes")]
#[case(true, "no")]
fn a_server_of_mode_config_has_a_pool(#[case] push: bool, #[case] pull: &str) {
    let mut wanted = connection();
    let (first, last) = ([10, 8, 0, 1].into(), [10, 8, 0, 9].into());
    wanted.pool = Some(AddressPool { first, last, netmask: None, dns: Vec::new(), push });
    let error = render(&config(wanted.clone()), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "mode-config in IKEv2");
    wanted.version = Version::V1Main;
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let (name, section) = rendered.connections[0].entries()[0].clone();
    assert_eq!((section.text("pull"), section.list("pools")), (pull, vec![name.clone()]));
    assert_eq!(rendered.pools[0].at(&name).unwrap().text("addrs"), "10.8.0.1-10.8.0.9");
    let child = section.at("children").unwrap().entries()[0].1.clone();
    assert_eq!(child.list("remote_ts"), ["dynamic"]);
}

#[test]
fn transport_mode_is_between_the_ends() {
    let mut wanted = connection();
    wanted.children[0].mode = Mode::Transport;
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let section = rendered.connections[0].entries()[0].1.clone();
    let child = section.at("children").unwrap().entries()[0].1.clone();
    assert_eq!(child.text("mode"), "transport");
    let both = ["local_ts", "remote_ts"].map(|key| child.list(key));
    assert_eq!(both, [["dynamic"], ["dynamic"]]);
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
fn ah_is_rendered_and_not_together_with_esp() {
    let ah = ChildProposal { integ: vec![Integ::Sha384], ..ChildProposal::default() };
    let mut wanted = connection();
    let child = &mut wanted.children[0];
    (child.protocol, child.proposals) = (Protocol::Ah, vec![ah.clone()]);
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let text = rendered.connections[0].to_string();
    assert!(text.contains("ah_proposals = sha384-noesn"), "{text}");
    assert!(!text.contains("esp_proposals"), "{text}");
    let mut both = connection();
    both.children[0].over = Some(ah);
    let error = render(&config(both), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "ESP and AH together");
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
fn a_login_is_a_second_round_of_the_own_side() {
    let mut wanted = connection();
    assert!(
        !render(&config(wanted.clone()), DataPlane::Guest).unwrap().connections[0]
            .to_string()
            .contains("xauth")
    );
    let (name, password) = (String::from("alice"), Psk::new("pass"));
    wanted.login = Some(Login { name, password, then: None });
    let error = render(&config(wanted.clone()), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "XAUTH in IKEv2");
    wanted.version = Version::V1Main;
    let rendered = render(&config(wanted), DataPlane::Guest).unwrap();
    let text = rendered.connections[0].to_string();
    for line in ["local-xauth", "auth = xauth", "xauth_id = alice", "auth = psk"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    let secret = &rendered.secrets[1];
    assert_eq!(secret.at("data"), Some(&Node::Octets(b"pass".to_vec())));
    assert_eq!(secret.list("owners"), ["alice"]);
    assert!(!text.contains("pass") && secret.to_string().contains("type = XAUTH"));
}

#[test]
fn a_pair_is_replaced_before_its_volume_is_spent_and_an_isakmp_sa_has_none() {
    let mut wanted = connection();
    wanted.version = Version::V1Main;
    wanted.children[0].life_bytes = Some(1_000_000);
    let rendered = render(&config(wanted.clone()), DataPlane::Guest).unwrap();
    let text = rendered.connections[0].to_string();
    for line in ["life_bytes = 1000000", "rekey_bytes = 900000", "rand_bytes = 0"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    wanted.life_bytes = Some(1_000_000);
    let error = render(&config(wanted), DataPlane::Guest).unwrap_err();
    assert_eq!(error.what, "a volume of an IKE SA");
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

#[test]
fn certificates_take_the_place_of_a_secret() {
    let mut wanted = config(connection());
    let auth = |rendered: &Rendered| rendered.connections[0].to_string();
    let secret = render(&wanted, DataPlane::Host).unwrap();
    assert!(secret.certificates.is_empty() && auth(&secret).contains("psk"));
    wanted.rsa = Some(crate::peer::rsa_of_a_test());
    let rendered = render(&wanted, DataPlane::Host).unwrap();
    assert!(auth(&rendered).contains("pubkey") && !auth(&rendered).contains("psk"));
    assert!(rendered.secrets.is_empty());
    let octets = |text: &str| Node::Octets(text.as_bytes().to_vec());
    let certificate = |flag: &str, text: &str| {
        let node = Node::section().with("type", "X509").with("flag", flag);
        ("load-cert", node.with("data", octets(text)))
    };
    let key = Node::section().with("type", "any").with("data", octets("own key"));
    assert_eq!(
        rendered.certificates,
        [certificate("CA", "authority"), certificate("NONE", "own certificate"), ("load-key", key)]
    );
}
