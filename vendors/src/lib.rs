//! Who is tested: peer drivers, lanes, containers and device profiles.
//!
//! Place in the data flow: the runner asks for a [`lane::Lane`] (a Docker network with an edge
//! namespace), starts a [`peer::Peer`] in it, configures it with a vendor-neutral
//! [`peer::PeerConfig`] and reads typed state back. Nothing here speaks IKE; the edge's sockets are
//! opened by another package in the [`netns::NetNs`] that the lane exposes.
//!
//! Invariants: every container and network carries the labels `ikeproof=1` and `ikeproof.run=<id>`;
//! nothing has a fixed name; what a peer cannot do is a typed [`Unsupported`], never a dropped
//! option; the library prints nothing, progress goes to [`images::Progress`].

pub mod agent;
pub mod docker;
pub mod doctor;
pub mod embedded;
mod error;
pub mod images;
mod inside;
pub mod lane;
pub mod libreswan;
pub mod netns;
pub mod peer;
pub mod plane;
pub mod router;
pub mod run;
pub mod start;
pub mod strongswan;
pub mod subnet;

pub use error::{Error, Result, Unsupported};
pub use testcontainers::bollard::Docker;
