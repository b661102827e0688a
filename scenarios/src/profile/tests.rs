//! What the shipped profile makes of offers, in each of its readings.

use ikeproof_proto::crypto::suite::Group;
use ikeproof_proto::policy::{
    ChildContext, ChildOffer, ChildSelection, Forwarding, IkeOffer, IkeSelection, Ikev1Mode, Life,
    Phase1Context, Phase2Context, Phase2Offer, Profile, Refusal, Timers, phase1_offer,
    phase2_offer,
};
use ikeproof_proto::wire::num::GroupId;
use ikeproof_proto::wire::v1::num::{Encapsulation, Phase1Auth};
use rstest::rstest;

use super::*;

fn zscaler(readings: &[(&str, &str)]) -> Profile {
    let mut profile = load("zscaler", None).unwrap();
    readings.iter().for_each(|(id, value)| profile.readings.set(id, value).unwrap());
    profile
}

fn rules(refusal: &Refusal) -> String {
    let reasons = refusal.proposals.iter().flat_map(|proposal| &proposal.reasons);
    let rules: Vec<_> = reasons.map(|reason| reason.rule.as_str()).collect();
    format!("refused: {}", rules.join("; "))
}

fn ike(profile: &Profile, offers: &str, ke: u16) -> String {
    let offers = offers.split_whitespace().zip(1..);
    let offered: Vec<_> =
        offers.map(|(offer, n)| offer.parse::<IkeOffer>().unwrap().proposal(n, &[])).collect();
    match profile.select_ike(&offered, GroupId(ke)) {
        IkeSelection::Accept { suite, .. } => suite.to_string(),
        IkeSelection::WrongGroup { want, .. } => format!("retry {want}"),
        IkeSelection::Refuse(refusal) => rules(&refusal),
    }
}

fn child(profile: &Profile, offers: &str, context: &ChildContext) -> String {
    let offers = offers.split_whitespace().zip(1..);
    let offered: Vec<_> = offers
        .map(|(offer, n)| offer.parse::<ChildOffer>().unwrap().proposal(n, &[0, 0, 0, n], false))
        .collect();
    match profile.select_child(&offered, context) {
        ChildSelection::Accept { suite, .. } => suite.to_string(),
        ChildSelection::WrongGroup { want, .. } => format!("retry {want}"),
        ChildSelection::Refuse(refusal) => rules(&refusal),
    }
}

const FIRST: ChildContext = ChildContext { ke_group: None, is_first: true, nat: false };
const REFUSED_C1: &str = "refused: C1 (F09, R04)";

