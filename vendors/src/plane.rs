//! Data planes: who does ESP and AH for a peer, and how its commands get there.
//!
//! A [`Plane`] is a container of an IKE image, idle but for its `sleep`, with shells into the
//! container and (for [`DataPlane::Guest`]) into the user-mode Linux guest booted in it. The daemons
//! are started by the drivers, so that they can be killed and started again without the container.

use std::{net::Ipv4Addr, time::Duration};

use testcontainers::bollard::Docker;
use tokio::sync::Mutex;

use crate::{
    Error, Result,
    agent::{CONTROL_ADDRESS, ExecStream, GUEST_ADDRESS, Place, Shell},
    docker::{Container, Network, Rights},
    netns::NetNs,
    peer::{DataPlane, InnerAddress},
    run::Run,
};

/// A short command, in a guest that a busy host may let stand still.
pub(crate) const SHORT: Duration = Duration::from_secs(30);
/// How long a daemon may take until it can be talked to: where many guests boot at once, long.
pub(crate) const START: Duration = Duration::from_secs(60);
/// How long a guest may take to boot, unless it ends.
const BOOT: Duration = Duration::from_secs(60);
/// The link for inside addresses.
const INSIDE: &str = "inner0";
/// The link for inside addresses where the kernel has no dummy links.
const LOOPBACK: &str = "lo";
/// Where a guest keeps its memory; must be a tmpfs mounted `exec`.
const MEMORY: &str = "/ikeproof-mem";

/// A container with a data plane.
#[derive(Debug)]
pub struct Plane {
    /// Which one.
    pub kind: DataPlane,
    /// Its address in the lane.
    pub address: Ipv4Addr,
    container: Container,
    outer: Shell,
    inner: Shell,
    /// The link that the inside addresses are on.
    inside: &'static str,
    /// The inside addresses that are there.
    addresses: Mutex<Vec<InnerAddress>>,
}

/// What a plane is started from.
#[derive(Debug, Clone, Copy)]
pub struct PlaneSpec<'a> {
    /// The image's full tag.
    pub image: &'a str,
    /// Which data plane.
    pub kind: DataPlane,
    /// The address in the network.
    pub address: Ipv4Addr,
    /// The default route, when it is not the engine's.
    pub gateway: Option<Ipv4Addr>,
    /// The guest's memory in megabytes.
    pub memory: u32,
}

impl Plane {
    /// Starts the container, and boots the guest where there is one.
    pub async fn start(
        docker: &Docker,
        run: &Run,
        network: &Network,
        spec: &PlaneSpec<'_>,
    ) -> Result<Self> {
        let guest = spec.kind == DataPlane::Guest;
        let rights = Rights {
            capabilities: vec!["NET_ADMIN"],
            tun: spec.kind != DataPlane::Host,
            sysctls: vec![("net.ipv4.ip_forward", "1")],
            memory: guest.then_some((MEMORY, spec.memory + 128)),
            environment: if guest { vec![("TMPDIR", MEMORY)] } else { Vec::new() },
        };
        let container =
            Container::start(docker, run, spec.image, network, spec.address, &rights).await?;
        let outer = Shell::new(docker.clone(), container.id(), Place::Container);
        if let Some(gateway) = spec.gateway {
            outer.output(&format!("ip route replace default via {gateway}"), SHORT).await?;
        }
        let place = if guest { Place::Guest } else { Place::Container };
        let inner = Shell::new(docker.clone(), container.id(), place);
        let (kind, address, inside) = (spec.kind, spec.address, LOOPBACK);
        let addresses = Mutex::default();
        let mut plane = Self { kind, address, container, outer, inner, inside, addresses };
        if guest {
            plane.boot(spec.memory).await?;
        }
        plane.inside = Self::inside_link(&plane.inner).await?;
        Ok(plane)
    }

    /// A shell where the data plane and the daemon are.
    pub fn shell(&self) -> &Shell {
        &self.inner
    }

    /// A shell in the container around a guest.
    pub(crate) fn around(&self) -> Option<&Shell> {
        (self.kind == DataPlane::Guest).then_some(&self.outer)
    }

    /// The container's network namespace, which the peer's wire is in.
    pub fn net(&self) -> &NetNs {
        self.container.net()
    }

    /// Connects to charon's VICI socket.
    pub async fn vici(&self) -> Result<ExecStream> {
        let target = match self.kind {
            DataPlane::Guest => {
                format!("TCP:{GUEST_ADDRESS}:7001,bind={CONTROL_ADDRESS},connect-timeout=2,nodelay")
            }
            DataPlane::Host | DataPlane::Userspace | DataPlane::Embedded => {
                String::from("UNIX-CONNECT:/run/charon.vici")
            }
        };
        self.outer.stream(&["socat", "-t", "5", "STDIO", &target]).await
    }

