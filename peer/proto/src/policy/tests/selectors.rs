use rstest::rstest;

use super::*;
use crate::wire::v2::Ts;

fn ts(text: &str) -> Ts {
    Ts::new(text.split_whitespace().map(|one| one.parse::<Selector>().unwrap().0).collect())
}

fn text(ts: &Ts) -> String {
    ts.selectors.iter().map(|ts| Selector(*ts).to_string()).collect::<Vec<_>>().join(" ")
}

fn policy(remote: &str, local: &str) -> Profile {
    let mut profile = Profile::lenient("test");
    let read = |text: &str| text.split_whitespace().map(|one| one.parse().unwrap()).collect();
    profile.ts = TsPolicy { local: read(local), remote: read(remote), mode: TsMode::Narrow };
    profile
}

#[rstest]
#[case::whole("10.1.0.0/16", "0.0.0.0/0", "10.1.0.0/16", "0.0.0.0/0")]
#[case::part_of_ours("10.1.2.0/24", "192.0.2.0/24", "10.1.2.0/24", "192.0.2.0/24")]
#[case::wider("0.0.0.0/0", "0.0.0.0/0", "10.1.0.0/16", "0.0.0.0/0")]
#[case::packet_first(
    "10.1.0.5[tcp/443] 10.1.0.0/24",
    "0.0.0.0/0",
    "10.1.0.5/32[tcp/443] 10.1.0.0/24",
    "0.0.0.0/0"
)]
#[case::one_outside("10.9.0.0/24 10.1.0.0/24", "0.0.0.0/0", "10.1.0.0/24", "0.0.0.0/0")]
#[case::families_in_pairs("10.1.0.0/24", "0.0.0.0/0 ::/0", "10.1.0.0/24", "0.0.0.0/0")]
fn an_offer_is_narrowed(
    #[case] ts_i: &str,
    #[case] ts_r: &str,
    #[case] expected_i: &str,
    #[case] expected_r: &str,
) {
    let profile = policy("10.1.0.0/16 2001:db8::/32", "0.0.0.0/0 ::/0");
    let (kept_i, kept_r) = profile.narrow(&ts(ts_i), &ts(ts_r)).unwrap();
    assert_eq!((text(&kept_i), text(&kept_r)), (expected_i.to_owned(), expected_r.to_owned()));
    assert!(is_within(&kept_i, &ts(ts_i)) && is_within(&kept_r, &ts(ts_r)));
}

#[rstest]
#[case::outside("10.9.0.0/16", "0.0.0.0/0")]
#[case::families_do_not_meet("10.1.0.0/16", "::/0")]
#[case::other_protocol("10.1.0.0/16[udp]", "192.0.2.1[tcp]")]
fn nothing_in_common_is_refused(#[case] ts_i: &str, #[case] ts_r: &str) {
    let mut profile = policy("10.1.0.0/16", "0.0.0.0/0 ::/0");
    if ts_i.contains('[') {
        profile = policy("10.1.0.0/16[tcp]", "0.0.0.0/0");
    }
    let refusal = profile.narrow(&ts(ts_i), &ts(ts_r)).unwrap_err();
    assert_eq!(refusal.rule, "rfc7296-2.9-ts-unacceptable");
    assert!(refusal.says.contains(ts_i.split('[').next().unwrap()), "{refusal}");
}

#[test]
fn an_exact_edge_does_not_narrow() {
    let mut profile = policy("10.1.0.0/16", "0.0.0.0/0");
    profile.ts.mode = TsMode::Exact;
    assert!(profile.narrow(&ts("10.1.0.0/16"), &ts("0.0.0.0/0")).is_ok());
    assert!(profile.narrow(&ts("10.0.0.0/8"), &ts("0.0.0.0/0")).is_err());
}

#[test]
fn an_answer_wider_than_the_offer_is_seen() {
    assert!(!is_within(&ts("10.0.0.0/8"), &ts("10.1.0.0/16")));
    assert!(!is_within(&Ts::new(Vec::new()), &ts("10.1.0.0/16")));
}

#[rstest]
#[case("10.1.2.3/16", Some("10.1.0.0/16"))]
#[case("10.0.0.1-10.0.0.9", Some("10.0.0.1-10.0.0.9"))]
#[case("2001:db8::/32[17/53]", Some("2001:db8::/32[udp/53]"))]
#[case("10.0.0.0/8[6/80-90]", Some("10.0.0.0/8[tcp/80-90]"))]
#[case("10.0.0.0/33", None)]
#[case("10.0.0.9-10.0.0.1", None)]
#[case("10.0.0.0/8[", None)]
#[case("10.0.0.0/8[tpc]", None)]
fn selectors_have_a_text(#[case] input: &str, #[case] expected: Option<&str>) {
    let read = input.parse::<Selector>().ok().map(|selector| selector.to_string());
    assert_eq!(read.as_deref(), expected);
}

#[test]
fn an_answer_holds_a_bounded_number_of_selectors() {
    let many =
        |second: u8| -> String { (0..=254).map(|n| format!("10.{second}.{n}.0/24 ")).collect() };
    let profile = policy(&many(1), "0.0.0.0/0");
    let (kept, _) = profile.narrow(&ts(&many(1)), &ts("0.0.0.0/0")).unwrap();
    assert_eq!(kept.selectors.len(), 64);
}