#[rstest]
#[case::r04_both_groups(("R04", "literal"), "aes256-sha384-ecp256-modp2048", 19, "retry modp2048")]
#[case::r04_group_14_absent(("R04", "literal"), "aes256-sha384-ecp256", 19, REFUSED_C1)]
#[case::r04_group_20(("R04", "literal"), "aes256-sha384-ecp384", 20, REFUSED_C1)]
#[case::r04_group_14(("R04", "literal"), "aes256-sha384-modp2048", 14, "aes256-sha384-modp2048")]
#[case::r04_sha512(("R04", "literal"), "aes256-sha512-modp1536", 5, REFUSED_C1)]
#[case::r04_loose_19(("R04", "at-least-14"), "aes256-sha384-ecp256-modp2048", 19, "aes256-sha384-ecp256")]
#[case::r04_loose_5(("R04", "at-least-14"), "aes256-sha384-modp1536", 5, REFUSED_C1)]
#[case::r05_wide(("R05", "per-combination"), "3des-aes128-sha512-sha1-modp2048-modp1024", 14, "aes128-sha512-modp2048")]
#[case::r05_wide_group_2(("R05", "per-combination"), "3des-aes128-sha512-sha1-modp2048-modp1024", 2, "3des-sha1-prfsha512-modp1024")]
#[case::r05_wide_list_only(("R05", "list-only"), "3des-aes128-sha512-sha1-modp2048-modp1024", 14, "3des-sha512-modp2048")]
#[case::c2_group_14(("R05", "per-combination"), "3des-sha1-modp2048", 14, "refused: C2 (F10)")]
#[case::c2_sha512(("R05", "per-combination"), "3des-sha512-modp1024", 2, "refused: C1 (F09, R04); C2 (F10)")]
#[case::c2_sha1(("R05", "per-combination"), "3des-sha1-modp1024", 2, "3des-sha1-modp1024")]
#[case::c2_sha256(("R05", "per-combination"), "3des-sha256-modp1024", 2, "3des-sha256-modp1024")]
#[case::r09_refuse(("R09", "refuse"), "aes256gcm16-prfsha256-ecp256", 19, "refused: F11")]
#[case::r09_accept(("R09", "accept"), "aes256gcm16-prfsha256-ecp256", 19, "aes256gcm16-prfsha256-ecp256")]
#[case::r09_other_prf(("R09", "accept"), "aes256gcm16-prfsha384-ecp256", 19, "refused: R09")]
#[case::r19_any(("R19", "any-listed"), "aes256-sha256-prfsha1-modp2048", 14, "aes256-sha256-prfsha1-modp2048")]
#[case::r19_same(("R19", "same-hash"), "aes256-sha256-prfsha1-modp2048", 14, "refused: R19")]
#[case::r19_same_of_two(("R19", "same-hash"), "aes256-sha256-prfsha1-prfsha256-modp2048", 14, "aes256-sha256-modp2048")]
#[case::r19_md5(("R19", "any-listed"), "aes256-sha256-prfmd5-modp2048", 14, "refused: R19")]
#[case::md5(("R19", "any-listed"), "aes256-md5-prfsha1-modp2048", 14, "refused: F12")]
#[case::group_15(("R19", "any-listed"), "aes256-sha256-modp3072", 15, "refused: F13")]
#[case::group_31_then_14(("R19", "any-listed"), "aes256-sha256-curve25519-modp2048", 31, "retry modp2048")]
fn phase_1(
    #[case] reading: (&str, &str),
    #[case] offer: &str,
    #[case] ke: u16,
    #[case] expected: &str,
) {
    assert_eq!(ike(&zscaler(&[reading]), offer, ke), expected);
}

#[rstest]
#[case::r06_strict(("R06", "strict"), "aes256gcm16-sha256", "refused: R06")]
#[case::r06_ignore(("R06", "ignore-hmac"), "aes256gcm16-sha256", "aes256gcm16")]
#[case::r07_null_none(("R06", "strict"), "null-none", "refused: R07")]
#[case::r07_gmac(("R06", "strict"), "aes256gmac", "refused: F15")]
#[case::r08_bought(("R08", "purchased"), "aes128gcm16 null-md5", "aes128gcm16")]
#[case::r08_not_bought(("R08", "not-purchased"), "aes128gcm16 null-md5", "null-md5")]
#[case::r08_no_null(("R08", "not-purchased"), "aes128gcm16", "refused: R08 (F07)")]
#[case::r08_ah(("R08", "not-purchased"), "ah:sha1", "ah:sha1")]
#[case::r26_both(("R26", "pick-none"), "aes128gcm16-esn-noesn", "aes128gcm16")]
#[case::r26_only(("R26", "pick-none"), "aes128gcm16-esn", "refused: F30 (R26)")]
#[case::r26_strict(("R26", "refuse-any"), "aes128gcm16-esn-noesn", "refused: R26 (F30)")]
#[case::chacha(("R26", "pick-none"), "chacha20poly1305", "refused: F15")]
#[case::gcm_short_icv(("R26", "pick-none"), "aes128gcm8", "refused: F15")]
#[case::des3(("R26", "pick-none"), "3des-sha1", "refused: F15")]
#[case::recommended(("R26", "pick-none"), "null-md5", "null-md5")]
fn phase_2(#[case] reading: (&str, &str), #[case] offer: &str, #[case] expected: &str) {
    assert_eq!(child(&zscaler(&[reading]), offer, &FIRST), expected);
}

