//! What serde cannot see: names that must exist, scenarios that check nothing, contradictions.

use std::ops::Range;

use ikeproof_proto::config::{ModeConfig, NatTraversal};
use toml::Spanned;

use super::expect::{CheckName, Expect, IkeFragments, Ikev1Auth};
use super::load::{Case, Known};
use super::setup::{Edge, Nat, Peer, Version};
use super::step::{Action, Initiate, Step, What};
use super::words::{Nets, Side};
use crate::format::Problem;
use crate::profile::ProfileFile;

/// Every check of `steps`, those inside others too.
pub(super) fn checks(steps: &[Step]) -> Vec<CheckName> {
    let of = |action: &Action| match action {
        Action::Expect(expect) => expect.checks(),
        Action::Traffic(traffic) => traffic.checks(),
        Action::Never(_) => vec![CheckName::Never],
        _ => Vec::new(),
    };
    Step::all(steps).into_iter().flat_map(of).collect()
}

/// Whether an IKE SA is up after `steps`.
pub(super) fn leaves_ike_sa(steps: &[Step]) -> bool {
    let up = |expect: &Expect| {
        let refused = expect.refused.as_ref().map(Spanned::get_ref);
        expect.established.is_some() || refused.is_some_and(|refused| refused.child.is_some())
    };
    steps.iter().fold(false, |is_up, step| match &step.action {
        Action::Expect(expect) => is_up || up(expect),
        Action::Parallel(branches) => {
            branches.iter().fold(is_up, |is_up, steps| is_up || leaves_ike_sa(steps))
        }
        Action::Repeat(_, steps) => is_up || leaves_ike_sa(steps),
        Action::Delete(_) | Action::Kill(_) | Action::Forget(_) => false,
        _ => is_up,
    })
}

/// Notes steps that check nothing or say too little, where they are written.
pub(super) fn written(steps: &[Step], span: &Range<usize>, out: &mut Vec<Problem>) {
    for step in steps {
        let wrong = match &step.action {
            Action::Expect(it) if it.checks().is_empty() => Some("this expects nothing"),
            Action::Expect(it)
                if it.peer.is_some()
                    && (it.event.is_some() || it.message.is_some() || it.finding.is_some()) =>
            {
                Some("event, message and finding are about everybody: they go without peer")
            }
            Action::Expect(it) if it.sas_match == Some(false) => {
                Some("sas_match can only be true; for a twin in which it fails write a control")
            }
            Action::Expect(it)
                if it.on_wire.as_ref().is_some_and(|it| it.no_fragments == Some(false)) =>
            {
                Some("no_fragments can only be true; for a twin in which it fails write a control")
            }
            Action::Expect(it)
                if it.on_wire.as_ref().is_some_and(|it| it.ike_fragments == Some(NOBODYS)) =>
            {
                Some("ike_fragments says who sends them or not: peer, edge or both")
            }
            Action::Traffic(it) if it.ping.is_none() && it.tcp.is_none() => {
                Some("traffic needs ping or tcp")
            }
            Action::Never(it) if it.is_empty() => Some("never needs what must not happen"),
            Action::Parallel(branches) if branches.len() < 2 => Some("parallel needs two or more"),
            Action::Repeat(0, _) => Some("repeat needs times = 1 or more"),
            _ => None,
        };
        out.extend(wrong.map(|message| Problem::new(message, span.clone())));
        match &step.action {
            Action::Parallel(branches) => {
                branches.iter().for_each(|steps| written(steps, span, out));
            }
            Action::Repeat(_, steps) => written(steps, span, out),
            _ => {}
        }
    }
}

/// Fragments of which nothing is said.
const NOBODYS: IkeFragments = IkeFragments { peer: None, edge: None };

/// Checks a spelt-out case.
pub(super) fn case(case: &Case, known: &Known, out: &mut Vec<Problem>) {
    peers(&case.peers, out);
    for edge in &case.edges {
        self::edge(edge, &case.peers, out);
    }
    not_played(case, out);
    case.steps.iter().for_each(|step| self::step(step, &case.peers, known, out));
}

