//! Which payloads a message may hold, as data per exchange, direction and sender.
//!
//! [`check`] takes a whole message in clear: the payloads outside and, if it was decrypted, those
//! inside. It finds the form that the message has in [`tables::FORMS`] and reports every rule of it
//! that is broken, not only the first. It knows nothing of what came before, so it cannot say that
//! a legal form came at the wrong time; and what the payloads hold is judged elsewhere.

pub mod tables;

use core::fmt;

use super::Payload;
use crate::wire::header::Header;
use crate::wire::num::{ExchangeType, NotifyType, PayloadType, ProtocolId};

/// Request or response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The first message of an exchange.
    Request,
    /// The second one.
    Response,
}

/// What the sender is in the IKE SA, whoever began the exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The original initiator.
    Initiator,
    /// The original responder.
    Responder,
}

/// A message to check.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// The exchange.
    pub exchange: ExchangeType,
    /// Request or response.
    pub direction: Direction,
    /// Who sent it.
    pub sender: Role,
    /// The payloads of the outer chain, SK or SKF included.
    pub clear: &'a [Payload],
    /// The payloads inside of SK, or inside of all SKF together, if there was one.
    pub protected: Option<&'a [Payload]>,
}

impl<'a> Content<'a> {
    /// A message with this header.
    pub const fn new(
        header: &Header,
        clear: &'a [Payload],
        protected: Option<&'a [Payload]>,
    ) -> Self {
        let response = header.flags.is_response();
        let initiator = header.flags.is_initiator();
        Self {
            exchange: header.exchange,
            direction: if response { Direction::Response } else { Direction::Request },
            sender: if initiator { Role::Initiator } else { Role::Responder },
            clear,
            protected,
        }
    }

    fn all(&self) -> impl Iterator<Item = &'a Payload> {
        self.clear.iter().chain(self.protected.unwrap_or_default())
    }

    fn has(&self, kind: PayloadType) -> bool {
        self.all().any(|payload| payload.kind() == kind)
    }
}

/// A rule that a message breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The id of the requirement or, where the RFC only draws the message, its section
    /// as in `rfc7296#1.2`.
    pub rule: &'static str,
    /// The payload that is missing, too much or in the wrong place.
    pub payload: PayloadType,
    /// How the rule is broken.
    pub detail: Detail,
}

/// How a rule about payloads is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The payload is there less often than it has to be.
    TooFew {
        /// How often it is there.
        count: usize,
        /// How often it has to be there.
        min: usize,
    },
    /// The payload is there more often than it may be.
    TooMany {
        /// How often it is there.
        count: usize,
        /// How often it may be there.
        max: usize,
    },
    /// The payload has no place in such a message.
    Unexpected,
    /// The payload is in clear and has to be encrypted.
    NotEncrypted,
    /// The payload is encrypted in a message that is sent in clear.
    Encrypted,
    /// The payload has to come before the other one.
    NotBefore(PayloadType),
    /// The payload has to be the first.
    NotFirst,
    /// The payload has to be the last.
    NotLast,
    /// The payload is critical where none may be.
    Critical,
    /// The other side of the IKE SA sends such a message.
    WrongSender(Role),
    /// There are no rules for the exchange.
    UnknownExchange(ExchangeType),
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFew { count, min } => write!(f, "there {count} times, at least {min} needed"),
            Self::TooMany { count, max } => write!(f, "there {count} times, at most {max} allowed"),
            Self::Unexpected => f.write_str("has no place in this message"),
            Self::NotEncrypted => f.write_str("in clear, has to be encrypted"),
            Self::Encrypted => f.write_str("encrypted in a message that is sent in clear"),
            Self::NotBefore(other) => write!(f, "has to come before {other}"),
            Self::NotFirst => f.write_str("has to be the first payload"),
            Self::NotLast => f.write_str("has to be the last payload"),
            Self::Critical => f.write_str("critical, which no payload of a response may be"),
            Self::WrongSender(role) => write!(f, "sent by the original {role:?}"),
            Self::UnknownExchange(exchange) => write!(f, "no rules for exchange {exchange}"),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.payload, self.detail, self.rule)
    }
}

