//! The small words of scenarios: durations, sizes, identities, who does something.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

use ikeproof_proto::event::Notification;
use ikeproof_proto::policy::{Identity, NoIdentity};
use ikeproof_proto::wire::num::NotifyType;
use ikeproof_proto::wire::v1::{NotifyKind, PayloadKind};
use ikeproof_vendors::peer::Capability;
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{self, IntoDeserializer, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The side that begins, and the runs of a scenario that differ in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The tested peer.
    Peer,
    /// Our edge.
    Edge,
}

/// Who does something in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// Whoever began in this case.
    #[default]
    Initiator,
    /// The other one.
    Responder,
    /// The tested peer.
    Peer,
    /// Our edge.
    Edge,
}

impl Actor {
    /// The side that is meant where `initiator` began.
    pub const fn side(self, initiator: Side) -> Side {
        match (self, initiator) {
            (Self::Peer, _) | (Self::Initiator, Side::Peer) | (Self::Responder, Side::Edge) => {
                Side::Peer
            }
            (Self::Edge, _) | (Self::Initiator, Side::Edge) | (Self::Responder, Side::Peer) => {
                Side::Edge
            }
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Peer => "peer",
            Self::Edge => "edge",
        })
    }
}

/// Which gate a scenario belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tier {
    /// Every merge; minutes.
    #[default]
    Gate,
    /// Everything; nightly.
    Full,
}

/// What a peer must be able to do. A peer that cannot gives `unsupported`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Need {
    /// Something that a peer has or has not.
    Capability(Capability),
    /// Selectors of all addresses on both sides: a control link of its own.
    AnyToAny,
    /// Several values of one type in one proposal.
    WideProposal,
    /// An AEAD cipher and an HMAC in one proposal.
    GcmWithHmac,
    /// A pseudorandom function that is not the integrity algorithm's.
    FreePrf,
}

impl Need {
    /// All of them, in the order in which they are explained.
    pub fn all() -> impl Iterator<Item = Self> {
        let own = [Self::AnyToAny, Self::WideProposal, Self::GcmWithHmac, Self::FreePrf];
        Capability::ALL.into_iter().map(Self::Capability).chain(own)
    }

    /// The word in a scenario.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Capability(capability) => capability.word(),
            Self::AnyToAny => "any-to-any",
            Self::WideProposal => "wide-proposal",
            Self::GcmWithHmac => "gcm-with-hmac",
            Self::FreePrf => "free-prf",
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| Need::all().map(Need::word).collect());
        let word = String::deserialize(deserializer)?;
        let found = Self::all().find(|need| need.word() == word);
        found.ok_or_else(|| de::Error::unknown_variant(&word, &WORDS))
    }
}

/// An amount of time: `5s`, `7h50m`, `300ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// How long an SA lives: an amount of time of which the whole seconds count, so that there must be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lifetime(pub Duration);

/// A number of octets: `512`, `64KiB`, `1MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Octets(pub u64);

/// Networks behind a peer, by their numbers from 1: `9`, `"1-8"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nets {
    /// The first.
    pub first: u32,
    /// The last, included.
    pub last: u32,
}

impl Octets {
    /// As kilobytes, of which there is at least one.
    pub fn kilobytes(self) -> u64 {
        (self.0 / 1024).max(1)
    }
}

impl Nets {
    /// The first one alone, which is meant where nothing is said.
    pub const FIRST: Self = Self { first: 1, last: 1 };

    /// Their numbers.
    pub fn numbers(self) -> std::ops::RangeInclusive<u32> {
        self.first..=self.last
    }
}

/// An identity that may depend on where a case runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdSpec {
    /// `fqdn:…`, `email:…`, `keyid:…`, `ip:192.0.2.1`.
    Fixed(Identity),
    /// `ip:own`: the address of the owner's own interface.
    OwnAddress,
    /// `ip:outside`: the address that the other side sees.
    OutsideAddress,
}

/// The name of a notify, such as `NO_PROPOSAL_CHOSEN`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify(pub Notification);

impl Notify {
    /// Whether a message has it, by the auditor's line about the message: `… { N(COOKIE), SA, KE(14) }`.
    pub fn is_in(self, summary: &str) -> bool {
        summary.contains(&format!("N({})", self.0))
    }
}

/// A payload of IKEv1 by the name that timelines have for it, such as `HASH` and `NAT-D`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PayloadName(pub PayloadKind);

impl PayloadName {
    /// Whether a message has it, by the auditor's line about the message.
    pub fn is_in(self, summary: &str) -> bool {
        let content = summary.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}'));
        let name = self.0.to_string();
        content.is_some_and(|(content, _)| content.split(',').any(|one| one.trim() == name))
    }
}

