//! The sans-IO core of ikeproof: IKE, ESP and AH without sockets, clock or operating-system randomness.
//!
//! Everything this package sees is an input: datagrams, time, randomness, configuration. The same
//! inputs give the same outputs, so a session with a real peer can be recorded and replayed.
//!
//! # The run loop
//!
//! Hand in one input, then drain the outputs until [`EdgeOutput::Timeout`](edge::EdgeOutput::Timeout),
//! which says when to come back if nothing arrives before. Here a queue stands for the network and a
//! variable for the clock:
//!
//! ```
//! use std::collections::VecDeque;
//! use std::time::Duration;
//!
//! use ikeproof_proto::config::{Connection, EndpointConfig, Limits, NatPorts, Timers};
//! use ikeproof_proto::crypto::{SecretBytes, default_provider};
//! use ikeproof_proto::edge::{Edge, EdgeInput, EdgeOutput};
//! use ikeproof_proto::event::Event;
//! use ikeproof_proto::forward::ForwardConfig;
//! use ikeproof_proto::io::{Command, Deadline, Path};
//! use ikeproof_proto::policy::{
//!     ChildOffer, Credential, Identity, IkeOffer, Profile, RemoteAccess,
//! };
//! use ikeproof_proto::time::Time;
//! use ikeproof_proto::wire::v2::{Id, TrafficSelector};
//!
//! let psk = || SecretBytes::from_slice(b"a secret of both");
//! let edge = |seed: u8| {
//!     let config = EndpointConfig {
//!         profile: Profile::lenient("doc"),
//!         identity: None,
//!         credentials: vec![Credential {
//!             id: Identity::Fqdn("branch.example.com".to_owned()),
//!             psk: psk(),
//!             bound_source: None,
//!         }],
//!         certificates: None,
//!         remote_access: RemoteAccess::default(),
//!         limits: Limits::default(),
//!         timers: Timers::default(),
//!         faults: Vec::new(),
//!         log_keys: false,
//!     };
//!     Edge::new(config, ForwardConfig::TRANSPARENT, [seed; 32], default_provider())
//! };
//!
//! /// Drains an edge: datagrams go to the network, events to the reader, and it says when to call.
//! fn drain(
//!     edge: &mut Edge,
//!     network: &mut VecDeque<(Path, Vec<u8>)>,
//!     events: &mut Vec<Event>,
//! ) -> Option<Deadline> {
//!     loop {
//!         match edge.poll_output() {
//!             EdgeOutput::Udp { path, payload } => network.push_back((path, payload)),
//!             EdgeOutput::Event(event) => events.push(event),
//!             EdgeOutput::Timeout(deadline) => return deadline,
//!             // ESP of its own, inner packets, keys: nothing that this example needs.
//!             _ => {}
//!         }
//!     }
//! }
//!
//! let (mut now, mut network, mut events) = (Time::ZERO, VecDeque::new(), Vec::new());
//! let (mut initiator, mut responder) = (edge(1), edge(2));
//! let ike: IkeOffer = "aes256-sha256-ecp256".parse()?;
//! let child: ChildOffer = "aes256gcm16".parse()?;
//! let connection = Connection {
//!     name: "doc".to_owned(),
//!     local: "192.0.2.1:500".parse()?,
//!     remote: "192.0.2.2:500".parse()?,
//!     nat_ports: NatPorts::default(),
//!     start_on_nat_port: false,
//!     id: Id::fqdn("branch.example.com"),
//!     remote_id: None,
//!     expect_id: None,
//!     psk: psk(),
//!     ike: vec![ike.proposal(1, &[])],
//!     child: vec![child.proposal(1, &[0; 4], true)],
//!     ts_local: vec![TrafficSelector::subnet("10.0.1.0".parse()?, 24)],
//!     ts_remote: vec![TrafficSelector::subnet("10.0.2.0".parse()?, 24)],
//!     force_encapsulation: false,
//!     ikev1: None,
//! };
//!
//! // A command goes in, IKE_SA_INIT comes out, and the time at which it is to be repeated.
//! initiator.handle(now, EdgeInput::Command(Command::Initiate(Box::new(connection))));
//! let deadline = drain(&mut initiator, &mut network, &mut events).expect("a request is open");
//! assert_eq!(deadline.at, now + Duration::from_secs(1));
//!
//! // The datagram is lost, so time passes until then.
//! network.clear();
//! now = deadline.at;
//! initiator.handle(now, EdgeInput::Timeout);
//! drain(&mut initiator, &mut network, &mut events);
//!
//! // Each datagram that is on its way is handed to whom it is for, and whatever follows goes out.
//! while let Some((path, payload)) = network.pop_front() {
//!     let edge = if path.remote.ip() == "192.0.2.2".parse::<std::net::IpAddr>()? {
//!         &mut responder
//!     } else {
//!         &mut initiator
//!     };
//!     let path = Path { channel: path.channel, local: path.remote, remote: path.local };
//!     edge.handle(now, EdgeInput::Udp { path, payload: &payload });
//!     drain(edge, &mut network, &mut events);
//! }
//! let up = events.iter().filter(|event| matches!(event, Event::ChildEstablished(_)));
//! assert_eq!(up.count(), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unreachable
    )
)]

mod agreement;
pub mod config;
pub mod crypto;
pub mod datagram;
pub mod edge;
pub mod endpoint;
pub mod entropy;
pub mod event;
pub mod fault;
pub mod forward;
pub mod io;
pub mod middlebox;
pub mod pki;
pub mod policy;
pub mod replay;
pub mod sa;
mod secret_hex;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod transcript;
mod v1;
mod v2;
mod window;
pub mod wire;
