//! A run: its id, its lock, and the sweeping of leftovers.
//!
//! The id labels everything a run creates. While the run lives it holds an advisory lock on
//! `<runtime dir>/<id>.lock`, and a label says where that is; [`sweep`] removes what belongs to runs
//! of this host whose lock is free (or whose lock file is gone), so that a killed run leaves nothing
//! for good, and neither a live run nor another host's or user's is ever touched.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, TryLockError},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use testcontainers::bollard::{
    Docker,
    query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder},
};

use crate::{
    Error, Result,
    docker::{LABEL, LOCK_LABEL, RUN_LABEL, remove_containers, remove_network},
};

/// A live run; its lock is held until this is dropped.
#[derive(Debug)]
pub struct Run {
    id: String,
    path: PathBuf,
    lock: File,
}

impl Run {
    /// Begins a run with a fresh id and takes its lock in the default runtime directory.
    pub fn begin() -> Result<Self> {
        Self::begin_in(&runtime_dir()?)
    }

    /// Begins a run with its lock in `directory`.
    pub fn begin_in(directory: &Path) -> Result<Self> {
        let id = unique();
        let path = directory.join(format!("{id}.lock"));
        let doing = || format!("creating the run's lock {}", path.display());
        let lock = File::create(&path).map_err(Error::io(doing()))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::Error(source) => Error::io(doing())(source),
            TryLockError::WouldBlock => Error::Invalid {
                what: "run id",
                value: id.clone(),
                why: String::from("another process holds its lock"),
            },
        })?;
        Ok(Self { id, path, lock })
    }

    /// The id, as on the labels.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The labels of everything this run creates.
    pub fn labels(&self) -> [(String, String); 3] {
        [
            (LABEL.to_owned(), String::from("1")),
            (RUN_LABEL.to_owned(), self.id.clone()),
            (LOCK_LABEL.to_owned(), format!("{}:{}", host(), self.path.display())),
        ]
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
        drop(self.lock.unlock());
    }
}

/// What a sweep removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// The dead runs.
    pub runs: Vec<String>,
    /// How many containers.
    pub containers: usize,
    /// How many networks.
    pub networks: usize,
}

/// Removes the containers and networks of this host's runs that are no longer alive.
pub async fn sweep(docker: &Docker) -> Result<Swept> {
    let filters = HashMap::from([("label", vec![RUN_LABEL.to_owned()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker
        .list_containers(Some(options))
        .await
        .map_err(Error::docker("listing labelled containers"))?;
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let networks = docker
        .list_networks(Some(options))
        .await
        .map_err(Error::docker("listing labelled networks"))?;
    let labels = containers.iter().filter_map(|container| container.labels.as_ref());
    let labels = labels.chain(networks.iter().filter_map(|network| network.labels.as_ref()));
    let runs: BTreeMap<_, _> = labels
        .filter_map(|labels| {
            Some((labels.get(RUN_LABEL)?.clone(), labels.get(LOCK_LABEL)?.clone()))
        })
        .collect();
    let mut swept = Swept::default();
    for (run, lock) in runs {
        let Some(lock) = lock.strip_prefix(&format!("{}:", host())).map(PathBuf::from) else {
            continue;
        };
        if !is_dead(&lock) {
            continue;
        }
        swept.containers += remove_containers(docker, RUN_LABEL, &run).await?;
        for network in &networks {
            let owner = network.labels.as_ref().and_then(|labels| labels.get(RUN_LABEL));
            let (Some(id), true) = (&network.id, owner == Some(&run)) else { continue };
            remove_network(docker, id).await?;
            swept.networks += 1;
        }
        drop(fs::remove_file(lock));
        swept.runs.push(run);
    }
    Ok(swept)
}

/// The directory of the locks: `/tmp/ikeproof-<uid>` or under `IKEPROOF_RUNTIME_DIR`.
pub fn runtime_dir() -> Result<PathBuf> {
    let directory = match std::env::var_os("IKEPROOF_RUNTIME_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => {
            let owner = fs::metadata("/proc/self").map_err(Error::io("reading /proc/self"))?.uid();
            std::env::temp_dir().join(format!("ikeproof-{owner}"))
        }
    };
    let doing = || format!("creating the runtime directory {}", directory.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&directory)
        .map_err(Error::io(doing()))?;
    Ok(directory)
}

/// A short id that no other process or thread draws: time, process, counter.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{count:x}", nanos / 1000 % (1 << 44), std::process::id())
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn is_dead(lock: &Path) -> bool {
    match File::open(lock) {
        // Both a lock taken now and a missing file mean that nobody holds it.
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_run_is_not_dead_and_a_dropped_one_is() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::begin_in(directory.path()).unwrap();
        let path = run.path.clone();
        assert!(!is_dead(&path));
        drop(run);
        assert!(is_dead(&path));
    }

    #[test]
    fn a_lock_file_nobody_holds_is_dead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        fs::write(&path, "").unwrap();
        assert!(is_dead(&path));
    }
}
