//! Everything around the core that touches the outside world.
//!
//! A [`node`] is an edge with sockets in a namespace or on the host ([`netns`]) or a place in a
//! network in memory ([`hub`]), and with inner hosts ([`inner`]) whose traffic goes through its
//! tunnels. Beside it stand captures of the wire and what they show ([`capture`]), and key tables for
//! Wireshark and what tshark reads with them ([`wireshark`]). The core decides; this package moves
//! octets and tells the time.

pub mod capture;
pub mod hosts;
pub mod hub;
pub mod inner;
pub mod netns;
pub mod node;
mod recorder;
pub mod sockets;
pub mod wire;
pub mod wireshark;
