//! What an edge makes of offers and identities of IKEv1.

use core::net::IpAddr;

use rstest::rstest;

use crate::crypto::SecretBytes;
use crate::policy::*;
use crate::wire::v1::num::{Encapsulation, Phase1Attr, Phase1Auth, Phase2Attr};
use crate::wire::v1::{Payload, Proposal, Sa};
use crate::wire::v2::Id;
use crate::wire::{Attribute, ProtocolId};

mod attributes;

/// An offer of phase 1 in words, with a lifetime of eight hours.
fn phase1(offers: &[&str]) -> Sa {
    let proposals: Vec<_> =
        offers.iter().map(|offer| offer.parse::<IkeOffer>().unwrap().proposal(1, &[])).collect();
    phase1_offer(&proposals, Phase1Auth::PRE_SHARED_KEY, Life::seconds(28_800))
}

/// An offer of phase 2 in words.
fn phase2(offers: &[&str], encapsulation: Encapsulation) -> Sa {
    let proposals: Vec<_> = offers
        .iter()
        .zip(1..)
        .map(|(offer, n)| offer.parse::<ChildOffer>().unwrap().proposal(n, &[], false))
        .collect();
    let life = Life::seconds(3600);
    let offer = Phase2Offer { spi: 0xc001_0203, over_spi: 0xc001_0204, life, encapsulation };
    phase2_offer(&proposals, &offer)
}

const MAIN: Phase1Context<'static> =
    Phase1Context { mode: Ikev1Mode::Main, public_len: None, auth: &[Phase1Auth::PRE_SHARED_KEY] };

const TUNNEL: Phase2Context =
    Phase2Context { public_len: None, nat: false, encapsulation: Encapsulation::TUNNEL };

#[rstest]
#[case(&["aes128-sha1-modp1024"], "aes128-sha1-modp1024")]
#[case(&["3des-md5-modp1536"], "3des-md5-modp1536")]
#[case(&["aes256-aes128-sha256-sha1-modp2048-modp1024"], "aes256-sha256-modp2048")]
#[case(&["aes192-sha512-ecp256", "3des-sha1-modp1024"], "aes192-sha512-ecp256")]
fn the_first_transform_that_is_accepted_is_taken(#[case] offers: &[&str], #[case] suite: &str) {
    let offer = phase1(offers);
    let choice = Profile::lenient("test").select_phase1(&offer, &MAIN).unwrap();
    assert_eq!(choice.suite.to_string(), suite);
    assert_eq!(choice.lifetime, Lifetime { seconds: 28_800, kilobytes: None, tell: false });
    let answer = Sa { proposals: vec![choice.chosen] };
    let checked = check_phase1_answer(&offer, &answer);
    assert_eq!(checked, Ok((choice.suite, Phase1Auth::PRE_SHARED_KEY, Some(28_800))));
    let payload = Payload::Sa(offer);
    assert_eq!(Payload::decode(&payload.encode()), Ok(payload));
}

#[test]
fn a_refusal_names_the_rule_of_every_transform() {
    let mut profile = Profile::lenient("test");
    profile.ike.groups = Accept::new([crate::crypto::suite::Group::Modp1024], "F27");
    let mut offer = phase1(&["aes128-sha1-modp2048", "aes128-sha1-modp1024"]);
    let transforms = &mut offer.proposals[0].transforms;
    transforms[1].attributes.retain(|attribute| attribute.kind() != Phase1Attr::HASH.0);
    let refusal = profile.select_phase1(&offer, &MAIN).unwrap_err();
    assert!(refusal.names("F27"), "{refusal}");
    assert!(refusal.names("rfc2409-4-phase1-attributes-mandatory"), "{refusal}");
    assert_eq!(refusal.proposals.len(), 2);
}

#[test]
fn a_longer_lifetime_is_cut_told_or_refused() {
    let mut profile = Profile::lenient("test");
    profile.timers.ike_life = 3600;
    let offer = phase1(&["aes128-sha1-modp1024"]);
    let lifetime = |profile: &Profile| profile.select_phase1(&offer, &MAIN).map(|c| c.lifetime);
    assert_eq!(lifetime(&profile), Ok(Lifetime { seconds: 3600, kilobytes: None, tell: true }));
    profile.readings.r20 = LongerLifetime::Shorten;
    assert_eq!(lifetime(&profile), Ok(Lifetime { seconds: 3600, kilobytes: None, tell: false }));
    profile.readings.r20 = LongerLifetime::Refuse;
    assert!(lifetime(&profile).unwrap_err().names("R20"));
}

