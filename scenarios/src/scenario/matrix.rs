//! Variants of a scenario: axes, and an expectation written down for every combination.
//!
//! `[matrix.axis]` names the axes. The values of one are a list of texts, used as `{axis}`, or
//! tables of what a value changes. `[[matrix.cell]]` says for a pattern of values which of the step
//! lists under `[matrix.outcome]` applies. Nothing is computed by the policy under test: a
//! combination that no cell matches is an error, and so is one that two match. `[matrix.gate]` takes so
//! many of them into the gate tier that each pair of values is there, and each combination of the axes
//! under `whole`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::pairs;
use crate::format::{Document, Problem, Tree, read, remove};

/// The most combinations of one scenario.
const MAX_VARIANTS: usize = 512;

/// One combination, with what it changes and what happens in it.
pub(super) struct Variant<'i> {
    /// The value of each axis.
    pub values: Vec<(String, String)>,
    /// Tables to lay over the scenario's, such as `{ peer = { … } }`.
    pub changes: Vec<DeTable<'i>>,
    /// What placeholders stand for.
    pub placeholders: Vec<(String, DeValue<'i>)>,
    /// The steps.
    pub steps: Vec<Tree<'i>>,
    /// Whether it is one of the few that stand for all in the gate tier, if `[matrix.gate]` asks for some.
    pub gate: Option<bool>,
}

struct Axis<'i> {
    name: String,
    values: Vec<Value<'i>>,
}

struct Value<'i> {
    name: String,
    change: DeTable<'i>,
    placeholders: Vec<(String, DeValue<'i>)>,
}

/// A pattern of values and the outcome.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cell {
    #[serde(default)]
    when: Pattern,
    outcome: Spanned<String>,
}

/// Axis to values; axes that are not named do not matter.
pub(super) type Pattern = BTreeMap<Spanned<String>, Spanned<OneOrMany>>;

/// A text or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn words(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Many(words) => words,
        }
    }
}

/// Whether `values` fit `pattern`.
pub(super) fn fits(pattern: &Pattern, values: &[(String, String)]) -> bool {
    pattern.iter().all(|(axis, wanted)| {
        let value = values.iter().find(|(name, _)| name == axis.get_ref());
        value.is_some_and(|(_, value)| wanted.get_ref().words().contains(value))
    })
}

/// Notes axes and values of `pattern` that there are none of.
pub(super) fn check_pattern(
    pattern: &Pattern,
    axes: &[(String, Vec<String>)],
    problems: &mut Vec<Problem>,
) {
    for (axis, wanted) in pattern {
        let Some((_, values)) = axes.iter().find(|(name, _)| name == axis.get_ref()) else {
            let known = axes.iter().map(|(name, _)| name.as_str());
            problems.push(Problem::unknown("axis", axis.get_ref(), known, axis.span()));
            continue;
        };
        for value in wanted.get_ref().words().iter().filter(|value| !values.contains(value)) {
            let what = format!("value of the axis `{}`", axis.get_ref());
            let known = values.iter().map(String::as_str);
            problems.push(Problem::unknown(&what, value, known, wanted.span()));
        }
    }
}

