//! Reading a profile's file and checking it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use ikeproof_proto::policy::{Profile, ReadingError, Readings, Timers};
use miette::Diagnostic;
use serde::Deserialize;
use thiserror::Error;
use toml::Spanned;

use super::table::Table;
use crate::format::{Document, FileErrors, Problem, Tree, nearest};

/// The profiles that come with the tool: name and text.
pub const BUILTIN: &[(&str, &str)] = &[("zscaler", include_str!("../../profiles/zscaler.toml"))];

/// A profile with what it rests on.
#[derive(Clone, Debug)]
pub struct ProfileFile {
    /// The policy, with every reading at its default.
    pub policy: Profile,
    /// The statements of the edge's document.
    pub facts: Vec<Fact>,
    /// The places where they leave room.
    pub readings: Vec<ReadingDoc>,
    /// Named ways to read the whole: reading and value.
    pub bundles: BTreeMap<String, BTreeMap<String, String>>,
    /// The parameter tables of the document.
    pub tables: Vec<Table>,
}

/// A statement of the edge's document.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// `F01` and so on.
    pub id: String,
    /// The heading that it stands under.
    pub heading: String,
    /// What is stated.
    pub says: String,
    /// The value or values.
    pub value: String,
    /// The parts of the profile and the readings that rest on it.
    pub used: Vec<String>,
}

/// A place where the document leaves room.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadingDoc {
    /// `R01` and so on.
    pub id: String,
    /// What contradicts what.
    pub conflict: String,
    /// The facts in question.
    pub facts: Vec<String>,
    /// What it can be, the default first.
    pub values: Vec<String>,
    /// Where it is not a switch of the core.
    #[serde(default)]
    pub scope: Scope,
}

/// What a reading is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// A switch of the core.
    #[default]
    Switch,
    /// IKEv1, which the profile does not switch yet.
    Ikev1,
    /// Decided: there is no other value.
    Decided,
}

/// Why there is no profile.
#[derive(Debug, Error, Diagnostic)]
pub enum LoadError {
    /// No such name and no such file.
    #[error("there is no profile `{name}`{}", hint(name))]
    #[diagnostic(help("built in: {}; anything with a dot or a slash is a file", builtin_names()))]
    NoSuchProfile {
        /// What was asked for.
        name: String,
    },
    /// The file cannot be read.
    #[error("the profile {path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is wrong.
    #[error("the profile is not valid")]
    #[diagnostic(transparent)]
    Invalid(#[from] FileErrors),
    /// A reading cannot be set like that.
    #[error(transparent)]
    Reading(#[from] ReadingError),
    /// There is no such bundle.
    #[error("the profile {profile} has no bundle `{name}`; it has {}", have.join(", "))]
    NoSuchBundle {
        /// The profile.
        profile: String,
        /// What was asked for.
        name: String,
        /// What there is.
        have: Vec<String>,
    },
}

/// Loads a profile by name or path, read as `bundle` says.
///
/// # Errors
/// When there is no such profile or bundle, or the file is not valid.
pub fn load(name_or_path: &str, bundle: Option<&str>) -> Result<Profile, LoadError> {
    let file = ProfileFile::load(name_or_path)?;
    match bundle {
        None => Ok(file.policy),
        Some(bundle) => file.with_bundle(bundle),
    }
}

impl ProfileFile {
    /// Loads a profile by name or path.
    ///
    /// # Errors
    /// When there is none, or the file is not valid.
    pub fn load(name_or_path: &str) -> Result<Self, LoadError> {
        if let Some(text) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::builtin(*text);
        }
        if !name_or_path.contains(['.', '/', '\\']) {
            return Err(LoadError::NoSuchProfile { name: name_or_path.to_owned() });
        }
        let text = std::fs::read_to_string(Path::new(name_or_path))
            .map_err(|source| LoadError::Read { path: name_or_path.to_owned(), source })?;
        Ok(Self::parse(name_or_path, &text)?)
    }

    /// A profile that comes with the tool. A suite asks for it once a case, so it is read only once.
    fn builtin((name, text): (&'static str, &'static str)) -> Result<Self, LoadError> {
        static READ: Mutex<BTreeMap<&str, ProfileFile>> = Mutex::new(BTreeMap::new());
        let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = read.get(name) {
            return Ok(file.clone());
        }
        let file = Self::parse(&format!("{name}.toml"), text)?;
        read.insert(name, file.clone());
        Ok(file)
    }

    /// Reads a profile from `text`, calling it `name` in errors.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(name: &str, text: &str) -> Result<Self, FileErrors> {
        let mut document = Document::parse(text);
        let facts = document.read_items::<Fact>("fact");
        let readings = document.read_items::<ReadingDoc>("reading");
        let tables = document.read_items::<Table>("table");
        let profile = document.take("profile");
        let policy = profile.as_ref().and_then(|profile| document.read::<Profile>(profile));
        let rest = document.read_rest::<Rest>();
        let mut problems = document.problems;
        if profile.is_none() {
            problems.push(Problem::new("the file has no [profile]", 0..0));
        }
        let bundles = rest.map(|rest| rest.bundle).unwrap_or_default();
        check_ids(&facts, &readings, &mut problems);
        check_bundles(&bundles, &readings, &mut problems);
        if let (Some(policy), Some(tree)) = (&policy, &profile) {
            check_rules(policy, &facts, &readings, &tree.span(), &mut problems);
            check_timers(&policy.timers, tree, &mut problems);
        }
        match policy {
            Some(policy) if problems.is_empty() => Ok(Self {
                policy,
                facts: facts.into_iter().map(|(_, fact)| fact).collect(),
                readings: readings.into_iter().map(|(_, reading)| reading).collect(),
                bundles: plain(bundles),
                tables: tables.into_iter().map(|(_, table)| table).collect(),
            }),
            _ => Err(FileErrors::new(name, text, problems)),
        }
    }

