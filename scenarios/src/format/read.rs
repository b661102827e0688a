//! From text to a tree with positions, and from parts of the tree to values.

use std::ops::Range;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use super::Problem;

/// A part of a file: a value and where it stands.
pub(crate) type Tree<'i> = Spanned<DeValue<'i>>;

/// A wrong word is taken out and the rest looked at again, at most this often.
const MAX_RETRIES: usize = 32;

/// A file that is being read, with what was found wrong so far.
pub(crate) struct Document<'i> {
    /// The top level.
    pub table: DeTable<'i>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl<'i> Document<'i> {
    /// Parses `text`. After a syntax error the rest is still looked at.
    pub fn parse(text: &'i str) -> Self {
        let (table, errors) = DeTable::parse_recoverable(text);
        let problem =
            |error: toml::de::Error| Problem::new(error.message(), error.span().unwrap_or(0..0));
        Self { table: table.into_inner(), problems: errors.into_iter().map(problem).collect() }
    }

    /// Takes the value of `key` out of the top level.
    pub fn take(&mut self, key: &str) -> Option<Tree<'i>> {
        remove(&mut self.table, key).map(|(_, value)| value)
    }

    /// Deserialises a part, noting everything that is wrong with it.
    pub fn read<T: DeserializeOwned>(&mut self, tree: &Tree<'i>) -> Option<T> {
        read(tree, &mut self.problems)
    }

    /// Deserialises what is left of the top level.
    pub fn read_rest<T: DeserializeOwned>(&mut self) -> Option<T> {
        let rest = std::mem::take(&mut self.table);
        let end = rest.values().map(|value| value.span().end).max().unwrap_or(0);
        self.read(&Spanned::new(0..end, DeValue::Table(rest)))
    }

    /// The items of the array under `key`.
    pub fn take_items(&mut self, key: &str) -> Vec<Tree<'i>> {
        let Some(tree) = self.take(key) else {
            return Vec::new();
        };
        let span = tree.span();
        match tree.into_inner() {
            DeValue::Array(items) => items.into_iter().collect(),
            other => {
                let found = other.type_str();
                let message = format!("`{key}` must be written [[{key}]], but this is a {found}");
                self.problems.push(Problem::new(message, span));
                Vec::new()
            }
        }
    }

    /// Deserialises each item of the array under `key` by itself.
    pub fn read_items<T: DeserializeOwned>(&mut self, key: &str) -> Vec<(Range<usize>, T)> {
        let items = self.take_items(key);
        let read = |item: &Tree<'i>| Some((item.span(), self.read(item)?));
        items.iter().filter_map(read).collect()
    }
}

/// Takes `key` out of `table`.
pub(crate) fn remove<'i>(
    table: &mut DeTable<'i>,
    key: &str,
) -> Option<(Range<usize>, Spanned<DeValue<'i>>)> {
    let found = table.keys().find(|known| known.get_ref() == key)?.clone();
    table.remove(&found).map(|value| (found.span(), value))
}

/// Deserialises `tree`. What is wrong is noted, taken out, and does not hide what follows.
pub(crate) fn read<T: DeserializeOwned>(tree: &Tree<'_>, problems: &mut Vec<Problem>) -> Option<T> {
    let mut tree = tree.clone();
    let mut taken_out: Vec<String> = Vec::new();
    for _ in 0..MAX_RETRIES {
        match T::deserialize(ValueDeserializer::from(tree.clone())) {
            Ok(value) => return taken_out.is_empty().then_some(value),
            Err(error) => {
                let span = error.span().unwrap_or(tree.span());
                // What lacks a key that was taken out goes out, too, and is no problem of its own.
                let lacks = |key: &String| error.message() == format!("missing field `{key}`");
                if taken_out.iter().any(lacks) {
                    taken_out.push(take_out(&mut tree, &span)?);
                    continue;
                }
                problems.push(problem_of(error.message(), &span));
                taken_out.push(take_out(&mut tree, &span)?);
            }
        }
    }
    None
}

/// Removes the innermost key that `span` belongs to and says what it was called.
fn take_out(tree: &mut Tree<'_>, span: &Range<usize>) -> Option<String> {
    let within = |whole: Range<usize>| whole.start <= span.start && span.end <= whole.end;
    match tree.get_mut() {
        DeValue::Table(table) => {
            if let Some(inner) = table.iter_mut().find_map(|(_, value)| take_out(value, span)) {
                return Some(inner);
            }
            let hit =
                |key: &Spanned<_>, value: &Tree<'_>| key.span() == *span || within(value.span());
            let key = table.iter().find(|(key, value)| hit(key, value))?.0.clone();
            table.remove(&key);
            Some(key.into_inner().into_owned())
        }
        DeValue::Array(items) => items.iter_mut().find_map(|item| take_out(item, span)),
        _ => None,
    }
}

