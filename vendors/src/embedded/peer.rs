//! The contract's implementation for the core itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use ikeproof_driver::{hub::Hub, node::Node};
use ikeproof_proto::{
    io::{Command, IkeHandle},
    sa::Counters,
};
use tokio::sync::Mutex;

use super::{
    connection, control, describe, sas,
    session::{Seat, Session},
    traffic::Host,
};
use crate::{
    Error, Result,
    peer::{
        About, Capability, Configured, DataPlane, Difference, IkeSa, Initiated, Listening, Peer,
        PeerConfig, Pending, Ping, PingReport, Reset, Start, StateDump, Target, Tcp, TcpReport,
        Traffic,
    },
    plane::Plane,
};

/// How long deletes may take when everything is unloaded: nobody has to be there to answer.
const UNLOAD: Duration = Duration::from_secs(2);

/// What an embedded peer is made of.
#[derive(Debug, Clone)]
pub struct EmbeddedSpec {
    /// The network that it is in.
    pub hub: Hub,
    /// Its address there.
    pub address: IpAddr,
    /// Whether it is behind the network's NAT router.
    pub inside_nat: bool,
    /// What all its randomness follows from.
    pub seed: [u8; 32],
}

/// Our own initiator and responder, in process.
pub struct Embedded {
    about: About,
    seat: Seat,
    session: Mutex<Session>,
}

impl Embedded {
    /// Starts a peer; it knows nobody until it is configured. Must be called on a tokio runtime.
    pub fn start(spec: EmbeddedSpec) -> Box<dyn Peer> {
        let EmbeddedSpec { hub, address, inside_nat, seed } = spec;
        let seat = Seat { hub, address, inside_nat, seed };
        let session = Session::pristine(&seat, 0);
        let about = About {
            name: String::from("embedded"),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            package: String::from("in process"),
            image: String::new(),
            data_plane: DataPlane::Embedded,
            kernel: String::new(),
            address,
            capabilities: capabilities(),
        };
        Box::new(Self { about, seat, session: Mutex::new(session) })
    }

    /// The state of a peer that runs.
    async fn dump(&self) -> Result<StateDump> {
        let session = self.session.lock().await;
        session.running()?;
        Ok(session.dump().await)
    }

    /// The running node and its configuration, without keeping others from them.
    async fn running(&self) -> Result<(Arc<Node>, Arc<PeerConfig>)> {
        let session = self.session.lock().await;
        Ok((session.running()?, Arc::clone(&session.config)))
    }

    async fn host(&self) -> Result<Host> {
        let session = self.session.lock().await;
        let (node, config) = (session.running()?, Arc::clone(&session.config));
        Ok(Host { node, config, leaks: session.leaks })
    }

    async fn load(&self, wanted: &PeerConfig) -> Result<Configured> {
        let (endpoint, configured) = connection::endpoint(wanted)?;
        let certificates = connection::certificates(wanted)?;
        let mut initiations = Vec::new();
        for connection in &wanted.connections {
            let begun = connection.children.iter().filter(|child| child.start == Start::Initiate);
            for child in begun {
                let (own, certificates) = (self.about.address, certificates.as_ref());
                initiations.push(connection::initiation(connection, child, own, certificates)?);
            }
        }
        let mut session = self.session.lock().await;
        session.replace(&self.seat, wanted.clone(), endpoint).await;
        for connection in initiations {
            session.node.command(Command::Initiate(Box::new(connection)));
        }
        Ok(configured)
    }

    async fn begin(&self, connection: &str, child: &str, within: Duration) -> Result<Initiated> {
        let (node, config) = self.running().await?;
        let named = config.connections.iter().find(|one| one.name == connection);
        let wanted =
            named.and_then(|one| Some((one, one.children.iter().find(|c| c.name == child)?)));
        let Some((of, wanted)) = wanted else {
            return Err(no_such("child", &connection::core_name(connection, child)));
        };
        let existing = sas::read(&node.log().events, &config);
        let up = existing.iter().find(|sa| sa.connection == connection && sa.established);
        if let Some(sa) = up {
            if connection::mode_of(of).is_none() {
                let why = "the core has no CREATE_CHILD_SA exchange yet";
                return Err(connection::unsupported(
                    "another child SA of an IKE SA that is up",
                    why,
                ));
            }
            let Some(ike) = handle(sa) else {
                return Err(no_such("IKE SA of connection", connection));
            };
            let asks = connection::further(of, wanted);
            return control::ask(&node, ike, asks, within).await;
        }
        let certificates = connection::certificates(&config)?;
        let own = self.about.address;
        let wanted = connection::initiation(of, wanted, own, certificates.as_ref())?;
        control::initiate(&node, wanted, within).await
    }

