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
