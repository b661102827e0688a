//! Scenarios: what is tried with a peer and what must come of it.
//!
//! A file is one scenario: who takes part (`[[edge]]`, `[[peer]]`, `[network]`), what happens
//! (`[[step]]`), the twins in which a named check must fail (`[[control]]`), and variants with a
//! written expectation for each (`[matrix]`). Loading checks everything and spells a file out into
//! [`Case`]s, one for each initiator, variant and control, of primitive [`Step`]s: a runner needs to
//! know nothing else. The words are explained in the package's `README.md`.

mod check;
mod expect;
mod fault;
mod load;
mod matrix;
mod pairs;
mod resolve;
mod setup;
mod step;
#[cfg(test)]
mod tests;
mod words;

pub use expect::{
    CheckName, Established, EventName, EventPattern, Expect, From, IkeFragments, Ikev1Auth,
    Leftover, MessagePattern, Never, OnWire, Refused, Retry, Tcp, Traffic,
};
pub use fault::FaultSpec;
pub use load::{Case, Control, Known, Scenario, builtin, builtin_text, load_files};
pub use setup::{
    Affects, Begins, CertificateSize, Cookie, CredentialSpec, DEFAULT_PROFILE, Edge, EdgeTs, Life,
    Limit, LoginSpec, Nat, Network, Peer, PeerCookie, PeerDpd, PeerLife, PeerLogin, PeerTs,
    Policies, Port, Switch, Version,
};
pub use step::{
    Action, Advance, Connect, Delete, Direction, Exchange, Initiate, MessageMatch, Repeat, Scope,
    Step, What, Which, Works, Written,
};
pub(crate) use words::one_or_many;
pub use words::{
    Actor, IdSpec, Lifetime, Need, Nets, Notify, Octets, PayloadName, Side, Span, Tier,
};
