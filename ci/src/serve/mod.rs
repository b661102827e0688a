//! `ikeproof serve`: the edge for a device on a bench, until interrupted.
//!
//! ```text
//!  options -> settings -> a node for each address -> pump -> output: standard output, pcapng, keys
//! ```
//!
//! [`settings`] reads the options, [`session`] runs nodes until a signal comes, [`output`] is the one
//! place that writes. What is written of an event is decided in [`shown`], [`events`] and [`drops`];
//! [`text`] is the same for people. All queues between them are bounded: what nobody reads is counted and lost.

mod drops;
mod events;
mod keys;
mod output;
mod session;
mod settings;
mod shown;
mod text;

pub use session::run;