/// What a form looks like; the first in the table that a message looks like is the one it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Every message.
    Always,
    /// An error, or a demand to try again, and no SA payload.
    Refused,
    /// A payload of this type is there.
    Has(PayloadType),
    /// A payload of the first type is there, none of the second.
    HasButNot(PayloadType, PayloadType),
    /// The SA payload is about an IKE SA.
    SaForIke,
    /// Nothing is encrypted, and a notify says what can only be said outside of an IKE SA.
    OutsideIkeSa,
}

/// How often a payload is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The payload.
    pub payload: PayloadType,
    /// How often at least.
    pub min: usize,
    /// How often at most.
    pub max: usize,
    /// The requirement or section.
    pub rule: &'static str,
}

/// One legal form of the messages of an exchange in one direction.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// The exchange.
    pub exchange: ExchangeType,
    /// Request or response.
    pub direction: Direction,
    /// The only side that sends it, if not both do.
    pub sender: Option<Role>,
    /// What tells the form from the others.
    pub when: When,
    /// Whether everything is encrypted, and the requirement or section that says so.
    pub encrypted: Option<&'static str>,
    /// The payloads. Notify and Vendor ID may be in every message, others not named here may not.
    pub rules: &'static [Rule],
    /// The order in which the RFC draws the payloads.
    pub order: &'static [PayloadType],
}

/// Checks a message against all the rules of its form; returns every violation.
pub fn check(content: &Content<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut report = |rule, payload, detail| violations.push(Violation { rule, payload, detail });
    check_containers(content, &mut report);
    let form = tables::FORMS.iter().find(|form| {
        form.exchange == content.exchange
            && form.direction == content.direction
            && looks_like(content, form.when)
    });
    match form {
        Some(form) => check_form(content, form, &mut report),
        None => {
            let detail = Detail::UnknownExchange(content.exchange);
            report("rfc7296#3.1", PayloadType::NONE, detail);
        }
    }
    violations
}

type Report<'a> = dyn FnMut(&'static str, PayloadType, Detail) + 'a;

fn looks_like(content: &Content<'_>, when: When) -> bool {
    match when {
        When::Always => true,
        When::Refused => !content.has(PayloadType::SA) && content.all().any(is_refusal),
        When::Has(kind) => content.has(kind),
        When::HasButNot(kind, other) => content.has(kind) && !content.has(other),
        When::OutsideIkeSa => {
            content.protected.is_none()
                && content.clear.iter().all(|payload| always_allowed(payload.kind()))
                && content.clear.iter().any(|payload| is_outside(content.direction, payload))
        }
        When::SaForIke => content.all().any(|payload| match payload {
            Payload::Sa(sa) => {
                sa.proposals.first().is_some_and(|first| first.protocol == ProtocolId::IKE)
            }
            _ => false,
        }),
    }
}

fn is_refusal(payload: &Payload) -> bool {
    match payload {
        Payload::Notify(notify) => {
            notify.kind.is_error()
                || matches!(notify.kind, NotifyType::COOKIE | NotifyType::REDIRECT)
        }
        _ => false,
    }
}

/// Whether a notify about a message of no known IKE SA, or of an unknown version, may be in clear.
fn is_outside(direction: Direction, payload: &Payload) -> bool {
    let Payload::Notify(notify) = payload else { return false };
    match direction {
        Direction::Request => notify.kind == NotifyType::INVALID_SPI,
        Direction::Response => {
            matches!(notify.kind, NotifyType::INVALID_IKE_SPI | NotifyType::INVALID_MAJOR_VERSION)
        }
    }
}

/// What holds for SK, SKF and the critical bit in every message.
fn check_containers(content: &Content<'_>, report: &mut Report<'_>) {
    let clear: Vec<PayloadType> = content.clear.iter().map(Payload::kind).collect();
    for (kind, rule) in [
        (PayloadType::SK, "rfc7296-3.1-sk-last"),
        (PayloadType::SKF, "rfc7383-2.5-payload-type-53"),
    ] {
        if clear.iter().rev().skip(1).any(|&other| other == kind) {
            report(rule, kind, Detail::NotLast);
        }
        for inner in content.protected.unwrap_or_default() {
            if inner.kind() == kind {
                report("rfc7296-3.1-sk-not-nested", kind, Detail::Unexpected);
            }
        }
    }
    if clear.contains(&PayloadType::SK) && clear.contains(&PayloadType::SKF) {
        report("rfc7383-2.5-not-mixed-with-sk", PayloadType::SKF, Detail::Unexpected);
    }
    for payload in content.all() {
        if let Payload::Unknown { kind, critical: true, .. } = payload
            && content.direction == Direction::Response
        {
            report("rfc7296-2.5-no-critical-in-response", *kind, Detail::Critical);
        }
    }
}

