//! What the shared header says in IKEv1 (RFC 2408, section 3.1).
//!
//! The SPIs are the cookies, the exchange types are those of IKEv1 in
//! [`ExchangeType`](crate::wire::ExchangeType), and the flags are other ones than in IKEv2. The
//! payload numbers are others too, so a message of this version must not be decoded by `v2`.

use crate::wire::header::{Flags, Header};

/// The payloads after the header are encrypted.
pub const FLAG_ENCRYPTION: Flags = Flags(0x01);
/// The sender waits for the other side before it uses the SA.
pub const FLAG_COMMIT: Flags = Flags(0x02);
/// The content is authenticated but not encrypted.
pub const FLAG_AUTH_ONLY: Flags = Flags(0x04);

/// Whether the message is one of IKEv1. Version 0 is not.
pub const fn is_v1(header: &Header) -> bool {
    header.version.major == 1
}

/// Whether the message is one of IKEv1 with an encrypted body.
pub const fn is_encrypted(header: &Header) -> bool {
    is_v1(header) && header.flags.contains(FLAG_ENCRYPTION)
}