#[rstest]
#[case::refuse("refuse", "refused: R11")]
#[case::negotiate("negotiate", "ah:sha256")]
fn authentication_header_behind_nat(#[case] r11: &str, #[case] expected: &str) {
    let context = ChildContext { nat: true, ..FIRST };
    assert_eq!(child(&zscaler(&[("R11", r11)]), "ah:sha256", &context), expected);
}

#[rstest]
#[case::optional_without("optional", "aes128gcm16", None, "aes128gcm16")]
#[case::optional_with("optional", "aes128gcm16-modp1024", Some(2), "aes128gcm16-modp1024")]
#[case::optional_other("optional", "aes128gcm16-modp3072-ecp521", Some(15), "retry ecp521")]
#[case::forbid("forbid", "aes128gcm16-modp1024", Some(2), "refused: R25")]
#[case::require("require", "aes128gcm16", None, "refused: R25")]
fn forward_secrecy(
    #[case] r25: &str,
    #[case] offer: &str,
    #[case] ke: Option<u16>,
    #[case] expected: &str,
) {
    let context = ChildContext { ke_group: ke.map(GroupId), is_first: false, nat: false };
    assert_eq!(child(&zscaler(&[("R25", r25)]), offer, &context), expected);
}

#[rstest]
#[case("aes128-sha1-modp1024", &[], "aes128-sha1-modp1024")]
#[case("3des-sha1-modp1024", &[], "3des-sha1-modp1024")]
#[case("aes128-md5-modp1024", &[], "F27")]
#[case("aes128-md5-modp1024", &[("R01", "accept")], "aes128-md5-modp1024")]
#[case("aes128-sha1-modp2048", &[], "F27")]
#[case("aes256-sha1-modp1024", &[("R02", "text")], "R02")]
#[case("aes128-sha1-modp1024", &[("R02", "text")], "aes128-sha1-modp1024")]
fn phase_1_of_ikev1_is_selected(
    #[case] offer: &str,
    #[case] readings: &[(&str, &str)],
    #[case] expected: &str,
) {
    let offer = offer.parse::<IkeOffer>().unwrap().proposal(1, &[]);
    let auth = Phase1Auth::PRE_SHARED_KEY;
    let context = Phase1Context { mode: Ikev1Mode::Main, public_len: None, auth: &[auth] };
    let profile = zscaler(readings).for_ikev1();
    match profile.select_phase1(&phase1_offer(&[offer], auth, Life::seconds(86_400)), &context) {
        Ok(choice) => assert_eq!(choice.suite.to_string(), expected),
        Err(refusal) => assert!(refusal.names(expected), "{refusal}"),
    }
}

#[rstest]
#[case("aes256gcm16", &[], "aes256gcm16")]
#[case("null-md5", &[], "null-md5")]
#[case("aes128-sha256", &[], "F29")]
#[case("aes128-sha1", &[("R03", "text")], "R03")]
#[case("aes128gcm16", &[("R03", "text")], "aes128gcm16")]
#[case("aes128-md5", &[("R08", "not-purchased")], "R08")]
fn phase_2_of_ikev1_is_selected(
    #[case] offer: &str,
    #[case] readings: &[(&str, &str)],
    #[case] expected: &str,
) {
    let offer = offer.parse::<ChildOffer>().unwrap().proposal(1, &[], false);
    let encapsulation = Encapsulation::TUNNEL;
    let wanted =
        Phase2Offer { spi: 0xc000_0001, life: Life::seconds(28_800), encapsulation, over_spi: 0 };
    let context = Phase2Context { public_len: None, nat: false, encapsulation };
    let profile = zscaler(readings).for_ikev1();
    match profile.select_phase2(&phase2_offer(&[offer], &wanted), &context) {
        Ok(choice) => assert_eq!(choice.suite.to_string(), expected),
        Err(refusal) => assert!(refusal.names(expected), "{refusal}"),
    }
}

