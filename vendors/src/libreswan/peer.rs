//! The contract's implementation for pluto.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::Mutex;

use super::{
    config::{self, LOG},
    status,
};
use crate::{
    Error, Result,
    agent::quote,
    inside,
    peer::{
        About, Capability, Configured, Cookies, Daemon, Difference, IkeSa, Initiated, Peer,
        PeerConfig, Pending, Reset, Rsa, StateDump, Target,
    },
    plane::{Plane, SHORT, START},
    start::Vendor,
};

/// libreswan in a container.
pub struct Libreswan {
    about: About,
    /// Whether this is the build with group 2 and everything else.
    all: bool,
    plane: Arc<Plane>,
    session: Mutex<Session>,
}

/// What changes while the peer runs.
#[derive(Default)]
struct Session {
    daemon: Daemon,
    conns: Vec<String>,
    log: u64,
    pristine: StateDump,
}

impl Libreswan {
    /// Starts pluto in a plane.
    pub async fn start(plane: Plane, vendor: Vendor, image: &str) -> Result<Self> {
        let all = vendor == Vendor::LibreswanSrc;
        let version = plane.shell().output("ipsec --version", SHORT).await?;
        let version = version.split_whitespace().last().unwrap_or_default().to_owned();
        let package = if all {
            format!("{version}, upstream source from Debian's pool, with group 2 and ALL_ALGS")
        } else {
            let script = "dpkg-query -W -f '${Version}' libreswan";
            plane.shell().output(script, SHORT).await?.trim().to_owned()
        };
        let about = About {
            name: vendor.image().name().to_owned(),
            version,
            package,
            image: image.to_owned(),
            data_plane: plane.kind,
            kernel: plane.kernel().await?,
            address: plane.address.into(),
            capabilities: capabilities(all),
        };
        let session = Mutex::new(Session::default());
        let peer = Self { about, all, plane: Arc::new(plane), session };
        peer.spawn(&Daemon::default()).await?;
        let pristine = peer.dump().await?;
        peer.session.lock().await.pristine = pristine;
        Ok(peer)
    }

    /// Writes `config setup` and starts pluto; ready when it listens.
    async fn spawn(&self, daemon: &Daemon) -> Result<()> {
        let setup = config::setup(daemon);
        let shell = self.plane.shell();
        shell.write_file(CONF, &setup).await?;
        shell.write_file(SECRETS, "").await?;
        let script = "mkdir -p /run/ikeproof /run/pluto; rm -f /run/pluto/pluto.ctl /run/pluto/pluto.pid\n\
                        setsid pluto --nofork --config /etc/ipsec.conf --secretsfile /etc/ipsec.secrets \
            >/run/ikeproof/pluto.out 2>&1 </dev/null &";
        shell.output(script, SHORT).await?;
        shell.appears("/run/pluto/pluto.ctl", START).await?;
        let script = "i=0; until whack --listen >/dev/null 2>&1; do\n\
            if [ $i -ge 100 ]; then tail -n 20 /run/ikeproof/pluto.out /run/ikeproof/daemon.log >&2; exit 1; fi\n\
            i=$((i + 1)); sleep 0.1; done\n\
            whack --impair revival";
        shell.output(script, START).await?;
        let mut session = self.session.lock().await;
        session.daemon = daemon.clone();
        session.conns.clear();
        Ok(())
    }

    async fn respawn(&self, daemon: &Daemon) -> Result<()> {
        inside::kill(&self.plane, "pluto").await?;
        inside::flush_kernel(&self.plane).await?;
        self.spawn(daemon).await
    }

    async fn whack(&self, arguments: &str) -> Result<String> {
        self.plane.shell().output(&format!("whack {arguments}"), SHORT).await
    }

