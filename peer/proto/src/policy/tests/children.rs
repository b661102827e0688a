use rstest::rstest;

use super::*;
use crate::crypto::suite::{ChildProtocol, Group};
use crate::wire::num::ProtocolId;

const FIRST: ChildContext = ChildContext { ke_group: None, is_first: true, nat: false };

fn later(ke: u16) -> ChildContext {
    let ke_group = (ke != 0).then_some(GroupId(ke));
    ChildContext { ke_group, is_first: false, nat: false }
}

fn reading(id: &str, value: &str) -> Profile {
    let mut profile = everything();
    profile.child.groups = Accept::new([Group::Modp2048, Group::Ecp256], "G");
    profile.child.esn = EsnPolicy { accept: false, rule: "F30".to_owned() };
    profile.readings.set(id, value).unwrap();
    profile
}

#[rstest]
#[case::alone("strict", &["aes256gcm16"], "1: aes256gcm16")]
#[case::with_none("strict", &["aes256gcm16-none"], "1: aes256gcm16")]
#[case::with_an_hmac("strict", &["aes256gcm16-sha256"], "refused: R06")]
#[case::with_an_hmac_ignored("ignore-hmac", &["aes256gcm16-sha256"], "1: aes256gcm16")]
#[case::cbc_beside_it("strict", &["aes256gcm16-aes128-sha256"], "1: aes128-sha256")]
#[case::cbc_beside_it_ignored("ignore-hmac", &["aes256gcm16-aes128-sha256"], "1: aes256gcm16")]
#[case::hmac_and_none("strict", &["aes128-aes256gcm16-sha256-none"], "1: aes128-sha256")]
#[case::next_proposal("strict", &["aes256gcm16-sha1", "aes256gcm16"], "2: aes256gcm16")]
#[case::null_and_none("strict", &["null-none"], "refused: R07")]
#[case::null_alone("strict", &["null"], "refused: R07")]
#[case::null_and_gcm("strict", &["null-aes128gcm16-md5-none"], "1: null-md5")]
#[case::null_and_hmac("strict", &["null-md5"], "1: null-md5")]
#[case::cbc_and_none("strict", &["aes128-none"], "refused: rfc8221-4-esp-no-unauthenticated")]
#[case::gmac("strict", &["aes128gmac"], "refused: lenient")]
fn ciphers_are_paired_with_integrity(
    #[case] r06: &str,
    #[case] offered: &[&str],
    #[case] expected: &str,
) {
    let profile = reading("R06", r06);
    assert_eq!(child_outcome(&profile, &child_offers(offered), &FIRST), expected);
}

#[rstest]
#[case::none_alone("pick-none", &["aes128gcm16-noesn"], "1: aes128gcm16")]
#[case::esn_alone("pick-none", &["aes128gcm16-esn"], "refused: F30 (R26)")]
#[case::esn_and_none("pick-none", &["aes128gcm16-esn-noesn"], "1: aes128gcm16")]
#[case::none_alone_strict("refuse-any", &["aes128gcm16-noesn"], "1: aes128gcm16")]
#[case::esn_alone_strict("refuse-any", &["aes128gcm16-esn"], "refused: R26 (F30)")]
#[case::esn_and_none_strict("refuse-any", &["aes128gcm16-esn-noesn"], "refused: R26 (F30)")]
fn extended_sequence_numbers(#[case] r26: &str, #[case] offered: &[&str], #[case] expected: &str) {
    let profile = reading("R26", r26);
    assert_eq!(child_outcome(&profile, &child_offers(offered), &FIRST), expected);
}

#[rstest]
#[case::esp("aes128gcm16")]
#[case::ah("ah:sha1")]
fn a_proposal_without_the_esn_type_is_malformed(#[case] offer: &str) {
    let mut offered = child_offers(&[offer]);
    offered[0].transforms.retain(|transform| transform.kind != TransformType::ESN);
    let outcome = child_outcome(&everything(), &offered, &FIRST);
    assert_eq!(outcome, "refused: rfc7296-3.3.3-esn-transform-present");
}

#[test]
fn an_edge_with_esn_takes_what_comes_first() {
    let profile = everything();
    let taken = child_outcome(&profile, &child_offers(&["aes128gcm16-esn-noesn"]), &FIRST);
    assert_eq!(taken, "1: aes128gcm16-esn");
}

