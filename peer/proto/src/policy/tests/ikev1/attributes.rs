//! Attributes that a transform cannot be chosen with, and those that are only written in another way.

use super::*;
use crate::crypto::suite::Encr;
use crate::wire::v1::num::Phase2Auth;

fn short(kind: u16, value: u16) -> Attribute {
    Attribute::Tv { kind, value }
}

/// Whether phase 1 takes a transform with more attributes, or by which rule it does not. The answer has them
/// all, as whoever chooses a transform goes by all of it.
fn phase1_with(more: &[Attribute]) -> Result<(), String> {
    let mut offer = phase1(&["aes128-sha1-modp1024"]);
    offer.proposals[0].transforms[0].attributes.extend_from_slice(more);
    let choice = Profile::lenient("test").select_phase1(&offer, &MAIN);
    choice.map(|choice| assert_eq!(choice.chosen, offer.proposals[0])).map_err(rule_of)
}

/// The same for phase 2.
fn phase2_with(child: &str, more: &[Attribute]) -> Result<(), String> {
    let mut offer = phase2(&[child], Encapsulation::TUNNEL);
    offer.proposals[0].transforms[0].attributes.extend_from_slice(more);
    let choice = Profile::lenient("test").select_phase2(&offer, &TUNNEL);
    choice.map(|choice| assert_eq!(choice.chosen, offer.proposals[0])).map_err(rule_of)
}

fn rule_of(refusal: Refusal) -> String {
    let [proposal] = refusal.proposals.as_slice() else { panic!("not one: {refusal}") };
    let [reason] = proposal.reasons.as_slice() else { panic!("not one: {refusal}") };
    reason.rule.clone()
}

const CHECKED: &str = "rfc2408-5.6-transform-attributes-checked";
const UNKNOWN: &str = "rfc2407-4.5.3-unknown-attribute-aborts";
const UNTYPED: &str = "rfc2407-4.5-life-type-before-duration";

#[rstest]
#[case::nothing(&[], None)]
// There is no pseudo-random function that the attribute could name (RFC 2409, appendix A).
#[case::prf(&[short(Phase1Attr::PRF.0, 1)], Some(CHECKED))]
#[case::prime(&[short(Phase1Attr::GROUP_PRIME.0, 23)], Some(CHECKED))]
#[case::private(&[short(16_384, 1)], Some(CHECKED))]
#[case::not_defined(&[short(17, 1)], Some(CHECKED))]
#[case::other_cipher(&[short(Phase1Attr::ENCRYPTION.0, 5)], Some(CHECKED))]
#[case::other_group(&[short(Phase1Attr::GROUP.0, 14)], Some(CHECKED))]
#[case::other_key_length(&[Attribute::key_length(256)], Some(CHECKED))]
#[case::same_cipher(&[short(Phase1Attr::ENCRYPTION.0, 7)], None)]
#[case::same_group_in_the_other_form(
    &[Attribute::Tlv { kind: Phase1Attr::GROUP.0, value: vec![0, 2] }],
    None
)]
#[case::no_number(&[Attribute::Tlv { kind: Phase1Attr::GROUP.0, value: vec![] }], Some(CHECKED))]
#[case::other_seconds(&[short(11, 1), short(12, 100)], Some(CHECKED))]
#[case::same_seconds(&[short(11, 1), short(12, 28_800)], None)]
#[case::kilobytes_as_well(&[short(11, 2), short(12, 100)], None)]
#[case::counts_what_nobody_knows(&[short(11, 3), short(12, 100)], Some(CHECKED))]
#[case::a_type_that_nobody_knows(&[short(11, 3)], Some(CHECKED))]
#[case::a_type_of_nothing(&[short(11, 2)], Some(CHECKED))]
#[case::no_type_of_its_own(&[short(12, 28_800)], Some(CHECKED))]
fn phase_1_goes_by_all_attributes(#[case] more: &[Attribute], #[case] rule: Option<&str>) {
    assert_eq!(phase1_with(more).err().as_deref(), rule);
}

