//! Programs of others that a test compares with, where they are missing.

/// Says that something is passed over and why, unless the environment requires such programs.
pub fn skip(why: &str) {
    assert!(
        std::env::var_os("IKEPROOF_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "IKEPROOF_REQUIRE_TOOLS is set: {why}"
    );
    println!("SKIP: {why}");
}
