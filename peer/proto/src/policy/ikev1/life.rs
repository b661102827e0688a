//! How long SAs live: what IKEv1 negotiates of it, by time and by volume (RFC 2407, section 4.5; RFC 2409,
//! appendix A), and what an edge makes of an offer.

use super::attributes::{Vocabulary, unusable};
use crate::policy::profile::Profile;
use crate::policy::readings::LongerLifetime;
use crate::policy::refusal::{Reason, ReasonKind};
use crate::wire::attribute::Attribute;
use crate::wire::v1::Transform;
use crate::wire::v1::num::LifeType;

/// An end's own limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// The time, in seconds.
    pub seconds: u64,
    /// The volume, in kilobytes; without end if there is none.
    pub kilobytes: Option<u64>,
}

/// A negotiated lifetime. Whoever wants an end by volume sees to it: what the other end has offered of
/// that is only accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// The time that this end goes by, in seconds.
    pub seconds: u64,
    /// The volume that this end goes by, in kilobytes.
    pub kilobytes: Option<u64>,
    /// Whether the peer has to be told so, as it offered more (reading R20).
    pub tell: bool,
}

/// What a transform says of it. A peer may leave out either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OfferedLife {
    pub(super) seconds: Option<u64>,
    pub(super) kilobytes: Option<u64>,
}

impl Life {
    /// An end by time alone.
    pub const fn seconds(seconds: u64) -> Self {
        Self { seconds, kilobytes: None }
    }

    /// The volume in octets.
    pub const fn octets(self) -> Option<u64> {
        match self.kilobytes {
            Some(kilobytes) => Some(kilobytes.saturating_mul(1024)),
            None => None,
        }
    }

    /// The attributes of an offer, each duration behind its type.
    pub(super) fn attributes(self, type_kind: u16, duration_kind: u16) -> Vec<Attribute> {
        let counted = |of: LifeType, value: u64| {
            let of = Attribute::Tv { kind: type_kind, value: of.0 };
            [of, super::offer::number(duration_kind, value)]
        };
        let mut attributes = counted(LifeType::SECONDS, self.seconds).to_vec();
        let kilobytes = self.kilobytes.into_iter();
        attributes.extend(kilobytes.flat_map(|value| counted(LifeType::KILOBYTES, value)));
        attributes
    }
}

impl OfferedLife {
    /// Reads lifetimes, each of which has a type of its own before it that says what it counts. Other
    /// attributes may stand between the two: RFC 2407, section 4.5, wants the one behind the other and not
    /// next to it. Of those that count the same thing none may differ from the others (RFC 2407, section
    /// 4.5.2).
    ///
    /// That section ends the whole set-up over such a conflict. Here it makes one transform unusable, as
    /// whatever else is wrong with one does, and the set-up goes on with the next one: a peer that has
    /// offered another gets its SA, and one that has not is refused as for any offer. The refusal names the
    /// rule.
    ///
    /// # Errors
    /// If a type is not known or nothing is counted by it, if a lifetime is announced by none, or if one
    /// contradicts another.
    pub(super) fn read(transform: &Transform, of: &Vocabulary) -> Result<Self, Reason> {
        let [type_kind, duration_kind] = of.lifetimes;
        let idle = || unusable("a lifetime is announced and not there".to_owned());
        let mut life = Self::default();
        let mut counts = None;
        for attribute in &transform.attributes {
            if attribute.kind() == type_kind {
                // What is no number is no type either.
                let number = attribute.number().unwrap_or_default();
                let announced = match u16::try_from(number).map(LifeType) {
                    Ok(known @ (LifeType::SECONDS | LifeType::KILOBYTES)) => known,
                    _ => {
                        let says = format!("a lifetime counts what is not known ({number})");
                        return Err(unusable(says));
                    }
                };
                if counts.replace(announced).is_some() {
                    return Err(idle());
                }
            } else if attribute.kind() == duration_kind {
                let counted = match counts.take() {
                    Some(LifeType::SECONDS) => &mut life.seconds,
                    Some(_) => &mut life.kilobytes,
                    None => return Err(uncounted(of.counted)),
                };
                let value = attribute.number();
                if counted.is_some() && *counted != value {
                    return Err(unusable("there are two lifetimes of one kind".to_owned()));
                }
                *counted = value;
            }
        }
        if counts.is_some() { Err(idle()) } else { Ok(life) }
    }

    /// Whether it is longer than the own one, by time. Without a word, a default counts.
    fn is_later(self, own: Life) -> bool {
        self.seconds.is_some_and(|seconds| seconds > own.seconds)
    }

    /// Whether it is longer than the own one, by volume. Without a word there is no end.
    fn is_more(self, own: Life) -> bool {
        own.kilobytes.is_some_and(|own| self.kilobytes.is_none_or(|offered| offered > own))
    }
}

impl Profile {
    /// The limits of an ISAKMP SA.
    pub fn ike_life(&self) -> Life {
        Life { seconds: self.timers.ike_life, kilobytes: self.timers.ike_kilobytes }
    }

    /// The limits of a pair of SAs.
    pub fn child_life(&self) -> Life {
        Life { seconds: self.timers.child_life, kilobytes: self.timers.child_kilobytes }
    }

    /// Refuses a longer lifetime than the own one under that reading of R20.
    pub(super) fn too_long(&self, offered: OfferedLife, own: Life) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.readings.r20 != LongerLifetime::Refuse {
            return reasons;
        }
        let mut add = |says: String, change: String| {
            let (rule, kind) = ("R20".to_owned(), ReasonKind::NotListed);
            reasons.push(Reason { rule, kind, says, change });
        };
        if let Some(seconds) = offered.seconds.filter(|_| offered.is_later(own)) {
            let own = own.seconds;
            let says = format!("a lifetime of {seconds} s is longer than {own} s");
            add(says, format!("offer {own} s or less"));
        }
        if let Some(limit) = own.kilobytes.filter(|_| offered.is_more(own)) {
            let says = match offered.kilobytes {
                Some(offered) => format!("{offered} kilobytes are more than {limit}"),
                None => format!("a lifetime without a volume is longer than {limit} kilobytes"),
            };
            add(says, format!("offer {limit} kilobytes or less"));
        }
        reasons
    }

    /// The lifetime that follows from an offered one.
    pub(super) fn lifetime(&self, offered: OfferedLife, own: Life) -> Lifetime {
        let longer = offered.is_later(own) || offered.is_more(own);
        Lifetime {
            seconds: offered.seconds.unwrap_or(own.seconds).min(own.seconds),
            kilobytes: own.kilobytes,
            tell: longer && self.readings.r20 == LongerLifetime::ResponderLifetime,
        }
    }
}

fn uncounted(rule: &str) -> Reason {
    Reason {
        rule: rule.to_owned(),
        kind: ReasonKind::Malformed,
        says: "a lifetime does not say what it counts".to_owned(),
        change: "put its type before it".to_owned(),
    }
}
