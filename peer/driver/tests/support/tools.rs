//! What a test needs of its host, where it is missing.

/// Says that something is passed over and why, unless the environment requires all of it.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("IKEPROOF_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "IKEPROOF_REQUIRE_TOOLS is set: {why}"
    );
    println!("SKIP: {why}");
}
