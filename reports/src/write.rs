//! A recorded run to the files of its folder.
//!
//! Each file is written to a temporary name beside its place, flushed and renamed, so that a reader
//! sees the old file or the new one and never half of one; Ctrl-C at any moment leaves valid files.
//! The tree is the contract of the command line; captures, logs and transcripts are put there by
//! the runner, under [`crate::Case::dir`].

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use serde::Serialize;
use thiserror::Error;

use crate::{
    coverage::{Coverage, Subject},
    coverage_page::coverage_html,
    html::{HtmlError, HtmlOptions, html},
    junit::{JunitError, junit},
    model::{Case, Report},
    schema::{ENVIRONMENT_SCHEMA, EnvironmentFile, VERDICT_SCHEMA, VerdictFile},
    summary::summary_md,
    timeline::CaseTimeline,
    timeline_text::timeline_txt,
};

/// Why a run could not be written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// A folder cannot be made.
    #[error("{}: cannot make the folder: {source}; {fix}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do about it.
        fix: &'static str,
    },
    /// A file cannot be written.
    #[error("{}: cannot write: {source}; {fix}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// What to do about it.
        fix: &'static str,
    },
    /// The page cannot be rendered.
    #[error(transparent)]
    Html(#[from] HtmlError),
    /// The JUnit file cannot be rendered.
    #[error(transparent)]
    Junit(#[from] JunitError),
    /// A value cannot be written as JSON.
    #[error("{what} cannot be written as JSON: {source}")]
    Json {
        /// The kind of file.
        what: &'static str,
        /// What the serialiser says.
        source: serde_json::Error,
    },
}

/// What [`write_run`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The files, relative to the folder.
    pub files: Vec<String>,
    /// What a caller should tell: timelines without a case, cases that share a name.
    pub warnings: Vec<String>,
}

/// Writes every file of a run that is rendered from the report and the timelines.
///
/// `report.json` comes first, so that a full disk costs the renderings and not the results.
/// `timelines` are matched to cases by [`Case::key`].
///
/// With a `catalogue` of requirements, `coverage.json` and `coverage.html` say what the run has shown of
/// each; without one they are left out.
pub fn write_run(
    dir: &Path,
    report: &Report,
    timelines: &[CaseTimeline],
    catalogue: &[Subject],
) -> Result<Written, WriteError> {
    let report = &with_artifacts(report, timelines);
    let mut out = Writer { dir, written: Written::default() };
    out.written.warnings = warnings(report, timelines);
    out.json("report.json", "report", report)?;
    out.json("environment.json", "environment", &environment(report))?;
    out.text("junit.xml", &junit(report)?)?;
    out.text("summary.md", &summary_md(report))?;
    for (case, timeline) in cases(report, timelines) {
        out.case(report, case, timeline)?;
    }
    let mut options = HtmlOptions::default();
    if !catalogue.is_empty() {
        let coverage = Coverage::of(report, timelines, catalogue);
        out.json("coverage.json", "coverage", &coverage)?;
        out.text("coverage.html", &coverage_html(report, &coverage)?)?;
        options.coverage = Some([coverage.totals(false), coverage.totals(true)]);
    }
    out.text("index.html", &html(report, timelines, &options)?)?;
    Ok(out.written)
}

/// Writes a file so that it is there whole or not at all.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| WriteError::Folder {
            path: parent.to_owned(),
            fix: fix(&source),
            source,
        })?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = path.with_file_name(name);
    let result = File::create(&temporary)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_data()
        })
        .and_then(|()| fs::rename(&temporary, path));
    result.map_err(|source| {
        _ = fs::remove_file(&temporary);
        WriteError::File { path: path.to_owned(), fix: fix(&source), source }
    })
}

struct Writer<'a> {
    dir: &'a Path,
    written: Written,
}

