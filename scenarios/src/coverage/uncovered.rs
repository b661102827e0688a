//! `uncovered.toml`: what nothing covers, with the reason.

use serde::Deserialize;

use crate::format::{Document, FileErrors, Problem};

/// The ids that no rule of the auditor and no scenario covers.
#[derive(Clone, Debug, Default)]
pub struct Uncovered {
    /// What only the core checks: it refuses what breaks it.
    pub by_the_core: Vec<String>,
    /// The rest, by reason.
    pub groups: Vec<Group>,
}

/// What is not covered for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Why.
    pub reason: String,
    /// The ids, each of them by name.
    pub ids: Vec<String>,
}

/// The reason of what only the core checks.
const CORE: &str =
    "Only the core checks it, which refuses what breaks it; no scenario shows what a peer does.";

impl Uncovered {
    /// The list that comes with the package.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn builtin() -> Result<Self, FileErrors> {
        Self::parse("uncovered.toml", include_str!("../../uncovered.toml"))
    }

    /// Reads a list.
    ///
    /// # Errors
    /// With everything that is wrong in it: an id that is there twice, a group without a reason.
    pub fn parse(name: &str, text: &str) -> Result<Self, FileErrors> {
        let mut document = Document::parse(text);
        let mut seen = std::collections::BTreeSet::new();
        let mut groups = Vec::new();
        for (span, group) in document.read_items::<Group>("group") {
            let mut say = |message: String| {
                document.problems.push(Problem::new(message, span.clone()));
            };
            if group.reason.trim().is_empty() {
                say("a group needs a reason".to_owned());
            }
            for id in &group.ids {
                if !seen.insert(id.clone()) {
                    say(format!("the id `{id}` is there twice; leave it under one reason"));
                }
            }
            groups.push(group);
        }
        let rest = document.read_rest::<Rest>();
        let by_the_core = rest.map(|rest| rest.by_the_core).unwrap_or_default();
        for id in by_the_core.iter().filter(|id| seen.contains(*id)) {
            let message =
                format!("the id `{id}` is in `by_the_core` and in a group; leave it in one");
            document.problems.push(Problem::new(message, 0..0));
        }
        if document.problems.is_empty() {
            Ok(Self { by_the_core, groups })
        } else {
            Err(FileErrors::new(name, text, document.problems))
        }
    }

    /// Why `id` is not covered, if it stands here.
    pub fn reason(&self, id: &str) -> Option<&str> {
        if self.by_the_core.iter().any(|it| it == id) {
            return Some(CORE);
        }
        let group = self.groups.iter().find(|group| group.ids.iter().any(|it| it == id))?;
        Some(&group.reason)
    }

    /// Every id.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        let grouped = self.groups.iter().flat_map(|group| &group.ids);
        self.by_the_core.iter().chain(grouped).map(String::as_str)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    #[serde(default)]
    by_the_core: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let text = "by_the_core = ['a']\n[[group]]\nreason = ''\nids = ['a', 'b', 'b']\n\
                    [[group]]\nreson = 'x'\nids = []\n";
        let errors = Uncovered::parse("u.toml", text).unwrap_err().to_string();
        for wanted in [
            "u.toml:2:1: a group needs a reason",
            "the id `b` is there twice",
            "the id `a` is in `by_the_core` and in a group",
            "u.toml:6:1: unknown key `reson`; did you mean `reason`",
        ] {
            assert!(errors.contains(wanted), "{wanted}: {errors}");
        }
    }

    #[test]
    fn a_reason_is_found_by_id() {
        let list = Uncovered::builtin().unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(list.reason("rfc4303-3.3.4-pmtu"), Some("It cannot be seen from outside."));
        assert_eq!(list.reason("rfc7383-2.5-not-mixed-with-sk"), Some(CORE));
        assert_eq!(list.reason("rfc7296-3.1-major-two"), None);
    }
}
