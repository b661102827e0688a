//! Whom a certificate names (RFC 4945, section 3.1).

use super::certificate::{AltName, Certificate};
use super::error::Refused;
use crate::wire::num::IdType;
use crate::wire::v2::Id;

impl Certificate {
    /// Whether the certificate names that identity: an address, a domain name or a mailbox in
    /// subjectAltName, or the subject itself. Names are compared whole, without wildcards.
    ///
    /// # Errors
    /// If it does not.
    pub fn check_id(&self, id: &Id) -> Result<(), Refused> {
        let mut names = self.extensions.names.iter();
        let named = match id.kind {
            IdType::IPV4_ADDR | IdType::IPV6_ADDR => {
                let address = id.address();
                names.any(|name| matches!(name, AltName::Ip(ip) if Some(*ip) == address))
            }
            IdType::FQDN => names.any(|name| match name {
                AltName::Dns(name) => id.data.eq_ignore_ascii_case(name.as_bytes()),
                _ => false,
            }),
            IdType::RFC822_ADDR => names.any(|name| match name {
                AltName::Email(name) => is_same_mailbox(name.as_bytes(), &id.data),
                _ => false,
            }),
            IdType::DER_ASN1_DN => self.has_subject() && id.data == self.subject,
            kind => return Err(Refused::TypeOfName(kind.to_string())),
        };
        if named {
            return Ok(());
        }
        Err(Refused::OtherName { subject: self.subject_text().to_owned(), id: id.to_string() })
    }

    /// The subject as an identity.
    pub fn subject_id(&self) -> Id {
        Id { kind: IdType::DER_ASN1_DN, data: self.subject.clone() }
    }

    /// A Name of no parts is two octets long.
    fn has_subject(&self) -> bool {
        self.subject.len() > 2
    }
}

/// Domains have no case, mailboxes in them do.
fn is_same_mailbox(one: &[u8], two: &[u8]) -> bool {
    let split = |name: &[u8]| {
        let at = name.iter().rposition(|octet| *octet == b'@')?;
        name.split_at_checked(at)
            .map(|(local, domain)| (local.to_vec(), domain.to_ascii_lowercase()))
    };
    one == two || split(one).is_some_and(|one| split(two) == Some(one))
}
