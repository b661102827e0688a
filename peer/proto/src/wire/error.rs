//! Why octets could not be decoded: which item, where, and which length field set the limit.
//!
//! An error of this module blames the sender's octets and nothing else. It is small, `Copy` and
//! never holds any of the octets, so it may go into an event as it is.

use core::fmt;

/// What set the end of the octets that an item was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The octets given to the decoder: a datagram, or the content of a decrypted payload.
    Datagram,
    /// The Length field of the IKE header.
    MessageLength,
    /// The Payload Length field of a generic payload header.
    PayloadLength,
    /// The length or count field of the named structure inside a payload.
    Substructure(&'static str),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Datagram => f.write_str("the datagram"),
            Self::MessageLength => f.write_str("the message length"),
            Self::PayloadLength => f.write_str("the payload length"),
            Self::Substructure(name) => write!(f, "the length of the {name}"),
        }
    }
}

/// In which way an item could not be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeErrorKind {
    /// The item needs more octets than the limit leaves.
    #[error("truncated")]
    Truncated,
    /// Octets are left where the item has to end.
    #[error("followed by octets that belong to nothing")]
    TrailingBytes,
    /// The length is one that the item cannot have.
    #[error("of impossible length")]
    BadLength,
    /// The named field has a value that the item cannot have.
    #[error("with impossible {0} {1}")]
    BadValue(&'static str, u64),
    /// There are more items than are decoded at all.
    #[error("one of too many")]
    TooMany,
}

/// Octets that are no valid encoding, and where they stop being one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{item} at octet {offset} is {kind}: needs {needed}, {limit} leaves {available}")]
pub struct DecodeError {
    /// What was being decoded.
    pub item: &'static str,
    /// Where the item begins, counted from the start of the datagram.
    pub offset: usize,
    /// How many octets, or how many at least, the item needs.
    pub needed: usize,
    /// How many octets the limit leaves for it.
    pub available: usize,
    /// Which length field set the limit.
    pub limit: Limit,
    /// In which way the item could not be decoded.
    pub kind: DecodeErrorKind,
}
