//! The requirement catalogue: what the RFCs demand, restated in one sentence each, and the failure
//! patterns seen in the field. Scenarios name both in `covers`.

use std::collections::BTreeMap;
use std::ops::Range;

pub use ikeproof_audit::Level;
use serde::Deserialize;

use crate::embedded;
use crate::format::{Document, FileErrors, Problem};

/// One demand of an RFC.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// `rfc7296-2.9-ts-narrow-first` and the like.
    pub id: String,
    /// The key word of the RFC.
    pub level: Level,
    /// The RFC's section.
    pub section: String,
    /// Whom it binds.
    pub role: Role,
    /// The demand, in our words.
    pub text: String,
    /// How a violation is seen.
    pub observable: String,
    /// Where it shows.
    pub kind: Kind,
}

/// Whom a demand binds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Both sides.
    Both,
    /// The side that begins.
    Initiator,
    /// The side that answers.
    Responder,
    /// ESP and AH.
    DataPlane,
}

/// Where a violation shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// In one message.
    Wire,
    /// In the order of messages.
    Exchange,
    /// In what is computed.
    Crypto,
    /// In what is chosen.
    Policy,
    /// In when it happens.
    Timer,
    /// In packets of ESP and AH.
    DataPlane,
}

/// A failure seen in the field.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// `X14` and the like.
    pub id: String,
    /// What it looks like.
    pub symptom: String,
    /// Where it was reported.
    pub reference: String,
}

/// Everything that a scenario can cover, besides facts and readings of its profile.
#[derive(Clone, Debug, Default)]
pub struct Requirements {
    by_id: BTreeMap<String, Requirement>,
    patterns: BTreeMap<String, Pattern>,
}

impl Requirements {
    /// The catalogue that comes with the package.
    ///
    /// # Errors
    /// With everything that is wrong, file by file.
    pub fn builtin() -> Result<Self, Vec<FileErrors>> {
        Self::parse(embedded::REQUIREMENTS)
    }

    /// Reads a catalogue from files, given as name and text.
    ///
    /// # Errors
    /// With everything that is wrong, file by file.
    pub fn parse(files: &[(&str, &str)]) -> Result<Self, Vec<FileErrors>> {
        let mut catalogue = Self::default();
        let mut errors = Vec::new();
        for (name, text) in files {
            let problems = catalogue.add(text);
            if !problems.is_empty() {
                errors.push(FileErrors::new(name, text, problems));
            }
        }
        if errors.is_empty() { Ok(catalogue) } else { Err(errors) }
    }

    /// The requirement `id`.
    pub fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.by_id.get(id)
    }

    /// The pattern `id`.
    pub fn pattern(&self, id: &str) -> Option<&Pattern> {
        self.patterns.get(id)
    }

    /// Every requirement, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Requirement> {
        self.by_id.values()
    }

    /// Every pattern, by id.
    pub fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.patterns.values()
    }

    /// Every id, of requirements and patterns.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.by_id.keys().chain(self.patterns.keys()).map(String::as_str)
    }

    fn add(&mut self, text: &str) -> Vec<Problem> {
        let mut document = Document::parse(text);
        let requirements = document.read_items::<Requirement>("requirement");
        let patterns = document.read_items::<Pattern>("pattern");
        document.read_rest::<Nothing>();
        let mut problems = document.problems;
        let twice = |id: &str, span: Range<usize>| {
            Problem::new(format!("the id `{id}` is there twice"), span)
        };
        for (span, requirement) in requirements {
            let id = requirement.id.clone();
            if self.by_id.insert(id.clone(), requirement).is_some() {
                problems.push(twice(&id, span));
            }
        }
        for (span, pattern) in patterns {
            let id = pattern.id.clone();
            if self.patterns.insert(id.clone(), pattern).is_some() {
                problems.push(twice(&id, span));
            }
        }
        problems
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_valid() {
        let catalogue = Requirements::builtin().unwrap_or_else(|errors| panic!("{errors:?}"));
        let narrow = catalogue.requirement("rfc7296-2.9-ts-narrow-first").unwrap();
        assert!(matches!(narrow.level, Level::Must | Level::Should), "{narrow:?}");
        assert!(catalogue.pattern("X14").is_some());
        assert_eq!(catalogue.ids().count(), catalogue.iter().count() + 28);
    }

    #[test]
    fn ids_are_unique_across_files_and_levels_are_known() {
        let entry = |id: &str, level: &str| {
            format!(
                "[[requirement]]\nid = '{id}'\nlevel = '{level}'\nsection = '1'\nrole = 'both'\n\
                 text = 't'\nobservable = 'o'\nkind = 'wire'\n"
            )
        };
        let (one, two) = (entry("a", "MUST"), entry("a", "MUSt"));
        let three = entry("a", "MAY");
        let files =
            [("1.toml", one.as_str()), ("2.toml", two.as_str()), ("3.toml", three.as_str())];
        let errors = Requirements::parse(&files).unwrap_err();
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(texts.len(), 2);
        assert!(texts[0].starts_with("2.toml:3:9: unknown word `MUSt`; did you mean `MUST`"));
        assert!(texts[1].starts_with("3.toml:1:1: the id `a` is there twice"), "{texts:?}");
    }
}
