//! The named switches of an edge profile: one for each place where the edge's document can be
//! read in more than one way.
//!
//! A profile carries [`Readings`]; a scenario may set one of them, or a whole bundle, and then shows
//! which reading a gateway fits. Rules that are data (allow-lists, constraints) are tied to a switch
//! by [`When`]; the others are asked for in code, where the field's documentation says so.

use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! readings {
    ($(
        $(#[$doc:meta])*
        $field:ident $id:literal $name:ident {
            $( $(#[$vdoc:meta])* $variant:ident = $text:literal, )+
        }
    )+) => {
        $(
            $(#[$doc])*
            ///
            /// The first value is the default.
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
            pub enum $name {
                $( $(#[$vdoc])* #[serde(rename = $text)] $variant, )+
            }

            impl $name {
                /// Every value's name, the default first.
                pub const VALUES: &'static [&'static str] = &[$($text),+];

                /// The name of this value.
                pub const fn name(self) -> &'static str {
                    match self { $(Self::$variant => $text,)+ }
                }
            }
        )+

        /// The chosen value of every reading.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Readings {
            $( $(#[$doc])* #[serde(rename = $id)] pub $field: $name, )+
        }

        impl Readings {
            /// Every reading's id with its values, the default first.
            pub const ALL: &'static [(&'static str, &'static [&'static str])] =
                &[$(($id, $name::VALUES)),+];

            /// The value of the reading `id`, if there is such a reading.
            pub fn value(&self, id: &str) -> Option<&'static str> {
                match id {
                    $( $id => Some(self.$field.name()), )+
                    _ => None,
                }
            }

            /// Sets the reading `id` to the value called `value`.
            ///
            /// # Errors
            /// When there is no such reading, or no such value of it.
            pub fn set(&mut self, id: &str, value: &str) -> Result<(), ReadingError> {
                match id {
                    $( $id => match value {
                        $( $text => self.$field = $name::$variant, )+
                        _ => return Err(ReadingError::NoSuchValue {
                            id: $id, value: value.to_owned(), values: $name::VALUES,
                        }),
                    }, )+
                    _ => return Err(ReadingError::NoSuchReading { id: id.to_owned() }),
                }
                Ok(())
            }
        }
    };
}

readings! {
    /// Whether MD5 is accepted in phase 1 of IKEv1. Data: the IKEv1 allow-list.
    r01 "R01" Phase1Md5 {
        /// Refused, as the table has no such row.
        #[default] Refuse = "refuse",
        /// Accepted.
        Accept = "accept",
    }
    /// Which ciphers phase 1 of IKEv1 takes. Data: a constraint.
    r02 "R02" Phase1Ciphers {
        /// Those of the table.
        #[default] Table = "table",
        /// AES-128, as the text says.
        Text = "text",
    }
    /// Which integrity phase 2 of IKEv1 takes. Data: a constraint.
    r03 "R03" Phase2Integrity {
        /// That of the table.
        #[default] Table = "table",
        /// MD5, as the text says.
        Text = "text",
    }
    /// Which groups SHA-384 and SHA-512 may be used with in phase 1. Data: constraint C1.
    r04 "R04" LongHashGroup {
        /// Group 14 and no other.
        #[default] Literal = "literal",
        /// Group 14, 19, 20 or 21.
        AtLeast14 = "at-least-14",
    }
    /// How a wide proposal is judged.
    r05 "R05" WideProposal {
        /// Each combination by itself, so a forbidden one is passed over.
        #[default] PerCombination = "per-combination",
        /// Each list by itself: constraints over combinations are not looked at. A common bug.
        ListOnly = "list-only",
    }
    /// What to do with an AEAD cipher and an HMAC in one child proposal.
    r06 "R06" AeadWithHmac {
        /// Pass over the combination.
        #[default] Strict = "strict",
        /// Take the cipher and ignore the HMAC, which the answer repeats.
        IgnoreHmac = "ignore-hmac",
    }
    /// Whether the tenant has bought AES for phase 2. Data: the child allow-list.
    r08 "R08" Phase2Aes {
        /// AES and AES-GCM are accepted.
        #[default] Purchased = "purchased",
        /// Only NULL is accepted.
        NotPurchased = "not-purchased",
    }
    /// Whether AES-GCM is accepted for the IKE SA. Data: the IKE allow-list.
    r09 "R09" Phase1Gcm {
        /// Refused, as the table has no such row.
        #[default] Refuse = "refuse",
        /// Accepted.
        Accept = "accept",
    }
    /// AH where NAT was detected.
    r11 "R11" AhBehindNat {
        /// Refused: UDP encapsulation carries ESP only, and AH covers the addresses.
        #[default] Refuse = "refuse",
        /// Negotiated; every packet then fails its check.
        Negotiate = "negotiate",
    }
    /// "ESP and AH" of IKEv1: two proposals under one number, for SAs that are used together.
    r12 "R12" Bundle {
        /// Refused.
        #[default] Refuse = "refuse",
        /// Accepted: ESP goes inside of AH.
        Accept = "accept",
    }
    /// Main mode of IKEv1 with a pre-shared key, from an address that no credential is named by.
    r14 "R14" MainWithoutAddress {
        /// Refused on the first message.
        #[default] RefuseFirst = "refuse-first",
        /// Answered until the key is needed: the fifth message cannot be decrypted.
        FailFifth = "fail-fifth",
    }
    /// Aggressive mode of IKEv1 with a credential that is named by an address.
    r15 "R15" AggressiveWithAddress {
        /// Refused.
        #[default] Refuse = "refuse",
        /// Accepted.
        Accept = "accept",
    }
    /// Main mode of IKEv1 with signatures, from an address that no credential is named by.
    r16 "R16" MainWithSignatures {
        /// Accepted: it is the pre-shared key that is found by the address.
        #[default] PskOnly = "psk-only",
        /// Refused, as main mode is not for peers whose address changes.
        Always = "always",
    }
    /// What names the credential when the peer says that it is a private address.
    r17 "R17" PrivateIdentity {
        /// Only the credential's own name does.
        #[default] CredentialName = "credential-name",
        /// An address is taken if exactly one named credential is bound to the source.
        BoundSource = "bound-source",
    }
    /// How an FQDN credential is compared with the identity that was sent.
    r18 "R18" NameMatch {
        /// `ID_FQDN` and `ID_RFC822_ADDR` both match, without regard to case.
        #[default] Folded = "folded",
        /// Type and octets must be equal.
        Exact = "exact",
    }
    /// Which PRF may go with which integrity algorithm in phase 1.
    r19 "R19" PrfChoice {
        /// Any of the list.
        #[default] AnyListed = "any-listed",
        /// The one of the same hash.
        SameHash = "same-hash",
    }
    /// A longer lifetime than the edge's own, which IKEv1 negotiates.
    r20 "R20" LongerLifetime {
        /// Accepted, and the own one told by RESPONDER-LIFETIME.
        #[default] ResponderLifetime = "responder-lifetime",
        /// Refused.
        Refuse = "refuse",
        /// Accepted, and the own one used without a word.
        Shorten = "shorten",
    }
    /// What USE_TRANSPORT_MODE is answered with. Read by the endpoint.
    r21 "R21" TransportMode {
        /// It is ignored, so a tunnel results.
        #[default] Ignore = "ignore",
        /// NO_PROPOSAL_CHOSEN.
        Refuse = "refuse",
    }
    /// How interval and retries make up the time until a peer counts as dead.
    r22 "R22" DeadAfter {
        /// One probe after the idle time, each retry one interval later: about 120 s.
        #[default] EachRetry = "each-retry",
        /// Interval times retries in all: 100 s.
        InAll = "in-all",
        /// One interval after the first probe.
        FirstProbe = "first-probe",
    }
    /// When the edge probes. Read by the endpoint.
    r23 "R23" ProbeMode {
        /// Only with something to send and nothing heard.
        #[default] OnDemand = "on-demand",
        /// Whenever nothing was heard.
        Periodic = "periodic",
    }
    /// What the limit of child SAs counts: in IKEv1, as in IKEv2 nobody gets a second one.
    r24 "R24" ChildCount {
        /// Pairs; the overlap of a rekey is not counted.
        #[default] Pairs = "pairs",
        /// Pairs, with the overlap of a rekey.
        Overlap = "overlap",
        /// Single SAs, so half as many pairs.
        EachDirection = "each-direction",
    }
    /// A key exchange for child SAs after the first.
    r25 "R25" Pfs {
        /// With and without are accepted.
        #[default] Optional = "optional",
        /// Must not be there.
        Forbid = "forbid",
        /// Must be there.
        Require = "require",
    }
    /// A proposal that holds extended sequence numbers.
    r26 "R26" EsnOffer {
        /// "No ESN" is chosen if it is offered too.
        #[default] PickNone = "pick-none",
        /// Any proposal with ESN in it is refused.
        RefuseAny = "refuse-any",
    }
    /// What the first message of IKEv1 gets where IKEv1 is off. Read by the endpoint.
    r28 "R28" Ikev1Off {
        /// Nothing.
        #[default] Silence = "silence",
        /// NO-PROPOSAL-CHOSEN.
        NoProposalChosen = "no-proposal-chosen",
        /// INVALID-MAJOR-VERSION.
        InvalidMajorVersion = "invalid-major-version",
    }
    /// The answer to a delete of the IKE SA. Read by the endpoint.
    r30 "R30" IkeDeleteAnswer {
        /// An empty message, as RFC 7296 §1.4.1 says.
        #[default] Empty = "empty",
        /// The delete payload repeated.
        Echo = "echo",
    }
    /// Whether users may log in by XAUTH in IKEv1. Where there are users, they must.
    r32 "R32" Xauth {
        /// Refused, as credentials for it can no longer be made.
        #[default] Off = "off",
        /// Accepted.
        On = "on",
    }
}

/// Ties a piece of data to one value of one reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// The reading, such as `R04`.
    pub reading: String,
    /// The value under which the data counts.
    pub is: String,
}

