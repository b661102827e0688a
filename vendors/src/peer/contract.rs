//! The driver contract: what a runner can ask of any tested peer.
//!
//! Object safe, `&self` throughout: a ping may run while a rekey is asked for. Operations are bounded
//! in time; what a peer cannot do is `Error::Unsupported`.

use std::{collections::BTreeSet, fmt, net::IpAddr, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use serde::{Deserialize, Serialize};

use super::{
    config::{Configured, PeerConfig},
    state::{Difference, IkeSa, Reset, StateDump},
    traffic::{Listening, Ping, PingReport, Tcp, TcpReport},
};
use crate::{Result, Unsupported, agent::Finished, inside, netns::NetNs, plane::Plane};

/// A future of a driver operation.
pub type Pending<'a, T> = BoxFuture<'a, Result<T>>;

/// Who does ESP and AH for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataPlane {
    /// The host's kernel, in the container's network namespace.
    Host,
    /// strongSwan's kernel-libipsec over a TUN device.
    Userspace,
    /// The kernel of a user-mode Linux guest in the container.
    Guest,
    /// The core's own, in process.
    Embedded,
}

impl fmt::Display for DataPlane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Userspace => "userspace",
            Self::Guest => "guest",
            Self::Embedded => "embedded",
        })
    }
}

/// Something not every peer can do. The words are those of a scenario's `needs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Capability {
    /// ESP without UDP encapsulation.
    RawEsp,
    /// No NAT is pretended where there is none.
    NoNat,
    /// Authentication Header.
    Ah,
    /// Transport mode.
    Transport,
    /// Extended sequence numbers.
    Esn,
    /// Diffie-Hellman group 2.
    Group2,
    /// Triple DES.
    #[serde(rename = "3des")]
    TripleDes,
    /// HMAC-MD5.
    Md5,
    /// ESP with null encryption.
    NullEncryption,
    /// IKE version 1.
    Ikev1,
    /// IKEv1 aggressive mode.
    Aggressive,
    /// MOBIKE.
    Mobike,
    /// Reacts to ICMP "fragmentation needed" on the outer path.
    Pmtu,
    /// Inner packets up to the path's own limit, so that a clamped MSS can be told from a small MTU.
    FullMtu,
    /// Traffic counters per child SA.
    Counters,
    /// Says, when it has come back, that it has no other IKE SA, in both versions.
    InitialContact,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::RawEsp,
        Self::NoNat,
        Self::Ah,
        Self::Transport,
        Self::Esn,
        Self::Group2,
        Self::TripleDes,
        Self::Md5,
        Self::NullEncryption,
        Self::Ikev1,
        Self::Aggressive,
        Self::Mobike,
        Self::Pmtu,
        Self::FullMtu,
        Self::Counters,
        Self::InitialContact,
    ];

    /// Its word in scenarios and records.
    pub const fn word(self) -> &'static str {
        match self {
            Self::RawEsp => "raw-esp",
            Self::NoNat => "no-nat",
            Self::Ah => "ah",
            Self::Transport => "transport",
            Self::Esn => "esn",
            Self::Group2 => "group2",
            Self::TripleDes => "3des",
            Self::Md5 => "md5",
            Self::NullEncryption => "null-encryption",
            Self::Ikev1 => "ikev1",
            Self::Aggressive => "aggressive",
            Self::Mobike => "mobike",
            Self::Pmtu => "pmtu",
            Self::FullMtu => "full-mtu",
            Self::Counters => "counters",
            Self::InitialContact => "initial-contact",
        }
    }
}

/// What a peer is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The vendor's name, such as `strongswan`.
    pub name: String,
    /// The daemon's version.
    pub version: String,
    /// The full version of the Debian package, or how the source was obtained.
    pub package: String,
    /// The image's full tag.
    pub image: String,
    /// Who does ESP.
    pub data_plane: DataPlane,
    /// The kernel that does it.
    pub kernel: String,
    /// The peer's address in the lane.
    pub address: IpAddr,
    /// What it can do.
    pub capabilities: BTreeSet<Capability>,
}

/// What to end or rekey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// All IKE SAs of a connection.
    Ike(String),
    /// One IKE SA, by its number at the peer.
    Sa(String),
    /// One child of a connection.
    Child(String, String),
}

/// The result of an initiation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Initiated {
    /// The child is up, says the peer.
    Up,
    /// The peer gave up or was refused: its own words.
    Failed(String),
    /// The time ran out while the peer was still trying.
    StillTrying,
}

/// A tested peer. See the module's documentation.
pub trait Peer: Send + Sync {
    /// What it is.
    fn about(&self) -> &About;

