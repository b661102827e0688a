//! The auditor: judges every message of both sides against the requirement catalogue.
//!
//! It is independent of what it judges: it sees only datagrams, who sent them, when, and the key
//! log; it decodes with [`ikeproof_proto::wire`] and computes with [`ikeproof_proto::crypto`]. It
//! knows neither the state machines nor the policy of the edge, so an error of theirs cannot hide
//! itself here.
//!
//! ```text
//! Observed ─► Auditor ─► Finding    a requirement, who broke it, the octet that decided
//!    ▲           │  └──► Decoded    the timeline: a line and a tree of fields per datagram
//!    │        KeyLogEntry
//! capture (pcap, pcapng)
//! ```
//!
//! Findings do not depend on when the keys come, and not on loss, repetition or reordering by the
//! network. Nothing here panics on input, and all memory is bounded: see [`limits`].
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

mod ah;
mod auditor;
pub mod capture;
mod contents;
mod describe;
mod esp;
mod finding;
mod framing;
mod ike;
mod keys;
mod level;
pub mod limits;
mod numbers;
mod observed;
pub mod rules;
mod v1;
mod vectors;

pub use auditor::Auditor;
pub use contents::{Contents, EspContents, IkeContents, InnerHeader, Part, Seal};
pub use describe::{Decoded, Detail, DetailLevel};
pub use finding::{Applied, Finding};
pub use level::Level;
pub use observed::{Observed, Sender, Transport};
pub use rules::{IKEV1, RULES, Rule};