fn check_form(content: &Content<'_>, form: &Form, report: &mut Report<'_>) {
    if form.sender.is_some_and(|sender| sender != content.sender) {
        report("rfc7296-3.1-i-flag", PayloadType::NONE, Detail::WrongSender(content.sender));
    }
    check_encryption(content, form, report);
    for rule in form.rules {
        let count = content.all().filter(|payload| payload.kind() == rule.payload).count();
        if count < rule.min {
            report(rule.rule, rule.payload, Detail::TooFew { count, min: rule.min });
        }
        if count > rule.max {
            report(rule.rule, rule.payload, Detail::TooMany { count, max: rule.max });
        }
    }
    for payload in content.all() {
        let kind = payload.kind();
        if is_of_rfc7296(kind) && !form.rules.iter().any(|rule| rule.payload == kind) {
            report(section(form), kind, Detail::Unexpected);
        }
    }
    check_order(content, form, report);
}

fn check_encryption(content: &Content<'_>, form: &Form, report: &mut Report<'_>) {
    let containers = [PayloadType::SK, PayloadType::SKF];
    match form.encrypted {
        Some(rule) => {
            // Payloads of other RFCs may stay in clear (RFC 7383, section 2.5.3).
            for payload in content.clear {
                let kind = payload.kind();
                if is_of_rfc7296(kind) || always_allowed(kind) {
                    report(rule, kind, Detail::NotEncrypted);
                }
            }
            if !content.clear.iter().any(|payload| containers.contains(&payload.kind())) {
                report(rule, PayloadType::SK, Detail::TooFew { count: 0, min: 1 });
            }
        }
        None => {
            for payload in content.clear {
                match payload.kind() {
                    PayloadType::SK => {
                        report(section(form), PayloadType::SK, Detail::Encrypted);
                    }
                    PayloadType::SKF => {
                        report("rfc7383-2.4-never-in-init", PayloadType::SKF, Detail::Encrypted);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn check_order(content: &Content<'_>, form: &Form, report: &mut Report<'_>) {
    let cookie = content.all().position(
        |payload| matches!(payload, Payload::Notify(notify) if notify.kind == NotifyType::COOKIE),
    );
    if form.direction == Direction::Request
        && form.exchange == ExchangeType::IKE_SA_INIT
        && cookie.is_some_and(|position| position != 0)
    {
        report("rfc7296-2.6-cookie-echo-first", PayloadType::NOTIFY, Detail::NotFirst);
    }
    let mut latest = None;
    for payload in content.all() {
        let kind = payload.kind();
        let Some(rank) = form.order.iter().position(|&other| other == kind) else { continue };
        match latest {
            Some((latest_rank, latest_kind)) if latest_rank > rank => {
                let rule = match kind {
                    PayloadType::CP if content.has(PayloadType::SA) => "rfc7296-2.19-cp-before-sa",
                    _ => "rfc7296-2.5-payload-order-sent",
                };
                report(rule, kind, Detail::NotBefore(latest_kind));
            }
            _ => latest = Some((rank, kind)),
        }
    }
}

/// The section that draws the messages of an exchange.
fn section(form: &Form) -> &'static str {
    match form.exchange {
        ExchangeType::IKE_SA_INIT | ExchangeType::IKE_AUTH => "rfc7296#1.2",
        ExchangeType::CREATE_CHILD_SA => "rfc7296#1.3",
        ExchangeType::INFORMATIONAL => "rfc7296#1.4",
        ExchangeType::IKE_SESSION_RESUME => "rfc5723#4.3.2",
        ExchangeType::IKE_INTERMEDIATE => "rfc9242#3.2",
        _ => "rfc9370#2.2.4",
    }
}

/// Whether RFC 7296 says where the payload may be; Notify and Vendor ID may be anywhere.
fn is_of_rfc7296(kind: PayloadType) -> bool {
    (PayloadType::SA..=PayloadType::EAP).contains(&kind)
        && kind != PayloadType::SK
        && !always_allowed(kind)
}

const fn always_allowed(kind: PayloadType) -> bool {
    matches!(kind, PayloadType::NOTIFY | PayloadType::VENDOR_ID)
}

#[cfg(test)]
mod tests;
