//! Versions as peers report them, compared number by number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// A version of dotted numbers: `4.10`, `5.9.8`.
///
/// Words before the first digit are not looked at (`U5.9.8`), nor is anything from the first character
/// on that is neither digit nor dot: a distribution's revision (`4.10-2+deb12u1`), a release candidate.
/// Missing numbers count as zero, so `5.2` is `5.2.0`.
#[derive(Clone, Debug)]
pub struct Dotted(Vec<u64>);

/// A range of versions, both ends included; an end that is not given is open.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// The first.
    pub from: Option<Dotted>,
    /// The last.
    pub to: Option<Dotted>,
}

impl Versions {
    /// Whether a version, as a peer reports it, is in the range. One without a number is in none.
    pub fn contain(&self, version: &str) -> bool {
        version.parse().is_ok_and(|version: Dotted| {
            self.from.as_ref().is_none_or(|from| *from <= version)
                && self.to.as_ref().is_none_or(|to| version <= *to)
        })
    }

    /// Whether no version can be in the range.
    pub fn is_empty(&self) -> bool {
        matches!((&self.from, &self.to), (Some(from), Some(to)) if from > to)
    }
}

impl FromStr for Dotted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no version; write dotted numbers, such as 4.10");
        let start = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let numbers = text.get(start..).unwrap_or_default();
        let end = numbers.find(|c: char| !c.is_ascii_digit() && c != '.');
        let numbers = numbers.get(..end.unwrap_or(numbers.len())).unwrap_or_default();
        let numbers = numbers.trim_end_matches('.').split('.');
        numbers
            .map(|number| number.parse().map_err(|_| wrong()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl Ord for Dotted {
    fn cmp(&self, other: &Self) -> Ordering {
        let at = |version: &Self, place: usize| version.0.get(place).copied().unwrap_or(0);
        let longest = self.0.len().max(other.0.len());
        let mut orders = (0..longest).map(|place| at(self, place).cmp(&at(other, place)));
        orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    }
}

impl PartialOrd for Dotted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Dotted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Dotted {}

impl fmt::Display for Dotted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let numbers: Vec<_> = self.0.iter().map(u64::to_string).collect();
        f.write_str(&numbers.join("."))
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) if from == to => from.fmt(f),
            (Some(from), Some(to)) => write!(f, "{from} to {to}"),
            (Some(from), None) => write!(f, "{from} and later"),
            (None, Some(to)) => write!(f, "{to} and earlier"),
            (None, None) => f.write_str("all versions"),
        }
    }
}

impl<'de> Deserialize<'de> for Dotted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn version(text: &str) -> Dotted {
        text.parse().unwrap()
    }

    #[rstest]
    #[case("4.10", Ordering::Greater, "4.9")]
    #[case("4.10", Ordering::Less, "5.2")]
    #[case("5.9.8", Ordering::Less, "5.9.14")]
    #[case("5.2", Ordering::Equal, "5.2.0")]
    #[case("5.2", Ordering::Less, "5.2.1")]
    #[case("10", Ordering::Greater, "9.99")]
    #[case("4.10-2+deb12u1", Ordering::Equal, "4.10")]
    #[case("5.9.8-5+deb12u5", Ordering::Less, "5.9.9")]
    #[case("5.3~rc1", Ordering::Equal, "5.3")]
    #[case("U5.9.8/K6.1.0", Ordering::Equal, "5.9.8")]
    #[case("6.0.1.", Ordering::Equal, "6.0.1")]
    fn versions_are_compared_number_by_number(
        #[case] left: &str,
        #[case] order: Ordering,
        #[case] right: &str,
    ) {
        assert_eq!(version(left).cmp(&version(right)), order);
        assert_eq!(version(right).cmp(&version(left)), order.reverse());
    }

    #[rstest]
    #[case("")]
    #[case("unknown")]
    #[case("4..10")]
    #[case("99999999999999999999.1")]
    fn what_is_no_version_is_in_no_range(#[case] text: &str) {
        text.parse::<Dotted>().unwrap_err();
        assert!(!Versions::default().contain(text));
    }

    #[rstest]
    #[case(Some("4.10"), Some("5.2"), "4.10", true)]
    #[case(Some("4.10"), Some("5.2"), "5.2", true)]
    #[case(Some("4.10"), Some("5.2"), "5.0.1", true)]
    #[case(Some("4.10"), Some("5.2"), "4.9", false)]
    #[case(Some("4.10"), Some("5.2"), "5.2.1", false)]
    #[case(None, Some("5.2"), "3.32", true)]
    #[case(Some("5.2"), None, "17", true)]
    #[case(None, None, "0.1", true)]
    fn both_ends_belong_to_a_range(
        #[case] from: Option<&str>,
        #[case] to: Option<&str>,
        #[case] of: &str,
        #[case] contained: bool,
    ) {
        let range = Versions { from: from.map(version), to: to.map(version) };
        assert_eq!(range.contain(of), contained, "{range}");
    }

    #[test]
    fn a_range_that_ends_before_it_begins_is_empty() {
        let range = |from, to| Versions { from: Some(version(from)), to: Some(version(to)) };
        assert!(range("5.2", "4.10").is_empty());
        assert!(!range("4.10", "4.10").is_empty());
    }
}
