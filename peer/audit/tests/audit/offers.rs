//! The offer that is repeated after INVALID_KE_PAYLOAD: a set of suites, in whatever order.

use ikeproof_proto::wire::EncrId;
use ikeproof_proto::wire::v2::{Proposal, Sa, Transform};
use rstest::rstest;

use crate::support::Lab;
use crate::support::lab::{CBC, Profile};

const FULL_PROPOSAL: &str = "rfc7296-1.2-invalid-ke-full-proposal";

fn second_cipher(sa: &mut Sa) {
    sa.proposals[0].transforms.insert(1, Transform::encr(EncrId::AES_CBC, Some(192)));
}

/// What is found in a session whose first proposal has two ciphers, if the second request offers
/// what `change` makes of the first offer, and the responder chooses the proposal `chosen`.
fn findings(change: fn(&mut Sa), chosen: u8) -> Vec<String> {
    let mut lab = Lab::new(Profile { invalid_ke: true, ..CBC });
    lab.edit("init-0-request", move |draft| draft.sa(second_cipher));
    lab.edit("init-request", move |draft| {
        draft.sa(|sa: &mut Sa| {
            second_cipher(sa);
            change(sa);
        });
    });
    lab.edit("init-response", move |draft| draft.sa(|sa: &mut Sa| sa.proposals[0].number = chosen));
    let lab = lab.run();
    assert!(lab.unused().is_empty(), "steps {:?} never came", lab.unused());
    lab.findings().iter().map(|finding| finding.requirement.to_owned()).collect()
}

fn reverse_transforms(sa: &mut Sa) {
    for proposal in &mut sa.proposals {
        proposal.transforms.reverse();
    }
}

fn swap_proposals(sa: &mut Sa) {
    sa.proposals.reverse();
    for (proposal, number) in sa.proposals.iter_mut().zip(1..) {
        proposal.number = number;
    }
}

#[rstest]
#[case::as_it_was(|_: &mut Sa| (), 1)]
#[case::transforms_in_another_order(reverse_transforms, 1)]
#[case::the_proposal_with_the_wanted_group_first(swap_proposals, 2)]
fn the_same_suites_in_another_order_are_the_whole_offer(
    #[case] change: fn(&mut Sa),
    #[case] chosen: u8,
) {
    assert_eq!(findings(change, chosen), [] as [&str; 0]);
}

#[rstest]
#[case::a_transform_dropped(|sa: &mut Sa| drop(sa.proposals[0].transforms.remove(1)))]
#[case::a_proposal_dropped(|sa: &mut Sa| sa.proposals.truncate(1))]
#[case::a_key_shortened(|sa: &mut Sa| {
    sa.proposals[0].transforms[1] = Transform::encr(EncrId::AES_CBC, Some(128));
})]
#[case::a_transform_added(|sa: &mut Sa| {
    sa.proposals[0].transforms.push(Transform::encr(EncrId::AES_CBC, Some(128)));
})]
#[case::a_proposal_added(|sa: &mut Sa| {
    let Proposal { protocol, transforms, .. } = sa.proposals[0].clone();
    let only_second_cipher = transforms.into_iter().skip(1).collect();
    sa.proposals.push(Proposal::new(3, protocol, Vec::new(), only_second_cipher));
})]
fn other_suites_are_not_the_whole_offer(#[case] change: fn(&mut Sa)) {
    assert_eq!(findings(change, 1), [FULL_PROPOSAL]);
}