#[rstest]
#[case::without("optional", "aes128gcm16", 0, "1: aes128gcm16")]
#[case::with("optional", "aes128gcm16-modp2048", 14, "1: aes128gcm16-modp2048")]
#[case::other_value("optional", "aes128gcm16-modp2048-ecp256", 19, "1: aes128gcm16-ecp256")]
#[case::unlisted_value("optional", "aes128gcm16-modp3072-ecp256", 15, "retry ecp256")]
#[case::value_missing("optional", "aes128gcm16-ecp256", 0, "retry ecp256")]
#[case::unlisted("optional", "aes128gcm16-modp3072", 15, "refused: G")]
#[case::forbidden("forbid", "aes128gcm16-modp2048", 14, "refused: R25")]
#[case::not_there("forbid", "aes128gcm16", 0, "1: aes128gcm16")]
#[case::required("require", "aes128gcm16", 0, "refused: R25")]
#[case::there("require", "aes128gcm16-modp2048", 14, "1: aes128gcm16-modp2048")]
fn forward_secrecy_of_later_child_sas(
    #[case] r25: &str,
    #[case] offer: &str,
    #[case] ke: u16,
    #[case] expected: &str,
) {
    let profile = reading("R25", r25);
    assert_eq!(child_outcome(&profile, &child_offers(&[offer]), &later(ke)), expected);
}

#[rstest]
#[case("optional")]
#[case("forbid")]
#[case("require")]
fn groups_do_not_count_in_the_first_child_sa(#[case] r25: &str) {
    let offered = child_offers(&["aes128gcm16-modp2048"]);
    assert_eq!(child_outcome(&reading("R25", r25), &offered, &FIRST), "1: aes128gcm16");
}

#[test]
fn group_none_is_a_choice_unless_a_group_is_required() {
    let mut offered = child_offers(&["aes128gcm16-modp3072"]);
    offered[0].transforms.push(transform(TransformType::KE, 0));
    let taken = child_outcome(&reading("R25", "optional"), &offered, &later(15));
    assert_eq!(taken, "1: aes128gcm16");
    assert_eq!(child_outcome(&reading("R25", "require"), &offered, &later(15)), "refused: G");
}

#[rstest]
#[case::plain("ah:sha256", false, "refuse", "1: ah:sha256")]
#[case::behind_nat("ah:sha256", true, "refuse", "refused: R11")]
#[case::behind_nat_anyway("ah:sha256", true, "negotiate", "1: ah:sha256")]
#[case::without_integrity("ah:none", false, "refuse", "refused: R13")]
fn authentication_header(
    #[case] offer: &str,
    #[case] nat: bool,
    #[case] r11: &str,
    #[case] expected: &str,
) {
    let context = ChildContext { nat, ..FIRST };
    let offered = child_offers(&[offer]);
    assert_eq!(child_outcome(&reading("R11", r11), &offered, &context), expected);
}

#[test]
fn ah_with_encryption_is_malformed() {
    let mut offered = child_offers(&["ah:sha1"]);
    offered[0].transforms.push(transform(TransformType::ENCR, 11));
    assert_eq!(child_outcome(&everything(), &offered, &FIRST), "refused: R13");
}

#[test]
fn protocols_are_a_list_too() {
    let mut profile = everything();
    profile.child.protocols = Accept::new([ChildProtocol::Esp], "P");
    let offered = child_offers(&["ah:sha1", "null-sha1"]);
    assert_eq!(child_outcome(&profile, &offered, &FIRST), "2: null-sha1");
    assert_eq!(child_outcome(&profile, &offered[..1], &FIRST), "refused: P");
}

#[test]
fn other_protocols_and_types_do_not_make_a_child_sa() {
    let mut offered = child_offers(&["aes128gcm16"]);
    offered[0].protocol = ProtocolId::IKE;
    let outcome = child_outcome(&everything(), &offered, &FIRST);
    assert_eq!(outcome, "refused: rfc7296-3.3.4-local-policy-compare");
    offered[0].protocol = ProtocolId::ESP;
    offered[0].transforms.push(transform(TransformType::PRF, 5));
    let outcome = child_outcome(&everything(), &offered, &FIRST);
    assert_eq!(outcome, "refused: rfc7296-3.3.6-unknown-transform-type");
}