    /// The policy read as the bundle called `name` says.
    ///
    /// # Errors
    /// When there is no such bundle.
    pub fn with_bundle(&self, name: &str) -> Result<Profile, LoadError> {
        let missing = || LoadError::NoSuchBundle {
            profile: self.policy.name.clone(),
            name: name.to_owned(),
            have: self.bundles.keys().cloned().collect(),
        };
        let mut policy = self.policy.clone();
        for (reading, value) in self.bundles.get(name).ok_or_else(missing)? {
            // Readings that are no switch of the core are checked by the loader and end here.
            if policy.readings.value(reading).is_some() {
                policy.readings.set(reading, value)?;
            }
        }
        Ok(policy)
    }
}

type Bundles = BTreeMap<String, BTreeMap<Spanned<String>, Spanned<String>>>;

/// The file without its arrays and without `[profile]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rest {
    #[serde(rename = "schema")]
    _schema: Schema,
    #[serde(default)]
    bundle: Bundles,
}

#[derive(Deserialize)]
enum Schema {
    #[serde(rename = "ikeproof-profile/1")]
    One,
}

fn plain(bundles: Bundles) -> BTreeMap<String, BTreeMap<String, String>> {
    let values = |bundle: BTreeMap<Spanned<String>, Spanned<String>>| {
        bundle.into_iter().map(|(id, value)| (id.into_inner(), value.into_inner())).collect()
    };
    bundles.into_iter().map(|(name, bundle)| (name, values(bundle))).collect()
}

type Placed<T> = (Range<usize>, T);

fn check_ids(facts: &[Placed<Fact>], readings: &[Placed<ReadingDoc>], out: &mut Vec<Problem>) {
    let ids = facts.iter().map(|(span, fact)| (span, &fact.id));
    let ids: Vec<_> = ids.chain(readings.iter().map(|(span, doc)| (span, &doc.id))).collect();
    for (place, (span, id)) in ids.iter().enumerate() {
        if ids[..place].iter().any(|(_, known)| known == id) {
            out.push(Problem::new(format!("`{id}` is there twice"), (*span).clone()));
        }
    }
    let known = || facts.iter().map(|(_, fact)| fact.id.as_str());
    for (span, reading) in readings {
        for fact in reading.facts.iter().filter(|id| !known().any(|known| known == id.as_str())) {
            out.push(Problem::unknown("fact", fact, known(), span.clone()));
        }
        check_values(span, reading, out);
    }
    for (id, _) in Readings::ALL {
        if !readings.iter().any(|(_, reading)| reading.id == *id) && !readings.is_empty() {
            out.push(Problem::new(format!("the file says nothing about reading {id}"), 0..0));
        }
    }
}

/// A reading's values are those that the core knows.
fn check_values(span: &Range<usize>, reading: &ReadingDoc, out: &mut Vec<Problem>) {
    let core = Readings::ALL.iter().find(|(id, _)| *id == reading.id).map(|(_, values)| values);
    match (core, reading.scope) {
        (Some(values), Scope::Switch) if reading.values == **values => {}
        (Some(values), Scope::Switch) => out.push(Problem::new(
            format!("the values of {} are {}, in this order", reading.id, values.join(", ")),
            span.clone(),
        )),
        (Some(_), _) => {
            let message = format!("{} is a switch of the core and has no scope", reading.id);
            out.push(Problem::new(message, span.clone()));
        }
        (None, Scope::Switch) => {
            let known = Readings::ALL.iter().map(|(id, _)| *id);
            out.push(Problem::unknown("reading", &reading.id, known, span.clone()));
        }
        (None, _) if reading.values.is_empty() => {
            out.push(Problem::new(format!("{} has no value", reading.id), span.clone()));
        }
        (None, _) => {}
    }
}

