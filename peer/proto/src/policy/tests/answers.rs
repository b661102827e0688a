use rstest::rstest;

use super::*;

#[rstest]
#[case::other_number(&["aes128-sha256-modp2048"], 2, "rfc7296-3.3.1-accepted-proposal-number")]
#[case::not_offered(&["aes256-sha256-modp2048"], 1, "rfc7296-3.3.6-initiator-checks-offer")]
#[case::two_of_a_type(&["aes128-3des-sha256-modp2048"], 1, "rfc7296-2.7-one-transform-per-type")]
#[case::two_proposals(&["aes128-sha256-modp2048", "aes128-sha256-modp2048"], 1, "rfc7296-2.7-single-suite")]
#[case::nothing(&[], 1, "rfc7296-2.7-single-suite")]
fn an_ike_answer_that_is_not_part_of_the_offer_breaks_a_requirement(
    #[case] answer: &[&str],
    #[case] number: u8,
    #[case] requirement: &str,
) {
    let offered = ike_offers(&["aes128-3des-sha256-modp2048-ecp256"]);
    let mut answered = ike_offers(answer);
    if let Some(first) = answered.first_mut() {
        first.number = number;
    }
    let error = check_ike_answer(&offered, &answered).unwrap_err();
    assert_eq!(error.requirement(), requirement, "{error}");
}

#[rstest]
#[case::encr(TransformType::ENCR)]
#[case::prf(TransformType::PRF)]
#[case::integ(TransformType::INTEG)]
#[case::group(TransformType::KE)]
fn an_ike_answer_is_complete(#[case] kind: TransformType) {
    let offered = ike_offers(&["aes128-sha256-modp2048"]);
    let mut answered = offered.clone();
    answered[0].transforms.retain(|transform| transform.kind != kind);
    assert_eq!(check_ike_answer(&offered, &answered), Err(AnswerError::Missing(kind)));
}

#[test]
fn a_key_length_that_was_not_offered_is_seen() {
    let offered = ike_offers(&["aes128-sha256-modp2048"]);
    let mut answered = offered.clone();
    answered[0].transforms[0].attributes.clear();
    assert!(matches!(
        check_ike_answer(&offered, &answered),
        Err(AnswerError::Transform { kind: TransformType::ENCR, .. })
    ));
}

#[test]
fn a_child_answer_may_leave_the_group_out_only_where_there_is_none() {
    let offered = child_offers(&["aes128gcm16-modp2048"]);
    let mut answered = offered.clone();
    answered[0].transforms.retain(|transform| transform.kind != TransformType::KE);
    assert!(check_child_answer(&offered, &answered, true).is_ok());
    assert_eq!(
        check_child_answer(&offered, &answered, false),
        Err(AnswerError::Missing(TransformType::KE)),
    );
    answered[0].transforms.retain(|transform| transform.kind != TransformType::ESN);
    assert_eq!(
        check_child_answer(&offered, &answered, true),
        Err(AnswerError::Missing(TransformType::ESN)),
    );
}

#[test]
fn a_cipher_without_integrity_is_no_answer() {
    let offered = child_offers(&["aes128-none"]);
    assert_eq!(check_child_answer(&offered, &offered, true), Err(AnswerError::Pair));
}
