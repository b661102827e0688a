//! The exit status, which scripts rely on.

use std::process::ExitCode;

/// Everything required held.
pub const HELD: u8 = 0;
/// A verdict failed the gate.
pub const FAILED: u8 = 1;
/// The command line, a scenario, a profile or a file is wrong.
pub const USAGE: u8 = 2;
/// The infrastructure is: Docker, a peer that is required and missing, a full disk.
pub const INFRASTRUCTURE: u8 = 3;
/// A second signal ended a run at once, without a report: what shells say of whom SIGINT ended.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends early.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// Something that the user wrote has to be changed.
    #[error("{0}")]
    Usage(String),
    /// The same, with the place in the file marked.
    #[error(transparent)]
    Marked(#[from] MarkedError),
    /// Something around us does not work.
    #[error("{0}")]
    Infrastructure(String),
}

/// An error that carries the text it is about.
#[derive(Debug, thiserror::Error)]
#[error("{0:?}")]
pub struct MarkedError(pub miette::Report);

impl Stop {
    /// What is wrong, for standard error.
    pub fn for_people(&self) -> String {
        match self {
            Self::Usage(why) | Self::Infrastructure(why) => format!("error: {why}"),
            Self::Marked(MarkedError(report)) => format!("{report:?}"),
        }
    }

    /// The exit status that goes with it.
    pub fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Usage(_) | Self::Marked(_) => USAGE,
            Self::Infrastructure(_) => INFRASTRUCTURE,
        })
    }
}
