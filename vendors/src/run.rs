//! A run: its id, its lock, and the sweeping of leftovers.
//!
//! The id labels everything a run creates. While the run lives it holds an advisory lock on
//! `<runtime dir>/<id>.lock`, and a label says where that is; [`sweep`] removes what belongs to runs
//! of this host whose lock is free (or whose lock file is gone), so that a killed run leaves nothing
//! for good, and neither a live run nor another host's or user's is ever touched. A run that was kept
//! on purpose has a marker beside its lock, and is left alone for as long as that is there.

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
    models::Network,
    query_parameters::{ListContainersOptionsBuilder, ListNetworksOptionsBuilder},
};
use tokio::sync::OnceCell;

use crate::{
    Error, Result,
    agent::quote,
    docker::{LABEL, LOCK_LABEL, RUN_LABEL, remove_containers, remove_network},
    images::{Image, Tags},
};

/// A live run; its lock is held until this is dropped.
#[derive(Debug)]
pub struct Run {
    id: String,
    path: PathBuf,
    lock: File,
    tags: OnceCell<Tags>,
}

impl Run {
    /// Begins a run with a fresh id and takes its lock in the default runtime directory.
    pub fn begin() -> Result<Self> {
        Self::begin_in(&runtime_dir()?)
    }

    /// Begins a run with its lock in `directory`.
    pub fn begin_in(directory: &Path) -> Result<Self> {
        let id = unique();
        // Whoever sweeps may be in another folder, and would take a lock that it cannot find for free.
        let directory = std::path::absolute(directory)
            .map_err(Error::io(format!("finding the folder {}", directory.display())))?;
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
        Ok(Self { id, path, lock, tags: OnceCell::new() })
    }

