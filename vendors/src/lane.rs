//! A lane: a Docker network of its own with the edge's namespace in it, and room for peers.
//!
//! The edge is a bare container at a static address; whoever drives it opens sockets in its network
//! namespace ([`Lane::edge`]). Peers sit in the same network, or behind a
//! NAT router in a second one. Lanes never share anything, so any number of them and of runs coexist
//! on one engine.
//!
//! Close peers first, then the lane; on drop everything is removed in the same order.

use std::{net::Ipv4Addr, sync::Arc};

use testcontainers::bollard::{Docker, query_parameters::ListNetworksOptions};

use crate::{
    Error, Result,
    docker::{Container, Network, Rights},
    images::Image,
    netns::NetNs,
    router::Router,
    run::Run,
    subnet::{Subnet, routes},
};

/// Host numbers in a lane's networks.
const EDGE: u32 = 2;
const ROUTER: u32 = 3;
const FIRST_PEER: u32 = 10;

/// What a lane is made of.
#[derive(Debug, Clone)]
pub struct LaneSpec {
    /// Where the lane's /24 networks are taken from.
    pub pool: Subnet,
    /// Whether there is a NAT router with a second network.
    pub nat: bool,
}

impl LaneSpec {
    /// A lane without NAT from the default pool, 10.213.0.0/16.
    pub fn new() -> Result<Self> {
        Ok(Self { pool: Subnet::new(Ipv4Addr::new(10, 213, 0, 0), 16)?, nat: false })
    }

    /// How many such lanes the pool has addresses for, if nothing else has any of them.
    pub fn room(&self) -> usize {
        let networks = if self.nat { 2 } else { 1 };
        usize::try_from(self.pool.slice_count() / networks).unwrap_or(usize::MAX)
    }
}

/// Where a peer sits in a lane. Numbers begin at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Seat {
    /// In the edge's network.
    Front(u8),
    /// Behind the NAT router.
    BehindNat(u8),
}

/// A running lane.
#[derive(Debug)]
pub struct Lane {
    // Containers come first: they are dropped before the networks they are in.
    edge: Container,
    nat: Option<(Router, Network)>,
    network: Network,
    docker: Docker,
    run: Arc<Run>,
}

impl Lane {
    /// Creates the networks, the edge and the router.
    pub async fn open(docker: &Docker, run: &Arc<Run>, spec: &LaneSpec) -> Result<Self> {
        let network = free_network(docker, run, spec.pool).await?;
        let address = network.subnet.host(EDGE);
        let tag = run.tag(docker, Image::Edge).await?;
        let rights = Rights::default();
        let edge = Container::start(docker, run, &tag, &network, address, &rights).await?;
        let nat = if spec.nat {
            let inside = free_network(docker, run, spec.pool).await?;
            let router = Router::start(
                docker,
                run,
                (&network, network.subnet.host(ROUTER)),
                (&inside, inside.subnet.host(ROUTER)),
            )
            .await?;
            Some((router, inside))
        } else {
            None
        };
        Ok(Self { edge, nat, network, docker: docker.clone(), run: run.clone() })
    }

    /// The edge's address.
    pub fn edge_address(&self) -> Ipv4Addr {
        self.network.subnet.host(EDGE)
    }

    /// The edge's network namespace.
    pub fn edge(&self) -> &NetNs {
        self.edge.net()
    }

    /// The lane's network.
    pub fn subnet(&self) -> Subnet {
        self.network.subnet
    }

    /// The NAT router, where the lane has one.
    pub fn router(&self) -> Option<&Router> {
        self.nat.as_ref().map(|(router, _)| router)
    }

    /// The engine.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// The run the lane belongs to.
    pub fn run(&self) -> &Arc<Run> {
        &self.run
    }

    /// The network, address and default route of a seat.
    pub fn seat(&self, seat: Seat) -> Result<(&Network, Ipv4Addr, Option<Ipv4Addr>)> {
        match seat {
            Seat::Front(number) => {
                let address = self.network.subnet.host(FIRST_PEER + u32::from(number.min(99)));
                Ok((&self.network, address, None))
            }
            Seat::BehindNat(number) => {
                let (router, network) = self.nat.as_ref().ok_or_else(|| Error::Invalid {
                    what: "seat",
                    value: format!("{seat:?}"),
                    why: String::from("the lane has no NAT router; set `nat` in its spec"),
                })?;
                let address = network.subnet.host(FIRST_PEER + u32::from(number.min(99)));
                Ok((network, address, Some(router.inside())))
            }
        }
    }

    /// Removes everything and waits for it; goes on after a failure and reports the first.
    pub async fn close(self) -> Result<()> {
        let mut results = vec![self.edge.remove().await];
        if let Some((router, network)) = self.nat {
            results.push(router.close().await);
            results.push(network.remove(&self.docker).await);
        }
        results.push(self.network.remove(&self.docker).await);
        results.into_iter().collect()
    }
}

/// Creates a network on a /24 of the pool that nothing else uses.
async fn free_network(docker: &Docker, run: &Run, pool: Subnet) -> Result<Network> {
    let networks = docker
        .list_networks(None::<ListNetworksOptions>)
        .await
        .map_err(Error::docker("listing networks"))?;
    let mut taken: Vec<Subnet> = networks
        .into_iter()
        .flat_map(|network| network.ipam.and_then(|ipam| ipam.config).unwrap_or_default())
        .filter_map(|config| config.subnet?.parse().ok())
        .collect();
    // With a remote engine these are the wrong host's routes: harmless, a few subnets fewer.
    taken.extend(routes(&std::fs::read_to_string("/proc/net/route").unwrap_or_default()));
    let seed = run
        .id()
        .bytes()
        .fold(std::process::id(), |seed, byte| seed.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let free = pool.slices(seed).filter(|slice| !taken.iter().any(|other| other.overlaps(slice)));
    for slice in free {
        match Network::create(docker, run, slice).await {
            Ok(network) => return Ok(network),
            // Another run was quicker.
            Err(error) if matches!(crate::error::status(&error), Some(403 | 409)) => {}
            Err(error) => {
                return Err(Error::docker(format!("creating a network on {slice}"))(error));
            }
        }
    }
    Err(Error::NoSubnet { pool: pool.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_with_a_router_takes_two_networks_of_the_pool() {
        let mut spec = LaneSpec::new().unwrap();
        assert_eq!(spec.room(), 256);
        spec.nat = true;
        assert_eq!(spec.room(), 128);
    }
}
