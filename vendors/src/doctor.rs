//! What works on this host and how to get the rest: the data of `ikeproof doctor`.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use testcontainers::bollard::Docker;

use crate::{
    docker::{self, Container, Rights},
    images::{self, Image},
    lane::{Lane, LaneSpec, Seat},
    plane::host_esp,
    run::Run,
};

/// One finding about this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub name: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was found.
    pub why: String,
    /// What to do about it; empty when nothing needs doing.
    pub fix: String,
}

impl Check {
    fn good(name: &'static str, why: impl Into<String>) -> Self {
        Self { name, ok: true, why: why.into(), fix: String::new() }
    }

    fn bad(name: &'static str, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { name, ok: false, why: why.into(), fix: fix.into() }
    }
}

/// Looks at everything; starts and removes a few containers when the images are there.
pub async fn checks() -> Vec<Check> {
    let mut checks = vec![tun(), enter_namespaces()];
    let docker = match docker::connect().await {
        Ok(docker) => docker,
        Err(error) => {
            checks.push(no_docker(error.to_string()));
            return checks;
        }
    };
    match docker.version().await {
        Ok(version) => checks.push(Check::good(
            "docker",
            format!(
                "engine {}, API {}",
                version.version.unwrap_or_default(),
                version.api_version.unwrap_or_default()
            ),
        )),
        Err(error) => {
            checks.push(no_docker(error.to_string()));
            return checks;
        }
    }
    let build = "run `ikeproof images build`";
    checks.push(match images::base_present(&docker).await {
        Some(name) => Check::good("base image", name),
        None => {
            Check::bad("base image", format!("none of {}", images::BASE_NAMES.join(", ")), build)
        }
    });
    let missing = match images::missing(&docker, &Image::ALL).await {
        Ok(missing) => missing,
        Err(error) => {
            checks.push(Check::bad("images", error.to_string(), build));
            return checks;
        }
    };
    if missing.is_empty() {
        checks.push(Check::good("images", format!("{} built", Image::ALL.len())));
        checks.extend(with_containers(&docker).await);
    } else {
        let names: Vec<_> = missing.iter().map(|image| image.name()).collect();
        checks.push(Check::bad("images", format!("not built: {}", names.join(", ")), build));
    }
    checks
}

/// The checks that need a container: capabilities, and ESP in the host's kernel.
async fn with_containers(docker: &Docker) -> Vec<Check> {
    let opened = async {
        let run = Arc::new(Run::begin()?);
        Lane::open(docker, &run, &LaneSpec::new()?).await
    };
    let lane = match opened.await {
        Ok(lane) => lane,
        Err(error) => {
            let fix = "see whether the engine may create bridge networks, and pass another pool";
            return vec![Check::bad("lane", error.to_string(), fix)];
        }
    };
    let mut checks = vec![Check::good("lane", format!("network and edge on {}", lane.subnet()))];
    checks.push(capabilities(docker, &lane).await);
    checks.push(host_plane(docker, &lane).await);
    if let Err(error) = lane.close().await {
        checks.push(Check::bad("clean-up", error.to_string(), "the next run sweeps what is left"));
    }
    checks
}

async fn capabilities(docker: &Docker, lane: &Lane) -> Check {
    let name = "container rights";
    let rights = Rights { capabilities: vec!["NET_ADMIN"], tun: true, ..Default::default() };
    let started = async {
        let (network, address, _) = lane.seat(Seat::Front(0))?;
        let tag = Image::Edge.tag();
        Container::start(docker, lane.run(), &tag, network, address, &rights).await?.remove().await
    };
    match started.await {
        Ok(()) => Check::good(name, "NET_ADMIN and /dev/net/tun are granted"),
        Err(error) => Check::bad(
            name,
            error.to_string(),
            "allow --cap-add NET_ADMIN and --device /dev/net/tun for this engine's containers",
        ),
    }
}

async fn host_plane(docker: &Docker, lane: &Lane) -> Check {
    let name = "host data plane";
    let fix = "nothing to do: the guest data plane does raw ESP and AH here; \
        for `host`, use a kernel with CONFIG_INET_ESP";
    let found = async {
        let (network, address, _): (_, Ipv4Addr, _) = lane.seat(Seat::Front(0))?;
        host_esp(docker, lane.run(), network, &Image::StrongSwan.tag(), address).await
    };
    match found.await {
        Ok(None) => Check::good(name, "the host's kernel takes an ESP state"),
        Ok(Some(why)) => Check::bad(name, why, fix),
        Err(error) => Check::bad(name, error.to_string(), fix),
    }
}

fn no_docker(why: String) -> Check {
    Check::bad("docker", why, "start the Docker engine, or point DOCKER_HOST at one")
}

fn tun() -> Check {
    if Path::new("/dev/net/tun").exists() {
        Check::good("tun device", "/dev/net/tun is there")
    } else {
        Check::bad("tun device", "no /dev/net/tun", "as root run: modprobe tun")
    }
}

/// Entering another network namespace needs CAP_SYS_ADMIN.
fn enter_namespaces() -> Check {
    let name = "namespaces";
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok())
        .unwrap_or(0);
    if effective & (1 << CAP_SYS_ADMIN) != 0 {
        Check::good(name, "may enter a lane's network namespace")
    } else {
        Check::bad(
            name,
            "no CAP_SYS_ADMIN: cannot enter a lane's network namespace",
            "run as root, or let the helper container hand the sockets over",
        )
    }
}

const CAP_SYS_ADMIN: u32 = 21;