    /// The container that the peer is in; `None` for one in this process. With a container, traffic
    /// and commands need nothing of the vendor's; without one, they are the peer's own.
    fn plane(&self) -> Option<&Arc<Plane>>;

    /// The network namespace that the peer's wire is in; `None` if the peer has no wire of its own.
    fn wire(&self) -> Option<&NetNs> {
        self.plane().map(|plane| plane.net())
    }

    /// Replaces the configuration.
    fn configure<'a>(&'a self, config: &'a PeerConfig) -> Pending<'a, Configured>;

    /// Initiates a child and waits for the outcome, at most `within`.
    fn initiate<'a>(
        &'a self,
        connection: &'a str,
        child: &'a str,
        within: Duration,
    ) -> Pending<'a, Initiated>;

    /// Deletes an IKE SA or a child, telling the other side.
    fn terminate<'a>(&'a self, target: &'a Target) -> Pending<'a, ()>;

    /// Rekeys an IKE SA or a child. In IKEv1, the former begins phase 1 once more.
    fn rekey<'a>(&'a self, target: &'a Target) -> Pending<'a, ()>;

    /// The IKE SAs with their children.
    fn sas(&self) -> Pending<'_, Vec<IkeSa>>;

    /// The daemon's and the kernel's counters, by name.
    fn counters(&self) -> Pending<'_, std::collections::BTreeMap<String, u64>>;

    /// The daemon's log since the last `configure`.
    fn log(&self) -> Pending<'_, String>;

    /// Pings from inside.
    fn ping<'a>(&'a self, ping: &'a Ping) -> Pending<'a, PingReport> {
        async move { ping.run(contained(self.plane(), self.about())?.shell()).await }.boxed()
    }

    /// Connects from inside and moves octets.
    fn tcp<'a>(&'a self, tcp: &'a Tcp) -> Pending<'a, TcpReport> {
        async move { tcp.run(contained(self.plane(), self.about())?.shell()).await }.boxed()
    }

    /// Listens inside for one connection; the report comes when it ended.
    fn listen<'a>(&'a self, tcp: &'a Tcp) -> Pending<'a, Listening> {
        async move { inside::listen(contained(self.plane(), self.about())?.clone(), tcp).await }
            .boxed()
    }

    /// Runs a shell command where the peer's data plane is: for what the contract has no word for.
    fn shell<'a>(&'a self, script: &'a str, within: Duration) -> Pending<'a, Finished> {
        async move { contained(self.plane(), self.about())?.shell().run(script, within).await }
            .boxed()
    }

    /// Removes the policies that make traffic go through tunnels, while the SAs stay: from now on it
    /// leaves in clear, which is the control of every check that nothing does. Until the next
    /// `configure`, `restart` or `reset`.
    fn remove_policies(&self) -> Pending<'_, ()>;

    /// From now on users answer with the password after the first one, also in an exchange that is under
    /// way. Whoever has all of them from the start, and takes the next one for each question, does
    /// nothing.
    fn next_password(&self) -> Pending<'_, ()>;

    /// Ends the daemon at once, with no delete sent.
    fn kill(&self) -> Pending<'_, ()>;

    /// Starts the daemon anew (ending it first if it runs); nothing is configured afterwards.
    fn restart(&self) -> Pending<'_, ()>;

    /// The full state that has to be the same before every case.
    fn state(&self) -> Pending<'_, StateDump>;

    /// What differs from the state right after the start.
    fn left_over(&self) -> Pending<'_, Vec<Difference>>;

    /// Unloads everything, and restarts the daemon if that does not restore the pristine state.
    fn reset(&self) -> Pending<'_, Reset>;

    /// Removes the peer's container.
    fn close(self: Box<Self>) -> BoxFuture<'static, Result<()>>;
}

/// A peer's container, which its commands run in.
fn contained<'a>(plane: Option<&'a Arc<Plane>>, about: &About) -> Result<&'a Arc<Plane>> {
    let unsupported = || Unsupported {
        peer: about.name.clone(),
        what: String::from("commands in a container"),
        why: String::from("it runs in this process"),
    };
    Ok(plane.ok_or_else(unsupported)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_capabilities_are_there_under_their_words() {
        for capability in Capability::ALL {
            let word = serde_json::Value::from(capability.word());
            assert_eq!(serde_json::to_value(capability).unwrap(), word);
        }
        // serde names every variant there is.
        let error = serde_json::from_str::<Capability>("\"?\"").unwrap_err().to_string();
        let (_, known) = error.split_once("expected one of ").unwrap();
        assert_eq!(known.matches('`').count(), 2 * Capability::ALL.len(), "{error}");
    }
}
