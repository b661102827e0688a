//! Sockets in the network namespace of a container: by entering it, or by a helper that was there.
//!
//! Entering needs CAP_SYS_ADMIN. Who does not have it, but may use Docker, gets the sockets from a
//! helper: a container in the same namespace that opens what is asked for, hands the descriptors over
//! a Unix socket and ends. It has CAP_NET_RAW and CAP_NET_BIND_SERVICE, and of the host's files sees
//! that socket only, which is in a folder that nobody but the user can look into.
//!
//! Invariant: [`NetNs::place`] alone decides which of the two ways is gone.

use std::{
    fs::Permissions,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use ikeproof_driver::netns::{Handed, Namespace, Place, Wanted};
use testcontainers::bollard::{
    Docker,
    models::{ContainerCreateBody, HostConfig, Mount, MountType},
    query_parameters::{
        CreateContainerOptions, RemoveContainerOptionsBuilder, StartContainerOptions,
        WaitContainerOptions,
    },
};
use tokio::{net::UnixListener, time::timeout};

use crate::{
    Error, Result,
    images::Image,
    run::{Run, runtime_dir},
};

/// The environment variable that chooses the [`Way`], for debugging: `enter` or `hand-over`.
pub const WAY_VARIABLE: &str = "IKEPROOF_SOCKETS";

/// How sockets in a container's namespace are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// This process enters the namespace and opens them.
    Enter,
    /// A helper container in the namespace opens them and hands them over.
    HandOver,
}

/// The network namespace of a running container.
#[derive(Debug, Clone)]
pub struct NetNs {
    docker: Docker,
    container: String,
    pid: u32,
    labels: [(String, String); 3],
    /// The image of the helper.
    image: String,
}

impl NetNs {
    /// The namespace of a container with this id, whose PID 1 is `pid` on the engine's host.
    pub(crate) async fn new(docker: &Docker, run: &Run, container: &str, pid: u32) -> Result<Self> {
        let image = run.tag(docker, Image::Edge).await?;
        let (docker, container, labels) = (docker.clone(), container.to_owned(), run.labels());
        Ok(Self { docker, container, pid, labels, image })
    }

    /// The engine's id of the container.
    pub fn container(&self) -> &str {
        &self.container
    }

    /// The process id of the container's PID 1 on the engine's host.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// A place where these sockets can be opened, each once.
    ///
    /// # Errors
    ///
    /// If a helper is needed and cannot do it. That a single socket cannot be had shows when it is
    /// opened.
    pub async fn place(&self, wanted: &[Wanted]) -> Result<Place> {
        self.place_by(self.way()?, wanted).await
    }

    /// The way that [`Self::place`] goes: what the environment says, else entering if permitted.
    ///
    /// # Errors
    ///
    /// If the environment names no way there is.
    pub fn way(&self) -> Result<Way> {
        if let Some(value) = std::env::var_os(WAY_VARIABLE) {
            return Way::named(&value.to_string_lossy());
        }
        let entered = Namespace::of_process(self.pid).run(|| Ok(()));
        Ok(if entered.is_ok() { Way::Enter } else { Way::HandOver })
    }

    /// As [`Self::place`], by this way.
    ///
    /// # Errors
    ///
    /// As [`Self::place`].
    pub async fn place_by(&self, way: Way, wanted: &[Wanted]) -> Result<Place> {
        match way {
            Way::Enter => Ok(Place::Namespace(Namespace::of_process(self.pid))),
            Way::HandOver => Ok(Place::Handed(Arc::new(self.hand_over(wanted).await?))),
        }
    }

    async fn hand_over(&self, wanted: &[Wanted]) -> Result<Handed> {
        let folder = tempfile::Builder::new()
            .prefix("sockets-")
            .tempdir_in(runtime_dir()?)
            .map_err(Error::io("making a private folder"))?;
        let path = folder.path().join("helper");
        let listening = || Error::io(format!("listening on {}", path.display()));
        let listener = UnixListener::bind(&path).map_err(listening())?;
        // The folder keeps everybody else out. The helper's root is not the socket's owner and has no
        // CAP_DAC_OVERRIDE, so the socket itself lets all in.
        tokio::fs::set_permissions(&path, Permissions::from_mode(0o666))
            .await
            .map_err(listening())?;
        let helper = self.start_helper(&path, wanted).await?;
        let stream = match timeout(WITHIN, self.connection(&listener, &helper)).await {
            Ok(result) => result?,
            Err(_) => return Err(self.failed(format!("nothing came within {WITHIN:?}"))),
        };
        let wanted = wanted.to_vec();
        tokio::task::spawn_blocking(move || Handed::receive(&stream, &wanted))
            .await
            .map_err(|error| self.failed(error.to_string()))?
            .map_err(|error| self.failed(error.to_string()))
    }

