//! (3) IKEv2: the exchanges as state machines, one struct for each awaited state (RFC 7296).

pub(crate) mod channel;
pub(crate) mod child;
pub(crate) mod established;
#[cfg(test)]
mod grid;
pub(crate) mod initiator;
pub(crate) mod natd;
pub(crate) mod responder;
pub(crate) mod sa;
pub(crate) mod syntax;
#[cfg(test)]
pub(crate) mod tests;
