//! ESP: packets against the SAs that the exchanges of IKE have made (RFC 4303, RFC 4106, RFC 3948).

mod checks;
mod inner;
mod opener;
mod sas;

pub(crate) use inner::{describe as describe_inner, header as inner_header};
pub(crate) use opener::Opener;
pub(crate) use sas::{ChildFacts, Esp};