/// The axes of `variants`, with their values.
pub(super) fn axes_of(variants: &[Variant<'_>]) -> Vec<(String, Vec<String>)> {
    let mut axes: Vec<(String, Vec<String>)> = Vec::new();
    for (axis, value) in variants.iter().flat_map(|variant| &variant.values) {
        match axes.iter_mut().find(|(name, _)| name == axis) {
            Some((_, values)) if values.contains(value) => {}
            Some((_, values)) => values.push(value.clone()),
            None => axes.push((axis.clone(), vec![value.clone()])),
        }
    }
    axes
}

/// Values for people: `id=fqdn,nat=router`.
pub(super) fn text(values: &[(String, String)]) -> String {
    values.iter().map(|(axis, value)| format!("{axis}={value}")).collect::<Vec<_>>().join(",")
}

/// Reads `[matrix]` and spells it out.
pub(super) fn variants<'i>(document: &mut Document<'i>, matrix: Tree<'i>) -> Vec<Variant<'i>> {
    let span = matrix.span();
    let DeValue::Table(mut table) = matrix.into_inner() else {
        document.problems.push(Problem::new("`matrix` is a table", span));
        return Vec::new();
    };
    let problems = &mut document.problems;
    let axes = read_axes(problems, remove(&mut table, "axis"), &span);
    let outcomes = read_outcomes(problems, remove(&mut table, "outcome"));
    let cells = read_cells(problems, remove(&mut table, "cell"));
    let gate = remove(&mut table, "gate").map(|(_, tree)| read_gate(problems, &axes, &tree));
    for key in table.keys() {
        let known = ["axis", "cell", "outcome", "gate"];
        problems.push(Problem::unknown("key", key.get_ref(), known, key.span()));
    }
    check_cells(problems, &axes, &outcomes, &cells);
    let mut variants = spell_out(problems, &axes, &outcomes, &cells, &span);
    if let Some(whole) = gate.flatten() {
        choose(&mut variants, &axes, &whole);
    }
    variants
}

/// The axes of which `[matrix.gate]` wants each combination.
fn read_gate(
    problems: &mut Vec<Problem>,
    axes: &[Axis<'_>],
    tree: &Tree<'_>,
) -> Option<Vec<usize>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Gate {
        #[serde(default)]
        whole: Vec<Spanned<String>>,
    }
    let gate: Gate = read(tree, problems)?;
    let number = |name: &Spanned<String>| {
        let found = axes.iter().position(|axis| axis.name == *name.get_ref());
        if found.is_none() {
            let known = axes.iter().map(|axis| axis.name.as_str());
            problems.push(Problem::unknown("axis", name.get_ref(), known, name.span()));
        }
        found
    };
    Some(gate.whole.iter().filter_map(number).collect())
}

/// Marks those that stand for all in the gate tier.
fn choose(variants: &mut [Variant<'_>], axes: &[Axis<'_>], whole: &[usize]) {
    let number = |(axis, (_, value)): (&Axis<'_>, &(String, String))| {
        axis.values.iter().position(|one| one.name == *value).unwrap_or_default()
    };
    let numbers: Vec<Vec<usize>> = variants
        .iter()
        .map(|variant| axes.iter().zip(&variant.values).map(number).collect())
        .collect();
    for (variant, chosen) in variants.iter_mut().zip(pairs::enough(&numbers, whole)) {
        variant.gate = Some(chosen);
    }
}

type Outcomes<'i> = Vec<(Spanned<String>, Vec<Tree<'i>>)>;
type Cells = Vec<(Range<usize>, Cell)>;

/// The words of cells and outcomes belong together.
fn check_cells(
    problems: &mut Vec<Problem>,
    axes: &[Axis<'_>],
    outcomes: &Outcomes<'_>,
    cells: &Cells,
) {
    let values = |axis: &Axis<'_>| axis.values.iter().map(|value| value.name.clone()).collect();
    let names: Vec<_> = axes.iter().map(|axis| (axis.name.clone(), values(axis))).collect();
    for (_, cell) in cells {
        check_pattern(&cell.when, &names, problems);
        let known = || outcomes.iter().map(|(name, _)| name.get_ref().as_str());
        if !known().any(|name| name == cell.outcome.get_ref()) {
            let outcome = cell.outcome.get_ref();
            problems.push(Problem::unknown("outcome", outcome, known(), cell.outcome.span()));
        }
    }
    for (name, _) in outcomes {
        if !cells.iter().any(|(_, cell)| cell.outcome.get_ref() == name.get_ref()) {
            let message = format!("no cell has the outcome `{}`", name.get_ref());
            problems.push(Problem::new(message, name.span()));
        }
    }
}

fn spell_out<'i>(
    problems: &mut Vec<Problem>,
    axes: &[Axis<'i>],
    outcomes: &Outcomes<'i>,
    cells: &Cells,
    span: &Range<usize>,
) -> Vec<Variant<'i>> {
    let count = axes.iter().fold(1, |so_far: usize, axis| so_far.saturating_mul(axis.values.len()));
    if count > MAX_VARIANTS {
        let message =
            format!("{count} combinations, at most {MAX_VARIANTS} are allowed: take an axis apart");
        problems.push(Problem::new(message, span.clone()));
        return Vec::new();
    }
    let mut used = vec![false; cells.len()];
    let mut variants = Vec::new();
    for values in combinations(axes) {
        let names = axes.iter().zip(&values);
        let values_of: Vec<(String, String)> =
            names.map(|(axis, value)| (axis.name.clone(), value.name.clone())).collect();
        let hits: Vec<usize> =
            (0..cells.len()).filter(|at| fits(&cells[*at].1.when, &values_of)).collect();
        hits.iter().for_each(|at| used[*at] = true);
        let cell = match hits.as_slice() {
            [] => {
                let message = format!("no cell says what happens with {}", text(&values_of));
                problems.push(Problem::new(message, span.clone()));
                continue;
            }
            [at] => &cells[*at].1,
            [_, second, ..] => {
                let message =
                    format!("another cell already says what happens with {}", text(&values_of));
                problems.push(Problem::new(message, cells[*second].0.clone()));
                continue;
            }
        };
        let steps = outcomes.iter().find(|(name, _)| name.get_ref() == cell.outcome.get_ref());
        variants.push(Variant {
            changes: values.iter().map(|value| value.change.clone()).collect(),
            placeholders: values.iter().flat_map(|value| value.placeholders.clone()).collect(),
            steps: steps.map(|(_, steps)| steps.clone()).unwrap_or_default(),
            values: values_of,
            gate: None,
        });
    }
    for ((span, _), _) in cells.iter().zip(used).filter(|(_, used)| !used) {
        problems.push(Problem::new("no combination is left for this cell", span.clone()));
    }
    variants
}

