//! What is wrong with a file, for people.

use std::fmt;
use std::ops::Range;

use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// Where in the file, in octets.
    pub span: Range<usize>,
    /// The nearest valid word, if one is near.
    pub nearest: Option<String>,
    /// Everything that would be valid, if that can be listed.
    pub valid: Vec<String>,
}

impl Problem {
    /// A problem without a suggestion.
    pub fn new(message: impl Into<String>, span: Range<usize>) -> Self {
        Self { message: message.into(), span, nearest: None, valid: Vec::new() }
    }

    /// A word that is none of `valid`.
    pub fn unknown<'a>(
        what: &str,
        word: &str,
        valid: impl IntoIterator<Item = &'a str>,
        span: Range<usize>,
    ) -> Self {
        let valid: Vec<String> = valid.into_iter().map(str::to_owned).collect();
        let nearest = super::nearest(word, valid.iter().map(String::as_str)).map(str::to_owned);
        Self { message: format!("unknown {what} `{word}`"), span, nearest, valid }
    }

    /// The same where there are too many valid words to list.
    pub fn unlisted<'a>(
        what: &str,
        word: &str,
        valid: impl IntoIterator<Item = &'a str>,
        span: Range<usize>,
    ) -> Self {
        Self { valid: Vec::new(), ..Self::unknown(what, word, valid, span) }
    }
}

/// Everything that is wrong with one file.
#[derive(Debug)]
pub struct FileErrors {
    source: NamedSource<String>,
    problems: Vec<Located>,
}

#[derive(Debug)]
struct Located {
    problem: Problem,
    line: usize,
    column: usize,
}

impl FileErrors {
    /// The problems of the file called `name` with the text `text`, in the order of their places.
    pub fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| (problem.span.start, problem.span.end));
        problems.dedup();
        let locate = |problem: Problem| {
            let (line, column) = place(text, problem.span.start);
            Located { problem, line, column }
        };
        let problems = problems.into_iter().map(locate).collect();
        Self { source: NamedSource::new(name, text.to_owned()), problems }
    }

    /// What is wrong, with line and column, both from 1.
    pub fn problems(&self) -> impl Iterator<Item = (usize, usize, &Problem)> {
        self.problems.iter().map(|located| (located.line, located.column, &located.problem))
    }
}

/// Line and column of the octet `at`, both from 1, the column in characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at.min(text.len())).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl fmt::Display for FileErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, Located { problem, line, column }) in self.problems.iter().enumerate() {
            if place > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{line}:{column}: {}", self.source.name(), problem.message)?;
            if let Some(nearest) = &problem.nearest {
                write!(f, "; did you mean `{nearest}`?")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for FileErrors {}

impl Diagnostic for FileErrors {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |Located { problem, .. }: &Located| {
            let text = match &problem.nearest {
                Some(nearest) => format!("{}; did you mean `{nearest}`?", problem.message),
                None => problem.message.clone(),
            };
            LabeledSpan::new(Some(text), problem.span.start, problem.span.len())
        };
        Some(Box::new(self.problems.iter().map(label)))
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let listed = self.problems.iter().filter(|located| !located.problem.valid.is_empty());
        let lines: Vec<String> = listed
            .map(|Located { problem, line, .. }| {
                format!("line {line}: valid are {}", problem.valid.join(", "))
            })
            .collect();
        (!lines.is_empty()).then(|| Box::new(lines.join("\n")) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_is_printed_with_its_place_and_the_nearest_word() {
        let text = "a = 1\nbé = 2\n";
        let problems =
            vec![Problem::unknown("key", "bé", ["be", "xx"], 6..9), Problem::new("wrong", 0..1)];
        let errors = FileErrors::new("x.toml", text, problems);
        assert_eq!(
            errors.to_string(),
            "x.toml:1:1: wrong\nx.toml:2:1: unknown key `bé`; did you mean `be`?"
        );
        assert_eq!(errors.help().unwrap().to_string(), "line 2: valid are be, xx");
    }
}
