//! Which credential a peer of IKEv1 authenticates with (facts F03 to F05 and F25; readings R14 to R18).
//!
//! In main mode the pre-shared key is needed before the identity is known, so the address names it;
//! in aggressive mode the identity comes first.

use core::net::IpAddr;

use crate::crypto::SecretBytes;
use crate::policy::identity::{Credential, Identity, IdentityQuery, IdentityRefusal};
use crate::policy::profile::Profile;
use crate::policy::readings::{AggressiveWithAddress, MainWithSignatures, MainWithoutAddress};

/// The key of main mode, as far as the address tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MainModeKey {
    /// The credential that is named by the address.
    Known(Box<Identity>, SecretBytes),
    /// No credential is, and the peer gets to know that late (reading R14).
    Unknown,
}

impl Profile {
    /// Finds the key of main mode by the address that the peer comes from.
    ///
    /// # Errors
    /// If no credential is named by it, unless reading R14 lets the peer find out by itself.
    pub fn main_mode_key(
        &self,
        source: IpAddr,
        credentials: &[Credential],
    ) -> Result<MainModeKey, IdentityRefusal> {
        let named = Identity::Ip(source);
        if let Some(credential) = credentials.iter().find(|credential| credential.id == named) {
            return Ok(MainModeKey::Known(Box::new(named), credential.psk.clone()));
        }
        match self.readings.r14 {
            MainWithoutAddress::FailFifth => Ok(MainModeKey::Unknown),
            MainWithoutAddress::RefuseFirst => Err(IdentityRefusal {
                rule: "R14 (F25)".to_owned(),
                says: format!(
                    "no credential is named by the address {source}, and main mode has \
                               nothing else to find a pre-shared key by"
                ),
                change: "use aggressive mode with a named credential, or IKEv2".to_owned(),
            }),
        }
    }

    /// Whether main mode with signatures may come from that address. It needs no credential, but an edge
    /// may hold that main mode is for known addresses all the same.
    ///
    /// # Errors
    /// If it may not.
    pub fn main_mode_by_signature(
        &self,
        source: IpAddr,
        credentials: &[Credential],
    ) -> Result<(), IdentityRefusal> {
        let named = Identity::Ip(source);
        let is_known = credentials.iter().any(|credential| credential.id == named);
        if is_known || self.readings.r16 == MainWithSignatures::PskOnly {
            return Ok(());
        }
        Err(IdentityRefusal {
            rule: "R16 (F36)".to_owned(),
            says: format!("main mode is not for {source}, which may change"),
            change: "use aggressive mode, or IKEv2".to_owned(),
        })
    }

    /// Checks the identity that a peer asserts in main mode, whose key was found by `named`.
    ///
    /// # Errors
    /// If the identity names another credential, or none.
    pub fn main_mode_identity(
        &self,
        query: IdentityQuery<'_>,
        named: &Identity,
        credentials: &[Credential],
    ) -> Result<(), IdentityRefusal> {
        let credential = self.identify(query, credentials)?;
        if credential.id == *named {
            return Ok(());
        }
        Err(IdentityRefusal {
            rule: "rfc2409-5.4-main-mode-psk-id-by-address".to_owned(),
            says: format!(
                "the peer says that it is {}, but its key was found as that of {named}",
                credential.id
            ),
            change: format!("set the local ID to {named}, or use aggressive mode"),
        })
    }

    /// Finds the credential that the identity of aggressive mode names.
    ///
    /// # Errors
    /// With the rule that stands against it.
    pub fn aggressive_mode_credential<'a>(
        &self,
        query: IdentityQuery<'_>,
        credentials: &'a [Credential],
    ) -> Result<&'a Credential, IdentityRefusal> {
        let credential = self.identify(query, credentials)?;
        let by_address = matches!(credential.id, Identity::Ip(_));
        if by_address && self.readings.r15 == AggressiveWithAddress::Refuse {
            return Err(IdentityRefusal {
                rule: "R15 (F25)".to_owned(),
                says: format!("the credential {} is named by an address", credential.id),
                change: "use main mode with it".to_owned(),
            });
        }
        Ok(credential)
    }
}
