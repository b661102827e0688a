//! The three tables of a Wireshark profile, as text and as files.

use std::io;
use std::path::Path;

use ikeproof_proto::crypto::ChildProtocol;
use ikeproof_proto::event::KeyLogEntry;
use thiserror::Error;

use super::esp::EspKeys;
use super::ike::{Ikev1Keys, Ikev2Keys};

/// Wireshark has no name for this.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("Wireshark cannot decrypt {what}")]
pub struct Unsupported {
    /// The algorithm.
    pub what: String,
}

/// All keys of a session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyTables {
    /// IKEv1 SAs.
    pub ikev1: Vec<Ikev1Keys>,
    /// IKEv2 SAs.
    pub ikev2: Vec<Ikev2Keys>,
    /// ESP SAs, one entry a direction.
    pub esp: Vec<EspKeys>,
}

impl KeyTables {
    /// The tables of a key log.
    ///
    /// Keys of AH are left out: Wireshark has no table for them. Two SAs with one SPI are told apart by
    /// where their packets go.
    pub fn of(keys: &[KeyLogEntry]) -> Self {
        let mut tables = Self::default();
        for entry in keys {
            match entry {
                KeyLogEntry::Ike(ike) => tables.ikev2.push((&**ike).into()),
                KeyLogEntry::Child(child) if child.suite.protocol == ChildProtocol::Esp => {
                    let shared = keys.iter().any(|other| {
                        matches!(other, KeyLogEntry::Child(other)
                            if other.spi == child.spi && other.destination != child.destination)
                    });
                    let destination = shared.then_some(child.destination);
                    tables.esp.push(EspKeys { destination, ..(&**child).into() });
                }
                KeyLogEntry::Ikev1(ike) => tables.ikev1.push((&**ike).into()),
                KeyLogEntry::Child(_) | KeyLogEntry::Psk { .. } => {}
            }
        }
        tables
    }

    /// Writes the three files into `directory`, which it makes, and returns what cannot be decrypted;
    /// that stands in the files as comments.
    ///
    /// # Errors
    ///
    /// If the files cannot be written.
    pub fn write(&self, directory: &Path) -> io::Result<Vec<Unsupported>> {
        let mut unsupported = Vec::new();
        let mut table = |lines: Vec<Result<String, Unsupported>>| {
            let mut text = format!("{TITLE}\n");
            for line in lines {
                text.push_str(&line.unwrap_or_else(|error| {
                    let comment = error.comment();
                    unsupported.push(error);
                    comment
                }));
                text.push('\n');
            }
            text
        };
        let ikev1 = table(self.ikev1.iter().map(|keys| Ok(keys.line())).collect());
        let ikev2 = table(self.ikev2.iter().map(Ikev2Keys::line).collect());
        let esp = table(self.esp.iter().map(EspKeys::line).collect());
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join(IKEV1_TABLE), ikev1)?;
        std::fs::write(directory.join(IKEV2_TABLE), ikev2)?;
        std::fs::write(directory.join(ESP_TABLE), esp)?;
        Ok(unsupported)
    }
}

impl Unsupported {
    /// A line of a table that says so and that Wireshark skips.
    pub fn comment(&self) -> String {
        format!("# {self}")
    }
}

/// The first line of each table.
pub const TITLE: &str = "# Written by ikeproof. Contains session keys.";
/// The file of IKEv1 SAs.
pub const IKEV1_TABLE: &str = "ikev1_decryption_table";
/// The file of IKEv2 SAs.
pub const IKEV2_TABLE: &str = "ikev2_decryption_table";
/// The file of ESP SAs.
pub const ESP_TABLE: &str = "esp_sa";

#[cfg(test)]
mod tests {
    use ikeproof_proto::crypto::{ChildSuite, SecretBytes};
    use ikeproof_proto::event::ChildKeyLog;

    use super::*;

    fn child(spi: u32, destination: &str, suite: &str) -> KeyLogEntry {
        let suite: ChildSuite = suite.parse().unwrap();
        KeyLogEntry::Child(Box::new(ChildKeyLog {
            spi,
            source: "192.0.2.1".parse().unwrap(),
            destination: destination.parse().unwrap(),
            suite,
            encryption: SecretBytes::new(vec![1; suite.encr.keymat_len()]),
            integrity: SecretBytes::new(vec![2; suite.integ.key_len()]),
        }))
    }

    #[test]
    fn addresses_are_open_unless_two_sas_have_one_spi() {
        let tables = KeyTables::of(&[
            child(1, "192.0.2.7", "aes256gcm16"),
            child(2, "192.0.2.7", "aes256gcm16"),
            child(2, "192.0.2.8", "aes256gcm16"),
        ]);
        let to: Vec<_> = tables.esp.iter().map(|keys| (keys.source, keys.destination)).collect();
        let at = |last| Some(std::net::IpAddr::from([192, 0, 2, last]));
        assert_eq!(to, [(None, None), (None, at(7)), (None, at(8))]);
    }

    #[test]
    fn keys_that_wireshark_cannot_use_stay_as_comments_and_those_of_ah_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let tables = KeyTables::of(&[
            child(1, "192.0.2.7", "chacha20poly1305"),
            child(2, "192.0.2.7", "ah:sha256"),
            child(3, "2001:db8::1", "aes128-sha1-esn"),
        ]);
        let unsupported = tables.write(directory.path()).unwrap();
        assert_eq!(unsupported.len(), 1);
        let text = std::fs::read_to_string(directory.path().join(ESP_TABLE)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[..2], [TITLE, "# Wireshark cannot decrypt ESP with ChaCha20-Poly1305"]);
        assert!(lines[2].starts_with("\"IPv6\",\"*\",\"*\",\"0x00000003\","), "{text}");
        assert!(lines[2].ends_with(",\"64-bit\""), "{text}");
        assert_eq!(lines.len(), 3);
    }
}
