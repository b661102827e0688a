//! Each group and each algorithm that there is, and IPv6, in a whole exchange.

use super::*;
use crate::crypto::suite::{Encr, Group};
use crate::policy::Profile;
use crate::v2::tests::{agreed, ipv6};

fn sweep(mode: Ikev1Mode, ike: &str, child: &str) {
    let mut pair = pair();
    connect(&mut pair, offer(mode, ike, child));
    let expected = Some((ike.to_owned(), child.to_owned()));
    assert_eq!(agreed(&pair), [expected.clone(), expected], "{:#?}", pair.responder.events);
    assert_eq!(traffic(&mut pair), 2, "{mode} {ike} {child}");
}

#[rstest]
fn each_group_can_be_agreed_on_in_both_phases(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    for group in Group::all() {
        sweep(mode, &format!("aes128-sha1-{group}"), &format!("aes128gcm16-{group}"));
    }
    assert_eq!(Group::all().count(), 9);
}

#[rstest]
fn a_group_that_is_not_accepted_is_not_agreed_on(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values(false, true)] phase_2: bool,
) {
    // The control: it is the group that is offered and none beside it.
    for group in Group::all() {
        let mut responder = responder();
        let profile = &mut responder.profile;
        let groups = if phase_2 { &mut profile.child.groups } else { &mut profile.ike.groups };
        groups.accept.retain(|accepted| *accepted != group);
        let mut pair = Pair::new(endpoint_config(), responder);
        let ike = if phase_2 { IKE.to_owned() } else { format!("aes128-sha1-{group}") };
        connect(&mut pair, offer(mode, &ike, &format!("aes128gcm16-{group}")));
        assert_eq!(both(&pair), [(phase_2, false); 2], "{group}");
    }
}

#[rstest]
fn each_cipher_and_hash_can_be_agreed_on(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
) {
    let Profile { ike, child, .. } = Profile::lenient("test");
    let hashes = ike.integ.accept;
    // AES-GCM has no number in phase 1.
    for cipher in ike.encr.accept.into_iter().filter(|cipher| !cipher.is_aead()) {
        for hash in &hashes {
            sweep(mode, &format!("{cipher}-{hash}-curve25519"), ESP);
        }
    }
    let phase_1 = "aes128-sha1-curve25519";
    for cipher in child.encr.accept {
        if cipher == Encr::ChaCha20Poly1305 {
            // It has no number in IKEv1, and that is told.
            let mut pair = pair();
            connect(&mut pair, offer(mode, phase_1, &cipher.to_string()));
            assert_eq!(both(&pair)[0], (true, false));
            let refused = |event: &Event| matches!(event, Event::ChildRefused { .. });
            assert!(pair.initiator.events.iter().any(refused));
            assert_eq!(pair.initiator.edge.endpoint().footprint().child_spis, 0);
            continue;
        }
        if cipher.is_aead() {
            sweep(mode, phase_1, &cipher.to_string());
            continue;
        }
        for hash in &child.integ.accept {
            sweep(mode, phase_1, &format!("{cipher}-{hash}"));
        }
    }
    for hash in child.integ.accept {
        sweep(mode, phase_1, &format!("ah:{hash}"));
    }
}

#[rstest]
fn two_ends_connect_over_ipv6(
    #[values(Ikev1Mode::Main, Ikev1Mode::Aggressive)] mode: Ikev1Mode,
    #[values("aes128gcm16", "aes128-sha1-modp1024", "ah:sha256")] child: &str,
    #[values(false, true)] inner_ipv6: bool,
    #[values(false, true)] nat: bool,
) {
    if nat && child.starts_with("ah") {
        return;
    }
    let mut responder = responder();
    responder.credentials[1].id = format!("ip:{}", ipv6::HOSTS[0]).parse().unwrap();
    let mut pair = Pair::new(endpoint_config(), responder);
    let mut offer = ipv6::over_ipv6(offer(mode, IKE, child), inner_ipv6);
    if mode == Ikev1Mode::Main {
        offer.id = Id::ip(ipv6::HOSTS[0]);
    }
    offer.expect_id = Some(Id::ip(ipv6::HOSTS[1]));
    offer.force_encapsulation = nat;
    connect(&mut pair, offer);
    assert_eq!(both(&pair), [(true, true); 2], "{:#?}", pair.responder.events);
    ipv6::traffic(&mut pair, inner_ipv6);
    let found = pair.responder.find(|event| match event {
        Event::IkeEstablished(up) => Some(up.nat.peer),
        _ => None,
    });
    assert_eq!((found, ipv6::ways(&pair)), (Some(nat), (nat, !nat)));
    pair.command(Side::Initiator, Command::DeleteIke { ike: IkeHandle(1) });
    assert_eq!(sas(&pair), [0, 0]);
}
