//! Tests of the engine by small profiles. What a shipped profile makes of its readings is tested
//! where its file is, in the scenarios package.

mod answers;
mod children;
mod identities;
mod ike;
mod ikev1;
mod schedules;
mod selectors;

use super::*;
use crate::wire::num::{GroupId, TransformType};
use crate::wire::v2::{Proposal, Transform};

/// A profile that accepts what can be negotiated and not run as well: extended sequence numbers.
fn everything() -> Profile {
    let mut profile = Profile::lenient("test");
    profile.child.esn.accept = true;
    profile
}

/// Offers for an IKE SA, numbered from 1.
fn ike_offers(offers: &[&str]) -> Vec<Proposal> {
    let numbered = (1..).zip(offers);
    numbered.map(|(n, offer)| offer.parse::<IkeOffer>().unwrap().proposal(n, &[])).collect()
}

/// Offers for a child SA after the first, numbered from 1.
fn child_offers(offers: &[&str]) -> Vec<Proposal> {
    let numbered = (1..).zip(offers);
    numbered
        .map(|(n, offer)| offer.parse::<ChildOffer>().unwrap().proposal(n, &[0, 0, 0, n], false))
        .collect()
}

/// The suite that is taken, `retry GROUP`, or the rules that stand against the offer.
fn ike_outcome(profile: &Profile, offered: &[Proposal], ke: u16) -> String {
    match profile.select_ike(offered, GroupId(ke)) {
        IkeSelection::Accept { suite, proposal, chosen } => {
            assert_eq!(check_ike_answer(offered, std::slice::from_ref(&chosen)), Ok(suite));
            format!("{proposal}: {suite}")
        }
        IkeSelection::WrongGroup { want, .. } => format!("retry {want}"),
        IkeSelection::Refuse(refusal) => rules(&refusal),
    }
}

/// The same for a child SA.
fn child_outcome(profile: &Profile, offered: &[Proposal], context: &ChildContext) -> String {
    match profile.select_child(offered, context) {
        ChildSelection::Accept { suite, proposal, chosen } => {
            let chosen = std::slice::from_ref(&chosen);
            assert_eq!(check_child_answer(offered, chosen, context.is_first), Ok(suite));
            format!("{proposal}: {suite}")
        }
        ChildSelection::WrongGroup { want, .. } => format!("retry {want}"),
        ChildSelection::Refuse(refusal) => rules(&refusal),
    }
}

fn rules(refusal: &Refusal) -> String {
    let reasons = refusal.proposals.iter().flat_map(|proposal| &proposal.reasons);
    let rules: Vec<_> = reasons.map(|reason| reason.rule.as_str()).collect();
    format!("refused: {}", rules.join(", "))
}

fn transform(kind: TransformType, id: u16) -> Transform {
    Transform { kind, id, attributes: Vec::new() }
}