#[test]
fn the_file_carries_every_fact_and_reading() {
    let file = ProfileFile::load("zscaler").unwrap();
    let facts: Vec<_> = file.facts.iter().map(|fact| fact.id.clone()).collect();
    assert_eq!(facts, (1..=42).map(|n| format!("F{n:02}")).collect::<Vec<_>>());
    let readings: Vec<_> = file.readings.iter().map(|reading| reading.id.clone()).collect();
    assert_eq!(readings, (1..=32).map(|n| format!("R{n:02}")).collect::<Vec<_>>());
    assert!(file.facts.iter().all(|fact| !fact.heading.is_empty() && !fact.used.is_empty()));
}

#[test]
fn the_numbers_are_those_of_the_table() {
    let profile = zscaler(&[]);
    assert_eq!(
        profile.timers,
        Timers {
            ike_life: 86_400,
            child_life: 28_800,
            ike_kilobytes: None,
            child_kilobytes: None,
            dpd: true,
            dpd_interval: 20,
            dpd_retries: 5,
            keepalive: 20
        }
    );
    assert_eq!(profile.limits.max_children, 8);
    let forwarding = Forwarding { mtu: Some(1400), mss: Some(1360), mss_v6: Some(1340) };
    assert_eq!(profile.forwarding, forwarding);
    assert_eq!(profile.dpd().dead_after().as_secs(), 120);
    assert_eq!(profile.ike.groups.accept.first(), Some(&Group::Modp1024));
}

#[test]
fn bundles_set_their_readings() {
    let file = ProfileFile::load("zscaler").unwrap();
    let value = |bundle: &str, id: &str| {
        file.with_bundle(bundle).unwrap().readings.value(id).unwrap().to_owned()
    };
    assert_eq!(file.with_bundle("zs-table").unwrap(), file.policy);
    assert_eq!(value("zs-prose", "R09"), "accept");
    assert_eq!(value("zs-prose", "R04"), "literal");
    assert_eq!(value("zs-lenient", "R04"), "at-least-14");
    let error = load("zscaler", Some("zs-tabel")).unwrap_err().to_string();
    assert!(error.contains("zs-table"), "{error}");
}

#[test]
fn errors_name_line_column_and_the_nearest_word() {
    let text = BUILTIN[0]
        .1
        .replacen("order = \"peer\"", "oder = \"peer\"", 1)
        .replacen("\"sha512\", \"sha384\"", "\"sha512\", \"sha348\"", 1)
        .replacen("R26 = \"refuse-any\"", "R26 = \"refuse-all\"", 1)
        .replacen("rule = \"F17\"", "rule = \"F77\"", 1);
    let error = ProfileFile::parse("zscaler.toml", &text).unwrap_err();
    let found: Vec<_> =
        error.problems().map(|(line, _, problem)| (line, problem.nearest.as_deref())).collect();
    assert!(found.iter().any(|(_, near)| *near == Some("order")), "{error}");
    assert!(found.iter().any(|(_, near)| *near == Some("sha384")), "{error}");
    assert!(found.iter().any(|(_, near)| *near == Some("refuse-any")), "{error}");
    assert!(error.to_string().starts_with("zscaler.toml:"), "{error}");
}

#[rstest]
#[case("ike_life = 86400", "ike_life = 0", 147)]
#[case("child_life = 28800", "child_life = 0", 148)]
#[case("dpd_interval = 20", "dpd_interval = 0", 150)]
#[case("keepalive = 20", "keepalive = 0", 152)]
fn a_timer_of_nothing_is_refused(#[case] own: &str, #[case] none: &str, #[case] line: usize) {
    let text = BUILTIN[0].1.replacen(own, none, 1);
    let error = ProfileFile::parse("zscaler.toml", &text).unwrap_err().to_string();
    let expected = format!("zscaler.toml:{line}:{}: `{none}` is no time; write 1", none.len());
    assert!(error.starts_with(&expected), "{error}");
}

#[test]
fn unknown_profiles_are_named() {
    let error = load("zscalar", None).unwrap_err().to_string();
    assert!(error.contains("did you mean `zscaler`"), "{error}");
    assert!(matches!(load("no/such/file.toml", None), Err(LoadError::Read { .. })));
}
