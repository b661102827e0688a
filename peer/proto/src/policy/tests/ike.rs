use proptest::collection::vec;
use proptest::prelude::*;
use rstest::rstest;

use super::*;
use crate::crypto::suite::{Encr, Group, Integ};
use crate::wire::num::ProtocolId;
use crate::wire::v2::Attribute;

/// AES or 3DES, SHA-2, two groups, and one rule: SHA-384 only with group 14.
fn profile() -> Profile {
    let mut profile = Profile::lenient("test");
    profile.ike.encr = Accept::new(["aes256", "aes128", "3des"].map(|n| n.parse().unwrap()), "E");
    profile.ike.integ = Accept::new(["sha256", "sha384"].map(|n| n.parse().unwrap()), "I");
    profile.ike.groups = Accept::new([Group::Modp2048, Group::Ecp256], "G");
    profile.ike.constraints = vec![Constraint {
        rule: "C1 (F09)".to_owned(),
        only: None,
        when: Values { integ: vec![Integ::HmacSha384_192], ..Values::default() },
        require: Values { group: vec![Group::Modp2048], ..Values::default() },
        says: "SHA-384 goes with group 14".to_owned(),
    }];
    profile
}

#[rstest]
#[case::first_listed(&["aes128-aes256-sha256-modp2048"], 14, "1: aes128-sha256-modp2048")]
#[case::group_of_the_value_sent(&["aes128-sha256-modp2048-ecp256"], 19, "1: aes128-sha256-ecp256")]
#[case::value_for_an_unlisted_group(&["aes128-sha256-modp3072-modp2048"], 15, "retry modp2048")]
#[case::second_proposal(&["aes128-sha1-modp2048", "3des-sha256-ecp256"], 19, "2: 3des-sha256-ecp256")]
#[case::rule_by_combination(&["aes128-sha384-sha256-ecp256"], 19, "1: aes128-sha256-prfsha384-ecp256")]
#[case::rule_asks_for_another_group(&["aes128-sha384-ecp256-modp2048"], 19, "retry modp2048")]
#[case::rule_refuses(&["aes128-sha384-ecp256"], 19, "refused: C1 (F09)")]
#[case::not_listed(&["aes128-sha1-modp1024"], 2, "refused: G, I")]
#[case::every_proposal_is_explained(&["aes128-sha1-ecp256", "null-sha256-ecp256"], 19, "refused: I, E")]
#[case::aead_is_not_listed(&["aes128gcm16-prfsha256-ecp256"], 19, "refused: E")]
fn takes_the_first_combination_that_no_rule_forbids(
    #[case] offered: &[&str],
    #[case] ke: u16,
    #[case] expected: &str,
) {
    assert_eq!(ike_outcome(&profile(), &ike_offers(offered), ke), expected);
}

#[rstest]
#[case::peer(Order::Peer, "1: aes128-sha256-modp2048")]
#[case::own(Order::Own, "2: aes256-sha256-modp2048")]
fn order_decides_between_proposals(#[case] order: Order, #[case] expected: &str) {
    let mut profile = profile();
    profile.order = order;
    let offered = ike_offers(&["aes128-sha256-modp2048", "aes256-sha256-modp2048"]);
    assert_eq!(ike_outcome(&profile, &offered, 14), expected);
}

#[rstest]
#[case::sent(GroupChoice::Sent, "1: aes128-sha256-ecp256")]
#[case::listed(GroupChoice::Listed, "retry modp2048")]
fn an_edge_may_insist_on_its_own_group(#[case] choice: GroupChoice, #[case] expected: &str) {
    let mut profile = profile();
    (profile.order, profile.group_choice) = (Order::Own, choice);
    let offered = ike_offers(&["aes128-sha256-modp2048-ecp256"]);
    assert_eq!(ike_outcome(&profile, &offered, 19), expected);
}