#[rstest]
#[case::unlimited_against_nothing(None, None, false)]
#[case::unlimited_against_a_limit(None, Some(1000), false)]
#[case::less(Some(2000), Some(1000), false)]
#[case::as_much(Some(1000), Some(1000), false)]
#[case::more(Some(1000), Some(2000), true)]
#[case::without_end(Some(1000), None, true)]
fn a_larger_volume_is_told_taken_or_refused(
    #[case] own: Option<u64>,
    #[case] offered: Option<u64>,
    #[case] is_more: bool,
) {
    let mut profile = Profile::lenient("test");
    profile.timers.ike_kilobytes = own;
    let offers: Vec<_> = ["aes128-sha1-modp1024"]
        .iter()
        .map(|offer| offer.parse::<IkeOffer>().unwrap().proposal(1, &[]))
        .collect();
    let life = Life { seconds: 3600, kilobytes: offered };
    // rfc2407-4.5.2-repeated-attributes-parsed
    let offer = phase1_offer(&offers, Phase1Auth::PRE_SHARED_KEY, life);
    let choose = |profile: &Profile| profile.select_phase1(&offer, &MAIN);
    let choice = choose(&profile).unwrap();
    assert_eq!(choice.lifetime, Lifetime { seconds: 3600, kilobytes: own, tell: is_more });
    // The answer has all of the attributes, as they were.
    assert_eq!(choice.chosen, offer.proposals[0]);
    profile.readings.r20 = LongerLifetime::Shorten;
    assert!(!choose(&profile).unwrap().lifetime.tell);
    profile.readings.r20 = LongerLifetime::Refuse;
    match choose(&profile) {
        Ok(_) => assert!(!is_more),
        Err(refusal) => assert!(is_more && refusal.names("R20"), "{refusal}"),
    }
}

#[test]
fn the_group_of_aggressive_mode_is_that_of_the_public_value() {
    let profile = Profile::lenient("test");
    let offer = phase1(&["aes128-sha1-modp2048-modp1024"]);
    let context =
        Phase1Context { mode: Ikev1Mode::Aggressive, public_len: Some(128), auth: MAIN.auth };
    let choice = profile.select_phase1(&offer, &context).unwrap();
    assert_eq!(choice.suite.to_string(), "aes128-sha1-modp1024");
}

#[rstest]
#[case("aes256gcm16", None, "aes256gcm16")]
#[case("null-md5", None, "null-md5")]
#[case("aes128-sha1-modp1024", Some(128), "aes128-sha1-modp1024")]
#[case("aes256-aes128-sha256-md5", None, "aes256-sha256")]
fn phase_2_is_selected(
    #[case] offer: &str,
    #[case] public_len: Option<usize>,
    #[case] suite: &str,
) {
    let offer = phase2(&[offer], Encapsulation::TUNNEL);
    let context = Phase2Context { public_len, ..TUNNEL };
    let choice = Profile::lenient("test").select_phase2(&offer, &context).unwrap();
    assert_eq!(choice.suite.to_string(), suite);
    assert_eq!(choice.chosen.spi, [0xc0, 1, 2, 3]);
    let answer = Sa { proposals: vec![choice.chosen] };
    let (checked, seconds, proposal) = check_phase2_answer(&offer, &answer).unwrap();
    assert_eq!((checked, seconds), (choice.suite, Some(3600)));
    assert_eq!(proposal.protocol, ProtocolId::ESP);
}

