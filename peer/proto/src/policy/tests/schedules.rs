use core::time::Duration;

use rstest::rstest;

use super::*;

#[rstest]
#[case("each-retry", 120)]
#[case("in-all", 100)]
#[case("first-probe", 40)]
fn a_silent_peer_is_dead_after(#[case] r22: &str, #[case] seconds: u64) {
    let mut profile = Profile::lenient("test");
    profile.readings.set("R22", r22).unwrap();
    assert_eq!(profile.dpd().idle, Duration::from_secs(20));
    assert_eq!(profile.dpd().dead_after(), Duration::from_secs(seconds));
}

#[rstest]
fn probes_are_a_second_apart_at_least(
    #[values("each-retry", "in-all", "first-probe")] r22: &str,
    #[values((0, 5), (1, u32::MAX))] (dpd_interval, dpd_retries): (u64, u32),
) {
    let mut profile = Profile::lenient("test");
    profile.readings.set("R22", r22).unwrap();
    (profile.timers.dpd_interval, profile.timers.dpd_retries) = (dpd_interval, dpd_retries);
    let Dpd { idle, interval, .. } = profile.dpd();
    assert_eq!([idle, interval], [Duration::from_secs(1); 2]);
}

#[rstest]
#[case::seven("pairs", 7, 0, false, true)]
#[case::ninth("pairs", 8, 0, false, false)]
#[case::rekey_at_eight("pairs", 8, 0, true, true)]
#[case::overlap_is_free("pairs", 8, 1, false, true)]
#[case::rekey_with_overlap("overlap", 8, 0, true, false)]
#[case::overlap_counts("overlap", 8, 1, false, false)]
#[case::fourth("each-direction", 3, 0, false, true)]
#[case::fifth("each-direction", 4, 0, false, false)]
#[case::rekey_at_four("each-direction", 4, 0, true, true)]
#[case::eighth_overlap("pairs", 15, 7, true, true)]
#[case::overlaps_without_end("pairs", 16, 8, true, false)]
#[case::overlaps_without_end("each-direction", 12, 8, true, false)]
fn eight_child_sas(
    #[case] r24: &str,
    #[case] installed: usize,
    #[case] overlapping: usize,
    #[case] is_rekey: bool,
    #[case] expected: bool,
) {
    let mut profile = Profile::lenient("test");
    profile.limits.max_children = 8;
    profile.readings.set("R24", r24).unwrap();
    assert_eq!(profile.has_room_for_child(installed, overlapping, is_rekey), expected);
}

#[rstest]
#[case("aes256-sha256-modp2048", "aes256-sha256-modp2048")]
#[case("modp2048-sha256-aes256", "aes256-sha256-modp2048")]
#[case("aes128-3des-sha512-sha1-modp2048-modp1024", "aes128-3des-sha512-sha1-modp2048-modp1024")]
#[case("aes128gcm16-prfsha256-ecp256", "aes128gcm16-prfsha256-ecp256")]
#[case("aes256-sha256-prfsha1-modp2048", "aes256-sha256-prfsha1-modp2048")]
fn ike_offers_have_a_text(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(text.parse::<IkeOffer>().unwrap().to_string(), expected);
}

#[rstest]
#[case("aes256-sha257-modp2048", "sha257")]
#[case("aes256-sha256", "Diffie-Hellman")]
#[case("sha256-modp2048", "encryption")]
#[case("aes128gcm16-ecp256", "PRF")]
fn wrong_ike_offers_are_explained(#[case] text: &str, #[case] word: &str) {
    let error = text.parse::<IkeOffer>().unwrap_err().to_string();
    assert!(error.contains(word), "{error}");
}

#[rstest]
#[case("aes256gcm16", "aes256gcm16")]
#[case("ah:sha1-modp2048", "ah:sha1-modp2048")]
#[case("esp:null-md5-noesn", "null-md5")]
#[case("aes128-sha256-esn-noesn", "aes128-sha256-esn-noesn")]
fn child_offers_have_a_text(#[case] text: &str, #[case] expected: &str) {
    assert_eq!(text.parse::<ChildOffer>().unwrap().to_string(), expected);
}