    /// The id, as on the labels.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The full tag of an image. The base is looked at once, so that all of a run uses the same.
    ///
    /// # Errors
    ///
    /// If the engine does not answer.
    pub async fn tag(&self, docker: &Docker, image: Image) -> Result<String> {
        Ok(self.tags.get_or_try_init(|| Tags::of(docker)).await?.tag(image))
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

/// A run whose containers and networks stay when the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its containers: name and image.
    pub containers: Vec<(String, String)>,
    /// The command line that removes all of it.
    pub removal: String,
}

/// Marks a run, so that no sweep removes what it leaves. Whoever asked for it removes it by
/// [`Kept::removal`].
pub async fn keep(docker: &Docker, run: &Run) -> Result<Kept> {
    let filters = HashMap::from([("label", vec![format!("{RUN_LABEL}={}", run.id)])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker
        .list_containers(Some(options))
        .await
        .map_err(Error::docker("listing the run's containers"))?;
    let name = |names: Option<Vec<String>>| {
        let first = names.and_then(|names| names.into_iter().next()).unwrap_or_default();
        first.trim_start_matches('/').to_owned()
    };
    let containers = found
        .into_iter()
        .map(|container| (name(container.names), container.image.unwrap_or_default()))
        .collect();
    let removal = run.mark_kept()?;
    Ok(Kept { containers, removal })
}

/// The runs in `directory` that were kept: the id of each, and the command line that removes it.
pub fn kept_in(directory: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut kept: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == KEPT))
        .filter_map(|path| {
            let id = path.file_stem()?.to_string_lossy().into_owned();
            Some((id, fs::read_to_string(&path).ok()?.trim().to_owned()))
        })
        .collect();
    kept.sort();
    kept
}

/// The extension of a marker, in place of the lock's.
const KEPT: &str = "kept";

impl Run {
    /// Writes the marker, which holds the command line that removes the run and the marker itself.
    fn mark_kept(&self) -> Result<String> {
        let marker = self.path.with_extension(KEPT);
        let filter = format!("--filter label={RUN_LABEL}={}", self.id);
        let removal = format!(
            "docker rm -fv $(docker ps -aq {filter}); docker network rm $(docker network ls -q {filter}); \
             rm {}",
            quote(&marker.display().to_string())
        );
        let doing = format!("writing {}", marker.display());
        fs::write(&marker, format!("{removal}\n")).map_err(Error::io(doing))?;
        Ok(removal)
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
///
/// # Errors
///
/// If the engine does not answer, or something of a run cannot be removed: the first of these, after all
/// that can be removed is gone.
pub async fn sweep(docker: &Docker) -> Result<Swept> {
    let filters = HashMap::from([("label", vec![RUN_LABEL.to_owned()])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let containers = docker
        .list_containers(Some(options))
        .await
        .map_err(Error::docker("listing labelled containers"))?;
    let networks = labelled_networks(docker, RUN_LABEL).await?;
    let labels = containers.iter().filter_map(|container| container.labels.as_ref());
    let labels = labels.chain(networks.iter().filter_map(|network| network.labels.as_ref()));
    let runs: BTreeMap<_, _> = labels
        .filter_map(|labels| {
            Some((labels.get(RUN_LABEL)?.clone(), labels.get(LOCK_LABEL)?.clone()))
        })
        .collect();
    let mut swept = Swept::default();
    let mut result = Ok(());
    for (run, lock) in runs {
        let Some(lock) = lock.strip_prefix(&format!("{}:", host())).map(PathBuf::from) else {
            continue;
        };
        if !is_dead(&lock) {
            continue;
        }
        match sweep_run(docker, &run, &networks, &mut swept).await {
            Ok(()) => {
                drop(fs::remove_file(lock));
                swept.runs.push(run);
            }
            Err(error) => result = result.and(Err(error)),
        }
    }
    result.map(|()| swept)
}

/// Removes what a run that ends has left, such as a container whose start was given up half-way. Its
/// lanes have to be closed by then.
///
/// # Errors
///
/// If the engine does not answer, or something cannot be removed.
pub async fn clear(docker: &Docker, run: &Run) -> Result<()> {
    let networks = labelled_networks(docker, &format!("{RUN_LABEL}={}", run.id)).await?;
    sweep_run(docker, &run.id, &networks, &mut Swept::default()).await
}

async fn labelled_networks(docker: &Docker, label: &str) -> Result<Vec<Network>> {
    let filters = HashMap::from([("label", vec![label.to_owned()])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let listed = docker.list_networks(Some(options)).await;
    listed.map_err(Error::docker("listing labelled networks"))
}

async fn sweep_run(
    docker: &Docker,
    run: &str,
    networks: &[Network],
    swept: &mut Swept,
) -> Result<()> {
    swept.containers += remove_containers(docker, RUN_LABEL, run).await?;
    for network in networks {
        let owner = network.labels.as_ref().and_then(|labels| labels.get(RUN_LABEL));
        let (Some(id), true) = (&network.id, owner.is_some_and(|owner| owner == run)) else {
            continue;
        };
        remove_network(docker, id).await?;
        swept.networks += 1;
    }
    Ok(())
}

/// The directory of the locks: `/tmp/ikeproof-<uid>`, or what `IKEPROOF_RUNTIME_DIR` names.
///
/// # Errors
///
/// If it cannot be made, or anybody else could have made it what it is: sockets are handed over in it.
pub fn runtime_dir() -> Result<PathBuf> {
    let owner = fs::metadata("/proc/self").map_err(Error::io("reading /proc/self"))?.uid();
    let directory = match std::env::var_os("IKEPROOF_RUNTIME_DIR") {
        Some(directory) => PathBuf::from(directory),
        None => std::env::temp_dir().join(format!("ikeproof-{owner}")),
    };
    private(&directory, owner)?;
    Ok(directory)
}

/// Makes a directory for its owner alone, or sees that it is one.
fn private(directory: &Path, owner: u32) -> Result<()> {
    let doing = |doing: &str| format!("{doing} the runtime directory {}", directory.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .map_err(Error::io(doing("creating")))?;
    let found = fs::metadata(directory).map_err(Error::io(doing("looking at")))?;
    if found.uid() == owner && found.mode() & 0o022 == 0 {
        return Ok(());
    }
    Err(Error::Invalid {
        what: "runtime directory",
        value: directory.display().to_string(),
        why: format!(
            "user {} and mode {:o} let others write into it; remove it, or name another with \
             IKEPROOF_RUNTIME_DIR",
            found.uid(),
            found.mode() & 0o7777
        ),
    })
}

/// A short id that no other process or thread draws: time, process, counter.
pub(crate) fn unique() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{:x}-{:x}-{count:x}", nanos / 1000 % (1 << 44), std::process::id())
}

/// This host's name, as an engine that runs here tells it too.
pub(crate) fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

fn is_dead(lock: &Path) -> bool {
    if lock.with_extension(KEPT).exists() {
        return false;
    }
    match File::open(lock) {
        // Both a lock taken now and a missing file mean that nobody holds it.
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use testcontainers::bollard::API_DEFAULT_VERSION;
    use tokio::{
        io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
        net::TcpListener,
    };

    use super::*;

    /// An engine with no containers and these networks, the one called `stuck` of which it does not
    /// let go. Returns the requests that it had.
    async fn engine(listener: TcpListener, networks: serde_json::Value) -> Vec<String> {
        let mut had = Vec::new();
        while let Ok(Ok((stream, _))) =
            tokio::time::timeout(std::time::Duration::from_secs(2), listener.accept()).await
        {
            let mut stream = BufReader::new(stream);
            let (mut request, mut line) = (String::new(), String::new());
            stream.read_line(&mut request).await.unwrap();
            while stream.read_line(&mut line).await.unwrap() > 2 {
                line.clear();
            }
            let (status, body) = match request.as_str() {
                it if it.contains("/containers/json") => (200, String::from("[]")),
                it if it.contains("/networks?") => (200, networks.to_string()),
                it if it.contains("/networks/stuck") => (500, String::from("{\"message\":\"no\"}")),
                _ => (200, String::from("{}")),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
            had.push(request);
        }
        had
    }

    fn network(id: &str, run: &str) -> serde_json::Value {
        let lock = format!("{}:/nowhere/{run}.lock", host());
        serde_json::json!({ "Id": id, "Labels": { RUN_LABEL: run, LOCK_LABEL: lock } })
    }

    /// That engine, and what it will have had.
    async fn docker(networks: serde_json::Value) -> (Docker, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", listener.local_addr().unwrap());
        let engine = tokio::spawn(engine(listener, networks));
        (Docker::connect_with_http(&address, 5, API_DEFAULT_VERSION).unwrap(), engine)
    }

    fn removed(had: &[String], network: &str) -> bool {
        let path = format!("/networks/{network}");
        had.iter().any(|it| it.starts_with("DELETE") && it.contains(&path))
    }

    #[tokio::test]
    async fn what_is_stuck_of_one_run_does_not_keep_the_others() {
        let networks = serde_json::json!([network("stuck", "a"), network("loose", "b")]);
        let (docker, engine) = docker(networks).await;
        let error = sweep(&docker).await.unwrap_err().to_string();
        assert!(error.contains("removing network stuck"), "{error}");
        let had = engine.await.unwrap();
        assert!(removed(&had, "loose"), "{had:?}");
    }

    #[tokio::test]
    async fn a_run_that_ends_removes_what_it_left_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::begin_in(directory.path()).unwrap();
        let networks = serde_json::json!([network("own", run.id()), network("foreign", "b")]);
        let (docker, engine) = docker(networks).await;
        clear(&docker, &run).await.unwrap();
        let had = engine.await.unwrap();
        assert!(removed(&had, "own") && !removed(&had, "foreign"), "{had:?}");
        let listed = |it: &String| it.contains("/containers/json") && it.contains(run.id());
        assert!(had.iter().any(listed), "{had:?}");
    }

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
    fn a_kept_run_is_not_dead_until_its_marker_goes() {
        let directory = tempfile::tempdir().unwrap();
        let run = Run::begin_in(directory.path()).unwrap();
        let (path, id) = (run.path.clone(), run.id.clone());
        let removal = run.mark_kept().unwrap();
        drop(run);
        assert!(!is_dead(&path));
        assert_eq!(kept_in(directory.path()), [(id.clone(), removal.clone())]);
        assert!(removal.contains(&format!("label={RUN_LABEL}={id}")), "{removal}");
        let marker = removal.rsplit_once("rm ").unwrap().1;
        fs::remove_file(marker.trim_matches('\'')).unwrap();
        assert!(is_dead(&path));
        assert_eq!(kept_in(directory.path()), []);
    }

    #[test]
    fn a_lock_is_found_from_every_folder() {
        let directory = tempfile::Builder::new().prefix("with space").tempdir_in(".").unwrap();
        let relative = Path::new(directory.path().file_name().unwrap());
        let run = Run::begin_in(relative).unwrap();
        let [_, _, (_, lock)] = run.labels();
        let lock = lock.strip_prefix(&format!("{}:", host())).unwrap();
        assert!(Path::new(lock).is_absolute() && !is_dead(Path::new(lock)), "{lock}");
        let removal = run.mark_kept().unwrap();
        let quoted = format!("rm '{}'", lock.replace(".lock", ".kept"));
        assert!(removal.ends_with(&quoted), "{removal}");
    }

    #[test]
    fn a_directory_that_others_can_write_into_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let owner = fs::metadata(directory.path()).unwrap().uid();
        private(directory.path(), owner).unwrap();
        let inside = directory.path().join("made");
        private(&inside, owner).unwrap();
        assert_eq!(fs::metadata(&inside).unwrap().mode() & 0o777, 0o700);
        let foreign = private(&inside, owner + 1).unwrap_err().to_string();
        assert!(foreign.contains("IKEPROOF_RUNTIME_DIR"), "{foreign}");
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o777)).unwrap();
        let open = private(&inside, owner).unwrap_err().to_string();
        assert!(open.contains("mode 777"), "{open}");
    }

    #[test]
    fn a_lock_file_nobody_holds_is_dead() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.lock");
        fs::write(&path, "").unwrap();
        assert!(is_dead(&path));
    }
}
