//! From files to cases.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check;
use super::expect::{CheckName, Expect};
use super::matrix::{self, Pattern, Variant};
use super::setup::{Edge, Network, Peer};
use super::step::{Action, Delete, Step, Written};
use super::words::{Need, Side, Tier, one_or_many};
use crate::embedded;
use crate::format::{Document, FileErrors, Problem, Tree, read, remove, replace_placeholders};
use crate::profile::{BUILTIN, ProfileFile};
use crate::requirement::Requirements;

/// What is tried with a peer and what must come of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// `v2/psk-ids` and the like: the path of its file.
    pub id: String,
    /// One sentence.
    pub title: String,
    /// Requirements, failure patterns, facts and readings that it shows.
    pub covers: Vec<String>,
    /// What a peer must be able to do.
    pub needs: Vec<Need>,
    /// Everything there is to run, controls last.
    pub cases: Vec<Case>,
}

/// One run: an initiator, a variant, and either the real thing or a control.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// The value of each axis of the matrix.
    pub variant: Vec<(String, String)>,
    /// Which tier it belongs to.
    pub tier: Tier,
    /// Who begins.
    pub initiator: Side,
    /// Set in a twin in which a check must fail.
    pub control: Option<Control>,
    /// Our side.
    pub edges: Vec<Edge>,
    /// The tested peers.
    pub peers: Vec<Peer>,
    /// What happens on the way.
    pub network: Network,
    /// What happens, in order.
    pub steps: Vec<Step>,
}

/// A twin in which checks must fail. It holds if the first step that fails does so in exactly these
/// checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// What it is called.
    pub name: String,
    /// The checks that must fail.
    pub fails: Vec<CheckName>,
    /// What a peer must be able to do besides what the scenario needs.
    pub needs: Vec<Need>,
}

/// What scenarios may refer to.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Requirements and patterns.
    pub requirements: Requirements,
    /// Facts and readings of the profiles.
    pub facts: Vec<String>,
}

impl Known {
    /// What comes with the package.
    ///
    /// # Errors
    /// With everything that is wrong with the catalogue or a profile.
    pub fn builtin() -> Result<Self, Vec<FileErrors>> {
        let requirements = Requirements::builtin()?;
        let mut facts = Vec::new();
        for (name, text) in BUILTIN {
            let file = ProfileFile::parse(name, text).map_err(|error| vec![error])?;
            facts.extend(file.facts.into_iter().map(|fact| fact.id));
            facts.extend(file.readings.into_iter().map(|reading| reading.id));
        }
        Ok(Self { requirements, facts })
    }

    fn covers(&self, id: &str) -> bool {
        self.requirements.requirement(id).is_some()
            || self.requirements.pattern(id).is_some()
            || self.facts.iter().any(|fact| fact == id)
    }
}

impl Case {
    /// The case's name within its scenario: `id=fqdn,nat=none/peer`, `peer#no-clamp`.
    pub fn name(&self) -> String {
        let mut name = matrix::text(&self.variant);
        if !name.is_empty() {
            name.push('/');
        }
        name.push_str(&self.initiator.to_string());
        if let Some(control) = &self.control {
            name.push('#');
            name.push_str(&control.name);
        }
        name
    }
}

/// The scenarios that come with the package.
///
/// # Errors
/// With everything that is wrong, file by file.
pub fn builtin(known: &Known) -> Result<Vec<Scenario>, Vec<FileErrors>> {
    load_files(embedded::SUITES, known)
}

/// The text of a scenario that comes with the package.
pub fn builtin_text(id: &str) -> Option<&'static str> {
    let is_of = |path: &str| path.strip_suffix(".toml") == Some(id);
    embedded::SUITES.iter().find(|(path, _)| is_of(path)).map(|(_, text)| *text)
}

/// Reads scenarios from files, given as path below the suites and text.
///
/// # Errors
/// With everything that is wrong, file by file.
pub fn load_files(files: &[(&str, &str)], known: &Known) -> Result<Vec<Scenario>, Vec<FileErrors>> {
    let (mut scenarios, mut errors) = (Vec::new(), Vec::new());
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (path, text) in files {
        let (scenario, mut problems) = Scenario::read(path, text, known);
        if let Some((Scenario { id, .. }, spot)) = &scenario
            && let Some(first) = seen.insert(id.clone(), path)
        {
            let message = format!("the id `{id}` is that of {first}, too");
            problems.push(Problem::new(message, spot.clone()));
        }
        match scenario {
            Some((scenario, _)) if problems.is_empty() => scenarios.push(scenario),
            _ => errors.push(FileErrors::new(path, text, problems)),
        }
    }
    if errors.is_empty() { Ok(scenarios) } else { Err(errors) }
}

