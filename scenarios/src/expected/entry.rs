//! The entries of a file of expected failures.

use std::ops::Range;

use jiff::civil::Date;
use serde::Deserialize;
use toml::Spanned;

use super::version::Versions;
use crate::format::{Document, FileErrors, Problem};
use crate::runner::PeerChoice;
use crate::scenario::CheckName;
use crate::scenario::one_or_many;

/// The file that comes with the package.
const BUILTIN: &str = include_str!("../../expected-fail.toml");

/// A failure that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The file that says so, for people.
    pub file: String,
    /// The peer, by its name in reports.
    pub peer: String,
    /// The versions of it that fail.
    pub versions: Versions,
    /// The scenario's id.
    pub scenario: String,
    /// The case of it, with `*` for any text; all cases but the controls, if not said.
    pub variant: Option<String>,
    /// The checks that fail: these and no others.
    pub fails: Vec<CheckName>,
    /// The line of the scenario with the step that fails; any, if not said.
    pub line: Option<usize>,
    /// Why it fails.
    pub reason: String,
    /// Where that is tracked.
    pub ticket: String,
    /// The last day on which the entry is good.
    pub expires: Date,
}

/// All failures that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExpectedFailures {
    /// The entries, in the order of their files.
    pub entries: Vec<Entry>,
}

/// An entry as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    peer: Spanned<String>,
    #[serde(default)]
    versions: Versions,
    scenario: String,
    variant: Option<String>,
    #[serde(deserialize_with = "one_or_many")]
    fails: Vec<CheckName>,
    line: Option<usize>,
    reason: String,
    ticket: String,
    expires: Spanned<String>,
}

impl ExpectedFailures {
    /// The entries that come with the package.
    ///
    /// # Errors
    /// With everything that is wrong in the file.
    pub fn builtin() -> Result<Self, FileErrors> {
        Self::parse("scenarios/expected-fail.toml", BUILTIN)
    }

    /// Reads entries from `text`, the file at `path`.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(path: &str, text: &str) -> Result<Self, FileErrors> {
        let mut document = Document::parse(text);
        let written: Vec<(Range<usize>, Written)> = document.read_items("fail");
        let problems = &mut document.problems;
        for key in document.table.keys() {
            problems.push(Problem::unknown("key", key.get_ref(), ["fail"], key.span()));
        }
        let entries: Vec<_> = written
            .into_iter()
            .filter_map(|(span, one)| one.check(path, &span, problems))
            .collect();
        if document.problems.is_empty() {
            return Ok(Self { entries });
        }
        Err(FileErrors::new(path, text, document.problems))
    }
}

impl Written {
    fn check(self, path: &str, span: &Range<usize>, problems: &mut Vec<Problem>) -> Option<Entry> {
        let Self { peer, versions, scenario, variant, fails, line, reason, ticket, expires } = self;
        let before = problems.len();
        if PeerChoice::of(peer.get_ref()).is_none() {
            let known = PeerChoice::ALL.iter().map(|peer| peer.name());
            problems.push(Problem::unknown("peer", peer.get_ref(), known, peer.span()));
        }
        if versions.is_empty() {
            problems.push(Problem::new(format!("no version is in {versions}"), span.clone()));
        }
        if fails.is_empty() {
            let message = "an expected failure names the checks that fail";
            problems.push(Problem::new(message, span.clone()));
        }
        for (what, text) in [("reason", &reason), ("ticket", &ticket)] {
            if text.trim().is_empty() {
                let message = format!("an expected failure needs a {what}");
                problems.push(Problem::new(message, span.clone()));
            }
        }
        let day = expires.get_ref().parse::<Date>();
        if day.is_err() {
            let message = format!("`{}` is no day; write YYYY-MM-DD", expires.get_ref());
            problems.push(Problem::new(message, expires.span()));
        }
        if problems.len() > before {
            return None;
        }
        let (file, peer) = (path.to_owned(), peer.into_inner());
        Some(Entry {
            file,
            peer,
            versions,
            scenario,
            variant,
            fails,
            line,
            reason,
            ticket,
            expires: day.ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn the_shipped_entries_are_valid_and_about_something() {
        let failures = ExpectedFailures::builtin().unwrap();
        assert!(!failures.entries.is_empty());
        assert_eq!(failures.dead_words(&Catalogue::builtin().unwrap()), []);
    }

    const ENTRY: &str = "[[fail]]\npeer = 'libreswan'\nversions = { from = '4.10', to = '5.2' }\n\
        scenario = 'v2/connect'\nfails = 'ping'\nreason = 'r'\nticket = 't'\nexpires = '2030-01-31'\n";

    #[test]
    fn an_entry_is_read() {
        let failures = ExpectedFailures::parse("x.toml", ENTRY).unwrap();
        let entry = &failures.entries[0];
        assert_eq!(
            (entry.peer.as_str(), entry.expires.to_string()),
            ("libreswan", "2030-01-31".into())
        );
        assert_eq!(entry.versions.to_string(), "4.10 to 5.2");
    }

    #[rstest]
    #[case(
        "'libreswan'",
        "'libreswam'",
        "x.toml:2:8: unknown peer `libreswam`; did you mean `libreswan`?"
    )]
    #[case("'2030-01-31'", "'soon'", "x.toml:8:11: `soon` is no day")]
    #[case("'5.2'", "'4.9'", "no version is in 4.10 to 4.9")]
    #[case("'5.2'", "'latest'", "`latest` is no version")]
    #[case("'ping'", "[]", "names the checks that fail")]
    #[case("'ping'", "'pong'", "unknown word `pong`")]
    #[case("reason = 'r'", "reason = ' '", "needs a reason")]
    #[case("ticket = 't'\n", "", "ticket")]
    #[case("scenario", "scenarios", "did you mean `scenario`?")]
    #[case("[[fail]]", "[[fails]]", "did you mean `fail`?")]
    fn what_is_wrong_is_named_with_its_place(
        #[case] old: &str,
        #[case] new: &str,
        #[case] says: &str,
    ) {
        let text = ENTRY.replacen(old, new, 1);
        let error = ExpectedFailures::parse("x.toml", &text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}