    /// Deletes all conns (and with them their SAs) and forgets the secrets.
    async fn unload(&self) -> Result<()> {
        let conns = std::mem::take(&mut self.session.lock().await.conns);
        if conns.is_empty() {
            return Ok(());
        }
        self.plane.shell().write_file(SECRETS, "").await?;
        // A conn that failed to load is not there to be deleted.
        let delete = |name: &String| format!("whack --name {} --delete; ", quote(name));
        let deletes: String = conns.iter().map(delete).collect();
        let script = format!("{deletes}rm -f {}; whack --rereadsecrets", config::USERS);
        self.plane.shell().output(&script, SHORT).await.map(drop)
    }

    async fn load(&self, wanted: &PeerConfig) -> Result<Configured> {
        let rendered = config::render(wanted, self.all)?;
        let loaded = self.session.lock().await.daemon.clone();
        // Retransmission is a conn's own here; only the cookies are the daemon's.
        if loaded.cookies == wanted.daemon.cookies {
            self.unload().await?;
        } else {
            self.respawn(&wanted.daemon).await?;
        }
        let position = self.plane.shell().file_size(LOG).await?;
        self.session.lock().await.log = position;
        self.plane.set_inner(wanted.own_inner()).await?;
        let shell = self.plane.shell();
        if let Some(rsa) = &wanted.rsa {
            self.import(rsa).await?;
        }
        let setup = config::setup(&wanted.daemon);
        shell.write_file(CONF, &format!("{setup}{}", rendered.conf)).await?;
        shell.write_file(SECRETS, &rendered.secrets).await?;
        for user in &rendered.users {
            let password = String::from_utf8_lossy(user.password.octets());
            shell.write_file(config::PASSWORD, &password).await?;
            shell.output(&config::admit(&user.name), SHORT).await?;
        }
        for (name, _) in &rendered.names {
            self.session.lock().await.conns.push(name.clone());
        }
        let add =
            |(name, _): &(String, bool)| format!("addconn --config {CONF} {} 2>&1; ", quote(name));
        let adds: String = rendered.names.iter().map(add).collect();
        let script = format!("whack --rereadsecrets; {adds}echo {STATUS}; whack --status");
        let output = shell.output(&script, SHORT).await?;
        // addconn ends with 0 even when pluto refuses what it was told, and what it says of a conn looks
        // like a line of the status.
        let (said, status) = output.split_once(STATUS).unwrap_or((&output, ""));
        let loaded = status::connections(status);
        let missing = rendered.names.iter().find(|(name, _)| !loaded.contains(name));
        if let Some((name, _)) = missing {
            return Err(self.not_loaded(name, position, said).await?);
        }
        for (name, _) in rendered.names.iter().filter(|(_, initiate)| *initiate) {
            self.whack(&format!("--name {} --initiate --asynchronous", quote(name))).await?;
        }
        let rendered_texts =
            vec![(String::from("ipsec.conf"), format!("{setup}{}", rendered.conf))];
        Ok(Configured { tuned: rendered.tuned, rendered: rendered_texts })
    }

    /// Puts certificates and key into pluto's database in place of those of before.
    async fn import(&self, rsa: &Rsa) -> Result<()> {
        let shell = self.plane.shell();
        shell.output(&config::forget(), SHORT).await?;
        let key = String::from_utf8_lossy(rsa.key.expose());
        let files = [
            ("authority.pem", &*rsa.authority),
            ("own.pem", &*rsa.certificate),
            ("own.key", &*key),
        ];
        for (name, text) in files {
            shell.write_file(&format!("{}/{name}", config::NSS_FILES), text).await?;
        }
        shell.output(&config::import(), SHORT).await?;
        Ok(())
    }

    /// Why a conn is not there: what pluto cannot do, in its own words, or a mistake of ours.
    async fn not_loaded(&self, name: &str, position: u64, said: &str) -> Result<Error> {
        let log = self.plane.shell().read_file(LOG, position).await?;
        if let Some(why) = refusal(&log) {
            let peer = self.about.name.clone();
            let what = format!("connection {name}");
            return Ok(crate::Unsupported { peer, what, why }.into());
        }
        Ok(Error::Command {
            command: format!("ipsec addconn {name}"),
            status: 0,
            output: format!("{said}\n{log}"),
        })
    }

