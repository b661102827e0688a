//! Which credential a peer authenticates with: found by the identity that it asserts.
//!
//! Never by its address and never by order, as several tunnels of one site share an address
//! (pattern X14). The one exception is reading R17, where an identity that is an address may stand
//! for the only named credential bound to the packet's source.

use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use super::algorithm::listed;
use super::profile::{IdentityType, Profile};
use super::readings::{NameMatch, PrivateIdentity};
use crate::crypto::SecretBytes;
use crate::wire::hex;
use crate::wire::num::IdType;
use crate::wire::v2::Id;

/// An identity, in the types that a credential can be named by.
///
/// As text: `ip:192.0.2.1`, `fqdn:gw.example.com`, `email:gw@example.com`, `keyid:text` or
/// `keyid:0x…`; without a prefix what it looks like.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Identity {
    /// `ID_IPV4_ADDR` or `ID_IPV6_ADDR`.
    Ip(IpAddr),
    /// `ID_FQDN`.
    Fqdn(String),
    /// `ID_RFC822_ADDR`.
    Email(String),
    /// `ID_KEY_ID`.
    KeyId(Vec<u8>),
}

/// A pre-shared key and what it belongs to.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The identity that names it.
    pub id: Identity,
    /// The key.
    #[serde(with = "crate::secret_hex")]
    pub psk: SecretBytes,
    /// The source address that it was provisioned for, if any.
    #[serde(default)]
    pub bound_source: Option<IpAddr>,
}

/// What is known of a peer that wants to authenticate.
#[derive(Clone, Copy, Debug)]
pub struct IdentityQuery<'a> {
    /// The identity that it asserts.
    pub id_i: &'a Id,
    /// Where its packets come from.
    pub source: IpAddr,
    /// Whether it is behind a NAT.
    pub nat_at_peer: bool,
}

/// Why no credential is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Error)]
#[error("{says} [{rule}]; {change}")]
pub struct IdentityRefusal {
    /// The rule's id.
    pub rule: String,
    /// What was asserted and what is known.
    pub says: String,
    /// What to change.
    pub change: String,
}

/// A text that is no identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no identity: ip:ADDRESS, fqdn:NAME, email:NAME@DOMAIN or keyid:TEXT")]
pub struct NoIdentity(pub String);

impl Profile {
    /// Finds the credential that the asserted identity names.
    ///
    /// # Errors
    /// With the rule that stands against it: the caller answers AUTHENTICATION_FAILED.
    pub fn identify<'a>(
        &self,
        query: IdentityQuery<'_>,
        credentials: &'a [Credential],
    ) -> Result<&'a Credential, IdentityRefusal> {
        let Some(asserted) = Identity::from_id(query.id_i) else {
            return Err(self.unknown_type(query.id_i.kind.to_string()));
        };
        let types = self.identity.types.values(&self.readings);
        if !types.contains(&asserted.kind()) {
            return Err(self.unknown_type(asserted.kind().to_string()));
        }
        let folded = self.readings.r18 == NameMatch::Folded;
        let exact = credentials.iter().find(|credential| credential.id == asserted);
        let by_name = exact.or_else(|| {
            credentials.iter().find(|credential| folded && asserted.is_same_name(&credential.id))
        });
        if let Some(credential) = by_name {
            return Ok(credential);
        }
        match asserted {
            Identity::Ip(address) => self.by_source(address, query, credentials),
            named => Err(no_name(&named, credentials, folded)),
        }
    }

    /// An address that names no credential: reading R17.
    fn by_source<'a>(
        &self,
        asserted: IpAddr,
        query: IdentityQuery<'_>,
        credentials: &'a [Credential],
    ) -> Result<&'a Credential, IdentityRefusal> {
        let source = query.source;
        let behind = if query.nat_at_peer { " behind a NAT" } else { "" };
        let mut bound = credentials.iter().filter(|credential| {
            !matches!(credential.id, Identity::Ip(_)) && credential.bound_source == Some(source)
        });
        let (first, second) = (bound.next(), bound.next());
        let (rule, says, change) = match (self.readings.r17, first, second) {
            (PrivateIdentity::BoundSource, Some(only), None) => return Ok(only),
            (PrivateIdentity::BoundSource, Some(_), Some(_)) => (
                "R17",
                format!("several named credentials are bound to {source}"),
                "assert the name of the one that is meant".to_owned(),
            ),
            (_, None, _) if credentials.iter().any(|c| c.id == Identity::Ip(source)) => (
                "F05",
                format!(
                    "the peer says that it is {asserted}, but{behind} it comes from {source}, \
                     which is what the credential is named"
                ),
                format!("set the local ID to {source}, or use a named credential"),
            ),
            _ => (
                "R17 (F03, F04)",
                format!("no credential is named {asserted}; the peer comes from {source}{behind}"),
                "set the local ID to the name of the credential".to_owned(),
            ),
        };
        Err(IdentityRefusal { rule: rule.to_owned(), says, change })
    }

    fn unknown_type(&self, what: String) -> IdentityRefusal {
        let types = &self.identity.types;
        IdentityRefusal {
            rule: types.rule.clone(),
            says: format!("an identity of type {what} names no credential here"),
            change: format!("use one of {}", listed(&types.values(&self.readings))),
        }
    }
}