impl Scenario {
    /// Reads one scenario from `text`, the file at `path`.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(path: &str, text: &str, known: &Known) -> Result<Self, FileErrors> {
        match Self::read(path, text, known) {
            (Some((scenario, _)), problems) if problems.is_empty() => Ok(scenario),
            (_, problems) => Err(FileErrors::new(path, text, problems)),
        }
    }

    fn read(path: &str, text: &str, known: &Known) -> (Option<(Self, Range<usize>)>, Vec<Problem>) {
        let mut document = Document::parse(text);
        let parts = Parts::take(&mut document);
        let header = document.read_rest::<Header>();
        let variants = match parts.matrix {
            Some(matrix) => {
                if let Some(step) = parts.steps.first() {
                    let message = "with a matrix, steps are written [[matrix.outcome.NAME]]";
                    document.problems.push(Problem::new(message, step.span()));
                }
                matrix::variants(&mut document, matrix)
            }
            None => vec![Variant {
                values: Vec::new(),
                changes: Vec::new(),
                placeholders: Vec::new(),
                steps: parts.steps,
                gate: None,
            }],
        };
        let controls = read_controls(&mut document, parts.controls, &variants);
        let directions = header.as_ref().map_or(&[Side::Peer][..], |it| &it.directions);
        let (edges, peers, network) = (&parts.edges, &parts.peers, &parts.network);
        let tier = header.as_ref().map_or(Tier::Gate, |it| it.tier);
        let builder = Builder { edges, peers, network, tier, text, known };
        let problems = &mut document.problems;
        let (mut cases, mut twins) = (Vec::new(), Vec::new());
        for variant in &variants {
            let real = builder.cases(problems, variant, None, directions);
            for control in controls.iter().filter(|it| matrix::fits(&it.when, &variant.values)) {
                check_control(problems, control, &real);
                let first = directions.get(..1).unwrap_or_default();
                twins.extend(builder.cases(problems, variant, Some(control), first));
            }
            cases.extend(real);
        }
        cases.extend(twins);
        let scenario = header.map(|header| {
            header.check(path, known, &mut document.problems);
            if header.tier == Tier::Gate && variants.iter().any(|it| it.gate.is_some()) {
                let message = "with [matrix.gate], the whole matrix is of the tier \"full\"";
                document.problems.push(Problem::new(message, header.id.span()));
            }
            let spot = header.id.span();
            (header.scenario(cases), spot)
        });
        (scenario, document.problems)
    }
}

/// The top of a file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    id: Spanned<String>,
    title: String,
    covers: Vec<Spanned<String>>,
    #[serde(default)]
    needs: Vec<Need>,
    #[serde(default)]
    tier: Tier,
    #[serde(default = "peer_only")]
    directions: Vec<Side>,
}

fn peer_only() -> Vec<Side> {
    vec![Side::Peer]
}

impl Header {
    fn check(&self, path: &str, known: &Known, out: &mut Vec<Problem>) {
        let expected = path.strip_suffix(".toml").unwrap_or(path);
        if self.id.get_ref() != expected {
            let message = format!("the id of this file is `{expected}`");
            out.push(Problem::new(message, self.id.span()));
        }
        for id in self.covers.iter().filter(|id| !known.covers(id.get_ref())) {
            let ids = known.requirements.ids().chain(known.facts.iter().map(String::as_str));
            out.push(Problem::unlisted("requirement", id.get_ref(), ids, id.span()));
        }
        if self.covers.is_empty() {
            out.push(Problem::new("a scenario covers something", self.id.span()));
        }
        let twice = self.directions.len() > 1 && self.directions.first() == self.directions.get(1);
        if self.directions.is_empty() || self.directions.len() > 2 || twice {
            let message = "directions are \"peer\", \"edge\" or both";
            out.push(Problem::new(message, self.id.span()));
        }
    }

    fn scenario(self, cases: Vec<Case>) -> Scenario {
        let Self { id, title, covers, needs, .. } = self;
        let covers = covers.into_iter().map(Spanned::into_inner).collect();
        Scenario { id: id.into_inner(), title, covers, needs, cases }
    }
}

