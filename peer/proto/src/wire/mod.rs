//! Octets and messages (2): what came in a datagram becomes a value, a value becomes octets.
//!
//! Two levels. The raw one ([`RawMessage`]) keeps every bit and can write illegal octets; the typed
//! one (`v2`, `v1`) holds what the payloads mean and writes only what the formats allow. Decoding
//! never panics, reads only within the bounds of the enclosing length field, and allocates no
//! more than a fixed multiple of what it was given. Raw numbers are newtypes ([`num`]); turning
//! them into algorithms is for the layers above.

pub mod ah;
pub mod attribute;
pub mod cursor;
pub mod error;
pub mod esp;
pub mod header;
pub mod hex;
pub mod num;
pub mod raw;
pub mod v1;
pub mod v2;

pub use ah::{AH_PROTOCOL, AhHeader};
pub use attribute::Attribute;
pub use cursor::{Reader, Writer};
pub use error::{DecodeError, DecodeErrorKind, Limit};
pub use esp::{ESP_HEADER_LEN, EspHeader};
pub use header::{Flags, Header, IkeSpi, Version};
pub use num::{
    AuthMethod, CertEncoding, CfgAttr, CfgType, EncrId, EsnId, ExchangeType, GroupId, IdType,
    IntegId, NotifyType, PayloadType, PrfId, ProtocolId, TransformType, TsType,
};
pub use raw::{MAX_PAYLOADS, RawMessage, RawPayload};
