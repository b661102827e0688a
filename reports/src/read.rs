//! A report back from its file, with errors that name the file, what was found and what is known.
//!
//! Unknown fields are ignored, so that a newer minor writer can be read; an unknown schema is
//! refused before anything else is looked at, since its fields may mean something else.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

use crate::{model::Report, schema::REPORT_SCHEMA};

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The file cannot be opened.
    #[error("{}: cannot be read: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not JSON, or is cut off.
    #[error("{}: not a JSON object: {source}", file.display())]
    NotJson {
        /// The file.
        file: PathBuf,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
    /// The file names no schema.
    #[error("{}: no \"schema\" at the top; expected {known}", file.display())]
    NoSchema {
        /// The file.
        file: PathBuf,
        /// The schema that was expected.
        known: &'static str,
    },
    /// The file has another schema.
    #[error(
        "{}: schema is {found:?}, this ikeproof reads {known:?}; read it with the version that \
         wrote it", file.display()
    )]
    UnknownSchema {
        /// The file.
        file: PathBuf,
        /// The schema of the file.
        found: String,
        /// The schema that was expected.
        known: &'static str,
    },
    /// The schema is right and the content is not.
    #[error("{}: not a valid {schema}: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Its schema.
        schema: &'static str,
        /// What the parser says, with line and column.
        source: serde_json::Error,
    },
}

/// Reads `report.json`, or the one inside a folder.
pub fn read_report(path: &Path) -> Result<Report, ReadError> {
    let file = if path.is_dir() { path.join("report.json") } else { path.to_owned() };
    parse(&read(&file)?, &file)
}

fn read(file: &Path) -> Result<String, ReadError> {
    fs::read_to_string(file).map_err(|source| ReadError::Io { file: file.to_owned(), source })
}

fn parse(text: &str, file: &Path) -> Result<Report, ReadError> {
    #[derive(Deserialize)]
    struct Header {
        schema: Option<String>,
    }
    let known = REPORT_SCHEMA;
    let header: Header = serde_json::from_str(text)
        .map_err(|source| ReadError::NotJson { file: file.to_owned(), source })?;
    match header.schema {
        None => Err(ReadError::NoSchema { file: file.to_owned(), known }),
        Some(found) if found != known => {
            Err(ReadError::UnknownSchema { file: file.to_owned(), found, known })
        }
        Some(_) => serde_json::from_str(text).map_err(|source| ReadError::Malformed {
            file: file.to_owned(),
            schema: known,
            source,
        }),
    }
}