/// A file taken apart.
struct Parts<'i> {
    edges: Vec<Tree<'i>>,
    peers: Vec<Tree<'i>>,
    network: Tree<'i>,
    steps: Vec<Tree<'i>>,
    controls: Vec<Tree<'i>>,
    matrix: Option<Tree<'i>>,
}

impl<'i> Parts<'i> {
    fn take(document: &mut Document<'i>) -> Self {
        let empty = || Spanned::new(0..0, DeValue::Table(DeTable::new()));
        let mut at_least_one = |key| {
            let items = document.take_items(key);
            if items.is_empty() { vec![empty()] } else { items }
        };
        let (edges, peers) = (at_least_one("edge"), at_least_one("peer"));
        Self {
            edges,
            peers,
            network: document.take("network").unwrap_or_else(empty),
            steps: document.take_items("step"),
            controls: document.take_items("control"),
            matrix: document.take("matrix"),
        }
    }
}

/// `[[control]]`, with what it changes.
struct WrittenControl<'i> {
    span: Range<usize>,
    control: Control,
    skip: Vec<Spanned<String>>,
    when: Pattern,
    change: DeTable<'i>,
}

fn read_controls<'i>(
    document: &mut Document<'i>,
    trees: Vec<Tree<'i>>,
    variants: &[Variant<'i>],
) -> Vec<WrittenControl<'i>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Head {
        name: String,
        #[serde(deserialize_with = "one_or_many")]
        fails: Vec<CheckName>,
        #[serde(default)]
        needs: Vec<Need>,
        #[serde(default)]
        skip: Vec<Spanned<String>>,
        #[serde(default)]
        when: Pattern,
    }
    let axes = matrix::axes_of(variants);
    let mut controls: Vec<WrittenControl<'_>> = Vec::new();
    for mut tree in trees {
        let span = tree.span();
        let mut change = DeTable::new();
        if let DeValue::Table(table) = tree.get_mut() {
            for part in ["edge", "peer", "network"] {
                if let Some((key, value)) = remove(table, part) {
                    change.insert(Spanned::new(key, part.into()), value);
                }
            }
        }
        let Some(Head { name, fails, needs, skip, when }) = document.read(&tree) else {
            continue;
        };
        matrix::check_pattern(&when, &axes, &mut document.problems);
        let mut note = |message: &str| {
            document.problems.push(Problem::new(message, span.clone()));
        };
        if change.is_empty() && skip.is_empty() {
            note("a control changes edge, peer or network, or skips a step");
        }
        if controls.iter().any(|written| written.control.name == name) {
            note(&format!("two controls are called `{name}`"));
        }
        if !variants.iter().any(|variant| matrix::fits(&when, &variant.values)) {
            note("no variant fits this control");
        }
        if fails.is_empty() {
            note("a control says which checks fail");
        }
        let control = Control { name, fails, needs };
        controls.push(WrittenControl { span, control, skip, when, change });
    }
    controls
}

/// A control is about a check that the real thing makes.
fn check_control(problems: &mut Vec<Problem>, control: &WrittenControl<'_>, real: &[Case]) {
    let Some(case) = real.first() else {
        return;
    };
    let checks = check::checks(&case.steps);
    for fails in control.control.fails.iter().filter(|fails| !checks.contains(fails)) {
        let mut names: Vec<String> = checks.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        let (word, names) = (fails.to_string(), names.iter().map(String::as_str));
        let what = "check of this scenario";
        problems.push(Problem::unknown(what, &word, names, control.span.clone()));
    }
}

/// Makes cases of the parts of one file.
struct Builder<'a, 'i> {
    edges: &'a [Tree<'i>],
    peers: &'a [Tree<'i>],
    network: &'a Tree<'i>,
    tier: Tier,
    text: &'a str,
    known: &'a Known,
}

