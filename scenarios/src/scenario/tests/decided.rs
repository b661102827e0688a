//! The expectations of the shipped scenarios are written by hand, and the policy knows nothing of them:
//! here they meet.

use std::net::IpAddr;

use ikeproof_proto::crypto::SecretBytes;
use ikeproof_proto::policy::{
    ChildContext, ChildSelection, Credential, Identity, IdentityQuery, IdentityRefusal,
    IkeSelection, Ikev1Mode, Life, MainModeKey, Phase1Context, Phase2Context, Phase2Offer, Profile,
    Refusal, RemoteAccess, XauthUser, phase1_offer, phase2_offer,
};
use ikeproof_proto::wire::num::{GroupId, NotifyType};
use ikeproof_proto::wire::v1::NotifyKind;
use ikeproof_proto::wire::v1::num::{Encapsulation, Phase1Auth};
use ikeproof_proto::wire::v2::{Id, Proposal};
use ikeproof_vendors::peer::Mode;

use super::*;

/// What the written expectation of a case says, as far as the policy alone decides it.
fn written(case: &Case) -> Option<(String, &Step)> {
    case.steps.iter().find_map(|step| {
        let Action::Expect(expect) = &step.action else { return None };
        if let Some(refused) = &expect.refused {
            let refused = refused.get_ref();
            let notify = refused.notify.or(refused.child)?.0;
            let rule = refused.rule.clone().unwrap_or_default();
            return Some((format!("{notify} {rule}"), step));
        }
        let established = expect.established.as_ref()?;
        let ike = established.ike.map(|suite| suite.to_string()).unwrap_or_default();
        let child = established.child.map(|suite| suite.to_string()).unwrap_or_default();
        Some((format!("up {ike} {child}"), step))
    })
}

/// A refusal in the form of `expected`, with the rule that stands there if it is among those that refused.
fn refused(expected: &str, notify: &str, names: impl Fn(&str) -> bool) -> String {
    let rule = expected.split_once(' ').map_or("", |(_, rule)| rule);
    format!("{notify} {}", if names(rule) { rule } else { "" })
}

fn offer_refused(expected: &str, notify: &str, refusal: &Refusal) -> String {
    refused(expected, notify, |rule| refusal.names(rule))
}

fn identity_refused(expected: &str, notify: &str, refusal: &IdentityRefusal) -> String {
    refused(expected, notify, |rule| !rule.is_empty() && refusal.rule.starts_with(rule))
}

/// Suites in the form of `expected`, which leaves out what it does not care for.
fn up(expected: &str, ike: &str, child: &str) -> String {
    let mut words = expected.split(' ').skip(1);
    let mut said = |word| if words.next().is_none_or(str::is_empty) { "" } else { word };
    format!("up {} {}", said(ike), said(child))
}

/// Who the first peer of a case says that it is, where it comes from, and who is known.
struct Asserted {
    id: Id,
    source: IpAddr,
    nat: bool,
    credentials: Vec<Credential>,
}

impl Asserted {
    fn of(case: &Case) -> Self {
        let peer = &case.peers[0];
        let nat = peer.nat != Nat::None;
        let own: IpAddr = "10.0.0.5".parse().unwrap();
        let source: IpAddr = if nat { "192.0.2.1".parse().unwrap() } else { own };
        let place = |id: &IdSpec| match id {
            IdSpec::Fixed(identity) => identity.clone(),
            IdSpec::OwnAddress => Identity::Ip(own),
            IdSpec::OutsideAddress => Identity::Ip(source),
        };
        let credential = |spec: CredentialSpec| Credential {
            id: place(&spec.id),
            psk: SecretBytes::from_slice(spec.psk.as_bytes()),
            bound_source: spec.bound.map(|_| source),
        };
        let specs = case.edges[0].credentials(&case.peers);
        let credentials = specs.into_iter().map(credential).collect();
        Self { id: place(&peer.local_id()).to_id(), source, nat, credentials }
    }

    fn query(&self) -> IdentityQuery<'_> {
        IdentityQuery { id_i: &self.id, source: self.source, nat_at_peer: self.nat }
    }
}

/// What the policy makes of the first peer of a case, in the form of `expected`.
fn decided(case: &Case, policy: &Profile, expected: &str) -> String {
    match case.peers[0].version {
        Version::V1 if policy.versions.ikev1 => decided_v1(case, &policy.for_ikev1(), expected),
        Version::V1 => panic!("IKEv1 is off, which is no matter of offers"),
        Version::V2 => decided_v2(case, policy, expected),
    }
}

fn decided_v2(case: &Case, policy: &Profile, expected: &str) -> String {
    let peer = &case.peers[0];
    let none_chosen = NotifyType::NO_PROPOSAL_CHOSEN.to_string();
    let failed = NotifyType::AUTHENTICATION_FAILED.to_string();
    let offers: Vec<_> = proposals(&peer.ike, |offer, n| offer.proposal(n, &[]));
    let sent = GroupId(peer.ike[0].groups[0].iana());
    let suite = match policy.select_ike(&offers, sent) {
        IkeSelection::Accept { suite, .. } | IkeSelection::WrongGroup { suite, .. } => suite,
        IkeSelection::Refuse(refusal) => return offer_refused(expected, &none_chosen, &refusal),
    };
    let asserted = Asserted::of(case);
    match policy.identify(asserted.query(), &asserted.credentials) {
        Err(refusal) => return identity_refused(expected, &failed, &refusal),
        Ok(found) if *found.psk.expose() != peer.psk.as_bytes() => return format!("{failed} "),
        Ok(_) => {}
    }
    let offers: Vec<_> = proposals(&peer.esp, |offer, n| offer.proposal(n, &[0, 0, 0, n], true));
    let context = ChildContext { ke_group: None, is_first: true, nat: asserted.nat };
    match policy.select_child(&offers, &context) {
        ChildSelection::Accept { suite: child, .. } => {
            up(expected, &suite.to_string(), &child.to_string())
        }
        ChildSelection::WrongGroup { .. } => panic!("no key exchange in IKE_AUTH"),
        ChildSelection::Refuse(refusal) => offer_refused(expected, &none_chosen, &refusal),
    }
}