/// What can be written and not be played: a limit of ours, which must not look like the peer's.
fn not_played(case: &Case, out: &mut Vec<Problem>) {
    if let Some(second) = case.edges.get(1) {
        out.push(Problem::new("only one edge takes part in a case so far", second.name.span()));
    }
    for auth in case.peers.iter().filter(|it| it.version == Version::V2).flat_map(|it| &it.auth) {
        let why = "how peers authenticate is said for IKEv1 alone: it goes with version = 1";
        out.push(Problem::new(why, auth.span()));
    }
    let with_login = [Ikev1Auth::XauthPsk, Ikev1Auth::XauthRsa];
    let auths = case.peers.iter().flat_map(|it| &it.auth);
    for auth in auths.filter(|auth| with_login.contains(auth.get_ref())) {
        let why = "a peer authenticates by psk or rsa; XAUTH follows if it has a login";
        out.push(Problem::new(why, auth.span()));
    }
    for mode in case.peers.iter().filter(|peer| peer.version == Version::V2).flat_map(|it| &it.mode)
    {
        out.push(Problem::new("only IKEv1 has modes: it goes with version = 1", mode.span()));
    }
    let of_v2 = case.peers.iter().filter(|peer| peer.version == Version::V2);
    for fragmentation in of_v2.flat_map(|it| &it.fragmentation) {
        let why = "these fragments are IKEv1's: they go with version = 1";
        out.push(Problem::new(why, fragmentation.span()));
    }
    let by_peer =
        |it: &Initiate| it.what == What::Liveness && it.by.side(case.initiator) == Side::Peer;
    if Step::all(&case.steps).iter().any(|it| matches!(it, Action::Initiate(it) if by_peer(it))) {
        out.push(Problem::new("only the edge is told to probe: by = \"edge\"", 0..0));
    }
    if case.peers.iter().all(|peer| peer.nat != Nat::Middlebox)
        && Step::all(&case.steps).iter().any(|it| matches!(it, Action::Remap(_)))
    {
        out.push(Problem::new("only a NAT of our own can be remapped: nat = \"middlebox\"", 0..0));
    }
    let rekeys = |it: &Initiate| matches!(it.what, What::Rekey | What::Reauth);
    if case.peers.iter().any(|peer| peer.version == Version::V2)
        && Step::all(&case.steps).iter().any(|it| matches!(it, Action::Initiate(it) if rekeys(it)))
    {
        out.push(Problem::new(
            "IKEv2 is not rekeyed so far: what = \"rekey\" and \"reauth\" are for IKEv1",
            0..0,
        ));
    }
}

fn peers(peers: &[Peer], out: &mut Vec<Problem>) {
    for (place, peer) in peers.iter().enumerate() {
        if peers[..place].iter().any(|other| other.name.get_ref() == peer.name.get_ref()) {
            let message = format!("two peers are called `{}`", peer.name.get_ref());
            out.push(Problem::new(message, peer.name.span()));
        }
        subnet(&peer.inner, out);
        nets(peer, out);
        if let Some(life) = peer.life.as_ref().filter(|_| peer.version == Version::V2) {
            let message = "IKEv2 negotiates no lifetime: life goes with version = 1";
            out.push(Problem::new(message, life.span()));
        }
        let of_v1 = [
            (peer.login.is_some() || !peer.users.is_empty(), "a login by XAUTH"),
            (peer.mode_config != ModeConfig::Off, "mode_config"),
            (peer.pool.is_some(), "a pool"),
            (peer.keeps_port, "keeps_port"),
            (peer.nat_traversal != NatTraversal::All, "nat_traversal"),
        ];
        for (_, what) in of_v1.iter().filter(|(is_said, _)| *is_said && peer.version == Version::V2)
        {
            let message = format!("{what} belongs to IKEv1: it goes with version = 1");
            out.push(Problem::new(message, peer.name.span()));
        }
    }
}

/// The networks behind a peer: as many as there is room for, and one Child SA each.
fn nets(peer: &Peer, out: &mut Vec<Problem>) {
    let count = *peer.nets.get_ref();
    let mut wrong = |message: String| out.push(Problem::new(message, peer.nets.span()));
    if !(1..=MAX_NETS).contains(&count) {
        wrong(format!("a peer has 1 to {MAX_NETS} networks behind it"));
    }
    if count == 1 {
        return;
    }
    if peer.version == Version::V2 {
        wrong(
            "only IKEv1 gets more than one Child SA so far: nets goes with version = 1".to_owned(),
        );
    }
    if !peer.ts.local.is_empty() {
        wrong("each of several networks has a selector of its own: leave ts.local out".to_owned());
    }
    if peer.inner.get_ref().ends_with("/0") {
        wrong(format!("no network follows `{}`", peer.inner.get_ref()));
    }
}

/// Whether each peer that a step is about has these networks.
fn nets_exist(
    nets: Option<&Spanned<Nets>>,
    peer: Option<&Spanned<String>>,
    peers: &[Peer],
    out: &mut Vec<Problem>,
) {
    let Some(nets) = nets else { return };
    let meant = |it: &&Peer| peer.is_none_or(|name| name.get_ref() == it.name.get_ref());
    for peer in peers.iter().filter(meant) {
        let (wanted, count) = (nets.get_ref().last, *peer.nets.get_ref());
        if wanted > count {
            let name = peer.name.get_ref();
            let message =
                format!("peer `{name}` has no network {wanted} behind it: nets = {count}");
            out.push(Problem::new(message, nets.span()));
        }
    }
}

