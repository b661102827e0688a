//! The Docker engine: one client, labelled containers and networks, and their removal.
//!
//! Containers are started through testcontainers (whose guard removes them on drop); networks with
//! an explicit subnet, static addresses and everything else testcontainers has no words for go
//! through its re-exported bollard.
//!
//! Invariant: whatever is created here carries [`LABEL`] and the run's label, and a start that fails
//! leaves nothing behind.

use std::{collections::HashMap, net::Ipv4Addr, time::Duration};

use testcontainers::{
    ContainerAsync, GenericImage, ImageExt,
    bollard::{
        Docker,
        models::{
            DeviceMapping, EndpointIpamConfig, EndpointSettings, HostConfig, Ipam, IpamConfig,
            NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
        },
        query_parameters::{
            InspectNetworkOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
        },
    },
    core::client::docker_client_instance,
    runners::AsyncRunner,
};
use tokio::time::timeout;

use crate::{Error, Result, error::engine_place, netns::NetNs, run::Run, subnet::Subnet};

/// The label on everything this package creates, images included.
pub const LABEL: &str = "ikeproof";
/// The label that names the run a container or network belongs to.
pub const RUN_LABEL: &str = "ikeproof.run";
/// The label that says on which host and in which file the run's lock is.
pub const LOCK_LABEL: &str = "ikeproof.lock";
/// The label that names one start attempt, so that its remains can be found.
const START_LABEL: &str = "ikeproof.start";

/// Connects to the engine the environment names (`DOCKER_HOST` and so on), and hears from it.
///
/// # Errors
/// If it does not answer: where it was looked for, and why it was not found there.
pub async fn connect() -> Result<Docker> {
    let docker = docker_client_instance().await.map_err(|source| Error::Container {
        doing: String::from("connecting to the Docker engine"),
        source: Box::new(source.into()),
    })?;
    first_answer(docker.ping())
        .await
        .map_err(|why| Error::NoEngine { place: engine_place(), why })?;
    Ok(docker)
}

/// Waits for the answer to a ping, but not as long as the client would.
async fn first_answer<T, E: std::error::Error>(
    ping: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    match timeout(ANSWER, ping).await {
        Ok(answered) => answered.map_err(|error| causes(&error)),
        Err(_) => Err(format!("nothing came within {ANSWER:?}")),
    }
}

/// How long an engine may take for its first answer.
const ANSWER: Duration = Duration::from_secs(20);