fn decided_v1(case: &Case, policy: &Profile, expected: &str) -> String {
    let peer = &case.peers[0];
    let none_chosen = NotifyKind::NO_PROPOSAL_CHOSEN.to_string();
    let invalid_id = NotifyKind::INVALID_ID_INFORMATION.to_string();
    let mode = peer.mode.as_ref().map_or(Ikev1Mode::Main, |mode| *mode.get_ref());
    let offers: Vec<_> = proposals(&peer.ike, |offer, n| offer.proposal(n, &[]));
    let own = peer.auth.as_ref().map_or(Ikev1Auth::Psk, |auth| *auth.get_ref()).number();
    let method = own.with_xauth().filter(|_| peer.login.is_some()).unwrap_or(own);
    let user = |user: &LoginSpec| XauthUser {
        name: user.name.clone(),
        password: SecretBytes::from_slice(user.password.as_bytes()),
    };
    let users = case.edges[0].users.iter().map(user).collect();
    let access = RemoteAccess { users, ..RemoteAccess::default() };
    let auth = policy.phase1_methods(&[own], &access);
    let public_len = (mode == Ikev1Mode::Aggressive).then(|| peer.ike[0].groups[0].public_len());
    let context = Phase1Context { mode, public_len, auth: &auth };
    let bytes = peer.life();
    let life =
        |volume: Option<Octets>| Life { seconds: 3600, kilobytes: volume.map(Octets::kilobytes) };
    let choice = match policy
        .select_phase1(&phase1_offer(&offers, method, life(bytes.ike_bytes)), &context)
    {
        Ok(choice) => choice,
        Err(refusal) => return offer_refused(expected, &none_chosen, &refusal),
    };
    let asserted = Asserted::of(case);
    let (query, credentials) = (asserted.query(), &asserted.credentials);
    match mode {
        // Who it is stands in the certificate.
        _ if own == Phase1Auth::RSA_SIGNATURES => {}
        // The key is found by the address, before anything else is known.
        Ikev1Mode::Main => match policy.main_mode_key(asserted.source, credentials) {
            Err(refusal) => return identity_refused(expected, &none_chosen, &refusal),
            Ok(MainModeKey::Unknown) => panic!("nobody says what fails"),
            Ok(MainModeKey::Known(named, _)) => {
                if let Err(refusal) = policy.main_mode_identity(query, &named, credentials) {
                    return identity_refused(expected, &invalid_id, &refusal);
                }
            }
        },
        Ikev1Mode::Aggressive => {
            if let Err(refusal) = policy.aggressive_mode_credential(query, credentials) {
                return identity_refused(expected, &invalid_id, &refusal);
            }
        }
    }
    let mut offers: Vec<_> = proposals(&peer.esp, |offer, n| offer.proposal(n, &[], false));
    // What goes over the first one has its number.
    offers.extend(peer.over.iter().map(|over| over.proposal(1, &[], false)));
    let tunnel = |in_udp| if in_udp { Encapsulation::UDP_TUNNEL } else { Encapsulation::TUNNEL };
    // There is none on port 500.
    let encapsulation = tunnel(asserted.nat && !peer.keeps_port);
    let public_len = peer.esp[0].groups.first().map(|group| group.public_len());
    let context = Phase2Context { public_len, nat: asserted.nat, encapsulation };
    let life = life(bytes.child_bytes);
    let encapsulation = match (peer.encapsulation, asserted.nat) {
        (Mode::Tunnel, nat) => tunnel(nat),
        (Mode::Transport, false) => Encapsulation::TRANSPORT,
        (Mode::Transport, true) => Encapsulation::UDP_TRANSPORT,
    };
    let offer =
        phase2_offer(&offers, &Phase2Offer { spi: 0x1000, life, encapsulation, over_spi: 0x2000 });
    match policy.select_phase2(&offer, &context) {
        Ok(child) => up(expected, &choice.suite.to_string(), &child.suite.to_string()),
        Err(refusal) => offer_refused(expected, &none_chosen, &refusal),
    }
}

fn proposals<T>(offers: &[T], proposal: impl Fn(&T, u8) -> Proposal) -> Vec<Proposal> {
    offers.iter().zip(1..).map(|(offer, number)| proposal(offer, number)).collect()
}

#[test]
fn the_shipped_expectations_are_what_the_shipped_profile_decides() {
    let scenarios = builtin(&Known::builtin().unwrap()).unwrap();
    let mut compared = 0;
    for scenario in &scenarios {
        let real = scenario.cases.iter().filter(|case| case.control.is_none());
        for case in real.filter(|case| case.initiator == Side::Peer) {
            let policy = case.edges[0].policy().unwrap();
            let Some((expected, step)) = written(case) else { continue };
            if expected.starts_with("TS_UNACCEPTABLE") {
                continue;
            }
            let spot = format!("{} {} line {}", scenario.id, case.name(), step.line);
            assert_eq!(decided(case, &policy, &expected), expected, "{spot}");
            compared += 1;
        }
    }
    assert!(compared > 400, "{compared}");
}
