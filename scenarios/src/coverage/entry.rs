//! Everything that can be covered, and what covers it.

use ikeproof_audit::{Level, Rule, rules};
use ikeproof_reports::Subject;

use crate::catalogue::Catalogue;
use crate::profile::{Fact, ReadingDoc};
use crate::requirement::{Pattern, Requirement};

/// Something that can be covered, and what covers it.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// What it is.
    pub thing: Thing<'a>,
    /// The rule of the auditor that judges it in every session.
    pub rule: Option<&'static Rule>,
    /// The scenarios that show it.
    pub shown_by: Vec<&'a str>,
    /// Why nothing covers it, if nothing does and a reason is given.
    pub uncovered: Option<&'a str>,
}

/// What can be covered.
#[derive(Clone, Copy, Debug)]
pub enum Thing<'a> {
    /// A demand of an RFC.
    Requirement(&'a Requirement),
    /// A failure seen in the field.
    Pattern(&'a Pattern),
    /// A statement of an edge's document.
    Fact(&'a Fact),
    /// A place where such a document leaves room.
    Reading(&'a ReadingDoc),
}

impl<'a> Thing<'a> {
    /// The id in the catalogue.
    pub fn id(&self) -> &'a str {
        match self {
            Self::Requirement(it) => &it.id,
            Self::Pattern(it) => &it.id,
            Self::Fact(it) => &it.id,
            Self::Reading(it) => &it.id,
        }
    }

    /// What it says, in one sentence.
    pub fn text(&self) -> &'a str {
        match self {
            Self::Requirement(it) => &it.text,
            Self::Pattern(it) => &it.symptom,
            Self::Fact(it) => &it.says,
            Self::Reading(it) => &it.conflict,
        }
    }

    /// The key word, of a requirement.
    pub fn level(&self) -> Option<Level> {
        match self {
            Self::Requirement(it) => Some(it.level),
            _ => None,
        }
    }

    /// The section of the document, or what stands for it.
    pub fn section(&self) -> &'a str {
        match self {
            Self::Requirement(it) => &it.section,
            Self::Pattern(it) => &it.reference,
            Self::Fact(it) => &it.heading,
            Self::Reading(_) => "",
        }
    }

    /// The document that it is from.
    pub fn document(&self) -> String {
        let Self::Requirement(it) = self else {
            return match self {
                Self::Pattern(_) => "Failures seen in the field",
                Self::Fact(_) => "Facts of the edges' documents",
                _ => "Readings of the edges' documents",
            }
            .to_owned();
        };
        let name = it.id.split('-').next().unwrap_or_default();
        match name.strip_prefix("rfc") {
            Some(number) => format!("RFC {number}"),
            None if name.starts_with("xauth") => "draft-beaulieu-ike-xauth-02".to_owned(),
            None if name.starts_with("modecfg") => "draft-ietf-ipsec-isakmp-mode-cfg-02".to_owned(),
            None => name.to_owned(),
        }
    }

    /// Documents in the order of their numbers, and in them sections; what is no RFC comes last.
    fn order(&self) -> (u32, String, Vec<u32>, &'a str) {
        let document = self.document();
        let rfc = document.strip_prefix("RFC ").and_then(|number| number.parse().ok());
        let rank = match self {
            Self::Requirement(_) => rfc.unwrap_or(u32::MAX - 3),
            Self::Pattern(_) => u32::MAX,
            Self::Fact(_) => u32::MAX - 2,
            Self::Reading(_) => u32::MAX - 1,
        };
        let section = match self {
            Self::Requirement(it) => {
                it.section.split('.').map(|part| part.parse().unwrap_or(u32::MAX)).collect()
            }
            _ => Vec::new(),
        };
        (rank, document, section, self.id())
    }
}

impl Entry<'_> {
    /// Whether a rule of the auditor or a scenario covers it.
    pub fn is_covered(&self) -> bool {
        self.rule.is_some() || !self.shown_by.is_empty()
    }
}

impl Catalogue {
    /// All requirements, facts, readings and patterns in the order of documents and sections, with
    /// what covers each.
    pub fn coverage(&self) -> Vec<Entry<'_>> {
        let requirements = &self.known.requirements;
        let mut things: Vec<Thing<'_>> = requirements.iter().map(Thing::Requirement).collect();
        things.extend(self.facts().map(Thing::Fact));
        things.extend(self.readings().map(Thing::Reading));
        things.extend(requirements.patterns().map(Thing::Pattern));
        things.sort_by_cached_key(Thing::order);
        things.into_iter().map(|thing| self.covered(thing)).collect()
    }

    /// The same as reports take it.
    pub fn subjects(&self) -> Vec<Subject> {
        let subject = |it: Entry<'_>| Subject {
            id: it.thing.id().to_owned(),
            document: it.thing.document(),
            section: it.thing.section().to_owned(),
            level: it.thing.level().map(|level| level.to_string()).unwrap_or_default(),
            text: it.thing.text().to_owned(),
            mutant: it.rule.map(|rule| rule.mutant.to_owned()),
            scenarios: it.shown_by.iter().map(|id| (*id).to_owned()).collect(),
            uncovered: it.uncovered.map(str::to_owned),
        };
        self.coverage().into_iter().map(subject).collect()
    }

    /// What covers the requirement, fact, reading or pattern `id`.
    pub fn coverage_of(&self, id: &str) -> Option<Entry<'_>> {
        let requirements = &self.known.requirements;
        let thing = (requirements.requirement(id).map(Thing::Requirement))
            .or_else(|| requirements.pattern(id).map(Thing::Pattern))
            .or_else(|| self.facts().find(|fact| fact.id == id).map(Thing::Fact))
            .or_else(|| self.readings().find(|it| it.id == id).map(Thing::Reading))?;
        Some(self.covered(thing))
    }

    fn covered<'a>(&'a self, thing: Thing<'a>) -> Entry<'a> {
        let (rule, shown_by) = (rules::by_id(thing.id()), self.shown_by(thing.id()));
        let covered = rule.is_some() || !shown_by.is_empty();
        let reason = self.uncovered.reason(thing.id());
        Entry { thing, rule, shown_by, uncovered: reason.filter(|_| !covered) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_in_the_order_of_documents_and_sections() {
        let catalogue = Catalogue::builtin().unwrap();
        let entries = catalogue.coverage();
        let place = |id: &str| entries.iter().position(|entry| entry.thing.id() == id).unwrap();
        assert!(place("rfc2407-4.5-life-type-before-duration") < place("rfc2408-3.1-major-one"));
        assert!(place("rfc7296-2.6-cookie-echo-first") < place("rfc7296-2.10-nonce-random-128"));
        assert!(place("rfc9370-2.2.4-followup-ke") < place("xauth02-4-vendor-id"));
        assert!(place("xauth02-4-vendor-id") < place("F01"));
        assert!(place("F42") < place("R01") && place("R32") < place("X01"));
        let of_profiles = catalogue.facts().count() + catalogue.readings().count();
        assert_eq!(entries.len(), catalogue.known.requirements.ids().count() + of_profiles);
    }

    #[test]
    fn a_scenario_takes_the_reason_away() {
        let mut catalogue = Catalogue::builtin().unwrap();
        let id = "rfc4303-3.3.4-pmtu";
        assert!(catalogue.coverage_of(id).unwrap().uncovered.is_some());
        catalogue.scenarios[0].covers.push(id.to_owned());
        let entry = catalogue.coverage_of(id).unwrap();
        assert!(entry.uncovered.is_none() && entry.is_covered());
    }
}
