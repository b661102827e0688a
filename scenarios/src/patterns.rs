//! Patterns of scenario ids: `*` is any text; without one, a pattern is any part of the id.

/// Whether `id` is meant by one of `patterns`; always, if there is none.
pub fn any_matches(patterns: &[String], id: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| matches(pattern, id))
}

/// Whether `id` is meant by `pattern`.
pub fn matches(pattern: &str, id: &str) -> bool {
    let mut parts = pattern.split('*');
    let (Some(first), Some(last)) = (parts.next(), parts.next_back()) else {
        return id.contains(pattern);
    };
    let Some(mut rest) = id.strip_prefix(first).and_then(|rest| rest.strip_suffix(last)) else {
        return false;
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("edge/mss", "edge/mss-off", true)]
    #[case("mss", "edge/mss", true)]
    #[case("edge/*", "edge/mss", true)]
    #[case("edge/*", "v2/edge/mss", false)]
    #[case("*mss*", "edge/mss-off", true)]
    #[case("edge/*-off", "edge/mss-off", true)]
    #[case("edge/*-off", "edge/mss", false)]
    #[case("e*m*f", "edge/mss-off", true)]
    #[case("ab*ba", "aba", false)]
    #[case("*", "anything", true)]
    fn a_pattern_means(#[case] pattern: &str, #[case] id: &str, #[case] meant: bool) {
        assert_eq!(matches(pattern, id), meant);
    }
}