impl Writer<'_> {
    fn text(&mut self, name: &str, text: &str) -> Result<(), WriteError> {
        write_atomically(&self.dir.join(name), text.as_bytes())?;
        self.written.files.push(name.to_owned());
        Ok(())
    }

    fn json(
        &mut self,
        name: &str,
        what: &'static str,
        value: &impl Serialize,
    ) -> Result<(), WriteError> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|source| WriteError::Json { what, source })?;
        text.push('\n');
        self.text(name, &text)
    }

    fn case(
        &mut self,
        report: &Report,
        case: &Case,
        timeline: Option<&CaseTimeline>,
    ) -> Result<(), WriteError> {
        let verdict = VerdictFile {
            schema: VERDICT_SCHEMA.to_owned(),
            run: report.run.id.clone(),
            case: case.clone(),
        };
        self.json(&format!("{}/verdict.json", case.dir()), "verdict", &verdict)?;
        if let Some(timeline) = timeline {
            let dir = case.attempt_dir();
            self.json(&format!("{dir}/timeline.json"), "timeline", timeline)?;
            self.text(&format!("{dir}/timeline.txt"), &timeline_txt(case, timeline))?;
        }
        Ok(())
    }
}

/// The cases with their timelines; of several cases of one name the first gets the files.
fn cases<'a>(
    report: &'a Report,
    timelines: &'a [CaseTimeline],
) -> Vec<(&'a Case, Option<&'a CaseTimeline>)> {
    let by_key: HashMap<&str, &CaseTimeline> =
        timelines.iter().rev().map(|timeline| (timeline.case.as_str(), timeline)).collect();
    let mut seen = BTreeSet::new();
    let first = |case: &&Case| seen.insert(case.key());
    let pair = |case: &'a Case| (case, by_key.get(case.key().as_str()).copied());
    report.cases.iter().filter(first).map(pair).collect()
}

/// The report with the `timeline` artifact named where one is written.
fn with_artifacts(report: &Report, timelines: &[CaseTimeline]) -> Report {
    let keys: BTreeSet<&str> = timelines.iter().map(|timeline| timeline.case.as_str()).collect();
    let mut report = report.clone();
    for case in &mut report.cases {
        if keys.contains(case.key().as_str()) {
            case.artifacts.timeline = Some(format!("{}/timeline.txt", case.attempt_dir()));
        }
    }
    report
}

fn environment(report: &Report) -> EnvironmentFile {
    EnvironmentFile {
        schema: ENVIRONMENT_SCHEMA.to_owned(),
        run: report.run.id.clone(),
        ikeproof_version: report.run.ikeproof_version.clone(),
        environment: report.run.environment.clone(),
    }
}

fn warnings(report: &Report, timelines: &[CaseTimeline]) -> Vec<String> {
    let mut keys = BTreeSet::new();
    let mut warnings = Vec::new();
    for key in report.cases.iter().map(Case::key) {
        if keys.contains(&key) {
            warnings.push(format!("{key}: more than one case of this name; files are the first's"));
        }
        keys.insert(key);
    }
    for timeline in timelines.iter().filter(|timeline| !keys.contains(&timeline.case)) {
        warnings.push(format!("{}: a timeline without a case", timeline.case));
    }
    warnings
}

fn fix(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose a folder that you may write to with --out"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or choose another disk with --out"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file is where a folder has to be: remove it, or choose another --out"
        }
        _ => "check the folder given with --out",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        for (kind, advice) in [
            (io::ErrorKind::PermissionDenied, "may write to"),
            (io::ErrorKind::ReadOnlyFilesystem, "may write to"),
            (io::ErrorKind::StorageFull, "free some space"),
            (io::ErrorKind::NotADirectory, "a file is where"),
            (io::ErrorKind::Other, "--out"),
        ] {
            let source = io::Error::from(kind);
            let error =
                WriteError::File { path: "out/report.json".into(), fix: fix(&source), source };
            let text = error.to_string();
            assert!(text.starts_with("out/report.json: ") && text.contains(advice), "{text}");
        }
    }
}
