//! What an edge makes of offers and identities of IKEv1.

use core::net::IpAddr;

use rstest::rstest;

use crate::crypto::SecretBytes;
use crate::policy::*;
use crate::wire::v1::num::{Encapsulation, Phase1Attr, Phase1Auth, Phase2Attr};
use crate::wire::v1::{Payload, Sa};
use crate::wire::v2::Id;
use crate::wire::{Attribute, ProtocolId};

/// An offer of phase 1 in words, with a lifetime of eight hours.
fn phase1(offers: &[&str]) -> Sa {
    let proposals: Vec<_> =
        offers.iter().map(|offer| offer.parse::<IkeOffer>().unwrap().proposal(1, &[])).collect();
    phase1_offer(&proposals, Phase1Auth::PRE_SHARED_KEY, 28_800)
}

/// An offer of phase 2 in words.
fn phase2(offers: &[&str], encapsulation: Encapsulation) -> Sa {
    let proposals: Vec<_> = offers
        .iter()
        .map(|offer| offer.parse::<ChildOffer>().unwrap().proposal(1, &[], false))
        .collect();
    let offer = Phase2Offer { spi: 0xc001_0203, seconds: 3600, encapsulation };
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
    assert_eq!(choice.lifetime, Lifetime { seconds: 28_800, tell: false });
    let answer = Sa { proposals: vec![choice.chosen] };
    assert_eq!(check_phase1_answer(&offer, &answer), Ok((choice.suite, Some(28_800))));
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
    assert_eq!(lifetime(&profile), Ok(Lifetime { seconds: 3600, tell: true }));
    profile.readings.r20 = LongerLifetime::Shorten;
    assert_eq!(lifetime(&profile), Ok(Lifetime { seconds: 3600, tell: false }));
    profile.readings.r20 = LongerLifetime::Refuse;
    assert!(lifetime(&profile).unwrap_err().names("R20"));
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
    let mut without_mode = tunnel.clone();
    let attributes = &mut without_mode.proposals[0].transforms[0].attributes;
    attributes.retain(|attribute| attribute.kind() != Phase2Attr::ENCAPSULATION.0);
    assert!(refused(&without_mode, TUNNEL).names("rfc2407-4.5-encapsulation-mode-present"));
    let mut strange = tunnel;
    let attributes = &mut strange.proposals[0].transforms[0].attributes;
    attributes.push(Attribute::Tv { kind: 999, value: 1 });
    assert!(refused(&strange, TUNNEL).names("rfc2407-4.5.3-unknown-attribute-aborts"));
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