impl<'de> Deserialize<'de> for PayloadName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // Of these, timelines tell the type as well.
        let with_type = [
            PayloadKind::NOTIFY,
            PayloadKind::DELETE,
            PayloadKind::VENDOR_ID,
            PayloadKind::ATTRIBUTES,
        ];
        let known = PayloadKind::KNOWN.iter().filter(|kind| !with_type.contains(kind));
        named(&name, &known.copied().collect::<Vec<_>>()).map(Self)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no amount of time; write 5s, 7h50m or 300ms");
        let mut rest = text;
        let mut sum = Duration::ZERO;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let number: u64 = number.parse().map_err(|_| wrong())?;
            let millis: u64 = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return Err(wrong()),
            };
            let part = Duration::from_millis(number.checked_mul(millis).ok_or_else(wrong)?);
            sum = sum.checked_add(part).ok_or_else(wrong)?;
            rest = tail;
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self(sum)) }
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Span(time) = text.parse()?;
        if time < Duration::from_secs(1) {
            return Err(format!("no SA lives for `{text}`; write 1s or more"));
        }
        Ok(Self(time))
    }
}

impl FromStr for Octets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no number of octets; write 512, 64KiB or 1MiB");
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(wrong()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(wrong)
    }
}

impl FromStr for Nets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` names no networks; write 9 or \"1-8\", counted from 1");
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |digits: &str| digits.parse().map_err(|_| wrong());
        let nets = Self { first: number(first)?, last: number(last)? };
        if nets.first == 0 || nets.last < nets.first { Err(wrong()) } else { Ok(nets) }
    }
}

impl FromStr for IdSpec {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        match text {
            "ip:own" => Ok(Self::OwnAddress),
            "ip:outside" => Ok(Self::OutsideAddress),
            _ => text.parse().map(Self::Fixed),
        }
    }
}

impl fmt::Display for IdSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(identity) => identity.fmt(f),
            Self::OwnAddress => f.write_str("ip:own"),
            Self::OutsideAddress => f.write_str("ip:outside"),
        }
    }
}

impl<'de> Deserialize<'de> for Notify {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        // The names of IKEv1 have hyphens, as in RFC 2408, where those of IKEv2 have underscores.
        let v2 = NotifyType::KNOWN.iter().filter(|kind| kind.0 < 16_384).map(|it| (*it).into());
        let v1 = NotifyKind::KNOWN.iter().map(|kind| (*kind).into());
        let known: Vec<Notification> = v2.chain(v1).collect();
        named(&name, &known).map(Self)
    }
}

/// The one of these that is called so. The error is in serde's words, from which the nearest is found.
fn named<T: Copy + fmt::Display, E: de::Error>(name: &str, known: &[T]) -> Result<T, E> {
    known.iter().find(|one| one.to_string() == name).copied().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|name| format!("`{name}`")).collect();
        let names = names.join(", ");
        E::custom(format!("unknown variant `{name}`, expected one of {names}"))
    })
}

macro_rules! from_text {
    ($($name:ident $(or $number:ident)?;)+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a text")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }

                    $(fn visit_i64<E: de::Error>(self, number: i64) -> Result<$name, E> {
                        $number::try_from(number).map($name).map_err(E::custom)
                    })?
                }
                deserializer.deserialize_any(Text)
            }
        }
    )+};
}

from_text! { Span; Lifetime; IdSpec; Octets or u64; }

impl<'de> Deserialize<'de> for Nets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;
        impl Visitor<'_> for Numbers {
            type Value = Nets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the number of a network, or several such as \"1-8\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Nets, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Nets, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Numbers)
    }
}

/// One value or a list of them.
pub(crate) fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct OneOrMany<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMany<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            let text: StrDeserializer<'_, E> = text.into_deserializer();
            T::deserialize(text).map(|value| vec![value])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(SeqAccessDeserializer::new(items))
        }
    }
    deserializer.deserialize_any(OneOrMany(PhantomData))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("5s", Some(5_000))]
    #[case("7h50m", Some(28_200_000))]
    #[case("300ms", Some(300))]
    #[case("1d", Some(86_400_000))]
    #[case("5", None)]
    #[case("s", None)]
    #[case("5 s", None)]
    #[case("", None)]
    fn times(#[case] text: &str, #[case] millis: Option<u64>) {
        let read = text.parse::<Span>().ok().map(|span| span.0);
        assert_eq!(read, millis.map(Duration::from_millis));
    }

    #[test]
    fn no_time_is_too_long_to_be_counted() {
        let longest = format!("{}ms", u64::MAX);
        assert!(longest.parse::<Span>().is_ok());
        assert_eq!(longest.repeat(1001).parse::<Span>().ok(), None);
    }

    #[rstest]
    #[case("512", Some(512))]
    #[case("64KiB", Some(65_536))]
    #[case("1MiB", Some(1_048_576))]
    #[case("1MB", None)]
    #[case("-1", None)]
    fn octets(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(text.parse::<Octets>().ok().map(|octets| octets.0), expected);
    }

    #[rstest]
    #[case("1", Some((1, 1)))]
    #[case("1-8", Some((1, 8)))]
    #[case("0-8", None)]
    #[case("8-1", None)]
    #[case("1-", None)]
    #[case("all", None)]
    fn networks(#[case] text: &str, #[case] expected: Option<(u32, u32)>) {
        assert_eq!(text.parse::<Nets>().ok().map(|nets| (nets.first, nets.last)), expected);
    }

    #[test]
    fn actors_are_sides_of_a_case() {
        assert_eq!(Actor::Initiator.side(Side::Edge), Side::Edge);
        assert_eq!(Actor::Responder.side(Side::Edge), Side::Peer);
        assert_eq!(Actor::Peer.side(Side::Edge), Side::Peer);
    }
}
