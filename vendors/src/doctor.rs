//! What works on this host and how to get the rest: the data of `ikeproof doctor`.

use std::{net::Ipv4Addr, path::Path, sync::Arc};

use ikeproof_driver::sockets::{RawEsp, SocketConfig, Sockets};
use testcontainers::bollard::Docker;

use crate::{
    docker::{self, Container, Rights},
    images::{self, Image},
    lane::{Lane, LaneSpec, Seat},
    netns::{WAY_VARIABLE, Way},
    plane::host_esp,
    run::{self, Run},
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
    let mut checks = vec![tun()];
    checks.extend(kept());
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
        Some(base) => Check::good("base image", format!("{} ({})", base.name, base.short())),
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
            let fix = "see whether the engine may create bridge networks, and remove those that \
                nothing uses (`docker network prune`)";
            return vec![Check::bad("lane", error.to_string(), fix)];
        }
    };
    let mut checks = vec![Check::good("lane", format!("network and edge on {}", lane.subnet()))];
    checks.push(sockets(docker, &lane).await);
    checks.push(capabilities(docker, &lane).await);
    checks.push(host_plane(docker, &lane).await);
    if let Err(error) = lane.close().await {
        checks.push(Check::bad("clean-up", error.to_string(), "the next run sweeps what is left"));
    }
    checks
}

/// Opens the edge's sockets as a case does, by whichever way there is.
async fn sockets(docker: &Docker, lane: &Lane) -> Check {
    let name = "sockets";
    let opened = async {
        let (address, port, nat_port) = (lane.edge_address().into(), 500, 4500);
        let way = lane.edge().way()?;
        let wanted = SocketConfig::wanted(address, port, nat_port);
        let place = lane.edge().place_by(way, &wanted).await?;
        let config = SocketConfig { place, address, port, nat_port, raw: RawEsp::Required };
        Ok::<_, crate::Error>((way, Sockets::open(&config)))
    };
    let why = match opened.await {
        Ok((Way::Enter, Ok(_))) => {
            return Check::good(name, "opened by entering a lane's network namespace");
        }
        Ok((Way::HandOver, Ok(_))) => {
            return Check::good(
                name,
                "handed over by a helper container in a lane's network namespace, \
                 which this user may not enter",
            );
        }
        Ok((_, Err(error))) => error.to_string(),
        Err(error) => error.to_string(),
    };
    let engine = docker.info().await.ok().and_then(|info| info.name).unwrap_or_default();
    let fix = if engine == run::host() {
        format!("run as root, or unset {WAY_VARIABLE} if it is set")
    } else {
        format!(
            "the engine runs on another host ({engine}), from which sockets cannot be handed \
             over: run ikeproof there"
        )
    };
    Check::bad(name, why, fix)
}

async fn capabilities(docker: &Docker, lane: &Lane) -> Check {
    let name = "container rights";
    let rights = Rights { capabilities: vec!["NET_ADMIN"], tun: true, ..Default::default() };
    let started = async {
        let (network, address, _) = lane.seat(Seat::Front(0))?;
        let tag = lane.run().tag(docker, Image::Edge).await?;
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
        let tag = lane.run().tag(docker, Image::StrongSwan).await?;
        host_esp(docker, lane.run(), network, &tag, address).await
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

/// Runs that were kept on purpose still hold containers and subnets.
fn kept() -> Vec<Check> {
    let directory = run::runtime_dir();
    let runs = directory.map(|directory| run::kept_in(&directory)).unwrap_or_default();
    let check = |(id, removal)| Check::good("kept run", format!("{id}; remove it: {removal}"));
    runs.into_iter().map(check).collect()
}

fn tun() -> Check {
    if Path::new("/dev/net/tun").exists() {
        Check::good("tun device", "/dev/net/tun is there")
    } else {
        Check::bad("tun device", "no /dev/net/tun", "as root run: modprobe tun")
    }
}
