//! From raw payloads to typed ones, with the judgement that RFC 7296 §2.5 asks for: unknown payloads
//! are skipped unless they are critical, reserved bits are not looked at.

use core::fmt;

use crate::wire::v2::{Message, Payload};
use crate::wire::{DecodeError, Header, PayloadType, RawPayload};

/// Why the payloads of a message cannot be used.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A critical payload of a type that is not known.
    Critical(PayloadType),
    /// A payload that is not what its type says.
    Syntax(DecodeError),
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Critical(kind) => write!(f, "the critical payload {kind} is not known"),
            Self::Syntax(error) => error.fmt(f),
        }
    }
}

/// Types the payloads of a message.
pub(crate) fn typed(header: Header, payloads: &[RawPayload]) -> Result<Message, Unusable> {
    let mut typed = Vec::with_capacity(payloads.len());
    for raw in payloads {
        match Payload::decode(raw).map_err(Unusable::Syntax)? {
            Payload::Unknown { kind, critical: true, .. } => return Err(Unusable::Critical(kind)),
            Payload::Unknown { .. } => {}
            payload => typed.push(payload),
        }
    }
    Ok(Message { header, payloads: typed })
}

/// Whether a payload is critical and of a type that is not known.
pub(crate) fn is_unknown_critical(raw: &RawPayload) -> bool {
    raw.critical && matches!(Payload::decode(raw), Ok(Payload::Unknown { .. }))
}

/// The one value that `pick` finds, or a word on why there is not exactly one.
pub(crate) fn exactly_one<'a, T>(
    message: &'a Message,
    what: &'static str,
    pick: impl Fn(&'a Payload) -> Option<T>,
) -> Result<T, String> {
    let mut found = message.payloads.iter().filter_map(pick);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("there is no {what} payload")),
        (Some(_), Some(_)) => Err(format!("there is more than one {what} payload")),
    }
}

/// The value that `pick` finds, if there is any; a second one is an error.
pub(crate) fn at_most_one<'a, T>(
    message: &'a Message,
    what: &'static str,
    pick: impl Fn(&'a Payload) -> Option<T>,
) -> Result<Option<T>, String> {
    let mut found = message.payloads.iter().filter_map(pick);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(format!("there is more than one {what} payload")),
        (one, None) => Ok(one),
    }
}
