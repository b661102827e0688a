//! The base image: found, pulled, or made with mmdebstrap from the host's own mirrors.

use std::{path::Path, process::Stdio, time::Duration};

use futures_util::StreamExt;
use testcontainers::bollard::{Docker, body_full, query_parameters::CreateImageOptionsBuilder};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use super::{
    apt,
    build::{Event, Progress},
};
use crate::{Error, Result};

/// The base images that are accepted, best first: Debian's own, then one made here.
pub const BASE_NAMES: [&str; 2] = ["debian:bookworm-slim", "ikeproof/base:bookworm"];
const RELEASE: &str = "bookworm";
const PULL_LIMIT: Duration = Duration::from_secs(120);
const MAKE_LIMIT: Duration = Duration::from_secs(600);

/// A base image that an engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// Its name.
    pub name: &'static str,
    /// The engine's id of it, which changes with its contents.
    pub id: String,
}

impl Base {
    /// Enough of the id to tell bases apart.
    pub fn short(&self) -> &str {
        let digits = self.id.strip_prefix("sha256:").unwrap_or(&self.id);
        digits.get(..12).unwrap_or(digits)
    }
}

/// The base image this engine has, if any.
pub async fn base_present(docker: &Docker) -> Option<Base> {
    for name in BASE_NAMES {
        if let Ok(found) = docker.inspect_image(name).await
            && let Some(id) = found.id
        {
            return Some(Base { name, id });
        }
    }
    None
}

/// Finds, pulls or makes the base image.
pub(super) async fn ensure(docker: &Docker, progress: &dyn Progress) -> Result<Base> {
    if let Some(base) = base_present(docker).await {
        return Ok(base);
    }
    let obtained = obtain(docker, progress).await?;
    base_present(docker).await.ok_or_else(|| Error::ImageMissing { tag: obtained.to_owned() })
}

async fn obtain(docker: &Docker, progress: &dyn Progress) -> Result<&'static str> {
    let [official, own] = BASE_NAMES;
    say(progress, format!("pulling {official}"));
    let pulled = match timeout(PULL_LIMIT, pull(docker, official)).await {
        Ok(Ok(())) => return Ok(official),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("the pull took more than {PULL_LIMIT:?}"),
    };
    say(progress, format!("cannot pull {official} ({pulled}); making {own} with mmdebstrap"));
    let failed = |why: String| Error::Base {
        image: official.to_owned(),
        why: format!("{pulled}; {why}"),
        fix: format!(
            "as root on Debian or Ubuntu run: apt-get install -y mmdebstrap && ikeproof images build; \
             or load an image named {official} or {own} into this engine"
        ),
    };
    ensure_mmdebstrap(progress).await.map_err(failed)?;
    let directory = tempfile::tempdir().map_err(Error::io("making a temporary directory"))?;
    let archive = directory.path().join("base.tar");
    make(directory.path(), &archive, progress).await.map_err(failed)?;
    import(docker, own, &archive).await?;
    Ok(own)
}

async fn pull(docker: &Docker, name: &str) -> Result<()> {
    let options = CreateImageOptionsBuilder::new().from_image(name).build();
    let mut stream = docker.create_image(Some(options), None, None);
    while let Some(step) = stream.next().await {
        step.map_err(Error::docker(format!("pulling {name}")))?;
    }
    docker.inspect_image(name).await.map_err(Error::docker(format!("looking for {name}")))?;
    Ok(())
}

/// Makes sure that `mmdebstrap` can be run, installing it where that is possible.
async fn ensure_mmdebstrap(progress: &dyn Progress) -> Result<(), String> {
    if is_root().await.is_none_or(|root| !root) {
        return Err(String::from("making a base image needs root"));
    }
    if works("mmdebstrap", &["--version"]).await {
        return Ok(());
    }
    if !works("apt-get", &["--version"]).await {
        return Err(String::from("mmdebstrap is not installed and this host has no apt-get"));
    }
    for attempt in 1..=3 {
        say(progress, format!("installing mmdebstrap with apt-get (attempt {attempt} of 3)"));
        let update = ["-o", "Acquire::Retries=3", "update"];
        let install =
            ["-o", "Acquire::Retries=3", "install", "-y", "--no-install-recommends", "mmdebstrap"];
        // An update that fails because of one foreign archive may still have brought ours.
        let updated = works("apt-get", &update).await;
        if works("apt-get", &install).await && works("mmdebstrap", &["--version"]).await {
            return Ok(());
        }
        tracing::debug!(attempt, updated, "installing mmdebstrap failed");
    }
    Err(String::from("apt-get could not install mmdebstrap"))
}

async fn make(directory: &Path, archive: &Path, progress: &dyn Progress) -> Result<(), String> {
    let sources = apt::sources(RELEASE);
    let list = directory.join("host.sources");
    let mut last = String::new();
    for attempt in 1..=3 {
        let mut command = Command::new("mmdebstrap");
        command.args(["--variant=minbase", "--format=tar"]);
        for excluded in ["/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*"] {
            command.arg(format!("--dpkgopt=path-exclude={excluded}"));
        }
        command.arg(RELEASE).arg(archive);
        // Without sources of the host's, mmdebstrap's own default mirror is used.
        if !sources.is_empty() {
            std::fs::write(&list, &sources).map_err(|error| error.to_string())?;
            command.arg(&list);
        }
        say(progress, format!("mmdebstrap {RELEASE} (attempt {attempt} of 3)"));
        match timeout(MAKE_LIMIT, follow(command, progress)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => last = error,
            Err(_) => return Err(format!("mmdebstrap took more than {MAKE_LIMIT:?}")),
        }
    }
    Err(format!("mmdebstrap failed: {last}"))
}

/// Runs a command, passing its standard error on line by line; the last line is the error's text.
async fn follow(mut command: Command, progress: &dyn Progress) -> Result<(), String> {
    let spawned = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = spawned.map_err(|error| error.to_string())?;
    let mut last = String::new();
    if let Some(stderr) = child.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            progress.event(Event::Line { image: "base", line: &line });
            last = line;
        }
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{status}: {last}")) }
}

async fn import(docker: &Docker, name: &str, archive: &Path) -> Result<()> {
    let (repo, tag) = name.split_once(':').unwrap_or((name, "latest"));
    let doing = || Error::docker(format!("importing {name}"));
    let contents = tokio::fs::read(archive)
        .await
        .map_err(Error::io(format!("reading {}", archive.display())))?;
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repo)
        .tag(tag)
        .changes(vec![String::from("LABEL ikeproof=1")])
        .build();
    let mut stream = docker.create_image(Some(options), Some(body_full(contents.into())), None);
    while let Some(step) = stream.next().await {
        step.map_err(doing())?;
    }
    docker.inspect_image(name).await.map_err(doing())?;
    Ok(())
}

async fn works(program: &str, arguments: &[&str]) -> bool {
    let status = Command::new(program)
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .status();
    matches!(timeout(Duration::from_secs(180), status).await, Ok(Ok(status)) if status.success())
}

async fn is_root() -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    Some(tokio::fs::metadata("/proc/self").await.ok()?.uid() == 0)
}

fn say(progress: &dyn Progress, text: String) {
    progress.event(Event::Step { image: "base", text: &text });
}