#[test]
fn phase_2_is_refused_by_the_rule_that_stands_against_it() {
    let profile = Profile::lenient("test");
    let refused =
        |offer: &Sa, context: Phase2Context| profile.select_phase2(offer, &context).unwrap_err();
    let tunnel = phase2(&["aes128-sha1"], Encapsulation::TUNNEL);
    let transport = phase2(&["aes128-sha1"], Encapsulation::TRANSPORT);
    let pfs = phase2(&["aes128-sha1-modp1024"], Encapsulation::TUNNEL);
    let behind = Phase2Context { nat: true, encapsulation: Encapsulation::UDP_TUNNEL, ..TUNNEL };
    let with_value = Phase2Context { public_len: Some(128), ..TUNNEL };
    assert!(refused(&transport, TUNNEL).names("R21"));
    assert!(refused(&tunnel, behind).names("rfc3947-5.1-encap-when-nat"));
    assert!(refused(&pfs, TUNNEL).names("rfc2409-5.5-qm-ke-same-group"));
    assert!(refused(&tunnel, with_value).names("rfc2409-5.5-qm-ke-same-group"));
    let mut bundle = phase2(&["ah:sha1", "aes128-sha1"], Encapsulation::TUNNEL);
    bundle.proposals[1].number = 1;
    assert!(refused(&bundle, TUNNEL).names("R12"));
    let mut accepting = profile.clone();
    accepting.readings.r12 = Bundle::Accept;
    let taken = accepting.select_phase2(&bundle, &TUNNEL).unwrap();
    let over = taken.over.map(|(suite, _)| suite.to_string());
    assert_eq!(
        (taken.suite.to_string(), over.as_deref()),
        ("aes128-sha1".to_owned(), Some("ah:sha1"))
    );
    // What stands against one of the two stands against both.
    let half = phase2(&["ah:sha1-modp1024"], Encapsulation::TUNNEL).proposals.remove(0);
    let half = Sa { proposals: vec![half, bundle.proposals[1].clone()] };
    assert!(
        accepting.select_phase2(&half, &TUNNEL).unwrap_err().names("rfc2409-5.5-qm-ke-same-group")
    );
    bundle.proposals[0] = Proposal { protocol: ProtocolId::ESP, ..bundle.proposals[1].clone() };
    assert!(accepting.select_phase2(&bundle, &TUNNEL).unwrap_err().names("R12"), "two of ESP");
    let mut without_mode = tunnel.clone();
    let attributes = &mut without_mode.proposals[0].transforms[0].attributes;
    attributes.retain(|attribute| attribute.kind() != Phase2Attr::ENCAPSULATION.0);
    assert!(refused(&without_mode, TUNNEL).names("rfc2407-4.5-encapsulation-mode-present"));
}

#[test]
fn what_is_wanted_together_is_offered_together_or_not_at_all() {
    let words = [("chacha20poly1305", 1), ("ah:sha256", 1), ("aes128-sha1", 2), ("ah:sha1", 2)];
    let proposals = words
        .map(|(offer, number)| offer.parse::<ChildOffer>().unwrap().proposal(number, &[], false));
    let (life, encapsulation) = (Life::seconds(3600), Encapsulation::TUNNEL);
    let offer = Phase2Offer { spi: 0xc001_0203, over_spi: 0xc001_0204, life, encapsulation };
    let offered = |proposals: &[_]| {
        let offered = phase2_offer(proposals, &offer).proposals;
        offered.iter().map(|one| (one.number, one.protocol, one.spi[3])).collect::<Vec<_>>()
    };
    assert_eq!(offered(&proposals), [(1, ProtocolId::ESP, 3), (1, ProtocolId::AH, 4)]);
    assert_eq!(offered(&proposals[..2]), []);
    // What has the number for itself is for itself.
    assert_eq!(offered(&proposals[1..3]), [(1, ProtocolId::AH, 3), (2, ProtocolId::ESP, 3)]);
}

#[test]
fn an_answer_that_changes_the_offer_is_found_out() {
    let offer = phase1(&["aes128-sha1-modp1024", "3des-sha1-modp1024"]);
    assert_eq!(check_phase1_answer(&offer, &offer), Err(V1AnswerError::Transforms(2)));
    let mut answer = phase1(&["3des-sha1-modp1024"]);
    assert!(check_phase1_answer(&offer, &answer).is_ok(), "numbers may be counted anew");
    let attributes = &mut answer.proposals[0].transforms[0].attributes;
    for attribute in attributes {
        if attribute.kind() == Phase1Attr::LIFE_DURATION.0 {
            *attribute = Attribute::Tlv { kind: attribute.kind(), value: vec![0, 0, 0x70, 0x80] };
        }
    }
    assert!(check_phase1_answer(&offer, &answer).is_ok(), "either form of a number is the same");
    answer.proposals[0].transforms[0].attributes[3] =
        Attribute::Tv { kind: Phase1Attr::GROUP.0, value: 14 };
    assert_eq!(check_phase1_answer(&offer, &answer), Err(V1AnswerError::Changed(1)));
}