    async fn begin(&self, connection: &str, child: &str, within: Duration) -> Result<Initiated> {
        let name = quote(&config::conn_name(connection, child));
        let script = format!("whack --name {name} --initiate 2>&1");
        let finished = self.plane.shell().run(&script, within).await?;
        let installed = self.sas_now().await?.iter().any(|sa| {
            let mut children = sa.children.iter();
            sa.connection == connection && children.any(|sa| sa.name == child && sa.installed)
        });
        if installed {
            return Ok(Initiated::Up);
        }
        if matches!(finished.status, 124 | 137) {
            return Ok(Initiated::StillTrying);
        }
        let text = finished.text();
        let mut last: Vec<_> = text.lines().rev().take(3).collect();
        last.reverse();
        Ok(Initiated::Failed(last.join("; ")))
    }

    async fn end(&self, target: &Target) -> Result<()> {
        let sas = self.sas_now().await?;
        match target {
            Target::Ike(connection) => {
                let prefix = format!("{connection}.");
                let conns = self.session.lock().await.conns.clone();
                for name in conns.iter().filter(|name| name.starts_with(&prefix)) {
                    self.whack(&format!("--name {} --terminate", quote(name))).await?;
                }
                // An SA that other conns share outlives them.
                for sa in self.sas_now().await?.iter().filter(|sa| sa.connection == *connection) {
                    self.whack(&format!("--deletestate {}", sa.unique_id)).await?;
                }
            }
            Target::Sa(number) => {
                self.whack(&format!("--deletestate {}", quote(number))).await?;
            }
            Target::Child(connection, child) => {
                let of_connection = sas.iter().filter(|sa| sa.connection == *connection);
                let children = of_connection.flat_map(|sa| &sa.children);
                for sa in children.filter(|sa| sa.name == *child) {
                    self.delete_child(&sa.unique_id).await?;
                }
            }
        }
        Ok(())
    }

    /// Deletes a child SA. whack waits until pluto has deleted it: what comes of a delete that the other
    /// end does not take as one is for the checks to see.
    async fn delete_child(&self, number: &str) -> Result<()> {
        let command = format!("whack --deletestate {number}");
        let finished = self.plane.shell().run(&command, DELETE).await?;
        match finished.status {
            0 | 124 | 137 => Ok(()),
            status => Err(Error::Command { command, status, output: finished.complaint() }),
        }
    }

    async fn sas_now(&self) -> Result<Vec<IkeSa>> {
        Ok(self.status_and_sas().await?.1)
    }

    /// What `whack --status` says, as text and with the kernel's view and the log as SAs.
    async fn status_and_sas(&self) -> Result<(String, Vec<IkeSa>)> {
        // Numbers begin anew with each pluto: what an earlier one logged is of other SAs.
        let since = self.session.lock().await.log;
        let shell = self.plane.shell();
        let status = self.whack("--status").await?;
        // The kernel is asked where pluto has a state, which has a number from 1.
        let digit = |rest: &str| rest.starts_with(|c| ('1'..='9').contains(&c));
        let xfrm = match status.split('#').skip(1).any(digit) {
            true => shell.output("ip -s xfrm state", SHORT).await?,
            false => String::new(),
        };
        let log = shell.read_file(LOG, since).await?;
        let sas = status::read(&status, &xfrm, &log, IpAddr::V4(self.plane.address));
        Ok((status, sas))
    }

    async fn dump(&self) -> Result<StateDump> {
        let mut sections = inside::kernel_state(&self.plane).await?;
        let (status, sas) = self.status_and_sas().await?;
        let sa = |sa: &IkeSa| format!("{} {} {}", sa.connection, sa.unique_id, sa.state);
        sections.insert(String::from("sas"), sas.iter().map(sa).collect());
        sections.insert(
            String::from("connections"),
            status::connections(&status).into_iter().collect(),
        );
        let others = self.whack("--listpsks --shuntstatus").await?;
        let lines = others.lines().map(str::to_owned).collect();
        sections.insert(String::from("secrets and shunts"), lines);
        Ok(StateDump(sections))
    }