/// An error's causes, the innermost last; the client's own message does not say what it met.
fn causes(error: &dyn std::error::Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

/// What a container may have beyond the engine's defaults. Never `privileged`.
#[derive(Debug, Clone, Default)]
pub struct Rights {
    /// Capabilities to add, such as `NET_ADMIN`.
    pub capabilities: Vec<&'static str>,
    /// Whether `/dev/net/tun` is passed in.
    pub tun: bool,
    /// Kernel settings of the container's network namespace.
    pub sysctls: Vec<(&'static str, &'static str)>,
    /// A tmpfs mounted `exec` at this path with this many megabytes, as a guest's memory.
    pub memory: Option<(&'static str, u32)>,
    /// Environment variables.
    pub environment: Vec<(&'static str, &'static str)>,
}

/// A running container; removed on [`Container::remove`] or on drop.
#[derive(Debug)]
pub struct Container {
    inner: Option<ContainerAsync<GenericImage>>,
    net: NetNs,
}

impl Container {
    /// Starts `image` (a full tag) idle in `network`, then gives it its static address there.
    pub async fn start(
        docker: &Docker,
        run: &Run,
        image: &str,
        network: &Network,
        address: Ipv4Addr,
        rights: &Rights,
    ) -> Result<Self> {
        if let Err(source) = docker.inspect_image(image).await {
            let error = Error::docker(format!("looking for image {image}"))(source);
            return Err(if error.is_not_found() {
                Error::ImageMissing { tag: image.to_owned() }
            } else {
                error
            });
        }
        let start = crate::run::unique();
        let started = Self::start_labelled(docker, run, &start, image, network, rights).await;
        let started = match started {
            Ok(container) => container.settle(docker, network, address).await,
            Err(error) => Err(error),
        };
        if started.is_err() {
            // testcontainers leaves a container that did not start in state "created".
            remove_containers(docker, START_LABEL, &start).await?;
        }
        started
    }

    async fn start_labelled(
        docker: &Docker,
        run: &Run,
        start: &str,
        image: &str,
        network: &Network,
        rights: &Rights,
    ) -> Result<Self> {
        let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
        let wanted = rights.clone();
        let mut request = GenericImage::new(name, tag)
            .with_network(&network.name)
            .with_labels(run.labels())
            .with_label(START_LABEL, start)
            .with_host_config_modifier(move |config| allow(config, &wanted));
        for capability in &rights.capabilities {
            request = request.with_cap_add(*capability);
        }
        for (name, value) in &rights.environment {
            request = request.with_env_var(*name, *value);
        }
        let inner = request.start().await.map_err(|source| Error::Container {
            doing: format!("starting {image}"),
            source: Box::new(source),
        })?;
        let id = inner.id().to_owned();
        let state = docker
            .inspect_container(&id, None)
            .await
            .map_err(Error::docker(format!("inspecting container {id}")))?
            .state;
        let pid = state.and_then(|state| state.pid).and_then(|pid| u32::try_from(pid).ok());
        let pid = pid.filter(|pid| *pid > 0).ok_or_else(|| Error::Invalid {
            what: "container",
            value: id.clone(),
            why: format!("{image} ended right after its start"),
        })?;
        Ok(Self { inner: Some(inner), net: NetNs::new(docker, run, &id, pid).await? })
    }

    /// Exchanges the address the engine chose for the wanted one.
    async fn settle(self, docker: &Docker, network: &Network, address: Ipv4Addr) -> Result<Self> {
        let leave = NetworkDisconnectRequest { container: self.id().to_owned(), force: Some(true) };
        docker.disconnect_network(&network.id, leave).await.map_err(Error::docker(format!(
            "taking {} off {}",
            self.id(),
            network.name
        )))?;
        self.join(docker, network, address).await?;
        Ok(self)
    }

    /// Connects the container to a (further) network with a static address.
    pub async fn join(&self, docker: &Docker, network: &Network, address: Ipv4Addr) -> Result<()> {
        let join = NetworkConnectRequest {
            container: self.id().to_owned(),
            endpoint_config: Some(EndpointSettings {
                ipam_config: Some(EndpointIpamConfig {
                    ipv4_address: Some(address.to_string()),
                    ..Default::default()
                }),
                ..Default::default()
            }),
        };
        docker
            .connect_network(&network.id, join)
            .await
            .map_err(Error::docker(format!("giving {} address {address}", self.id())))
    }

    /// The engine's id.
    pub fn id(&self) -> &str {
        self.net.container()
    }

    /// Its network namespace.
    pub fn net(&self) -> &NetNs {
        &self.net
    }

    /// Removes the container and waits for it.
    pub async fn remove(mut self) -> Result<()> {
        match self.inner.take() {
            Some(inner) => inner.rm().await.map_err(|source| Error::Container {
                doing: format!("removing {}", self.id()),
                source: Box::new(source),
            }),
            None => Ok(()),
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        if tokio::runtime::Handle::try_current().is_ok() {
            drop(inner);
        } else {
            // testcontainers' guard needs a runtime to remove the container from.
            blocking(async move { drop(inner.rm().await) });
        }
    }
}

/// A Docker network with a subnet of its own; removed on [`Network::remove`] or on drop.
#[derive(Debug)]
pub struct Network {
    /// The engine's id.
    pub id: String,
    /// The unique name.
    pub name: String,
    /// The subnet; its first address is the engine's, the upper half is the engine's to hand out.
    pub subnet: Subnet,
    armed: bool,
}

impl Network {
    /// Creates a bridge network on `subnet`. A collision is the engine's 403 or 409.
    pub async fn create(
        docker: &Docker,
        run: &Run,
        subnet: Subnet,
    ) -> Result<Self, testcontainers::bollard::errors::Error> {
        let name = format!("ikeproof-{}", crate::run::unique());
        let labels = run.labels().into_iter().collect();
        let pool = IpamConfig {
            subnet: Some(subnet.to_string()),
            gateway: Some(subnet.host(1).to_string()),
            ip_range: Some(format!("{}/25", subnet.host(128))),
            ..Default::default()
        };
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some(String::from("bridge")),
            ipam: Some(Ipam { config: Some(vec![pool]), ..Default::default() }),
            labels: Some(labels),
            ..Default::default()
        };
        let id = docker.create_network(request).await?.id;
        Ok(Self { id, name, subnet, armed: true })
    }

    /// Removes the network and waits for it, taking off what is still in it.
    pub async fn remove(mut self, docker: &Docker) -> Result<()> {
        self.armed = false;
        remove_network(docker, &self.id).await
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        if self.armed {
            let id = self.id.clone();
            blocking(async move {
                if let Ok(docker) = Docker::connect_with_defaults() {
                    drop(remove_network(&docker, &id).await);
                }
            });
        }
    }
}

/// Removes a network; one that is gone already is fine.
pub(crate) async fn remove_network(docker: &Docker, id: &str) -> Result<()> {
    let doing = || Error::docker(format!("removing network {id}"));
    let found = match docker.inspect_network(id, None::<InspectNetworkOptions>).await {
        Ok(found) => found,
        Err(error) if crate::error::status(&error) == Some(404) => return Ok(()),
        Err(error) => return Err(doing()(error)),
    };
    for container in found.containers.unwrap_or_default().into_keys() {
        let leave = NetworkDisconnectRequest { container, force: Some(true) };
        drop(docker.disconnect_network(id, leave).await);
    }
    match docker.remove_network(id).await {
        Err(error) if crate::error::status(&error) != Some(404) => Err(doing()(error)),
        _ => Ok(()),
    }
}

/// Removes all containers with `label=value`, running or not.
pub(crate) async fn remove_containers(docker: &Docker, label: &str, value: &str) -> Result<usize> {
    let filters = HashMap::from([("label", vec![format!("{label}={value}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let found = docker
        .list_containers(Some(options))
        .await
        .map_err(Error::docker(format!("listing containers with {label}={value}")))?;
    let mut removed = 0;
    for id in found.into_iter().filter_map(|container| container.id) {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        match docker.remove_container(&id, Some(options)).await {
            Ok(()) => removed += 1,
            // Somebody else is removing it, or has.
            Err(error) if matches!(crate::error::status(&error), Some(404 | 409)) => {}
            Err(error) => return Err(Error::docker(format!("removing container {id}"))(error)),
        }
    }
    Ok(removed)
}

fn allow(config: &mut HostConfig, rights: &Rights) {
    config.init = Some(true);
    config.publish_all_ports = Some(false);
    if rights.tun {
        config.devices = Some(vec![DeviceMapping {
            path_on_host: Some(String::from("/dev/net/tun")),
            path_in_container: Some(String::from("/dev/net/tun")),
            cgroup_permissions: Some(String::from("rwm")),
        }]);
    }
    if !rights.sysctls.is_empty() {
        let pairs = rights.sysctls.iter();
        config.sysctls =
            Some(pairs.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect());
    }
    if let Some((path, megabytes)) = rights.memory {
        config.tmpfs = Some(HashMap::from([(path.to_owned(), format!("exec,size={megabytes}m"))]));
    }
}

/// Runs a future to its end on a thread of its own, for destructors.
fn blocking(work: impl Future<Output = ()> + Send + 'static) {
    let thread = std::thread::spawn(move || {
        if let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
            runtime.block_on(work);
        }
    });
    if thread.join().is_err() {
        tracing::error!("removing a container or network failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_engine_that_says_nothing_is_given_up() {
        let silent = std::future::pending::<Result<(), std::io::Error>>();
        assert_eq!(first_answer(silent).await.unwrap_err(), "nothing came within 20s");
        let refused = async { Err::<(), _>(std::io::Error::other("refused")) };
        assert_eq!(first_answer(refused).await.unwrap_err(), "refused");
    }
}
