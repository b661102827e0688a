//! IKEv1 on the wire, typed (RFC 2407, RFC 2408, RFC 3947). One payload per file.
//!
//! Header, generic payload header and attributes are those of both versions, and so are payloads that
//! look alike. Reserved octets are ignored; unknown attributes and payloads are kept but set apart.

mod attributes;
mod fragment;
mod header;
mod id;
mod message;
mod nat;
mod notify;
pub mod num;
mod payload;
mod sa;
pub mod vendor;

pub use crate::wire::v2::{Cert, CertReq, VendorId};
pub use attributes::Attributes;
pub use fragment::{Fragment, FragmentError};
pub use header::{FLAG_AUTH_ONLY, FLAG_COMMIT, FLAG_ENCRYPTION, is_encrypted, is_v1};
pub use id::Id;
pub(crate) use message::ALIGNMENT;
pub use message::Message;
pub use nat::NatOa;
pub use notify::{Delete, Notify};
pub use num::{NotifyKind, PayloadKind};
pub use payload::Payload;
pub use sa::{DOI_IPSEC, DOI_ISAKMP, KEY_IKE, Proposal, SITUATION_IDENTITY_ONLY, Sa, Transform};