    /// Starts the helper; it ends by itself, and the engine then removes it.
    async fn start_helper(&self, socket: &Path, wanted: &[Wanted]) -> Result<String> {
        let mut command = vec![String::from(PROGRAM), String::from(SOCKET)];
        command.extend(wanted.iter().map(request));
        let names = |names: &[&str]| Some(names.iter().map(ToString::to_string).collect());
        let host_config = HostConfig {
            network_mode: Some(format!("container:{}", self.container)),
            // A mount, unlike a "bind", does not make a folder where the engine has no such file.
            mounts: Some(vec![Mount {
                target: Some(String::from(SOCKET)),
                source: Some(socket.display().to_string()),
                typ: Some(MountType::BIND),
                read_only: Some(true),
                ..Default::default()
            }]),
            cap_drop: names(&["ALL"]),
            cap_add: names(&["NET_RAW", "NET_BIND_SERVICE"]),
            // SELinux would not let a container connect to a socket of the host.
            security_opt: names(&["no-new-privileges", "label=disable"]),
            readonly_rootfs: Some(true),
            auto_remove: Some(true),
            ..Default::default()
        };
        let body = ContainerCreateBody {
            image: Some(self.image.clone()),
            cmd: Some(command),
            labels: Some(self.labels.clone().into_iter().collect()),
            host_config: Some(host_config),
            ..Default::default()
        };
        let created = self.docker.create_container(None::<CreateContainerOptions>, body).await;
        let id = created.map_err(|error| self.failed(error.to_string()))?.id;
        if let Err(error) = self.docker.start_container(&id, None::<StartContainerOptions>).await {
            let options = RemoveContainerOptionsBuilder::new().force(true).build();
            // The engine may have removed it already; else the next sweep does.
            drop(self.docker.remove_container(&id, Some(options)).await);
            return Err(self.failed(error.to_string()));
        }
        Ok(id)
    }

    /// The helper's connection, ready for blocking reads that end in time.
    async fn connection(&self, listener: &UnixListener, helper: &str) -> Result<UnixStream> {
        let lost = |error: std::io::Error| self.failed(error.to_string());
        let accepted = tokio::select! {
            biased;
            accepted = listener.accept() => accepted,
            why = self.end_of(helper) => {
                // What it sent before it ended still waits to be accepted.
                match timeout(Duration::from_millis(200), listener.accept()).await {
                    Ok(accepted) => accepted,
                    Err(_) => return Err(self.failed(why)),
                }
            }
        };
        let stream = accepted.map_err(lost)?.0.into_std().map_err(lost)?;
        stream.set_nonblocking(false).map_err(lost)?;
        stream.set_read_timeout(Some(WITHIN)).map_err(lost)?;
        Ok(stream)
    }

    /// Waits until the helper has ended, and says how.
    async fn end_of(&self, helper: &str) -> String {
        let mut end = Box::pin(self.docker.wait_container(helper, None::<WaitContainerOptions>));
        let code = match end.next().await {
            Some(Ok(answer)) => answer.status_code,
            Some(Err(testcontainers::bollard::errors::Error::DockerContainerWaitError {
                code,
                ..
            })) => code,
            Some(Err(error)) => return format!("the helper: {error}"),
            None => return String::from("the helper is gone"),
        };
        match i32::try_from(code) {
            Ok(errno @ 1..=133) => {
                let error = std::io::Error::from_raw_os_error(errno);
                format!("the helper could not use its socket: {error}")
            }
            _ => format!("the helper ended with status {code}"),
        }
    }

    fn failed(&self, why: String) -> Error {
        let folder =
            runtime_dir().map_or_else(|_| String::from("/tmp"), |path| path.display().to_string());
        Error::HandOver { container: self.container.chars().take(12).collect(), why, folder }
    }
}

impl Way {
    fn named(name: &str) -> Result<Self> {
        match name {
            "enter" => Ok(Self::Enter),
            "hand-over" => Ok(Self::HandOver),
            other => Err(Error::Invalid {
                what: WAY_VARIABLE,
                value: other.to_owned(),
                why: String::from("expected `enter` or `hand-over`"),
            }),
        }
    }
}

/// A request in the helper's words.
fn request(wanted: &Wanted) -> String {
    match wanted {
        Wanted::Udp(address) => format!("udp/{}/{}", address.ip(), address.port()),
        Wanted::Raw(address, protocol) => format!("raw/{address}/{protocol}"),
        Wanted::Packet => String::from("packet"),
    }
}

/// How long a container may take to start on a host with much to do.
const WITHIN: Duration = Duration::from_secs(20);
/// The helper's program in the edge's image, and where it finds the socket.
const PROGRAM: &str = "/ikeproof/hand-over";
const SOCKET: &str = "/ikeproof/sockets";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_the_helper_reads() {
        let wanted = [
            Wanted::Udp("10.213.1.2:500".parse().unwrap()),
            Wanted::Udp("[fd00::1]:4500".parse().unwrap()),
            Wanted::Raw("10.213.1.2".parse().unwrap(), 50),
            Wanted::Packet,
        ];
        let words: Vec<_> = wanted.iter().map(request).collect();
        assert_eq!(
            words,
            ["udp/10.213.1.2/500", "udp/fd00::1/4500", "raw/10.213.1.2/50", "packet"]
        );
    }

    #[test]
    fn a_way_that_there_is_not_is_refused() {
        assert_eq!(Way::named("enter").unwrap(), Way::Enter);
        assert_eq!(Way::named("hand-over").unwrap(), Way::HandOver);
        let error = Way::named("teleport").unwrap_err().to_string();
        assert!(error.contains("IKEPROOF_SOCKETS") && error.contains("hand-over"), "{error}");
    }
}
