//! The rules of an edge that are IKEv1's own, as data.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::policy::profile::{Accept, ChildPolicy, IkePolicy, Profile};

/// What IKEv1 has rules of its own for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ikev1Policy {
    /// The modes of phase 1.
    pub modes: Accept<Ikev1Mode>,
    /// Rules of phase 1.
    pub ike: IkePolicy,
    /// Rules of phase 2.
    pub child: ChildPolicy,
    /// Sets the commit bit as the responder of quick mode, so that the peer waits for CONNECTED.
    #[serde(default)]
    pub commit: bool,
}

/// A mode of phase 1 (RFC 2409, sections 5.4 and 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ikev1Mode {
    /// Main mode: six messages, identities encrypted.
    #[default]
    Main,
    /// Aggressive mode: three messages, identities in clear.
    Aggressive,
}

impl fmt::Display for Ikev1Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "main mode",
            Self::Aggressive => "aggressive mode",
        })
    }
}

impl Profile {
    /// The profile as IKEv1 sees it: with its tables in place of those of IKEv2.
    pub fn for_ikev1(&self) -> Self {
        let mut profile = self.clone();
        if let Some(ikev1) = &self.ikev1 {
            profile.ike.clone_from(&ikev1.ike);
            profile.child.clone_from(&ikev1.child);
        }
        profile
    }

    /// The modes of phase 1 that are accepted, and the rule that says so.
    pub(super) fn modes(&self) -> (Vec<Ikev1Mode>, &str) {
        match &self.ikev1 {
            Some(ikev1) => (ikev1.modes.values(&self.readings), &ikev1.modes.rule),
            None => (vec![Ikev1Mode::Main, Ikev1Mode::Aggressive], ""),
        }
    }
}
