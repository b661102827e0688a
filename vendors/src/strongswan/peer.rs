//! The contract's implementation for charon.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Mutex;

use super::{
    config::{self, LOG},
    sas,
    vici::{Node, Vici},
};
use crate::{
    Error, Result, inside,
    peer::{
        About, Capability, Configured, Cookies, Daemon, DataPlane, Difference, IkeSa, Initiated,
        Peer, PeerConfig, Pending, Reset, StateDump, Target,
    },
    plane::{Plane, SHORT, START},
};

/// strongSwan in a container.
pub struct StrongSwan {
    about: About,
    plane: Arc<Plane>,
    vici: Vici,
    session: Mutex<Session>,
}

/// What changes while the peer runs.
#[derive(Default)]
struct Session {
    /// The daemon settings charon was started with.
    daemon: Daemon,
    /// Where the log began for this configuration.
    log: u64,
    /// The state right after the start.
    pristine: StateDump,
    /// Whether charon was killed and has not been started again.
    killed: bool,
    /// What is loaded, with the passwords that come next.
    next: Option<PeerConfig>,
}

impl StrongSwan {
    /// Starts charon in a plane.
    pub async fn start(plane: Plane, image: &str) -> Result<Self> {
        let script = "dpkg-query -W -f '${Version}' strongswan-swanctl";
        let package = plane.shell().output(script, SHORT).await?.trim().to_owned();
        let about = About {
            name: String::from("strongswan"),
            version: String::new(),
            package,
            image: image.to_owned(),
            data_plane: plane.kind,
            kernel: plane.kernel().await?,
            address: plane.address.into(),
            capabilities: capabilities(plane.kind),
        };
        let session = Mutex::new(Session::default());
        let mut peer = Self { about, plane: Arc::new(plane), vici: Vici::default(), session };
        peer.spawn(&Daemon::default()).await?;
        let version = peer.request("version", Node::section()).await?;
        version.text("version").clone_into(&mut peer.about.version);
        let pristine = peer.dump().await?;
        peer.session.lock().await.pristine = pristine;
        Ok(peer)
    }

    /// Writes the daemon's file and starts charon; ready when its VICI socket answers.
    async fn spawn(&self, daemon: &Daemon) -> Result<()> {
        let (conf, _) = config::strongswan_conf(daemon, self.plane.kind);
        let shell = self.plane.shell();
        shell.write_file(CONF, &conf).await?;
        let script = "mkdir -p /run/ikeproof; rm -f /run/charon.vici /run/charon.pid\n\
            setsid /usr/sbin/charon-systemd >/run/ikeproof/charon.out 2>&1 </dev/null &";
        shell.output(script, SHORT).await?;
        if !shell.appears("/run/charon.vici", START).await? {
            let said = shell.output("tail -n 20 /run/ikeproof/charon.out", SHORT).await?;
            let what = String::from("charon's VICI socket");
            return Err(Error::Timeout { what, within: START, last: said });
        }
        let mut session = self.session.lock().await;
        session.daemon = daemon.clone();
        session.killed = false;
        Ok(())
    }

    async fn stop(&self) -> Result<()> {
        self.vici.disconnect().await;
        inside::kill(&self.plane, "charon-systemd").await
    }

    async fn respawn(&self, daemon: &Daemon) -> Result<()> {
        self.stop().await?;
        inside::flush_kernel(&self.plane).await?;
        self.spawn(daemon).await
    }

    async fn request(&self, command: &str, message: Node) -> Result<Node> {
        self.vici.request(&self.plane, command, message, SHORT).await
    }

    async fn list(&self, command: &str, event: &str) -> Result<Vec<Node>> {
        self.vici.events(&self.plane, command, event, SHORT).await
    }

    /// Ends all SAs at once and unloads connections, pools and secrets.
    async fn unload(&self) -> Result<()> {
        for sa in self.list("list-sas", "list-sa").await? {
            for (_, sa) in sa.entries() {
                let message = Node::section()
                    .with("ike-id", sa.text("uniqueid"))
                    .with("force", "yes")
                    .with("timeout", "-1");
                match self.request("terminate", message).await {
                    // It ended by itself meanwhile.
                    Err(Error::Vici { why, .. }) if why.contains("no matching") => {}
                    other => drop(other?),
                }
            }
        }
        for name in self.request("get-conns", Node::section()).await?.list("conns") {
            self.request("unload-conn", Node::section().with("name", name)).await?;
        }
        for (name, _) in self.request("get-pools", Node::section()).await?.entries() {
            self.request("unload-pool", Node::section().with("name", name.as_str())).await?;
        }
        self.request("clear-creds", Node::section()).await.map(drop)
    }

