//! The errors of this package, sorted by who has to act: the Docker engine, the image, the peer's
//! daemon, or the caller who asked for something the peer cannot do.
//!
//! Every message names the thing, the value and, where there is one, the way out.

use std::time::Duration;

use testcontainers::bollard;

/// The result type of this package.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while handling images, lanes or peers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No Docker engine answers.
    #[error("the Docker engine at {place} does not answer: {why}")]
    NoEngine {
        /// Where it was looked for.
        place: String,
        /// The client's own words.
        why: String,
    },
    /// The Docker engine refused a request or could not be reached.
    #[error("docker: {doing}: {source}")]
    Docker {
        /// What was being done.
        doing: String,
        /// The engine's or the client's own words.
        source: Box<bollard::errors::Error>,
    },
    /// testcontainers could not reach the engine or start a container.
    #[error("container: {doing}: {source}")]
    Container {
        /// What was being done.
        doing: String,
        /// The library's own words.
        source: Box<testcontainers::TestcontainersError>,
    },
    /// An image is not on this engine.
    #[error("image {tag} is not built; run `ikeproof images build`")]
    ImageMissing {
        /// The full tag that was looked for.
        tag: String,
    },
    /// The base image is missing and could not be obtained.
    #[error("base image {image} is not here: {why}; {fix}")]
    Base {
        /// The base image's name.
        image: String,
        /// Why it could not be made or pulled.
        why: String,
        /// The one command that helps.
        fix: String,
    },
    /// An image build failed.
    #[error("building image {tag} failed: {why}\n{tail}")]
    Build {
        /// The tag being built.
        tag: String,
        /// The engine's error.
        why: String,
        /// The last lines of the build's output.
        tail: String,
    },
    /// No free subnet is left in the pool.
    #[error(
        "no free /24 in {pool}: all collide with networks or routes of this host; remove networks that \
         nothing uses (`docker network prune`) and runs that were kept (`ikeproof doctor` lists them)"
    )]
    NoSubnet {
        /// The pool that was searched.
        pool: String,
    },
    /// A value given by the caller cannot be used.
    #[error("{what} {value:?}: {why}")]
    Invalid {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// What is wrong with it.
        why: String,
    },
    /// A bounded wait ran out.
    #[error("{what} did not happen within {within:?}; last seen: {last}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        within: Duration,
        /// The last thing observed.
        last: String,
    },
    /// A command in a peer failed.
    #[error("command {command:?} ended with status {status}: {output}")]
    Command {
        /// The command.
        command: String,
        /// Its exit status.
        status: i32,
        /// Its standard error, or output when that is empty.
        output: String,
    },
    /// charon answered a VICI request with an error, or the stream broke.
    #[error("vici {command}: {why}")]
    Vici {
        /// The VICI command.
        command: String,
        /// charon's own words.
        why: String,
    },
    /// A peer's output did not have the expected form.
    #[error("cannot read {what}: {why}; got {text:?}")]
    Parse {
        /// What was being read.
        what: &'static str,
        /// What was expected.
        why: String,
        /// The offending text, shortened.
        text: String,
    },
    /// The helper did not hand over sockets of a container's network namespace.
    #[error(
        "no sockets from the network namespace of container {container}: {why}; without \
         CAP_SYS_ADMIN the engine has to run on this host and to see the folder {folder} \
         (IKEPROOF_RUNTIME_DIR names another); as root none of this is needed"
    )]
    HandOver {
        /// The container's id, shortened.
        container: String,
        /// What went wrong.
        why: String,
        /// The folder that the engine has to see.
        folder: String,
    },
    /// A peer cannot do what was asked.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// A file or stream failed.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// The system's words.
        source: std::io::Error,
    },
}

/// A peer cannot do what was asked; never silently dropped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{peer} does not support {what}: {why}")]
pub struct Unsupported {
    /// Which peer, with its data plane.
    pub peer: String,
    /// The option or operation.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl Error {
    pub(crate) fn docker(doing: impl Into<String>) -> impl FnOnce(bollard::errors::Error) -> Self {
        let doing = doing.into();
        move |source| match source {
            bollard::errors::Error::HyperLegacyError { err } if err.is_connect() => {
                Self::NoEngine {
                    place: engine_place(),
                    why: String::from("it no longer takes connections"),
                }
            }
            source => Self::Docker { doing, source: Box::new(source) },
        }
    }

    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn parse(what: &'static str, why: impl Into<String>, text: &str) -> Self {
        Self::Parse { what, why: why.into(), text: text.chars().take(1500).collect() }
    }

    /// Whether the engine answered "no such object".
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Docker { source, .. } if status(source) == Some(404))
    }
}

/// Where the engine is looked for, for people.
pub(crate) fn engine_place() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| String::from("the default socket"))
}

/// The HTTP status of an engine's answer, where the error is one.
pub(crate) fn status(error: &bollard::errors::Error) -> Option<u16> {
    match error {
        bollard::errors::Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