impl<'i> Builder<'_, 'i> {
    fn cases(
        &self,
        problems: &mut Vec<Problem>,
        variant: &Variant<'i>,
        control: Option<&WrittenControl<'i>>,
        directions: &[Side],
    ) -> Vec<Case> {
        let changes: Vec<&DeTable<'i>> =
            variant.changes.iter().chain(control.map(|control| &control.change)).collect();
        let places = &variant.placeholders;
        let edges: Option<Vec<Edge>> = changed(self.edges, "edge", &changes, places, problems);
        let peers: Option<Vec<Peer>> = changed(self.peers, "peer", &changes, places, problems);
        let network = std::slice::from_ref(self.network);
        let network: Option<Vec<Network>> = changed(network, "network", &changes, places, problems);
        let before = problems.len();
        let steps = self.steps(problems, variant, control);
        let all_read = problems.len() == before;
        let (Some(edges), Some(peers), Some(network)) = (edges, peers, network) else {
            return Vec::new();
        };
        if all_read && check::checks(&steps).is_empty() {
            let message =
                "the scenario expects nothing: it needs connect, expect, traffic or never";
            let at = variant.steps.first().map_or(0..0, Spanned::span);
            problems.push(Problem::new(message, at));
        }
        let control = control.map(|written| written.control.clone());
        let steps = with_end(steps, control.as_ref());
        let case = |initiator: &Side| Case {
            variant: variant.values.clone(),
            tier: match variant.gate {
                // A control costs little, and stands for all of them.
                Some(chosen) if chosen || control.is_some() => Tier::Gate,
                _ => self.tier,
            },
            initiator: *initiator,
            control: control.clone(),
            edges: edges.clone(),
            peers: peers.clone(),
            network: network.first().cloned().unwrap_or_default(),
            steps: steps.clone(),
        };
        let cases: Vec<Case> = directions.iter().map(case).collect();
        if let Some(case) = cases.first() {
            check::case(case, self.known, problems);
        }
        cases
    }

    fn steps(
        &self,
        problems: &mut Vec<Problem>,
        variant: &Variant<'i>,
        control: Option<&WrittenControl<'i>>,
    ) -> Vec<Step> {
        let (mut steps, mut words) = (Vec::new(), Vec::new());
        let skip = control.map(|control| control.skip.as_slice()).unwrap_or_default();
        for tree in &variant.steps {
            let mut tree = tree.clone();
            replace_placeholders(&mut tree, &variant.placeholders, problems);
            let Some(written) = read::<Written>(&tree, problems) else {
                continue;
            };
            let word = written.word();
            words.push(word);
            if skip.iter().any(|skip| skip.get_ref() == word) {
                continue;
            }
            let before = self.text.get(..tree.span().start).unwrap_or_default();
            let spelt_out = written.spell_out(before.matches('\n').count() + 1);
            check::written(&spelt_out, &tree.span(), problems);
            steps.extend(spelt_out);
        }
        for skip in skip.iter().filter(|skip| !words.contains(&skip.get_ref().as_str())) {
            let known = words.iter().copied();
            problems.push(Problem::unknown("step", skip.get_ref(), known, skip.span()));
        }
        steps
    }
}

/// Deserialises `trees` after laying the part `key` of every change over them.
fn changed<'i, T: DeserializeOwned>(
    trees: &[Tree<'i>],
    key: &str,
    changes: &[&DeTable<'i>],
    placeholders: &[(String, DeValue<'i>)],
    problems: &mut Vec<Problem>,
) -> Option<Vec<T>> {
    let mut values = Vec::new();
    for tree in trees {
        let mut tree = tree.clone();
        for change in changes {
            if let Some((_, over)) = change.iter().find(|(name, _)| name.get_ref() == key) {
                lay_over(&mut tree, over);
            }
        }
        replace_placeholders(&mut tree, placeholders, problems);
        values.push(read(&tree, problems));
    }
    values.into_iter().collect()
}

/// Lays `over` over `tree`: tables are joined, everything else is replaced.
fn lay_over<'i>(tree: &mut Tree<'i>, over: &Tree<'i>) {
    let (DeValue::Table(table), DeValue::Table(changes)) = (tree.get_mut(), over.get_ref()) else {
        *tree = over.clone();
        return;
    };
    for (key, value) in changes {
        match table.iter_mut().find(|(known, _)| known.get_ref() == key.get_ref()) {
            Some((_, known)) => lay_over(known, value),
            None => {
                table.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Every case ends with nothing left over, unless its file says how it ends: what is up is closed
/// first. A control ends where its check fails.
fn with_end(mut steps: Vec<Step>, control: Option<&Control>) -> Vec<Step> {
    let about_end = control.is_none_or(|it| it.fails.contains(&CheckName::Leftover));
    if check::checks(&steps).contains(&CheckName::Leftover) || !about_end {
        return steps;
    }
    if control.is_none() && check::leaves_ike_sa(&steps) {
        steps.push(Step { action: Action::Delete(Delete::default()), line: 0 });
    }
    steps.push(Step { action: Action::Expect(Box::new(Expect::nothing_left())), line: 0 });
    steps
}
