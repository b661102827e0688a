//! The NAT router of a lane: nftables masquerade with rewritten ports, and its conntrack table.

use std::net::{Ipv4Addr, SocketAddrV4};

use testcontainers::bollard::Docker;

use crate::{
    Error, Result,
    agent::{Place, Shell},
    docker::{Container, Network, Rights},
    images::Image,
    plane::SHORT,
    run::Run,
};

/// Ports the router rewrites to. `masquerade` alone keeps port 500 when it is free.
pub const PORTS: std::ops::RangeInclusive<u16> = 20000..=30000;

/// A running NAT router.
#[derive(Debug)]
pub struct Router {
    container: Container,
    shell: Shell,
    outside: Ipv4Addr,
    inside: Ipv4Addr,
}

/// One UDP mapping of the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mapping {
    /// The address and port behind the router.
    pub inside: SocketAddrV4,
    /// What the other side sees.
    pub outside: SocketAddrV4,
    /// The other side.
    pub remote: SocketAddrV4,
}

impl Router {
    /// Starts the router between two networks.
    pub async fn start(
        docker: &Docker,
        run: &Run,
        (out, outside): (&Network, Ipv4Addr),
        (into, inside): (&Network, Ipv4Addr),
    ) -> Result<Self> {
        let rights = Rights {
            capabilities: vec!["NET_ADMIN"],
            sysctls: vec![("net.ipv4.ip_forward", "1")],
            ..Default::default()
        };
        let tag = run.tag(docker, Image::Router).await?;
        let container = Container::start(docker, run, &tag, out, outside, &rights).await?;
        container.join(docker, into, inside).await?;
        let shell = Shell::new(docker.clone(), container.id(), Place::Container);
        let rules = format!(
            "out=$(ip -4 -o addr show | awk '$4 ~ /^{outside}\\// {{ print $2 }}') && nft -f - <<END\n\
             table ip ikeproof {{\n chain post {{\n  type nat hook postrouting priority 100;\n  \
             oifname \"$out\" meta l4proto {{ tcp, udp }} masquerade to :{}-{}\n  \
             oifname \"$out\" masquerade\n }}\n}}\nEND\n",
            PORTS.start(),
            PORTS.end(),
            outside = outside.to_string().replace('.', "\\."),
        );
        shell.output(&rules, SHORT).await?;
        Ok(Self { container, shell, outside, inside })
    }

    /// The address the edge sees.
    pub fn outside(&self) -> Ipv4Addr {
        self.outside
    }

    /// The default route of the peers behind it.
    pub fn inside(&self) -> Ipv4Addr {
        self.inside
    }

    /// The UDP mappings it has now.
    pub async fn mappings(&self) -> Result<Vec<Mapping>> {
        let text = self.shell.output("conntrack -L -p udp 2>/dev/null", SHORT).await?;
        text.lines().map(mapping).collect()
    }

    /// Forgets all mappings, as a router does that restarts or times out.
    pub async fn flush(&self) -> Result<()> {
        self.shell.output("conntrack -F", SHORT).await.map(drop)
    }

    /// Removes the container.
    pub async fn close(self) -> Result<()> {
        self.container.remove().await
    }
}

/// Reads a line of `conntrack -L`: the original direction, then the reply's.
fn mapping(line: &str) -> Result<Mapping> {
    let values = |name: &'static str| {
        line.split_whitespace().filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let missing =
        || Error::parse("conntrack's output", "expected src, dst, sport and dport twice", line);
    let address = |name, at: usize| {
        values(name).nth(at).and_then(|text| text.parse::<Ipv4Addr>().ok()).ok_or_else(missing)
    };
    let port = |name, at: usize| {
        values(name).nth(at).and_then(|text| text.parse::<u16>().ok()).ok_or_else(missing)
    };
    Ok(Mapping {
        inside: SocketAddrV4::new(address("src", 0)?, port("sport", 0)?),
        outside: SocketAddrV4::new(address("dst", 1)?, port("dport", 1)?),
        remote: SocketAddrV4::new(address("dst", 0)?, port("dport", 0)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conntrack_lines_are_read() {
        let line = "udp      17 29 src=10.213.2.10 dst=10.213.1.2 sport=500 dport=500 \
            src=10.213.1.2 dst=10.213.1.3 sport=500 dport=23456 [ASSURED] mark=0 use=1";
        let found = mapping(line).unwrap();
        assert_eq!(found.inside.to_string(), "10.213.2.10:500");
        assert_eq!(found.outside.to_string(), "10.213.1.3:23456");
        assert_eq!(found.remote.to_string(), "10.213.1.2:500");
        assert!(mapping("udp 17 29 src=1.2.3.4").is_err());
    }
}
