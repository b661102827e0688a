//! The payloads of IKEv2, typed (RFC 7296, section 3). One payload per file.
//!
//! Decoding follows the RFC's leniency: reserved bits and the minor version are ignored, unknown
//! attributes, selectors and payloads are kept but set apart. What a typed value drops is still in
//! the [`RawPayload`](super::RawPayload) that it came from.

mod auth;
mod cert;
mod cp;
mod delete;
mod eap;
mod id;
mod ke;
mod message;
mod nonce;
mod notify;
mod payload;
pub mod presence;
mod sa;
mod sk;
mod skf;
#[cfg(test)]
pub(super) mod testing;
mod traffic_selector;
mod transform;
mod ts;
mod vendor_id;

pub use crate::wire::attribute::Attribute;
pub use auth::Auth;
pub use cert::{Cert, CertReq};
pub use cp::{CfgAttribute, Cp};
pub use delete::Delete;
pub use eap::Eap;
pub use id::Id;
pub use ke::Ke;
pub use message::Message;
pub use nonce::Nonce;
pub use notify::Notify;
pub use payload::Payload;
pub use presence::{Violation, check};
pub use sa::{Proposal, Sa};
pub use sk::Sk;
pub use skf::Skf;
pub use traffic_selector::TrafficSelector;
pub use transform::Transform;
pub use ts::{Ts, UnknownSelector};
pub use vendor_id::VendorId;
