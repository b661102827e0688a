//! The scenarios and requirements that come with the tool, and scenarios of the user's own.

use std::fs;
use std::path::{Path, PathBuf};

use ikeproof_scenarios::catalogue::Catalogue;
use ikeproof_scenarios::expected::ExpectedFailures;
use ikeproof_scenarios::format::FileErrors;
use ikeproof_scenarios::{profile, scenario};

use crate::exit::{MarkedError, Stop};

/// Everything built in, and the scenarios in `folders`.
///
/// # Errors
/// With everything that is wrong in the files, and for an id that is there twice.
pub fn load(folders: &[PathBuf]) -> Result<Catalogue, Stop> {
    let mut catalogue = Catalogue::builtin().map_err(invalid)?;
    let files = texts(folders)?;
    let borrowed: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    for scenario in scenario::load_files(&borrowed, &catalogue.known).map_err(invalid)? {
        if catalogue.scenarios.iter().any(|known| known.id == scenario.id) {
            return Err(Stop::Usage(format!(
                "--scenarios: the id {} is that of a built-in scenario; choose another",
                scenario.id
            )));
        }
        catalogue.scenarios.push(scenario);
    }
    Ok(catalogue)
}

/// Whether there is a profile of this name or path, and it is right.
///
/// # Errors
/// If not, with everything that is wrong in it.
pub fn check_profile(name: &str) -> Result<(), Stop> {
    profile::load(name, None).map(drop).map_err(|error| Stop::Marked(MarkedError(error.into())))
}

/// The failures that are known: those built in, and those of `files`.
///
/// # Errors
/// If a file cannot be read, and with everything that is wrong in it.
pub fn expected_failures(files: &[PathBuf]) -> Result<ExpectedFailures, Stop> {
    let mut expected = ExpectedFailures::builtin().map_err(|error| invalid(vec![error]))?;
    for file in files {
        let text = fs::read_to_string(file).map_err(|error| {
            Stop::Usage(format!("--expected-fail: {} cannot be read: {error}", file.display()))
        })?;
        let more = ExpectedFailures::parse(&file.to_string_lossy(), &text);
        expected.entries.extend(more.map_err(|error| invalid(vec![error]))?.entries);
    }
    Ok(expected)
}

/// The text of a scenario as it is written.
pub fn text_of(id: &str, folders: &[PathBuf]) -> Option<String> {
    if let Some(text) = scenario::builtin_text(id) {
        return Some(text.to_owned());
    }
    let files = texts(folders).ok()?;
    let found = files.into_iter().find(|(path, _)| path.strip_suffix(".toml") == Some(id));
    found.map(|(_, text)| text)
}

/// The newest of the runs in a folder.
///
/// # Errors
/// In words, if there is none.
pub fn newest_run(folder: &Path) -> Result<PathBuf, String> {
    let entries = fs::read_dir(folder)
        .map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut runs: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.join("report.json").is_file())
        .collect();
    runs.sort();
    runs.pop().ok_or_else(|| format!("there is no run in {}", folder.display()))
}

/// The files of several folders, by their path below them.
fn texts(folders: &[PathBuf]) -> Result<Vec<(String, String)>, Stop> {
    let mut files = Vec::new();
    for folder in folders {
        let mut paths = Vec::new();
        collect(folder, &mut paths)?;
        paths.sort();
        for path in paths {
            let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
            let short = path.strip_prefix(folder).unwrap_or(&path);
            files.push((short.to_string_lossy().into_owned(), text));
        }
    }
    Ok(files)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Stop> {
    let entries = fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Usage(format!("--scenarios: {} cannot be read: {error}", path.display()))
}

/// Several files with errors, each shown with its places.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{} with errors", count(.files.len()))]
struct Invalid {
    #[related]
    files: Vec<FileErrors>,
}

fn count(files: usize) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

fn invalid(files: Vec<FileErrors>) -> Stop {
    Stop::Marked(MarkedError(Invalid { files }.into()))
}