/// An offer of two transforms of which the first has another attribute in place of one.
fn with_changed(first: &str, kind: Phase1Attr, attribute: Option<Attribute>) -> Sa {
    let mut offer = phase1(&[first, "3des-sha1-modp1024"]);
    let attributes = &mut offer.proposals[0].transforms[0].attributes;
    attributes.retain(|attribute| attribute.kind() != kind.0);
    attributes.extend(attribute);
    offer
}

#[rstest]
#[case::right(Some(Attribute::Tv { kind: 14, value: 256 }), "aes256-sha1-modp1024")]
#[case::in_the_other_form(
    Some(Attribute::Tlv { kind: 14, value: vec![1, 0] }),
    "aes256-sha1-modp1024"
)]
#[case::wrong(Some(Attribute::Tv { kind: 14, value: 100 }), "3des-sha1-modp1024")]
#[case::missing(None, "3des-sha1-modp1024")]
fn a_transform_without_the_right_key_length_is_passed_over(
    #[case] attribute: Option<Attribute>,
    #[case] suite: &str,
) {
    let offer = with_changed("aes128-sha1-modp1024", Phase1Attr::KEY_LENGTH, attribute);
    let choice = Profile::lenient("test").select_phase1(&offer, &MAIN).unwrap();
    assert_eq!(choice.suite.to_string(), suite);
}

#[test]
fn a_key_length_of_a_fixed_cipher_makes_the_transform_unusable() {
    // rfc2409-a-keylen-fixed-cipher
    let attribute = Attribute::key_length(192);
    let mut offer = with_changed("3des-sha1-modp1024", Phase1Attr::KEY_LENGTH, Some(attribute));
    offer.proposals[0].transforms.truncate(1);
    assert!(Profile::lenient("test").select_phase1(&offer, &MAIN).is_err());
    offer.proposals[0].transforms[0].attributes.pop();
    assert!(Profile::lenient("test").select_phase1(&offer, &MAIN).is_ok());
}

#[test]
fn attributes_count_in_either_form_and_in_any_order() {
    let mut offer = phase1(&["aes256-sha256-modp2048"]);
    for attribute in &mut offer.proposals[0].transforms[0].attributes {
        if let Attribute::Tv { kind, value } = *attribute {
            *attribute = Attribute::Tlv { kind, value: value.to_be_bytes().to_vec() };
        }
    }
    // A life duration follows its type (rfc2407-4.5-life-type-before-duration); all else is free.
    offer.proposals[0].transforms[0].attributes[..5].reverse();
    let choice = Profile::lenient("test").select_phase1(&offer, &MAIN).unwrap();
    assert_eq!(choice.suite.to_string(), "aes256-sha256-modp2048");
    assert_eq!(choice.lifetime.seconds, 28_800);
}

#[test]
fn the_own_order_counts_if_the_profile_says_so() {
    let mut profile = Profile::lenient("test");
    let offer = phase1(&["3des-sha1-modp1024", "aes256-sha256-modp2048"]);
    let suite = |profile: &Profile| profile.select_phase1(&offer, &MAIN).unwrap().suite.to_string();
    profile.order = Order::Peer;
    assert_eq!(suite(&profile), "3des-sha1-modp1024");
    profile.order = Order::Own;
    assert_eq!(suite(&profile), "aes256-sha256-modp2048");
}

#[rstest]
#[case::dss(2)]
#[case::rsa_encryption(4)]
#[case::revised_rsa_encryption(5)]
#[case::unknown(999)]
fn other_ways_to_authenticate_are_refused(#[case] method: u16) {
    let profile = Profile::lenient("test");
    let mut offer = phase1(&["aes128-sha1-modp1024"]);
    assert!(profile.select_phase1(&offer, &MAIN).is_ok());
    for attribute in &mut offer.proposals[0].transforms[0].attributes {
        if attribute.kind() == Phase1Attr::AUTH_METHOD.0 {
            *attribute = Attribute::Tv { kind: attribute.kind(), value: method };
        }
    }
    let refusal = profile.select_phase1(&offer, &MAIN).unwrap_err();
    assert!(refusal.names("F28"), "{refusal}");
}

fn credentials() -> Vec<Credential> {
    ["ip:192.0.2.1", "fqdn:branch.example.com"]
        .into_iter()
        .map(|id| Credential {
            id: id.parse().unwrap(),
            psk: SecretBytes::from_slice(b"secret"),
            bound_source: None,
        })
        .collect()
}

