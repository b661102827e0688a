//! Offers in words: `aes256-sha256-modp2048` as a proposal, and as many values of each type as wanted.
//!
//! What edges, scenarios and embedded peers offer is written like this. Words may come in any order
//! and are sorted into transform types; within a type their order is the order of preference.
//! Nothing is checked against a policy here, as a scenario must be able to offer what is refused.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::algorithm::Algorithm;
use crate::crypto::suite::{ChildProtocol, ChildSuite, Encr, Esn, Group, Integ, Prf};
use crate::wire::num::ProtocolId;
use crate::wire::v2::{Proposal, Transform};

/// A proposal for an IKE SA.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct IkeOffer {
    /// Encryption.
    pub encr: Vec<Encr>,
    /// Integrity.
    pub integ: Vec<Integ>,
    /// Pseudorandom functions; where none is named, those of the integrity algorithms.
    pub prf: Vec<Prf>,
    /// Groups.
    pub groups: Vec<Group>,
}

/// A proposal for a child SA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChildOffer {
    /// ESP, or AH where the text begins with `ah:`.
    pub protocol: ChildProtocol,
    /// Encryption.
    pub encr: Vec<Encr>,
    /// Integrity.
    pub integ: Vec<Integ>,
    /// Groups, for child SAs after the first.
    pub groups: Vec<Group>,
    /// Sequence numbers; where none are named, `noesn`.
    pub esn: Vec<Esn>,
}

/// A word that has no place in an offer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OfferError {
    /// The word names nothing.
    #[error("`{word}` is no algorithm that can be offered here")]
    Word {
        /// The word.
        word: String,
    },
    /// A type that the offer cannot do without has no word.
    #[error("the offer {offer:?} names no {what}")]
    Missing {
        /// The offer.
        offer: String,
        /// The type.
        what: &'static str,
    },
}

impl IkeOffer {
    /// The offer as proposal `number`, with the SPI of a rekey or none.
    pub fn proposal(&self, number: u8, spi: &[u8]) -> Proposal {
        let mut transforms: Vec<Transform> = Vec::new();
        transforms.extend(self.encr.iter().map(|value| value.transform()));
        transforms.extend(self.prf.iter().map(|value| value.transform()));
        transforms.extend(self.integ.iter().map(|value| value.transform()));
        transforms.extend(self.groups.iter().map(|value| value.transform()));
        Proposal { number, protocol: ProtocolId::IKE, spi: spi.to_vec(), transforms }
    }
}

impl ChildOffer {
    /// The offer of one suite and nothing else.
    pub fn of(suite: ChildSuite) -> Self {
        let ChildSuite { protocol, encr, integ, esn, group } = suite;
        let encr = if protocol == ChildProtocol::Ah { Vec::new() } else { vec![encr] };
        let integ = if integ == Integ::None { Vec::new() } else { vec![integ] };
        Self { protocol, encr, integ, groups: group.into_iter().collect(), esn: vec![esn] }
    }

    /// The offer as proposal `number`. In IKE_AUTH, groups are left out.
    pub fn proposal(&self, number: u8, spi: &[u8], is_first: bool) -> Proposal {
        let protocol = self.protocol.into();
        let mut transforms: Vec<Transform> = Vec::new();
        transforms.extend(self.encr.iter().map(|value| value.transform()));
        transforms.extend(self.integ.iter().map(|value| value.transform()));
        if !is_first {
            transforms.extend(self.groups.iter().map(|value| value.transform()));
        }
        transforms.extend(self.esn.iter().map(|value| value.transform()));
        Proposal { number, protocol, spi: spi.to_vec(), transforms }
    }
}

impl FromStr for IkeOffer {
    type Err = OfferError;

    fn from_str(text: &str) -> Result<Self, OfferError> {
        let mut offer = Self::default();
        for word in text.split('-') {
            let known = take(word, &mut offer.encr)
                || take(word, &mut offer.integ)
                || take(word, &mut offer.prf)
                || take(word, &mut offer.groups);
            if !known {
                return Err(OfferError::Word { word: word.to_owned() });
            }
        }
        if offer.prf.is_empty() {
            for prf in offer.integ.iter().filter_map(|integ| integ.prf()) {
                if !offer.prf.contains(&prf) {
                    offer.prf.push(prf);
                }
            }
        }
        need(text, Encr::WHAT, &offer.encr)?;
        need(text, Prf::WHAT, &offer.prf)?;
        need(text, Group::WHAT, &offer.groups)?;
        Ok(offer)
    }
}

impl FromStr for ChildOffer {
    type Err = OfferError;

    fn from_str(text: &str) -> Result<Self, OfferError> {
        let (protocol, words) = match text.strip_prefix("ah:") {
            Some(words) => (ChildProtocol::Ah, words),
            None => (ChildProtocol::Esp, text.strip_prefix("esp:").unwrap_or(text)),
        };
        let mut offer = Self {
            protocol,
            encr: Vec::new(),
            integ: Vec::new(),
            groups: Vec::new(),
            esn: Vec::new(),
        };
        for word in words.split('-') {
            let known = take(word, &mut offer.encr)
                || take(word, &mut offer.integ)
                || take(word, &mut offer.groups)
                || take(word, &mut offer.esn);
            if !known {
                return Err(OfferError::Word { word: word.to_owned() });
            }
        }
        if offer.esn.is_empty() {
            offer.esn.push(Esn::No);
        }
        match protocol {
            ChildProtocol::Esp => need(text, Encr::WHAT, &offer.encr)?,
            ChildProtocol::Ah => need(text, Integ::WHAT, &offer.integ)?,
        }
        Ok(offer)
    }
}

impl fmt::Display for IkeOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let implied: Vec<_> = self.integ.iter().filter_map(|integ| integ.prf()).collect();
        let mut words = words(&self.encr);
        words.extend(self.integ.iter().map(ToString::to_string));
        if self.prf != implied {
            words.extend(self.prf.iter().map(ToString::to_string));
        }
        words.extend(self.groups.iter().map(ToString::to_string));
        f.write_str(&words.join("-"))
    }
}

impl fmt::Display for ChildOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.protocol == ChildProtocol::Ah {
            f.write_str("ah:")?;
        }
        let mut words = words(&self.encr);
        words.extend(self.integ.iter().map(ToString::to_string));
        words.extend(self.groups.iter().map(ToString::to_string));
        if self.esn != [Esn::No] {
            words.extend(self.esn.iter().map(ToString::to_string));
        }
        f.write_str(&words.join("-"))
    }
}

macro_rules! as_text {
    ($($name:ident)+) => {$(
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

as_text!(IkeOffer ChildOffer);

fn take<T: FromStr + PartialEq>(word: &str, into: &mut Vec<T>) -> bool {
    let Ok(value) = word.parse() else {
        return false;
    };
    if !into.contains(&value) {
        into.push(value);
    }
    true
}

fn need<T>(offer: &str, what: &'static str, values: &[T]) -> Result<(), OfferError> {
    if values.is_empty() {
        return Err(OfferError::Missing { offer: offer.to_owned(), what });
    }
    Ok(())
}

fn words<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}
