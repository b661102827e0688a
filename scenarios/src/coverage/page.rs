//! The coverage of the catalogue as a page of Markdown.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Entry, Thing};

/// The page, for entries in the order in which they come.
pub fn markdown(entries: &[Entry<'_>]) -> String {
    let mut text = String::from(
        "# Coverage\n\nEach requirement, fact, reading and pattern of the catalogue: the rule of the auditor \
         that judges it in every\nsession, by the name of the mutant which proves that breaking it is found; \
         the scenarios that show it; and, if nothing\ncovers it, why. Written by `ikeproof list --coverage`; \
         a test compares. What has held with which peer is in the\n`coverage.html` of each run.\n",
    );
    let documents = documents(entries);
    text.push_str(
        "\n| document | entries | judged by the auditor | shown by scenarios | not covered |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    for (name, entries) in &documents {
        row(&mut text, name, entries);
    }
    row(&mut text, "**all**", &entries.iter().collect::<Vec<_>>());
    for (name, entries) in &documents {
        let _ = write!(text, "\n## {name}\n");
        covered(&mut text, entries);
        uncovered(&mut text, entries);
    }
    text
}

/// The entries by their documents, in order.
fn documents<'a, 'b>(entries: &'a [Entry<'b>]) -> Vec<(String, Vec<&'a Entry<'b>>)> {
    let mut documents: Vec<(String, Vec<&Entry<'_>>)> = Vec::new();
    for entry in entries {
        let name = entry.thing.document();
        match documents.last_mut() {
            Some((last, entries)) if *last == name => entries.push(entry),
            _ => documents.push((name, vec![entry])),
        }
    }
    documents
}

fn row(text: &mut String, name: &str, entries: &[&Entry<'_>]) {
    let count = |of: &dyn Fn(&Entry<'_>) -> bool| entries.iter().filter(|it| of(it)).count();
    let judged = count(&|it| it.rule.is_some());
    let shown = count(&|it| !it.shown_by.is_empty());
    let open = count(&|it| !it.is_covered());
    let _ = writeln!(text, "| {name} | {} | {judged} | {shown} | {open} |", entries.len());
}

fn covered(text: &mut String, entries: &[&Entry<'_>]) {
    let mut covered = entries.iter().filter(|entry| entry.is_covered()).peekable();
    if covered.peek().is_none() {
        return;
    }
    text.push_str("\n| id | | what | mutant | scenarios |\n| --- | --- | --- | --- | --- |\n");
    for entry in covered {
        let mutant = entry.rule.map(|rule| format!("`{}`", rule.mutant)).unwrap_or_default();
        let _ = writeln!(
            text,
            "| `{}` | {} | {} | {mutant} | {} |",
            entry.thing.id(),
            keyword(entry.thing),
            cell(entry.thing.text()),
            entry.shown_by.join(", ")
        );
    }
}

fn uncovered(text: &mut String, entries: &[&Entry<'_>]) {
    let mut reasons: Vec<&str> = Vec::new();
    let mut by_reason: BTreeMap<&str, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.is_covered()) {
        let reason = entry.uncovered.unwrap_or("**No reason is given.**");
        if !reasons.contains(&reason) {
            reasons.push(reason);
        }
        by_reason.entry(reason).or_default().push(entry);
    }
    for reason in reasons {
        let _ = write!(text, "\nNot covered. {reason}\n\n");
        for entry in by_reason.get(reason).into_iter().flatten() {
            let keyword = keyword(entry.thing);
            let gap = if keyword.is_empty() { "" } else { " " };
            let says = entry.thing.text();
            let _ = writeln!(text, "- `{}`{gap}{keyword}: {says}", entry.thing.id());
        }
    }
}

fn keyword(thing: Thing<'_>) -> String {
    thing.level().map(|level| level.to_string()).unwrap_or_default()
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn the_page_in_the_tree_is_that_of_the_catalogue() {
        let catalogue = Catalogue::builtin().unwrap();
        assert!(
            markdown(&catalogue.coverage()) == include_str!("../../coverage.md"),
            "write it with `ikeproof list --coverage > scenarios/coverage.md`"
        );
    }

    #[test]
    fn the_page_names_mutants_scenarios_and_reasons() {
        let catalogue = Catalogue::builtin().unwrap();
        let page = markdown(&catalogue.coverage());
        let line = |id: &str| {
            let line = page.lines().find(|line| line.contains(&format!("`{id}`")));
            line.unwrap_or_else(|| panic!("{id}"))
        };
        let cookie = line("rfc7296-2.6-cookie-echo-first");
        assert!(cookie.contains("| MUST |") && cookie.contains("`cookie-changed`"), "{cookie}");
        assert!(cookie.contains("v2/cookie"), "{cookie}");
        assert!(line("F24").contains("edge/ikev1/"), "{}", line("F24"));
        assert!(line("rfc4303-3.3.4-pmtu").starts_with("- `"), "{}", line("rfc4303-3.3.4-pmtu"));
        assert!(!page.contains("No reason is given"));
        for row in page.lines().filter(|line| line.starts_with("| `")) {
            assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
        }
    }
}
