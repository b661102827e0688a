//! Patterns of scenarios and of their cases: `*` is any text; without one, a pattern is any part of the
//! scenario's id.
//!
//! `ID [CASE]`, as reports and progress lines name a case, means that case alone: both parts are whole
//! then, and may hold `*` as well.

/// Whether a case of the scenario `id` may be meant by one of `patterns`; always, if there is none.
pub fn any_matches(patterns: &[String], id: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| means(pattern, id))
}

/// Whether the case of this name of the scenario `id` is meant by one of `patterns`; always, if there
/// is none.
pub fn any_means_case(patterns: &[String], id: &str, case: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| means_case(pattern, id, case))
}

/// Whether the scenario `id`, or a case that it may have, is meant by `pattern`.
pub fn means(pattern: &str, id: &str) -> bool {
    match parts(pattern) {
        (scenario, Some(_)) => is(scenario, id),
        (part, None) => matches(part, id),
    }
}

/// Whether the case of this name of the scenario `id` is meant by `pattern`.
pub fn means_case(pattern: &str, id: &str, case: &str) -> bool {
    means(pattern, id) && parts(pattern).1.is_none_or(|named| is(named, case))
}

/// The pattern that means one case.
pub fn of_case(id: &str, case: &str) -> String {
    format!("{id} [{case}]")
}

/// What a pattern says of scenarios and, where it does, of their cases.
pub fn parts(pattern: &str) -> (&str, Option<&str>) {
    match pattern.strip_suffix(']').and_then(|rest| rest.split_once(" [")) {
        Some((scenario, case)) => (scenario, Some(case)),
        None => (pattern, None),
    }
}

fn is(pattern: &str, text: &str) -> bool {
    if pattern.contains('*') { matches(pattern, text) } else { pattern == text }
}

/// Whether `id` fits `pattern`, which says nothing of cases.
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
        assert_eq!(means_case(pattern, id, "peer"), meant);
    }

    #[rstest]
    #[case("edge/mss [peer]", "edge/mss", "peer", true)]
    #[case("edge/mss [peer]", "edge/mss", "peer#no-clamp", false)]
    #[case("edge/mss [peer]", "edge/mss-off", "peer", false)]
    #[case("edge/mss* [peer#*]", "edge/mss-off", "peer#no-clamp", true)]
    #[case("edge/* [id=fqdn,nat=none/peer]", "edge/ids", "id=fqdn,nat=none/peer", true)]
    #[case("edge/mss [peer", "edge/mss", "peer", false)]
    fn a_pattern_means_cases(
        #[case] pattern: &str,
        #[case] id: &str,
        #[case] case: &str,
        #[case] meant: bool,
    ) {
        assert_eq!(means_case(pattern, id, case), meant);
        assert_eq!(any_means_case(&[pattern.to_owned()], id, case), meant);
    }

    #[test]
    fn the_pattern_of_a_case_means_it_alone() {
        let pattern = of_case("edge/mss", "nat=none/peer");
        assert!(means_case(&pattern, "edge/mss", "nat=none/peer"));
        assert!(means(&pattern, "edge/mss") && !means(&pattern, "edge/mss-off"));
        assert!(!means_case(&pattern, "edge/mss", "nat=none/edge"));
    }
}