    async fn end(&self, target: &Target) -> Result<()> {
        let (node, config) = self.running().await?;
        let from = node.log().events.len();
        let sas = sas::read(&node.log().events, &config);
        let of = |connection: &str| {
            sas.iter().filter(|sa| sa.connection == connection).collect::<Vec<_>>()
        };
        match target {
            Target::Sa(number) => {
                let one = sas.iter().find(|sa| sa.unique_id == *number).and_then(handle);
                let ike = one.ok_or_else(|| no_such("IKE SA", number))?;
                control::delete_ike(&node, from, &[ike], control::DELETE).await
            }
            Target::Ike(connection) => {
                let sas = of(connection);
                let handles: Vec<_> = sas.iter().filter_map(|sa| handle(sa)).collect();
                if handles.is_empty() {
                    return Err(no_such("IKE SA of connection", connection));
                }
                control::delete_ike(&node, from, &handles, control::DELETE).await
            }
            Target::Child(connection, name) => {
                let spis = receiving(&of(connection), connection, name)?;
                control::delete_children(&node, from, &spis).await
            }
        }
    }

    /// Asks for new pairs in place of those of a child; what comes of it is seen in the SAs.
    async fn replace(&self, target: &Target) -> Result<()> {
        let (node, config) = self.running().await?;
        let (Target::Ike(name) | Target::Child(name, _)) = target else {
            let why = "the core begins a connection";
            return Err(connection::unsupported("rekeying one SA of several", why));
        };
        let of_v1 = config
            .connections
            .iter()
            .any(|one| one.name == *name && connection::mode_of(one).is_some());
        if !of_v1 {
            let why = "the core has no CREATE_CHILD_SA exchange yet";
            return Err(connection::unsupported("rekeying", why));
        }
        let Target::Child(_, child) = target else {
            return self.authenticate_anew(&node, &config, name);
        };
        let sas = sas::read(&node.log().events, &config);
        let sas: Vec<_> = sas.iter().filter(|sa| sa.connection == *name).collect();
        for (ike, spi) in receiving(&sas, name, child)? {
            node.command(Command::RekeyChild { ike, spi });
        }
        Ok(())
    }

    /// Begins phase 1 once more and asks for nothing under it: the core moves what there is.
    fn authenticate_anew(&self, node: &Node, config: &PeerConfig, name: &str) -> Result<()> {
        let named = config.connections.iter().find(|one| one.name == name);
        let Some((of, child)) = named.and_then(|of| Some((of, of.children.first()?))) else {
            return Err(no_such("connection", name));
        };
        let (own, certificates) = (self.about.address, connection::certificates(config)?);
        let mut wanted = connection::initiation(of, child, own, certificates.as_ref())?;
        wanted.ts_local.clear();
        node.command(Command::Initiate(Box::new(wanted)));
        Ok(())
    }

    async fn sas_now(&self) -> Result<Vec<IkeSa>> {
        let (node, config) = self.running().await?;
        let (mut sas, live) = {
            let log = node.log();
            (sas::read(&log.events, &config), sas::live(&log.events))
        };
        let counted = control::count(&node, live).await;
        for child in sas.iter_mut().flat_map(|sa| &mut sa.children) {
            if let Some((received, sent)) = counted.get(&child.spi_in) {
                (child.received, child.sent) = (traffic(*received), traffic(*sent));
            }
        }
        Ok(sas)
    }

    async fn count_all(&self) -> Result<BTreeMap<String, u64>> {
        let (node, _) = self.running().await?;
        let live = sas::live(&node.log().events);
        let drops = node.inspect({
            let live = live.clone();
            move |edge| {
                let plane = edge.data_plane();
                let inbound = live.iter().filter_map(|child| plane.inbound(child.spi_in));
                let of_sas = inbound.flat_map(|sa| sa.drops().iter());
                let all = of_sas.chain(plane.unknown_drops().iter());
                all.map(|(kind, count)| (format!("drop-{kind:?}"), count)).collect::<Vec<_>>()
            }
        });
        let mut counters = BTreeMap::new();
        let mut add = |name: String, count| *counters.entry(name).or_default() += count;
        for (name, count) in drops.await.unwrap_or_default() {
            add(name, count);
        }
        for (received, sent) in control::count(&node, live).await.into_values() {
            add(String::from("esp-in-packets"), received.packets);
            add(String::from("esp-in-bytes"), received.bytes);
            add(String::from("esp-out-packets"), sent.packets);
            add(String::from("esp-out-bytes"), sent.bytes);
        }
        Ok(counters)
    }