#[rstest]
#[case::nothing(&[], None)]
#[case::private(&[short(16_384, 1)], Some(UNKNOWN))]
#[case::not_defined(&[short(999, 1)], Some(UNKNOWN))]
#[case::key_rounds(&[short(Phase2Attr::KEY_ROUNDS.0, 10)], Some(UNKNOWN))]
#[case::compression(&[short(Phase2Attr::COMPRESS_DICTIONARY.0, 8)], Some(UNKNOWN))]
#[case::ecn(&[short(Phase2Attr::ECN_TUNNEL.0, 1)], Some(UNKNOWN))]
#[case::other_hash(&[short(Phase2Attr::AUTH.0, 1)], Some(CHECKED))]
#[case::other_mode(&[short(Phase2Attr::ENCAPSULATION.0, 2)], Some(CHECKED))]
#[case::other_key_length(&[short(Phase2Attr::KEY_LENGTH.0, 256)], Some(CHECKED))]
#[case::same_hash(&[short(Phase2Attr::AUTH.0, 2)], None)]
#[case::same_mode(&[short(Phase2Attr::ENCAPSULATION.0, 1)], None)]
// rfc2407-4.5.2-repeated-attributes-parsed
#[case::kilobytes_as_well(&[short(1, 2), short(2, 100)], None)]
#[case::same_seconds(&[short(1, 1), short(2, 3600)], None)]
#[case::other_seconds(&[short(1, 1), short(2, 100)], Some(CHECKED))]
#[case::counts_what_nobody_knows(&[short(1, 3), short(2, 100)], Some(CHECKED))]
#[case::a_type_that_nobody_knows(&[short(1, 3)], Some(CHECKED))]
#[case::a_type_of_nothing(&[short(1, 2)], Some(CHECKED))]
#[case::two_types_of_one_lifetime(&[short(1, 1), short(1, 2), short(2, 100)], Some(CHECKED))]
#[case::no_type_of_its_own(&[short(2, 3600)], Some(UNTYPED))]
#[case::another_between_the_two(&[short(1, 2), short(5, 2), short(2, 100)], None)]
#[case::strange_esn(&[short(Phase2Attr::ESN.0, 2)], Some("rfc2408-5.6-transform-unknown-ignored"))]
fn phase_2_goes_by_all_attributes(#[case] more: &[Attribute], #[case] rule: Option<&str>) {
    assert_eq!(phase2_with("aes128-sha1", more).err().as_deref(), rule);
}

/// As many attributes as a datagram has room for, all of one kind.
fn all_of(kind: u16, value: u16) -> Vec<Attribute> {
    vec![short(kind, value); 16_350]
}

#[test]
fn a_transform_that_is_full_of_one_attribute_is_gone_by_like_any_other() {
    let mut groups = all_of(Phase1Attr::GROUP.0, 2);
    assert_eq!(phase1_with(&groups), Ok(()));
    groups.push(short(Phase1Attr::GROUP.0, 14));
    assert_eq!(phase1_with(&groups), Err(CHECKED.to_owned()));
    let mut hashes = all_of(Phase2Attr::AUTH.0, 2);
    assert_eq!(phase2_with("aes128-sha1", &hashes), Ok(()));
    hashes.push(short(Phase2Attr::AUTH.0, 1));
    assert_eq!(phase2_with("aes128-sha1", &hashes), Err(CHECKED.to_owned()));
}

