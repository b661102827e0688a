//! The rules that the embedded peer goes by as a responder.
//!
//! It begins with everything there is code for. Like a real daemon it takes only what its connections
//! name, where they name anything; lists are taken over all connections together, so a combination
//! that no single proposal holds is accepted where each of its parts is configured.

use ikeproof_proto::{
    crypto::suite::{ChildProtocol, Group},
    policy::{
        Accept, AddressPool, AggressiveWithAddress, Bundle, Ikev1Mode, Ikev1Policy, NameMatch, Pfs,
        Profile, Selector as Protected, Versions,
    },
    wire::v2::TrafficSelector,
};

use super::proposal;
use crate::peer::{Child, Connection, Cookies, PeerConfig, Protocol, Version};

/// Everything that the core can run. Names are compared octet by octet, as daemons do.
pub fn permissive() -> Profile {
    let mut profile = Profile::lenient("embedded");
    profile.readings.r18 = NameMatch::Exact;
    profile.readings.r15 = AggressiveWithAddress::Accept;
    profile
}

/// What nobody has configured refuses every proposal, as a daemon without connections does.
pub(super) fn closed() -> Profile {
    let mut profile = permissive();
    profile.ike.encr.accept.clear();
    profile
}

/// What the connections of a configuration accept.
pub(super) fn of(config: &PeerConfig) -> Profile {
    if config.connections.is_empty() {
        return closed();
    }
    let mut profile = permissive();
    let children = || config.connections.iter().flat_map(|connection| &connection.children);
    let ike = || config.connections.iter().flat_map(|connection: &Connection| &connection.ike);
    let esp = || children().flat_map(|child: &Child| child.proposals.iter().chain(&child.over));
    if ike().next().is_some() {
        let rules = &mut profile.ike;
        rules.encr.accept = known(ike().flat_map(|one| &one.encr), |e| proposal::known_encr(*e));
        rules.integ.accept = known(ike().flat_map(|one| &one.integ), |i| proposal::known_integ(*i));
        rules.prf.accept = known(ike().flat_map(|one| one.prfs()), proposal::known_prf);
        let groups = ike().flat_map(|one| &one.groups);
        rules.groups.accept = known(groups, |group| Group::from_iana(group.0));
    }
    if esp().next().is_some() {
        let rules = &mut profile.child;
        rules.encr.accept = known(esp().flat_map(|one| &one.encr), |e| proposal::known_encr(*e));
        rules.integ.accept = known(esp().flat_map(|one| &one.integ), |i| proposal::known_integ(*i));
        // With a group in each proposal there is forward secrecy or no pair.
        let groups = known(esp().flat_map(|one| &one.groups), |group| Group::from_iana(group.0));
        if !groups.is_empty() {
            rules.groups.accept = groups;
        }
        if esp().all(|one| !one.groups.is_empty()) {
            profile.readings.r25 = Pfs::Require;
        }
        let bundles = children().any(|child| child.over.is_some());
        if bundles {
            profile.readings.r12 = Bundle::Accept;
        }
        rules.protocols.accept = known(children(), |child| {
            Some(match child.protocol {
                Protocol::Esp => ChildProtocol::Esp,
                Protocol::Ah => ChildProtocol::Ah,
            })
        });
        rules.protocols.accept.extend(bundles.then_some(ChildProtocol::Ah));
    }
    let local = || children().flat_map(|child| &child.local);
    let remote = || children().flat_map(|child| &child.remote);
    if local().next().is_some() {
        profile.ts.local = local().map(|one| Protected(proposal::selector(one))).collect();
    }
    if remote().next().is_some() {
        profile.ts.remote = remote().map(|one| Protected(proposal::selector(one))).collect();
    }
    // Who gets an address has nothing else behind it.
    let pools: Vec<_> = config.connections.iter().filter_map(|one| one.pool.as_ref()).collect();
    if !pools.is_empty() {
        let all = |pool: &&AddressPool| {
            Protected(TrafficSelector::range(pool.first.into(), pool.last.into()))
        };
        profile.ts.remote = pools.iter().map(all).collect();
    }
    match config.daemon.cookies {
        Cookies::UnderLoad => {}
        Cookies::WhileHalfOpen => profile.limits.cookie_threshold = 1,
        Cookies::Always => profile.limits.cookie_threshold = 0,
    }
    let version = |wanted| config.connections.iter().any(|one| one.version == wanted);
    let modes =
        [(Version::V1Main, Ikev1Mode::Main), (Version::V1Aggressive, Ikev1Mode::Aggressive)];
    let modes: Vec<_> =
        modes.into_iter().filter(|(of, _)| version(*of)).map(|(_, mode)| mode).collect();
    profile.versions = Versions { ikev2: version(Version::V2), ikev1: !modes.is_empty() };
    profile.ikev1 = Some(Ikev1Policy {
        modes: Accept::new(modes, "configured"),
        ike: profile.ike.clone(),
        child: profile.child.clone(),
        commit: false,
    });
    profile
}

/// The values that the core knows, each once and in order.
fn known<A, T: PartialEq>(
    values: impl Iterator<Item = A>,
    read: impl Fn(A) -> Option<T>,
) -> Vec<T> {
    let mut kept = Vec::new();
    for value in values.filter_map(read) {
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use ikeproof_proto::policy::IkeSelection;
    use ikeproof_proto::wire::GroupId;

    use super::*;
    use crate::peer::{Encr, IkeProposal, Integ};

    fn offer(encr: Encr, group: u16) -> Vec<ikeproof_proto::wire::v2::Proposal> {
        proposal::ike(&[IkeProposal {
            encr: vec![encr],
            integ: vec![Integ::Md5],
            prf: Vec::new(),
            groups: vec![crate::peer::Group(group)],
        }])
    }

    #[test]
    fn old_algorithms_are_accepted_and_the_closed_profile_takes_none() {
        for (encr, group) in [(Encr::TripleDes, 2), (Encr::AesCbc(128), 5), (Encr::AesCbc(256), 31)]
        {
            let chosen = permissive().select_ike(&offer(encr, group), GroupId(group));
            assert!(matches!(chosen, IkeSelection::Accept { .. }), "{encr:?} {group}");
            let refused = closed().select_ike(&offer(encr, group), GroupId(group));
            assert!(matches!(refused, IkeSelection::Refuse(_)), "{encr:?} {group}");
        }
    }
}