#[test]
fn an_aead_takes_no_integrity_and_leaves_none_out_of_the_answer() {
    let profile = Profile::lenient("test");
    let with_none = ike_offers(&["aes128gcm16-none-prfsha256-ecp256"]);
    let IkeSelection::Accept { suite, chosen, .. } = profile.select_ike(&with_none, GroupId(19))
    else {
        panic!("GCM with NONE is legal");
    };
    assert_eq!(suite.integ, Integ::None);
    assert!(chosen.of_kind(TransformType::INTEG).next().is_none());
    let with_hmac = ike_offers(&["aes128gcm16-sha256-ecp256"]);
    assert_eq!(ike_outcome(&profile, &with_hmac, 19), "refused: rfc7296-3.3-aead-no-integ");
}

#[test]
fn an_unknown_type_spoils_the_proposal_and_no_other() {
    let mut offered = ike_offers(&["aes256-sha256-modp2048", "aes128-sha256-modp2048"]);
    offered[0].transforms.push(transform(TransformType(241), 1));
    assert_eq!(ike_outcome(&profile(), &offered, 14), "2: aes128-sha256-modp2048");
    offered.truncate(1);
    let refused = ike_outcome(&profile(), &offered, 14);
    assert_eq!(refused, "refused: rfc7296-3.3.6-unknown-transform-type");
}

#[test]
fn an_unknown_number_or_attribute_spoils_the_transform_and_no_other() {
    let mut offered = ike_offers(&["aes256-aes128-sha256-modp2048"]);
    offered[0].transforms.insert(0, transform(TransformType::ENCR, 4711));
    offered[0].transforms[1].attributes.push(Attribute::Tv { kind: 99, value: 1 });
    assert_eq!(ike_outcome(&profile(), &offered, 14), "1: aes128-sha256-modp2048");
}

#[test]
fn a_missing_type_is_malformed() {
    for (kind, _) in [(TransformType::PRF, ()), (TransformType::INTEG, ()), (TransformType::KE, ())]
    {
        let mut offered = ike_offers(&["aes256-sha256-modp2048"]);
        offered[0].transforms.retain(|transform| transform.kind != kind);
        let outcome = ike_outcome(&profile(), &offered, 14);
        assert_eq!(outcome, "refused: rfc7296-3.3.6-unknown-transform-type", "{kind}");
    }
}

#[test]
fn attributes_and_numbers_are_answered_as_they_were_offered() {
    let offered = ike_offers(&["3des-sha256-modp1024", "aes256-sha256-modp2048"]);
    let IkeSelection::Accept { proposal, chosen, .. } = profile().select_ike(&offered, GroupId(14))
    else {
        panic!("the second proposal is fine");
    };
    assert_eq!((proposal, chosen.number), (2, 2));
    assert_eq!(chosen.transforms.len(), 4);
    assert!(chosen.transforms.iter().all(|chosen| offered[1].transforms.contains(chosen)));
}

#[test]
fn a_refusal_says_what_to_change() {
    let offered = ike_offers(&["aes128-sha384-ecp256", "aes128-sha1-modp1024"]);
    let IkeSelection::Refuse(refusal) = profile().select_ike(&offered, GroupId(19)) else {
        panic!("nothing there is allowed");
    };
    assert_eq!(
        refusal.to_string(),
        "proposal 1 (aes128-sha384-ecp256): SHA-384 goes with group 14 [C1 (F09)]; \
         offer modp2048 with sha384\n\
         proposal 2 (aes128-sha1-modp1024): Diffie-Hellman group modp1024 is not accepted \
         [G]; offer one of modp2048, ecp256; integrity sha1 is not accepted [I]; \
         offer one of sha256, sha384",
    );
    assert!(refusal.names("C1") && refusal.names("F09") && !refusal.names("F0"));
}