fn subnet(text: &Spanned<String>, out: &mut Vec<Problem>) {
    let parts = text.get_ref().split_once('/');
    let valid = parts.is_some_and(|(address, length)| {
        let longest =
            address.parse().map(|it: std::net::IpAddr| if it.is_ipv4() { 32 } else { 128 });
        matches!((longest, length.parse::<u8>()), (Ok(longest), Ok(length)) if length <= longest)
    });
    if !valid {
        out.push(Problem::new(format!("`{}` is no subnet", text.get_ref()), text.span()));
    }
}

fn edge(edge: &Edge, peers: &[Peer], out: &mut Vec<Problem>) {
    subnet(&edge.inner, out);
    for bound in edge.credentials.iter().filter_map(|credential| credential.bound.as_ref()) {
        peer_exists(bound, peers, out);
    }
    out.extend(edge.faults.iter().filter_map(|fault| fault.lasting().err()));
    // Profiles by path belong to whoever runs the scenario, and are checked when it is run.
    let name = edge.profile();
    if name.contains(['.', '/']) {
        return;
    }
    let file = match ProfileFile::load(name) {
        Ok(file) => file,
        Err(error) => {
            let span = edge.profile.as_ref().map_or(0..0, Spanned::span);
            return out.push(Problem::new(error.to_string(), span));
        }
    };
    if let Some(bundle) = edge.bundle.as_ref().filter(|it| !file.bundles.contains_key(it.get_ref()))
    {
        let known = file.bundles.keys().map(String::as_str);
        out.push(Problem::unknown("bundle", bundle.get_ref(), known, bundle.span()));
    }
    for (id, value) in &edge.readings {
        let Some(reading) = file.readings.iter().find(|reading| reading.id == *id.get_ref()) else {
            let known = file.readings.iter().map(|reading| reading.id.as_str());
            out.push(Problem::unknown("reading", id.get_ref(), known, id.span()));
            continue;
        };
        if !reading.values.contains(value.get_ref()) {
            let what = format!("value of {}", reading.id);
            let known = reading.values.iter().map(String::as_str);
            out.push(Problem::unknown(&what, value.get_ref(), known, value.span()));
        }
    }
}

fn peer_exists(name: &Spanned<String>, peers: &[Peer], out: &mut Vec<Problem>) {
    if !peers.iter().any(|peer| peer.name.get_ref() == name.get_ref()) {
        let known = peers.iter().map(|peer| peer.name.get_ref().as_str());
        out.push(Problem::unknown("peer", name.get_ref(), known, name.span()));
    }
}

fn step(step: &Step, peers: &[Peer], known: &Known, out: &mut Vec<Problem>) {
    let named = match &step.action {
        Action::Initiate(it) => {
            nets_exist(it.net.as_ref(), it.peer.as_ref(), peers, out);
            it.peer.as_ref()
        }
        Action::Expect(it) => {
            expect(it, known, out);
            it.peer.as_ref()
        }
        Action::Traffic(it) => {
            nets_exist(it.net.as_ref(), it.peer.as_ref(), peers, out);
            it.peer.as_ref()
        }
        Action::Delete(it) => {
            nets_exist(it.net.as_ref(), it.peer.as_ref(), peers, out);
            it.peer.as_ref()
        }
        Action::Kill(it) | Action::Restart(it) | Action::Forget(it) | Action::NextPassword(it) => {
            it.peer.as_ref()
        }
        Action::Parallel(branches) => {
            branches.iter().flatten().for_each(|inner| self::step(inner, peers, known, out));
            None
        }
        Action::Repeat(_, steps) => {
            steps.iter().for_each(|inner| self::step(inner, peers, known, out));
            None
        }
        Action::Fault(fault) => {
            out.extend(fault.next().err());
            None
        }
        Action::Never(_)
        | Action::Advance(_)
        | Action::Hold(_)
        | Action::Drop(_)
        | Action::Duplicate(_)
        | Action::Release
        | Action::Remap(_)
        | Action::Calm => None,
    };
    if let Some(name) = named {
        peer_exists(name, peers, out);
    }
}

fn expect(expect: &Expect, known: &Known, out: &mut Vec<Problem>) {
    if let Some(refused) = &expect.refused {
        if !refused.get_ref().is_one_way() {
            let message = "a refusal is one of notify, silence = true, delete = true, child and authentication = true; \
                           children goes with child, and rule and by do not go with silence or delete";
            out.push(Problem::new(message, refused.span()));
        }
        if expect.established.is_some() {
            let message = "established and refused exclude each other";
            out.push(Problem::new(message, refused.span()));
        }
    }
    if let Some(finding) = &expect.finding
        && known.requirements.requirement(finding.get_ref()).is_none()
    {
        let ids = known.requirements.iter().map(|requirement| requirement.id.as_str());
        out.push(Problem::unlisted("requirement", finding.get_ref(), ids, finding.span()));
    }
}

/// More networks than that would only take time.
const MAX_NETS: u32 = 64;
