//! Between transforms on the wire and algorithms: reading the transforms of one type out of a
//! proposal against a list of what is accepted.

use core::fmt::Display;

use super::profile::Order;
use crate::crypto::suite::{ChildProtocol, Encr, Esn, Group, Integ, Prf};
use crate::wire::num::{ProtocolId, TransformType};
use crate::wire::v2::{Attribute, Transform};

/// How many refused values of one type a sentence lists.
const MAX_LISTED: usize = 8;

/// A transform type whose values have a type of their own.
pub(super) trait Algorithm: Copy + Eq + Display {
    /// Its transform type.
    const KIND: TransformType;
    /// What people call it.
    const WHAT: &'static str;

    /// The value of number and key length, if it is known.
    fn from_numbers(id: u16, key_length: Option<u16>) -> Option<Self>;

    /// Number and key length.
    fn numbers(self) -> (u16, Option<u16>);

    /// The value of `transform`, unless number or an attribute is unknown: such a transform does
    /// not count, and others of its type still do (RFC 7296 §3.3.6).
    fn read(transform: &Transform) -> Option<Self> {
        if transform.kind != Self::KIND || !has_known_attributes(transform) {
            return None;
        }
        Self::from_numbers(transform.id, transform.key_length())
    }

    /// The transform that stands for the value.
    fn transform(self) -> Transform {
        let (id, key_length) = self.numbers();
        Transform {
            kind: Self::KIND,
            id,
            attributes: key_length.map(Attribute::key_length).into_iter().collect(),
        }
    }
}

macro_rules! without_key_length {
    ($($name:ident $kind:ident $what:literal;)+) => {$(
        impl Algorithm for $name {
            const KIND: TransformType = TransformType::$kind;
            const WHAT: &'static str = $what;

            fn from_numbers(id: u16, key_length: Option<u16>) -> Option<Self> {
                match key_length {
                    None => Self::from_iana(id),
                    Some(_) => None,
                }
            }

            fn numbers(self) -> (u16, Option<u16>) {
                (self.iana(), None)
            }
        }
    )+};
}

without_key_length! {
    Integ INTEG "integrity";
    Prf PRF "PRF";
    Group KE "Diffie-Hellman group";
    Esn ESN "sequence numbers";
}

impl From<ChildProtocol> for ProtocolId {
    fn from(protocol: ChildProtocol) -> Self {
        match protocol {
            ChildProtocol::Esp => Self::ESP,
            ChildProtocol::Ah => Self::AH,
        }
    }
}

impl Algorithm for Encr {
    const KIND: TransformType = TransformType::ENCR;
    const WHAT: &'static str = "encryption";

    fn from_numbers(id: u16, key_length: Option<u16>) -> Option<Self> {
        Self::from_iana(id, key_length)
    }

    fn numbers(self) -> (u16, Option<u16>) {
        self.iana()
    }
}

/// The transforms of one type in one proposal, those that are accepted in order of preference.
pub(super) struct Column<'a, T> {
    /// Values that are accepted, each once, with the transform that offered it first.
    pub taken: Vec<(T, &'a Transform)>,
    /// Whether the proposal holds the type at all.
    pub offered: bool,
    /// Some of the values that are not accepted, as text.
    refused: Vec<String>,
    /// How many more there were.
    refused_more: usize,
}

impl<'a, T: Algorithm> Column<'a, T> {
    /// Reads the type out of `transforms`.
    pub fn read(transforms: &'a [Transform], accept: &[T], order: Order) -> Self {
        let mut column =
            Self { taken: Vec::new(), offered: false, refused: Vec::new(), refused_more: 0 };
        for transform in transforms.iter().filter(|transform| transform.kind == T::KIND) {
            column.offered = true;
            match T::read(transform) {
                Some(value) if accept.contains(&value) => {
                    if !column.taken.iter().any(|(taken, _)| *taken == value) {
                        column.taken.push((value, transform));
                    }
                }
                value => column.refuse(value, transform),
            }
        }
        if order == Order::Own {
            column.taken.sort_by_key(|(value, _)| place(accept, value));
        }
        column
    }

    fn refuse(&mut self, value: Option<T>, transform: &Transform) {
        let text = match value {
            Some(value) => value.to_string(),
            None => match transform.key_length() {
                Some(bits) => format!("number {} with {bits} bits", transform.id),
                None => format!("number {}", transform.id),
            },
        };
        if self.refused.contains(&text) {
            return;
        }
        if self.refused.len() < MAX_LISTED {
            self.refused.push(text);
        } else {
            self.refused_more = self.refused_more.saturating_add(1);
        }
    }

    /// The value that a sentence about the nearest combination names.
    pub fn nearest(&self) -> String {
        match (self.taken.first(), self.refused.first()) {
            (Some((value, _)), _) => value.to_string(),
            (None, Some(refused)) => refused.clone(),
            (None, None) => format!("no {}", T::WHAT),
        }
    }

    /// The refused values as a list for people.
    pub fn refused(&self) -> String {
        let mut text = self.refused.join(", ");
        if self.refused_more > 0 {
            text.push_str(&format!(" and {} more", self.refused_more));
        }
        text
    }

    /// The transform that offered `value`.
    pub fn transform(&self, value: T) -> Option<&'a Transform> {
        self.taken.iter().find(|(taken, _)| *taken == value).map(|(_, transform)| *transform)
    }
}

/// Whether every attribute of `transform` is one that is understood: Key Length, and that once.
fn has_known_attributes(transform: &Transform) -> bool {
    matches!(
        transform.attributes.as_slice(),
        [] | [Attribute::Tv { kind: Attribute::KEY_LENGTH, .. }]
    )
}

/// Where `value` stands in `list`; behind the end if it does not.
pub(super) fn place<T: PartialEq>(list: &[T], value: &T) -> usize {
    list.iter().position(|listed| listed == value).unwrap_or(list.len())
}

/// Values as a list for people.
pub(super) fn listed<T: Display>(values: &[T]) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