    /// Ends all SAs, as a daemon does that is unloaded, and says what is left of them.
    async fn unload(&self) -> Vec<Difference> {
        let mut session = self.session.lock().await;
        if session.alive {
            let node = Arc::clone(&session.node);
            let from = node.log().events.len();
            let sas = sas::read(&node.log().events, &session.config);
            let handles: Vec<_> = sas.iter().filter_map(handle).collect();
            if control::delete_ike(&node, from, &handles, UNLOAD).await.is_err() {
                // Nobody answered: the SAs go without a further word.
                for ike in handles {
                    node.command(Command::Forget { ike });
                }
            }
        }
        // What only the configuration was is gone; what the edge still has shows as it is.
        session.config = Arc::new(PeerConfig::default());
        session.leaks = false;
        let left_over = session.dump().await.differences(&Session::nothing());
        session.renew(&self.seat).await;
        left_over
    }
}

fn traffic(counters: Counters) -> Traffic {
    Traffic { packets: counters.packets, bytes: counters.bytes }
}

fn handle(sa: &IkeSa) -> Option<IkeHandle> {
    sa.unique_id.parse().ok().map(IkeHandle)
}

/// The IKE SAs and inbound SPIs of the pairs of a child.
fn receiving(sas: &[&IkeSa], connection: &str, child: &str) -> Result<Vec<(IkeHandle, u32)>> {
    let all = sas.iter().filter_map(|sa| Some((handle(sa)?, &sa.children)));
    let spis: Vec<_> = all
        .flat_map(|(ike, all)| all.iter().map(move |child| (ike, child)))
        .filter(|(_, one)| one.name == *child)
        .map(|(ike, one)| (ike, one.spi_in))
        .collect();
    if spis.is_empty() {
        return Err(no_such("child SA", &connection::core_name(connection, child)));
    }
    Ok(spis)
}

fn no_such(what: &'static str, value: &str) -> Error {
    Error::Invalid { what, value: value.to_owned(), why: String::from("there is none") }
}

fn capabilities() -> BTreeSet<Capability> {
    use Capability::{
        Aggressive, Ah, Counters, Esn, FullMtu, Group2, Ikev1, Md5, NoNat, NullEncryption, RawEsp,
        TripleDes,
    };
    // Extended sequence numbers are offered only: as a responder it refuses them.
    BTreeSet::from([
        Aggressive,
        Ah,
        Counters,
        Esn,
        FullMtu,
        Group2,
        Ikev1,
        Md5,
        NoNat,
        NullEncryption,
        RawEsp,
        TripleDes,
    ])
}

impl Peer for Embedded {
    fn about(&self) -> &About {
        &self.about
    }

    fn plane(&self) -> Option<&Arc<Plane>> {
        None
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
        self.replace(target).boxed()
    }

    fn sas(&self) -> Pending<'_, Vec<IkeSa>> {
        self.sas_now().boxed()
    }

    fn counters(&self) -> Pending<'_, BTreeMap<String, u64>> {
        self.count_all().boxed()
    }

    fn log(&self) -> Pending<'_, String> {
        async move { Ok(describe::log(&self.session.lock().await.node.log())) }.boxed()
    }

    fn ping<'a>(&'a self, ping: &'a Ping) -> Pending<'a, PingReport> {
        async move { self.host().await?.ping(ping).await }.boxed()
    }

    fn tcp<'a>(&'a self, tcp: &'a Tcp) -> Pending<'a, TcpReport> {
        async move { self.host().await?.tcp(tcp).await }.boxed()
    }

    fn listen<'a>(&'a self, tcp: &'a Tcp) -> Pending<'a, Listening> {
        async move { self.host().await?.listen(tcp).await }.boxed()
    }

    fn remove_policies(&self) -> Pending<'_, ()> {
        async move {
            let mut session = self.session.lock().await;
            session.running()?.leak();
            session.leaks = true;
            Ok(())
        }
        .boxed()
    }

    fn next_password(&self) -> Pending<'_, ()> {
        // The core has had both from the start.
        async { Ok(()) }.boxed()
    }

    fn kill(&self) -> Pending<'_, ()> {
        async move {
            self.session.lock().await.halt(&self.seat).await;
            Ok(())
        }
        .boxed()
    }

    fn restart(&self) -> Pending<'_, ()> {
        async move {
            self.session.lock().await.renew(&self.seat).await;
            Ok(())
        }
        .boxed()
    }

    fn state(&self) -> Pending<'_, StateDump> {
        self.dump().boxed()
    }

    fn left_over(&self) -> Pending<'_, Vec<Difference>> {
        async move { Ok(self.dump().await?.differences(&Session::nothing())) }.boxed()
    }

    fn reset(&self) -> Pending<'_, Reset> {
        async move {
            let left_over = self.unload().await;
            let restarted = !left_over.is_empty();
            Ok(Reset { left_over, restarted })
        }
        .boxed()
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>> {
        async move {
            self.session.lock().await.halt(&self.seat).await;
            Ok(())
        }
        .boxed()
    }
}
