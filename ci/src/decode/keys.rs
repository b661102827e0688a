//! Key tables of Wireshark, read back: what `serve --keys` and a run leave beside their captures.
//!
//! A table does not say everything about a suite. The group and the pseudo-random function of an IKE
//! SA stand for anything here: nothing that a table allows to check depends on them. Of an ISAKMP SA it
//! says least, the initiator's cookie and the key: the responder's cookie is zero here, the cipher is a
//! guess by the length of the key, and what no table tells is empty.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use ikeproof_driver::wireshark::{
    ESP_TABLE, EspEncryption, EspIntegrity, IKEV1_TABLE, IKEV2_TABLE, IkeEncryption, IkeIntegrity,
};
use ikeproof_proto::crypto::suite::KeyBits;
use ikeproof_proto::crypto::{ChildSuite, Encr, Esn, Group, IkeSuite, Integ, Prf, SecretBytes};
use ikeproof_proto::event::{ChildKeyLog, IkeKeyLog, Ikev1KeyLog, KeyLogEntry};
use ikeproof_proto::wire::{IkeSpi, hex};

use crate::exit::Stop;

/// Makes keys of the fields of a line.
type Reader = fn(&[String]) -> Option<KeyLogEntry>;

/// Reads the tables of a folder. What cannot be used is noted and left out.
///
/// # Errors
/// If the folder has no table, or a line is no line of one.
pub fn read(folder: &Path, notes: &mut Vec<String>) -> Result<Vec<KeyLogEntry>, Stop> {
    let mut keys = Vec::new();
    let mut found = false;
    let tables: [(&str, Reader); 3] =
        [(IKEV2_TABLE, ike_line), (IKEV1_TABLE, ikev1_line), (ESP_TABLE, esp_line)];
    for (name, entry) in tables {
        let path = folder.join(name);
        let Ok(text) = std::fs::read_to_string(&path) else {
            // Most sessions have no IKEv1, and older recordings no table for it.
            if name != IKEV1_TABLE {
                notes.push(format!("no {} among the keys", path.display()));
            }
            continue;
        };
        found = true;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || {
                let path = path.display();
                Stop::Usage(format!("{path}, line {number}: not a line of this table"))
            };
            keys.push(entry(&fields(line)).ok_or_else(wrong)?);
        }
    }
    if !found {
        return Err(Stop::Usage(format!(
            "--keys {}: none of ikev2_decryption_table, ikev1_decryption_table and esp_sa is there",
            folder.display()
        )));
    }
    Ok(keys)
}

/// The fields of a line: separated by commas, quoted where they are text. No field has a quote.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match (letter, fields.last_mut()) {
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (letter, Some(field)) => field.push(letter),
            (_, None) => {}
        }
    }
    fields
}

fn ike_line(fields: &[String]) -> Option<KeyLogEntry> {
    let [spi_i, spi_r, sk_ei, sk_er, encryption, sk_ai, sk_ar, integrity] = fields else {
        return None;
    };
    let spi = |text: &str| hex::decode(text).ok()?.try_into().ok().map(IkeSpi);
    let encr = Encr::all().find(|encr| named(IkeEncryption::from(*encr).name(), encryption))?;
    let integ = Integ::all().find(|integ| named(IkeIntegrity::from(*integ).name(), integrity))?;
    let prf = integ.prf().unwrap_or(Prf::HmacSha256);
    Some(KeyLogEntry::Ike(Box::new(IkeKeyLog {
        spi_i: spi(spi_i)?,
        spi_r: spi(spi_r)?,
        suite: IkeSuite { encr, integ, prf, group: Group::Modp2048 },
        sk_ai: secret(sk_ai)?,
        sk_ar: secret(sk_ar)?,
        sk_ei: secret(sk_ei)?,
        sk_er: secret(sk_er)?,
        sk_pi: SecretBytes::default(),
        sk_pr: SecretBytes::default(),
    })))
}

fn ikev1_line(fields: &[String]) -> Option<KeyLogEntry> {
    let [cookie_i, key] = fields else { return None };
    let key = secret(key)?;
    let encr = match key.len() {
        16 => Encr::AesCbc(KeyBits::B128),
        24 => Encr::TripleDesCbc,
        32 => Encr::AesCbc(KeyBits::B256),
        _ => return None,
    };
    Some(KeyLogEntry::Ikev1(Box::new(Ikev1KeyLog {
        spi_i: hex::decode(cookie_i).ok()?.try_into().ok().map(IkeSpi)?,
        spi_r: IkeSpi::ZERO,
        suite: IkeSuite {
            encr,
            integ: Integ::HmacSha1_96,
            prf: Prf::HmacSha1,
            group: Group::Modp1024,
        },
        skeyid: SecretBytes::default(),
        skeyid_d: SecretBytes::default(),
        skeyid_a: SecretBytes::default(),
        skeyid_e: SecretBytes::default(),
        key,
    })))
}