/// Turns serde's words into ours: what is wrong, the valid words, the nearest of them.
pub(crate) fn problem_of(message: &str, span: &Range<usize>) -> Problem {
    let words: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let lists = message.contains("expected one of") || message.contains("expected `");
    match words.as_slice() {
        [given, valid @ ..] if lists => {
            let what = if message.starts_with("unknown field") { "key" } else { "word" };
            Problem::unknown(what, given, valid.iter().copied(), span.clone())
        }
        [given, ..]
            if message.starts_with("unknown")
                || message.contains("no algorithm")
                || message.contains("has no place") =>
        {
            let names = algorithms();
            let nearest = super::nearest(given, names.iter().map(String::as_str));
            let nearest = nearest.map(str::to_owned);
            Problem { nearest, ..Problem::new(message.trim(), span.clone()) }
        }
        _ => Problem::new(message.trim(), span.clone()),
    }
}

/// The names of all algorithms.
fn algorithms() -> Vec<String> {
    use ikeproof_proto::crypto::suite::{Encr, Esn, Group, Integ, Prf};
    let mut names: Vec<String> = Encr::all().map(|value| value.to_string()).collect();
    names.extend(Integ::all().map(|value| value.to_string()));
    names.extend(Prf::all().map(|value| value.to_string()));
    names.extend(Group::all().map(|value| value.to_string()));
    names.extend(Esn::all().map(|value| value.to_string()));
    names
}

/// Replaces `{name}` in every string of `tree`. A string that is nothing but a placeholder takes the
/// value's own type. Unknown names are noted.
pub(crate) fn replace_placeholders<'i>(
    tree: &mut Tree<'i>,
    values: &[(String, DeValue<'i>)],
    problems: &mut Vec<Problem>,
) {
    let span = tree.span();
    match tree.get_mut() {
        DeValue::Table(table) => {
            table.iter_mut().for_each(|(_, value)| replace_placeholders(value, values, problems));
        }
        DeValue::Array(items) => {
            items.iter_mut().for_each(|item| replace_placeholders(item, values, problems));
        }
        value @ DeValue::String(_) => {
            let text = value.as_str().unwrap_or_default().to_owned();
            if let Some(new) = replaced(&text, values, &span, problems) {
                *value = new;
            }
        }
        _ => {}
    }
}

fn replaced<'i>(
    text: &str,
    values: &[(String, DeValue<'i>)],
    span: &Range<usize>,
    problems: &mut Vec<Problem>,
) -> Option<DeValue<'i>> {
    let whole = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    if let Some((_, value)) = values.iter().find(|(name, _)| whole == Some(name.as_str())) {
        return Some(value.clone());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        match values.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()) {
            Some(Some(value)) => out.push_str(value),
            Some(None) => problems.push(Problem::new(
                format!("`{{{name}}}` is no text and cannot be part of one"),
                span.clone(),
            )),
            None => {
                let known = values.iter().map(|(known, _)| known.as_str());
                problems.push(Problem::unknown("placeholder", name, known, span.clone()));
            }
        }
        rest = after;
    }
    out.push_str(rest);
    (out != text).then(|| DeValue::String(out.into()))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Part {
        #[expect(dead_code, reason = "only its presence is tested")]
        name: String,
        #[serde(default)]
        #[expect(dead_code, reason = "only its presence is tested")]
        size: u16,
    }

    #[test]
    fn one_wrong_part_does_not_hide_the_next() {
        let text = "[[part]]\nnmae = 'a'\nsiez = 1\nname = 'b'\n[[part]]\nname = 3\n[[part]]\nname = 'x'\n";
        let mut document = Document::parse(text);
        let parts: Vec<(_, Part)> = document.read_items("part");
        assert_eq!(parts.len(), 1);
        let errors = super::super::FileErrors::new("f", text, document.problems);
        let places: Vec<_> =
            errors.problems().map(|(line, _, p)| (line, p.nearest.clone())).collect();
        let name = Some("name".to_owned());
        assert_eq!(places, [(2, name), (3, Some("size".to_owned())), (6, None)], "{errors}");
    }

    #[test]
    fn placeholders_keep_the_type_of_what_they_stand_for() {
        let mut document = Document::parse("[a]\nx = '{n}'\ny = 'a-{s}-b'\nz = '{t}'");
        let mut tree = document.take("a").unwrap();
        let values = [
            ("n".to_owned(), DeValue::Boolean(true)),
            ("s".to_owned(), DeValue::String("mid".into())),
        ];
        let mut problems = Vec::new();
        replace_placeholders(&mut tree, &values, &mut problems);
        let table = tree.get_ref().as_table().unwrap();
        let texts: Vec<_> =
            table.values().map(|v| (v.get_ref().as_bool(), v.get_ref().as_str())).collect();
        assert_eq!(texts[0], (Some(true), None));
        assert_eq!(texts[1], (None, Some("a-mid-b")));
        assert_eq!(problems.len(), 1);
    }
}
