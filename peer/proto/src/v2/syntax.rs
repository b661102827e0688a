//! From raw payloads to typed ones, with the judgement that RFC 7296 §2.5 asks for: unknown payloads
//! are skipped unless they are critical, reserved bits are not looked at.
//!
//! Each error here blames the peer and can say which requirement it broke; what this end fails at
//! is no part of them.

use thiserror::Error;

use crate::agreement::{self, BadPublic};
use crate::crypto::CryptoError;
use crate::crypto::suite::Group;
use crate::policy::AnswerError;
use crate::wire::error::{DecodeErrorKind, Limit};
use crate::wire::v2::{Message, Payload};
use crate::wire::{DecodeError, ExchangeType, GroupId, Header, PayloadType, RawPayload, Version};

/// Why the payloads of a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Unusable {
    /// A critical payload of a type that is not known.
    #[error("the critical payload {0} is not known")]
    Critical(PayloadType),
    /// A payload that is not what its type says; without a type, a broken chain of them.
    #[error("{error}")]
    Syntax { kind: Option<PayloadType>, error: DecodeError },
}

impl Unusable {
    /// The requirement that the message breaks. A critical payload that is not known here breaks none,
    /// but in a response.
    pub(crate) fn requirement(&self, is_response: bool) -> Option<&'static str> {
        let (kind, error) = match self {
            Self::Critical(_) => {
                return is_response.then_some("rfc7296-2.5-no-critical-in-response");
            }
            Self::Syntax { kind, error } => (*kind, error),
        };
        Some(match kind {
            Some(PayloadType::SA) => "rfc7296-3.3-sa-length-consistent",
            Some(PayloadType::NONCE) => "rfc7296-3.9-nonce-size",
            Some(PayloadType::IDI | PayloadType::IDR)
                if error.kind == DecodeErrorKind::BadLength =>
            {
                "rfc7296-3.5-id-address-length"
            }
            Some(PayloadType::TSI | PayloadType::TSR) => {
                let inside = matches!(error.limit, Limit::Substructure(_));
                if inside || error.kind == DecodeErrorKind::BadLength {
                    "rfc7296-3.13.1-ts-family-mix"
                } else {
                    "rfc7296-3.13-ts-count-and-length"
                }
            }
            Some(PayloadType::DELETE) => "rfc7296-3.11-delete-spi-size",
            Some(PayloadType::EAP) => "rfc7296-3.16-eap-length",
            _ => "rfc7296-3.2-chain-fills-message",
        })
    }
}

/// Why a message cannot be used although each of its payloads can be read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum Misfit {
    /// A payload that the exchange cannot do without is not there.
    #[error("there is no {payload} payload")]
    Missing { payload: PayloadType, exchange: ExchangeType },
    /// A payload that may be there once is there more often.
    #[error("there is more than one {payload} payload")]
    Twice { payload: PayloadType, exchange: ExchangeType },
    /// The responder has chosen no SPI.
    #[error("the responder's SPI is zero")]
    ZeroSpi,
    /// What was chosen is no part of what was offered.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The group that was chosen is not the one that a value was sent for.
    #[error("group {chosen} was chosen, the value sent is of group {sent}")]
    OtherGroup { chosen: Group, sent: Group },
    /// The value is not of the group that was chosen.
    #[error("KE is of group {ke}, the proposal of {chosen}")]
    KeGroup { ke: GroupId, chosen: Group },
    /// The value in KE cannot be used.
    #[error(transparent)]
    Public(BadPublic),
    /// The SPI of a Child SA does not have four octets, or is zero.
    #[error("the SPI of the proposal is zero or does not have four octets")]
    Spi,
    /// The SPI of a Child SA is one of those that nobody may choose.
    #[error("the SPI {0} of the proposal is reserved")]
    ReservedSpi(u32),
    /// The selectors are not part of those that were asked for.
    #[error("the peer granted selectors beyond those asked for")]
    WiderSelectors,
}

impl Misfit {
    /// The requirement that the message breaks, where there is one for the sender.
    pub(crate) fn requirement(&self) -> Option<&'static str> {
        Some(match self {
            Self::Missing { exchange, .. } | Self::Twice { exchange, .. } => match *exchange {
                ExchangeType::IKE_SA_INIT => "rfc7296-1.2-init-payloads",
                ExchangeType::IKE_AUTH => "rfc7296-1.2-auth-payloads",
                _ => "rfc7296-1.3.1-child-payloads",
            },
            Self::ZeroSpi => "rfc7296-2.6-responder-spi-chosen",
            Self::Answer(error) => error.requirement(),
            Self::OtherGroup { .. } => "rfc7296-3.4-ke-mismatch-invalid-ke",
            Self::KeGroup { .. } => "rfc7296-3.4-ke-group-in-proposal",
            Self::Public(value) => return value.requirement(Version::V2_0),
            Self::Spi => "rfc7296-3.3.1-spi-four-octets-child",
            Self::ReservedSpi(_) => "rfc4303-2.1-spi-reserved",
            Self::WiderSelectors => "rfc7296-2.9-ts-subset",
        })
    }
}

/// Sorts a failed key agreement: the peer's value, or this end.
pub(crate) fn blame(error: CryptoError) -> Result<Misfit, CryptoError> {
    agreement::blame(error).map(Misfit::Public)
}

/// Types the payloads of a message.
pub(crate) fn typed(header: Header, payloads: &[RawPayload]) -> Result<Message, Unusable> {
    let mut typed = Vec::with_capacity(payloads.len());
    for raw in payloads {
        let syntax = |error| Unusable::Syntax { kind: Some(raw.kind), error };
        match Payload::decode(raw).map_err(syntax)? {
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

/// What `pick` finds, if there is exactly one payload of the type.
pub(crate) fn exactly_one<'a, T>(
    message: &'a Message,
    payload: PayloadType,
    pick: impl FnOnce(&'a Message) -> Option<&'a T>,
) -> Result<&'a T, Misfit> {
    let exchange = message.header.exchange;
    at_most_one(message, payload, pick)?.ok_or(Misfit::Missing { payload, exchange })
}

/// What `pick` finds, if there is anything; a second payload of the type is an error.
pub(crate) fn at_most_one<'a, T>(
    message: &'a Message,
    payload: PayloadType,
    pick: impl FnOnce(&'a Message) -> Option<&'a T>,
) -> Result<Option<&'a T>, Misfit> {
    let exchange = message.header.exchange;
    if message.count(payload) > 1 {
        return Err(Misfit::Twice { payload, exchange });
    }
    Ok(pick(message))
}

#[cfg(test)]
mod tests;