    async fn dump(&self) -> Result<StateDump> {
        let mut sections = inside::kernel_state(&self.plane).await?;
        let sas = self.sas_now().await?.into_iter();
        let sas =
            sas.map(|sa| format!("{} {} {}", sa.connection, sa.unique_id, sa.state)).collect();
        sections.insert(String::from("sas"), sas);
        let connections = self.request("get-conns", Node::section()).await?.list("conns");
        sections.insert(String::from("connections"), connections);
        let secrets = self.request("get-shared", Node::section()).await?.list("keys");
        sections.insert(String::from("secrets"), secrets);
        Ok(StateDump(sections))
    }

    async fn sas_now(&self) -> Result<Vec<IkeSa>> {
        let events = self.list("list-sas", "list-sa").await?;
        let read: Result<Vec<_>> = events.iter().map(sas::read).collect();
        Ok(read?.into_iter().flatten().collect())
    }

    async fn differences(&self) -> Result<Vec<Difference>> {
        let now = self.dump().await?;
        Ok(now.differences(&self.session.lock().await.pristine))
    }

    async fn load(&self, wanted: &PeerConfig) -> Result<Configured> {
        let rendered = config::render(wanted, self.plane.kind)?;
        let (conf, tuned) = config::strongswan_conf(&wanted.daemon, self.plane.kind);
        let loaded = self.session.lock().await.daemon.clone();
        self.unload().await?;
        if loaded.cookies != wanted.daemon.cookies {
            self.respawn(&wanted.daemon).await?;
        } else if loaded != wanted.daemon {
            // charon looks these settings up when it needs them.
            self.plane.shell().write_file(CONF, &conf).await?;
            self.request("reload-settings", Node::section()).await?;
            self.session.lock().await.daemon = wanted.daemon.clone();
        }
        let position = self.plane.shell().file_size(LOG).await?;
        self.session.lock().await.log = position;
        self.plane.set_inner(wanted.own_inner()).await?;
        self.session.lock().await.next = wanted.with_next_passwords();
        for (command, message) in rendered.certificates {
            self.request(command, message).await?;
        }
        for secret in rendered.secrets {
            self.request("load-shared", secret).await?;
        }
        for pool in rendered.pools {
            self.request("load-pool", pool).await?;
        }
        let mut texts = vec![(String::from("strongswan.conf"), conf)];
        for connection in rendered.connections {
            texts.push((String::from("load-conn"), connection.to_string()));
            self.request("load-conn", connection).await?;
        }
        for (connection, child) in rendered.initiate {
            let message = Node::section().with("ike", connection).with("child", child);
            self.request("initiate", message.with("timeout", "-1")).await?;
        }
        Ok(Configured { tuned, rendered: texts })
    }

    async fn begin(&self, connection: &str, child: &str, within: Duration) -> Result<Initiated> {
        let message = Node::section()
            .with("ike", connection)
            .with("child", child)
            .with("timeout", within.as_millis().to_string());
        let limit = within + Duration::from_secs(5);
        match self.vici.request(&self.plane, "initiate", message, limit).await {
            Ok(_) => Ok(Initiated::Up),
            Err(Error::Vici { why, .. }) if why.contains("not completed") => {
                Ok(Initiated::StillTrying)
            }
            Err(Error::Vici { why, .. }) => Ok(Initiated::Failed(why)),
            Err(error) => Err(error),
        }
    }
}

impl Peer for StrongSwan {
    fn about(&self) -> &About {
        &self.about
    }

    fn plane(&self) -> Option<&Arc<Plane>> {
        Some(&self.plane)
    }

    fn configure<'a>(&'a self, config: &'a PeerConfig) -> Pending<'a, Configured> {
        self.load(config).boxed()
    }

