//! Keys of the core's log as lines of Wireshark's tables: which name stands for which algorithm.

use ikeproof_driver::wireshark::{
    EspEncryption, EspIntegrity, EspKeys, IkeEncryption, IkeIntegrity, Ikev2Keys,
};
use ikeproof_proto::crypto::{Encr, Esn, IcvBytes, Integ};
use ikeproof_proto::event::{ChildKeyLog, IkeKeyLog};

/// A line of `ikev2_decryption_table`.
pub fn ike_keys(keys: &IkeKeyLog) -> Ikev2Keys {
    Ikev2Keys {
        spi_i: keys.spi_i.0,
        spi_r: keys.spi_r.0,
        sk_ei: keys.sk_ei.expose().clone(),
        sk_er: keys.sk_er.expose().clone(),
        encryption: ike_encryption(keys.suite.encr),
        sk_ai: keys.sk_ai.expose().clone(),
        sk_ar: keys.sk_ar.expose().clone(),
        integrity: ike_integrity(keys.suite.integ),
    }
}

/// A line of `esp_sa`.
pub fn esp_keys(keys: &ChildKeyLog) -> EspKeys {
    EspKeys {
        // A NAT changes the source, so any will do.
        source: None,
        destination: keys.destination,
        spi: keys.spi,
        encryption: esp_encryption(keys.suite.encr),
        encryption_key: keys.encryption.expose().clone(),
        integrity: esp_integrity(keys.suite.integ),
        integrity_key: keys.integrity.expose().clone(),
        esn: keys.suite.esn == Esn::Yes,
    }
}

/// The cipher of an IKE SA.
pub const fn ike_encryption(encr: Encr) -> IkeEncryption {
    match encr {
        Encr::Null => IkeEncryption::Null,
        Encr::TripleDesCbc => IkeEncryption::TripleDes,
        Encr::AesCbc(bits) => IkeEncryption::AesCbc(bits.bits()),
        Encr::AesGcm { bits, icv } => IkeEncryption::AesGcm(bits.bits(), icv_octets(icv)),
        Encr::ChaCha20Poly1305 => IkeEncryption::Other("ChaCha20-Poly1305"),
        Encr::NullAuthAesGmac(_) => IkeEncryption::Other("AES-GMAC"),
    }
}

/// The integrity transform of an IKE SA.
pub const fn ike_integrity(integ: Integ) -> IkeIntegrity {
    match integ {
        Integ::None => IkeIntegrity::None,
        Integ::HmacMd5_96 => IkeIntegrity::Md5_96,
        Integ::HmacSha1_96 => IkeIntegrity::Sha1_96,
        Integ::HmacSha256_128 => IkeIntegrity::Sha256_128,
        Integ::HmacSha384_192 => IkeIntegrity::Sha384_192,
        Integ::HmacSha512_256 => IkeIntegrity::Sha512_256,
    }
}

/// The cipher of ESP.
pub const fn esp_encryption(encr: Encr) -> EspEncryption {
    match encr {
        Encr::Null => EspEncryption::Null,
        Encr::TripleDesCbc => EspEncryption::TripleDes,
        Encr::AesCbc(_) => EspEncryption::AesCbc,
        Encr::AesGcm { icv, .. } => EspEncryption::AesGcm(icv_octets(icv)),
        Encr::ChaCha20Poly1305 => EspEncryption::Other("ChaCha20-Poly1305"),
        Encr::NullAuthAesGmac(_) => EspEncryption::Other("AES-GMAC"),
    }
}

/// The integrity transform of ESP.
pub const fn esp_integrity(integ: Integ) -> EspIntegrity {
    match integ {
        Integ::None => EspIntegrity::Null,
        Integ::HmacMd5_96 => EspIntegrity::Md5_96,
        Integ::HmacSha1_96 => EspIntegrity::Sha1_96,
        Integ::HmacSha256_128 => EspIntegrity::Sha256_128,
        Integ::HmacSha384_192 => EspIntegrity::Sha384_192,
        Integ::HmacSha512_256 => EspIntegrity::Sha512_256,
    }
}

const fn icv_octets(icv: IcvBytes) -> u8 {
    match icv {
        IcvBytes::I8 => 8,
        IcvBytes::I12 => 12,
        IcvBytes::I16 => 16,
    }
}
