use ikeproof_proto::io::{Channel, IkeHandle, Path};
use ikeproof_proto::wire::IkeSpi;
use ikeproof_proto::wire::v2::Id;
use ikeproof_vendors::peer::{Nat, Traffic};
use rstest::rstest;

use super::*;

/// An IKE SA with one pair, as the edge has it and as the peer tells of it.
fn agreed() -> (Tunnel, IkeSa) {
    let path = Path {
        channel: Channel::Ike,
        local: "10.0.0.2:500".parse().unwrap(),
        remote: "10.0.0.10:500".parse().unwrap(),
    };
    let id = Id::ipv4([10, 0, 0, 10].into());
    let ike = IkeEstablished {
        ike: IkeHandle(1),
        connection: None,
        role: Role::Responder,
        path,
        spi_i: IkeSpi([1; 8]),
        spi_r: IkeSpi([2; 8]),
        local_id: Id::ipv4([10, 0, 0, 2].into()),
        remote_id: id.clone(),
        credential: id,
        suite: "aes256-sha256-modp2048".parse().unwrap(),
        nat: Default::default(),
        ikev1: None,
    };
    let selector = |text: &str| text.parse::<ikeproof_proto::policy::Selector>().unwrap().0;
    let child = ChildEstablished {
        ike: ike.ike,
        tunnel: 1,
        spi_in: 0x0a0a_0a0a,
        spi_out: 0x0b0b_0b0b,
        suite: "aes128-sha1".parse().unwrap(),
        ts_local: vec![selector("10.100.0.0/16")],
        ts_remote: vec![selector("10.7.0.0/24")],
        udp_encapsulated: false,
        narrowed: false,
        over: None,
    };
    let words = |words: &[(&str, &str)]| {
        words.iter().map(|(kind, word)| ((*kind).to_owned(), (*word).to_owned())).collect()
    };
    let theirs = IkeSa {
        connection: "edge".to_owned(),
        unique_id: "1".to_owned(),
        version: 2,
        state: "ESTABLISHED".to_owned(),
        established: true,
        initiator: true,
        spi_i: Some(0x0101_0101_0101_0101),
        spi_r: Some(0x0202_0202_0202_0202),
        local: Some(ike.path.remote),
        remote: Some(ike.path.local),
        local_id: "10.0.0.10".to_owned(),
        remote_id: "10.0.0.2".to_owned(),
        algorithms: words(&[("encr", "aes256"), ("prf", "prfsha256"), ("group", "modp2048")]),
        nat: Nat::default(),
        children: vec![ChildSa {
            name: "net".to_owned(),
            unique_id: "2".to_owned(),
            state: "INSTALLED".to_owned(),
            installed: true,
            protocol: Protocol::Esp,
            mode: Mode::Tunnel,
            encap: false,
            spi_in: child.spi_out,
            spi_out: child.spi_in,
            algorithms: words(&[("encr", "aes128"), ("integ", "sha1")]),
            local: vec!["10.7.0.0/24".to_owned()],
            remote: vec!["10.100.0.0/16".to_owned()],
            received: Traffic::default(),
            sent: Traffic::default(),
        }],
    };
    (Tunnel { ike, children: vec![child] }, theirs)
}

#[test]
fn both_sides_have_the_same() {
    let (tunnel, theirs) = agreed();
    assert_eq!(matches(&tunnel, &[theirs], 1), Ok(()));
}

/// Whatever a peer tells otherwise is told.
#[rstest]
#[case::spi(|sa: &mut IkeSa| sa.spi_r = Some(1), "the peer has")]
#[case::role(|sa: &mut IkeSa| sa.initiator = false, "the initiator")]
#[case::address(|sa: &mut IkeSa| sa.remote = Some("10.0.0.3:500".parse().unwrap()), "10.0.0.3:500")]
#[case::port(|sa: &mut IkeSa| sa.remote = Some("10.0.0.2:4500".parse().unwrap()), "10.0.0.2:4500")]
#[case::cipher(|sa: &mut IkeSa| word(&mut sa.algorithms, "encr", "aes128"), "aes128 at the peer")]
#[case::prf(|sa: &mut IkeSa| word(&mut sa.algorithms, "prf", "prfsha1"), "prfsha1 at the peer")]
#[case::group(|sa: &mut IkeSa| word(&mut sa.algorithms, "group", "modp1024"), "modp1024 at the peer")]
#[case::nothing(|sa: &mut IkeSa| sa.children[0].algorithms.clear(), "does not tell the algorithms")]
#[case::child_spi(|sa: &mut IkeSa| sa.children[0].spi_in = 1, "the edge has SPIs")]
#[case::not_there(|sa: &mut IkeSa| sa.children[0].installed = false, "the edge has SPIs")]
#[case::encapsulation(|sa: &mut IkeSa| sa.children[0].encap = true, "UDP encapsulation")]
#[case::protocol(|sa: &mut IkeSa| sa.children[0].protocol = Protocol::Ah, "Ah")]
#[case::mode(|sa: &mut IkeSa| sa.children[0].mode = Mode::Transport, "Transport")]
#[case::too_wide(|sa: &mut IkeSa| sa.children[0].local = vec!["10.7.0.0/16".to_owned()], "10.7.0.0/16 at the peer")]
#[case::one_more(|sa: &mut IkeSa| sa.children[0].remote.push("10.9.0.0/16".to_owned()), "10.9.0.0/16 at the peer")]
#[case::esp(|sa: &mut IkeSa| word(&mut sa.children[0].algorithms, "encr", "null"), "null at the peer")]
#[case::hmac(|sa: &mut IkeSa| word(&mut sa.children[0].algorithms, "integ", "md5"), "md5 at the peer")]
#[case::esn(|sa: &mut IkeSa| word(&mut sa.children[0].algorithms, "esn", "esn"), "esn at the peer")]
#[case::secrecy(|sa: &mut IkeSa| word(&mut sa.children[0].algorithms, "group", "modp1024"), "none at the edge")]
fn what_differs_is_told(#[case] change: fn(&mut IkeSa), #[case] says: &str) {
    let (tunnel, mut theirs) = agreed();
    change(&mut theirs);
    let why = matches(&tunnel, &[theirs], 1).unwrap_err();
    assert!(why.contains(says), "{why}");
}

fn word(words: &mut BTreeMap<String, String>, kind: &str, word: &str) {
    words.insert(kind.to_owned(), word.to_owned());
}