    fn initiate<'a>(
        &'a self,
        connection: &'a str,
        child: &'a str,
        within: Duration,
    ) -> Pending<'a, Initiated> {
        self.begin(connection, child, within).boxed()
    }

    fn terminate<'a>(&'a self, target: &'a Target) -> Pending<'a, ()> {
        let message = target_of(target).with("timeout", "10000");
        async move { self.request("terminate", message).await.map(drop) }.boxed()
    }

    fn rekey<'a>(&'a self, target: &'a Target) -> Pending<'a, ()> {
        async move { self.request("rekey", target_of(target)).await.map(drop) }.boxed()
    }

    fn sas(&self) -> Pending<'_, Vec<IkeSa>> {
        self.sas_now().boxed()
    }

    fn counters(&self) -> Pending<'_, BTreeMap<String, u64>> {
        async move {
            let mut all = inside::kernel_counters(&self.plane).await?;
            let message = Node::section().with("all", "no");
            let answer = self.request("get-counters", message).await?;
            let global = answer.at("counters").and_then(|counters| counters.at(""));
            for (name, value) in global.map_or(&[][..], Node::entries) {
                if let Node::Value(value) = value {
                    all.insert(name.clone(), value.parse().unwrap_or(0));
                }
            }
            Ok(all)
        }
        .boxed()
    }

    fn log(&self) -> Pending<'_, String> {
        async move {
            let position = self.session.lock().await.log;
            self.plane.shell().read_file(LOG, position).await
        }
        .boxed()
    }

    fn remove_policies(&self) -> Pending<'_, ()> {
        inside::remove_policies(&self.plane).boxed()
    }

    fn next_password(&self) -> Pending<'_, ()> {
        async move {
            let Some(next) = self.session.lock().await.next.take() else { return Ok(()) };
            // A secret takes the place of the one that was loaded under its name.
            for secret in config::render(&next, self.plane.kind)?.secrets {
                self.request("load-shared", secret).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn kill(&self) -> Pending<'_, ()> {
        async move {
            self.session.lock().await.killed = true;
            self.stop().await
        }
        .boxed()
    }

    fn restart(&self) -> Pending<'_, ()> {
        async move {
            let daemon = self.session.lock().await.daemon.clone();
            self.respawn(&daemon).await
        }
        .boxed()
    }

    fn state(&self) -> Pending<'_, StateDump> {
        self.dump().boxed()
    }

    fn left_over(&self) -> Pending<'_, Vec<Difference>> {
        self.differences().boxed()
    }

    fn reset(&self) -> Pending<'_, Reset> {
        async move {
            let daemon = |line: String| vec![Difference { section: String::from("daemon"), line }];
            // Nobody answers where charon was.
            let left_over = if self.session.lock().await.killed {
                daemon(String::from("-killed"))
            } else {
                match self.unload().await {
                    Ok(()) => self.differences().await?,
                    Err(error) => daemon(format!("+{error}")),
                }
            };
            // This one charon looks up when it starts.
            let changed = self.session.lock().await.daemon.cookies != Cookies::default();
            let restarted = !left_over.is_empty() || changed;
            if restarted {
                self.plane.set_inner(&[]).await?;
                self.respawn(&Daemon::default()).await?;
            }
            Ok(Reset { left_over, restarted })
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move {
            match Arc::try_unwrap(self.plane) {
                Ok(plane) => plane.close().await,
                // A listener still holds it; the container goes when that ends.
                Err(_) => Ok(()),
            }
        }
        .boxed()
    }
}

/// charon's settings.
const CONF: &str = "/etc/strongswan.conf";

fn target_of(target: &Target) -> Node {
    match target {
        Target::Ike(connection) => Node::section().with("ike", connection.as_str()),
        Target::Sa(number) => Node::section().with("ike-id", number.as_str()),
        Target::Child(connection, child) => {
            Node::section().with("ike", connection.as_str()).with("child", child.as_str())
        }
    }
}

/// kernel-libipsec reads its TUN device through a buffer of 1400 octets whatever the device's MTU says:
/// raising `ipsec0` truncates packets silently, so it stays as it is and `FullMtu` is not offered.
fn capabilities(plane: DataPlane) -> BTreeSet<Capability> {
    use Capability::{
        Aggressive, Ah, Counters, Esn, FullMtu, Group2, Ikev1, InitialContact, Md5, Mobike, NoNat,
        NullEncryption, Pmtu, RawEsp, Transport, TripleDes,
    };
    let mut set = BTreeSet::from([
        Group2,
        TripleDes,
        Md5,
        NullEncryption,
        Ikev1,
        Aggressive,
        Mobike,
        Counters,
        InitialContact,
    ]);
    if plane != DataPlane::Userspace {
        set.extend([RawEsp, NoNat, Ah, Transport, Esn, Pmtu, FullMtu]);
    }
    set
}