#[test]
fn a_lifetime_says_what_it_counts() {
    let without_type = |offer: &mut Sa, kind: u16| {
        let attributes = &mut offer.proposals[0].transforms[0].attributes;
        attributes.retain(|attribute| attribute.kind() != kind);
    };
    let profile = Profile::lenient("test");
    let mut offer = phase1(&["aes128-sha1-modp1024"]);
    without_type(&mut offer, Phase1Attr::LIFE_TYPE.0);
    assert_eq!(profile.select_phase1(&offer, &MAIN).map_err(rule_of).unwrap_err(), CHECKED);
    let mut offer = phase2(&["aes128-sha1"], Encapsulation::TUNNEL);
    without_type(&mut offer, Phase2Attr::LIFE_TYPE.0);
    assert_eq!(profile.select_phase2(&offer, &TUNNEL).map_err(rule_of).unwrap_err(), UNTYPED);
    // Without a lifetime the own one counts.
    without_type(&mut offer, Phase2Attr::LIFE_DURATION.0);
    let lifetime = profile.select_phase2(&offer, &TUNNEL).unwrap().lifetime;
    assert_eq!(lifetime.seconds, profile.timers.child_life);
}

#[test]
fn what_cannot_be_gone_by_makes_one_transform_unusable_and_not_the_offer() {
    let mut offer = phase1(&["aes256-sha256-modp2048", "3des-sha1-modp1024"]);
    offer.proposals[0].transforms[0].attributes.push(short(Phase1Attr::PRF.0, 1));
    let choice = Profile::lenient("test").select_phase1(&offer, &MAIN).unwrap();
    assert_eq!(choice.suite.to_string(), "3des-sha1-modp1024");
}

#[rstest]
#[case::two_lifetimes(&[short(1, 1), short(2, 100)])]
#[case::two_modes(&[short(Phase2Attr::ENCAPSULATION.0, 2)])]
#[case::what_nobody_knows(&[short(999, 1)])]
fn phase_2_is_chosen_transform_by_transform(
    #[case] more: &[Attribute],
    #[values(false, true)] one_proposal: bool,
) {
    let mut offer = phase2(&["aes128-sha1", "3des-sha1"], Encapsulation::TUNNEL);
    offer.proposals[0].transforms[0].attributes.extend_from_slice(more);
    if one_proposal {
        let other = offer.proposals.remove(1);
        offer.proposals[0].transforms.extend(other.transforms);
    }
    let choice = Profile::lenient("test").select_phase2(&offer, &TUNNEL).unwrap();
    assert_eq!(choice.suite.to_string(), "3des-sha1");
}

#[rstest]
// rfc2407-4.5-auth-alg-esp-null
#[case::null_alone("null", Some("R07"))]
#[case::null_and_none("null-none", Some("R07"))]
#[case::null_and_hmac("null-md5", None)]
#[case::cbc_alone("aes128", Some("rfc8221-4-esp-no-unauthenticated"))]
#[case::cbc_and_hmac("aes128-md5", None)]
#[case::gcm_alone("aes128gcm16", None)]
fn encryption_without_integrity_is_refused(#[case] child: &str, #[case] rule: Option<&str>) {
    assert_eq!(phase2_with(child, &[]).err().as_deref(), rule);
}

#[test]
fn null_without_integrity_is_what_the_attribute_is_missing_for() {
    let mut offer = phase2(&["null-sha1"], Encapsulation::TUNNEL);
    let profile = Profile::lenient("test");
    assert!(profile.select_phase2(&offer, &TUNNEL).is_ok());
    let attributes = &mut offer.proposals[0].transforms[0].attributes;
    attributes.retain(|attribute| *attribute != short(5, Phase2Auth::HMAC_SHA1.0));
    assert_eq!(profile.select_phase2(&offer, &TUNNEL).map_err(rule_of).unwrap_err(), "R07");
}

#[rstest]
// In IKEv1 that is SEED (of 128 bits), and what has number 28 in IKEv2 has none.
#[case::gmac_of_ikev2(21)]
#[case::chacha_of_ikev2(28)]
#[case::ccm(16)]
fn ciphers_are_known_by_the_numbers_of_ikev1(
    #[case] id: u8,
    #[values(None, Some(128))] bits: Option<u16>,
) {
    let mut profile = Profile::lenient("test");
    profile.child.encr = Accept::new(Encr::all().collect::<Vec<_>>(), "all");
    let mut offer = phase2(&["aes128gcm16"], Encapsulation::TUNNEL);
    assert!(profile.select_phase2(&offer, &TUNNEL).is_ok());
    let transform = &mut offer.proposals[0].transforms[0];
    transform.id = id;
    transform.attributes.retain(|attribute| attribute.kind() != Phase2Attr::KEY_LENGTH.0);
    transform.attributes.extend(bits.map(|bits| short(Phase2Attr::KEY_LENGTH.0, bits)));
    let refused = profile.select_phase2(&offer, &TUNNEL).map_err(rule_of).unwrap_err();
    assert_eq!(refused, "rfc2408-5.6-transform-unknown-ignored");
}