fn esp_line(fields: &[String]) -> Option<KeyLogEntry> {
    // The last column is younger than the others and may be missing.
    let (family, source, destination, spi, encryption, key, integrity, integrity_key, rest) =
        match fields {
            [a, b, c, d, e, f, g, h, rest @ ..] => (a, b, c, d, e, f, g, h, rest),
            _ => return None,
        };
    let encryption_key = secret(key.strip_prefix("0x").unwrap_or(key))?;
    // A name of a CBC cipher stands for keys of every length.
    let fits = |encr: &Encr| {
        named(EspEncryption::from(*encr).name(), encryption)
            && encr.keymat_len() == encryption_key.len()
    };
    let encr = Encr::all().find(fits)?;
    let integ = Integ::all().find(|integ| named(EspIntegrity::from(*integ).name(), integrity))?;
    let any = match family.as_str() {
        "IPv4" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "IPv6" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let address = |text: &str| if text == "*" { Some(any) } else { text.parse().ok() };
    let esn = if rest.first().is_some_and(|it| it == "64-bit") { Esn::Yes } else { Esn::No };
    Some(KeyLogEntry::Child(Box::new(ChildKeyLog {
        spi: u32::from_str_radix(spi.strip_prefix("0x")?, 16).ok()?,
        source: address(source)?,
        destination: address(destination)?,
        suite: ChildSuite { esn, ..ChildSuite::esp(encr, integ) },
        encryption: encryption_key,
        integrity: secret(integrity_key.strip_prefix("0x").unwrap_or(integrity_key))?,
    })))
}

fn named<E>(name: Result<String, E>, wanted: &str) -> bool {
    name.is_ok_and(|name| name == wanted)
}

fn secret(text: &str) -> Option<SecretBytes> {
    hex::decode(text).ok().map(SecretBytes::new)
}

#[cfg(test)]
mod tests {
    use ikeproof_driver::wireshark::{EspKeys, Ikev1Keys, Ikev2Keys};

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let secret = |len: usize| SecretBytes::new(vec![0x5a; len]);
        for (name, prf) in [("aes256-sha256-modp2048", ""), ("aes128gcm16-prfsha256-modp2048", "")]
        {
            let suite: IkeSuite = format!("{name}{prf}").parse().unwrap();
            let (key, integ) = (suite.encr.keymat_len(), suite.integ.key_len());
            let entry = IkeKeyLog {
                spi_i: IkeSpi([1; 8]),
                spi_r: IkeSpi([2; 8]),
                suite,
                sk_ai: secret(integ),
                sk_ar: secret(integ),
                sk_ei: secret(key),
                sk_er: secret(key),
                sk_pi: SecretBytes::default(),
                sk_pr: SecretBytes::default(),
            };
            let keys = Ikev2Keys::from(&entry);
            let read = ike_line(&fields(&keys.line().unwrap())).unwrap();
            assert_eq!(read, KeyLogEntry::Ike(Box::new(entry)));
        }
        for len in [16, 24, 32] {
            let keys = Ikev1Keys { cookie_i: [1; 8], key: secret(len) };
            let Some(KeyLogEntry::Ikev1(read)) = ikev1_line(&fields(&keys.line())) else {
                panic!("{len} octets are a key")
            };
            assert_eq!((Ikev1Keys::from(&*read), read.suite.encr.key_len()), (keys, len));
        }
        for line in ["", "0101010101010101", "01,02", "0101010101010101,0203"] {
            assert_eq!(ikev1_line(&fields(line)), None, "{line}");
        }
        for name in ["aes256gcm16", "aes192-sha1", "null-md5", "3des-sha512", "aes128-sha384-esn"] {
            let suite: ChildSuite = name.parse().unwrap();
            let entry = ChildKeyLog {
                spi: 0x00ff_1234,
                source: "0.0.0.0".parse().unwrap(),
                destination: "0.0.0.0".parse().unwrap(),
                suite,
                encryption: secret(suite.encr.keymat_len()),
                integrity: secret(suite.integ.key_len()),
            };
            let keys = EspKeys::from(&entry);
            let line = keys.line().unwrap();
            let read = esp_line(&fields(&line)).unwrap_or_else(|| panic!("{line}"));
            assert_eq!(read, KeyLogEntry::Child(Box::new(entry)), "{name}");
        }
    }
}
