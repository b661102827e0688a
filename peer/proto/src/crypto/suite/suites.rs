//! The suites that a negotiation ends in, and their names: words joined by `-`.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::{UnknownSuite, serde_by_name};
use super::{Encr, Esn, Group, Integ, Prf};

/// The algorithms of an IKE SA.
///
/// As text: cipher, integrity unless the cipher is an AEAD, pseudo-random function unless it is
/// the one of the integrity transform, group: `aes256-sha256-modp2048`,
/// `aes128gcm16-prfsha256-ecp256`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IkeSuite {
    /// The cipher.
    pub encr: Encr,
    /// The integrity transform, `Integ::None` with an AEAD.
    pub integ: Integ,
    /// The pseudo-random function.
    pub prf: Prf,
    /// The Diffie-Hellman group.
    pub group: Group,
}

/// The protocol of a child SA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChildProtocol {
    /// Encapsulating Security Payload, RFC 4303.
    Esp,
    /// Authentication Header, RFC 4302.
    Ah,
}

/// The algorithms of a child SA.
///
/// As text: `ah:` if it is AH, cipher (not for AH), integrity unless the cipher is an AEAD, group
/// if there is perfect forward secrecy, `esn` if sequence numbers are extended:
/// `aes128gcm16`, `null-md5`, `aes256-sha256-modp2048-esn`, `ah:sha1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildSuite {
    /// The protocol.
    pub protocol: ChildProtocol,
    /// The cipher; `Encr::Null` in AH.
    pub encr: Encr,
    /// The integrity transform, `Integ::None` with an AEAD.
    pub integ: Integ,
    /// Whether sequence numbers are extended.
    pub esn: Esn,
    /// The group of a new key exchange, if there is one.
    pub group: Option<Group>,
}

impl ChildSuite {
    /// An ESP suite without a key exchange and without extended sequence numbers.
    pub const fn esp(encr: Encr, integ: Integ) -> Self {
        Self { protocol: ChildProtocol::Esp, encr, integ, esn: Esn::No, group: None }
    }

    /// An AH suite without a key exchange and without extended sequence numbers.
    pub const fn ah(integ: Integ) -> Self {
        Self { protocol: ChildProtocol::Ah, encr: Encr::Null, integ, esn: Esn::No, group: None }
    }

    /// The length of the ICV in octets, whichever transform makes it.
    pub const fn icv_len(&self) -> usize {
        if self.encr.is_aead() { self.encr.icv_len() } else { self.integ.icv_len() }
    }

    /// What one direction takes of the key material.
    pub const fn keymat_len(&self) -> usize {
        self.encr.keymat_len() + self.integ.key_len()
    }
}

impl fmt::Display for IkeSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.encr)?;
        if self.integ != Integ::None {
            write!(f, "-{}", self.integ)?;
        }
        if self.integ.prf() != Some(self.prf) {
            write!(f, "-{}", self.prf)?;
        }
        write!(f, "-{}", self.group)
    }
}

impl FromStr for IkeSuite {
    type Err = UnknownSuite;

    fn from_str(suite: &str) -> Result<Self, UnknownSuite> {
        let missing = |missing| UnknownSuite::Missing { missing, suite: suite.to_owned() };
        let words = Words::read(suite, suite)?;
        let encr = words.encr.ok_or_else(|| missing("a cipher"))?;
        if words.esn.is_some() {
            return Err(UnknownSuite::Word { word: "esn".to_owned(), suite: suite.to_owned() });
        }
        let integ = words.integ(encr, suite)?;
        let prf = words.prf.or_else(|| integ.prf());
        Ok(Self {
            encr,
            integ,
            prf: prf.ok_or_else(|| missing("a pseudo-random function"))?,
            group: words.group.ok_or_else(|| missing("a Diffie-Hellman group"))?,
        })
    }
}

impl fmt::Display for ChildSuite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.protocol {
            ChildProtocol::Esp if self.integ == Integ::None => write!(f, "{}", self.encr)?,
            ChildProtocol::Esp => write!(f, "{}-{}", self.encr, self.integ)?,
            ChildProtocol::Ah => write!(f, "ah:{}", self.integ)?,
        }
        if let Some(group) = self.group {
            write!(f, "-{group}")?;
        }
        if self.esn == Esn::Yes {
            write!(f, "-{}", self.esn)?;
        }
        Ok(())
    }
}

impl FromStr for ChildSuite {
    type Err = UnknownSuite;

    fn from_str(suite: &str) -> Result<Self, UnknownSuite> {
        let (protocol, rest) = match suite.strip_prefix("ah:") {
            Some(rest) => (ChildProtocol::Ah, rest),
            None => (ChildProtocol::Esp, suite.strip_prefix("esp:").unwrap_or(suite)),
        };
        let words = Words::read(rest, suite)?;
        let wrong = |word: String| UnknownSuite::Word { word, suite: suite.to_owned() };
        if let Some(prf) = words.prf {
            return Err(wrong(prf.to_string()));
        }
        let encr = match (protocol, words.encr) {
            (ChildProtocol::Esp, Some(encr)) => encr,
            (ChildProtocol::Ah, None) => Encr::Null,
            (ChildProtocol::Ah, Some(encr)) => return Err(wrong(encr.to_string())),
            (ChildProtocol::Esp, None) => {
                return Err(UnknownSuite::Missing { missing: "a cipher", suite: suite.to_owned() });
            }
        };
        let integ = words.integ(encr, suite)?;
        let esn = words.esn.unwrap_or(Esn::No);
        Ok(Self { protocol, encr, integ, esn, group: words.group })
    }
}

serde_by_name!(IkeSuite);
serde_by_name!(ChildSuite);

/// The words of a suite, each at most once, in any order.
#[derive(Default)]
struct Words {
    encr: Option<Encr>,
    integ: Option<Integ>,
    prf: Option<Prf>,
    group: Option<Group>,
    esn: Option<Esn>,
}

impl Words {
    fn read(text: &str, suite: &str) -> Result<Self, UnknownSuite> {
        let mut words = Self::default();
        for word in text.split('-') {
            let taken = take(&mut words.encr, word)
                || take(&mut words.integ, word)
                || take(&mut words.prf, word)
                || take(&mut words.group, word)
                || take(&mut words.esn, word);
            if !taken {
                return Err(UnknownSuite::Word { word: word.to_owned(), suite: suite.to_owned() });
            }
        }
        Ok(words)
    }

    /// The integrity transform, which must be there exactly when the cipher is no AEAD.
    fn integ(&self, encr: Encr, suite: &str) -> Result<Integ, UnknownSuite> {
        match self.integ {
            None if encr.is_aead() => Ok(Integ::None),
            Some(Integ::None) if encr.is_aead() => Ok(Integ::None),
            Some(integ) if integ != Integ::None && !encr.is_aead() => Ok(integ),
            Some(integ) => {
                Err(UnknownSuite::Word { word: integ.to_string(), suite: suite.to_owned() })
            }
            None => Err(UnknownSuite::Missing {
                missing: "an integrity transform",
                suite: suite.to_owned(),
            }),
        }
    }
}

fn take<T: FromStr>(slot: &mut Option<T>, word: &str) -> bool {
    match word.parse() {
        Ok(value) if slot.is_none() => {
            *slot = Some(value);
            true
        }
        _ => false,
    }
}