fn check_bundles(bundles: &Bundles, readings: &[Placed<ReadingDoc>], out: &mut Vec<Problem>) {
    for (id, value) in bundles.values().flatten() {
        let Some((_, doc)) = readings.iter().find(|(_, doc)| doc.id == *id.get_ref()) else {
            let known = readings.iter().map(|(_, doc)| doc.id.as_str());
            out.push(Problem::unknown("reading", id.get_ref(), known, id.span()));
            continue;
        };
        if !doc.values.contains(value.get_ref()) {
            let what = format!("value of {}", doc.id);
            let known = doc.values.iter().map(String::as_str);
            out.push(Problem::unknown(&what, value.get_ref(), known, value.span()));
        }
    }
}

/// No timer is over as soon as it begins.
fn check_timers(timers: &Timers, profile: &Tree<'_>, out: &mut Vec<Problem>) {
    let seconds = [
        ("ike_life", timers.ike_life),
        ("child_life", timers.child_life),
        ("dpd_interval", timers.dpd_interval),
        ("keepalive", timers.keepalive),
    ];
    for (name, _) in seconds.into_iter().filter(|(_, seconds)| *seconds == 0) {
        let value = profile.get_ref().get("timers").and_then(|timers| timers.get_ref().get(name));
        let message = format!("`{name} = 0` is no time; write 1 or more seconds");
        out.push(Problem::new(message, value.map_or(profile.span(), Spanned::span)));
    }
}

/// Every fact and reading that a rule names is in the file, and every condition can hold.
fn check_rules(
    policy: &Profile,
    facts: &[Placed<Fact>],
    readings: &[Placed<ReadingDoc>],
    span: &Range<usize>,
    out: &mut Vec<Problem>,
) {
    if facts.is_empty() && readings.is_empty() {
        return;
    }
    let known: Vec<&str> = facts
        .iter()
        .map(|(_, fact)| fact.id.as_str())
        .chain(readings.iter().map(|(_, reading)| reading.id.as_str()))
        .collect();
    let ikev1 = policy.ikev1.as_ref();
    let ikes: Vec<_> = [&policy.ike].into_iter().chain(ikev1.map(|ikev1| &ikev1.ike)).collect();
    let children: Vec<_> =
        [&policy.child].into_iter().chain(ikev1.map(|ikev1| &ikev1.child)).collect();
    let lists = ikes
        .iter()
        .flat_map(|ike| [&ike.encr.rule, &ike.integ.rule, &ike.prf.rule, &ike.groups.rule]);
    let more = children.iter().flat_map(|child| {
        let protocols = &child.protocols.rule;
        [protocols, &child.encr.rule, &child.integ.rule, &child.groups.rule, &child.esn.rule]
    });
    let other = [&policy.identity.types.rule];
    let other = other.into_iter().chain(ikev1.map(|ikev1| &ikev1.modes.rule));
    let constraints = || {
        let of_ike = ikes.iter().flat_map(|ike| &ike.constraints);
        of_ike.chain(children.iter().flat_map(|child| &child.constraints))
    };
    let rules = lists.chain(more).chain(other);
    for rule in rules.chain(constraints().map(|constraint| &constraint.rule)) {
        let words = rule.split(|c: char| !c.is_ascii_alphanumeric());
        for word in words.filter(|word| is_id(word) && !known.contains(word)) {
            out.push(Problem::unknown("rule", word, known.iter().copied(), span.clone()));
        }
    }
    let also = ikes.iter().flat_map(|ike| &ike.encr.also);
    let also = also.chain(children.iter().flat_map(|child| &child.encr.also));
    let also = also.map(|also| &also.only);
    let hashes = ikes.iter().flat_map(|ike| &ike.integ.also).map(|also| &also.only);
    let also = also.chain(hashes);
    for when in constraints().filter_map(|constraint| constraint.only.as_ref()).chain(also) {
        if let Err(error) = Readings::default().set(&when.reading, &when.is) {
            out.push(Problem::new(error.to_string(), span.clone()));
        }
    }
}

/// `F12` or `R04`.
fn is_id(word: &str) -> bool {
    let mut letters = word.chars();
    matches!(letters.next(), Some('F' | 'R'))
        && word.len() > 1
        && letters.all(|c| c.is_ascii_digit())
}

fn builtin_names() -> String {
    BUILTIN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

fn hint(name: &str) -> String {
    match nearest(name, BUILTIN.iter().map(|(name, _)| *name)) {
        Some(near) => format!("; did you mean `{near}`?"),
        None => String::new(),
    }
}