fn combinations<'a, 'i>(axes: &'a [Axis<'i>]) -> Vec<Vec<&'a Value<'i>>> {
    let mut all: Vec<Vec<&Value<'_>>> = vec![Vec::new()];
    for axis in axes {
        let mut longer = Vec::new();
        for so_far in &all {
            for value in &axis.values {
                longer.push(so_far.iter().copied().chain([value]).collect());
            }
        }
        all = longer;
    }
    all
}

fn read_axes<'i>(
    problems: &mut Vec<Problem>,
    axes: Option<(Range<usize>, Tree<'i>)>,
    span: &Range<usize>,
) -> Vec<Axis<'i>> {
    let Some(DeValue::Table(table)) = axes.map(|(_, tree)| tree.into_inner()) else {
        problems.push(Problem::new("the matrix needs a table of axes", span.clone()));
        return Vec::new();
    };
    // In the order of the file: variants are named by it.
    let mut axes: Vec<_> = table.into_iter().collect();
    axes.sort_by_key(|(name, _)| name.span().start);
    axes.into_iter().map(|(name, values)| read_axis(problems, name.get_ref(), values)).collect()
}

fn read_axis<'i>(problems: &mut Vec<Problem>, name: &str, tree: Tree<'i>) -> Axis<'i> {
    let span = tree.span();
    let mut values = Vec::new();
    match tree.into_inner() {
        DeValue::Array(items) => {
            for item in items {
                match item.get_ref().as_str() {
                    Some(text) => values.push(Value {
                        name: text.to_owned(),
                        change: DeTable::new(),
                        placeholders: vec![(name.to_owned(), item.get_ref().clone())],
                    }),
                    None => problems.push(Problem::new("a text is wanted", item.span())),
                }
            }
        }
        DeValue::Table(table) => {
            let mut table: Vec<_> = table.into_iter().collect();
            table.sort_by_key(|(value, _)| value.span().start);
            for (value, change) in table {
                values.extend(read_value(problems, name, value.get_ref(), change));
            }
        }
        _ => {}
    }
    if values.is_empty() {
        let message = "an axis is a list of texts, or a table of what its values change";
        problems.push(Problem::new(message, span));
    }
    Axis { name: name.to_owned(), values }
}

fn read_value<'i>(
    problems: &mut Vec<Problem>,
    axis: &str,
    name: &str,
    change: Tree<'i>,
) -> Option<Value<'i>> {
    let span = change.span();
    let DeValue::Table(mut change) = change.into_inner() else {
        let message = "what a value changes is a table of edge, peer, network and let";
        problems.push(Problem::new(message, span));
        return None;
    };
    let mut placeholders = vec![(axis.to_owned(), DeValue::String(name.to_owned().into()))];
    if let Some((key, lets)) = remove(&mut change, "let") {
        match lets.into_inner() {
            DeValue::Table(lets) => {
                let named =
                    lets.into_iter().map(|(key, it)| (key.get_ref().to_string(), it.into_inner()));
                placeholders.extend(named);
            }
            _ => problems.push(Problem::new("`let` is a table", key)),
        }
    }
    let known = ["edge", "peer", "network", "let"];
    for key in change.keys().filter(|key| !known.contains(&key.get_ref().as_ref())) {
        problems.push(Problem::unknown("key", key.get_ref(), known, key.span()));
    }
    Some(Value { name: name.to_owned(), change, placeholders })
}

fn read_outcomes<'i>(
    problems: &mut Vec<Problem>,
    outcomes: Option<(Range<usize>, Tree<'i>)>,
) -> Outcomes<'i> {
    let Some((span, tree)) = outcomes else {
        return Vec::new();
    };
    let DeValue::Table(table) = tree.into_inner() else {
        problems.push(Problem::new("`outcome` is a table of step lists", span));
        return Vec::new();
    };
    let mut outcomes = Vec::new();
    for (name, steps) in table {
        let spot = name.span();
        let name = Spanned::new(spot.clone(), name.into_inner().into_owned());
        match steps.into_inner() {
            DeValue::Array(steps) => outcomes.push((name, steps.into_iter().collect())),
            _ => {
                let name = name.get_ref();
                let message = format!("write [[matrix.outcome.{name}]], once for each step");
                problems.push(Problem::new(message, spot));
            }
        }
    }
    outcomes
}

fn read_cells(problems: &mut Vec<Problem>, cells: Option<(Range<usize>, Tree<'_>)>) -> Cells {
    let Some((span, tree)) = cells else {
        return Vec::new();
    };
    let Some(items) = tree.get_ref().as_array() else {
        problems.push(Problem::new("write [[matrix.cell]]", span));
        return Vec::new();
    };
    items.iter().filter_map(|item| Some((item.span(), read(item, problems)?))).collect()
}
