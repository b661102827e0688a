//! Captures: from a file to the datagrams that the auditor takes.
//!
//! Reads pcap and pcapng with Ethernet, Linux cooked and raw IP frames, puts fragmented IP packets
//! together, and keeps UDP on the ports of IKE and NAT traversal and ESP. A file cut off in the
//! middle of a packet gives what is before it.

mod file;
mod fragments;
mod link;
mod stream;

pub use file::{CaptureError, LinkType, Packet, packets};
pub use stream::{Judged, Options, Side, judge, observe, observe_frames};
