use std::time::Duration;

use rstest::rstest;

use super::*;
use crate::peer::{AddressPool, Login, Psk};

const ALL: Words = Words { all: true, rsa: false };

fn ike(encr: Encr, integ: &[Integ], prf: &[Prf], group: u16) -> IkeProposal {
    IkeProposal {
        encr: vec![encr],
        integ: integ.to_vec(),
        prf: prf.to_vec(),
        groups: vec![Group(group)],
    }
}

fn config() -> PeerConfig {
    let end =
        |last: u8, identity| End { address: Some([10, 0, 0, last].into()), port: None, identity };
    PeerConfig {
        connections: vec![Connection {
            name: String::from("edge"),
            version: Version::V2,
            local: end(10, Some(Identity::Email(String::from("a@b.example")))),
            remote: end(2, Some(Identity::Fqdn(String::from("edge.example.com")))),
            psk: Psk::new("secret"),
            login: None,
            users: Vec::new(),
            pool: None,
            initial_contact: false,
            mode_config: ModeConfig::Off,
            ike: vec![ike(Encr::AesCbc(128), &[Integ::Sha1], &[], 14)],
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
                remote: vec![Selector::network([0, 0, 0, 0], 0)],
                start: Start::Wait,
                rekey: None,
                life_bytes: None,
                replay_window: None,
            }],
            force_encap: false,
            keeps_port: false,
            nat_traversal: NatTraversal::All,
            fragmentation: None,
            mobike: None,
            dpd: None,
            rekey: None,
            life_bytes: None,
        }],
        ..Default::default()
    }
}

#[rstest]
#[case(ike(Encr::AesCbc(256), &[Integ::Sha256], &[], 14), "aes256-sha2_256-dh14")]
#[case(ike(Encr::AesGcm(256, 16), &[], &[Prf::Sha512], 19), "aes_gcm_16_256-sha2_512-dh19")]
#[case(ike(Encr::TripleDes, &[Integ::Md5], &[Prf::Md5], 2), "3des-md5-dh2")]
#[case(ike(Encr::AesCtr(128), &[Integ::AesXcbc], &[], 31), "aes_ctr128-aes_xcbc-dh31")]
fn ike_proposals(#[case] proposal: IkeProposal, #[case] expected: &str) {
    assert_eq!(ALL.ike(&[proposal]).unwrap(), expected);
}

#[rstest]
#[case::des(ike(Encr::Des, &[Integ::Md5], &[], 5), "DES")]
#[case::prf(ike(Encr::AesCbc(128), &[Integ::Sha1], &[Prf::Sha256], 14), "a PRF other than the integrity algorithm's")]
#[case::group(ike(Encr::AesCbc(128), &[Integ::Sha1], &[], 32), "group 32")]
fn what_pluto_cannot_say(#[case] proposal: IkeProposal, #[case] what: &str) {
    assert_eq!(ALL.ike(&[proposal]).unwrap_err().what, what);
}

#[test]
fn group_2_needs_the_source_build() {
    let mut wanted = config();
    wanted.connections[0].ike[0].groups = vec![Group(2)];
    assert_eq!(render(&wanted, false).unwrap_err().what, "group 2");
    assert!(render(&wanted, true).is_ok());
}

#[test]
fn several_selectors_are_refused() {
    let mut wanted = config();
    wanted.connections[0].children[0].local.push(Selector::network([10, 3, 0, 0], 24));
    assert!(render(&wanted, true).is_err());
}

#[test]
fn certificates_take_the_place_of_a_secret() {
    let mut wanted = config();
    let secret = render(&wanted, true).unwrap();
    assert!(secret.conf.contains("authby=secret") && !secret.conf.contains("leftcert="));
    wanted.rsa = Some(crate::peer::rsa_of_a_test());
    let rendered = render(&wanted, true).unwrap();
    for line in [
        "    authby=rsasig\n",
        "    leftcert=ikeproof-own\n",
        "    leftrsasigkey=%cert\n",
        "    rightrsasigkey=%cert\n",
    ] {
        assert!(rendered.conf.contains(line), "{line}: {}", rendered.conf);
    }
    assert_eq!(rendered.secrets, "");
    let script = import();
    assert!(script.contains("pk12util -i own.p12") && script.contains("rm -f own.key own.p12"));
}

#[rstest]
#[case(Fragmentation::Off, Some("    fragmentation=no\n"))]
#[case(Fragmentation::On, Some("    fragmentation=yes\n"))]
#[case(Fragmentation::Force, Some("    fragmentation=force\n"))]
#[case(Fragmentation::Accept, None)]
fn fragmentation_has_its_words(#[case] wanted: Fragmentation, #[case] line: Option<&str>) {
    let mut config = config();
    config.connections[0].fragmentation = Some(wanted);
    match (render(&config, true), line) {
        (Ok(rendered), Some(line)) => assert!(rendered.conf.contains(line), "{}", rendered.conf),
        (Err(refused), None) => assert_eq!(refused.what, "taking fragments only"),
        (rendered, _) => panic!("{rendered:?}"),
    }
}

