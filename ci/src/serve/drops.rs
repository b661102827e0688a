//! Why a datagram led to nothing: a stable word, a sentence, and what to change where that is known.

use ikeproof_proto::event::DropReason;

/// The word of a reason, as scripts see it.
pub fn word(reason: &DropReason) -> &'static str {
    match reason {
        DropReason::Runt => "runt",
        DropReason::Malformed { .. } => "malformed",
        DropReason::UnknownCritical { .. } => "unknown-critical",
        DropReason::Ikev1 { .. } => "ikev1",
        DropReason::MajorVersion { .. } => "major-version",
        DropReason::UnknownIkeSpi { .. } => "unknown-ike-spi",
        DropReason::WrongSpi => "wrong-spi",
        DropReason::BadIcv => "bad-icv",
        DropReason::NotEncrypted => "not-encrypted",
        DropReason::UnexpectedExchange { .. } => "unexpected-exchange",
        DropReason::MessageId { .. } => "message-id",
        DropReason::UnexpectedResponse => "unexpected-response",
        DropReason::UselessResponse { .. } => "useless-response",
        DropReason::BadCookie => "bad-cookie",
        DropReason::HalfOpenLimit => "half-open-limit",
        DropReason::SaLimit => "sa-limit",
        DropReason::Amplification => "amplification",
        DropReason::Unable { .. } => "unable",
        DropReason::ErrorRateLimit => "error-rate-limit",
        DropReason::Silent => "silent",
        DropReason::ShuttingDown => "shutting-down",
        DropReason::Protocol { .. } => "protocol",
        DropReason::Fragment { .. } => "fragment",
    }
}

/// A sentence about it.
pub fn sentence(reason: &DropReason) -> String {
    match reason {
        DropReason::Runt => "too short for what it must be".to_owned(),
        DropReason::Malformed { error } => format!("no well-formed message: {error}"),
        DropReason::UnknownCritical { payload } => {
            format!("the critical payload {payload} is not known")
        }
        DropReason::Ikev1 { exchange } => format!("IKEv1 (exchange {exchange}), not spoken here"),
        DropReason::MajorVersion { major } => format!("IKE of major version {major}"),
        DropReason::UnknownIkeSpi { spi } => format!("no IKE SA here has the SPI {spi}"),
        DropReason::WrongSpi => "SPIs or flags that do not fit the IKE SA".to_owned(),
        DropReason::BadIcv => "the checksum is wrong".to_owned(),
        DropReason::NotEncrypted => "not encrypted where it must be".to_owned(),
        DropReason::UnexpectedExchange { exchange } => {
            format!("the exchange {exchange} is not expected now")
        }
        DropReason::MessageId { got, expected } => {
            format!("Message ID {got} is outside of the window; {expected} was expected")
        }
        DropReason::UnexpectedResponse => "an answer to nothing that was asked".to_owned(),
        DropReason::UselessResponse { why } => format!("an answer that cannot be used: {why}"),
        DropReason::BadCookie => "the cookie is wrong or too old".to_owned(),
        DropReason::HalfOpenLimit => "too many half-open IKE SAs".to_owned(),
        DropReason::SaLimit => "too many IKE SAs".to_owned(),
        DropReason::Amplification => {
            "the answer would be too large for an address that is not proven".to_owned()
        }
        DropReason::Unable { error } => format!("the edge failed at its own part: {error}"),
        DropReason::ErrorRateLimit => "too many error replies in this second".to_owned(),
        DropReason::Silent => "the profile answers this with silence".to_owned(),
        DropReason::ShuttingDown => "the edge is shutting down".to_owned(),
        DropReason::Protocol { protocol } => format!("IP protocol {protocol}, not spoken here"),
        DropReason::Fragment { why } => format!("a fragment of an IKE message: {why}"),
    }
}

/// What to change, where that can be said.
pub fn change(reason: &DropReason) -> Option<&'static str> {
    match reason {
        DropReason::Ikev1 { .. } => {
            Some("set the device to IKEv2, or let the edge speak IKEv1 (--ikev1)")
        }
        DropReason::UnknownIkeSpi { .. } => {
            Some("clear the SA on the device; it is of an earlier session")
        }
        DropReason::BadIcv => Some("clear the SA on the device; its keys are not those of here"),
        _ => None,
    }
}