impl When {
    /// Whether the data counts under `readings`.
    pub fn holds(&self, readings: &Readings) -> bool {
        readings.value(&self.reading) == Some(self.is.as_str())
    }
}

/// A reading or a value that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReadingError {
    /// No reading has this id.
    #[error("there is no reading {id}")]
    NoSuchReading {
        /// What was asked for.
        id: String,
    },
    /// The reading has no value of this name.
    #[error("{id} cannot be {value:?}; it is one of {}", values.join(", "))]
    NoSuchValue {
        /// The reading.
        id: &'static str,
        /// What was asked for.
        value: String,
        /// What there is.
        values: &'static [&'static str],
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reading_can_be_set_to_each_of_its_values_and_read_back() {
        let mut readings = Readings::default();
        for (id, values) in Readings::ALL {
            assert_eq!(
                readings.value(id),
                values.first().copied(),
                "{id}: the first is the default"
            );
            for value in *values {
                readings.set(id, value).expect("a listed value");
                assert_eq!(readings.value(id), Some(*value));
            }
        }
    }

    #[test]
    fn unknown_readings_and_values_are_named() {
        let mut readings = Readings::default();
        assert!(readings.set("R99", "x").unwrap_err().to_string().contains("R99"));
        let error = readings.set("R04", "loose").unwrap_err().to_string();
        assert!(error.contains("literal, at-least-14"), "{error}");
    }
}
