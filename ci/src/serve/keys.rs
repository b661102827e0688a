//! Key tables for Wireshark, written line by line as keys come: what is on disk is always complete.
//!
//! The pre-shared secret is never among them, nor anything that it can be guessed from.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use ikeproof_driver::wireshark::{
    ESP_TABLE, EspKeys, IKEV1_TABLE, IKEV2_TABLE, Ikev1Keys, Ikev2Keys, TITLE, Unsupported,
};
use ikeproof_proto::crypto::ChildProtocol;
use ikeproof_proto::event::KeyLogEntry;

/// The tables of a session that goes on.
#[derive(Debug)]
pub struct KeyTables {
    ike: File,
    ikev1: File,
    esp: File,
}

impl KeyTables {
    /// Begins the tables anew, readable by their owner alone.
    ///
    /// # Errors
    /// If the folder or a file cannot be made.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let table = |name: &str| {
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(folder.join(name))?;
            writeln!(file, "{TITLE}")?;
            Ok::<_, io::Error>(file)
        };
        Ok(Self { ike: table(IKEV2_TABLE)?, ikev1: table(IKEV1_TABLE)?, esp: table(ESP_TABLE)? })
    }

    /// Adds keys, and says which of them Wireshark cannot use.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn add(&mut self, keys: &KeyLogEntry) -> io::Result<Result<(), Unsupported>> {
        let (file, line) = match keys {
            KeyLogEntry::Ike(keys) => (&mut self.ike, Ikev2Keys::from(&**keys).line()),
            KeyLogEntry::Ikev1(keys) => (&mut self.ikev1, Ok(Ikev1Keys::from(&**keys).line())),
            KeyLogEntry::Child(keys) if keys.suite.protocol == ChildProtocol::Esp => {
                (&mut self.esp, EspKeys::from(&**keys).line())
            }
            KeyLogEntry::Child(_) | KeyLogEntry::Psk { .. } => return Ok(Ok(())),
        };
        match line {
            Ok(line) => writeln!(file, "{line}").map(Ok),
            Err(unsupported) => {
                writeln!(file, "{}", unsupported.comment())?;
                Ok(Err(unsupported))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ikeproof_proto::crypto::{IkeSuite, SecretBytes};
    use ikeproof_proto::event::Ikev1KeyLog;
    use ikeproof_proto::wire::IkeSpi;

    use super::*;
    use crate::decode::keys;

    #[test]
    fn keys_of_ikev1_have_a_table_of_their_own_that_decode_reads() {
        let folder = tempfile::tempdir().unwrap();
        let mut tables = KeyTables::create(folder.path()).unwrap();
        let suite: IkeSuite = "aes256-sha1-modp1024".parse().unwrap();
        let secret = |octet| SecretBytes::new(vec![octet; 20]);
        let entry = KeyLogEntry::Ikev1(Box::new(Ikev1KeyLog {
            spi_i: IkeSpi([1; 8]),
            spi_r: IkeSpi([2; 8]),
            suite,
            skeyid: secret(3),
            skeyid_d: secret(4),
            skeyid_a: secret(5),
            skeyid_e: secret(6),
            key: SecretBytes::new(vec![7; 32]),
        }));
        assert_eq!(tables.add(&entry).unwrap(), Ok(()));
        let text = std::fs::read_to_string(folder.path().join(IKEV1_TABLE)).unwrap();
        let line = format!("{},{}", "01".repeat(8), "07".repeat(32));
        assert_eq!(text, format!("{TITLE}\n{line}\n"));
        let mut notes = Vec::new();
        let read = keys::read(folder.path(), &mut notes).unwrap();
        let [KeyLogEntry::Ikev1(read)] = &read[..] else { panic!("{read:?}") };
        assert_eq!((read.spi_i, read.key.expose().as_slice()), (IkeSpi([1; 8]), &[7; 32][..]));
        assert!(notes.is_empty(), "{notes:?}");
    }
}
