//! The hosts behind the edge: a TCP/IP endpoint per tunnel, made of smoltcp and our own ping.
//!
//! Place in the data flow: packets that ESP opened go in through [`InnerHost::push_packet`], packets to
//! be sealed come out of [`InnerHost::poll_packet`]; the edge's router (`ikeproof_proto::forward`) sits in
//! between. [`InnerHost`] is sans-IO and takes the time as an input; a node runs it.
//!
//! An inner host has MTU 1500, announces MSS 1460 (1440 over IPv6) and answers for every address of its
//! ranges. It has no path MTU discovery in TCP, so that what the edge does to MSS and size shows.

mod config;
mod host;
mod observe;
mod pattern;
mod ping;
mod ping_packet;
mod stack;
mod tcp;

pub use config::{InnerConfig, Service};
pub use host::{InnerEvent, InnerHost, InnerStats};
pub use observe::TcpPair;
pub use pattern::{Digest, Pattern};
pub use ping::{PingError, PingId, PingReply, PingReport, PingRequest};
pub use tcp::{ConnectError, Job, ListenId, ListenRequest, TcpEnd, TcpId, TcpReport, TcpRequest};
