use core::net::IpAddr;

use rstest::rstest;

use super::*;
use crate::crypto::SecretBytes;

fn credentials(names: &[&str]) -> Vec<Credential> {
    let credential = |name: &&str| {
        let (id, source) = name.rsplit_once('@').map_or((*name, None), |(id, source)| {
            source.parse().map_or((*name, None), |source: IpAddr| (id, Some(source)))
        });
        let psk = SecretBytes::from_slice(name.as_bytes());
        Credential { id: id.parse().unwrap(), psk, bound_source: source }
    };
    names.iter().map(credential).collect()
}

/// The place of the credential that is found, or the rule.
fn found(profile: &Profile, names: &[&str], asserted: &str, source: &str) -> String {
    let credentials = credentials(names);
    let id = asserted.parse::<Identity>().unwrap().to_id();
    let query = IdentityQuery { id_i: &id, source: source.parse().unwrap(), nat_at_peer: true };
    match profile.identify(query, &credentials) {
        Ok(found) => found.id.to_string(),
        Err(refusal) => refusal.rule,
    }
}

#[rstest]
#[case::by_name_not_by_place(&["fqdn:a.example", "fqdn:b.example"], "fqdn:b.example", "fqdn:b.example")]
#[case::by_name_not_by_source(&["ip:192.0.2.1", "fqdn:b.example"], "fqdn:b.example", "fqdn:b.example")]
#[case::address(&["ip:192.0.2.1"], "ip:192.0.2.1", "ip:192.0.2.1")]
#[case::key_id(&["keyid:branch 7"], "keyid:branch 7", "keyid:branch 7")]
#[case::key_id_is_no_name(&["fqdn:branch"], "keyid:branch", "rfc7296-2.15-psk-id-lookup-by-idi")]
#[case::unknown_name(&["fqdn:a.example"], "fqdn:x.example", "rfc7296-2.15-psk-id-lookup-by-idi")]
#[case::private_against_public(&["ip:192.0.2.1"], "ip:10.0.0.5", "F05")]
#[case::private_against_nothing(&["ip:198.51.100.9"], "ip:10.0.0.5", "R17 (F03, F04)")]
#[case::private_against_name(&["fqdn:a.example@192.0.2.1"], "ip:10.0.0.5", "R17 (F03, F04)")]
fn a_credential_is_found_by_identity(
    #[case] names: &[&str],
    #[case] asserted: &str,
    #[case] expected: &str,
) {
    assert_eq!(found(&Profile::lenient("test"), names, asserted, "192.0.2.1"), expected);
}

#[rstest]
#[case::one(&["fqdn:a.example@192.0.2.1"], "fqdn:a.example")]
#[case::two(&["fqdn:a.example@192.0.2.1", "email:b@c.example@192.0.2.1"], "R17")]
#[case::bound_elsewhere(&["fqdn:a.example@192.0.2.2"], "R17 (F03, F04)")]
#[case::public_credential(&["ip:192.0.2.1"], "F05")]
fn an_address_may_stand_for_the_only_credential_of_its_source(
    #[case] names: &[&str],
    #[case] expected: &str,
) {
    let mut profile = Profile::lenient("test");
    profile.readings.set("R17", "bound-source").unwrap();
    assert_eq!(found(&profile, names, "ip:10.0.0.5", "192.0.2.1"), expected);
}

#[rstest]
#[case::other_case("folded", "fqdn:Gw.Example", "fqdn:gw.example")]
#[case::other_type("folded", "email:Gw.Example@x", "rfc7296-2.15-psk-id-lookup-by-idi")]
#[case::same_exact("exact", "fqdn:gw.example", "fqdn:gw.example")]
#[case::other_case_exact("exact", "fqdn:Gw.Example", "R18")]
fn names_are_compared_as_the_reading_says(
    #[case] r18: &str,
    #[case] asserted: &str,
    #[case] expected: &str,
) {
    let mut profile = Profile::lenient("test");
    profile.readings.set("R18", r18).unwrap();
    assert_eq!(found(&profile, &["fqdn:gw.example"], asserted, "192.0.2.1"), expected);
}

#[rstest]
#[case("folded", "email:user@gw.example")]
#[case("exact", "R18")]
fn a_user_name_may_come_as_either_type(#[case] r18: &str, #[case] expected: &str) {
    let mut profile = Profile::lenient("test");
    profile.readings.set("R18", r18).unwrap();
    let asserted = "fqdn:user@gw.example";
    assert_eq!(found(&profile, &["email:user@gw.example"], asserted, "192.0.2.1"), expected);
}

#[test]
fn the_exact_name_goes_before_the_folded_one() {
    let names = ["email:user@gw.example", "fqdn:user@gw.example"];
    let profile = Profile::lenient("test");
    assert_eq!(found(&profile, &names, "fqdn:user@gw.example", "192.0.2.1"), names[1]);
}

#[test]
fn types_that_name_no_credential_are_refused() {
    let mut profile = Profile::lenient("test");
    profile.identity.types = Accept::new([IdentityType::Fqdn], "T");
    assert_eq!(found(&profile, &["keyid:x"], "keyid:x", "192.0.2.1"), "T");
    let id = crate::wire::v2::Id { kind: crate::wire::num::IdType(9), data: vec![0x30, 0] };
    let source = "192.0.2.1".parse().unwrap();
    let query = IdentityQuery { id_i: &id, source, nat_at_peer: false };
    assert_eq!(profile.identify(query, &[]).unwrap_err().rule, "T");
}

#[rstest]
#[case("192.0.2.1", "ip:192.0.2.1")]
#[case("2001:db8::1", "")]
#[case("ip:2001:db8::1", "ip:2001:db8::1")]
#[case("gw.example", "fqdn:gw.example")]
#[case("user@gw.example", "email:user@gw.example")]
#[case("fqdn:user@gw.example", "fqdn:user@gw.example")]
#[case("keyid:0x00ff", "keyid:0x00ff")]
#[case("keyid:branch", "keyid:branch")]
#[case("mail:user", "")]
#[case("keyid:0xf", "")]
#[case("keyid:0x+f", "")]
#[case("", "")]
fn identities_have_a_text(#[case] text: &str, #[case] expected: &str) {
    match text.parse::<Identity>() {
        Ok(identity) => {
            assert_eq!(Identity::from_id(&identity.to_id()), Some(identity.clone()));
            if !expected.is_empty() {
                assert_eq!(identity.to_string(), expected);
            }
        }
        Err(error) => assert!(expected.is_empty(), "{error}"),
    }
}
