//! Each algorithm that there is, in a whole exchange. What is new in the lists is swept without a word here.

use super::*;
use crate::crypto::suite::{ChildProtocol, Encr, Group, Prf};
use crate::policy::Profile;

/// Connects with these algorithms alone, and sends a packet each way.
fn sweep(ike: &str, child: &str) {
    let mut pair = connected(ike, child);
    let agreed = agreed(&pair);
    assert!(agreed[0].is_some() && agreed[0] == agreed[1], "{ike} {child}: {agreed:?}");
    let (ike_suite, child_suite) = agreed[0].clone().unwrap();
    assert_eq!(child_suite, child);
    let suite: crate::policy::IkeOffer = ike_suite.parse().unwrap();
    let asked: crate::policy::IkeOffer = ike.parse().unwrap();
    assert_eq!(suite.proposal(1, &[]), asked.proposal(1, &[]), "{ike}");
    let packets = [
        (Side::Initiator, echo([10, 0, 1, 1], [10, 0, 2, 1], 100)),
        (Side::Responder, echo([10, 0, 2, 1], [10, 0, 1, 1], 100)),
    ];
    for (side, packet) in &packets {
        pair.handle(*side, EdgeInput::Inner { tunnel: TunnelId(1), packet });
        pair.deliver();
    }
    let inner = [&pair.responder, &pair.initiator].map(|node| node.inner.len());
    assert_eq!(inner, [1, 1], "{ike} {child}");
}

#[test]
fn each_group_can_be_agreed_on() {
    for group in Group::all() {
        sweep(&format!("aes128-sha256-{group}"), "aes128gcm16");
    }
    assert_eq!(Group::all().count(), 9);
}

#[test]
fn a_group_that_is_not_accepted_is_not_agreed_on() {
    // The control: it is the group that is offered and none beside it.
    for group in Group::all() {
        let mut responder = endpoint_config();
        responder.profile.ike.groups.accept.retain(|accepted| *accepted != group);
        let mut pair = Pair::new(endpoint_config(), responder);
        let offer = connection(&format!("aes128-sha256-{group}"), "aes128gcm16");
        pair.command(Side::Initiator, Command::Initiate(Box::new(offer)));
        assert_eq!(agreed(&pair), [None, None], "{group}");
    }
}

#[test]
fn each_cipher_hash_and_function_of_the_ike_sa_can_be_agreed_on() {
    let accepted = Profile::lenient("test").ike;
    let (encr, integ, prf) = (accepted.encr.accept, accepted.integ.accept, accepted.prf.accept);
    assert!(encr.iter().any(|encr| encr.is_aead()) && encr.iter().any(|encr| !encr.is_aead()));
    for cipher in encr {
        for function in &prf {
            if cipher.is_aead() {
                sweep(&format!("{cipher}-{function}-curve25519"), "aes128gcm16");
            }
        }
        for hash in integ.iter().filter(|_| !cipher.is_aead()) {
            for function in &prf {
                sweep(&format!("{cipher}-{hash}-{function}-curve25519"), "aes128gcm16");
            }
        }
    }
    assert_eq!(prf.len(), Prf::all().count());
}

#[test]
fn each_cipher_and_hash_of_a_child_sa_can_be_run() {
    let accepted = Profile::lenient("test").child;
    assert!(accepted.protocols.accept.contains(&ChildProtocol::Ah));
    for cipher in accepted.encr.accept {
        if cipher.is_aead() {
            sweep("aes128-sha256-curve25519", &cipher.to_string());
            continue;
        }
        for hash in &accepted.integ.accept {
            sweep("aes128-sha256-curve25519", &format!("{cipher}-{hash}"));
        }
    }
    for hash in accepted.integ.accept {
        sweep("aes128-sha256-curve25519", &format!("ah:{hash}"));
    }
    // What is not run is known by name, so that nothing is left out by mistake.
    let left = Encr::all().filter(|encr| !encr.is_offered());
    assert!(left.map(|encr| encr.to_string()).all(|name| name.contains("gmac")));
}
