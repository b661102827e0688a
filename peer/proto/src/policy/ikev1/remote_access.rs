//! Remote access: which users log in by XAUTH, and which addresses mode-config hands out (fact F28,
//! reading R32; draft-beaulieu-ike-xauth-02, draft-dukes-ike-mode-cfg-02).
//!
//! Whether peers may or must log in follows from the reading and from whether there are users. A
//! login is right or it is not: nobody learns whether it was the name or the password.

use core::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use subtle::{Choice, ConstantTimeEq};

use super::phase1::Phase1Context;
use crate::crypto::{Hash, Secret, SecretBytes};
use crate::policy::profile::Profile;
use crate::policy::readings::Xauth;
use crate::policy::refusal::{Reason, ReasonKind};
use crate::wire::v1::num::Phase1Auth;

/// The name and the password of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XauthUser {
    /// The name.
    pub name: String,
    /// The password. With an empty one nobody can log in.
    #[serde(with = "crate::secret_hex")]
    pub password: SecretBytes,
}

/// What an edge has for users behind its peers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemoteAccess {
    /// Who may log in.
    pub users: Vec<XauthUser>,
    /// How often a user is asked before the SA is deleted.
    pub tries: u32,
    /// Whether peers may also come without logging in, although there are users.
    pub optional: bool,
    /// The addresses that peers get.
    pub pool: Option<AddressPool>,
}

/// Inner addresses for peers, and what goes with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressPool {
    /// The first address.
    pub first: Ipv4Addr,
    /// The last address.
    pub last: Ipv4Addr,
    /// The netmask that is told with an address.
    #[serde(default)]
    pub netmask: Option<Ipv4Addr>,
    /// Name servers.
    #[serde(default)]
    pub dns: Vec<Ipv4Addr>,
    /// Whether an address is pushed to peers that have logged in, instead of waiting until they ask.
    #[serde(default)]
    pub push: bool,
}

impl Default for RemoteAccess {
    fn default() -> Self {
        Self { users: Vec::new(), tries: 3, optional: false, pool: None }
    }
}

impl RemoteAccess {
    /// Whether a user has this name and this password.
    ///
    /// All users are looked at, and digests compared in constant time, so that the time tells neither
    /// who there is nor how much of a password is right.
    pub fn knows(&self, name: &[u8], password: &SecretBytes) -> bool {
        let digest = |octets: &[u8]| Secret::new(Hash::Sha256.digest(&[octets]));
        let (given_name, given_password) = (digest(name), digest(password.expose()));
        let mut found = Choice::from(0);
        for user in &self.users {
            let same_name = digest(user.name.as_bytes()).ct_eq(&given_name);
            let same_password = digest(user.password.expose()).ct_eq(&given_password);
            found |= same_name & same_password;
        }
        bool::from(found) && !name.is_empty() && !password.is_empty()
    }
}

impl Profile {
    /// How peers may authenticate in phase 1, where `own` is what there is without XAUTH.
    pub fn phase1_methods(&self, own: &[Phase1Auth], access: &RemoteAccess) -> Vec<Phase1Auth> {
        if self.readings.r32 == Xauth::Off {
            return own.to_vec();
        }
        let with = own.iter().filter_map(|method| method.with_xauth());
        let must = !access.users.is_empty() && !access.optional;
        let without = own.iter().copied().filter(|_| !must);
        with.chain(without).collect()
    }

    /// What stands against a method of authentication.
    pub(super) fn against_auth(
        &self,
        auth: Phase1Auth,
        context: &Phase1Context<'_>,
    ) -> Option<Reason> {
        if context.auth.contains(&auth) {
            return None;
        }
        let asked = auth.with_xauth().filter(|with| context.auth.contains(with));
        let (rule, says, change) =
            if auth.is_xauth_of_initiator() && self.readings.r32 == Xauth::Off {
                let change = format!("authenticate by {} without XAUTH", auth.without_xauth());
                ("R32 (F28)", format!("{auth} is not accepted: XAUTH is off"), change)
            } else if let Some(asked) = asked {
                let says = format!("authentication by {auth} alone is not accepted");
                ("R32 (F28)", says, format!("log in by XAUTH as well: offer {asked}"))
            } else {
                let says = format!("authentication by {auth} is not accepted");
                let known = context.auth.iter().map(ToString::to_string).collect::<Vec<_>>();
                ("F28", says, format!("offer {}", known.join(" or ")))
            };
        Some(Reason { rule: rule.to_owned(), kind: ReasonKind::NotListed, says, change })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access() -> RemoteAccess {
        let user = |name: &str, password: &[u8]| XauthUser {
            name: name.to_owned(),
            password: SecretBytes::from_slice(password),
        };
        RemoteAccess {
            users: vec![user("alice", b"one"), user("bob", b"two"), user("carol", b"")],
            ..RemoteAccess::default()
        }
    }

    #[test]
    fn a_login_is_a_name_with_its_own_password() {
        let access = access();
        let knows =
            |name: &[u8], password: &[u8]| access.knows(name, &SecretBytes::from_slice(password));
        assert!(knows(b"alice", b"one") && knows(b"bob", b"two"));
        for (name, password) in [
            (&b"alice"[..], &b"two"[..]),
            (b"bob", b"one"),
            (b"alice", b"one "),
            (b"alice", b"on"),
            (b"Alice", b"one"),
            (b"", b"one"),
            (b"alice", b""),
            (b"carol", b""),
            (b"", b""),
            (b"dave", b"one"),
            (&[b'a'; 65_535], b"one"),
        ] {
            assert!(!knows(name, password), "{name:?}");
        }
    }

    #[test]
    fn passwords_are_not_printed() {
        let text = format!("{:?}", access());
        assert!(text.contains("alice") && text.contains("redacted"), "{text}");
        assert!(!text.contains("111, 110") && !text.contains("two"), "{text}");
    }

    #[test]
    fn the_reading_and_the_users_say_who_logs_in() {
        use Phase1Auth as Auth;
        let mut profile = Profile::lenient("test");
        let own = [Auth::PRE_SHARED_KEY, Auth::RSA_SIGNATURES];
        let with = [Auth::XAUTH_INIT_PRE_SHARED, Auth::XAUTH_INIT_RSA];
        let nobody = RemoteAccess::default();
        assert_eq!(profile.phase1_methods(&own, &access()), own);
        profile.readings.r32 = Xauth::On;
        assert_eq!(profile.phase1_methods(&own, &access()), with);
        assert_eq!(profile.phase1_methods(&own, &nobody), [&with[..], &own].concat());
        let optional = RemoteAccess { optional: true, ..access() };
        assert_eq!(profile.phase1_methods(&own, &optional), [&with[..], &own].concat());
    }
}