#[test]
fn main_mode_finds_its_key_by_the_address() {
    let mut profile = Profile::lenient("test");
    let (known, other): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 9].into());
    let key = profile.main_mode_key(known, &credentials()).unwrap();
    assert!(matches!(key, MainModeKey::Known(..)));
    let refusal = profile.main_mode_key(other, &credentials()).unwrap_err();
    assert!(refusal.rule.starts_with("R14"), "{refusal}");
    profile.readings.r14 = MainWithoutAddress::FailFifth;
    assert_eq!(profile.main_mode_key(other, &credentials()), Ok(MainModeKey::Unknown));
    let named = Identity::Ip(known);
    let check = |id: Id| {
        let query = IdentityQuery { id_i: &id, source: known, nat_at_peer: false };
        profile.main_mode_identity(query, &named, &credentials()).map_err(|refusal| refusal.rule)
    };
    assert_eq!(check(Id::ip(known)), Ok(()));
    assert_eq!(check(Id::ip([10, 0, 0, 1].into())), Err("F05".to_owned()));
    let rule = "rfc2409-5.4-main-mode-psk-id-by-address";
    assert_eq!(check(Id::fqdn("branch.example.com")), Err(rule.to_owned()));
}

#[test]
fn aggressive_mode_is_for_named_credentials() {
    let mut profile = Profile::lenient("test");
    let source: IpAddr = [192, 0, 2, 1].into();
    let find = |profile: &Profile, id: Id| {
        let query = IdentityQuery { id_i: &id, source, nat_at_peer: false };
        let credentials = credentials();
        let found = profile.aggressive_mode_credential(query, &credentials);
        found.map(|credential| credential.id.to_string()).map_err(|refusal| refusal.rule)
    };
    let branch = || Ok("fqdn:branch.example.com".to_owned());
    assert_eq!(find(&profile, Id::fqdn("Branch.Example.com")), branch());
    assert_eq!(find(&profile, Id::ip(source)), Err("R15 (F25)".to_owned()));
    profile.readings.r15 = AggressiveWithAddress::Accept;
    assert_eq!(find(&profile, Id::ip(source)), Ok("ip:192.0.2.1".to_owned()));
}

#[test]
fn transform_and_algorithm_of_ah_name_one_hash_and_a_nat_changes_no_mode() {
    let mut profile = Profile::lenient("test");
    let offer = phase2(&["ah:sha1"], Encapsulation::UDP_TUNNEL);
    let behind = Phase2Context { nat: true, encapsulation: Encapsulation::UDP_TUNNEL, ..TUNNEL };
    assert_eq!(profile.select_phase2(&offer, &TUNNEL).unwrap().suite.to_string(), "ah:sha1");
    assert!(profile.select_phase2(&offer, &behind).unwrap_err().names("R11"));
    profile.readings.r11 = AhBehindNat::Negotiate;
    assert_eq!(profile.select_phase2(&offer, &behind).unwrap().suite.to_string(), "ah:sha1");
    let mut odd = offer;
    for attribute in &mut odd.proposals[0].transforms[0].attributes {
        if attribute.kind() == Phase2Attr::AUTH.0 {
            *attribute = Attribute::Tv { kind: attribute.kind(), value: 1 };
        }
    }
    let refusal = profile.select_phase2(&odd, &TUNNEL).unwrap_err();
    assert!(refusal.names("rfc2407-4.4.3-ah-auth-attribute"), "{refusal}");
}

#[test]
fn an_answer_to_a_bundle_has_both_halves() {
    let mut offer = phase2(&["aes128-sha1", "ah:sha1"], Encapsulation::TUNNEL);
    offer.proposals[1].number = 1;
    let (esp, over) = check_phase2_over(&offer, &offer).unwrap();
    assert_eq!(over.map(|(suite, _)| suite.to_string()).as_deref(), Some("ah:sha1"));
    assert_eq!(check_phase2_answer(&offer, &esp).unwrap().0.to_string(), "aes128-sha1");
    assert_eq!(check_phase2_over(&offer, &esp).unwrap_err(), V1AnswerError::Half);
    // Both are granted, and were not wanted together.
    let apart = phase2(&["aes128-sha1", "ah:sha1"], Encapsulation::TUNNEL);
    assert_eq!(check_phase2_over(&apart, &offer).unwrap_err(), V1AnswerError::Proposals(2));
    assert_eq!(check_phase2_over(&apart, &esp).unwrap().1, None);
}
