//! Where sockets are opened: here, or in another network namespace.

use std::fs::File;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use super::error::OpenError;

/// A network namespace to open sockets in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The namespace of this process.
    #[default]
    Host,
    /// The namespace that this file names, such as `/proc/PID/ns/net`.
    Namespace(PathBuf),
}

impl Place {
    /// The namespace of a running process.
    pub fn of_process(pid: u32) -> Self {
        Self::Namespace(PathBuf::from(format!("/proc/{pid}/ns/net")))
    }

    /// Runs `work` there and waits for it: on this thread for [`Self::Host`], else on one of its own.
    ///
    /// # Errors
    ///
    /// If the namespace cannot be entered, or `work` fails.
    pub fn run<T, F>(&self, work: F) -> Result<T, OpenError>
    where
        T: Send,
        F: FnOnce() -> Result<T, OpenError> + Send,
    {
        let path = match self {
            Self::Host => return work(),
            Self::Namespace(path) => path,
        };
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                enter(path)?;
                work()
            });
            thread.join().unwrap_or(Err(OpenError::Thread))
        })
    }
}

fn enter(path: &Path) -> Result<(), OpenError> {
    let namespace = |source| OpenError::Namespace { path: path.to_owned(), source };
    let file =
        File::open(path).map_err(|error| match error.raw_os_error().map(Errno::from_raw) {
            Some(Errno::EACCES | Errno::EPERM) => OpenError::EnterDenied { path: path.to_owned() },
            _ => namespace(error),
        })?;
    setns(&file, CloneFlags::CLONE_NEWNET).map_err(|errno| match errno {
        Errno::EPERM => OpenError::EnterDenied { path: path.to_owned() },
        errno => namespace(errno.into()),
    })
}