    /// Replaces the peer's inside addresses. They stay for the next case, which mostly has the same.
    pub async fn set_inner(&self, addresses: &[InnerAddress]) -> Result<()> {
        let mut current = self.addresses.lock().await;
        if *current == addresses {
            return Ok(());
        }
        let device = self.inside;
        let mut batch = format!("addr flush dev {device} scope global\n");
        for InnerAddress { address, prefix } in addresses {
            // On lo a prefix would make the whole network local.
            let host = if address.is_ipv4() { 32 } else { 128 };
            let prefix = if device == LOOPBACK { host } else { *prefix };
            batch.push_str(&format!("addr add {address}/{prefix} dev {device} scope global\n"));
        }
        let script = "ip -batch -";
        let finished = self.inner.run_with(script, batch.as_bytes(), SHORT).await?;
        if finished.status != 0 {
            let output = format!("{}\n{batch}", finished.complaint());
            let (command, status) = (script.to_owned(), finished.status);
            return Err(Error::Command { command, status, output });
        }
        *current = addresses.to_vec();
        Ok(())
    }

    /// The link of the inside addresses, and those that are there.
    pub(crate) async fn inner(&self) -> (&'static str, Vec<InnerAddress>) {
        (self.inside, self.addresses.lock().await.clone())
    }

    /// The link of the inside addresses: one of its own where the kernel has dummy links.
    async fn inside_link(shell: &Shell) -> Result<&'static str> {
        let script = format!(
            "ip link add {INSIDE} type dummy 2>/dev/null && ip link set {INSIDE} up && echo yes; true"
        );
        let made = shell.output(&script, SHORT).await?;
        Ok(if made.trim() == "yes" { INSIDE } else { LOOPBACK })
    }

    /// The kernel that does the work, as `uname -r` says.
    pub async fn kernel(&self) -> Result<String> {
        Ok(self.inner.output("uname -r", SHORT).await?.trim().to_owned())
    }

    /// Removes the container.
    pub async fn close(self) -> Result<()> {
        self.container.remove().await
    }

    async fn boot(&self, megabytes: u32) -> Result<()> {
        let start = format!(
            "rm -f /run/guest-ended; setsid sh -c '/ikeproof/guest-start {megabytes}; echo > /run/guest-ended' \
             >/run/guest-start.log 2>&1 </dev/null &"
        );
        self.outer.output(&start, SHORT).await?;
        // The agent answers last in the guest's init; give up early when the guest's kernel has ended, or has
        // not come to start. That it is not there yet says nothing: a busy host takes its time.
        let wait = format!(
            "until=$(($(date +%s) + {})); said='it is still starting'; while [ $(date +%s) -lt $until ]; do \
             socat -u OPEN:/dev/null TCP:{GUEST_ADDRESS}:7000,bind={CONTROL_ADDRESS},connect-timeout=0.4 2>/dev/null && exit 0; \
             [ ! -e /run/guest-ended ] || {{ said='it has ended'; break; }}; sleep 0.1; done; \
             echo \"$said\"; cat /run/guest-start.log; tail -n 15 /run/guest.console 2>&1; exit 1",
            BOOT.as_secs()
        );
        // The script comes to its own end first, and says what it has seen.
        let finished = self.outer.run(&wait, BOOT + SHORT).await?;
        if finished.status == 0 {
            return Ok(());
        }
        Err(Error::Timeout {
            what: String::from("the boot of the user-mode Linux guest"),
            within: BOOT,
            last: finished.complaint(),
        })
    }
}

/// Why the `host` data plane cannot work, or `None` when it can: tries to add an ESP state.
pub async fn host_esp(
    docker: &Docker,
    run: &Run,
    network: &Network,
    image: &str,
    address: Ipv4Addr,
) -> Result<Option<String>> {
    let spec = PlaneSpec { image, kind: DataPlane::Host, address, gateway: None, memory: 0 };
    let plane = Plane::start(docker, run, network, &spec).await?;
    let script = "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 0x1000 mode tunnel \
        aead 'rfc4106(gcm(aes))' 0x0102030405060708090a0b0c0d0e0f1011121314 128";
    let finished = plane.shell().run(script, SHORT).await;
    plane.close().await?;
    let finished = finished?;
    Ok((finished.status != 0)
        .then(|| format!("the host's kernel refuses an ESP state: {}", finished.complaint())))
}