#[test]
fn a_cipher_is_offered_by_its_number_in_ikev1_or_not_at_all() {
    for encr in Encr::all() {
        let words = if encr.is_aead() { encr.to_string() } else { format!("{encr}-sha1") };
        let offer = phase2(&[&words], Encapsulation::TUNNEL);
        let mut profile = Profile::lenient("test");
        profile.child.encr = Accept::new([encr], "all");
        let read = profile.select_phase2(&offer, &TUNNEL).map(|choice| choice.suite.to_string());
        match encr {
            Encr::ChaCha20Poly1305 => assert_eq!(offer.proposals, []),
            _ => assert_eq!(read, Ok(words)),
        }
    }
}

/// A profile whose table for IKEv1 has its own word on extended sequence numbers.
fn with_esn(ikev2: bool, ikev1: bool, r26: EsnOffer) -> Profile {
    let mut profile = Profile::lenient("test");
    profile.readings.r26 = r26;
    let of = |accept| EsnPolicy { accept, rule: "F30".to_owned() };
    let mut child = profile.child.clone();
    (profile.child.esn, child.esn) = (of(ikev2), of(ikev1));
    let modes = Accept::new([Ikev1Mode::Main], "M");
    let ike = profile.ike.clone();
    profile.ikev1 = Some(Ikev1Policy { modes, ike, child, commit: false });
    profile.for_ikev1()
}

#[rstest]
#[case::of_ikev1(false, true, "aes128gcm16-esn", Ok("aes128gcm16-esn"))]
#[case::of_ikev2_alone(true, false, "aes128gcm16-esn", Err("F30 (R26)"))]
#[case::of_none(false, false, "aes128gcm16-esn", Err("F30 (R26)"))]
#[case::not_asked_for(false, true, "aes128gcm16", Ok("aes128gcm16"))]
#[case::not_asked_for_nor_accepted(false, false, "aes128gcm16", Ok("aes128gcm16"))]
fn extended_sequence_numbers_go_by_the_table_of_ikev1(
    #[case] ikev2: bool,
    #[case] ikev1: bool,
    #[case] child: &str,
    #[case] expected: Result<&str, &str>,
) {
    let profile = with_esn(ikev2, ikev1, EsnOffer::PickNone);
    let chosen = profile.select_phase2(&phase2(&[child], Encapsulation::TUNNEL), &TUNNEL);
    let chosen = chosen.map(|choice| choice.suite.to_string()).map_err(rule_of);
    assert_eq!(chosen, expected.map(str::to_owned).map_err(str::to_owned));
}

#[test]
fn an_offer_with_and_without_esn_goes_by_reading_r26_set_by_set() {
    // In IKEv1 each set is one or the other, so refusing any of them leaves the sets without.
    let mut offer = phase2(&["aes128gcm16-esn", "aes128gcm16"], Encapsulation::TUNNEL);
    for reading in [EsnOffer::PickNone, EsnOffer::RefuseAny] {
        let profile = with_esn(true, false, reading);
        let choice = profile.select_phase2(&offer, &TUNNEL).unwrap();
        assert_eq!(choice.suite.to_string(), "aes128gcm16", "{reading:?}");
    }
    offer.proposals.truncate(1);
    let strict = with_esn(true, false, EsnOffer::RefuseAny);
    let refused = strict.select_phase2(&offer, &TUNNEL).map_err(rule_of).unwrap_err();
    assert_eq!(refused, "R26 (F30)");
}
