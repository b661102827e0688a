//! IKEv1 on the wire (RFC 2408). For now its messages are only recognised.

mod header;

pub use header::{FLAG_AUTH_ONLY, FLAG_COMMIT, FLAG_ENCRYPTION, is_encrypted, is_v1};