#[rstest]
#[case(ModeConfig::Pull, "yes")]
#[case(ModeConfig::Push, "no")]
fn a_client_of_mode_config_has_no_subnet(#[case] how: ModeConfig, #[case] pull: &str) {
    let mut wanted = config();
    wanted.connections[0].mode_config = how;
    assert_eq!(render(&wanted, true).unwrap_err().what, "mode-config");
    wanted.connections[0].version = Version::V1Main;
    wanted.connections[0].mobike = None;
    let conf = render(&wanted, true).unwrap().conf;
    let pull = format!("    modecfgpull={pull}\n");
    for line in ["    leftmodecfgclient=yes\n", "    rightmodecfgserver=yes\n", &pull] {
        assert!(conf.contains(line), "{line}: {conf}");
    }
    assert!(!conf.contains("leftsubnet=") && conf.contains("rightsubnet="), "{conf}");
}

#[rstest]
#[case(false, "yes")]
#[case(true, "no")]
fn a_server_of_mode_config_has_a_pool_and_no_subnet_for_the_other(
    #[case] push: bool,
    #[case] pull: &str,
) {
    let mut wanted = config();
    let (first, last) = ([10, 8, 0, 1].into(), [10, 8, 0, 9].into());
    let pool = AddressPool { first, last, netmask: None, dns: Vec::new(), push };
    wanted.connections[0].pool = Some(pool);
    assert_eq!(render(&wanted, true).unwrap_err().what, "mode-config");
    wanted.connections[0].version = Version::V1Main;
    wanted.connections[0].mobike = None;
    let conf = render(&wanted, true).unwrap().conf;
    let lines = [
        "rightmodecfgclient=yes",
        "leftmodecfgserver=yes",
        "rightaddresspool=10.8.0.1-10.8.0.9",
        &format!("modecfgpull={pull}"),
    ];
    for line in lines {
        assert!(conf.contains(&format!("    {line}\n")), "{line}: {conf}");
    }
    assert!(conf.contains("leftsubnet=") && !conf.contains("rightsubnet="), "{conf}");
}

#[test]
fn ah_is_rendered_and_not_together_with_esp() {
    let mut wanted = config();
    let child = &mut wanted.connections[0].children[0];
    let ah = ChildProposal { integ: vec![Integ::Sha384], ..Default::default() };
    (child.protocol, child.proposals) = (Protocol::Ah, vec![ah.clone()]);
    let rendered = render(&wanted, false).unwrap();
    for line in ["phase2=ah\n", "ah=sha2_384\n"] {
        assert!(rendered.conf.contains(line), "{line} in {}", rendered.conf);
    }
    let mut both = config();
    both.connections[0].children[0].over = Some(ah);
    assert_eq!(render(&both, false).unwrap_err().what, "ESP and AH together");
}

#[test]
fn a_connection_is_rendered_whole() {
    let rendered = render(&config(), false).unwrap();
    for line in [
        "conn edge.net\n",
        "left=10.0.0.10\n",
        "leftid=a@b.example\n",
        "rightid=@edge.example.com\n",
        "ikev2=yes\n",
        "esp=aes_gcm_16_128\n",
        "leftsubnet=10.1.0.0/24\n",
        "rightsubnet=0.0.0.0/0\n",
        "esn=no\n",
        "pfs=no\n",
        "rekey=no\n",
    ] {
        assert!(rendered.conf.contains(line), "{line} in {}", rendered.conf);
    }
    assert_eq!(rendered.secrets, "a@b.example @edge.example.com : PSK 0x736563726574\n");
    assert_eq!(rendered.names, [(String::from("edge.net"), false)]);
    assert!(!rendered.conf.contains("736563726574"));
}

#[test]
fn a_login_has_its_password_in_the_secrets_alone() {
    let mut wanted = config();
    assert!(!render(&wanted, false).unwrap().conf.contains("xauth"));
    let login = |password: &str| {
        Some(Login { name: String::from("alice"), password: Psk::new(password), then: None })
    };
    let mut twice = login("pass");
    if let Some(login) = &mut twice {
        login.then = Some(Psk::new("other"));
    }
    wanted.connections[0].login = login("pass");
    assert_eq!(render(&wanted, false).unwrap_err().what, "XAUTH");
    wanted.connections[0].version = Version::V1Main;
    let rendered = render(&wanted, false).unwrap();
    for line in ["leftxauthclient=yes\n", "rightxauthserver=yes\n", "leftusername=alice\n"] {
        assert!(rendered.conf.contains(line), "{line} in {}", rendered.conf);
    }
    assert!(rendered.secrets.ends_with("@alice : XAUTH \"pass\"\n"), "{}", rendered.secrets);
    assert!(!rendered.conf.contains("pass"));
    wanted.connections[0].login = twice;
    assert_eq!(render(&wanted, false).unwrap_err().what, "another password when asked again");
    for password in ["", "two words", "a\"b", "a\nb"] {
        wanted.connections[0].login = login(password);
        assert_eq!(render(&wanted, false).unwrap_err().what, "such a password");
    }
}

#[test]
fn a_volume_is_refused() {
    let mut wanted = config();
    wanted.connections[0].children[0].life_bytes = Some(1);
    assert_eq!(render(&wanted, false).unwrap_err().what, "a volume of an SA");
}

#[rstest]
#[case(None, None, ("1000", "15s"))]
#[case(Some(500), Some(1), ("500", "2s"))]
fn retransmissions(
    #[case] millis: Option<u64>,
    #[case] tries: Option<u32>,
    #[case] expected: (&str, &str),
) {
    let daemon = Daemon {
        retransmit_timeout: millis.map(Duration::from_millis),
        retransmit_tries: tries,
        ..Default::default()
    };
    let (interval, timeout) = retransmission(&daemon);
    assert_eq!((interval.as_str(), timeout.as_str()), expected);
}
