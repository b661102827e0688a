//! Why a case does not simply pass: a check that failed, something the peer cannot do, or trouble
//! with the infrastructure. Only the first is a verdict on anybody.

use ikeproof_vendors::Error;

use crate::scenario::CheckName;

/// Why a case ended early.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// A check failed.
    Check {
        /// Which; several if one step looks at several things at once.
        checks: Vec<CheckName>,
        /// What was expected and what was seen.
        why: String,
        /// The line of the scenario.
        line: usize,
    },
    /// The peer cannot do what the case needs, in its own words or ours.
    Unsupported(String),
    /// What the case runs on does not work.
    Infrastructure(String),
    /// The case itself cannot be set up.
    Setup(String),
}

impl Trouble {
    /// A check that failed; the line is filled in by whoever knows the step.
    pub fn check(check: CheckName, why: impl Into<String>) -> Self {
        Self::Check { checks: vec![check], why: why.into(), line: 0 }
    }

    /// The same, with what a check was about in front.
    #[must_use]
    pub fn of(self, what: &str) -> Self {
        match self {
            Self::Check { checks, why, line } => {
                Self::Check { checks, why: format!("{what}: {why}"), line }
            }
            other => other,
        }
    }

    /// The same, with the line of the step.
    #[must_use]
    pub fn at(self, step: usize) -> Self {
        match self {
            Self::Check { checks, why, line: 0 } => Self::Check { checks, why, line: step },
            other => other,
        }
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Check { why, .. }
        | Self::Unsupported(why)
        | Self::Infrastructure(why)
        | Self::Setup(why)) = self;
        f.write_str(why)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported(why) => Self::Unsupported(why.to_string()),
            error => Self::Infrastructure(error.to_string()),
        }
    }
}

/// The checks of one step that failed.
#[derive(Default)]
pub(super) struct Failed {
    checks: Vec<CheckName>,
    whys: Vec<String>,
}

impl Failed {
    /// Takes note of a check; anything else that went wrong is passed on.
    pub(super) fn note(&mut self, result: Result<(), Trouble>) -> Result<(), Trouble> {
        match result {
            Err(Trouble::Check { checks, why, .. }) => {
                for check in checks {
                    if !self.checks.contains(&check) {
                        self.checks.push(check);
                    }
                }
                self.whys.push(why);
                Ok(())
            }
            other => other,
        }
    }

    pub(super) fn result(self) -> Result<(), Trouble> {
        if self.checks.is_empty() {
            return Ok(());
        }
        Err(Trouble::Check { checks: self.checks, why: self.whys.join("; "), line: 0 })
    }
}
