//! AH: packets against the keys of the key log (RFC 4302).
//!
//! A packet of AH is the whole IP packet, since the ICV covers the outer header. What exchanges of IKE
//! say about its SPIs is the matter of [`Esp`](crate::esp::Esp), which knows those of both protocols.

mod covered;
mod packet;
mod sas;
mod verifier;

pub(crate) use sas::Ah;
pub(crate) use verifier::Verifier;
