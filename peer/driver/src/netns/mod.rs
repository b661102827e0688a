//! Sockets of the outer network, opened in a network namespace or on the host.
//!
//! A socket belongs for life to the namespace of the thread that made it. So a thread of its own
//! enters the namespace, opens what is needed, hands it over and ends; no other thread ever changes
//! its namespace. The lane's namespace is that of a container's process: `/proc/PID/ns/net`. Where
//! entering is not permitted, a helper inside does the same and hands the descriptors over.
//!
//! Only making a socket and binding it is done there. All else is set here, the same in every case.

mod error;
mod handed;
mod place;
mod raw;
mod udp;

pub use error::{OpenError, Wanted};
pub use handed::Handed;
pub use place::{Namespace, Place};
pub use raw::{HeaderMode, OuterV4, RawProtocol, RawReceived, RawSocket};
pub use udp::{DfMode, UdpOptions, open_udp, open_udp_std};