    async fn differences(&self) -> Result<Vec<Difference>> {
        let now = self.dump().await?;
        Ok(now.differences(&self.session.lock().await.pristine))
    }
}

impl Peer for Libreswan {
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
        self.end(target).boxed()
    }

    fn rekey<'a>(&'a self, target: &'a Target) -> Pending<'a, ()> {
        async move {
            let of_v1 = self.sas_now().await?.iter().any(|sa| sa.version == 1);
            let (verb, name) = match target {
                Target::Ike(_) if of_v1 => {
                    let why = "pluto does it only when the life of the SA ends";
                    return Err(config::unsupported("phase 1 once more", why).into());
                }
                Target::Sa(_) => {
                    let why = "whack knows connections";
                    return Err(config::unsupported("rekeying one SA of several", why).into());
                }
                Target::Ike(connection) => {
                    let prefix = format!("{connection}.");
                    let conns = self.session.lock().await.conns.clone();
                    let first = conns.into_iter().find(|name| name.starts_with(&prefix));
                    ("--rekey-ike", first.unwrap_or_else(|| connection.clone()))
                }
                Target::Child(connection, child) => {
                    let four = self.about.version.starts_with('4');
                    let verb = match (of_v1, four) {
                        // Both verbs fail an assertion of pluto's with IKEv1; beginning once more does it.
                        (true, _) => "--initiate --asynchronous",
                        (false, true) => "--rekey-ipsec",
                        (false, false) => "--rekey-child",
                    };
                    (verb, config::conn_name(connection, child))
                }
            };
            self.whack(&format!("--name {} {verb}", quote(&name))).await.map(drop)
        }
        .boxed()
    }

    fn sas(&self) -> Pending<'_, Vec<IkeSa>> {
        self.sas_now().boxed()
    }

    fn counters(&self) -> Pending<'_, BTreeMap<String, u64>> {
        async move {
            let mut all = inside::kernel_counters(&self.plane).await?;
            let text = self.whack("--globalstatus").await?;
            all.extend(text.lines().filter_map(|line| {
                let (name, value) = line.strip_prefix("000 ").unwrap_or(line).split_once('=')?;
                Some((name.to_owned(), value.trim().parse().ok()?))
            }));
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
        // Nobody has one: such a configuration is refused.
        async { Ok(()) }.boxed()
    }

    fn kill(&self) -> Pending<'_, ()> {
        inside::kill(&self.plane, "pluto").boxed()
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
            let left_over = match self.unload().await {
                Ok(()) => self.differences().await?,
                Err(error) => {
                    vec![Difference { section: String::from("daemon"), line: format!("+{error}") }]
                }
            };
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

fn capabilities(all: bool) -> BTreeSet<Capability> {
    use Capability::{
        Aggressive, Ah, Counters, Esn, FullMtu, Group2, Ikev1, InitialContact, Md5, Mobike, NoNat,
        NullEncryption, Pmtu, RawEsp, Transport, TripleDes,
    };
    let mut set = BTreeSet::from([
        Aggressive,
        Ah,
        Counters,
        Esn,
        FullMtu,
        Ikev1,
        InitialContact,
        Md5,
        Mobike,
        NoNat,
        NullEncryption,
        Pmtu,
        RawEsp,
        Transport,
        TripleDes,
    ]);
    if all {
        set.insert(Group2);
    }
    set
}

/// How long the delete of a child SA is waited for.
const DELETE: Duration = Duration::from_secs(5);
const CONF: &str = "/etc/ipsec.conf";
const SECRETS: &str = "/etc/ipsec.secrets";
/// What stands between what is said about loading and the status.
const STATUS: &str = "== status";

/// pluto's own words, if it refuses a connection for what it asks for.
fn refusal(log: &str) -> Option<String> {
    let words = ["failed to add connection", "invalid", "not supported", "unsupported", "cannot"];
    let found = log.lines().find(|line| words.iter().any(|word| line.contains(word)))?;
    Some(found.split_once(": ").map_or(found, |(_, text)| text).to_owned())
}