#[test]
fn hostile_offers_cost_a_bounded_amount_of_work() {
    let mut profile = Profile::lenient("test");
    let never = Values { encr: vec![Encr::Null], ..Values::default() };
    profile.ike.constraints = vec![Constraint {
        rule: "never".to_owned(),
        only: None,
        when: Values::default(),
        require: never,
        says: "nothing is allowed".to_owned(),
    }];
    let mut transforms = Vec::new();
    for (kind, ids) in
        [(TransformType::ENCR, 64), (TransformType::PRF, 64), (TransformType::INTEG, 64)]
    {
        transforms.extend((0..ids).map(|id| transform(kind, id)));
    }
    transforms.extend((0..63).map(|id| transform(TransformType::KE, id)));
    let proposal = |number| Proposal {
        number,
        protocol: ProtocolId::IKE,
        spi: Vec::new(),
        transforms: transforms.clone(),
    };
    let offered: Vec<_> = (1..=255).map(proposal).collect();
    let IkeSelection::Refuse(refusal) = profile.select_ike(&offered, GroupId(14)) else {
        panic!("the constraint forbids all");
    };
    assert!(refusal.names("limit"), "{refusal}");
    assert_eq!((refusal.proposals.len(), refusal.more), (MAX_EXPLAINED + 1, 254 - MAX_EXPLAINED));
    assert!(refusal.to_string().len() < 20_000);
}

#[test]
fn an_empty_offer_is_refused() {
    assert_eq!(ike_outcome(&profile(), &[], 14), "refused: ");
    let mut bare = ike_offers(&["aes256-sha256-modp2048"]);
    bare[0].transforms.clear();
    assert!(ike_outcome(&profile(), &bare, 14).starts_with("refused: rfc7296"));
}

proptest! {
    /// Whatever is offered, an answer is part of it and no rule stands against it.
    #[test]
    fn an_answer_is_part_of_the_offer_and_obeys_every_rule(
        mut offered in vec(arbitrary_proposal(), 0..6),
        ke in 0u16..32,
    ) {
        offered.iter_mut().zip(1..).for_each(|(proposal, number)| proposal.number = number);
        for order in [Order::Own, Order::Peer] {
            let mut profile = profile();
            profile.order = order;
            if let IkeSelection::Accept { suite, chosen, .. } =
                profile.select_ike(&offered, GroupId(ke))
            {
                prop_assert_eq!(check_ike_answer(&offered, &[chosen]), Ok(suite));
                prop_assert_eq!(suite.group.iana(), ke);
                prop_assert!(
                    suite.integ != Integ::HmacSha384_192 || suite.group == Group::Modp2048
                );
            }
            for is_first in [false, true] {
                let context = ChildContext { ke_group: Some(GroupId(ke)), is_first, nat: false };
                let selection = profile.select_child(&offered, &context);
                if let ChildSelection::Accept { suite, chosen, .. } = selection {
                    let checked = check_child_answer(&offered, &[chosen], is_first);
                    prop_assert_eq!(checked, Ok(suite));
                }
            }
        }
    }
}

fn arbitrary_proposal() -> impl Strategy<Value = Proposal> {
    let key = prop_oneof![Just(None), Just(Some(128)), Just(Some(256)), Just(Some(7))];
    let one = (0u8..7, 0u16..33, key).prop_map(|(kind, id, key)| {
        let attributes = key.map(Attribute::key_length).into_iter().collect();
        Transform { kind: TransformType(kind), id, attributes }
    });
    let known = prop_oneof![
        Just("aes256-sha256-sha384-modp2048-ecp256"),
        Just("3des-sha384-ecp256"),
        Just("aes128-sha256-modp1024")
    ]
    .prop_map(|offer| offer.parse::<IkeOffer>().unwrap().proposal(1, &[]).transforms);
    let protocol = prop_oneof![Just(1u8), Just(2), Just(3), Just(9)];
    (protocol, known, vec(one, 0..5)).prop_map(|(protocol, known, more)| {
        let mut transforms = if protocol == 1 { known } else { Vec::new() };
        transforms.extend(more);
        Proposal { number: 0, protocol: ProtocolId(protocol), spi: Vec::new(), transforms }
    })
}
