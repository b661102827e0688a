//! What goes into the endpoint and what comes out of it.
//!
//! There is one [`Input`] enum and one [`Output`] enum. The rule of the run loop is written at
//! [`Endpoint`](crate::endpoint::Endpoint): hand in one input, then drain until `Output::Timeout`.

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Connection;
use crate::event::{Event, KeyLogEntry};
use crate::fault::Fault;
use crate::sa;
use crate::time::Time;
use crate::wire::v2::{Proposal, TrafficSelector};

/// Which of the endpoint's two UDP sockets a datagram belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// The socket of UDP 500: IKE without a marker (RFC 7296 §2).
    Ike,
    /// The socket of UDP 4500: IKE behind the non-ESP marker, ESP, keepalives (RFC 3948 §2).
    Nat,
}

/// Where a UDP datagram came from or goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Path {
    /// The own socket.
    pub channel: Channel,
    /// The own address and port.
    pub local: SocketAddr,
    /// The address and port of the other side.
    pub remote: SocketAddr,
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<->{}", self.local, self.remote)
    }
}

/// An IKE SA of this endpoint. Numbers are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IkeHandle(pub u64);

impl fmt::Display for IkeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ike-{}", self.0)
    }
}

/// Something that the endpoint is told.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram that is IKE, without the non-ESP marker; see [`crate::datagram`].
    Ike {
        /// Where it came from.
        path: Path,
        /// The IKE message.
        bytes: &'a [u8],
    },
    /// Nothing but time has passed.
    Timeout,
    /// The owner wants something done.
    Command(Command),
    /// The data plane tells what it saw.
    DataPlane(sa::Report),
    /// When a tunnel last carried anything: the answer to [`Output::AskActivity`].
    Activity(Activity),
}

/// When a tunnel last carried anything.
#[derive(Clone, Copy, Debug)]
pub struct Activity {
    /// The tunnel.
    pub tunnel: sa::TunnelId,
    /// The last authentic packet of the peer.
    pub last_inbound: Option<Time>,
    /// The last packet to the peer.
    pub last_outbound: Option<Time>,
}

/// What the owner of an endpoint can ask for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Set up an IKE SA and its first Child SA as the initiator.
    Initiate(Box<Connection>),
    /// Delete an IKE SA and all its Child SAs with an INFORMATIONAL exchange (RFC 7296 §1.4.1).
    DeleteIke {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// Delete the Child SA that receives on this SPI.
    DeleteChild {
        /// The IKE SA that it belongs to.
        ike: IkeHandle,
        /// The own inbound SPI.
        spi: u32,
    },
    /// Ask the peer for one more pair of SAs under an IKE SA that is up, in IKEv1 (RFC 2409, section 5.5).
    /// Nothing happens in IKEv2.
    CreateChild {
        /// The IKE SA that it is to belong to.
        ike: IkeHandle,
        /// What is asked for.
        ask: Box<ChildAsk>,
    },
    /// Replace the pair of SAs that receives on this SPI by a new one, in IKEv1 (RFC 2409, section 5.5).
    /// Nothing happens in IKEv2.
    RekeyChild {
        /// The IKE SA that it belongs to.
        ike: IkeHandle,
        /// The own inbound SPI.
        spi: u32,
    },
    /// Ask the peer for a sign of life now (RFC 7296 §2.4).
    Probe {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// Move the clock of one IKE SA forward: its timers see the time as that much later.
    ///
    /// The activity of its tunnels has to be reported before.
    SkipTime {
        /// The IKE SA.
        ike: IkeHandle,
        /// How far.
        by: Duration,
    },
    /// Forget an IKE SA without a word to the peer, as a crash would.
    Forget {
        /// The IKE SA.
        ike: IkeHandle,
    },
    /// Deviate from the protocol from now on, as a [`Fault`] says. It counts messages from here.
    Deviate(Box<Fault>),
    /// Delete every SA and take no new ones.
    Shutdown,
}

/// What one more pair of SAs is asked for with.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChildAsk {
    /// The proposals, best first; their SPIs are filled in.
    pub proposals: Vec<Proposal>,
    /// The own side's selector.
    pub ts_local: TrafficSelector,
    /// The peer's side's selector.
    pub ts_remote: TrafficSelector,
}

/// Something that the endpoint wants done or known.
#[derive(Debug)]
pub enum Output {
    /// Send this datagram; on [`Channel::Nat`] the non-ESP marker is already in front.
    Transmit {
        /// Where to.
        path: Path,
        /// The UDP payload.
        bytes: Vec<u8>,
    },
    /// Something happened that an observer may want to know.
    Event(Event),
    /// Keys, if the endpoint was told to log them.
    Keys(KeyLogEntry),
    /// Tell the data plane this.
    DataPlane(Box<sa::Command>),
    /// Answer with [`Input::Activity`] before anything else.
    AskActivity(sa::TunnelId),
    /// All is drained. Call again with [`Input::Timeout`] at `at`, if nothing comes before.
    Timeout(Option<Deadline>),
}

/// The next point in time at which the endpoint wants to be called, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadline {
    /// When.
    pub at: Time,
    /// Which timer it is.
    pub reason: TimerReason,
}

/// The timers of an IKE SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimerReason {
    /// An unanswered request is sent again, or given up (RFC 7296 §2.1).
    Retransmit,
    /// A half-open SA is given up.
    HalfOpen,
    /// The peer has had the time to read the last message of a transaction exchange.
    Acknowledged,
    /// The peer may have to be probed (RFC 7296 §2.4).
    DeadPeer,
    /// A NAT mapping is kept open (RFC 3948 §4).
    Keepalive,
    /// A Child SA has lived its time.
    ChildLifetime,
    /// The IKE SA has lived its time.
    IkeLifetime,
}

/// The address part of a path, for tables that must not care for ports.
pub fn prefix_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(core::net::Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}