fn no_name(asserted: &Identity, credentials: &[Credential], folded: bool) -> IdentityRefusal {
    let near = credentials.iter().find(|credential| asserted.is_same_name(&credential.id));
    let (rule, says, change) = match near {
        Some(near) if !folded => (
            "R18",
            format!("the credential is {}, not {asserted}: type and case must be equal", near.id),
            format!("set the local ID to {}", near.id),
        ),
        _ => (
            "rfc7296-2.15-psk-id-lookup-by-idi",
            format!("no credential is named {asserted}"),
            "set the local ID to the name of a credential".to_owned(),
        ),
    };
    IdentityRefusal { rule: rule.to_owned(), says, change }
}

impl Identity {
    /// The identity of a payload, if a credential can be named like that.
    pub fn from_id(id: &Id) -> Option<Self> {
        let data = id.data.as_slice();
        match id.kind {
            IdType::IPV4_ADDR => {
                <[u8; 4]>::try_from(data).ok().map(|octets| Self::Ip(IpAddr::from(octets)))
            }
            IdType::IPV6_ADDR => {
                <[u8; 16]>::try_from(data).ok().map(|octets| Self::Ip(IpAddr::from(octets)))
            }
            IdType::FQDN => core::str::from_utf8(data).ok().map(|name| Self::Fqdn(name.to_owned())),
            IdType::RFC822_ADDR => {
                core::str::from_utf8(data).ok().map(|name| Self::Email(name.to_owned()))
            }
            IdType::KEY_ID => Some(Self::KeyId(data.to_vec())),
            _ => None,
        }
    }

    /// The identity as a payload.
    pub fn to_id(&self) -> Id {
        let (kind, data) = match self {
            Self::Ip(IpAddr::V4(address)) => (IdType::IPV4_ADDR, address.octets().to_vec()),
            Self::Ip(IpAddr::V6(address)) => (IdType::IPV6_ADDR, address.octets().to_vec()),
            Self::Fqdn(name) => (IdType::FQDN, name.as_bytes().to_vec()),
            Self::Email(name) => (IdType::RFC822_ADDR, name.as_bytes().to_vec()),
            Self::KeyId(octets) => (IdType::KEY_ID, octets.clone()),
        };
        Id { kind, data }
    }

    /// Its type.
    pub const fn kind(&self) -> IdentityType {
        match self {
            Self::Ip(IpAddr::V4(_)) => IdentityType::Ipv4,
            Self::Ip(IpAddr::V6(_)) => IdentityType::Ipv6,
            Self::Fqdn(_) => IdentityType::Fqdn,
            Self::Email(_) => IdentityType::Email,
            Self::KeyId(_) => IdentityType::KeyId,
        }
    }

    /// Whether both are names with the same letters, whatever their type and case.
    fn is_same_name(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fqdn(one) | Self::Email(one), Self::Fqdn(two) | Self::Email(two)) => {
                one.to_lowercase() == two.to_lowercase()
            }
            _ => false,
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "ip:{address}"),
            Self::Fqdn(name) => write!(f, "fqdn:{name}"),
            Self::Email(name) => write!(f, "email:{name}"),
            Self::KeyId(octets) => match core::str::from_utf8(octets) {
                Ok(text) if !text.starts_with("0x") && !text.chars().any(char::is_control) => {
                    write!(f, "keyid:{text}")
                }
                _ => {
                    f.write_str("keyid:0x")?;
                    octets.iter().try_for_each(|octet| write!(f, "{octet:02x}"))
                }
            },
        }
    }
}

impl FromStr for Identity {
    type Err = NoIdentity;

    fn from_str(text: &str) -> Result<Self, NoIdentity> {
        let wrong = || NoIdentity(text.to_owned());
        match text.split_once(':') {
            Some(("ip", address)) => address.parse().map(Self::Ip).map_err(|_| wrong()),
            Some(("fqdn", name)) if !name.is_empty() => Ok(Self::Fqdn(name.to_owned())),
            Some(("email", name)) if name.contains('@') => Ok(Self::Email(name.to_owned())),
            Some(("keyid", key)) if !key.is_empty() => match key.strip_prefix("0x") {
                Some(hex) => match hex::decode(hex) {
                    Ok(octets) if !octets.is_empty() => Ok(Self::KeyId(octets)),
                    _ => Err(wrong()),
                },
                None => Ok(Self::KeyId(key.as_bytes().to_vec())),
            },
            _ if text.is_empty() => Err(wrong()),
            _ => match text.parse() {
                Ok(address) => Ok(Self::Ip(address)),
                Err(_) if text.contains(':') => Err(wrong()),
                Err(_) if text.contains('@') => Ok(Self::Email(text.to_owned())),
                Err(_) => Ok(Self::Fqdn(text.to_owned())),
            },
        }
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("id", &self.id)
            .field("bound_source", &self.bound_source)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for IdentityType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4 address",
            Self::Ipv6 => "IPv6 address",
            Self::Fqdn => "FQDN",
            Self::Email => "RFC 822 address",
            Self::KeyId => "key ID",
        })
    }
}
