//! Key logs as Wireshark's tables.

use ikeproof_driver::wireshark::{
    EspEncryption, EspIntegrity, EspKeys, IkeEncryption, IkeIntegrity, Ikev2Keys, KeyTables,
};
use ikeproof_proto::crypto::suite::{Encr, Integ};
use ikeproof_proto::event::KeyLogEntry;

/// The tables of these keys.
pub fn tables(keys: &[KeyLogEntry]) -> KeyTables {
    let mut tables = KeyTables::default();
    for entry in keys {
        match entry {
            KeyLogEntry::Ike(ike) => {
                let integrity = ike_integrity(ike.suite.integ);
                let Some(encryption) = ike_encryption(ike.suite.encr) else { continue };
                tables.ikev2.push(Ikev2Keys {
                    spi_i: ike.spi_i.0,
                    spi_r: ike.spi_r.0,
                    sk_ei: ike.sk_ei.expose().clone(),
                    sk_er: ike.sk_er.expose().clone(),
                    encryption,
                    sk_ai: ike.sk_ai.expose().clone(),
                    sk_ar: ike.sk_ar.expose().clone(),
                    integrity,
                });
            }
            KeyLogEntry::Child(child) => {
                let Some(encryption) = esp_encryption(child.suite.encr) else { continue };
                tables.esp.push(EspKeys {
                    source: Some(child.source),
                    destination: child.destination,
                    spi: child.spi,
                    encryption,
                    encryption_key: child.encryption.expose().clone(),
                    integrity: esp_integrity(child.suite.integ),
                    integrity_key: child.integrity.expose().clone(),
                    esn: false,
                });
            }
            KeyLogEntry::Psk { .. } => {}
        }
    }
    tables
}

fn ike_encryption(encr: Encr) -> Option<IkeEncryption> {
    Some(match encr {
        Encr::AesCbc(bits) => IkeEncryption::AesCbc(bits.bits()),
        Encr::AesGcm { bits, icv } => {
            IkeEncryption::AesGcm(bits.bits(), u8::try_from(icv.octets()).unwrap_or(16))
        }
        Encr::TripleDesCbc => IkeEncryption::TripleDes,
        Encr::Null => IkeEncryption::Null,
        Encr::ChaCha20Poly1305 | Encr::NullAuthAesGmac(_) => return None,
    })
}

fn ike_integrity(integ: Integ) -> IkeIntegrity {
    match integ {
        Integ::None => IkeIntegrity::None,
        Integ::HmacMd5_96 => IkeIntegrity::Md5_96,
        Integ::HmacSha1_96 => IkeIntegrity::Sha1_96,
        Integ::HmacSha256_128 => IkeIntegrity::Sha256_128,
        Integ::HmacSha384_192 => IkeIntegrity::Sha384_192,
        Integ::HmacSha512_256 => IkeIntegrity::Sha512_256,
    }
}

fn esp_encryption(encr: Encr) -> Option<EspEncryption> {
    Some(match encr {
        Encr::AesCbc(_) => EspEncryption::AesCbc,
        Encr::AesGcm { icv, .. } => EspEncryption::AesGcm(u8::try_from(icv.octets()).unwrap_or(16)),
        Encr::TripleDesCbc => EspEncryption::TripleDes,
        Encr::Null => EspEncryption::Null,
        Encr::ChaCha20Poly1305 | Encr::NullAuthAesGmac(_) => return None,
    })
}

fn esp_integrity(integ: Integ) -> EspIntegrity {
    match integ {
        Integ::None => EspIntegrity::Null,
        Integ::HmacMd5_96 => EspIntegrity::Md5_96,
        Integ::HmacSha1_96 => EspIntegrity::Sha1_96,
        Integ::HmacSha256_128 => EspIntegrity::Sha256_128,
        Integ::HmacSha384_192 => EspIntegrity::Sha384_192,
        Integ::HmacSha512_256 => EspIntegrity::Sha512_256,
    }
}
